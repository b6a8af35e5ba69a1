//! tr(1): translates, squeezes and deletes octets.

use super::options::{NONE, Options};
use super::tool::{Tool, quoted};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[OPTION]... STRING1 [STRING2]",
    short: "cCdst",
    long: &[("complement", 'c'), ("delete", 'd'), ("squeeze-repeats", 's'), ("truncate-set1", 't')],
    in_order: true,
    ..NONE
};

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let (delete, squeeze) = (parsed.has('d'), parsed.has('s'));
    let operands = &parsed.operands;
    if operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    if operands.len() < 2 && delete == squeeze {
        let text = if delete {
            "Two strings must be given when both deleting and squeezing repeats."
        } else {
            "Two strings must be given when translating."
        };
        tool.warn(format!("missing operand after {}", quoted(&operands[0]))).await;
        tool.p.eprint(format!("{text}\nTry '{} --help' for more information.\n", tool.name)).await;
        return 1;
    }
    let most = if delete && !squeeze { 1 } else { 2 };
    if let Some(extra) = operands.get(most) {
        tool.warn(format!("extra operand {}", quoted(extra))).await;
        let hint = if most == 1 && operands.len() == 2 {
            "Only one string may be given when deleting without squeezing repeats.\n"
        } else {
            ""
        };
        tool.p.eprint(format!("{hint}Try '{} --help' for more information.\n", tool.name)).await;
        return 1;
    }
    let mut first = match set(&operands[0], None) {
        Ok(set) => set,
        Err(text) => {
            tool.complain(text).await;
            return 1;
        }
    };
    if parsed.last_of("cC").is_some() {
        first = (0..=255).filter(|b| !first.contains(b)).collect();
    }
    let second = match operands.get(1).map(|text| set(text, Some(first.len()))) {
        None => Vec::new(),
        Some(Ok(set)) => set,
        Some(Err(text)) => {
            tool.complain(text).await;
            return 1;
        }
    };
    let mut map: [Option<u8>; 256] = std::array::from_fn(|b| Some(b as u8));
    let mut squeezed = [false; 256];
    if delete {
        first.iter().for_each(|b| map[usize::from(*b)] = None);
        second.iter().for_each(|b| squeezed[usize::from(*b)] = squeeze);
    } else if operands.len() == 1 {
        first.iter().for_each(|b| squeezed[usize::from(*b)] = true);
    } else {
        let Some(last) = second.last().copied() else {
            tool.complain("when not truncating set1, string2 must be non-empty").await;
            return 1;
        };
        for (n, b) in first.iter().enumerate() {
            match second.get(n) {
                Some(to) => map[usize::from(*b)] = Some(*to),
                None if parsed.has('t') => break,
                None => map[usize::from(*b)] = Some(last),
            }
        }
        second.iter().for_each(|b| squeezed[usize::from(*b)] = squeeze);
    }
    let mut last = None;
    loop {
        let block = tool.p.read_stdin(65536).await;
        if block.is_empty() {
            break;
        }
        let mut out = Vec::with_capacity(block.len());
        for b in &block[..] {
            let Some(b) = map[usize::from(*b)] else { continue };
            if squeezed[usize::from(b)] && last == Some(b) {
                continue;
            }
            last = Some(b);
            out.push(b);
        }
        tool.put(out).await;
    }
    tool.done().await
}

/// The octets of a set, in order; `fill` is how long `[x*]` may make it.
fn set(text: &str, fill: Option<usize>) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = Vec::new();
    let mut star = None;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"[:")
            && let Some(end) = bytes[at + 2..].windows(2).position(|w| w == b":]")
        {
            let name = &text[at + 2..at + 2 + end];
            let test = class(name).ok_or_else(|| format!("invalid character class {}", quoted(name)))?;
            out.extend((0..=255).filter(test));
            at += end + 4;
            continue;
        }
        if bytes[at..].starts_with(b"[=") && bytes.get(at + 3..at + 5) == Some(b"=]") {
            out.push(bytes[at + 2]);
            at += 5;
            continue;
        }
        if let Some((b, count, used)) = repeat(&bytes[at..]).filter(|_| fill.is_some()) {
            match count {
                0 => star = Some((out.len(), b)),
                n => out.extend(std::iter::repeat_n(b, n)),
            }
            at += used;
            continue;
        }
        let (low, used) = octet(&bytes[at..]);
        at += used;
        if bytes.get(at) == Some(&b'-') && at + 1 < bytes.len() {
            let (high, used) = octet(&bytes[at + 1..]);
            at += 1 + used;
            if high < low {
                let (low, high) = (char::from(low), char::from(high));
                return Err(format!(
                    "range-endpoints of '{low}-{high}' are in reverse collating sequence order"
                ));
            }
            out.extend(low..=high);
        } else {
            out.push(low);
        }
    }
    if let (Some((place, b)), Some(fill)) = (star, fill) {
        let missing = fill.saturating_sub(out.len());
        out.splice(place..place, std::iter::repeat_n(b, missing));
    }
    Ok(out)
}

/// `[x*5]`, `[x*]`
fn repeat(text: &[u8]) -> Option<(u8, usize, usize)> {
    let inner = text.strip_prefix(b"[")?;
    let (b, used) = octet(inner);
    let digits = inner.get(used..)?.strip_prefix(b"*")?;
    let end = digits.iter().position(|b| *b == b']')?;
    let number = std::str::from_utf8(&digits[..end]).ok()?;
    let count = match number {
        "" => 0,
        n if n.starts_with('0') => usize::from_str_radix(n, 8).ok()?,
        n => n.parse().ok()?,
    };
    Some((b, count.min(256), 1 + used + 1 + end + 1))
}

fn octet(text: &[u8]) -> (u8, usize) {
    let Some(b'\\') = text.first() else { return (text.first().copied().unwrap_or(0), 1) };
    match text.get(1) {
        None => (b'\\', 1),
        Some(b'0'..=b'7') => {
            let digits = text[1..].iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            let value = text[1..=digits].iter().fold(0_u32, |n, d| n * 8 + u32::from(d - b'0'));
            (value as u8, 1 + digits)
        }
        Some(b) => {
            let value = match b {
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                b => *b,
            };
            (value, 2)
        }
    }
}

fn class(name: &str) -> Option<fn(&u8) -> bool> {
    Some(match name {
        "alnum" => u8::is_ascii_alphanumeric,
        "alpha" => u8::is_ascii_alphabetic,
        "blank" => |b| matches!(b, b' ' | b'\t'),
        "cntrl" => u8::is_ascii_control,
        "digit" => u8::is_ascii_digit,
        "graph" => u8::is_ascii_graphic,
        "lower" => u8::is_ascii_lowercase,
        "print" => |b| (32..127).contains(b),
        "punct" => u8::is_ascii_punctuation,
        "space" => |b| b.is_ascii_whitespace() || *b == 11,
        "upper" => u8::is_ascii_uppercase,
        "xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}
