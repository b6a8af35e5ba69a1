//! head(1): the first lines or octets of files.

use super::options::{NONE, Options};
use super::text::Input;
use super::tool::{Tool, quoted};
use crate::world::errno::Sys;
use crate::world::process::Process;
use std::collections::VecDeque;
use std::rc::Rc;

const OPTIONS: Options = Options {
    short: "c:n:qvz",
    long: &[
        ("bytes=", 'c'),
        ("lines=", 'n'),
        ("quiet", 'q'),
        ("silent", 'q'),
        ("verbose", 'v'),
        ("zero-terminated", 'z'),
    ],
    usage: "[OPTION]... [FILE]...",
    ..NONE
};

/// How much to show.
#[derive(Clone, Copy)]
struct Count {
    lines: bool,
    /// All but the last, not the first.
    but_last: bool,
    n: usize,
    end: u8,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = match modern(&tool.p.args()) {
        Ok(args) => args,
        Err(c) => return tool.usage(format!("invalid trailing option -- {c}"), 1).await,
    };
    let parsed = match OPTIONS.parse_args(&mut tool, &args).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut count =
        Count { lines: true, but_last: false, n: 10, end: if parsed.has('z') { 0 } else { b'\n' } };
    for (option, value) in &parsed.given {
        let (Some(value), lines) = (value, *option == 'n') else { continue };
        let Some(n) = amount(value.trim_start_matches('-')) else {
            let what = if lines { "lines" } else { "bytes" };
            tool.complain(format!("invalid number of {what}: {}", quoted(value))).await;
            return 1;
        };
        (count.lines, count.n, count.but_last) = (lines, n, value.starts_with('-'));
    }
    let files = parsed.files();
    let titled = match parsed.last_of("qv") {
        Some('q') => false,
        Some(_) => true,
        None => files.len() > 1,
    };
    let mut first = true;
    for name in &files {
        let mut input = match Input::open(&tool.p, name) {
            Ok(input) => input,
            Err(e) => {
                tool.complain(format!("cannot open {} for reading: {e}", quoted(name))).await;
                continue;
            }
        };
        if titled {
            title(&mut tool, name, first).await;
            first = false;
        }
        let done = if count.but_last {
            but_last(&mut tool, input, count).await
        } else {
            begin(&mut tool, &mut input, count).await.map(|()| input.leave())
        };
        if let Err(e) = done {
            tool.complain(format!("error reading {}: {e}", quoted(name))).await;
        }
    }
    tool.done().await
}

/// The heading of a file, as head and tail print it.
pub(super) async fn title(tool: &mut Tool, name: &str, first: bool) {
    let name = if name == "-" { "standard input" } else { name };
    tool.put(format!("{}==> {name} <==\n", if first { "" } else { "\n" })).await;
}

/// A count with a suffix: `b` is 512, `k`, `K` and `KiB` 1024, `kB` 1000, and so on.
pub(super) fn amount(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor: usize = match &text[digits..] {
        "" => 1,
        "b" => 512,
        "kB" | "KB" => 1000,
        "k" | "K" | "KiB" => 1024,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        _ => return None,
    };
    if digits == 0 {
        return None;
    }
    Some(text[..digits].parse::<usize>().unwrap_or(usize::MAX).saturating_mul(factor))
}

/// Writes the old form `-5` as `-n 5`.
fn modern(args: &[Rc<str>]) -> Result<Vec<Rc<str>>, char> {
    let Some(first) = args.first().and_then(|a| a.strip_prefix('-')) else { return Ok(args.to_vec()) };
    let digits = first.find(|c: char| !c.is_ascii_digit()).unwrap_or(first.len());
    if digits == 0 {
        return Ok(args.to_vec());
    }
    let mut new: Vec<Rc<str>> = Vec::new();
    let mut what = "-n";
    for c in first[digits..].chars() {
        match c {
            'c' => what = "-c",
            'q' | 'v' | 'z' => new.push(format!("-{c}").into()),
            c => return Err(c),
        }
    }
    new.push(format!("{what}{}", &first[..digits]).into());
    new.extend_from_slice(&args[1..]);
    Ok(new)
}

async fn begin(tool: &mut Tool, input: &mut Input, count: Count) -> Sys<()> {
    if count.lines {
        for _ in 0..count.n {
            let Some(line) = input.until(count.end).await? else { break };
            tool.put(line).await;
        }
        return Ok(());
    }
    let mut left = count.n;
    while left > 0 {
        let block = input.file().read(left.min(65536)).await?;
        if block.is_empty() {
            break;
        }
        left -= block.len();
        tool.put(block).await;
    }
    Ok(())
}

async fn but_last(tool: &mut Tool, mut input: Input, count: Count) -> Sys<()> {
    if !count.lines {
        let all = input.rest().await?;
        let end = all.len().saturating_sub(count.n);
        tool.put(&all[..end]).await;
        return Ok(());
    }
    let mut held = VecDeque::new();
    while let Some(line) = input.until(count.end).await? {
        held.push_back(line);
        if held.len() > count.n
            && let Some(line) = held.pop_front()
        {
            tool.put(line).await;
        }
    }
    Ok(())
}
