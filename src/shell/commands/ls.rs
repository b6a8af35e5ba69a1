//! ls(1): lists directories and files: in columns at a terminal, one name a line elsewhere.
//!
//! # Simplifications
//! `-x`, `-m` and the quoting styles are not there, so that names with blanks are not quoted at a
//! terminal either. A terminal is 80 columns wide.

use super::names::{self, join};
use super::options::{NONE, Options, Parsed};
use super::tool::{Tool, quoted};
use crate::world::clock::Time;
use crate::world::errno::Errno;
use crate::world::fs::{Ino, Kind, Stat};
use crate::world::process::{Process, STDOUT};
use std::cmp::Ordering;

const OPTIONS: Options = Options {
    usage: "[OPTION]... [FILE]...",
    short: "aAcCdFfghHiklLnNoprRsStuUvX1",
    long: &[
        ("all", 'a'),
        ("almost-all", 'A'),
        ("classify", 'F'),
        ("dereference", 'L'),
        ("directory", 'd'),
        ("full-time", FULL_TIME),
        ("human-readable", 'h'),
        ("inode", 'i'),
        ("kibibytes", 'k'),
        ("literal", 'N'),
        ("no-group", 'G'),
        ("numeric-uid-gid", 'n'),
        ("recursive", 'R'),
        ("reverse", 'r'),
        ("size", 's'),
        ("sort=", SORT),
        ("time-style=", TIME_STYLE),
        ("color?", COLOR),
    ],
    absent: "bBDGIQTZmqwx",
    trouble: 2,
    ..NONE
};
const FULL_TIME: char = '\u{11}';
const SORT: char = '\u{12}';
const TIME_STYLE: char = '\u{13}';
const COLOR: char = '\u{14}';
/// How wide a line of columns may be.
const WIDTH: usize = 80;
/// The least room for a column, and the room between two.
const NARROWEST: usize = 3;
const GAP: usize = 2;
/// Half a year of the Gregorian calendar, in seconds: what is older shows its year.
const HALF_A_YEAR: u64 = 31_556_952 / 2;

#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Name,
    Size,
    Time,
    Extension,
    Version,
    None,
}

struct Style {
    all: bool,
    almost: bool,
    long: bool,
    columns: bool,
    owner: bool,
    group: bool,
    numeric: bool,
    human: bool,
    inode: bool,
    blocks: bool,
    classify: bool,
    slash: bool,
    directory: bool,
    recursive: bool,
    follow: bool,
    reverse: bool,
    sort: Sort,
    time: fn(&Stat) -> Time,
    iso: Option<String>,
}

struct Entry {
    name: String,
    stat: Stat,
    /// Where a symbolic link leads, and what lies there.
    target: Option<(String, Option<Stat>)>,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let style = match Style::new(&parsed, tool.p.terminal(STDOUT).is_some()) {
        Ok(style) => style,
        Err(text) => return tool.usage(text, 2).await,
    };
    let operands: Vec<String> = if parsed.operands.is_empty() {
        vec![".".into()]
    } else {
        parsed.operands.iter().map(|o| o.to_string()).collect()
    };
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for name in operands {
        match entry(&tool.p, &name, &name, style.follow || !style.long_form()) {
            Ok(e) if e.stat.is_dir() && !style.directory => directories.push(e),
            Ok(_) | Err(_) if style.directory => match entry(&tool.p, &name, &name, style.follow) {
                Ok(e) => files.push(e),
                Err(e) => cannot_access(&mut tool, &name, e).await,
            },
            Ok(_) => match entry(&tool.p, &name, &name, style.follow) {
                Ok(e) => files.push(e),
                Err(e) => cannot_access(&mut tool, &name, e).await,
            },
            // A link that leads nowhere is shown itself.
            Err(e) => match entry(&tool.p, &name, &name, false) {
                Ok(e) if !style.follow => files.push(e),
                _ => cannot_access(&mut tool, &name, e).await,
            },
        }
    }
    style.order(&mut files);
    style.order(&mut directories);
    let headings = style.recursive || parsed.operands.len() > 1;
    print(&mut tool, &style, &files).await;
    let mut first = files.is_empty();
    let mut pending: Vec<(String, bool)> = directories.into_iter().rev().map(|e| (e.name, true)).collect();
    while let Some((path, given)) = pending.pop() {
        let Some(children) = read(&mut tool, &style, &path, given).await else { continue };
        if headings {
            tool.put(format!("{}{path}:\n", if first { "" } else { "\n" })).await;
        }
        first = false;
        if style.long || style.blocks {
            tool.put(format!("total {}\n", style.room(children.iter().map(|e| e.stat.blocks).sum()))).await;
        }
        print(&mut tool, &style, &children).await;
        if style.recursive {
            let inner = children.iter().rev().filter(|e| e.stat.is_dir() && e.name != "." && e.name != "..");
            pending.extend(inner.map(|e| (join(&path, &e.name), false)));
        }
    }
    tool.done().await
}

async fn cannot_access(tool: &mut Tool, name: &str, e: Errno) {
    tool.complain(format!("cannot access {}: {e}", quoted(name))).await;
    tool.status = 2;
}

impl Style {
    fn new(parsed: &Parsed, at_terminal: bool) -> Result<Style, String> {
        let has = |c| parsed.has(c);
        let unsorted = has('f');
        let mut sort = match parsed.last_of("StUXv") {
            Some('S') => Sort::Size,
            Some('t') => Sort::Time,
            Some('X') => Sort::Extension,
            Some('v') => Sort::Version,
            Some(_) => Sort::None,
            None => Sort::Name,
        };
        let long = "lgon".chars().any(has) || has(FULL_TIME);
        if sort == Sort::Name && !long && parsed.last_of("cu").is_some() {
            sort = Sort::Time;
        }
        match parsed.value(SORT) {
            None => {}
            Some("none") => sort = Sort::None,
            Some("size") => sort = Sort::Size,
            Some("time") => sort = Sort::Time,
            Some("extension") => sort = Sort::Extension,
            Some("version") => sort = Sort::Version,
            Some(other) => return Err(format!("invalid argument '{other}' for '--sort'")),
        }
        let full = "%Y-%m-%d %H:%M:%S.%N +0000";
        let iso = match parsed.value(TIME_STYLE) {
            None | Some("locale") => has(FULL_TIME).then_some(full),
            Some("full-iso") => Some(full),
            Some("long-iso") => Some("%Y-%m-%d %H:%M"),
            Some(other) => match other.strip_prefix('+') {
                Some(format) => Some(format),
                None => return Err(format!("invalid argument '{other}' for 'time style'")),
            },
        };
        let iso = iso.map(str::to_owned);
        Ok(Style {
            all: has('a') || unsorted,
            almost: has('A'),
            long,
            columns: !long && parsed.last_of("C1").map_or(at_terminal, |c| c == 'C'),
            owner: !has('g'),
            group: !has('o') && !has('G'),
            numeric: has('n'),
            human: has('h'),
            inode: has('i'),
            blocks: has('s'),
            classify: has('F'),
            slash: has('p'),
            directory: has('d'),
            recursive: has('R') && !has('d'),
            follow: has('L'),
            reverse: has('r'),
            sort: if unsorted { Sort::None } else { sort },
            time: match parsed.last_of("cu") {
                Some('c') => |s| s.ctime,
                Some(_) => |s| s.atime,
                None => |s| s.mtime,
            },
            iso,
        })
    }

    /// Are links on the command line shown themselves, not what they lead to?
    fn long_form(&self) -> bool {
        self.long || self.directory || self.classify
    }

    fn order(&self, entries: &mut [Entry]) {
        let by_name = |a: &Entry, b: &Entry| a.name.as_bytes().cmp(b.name.as_bytes());
        entries.sort_by(|a, b| match self.sort {
            Sort::Name => by_name(a, b),
            Sort::None => Ordering::Equal,
            Sort::Size => b.stat.size.cmp(&a.stat.size).then_with(|| by_name(a, b)),
            Sort::Time => (self.time)(&b.stat).cmp(&(self.time)(&a.stat)).then_with(|| by_name(a, b)),
            Sort::Extension => extension(&a.name).cmp(extension(&b.name)).then_with(|| by_name(a, b)),
            Sort::Version => super::sort::versions(a.name.as_bytes(), b.name.as_bytes()),
        });
        if self.reverse {
            entries.reverse();
        }
    }

    fn room(&self, blocks: u64) -> String {
        if self.human { names::human(blocks * 512) } else { blocks.div_ceil(2).to_string() }
    }

    fn date(&self, stat: &Stat, now: Time) -> String {
        let time = (self.time)(stat);
        if let Some(format) = &self.iso {
            return super::date::format(time, format);
        }
        let recent = time <= now && now.unix() - time.unix() < HALF_A_YEAR;
        time.strftime(if recent { "%b %e %H:%M" } else { "%b %e  %Y" })
    }

    fn mark(&self, stat: &Stat) -> &'static str {
        match stat.kind {
            Kind::Directory if self.classify || self.slash => "/",
            _ if !self.classify => "",
            Kind::Symlink => "@",
            Kind::Fifo => "|",
            Kind::Socket => "=",
            Kind::File if stat.mode & 0o111 != 0 => "*",
            _ => "",
        }
    }
}

fn extension(name: &str) -> &str {
    name.rfind('.').map_or("", |at| &name[at..])
}

fn entry(p: &Process, path: &str, name: &str, follow: bool) -> Result<Entry, Errno> {
    let stat = p.stat(path, follow)?;
    let target = (stat.kind == Kind::Symlink)
        .then(|| p.host().fs().readlink(stat.ino).ok())
        .flatten()
        .map(|target| (target.to_string(), p.stat(path, true).ok()));
    Ok(Entry { name: name.to_owned(), stat, target })
}

/// What lies in a directory; `None` where it cannot be read, which has been said.
async fn read(tool: &mut Tool, style: &Style, path: &str, given: bool) -> Option<Vec<Entry>> {
    let listed = match tool.p.list(path) {
        Ok(listed) => listed,
        Err(e) => {
            tool.complain(format!("cannot open directory {}: {e}", quoted(path))).await;
            tool.status = tool.status.max(if given { 2 } else { 1 });
            return None;
        }
    };
    let mut names: Vec<String> = Vec::new();
    if style.all {
        names.extend([".".to_owned(), "..".to_owned()]);
    }
    names.extend(
        listed.iter().filter(|n| style.all || style.almost || !n.starts_with('.')).map(|n| n.to_string()),
    );
    let mut entries = Vec::new();
    for name in names {
        let full = join(path, &name);
        let found = entry(&tool.p, &full, &name, style.follow);
        match found.or_else(|e| if style.follow { entry(&tool.p, &full, &name, false) } else { Err(e) }) {
            Ok(entry) => entries.push(entry),
            Err(e) => {
                tool.complain(format!("cannot access {}: {e}", quoted(&full))).await;
            }
        }
    }
    style.order(&mut entries);
    Some(entries)
}

fn inode(ino: Ino) -> u32 {
    ino.number()
}

async fn print(tool: &mut Tool, style: &Style, entries: &[Entry]) {
    let host = tool.p.host().clone();
    let now = tool.p.now();
    let owner =
        |e: &Entry| if style.numeric { e.stat.uid.to_string() } else { names::user(&host, e.stat.uid) };
    let group =
        |e: &Entry| if style.numeric { e.stat.gid.to_string() } else { names::group(&host, e.stat.gid) };
    let minor = |e: &Entry| match e.stat.kind {
        Kind::CharDevice(device) => device.number().1.to_string().len(),
        _ => 0,
    };
    let wide_minor = entries.iter().map(minor).max().unwrap_or(0);
    let size = |e: &Entry| match e.stat.kind {
        Kind::CharDevice(device) => format!("{}, {:>wide_minor$}", device.number().0, device.number().1),
        _ if style.human => names::human(e.stat.size),
        _ => e.stat.size.to_string(),
    };
    let widest = |f: &dyn Fn(&Entry) -> String| entries.iter().map(|e| f(e).len()).max().unwrap_or(0);
    let wide_inode = widest(&|e| inode(e.stat.ino).to_string());
    let wide_room = widest(&|e| style.room(e.stat.blocks));
    let (wide_links, wide_owner, wide_group, wide_size) = if style.long {
        (widest(&|e| e.stat.nlink.to_string()), widest(&owner), widest(&group), widest(&size))
    } else {
        (0, 0, 0, 0)
    };
    let mut rows = Vec::with_capacity(entries.len());
    for e in entries {
        let mut row = String::new();
        if style.inode {
            row.push_str(&format!("{:>wide_inode$} ", inode(e.stat.ino)));
        }
        if style.blocks {
            row.push_str(&format!("{:>wide_room$} ", style.room(e.stat.blocks)));
        }
        if style.long {
            row.push_str(&format!("{} {:>wide_links$} ", names::mode(&e.stat), e.stat.nlink));
            if style.owner {
                row.push_str(&pad(&owner(e), wide_owner, style.numeric));
            }
            if style.group {
                row.push_str(&pad(&group(e), wide_group, style.numeric));
            }
            row.push_str(&format!("{:>wide_size$} {} ", size(e), style.date(&e.stat, now)));
        }
        row.push_str(&e.name);
        match &e.target {
            Some((target, there)) if style.long => {
                row.push_str(&format!(" -> {target}{}", there.as_ref().map_or("", |s| style.mark(s))));
            }
            _ => row.push_str(style.mark(&e.stat)),
        }
        rows.push(row);
    }
    if style.columns {
        rows = in_columns(&rows);
    }
    for row in rows {
        tool.line(row).await;
    }
}

/// Names beside each other, down each column, in as many columns as fit.
fn in_columns(names: &[String]) -> Vec<String> {
    let length = |name: &String| name.chars().count();
    let fitting = (2..=names.len().min(WIDTH / NARROWEST)).rev().find_map(|columns| {
        let rows = names.len().div_ceil(columns);
        let widths: Vec<usize> = names
            .chunks(rows)
            .enumerate()
            .map(|(n, names)| {
                let gap = if n + 1 == columns { 0 } else { GAP };
                names.iter().map(|name| length(name) + gap).max().unwrap_or(0).max(NARROWEST)
            })
            .collect();
        let unused = (columns - widths.len()) * NARROWEST;
        (widths.iter().sum::<usize>() + unused < WIDTH).then_some((rows, widths))
    });
    let Some((rows, widths)) = fitting else { return names.to_vec() };
    (0..rows)
        .map(|row| {
            let mut line = String::new();
            let (mut at, mut begin) = (0, 0);
            for (name, width) in names.iter().skip(row).step_by(rows).zip(&widths) {
                indent(&mut line, at, begin);
                line.push_str(name);
                at = begin + length(name);
                begin += width;
            }
            line
        })
        .collect()
}

/// The way from one place in a line to another, with tabs where they save something.
fn indent(line: &mut String, from: usize, to: usize) {
    const TAB: usize = 8;
    let mut at = from;
    while at < to {
        let tab = to / TAB > (at + 1) / TAB;
        line.push(if tab { '\t' } else { ' ' });
        at += if tab { TAB - at % TAB } else { 1 };
    }
}

fn pad(text: &str, width: usize, right: bool) -> String {
    if right { format!("{text:>width$} ") } else { format!("{text:<width$} ") }
}

#[cfg(test)]
mod tests {
    use super::in_columns;

    #[test]
    fn names_run_down_the_columns_as_gnu_lays_them_out() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let few = names("dynamicmaps.cf.d main.cf master.cf postfix-files.d sasl");
        assert_eq!(in_columns(&few), ["dynamicmaps.cf.d  main.cf  master.cf  postfix-files.d  sasl"]);
        let many: Vec<String> = (1..=30).map(|n| format!("file{n:02}.txt")).collect();
        assert_eq!(
            in_columns(&many)[0],
            "file01.txt  file06.txt\tfile11.txt  file16.txt\tfile21.txt  file26.txt"
        );
        assert_eq!(in_columns(&names("one")), ["one"]);
    }
}
