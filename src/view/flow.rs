//! A letter's way as a picture: processes as columns, host by host in the order in which they
//! appear, hand-overs as arrows; the letters that it becomes on other hosts are followed.
//!
//! Where the columns do not fit into the width, the same steps stand as a list.

use super::letter::Letter;
use super::reading::{Reading, short};
use super::steps::{Column, Step, columns, find, steps};
use super::text::{clip, fold, plain, width};
use crate::trace::Trace;
use std::fmt::Write;

/// A column is as wide as its name and this, and not narrower than [`NARROWEST`].
const GAP: usize = 2;
const NARROWEST: usize = 7;
/// The least room behind the last column, for what is written there.
const MARGIN: usize = 10;

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

/// What letter it is and what became of it, in lines of `width` columns.
fn headline(reading: Reading<'_>, letter: &Letter<'_>, width: usize) -> String {
    let mut out = String::new();
    for line in fold(&caption(reading, letter), width) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// What letter it is and what became of it.
pub fn caption(reading: Reading<'_>, letter: &Letter<'_>) -> String {
    let sender = letter.sender.filter(|s| !s.is_empty()).unwrap_or("<>");
    let took = letter.last.event.time.since(letter.entered.event.time);
    format!(
        "{}  {} → {}   {} after {}.{:03} s",
        letter.id,
        plain(sender),
        plain(&letter.recipients().join(", ")),
        letter.fate(reading),
        took.as_secs(),
        took.subsec_millis()
    )
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
