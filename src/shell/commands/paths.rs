//! Paths: readlink(1), realpath(1), which(1), mktemp(1).

use super::names::{base, join, parent};
use super::options::{NONE, Options};
use super::tool::{Tool, quoted, shown};
use crate::world::errno::{Errno, Sys};
use crate::world::fs::{Kind, OpenFlags};
use crate::world::process::Process;

/// The path of a file without links, `.` and `..`.
///
/// # Errors
/// As realpath(3); the last part need not exist where `missing` allows it.
pub fn canonical(p: &Process, path: &str, missing: bool) -> Sys<String> {
    let mut done = if path.starts_with('/') { "/".to_owned() } else { p.cwd_path() };
    let mut rest: Vec<String> = path.split('/').rev().filter(|s| !s.is_empty()).map(str::to_owned).collect();
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match &*part {
            "." => continue,
            ".." => {
                done = parent(&done).to_owned();
                continue;
            }
            _ => {}
        }
        let full = join(&done, &part);
        match p.stat(&full, false) {
            Ok(stat) if stat.kind == Kind::Symlink => {
                links += 1;
                if links > 40 {
                    return Err(Errno::ELOOP);
                }
                let target = p.host().fs().readlink(stat.ino)?;
                if target.starts_with('/') {
                    done = "/".into();
                }
                rest.extend(target.split('/').rev().filter(|s| !s.is_empty()).map(str::to_owned));
            }
            Ok(stat) if !rest.is_empty() && !stat.is_dir() => return Err(Errno::ENOTDIR),
            Ok(_) => done = full,
            Err(Errno::ENOENT) if missing && rest.is_empty() => done = full,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// readlink(1)
pub async fn readlink(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... FILE...",
        short: "efmnqsvz",
        long: &[
            ("canonicalize", 'f'),
            ("canonicalize-existing", 'e'),
            ("canonicalize-missing", 'm'),
            ("no-newline", 'n'),
            ("quiet", 'q'),
            ("verbose", 'v'),
            ("zero", 'z'),
        ],
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    let end = match (parsed.has('n') && parsed.operands.len() == 1, parsed.has('z')) {
        (true, _) => "",
        (_, true) => "\0",
        _ => "\n",
    };
    for path in &parsed.operands {
        let found = match parsed.last_of("efm") {
            Some(how) => canonical(&tool.p, path, how != 'e'),
            None => tool
                .p
                .stat(path, false)
                .and_then(|s| tool.p.host().fs().readlink(s.ino))
                .map(|t| t.to_string()),
        };
        match found {
            Ok(text) => tool.put(format!("{text}{end}")).await,
            Err(e) => {
                if parsed.has('v') {
                    tool.warn(format!("{}: {e}", shown(path))).await;
                }
                tool.status = 1;
            }
        }
    }
    tool.done().await
}

/// realpath(1)
pub async fn realpath(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... FILE...",
        short: "emqsz",
        long: &[("canonicalize-existing", 'e'), ("canonicalize-missing", 'm'), ("quiet", 'q'), ("zero", 'z')],
        absent: "LP",
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    for path in &parsed.operands {
        match canonical(&tool.p, path, !parsed.has('e')) {
            Ok(text) => tool.put(format!("{text}{}", if parsed.has('z') { "\0" } else { "\n" })).await,
            Err(_) if parsed.has('q') => tool.status = 1,
            Err(e) => tool.complain(format!("{}: {e}", shown(path))).await,
        }
    }
    tool.done().await
}

/// which(1)
pub async fn which(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let all = args.iter().any(|a| &**a == "-a");
    let wanted: Vec<_> = args.iter().filter(|a| &***a != "-a").cloned().collect();
    if wanted.is_empty() {
        return 1;
    }
    for name in wanted {
        let path = tool.p.var("PATH").unwrap_or_default();
        let mut found = false;
        let candidates: Vec<String> = if name.contains('/') {
            vec![name.to_string()]
        } else {
            path.split(':').map(|d| join(if d.is_empty() { "." } else { d }, &name)).collect()
        };
        for full in candidates {
            let file = tool.p.stat(&full, true).is_ok_and(|s| s.is_file());
            if file && tool.p.access(&full, crate::world::fs::Access::EXEC).is_ok() {
                tool.line(&full).await;
                found = true;
                if !all {
                    break;
                }
            }
        }
        if !found {
            tool.status = 1;
        }
    }
    tool.done().await
}

/// mktemp(1)
pub async fn mktemp(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [TEMPLATE]",
        short: "dp:qtu",
        long: &[("directory", 'd'), ("dry-run", 'u'), ("quiet", 'q'), ("tmpdir?", 'p'), ("suffix=", SUFFIX)],
        ..NONE
    };
    const SUFFIX: char = '\u{11}';
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.len() > 1 {
        return tool.usage("too many templates", 1).await;
    }
    let given = parsed.operands.first().cloned();
    let template = given.clone().unwrap_or_else(|| "tmp.XXXXXXXXXX".into());
    let end = template.rfind('X').map_or(0, |at| at + 1);
    let start = template[..end].rfind(|c| c != 'X').map_or(0, |at| at + 1);
    if end - start.min(end) < 3 {
        tool.complain(format!("too few X's in template {}", quoted(&template))).await;
        return 1;
    }
    let tmp = tool.p.var("TMPDIR").filter(|t| !t.is_empty()).unwrap_or_else(|| "/tmp".into());
    let directory = match parsed.value('p') {
        Some(directory) => Some(directory.to_owned()),
        None if given.is_none() || parsed.has('t') || parsed.has('p') => Some(tmp.to_string()),
        None => None,
    };
    let suffix = parsed.value(SUFFIX).unwrap_or("");
    for _ in 0..100 {
        let random: String =
            (start..end).map(|_| char::from(LETTERS[tool.p.host().random(62) as usize])).collect();
        let name = format!("{}{random}{}{suffix}", &template[..start], &template[end..]);
        let path = directory.as_ref().map_or(name.clone(), |d| join(d, &name));
        let made = if parsed.has('u') {
            if tool.p.exists(&path) { Err(Errno::EEXIST) } else { Ok(()) }
        } else if parsed.has('d') {
            tool.p.mkdir(&path, 0o700)
        } else {
            tool.p.open(&path, OpenFlags::EXCLUSIVE, 0o600).map(|_| ())
        };
        match made {
            Ok(()) => {
                tool.line(path).await;
                return tool.done().await;
            }
            Err(Errno::EEXIST) => {}
            Err(e) => {
                let shown =
                    join(parent(&path), &format!("{}{}", base(&template[..start]), &"X".repeat(end - start)));
                let what = if parsed.has('d') { "directory" } else { "file" };
                if !parsed.has('q') {
                    tool.warn(format!("failed to create {what} via template {}: {e}", quoted(&shown))).await;
                }
                return 1;
            }
        }
    }
    1
}
