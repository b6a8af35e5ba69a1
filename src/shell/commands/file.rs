//! file(1): what kind of thing a file is, as far as the files of a mail host go.
//!
//! # Simplifications
//! Of the thousands of formats of the real one there are those below.

use super::options::{NONE, Options};
use super::tool::Tool;
use crate::world::fs::Kind;
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[-bhL] <file> ...",
    short: "bhLiN",
    long: &[("brief", 'b'), ("dereference", 'L'), ("no-dereference", 'h'), ("mime", 'i')],
    absent: "cCdeEfFklmnPprsSvzZ0",
    ..NONE
};

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.has('i') {
        return tool.unavailable("-i").await;
    }
    if parsed.operands.is_empty() {
        tool.p.eprint(format!("Usage: {} {}\n", tool.name, OPTIONS.usage)).await;
        return 1;
    }
    let width =
        if parsed.has('N') { 0 } else { parsed.operands.iter().map(|o| o.len()).max().unwrap_or(0) + 1 };
    for name in &parsed.operands {
        let what = describe(&tool.p, name, parsed.has('L'));
        if parsed.has('b') {
            tool.line(what).await;
        } else {
            let name = format!("{name}:");
            tool.line(format!("{name:<width$} {what}")).await;
        }
    }
    tool.done().await
}

fn describe(p: &Process, name: &str, follow: bool) -> String {
    let stat = match p.stat(name, follow) {
        Ok(stat) => stat,
        Err(e) => return format!("cannot open `{name}' ({e})"),
    };
    let mut prefix = String::new();
    for (bit, word) in [(0o4000, "setuid "), (0o2000, "setgid "), (0o1000, "sticky ")] {
        if stat.mode & bit != 0 {
            prefix.push_str(word);
        }
    }
    let what = match stat.kind {
        Kind::Directory => "directory".to_owned(),
        Kind::Fifo => "fifo (named pipe)".into(),
        Kind::Socket => "socket".into(),
        Kind::CharDevice(device) => {
            format!("character special ({}/{})", device.number().0, device.number().1)
        }
        Kind::Symlink => {
            let target = p.host().fs().readlink(stat.ino).map(|t| t.to_string()).unwrap_or_default();
            let broken = if p.exists(name) { "" } else { "broken " };
            format!("{broken}symbolic link to {target}")
        }
        Kind::File if stat.size == 0 => "empty".into(),
        Kind::File => match p.read_file(name) {
            Ok(content) => content_kind(&content),
            Err(_) => "regular file, no read permission".into(),
        },
    };
    format!("{prefix}{what}")
}

fn content_kind(content: &[u8]) -> String {
    if content.starts_with(b"\x7fELF") {
        return "ELF 64-bit LSB pie executable, x86-64, version 1 (SYSV), dynamically linked, interpreter /lib64/ld-linux-x86-64.so.2, for GNU/Linux 3.2.0, stripped".into();
    }
    if content.len() == 1 {
        return "very short file (no magic)".into();
    }
    let Some(encoding) = encoding(content) else {
        return if content.get(12..16) == Some(b"\x61\x15\x06\x00") {
            "Berkeley DB (Hash, version 9, native byte-order)".into()
        } else {
            "data".into()
        };
    };
    let line = content.split(|b| *b == b'\n').next().unwrap_or_default();
    let starts = |text: &str| {
        content.len() >= text.len() && content[..text.len()].eq_ignore_ascii_case(text.as_bytes())
    };
    let kind = if let Some(interpreter) = line.strip_prefix(b"#!") {
        let path = String::from_utf8_lossy(interpreter).trim().to_owned();
        let name = path.split_whitespace().next().unwrap_or_default();
        match name {
            "/bin/sh" | "/usr/bin/sh" => "POSIX shell script, ".to_owned(),
            "/bin/bash" | "/usr/bin/bash" => "Bourne-Again shell script, ".into(),
            "/usr/bin/python3" => "Python script, ".into(),
            "/usr/bin/perl" => "Perl script text executable".into(),
            _ => format!("a {path} script, "),
        }
    } else if line.starts_with(b"From ") || starts("Return-Path:") || starts("Received:") {
        "SMTP mail, ".to_owned()
    } else if starts("Relay-Version:") || starts("Xref:") || starts("From:") || starts("Article") {
        "news or mail, ".into()
    } else {
        String::new()
    };
    if kind.contains("script") {
        let text = if kind.ends_with("executable") { "" } else { " text executable" };
        return if text.is_empty() { kind } else { format!("{kind}{encoding}{text}") };
    }
    let mut text = format!("{kind}{encoding} text");
    let longest = content.split(|b| *b == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    if longest > 300 {
        text.push_str(&format!(", with very long lines ({longest})"));
    }
    let crlf = content.windows(2).filter(|w| *w == b"\r\n").count();
    let lf = content.iter().filter(|b| **b == b'\n').count() - crlf;
    match (crlf, lf) {
        (0, 0) => text.push_str(", with no line terminators"),
        (0, _) => {}
        (_, 0) => text.push_str(", with CRLF line terminators"),
        _ => text.push_str(", with CRLF, LF line terminators"),
    }
    text
}

fn encoding(content: &[u8]) -> Option<&'static str> {
    let odd = |b: u8| b < 32 && !matches!(b, 7..=13 | 27) || b == 127;
    if content.iter().any(|b| odd(*b)) {
        return None;
    }
    if content.is_ascii() {
        return Some("ASCII");
    }
    if std::str::from_utf8(content).is_ok() {
        return Some("Unicode text, UTF-8");
    }
    Some(if content.iter().any(|b| (0x80..0xa0).contains(b)) { "Non-ISO extended-ASCII" } else { "ISO-8859" })
}
