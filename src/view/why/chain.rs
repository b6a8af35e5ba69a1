//! A chain of decisions as it is printed: questions, and under each what was asked and what it said.

use crate::trace::{Decision, Outcome};
use crate::view::text::{fold, hang, plain, width};
use std::fmt::Write;

/// No line is wider.
pub const WIDTH: usize = 80;
/// Where what was asked begins, and what it was compared with at the earliest.
const INDENT: usize = 6;
const NAMES: std::ops::RangeInclusive<usize> = 20..=28;
/// How wide what is written to the right may be.
const PLACES: usize = 24;

/// A question and the answers to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The question.
    pub question: String,
    /// What it is about: an address, or the setting whose list is gone through.
    pub subject: String,
    /// Where that setting was made.
    pub place: String,
    /// What was asked, in order.
    pub rows: Vec<Row>,
}

/// Something that was asked or done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The rule, or what was done.
    pub rule: String,
    /// `no`, `YES`, `→`, or nothing.
    pub mark: &'static str,
    /// What came of it, where that is more than yes or no, and what was compared.
    pub texts: Vec<String>,
    /// Where the setting was made.
    pub place: String,
}

impl Group {
    /// A group without rows.
    pub fn new(question: &str, subject: impl Into<String>) -> Group {
        Group { question: question.to_owned(), subject: subject.into(), ..Group::default() }
    }
}

impl Row {
    /// A row of two texts.
    pub fn plain(rule: &str, text: impl Into<String>) -> Row {
        Row { rule: rule.to_owned(), texts: vec![text.into()], ..Row::default() }
    }

    /// A decision as a row; `answer` is the reply that it led to, if it is that one.
    pub fn of(d: &Decision, answer: Option<&str>, in_list: bool) -> Row {
        let (compared, operand) = operand(&d.compared);
        let mut row = Row { rule: d.rule.to_string(), ..Row::default() };
        match &d.outcome {
            Outcome::No => row.mark = "no",
            Outcome::Yes => row.mark = "YES",
            Outcome::Becomes(text) if answer.is_some_and(|a| a.starts_with(&**text)) => row.mark = "YES",
            Outcome::Becomes(text) => {
                row.mark = "→";
                row.texts.push(text.to_string());
            }
        }
        if !compared.is_empty() {
            row.texts.push(compared.to_owned());
        }
        if answer.is_some() && row.mark == "YES" {
            row.texts.push("the answer above".to_owned());
        }
        match operand {
            Some((name, place)) => {
                if !d.rule.contains(name) {
                    row.texts.push(format!("by {name}"));
                }
                row.place = place.to_owned();
            }
            None if in_list || d.setting.is_empty() => {}
            None => {
                if !d.rule.contains(&*d.setting) && !d.setting.contains(&*d.rule) {
                    row.texts.push(format!("by {}", d.setting));
                } else if d.setting != d.rule {
                    row.rule = d.setting.to_string();
                }
                row.place = d.place.to_string();
            }
        }
        row
    }
}

/// Takes `(setting, place)` off the end of what was compared.
pub fn operand(compared: &str) -> (&str, Option<(&str, &str)>) {
    let found = compared.strip_suffix(')').and_then(|t| t.rsplit_once(" ("));
    let Some((text, inner)) = found else { return (compared, None) };
    match inner.split_once(", ") {
        Some((name, place))
            if !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && (place == "default" || place.contains(':') && !place.contains(' ')) =>
        {
            (text, Some((name, place)))
        }
        _ => (compared, None),
    }
}

/// Writes groups below one another.
pub fn write(out: &mut String, groups: &[Group]) {
    for group in groups {
        head(out, group);
        let longest = group.rows.iter().map(|r| width(&plain(&r.rule))).max().unwrap_or(0);
        let names = longest.clamp(*NAMES.start(), *NAMES.end());
        for row in &group.rows {
            write_row(out, row, names);
        }
        out.push('\n');
    }
}

fn head(out: &mut String, group: &Group) {
    let question = format!("  {:<30}", group.question);
    // A whole `-o name=value` of master.cf has lines of its own.
    let (place, below) = match plain(&group.place) {
        long if width(&long) > PLACES => (String::new(), fold(&long, WIDTH - 35)),
        place => (place, Vec::new()),
    };
    let room = WIDTH - width(&place) - usize::from(!place.is_empty()) * 2;
    let lines = fold(&plain(&group.subject), room.saturating_sub(width(&question) + 1).max(10));
    for (n, line) in lines.iter().enumerate() {
        let left = if n == 0 { question.as_str() } else { "" };
        let line = format!("{left:<32} {line}");
        let _ = match n {
            0 if !place.is_empty() => writeln!(out, "{line:<room$}  {place}"),
            _ => writeln!(out, "{}", line.trim_end()),
        };
    }
    for line in below {
        let _ = writeln!(out, "{:35}{line}", "");
    }
}

fn write_row(out: &mut String, row: &Row, names: usize) {
    let place = tail(&plain(&row.place), PLACES);
    let rule = plain(&row.rule);
    let left = INDENT + names + 1 + 4;
    let room = WIDTH - left - if place.is_empty() { 0 } else { width(&place) + 2 };
    let mut lines: Vec<String> = row.texts.iter().flat_map(|t| fold(&plain(t), room)).collect();
    lines.retain(|l| !l.is_empty());
    let mut first = format!("{:INDENT$}{rule:<names$} {:<3} ", "", row.mark);
    // A long rule has a line of its own.
    if width(&rule) > names {
        hang(out, &" ".repeat(INDENT), &rule, WIDTH);
        first = format!("{:left$}", format!("{:INDENT$}{:names$} {:<3} ", "", "", row.mark));
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    let last = lines.len() - 1;
    for (n, line) in lines.iter().enumerate() {
        let head = if n == 0 { first.as_str() } else { "" };
        let line = format!("{head:<left$}{line}");
        let _ = if n == last && !place.is_empty() {
            writeln!(out, "{line:<fill$}  {place}", fill = WIDTH - width(&place) - 2)
        } else {
            writeln!(out, "{}", line.trim_end())
        };
    }
}

/// The last `most` columns of a text.
fn tail(text: &str, most: usize) -> String {
    let skip = width(text).saturating_sub(most);
    if skip == 0 {
        text.to_owned()
    } else {
        format!("…{}", text.chars().skip(skip + 1).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::operand;

    #[test]
    fn the_setting_that_was_compared_with() {
        let text = "198.51.100.66 is not in 127.0.0.0/8 (mynetworks, main.cf:4)";
        assert_eq!(operand(text), ("198.51.100.66 is not in 127.0.0.0/8", Some(("mynetworks", "main.cf:4"))));
        assert_eq!(operand("a (b)"), ("a (b)", None));
        assert_eq!(operand("x (a, b c)"), ("x (a, b c)", None));
    }
}
