//! Expressions, from the loosest operator to the tightest.

use super::{DIALECT, Parsed, Parser};
use crate::shell::commands::awk::lex::Token;
use crate::shell::commands::awk::tree::Expr;
use crate::shell::commands::regex::Regex;
use std::rc::Rc;

impl Parser {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(|p| {
            let left = p.ternary()?;
            let op = match p.peek() {
                Token::Op(op @ ("=" | "+=" | "-=" | "*=" | "/=" | "%=" | "^=" | "**=")) => *op,
                _ => return Ok(left),
            };
            if !matches!(left, Expr::Var(_) | Expr::Field(_) | Expr::Index(..)) {
                return Err(p.wrong());
            }
            p.at += 1;
            p.newlines();
            let code = match op.as_bytes() {
                b"=" => 0,
                b"**=" => b'^',
                other => other[0],
            };
            Ok(Expr::Assign(code, Box::new(left), Box::new(p.expr()?)))
        })
    }

    pub(super) fn ternary(&mut self) -> Parsed<Expr> {
        let condition = self.or()?;
        if !self.eat("?") {
            return Ok(condition);
        }
        self.newlines();
        let then = self.expr()?;
        self.newlines();
        self.expect(":")?;
        self.newlines();
        let other = self.expr()?;
        Ok(Expr::Cond(Box::new(condition), Box::new(then), Box::new(other)))
    }

    pub(super) fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.eat("||") {
            self.longer()?;
            self.newlines();
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    pub(super) fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.membership()?;
        while self.eat("&&") {
            self.longer()?;
            self.newlines();
            left = Expr::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    pub(super) fn membership(&mut self) -> Parsed<Expr> {
        let mut left = self.matching()?;
        while !self.no_in && self.keyword("in") {
            self.longer()?;
            self.at += 1;
            let Token::Name(name) = self.next() else {
                self.at -= 1;
                return Err(self.wrong());
            };
            left = Expr::In(vec![left], self.place(&name));
        }
        Ok(left)
    }

    pub(super) fn matching(&mut self) -> Parsed<Expr> {
        let mut left = self.comparison()?;
        while self.is("~") || self.is("!~") {
            self.longer()?;
            let negate = self.is("!~");
            self.at += 1;
            left = Expr::Match { negate, text: Box::new(left), pattern: Box::new(self.comparison()?) };
        }
        Ok(left)
    }

    pub(super) fn comparison(&mut self) -> Parsed<Expr> {
        let left = self.concat()?;
        let op = match self.peek() {
            Token::Op(op @ ("<" | "<=" | "==" | "!=" | ">=")) => *op,
            Token::Op(">") if !self.no_greater => ">",
            _ => return Ok(left),
        };
        self.at += 1;
        Ok(Expr::Compare(op, Box::new(left), Box::new(self.concat()?)))
    }

    pub(super) fn concat(&mut self) -> Parsed<Expr> {
        let mut left = self.sum()?;
        loop {
            let starts = match self.peek() {
                Token::Number(_)
                | Token::Text(_)
                | Token::Regex(_)
                | Token::Name(_)
                | Token::Call(_)
                | Token::Builtin(_) => true,
                Token::Op(op) => matches!(*op, "$" | "!" | "(" | "-" | "+" | "++" | "--"),
                _ => false,
            };
            if !starts {
                return Ok(left);
            }
            self.longer()?;
            left = Expr::Concat(Box::new(left), Box::new(self.sum()?));
        }
    }

    pub(super) fn sum(&mut self) -> Parsed<Expr> {
        let mut left = self.product()?;
        while self.is("+") || self.is("-") {
            self.longer()?;
            let op = if self.is("+") { b'+' } else { b'-' };
            self.at += 1;
            left = Expr::Sum(op, Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    pub(super) fn product(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        while let Token::Op(op @ ("*" | "/" | "%")) = *self.peek() {
            self.longer()?;
            self.at += 1;
            left = Expr::Sum(op.as_bytes()[0], Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    pub(super) fn unary(&mut self) -> Parsed<Expr> {
        let wrap: fn(Box<Expr>) -> Expr = match self.peek() {
            Token::Op("!") => Expr::Not,
            Token::Op("-") => Expr::Minus,
            Token::Op("+") => Expr::Plus,
            _ => return self.power(),
        };
        self.at += 1;
        self.deeper(Parser::unary).map(|inner| wrap(Box::new(inner)))
    }

    pub(super) fn power(&mut self) -> Parsed<Expr> {
        let base = self.postfix()?;
        if self.eat("^") || self.eat("**") {
            // To the right first, and a sign may stand there.
            let exponent = self.deeper(Parser::unary)?;
            return Ok(Expr::Sum(b'^', Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let value = self.primary()?;
        if matches!(value, Expr::Var(_) | Expr::Field(_) | Expr::Index(..)) {
            if self.eat("++") {
                return Ok(Expr::Step(true, 1.0, Box::new(value)));
            }
            if self.eat("--") {
                return Ok(Expr::Step(true, -1.0, Box::new(value)));
            }
        }
        Ok(value)
    }

    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        let token = self.next();
        match token {
            Token::Number(n) => Ok(Expr::Number(n)),
            Token::Text(text) => Ok(Expr::Text(text.into())),
            Token::Regex(pattern) => {
                let regex = Regex::new(&pattern, DIALECT)
                    .map_err(|e| format!("regular expression compile failed ({e})"))?;
                Ok(Expr::Regex(Rc::new(regex)))
            }
            Token::Op("$") => {
                let inner = if self.is("++") || self.is("--") || self.is("-") {
                    self.deeper(Parser::unary_step)?
                } else {
                    self.deeper(Parser::primary)?
                };
                Ok(Expr::Field(Box::new(inner)))
            }
            Token::Op("++" | "--") => {
                self.at -= 1;
                self.unary_step()
            }
            Token::Op("(") => {
                let (greater, within) =
                    (std::mem::take(&mut self.no_greater), std::mem::take(&mut self.no_in));
                let mut list = self.list(")")?;
                (self.no_greater, self.no_in) = (greater, within);
                if list.len() > 1 {
                    if !self.keyword("in") {
                        return Err(self.wrong());
                    }
                    self.at += 1;
                    let Token::Name(name) = self.next() else { return Err(self.wrong()) };
                    return Ok(Expr::In(list, self.place(&name)));
                }
                match list.pop() {
                    Some(inner) => Ok(Expr::Group(Box::new(inner))),
                    None => Err(self.wrong()),
                }
            }
            Token::Name(name) => {
                let place = self.place(&name);
                if self.eat("[") { Ok(Expr::Index(place, self.list("]")?)) } else { Ok(Expr::Var(place)) }
            }
            Token::Call(name) => {
                self.expect("(")?;
                let n = self.function(&name);
                Ok(Expr::Call(n, self.list(")")?))
            }
            Token::Builtin(name) => {
                let args = if self.eat("(") {
                    self.list(")")?
                } else if name == "length" {
                    Vec::new()
                } else {
                    return Err(self.wrong());
                };
                Ok(Expr::Builtin(name, args))
            }
            Token::Keyword("getline") => {
                let target = match self.peek() {
                    Token::Name(_) | Token::Op("$") => Some(Box::new(self.deeper(Parser::primary)?)),
                    _ => None,
                };
                let file = if self.eat("<") { Some(Box::new(self.deeper(Parser::primary)?)) } else { None };
                self.program.takes_records |= file.is_none();
                Ok(Expr::Getline(target, file))
            }
            _ => {
                self.at -= 1;
                Err(self.wrong())
            }
        }
    }

    pub(super) fn unary_step(&mut self) -> Parsed<Expr> {
        let by = match self.next() {
            Token::Op("++") => 1.0,
            Token::Op("--") => -1.0,
            _ => {
                return self.deeper(Parser::primary).map(|inner| Expr::Minus(Box::new(inner)));
            }
        };
        let inner = self.deeper(Parser::primary)?;
        if !matches!(inner, Expr::Var(_) | Expr::Field(_) | Expr::Index(..)) {
            return Err(self.wrong());
        }
        Ok(Expr::Step(false, by, Box::new(inner)))
    }
}
