//! sort(1), in the C locale.
//!
//! # Simplifications
//! All is sorted in memory. `-R` and `--files0-from` are not there.

use super::options::{NONE, Options, Parsed};
use super::printf::leading_number;
use super::text::whole;
use super::tool::{Tool, quoted, shown};
use crate::world::process::Process;
use std::cmp::Ordering;

const OPTIONS: Options = Options {
    usage: "[OPTION]... [FILE]...",
    short: "bcCdfghik:mMno:rst:uVzT:S:",
    long: &[
        ("ignore-leading-blanks", 'b'),
        ("check?", 'c'),
        ("dictionary-order", 'd'),
        ("ignore-case", 'f'),
        ("general-numeric-sort", 'g'),
        ("human-numeric-sort", 'h'),
        ("ignore-nonprinting", 'i'),
        ("key=", 'k'),
        ("merge", 'm'),
        ("month-sort", 'M'),
        ("numeric-sort", 'n'),
        ("output=", 'o'),
        ("reverse", 'r'),
        ("stable", 's'),
        ("field-separator=", 't'),
        ("unique", 'u'),
        ("version-sort", 'V'),
        ("zero-terminated", 'z'),
    ],
    absent: "R",
    trouble: 2,
    ..NONE
};

/// How two texts are compared.
#[derive(Clone, Copy, Default)]
struct Order {
    numeric: bool,
    general: bool,
    human: bool,
    month: bool,
    version: bool,
    fold: bool,
    dictionary: bool,
    printing: bool,
    reverse: bool,
}

/// From where to where a key reaches: field and octet, both counted from 1.
#[derive(Clone, Copy)]
struct Key {
    from: (usize, usize),
    to: Option<(usize, usize)>,
    blanks: (bool, bool),
    order: Order,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let sorter = match Sorter::new(&parsed) {
        Ok(sorter) => sorter,
        Err(text) => {
            tool.warn(text).await;
            return 2;
        }
    };
    let end = if parsed.has('z') { 0 } else { b'\n' };
    let files = parsed.files();
    let mut texts = Vec::new();
    for name in &files {
        match whole(&tool.p, name).await {
            Ok(text) => texts.push(text),
            Err(e) => {
                let doing =
                    if e == crate::world::errno::Errno::EISDIR { "read failed" } else { "cannot read" };
                tool.warn(format!("{doing}: {}: {e}", shown(name))).await;
                return 2;
            }
        }
    }
    let split = |text: &'_ [u8]| -> Vec<Vec<u8>> {
        text.split_inclusive(|b| *b == end).map(|l| l.strip_suffix(&[end]).unwrap_or(l).to_vec()).collect()
    };
    let mut lines: Vec<Vec<u8>> = texts.iter().flat_map(|t| split(t)).collect();
    if let Some(how) = parsed.last_of("cC") {
        return check(
            tool,
            &sorter,
            &lines,
            &files[0],
            how == 'c' && parsed.value('c') != Some("quiet"),
            parsed.has('u'),
        )
        .await;
    }
    lines.sort_by(|a, b| sorter.compare(a, b));
    if parsed.has('u') {
        lines.dedup_by(|b, a| sorter.by_keys(a, b) == Ordering::Equal);
    }
    let mut out = Vec::new();
    for line in &lines {
        out.extend_from_slice(line);
        out.push(end);
    }
    match parsed.value('o') {
        None => tool.put(out).await,
        Some(path) => {
            if let Err(e) = tool.p.write_file(path, out, 0o666) {
                tool.warn(format!("open failed: {}: {e}", shown(path))).await;
                return 2;
            }
        }
    }
    tool.done().await
}

async fn check(
    mut tool: Tool,
    sorter: &Sorter,
    lines: &[Vec<u8>],
    name: &str,
    say: bool,
    unique: bool,
) -> i32 {
    for (n, pair) in lines.windows(2).enumerate() {
        let order = sorter.compare(&pair[0], &pair[1]);
        let wrong = if unique {
            sorter.by_keys(&pair[0], &pair[1]) != Ordering::Less
        } else {
            order == Ordering::Greater
        };
        if wrong {
            if say {
                let line = String::from_utf8_lossy(&pair[1]).into_owned();
                tool.warn(format!("{name}:{}: disorder: {line}", n + 2)).await;
            }
            return 1;
        }
    }
    0
}

struct Sorter {
    keys: Vec<Key>,
    whole: Order,
    separator: Option<u8>,
    /// No last resort: equal keys keep their places.
    stable: bool,
}

impl Sorter {
    fn new(parsed: &Parsed) -> Result<Sorter, String> {
        let mut whole = Order::default();
        let mut blanks = false;
        for (option, _) in &parsed.given {
            blanks |= *option == 'b';
            whole.add(*option);
        }
        whole.consistent()?;
        let separator = match parsed.value('t') {
            None => None,
            Some("\\0") => Some(0),
            Some(text) if text.len() == 1 => text.bytes().next(),
            Some("") => return Err("empty tab".into()),
            Some(text) => return Err(format!("multi-character tab {}", quoted(text))),
        };
        let mut keys = Vec::new();
        for (option, value) in &parsed.given {
            if let ('k', Some(text)) = (option, value) {
                keys.push(key(text, whole, blanks)?);
            }
        }
        if keys.is_empty() && blanks {
            keys.push(Key { from: (1, 1), to: None, blanks: (true, false), order: whole });
        }
        let stable = parsed.has('s') || parsed.has('u');
        Ok(Sorter { keys, whole, separator, stable })
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let order = self.by_keys(a, b);
        if order != Ordering::Equal || self.stable {
            return order;
        }
        if self.whole.reverse { b.cmp(a) } else { a.cmp(b) }
    }

    fn by_keys(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.keys.is_empty() {
            return self.whole.compare(a, b);
        }
        for key in &self.keys {
            let order = key.order.compare(self.part(key, a), self.part(key, b));
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }

    fn part<'a>(&self, key: &Key, line: &'a [u8]) -> &'a [u8] {
        let mut start = self.field(line, key.from.0);
        if key.blanks.0 {
            start = skip_blanks(line, start);
        }
        start = (start + key.from.1 - 1).min(line.len());
        let end = match key.to {
            None => line.len(),
            Some((field, 0)) => self.field_end(line, field),
            Some((field, octet)) => {
                let mut at = self.field(line, field);
                if key.blanks.1 {
                    at = skip_blanks(line, at);
                }
                (at + octet).min(line.len())
            }
        };
        &line[start..end.max(start)]
    }

    /// Where a field begins; blanks in front belong to it where no separator is given.
    fn field(&self, line: &[u8], field: usize) -> usize {
        let mut at = 0;
        for _ in 1..field {
            match self.separator {
                Some(separator) => match memchr::memchr(separator, &line[at..]) {
                    Some(found) => at += found + 1,
                    None => return line.len(),
                },
                None => {
                    at = skip_blanks(line, at);
                    at = skip_text(line, at);
                }
            }
        }
        at
    }

    fn field_end(&self, line: &[u8], field: usize) -> usize {
        let at = self.field(line, field);
        match self.separator {
            Some(separator) => memchr::memchr(separator, &line[at..]).map_or(line.len(), |n| at + n),
            None => skip_text(line, skip_blanks(line, at)),
        }
    }
}

fn blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

fn skip_blanks(line: &[u8], at: usize) -> usize {
    at + line[at..].iter().take_while(|b| blank(**b)).count()
}

fn skip_text(line: &[u8], at: usize) -> usize {
    at + line[at..].iter().take_while(|b| !blank(**b)).count()
}

fn key(text: &str, whole: Order, blanks: bool) -> Result<Key, String> {
    let invalid = |why: &str| format!("{why}: invalid field specification {}", quoted(text));
    let (from, to) = match text.split_once(',') {
        Some((from, to)) => (from, Some(to)),
        None => (text, None),
    };
    let mut order = Order::default();
    let mut own = false;
    let mut place = |text: &str, start: bool| -> Result<((usize, usize), bool), String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let field: usize = text[..digits].parse().map_err(|_| {
            if digits == 0 {
                format!("invalid number at field start: invalid count at start of {}", quoted(text))
            } else {
                invalid("number too big")
            }
        })?;
        if field == 0 {
            return Err(invalid("field number is zero"));
        }
        let mut rest = &text[digits..];
        let mut octet = usize::from(start);
        if let Some(after) = rest.strip_prefix('.') {
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            octet = after[..digits].parse().map_err(|_| {
                format!("invalid number after '.': invalid count at start of {}", quoted(after))
            })?;
            if octet == 0 && start {
                return Err(invalid("character offset is zero"));
            }
            rest = &after[digits..];
        }
        let mut skips = false;
        for c in rest.chars() {
            own = true;
            match c {
                'b' => skips = true,
                c if order.add(c) => {}
                _ => return Err(invalid("stray character in field spec")),
            }
        }
        Ok(((field, octet), skips))
    };
    let (from, skip_from) = place(from, true)?;
    let to = to.map(|to| place(to, false)).transpose()?;
    let skip_to = to.is_some_and(|(_, skips)| skips);
    order.consistent()?;
    let inherit = !own;
    Ok(Key {
        from,
        to: to.map(|(place, _)| place),
        blanks: (skip_from || inherit && blanks, skip_to || inherit && blanks),
        order: if inherit { whole } else { order },
    })
}

impl Order {
    /// Takes an option that says how to compare.
    fn add(&mut self, option: char) -> bool {
        match option {
            'n' => self.numeric = true,
            'g' => self.general = true,
            'h' => self.human = true,
            'M' => self.month = true,
            'V' => self.version = true,
            'f' => self.fold = true,
            'd' => self.dictionary = true,
            'i' => self.printing = true,
            'r' => self.reverse = true,
            _ => return false,
        }
        true
    }

    fn consistent(self) -> Result<(), String> {
        let kinds = [
            (self.dictionary, 'd'),
            (self.general, 'g'),
            (self.human, 'h'),
            (self.printing && !self.dictionary, 'i'),
            (self.month, 'M'),
            (self.numeric, 'n'),
            (self.version, 'V'),
        ];
        let given: String = kinds.iter().filter(|(on, _)| *on).map(|(_, c)| *c).collect();
        if given.len() > 1 { Err(format!("options '-{given}' are incompatible")) } else { Ok(()) }
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let order = if self.numeric {
            numbers(a, b)
        } else if self.general {
            let value = |t: &[u8]| {
                let text = String::from_utf8_lossy(t).into_owned();
                let (x, used) = leading_number(text.trim_start());
                (used > 0).then_some(x)
            };
            value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal)
        } else if self.human {
            human(a).partial_cmp(&human(b)).unwrap_or(Ordering::Equal)
        } else if self.month {
            month(a).cmp(&month(b))
        } else if self.version {
            versions(a, b)
        } else if self.fold || self.dictionary || self.printing {
            self.letters(a).cmp(&self.letters(b))
        } else {
            a.cmp(b)
        };
        if self.reverse { order.reverse() } else { order }
    }

    fn letters(&self, text: &[u8]) -> Vec<u8> {
        let kept = text.iter().copied().filter(|b| {
            (!self.dictionary || b.is_ascii_alphanumeric() || blank(*b))
                && (!self.printing || (32..127).contains(b))
        });
        kept.map(|b| if self.fold { b.to_ascii_uppercase() } else { b }).collect()
    }
}

/// Compares as `-n` does: sign, digits, a point, digits; any length.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let parse = |t: &[u8]| -> (bool, Vec<u8>, Vec<u8>) {
        let t = &t[skip_blanks(t, 0)..];
        let (negative, t) = match t.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, t),
        };
        let whole = t.iter().take_while(|b| b.is_ascii_digit()).count();
        let fraction: Vec<u8> = match t.get(whole) {
            Some(b'.') => t[whole + 1..].iter().copied().take_while(u8::is_ascii_digit).collect(),
            _ => Vec::new(),
        };
        let zeros = t[..whole].iter().take_while(|b| **b == b'0').count();
        let end = fraction.iter().rposition(|b| *b != b'0').map_or(0, |n| n + 1);
        let (whole, fraction) = (t[zeros..whole].to_vec(), fraction[..end].to_vec());
        (negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction)
    };
    let ((na, wa, fa), (nb, wb, fb)) = (parse(a), parse(b));
    let size = wa.len().cmp(&wb.len()).then_with(|| wa.cmp(&wb)).then_with(|| fa.cmp(&fb));
    match (na, nb) {
        (false, false) => size,
        (true, true) => size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

fn human(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text).into_owned();
    let (x, used) = leading_number(text.trim_start());
    let power = match text.trim_start()[used..].chars().next() {
        Some('K' | 'k') => 1,
        Some('M') => 2,
        Some('G') => 3,
        Some('T') => 4,
        Some('P') => 5,
        _ => 0,
    };
    x * 1024_f64.powi(power)
}

fn month(text: &[u8]) -> usize {
    const MONTHS: [&str; 12] =
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    let start = skip_blanks(text, 0);
    let name = text[start..].iter().take(3).map(|b| char::from(b.to_ascii_uppercase())).collect::<String>();
    MONTHS.iter().position(|m| *m == name).map_or(0, |n| n + 1)
}

/// Compares as `sort -V` and `ls -v` do: runs of digits by their value.
pub fn versions(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |b: Option<&u8>| match b {
        None => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    };
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        while a.get(i).is_some_and(|b| !b.is_ascii_digit()) || b.get(j).is_some_and(|b| !b.is_ascii_digit()) {
            let order = weight(a.get(i)).cmp(&weight(b.get(j)));
            if order != Ordering::Equal {
                return order;
            }
            i += 1;
            j += 1;
        }
        let run = |t: &[u8], from: usize| -> (usize, usize) {
            let from = from.min(t.len());
            let zeros = t[from..].iter().take_while(|b| **b == b'0').count();
            let digits = t[from + zeros..].iter().take_while(|b| b.is_ascii_digit()).count();
            (from + zeros, from + zeros + digits)
        };
        let ((s, e), (t, f)) = (run(a, i), run(b, j));
        let order = (e - s).cmp(&(f - t)).then_with(|| a[s..e].cmp(&b[t..f]));
        if order != Ordering::Equal {
            return order;
        }
        (i, j) = (e.max(i), f.max(j));
    }
    a.cmp(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        use Ordering::*;
        for (a, b, order) in [
            ("2", "10", Less),
            ("-1", "1", Less),
            ("-2", "-1", Less),
            ("0.10", "0.1", Equal),
            ("x", "0", Equal),
            ("-0", "0", Equal),
        ] {
            assert_eq!(numbers(a.as_bytes(), b.as_bytes()), order, "{a} {b}");
        }
        for (a, b, order) in
            [("a2", "a10", Less), ("1.0~rc", "1.0", Less), ("a", "a", Equal), ("", "a", Less)]
        {
            assert_eq!(versions(a.as_bytes(), b.as_bytes()), order, "{a} {b}");
        }
    }
}
