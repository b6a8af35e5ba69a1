//! A letter's way as a picture: processes as columns, host by host in the order in which they
//! appear, hand-overs as arrows; the letters that it becomes on other hosts are followed.
//!
//! Where the columns do not fit into the width, the same steps stand as a list.
//!
//! # Simplifications
//! Of many tries for one recipient the first and the last are drawn, and the others counted. A
//! conversation over SMTP is one arrow there and one back.

use super::letter::{self, Letter, Origin, Try};
use super::reading::{Reading, Seen, short};
use super::text::{clip, fold, plain, width};
use crate::trace::{Ends, FileAct, Kind, Trace};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The most letters that are followed.
const FOLLOWED: usize = 12;
/// A column is as wide as its name and this, and not narrower than [`NARROWEST`].
const GAP: usize = 2;
const NARROWEST: usize = 7;
/// The least room behind the last column, for what is written there.
const MARGIN: usize = 10;

/// A process as a column: its host and its program.
type Column<'t> = (&'t str, &'t str);

/// An arrow, or a note where both ends are the same.
struct Step<'t> {
    number: u32,
    time: String,
    from: Column<'t>,
    to: Column<'t>,
    label: String,
}

/// The picture of the letter with this queue id, of the newest if none is given; no line is wider
/// than `width` columns, of which there are 20 at least.
///
/// # Errors
/// One sentence for the user when there is no such letter.
pub fn flow(trace: &Trace, message: Option<&str>, width: usize) -> Result<String, String> {
    let reading = Reading::new(trace);
    let width = width.max(20);
    let letter = find(reading, message)?;
    let steps = steps(reading, &letter);
    let mut out = headline(reading, &letter, width);
    out.push('\n');
    match Picture::new(&steps, width) {
        Some(picture) => picture.draw(&steps, &mut out),
        None => list(&steps, width, &mut out),
    }
    Ok(out)
}

/// The same as a Mermaid `sequenceDiagram` (<https://mermaid.js.org/syntax/sequenceDiagram.html>);
/// one without arrows where there is no such letter.
pub fn mermaid(trace: &Trace, message: Option<&str>) -> String {
    let reading = Reading::new(trace);
    let mut out = "sequenceDiagram\n".to_owned();
    let Ok(letter) = find(reading, message) else { return out };
    let steps = steps(reading, &letter);
    let columns = columns(&steps);
    let name = |c: Column<'_>| columns.iter().position(|k| *k == c).map_or(0, |n| n + 1);
    for (n, (host, program)) in columns.iter().enumerate() {
        let _ =
            writeln!(out, "    participant p{} as {}<br/>{}", n + 1, escape(program), escape(short(host)));
    }
    for s in &steps {
        let (from, to, label) = (name(s.from), name(s.to), escape(&s.label));
        let _ = if from == to {
            writeln!(out, "    Note over p{from}: {label}")
        } else {
            writeln!(out, "    p{from}->>p{to}: {label}")
        };
    }
    out
}

/// What Mermaid would take for its own is written as entities.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).chars() {
        if c.is_alphanumeric() || " .,-_/@=+()".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    if out.is_empty() { " ".to_owned() } else { out }
}

fn find<'t>(reading: Reading<'t>, message: Option<&str>) -> Result<Letter<'t>, String> {
    let all = letter::all(reading);
    let Some(id) = message else {
        let (last, id) = newest(reading, &all).ok_or("No letter has come into a queue yet.")?;
        return Letter::find(reading, Some(last.host), id).ok_or_else(|| "That letter is gone.".to_owned());
    };
    let picked =
        || letter::picked_up(reading, id).and_then(|(host, id)| Letter::find(reading, Some(host), id));
    Letter::find(reading, None, id).or_else(picked).ok_or_else(|| {
        let example =
            all.last().and_then(|e| e.hop()).map_or(String::new(), |(i, ..)| format!(" The newest is {i}."));
        format!("No letter has the queue id {}.{example}", plain(id))
    })
}

/// The newest letter that a person sent: what other letters became is part of their picture.
fn newest<'t>(reading: Reading<'t>, all: &[Seen<'t>]) -> Option<(Seen<'t>, &'t str)> {
    let named = |e: &Seen<'t>| Some((*e, e.hop()?.0));
    let by_person = |(e, id): &(Seen<'t>, &'t str)| {
        Letter::find(reading, Some(e.host), id).is_some_and(|l| match l.origin {
            Origin::Local { .. } => true,
            Origin::Client(log) => {
                caller(reading, log).is_none_or(|(_, (_, program))| !matches!(program, "smtp" | "lmtp"))
            }
            Origin::Made(_) => false,
        })
    };
    all.iter().rev().filter_map(named).find(by_person).or_else(|| all.last().and_then(named))
}

fn headline(reading: Reading<'_>, letter: &Letter<'_>, width: usize) -> String {
    let sender = letter.sender.filter(|s| !s.is_empty()).unwrap_or("<>");
    let took = letter.last.event.time.since(letter.entered.event.time);
    let text = format!(
        "{}  {} → {}   {} after {}.{:03} s",
        letter.id,
        plain(sender),
        plain(&letter.recipients().join(", ")),
        letter.fate(reading),
        took.as_secs(),
        took.subsec_millis()
    );
    let mut out = String::new();
    for line in fold(&text, width) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// The steps of a letter and of those it became, in the order in which they happened.
fn steps<'t>(reading: Reading<'t>, letter: &Letter<'t>) -> Vec<Step<'t>> {
    let mut all = Vec::new();
    one(reading, letter, &mut all);
    let mut next = letter.successors();
    let mut seen = BTreeSet::from([(letter.host, letter.id)]);
    while !next.is_empty() && seen.len() < FOLLOWED {
        let (host, id) = next.remove(0);
        if !seen.insert((host, id)) {
            continue;
        }
        if let Some(letter) = Letter::find(reading, Some(host), id) {
            one(reading, &letter, &mut all);
            next.extend(letter.successors());
        }
    }
    all.sort_by_key(|s| s.number);
    all
}

fn step<'t>(at: Seen<'t>, from: Column<'t>, to: Column<'t>, label: impl Into<String>) -> Step<'t> {
    Step { number: at.number(), time: at.event.time.to_string(), from, to, label: label.into() }
}

fn one<'t>(reading: Reading<'t>, letter: &Letter<'t>, all: &mut Vec<Step<'t>>) {
    let host = letter.host;
    let at = letter.entered;
    let cleanup = (host, "cleanup");
    match letter.origin {
        Origin::Local { maildrop, .. } => {
            if let Some(id) = maildrop {
                let dropped =
                    reading.events().find(|e| matches!(e.hop(), Some((i, "", "maildrop")) if i == id));
                let dropped = dropped.filter(|e| e.host == host).unwrap_or(at);
                all.push(step(dropped, (host, "postdrop"), (host, "pickup"), "maildrop"));
            }
            all.push(step(at, (host, "pickup"), cleanup, letter.id));
        }
        Origin::Client(log) => {
            if let Some((first, client)) = caller(reading, log) {
                let tries = all.iter().any(|s| s.to == (host, "smtpd") && s.number < at.number());
                if !tries {
                    all.push(step(first, client, (host, "smtpd"), "SMTP"));
                }
            }
            all.push(step(at, (host, "smtpd"), cleanup, letter.id));
        }
        Origin::Made(Some(log)) if log.program == "local" => {
            all.push(step(at, (host, "local"), cleanup, letter.id));
        }
        Origin::Made(_) => all.push(step(at, (host, "bounce"), cleanup, letter.id)),
    }
    for e in reading.between(at.number(), u32::MAX).filter(|e| e.host == host) {
        match e.hop() {
            Some((id, "incoming", "active")) if id == letter.id => {
                all.push(step(e, cleanup, (host, "qmgr"), "active"));
            }
            Some((id, from, to))
                if id == letter.id && matches!(to, "hold" | "corrupt") && !from.is_empty() =>
            {
                all.push(step(e, (host, e.program), (host, e.program), to));
            }
            _ => {}
        }
    }
    for (n, t) in letter.tries.iter().enumerate() {
        let same = |o: &&Try<'t>| o.recipient == t.recipient;
        let (before, after) = (
            letter.tries[..n].iter().filter(same).count(),
            letter.tries[n + 1..].iter().filter(same).count(),
        );
        if before == 0 || after == 0 {
            attempt(reading, letter, t, all);
        } else if before == 1 {
            let label = format!("… {after} more tries");
            all.push(step(t.handed, (host, "qmgr"), (host, "qmgr"), label));
        }
    }
    for (kind, id) in &letter.notices {
        let told =
            reading.events().find(|e| e.host == host && e.log_of(letter.id).is_some_and(|l| l.ends_with(id)));
        let made = Letter::find(reading, Some(host), id).map(|l| l.entered);
        if let Some(at) = made.or(told) {
            // Before the notice comes into the queue.
            let mut s = step(at, (host, "qmgr"), (host, "bounce"), format!("{kind} notice"));
            s.number = s.number.saturating_sub(1);
            all.push(s);
        }
    }
}

/// The program at the other end of an smtpd's connection, and when it called.
fn caller<'t>(reading: Reading<'t>, log: Seen<'t>) -> Option<(Seen<'t>, Column<'t>)> {
    let mut own = reading.between(0, log.number()).rev().filter(|e| e.event.process == log.event.process);
    let (conn, ..) = own.find_map(|e| e.sent().filter(|(conn, ..)| reading.ends(*conn).is_some()))?;
    let called = reading.events().find(|e| matches!(e.event.kind, Kind::Connect(c) if c == conn))?;
    Some((called, (called.host, called.program)))
}

fn attempt<'t>(reading: Reading<'t>, letter: &Letter<'t>, t: &Try<'t>, all: &mut Vec<Step<'t>>) {
    let (host, qmgr) = (letter.host, (letter.host, "qmgr"));
    let agent = (host, t.agent.map_or(t.service, |a| a.program));
    all.push(step(t.handed, qmgr, agent, t.recipient));
    let mut server = None;
    for e in reading.between(t.span.0, t.span.1).filter(|e| t.processes.contains(&e.event.process)) {
        match &e.event.kind {
            Kind::Connect(conn) => {
                if let Some(Ends::Tcp { server_host, server: address, .. }) = reading.trace.connection(*conn)
                    && !server_host.is_empty()
                {
                    let column = (&**server_host, if address.port() == 25 { "smtpd" } else { "server" });
                    let open = reading
                        .between(e.number(), t.span.1)
                        .any(|a| matches!(a.event.kind, Kind::Accepted(c) if c == *conn));
                    let label = if open {
                        address.port().to_string()
                    } else {
                        format!("{}, no answer", address.port())
                    };
                    server = open.then_some(column);
                    all.push(step(e, agent, column, label));
                }
            }
            Kind::HandOver { to, .. } if !to.contains("/spool/postfix/") => {
                all.push(step(e, agent, agent, format!("runs {to}")));
            }
            Kind::File { act: FileAct::Written, path, len } if *len > 1 && is_mailbox(path) => {
                all.push(step(e, agent, agent, format!("writes {path}")));
            }
            Kind::Renamed { to, .. } if is_mailbox(to) => {
                all.push(step(e, agent, agent, format!("writes {to}")));
            }
            _ => {}
        }
    }
    for d in &t.results {
        if let Some(server) = server {
            let said = d.text.split_once(" said: ").map_or(d.text, |(_, said)| said);
            all.push(step(d.log, server, agent, said));
        }
        let label = match (d.status, server) {
            ("sent", _) | (_, Some(_)) => d.status.to_owned(),
            (status, None) => format!("{status}: {}", d.text),
        };
        all.push(step(d.log, agent, qmgr, label));
    }
    let deferred = t.results.iter().any(|d| d.status == "deferred");
    let is_last = letter.tries.last().is_some_and(|l| l.handed.id == t.handed.id);
    if deferred
        && is_last
        && let (Some(at), Some(time)) = (letter.next_try(reading), letter.next_time(reading))
    {
        all.push(step(at, qmgr, qmgr, format!("deferred until {time}")));
    }
}

fn is_mailbox(path: &str) -> bool {
    !path.starts_with("/var/spool/postfix/") && !path.ends_with(".lock") && !path.contains("/tmp/")
}

/// The columns: host by host, and in each the programs, in the order in which they appear.
fn columns<'t>(steps: &[Step<'t>]) -> Vec<Column<'t>> {
    let mut all: Vec<Column<'t>> = Vec::new();
    for c in steps.iter().flat_map(|s| [s.from, s.to]) {
        if all.contains(&c) {
            continue;
        }
        let at = all.iter().rposition(|k| k.0 == c.0).map_or(all.len(), |n| n + 1);
        all.insert(at, c);
    }
    all
}

/// Where each column's line goes down.
struct Picture<'t> {
    columns: Vec<Column<'t>>,
    lines: Vec<usize>,
    width: usize,
}

impl<'t> Picture<'t> {
    /// The picture of some steps, if it fits.
    fn new(steps: &[Step<'t>], width: usize) -> Option<Picture<'t>> {
        let columns = columns(steps);
        let (mut lines, mut at) = (Vec::new(), 2);
        for (n, c) in columns.iter().enumerate() {
            let wide = (self::width(c.1) + GAP).max(NARROWEST);
            // Between two hosts is the network, with room for what is said.
            if n > 0 && columns[n - 1].0 != c.0 {
                at += 8;
            }
            lines.push(at + wide / 2);
            at += wide;
        }
        (!columns.is_empty() && at + MARGIN <= width).then_some(Picture { columns, lines, width })
    }

    fn draw(&self, steps: &[Step<'t>], out: &mut String) {
        self.heads(out);
        for s in steps {
            self.step(s, out);
        }
    }

    fn heads(&self, out: &mut String) {
        let (mut hosts, mut programs) = (Canvas::default(), Canvas::default());
        for (n, (host, program)) in self.columns.iter().enumerate() {
            let start = self.lines[n].saturating_sub(width(program) / 2);
            if n == 0 || self.columns[n - 1].0 != *host {
                let last = self.columns.iter().rposition(|c| c.0 == *host).unwrap_or(n);
                let room = match self.lines.get(last + 1) {
                    Some(next) => next.saturating_sub(start + 4),
                    None => self.width.saturating_sub(start),
                };
                hosts.put(start, &clip(&plain(host), room));
            }
            programs.put(start, program);
        }
        self.line(&hosts, out);
        self.line(&programs, out);
    }

    fn line(&self, canvas: &Canvas, out: &mut String) {
        let text: String = canvas.0.iter().collect();
        out.push_str(clip(text.trim_end(), self.width).as_str());
        out.push('\n');
    }

    /// A row with every column's line.
    fn row(&self) -> Canvas {
        let mut canvas = Canvas::default();
        for at in &self.lines {
            canvas.put(*at, "│");
        }
        canvas
    }

    fn step(&self, s: &Step<'t>, out: &mut String) {
        let at = |c: Column<'t>| self.columns.iter().position(|k| *k == c).map_or(0, |n| self.lines[n]);
        let (from, to) = (at(s.from), at(s.to));
        let label = plain(&s.label);
        let (left, right) = (from.min(to), from.max(to));
        let mut row = self.row();
        let inside = right.saturating_sub(left + 3);
        if left != right {
            row.put(left + 1, &"─".repeat(right - left - 1));
            row.put(from, if from < to { "├" } else { "┤" });
            row.put(if from < to { to - 1 } else { to + 1 }, if from < to { "►" } else { "◄" });
        }
        if left != right && width(&label) + 4 <= inside {
            let start = left + 2 + (inside - width(&label)) / 2;
            row.put(start, &format!(" {label} "));
        } else if right + 2 + width(&label) <= self.width {
            row.put(right + 2, &label);
        } else {
            // There is no room to the right: it stands above, as far to the left as it must.
            let room = self.width.saturating_sub(2);
            for line in fold(&label, room.min(44)) {
                let mut above = self.row();
                above.put((left + 2).min(self.width.saturating_sub(width(&line))), &line);
                self.line(&above, out);
            }
            if left == right {
                return;
            }
        }
        self.line(&row, out);
    }
}

/// A line that is written on at any place.
#[derive(Default)]
struct Canvas(Vec<char>);

impl Canvas {
    fn put(&mut self, at: usize, text: &str) {
        let end = at + width(text);
        if self.0.len() < end {
            self.0.resize(end, ' ');
        }
        for (place, c) in self.0[at..].iter_mut().zip(text.chars()) {
            *place = c;
        }
    }
}

/// The steps, one below the other.
fn list(steps: &[Step<'_>], width: usize, out: &mut String) {
    let mut host = "";
    for s in steps {
        if s.from.0 != host {
            host = s.from.0;
            out.push_str(&clip(&format!("  {}", plain(host)), width));
            out.push('\n');
        }
        let to =
            if s.to.0 == s.from.0 { s.to.1.to_owned() } else { format!("{} on {}", s.to.1, short(s.to.0)) };
        let way = if s.from == s.to { s.from.1.to_owned() } else { format!("{} → {to}", s.from.1) };
        let line = format!("    {}  {:<24}  {}", s.time, plain(&way), plain(&s.label));
        out.push_str(&clip(line.trim_end(), width));
        out.push('\n');
    }
}
