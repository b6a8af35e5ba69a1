//! Octets made visible: od(1), hexdump(1), xxd(1), base64(1).
//!
//! # Simplifications
//! Of od's formats there are those of `-a`-less single letters `-b -c -d -o -x` and `-t` with `c`,
//! `d`, `o`, `u`, `x` and a size of 1, 2, 4 or 8; one format at a time. hexdump has `-C` and its
//! default; xxd the plain dump, `-p`, and `-r -p`.

use super::options::{NONE, Options};
use super::text::whole;
use super::tool::{Tool, quoted, shown};
use crate::world::process::Process;
use std::fmt::Write;

/// All files one behind the other.
async fn gather(tool: &mut Tool, files: &[std::rc::Rc<str>]) -> Vec<u8> {
    let mut all = Vec::new();
    for name in files {
        match whole(&tool.p, name).await {
            Ok(text) => all.extend_from_slice(&text),
            Err(e) => tool.complain(format!("{}: {e}", shown(name))).await,
        }
    }
    all
}

fn little_endian(unit: &[u8]) -> u64 {
    unit.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// od(1)
pub async fn od(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]...",
        short: "A:bcdj:N:ot:vw:x",
        long: &[
            ("address-radix=", 'A'),
            ("format=", 't'),
            ("output-duplicates", 'v'),
            ("read-bytes=", 'N'),
            ("skip-bytes=", 'j'),
            ("width?", 'w'),
        ],
        absent: "aefhiIlLsOS",
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let spec = match parsed.given.iter().rev().find(|(o, _)| "bcdotx".contains(*o)) {
        Some(('b', _)) => "o1".to_owned(),
        Some(('c', _)) => "c".into(),
        Some(('d', _)) => "u2".into(),
        Some(('x', _)) => "x2".into(),
        Some(('t', Some(spec))) => spec.to_string(),
        _ => "o2".into(),
    };
    let (visible, spec) = match spec.strip_suffix('z') {
        Some(rest) => (true, rest.to_owned()),
        None => (false, spec),
    };
    let letter = spec.chars().next().unwrap_or('o');
    let size: usize = match &spec[letter.len_utf8()..] {
        _ if letter == 'c' => 1,
        "" | "4" | "I" => 4,
        "1" | "C" => 1,
        "2" | "S" => 2,
        "8" | "L" => 8,
        _ => 0,
    };
    if !"cdoux".contains(letter) || size == 0 {
        tool.complain(format!("invalid type string {}", quoted(&spec))).await;
        return 1;
    }
    let number = |option| parsed.value(option).and_then(super::head::amount);
    let mut data = gather(&mut tool, &parsed.files()).await;
    let skip = number('j').unwrap_or(0).min(data.len());
    data.drain(..skip);
    data.truncate(number('N').unwrap_or(usize::MAX));
    let digits = match letter {
        'c' => 3,
        'x' => size * 2,
        'o' => [3, 6, 11, 22][size.ilog2() as usize],
        'u' => [3, 5, 10, 20][size.ilog2() as usize],
        _ => [4, 6, 11, 20][size.ilog2() as usize],
    };
    let row_len = number('w').unwrap_or(16).clamp(size, 4096);
    let address = |n: usize| match parsed.value('A') {
        Some("n") => String::new(),
        Some("d") => format!("{n:07}"),
        Some("x") => format!("{n:06x}"),
        _ => format!("{n:07o}"),
    };
    let mut last: Option<&[u8]> = None;
    let mut starred = false;
    for (n, row) in data.chunks(row_len).enumerate() {
        if !parsed.has('v') && last == Some(row) && row.len() == row_len {
            if !starred {
                tool.line("*").await;
            }
            starred = true;
            continue;
        }
        (last, starred) = (Some(row), false);
        let mut text = address(skip + n * row_len);
        for unit in row.chunks(size) {
            let value = little_endian(unit);
            let cell = match letter {
                'c' => named_octet(unit[0]),
                'x' => format!("{value:0digits$x}"),
                'o' => format!("{value:0digits$o}"),
                'u' => value.to_string(),
                _ => (((value << (64 - size * 8)) as i64) >> (64 - size * 8)).to_string(),
            };
            let _ = write!(text, " {cell:>digits$}");
        }
        if visible {
            let missing = (row_len - row.len()).div_ceil(size) * (digits + 1);
            let _ = write!(text, "{:missing$}  >{}<", "", visible_text(row));
        }
        tool.line(text).await;
    }
    if parsed.value('A') != Some("n") {
        tool.line(address(skip + data.len())).await;
    }
    tool.done().await
}

fn named_octet(b: u8) -> String {
    match b {
        0 => "\\0".into(),
        7 => "\\a".into(),
        8 => "\\b".into(),
        b'\t' => "\\t".into(),
        b'\n' => "\\n".into(),
        11 => "\\v".into(),
        12 => "\\f".into(),
        b'\r' => "\\r".into(),
        32..127 => char::from(b).to_string(),
        b => format!("{b:03o}"),
    }
}

fn visible_text(row: &[u8]) -> String {
    row.iter().map(|b| if (32..127).contains(b) { char::from(*b) } else { '.' }).collect()
}

/// hexdump(1)
pub async fn hexdump(p: Process) -> i32 {
    const OPTIONS: Options =
        Options { usage: "[options] <file>...", short: "Cn:s:v", absent: "bcdoxefL", ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let number = |option| parsed.value(option).and_then(super::head::amount);
    let mut data = gather(&mut tool, &parsed.files()).await;
    let skip = number('s').unwrap_or(0).min(data.len());
    data.drain(..skip);
    data.truncate(number('n').unwrap_or(usize::MAX));
    let canonical = parsed.has('C');
    let width = if canonical { 8 } else { 7 };
    let mut last: Option<&[u8]> = None;
    let mut starred = false;
    for (n, row) in data.chunks(16).enumerate() {
        if !parsed.has('v') && last == Some(row) && row.len() == 16 {
            if !starred {
                tool.line("*").await;
            }
            starred = true;
            continue;
        }
        (last, starred) = (Some(row), false);
        let mut text = format!("{:0width$x}", skip + n * 16);
        if canonical {
            text.push(' ');
            for k in 0..16 {
                if k == 8 {
                    text.push(' ');
                }
                match row.get(k) {
                    Some(b) => {
                        let _ = write!(text, " {b:02x}");
                    }
                    None => text.push_str("   "),
                }
            }
            let _ = write!(text, "  |{}|", visible_text(row));
        } else {
            for unit in row.chunks(2) {
                let _ = write!(text, " {:04x}", little_endian(unit));
            }
            text = format!("{text:<47}");
        }
        tool.line(text).await;
    }
    if !data.is_empty() {
        tool.line(format!("{:0width$x}", skip + data.len())).await;
    }
    tool.done().await
}

/// xxd(1)
pub async fn xxd(p: Process) -> i32 {
    const OPTIONS: Options =
        Options { usage: "[options] [infile]", short: "pr", absent: "abcCdEegilostu", ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let data = gather(&mut tool, &parsed.files()).await;
    if parsed.has('r') {
        if !parsed.has('p') {
            return tool.unavailable("-r without -p").await;
        }
        let digits: Vec<u8> =
            data.iter().filter_map(|b| char::from(*b).to_digit(16)).map(|d| d as u8).collect();
        let octets: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        tool.put(octets).await;
        return tool.done().await;
    }
    let row_len = if parsed.has('p') { 30 } else { 16 };
    for (n, row) in data.chunks(row_len).enumerate() {
        let mut text = String::new();
        if !parsed.has('p') {
            let _ = write!(text, "{:08x}: ", n * 16);
        }
        for (k, b) in row.iter().enumerate() {
            let _ = write!(text, "{b:02x}");
            if !parsed.has('p') && k % 2 == 1 {
                text.push(' ');
            }
        }
        if !parsed.has('p') {
            text = format!("{text:<50} {}", visible_text(row));
        }
        tool.line(text).await;
    }
    tool.done().await
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// base64(1)
pub async fn base64(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]",
        short: "diw:",
        long: &[("decode", 'd'), ("ignore-garbage", 'i'), ("wrap=", 'w')],
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Some(extra) = parsed.operands.get(1) {
        return tool.usage(format!("extra operand {}", quoted(extra)), 1).await;
    }
    let wrap = match parsed.value('w').map(str::parse::<usize>) {
        None => 76,
        Some(Ok(n)) => n,
        Some(Err(_)) => {
            let text = quoted(parsed.value('w').unwrap_or_default());
            tool.complain(format!("invalid wrap size: {text}")).await;
            return 1;
        }
    };
    let data = gather(&mut tool, &parsed.files()).await;
    if parsed.has('d') {
        let (out, valid) = decode(&data, parsed.has('i'));
        tool.put(out).await;
        if !valid {
            tool.complain("invalid input").await;
        }
        return tool.done().await;
    }
    let mut text = Vec::with_capacity(data.len() * 4 / 3 + 4);
    for three in data.chunks(3) {
        let n = three.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for k in 0..4 {
            text.push(if k <= three.len() { ALPHABET[(n >> (18 - 6 * k) & 63) as usize] } else { b'=' });
        }
    }
    if wrap == 0 {
        tool.put(text).await;
    } else {
        for line in text.chunks(wrap) {
            tool.line(line).await;
        }
    }
    tool.done().await
}

fn decode(data: &[u8], ignore: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let (mut bits, mut count, mut padding) = (0_u32, 0, 0);
    for b in data {
        if *b == b'\n' {
            continue;
        }
        if *b == b'=' {
            padding += 1;
            continue;
        }
        match ALPHABET.iter().position(|a| a == b) {
            Some(value) if padding == 0 => {
                bits = bits << 6 | value as u32;
                count += 1;
                if count % 4 == 0 {
                    out.extend_from_slice(&bits.to_be_bytes()[1..]);
                    bits = 0;
                }
            }
            _ if ignore => {}
            _ => return (out, false),
        }
    }
    match count % 4 {
        0 => {}
        2 => out.push((bits >> 4) as u8),
        3 => out.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return (out, false),
    }
    let valid = (count + padding) % 4 == 0;
    (out, valid)
}
