//! mv(1) and ln(1): give files other names, or more of them.

use super::cp::{destination, within};
use super::names::{base, join};
use super::options::{NONE, Options};
use super::rm::agreed;
use super::text::Input;
use super::tool::{Tool, quoted};
use crate::world::errno::Errno;
use crate::world::process::Process;

const MV: Options = Options {
    usage: "[OPTION]... SOURCE... DEST",
    short: "fint:Tuv",
    long: &[
        ("force", 'f'),
        ("interactive", 'i'),
        ("no-clobber", 'n'),
        ("target-directory=", 't'),
        ("no-target-directory", 'T'),
        ("update", 'u'),
        ("verbose", 'v'),
    ],
    absent: "bSZ",
    ..NONE
};
const LN: Options = Options {
    usage: "[OPTION]... TARGET LINK_NAME",
    short: "finst:TvPL",
    long: &[
        ("force", 'f'),
        ("no-dereference", 'n'),
        ("symbolic", 's'),
        ("target-directory=", 't'),
        ("no-target-directory", 'T'),
        ("verbose", 'v'),
    ],
    absent: "bdFrS",
    ..NONE
};

/// mv(1)
pub async fn mv(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match MV.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let Some((sources, to, into)) = destination(&mut tool, &parsed).await else { return 1 };
    let how = parsed.last_of("fin");
    let mut answers = Input::open(&tool.p, "-").ok();
    for from in sources {
        let target = if into { join(&to, base(&from)) } else { to.clone() };
        let stat = match tool.p.stat(&from, false) {
            Ok(stat) => stat,
            Err(e) => {
                tool.complain(format!("cannot stat {}: {e}", quoted(&from))).await;
                continue;
            }
        };
        if let Ok(there) = tool.p.stat(&target, false) {
            if there.ino == stat.ino {
                let text = format!("{} and {} are the same file", quoted(&from), quoted(&target));
                tool.complain(text).await;
                continue;
            }
            if there.is_dir() && !stat.is_dir() {
                let text = format!(
                    "cannot overwrite directory {} with non-directory {}",
                    quoted(&target),
                    quoted(&from)
                );
                tool.complain(text).await;
                continue;
            }
            if !there.is_dir() && stat.is_dir() {
                let text = format!(
                    "cannot overwrite non-directory {} with directory {}",
                    quoted(&target),
                    quoted(&from)
                );
                tool.complain(text).await;
                continue;
            }
            if how == Some('n') || parsed.has('u') && there.mtime >= stat.mtime {
                continue;
            }
            let question = format!("overwrite {}? ", quoted(&target));
            if how == Some('i') && !agreed(&mut tool, &question, &mut answers).await {
                tool.status = 1;
                continue;
            }
        }
        if stat.is_dir() && within(&tool.p, &stat, &target) {
            let text =
                format!("cannot move {} to a subdirectory of itself, {}", quoted(&from), quoted(&target));
            tool.complain(text).await;
            continue;
        }
        match tool.p.rename(&from, &target) {
            Ok(()) if parsed.has('v') => {
                tool.line(format!("renamed {} -> {}", quoted(&from), quoted(&target))).await;
            }
            Ok(()) => {}
            Err(e) => {
                tool.complain(format!("cannot move {} to {}: {e}", quoted(&from), quoted(&target))).await;
            }
        }
    }
    tool.done().await
}

/// ln(1)
pub async fn ln(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let mut parsed = match LN.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let ([only], None) = (&parsed.operands[..], parsed.value('t')) {
        let here = format!("./{}", base(only));
        parsed.operands.push(here.into());
    }
    // A link to a directory is the directory, unless -n says otherwise.
    let last = parsed.operands.last().cloned();
    let link = last.is_some_and(|l| tool.p.stat(&l, false).is_ok_and(|s| !s.is_dir()));
    if parsed.has('n') && link && parsed.operands.len() == 2 {
        parsed.given.push(('T', None));
    }
    let Some((sources, to, into)) = destination(&mut tool, &parsed).await else { return 1 };
    let symbolic = parsed.has('s');
    for from in sources {
        let target = if into { join(&to, base(&from)) } else { to.clone() };
        if !symbolic {
            match tool.p.stat(&from, false) {
                Ok(stat) if stat.is_dir() => {
                    tool.complain(format!("{from}: hard link not allowed for directory")).await;
                    continue;
                }
                Ok(_) => {}
                Err(e) => {
                    tool.complain(format!("failed to access {}: {e}", quoted(&from))).await;
                    continue;
                }
            }
        }
        let make = |p: &Process| if symbolic { p.symlink(&from, &target) } else { p.link(&from, &target) };
        let mut made = make(&tool.p);
        if made == Err(Errno::EEXIST) && parsed.has('f') && tool.p.unlink(&target).is_ok() {
            made = make(&tool.p);
        }
        match made {
            Ok(()) if parsed.has('v') => {
                let arrow = if symbolic { "->" } else { "=>" };
                tool.line(format!("{} {arrow} {}", quoted(&target), quoted(&from))).await;
            }
            Ok(()) => {}
            Err(e) => {
                let kind = if symbolic { "symbolic" } else { "hard" };
                let tail = if symbolic || e == Errno::EEXIST {
                    String::new()
                } else {
                    format!(" => {}", quoted(&from))
                };
                tool.complain(format!("failed to create {kind} link {}{tail}: {e}", quoted(&target))).await;
            }
        }
    }
    tool.done().await
}
