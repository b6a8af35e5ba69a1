//! wc(1): counts lines, words and octets.
//!
//! # Simplifications
//! A character is an octet, as in the C locale.

use super::options::{NONE, Options};
use super::text::Input;
use super::tool::{Tool, shown};
use crate::world::errno::Sys;
use crate::world::fs::Kind;
use crate::world::process::{Process, STDIN};
use std::fmt::Write;

const OPTIONS: Options = Options {
    short: "clLmw",
    long: &[("bytes", 'c'), ("chars", 'm'), ("lines", 'l'), ("max-line-length", 'L'), ("words", 'w')],
    usage: "[OPTION]... [FILE]...",
    ..NONE
};

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    longest: u64,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let columns: String = match parsed.given.is_empty() {
        true => "lwc".into(),
        false => "lwmcL".chars().filter(|c| parsed.has(*c)).collect(),
    };
    let width = width(&tool.p, &parsed.operands, columns.len());
    let mut total = Counts::default();
    for name in parsed.files() {
        let mut counts = Counts::default();
        let counted = match Input::open(&tool.p, &name) {
            Ok(input) => count(input, &mut counts).await.map_err(|e| (e, true)),
            Err(e) => Err((e, false)),
        };
        total.lines += counts.lines;
        total.words += counts.words;
        total.bytes += counts.bytes;
        total.longest = total.longest.max(counts.longest);
        let mut opened = true;
        if let Err((e, was_open)) = counted {
            tool.complain(format!("{}: {e}", shown(&name))).await;
            opened = was_open;
        }
        if opened {
            let name = (!parsed.operands.is_empty()).then_some(&*name);
            tool.line(row(&columns, width, &counts, name)).await;
        }
    }
    if parsed.operands.len() > 1 {
        tool.line(row(&columns, width, &total, Some("total"))).await;
    }
    tool.done().await
}

/// How wide the numbers are: as the sum of the sizes, or 7 where a size is not known beforehand.
fn width(p: &Process, operands: &[std::rc::Rc<str>], columns: usize) -> usize {
    if operands.len() <= 1 && columns == 1 {
        return 1;
    }
    if operands.is_empty() {
        let ino = p.fd(STDIN).ok().and_then(|open| open.ino());
        return ino.map_or(7, |ino| p.host().fs().stat(ino).size.to_string().len());
    }
    let mut sum = 0;
    let mut least = 1;
    for name in operands {
        match p.stat(name, true) {
            Ok(stat) if stat.kind == Kind::File => sum += stat.size,
            Ok(_) => least = 7,
            Err(_) => {}
        }
    }
    sum.to_string().len().max(least)
}

fn row(columns: &str, width: usize, counts: &Counts, name: Option<&str>) -> String {
    let mut text = String::new();
    for column in columns.chars() {
        let n = match column {
            'l' => counts.lines,
            'w' => counts.words,
            'L' => counts.longest,
            _ => counts.bytes,
        };
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{n:width$}");
    }
    if let Some(name) = name {
        text.push(' ');
        text.push_str(&shown(name));
    }
    text
}

async fn count(mut input: Input, counts: &mut Counts) -> Sys<()> {
    let (mut in_word, mut column) = (false, 0);
    loop {
        let block = input.block().await?;
        if block.is_empty() {
            break;
        }
        counts.bytes += block.len() as u64;
        for &b in &block[..] {
            counts.lines += u64::from(b == b'\n');
            match b {
                b'\n' | b'\r' | 12 => {
                    counts.longest = counts.longest.max(column);
                    column = 0;
                }
                b'\t' => column += 8 - column % 8,
                b => column += u64::from((32..127).contains(&b)),
            }
            let space = b.is_ascii_whitespace() || b == 11;
            if space {
                in_word = false;
            } else if !in_word && (33..127).contains(&b) {
                in_word = true;
                counts.words += 1;
            }
        }
    }
    counts.longest = counts.longest.max(column);
    Ok(())
}
