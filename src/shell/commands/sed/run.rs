//! sed at work: the cycle over the lines.

use super::script::{Address, Case, Command, Jump, Part, Substitute, What};
use crate::shell::commands::regex::Regex;
use crate::shell::commands::text::{Input, lines};
use crate::shell::commands::tool::Tool;
use crate::world::errno::Sys;
use crate::world::fs::OpenFlags;
use crate::world::open::Open;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// The largest pattern space, in octets: a script that doubles it again and again stops there.
const LARGEST: usize = 64 << 20;
/// How many commands one line may take: a script that goes in a circle stops there.
const STEPS: u64 = 50_000_000;

/// The lines of all files, read one ahead.
pub struct Lines {
    files: VecDeque<Rc<str>>,
    current: Option<Input>,
    ahead: Option<Bytes>,
    pub name: Rc<str>,
    pub number: u64,
}

impl Lines {
    pub fn new(files: impl IntoIterator<Item = Rc<str>>) -> Lines {
        Lines { files: files.into_iter().collect(), current: None, ahead: None, name: "-".into(), number: 0 }
    }

    async fn fill(&mut self, tool: &mut Tool) {
        while self.ahead.is_none() {
            let Some(input) = &mut self.current else {
                let Some(name) = self.files.pop_front() else { return };
                match Input::open(&tool.p, &name) {
                    Ok(input) => {
                        if !tool.p.stat(&name, true).is_ok_and(|s| s.is_dir()) || &*name == "-" {
                            self.current = Some(input);
                        } else {
                            tool.warn(format!("couldn't read {name}: Is a directory")).await;
                            tool.status = 2;
                        }
                    }
                    Err(e) => {
                        tool.warn(format!("can't read {name}: {e}")).await;
                        tool.status = 2;
                    }
                }
                if self.current.is_some() {
                    self.name = name;
                }
                continue;
            };
            match input.line().await {
                Ok(Some(line)) => self.ahead = Some(line),
                Ok(None) => self.current = None,
                Err(e) => {
                    let name = self.name.clone();
                    tool.warn(format!("read error on {name}: {e}")).await;
                    tool.status = 2;
                    self.current = None;
                }
            }
        }
    }

    async fn next(&mut self, tool: &mut Tool) -> Option<Bytes> {
        self.fill(tool).await;
        let line = self.ahead.take()?;
        self.number += 1;
        Some(line)
    }

    async fn last(&mut self, tool: &mut Tool) -> bool {
        self.fill(tool).await;
        self.ahead.is_none()
    }
}

/// Where output goes: standard output, or a file that is edited in place.
pub struct Output {
    pub held: Option<Vec<u8>>,
    missing_newline: bool,
}

impl Output {
    pub fn new(in_place: bool) -> Output {
        Output { held: in_place.then(Vec::new), missing_newline: false }
    }

    async fn put(&mut self, tool: &mut Tool, text: &[u8]) {
        match &mut self.held {
            Some(held) => held.extend_from_slice(text),
            None => tool.put(text).await,
        }
    }

    async fn line(&mut self, tool: &mut Tool, text: &[u8], newline: bool) {
        if std::mem::replace(&mut self.missing_newline, !newline) {
            self.put(tool, b"\n").await;
        }
        self.put(tool, text).await;
        if newline {
            self.put(tool, b"\n").await;
        }
    }
}

/// A script that runs.
pub struct Machine<'a> {
    commands: &'a [Command],
    quiet: bool,
    space: Vec<u8>,
    hold: Vec<u8>,
    newline: bool,
    /// For each command with a range: until where it is active.
    active: Vec<Option<u64>>,
    substituted: bool,
    last_regex: Option<Rc<Regex>>,
    files: BTreeMap<String, Rc<Open>>,
    readers: BTreeMap<String, Option<Input>>,
    queued: Vec<Queued>,
}

/// What comes out at the end of the cycle.
enum Queued {
    Text(Vec<u8>),
    File(String),
}

/// What comes after a command.
enum Then {
    On,
    To(usize),
    /// The cycle ends, printing the pattern space or not.
    EndCycle(bool),
    /// A new cycle without a new line.
    Again,
    Quit(bool),
}

impl<'a> Machine<'a> {
    /// Opens the files the script writes.
    ///
    /// # Errors
    /// What to say of a file that cannot be opened.
    pub fn new(tool: &Tool, commands: &'a [Command], quiet: bool) -> Result<Machine<'a>, String> {
        let mut files = BTreeMap::new();
        for c in commands {
            let name = match &c.what {
                What::Write(name) | What::WriteFirst(name) => name,
                What::Substitute(s) => match &s.file {
                    Some(name) => name,
                    None => continue,
                },
                _ => continue,
            };
            if name.starts_with("/dev/std") || files.contains_key(name) {
                continue;
            }
            let open = tool.p.open(name, OpenFlags::CREATE, 0o666);
            files.insert(name.clone(), open.map_err(|e| format!("couldn't open file {name}: {e}"))?);
        }
        let zero = |c: &Command| matches!(c.from, Some(Address::Line(0))).then_some(u64::MAX);
        Ok(Machine {
            commands,
            quiet,
            space: Vec::new(),
            hold: Vec::new(),
            newline: true,
            active: commands.iter().map(zero).collect(),
            substituted: false,
            last_regex: None,
            files,
            readers: BTreeMap::new(),
            queued: Vec::new(),
        })
    }

    /// Goes over all lines; gives the status of `q`, where there was one.
    ///
    /// # Errors
    /// What to say when the script cannot go on.
    pub async fn run(
        &mut self,
        tool: &mut Tool,
        lines: &mut Lines,
        out: &mut Output,
    ) -> Result<Option<i32>, String> {
        let mut fresh = true;
        loop {
            if fresh {
                let Some(line) = lines.next(tool).await else { return Ok(None) };
                self.take(&line, false);
            }
            fresh = true;
            let (then, status) = self.cycle(tool, lines, out).await?;
            match then {
                Then::EndCycle(print) | Then::Quit(print) => {
                    if print && !self.quiet {
                        out.line(tool, &self.space, self.newline).await;
                    }
                }
                _ => fresh = false,
            }
            self.dump(tool, out).await;
            if let Then::Quit(_) = then {
                return Ok(Some(status));
            }
        }
    }

    fn take(&mut self, line: &[u8], append: bool) {
        let (body, newline) = match line.strip_suffix(b"\n") {
            Some(body) => (body, true),
            None => (line, false),
        };
        if append {
            self.space.push(b'\n');
        } else {
            self.space.clear();
        }
        self.space.extend_from_slice(body);
        self.newline = newline;
    }

    async fn cycle(
        &mut self,
        tool: &mut Tool,
        lines: &mut Lines,
        out: &mut Output,
    ) -> Result<(Then, i32), String> {
        let (mut at, mut steps) = (0, 0_u64);
        self.substituted = false;
        while let Some(command) = self.commands.get(at) {
            steps += 1;
            if steps > STEPS {
                return Err("maillab: the script goes in a circle".into());
            }
            if self.space.len() > LARGEST || self.hold.len() > LARGEST {
                return Err("memory exhausted".into());
            }
            let selected = self.selects(tool, lines, at).await != command.negate;
            if !selected {
                at = if let What::Block(end) = command.what { end } else { at + 1 };
                continue;
            }
            if let What::Quit { status, silent } = command.what {
                return Ok((Then::Quit(!silent), status));
            }
            match self.perform(tool, lines, out, at).await? {
                Then::On => at += 1,
                Then::To(to) => at = to,
                then => return Ok((then, 0)),
            }
        }
        Ok((Then::EndCycle(true), 0))
    }

    async fn selects(&mut self, tool: &mut Tool, lines: &mut Lines, n: usize) -> bool {
        let command = &self.commands[n];
        let Some(from) = &command.from else { return true };
        let Some(to) = &command.to else { return self.matches(tool, lines, from).await };
        let line = lines.number;
        if let Some(end) = self.active[n] {
            let over = match to {
                Address::Line(_) | Address::Plus(_) | Address::Multiple(_) => {
                    if line > end {
                        self.active[n] = None;
                        return self.matches(tool, lines, from).await;
                    }
                    line >= end
                }
                to => self.matches(tool, lines, to).await,
            };
            if over {
                self.active[n] = None;
            }
            return true;
        }
        if !self.matches(tool, lines, from).await {
            return false;
        }
        self.active[n] = match to {
            Address::Line(end) => (*end > line).then_some(*end),
            Address::Plus(more) => (*more > 0).then_some(line.saturating_add(*more)),
            Address::Multiple(of) => {
                (*of > 0 && !line.is_multiple_of(*of)).then(|| line.div_ceil(*of).saturating_mul(*of))
            }
            Address::Last => (!lines.last(tool).await).then_some(u64::MAX),
            _ => Some(u64::MAX),
        };
        true
    }

    async fn matches(&mut self, tool: &mut Tool, lines: &mut Lines, address: &Address) -> bool {
        match address {
            Address::Line(n) => lines.number == *n,
            Address::Last => lines.last(tool).await,
            Address::Step(first, 0) => lines.number == *first,
            Address::Step(first, step) => {
                lines.number >= *first && (lines.number - first).is_multiple_of(*step)
            }
            Address::Match(regex) => match self.regex(regex) {
                Some(regex) => regex.is_match(&self.space),
                None => false,
            },
            Address::Plus(_) | Address::Multiple(_) => false,
        }
    }

    /// The expression, or the one used last for an empty one.
    fn regex(&mut self, regex: &Option<Rc<Regex>>) -> Option<Rc<Regex>> {
        if regex.is_some() {
            self.last_regex.clone_from(regex);
        }
        self.last_regex.clone()
    }

    async fn perform(
        &mut self,
        tool: &mut Tool,
        lines: &mut Lines,
        out: &mut Output,
        n: usize,
    ) -> Result<Then, String> {
        let commands = self.commands;
        match &commands[n].what {
            What::Block(_) | What::Nothing | What::Quit { .. } => {}
            What::Number => out.line(tool, lines.number.to_string().as_bytes(), true).await,
            What::FileName => out.line(tool, lines.name.as_bytes(), true).await,
            What::Append(text) if text.is_empty() => {}
            What::Append(text) => self.queued.push(Queued::Text(text.clone())),
            What::ReadFile(name) => self.queued.push(Queued::File(name.clone())),
            What::Insert(text) => out.put(tool, text).await,
            What::Change(text) => {
                let last_of_range =
                    commands[n].to.is_none() || self.active[n].is_none() || commands[n].negate;
                if last_of_range {
                    out.put(tool, text).await;
                }
                return Ok(Then::EndCycle(false));
            }
            What::Branch(jump, to) => {
                let taken = match jump {
                    Jump::Always => true,
                    Jump::Substituted => std::mem::take(&mut self.substituted),
                    Jump::NotSubstituted => !std::mem::take(&mut self.substituted),
                };
                if taken {
                    return Ok(Then::To(*to));
                }
            }
            What::Delete => return Ok(Then::EndCycle(false)),
            What::DeleteFirst => match memchr::memchr(b'\n', &self.space) {
                None => return Ok(Then::EndCycle(false)),
                Some(end) => {
                    self.space.drain(..=end);
                    return Ok(Then::Again);
                }
            },
            What::Get => self.space.clone_from(&self.hold),
            What::GetAppend => {
                self.space.push(b'\n');
                self.space.extend_from_slice(&self.hold);
            }
            What::Hold => self.hold.clone_from(&self.space),
            What::HoldAppend => {
                self.hold.push(b'\n');
                self.hold.extend_from_slice(&self.space);
            }
            What::Exchange => std::mem::swap(&mut self.space, &mut self.hold),
            What::Zap => self.space.clear(),
            What::List => {
                let text = listed(&self.space);
                out.line(tool, &text, true).await;
            }
            What::Next => {
                if lines.last(tool).await {
                    return Ok(Then::Quit(true));
                }
                if !self.quiet {
                    out.line(tool, &self.space, self.newline).await;
                }
                self.dump(tool, out).await;
                if let Some(line) = lines.next(tool).await {
                    self.take(&line, false);
                }
            }
            What::NextAppend => {
                self.dump(tool, out).await;
                match lines.next(tool).await {
                    Some(line) => self.take(&line, true),
                    None => return Ok(Then::Quit(true)),
                }
            }
            What::Print => out.line(tool, &self.space, true).await,
            What::PrintFirst => {
                let first = self.space.split(|b| *b == b'\n').next().unwrap_or_default();
                out.line(tool, first, true).await;
            }
            What::ReadLine(name) => {
                let reader =
                    self.readers.entry(name.clone()).or_insert_with(|| Input::open(&tool.p, name).ok());
                if let Some(input) = reader
                    && let Ok(Some(line)) = input.line().await
                {
                    let mut line = line.to_vec();
                    if line.last() != Some(&b'\n') {
                        line.push(b'\n');
                    }
                    self.queued.push(Queued::Text(line));
                }
            }
            What::Substitute(s) => {
                if self.substitute(s)? {
                    self.substituted = true;
                    if s.print {
                        out.line(tool, &self.space, true).await;
                    }
                    if let Some(name) = &s.file {
                        let text = self.space.clone();
                        self.write(tool, out, name, &text).await?;
                    }
                }
            }
            What::Write(name) => {
                let text = self.space.clone();
                self.write(tool, out, name, &text).await?;
            }
            What::WriteFirst(name) => {
                let first = self.space.split(|b| *b == b'\n').next().unwrap_or_default().to_vec();
                self.write(tool, out, name, &first).await?;
            }
            What::Translate(table) => {
                for b in &mut self.space {
                    *b = table[usize::from(*b)];
                }
            }
        }
        Ok(Then::On)
    }

    async fn write(
        &mut self,
        tool: &mut Tool,
        out: &mut Output,
        name: &str,
        text: &[u8],
    ) -> Result<(), String> {
        match name {
            "/dev/stdout" => out.line(tool, text, true).await,
            "/dev/stderr" => {
                tool.flush().await;
                tool.p.eprint([text, b"\n"].concat()).await;
            }
            name => {
                let Some(open) = self.files.get(name) else { return Ok(()) };
                let written: Sys<()> = open.write([text, b"\n"].concat()).await;
                written.map_err(|e| format!("couldn't write {} items to {name}: {e}", text.len() + 1))?;
            }
        }
        Ok(())
    }

    /// Puts out what `a`, `r` and `R` left for the end of the cycle.
    async fn dump(&mut self, tool: &mut Tool, out: &mut Output) {
        for queued in std::mem::take(&mut self.queued) {
            let text: Bytes = match queued {
                Queued::Text(text) => text.into(),
                Queued::File(name) if name == "/dev/stdin" => tool.p.read_stdin(LARGEST).await,
                Queued::File(name) => tool.p.read_file(&name).unwrap_or_default(),
            };
            let whole = text.last() == Some(&b'\n');
            for line in lines(&text) {
                out.line(tool, line, true).await;
            }
            out.missing_newline = false;
            if !whole
                && !text.is_empty()
                && let Some(held) = &mut out.held
            {
                held.pop();
                out.missing_newline = true;
            }
        }
    }

    fn substitute(&mut self, s: &Substitute) -> Result<bool, String> {
        let Some(regex) = self.regex(&s.regex) else { return Err("no previous regular expression".into()) };
        let text = &self.space;
        if !regex.is_match(text) {
            return Ok(false);
        }
        let mut new = Vec::with_capacity(text.len());
        let (mut at, mut count, mut done) = (0, 0_u64, false);
        let mut last_end = None;
        while at <= text.len() {
            let Some(groups) = regex.captures_at(text, at) else { break };
            let Some((start, end)) = groups[0] else { break };
            new.extend_from_slice(&text[at..start]);
            let empty_behind = start == end && last_end == Some(start);
            let mut replaced = false;
            if !empty_behind {
                count += 1;
                replaced = count >= s.nth.max(1);
            }
            if replaced {
                expand(&s.parts, text, &groups, &mut new);
                done = true;
            } else {
                new.extend_from_slice(&text[start..end]);
            }
            last_end = Some(end);
            at = end;
            if start == end {
                if let Some(b) = text.get(at) {
                    new.push(*b);
                }
                at += 1;
            }
            if new.len() > LARGEST {
                return Err("memory exhausted".into());
            }
            if replaced && !s.global {
                break;
            }
        }
        if let Some(rest) = text.get(at..) {
            new.extend_from_slice(rest);
        }
        if done {
            self.space = new;
        }
        Ok(done)
    }
}

fn expand(parts: &[Part], text: &[u8], groups: &[Option<(usize, usize)>], out: &mut Vec<u8>) {
    let (mut lasting, mut next) = (Case::End, Case::End);
    for part in parts {
        let piece = match part {
            Part::Text(piece) => &piece[..],
            Part::Group(n) => groups.get(*n).copied().flatten().map_or(&b""[..], |(a, b)| &text[a..b]),
            Part::Case(case @ (Case::UpperNext | Case::LowerNext)) => {
                next = *case;
                continue;
            }
            Part::Case(case) => {
                (lasting, next) = (*case, Case::End);
                continue;
            }
        };
        for &b in piece {
            let case = std::mem::replace(&mut next, Case::End);
            out.push(match if case == Case::End { lasting } else { case } {
                Case::Upper | Case::UpperNext => b.to_ascii_uppercase(),
                Case::Lower | Case::LowerNext => b.to_ascii_lowercase(),
                Case::End => b,
            });
        }
    }
}

/// The text as `l` shows it, in lines of at most 70 columns.
fn listed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut column = 0;
    for &b in text {
        let piece = match b {
            b'\\' => "\\\\".to_owned(),
            7 => "\\a".into(),
            8 => "\\b".into(),
            12 => "\\f".into(),
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            11 => "\\v".into(),
            32..127 => char::from(b).to_string(),
            b => format!("\\{b:03o}"),
        };
        if column + piece.len() > 69 {
            out.extend_from_slice(b"\\\n");
            column = 0;
        }
        column += piece.len();
        out.extend_from_slice(piece.as_bytes());
    }
    out.push(b'$');
    out
}
