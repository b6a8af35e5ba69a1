//! `maillab why`: runs a scenario and explains what came of it.

use super::Why;
use super::source::{self, Source};
use maillab::scenario::expect::Mismatch;
use maillab::scenario::model::Act;
use maillab::scenario::run::{Options, Outcome, Stopped, run};
use maillab::trace::{Direction, EventId, Kind, Trace};
use maillab::view::why::{Subject, why as explain};
use std::io::Write;

/// Runs and explains; gives the exit status: 1 when there is nothing to explain.
pub fn why(arguments: &Why, colour: bool) -> u8 {
    match answer(arguments, colour) {
        Ok(text) => {
            // Standard output may be closed; there is nobody to tell then.
            let _ = std::io::stdout().write_all(text.as_bytes());
            0
        }
        Err((status, text)) => {
            eprintln!("{text}");
            status
        }
    }
}

/// Why there is no explanation: the exit status and what is printed.
type Nothing = (u8, String);

fn answer(arguments: &Why, colour: bool) -> Result<String, Nothing> {
    let mut source = source::read(&arguments.scenario, colour).map_err(|text| (2, text))?;
    let steps = source.scenario.steps.len();
    let step = arguments.step.map(|n| n as usize);
    if let Some(n) = step.filter(|n| *n > steps) {
        let path = source.path.display();
        return Err((2, format!("error: {path} has no step {n}\n  = its steps are 1 to {steps}")));
    }
    source.scenario.steps.truncate(step.unwrap_or(steps));
    let outcome = outcome(&source, colour)?;
    let trace = outcome.world.trace();
    let subject = match (&arguments.queue_id, &arguments.recipient, step) {
        (Some(id), ..) => Subject::QueueId(id.clone()),
        (None, Some(address), _) => Subject::Address(address.clone()),
        (None, None, Some(n)) => {
            let failed = outcome.mismatches.iter().find(|m| m.step == n);
            of_step(&mut source, failed, &trace, n, colour)?
        }
        (None, None, None) => match outcome.mismatches.last().cloned() {
            Some(m) => {
                // What came after the step would be taken for its own: it is run again, up to there.
                source.scenario.steps.truncate(m.step);
                let again = self::outcome(&source, colour)?;
                let trace = again.world.trace();
                let subject = of_step(&mut source, Some(&m), &trace, m.step, colour)?;
                return explain(&trace, &subject).map_err(|text| (1, text));
            }
            None => Subject::LastReply { before: None },
        },
    };
    explain(&trace, &subject).map_err(|text| (1, text))
}

fn outcome(source: &Source, colour: bool) -> Result<Outcome, Nothing> {
    run(&source.scenario, Options::default()).map_err(|stopped| match stopped {
        Stopped::Boot(problem) => (2, source.complaint(&problem, colour)),
        Stopped::Failed(failure) => {
            (3, format!("error: {}: a program of the lab failed: {failure}", source.path.display()))
        }
    })
}

/// What there is to explain about step `n`, the last that was run: the reply that was not
/// expected, the last reply, or the letter that moved last.
fn of_step(
    source: &mut Source,
    failed: Option<&Mismatch>,
    trace: &Trace,
    n: usize,
    colour: bool,
) -> Result<Subject, Nothing> {
    let said = failed.and_then(|m| m.actual.as_deref()).filter(|text| !text.trim().is_empty());
    let is_chat = source.scenario.steps.last().is_some_and(|s| matches!(s.act, Act::Chat(_)));
    if is_chat {
        return Ok(match said.filter(|text| was_said(trace, text)) {
            Some(text) => Subject::Log(text.to_owned()),
            None => Subject::LastReply { before: None },
        });
    }
    // The run is the same every time: the step begins where a run without it ends.
    source.scenario.steps.truncate(n - 1);
    let start = outcome(source, colour)?.world.trace().len();
    let own = trace.events().filter(|(id, _)| id.get() > start);
    let mut moved = own.filter_map(|(_, e)| match &e.kind {
        Kind::Queue { id, .. } => Some(id.to_string()),
        _ => None,
    });
    match moved.next_back() {
        Some(id) => Ok(Subject::QueueId(id)),
        None if replied(trace, start) => Ok(Subject::LastReply { before: None }),
        None => {
            Err((1, format!("In step {n} no letter moved and no server said anything. Try another --step.")))
        }
    }
}

fn was_said(trace: &Trace, text: &str) -> bool {
    trace.events().any(|(_, e)| match &e.kind {
        Kind::Sent { to: Direction::ToClient, bytes, .. } => {
            memchr::memmem::find(bytes, text.as_bytes()).is_some()
        }
        _ => false,
    })
}

fn replied(trace: &Trace, start: u32) -> bool {
    let after = |id: EventId| id.get() > start;
    trace.events().any(|(id, e)| after(id) && matches!(e.kind, Kind::Sent { to: Direction::ToClient, .. }))
}
