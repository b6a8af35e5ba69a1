//! What the lab tells about its world without touching it.

use super::lab::Lab;
use super::session::Refusal;
use super::start;
use crate::trace::{EventId, text};
use crate::view::reading::Reading;
use crate::view::text::{hang, plain, width};
use crate::view::{flow, queue as queues, why as reasons};
use std::fmt::Write;

/// How many events `:trace` shows where not all are asked for.
const LAST: usize = 40;
/// How wide a picture may be.
const WIDTH: usize = 100;
/// How wide a screen is, where lines are folded.
const SCREEN: usize = 80;

/// `:hosts`
pub fn hosts(lab: &Lab) -> String {
    let mut out = start::hosts(lab);
    let waiting = queues::queue(lab.world());
    if waiting.lines().count() > 1 {
        let _ = write!(out, "\n{waiting}");
    }
    out
}

/// `:time`
pub fn time(lab: &Lab) -> String {
    let world = lab.world();
    let now = world.now();
    let mut out = now.strftime("%a %e %b %Y %H:%M:%S UTC");
    if lab.is_frozen() {
        out.push_str(", and it stands");
    }
    out.push('\n');
    match world.next_time() {
        Some(next) if world.is_at_rest() => {
            let _ = writeln!(out, "All is quiet; the next thing is due at {next}.");
        }
        Some(_) => out.push_str("Something is going on.\n"),
        None => out.push_str("Nothing is due any more.\n"),
    }
    out
}

/// `:queue`
pub fn queue(lab: &Lab) -> String {
    queues::queue(lab.world())
}

/// `:flow`
///
/// # Errors
/// When there is no such letter.
pub fn flow(lab: &Lab, message: &str) -> Result<String, Refusal> {
    let message = Some(message).filter(|m| !m.is_empty());
    flow::flow(&lab.world().trace(), message, WIDTH)
}

/// `:why`
///
/// # Errors
/// When there is nothing to explain.
pub fn why(lab: &Lab, what: &str) -> Result<String, Refusal> {
    let trace = lab.world().trace();
    reasons::why(&trace, &reasons::Subject::parse(&trace, what))
}

/// `:trace`
pub fn trace(lab: &Lab, filter: &str) -> String {
    let (all, filter) = match filter.strip_prefix("all") {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => (true, rest.trim()),
        _ => (false, filter),
    };
    let trace = lab.world().trace();
    let line = |id: EventId| {
        let mut line = String::new();
        if let Some(event) = trace.event(id) {
            text::line(&trace, id, event, !filter.is_empty(), &mut line);
        }
        line
    };
    let telling =
        |id: &EventId| trace.event(*id).is_some_and(|e| !filter.is_empty() || text::is_telling(&e.kind));
    let ids = (1..=trace.len()).rev().filter_map(EventId::new).filter(telling);
    let most = if all { usize::MAX } else { LAST };
    let mut lines: Vec<String> = ids.map(line).filter(|l| l.contains(filter)).take(most).collect();
    lines.reverse();
    if lines.is_empty() {
        return format!("No event has `{filter}` in it.\n");
    }
    lines.concat()
}

/// A letter's hand-over, for `:next`: when, where, who to whom, and what.
pub fn hand_over(lab: &Lab, id: EventId) -> String {
    let trace = lab.world().trace();
    let Some(e) = Reading::new(&trace).event(id) else { return String::new() };
    let mut who = format!("{}[{}]", e.program, e.pid);
    let what = match (e.hand_over(), e.hop()) {
        (Some((to, what)), _) => {
            let service = to.rsplit('/').next().unwrap_or(to);
            // On its own socket a daemon answers.
            if service != e.program {
                let _ = write!(who, " → {service}");
            }
            plain(what)
        }
        (_, Some((id, "", to))) => format!("{id} is in {to}"),
        (_, Some((id, from, ""))) => format!("{id} leaves {from}"),
        (_, Some((id, from, to))) => format!("{id} {from} → {to}"),
        _ => plain(e.log().unwrap_or_default()),
    };
    let head = format!("{}  {}  {who}", e.event.time, e.short_host());
    let line = format!("{head:<48}  {what}");
    if width(&line) <= SCREEN {
        return line;
    }
    let mut out = format!("{head}\n");
    hang(&mut out, &" ".repeat(14), &what, SCREEN);
    out.trim_end().to_owned()
}
