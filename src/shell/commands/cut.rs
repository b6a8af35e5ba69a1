//! cut(1): parts of lines.

use super::options::{NONE, Options};
use super::text::Input;
use super::tool::{Tool, quoted, shown};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "OPTION... [FILE]...",
    short: "b:c:d:f:nsz",
    long: &[
        ("bytes=", 'b'),
        ("characters=", 'c'),
        ("complement", COMPLEMENT),
        ("delimiter=", 'd'),
        ("fields=", 'f'),
        ("only-delimited", 's'),
        ("output-delimiter=", OUTPUT),
        ("zero-terminated", 'z'),
    ],
    ..NONE
};
const COMPLEMENT: char = '\u{11}';
const OUTPUT: char = '\u{12}';

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let lists: Vec<_> = parsed.given.iter().filter(|(o, _)| "bcf".contains(*o)).collect();
    let (kind, list) = match lists[..] {
        [] => return tool.usage("you must specify a list of bytes, characters, or fields", 1).await,
        [(kind, list)] => (*kind, list.as_deref().unwrap_or_default()),
        _ => return tool.usage("only one list may be specified", 1).await,
    };
    let delimiter = match parsed.value('d') {
        None => b'\t',
        Some("") => 0,
        Some(d) if d.len() == 1 => d.as_bytes()[0],
        Some(_) => return tool.usage("the delimiter must be a single character", 1).await,
    };
    if kind != 'f' && parsed.has('d') {
        return tool.usage("an input delimiter may be specified only when operating on fields", 1).await;
    }
    if kind != 'f' && parsed.has('s') {
        let text = "suppressing non-delimited lines makes sense\n\tonly when operating on fields";
        return tool.usage(text, 1).await;
    }
    let ranges = match ranges(list, kind == 'f') {
        Ok(ranges) => ranges,
        Err(text) => return tool.usage(text, 1).await,
    };
    let complement = parsed.has(COMPLEMENT);
    let wanted = |n: usize| ranges.iter().any(|(from, to)| (*from..=*to).contains(&n)) != complement;
    let between = match parsed.value(OUTPUT) {
        Some(text) => text.as_bytes().to_vec(),
        None if kind == 'f' => vec![delimiter],
        None => Vec::new(),
    };
    let end = if parsed.has('z') { 0 } else { b'\n' };
    for name in parsed.files() {
        let mut input = match Input::open(&tool.p, &name) {
            Ok(input) => input,
            Err(e) => {
                tool.complain(format!("{}: {e}", shown(&name))).await;
                continue;
            }
        };
        loop {
            let line = match input.until(end).await {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(e) => {
                    tool.complain(format!("{}: {e}", shown(&name))).await;
                    break;
                }
            };
            let body = line.strip_suffix(&[end]).unwrap_or(&line);
            let mut out = Vec::with_capacity(line.len());
            if kind == 'f' {
                if !body.contains(&delimiter) {
                    if parsed.has('s') {
                        continue;
                    }
                    out.extend_from_slice(body);
                } else {
                    let mut first = true;
                    for (n, field) in body.split(|b| *b == delimiter).enumerate() {
                        if wanted(n + 1) {
                            if !first {
                                out.extend_from_slice(&between);
                            }
                            first = false;
                            out.extend_from_slice(field);
                        }
                    }
                }
            } else {
                let mut last = None;
                for (n, b) in body.iter().enumerate() {
                    if wanted(n + 1) {
                        if last.is_some_and(|last| last + 1 != n) {
                            out.extend_from_slice(&between);
                        }
                        last = Some(n);
                        out.push(*b);
                    }
                }
            }
            out.push(end);
            tool.put(out).await;
        }
    }
    tool.done().await
}

/// `1,3-5,-2,7-`
fn ranges(list: &str, fields: bool) -> Result<Vec<(usize, usize)>, String> {
    let mut all = Vec::new();
    for item in list.split([',', ' ', '\t']) {
        let number = |text: &str| -> Result<usize, String> {
            let n = text.parse().map_err(|_| {
                if fields {
                    format!("invalid field value {}", quoted(text))
                } else {
                    format!("invalid byte/character position {}", quoted(text))
                }
            })?;
            if n == 0 {
                return Err(if fields {
                    "fields are numbered from 1".into()
                } else {
                    "byte/character positions are numbered from 1".into()
                });
            }
            Ok(n)
        };
        let range = match item.split_once('-') {
            None if item.is_empty() => {
                return Err(if fields {
                    "fields are numbered from 1".into()
                } else {
                    "byte/character positions are numbered from 1".into()
                });
            }
            None => (number(item)?, number(item)?),
            Some(("", "")) => return Err("invalid range with no endpoint: -".into()),
            Some(("", to)) => (1, number(to)?),
            Some((from, "")) => (number(from)?, usize::MAX),
            Some((from, to)) => (number(from)?, number(to)?),
        };
        if range.1 < range.0 {
            return Err("invalid decreasing range".into());
        }
        all.push(range);
    }
    Ok(all)
}
