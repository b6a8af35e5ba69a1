//! cmp(1) and diff(1): how files differ.
//!
//! # Simplifications
//! diff has the normal, unified and brief forms, for two files or a file and a directory.

use super::date;
use super::names::{base, join};
use super::options::{NONE, Options};
use super::text::whole;
use super::tool::Tool;
use crate::world::process::Process;
use bytes::Bytes;
use similar::{Algorithm, DiffOp, DiffTag};

/// cmp(1)
pub async fn cmp(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... FILE1 [FILE2]",
        short: "lsb",
        long: &[("verbose", 'l'), ("quiet", 's'), ("silent", 's')],
        absent: "in",
        trouble: 2,
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let Some(first) = parsed.operands.first().cloned() else {
        let name = tool.name.clone();
        tool.warn(format!("missing operand after '{name}'")).await;
        tool.warn(format!("Try '{name} --help' for more information.")).await;
        return 2;
    };
    let second = parsed.operands.get(1).cloned().unwrap_or_else(|| "-".into());
    let mut texts = Vec::new();
    for name in [&first, &second] {
        match whole(&tool.p, name).await {
            Ok(text) => texts.push(text),
            Err(e) => {
                if !parsed.has('s') {
                    tool.warn(format!("{name}: {e}")).await;
                }
                return 2;
            }
        }
    }
    let (a, b) = (&texts[0], &texts[1]);
    let common = a.len().min(b.len());
    let mut line = 1;
    let mut differ = false;
    let width = common.to_string().len();
    for n in 0..common {
        if a[n] != b[n] {
            differ = true;
            if parsed.has('s') {
                return 1;
            }
            if !parsed.has('l') {
                tool.line(format!("{first} {second} differ: char {}, line {line}", n + 1)).await;
                tool.flush().await;
                return 1;
            }
            tool.line(format!("{:>width$} {:>3o} {:>3o}", n + 1, a[n], b[n])).await;
        }
        line += usize::from(a[n] == b'\n');
    }
    if a.len() != b.len() {
        let short = if a.len() < b.len() { &first } else { &second };
        let whole_lines = common == 0 || a[common - 1] == b'\n';
        if !parsed.has('s') {
            let place = match (common, parsed.has('l')) {
                (0, _) => "which is empty".to_owned(),
                (n, true) => format!("after byte {n}"),
                (n, false) if whole_lines => format!("after byte {n}, line {}", line - 1),
                (n, false) => format!("after byte {n}, in line {line}"),
            };
            tool.warn(format!("EOF on {short} {place}")).await;
        }
        return 1;
    }
    tool.flush().await;
    i32::from(differ)
}

/// diff(1)
pub async fn diff(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... FILES",
        short: "aqsuU:wbiBN0123456789",
        long: &[
            ("brief", 'q'),
            ("report-identical-files", 's'),
            ("unified?", 'u'),
            ("ignore-all-space", 'w'),
            ("ignore-space-change", 'b'),
            ("ignore-case", 'i'),
            ("label=", LABEL),
        ],
        absent: "cCdDeEFHIlLnprStTxXyZ",
        trouble: 2,
        ..NONE
    };
    const LABEL: char = '\u{11}';
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let (a, b) = match &parsed.operands[..] {
        [a, b] => (a.to_string(), b.to_string()),
        few => {
            let name = tool.name.clone();
            let text = match few {
                [] => format!("missing operand after '{name}'"),
                [one] => format!("missing operand after '{one}'"),
                [_, _, extra, ..] => format!("extra operand '{extra}'"),
                _ => String::new(),
            };
            tool.warn(text).await;
            tool.warn(format!("Try '{name} --help' for more information.")).await;
            return 2;
        }
    };
    let is_dir = |name: &str| name != "-" && tool.p.stat(name, true).is_ok_and(|s| s.is_dir());
    let (a, b) = match (is_dir(&a), is_dir(&b)) {
        (true, true) => {
            tool.complain("maillab: two directories cannot be compared in the lab").await;
            return 2;
        }
        (true, false) => (join(&a, base(&b)), b),
        (false, true) => {
            let inside = join(&b, base(&a));
            (a, inside)
        }
        _ => (a, b),
    };
    let mut texts = Vec::new();
    for name in [&a, &b] {
        match whole(&tool.p, name).await {
            Ok(text) => texts.push(text),
            Err(_) if parsed.has('N') => texts.push(Bytes::new()),
            Err(e) => {
                tool.warn(format!("{name}: {e}")).await;
                tool.status = 2;
            }
        }
    }
    if tool.status == 2 {
        return 2;
    }
    let left: Vec<&[u8]> = texts[0].split_inclusive(|b| *b == b'\n').collect();
    let right: Vec<&[u8]> = texts[1].split_inclusive(|b| *b == b'\n').collect();
    let key = |line: &[u8]| -> Vec<u8> {
        let mut line = line.to_vec();
        if parsed.has('i') {
            line.make_ascii_lowercase();
        }
        if parsed.has('w') {
            line.retain(|b| !matches!(b, b' ' | b'\t' | b'\r'));
        } else if parsed.has('b') {
            let text: Vec<&[u8]> =
                line.split(|b| matches!(b, b' ' | b'\t' | b'\n')).filter(|w| !w.is_empty()).collect();
            line = text.join(&b' ');
        }
        line
    };
    let keys: (Vec<_>, Vec<_>) =
        (left.iter().map(|l| key(l)).collect(), right.iter().map(|l| key(l)).collect());
    if keys.0 == keys.1 {
        if parsed.has('s') {
            tool.line(format!("Files {a} and {b} are identical")).await;
        }
        return tool.done().await;
    }
    if parsed.has('q') {
        tool.line(format!("Files {a} and {b} differ")).await;
        tool.flush().await;
        return 1;
    }
    let binary = |text: &[u8]| text[..text.len().min(4096)].contains(&0);
    if !parsed.has('a') && (binary(&texts[0]) || binary(&texts[1])) {
        tool.line(format!("Binary files {a} and {b} differ")).await;
        tool.flush().await;
        return 2;
    }
    let ops = similar::capture_diff_slices(Algorithm::Myers, &keys.0, &keys.1);
    let digits: String = parsed.given.iter().map(|(o, _)| *o).filter(char::is_ascii_digit).collect();
    let context = match parsed.value('U').or(parsed.value('u')).or(Some(&*digits).filter(|d| !d.is_empty())) {
        Some(text) => match text.parse() {
            Ok(n) => Some(n),
            Err(_) => {
                tool.warn(format!("invalid context length '{text}'")).await;
                return 2;
            }
        },
        None => parsed.has('u').then_some(3),
    };
    let mut out = Vec::new();
    match context {
        None => normal(&ops, &left, &right, &mut out),
        Some(n) => {
            let labels: Vec<_> =
                parsed.given.iter().filter(|(o, _)| *o == LABEL).filter_map(|(_, v)| v.clone()).collect();
            for (n, (mark, name)) in [("---", &a), ("+++", &b)].into_iter().enumerate() {
                let head = match labels.get(n) {
                    Some(label) => format!("{mark} {label}\n"),
                    None => {
                        let time = tool.p.stat(name, true).map_or(tool.p.now(), |s| s.mtime);
                        format!("{mark} {name}\t{}\n", date::format(time, "%Y-%m-%d %H:%M:%S.%N +0000"))
                    }
                };
                out.extend_from_slice(head.as_bytes());
            }
            unified(ops, n, &left, &right, &mut out);
        }
    }
    tool.put(out).await;
    tool.flush().await;
    1
}

fn put(out: &mut Vec<u8>, mark: &str, line: &[u8]) {
    out.extend_from_slice(mark.as_bytes());
    out.extend_from_slice(line);
    if line.last() != Some(&b'\n') {
        out.extend_from_slice(b"\n\\ No newline at end of file\n");
    }
}

fn normal(ops: &[DiffOp], left: &[&[u8]], right: &[&[u8]], out: &mut Vec<u8>) {
    let span = |start: usize, end: usize| {
        if end - start == 1 { end.to_string() } else { format!("{},{end}", start + 1) }
    };
    for op in ops {
        let (a, b) = (op.old_range(), op.new_range());
        let head = match op.tag() {
            DiffTag::Equal => continue,
            DiffTag::Delete => format!("{}d{}\n", span(a.start, a.end), b.start),
            DiffTag::Insert => format!("{}a{}\n", a.start, span(b.start, b.end)),
            DiffTag::Replace => format!("{}c{}\n", span(a.start, a.end), span(b.start, b.end)),
        };
        out.extend_from_slice(head.as_bytes());
        for line in &left[a] {
            put(out, "< ", line);
        }
        if op.tag() == DiffTag::Replace {
            out.extend_from_slice(b"---\n");
        }
        for line in &right[b] {
            put(out, "> ", line);
        }
    }
}

fn unified(ops: Vec<DiffOp>, context: usize, left: &[&[u8]], right: &[&[u8]], out: &mut Vec<u8>) {
    let span = |start: usize, len: usize| match len {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        len => format!("{},{len}", start + 1),
    };
    for group in similar::group_diff_ops(ops, context) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let a = first.old_range().start..last.old_range().end;
        let b = first.new_range().start..last.new_range().end;
        let head = format!("@@ -{} +{} @@\n", span(a.start, a.len()), span(b.start, b.len()));
        out.extend_from_slice(head.as_bytes());
        for op in &group {
            match op.tag() {
                DiffTag::Equal => left[op.old_range()].iter().for_each(|l| put(out, " ", l)),
                _ => {
                    left[op.old_range()].iter().for_each(|l| put(out, "-", l));
                    right[op.new_range()].iter().for_each(|l| put(out, "+", l));
                }
            }
        }
    }
}
