//! Arithmetic: `$((…))`, `((…))`, `let`, indices (bash(1), "ARITHMETIC EVALUATION"). 64-bit
//! integers that wrap around; a variable that holds an expression is one.

use super::dialect::Dialect;
use super::state::Shell;
use super::variable::Value;
use super::word;

/// How far expressions may nest, and variables refer to one another.
const DEEPEST: usize = 100;

/// What an expression comes to, once its words are expanded.
///
/// # Errors
/// What is wrong with it, in the shell's words, or why a word in it cannot be expanded.
pub async fn evaluate(shell: &mut Shell, text: &str) -> Result<i64, word::Failure> {
    let expanded = word::arithmetic(shell, text).await?;
    Ok(number(shell, &expanded)?)
}

/// What an expression comes to that has nothing in it to be expanded.
///
/// # Errors
/// What is wrong with it, in the shell's words.
pub fn number(shell: &mut Shell, text: &str) -> Result<i64, String> {
    whole(shell, text, 0)
}

fn whole(shell: &mut Shell, text: &str, depth: usize) -> Result<i64, String> {
    let text = text.trim_start();
    let mut e = Expression { shell, text, at: 0, token: Token::End, start: 0, depth, skip: false };
    e.advance()?;
    if e.token == Token::End {
        return Ok(0);
    }
    let n = e.comma()?;
    if e.token != Token::End {
        return Err(e.error("syntax error in expression"));
    }
    Ok(n)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    End,
    Number(i64),
    /// A variable, with the index that stands behind it in brackets.
    Name(String, Option<String>),
    Op(&'static str),
}

const OPERATORS: [&str; 39] = [
    "<<=", ">>=", "**", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "*=", "/=", "%=", "+=",
    "-=", "&=", "^=", "|=", "+", "-", "*", "/", "%", "<", ">", "=", "!", "~", "&", "^", "|", "?", ":", ",",
    "(", ")",
];

/// Operators with two sides, by how tightly they hold, the loosest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<", "<=", ">", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Expression<'a> {
    shell: &'a mut Shell,
    text: &'a str,
    at: usize,
    token: Token,
    /// Where the last token begins, for messages.
    start: usize,
    depth: usize,
    /// Is this a side of `&&`, `||` or `?:` that does not count?
    skip: bool,
}

impl Expression<'_> {
    fn error(&self, what: &str) -> String {
        self.error_at(what, self.start)
    }

    fn error_at(&self, what: &str, at: usize) -> String {
        match self.shell.dialect {
            Dialect::Bash => {
                format!("{}: {what} (error token is \"{}\")", self.text.trim_end(), self.text[at..].trim())
            }
            Dialect::Dash => {
                let what = match what {
                    "division by 0" => "division by zero",
                    "syntax error: operand expected" => "expecting primary",
                    _ => "expecting EOF",
                };
                format!("arithmetic expression: {what}: \"{}\"", self.text)
            }
        }
    }

    fn is(&self, op: &str) -> bool {
        matches!(&self.token, Token::Op(o) if *o == op)
    }

    fn advance(&mut self) -> Result<(), String> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let Some(first) = trimmed.bytes().next() else {
            self.token = Token::End;
            return Ok(());
        };
        self.start = self.at;
        if first.is_ascii_digit() {
            let end = trimmed
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '#' | '@' | '_')))
                .unwrap_or(trimmed.len());
            self.token = Token::Number(constant(&trimmed[..end]).map_err(|what| self.error(what))?);
            self.at += end;
            return Ok(());
        }
        if first.is_ascii_alphabetic() || first == b'_' {
            let end =
                trimmed.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(trimmed.len());
            let name = trimmed[..end].to_owned();
            self.at += end;
            let mut index = None;
            if let Some(inner) = trimmed[end..].strip_prefix('[') {
                let close = closing(inner).ok_or_else(|| self.error("bad array subscript"))?;
                index = Some(inner[..close].to_owned());
                self.at += close + 2;
            }
            self.token = Token::Name(name, index);
            return Ok(());
        }
        match OPERATORS.iter().find(|o| trimmed.starts_with(**o)) {
            Some(op) => {
                self.at += op.len();
                self.token = Token::Op(op);
                Ok(())
            }
            None if matches!(self.token, Token::Number(_) | Token::Name(..)) || self.is(")") => {
                Err(self.error("syntax error: invalid arithmetic operator"))
            }
            None => Err(self.error("syntax error: operand expected")),
        }
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut n = self.assignment()?;
        while self.is(",") {
            self.advance()?;
            n = self.assignment()?;
        }
        Ok(n)
    }

    /// An assignment, or what stands in its place.
    fn assignment(&mut self) -> Result<i64, String> {
        if self.depth > DEEPEST {
            return Err(self.error("expression recursion level exceeded"));
        }
        self.depth += 1;
        let result = self.assign();
        self.depth -= 1;
        result
    }

    fn assign(&mut self) -> Result<i64, String> {
        let target = match &self.token {
            Token::Name(name, index) => Some((name.clone(), index.clone())),
            _ => None,
        };
        let before = (self.at, self.start);
        if let Some((name, index)) = target {
            self.advance()?;
            if let Token::Op(op) = self.token
                && let Some(op) = op.strip_suffix('=')
                && !matches!(op, "=" | "!" | "<" | ">")
            {
                self.advance()?;
                let right_at = self.start;
                let right = self.assignment()?;
                let n = match op {
                    "" => right,
                    op => {
                        let left = self.read(&name, index.as_deref())?;
                        self.binary(op, left, right, right_at)?
                    }
                };
                return self.write(&name, index.as_deref(), n);
            }
            (self.at, self.start) = before;
            self.token = Token::Name(name, index);
        }
        let n = self.conditional()?;
        if self.is("=") {
            return Err(self.error("attempted assignment to non-variable"));
        }
        Ok(n)
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let test = self.level(0)?;
        if !self.is("?") {
            return Ok(test);
        }
        self.advance()?;
        if self.is(":") || self.token == Token::End {
            return Err(self.error("expression expected"));
        }
        let skip = self.skip;
        self.skip = skip || test == 0;
        let yes = self.comma()?;
        if !self.is(":") {
            return Err(self.error("`:' expected for conditional expression"));
        }
        self.advance()?;
        if self.token == Token::End {
            return Err(self.error("expression expected"));
        }
        self.skip = skip || test != 0;
        let no = self.assignment()?;
        self.skip = skip;
        Ok(if test != 0 { yes } else { no })
    }

    fn level(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else { return self.power() };
        let mut left = self.level(level + 1)?;
        loop {
            let op = match self.token {
                Token::Op(op) if operators.contains(&op) => op,
                _ => return Ok(left),
            };
            self.advance()?;
            let (skip, right_at) = (self.skip, self.start);
            match op {
                "&&" => self.skip |= left == 0,
                "||" => self.skip |= left != 0,
                _ => {}
            }
            let right = self.level(level + 1)?;
            self.skip = skip;
            left = self.binary(op, left, right, right_at)?;
        }
    }

    fn power(&mut self) -> Result<i64, String> {
        let base = self.unary()?;
        if !self.is("**") {
            return Ok(base);
        }
        self.advance()?;
        // It holds from the right.
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("expression recursion level exceeded"));
        }
        let exponent = self.power()?;
        self.depth -= 1;
        if exponent < 0 {
            return Err(self.error("exponent less than 0"));
        }
        let (mut n, mut base, mut left) = (1i64, base, exponent);
        while left > 0 {
            if left & 1 == 1 {
                n = n.wrapping_mul(base);
            }
            base = base.wrapping_mul(base);
            left >>= 1;
        }
        Ok(n)
    }

    fn unary(&mut self) -> Result<i64, String> {
        let Token::Op(op) = self.token else { return self.postfix() };
        if !matches!(op, "!" | "~" | "+" | "-" | "++" | "--") {
            return self.postfix();
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("expression recursion level exceeded"));
        }
        self.advance()?;
        let n = match (op, self.token.clone()) {
            ("++" | "--", Token::Name(name, index)) => {
                let before = self.read(&name, index.as_deref())?;
                self.advance()?;
                self.write(&name, index.as_deref(), before.wrapping_add(if op == "++" { 1 } else { -1 }))?
            }
            ("!", _) => i64::from(self.unary()? == 0),
            ("~", _) => !self.unary()?,
            ("-", _) => self.unary()?.wrapping_neg(),
            // `++1` is two signs, as `--1` is.
            _ => self.unary()?,
        };
        self.depth -= 1;
        Ok(n)
    }

    fn postfix(&mut self) -> Result<i64, String> {
        match self.token.clone() {
            Token::Number(n) => {
                self.advance()?;
                if self.is("++") || self.is("--") {
                    // Two signs with nothing behind them.
                    self.start += 1;
                    self.advance()?;
                    if self.token == Token::End {
                        return Err(self.error("syntax error: operand expected"));
                    }
                    return Err(self.error("syntax error in expression"));
                }
                Ok(n)
            }
            Token::Name(name, index) => {
                self.advance()?;
                let n = self.read(&name, index.as_deref())?;
                let step = if self.is("++") {
                    1
                } else if self.is("--") {
                    -1
                } else {
                    return Ok(n);
                };
                self.advance()?;
                self.write(&name, index.as_deref(), n.wrapping_add(step))?;
                Ok(n)
            }
            Token::Op("(") => {
                self.advance()?;
                let n = self.comma()?;
                if !self.is(")") {
                    return Err(self.error("missing `)'"));
                }
                self.advance()?;
                Ok(n)
            }
            _ => Err(self.error("syntax error: operand expected")),
        }
    }

    fn binary(&self, op: &str, a: i64, b: i64, right: usize) -> Result<i64, String> {
        Ok(match op {
            "/" | "%" if b == 0 && self.skip => 0,
            "/" | "%" if b == 0 => return Err(self.error_at("division by 0", right)),
            "*" => a.wrapping_mul(b),
            "/" => a.wrapping_div(b),
            "%" => a.wrapping_rem(b),
            "+" => a.wrapping_add(b),
            "-" => a.wrapping_sub(b),
            "<<" => a.wrapping_shl(b as u32),
            ">>" => a.wrapping_shr(b as u32),
            "<" => i64::from(a < b),
            "<=" => i64::from(a <= b),
            ">" => i64::from(a > b),
            ">=" => i64::from(a >= b),
            "==" => i64::from(a == b),
            "!=" => i64::from(a != b),
            "&" => a & b,
            "^" => a ^ b,
            "|" => a | b,
            "&&" => i64::from(a != 0 && b != 0),
            "||" => i64::from(a != 0 || b != 0),
            _ => return Err(self.error("syntax error in expression")),
        })
    }

    fn read(&mut self, name: &str, index: Option<&str>) -> Result<i64, String> {
        if self.skip {
            return Ok(0);
        }
        let text = match index {
            None => self.shell.get(name),
            Some(index) => element(self.shell, name, index)?,
        };
        let Some(text) = text else {
            if self.shell.options.nounset && index.is_none() {
                return Err(format!("{name}: unbound variable"));
            }
            return Ok(0);
        };
        if let Ok(n) = text.parse::<i64>()
            && !(text.len() > 1 && text.trim_start_matches(['-', '+']).starts_with('0'))
        {
            return Ok(n);
        }
        if self.depth >= DEEPEST {
            return Err(format!("{text}: expression recursion level exceeded (error token is \"{text}\")"));
        }
        whole(self.shell, &text, self.depth + 1)
    }

    fn write(&mut self, name: &str, index: Option<&str>, n: i64) -> Result<i64, String> {
        if self.skip {
            return Ok(n);
        }
        match index {
            None => self.shell.set(name, n.to_string())?,
            Some(index) => set_element(self.shell, name, index, n.to_string())?,
        }
        Ok(n)
    }
}

/// Where the bracket closes that was opened in front of the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// `10`, `0x1f`, `017`, `2#101`.
fn constant(text: &str) -> Result<i64, &'static str> {
    let (base, digits) = match text.split_once('#') {
        Some((base, digits)) => {
            let base = base.parse().ok().filter(|b| (2..=64).contains(b));
            (base.ok_or("invalid arithmetic base")?, digits)
        }
        None => match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
            Some(hex) => (16, hex),
            None if text.len() > 1 && text.starts_with('0') => (8, &text[1..]),
            None => (10, text),
        },
    };
    let mut n = 0i64;
    for b in digits.bytes() {
        let digit = i64::from(match b {
            b'0'..=b'9' => b - b'0',
            b'a'..=b'z' => b - b'a' + 10,
            b'A'..=b'Z' if base <= 36 => b - b'A' + 10,
            b'A'..=b'Z' => b - b'A' + 36,
            b'@' => 62,
            b'_' => 63,
            _ => return Err("value too great for base"),
        });
        if digit >= base {
            return Err("value too great for base");
        }
        n = n.wrapping_mul(base).wrapping_add(digit);
    }
    Ok(n)
}

/// The element of an array variable under an index, which is an expression or a key.
///
/// # Errors
/// What is wrong with the index.
pub fn element(shell: &mut Shell, name: &str, index: &str) -> Result<Option<String>, String> {
    let name = shell.meant(name);
    if let Some(Value::Assoc(all)) = shell.variables.get(&name).map(|v| &v.value) {
        return Ok(all.get(index).cloned());
    }
    let n = number(shell, index)?;
    Ok(match shell.variables.get(&name).map(|v| &v.value) {
        Some(Value::Array(all)) => {
            let n = if n < 0 { all.keys().next_back().map_or(-1, |last| last + 1 + n) } else { n };
            all.get(&n).cloned()
        }
        Some(Value::Text(text)) if n == 0 || n == -1 => Some(text.clone()),
        _ => None,
    })
}

/// Sets an element of an array variable, making it one if need be.
///
/// # Errors
/// That the variable is readonly, or what is wrong with the index.
pub fn set_element(shell: &mut Shell, name: &str, index: &str, value: String) -> Result<(), String> {
    let name = shell.meant(name);
    if matches!(shell.variables.get(&name).map(|v| &v.value), Some(Value::Assoc(_))) {
        let value = shell.converted(&name, value)?;
        let variable = shell.changeable(&name)?;
        if let Value::Assoc(all) = &mut variable.value {
            all.insert(index.to_owned(), value);
        }
        return Ok(());
    }
    let n = number(shell, index)?;
    let value = shell.converted(&name, value)?;
    let variable = shell.changeable(&name)?;
    let mut all = match std::mem::take(&mut variable.value) {
        Value::Array(all) => all,
        Value::Text(text) => [(0, text)].into(),
        _ => Default::default(),
    };
    let place = if n < 0 { all.keys().next_back().map_or(-1, |last| last + 1 + n) } else { n };
    if place >= 0 {
        all.insert(place, value);
    }
    variable.value = Value::Array(all);
    if place < 0 { Err(format!("{name}[{index}]: bad array subscript")) } else { Ok(()) }
}
