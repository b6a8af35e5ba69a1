//! Conditions: `[[ … ]]`, and what `test` and `[` of the shell itself ask (bash(1), "CONDITIONAL
//! EXPRESSIONS").

use super::state::Shell;
use super::variable::{Value, Variable};
use super::{arith, pattern, quote, word};
use crate::world::fs::{Access, Kind};
use crate::world::process::Process;
use brush_parser::ast::{BinaryPredicate, ExtendedTestExpr, UnaryPredicate};
use std::future::Future;
use std::pin::Pin;

/// `[[ … ]]`
///
/// # Errors
/// What is wrong with it, in the shell's words.
pub fn extended<'a>(
    shell: &'a mut Shell,
    expr: &'a ExtendedTestExpr,
) -> Pin<Box<dyn Future<Output = Result<bool, word::Failure>> + 'a>> {
    Box::pin(async move {
        Ok(match expr {
            ExtendedTestExpr::And(a, b) => extended(shell, a).await? && extended(shell, b).await?,
            ExtendedTestExpr::Or(a, b) => extended(shell, a).await? || extended(shell, b).await?,
            ExtendedTestExpr::Not(e) => !extended(shell, e).await?,
            ExtendedTestExpr::Parenthesized(e) => extended(shell, e).await?,
            ExtendedTestExpr::UnaryTest(test, w) => {
                let text = word::text(shell, &w.value).await?;
                trace(shell, &format!("{test} {}", quote::word(&text))).await;
                unary(shell, test, &text)
            }
            ExtendedTestExpr::BinaryTest(test, a, b) => {
                let left = word::text(shell, &a.value).await?;
                binary(shell, test, &left, &b.value).await?
            }
        })
    })
}

async fn trace(shell: &Shell, text: &str) {
    if shell.options.xtrace {
        super::simple::trace(shell, &format!("[[ {text} ]]")).await;
    }
}

fn unary(shell: &Shell, test: &UnaryPredicate, text: &str) -> bool {
    use UnaryPredicate as U;
    let letter = match test {
        U::StringHasZeroLength => return text.is_empty(),
        U::StringHasNonZeroLength => return !text.is_empty(),
        U::ShellVariableIsSetAndAssigned => return shell.get(text).is_some(),
        U::ShellOptionEnabled => return shell.options.is_set(text),
        U::ShellVariableIsSetAndNameRef => return shell.variables.get(text).is_some_and(|v| v.reference),
        U::FileExists => 'e',
        U::FileExistsAndIsDir => 'd',
        U::FileExistsAndIsRegularFile => 'f',
        U::FileExistsAndIsReadable => 'r',
        U::FileExistsAndIsWritable => 'w',
        U::FileExistsAndIsExecutable => 'x',
        U::FileExistsAndIsNotZeroLength => 's',
        U::FileExistsAndIsSymlink => 'L',
        U::FileExistsAndIsSocket => 'S',
        U::FileExistsAndIsFifo => 'p',
        U::FileExistsAndIsCharSpecialFile => 'c',
        U::FileExistsAndIsSetuid => 'u',
        U::FileExistsAndIsSetgid => 'g',
        U::FileExistsAndHasStickyBit => 'k',
        U::FileExistsAndOwnedByEffectiveUserId => 'O',
        U::FileExistsAndOwnedByEffectiveGroupId => 'G',
        U::FileExistsAndIsBlockSpecialFile | U::FdIsOpenTerminal | U::FileExistsAndModifiedSinceLastRead => {
            return false;
        }
    };
    file(&shell.p, letter, text)
}

async fn binary(
    shell: &mut Shell,
    test: &BinaryPredicate,
    left: &str,
    right: &str,
) -> Result<bool, word::Failure> {
    use BinaryPredicate as B;
    let shown = |right: &str| format!("{} {test} {right}", quote::word(left));
    let fold = shell.options.shopt("nocasematch") == Some(true);
    let folded = |t: &str| if fold { t.to_lowercase() } else { t.to_owned() };
    Ok(match test {
        B::StringExactlyMatchesPattern | B::StringDoesNotExactlyMatchPattern => {
            let right = word::as_pattern(shell, right).await?;
            trace(shell, &shown(&right)).await;
            let yes = pattern::matches(&folded(&right), &folded(left));
            yes == matches!(test, B::StringExactlyMatchesPattern)
        }
        B::StringMatchesRegex | B::StringContainsSubstring => {
            let right = word::as_regex(shell, right).await?;
            trace(shell, &shown(&right)).await;
            regex_match(shell, left, &right, fold)?
        }
        B::ArithmeticEqualTo
        | B::ArithmeticNotEqualTo
        | B::ArithmeticLessThan
        | B::ArithmeticLessThanOrEqualTo
        | B::ArithmeticGreaterThan
        | B::ArithmeticGreaterThanOrEqualTo => {
            let right = word::text(shell, right).await?;
            trace(shell, &shown(&right)).await;
            let wrong = |text: String| word::Failure { text: format!("[[: {text}"), fatal: false };
            let a = arith::number(shell, left).map_err(wrong)?;
            let b = arith::number(shell, &right).map_err(wrong)?;
            match test {
                B::ArithmeticEqualTo => a == b,
                B::ArithmeticNotEqualTo => a != b,
                B::ArithmeticLessThan => a < b,
                B::ArithmeticLessThanOrEqualTo => a <= b,
                B::ArithmeticGreaterThan => a > b,
                _ => a >= b,
            }
        }
        other => {
            let right = word::text(shell, right).await?;
            trace(shell, &shown(&right)).await;
            match other {
                B::StringExactlyMatchesString => left == right,
                B::StringDoesNotExactlyMatchString => left != right,
                B::LeftSortsBeforeRight => *left < *right,
                B::LeftSortsAfterRight => *left > *right,
                B::FilesReferToSameDeviceAndInodeNumbers => files(&shell.p, "-ef", left, &right),
                B::LeftFileIsNewerOrExistsWhenRightDoesNot => files(&shell.p, "-nt", left, &right),
                _ => files(&shell.p, "-ot", left, &right),
            }
        }
    })
}

/// `=~`: fills BASH_REMATCH.
fn regex_match(shell: &mut Shell, left: &str, right: &str, fold: bool) -> Result<bool, word::Failure> {
    let regex = regex::RegexBuilder::new(right).case_insensitive(fold).size_limit(1 << 20).build();
    // Bash says nothing of a pattern it cannot read, and gives 2.
    let regex = regex.map_err(|_| word::Failure { text: String::new(), fatal: false })?;
    let found = regex.captures(left);
    let groups: Vec<String> = found
        .as_ref()
        .map(|c| c.iter().map(|g| g.map_or_else(String::new, |m| m.as_str().to_owned())).collect())
        .unwrap_or_default();
    let groups = groups.into_iter().enumerate().map(|(n, t)| (n as i64, t)).collect();
    shell.variables.insert("BASH_REMATCH".into(), Variable::new(Value::Array(groups)));
    Ok(found.is_some())
}

/// `-e`, `-f` and their kin.
fn file(p: &Process, letter: char, path: &str) -> bool {
    let Ok(stat) = p.stat(path, !matches!(letter, 'L' | 'h')) else { return false };
    match letter {
        'e' | 'a' => true,
        'd' => stat.kind == Kind::Directory,
        'f' => stat.kind == Kind::File,
        'L' | 'h' => stat.kind == Kind::Symlink,
        'S' => stat.kind == Kind::Socket,
        'p' => stat.kind == Kind::Fifo,
        'c' => matches!(stat.kind, Kind::CharDevice(_)),
        's' => stat.size > 0,
        'u' => stat.mode & 0o4000 != 0,
        'g' => stat.mode & 0o2000 != 0,
        'k' => stat.mode & 0o1000 != 0,
        'O' => stat.uid == p.cred().uid,
        'G' => stat.gid == p.cred().gid,
        'r' => p.access(path, Access::READ).is_ok(),
        'w' => p.access(path, Access::WRITE).is_ok(),
        'x' => p.access(path, Access::EXEC).is_ok(),
        _ => false,
    }
}

fn files(p: &Process, how: &str, a: &str, b: &str) -> bool {
    let (a, b) = (p.stat(a, true), p.stat(b, true));
    match (how, a, b) {
        ("-ef", Ok(a), Ok(b)) => a.ino == b.ino,
        ("-nt", Ok(a), Ok(b)) => a.mtime > b.mtime,
        ("-nt", Ok(_), Err(_)) => true,
        ("-ot", Ok(a), Ok(b)) => a.mtime < b.mtime,
        ("-ot", Err(_), Ok(_)) => true,
        _ => false,
    }
}

/// `test`: what the arguments come to.
///
/// # Errors
/// What is wrong with them, in the words of bash or dash.
pub fn test(shell: &Shell, args: &[&str]) -> Result<bool, String> {
    let mut t = Test { shell, args, at: 0, depth: 0 };
    let yes = t.by_count(args.len())?;
    if t.at < args.len() {
        return Err(if shell.is_bash() {
            "too many arguments".to_owned()
        } else {
            format!("{}: unexpected operator", args[t.at])
        });
    }
    Ok(yes)
}

struct Test<'a> {
    shell: &'a Shell,
    args: &'a [&'a str],
    at: usize,
    depth: usize,
}

type Answer = Result<bool, String>;

fn is_unary(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next() == Some('-')
        && chars.next().is_some_and(|c| "abcdefghknoprstuvwxzGLNORS".contains(c))
        && chars.next().is_none()
}

fn is_binary(word: &str) -> bool {
    matches!(
        word,
        "=" | "==" | "!=" | "<" | ">" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-ef" | "-nt" | "-ot"
    )
}

impl<'a> Test<'a> {
    fn rest(&self) -> &'a [&'a str] {
        &self.args[self.at..]
    }

    /// POSIX decides by the number of arguments as far as there are four.
    fn by_count(&mut self, n: usize) -> Answer {
        match n {
            0 => Ok(false),
            1 => {
                self.at += 1;
                Ok(!self.args[self.at - 1].is_empty())
            }
            2 => self.two(),
            3 => self.three(),
            4 if self.rest()[0] == "!" => {
                self.at += 1;
                Ok(!self.three()?)
            }
            4 if self.rest()[0] == "(" && self.rest()[3] == ")" => {
                self.at += 1;
                let yes = self.two()?;
                self.at += 1;
                Ok(yes)
            }
            _ => self.or(),
        }
    }

    fn two(&mut self) -> Answer {
        let (op, text) = (self.rest()[0], self.rest()[1]);
        if op == "!" {
            self.at += 2;
            return Ok(text.is_empty());
        }
        if !is_unary(op) {
            return Err(if self.shell.is_bash() {
                format!("{op}: unary operator expected")
            } else {
                format!("{op}: unexpected operator")
            });
        }
        self.at += 2;
        self.ask(op, text)
    }

    fn three(&mut self) -> Answer {
        let (a, op, b) = (self.rest()[0], self.rest()[1], self.rest()[2]);
        if is_binary(op) {
            self.at += 3;
            return self.compare(a, op, b);
        }
        if matches!(op, "-a" | "-o") {
            self.at += 3;
            let (a, b) = (!a.is_empty(), !b.is_empty());
            return Ok(if op == "-a" { a && b } else { a || b });
        }
        if a == "!" {
            self.at += 1;
            return Ok(!self.two()?);
        }
        if a == "(" && b == ")" {
            self.at += 3;
            return Ok(!op.is_empty());
        }
        Err(if self.shell.is_bash() {
            format!("{op}: binary operator expected")
        } else {
            format!("{a}: unexpected operator")
        })
    }

    fn or(&mut self) -> Answer {
        let mut yes = self.and()?;
        while self.rest().first() == Some(&"-o") {
            self.at += 1;
            yes |= self.and()?;
        }
        Ok(yes)
    }

    fn and(&mut self) -> Answer {
        let mut yes = self.term()?;
        while self.rest().first() == Some(&"-a") {
            self.at += 1;
            yes &= self.term()?;
        }
        Ok(yes)
    }

    fn term(&mut self) -> Answer {
        self.depth += 1;
        if self.depth > 500 {
            return Err("too many arguments".to_owned());
        }
        let bash = self.shell.is_bash();
        match *self.rest() {
            [] => Err("argument expected".to_owned()),
            ["!", ..] if self.rest().len() > 1 => {
                self.at += 1;
                Ok(!self.term()?)
            }
            [a, op, b, ..] if is_binary(op) => {
                self.at += 3;
                self.compare(a, op, b)
            }
            ["(", ..] if self.rest().len() > 1 => {
                self.at += 1;
                let yes = self.or()?;
                match self.rest().first() {
                    Some(&")") => self.at += 1,
                    Some(found) if bash => return Err(format!("`)' expected, found {found}")),
                    _ if bash => return Err("`)' expected".to_owned()),
                    _ => return Err("closing paren expected".to_owned()),
                }
                Ok(yes)
            }
            [op, text, ..] if is_unary(op) => {
                self.at += 2;
                self.ask(op, text)
            }
            [text, ..] => {
                self.at += 1;
                Ok(!text.is_empty())
            }
        }
    }

    fn ask(&self, op: &str, text: &str) -> Answer {
        let letter = op.chars().nth(1).unwrap_or('-');
        Ok(match letter {
            'n' => !text.is_empty(),
            'z' => text.is_empty(),
            't' => {
                self.number(text)?;
                false
            }
            'v' => self.shell.get(text).is_some(),
            'o' => self.shell.options.is_set(text),
            'R' => self.shell.variables.get(text).is_some_and(|v| v.reference),
            letter => file(&self.shell.p, letter, text),
        })
    }

    fn compare(&self, a: &str, op: &str, b: &str) -> Answer {
        Ok(match op {
            "=" | "==" => a == b,
            "!=" => a != b,
            "<" => a < b,
            ">" => a > b,
            "-ef" | "-nt" | "-ot" => files(&self.shell.p, op, a, b),
            _ => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                match op {
                    "-eq" => a == b,
                    "-ne" => a != b,
                    "-lt" => a < b,
                    "-le" => a <= b,
                    "-gt" => a > b,
                    _ => a >= b,
                }
            }
        })
    }

    fn number(&self, text: &str) -> Result<i64, String> {
        text.trim().parse().map_err(|_| {
            if self.shell.is_bash() {
                format!("{text}: integer expression expected")
            } else {
                format!("Illegal number: {text}")
            }
        })
    }
}
