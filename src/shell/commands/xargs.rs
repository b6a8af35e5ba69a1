//! xargs(1): runs a command with arguments from standard input.

use super::options::Options;
use super::text::{Input, LIMIT};
use super::tool::Tool;
use crate::world::errno::Errno;
use crate::world::exec::Start;
use crate::world::fs::OpenFlags;
use crate::world::process::{Process, STDIN};
use std::rc::Rc;

const OPTIONS: Options = Options {
    usage: "[OPTION]... COMMAND [INITIAL-ARGS]...",
    short: "0a:d:I:L:n:rs:tx",
    long: &[
        ("null", '0'),
        ("arg-file=", 'a'),
        ("delimiter=", 'd'),
        ("replace=", 'I'),
        ("max-lines=", 'L'),
        ("max-args=", 'n'),
        ("no-run-if-empty", 'r'),
        ("max-chars=", 's'),
        ("verbose", 't'),
        ("exit", 'x'),
    ],
    absent: "eEiloPp",
    trouble: 1,
    in_order: true,
    shows_usage: false,
};
/// The room for the arguments of one command, in octets.
const ROOM: usize = 131_072;

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut most = usize::MAX;
    for option in ['n', 'L', 's'] {
        let Some(text) = parsed.value(option) else { continue };
        match text.parse::<usize>() {
            Ok(0) => {
                tool.warn(format!("value {text} for -{option} option should be >= 1")).await;
                return 1;
            }
            Ok(n) if option == 'n' => most = n,
            Ok(_) => {}
            Err(_) => return tool.usage(format!("invalid number \"{text}\" for -{option} option"), 1).await,
        }
    }
    let lines_each = parsed.value('L').and_then(|n| n.parse().ok());
    let room = parsed.value('s').and_then(|n| n.parse().ok()).unwrap_or(ROOM);
    let command: Vec<Rc<str>> =
        if parsed.operands.is_empty() { vec!["echo".into()] } else { parsed.operands.clone() };
    let input = Input::open(&tool.p, parsed.value('a').unwrap_or("-"));
    let text = match input {
        Ok(input) => input.rest().await.unwrap_or_default(),
        Err(e) => {
            let name = parsed.value('a').unwrap_or("-").to_owned();
            tool.warn(format!("Cannot open input file '{name}': {e}")).await;
            return 1;
        }
    };
    debug_assert!(text.len() <= LIMIT);
    let replace = parsed.value('I');
    let delimiter = if parsed.has('0') { Some(0) } else { parsed.value('d').map(delimiter) };
    let items = match delimiter {
        Some(d) => Ok(text
            .split_inclusive(|b| *b == d)
            .map(|i| vec![lossy(i.strip_suffix(&[d]).unwrap_or(i))])
            .collect()),
        None => words(&text, replace.is_some()),
    };
    let lines: Vec<Vec<Rc<str>>> = match items {
        Ok(lines) => lines,
        Err(quote) => {
            let text = format!(
                "unmatched {quote} quote; by default quotes are special to xargs unless you use the -0 option"
            );
            tool.warn(text).await;
            return 1;
        }
    };
    if parsed.has('d') || parsed.has('0') || parsed.value('a').is_none() {
        // What xargs reads its commands do not.
        let null = tool.p.open("/dev/null", OpenFlags::READ, 0).ok();
        tool.p.set_fd(STDIN, null);
    }
    let mut batches: Vec<Vec<Rc<str>>> = Vec::new();
    if let Some(mark) = replace {
        for line in &lines {
            let with = line.join(" ");
            batches.push(command.iter().map(|w| w.replace(mark, &with).into()).collect());
        }
    } else {
        let base: usize = command.iter().map(|w| w.len() + 1).sum();
        let (mut batch, mut size, mut taken) = (command.clone(), base, 0);
        for line in &lines {
            for item in line {
                let full = batch.len() - command.len() >= most || size + item.len() + 1 > room;
                if full && batch.len() > command.len() {
                    batches.push(std::mem::replace(&mut batch, command.clone()));
                    size = base;
                }
                size += item.len() + 1;
                batch.push(item.clone());
            }
            taken += usize::from(!line.is_empty());
            if lines_each.is_some_and(|n: usize| taken >= n) {
                batches.push(std::mem::replace(&mut batch, command.clone()));
                (size, taken) = (base, 0);
            }
        }
        if batch.len() > command.len() || batches.is_empty() && !parsed.has('r') {
            batches.push(batch);
        }
    }
    for argv in batches {
        if parsed.has('t') {
            tool.p.eprint(format!("{}\n", argv.join(" "))).await;
        }
        let found = tool.p.find_program(&argv[0]);
        let started = found.and_then(|path| tool.p.spawn(&path, Start::new(&argv)));
        match started {
            Ok(child) => match child.wait().await {
                0 => {}
                255 => {
                    tool.warn(format!("{}: exited with status 255; aborting", argv[0])).await;
                    return 124;
                }
                // 128 + n may be a signal or a status; only signals end xargs itself.
                _ => tool.status = 123,
            },
            Err(e) => {
                tool.warn(format!("{}: {e}", argv[0])).await;
                return if e == Errno::ENOENT { 127 } else { 126 };
            }
        }
    }
    tool.done().await
}

fn delimiter(text: &str) -> u8 {
    super::printf::unescape(text).bytes().next().unwrap_or(0)
}

fn lossy(bytes: &[u8]) -> Rc<str> {
    String::from_utf8_lossy(bytes).as_ref().into()
}

/// The words of each line, with quotes and backslashes taken away; whole lines where `whole`.
fn words(text: &[u8], whole: bool) -> Result<Vec<Vec<Rc<str>>>, &'static str> {
    let mut lines = Vec::new();
    let (mut line, mut word, mut begun) = (Vec::new(), Vec::new(), false);
    let mut bytes = text.iter().copied();
    while let Some(b) = bytes.next() {
        match b {
            b'\'' | b'"' => {
                begun = true;
                loop {
                    match bytes.next() {
                        Some(c) if c == b => break,
                        Some(c) if c != b'\n' => word.push(c),
                        _ => return Err(if b == b'"' { "double" } else { "single" }),
                    }
                }
            }
            b'\\' => {
                word.extend(bytes.next());
                begun = true;
            }
            b'\n' => {
                if std::mem::take(&mut begun) {
                    line.push(lossy(&std::mem::take(&mut word)));
                }
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
            }
            b' ' | b'\t' if whole && begun => word.push(b),
            b' ' | b'\t' => {
                if std::mem::take(&mut begun) {
                    line.push(lossy(&std::mem::take(&mut word)));
                }
            }
            b => {
                word.push(b);
                begun = true;
            }
        }
    }
    if begun {
        line.push(lossy(&word));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    Ok(lines)
}
