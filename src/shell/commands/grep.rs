//! grep(1), egrep and fgrep: lines that match.
//!
//! # Simplifications
//! `-P` and colours are not there. A file is binary when it has a NUL octet before the first
//! match.

use super::names::join;
use super::options::{NONE, Options, Parsed};
use super::regex::{Around, Dialect, Regex, Span};
use super::text::{Input, lines, whole};
use super::tool::Tool;
use crate::world::errno::{Errno, Sys};
use crate::world::process::{Process, STDOUT};
use bytes::Bytes;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

const OPTIONS: Options = Options {
    usage: "[OPTION]... PATTERNS [FILE]...",
    short: "A:aB:bC:cEe:Ff:GhHIiLlm:noqRrsvwxyUzZ0123456789",
    long: &[
        ("after-context=", 'A'),
        ("before-context=", 'B'),
        ("byte-offset", 'b'),
        ("color?", COLOR),
        ("colour?", COLOR),
        ("context=", 'C'),
        ("count", 'c'),
        ("exclude=", EXCLUDE),
        ("exclude-dir=", EXCLUDE_DIR),
        ("extended-regexp", 'E'),
        ("file=", 'f'),
        ("files-with-matches", 'l'),
        ("files-without-match", 'L'),
        ("fixed-strings", 'F'),
        ("basic-regexp", 'G'),
        ("ignore-case", 'i'),
        ("no-ignore-case", NO_IGNORE),
        ("include=", INCLUDE),
        ("invert-match", 'v'),
        ("label=", LABEL),
        ("line-buffered", COLOR),
        ("line-number", 'n'),
        ("line-regexp", 'x'),
        ("max-count=", 'm'),
        ("no-filename", 'h'),
        ("no-messages", 's'),
        ("null", 'Z'),
        ("null-data", 'z'),
        ("only-matching", 'o'),
        ("quiet", 'q'),
        ("silent", 'q'),
        ("recursive", 'r'),
        ("dereference-recursive", 'R'),
        ("regexp=", 'e'),
        ("text", 'a'),
        ("with-filename", 'H'),
        ("word-regexp", 'w'),
    ],
    absent: "dDPTu",
    shows_usage: true,
    trouble: 2,
    ..NONE
};
const COLOR: char = '\u{11}';
const LABEL: char = '\u{12}';
const INCLUDE: char = '\u{13}';
const EXCLUDE: char = '\u{14}';
const EXCLUDE_DIR: char = '\u{15}';
const NO_IGNORE: char = '\u{16}';

/// What is looked for, and how what is found is shown.
struct Search {
    patterns: Vec<Regex>,
    invert: bool,
    count: bool,
    number: bool,
    offset: bool,
    only: bool,
    quiet: bool,
    /// Names of files with a match (`-l`), or without one (`-L`).
    list: Option<bool>,
    named: bool,
    no_messages: bool,
    before: usize,
    after: usize,
    context: bool,
    most: u64,
    text: bool,
    end: u8,
    null_names: bool,
    label: String,
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    exclude_dir: Vec<Regex>,
    /// Has a line of any file been shown?
    shown: Cell<bool>,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let (search, operands) = match Search::new(&mut tool, &parsed).await {
        Ok(search) => search,
        Err(status) => return status,
    };
    let recursive = parsed.last_of("rR").is_some();
    let files: Vec<Rc<str>> = match (operands.is_empty(), recursive) {
        (false, _) => operands,
        (true, true) => vec![".".into()],
        (true, false) => vec!["-".into()],
    };
    let implied_here = recursive && parsed.operands.len() + usize::from(parsed.last_of("ef").is_some()) <= 1;
    let search = Search {
        named: match parsed.last_of("hH") {
            Some(c) => c == 'H',
            None => {
                files.len() > 1
                    || recursive
                        && (files.len() != 1 || tool.p.stat(&files[0], true).is_ok_and(|s| s.is_dir()))
            }
        },
        ..search
    };
    let (mut any, mut trouble) = (false, false);
    let mut pending: Vec<(String, bool)> = files.iter().rev().map(|f| (f.to_string(), true)).collect();
    while let Some((path, given)) = pending.pop() {
        let directory = path != "-" && tool.p.stat(&path, given || parsed.has('R')).is_ok_and(|s| s.is_dir());
        if recursive && directory {
            let skip = search.exclude_dir.iter().any(|r| r.is_match(super::names::base(&path).as_bytes()));
            if skip && !(given && path == ".") {
                continue;
            }
            match tool.p.list(&path) {
                Ok(inner) => {
                    let name =
                        |n: &Rc<str>| if given && implied_here { n.to_string() } else { join(&path, n) };
                    pending.extend(inner.iter().rev().map(|n| (name(n), false)));
                }
                Err(e) => trouble |= search.say(&mut tool, &path, e).await,
            }
            continue;
        }
        if !given && !search.wanted(&tool.p, &path, parsed.has('R')) || given && !search.named_well(&path) {
            continue;
        }
        match search.file(&mut tool, &path).await {
            Ok(found) => {
                any |= found;
                if found && search.quiet {
                    return 0;
                }
            }
            Err(e) => trouble |= search.say(&mut tool, &path, e).await,
        }
    }
    let found = any;
    let status = tool.done().await;
    match (trouble || status != 0, found) {
        (true, true) if search.quiet => 0,
        (true, _) => 2,
        (false, true) => 0,
        (false, false) => 1,
    }
}

impl Search {
    async fn new(tool: &mut Tool, parsed: &Parsed) -> Result<(Search, Vec<Rc<str>>), i32> {
        let mut operands = parsed.operands.clone();
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut given = false;
        for (option, value) in &parsed.given {
            let Some(value) = value else { continue };
            match option {
                'e' => patterns.extend(value.as_bytes().split(|b| *b == b'\n').map(<[u8]>::to_vec)),
                'f' => match whole(&tool.p, value).await {
                    Ok(text) => patterns.extend(lines(&text).map(<[u8]>::to_vec)),
                    Err(e) => {
                        tool.warn(format!("{value}: {e}")).await;
                        return Err(2);
                    }
                },
                _ => continue,
            }
            given = true;
        }
        if !given {
            if operands.is_empty() {
                let name = tool.name.clone();
                let text = format!(
                    "Usage: {name} [OPTION]... PATTERNS [FILE]...\nTry '{name} --help' for more information.\n"
                );
                tool.p.eprint(text).await;
                return Err(2);
            }
            patterns = operands.remove(0).as_bytes().split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        }
        let kind = parsed.last_of("EFG").unwrap_or(match &*tool.p.name() {
            "egrep" => 'E',
            "fgrep" => 'F',
            _ => 'G',
        });
        let ignore_case = matches!(parsed.last_of("iy\u{16}"), Some('i' | 'y'));
        let dialect = Dialect { extended: kind == 'E', ignore_case, ..Dialect::default() };
        let around = match (parsed.has('x'), parsed.has('w')) {
            (true, _) => Around::Text,
            (false, true) => Around::Words,
            _ => Around::Anything,
        };
        let mut compiled = Vec::new();
        for pattern in &patterns {
            let regex = match kind {
                'F' => Regex::literal(pattern, dialect, around),
                _ => Regex::within(pattern, dialect, around),
            };
            match regex {
                Ok(regex) => {
                    for warning in &regex.warnings {
                        tool.warn(format!("warning: {warning}")).await;
                    }
                    compiled.push(regex);
                }
                Err(text) => {
                    tool.warn(text).await;
                    return Err(2);
                }
            }
        }
        let number = |option: char, what: &str| match parsed.value(option) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(n) => Ok(Some(n)),
                Err(_) if option == 'm' && text.parse::<i64>().is_ok() => Ok(Some(u64::MAX)),
                Err(_) => Err(format!("{text}: {what}")),
            },
        };
        let bare: String = parsed.given.iter().map(|(o, _)| *o).filter(char::is_ascii_digit).collect();
        let numbers = (|| {
            let around = number('C', "invalid context length argument")?.or(bare.parse().ok());
            let before = number('B', "invalid context length argument")?.or(around);
            let after = number('A', "invalid context length argument")?.or(around);
            Ok::<_, String>((before, after, number('m', "invalid max count")?.unwrap_or(u64::MAX)))
        })();
        let (before, after, most) = match numbers {
            Ok(numbers) => numbers,
            Err(text) => {
                let text =
                    if text.ends_with("invalid max count") { "invalid max count".to_owned() } else { text };
                tool.warn(text).await;
                return Err(2);
            }
        };
        let globs = |option: char| {
            let values = parsed.given.iter().filter(|(o, _)| *o == option);
            values.filter_map(|(_, v)| super::glob::to_regex(v.as_deref()?, false)).collect()
        };
        let list = match parsed.last_of("lL") {
            Some('l') => Some(true),
            Some(_) => Some(false),
            None => None,
        };
        let to_null = tool.p.fd(STDOUT).is_ok_and(|o| o.path() == "/dev/null");
        let search = Search {
            patterns: compiled,
            invert: parsed.has('v'),
            count: parsed.has('c'),
            number: parsed.has('n'),
            offset: parsed.has('b'),
            only: parsed.has('o'),
            quiet: parsed.has('q') || to_null,
            list,
            named: false,
            no_messages: parsed.has('s'),
            before: before.unwrap_or(0).min(1 << 30) as usize,
            after: after.unwrap_or(0).min(1 << 30) as usize,
            context: before.is_some() || after.is_some(),
            most,
            text: parsed.has('a') || parsed.has('z'),
            end: if parsed.has('z') { 0 } else { b'\n' },
            null_names: parsed.has('Z'),
            label: parsed.value(LABEL).unwrap_or("(standard input)").to_owned(),
            include: globs(INCLUDE),
            exclude: globs(EXCLUDE),
            exclude_dir: globs(EXCLUDE_DIR),
            shown: Cell::new(false),
        };
        Ok((search, operands))
    }

    async fn say(&self, tool: &mut Tool, path: &str, e: Errno) -> bool {
        if !self.no_messages {
            tool.warn(format!("{path}: {e}")).await;
        }
        true
    }

    fn named_well(&self, path: &str) -> bool {
        let base = super::names::base(path).as_bytes();
        let included = self.include.is_empty() || self.include.iter().any(|r| r.is_match(base));
        path == "-" || included && !self.exclude.iter().any(|r| r.is_match(base))
    }

    /// Is a file found on the way down searched? Links and devices are not, by `-r`.
    fn wanted(&self, p: &Process, path: &str, follow: bool) -> bool {
        self.named_well(path) && p.stat(path, follow).is_ok_and(|s| s.is_file())
    }

    fn matches(&self, line: &[u8]) -> bool {
        self.patterns.iter().any(|r| r.is_match(line)) != self.invert
    }

    /// The leftmost longest match of any pattern.
    fn find(&self, line: &[u8], at: usize) -> Option<Span> {
        let found = self.patterns.iter().filter_map(|r| r.find_at(line, at));
        found.min_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)))
    }

    async fn file(&self, tool: &mut Tool, path: &str) -> Sys<bool> {
        let mut input = Input::open(&tool.p, path)?;
        let name = if path == "-" { self.label.as_str() } else { path };
        let mut show = Show { search: self, name, number: 0, offset: 0, last_shown: 0, any_shown: false };
        let mut before: VecDeque<(u64, u64, Bytes)> = VecDeque::new();
        let (mut matched, mut after_left) = (0_u64, 0_usize);
        let silent = self.quiet || self.list.is_some() || self.count;
        let mut binary = false;
        while matched < self.most || after_left > 0 {
            let Some(raw) = input.until(self.end).await? else { break };
            let ended = raw.last() == Some(&self.end);
            let line = raw.slice(..raw.len() - usize::from(ended));
            show.number += 1;
            let here = show.offset;
            show.offset += raw.len() as u64;
            binary |= !self.text && line.contains(&0);
            if matched < self.most && self.matches(&line) {
                matched += 1;
                if self.quiet || self.list.is_some() {
                    break;
                }
                if silent {
                    continue;
                }
                if binary {
                    tool.line(format!("{}: {name}: binary file matches", tool.name.clone())).await;
                    break;
                }
                for (number, offset, line) in before.drain(..) {
                    show.line(tool, b'-', number, offset, &line).await;
                }
                show.line(tool, b':', show.number, here, &line).await;
                after_left = self.after;
            } else if !silent && after_left > 0 {
                after_left -= 1;
                show.line(tool, b'-', show.number, here, &line).await;
            } else if !silent && self.before > 0 {
                before.push_back((show.number, here, line));
                if before.len() > self.before {
                    before.pop_front();
                }
            }
        }
        if matched >= self.most {
            input.leave();
        }
        let tail: &[u8] = if self.null_names { b"\0" } else { b"\n" };
        match self.list {
            Some(with) if !self.quiet => {
                if with == (matched > 0) {
                    tool.put(name).await;
                    tool.put(tail).await;
                }
                return Ok(with == (matched > 0));
            }
            _ if self.count && !self.quiet => {
                if self.named {
                    tool.put(name).await;
                    tool.put(if self.null_names { "\0" } else { ":" }).await;
                }
                tool.line(matched.to_string()).await;
            }
            _ => {}
        }
        Ok(matched > 0)
    }
}

/// Where the output of a file has come to.
struct Show<'a> {
    search: &'a Search,
    name: &'a str,
    number: u64,
    offset: u64,
    last_shown: u64,
    any_shown: bool,
}

impl Show<'_> {
    async fn line(&mut self, tool: &mut Tool, mark: u8, number: u64, offset: u64, line: &[u8]) {
        let s = self.search;
        let gap = if self.any_shown { number > self.last_shown + 1 } else { s.shown.get() };
        if s.context && gap && (s.before > 0 || s.after > 0) {
            tool.put("--\n").await;
        }
        (self.last_shown, self.any_shown) = (number, true);
        s.shown.set(true);
        if !s.only {
            let head = self.head(mark, number, offset);
            tool.put(head).await;
            tool.put(line).await;
            tool.put([s.end]).await;
            return;
        }
        if s.invert || mark != b':' {
            return;
        }
        let mut at = 0;
        while let Some((start, end)) = s.find(line, at) {
            if end > start {
                let head = self.head(mark, number, offset + start as u64);
                tool.put(head).await;
                tool.put(&line[start..end]).await;
                tool.put([s.end]).await;
            }
            at = if end > start { end } else { end + 1 };
            if at > line.len() {
                break;
            }
        }
    }

    fn head(&self, mark: u8, number: u64, offset: u64) -> Vec<u8> {
        let s = self.search;
        let mut head = Vec::new();
        if s.named {
            head.extend_from_slice(self.name.as_bytes());
            head.push(if s.null_names { 0 } else { mark });
        }
        if s.number {
            head.extend_from_slice(number.to_string().as_bytes());
            head.push(mark);
        }
        if s.offset {
            head.extend_from_slice(offset.to_string().as_bytes());
            head.push(mark);
        }
        head
    }
}
