//! expr(1): computes.

use super::regex::{Dialect, Regex};
use super::tool::{Tool, quoted};
use crate::world::process::Process;
use std::rc::Rc;

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let mut args = tool.p.args();
    if args.first().is_some_and(|a| &**a == "--") {
        args.remove(0);
    }
    if args.is_empty() {
        return tool.usage("missing operand", 2).await;
    }
    let mut e = Expr { words: &args, at: 0, depth: 0 };
    let value = e.or().and_then(|value| match e.words.get(e.at) {
        None => Ok(value),
        Some(extra) => Err(format!("syntax error: unexpected argument {}", quoted(extra))),
    });
    match value {
        Ok(value) => {
            tool.line(&value).await;
            tool.flush().await;
            i32::from(null(&value))
        }
        Err(text) => {
            tool.warn(text).await;
            2
        }
    }
}

struct Expr<'a> {
    words: &'a [Rc<str>],
    at: usize,
    depth: usize,
}

type Value = Result<String, String>;

fn null(value: &str) -> bool {
    value.is_empty() || number(value).is_ok_and(|n| n == 0)
}

fn number(text: &str) -> Result<i128, String> {
    text.parse().map_err(|_| "non-integer argument".to_owned())
}

impl Expr<'_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(|w| &**w)
    }

    fn or(&mut self) -> Value {
        let mut left = self.and()?;
        while self.peek() == Some("|") {
            self.at += 1;
            let right = self.and()?;
            if null(&left) {
                left = if null(&right) { "0".into() } else { right };
            }
        }
        Ok(left)
    }

    fn and(&mut self) -> Value {
        let mut left = self.compare()?;
        while self.peek() == Some("&") {
            self.at += 1;
            let right = self.compare()?;
            if null(&left) || null(&right) {
                left = "0".into();
            }
        }
        Ok(left)
    }

    fn compare(&mut self) -> Value {
        let mut left = self.sum()?;
        while let Some(op) = self.peek().filter(|w| matches!(*w, "<" | "<=" | "=" | "==" | "!=" | ">=" | ">"))
        {
            let op = op.to_owned();
            self.at += 1;
            let right = self.sum()?;
            let order = match (number(&left), number(&right)) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => left.cmp(&right),
            };
            let holds = match &*op {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                ">=" => order.is_ge(),
                "!=" => order.is_ne(),
                _ => order.is_eq(),
            };
            left = i32::from(holds).to_string();
        }
        Ok(left)
    }

    fn sum(&mut self) -> Value {
        let mut left = self.product()?;
        while let Some(op @ ("+" | "-")) = self.peek() {
            let minus = op == "-";
            self.at += 1;
            let right = self.product()?;
            let (a, b) = (number(&left)?, number(&right)?);
            left = if minus { a.checked_sub(b) } else { a.checked_add(b) }
                .ok_or("Numerical result out of range")?
                .to_string();
        }
        Ok(left)
    }

    fn product(&mut self) -> Value {
        let mut left = self.matching()?;
        while let Some(op @ ("*" | "/" | "%")) = self.peek() {
            let op = op.to_owned();
            self.at += 1;
            let right = self.matching()?;
            let (a, b) = (number(&left)?, number(&right)?);
            if b == 0 && op != "*" {
                return Err("division by zero".into());
            }
            let result = match &*op {
                "*" => a.checked_mul(b),
                "/" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            left = result.ok_or("Numerical result out of range")?.to_string();
        }
        Ok(left)
    }

    fn matching(&mut self) -> Value {
        let mut left = self.primary()?;
        while self.peek() == Some(":") {
            self.at += 1;
            let pattern = self.primary()?;
            left = find(&left, &pattern)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Value {
        self.depth += 1;
        if self.depth > 500 {
            return Err("the expression is nested too deeply".into());
        }
        let last = self.words[..self.at].last().cloned().unwrap_or_default();
        let missing = || format!("syntax error: missing argument after {}", quoted(&last));
        let word = self.words.get(self.at).cloned().ok_or_else(missing)?;
        self.at += 1;
        match &*word {
            "(" => {
                let value = self.or()?;
                if self.peek() != Some(")") {
                    let last = self.words[..self.at].last().cloned().unwrap_or_default();
                    return Err(match self.peek() {
                        None => format!("syntax error: expecting ')' after {}", quoted(&last)),
                        Some(other) => format!("syntax error: expecting ')' instead of {}", quoted(other)),
                    });
                }
                self.at += 1;
                Ok(value)
            }
            ")" => Err("syntax error: unexpected ')'".into()),
            "+" => {
                let word = self.words.get(self.at).cloned();
                self.at += 1;
                word.map(|w| w.to_string()).ok_or_else(|| "syntax error: missing argument after '+'".into())
            }
            "length" => Ok(self.primary()?.len().to_string()),
            "match" => {
                let text = self.primary()?;
                let pattern = self.primary()?;
                find(&text, &pattern)
            }
            "index" => {
                let text = self.primary()?;
                let set = self.primary()?;
                Ok(text.find(|c| set.contains(c)).map_or(0, |at| at + 1).to_string())
            }
            "substr" => {
                let text = self.primary()?;
                let (from, count) = (number(&self.primary()?), number(&self.primary()?));
                let (Ok(from @ 1..), Ok(count @ 1..)) = (from, count) else { return Ok(String::new()) };
                let bytes: Vec<u8> = text.bytes().skip(from as usize - 1).take(count as usize).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            word => Ok(word.to_owned()),
        }
    }
}

/// `text : pattern`, anchored at the start: the first group, or how much matched.
fn find(text: &str, pattern: &str) -> Value {
    let anchored = format!("^{}", pattern.strip_prefix('^').unwrap_or(pattern));
    let regex = Regex::new(anchored.as_bytes(), Dialect::default())?;
    let found = regex.captures_at(text.as_bytes(), 0);
    Ok(match (found, regex.groups()) {
        (Some(groups), 0) => groups[0].map_or(0, |(a, b)| b - a).to_string(),
        (Some(groups), _) => {
            groups[1].map_or(String::new(), |(a, b)| text.get(a..b).unwrap_or_default().to_owned())
        }
        (None, 0) => "0".into(),
        (None, _) => String::new(),
    })
}
