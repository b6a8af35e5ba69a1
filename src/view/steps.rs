//! A letter's way as steps: who does what with whom, in the order in which it happened, and what
//! the letter becomes on other hosts. The pictures ([`super::flow`], [`super::svg`]) are drawn from them.
//!
//! # Simplifications
//! Of many tries for one recipient the first and the last are steps, and the others counted. A
//! conversation over SMTP is one step there and one back.

use super::letter::{self, Letter, Origin, Try};
use super::reading::{Reading, Seen};
use super::text::plain;
use crate::trace::{Ends, FileAct, Kind};

/// A process as a column: its host and its program.
pub type Column<'t> = (&'t str, &'t str);

/// An arrow, or a note where both ends are the same.
pub struct Step<'t> {
    /// Its place among the events of the trace.
    pub number: u32,
    /// When, in virtual time of the day.
    pub time: String,
    /// Who does it.
    pub from: Column<'t>,
    /// Who is at the other end.
    pub to: Column<'t>,
    /// What it is.
    pub label: String,
}

/// The letter with this queue id, also with the one it had in `maildrop`; the newest that a person
/// sent, where none is given.
///
/// # Errors
/// One sentence for the user when there is no such letter.
pub fn find<'t>(reading: Reading<'t>, message: Option<&str>) -> Result<Letter<'t>, String> {
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

/// The steps of a letter and of those it became, in the order in which they happened.
pub fn steps<'t>(reading: Reading<'t>, letter: &Letter<'t>) -> Vec<Step<'t>> {
    let mut all = Vec::new();
    one(reading, letter, &mut all);
    for next in letter::followers(reading, letter, letter.successors()) {
        one(reading, &next, &mut all);
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
    let deferred = t.results.iter().any(|d| matches!(d.status, "deferred" | "SOFTBOUNCE"));
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
pub fn columns<'t>(steps: &[Step<'t>]) -> Vec<Column<'t>> {
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
