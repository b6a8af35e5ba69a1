//! Why a log line stands in the log, and how a file came to be as it is.

use super::chain::{self, Group, Row, WIDTH};
use super::{reply, story};
use crate::trace::{FileAct, Kind};
use crate::view::letter::Letter;
use crate::view::reading::{Reading, Seen};
use crate::view::text::{hang, plain};

/// The last log line with this text in it.
pub fn log(reading: Reading<'_>, text: &str) -> Option<String> {
    // A line as it stands in the log file begins with its time and host.
    let core = text.find("postfix/").map_or(text, |at| &text[at..]);
    let e = reading.events().rfind(|e| matches!(&e.event.kind, Kind::Log { line } if line.contains(core)))?;
    of_log(reading, e)
}

/// A log line.
pub fn of_log(reading: Reading<'_>, e: Seen<'_>) -> Option<String> {
    let line = e.log()?;
    let mut out = String::new();
    hang(&mut out, "", &plain(line), WIDTH);
    hang(&mut out, "", &format!("logged by {}[{}] on {}, {}", e.program, e.pid, e.host, e.event.time), WIDTH);
    out.push('\n');
    let id = line.split(": ").next().unwrap_or_default();
    if let Some(letter) = Letter::find(reading, Some(e.host), id) {
        out.push_str(&story::tell(reading, &letter, None));
    } else if line.starts_with("NOQUEUE: ")
        && let Some(said) = reading
            .between(e.number(), u32::MAX)
            .find(|s| s.event.process == e.event.process && s.sent().is_some())
        && let Some(reply) =
            refused(reading, line).or_else(|| reply::last(reading.before(said.id.checked_add(1))))
    {
        out.push_str(&reply::explain(reading, &reply));
    } else {
        before(&mut out, reading, e);
    }
    Some(out)
}

/// The reply that a `reject:` line tells of.
fn refused<'t>(reading: Reading<'t>, line: &str) -> Option<reply::Reply<'t>> {
    let (_, rest) = line.split_once("]: ")?;
    reply::containing(reading, rest.split("; ").next()?)
}

/// What was done to a file last: its full path, or the end of it.
pub fn file(reading: Reading<'_>, path: &str) -> Option<String> {
    let path = path.trim_start_matches("~/");
    let e = reading.events().rfind(|e| acts(e).is_some_and(|(_, of)| is_at(of, path)))?;
    let (what, of) = acts(&e)?;
    let mut out = String::new();
    hang(&mut out, "", &plain(of), WIDTH);
    hang(&mut out, "", &format!("{what} by {}[{}] on {}, {}", e.program, e.pid, e.host, e.event.time), WIDTH);
    out.push('\n');
    match letter_at(reading, e) {
        Some(letter) => out.push_str(&story::tell(reading, &letter, None)),
        None => before(&mut out, reading, e),
    }
    Some(out)
}

/// A letter that lies in maildrop, or was taken out of it.
pub fn maildrop(reading: Reading<'_>, id: &str) -> Option<String> {
    let e = reading.events().rfind(|e| e.hop().is_some_and(|(i, ..)| i == id))?;
    let (_, from, to) = e.hop()?;
    let text = if to.is_empty() {
        format!("{id} left {from} on {} at {}, by {}.", e.host, e.event.time, e.program)
    } else {
        format!("{id} lies in {to} on {} since {}, and waits for pickup.", e.host, e.event.time)
    };
    let mut out = String::new();
    hang(&mut out, "", &text, WIDTH);
    out.push('\n');
    before(&mut out, reading, e);
    Some(out)
}

fn acts<'t>(e: &Seen<'t>) -> Option<(&'static str, &'t str)> {
    match &e.event.kind {
        Kind::File { act, path, .. } => Some((
            match act {
                FileAct::Written => "written",
                FileAct::Removed => "removed",
                FileAct::MadeDirectory => "made",
                FileAct::Attributes => "its owner or mode changed",
            },
            path,
        )),
        Kind::Renamed { to, .. } => Some(("named so", to)),
        _ => None,
    }
}

/// Is `path` this file, the end of its path, or a directory it is in?
fn is_at(of: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    if of == path || of.strip_suffix(path).is_some_and(|rest| rest.ends_with('/') || path.starts_with('/')) {
        return !path.is_empty();
    }
    path.len() > 1 && path.starts_with('/') && of.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}

/// The letter that an agent was delivering, or that the file is of.
fn letter_at<'t>(reading: Reading<'t>, e: Seen<'t>) -> Option<Letter<'t>> {
    let (_, path) = acts(&e)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.starts_with("/var/spool/postfix/")
        && let Some(letter) = Letter::find(reading, Some(e.host), name)
    {
        return Some(letter);
    }
    let mut before = reading.between(0, e.number()).rev().filter(|b| b.host == e.host);
    let ids = before.by_ref().filter_map(|b| b.hand_over()).filter_map(|(_, what)| what.split_once(" for "));
    ids.take(20).find_map(|(id, _)| {
        let letter = Letter::find(reading, Some(e.host), id)?;
        let holds = |t: &crate::view::letter::Try<'_>| {
            t.span.0 <= e.number() && e.number() <= t.span.1 && t.processes.contains(&e.event.process)
        };
        letter.tries.iter().any(holds).then_some(letter)
    })
}

/// What the process decided before, and how it all came about, back to what was typed.
fn before(out: &mut String, reading: Reading<'_>, e: Seen<'_>) {
    let mut decided = Group::new("what was decided?", "");
    let own = reading.between(e.number().saturating_sub(200), e.number());
    for b in own.filter(|b| b.event.process == e.event.process) {
        if b.log().is_some() {
            decided.rows.clear();
        }
        decided.rows.extend(b.decision().map(|d| Row::of(d, None, false)));
    }
    let mut groups = Vec::new();
    if !decided.rows.is_empty() {
        groups.push(decided);
    }
    let mut came = Group::new("how did it come about?", "");
    let mut at = Some(e);
    let mut last = e.event.process;
    for _ in 0..10_000 {
        let Some(cause) = at.and_then(|e| e.event.cause).and_then(|id| reading.event(id)) else { break };
        at = Some(cause);
        if let Kind::Command { text } = &cause.event.kind {
            came.rows.push(Row::plain("typed", format!("{}  at {}", plain(text), cause.event.time)));
            break;
        }
        if cause.event.process != last && cause.pid > 0 {
            last = cause.event.process;
            let text =
                format!("{}[{}] on {}, {}", cause.program, cause.pid, cause.short_host(), cause.event.time);
            came.rows.push(Row::plain("after", text));
        }
        if came.rows.len() >= 6 {
            break;
        }
    }
    if !came.rows.is_empty() {
        groups.push(came);
    }
    chain::write(out, &groups);
}
