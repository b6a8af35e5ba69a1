//! tail(1): the last lines or octets of files, and what is added to them.
//!
//! # Simplifications
//! `-f` looks once a second of virtual time and ends only when it is killed; the world counts as
//! at rest meanwhile.

use super::head::{amount, title};
use super::options::{NONE, Options};
use super::text::Input;
use super::tool::{Tool, quoted};
use crate::world::clock::Duration;
use crate::world::errno::Sys;
use crate::world::fs::{Ino, OpenFlags};
use crate::world::open::Open;
use crate::world::process::Process;
use bytes::Bytes;
use std::collections::VecDeque;
use std::rc::Rc;

const OPTIONS: Options = Options {
    short: "c:n:fFqvz",
    long: &[
        ("bytes=", 'c'),
        ("lines=", 'n'),
        ("follow?", 'f'),
        ("quiet", 'q'),
        ("silent", 'q'),
        ("verbose", 'v'),
        ("zero-terminated", 'z'),
    ],
    usage: "[OPTION]... [FILE]...",
    absent: "s",
    ..NONE
};

#[derive(Clone, Copy)]
struct Count {
    lines: bool,
    /// Begins at the n-th, and shows all from there.
    from: bool,
    n: usize,
    end: u8,
}

/// A file that is watched.
struct Watched {
    name: Rc<str>,
    open: Rc<Open>,
    ino: Option<Ino>,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let given = tool.p.args();
    let args = modern(&given);
    // With more than one file the old form is not taken.
    let old_form = given.first().filter(|_| args != given).and_then(|a| a.chars().nth(1));
    let parsed = match OPTIONS.parse_args(&mut tool, &args).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Some(digit) = old_form.filter(|_| parsed.operands.len() > 1) {
        tool.complain(format!("option used in invalid context -- {digit}")).await;
        return 1;
    }
    let mut count = Count { lines: true, from: false, n: 10, end: if parsed.has('z') { 0 } else { b'\n' } };
    for (option, value) in &parsed.given {
        let Some(value) = value.as_ref().filter(|_| "cn".contains(*option)) else { continue };
        let Some(n) = amount(value.trim_start_matches(['-', '+'])) else {
            let what = if *option == 'n' { "lines" } else { "bytes" };
            tool.complain(format!("invalid number of {what}: {}", quoted(value))).await;
            return 1;
        };
        (count.lines, count.n, count.from) = (*option == 'n', n, value.starts_with('+'));
    }
    let files = parsed.files();
    let titled = match parsed.last_of("qv") {
        Some('q') => false,
        Some(_) => true,
        None => files.len() > 1,
    };
    let mut first = true;
    let mut watched = Vec::new();
    for name in &files {
        let input = match Input::open(&tool.p, name) {
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
        let open = input.file().clone();
        if let Err(e) = end(&mut tool, input, count).await {
            tool.complain(format!("error reading {}: {e}", quoted(name))).await;
            continue;
        }
        watched.push(Watched { name: name.clone(), ino: open.ino(), open });
    }
    if let Some(how) = parsed.last_of("fF") {
        tool.flush().await;
        if watched.is_empty() {
            tool.complain("no files remaining").await;
            return 1;
        }
        let by_name = how == 'F' || parsed.value('f') == Some("name");
        tool.p.only_watches();
        follow(&mut tool, watched, by_name, titled).await;
    }
    tool.done().await
}

/// Writes the old form `-5`, `-5f` as `-n 5 -f`, and `+5` as `-n +5`.
fn modern(args: &[Rc<str>]) -> Vec<Rc<str>> {
    let Some(first) = args.first() else { return Vec::new() };
    let Some(text) = first.strip_prefix('-') else { return args.to_vec() };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (what, follow) = match &text[digits..] {
        "" | "l" => ("-n", false),
        "f" | "lf" => ("-n", true),
        "c" => ("-c", false),
        "cf" => ("-c", true),
        _ => return args.to_vec(),
    };
    if digits == 0 {
        return args.to_vec();
    }
    let mut new: Vec<Rc<str>> = vec![format!("{what}{}", &text[..digits]).into()];
    if follow {
        new.push("-f".into());
    }
    new.extend_from_slice(&args[1..]);
    new
}

async fn end(tool: &mut Tool, mut input: Input, count: Count) -> Sys<()> {
    match (count.lines, count.from) {
        (true, true) => {
            let mut skip = count.n.saturating_sub(1);
            while let Some(line) = input.until(count.end).await? {
                if skip == 0 {
                    tool.put(line).await;
                } else {
                    skip -= 1;
                }
            }
        }
        (true, false) => {
            let mut held: VecDeque<Bytes> = VecDeque::new();
            while let Some(line) = input.until(count.end).await? {
                held.push_back(line);
                if held.len() > count.n {
                    held.pop_front();
                }
            }
            for line in held {
                tool.put(line).await;
            }
        }
        (false, from) => {
            let all = input.rest().await?;
            let start = if from { count.n.saturating_sub(1) } else { all.len().saturating_sub(count.n) };
            tool.put(&all[start.min(all.len())..]).await;
        }
    }
    Ok(())
}

async fn follow(tool: &mut Tool, mut watched: Vec<Watched>, by_name: bool, titled: bool) {
    let mut last = watched.len() - 1;
    loop {
        tool.p.idle(Duration::from_secs(1)).await;
        for (n, file) in watched.iter_mut().enumerate() {
            if by_name {
                replace(tool, file).await;
            }
            let name = file.name.clone();
            if let (Some(ino), Ok(offset)) = (file.ino, file.open.offset())
                && tool.p.host().fs().stat(ino).size < offset
            {
                tool.warn(format!("{name}: file truncated")).await;
                let _ = file.open.seek(0);
            }
            while let Ok(block) = file.open.read(65536).await {
                if block.is_empty() {
                    break;
                }
                if titled && last != n {
                    title(tool, &name, false).await;
                }
                last = n;
                tool.put(block).await;
            }
        }
        tool.flush().await;
    }
}

/// Opens the file again when another one lies under its name.
async fn replace(tool: &mut Tool, watched: &mut Watched) {
    let Ok(now) = tool.p.stat(&watched.name, true) else { return };
    if Some(now.ino) == watched.ino {
        return;
    }
    if let Ok(open) = tool.p.open(&watched.name, OpenFlags::READ, 0) {
        let text = format!("{} has been replaced;  following new file", quoted(&watched.name));
        tool.warn(text).await;
        *watched = Watched { name: watched.name.clone(), ino: open.ino(), open };
    }
}
