//! sed(1): edits a stream.
//!
//! - [`script`]: the language; [`run`]: the cycle over the lines
//!
//! # Simplifications
//! `e` and its flag, `v`, `-z` and `--debug` are not there. A script is stopped when it keeps
//! more than 64 MiB or goes in a circle.

pub mod run;
pub mod script;

use super::names;
use super::options::{NONE, Options};
use super::text::whole;
use super::tool::Tool;
use crate::world::fs::{OpenFlags, Stat};
use crate::world::process::Process;
use run::{Lines, Machine, Output};
use script::Source;
use std::rc::Rc;

const OPTIONS: Options = Options {
    usage: "[OPTION]... {script-only-if-no-other-script} [input-file]...",
    short: "e:Ef:i::l:nrsu",
    long: &[
        ("expression=", 'e'),
        ("regexp-extended", 'E'),
        ("file=", 'f'),
        ("in-place?", 'i'),
        ("line-length=", 'l'),
        ("posix", 'u'),
        ("quiet", 'n'),
        ("silent", 'n'),
        ("separate", 's'),
        ("unbuffered", 'u'),
    ],
    absent: "bz",
    ..NONE
};

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut source = Source::default();
    for (option, value) in &parsed.given {
        match (option, value) {
            ('e', Some(text)) => source.add(text.as_bytes(), None),
            ('f', Some(name)) => match whole(&tool.p, name).await {
                Ok(text) => source.add(super::text::chomp(&text), Some(name.to_string())),
                Err(e) => {
                    tool.warn(format!("couldn't open file {name}: {e}")).await;
                    return 1;
                }
            },
            _ => {}
        }
    }
    let mut files = parsed.operands.clone();
    if source.is_empty() {
        if files.is_empty() {
            tool.p.eprint(format!("Usage: {} {}\n", tool.name, OPTIONS.usage)).await;
            return 1;
        }
        source.add(files.remove(0).as_bytes(), None);
    }
    let commands = match source.compile(parsed.has('E') || parsed.has('r')) {
        Ok(commands) => commands,
        Err(text) => {
            tool.warn(&text).await;
            return if text.starts_with("can't find label") { 4 } else { 1 };
        }
    };
    if files.is_empty() {
        files.push("-".into());
    }
    let mut machine = match Machine::new(&tool, &commands, parsed.has('n')) {
        Ok(machine) => machine,
        Err(text) => {
            tool.warn(text).await;
            return 4;
        }
    };
    let in_place = parsed.has('i');
    if !in_place && !parsed.has('s') {
        let (mut lines, mut out) = (Lines::new(files), Output::new(false));
        return match machine.run(&mut tool, &mut lines, &mut out).await {
            Ok(status) => finish(tool, status).await,
            Err(text) => failed(tool, text).await,
        };
    }
    for name in &files {
        let stat = tool.p.stat(name, true).ok().filter(Stat::is_file);
        if in_place && stat.is_none() && tool.p.exists(name) {
            tool.warn(format!("couldn't edit {name}: not a regular file")).await;
            tool.status = 4;
            continue;
        }
        let (mut lines, mut out) = (Lines::new([name.clone()]), Output::new(in_place && stat.is_some()));
        let ended = machine.run(&mut tool, &mut lines, &mut out).await;
        if let (Some(stat), Some(text)) = (stat, out.held) {
            let backup = parsed.value('i');
            if let Err(text) = replace(&tool.p, name, &stat, text, backup) {
                tool.warn(text).await;
                return 4;
            }
        }
        match ended {
            Ok(None) => {}
            Ok(status) => return finish(tool, status).await,
            Err(text) => return failed(tool, text).await,
        }
    }
    tool.done().await
}

async fn finish(mut tool: Tool, status: Option<i32>) -> i32 {
    tool.status = status.filter(|s| *s != 0).unwrap_or(tool.status);
    tool.done().await
}

async fn failed(mut tool: Tool, text: String) -> i32 {
    tool.warn(text).await;
    1
}

/// Puts a new file in the place of the old one, with its owner and mode.
fn replace(p: &Process, name: &str, stat: &Stat, text: Vec<u8>, backup: Option<&str>) -> Result<(), String> {
    let directory = names::parent(name);
    let letters: String = (0..6).map(|_| char::from(b'A' + p.host().random(26) as u8)).collect();
    let new = names::join(directory, &format!("sed{letters}"));
    let fail = |e| format!("couldn't open temporary file {new}: {e}");
    let open = p.open(&new, OpenFlags::EXCLUSIVE, 0o600).map_err(fail)?;
    open.write_file(&text).map_err(|e| format!("couldn't write {} items to {new}: {e}", text.len()))?;
    drop(open);
    if p.chown(&new, Some(stat.uid), Some(stat.gid), true).is_err() {
        let _ = p.chown(&new, None, Some(stat.gid), true);
    }
    let _ = p.chmod(&new, stat.mode);
    if let Some(suffix) = backup {
        let to: Rc<str> = match suffix.contains('*') {
            true => suffix.replace('*', names::base(name)).into(),
            false => format!("{name}{suffix}").into(),
        };
        p.rename(name, &to).map_err(|e| format!("cannot rename {name}: {e}"))?;
    }
    p.rename(&new, name).map_err(|e| format!("cannot rename {new}: {e}"))
}
