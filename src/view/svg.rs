//! A letter's way as an SVG picture: a sequence diagram, or for narrow screens the same steps one
//! below the other.
//!
//! The colours are the page's where it has the custom properties `--fg`, `--bg` and `--links` (as
//! mdBook's themes do), else dark on light or light on dark, as the reader's system is set. Sizes
//! are CSS pixels; the picture has its natural size, so that its text is as large as the page's.
//!
//! # Simplifications
//! The width of a text is reckoned from the number of its characters.

use super::flow::caption;
use super::reading::{Reading, short};
use super::steps::{Column, Step, columns, find, steps};
use super::text::{fold, plain, width};
use crate::trace::Trace;
use std::fmt::Write;

/// Which picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A sequence diagram: a column a program.
    Diagram,
    /// A list, [`NARROW`] pixels wide.
    List,
}

/// The width of a list.
pub const NARROW: usize = 340;
/// The width of a character of the text, rounded up.
const CHARACTER: usize = 7;
/// The height of a line of text.
const LINE: usize = 17;
/// Between two programs, and between two hosts.
const GAPS: (usize, usize) = (20, 44);
/// Where the first step of a diagram stands.
const HEAD: usize = 58;
/// The least room behind the last column, for what is written there.
const MARGIN: usize = 130;

/// How it looks; without a blank line, as it is embedded in Markdown, too.
const STYLE: &str = "\
.maillab-flow{color:var(--fg,#1f2328);font:12px system-ui,sans-serif}\
@media(prefers-color-scheme:dark){.maillab-flow{color:var(--fg,#e6edf3)}}\
.maillab-flow text{fill:currentColor;stroke:none}\
.maillab-flow .label{paint-order:stroke;stroke:var(--bg,Canvas);stroke-width:4px;stroke-linejoin:round}\
.maillab-flow .strong{font-weight:600}\
.maillab-flow .quiet{opacity:.75}\
.maillab-flow .life{stroke:currentColor;stroke-opacity:.3;stroke-dasharray:3 3}\
.maillab-flow .host{fill:currentColor;fill-opacity:.07}\
.maillab-flow .arrow{stroke:var(--links,#0969da);stroke-width:1.5;fill:none}\
.maillab-flow .tip{fill:var(--links,#0969da);stroke:none}";

/// The picture of the letter with this queue id, of the newest if none is given.
///
/// # Errors
/// One sentence for the user when there is no such letter.
pub fn svg(trace: &Trace, message: Option<&str>, shape: Shape) -> Result<String, String> {
    let reading = Reading::new(trace);
    let letter = find(reading, message)?;
    let steps = steps(reading, &letter);
    let title = caption(reading, &letter);
    let (wide, high, body) = match shape {
        Shape::Diagram => Diagram::new(&steps).draw(&steps),
        Shape::List => list(&steps),
    };
    let told: Vec<String> = steps.iter().map(told).collect();
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"maillab-flow\" role=\"img\" width=\"{wide}\" \
         height=\"{high}\" viewBox=\"0 0 {wide} {high}\" aria-label=\"{title}\">\n<title>{title}</title>\n\
         <desc>{}</desc>\n<style>{STYLE}</style>\n{body}</svg>\n",
        escape(&told.join("; ")),
        title = escape(&title),
    ))
}

/// A step in words, for who cannot see it.
fn told(s: &Step<'_>) -> String {
    if s.from == s.to {
        return format!("{} on {}: {}", s.from.1, short(s.from.0), s.label);
    }
    format!("{} on {} to {} on {}: {}", s.from.1, short(s.from.0), s.to.1, short(s.to.0), s.label)
}

fn escape(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text(out: &mut String, class: &str, at: (usize, usize), anchor: &str, words: &str) {
    let (x, y) = at;
    let words = escape(words);
    let _ =
        writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>");
}

/// Where the columns of a sequence diagram are.
struct Diagram<'t> {
    columns: Vec<Column<'t>>,
    lines: Vec<usize>,
    width: usize,
}

impl<'t> Diagram<'t> {
    fn new(steps: &[Step<'t>]) -> Diagram<'t> {
        let columns = columns(steps);
        let (mut lines, mut at) = (Vec::new(), 6);
        for (n, c) in columns.iter().enumerate() {
            let wide = width(c.1) * CHARACTER + GAPS.0;
            if n > 0 && columns[n - 1].0 != c.0 {
                at += GAPS.1;
            }
            lines.push(at + wide / 2);
            at += wide;
        }
        Diagram { columns, lines, width: at + MARGIN }
    }

    /// The picture: its width, its height, and what is in it.
    fn draw(&self, steps: &[Step<'t>]) -> (usize, usize, String) {
        let (mut arrows, mut y) = (String::new(), HEAD);
        for s in steps {
            self.step(s, &mut y, &mut arrows);
        }
        let high = y + 10;
        let mut out = String::new();
        self.heads(high, &mut out);
        out.push_str(&arrows);
        (self.width, high, out)
    }

    fn heads(&self, high: usize, out: &mut String) {
        for (n, (host, program)) in self.columns.iter().enumerate() {
            let x = self.lines[n];
            if n == 0 || self.columns[n - 1].0 != *host {
                let last = self.columns.iter().rposition(|c| c.0 == *host).unwrap_or(n);
                let half = |n: usize| (width(self.columns[n].1) * CHARACTER + GAPS.0) / 2;
                let (left, right) = (x - half(n), self.lines[last] + half(last));
                let name = if width(host) * CHARACTER > right - left { short(host) } else { host };
                let wide = right - left;
                let _ = writeln!(
                    out,
                    "<rect class=\"host\" x=\"{left}\" y=\"2\" width=\"{wide}\" height=\"{}\" rx=\"6\"/>",
                    high - 4
                );
                text(out, "strong", (usize::midpoint(left, right), 20), "middle", name);
            }
            text(out, "", (x, 40), "middle", program);
            let _ =
                writeln!(out, "<line class=\"life\" x1=\"{x}\" y1=\"46\" x2=\"{x}\" y2=\"{}\"/>", high - 6);
        }
    }

    /// A step below `y`, which is moved on: its label, folded, above its arrow.
    fn step(&self, s: &Step<'t>, y: &mut usize, out: &mut String) {
        let at = |c: Column<'t>| self.columns.iter().position(|k| *k == c).map_or(0, |n| self.lines[n]);
        let (from, to) = (at(s.from), at(s.to));
        let (left, right) = (from.min(to), from.max(to));
        let label = plain(&s.label);
        let fits = width(&label) * CHARACTER + 10 <= right - left;
        // A longer one begins at the arrow's left end, or as far before it as it must.
        let long = (width(&label) * CHARACTER).min(46 * CHARACTER);
        let start = (left + 6).min(self.width.saturating_sub(long + 6));
        for line in fold(&label, if fits { 200 } else { (self.width - start) / CHARACTER }) {
            let (x, anchor) = if fits { (usize::midpoint(left, right), "middle") } else { (start, "start") };
            text(out, "label", (x, *y + 12), anchor, &line);
            *y += LINE;
        }
        if from == to {
            let _ = writeln!(out, "<circle class=\"tip\" cx=\"{from}\" cy=\"{}\" r=\"3\"/>", *y + 4);
        } else {
            let back = if from < to { to - 7 } else { to + 7 };
            let line = *y + 4;
            let _ = writeln!(
                out,
                "<line class=\"arrow\" x1=\"{from}\" y1=\"{line}\" x2=\"{back}\" y2=\"{line}\"/>\n\
                 <path class=\"tip\" d=\"M{to} {line}L{back} {} {back} {}z\"/>",
                line - 4,
                line + 4
            );
        }
        *y += 14;
    }
}

/// The steps below each other: the picture's width, its height, and what is in it.
fn list(steps: &[Step<'_>]) -> (usize, usize, String) {
    let (mut out, mut y, mut host) = (String::new(), 4, "");
    for s in steps {
        if s.from.0 != host {
            host = s.from.0;
            let _ = writeln!(
                out,
                "<rect class=\"host\" x=\"0\" y=\"{y}\" width=\"{NARROW}\" height=\"24\" rx=\"6\"/>"
            );
            text(&mut out, "strong", (8, y + 16), "start", host);
            y += 30;
        }
        let to = if s.to.0 == s.from.0 { s.to.1.to_owned() } else { format!("{}, {}", s.to.1, s.to.0) };
        let way = if s.from == s.to { s.from.1.to_owned() } else { format!("{} → {to}", s.from.1) };
        text(&mut out, "strong", (8, y + 13), "start", &way);
        text(&mut out, "quiet", (NARROW - 6, y + 13), "end", &s.time);
        y += LINE;
        for line in fold(&plain(&s.label), (NARROW - 30) / CHARACTER) {
            text(&mut out, "", (20, y + 12), "start", &line);
            y += LINE;
        }
        y += 6;
    }
    (NARROW, y + 2, out)
}
