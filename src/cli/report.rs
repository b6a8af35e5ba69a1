//! The report of `maillab run`: a line a scenario, the place where one fails, and the sum.

use super::run::Result;
use super::source::Source;
use colored::Colorize;
use maillab::scenario::expect::Mismatch;
use maillab::scenario::model::Act;
use maillab::scenario::problem::Problem;
use maillab::trace::{Kind, Outcome, Trace};
use maillab::view::diagnostic;
use std::time::Duration;

/// A line for a scenario.
pub fn line(r: &Result, width: usize) -> String {
    let verdict = if r.status == 0 { "pass".green() } else { "FAIL".red().bold() };
    format!(
        "  {verdict}  {:<width$}  {:>9}  {:>11}  {:>14}  {:>7}",
        r.name,
        count(r.steps, "step"),
        count(r.letters as usize, "letter"),
        virtual_time(r.elapsed),
        format!("{} ms", r.wall.as_millis()),
    )
}

/// The sum of all.
pub fn total(results: &[Result]) -> String {
    let failed = results.iter().filter(|r| r.status != 0).count();
    let letters: u64 = results.iter().map(|r| r.letters).sum();
    let elapsed: Duration = results.iter().map(|r| r.elapsed).sum();
    let wall: Duration = results.iter().map(|r| r.wall).sum();
    format!(
        "{} passed, {failed} failed; {}, {} of virtual time, {} ms",
        results.len() - failed,
        count(letters as usize, "letter"),
        virtual_time(elapsed),
        wall.as_millis()
    )
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `12 s`, `4 m 10 s`, `5 d 0 h 12 m`
fn virtual_time(d: Duration) -> String {
    let s = d.as_secs();
    match (s / 86400, s / 3600 % 24, s / 60 % 60, s % 60) {
        (0, 0, 0, 0) => format!("{} ms", d.as_millis()),
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} m {s:>2} s"),
        (0, h, m, _) => format!("{h} h {m:>2} m"),
        (d, h, m, _) => format!("{d} d {h:>2} h {m:>2} m"),
    }
}

/// Where a scenario hears something else than it expects.
pub fn mismatch(source: &Source, m: &Mismatch, trace: &Trace, colour: bool) -> String {
    let label = match &m.expected {
        Some(_) => "expected",
        None => "nothing more was expected after this",
    };
    let mut problem = Problem::new(m.span.clone(), String::new()).hint(label);
    problem.notes.push(match &m.actual {
        Some(text) if text.trim().is_empty() => "it was:  an empty line".to_owned(),
        Some(text) => format!("it was:  {text}"),
        None => "it was:  nothing".to_owned(),
    });
    if let Some(text) = m.actual.as_deref().and_then(|a| because(trace, a)) {
        problem.notes.push(format!("because: {text}"));
    }
    let path = source.path.display();
    let step = source.scenario.steps.get(m.step.saturating_sub(1));
    // Of a conversation the reply is explained; of a command's output the trace tells more.
    problem.notes.push(match step.is_some_and(|s| matches!(s.act, Act::Chat(_))) {
        true => format!("see:     maillab why {path} --step {}", m.step),
        false => format!("see:     maillab run --trace text -v {path}"),
    });
    let title = format!("step {} heard something else", m.step);
    diagnostic::report(&title, &problem, &source.path.display().to_string(), &source.text, colour)
}

/// The decision that led to a reply, if the trace knows one.
fn because(trace: &Trace, reply: &str) -> Option<String> {
    let events: Vec<_> = trace.events().collect();
    let at = events.iter().rposition(|(_, e)| match &e.kind {
        Kind::Sent { bytes, .. } => memchr::memmem::find(bytes, reply.as_bytes()).is_some(),
        _ => false,
    })?;
    events[..at].iter().rev().take(40).find_map(|(_, e)| match &e.kind {
        Kind::Decision(d) if matches!(&d.outcome, Outcome::Becomes(text) if reply.starts_with(&**text)) => {
            let compared = if d.compared.is_empty() { String::new() } else { format!(": {}", d.compared) };
            Some(format!("{} ({}, {}){compared}", d.rule, d.setting, d.place))
        }
        _ => None,
    })
}
