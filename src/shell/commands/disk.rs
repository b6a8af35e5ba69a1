//! Room on the disk: df(1) and du(1).
//!
//! # Simplifications
//! A host has one file system, called `/dev/vda1`, mounted on `/`. As it counts room like tmpfs,
//! a directory takes none itself.

use super::names::{self, join};
use super::options::{NONE, Options};
use super::tool::{Tool, quoted, shown};
use crate::world::process::Process;
use std::collections::BTreeSet;

/// df(1)
pub async fn df(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]...",
        short: "ahikmPTlB:",
        long: &[
            ("all", 'a'),
            ("human-readable", 'h'),
            ("inodes", 'i'),
            ("portability", 'P'),
            ("print-type", 'T'),
            ("local", 'l'),
        ],
        absent: "tx",
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.has('B') {
        return tool.unavailable("-B").await;
    }
    let mut rows = usize::from(parsed.operands.is_empty());
    for path in &parsed.operands {
        match tool.p.stat(path, true) {
            Ok(_) => rows += 1,
            Err(e) => tool.complain(format!("{}: {e}", shown(path))).await,
        }
    }
    let usage = tool.p.host().fs().usage();
    let inodes = parsed.has('i');
    let human = parsed.has('h');
    let unit = if parsed.has('m') { 1 << 20 } else { 1024 };
    let size = |bytes: u64| if human { names::human(bytes) } else { bytes.div_ceil(unit).to_string() };
    let (total, used, free) = if inodes {
        let total = (usage.size / 16384).max(usage.inodes);
        let count = |n: u64| if human { names::human(n) } else { n.to_string() };
        (count(total), count(usage.inodes), count(total - usage.inodes))
    } else {
        (size(usage.size), size(usage.used), size(usage.free()))
    };
    let (part, whole) = if inodes {
        (usage.inodes, (usage.size / 16384).max(usage.inodes))
    } else {
        (usage.used, usage.size)
    };
    let percent = if whole == 0 {
        "-".to_owned()
    } else {
        format!("{}%", (u128::from(part) * 100).div_ceil(u128::from(whole)))
    };
    let headings = match (inodes, human, parsed.has('m'), parsed.has('P')) {
        (true, ..) => ["Inodes", "IUsed", "IFree", "IUse%"],
        (_, true, ..) => ["Size", "Used", "Avail", "Use%"],
        (_, _, true, _) => ["1M-blocks", "Used", "Available", "Use%"],
        (_, _, _, true) => ["1024-blocks", "Used", "Available", "Capacity"],
        _ => ["1K-blocks", "Used", "Available", "Use%"],
    };
    let cells = [total, used, free, percent];
    let line = |first: &str, kind: &str, columns: &[String], last: &str| {
        let mut text = format!("{first:<14}");
        if parsed.has('T') {
            text.push_str(&format!(" {kind:<5}"));
        }
        for (n, (c, heading)) in columns.iter().zip(headings).enumerate() {
            let least = if n == 3 { 4 } else { 5 };
            let width = cells[n].len().max(heading.len()).max(least);
            text.push_str(&format!(" {c:>width$}"));
        }
        format!("{text} {last}")
    };
    if rows > 0 {
        let heads: Vec<String> = headings.iter().map(|h| (*h).to_owned()).collect();
        tool.line(line("Filesystem", "Type", &heads, "Mounted on")).await;
    }
    for _ in 0..rows {
        tool.line(line("/dev/vda1", "ext4", &cells, "/")).await;
    }
    tool.done().await
}

/// du(1)
pub async fn du(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [FILE]...",
        short: "abcd:hkmsSx",
        long: &[
            ("all", 'a'),
            ("apparent-size", APPARENT),
            ("bytes", 'b'),
            ("max-depth=", 'd'),
            ("human-readable", 'h'),
            ("separate-dirs", 'S'),
            ("summarize", 's'),
            ("total", 'c'),
            ("one-file-system", 'x'),
        ],
        absent: "BDHLPltX0",
        ..NONE
    };
    const APPARENT: char = '\u{11}';
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let depth = match parsed.value('d') {
        _ if parsed.has('s') => 0,
        None => usize::MAX,
        Some(text) => match text.parse() {
            Ok(depth) => depth,
            Err(_) => return tool.usage(format!("invalid maximum depth {}", quoted(text)), 1).await,
        },
    };
    let apparent = parsed.has('b') || parsed.has(APPARENT);
    let shown_size = |bytes: u64| match parsed.last_of("bhkm") {
        Some('h') => names::human(bytes),
        Some('b') => bytes.to_string(),
        Some('m') => bytes.div_ceil(1 << 20).to_string(),
        _ => bytes.div_ceil(1024).to_string(),
    };
    let mut seen = BTreeSet::new();
    let mut total = 0;
    let operands = if parsed.operands.is_empty() { vec![".".into()] } else { parsed.operands.clone() };
    for start in operands {
        if let Err(e) = tool.p.stat(&start, false) {
            tool.complain(format!("cannot access {}: {e}", quoted(&start))).await;
            continue;
        }
        // Sums of the directories that are open, the innermost last.
        let mut sums: Vec<u64> = vec![0];
        let mut pending = vec![(start.to_string(), 0_usize, false)];
        while let Some((path, level, left)) = pending.pop() {
            if left {
                let sum = sums.pop().unwrap_or(0);
                if let Some(above) = sums.last_mut().filter(|_| !parsed.has('S')) {
                    *above += sum;
                }
                if level == 0 {
                    total += sum;
                }
                if level <= depth {
                    tool.line(format!("{}\t{path}", shown_size(sum))).await;
                }
                continue;
            }
            let Ok(stat) = tool.p.stat(&path, false) else { continue };
            if !stat.is_dir() && stat.nlink > 1 && !seen.insert(stat.ino) {
                continue;
            }
            let own = if apparent { stat.size } else { stat.blocks * 512 };
            if !stat.is_dir() {
                if let Some(above) = sums.last_mut() {
                    *above += own;
                }
                if level == 0 {
                    total += own;
                }
                if level == 0 || parsed.has('a') && level <= depth {
                    tool.line(format!("{}\t{path}", shown_size(own))).await;
                }
                continue;
            }
            sums.push(own);
            pending.push((path.clone(), level, true));
            match tool.p.list(&path) {
                Ok(inner) => pending.extend(inner.iter().rev().map(|n| (join(&path, n), level + 1, false))),
                Err(e) => tool.complain(format!("cannot read directory {}: {e}", quoted(&path))).await,
            }
        }
    }
    if parsed.has('c') {
        tool.line(format!("{}\ttotal", shown_size(total))).await;
    }
    tool.done().await
}
