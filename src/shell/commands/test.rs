//! test(1) and `[`: conditions. The shell has its own, which asks [`evaluate`] too.

use super::tool::{Tool, quoted};
use crate::world::fs::{Access, Kind, Stat};
use crate::world::process::Process;
use std::rc::Rc;

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let mut args = tool.p.args();
    if &*tool.p.name() == "[" && args.pop().is_none_or(|last| &*last != "]") {
        tool.warn("missing ']'").await;
        return 2;
    }
    match evaluate(&tool.p, &args) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(text) => {
            tool.warn(text).await;
            2
        }
    }
}

/// Does the condition hold?
///
/// # Errors
/// What is wrong with the condition, in the words of test(1).
pub fn evaluate(p: &Process, args: &[Rc<str>]) -> Result<bool, String> {
    let words: Vec<&str> = args.iter().map(|a| &**a).collect();
    let mut test = Test { p, words: &words, at: 0, depth: 0 };
    let value = test.by_count()?;
    match test.words.get(test.at) {
        None => Ok(value),
        Some(extra) => Err(format!("extra argument {}", quoted(extra))),
    }
}

struct Test<'a> {
    p: &'a Process,
    words: &'a [&'a str],
    at: usize,
    depth: usize,
}

type Answer = Result<bool, String>;

impl<'a> Test<'a> {
    /// POSIX decides by the number of arguments as far as there are four.
    fn by_count(&mut self) -> Answer {
        let rest = &self.words[self.at..];
        match *rest {
            [] => Ok(false),
            [one] => {
                self.at += 1;
                Ok(!one.is_empty())
            }
            ["!", one] => {
                self.at += 2;
                Ok(one.is_empty())
            }
            [op, operand] => match self.unary(op, operand) {
                Some(answer) => {
                    self.at += 2;
                    answer
                }
                None if op.starts_with('-') => Err(format!("{}: unary operator expected", quoted(op))),
                None => Err(format!("missing argument after {}", quoted(operand))),
            },
            [left, op, right] => {
                if let Some(answer) = self.binary(left, op, right) {
                    self.at += 3;
                    return answer;
                }
                match (left, op, right) {
                    ("!", ..) => {
                        self.at += 1;
                        self.by_count().map(|v| !v)
                    }
                    ("(", inner, ")") => {
                        self.at += 3;
                        Ok(!inner.is_empty())
                    }
                    (_, "-a" | "-o", _) => self.or(),
                    _ => Err(format!("{}: binary operator expected", quoted(op))),
                }
            }
            ["!", _, _, _] => {
                self.at += 1;
                self.by_count().map(|v| !v)
            }
            _ => self.or(),
        }
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn or(&mut self) -> Answer {
        let mut value = self.and()?;
        while self.peek() == Some("-o") {
            self.at += 1;
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Answer {
        let mut value = self.term()?;
        while self.peek() == Some("-a") {
            self.at += 1;
            value &= self.term()?;
        }
        Ok(value)
    }

    fn term(&mut self) -> Answer {
        let last = self.words.last().copied().unwrap_or_default();
        let Some(word) = self.peek() else { return Err(format!("missing argument after {}", quoted(last))) };
        self.depth += 1;
        if self.depth > 500 {
            return Err("the condition is nested too deeply".into());
        }
        if word == "!" {
            self.at += 1;
            return self.term().map(|v| !v);
        }
        if let (Some(op), Some(right)) = (self.words.get(self.at + 1), self.words.get(self.at + 2))
            && let Some(answer) = self.binary(word, op, right)
        {
            self.at += 3;
            return answer;
        }
        if word == "(" {
            self.at += 1;
            let value = self.or()?;
            if self.peek() != Some(")") {
                return Err("')' expected".into());
            }
            self.at += 1;
            return Ok(value);
        }
        if let Some(operand) = self.words.get(self.at + 1)
            && let Some(answer) = self.unary(word, operand)
        {
            self.at += 2;
            return answer;
        }
        self.at += 1;
        Ok(!word.is_empty())
    }

    fn unary(&self, op: &str, operand: &str) -> Option<Answer> {
        let p = self.p;
        let is = |follow: bool, test: &dyn Fn(&Stat) -> bool| {
            Some(Ok(p.stat(operand, follow).is_ok_and(|s| test(&s))))
        };
        let may = |want| Some(Ok(p.access(operand, want).is_ok()));
        match op {
            "-n" => Some(Ok(!operand.is_empty())),
            "-z" => Some(Ok(operand.is_empty())),
            "-e" | "-a" => is(true, &|_| true),
            "-f" => is(true, &|s| s.kind == Kind::File),
            "-d" => is(true, &|s| s.kind == Kind::Directory),
            "-h" | "-L" => is(false, &|s| s.kind == Kind::Symlink),
            "-p" => is(true, &|s| s.kind == Kind::Fifo),
            "-S" => is(true, &|s| s.kind == Kind::Socket),
            "-c" => is(true, &|s| matches!(s.kind, Kind::CharDevice(_))),
            "-b" => Some(Ok(false)),
            "-s" => is(true, &|s| s.size > 0),
            "-u" => is(true, &|s| s.mode & 0o4000 != 0),
            "-g" => is(true, &|s| s.mode & 0o2000 != 0),
            "-k" => is(true, &|s| s.mode & 0o1000 != 0),
            "-O" => is(true, &|s| s.uid == p.cred().uid),
            "-G" => is(true, &|s| s.gid == p.cred().gid),
            "-N" => is(true, &|s| s.mtime > s.atime),
            "-r" => may(Access::READ),
            "-w" => may(Access::WRITE),
            "-x" => may(Access::EXEC),
            "-t" => Some(match operand.trim().parse::<i32>() {
                Ok(_) => Ok(false),
                Err(_) => Err(format!("invalid integer {}", quoted(operand))),
            }),
            _ => None,
        }
    }

    fn binary(&self, left: &str, op: &str, right: &str) -> Option<Answer> {
        let numbers = |test: fn(&i64, &i64) -> bool| {
            let number = |text: &str| {
                text.trim().parse::<i64>().map_err(|_| format!("invalid integer {}", quoted(text)))
            };
            Some(number(left).and_then(|a| number(right).map(|b| test(&a, &b))))
        };
        let stats = || (self.p.stat(left, true).ok(), self.p.stat(right, true).ok());
        match op {
            "=" | "==" => Some(Ok(left == right)),
            "!=" => Some(Ok(left != right)),
            "<" => Some(Ok(left < right)),
            ">" => Some(Ok(left > right)),
            "-eq" => numbers(i64::eq),
            "-ne" => numbers(i64::ne),
            "-lt" => numbers(i64::lt),
            "-le" => numbers(i64::le),
            "-gt" => numbers(i64::gt),
            "-ge" => numbers(i64::ge),
            "-nt" => Some(Ok(match stats() {
                (Some(a), Some(b)) => a.mtime > b.mtime,
                (a, _) => a.is_some(),
            })),
            "-ot" => Some(Ok(match stats() {
                (Some(a), Some(b)) => a.mtime < b.mtime,
                (_, b) => b.is_some(),
            })),
            "-ef" => Some(Ok(match stats() {
                (Some(a), Some(b)) => a.ino == b.ino,
                _ => false,
            })),
            _ => None,
        }
    }
}
