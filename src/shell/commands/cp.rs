//! cp(1), and install(1) as far as it copies files with a mode and an owner.
//!
//! # Simplifications
//! Holes and extended attributes do not exist. Hard links among the copied files become files of
//! their own.

use super::chmod::{Change, parse_mode};
use super::names::{self, base, join};
use super::options::{NONE, Options};
use super::rm::agreed;
use super::text::Input;
use super::tool::{Tool, quoted};
use crate::world::fs::{Kind, Stat, Touch};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[OPTION]... SOURCE... DEST",
    short: "adfHiLnprRPst:Tuv",
    long: &[
        ("archive", 'a'),
        ("force", 'f'),
        ("interactive", 'i'),
        ("dereference", 'L'),
        ("no-clobber", 'n'),
        ("no-dereference", 'P'),
        ("preserve?", 'p'),
        ("recursive", 'R'),
        ("symbolic-link", 's'),
        ("target-directory=", 't'),
        ("no-target-directory", 'T'),
        ("update", 'u'),
        ("verbose", 'v'),
    ],
    absent: "blSxZ",
    ..NONE
};

/// How files are copied.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub recursive: bool,
    /// Links are copied as links.
    pub links: bool,
    /// Mode, owner and times are kept.
    pub preserve: bool,
    pub force: bool,
    pub verbose: bool,
    pub update: bool,
    pub no_clobber: bool,
    pub ask: bool,
}

/// cp(1)
pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.has('s') {
        return tool.unavailable("-s").await;
    }
    let any = |letters: &str| parsed.last_of(letters).is_some();
    let wish = Wish {
        recursive: any("rRa"),
        links: parsed.last_of("LPadrRH").is_some_and(|c| !"LH".contains(c)),
        preserve: any("pa"),
        force: any("f"),
        verbose: any("v"),
        update: any("u"),
        no_clobber: parsed.last_of("ni") == Some('n'),
        ask: parsed.last_of("ni") == Some('i'),
    };
    let Some((sources, to, into)) = destination(&mut tool, &parsed).await else { return 1 };
    let mut answers = Input::open(&tool.p, "-").ok();
    for source in sources {
        let target = if into { join(&to, base(&source)) } else { to.clone() };
        copy(&mut tool, &source, &target, wish, &mut answers).await;
    }
    tool.done().await
}

/// Takes apart `SOURCE... DEST`: the sources, where to, and whether that is a directory to put
/// them into. What is wrong has been said.
pub(super) async fn destination(
    tool: &mut Tool,
    parsed: &super::options::Parsed,
) -> Option<(Vec<String>, String, bool)> {
    let mut operands: Vec<String> = parsed.operands.iter().map(|o| o.to_string()).collect();
    if operands.is_empty() {
        tool.usage("missing file operand", 1).await;
        return None;
    }
    if let Some(directory) = parsed.value('t') {
        if !tool.p.stat(directory, true).is_ok_and(|s| s.is_dir()) {
            let e = tool.p.stat(directory, true).err().map_or("Not a directory", |e| e.text());
            tool.complain(format!("target directory {}: {e}", quoted(directory))).await;
            return None;
        }
        return Some((operands, directory.to_owned(), true));
    }
    let to = operands.pop()?;
    if operands.is_empty() {
        tool.usage(format!("missing destination file operand after {}", quoted(&to)), 1).await;
        return None;
    }
    let directory = tool.p.stat(&to, true).is_ok_and(|s| s.is_dir());
    if parsed.has('T') {
        if let Some(extra) = operands.get(1) {
            tool.usage(format!("extra operand {}", quoted(extra)), 1).await;
            return None;
        }
        return Some((operands, to, false));
    }
    if operands.len() > 1 && !directory {
        let e = tool.p.stat(&to, true).err().map_or("Not a directory", |e| e.text());
        tool.complain(format!("target {}: {e}", quoted(&to))).await;
        return None;
    }
    Some((operands, to, directory))
}

/// Copies a file or a tree.
pub(super) async fn copy(
    tool: &mut Tool,
    source: &str,
    target: &str,
    wish: Wish,
    answers: &mut Option<Input>,
) {
    let top = match tool.p.stat(source, !wish.links) {
        Ok(stat) => stat,
        Err(e) => {
            tool.complain(format!("cannot stat {}: {e}", quoted(source))).await;
            return;
        }
    };
    if top.is_dir() && !wish.recursive {
        tool.complain(format!("-r not specified; omitting directory {}", quoted(source))).await;
        return;
    }
    if top.is_dir() && within(&tool.p, &top, target) {
        let text = format!("cannot copy a directory, {}, into itself, {}", quoted(source), quoted(target));
        tool.complain(text).await;
        return;
    }
    // A directory gets its own mode only when all is in it.
    let mut pending = vec![(source.to_owned(), target.to_owned(), false)];
    while let Some((from, to, filled)) = pending.pop() {
        let Ok(stat) = tool.p.stat(&from, !wish.links) else { continue };
        if filled {
            let mode = if wish.preserve { stat.mode } else { stat.mode & 0o777 & !tool.p.umask() };
            let _ = tool.p.chmod(&to, mode);
            if wish.preserve {
                keep(tool, &stat, &to).await;
            }
            continue;
        }
        if !stat.is_dir() {
            one(tool, &from, &stat, &to, wish, answers).await;
            continue;
        }
        match tool.p.stat(&to, true) {
            Ok(there) if !there.is_dir() => {
                let text = format!(
                    "cannot overwrite non-directory {} with directory {}",
                    quoted(&to),
                    quoted(&from)
                );
                tool.complain(text).await;
                continue;
            }
            Ok(_) => {}
            Err(_) => {
                if let Err(e) = tool.p.mkdir(&to, 0o700) {
                    tool.complain(format!("cannot create directory {}: {e}", quoted(&to))).await;
                    continue;
                }
                if wish.verbose {
                    tool.line(format!("{} -> {}", quoted(&from), quoted(&to))).await;
                }
                pending.push((from.clone(), to.clone(), true));
            }
        }
        match tool.p.list(&from) {
            Ok(inner) => {
                let inner = inner.iter().rev();
                pending.extend(inner.map(|name| (join(&from, name), join(&to, name), false)));
            }
            Err(e) => tool.complain(format!("cannot access {}: {e}", quoted(&from))).await,
        }
    }
}

/// Does the path lie in this directory?
pub(super) fn within(p: &Process, directory: &Stat, path: &str) -> bool {
    let fs = p.host().fs();
    let Ok(mut at) = fs.resolve(&p.cred(), p.cwd(), names::parent(path), true) else { return false };
    loop {
        if at == directory.ino {
            return true;
        }
        match fs.parent_of(at) {
            Ok(parent) if parent != at => at = parent,
            _ => return false,
        }
    }
}

async fn one(tool: &mut Tool, from: &str, stat: &Stat, to: &str, wish: Wish, answers: &mut Option<Input>) {
    if let Ok(there) = tool.p.stat(to, true) {
        if there.ino == stat.ino {
            tool.complain(format!("{} and {} are the same file", quoted(from), quoted(to))).await;
            return;
        }
        if there.is_dir() {
            let text = format!("cannot overwrite directory {} with non-directory", quoted(to));
            tool.complain(text).await;
            return;
        }
        if wish.no_clobber || wish.update && there.mtime >= stat.mtime {
            return;
        }
        if wish.ask && !agreed(tool, &format!("overwrite {}? ", quoted(to)), answers).await {
            tool.status = 1;
            return;
        }
    }
    if wish.verbose {
        tool.line(format!("{} -> {}", quoted(from), quoted(to))).await;
    }
    let special = stat.kind != Kind::File && (wish.links || wish.recursive);
    let made = match stat.kind {
        Kind::Symlink => {
            let target = tool.p.host().fs().readlink(stat.ino);
            let _ = tool.p.unlink(to);
            match target.and_then(|target| tool.p.symlink(&target, to)) {
                Ok(()) => Ok(()),
                Err(e) => Err(format!("cannot create symbolic link {}: {e}", quoted(to))),
            }
        }
        Kind::Socket | Kind::Fifo | Kind::CharDevice(_) if special => {
            Err(format!("cannot create special file {}: Operation not permitted", quoted(to)))
        }
        _ => file(&tool.p, from, stat, to, wish),
    };
    match made {
        Err(text) => tool.complain(text).await,
        Ok(()) if wish.preserve => keep(tool, stat, to).await,
        Ok(()) => {}
    }
}

fn file(p: &Process, from: &str, stat: &Stat, to: &str, wish: Wish) -> Result<(), String> {
    let content = p.read_file(from).map_err(|e| format!("cannot open {} for reading: {e}", quoted(from)))?;
    let mut written = p.write_file(to, content.clone(), stat.mode & 0o777);
    if written.is_err() && wish.force && p.exists(to) {
        written = p.unlink(to).and_then(|()| p.write_file(to, content, stat.mode & 0o777));
    }
    let not_a_directory = to.ends_with('/');
    written.map_err(|e| {
        let e = if not_a_directory { "Not a directory" } else { e.text() };
        format!("cannot create regular file {}: {e}", quoted(to))
    })
}

/// Gives a copy the owner, mode and times of the original; that a user cannot give files away is no failure.
async fn keep(tool: &mut Tool, stat: &Stat, to: &str) {
    let follow = stat.kind != Kind::Symlink;
    if tool.p.chown(to, Some(stat.uid), Some(stat.gid), follow).is_err() {
        let _ = tool.p.chown(to, None, Some(stat.gid), follow);
    }
    if follow {
        let kept = tool.p.chmod(to, stat.mode);
        if let Err(e) = kept {
            tool.complain(format!("preserving permissions for {}: {e}", quoted(to))).await;
        }
        let _ = tool.p.set_times(to, Touch::At(stat.atime), Touch::At(stat.mtime));
    }
}

const INSTALL: Options = Options {
    usage: "[OPTION]... SOURCE... DEST",
    short: "cdDg:m:o:pt:Tv",
    long: &[
        ("directory", 'd'),
        ("group=", 'g'),
        ("mode=", 'm'),
        ("owner=", 'o'),
        ("preserve-timestamps", 'p'),
        ("target-directory=", 't'),
        ("no-target-directory", 'T'),
        ("verbose", 'v'),
    ],
    absent: "bCsSZ",
    ..NONE
};

/// install(1)
pub async fn install(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match INSTALL.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let change = parse_mode(parsed.value('m').unwrap_or("755"));
    let Some(change) = change else {
        tool.complain(format!("invalid mode {}", quoted(parsed.value('m').unwrap_or_default()))).await;
        return 1;
    };
    let uid = parsed.value('o').map(|name| (name, names::uid_of(&tool.p, name)));
    let gid = parsed.value('g').map(|name| (name, names::gid_of(&tool.p, name)));
    for (what, found) in [("user", &uid), ("group", &gid)] {
        if let Some((name, None)) = found {
            tool.complain(format!("invalid {what} {}", quoted(name))).await;
            return 1;
        }
    }
    let owner = (uid.and_then(|u| u.1), gid.and_then(|g| g.1));
    if parsed.has('d') {
        for path in &parsed.operands {
            let mut at = String::new();
            for part in path.split_inclusive('/') {
                at.push_str(part);
                if !tool.p.exists(&at)
                    && let Err(e) = tool.p.mkdir(&at, 0o755)
                {
                    tool.complain(format!("cannot create directory {}: {e}", quoted(&at))).await;
                    break;
                }
            }
            finish(&mut tool, path, &change, owner).await;
        }
        return tool.done().await;
    }
    let Some((sources, to, into)) = destination(&mut tool, &parsed).await else { return 1 };
    for source in sources {
        let target = if into { join(&to, base(&source)) } else { to.clone() };
        let wish = Wish {
            recursive: false,
            links: false,
            preserve: parsed.has('p'),
            force: true,
            verbose: parsed.has('v'),
            update: false,
            no_clobber: false,
            ask: false,
        };
        let before = tool.status;
        tool.status = 0;
        copy(&mut tool, &source, &target, wish, &mut None).await;
        if tool.status == 0 {
            finish(&mut tool, &target, &change, owner).await;
        }
        tool.status = tool.status.max(before);
    }
    tool.done().await
}

async fn finish(tool: &mut Tool, path: &str, change: &Change, owner: (Option<u32>, Option<u32>)) {
    if owner != (None, None)
        && let Err(e) = tool.p.chown(path, owner.0, owner.1, true)
    {
        tool.complain(format!("cannot change ownership of {}: {e}", quoted(path))).await;
    }
    let directory = tool.p.stat(path, true).is_ok_and(|s| s.is_dir());
    if let Err(e) = tool.p.chmod(path, change.apply(0, directory, 0)) {
        tool.complain(format!("cannot change permissions of {}: {e}", quoted(path))).await;
    }
}
