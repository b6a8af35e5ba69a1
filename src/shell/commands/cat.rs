//! cat(1): copies files to standard output.

use super::options::{NONE, Options};
use super::text::Input;
use super::tool::{Tool, shown};
use crate::world::process::{Process, STDOUT};
use std::fmt::Write;

const OPTIONS: Options = Options {
    short: "AbeEnstTuv",
    long: &[
        ("show-all", 'A'),
        ("number-nonblank", 'b'),
        ("show-ends", 'E'),
        ("number", 'n'),
        ("squeeze-blank", 's'),
        ("show-tabs", 'T'),
        ("show-nonprinting", 'v'),
    ],
    usage: "[OPTION]... [FILE]...",
    ..NONE
};

#[derive(Default)]
struct Style {
    number: bool,
    nonblank: bool,
    ends: bool,
    squeeze: bool,
    tabs: bool,
    nonprinting: bool,
}

/// Where the lines of all files have come to.
#[derive(Default)]
struct At {
    line: usize,
    blank_lines: usize,
    in_line: bool,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let any = |letters: &str| parsed.last_of(letters).is_some();
    let style = Style {
        number: any("nb"),
        nonblank: any("b"),
        ends: any("eEA"),
        squeeze: any("s"),
        tabs: any("tTA"),
        nonprinting: any("vetA"),
    };
    let plain = !any("AbeEnstTv");
    let mut at = At::default();
    for name in parsed.files() {
        let mut input = match Input::open(&tool.p, &name) {
            Ok(input) => input,
            Err(e) => {
                tool.complain(format!("{}: {e}", shown(&name))).await;
                continue;
            }
        };
        if writes_what_it_reads(&tool, &input) {
            tool.complain(format!("{}: input file is output file", shown(&name))).await;
            continue;
        }
        let error = if plain {
            copy(&mut tool, &mut input).await
        } else {
            dress(&mut tool, &mut input, &style, &mut at).await
        };
        if let Err(e) = error {
            tool.complain(format!("{}: {e}", shown(&name))).await;
        }
    }
    tool.done().await
}

fn writes_what_it_reads(tool: &Tool, input: &Input) -> bool {
    let Ok(out) = tool.p.fd(STDOUT) else { return false };
    let (Some(from), Some(to)) = (input.file().ino(), out.ino()) else { return false };
    from == to && input.file().offset().unwrap_or(0) < tool.p.host().fs().stat(from).size
}

async fn copy(tool: &mut Tool, input: &mut Input) -> crate::world::errno::Sys<()> {
    loop {
        let block = input.block().await?;
        if block.is_empty() {
            return Ok(());
        }
        tool.put(&block).await;
        tool.flush().await;
    }
}

async fn dress(
    tool: &mut Tool,
    input: &mut Input,
    style: &Style,
    at: &mut At,
) -> crate::world::errno::Sys<()> {
    while let Some(line) = input.line().await? {
        let (body, ended) = match line.strip_suffix(b"\n") {
            Some(body) => (body, true),
            None => (&line[..], false),
        };
        if !at.in_line && body.is_empty() {
            at.blank_lines += 1;
            if style.squeeze && at.blank_lines > 1 {
                continue;
            }
        } else {
            at.blank_lines = 0;
        }
        let mut text = String::new();
        if style.number && !at.in_line && !(style.nonblank && body.is_empty()) {
            at.line += 1;
            let _ = write!(text, "{:6}\t", at.line);
        }
        let mut dressed = text.into_bytes();
        show(body, style, &mut dressed);
        if ended {
            dressed.extend_from_slice(if style.ends { b"$\n" } else { b"\n" });
        }
        at.in_line = !ended;
        tool.put(dressed).await;
    }
    Ok(())
}

fn show(body: &[u8], style: &Style, out: &mut Vec<u8>) {
    for &b in body {
        if b == b'\t' {
            out.extend_from_slice(if style.tabs { b"^I" } else { b"\t" });
            continue;
        }
        if !style.nonprinting {
            out.push(b);
            continue;
        }
        let mut b = b;
        if b >= 128 {
            out.extend_from_slice(b"M-");
            b -= 128;
        }
        match b {
            0..32 => out.extend_from_slice(&[b'^', b + 64]),
            127 => out.extend_from_slice(b"^?"),
            b => out.push(b),
        }
    }
}
