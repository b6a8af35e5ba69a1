//! stat(1): what the file system knows of a file.
//!
//! # Simplifications
//! The birth of a file is not known (`-`). `-f` is not there.

use super::date;
use super::names;
use super::options::{NONE, Options};
use super::tool::{Tool, quoted};
use crate::world::fs::{Kind, Stat};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[OPTION]... FILE...",
    short: "c:Lt",
    long: &[("dereference", 'L'), ("format=", 'c'), ("printf=", PRINTF), ("terse", 't')],
    absent: "f",
    ..NONE
};
const PRINTF: char = '\u{11}';
const TERSE: &str = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o";
const LONG: &str = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\n\
    Device: 0,%d\tInode: %-11i Links: %h\n\
    Access: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\n\
    Access: %x\nModify: %y\nChange: %z\n Birth: %w";
const INSTANT: &str = "%Y-%m-%d %H:%M:%S.%N +0000";

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    let raw = parsed.value(PRINTF).map(super::printf::unescape);
    let format = match (&raw, parsed.value('c')) {
        (Some(format), _) => format.clone(),
        (None, Some(format)) => format!("{format}\n"),
        (None, None) => format!("{}\n", if parsed.has('t') { TERSE } else { LONG }),
    };
    let long = parsed.value('c').is_none() && raw.is_none();
    for name in &parsed.operands {
        match tool.p.stat(name, parsed.has('L')) {
            Ok(stat) => {
                let mut text = describe(&tool.p, name, &stat, &format);
                if long && !parsed.has('t') {
                    text = text.replacen("  File: '", "  File: ", 1).replacen("'\n", "\n", 1);
                    if stat.kind == Kind::Symlink {
                        text = text.replacen("' -> '", " -> ", 1);
                    }
                }
                tool.put(text).await;
            }
            Err(e) => tool.complain(format!("cannot statx {}: {e}", quoted(name))).await,
        }
    }
    tool.done().await
}

/// What a file is, in the words of stat(1).
fn kind(stat: &Stat) -> &'static str {
    match stat.kind {
        Kind::File if stat.size == 0 => "regular empty file",
        Kind::File => "regular file",
        Kind::Directory => "directory",
        Kind::Symlink => "symbolic link",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::CharDevice(_) => "character special file",
    }
}

fn describe(p: &Process, name: &str, stat: &Stat, format: &str) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        while let Some(flag) = chars.next_if(|c| "-+ 0#.".contains(*c) || c.is_ascii_digit()) {
            spec.push(flag);
        }
        let Some(letter) = chars.next() else {
            out.push('%');
            out.push_str(&spec);
            break;
        };
        if letter == '%' {
            out.push('%');
            continue;
        }
        out.push_str(&padded(&spec, &value(p, name, stat, letter)));
    }
    out
}

fn padded(spec: &str, text: &str) -> String {
    let (flags, width) = match spec.find(|c: char| ('1'..='9').contains(&c)) {
        Some(at) => spec.split_at(at),
        None => (spec, ""),
    };
    let width: usize = width.split('.').next().unwrap_or("").parse().unwrap_or(0).min(4096);
    if flags.contains('-') {
        format!("{text:<width$}")
    } else if flags.contains('0') {
        format!("{text:0>width$}")
    } else {
        format!("{text:>width$}")
    }
}

fn value(p: &Process, name: &str, stat: &Stat, letter: char) -> String {
    let host = p.host();
    let device = match stat.kind {
        Kind::CharDevice(device) => device.number(),
        _ => (0, 0),
    };
    match letter {
        'a' => format!("{:o}", stat.mode),
        'A' => names::mode(stat),
        'b' => stat.blocks.to_string(),
        'B' => "512".into(),
        'd' => stat.dev.to_string(),
        'D' => format!("{:x}", stat.dev),
        'f' => format!("{:x}", stat.st_mode()),
        'F' => kind(stat).into(),
        'g' => stat.gid.to_string(),
        'G' => names::group(host, stat.gid),
        'h' => stat.nlink.to_string(),
        'i' => stat.ino.to_string(),
        'm' => "/".into(),
        'n' => name.into(),
        'N' => match host.fs().readlink(stat.ino) {
            Ok(target) if stat.kind == Kind::Symlink => format!("{} -> {}", quoted(name), quoted(&target)),
            _ => quoted(name),
        },
        'o' => "4096".into(),
        's' => stat.size.to_string(),
        't' => format!("{:x}", device.0),
        'T' => format!("{:x}", device.1),
        'u' => stat.uid.to_string(),
        'U' => names::user(host, stat.uid),
        'w' => "-".into(),
        'W' => "0".into(),
        'x' => date::format(stat.atime, INSTANT),
        'X' => stat.atime.unix().to_string(),
        'y' => date::format(stat.mtime, INSTANT),
        'Y' => stat.mtime.unix().to_string(),
        'z' => date::format(stat.ctime, INSTANT),
        'Z' => stat.ctime.unix().to_string(),
        _ => "?".into(),
    }
}
