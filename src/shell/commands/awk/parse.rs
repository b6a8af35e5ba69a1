//! The grammar of awk (POSIX, "awk", section Grammar): items and statements; [`expression`]s apart.

mod expression;

use super::lex::{Token, words};
use super::tree::{Expr, Function, Pattern, Place, Program, Stmt, Target};
use crate::shell::commands::regex::Dialect;
use std::collections::BTreeMap;

/// How deep expressions and statements may be nested.
const DEPTH: usize = 50;
/// How many operators one statement may have in a row.
const LENGTH: usize = 300;

/// Variables with a meaning, in these places.
pub const SPECIAL: [&str; 14] = [
    "NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "FILENAME", "SUBSEP", "RSTART", "RLENGTH", "CONVFMT",
    "OFMT", "ENVIRON",
];

type Parsed<T> = Result<T, String>;

struct Parser {
    words: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    /// Operators of the present statement.
    length: usize,
    program: Program,
    names: BTreeMap<String, usize>,
    functions: BTreeMap<String, usize>,
    locals: Vec<String>,
    /// `>` writes to a file here.
    no_greater: bool,
    no_in: bool,
}

/// Reads a program.
///
/// # Errors
/// A message with the line.
pub fn parse(text: &[u8]) -> Parsed<Program> {
    let mut p = Parser {
        words: words(text)?,
        at: 0,
        depth: 0,
        length: 0,
        program: Program::default(),
        names: BTreeMap::new(),
        functions: BTreeMap::new(),
        locals: Vec::new(),
        no_greater: false,
        no_in: false,
    };
    for name in SPECIAL {
        p.global(name);
    }
    p.items()?;
    if let Some(f) = p.program.functions.iter().find(|f| f.body.is_none()) {
        return Err(format!("line {}: function {} never defined", p.last_line(), f.name));
    }
    Ok(p.program)
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.words[self.at.min(self.words.len() - 1)].0
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(o) if *o == op)
    }

    fn keyword(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Keyword(k) if *k == word)
    }

    fn eat(&mut self, op: &str) -> bool {
        let there = self.is(op);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, op: &str) -> Parsed<()> {
        if self.eat(op) { Ok(()) } else { Err(self.wrong()) }
    }

    fn last_line(&self) -> usize {
        self.words.last().map_or(1, |w| w.1)
    }

    fn wrong(&self) -> String {
        let (token, line) = &self.words[self.at.min(self.words.len() - 1)];
        let shown = match token {
            Token::Number(n) => n.to_string(),
            Token::Text(t) => format!("\"{}\"", String::from_utf8_lossy(t)),
            Token::Regex(t) => format!("/{}/", String::from_utf8_lossy(t)),
            Token::Name(n) | Token::Call(n) => n.clone(),
            Token::Keyword(k) | Token::Builtin(k) | Token::Op(k) => (*k).to_owned(),
            Token::Newline | Token::End => "end of line".into(),
        };
        format!("line {line}: syntax error at or near {shown}")
    }

    fn newlines(&mut self) {
        while matches!(self.peek(), Token::Newline) {
            self.at += 1;
        }
    }

    fn separators(&mut self) {
        while matches!(self.peek(), Token::Newline) || self.is(";") {
            self.at += 1;
        }
    }

    fn global(&mut self, name: &str) -> usize {
        if let Some(n) = self.names.get(name) {
            return *n;
        }
        let n = self.program.globals.len();
        self.program.globals.push(name.to_owned());
        self.names.insert(name.to_owned(), n);
        n
    }

    fn place(&mut self, name: &str) -> Place {
        match self.locals.iter().rposition(|l| l == name) {
            Some(n) => Place::Local(n),
            None => Place::Global(self.global(name)),
        }
    }

    fn function(&mut self, name: &str) -> usize {
        if let Some(n) = self.functions.get(name) {
            return *n;
        }
        let n = self.program.functions.len();
        self.program.functions.push(Function { name: name.to_owned(), parameters: 0, body: None });
        self.functions.insert(name.to_owned(), n);
        n
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Parser) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("the program is nested too deeply".into());
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// One more operator on the same level: the tree grows deeper by it.
    fn longer(&mut self) -> Parsed<()> {
        self.length += 1;
        if self.length > LENGTH { Err("the expression is too long".into()) } else { Ok(()) }
    }

    fn items(&mut self) -> Parsed<()> {
        loop {
            self.separators();
            match self.peek().clone() {
                Token::End => return Ok(()),
                Token::Keyword("BEGIN") => {
                    self.at += 1;
                    let body = self.block()?;
                    self.program.begin.push(body);
                }
                Token::Keyword("END") => {
                    self.at += 1;
                    let body = self.block()?;
                    self.program.end.push(body);
                }
                Token::Keyword("function") => self.definition()?,
                _ => self.rule()?,
            }
        }
    }

    fn rule(&mut self) -> Parsed<()> {
        self.length = 0;
        let pattern = if self.is("{") {
            Pattern::Always
        } else {
            let first = self.expr()?;
            if self.eat(",") {
                self.newlines();
                let last = self.expr()?;
                self.program.ranges += 1;
                Pattern::Range(first, last, self.program.ranges - 1)
            } else {
                Pattern::Is(first)
            }
        };
        let action = if self.is("{") { Some(self.block()?) } else { None };
        if action.is_none() && !matches!(self.peek(), Token::Newline | Token::End) && !self.is(";") {
            return Err(self.wrong());
        }
        self.program.rules.push((pattern, action));
        Ok(())
    }

    fn definition(&mut self) -> Parsed<()> {
        self.at += 1;
        let (Token::Call(name) | Token::Name(name)) = self.next() else {
            self.at -= 1;
            return Err(self.wrong());
        };
        self.expect("(")?;
        let mut locals = Vec::new();
        while !self.eat(")") {
            match self.next() {
                Token::Name(local) => locals.push(local),
                _ => {
                    self.at -= 1;
                    return Err(self.wrong());
                }
            }
            if self.eat(",") {
                self.newlines();
            }
        }
        let n = self.function(&name);
        if self.program.functions[n].body.is_some() {
            return Err(format!("function {name} redefined"));
        }
        self.program.functions[n].parameters = locals.len();
        self.locals = locals;
        self.newlines();
        let body = self.block()?;
        self.locals.clear();
        self.program.functions[n].body = Some(body);
        Ok(())
    }

    fn block(&mut self) -> Parsed<Stmt> {
        self.expect("{")?;
        let mut all = Vec::new();
        loop {
            self.separators();
            if self.eat("}") {
                return Ok(Stmt::Block(all));
            }
            if matches!(self.peek(), Token::End) {
                return Err(format!("line {}: missing }} near end of file", self.last_line()));
            }
            all.push(self.deeper(Parser::statement)?);
        }
    }

    /// The end of a simple statement.
    fn ends(&mut self) -> Parsed<()> {
        if self.is("}") {
            return Ok(());
        }
        if self.eat(";") || matches!(self.peek(), Token::Newline) {
            self.newlines();
            return Ok(());
        }
        if matches!(self.peek(), Token::End) { Ok(()) } else { Err(self.wrong()) }
    }

    /// The statement behind `if (…)` and the like; a lone `;` is none.
    fn body(&mut self) -> Parsed<Box<Stmt>> {
        self.newlines();
        if self.eat(";") {
            return Ok(Box::new(Stmt::Block(Vec::new())));
        }
        self.deeper(Parser::statement).map(Box::new)
    }

    fn statement(&mut self) -> Parsed<Stmt> {
        self.length = 0;
        if self.is("{") {
            let block = self.block()?;
            return Ok(block);
        }
        let Token::Keyword(word) = *self.peek() else { return self.simple_ended() };
        match word {
            "if" => {
                self.at += 1;
                let condition = self.condition()?;
                let then = self.body()?;
                let before = self.at;
                self.separators();
                if self.keyword("else") {
                    self.at += 1;
                    return Ok(Stmt::If(condition, then, Some(self.body()?)));
                }
                self.at = before;
                Ok(Stmt::If(condition, then, None))
            }
            "while" => {
                self.at += 1;
                let condition = self.condition()?;
                Ok(Stmt::While(condition, self.body()?))
            }
            "do" => {
                self.at += 1;
                let body = self.body()?;
                self.separators();
                if !self.keyword("while") {
                    return Err(self.wrong());
                }
                self.at += 1;
                let condition = self.condition()?;
                self.ends()?;
                Ok(Stmt::Do(body, condition))
            }
            "for" => self.for_loop(),
            _ => self.simple_ended(),
        }
    }

    fn condition(&mut self) -> Parsed<Expr> {
        self.expect("(")?;
        let condition = self.expr()?;
        self.expect(")")?;
        Ok(condition)
    }

    fn for_loop(&mut self) -> Parsed<Stmt> {
        self.at += 1;
        self.expect("(")?;
        let ahead = |n: usize| self.words.get(self.at + n).map(|w| &w.0);
        if let (
            Some(Token::Name(key)),
            Some(Token::Keyword("in")),
            Some(Token::Name(array)),
            Some(Token::Op(")")),
        ) = (ahead(0), ahead(1), ahead(2), ahead(3))
        {
            let (key, array) = (key.clone(), array.clone());
            self.at += 4;
            let (key, array) = (self.place(&key), self.place(&array));
            return Ok(Stmt::ForIn(key, array, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.newlines();
        let condition = if self.is(";") { None } else { Some(self.expr()?) };
        self.expect(";")?;
        self.newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Stmt::For(first, condition, step, self.body()?))
    }

    fn simple_ended(&mut self) -> Parsed<Stmt> {
        let statement = self.simple()?;
        self.ends()?;
        Ok(statement)
    }

    fn simple(&mut self) -> Parsed<Stmt> {
        let Token::Keyword(word) = *self.peek() else { return self.expr().map(Stmt::Expr) };
        let nothing = |p: &Parser| matches!(p.peek(), Token::Newline | Token::End) || p.is(";") || p.is("}");
        match word {
            "print" | "printf" => {
                self.at += 1;
                self.print(word == "printf")
            }
            "delete" => {
                self.at += 1;
                let Token::Name(name) = self.next() else {
                    self.at -= 1;
                    return Err(self.wrong());
                };
                let place = self.place(&name);
                let index = if self.eat("[") {
                    let list = self.list("]")?;
                    Some(list)
                } else {
                    None
                };
                Ok(Stmt::Delete(place, index))
            }
            "break" | "continue" | "next" | "nextfile" => {
                self.at += 1;
                Ok(match word {
                    "break" => Stmt::Break,
                    "continue" => Stmt::Continue,
                    "next" => Stmt::Next,
                    _ => Stmt::NextFile,
                })
            }
            "exit" | "return" => {
                self.at += 1;
                let value = if nothing(self) { None } else { Some(self.expr()?) };
                Ok(if word == "exit" { Stmt::Exit(value) } else { Stmt::Return(value) })
            }
            "getline" => self.expr().map(Stmt::Expr),
            _ => Err(self.wrong()),
        }
    }

    fn print(&mut self, formatted: bool) -> Parsed<Stmt> {
        let old = std::mem::replace(&mut self.no_greater, true);
        let mut args = Vec::new();
        let ended = |p: &Parser| {
            matches!(p.peek(), Token::Newline | Token::End)
                || [";", "}", ">", ">>", "|"].iter().any(|op| p.is(op))
        };
        // `print (a, b) > "file"` has its list in parentheses.
        let start = self.at;
        let mut listed = false;
        if self.eat("(") {
            self.no_greater = false;
            if let Ok(list) = self.list(")")
                && ended(self)
            {
                args = list;
                listed = true;
            }
            self.no_greater = true;
            if !listed {
                self.at = start;
            }
        }
        if !listed {
            while !ended(self) {
                args.push(self.expr()?);
                if !self.eat(",") {
                    break;
                }
                self.newlines();
            }
        }
        let target = if self.eat(">") {
            Target::File(self.destination()?, false)
        } else if self.eat(">>") {
            Target::File(self.destination()?, true)
        } else if self.eat("|") {
            Target::Command(self.destination()?)
        } else {
            Target::Standard
        };
        self.no_greater = old;
        if formatted && args.is_empty() {
            return Err(self.wrong());
        }
        Ok(if formatted { Stmt::Printf(args, target) } else { Stmt::Print(args, target) })
    }

    fn destination(&mut self) -> Parsed<Expr> {
        self.deeper(Parser::ternary)
    }

    fn list(&mut self, end: &str) -> Parsed<Vec<Expr>> {
        let mut all = Vec::new();
        self.newlines();
        while !self.eat(end) {
            all.push(self.expr()?);
            self.newlines();
            if self.eat(",") {
                self.newlines();
            } else if !self.is(end) {
                return Err(self.wrong());
            }
        }
        Ok(all)
    }
}

/// How awk reads regular expressions.
pub const DIALECT: Dialect =
    Dialect { extended: true, escapes: true, bracket_escapes: true, ignore_case: false, multiline: false };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wrong() {
        for (text, message) in [
            ("{ print", "line 2: missing } near end of file"),
            ("{ print )", "line 1: syntax error at or near )"),
            ("BEGIN { x = }", "line 1: syntax error at or near }"),
            ("{ f(1) }", "line 2: function f never defined"),
            ("{ print \"a }", "line 1: runaway string constant \"a } ..."),
        ] {
            assert_eq!(parse(text.as_bytes()).err().unwrap_or_default(), message, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_program_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&text);
        }

        #[test]
        fn words_of_the_language(words in proptest::collection::vec(
            prop_oneof![
                Just("{"), Just("}"), Just("("), Just(")"), Just("["), Just("]"), Just("$"), Just("++"), Just("-"),
                Just("!"), Just("/a/"), Just("\"s\""), Just("1"), Just("x"), Just("f("), Just("print"), Just("if"),
                Just("for"), Just("while"), Just("in"), Just(";"), Just("\n"), Just(","), Just("getline"), Just("<"),
                Just(">"), Just("="), Just("?"), Just(":"), Just("length"), Just("function"), Just("BEGIN"), Just("|")
            ], 0..25)) {
            let _ = parse(words.join(" ").as_bytes());
        }
    }
}
