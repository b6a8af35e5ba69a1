//! chmod(1), chown(1) and chgrp(1): modes and owners of files.

use super::names::{self, join};
use super::options::{NONE, Options, Parsed};
use super::tool::{Tool, quoted};
use crate::world::errno::Errno;
use crate::world::fs::Kind;
use crate::world::process::Process;
use std::rc::Rc;

const CHMOD: Options = Options {
    usage: "[OPTION]... MODE[,MODE]... FILE...",
    short: "cfRv",
    long: &[
        ("changes", 'c'),
        ("quiet", 'f'),
        ("silent", 'f'),
        ("recursive", 'R'),
        ("verbose", 'v'),
        ("reference=", REFERENCE),
    ],
    ..NONE
};
const CHOWN: Options = Options {
    usage: "[OPTION]... [OWNER][:[GROUP]] FILE...",
    short: "cfhRv",
    long: &[
        ("changes", 'c'),
        ("quiet", 'f'),
        ("silent", 'f'),
        ("no-dereference", 'h'),
        ("recursive", 'R'),
        ("verbose", 'v'),
        ("reference=", REFERENCE),
    ],
    absent: "HLP",
    ..NONE
};
const REFERENCE: char = '\u{11}';

/// A change of mode, in octal or symbols.
#[derive(Clone, Debug)]
pub enum Change {
    /// All bits at once; a directory keeps set-id bits that are not named with five digits.
    Octal { mode: u16, keeps_special: bool },
    /// `u+x,g=r` and the like.
    Symbolic(Vec<Clause>),
}

/// One action of a symbolic change.
#[derive(Clone, Debug)]
pub struct Clause {
    /// Whose bits, as a mask; 0 for all, less the umask.
    who: u16,
    action: char,
    bits: u16,
    /// `X`: execution where it is a directory or somebody may execute it already.
    conditional: bool,
    /// `u`, `g` or `o`: copies these bits.
    copy: Option<char>,
}

/// The mode that `-m` asks for where something with the mode `of` would be made; `None` where it
/// asks for none.
///
/// # Errors
/// The exit status, when the text is no mode, which has been said.
pub async fn asked_mode(
    tool: &mut Tool,
    text: Option<&str>,
    of: u16,
    is_dir: bool,
) -> Result<Option<u16>, i32> {
    let Some(text) = text else { return Ok(None) };
    match parse_mode(text) {
        Some(change) => Ok(Some(change.apply(of, is_dir, tool.p.umask()))),
        None => {
            tool.complain(format!("invalid mode {}", quoted(text))).await;
            Err(1)
        }
    }
}

/// Reads a mode as chmod(1) takes it.
pub fn parse_mode(text: &str) -> Option<Change> {
    if !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        let mode = u16::from_str_radix(text, 8).ok().filter(|m| *m <= 0o7777)?;
        return Some(Change::Octal { mode, keeps_special: text.len() < 5 });
    }
    let mut clauses = Vec::new();
    for part in text.split(',') {
        let actions = part.find(['+', '-', '='])?;
        let mut who = 0;
        for c in part[..actions].chars() {
            who |= match c {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => 0o7777,
                _ => return None,
            };
        }
        let mut rest = part[actions..].chars().peekable();
        while let Some(action) = rest.next() {
            if !"+-=".contains(action) {
                return None;
            }
            let mut clause = Clause { who, action, bits: 0, conditional: false, copy: None };
            while let Some(c) = rest.next_if(|c| !"+-=".contains(*c)) {
                match c {
                    'r' => clause.bits |= 0o444,
                    'w' => clause.bits |= 0o222,
                    'x' => clause.bits |= 0o111,
                    'X' => clause.conditional = true,
                    's' => clause.bits |= 0o6000,
                    't' => clause.bits |= 0o1000,
                    'u' | 'g' | 'o' => clause.copy = Some(c),
                    _ => return None,
                }
            }
            clauses.push(clause);
        }
    }
    Some(Change::Symbolic(clauses))
}

impl Change {
    /// The mode that comes of it.
    pub fn apply(&self, mode: u16, directory: bool, umask: u16) -> u16 {
        let clauses = match self {
            Change::Octal { mode: new, keeps_special: true } if directory => return new | (mode & 0o6000),
            Change::Octal { mode, .. } => return *mode,
            Change::Symbolic(clauses) => clauses,
        };
        let mut mode = mode;
        for c in clauses {
            let mut bits = c.bits;
            if c.conditional && (directory || mode & 0o111 != 0) {
                bits |= 0o111;
            }
            if let Some(from) = c.copy {
                let three = match from {
                    'u' => mode >> 6,
                    'g' => mode >> 3,
                    _ => mode,
                } & 7;
                bits |= three * 0o111;
            }
            let reach = if c.who == 0 { 0o7777 & !umask } else { c.who };
            bits &= reach;
            match c.action {
                '+' => mode |= bits,
                '-' => mode &= !bits,
                _ => {
                    let kept = if directory { 0o6000 & !bits } else { 0 };
                    let cleared = (if c.who == 0 { 0o7777 } else { c.who }) & !kept;
                    mode = mode & !cleared | bits;
                }
            }
        }
        mode
    }
}

/// chmod(1)
pub async fn chmod(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    // A mode that takes bits away looks like an option.
    let args: Vec<Rc<str>> = tool.p.args();
    let mode_at = args.iter().position(|a| {
        a.starts_with('-')
            && a.len() > 1
            && a[1..].chars().all(|c| "rwxXstugoa,+-=".contains(c))
            && !a.starts_with("--")
    });
    let (mut args, minus) = (args, mode_at);
    let minus = minus.map(|at| args.remove(at));
    let parsed = match CHMOD.parse_args(&mut tool, &args).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut operands = parsed.operands.clone();
    let change = if let Some(path) = parsed.value(REFERENCE) {
        match tool.p.stat(path, true) {
            Ok(stat) => Change::Octal { mode: stat.mode, keeps_special: false },
            Err(e) => {
                tool.complain(format!("failed to get attributes of {}: {e}", quoted(path))).await;
                return 1;
            }
        }
    } else {
        if minus.is_none() && operands.is_empty() {
            return tool.usage("missing operand", 1).await;
        }
        let text = minus.unwrap_or_else(|| operands.remove(0));
        if operands.is_empty() {
            return tool.usage(format!("missing operand after {}", quoted(&text)), 1).await;
        }
        match parse_mode(&text) {
            Some(change) => change,
            None => return tool.usage(format!("invalid mode: {}", quoted(&text)), 1).await,
        }
    };
    let umask = tool.p.umask();
    for (path, given) in tree(&mut tool, &operands, parsed.has('R')).await {
        let stat = match tool.p.stat(&path, given) {
            Ok(stat) if stat.kind == Kind::Symlink => continue,
            Ok(stat) => stat,
            Err(e) => {
                if !parsed.has('f') {
                    tool.warn(format!("cannot access {}: {e}", quoted(&path))).await;
                }
                tool.status = 1;
                continue;
            }
        };
        let mode = change.apply(stat.mode, stat.is_dir(), umask);
        if let Err(e) = tool.p.chmod(&path, mode) {
            if !parsed.has('f') {
                tool.warn(format!("changing permissions of {}: {e}", quoted(&path))).await;
            }
            tool.status = 1;
        } else if parsed.has('v') || parsed.has('c') && mode != stat.mode {
            let (old, new) = (names::mode(&stat), names::mode(&crate::world::fs::Stat { mode, ..stat }));
            let text = if mode == stat.mode {
                format!("mode of {} retained as {mode:04o} ({})", quoted(&path), &new[1..])
            } else {
                format!(
                    "mode of {} changed from {:04o} ({}) to {mode:04o} ({})",
                    quoted(&path),
                    stat.mode,
                    &old[1..],
                    &new[1..]
                )
            };
            tool.line(text).await;
        }
    }
    tool.done().await
}

/// chown(1)
pub async fn chown(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match CHOWN.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    own(tool, parsed, |tool, text| {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let p = &tool.p;
        let uid = match user {
            "" => None,
            name => Some(names::uid_of(p, name).ok_or_else(|| format!("invalid user: {}", quoted(text)))?),
        };
        let gid = match group {
            None => None,
            // `user:` means the user's login group.
            Some("") => {
                let host = p.host();
                host.users().getpwnam(&host.fs(), user).map(|u| u.gid)
            }
            Some(name) => {
                Some(names::gid_of(p, name).ok_or_else(|| format!("invalid group: {}", quoted(text)))?)
            }
        };
        Ok((uid, gid))
    })
    .await
}

/// chgrp(1)
pub async fn chgrp(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match CHOWN.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    own(tool, parsed, |tool, text| {
        let gid = names::gid_of(&tool.p, text).ok_or_else(|| format!("invalid group: {}", quoted(text)))?;
        Ok((None, Some(gid)))
    })
    .await
}

type Owner = (Option<u32>, Option<u32>);

async fn own(mut tool: Tool, parsed: Parsed, read: fn(&Tool, &str) -> Result<Owner, String>) -> i32 {
    let mut operands = parsed.operands.clone();
    let (uid, gid) = if let Some(path) = parsed.value(REFERENCE) {
        match tool.p.stat(path, true) {
            Ok(stat) => (Some(stat.uid), Some(stat.gid)),
            Err(e) => {
                tool.complain(format!("failed to get attributes of {}: {e}", quoted(path))).await;
                return 1;
            }
        }
    } else {
        if operands.is_empty() {
            return tool.usage("missing operand", 1).await;
        }
        let text = operands.remove(0);
        if operands.is_empty() {
            return tool.usage(format!("missing operand after {}", quoted(&text)), 1).await;
        }
        match read(&tool, &text) {
            Ok(owner) => owner,
            Err(text) => {
                tool.complain(text).await;
                return 1;
            }
        }
    };
    let what = if uid.is_some() { "ownership" } else { "group" };
    for (path, given) in tree(&mut tool, &operands, parsed.has('R')).await {
        let follow = given && !parsed.has('h') && !parsed.has('R');
        let result = match tool.p.stat(&path, follow) {
            Ok(_) => tool.p.chown(&path, uid, gid, follow).map_err(|e| (format!("changing {what} of"), e)),
            Err(e) => Err(("cannot access".to_owned(), e)),
        };
        match result {
            Ok(()) if parsed.has('v') => tool.line(format!("changed {what} of {}", quoted(&path))).await,
            Ok(()) => {}
            Err(_) if parsed.has('f') => tool.status = 1,
            Err((doing, e)) => tool.complain(format!("{doing} {}: {e}", quoted(&path))).await,
        }
    }
    tool.done().await
}

/// These paths and, if wanted, all that lies under them; each says whether it was given.
pub(super) async fn tree(tool: &mut Tool, operands: &[Rc<str>], recursive: bool) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let mut pending: Vec<(String, bool)> = operands.iter().rev().map(|o| (o.to_string(), true)).collect();
    while let Some((path, given)) = pending.pop() {
        all.push((path.clone(), given));
        if !recursive || !tool.p.stat(&path, false).is_ok_and(|s| s.is_dir()) {
            continue;
        }
        match tool.p.list(&path) {
            Ok(inner) => pending.extend(inner.iter().rev().map(|name| (join(&path, name), false))),
            Err(Errno::ENOTDIR) => {}
            Err(e) => tool.complain(format!("cannot read directory {}: {e}", quoted(&path))).await,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_mode() {
        for (change, mode, directory, new) in [
            ("755", 0o644, false, 0o755),
            ("755", 0o2644, true, 0o2755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("+w", 0o444, false, 0o644),
            ("go-rwx", 0o777, false, 0o700),
            ("a=r,u+w", 0o777, false, 0o644),
            ("g=u", 0o750, false, 0o770),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o644, true, 0o755),
            ("u+s,g+s,+t", 0o755, false, 0o7755),
            ("u=rwx,go=", 0o2755, true, 0o2700),
        ] {
            assert_eq!(parse_mode(change).unwrap().apply(mode, directory, 0o022), new, "{change}");
        }
        for wrong in ["", "999", "u+q", "x", "77777", "u"] {
            assert!(parse_mode(wrong).is_none(), "{wrong}");
        }
    }
}
