//! Small filters: tac(1), rev(1), nl(1), fold(1), paste(1), comm(1), tee(1), expand(1).

use super::options::{NONE, Options};
use super::text::{Input, chomp, whole};
use super::tool::{Tool, quoted, shown};
use crate::world::errno::Sys;
use crate::world::fs::OpenFlags;
use crate::world::process::Process;
use bytes::Bytes;
use std::cmp::Ordering;
use std::rc::Rc;

/// Calls `each` with every line of all files; what cannot be read has been said.
async fn each_line(tool: &mut Tool, files: &[Rc<str>], mut each: impl FnMut(&[u8]) -> Vec<u8>) {
    for name in files {
        let mut input = match Input::open(&tool.p, name) {
            Ok(input) => input,
            Err(e) => {
                tool.complain(format!("{}: {e}", shown(name))).await;
                continue;
            }
        };
        loop {
            match input.line().await {
                Ok(Some(line)) => {
                    let out = each(&line);
                    tool.put(out).await;
                }
                Ok(None) => break,
                Err(e) => {
                    tool.complain(format!("{}: {e}", shown(name))).await;
                    break;
                }
            }
        }
    }
}

/// tac(1)
pub async fn tac(p: Process) -> i32 {
    const OPTIONS: Options = Options { usage: "[OPTION]... [FILE]...", absent: "brs", ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    for name in parsed.files() {
        let read: Sys<Bytes> = whole(&tool.p, &name).await;
        match read {
            Ok(text) => {
                for line in text.split_inclusive(|b| *b == b'\n').rev() {
                    tool.put(line).await;
                }
            }
            Err(crate::world::errno::Errno::EISDIR) => {
                tool.complain(format!("{}: read error: Invalid argument", shown(&name))).await;
            }
            Err(e) => tool.complain(format!("failed to open {} for reading: {e}", quoted(&name))).await,
        }
    }
    tool.done().await
}

/// rev(1)
pub async fn rev(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match NONE.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    each_line(&mut tool, &parsed.files(), |line| {
        let mut out: Vec<u8> = chomp(line).iter().rev().copied().collect();
        out.extend_from_slice(&line[chomp(line).len()..]);
        out
    })
    .await;
    tool.done().await
}

/// nl(1), without the styles by regular expression and the logical pages
pub async fn nl(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]...",
        short: "b:n:s:v:w:i:",
        long: &[
            ("body-numbering=", 'b'),
            ("number-format=", 'n'),
            ("number-separator=", 's'),
            ("starting-line-number=", 'v'),
            ("number-width=", 'w'),
            ("line-increment=", 'i'),
        ],
        absent: "dfhlp",
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let number = |option, default: i64| parsed.value(option).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (mut n, step, width) = (number('v', 1), number('i', 1), number('w', 6).clamp(1, 1000) as usize);
    let style = parsed.value('b').unwrap_or("t");
    if !matches!(style, "a" | "t" | "n") {
        return tool.usage(format!("invalid body numbering style: {}", quoted(style)), 1).await;
    }
    let separator = parsed.value('s').unwrap_or("\t");
    each_line(&mut tool, &parsed.files(), |line| {
        let body = chomp(line);
        let counted = style == "a" || style == "t" && !body.is_empty();
        let mut out = if counted {
            let text = match parsed.value('n') {
                Some("ln") => format!("{n:<width$}"),
                Some("rz") => format!("{n:0>width$}"),
                _ => format!("{n:>width$}"),
            };
            n += step;
            format!("{text}{separator}").into_bytes()
        } else {
            vec![b' '; width + separator.len()]
        };
        out.extend_from_slice(body);
        out.push(b'\n');
        out
    })
    .await;
    tool.done().await
}

/// fold(1)
pub async fn fold(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]...",
        short: "bsw:",
        long: &[("bytes", 'b'), ("spaces", 's'), ("width=", 'w')],
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let width: usize = match parsed.value('w').map(str::parse) {
        None => 80,
        Some(Ok(width)) if width > 0 => width,
        Some(_) => {
            let text = parsed.value('w').unwrap_or_default();
            tool.complain(format!("invalid number of columns: {}", quoted(text))).await;
            return 1;
        }
    };
    each_line(&mut tool, &parsed.files(), |line| {
        let mut out = Vec::new();
        let mut rest = chomp(line);
        while rest.len() > width {
            let space = rest[..width].iter().rposition(|b| *b == b' ').filter(|_| parsed.has('s'));
            let cut = space.map_or(width, |at| at + 1);
            out.extend_from_slice(&rest[..cut]);
            out.push(b'\n');
            rest = &rest[cut..];
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(&line[chomp(line).len()..]);
        out
    })
    .await;
    tool.done().await
}

/// expand(1)
pub async fn expand(p: Process) -> i32 {
    const OPTIONS: Options =
        Options { usage: "[OPTION]... [FILE]...", short: "t:", long: &[("tabs=", 't')], absent: "i", ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let stop = parsed.value('t').and_then(|t| t.parse().ok()).unwrap_or(8_usize).clamp(1, 1000);
    each_line(&mut tool, &parsed.files(), |line| {
        let mut out = Vec::new();
        let mut column = 0;
        for b in line {
            if *b == b'\t' {
                let spaces = stop - column % stop;
                out.resize(out.len() + spaces, b' ');
                column += spaces;
            } else {
                out.push(*b);
                column += 1;
            }
        }
        out
    })
    .await;
    tool.done().await
}

/// paste(1)
pub async fn paste(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]...",
        short: "d:s",
        long: &[("delimiters=", 'd'), ("serial", 's')],
        absent: "z",
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let text = super::printf::unescape(parsed.value('d').unwrap_or("\t"));
    let delimiters: Vec<u8> = if text.is_empty() { vec![0] } else { text.into_bytes() };
    // Standard input named twice gives its lines in turn.
    let (mut inputs, mut columns, mut stdin) = (Vec::new(), Vec::new(), None);
    for name in parsed.files() {
        if let Some(at) = stdin.filter(|_| &*name == "-") {
            columns.push(at);
            continue;
        }
        match Input::open(&tool.p, &name) {
            Ok(input) => {
                if &*name == "-" {
                    stdin = Some(inputs.len());
                }
                columns.push(inputs.len());
                inputs.push((input, false));
            }
            Err(e) => {
                tool.complain(format!("{}: {e}", shown(&name))).await;
                return 1;
            }
        }
    }
    if parsed.has('s') {
        for (input, _) in &mut inputs {
            let mut out = Vec::new();
            let mut n = 0;
            while let Ok(Some(line)) = input.line().await {
                if n > 0 {
                    out.push(delimiters[(n - 1) % delimiters.len()]);
                }
                n += 1;
                out.extend_from_slice(chomp(&line));
            }
            tool.line(out).await;
        }
        return tool.done().await;
    }
    loop {
        let (mut out, mut any) = (Vec::new(), false);
        for (n, at) in columns.iter().enumerate() {
            let (input, over) = &mut inputs[*at];
            if n > 0 {
                out.push(delimiters[(n - 1) % delimiters.len()]);
            }
            if *over {
                continue;
            }
            match input.line().await {
                Ok(Some(line)) => {
                    any = true;
                    out.extend_from_slice(chomp(&line));
                }
                _ => *over = true,
            }
        }
        if !any {
            return tool.done().await;
        }
        tool.line(out).await;
    }
}

/// comm(1)
pub async fn comm(p: Process) -> i32 {
    const OPTIONS: Options = Options { usage: "[OPTION]... FILE1 FILE2", short: "123", absent: "z", ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let (a, b) = match &parsed.operands[..] {
        [a, b] => (a.clone(), b.clone()),
        [] => return tool.usage("missing operand", 1).await,
        [only] => return tool.usage(format!("missing operand after {}", quoted(only)), 1).await,
        [_, _, extra, ..] => return tool.usage(format!("extra operand {}", quoted(extra)), 1).await,
    };
    let mut texts = Vec::new();
    for name in [a, b] {
        match whole(&tool.p, &name).await {
            Ok(text) => texts.push(text),
            Err(e) => {
                tool.complain(format!("{}: {e}", shown(&name))).await;
                return 1;
            }
        }
    }
    let mut left = Ordered::new(&texts[0]);
    let mut right = Ordered::new(&texts[1]);
    let hidden = |column: usize| parsed.has(char::from(b'0' + column as u8));
    let tab = |column: usize| (1..column).filter(|n| !hidden(*n)).count();
    let mut unpaired = false;
    loop {
        let (column, line) = match (left.next, right.next) {
            (None, None) => break,
            (Some(l), None) => (1, l),
            (None, Some(r)) => (2, r),
            (Some(l), Some(r)) => match l.cmp(r) {
                Ordering::Less => (1, l),
                Ordering::Greater => (2, r),
                Ordering::Equal => (3, l),
            },
        };
        unpaired |= column != 3;
        if !hidden(column) {
            let mut out = vec![b'\t'; tab(column)];
            out.extend_from_slice(line);
            tool.line(out).await;
        }
        for (n, file) in [&mut left, &mut right].into_iter().enumerate() {
            if (column == 3 || column == n + 1) && file.advance() && unpaired && !file.blamed {
                file.blamed = true;
                tool.complain(format!("file {} is not in sorted order", n + 1)).await;
            }
        }
    }
    if left.blamed || right.blamed {
        tool.complain("input is not in sorted order").await;
    }
    tool.done().await
}

/// The lines of a file that should be sorted.
struct Ordered<'t> {
    rest: Box<dyn Iterator<Item = &'t [u8]> + 't>,
    next: Option<&'t [u8]>,
    blamed: bool,
}

impl<'t> Ordered<'t> {
    fn new(text: &'t [u8]) -> Ordered<'t> {
        let mut rest = Box::new(super::text::lines(text));
        Ordered { next: rest.next(), rest, blamed: false }
    }

    /// Goes on to the next line; tells whether it comes before the last one.
    fn advance(&mut self) -> bool {
        let last = self.next;
        self.next = self.rest.next();
        self.next.is_some() && self.next < last
    }
}

/// tee(1)
pub async fn tee(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]...",
        short: "aip",
        long: &[("append", 'a'), ("ignore-interrupts", 'i')],
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let how = if parsed.has('a') { OpenFlags::APPEND } else { OpenFlags::CREATE };
    let mut files = Vec::new();
    for name in &parsed.operands {
        match tool.p.open(name, how, 0o666) {
            Ok(open) => files.push((name.clone(), open)),
            Err(e) => tool.complain(format!("{}: {e}", shown(name))).await,
        }
    }
    loop {
        let block = tool.p.read_stdin(65536).await;
        if block.is_empty() {
            break;
        }
        tool.put(&block).await;
        tool.flush().await;
        let mut n = 0;
        while n < files.len() {
            let written = files[n].1.write(block.clone()).await;
            match written {
                Ok(()) => n += 1,
                Err(e) => {
                    let (name, _) = files.remove(n);
                    tool.complain(format!("{}: {e}", shown(&name))).await;
                }
            }
        }
    }
    tool.done().await
}
