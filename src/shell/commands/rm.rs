//! rm(1) and unlink(1): remove names.

use super::names::{base, join};
use super::options::{NONE, Options};
use super::text::{Input, chomp};
use super::tool::{Tool, quoted};
use crate::world::errno::Errno;
use crate::world::fs::{Access, Kind, Stat};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[OPTION]... [FILE]...",
    short: "dfiIrRv",
    long: &[
        ("dir", 'd'),
        ("force", 'f'),
        ("recursive", 'r'),
        ("verbose", 'v'),
        ("interactive?", INTERACTIVE),
        ("preserve-root?", PRESERVE),
        ("no-preserve-root", NO_PRESERVE),
        ("one-file-system", PRESERVE),
    ],
    ..NONE
};
const INTERACTIVE: char = '\u{11}';
const PRESERVE: char = '\u{12}';
const NO_PRESERVE: char = '\u{13}';

struct Wish {
    force: bool,
    ask: bool,
    recursive: bool,
    empty: bool,
    verbose: bool,
}

/// rm(1)
pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let wish = Wish {
        force: parsed.last_of("fiI") == Some('f'),
        ask: parsed.last_of("fiI") == Some('i'),
        recursive: parsed.last_of("rR").is_some(),
        empty: parsed.has('d'),
        verbose: parsed.has('v'),
    };
    if parsed.operands.is_empty() {
        if wish.force {
            return tool.done().await;
        }
        return tool.usage("missing operand", 1).await;
    }
    let mut answers = Input::open(&tool.p, "-").ok();
    for path in &parsed.operands {
        let stat = match tool.p.stat(path, false) {
            Ok(stat) => stat,
            Err(Errno::ENOENT | Errno::ENOTDIR) if wish.force => continue,
            Err(e) => {
                tool.complain(format!("cannot remove {}: {e}", quoted(path))).await;
                continue;
            }
        };
        if stat.is_dir() && wish.recursive {
            if matches!(base(path), "." | "..") {
                let text = format!("refusing to remove '.' or '..' directory: skipping {}", quoted(path));
                tool.complain(text).await;
                continue;
            }
            if stat.ino == tool.p.host().fs().root() && !parsed.has(NO_PRESERVE) {
                tool.complain("it is dangerous to operate recursively on '/'").await;
                tool.complain("use --no-preserve-root to override this failsafe").await;
                continue;
            }
        }
        remove(&mut tool, &wish, path, stat, &mut answers).await;
    }
    tool.done().await
}

/// unlink(1)
pub async fn unlink(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match NONE.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    match &parsed.operands[..] {
        [] => return tool.usage("missing operand", 1).await,
        [path] => {
            if let Err(e) = tool.p.unlink(path) {
                tool.complain(format!("cannot unlink {}: {e}", quoted(path))).await;
            }
        }
        [_, extra, ..] => return tool.usage(format!("extra operand {}", quoted(extra)), 1).await,
    }
    tool.done().await
}

/// Removes a tree, deepest first, without recursion of our own.
async fn remove(tool: &mut Tool, wish: &Wish, path: &str, stat: Stat, answers: &mut Option<Input>) {
    let mut pending = vec![(path.to_owned(), stat, false)];
    while let Some((path, stat, emptied)) = pending.pop() {
        if !stat.is_dir() {
            if allowed(tool, wish, &path, &stat, answers).await {
                let result = tool.p.unlink(&path);
                report(tool, wish, &path, result, "removed ").await;
            }
            continue;
        }
        if emptied {
            if !wish.ask || agreed(tool, &format!("remove directory {}? ", quoted(&path)), answers).await {
                let result = tool.p.rmdir(&path);
                report(tool, wish, &path, result, "removed directory ").await;
            }
            continue;
        }
        if !wish.recursive {
            if wish.empty {
                let result = tool.p.rmdir(&path);
                report(tool, wish, &path, result, "removed directory ").await;
            } else {
                tool.complain(format!("cannot remove {}: Is a directory", quoted(&path))).await;
            }
            continue;
        }
        let inner = match tool.p.list(&path) {
            Ok(inner) => inner,
            Err(e) => {
                tool.complain(format!("cannot remove {}: {e}", quoted(&path))).await;
                continue;
            }
        };
        let question = format!("descend into directory {}? ", quoted(&path));
        if wish.ask && !inner.is_empty() && !agreed(tool, &question, answers).await {
            continue;
        }
        pending.push((path.clone(), stat, true));
        for name in inner.iter().rev() {
            let full = join(&path, name);
            match tool.p.stat(&full, false) {
                Ok(stat) => pending.push((full, stat, false)),
                Err(e) => tool.complain(format!("cannot remove {}: {e}", quoted(&full))).await,
            }
        }
    }
}

async fn report(tool: &mut Tool, wish: &Wish, path: &str, result: crate::world::errno::Sys<()>, done: &str) {
    match result {
        Ok(()) if wish.verbose => tool.line(format!("{done}{}", quoted(path))).await,
        Ok(()) => {}
        Err(Errno::ENOENT) if wish.force => {}
        Err(e) => tool.complain(format!("cannot remove {}: {e}", quoted(path))).await,
    }
}

/// Without `-f`, a file that may not be written asks first where there is a terminal; the lab
/// has none, so only `-i` asks.
async fn allowed(tool: &mut Tool, wish: &Wish, path: &str, stat: &Stat, answers: &mut Option<Input>) -> bool {
    if !wish.ask {
        return true;
    }
    let kind = match stat.kind {
        Kind::File if stat.size == 0 => "regular empty file",
        Kind::File => "regular file",
        Kind::Symlink => "symbolic link",
        Kind::Socket => "socket",
        Kind::Fifo => "fifo",
        _ => "character special file",
    };
    let guarded = stat.kind != Kind::Symlink && tool.p.access(path, Access::WRITE).is_err();
    let guard = if guarded { "write-protected " } else { "" };
    agreed(tool, &format!("remove {guard}{kind} {}? ", quoted(path)), answers).await
}

/// Asks on standard error; a line that begins with y agrees.
pub(super) async fn agreed(tool: &mut Tool, question: &str, answers: &mut Option<Input>) -> bool {
    tool.flush().await;
    tool.p.eprint(format!("{}: {question}", tool.name)).await;
    let Some(answers) = answers else { return false };
    match answers.line().await {
        Ok(Some(line)) => matches!(chomp(&line).first(), Some(b'y' | b'Y')),
        _ => false,
    }
}
