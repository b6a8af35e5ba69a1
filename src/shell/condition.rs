//! Conditions: `[[ … ]]`, and what `test` and `[` ask (test(1)).

use super::state::Shell;
use super::{arith, pattern, word};
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
) -> Pin<Box<dyn Future<Output = Result<bool, String>> + 'a>> {
    Box::pin(async move {
        Ok(match expr {
            ExtendedTestExpr::And(a, b) => extended(shell, a).await? && extended(shell, b).await?,
            ExtendedTestExpr::Or(a, b) => extended(shell, a).await? || extended(shell, b).await?,
            ExtendedTestExpr::Not(e) => !extended(shell, e).await?,
            ExtendedTestExpr::Parenthesized(e) => extended(shell, e).await?,
            ExtendedTestExpr::UnaryTest(test, w) => {
                let text = word::text(shell, &w.value).await.map_err(|e| e.text)?;
                unary(shell, test, &text)
            }
            ExtendedTestExpr::BinaryTest(test, a, b) => {
                let left = word::text(shell, &a.value).await.map_err(|e| e.text)?;
                binary(shell, test, &left, &b.value).await?
            }
        })
    })
}

fn unary(shell: &Shell, test: &UnaryPredicate, text: &str) -> bool {
    use UnaryPredicate as U;
    let letter = match test {
        U::StringHasZeroLength => return text.is_empty(),
        U::StringHasNonZeroLength => return !text.is_empty(),
        U::ShellVariableIsSetAndAssigned => return shell.variables.contains_key(text),
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
        U::FileExistsAndIsBlockSpecialFile
        | U::FdIsOpenTerminal
        | U::FileExistsAndModifiedSinceLastRead
        | U::ShellOptionEnabled
        | U::ShellVariableIsSetAndNameRef => return false,
    };
    file(&shell.p, letter, text)
}

async fn binary(shell: &mut Shell, test: &BinaryPredicate, left: &str, right: &str) -> Result<bool, String> {
    use BinaryPredicate as B;
    let fail = |e: word::Failure| e.text;
    let number = async |shell: &mut Shell| -> Result<(i64, i64), String> {
        let right = word::text(shell, right).await.map_err(fail)?;
        Ok((arith::evaluate(shell, left).await?, arith::evaluate(shell, &right).await?))
    };
    Ok(match test {
        B::StringExactlyMatchesPattern => {
            pattern::matches(&word::as_pattern(shell, right).await.map_err(fail)?, left)
        }
        B::StringDoesNotExactlyMatchPattern => {
            !pattern::matches(&word::as_pattern(shell, right).await.map_err(fail)?, left)
        }
        B::StringMatchesRegex | B::StringContainsSubstring => {
            let right = word::text(shell, right).await.map_err(fail)?;
            let regex = regex::Regex::new(&right).map_err(|_| String::new())?;
            let found = regex.captures(left);
            let groups: Vec<String> = found
                .as_ref()
                .map(|c| c.iter().map(|g| g.map_or_else(String::new, |m| m.as_str().to_owned())).collect())
                .unwrap_or_default();
            let groups = groups.into_iter().enumerate().map(|(n, t)| (n as i64, t)).collect();
            let value = super::state::Value::Array(groups);
            let variable = super::state::Variable { value, exported: false, readonly: false };
            shell.variables.insert("BASH_REMATCH".into(), variable);
            found.is_some()
        }
        B::ArithmeticEqualTo
        | B::ArithmeticNotEqualTo
        | B::ArithmeticLessThan
        | B::ArithmeticLessThanOrEqualTo
        | B::ArithmeticGreaterThan
        | B::ArithmeticGreaterThanOrEqualTo => {
            let (a, b) = number(shell).await?;
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
            let right = word::text(shell, right).await.map_err(fail)?;
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
/// What is wrong with them, in the words of the real one.
pub fn test(p: &Process, args: &[&str]) -> Result<bool, String> {
    let mut at = 0;
    let yes = or(p, args, &mut at)?;
    if at < args.len() {
        return Err(if args.len() > at + 1 || at > 1 {
            "too many arguments".into()
        } else {
            format!("{}: unary operator expected", args[0])
        });
    }
    Ok(yes)
}

fn or(p: &Process, args: &[&str], at: &mut usize) -> Result<bool, String> {
    let mut yes = and(p, args, at)?;
    while args.get(*at) == Some(&"-o") {
        *at += 1;
        yes |= and(p, args, at)?;
    }
    Ok(yes)
}

fn and(p: &Process, args: &[&str], at: &mut usize) -> Result<bool, String> {
    let mut yes = primary(p, args, at)?;
    while args.get(*at) == Some(&"-a") {
        *at += 1;
        yes &= primary(p, args, at)?;
    }
    Ok(yes)
}

fn primary(p: &Process, args: &[&str], at: &mut usize) -> Result<bool, String> {
    let rest = &args[*at..];
    let is_binary = |w: &str| {
        matches!(
            w,
            "=" | "=="
                | "!="
                | "<"
                | ">"
                | "-eq"
                | "-ne"
                | "-lt"
                | "-le"
                | "-gt"
                | "-ge"
                | "-ef"
                | "-nt"
                | "-ot"
        )
    };
    match rest {
        [] => Ok(false),
        [a, op, b, ..] if is_binary(op) => {
            *at += 3;
            compare(p, a, op, b)
        }
        ["!", ..] if rest.len() > 1 => {
            *at += 1;
            Ok(!primary(p, args, at)?)
        }
        ["(", ..] if rest.len() > 2 => {
            *at += 1;
            let yes = or(p, args, at)?;
            if args.get(*at) != Some(&")") {
                return Err("`)' expected".to_owned());
            }
            *at += 1;
            Ok(yes)
        }
        [op, text, ..] if op.len() == 2 && op.starts_with('-') && *op != "-a" && *op != "-o" => {
            let letter = op.chars().nth(1).unwrap_or('-');
            *at += 2;
            match letter {
                'n' => Ok(!text.is_empty()),
                'z' => Ok(text.is_empty()),
                't' => Ok(false),
                c if "abcdefghkprsuwxLSOG".contains(c) => Ok(file(p, c, text)),
                _ => Err(format!("{op}: unary operator expected")),
            }
        }
        [text, ..] => {
            *at += 1;
            Ok(!text.is_empty())
        }
    }
}

fn compare(p: &Process, a: &str, op: &str, b: &str) -> Result<bool, String> {
    let number = |t: &str| t.trim().parse::<i64>().map_err(|_| format!("{t}: integer expression expected"));
    Ok(match op {
        "=" | "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        ">" => a > b,
        "-ef" | "-nt" | "-ot" => files(p, op, a, b),
        _ => {
            let (a, b) = (number(a)?, number(b)?);
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
