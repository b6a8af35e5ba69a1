//! `run`: a scenario that is run when the book is made, and what is shown of it.

use super::Repository;
use super::chapter::{Directive, Wrong};
use crate::repl::start;
use crate::scenario::load;
use crate::scenario::run::{Options, Outcome, run as run_scenario};
use crate::trace::text;
use crate::view::svg::{self, Shape};
use crate::view::{queue, why};
use std::fmt::Write;

/// What stands between the hosts and the steps that are put behind them.
const STEPS: &str = "\nsteps:\n";

/// What the directive shows, as Markdown.
///
/// # Errors
/// What is wrong with it, with its scenario, or what did not come as its steps expect.
pub fn run(repository: &Repository, d: &Directive<'_>) -> Result<String, Wrong> {
    let first = |what: String| (0, what);
    if let Some((key, _)) = d.settings.iter().find(|(k, _)| !["on", "step", "show", "of"].contains(k)) {
        return Err(first(format!("`run` has no setting `{key}`: on, step, show, of")));
    }
    let setting = |key| d.settings.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
    let name = setting("on").ok_or_else(|| first("`run` needs on=NAME".to_owned()))?;
    let source = source(repository, name).map_err(first)?;
    let (whole, hosts) = match d.body.trim() {
        "" => (source.clone(), source.len()),
        _ => (format!("{source}{STEPS}{}", d.body), source.len() + STEPS.len()),
    };
    // A place in the steps of the fence is one in the chapter.
    let line = |at: usize| whole.get(hosts..at).map_or(0, |t| t.matches('\n').count() + 1);
    let scenario = load::load(&whole).map_err(|p| {
        let hint = if p.label.is_empty() { String::new() } else { format!(" ({})", p.label) };
        (line(p.span.start), format!("{name}: {}{hint}", p.message))
    })?;
    let steps = steps_named(setting("step"), scenario.steps.len()).map_err(first)?;
    let outcome = run_scenario(&scenario, Options::default()).map_err(|s| first(format!("{name}: {s}")))?;
    if let Some(m) = outcome.mismatches.first() {
        let (expected, actual) =
            (m.expected.as_deref().unwrap_or("nothing"), m.actual.as_deref().unwrap_or("nothing"));
        let what = format!("{name}: step {} heard “{actual}”, not “{expected}”", m.step);
        return Err((line(m.span.start), what));
    }
    let mut out = String::new();
    for what in setting("show").unwrap_or("transcript").split(',') {
        one(&mut out, what, &outcome, &steps, setting("of"), &source).map_err(first)?;
    }
    Ok(out)
}

fn source(repository: &Repository, name: &str) -> Result<String, String> {
    if name == "small-internet" {
        return Ok(start::SCENARIO.to_owned());
    }
    let hosts = repository.read(&format!("book/hosts/{name}.yaml"));
    let scenario = || repository.read(&format!("scenarios/{name}.yaml"));
    hosts.or_else(|_| scenario()).map_err(|_| format!("there is no `{name}` in book/hosts or scenarios"))
}

/// The steps to show; all where none are named.
fn steps_named(text: Option<&str>, count: usize) -> Result<Vec<usize>, String> {
    let Some(text) = text else { return Ok((1..=count).collect()) };
    let number = |n: &str| n.parse().ok().filter(|n| (1..=count).contains(n));
    let numbers = text.split(',').map(|n| number(n).ok_or(format!("there is no step {n}: 1 to {count}")));
    numbers.collect()
}

fn one(
    out: &mut String,
    what: &str,
    outcome: &Outcome,
    steps: &[usize],
    of: Option<&str>,
    source: &str,
) -> Result<(), String> {
    let trace = outcome.world.trace();
    match what {
        "transcript" => {
            let all = blocks(&outcome.transcript);
            for block in steps.iter().filter_map(|n| all.get(n - 1)) {
                transcript(out, block);
            }
        }
        "flow" => {
            let (diagram, list) = (svg::svg(&trace, of, Shape::Diagram)?, svg::svg(&trace, of, Shape::List)?);
            let _ = write!(
                out,
                "\n<figure class=\"maillab wide\">\n{diagram}</figure>\n\n\
                 <figure class=\"maillab narrow\">\n{list}</figure>\n\n"
            );
        }
        "trace" => {
            let of = of.ok_or("show=trace needs of=TEXT")?;
            let mut lines = String::new();
            for (id, event) in trace.events() {
                let mut line = String::new();
                text::line(&trace, id, event, false, &mut line);
                if line.contains(of) {
                    lines.push_str(&line);
                }
            }
            if lines.is_empty() {
                return Err(format!("no event has `{of}` in its line"));
            }
            fence(out, "text", &lines);
        }
        "why" => {
            let subject = why::Subject::parse(&trace, of.unwrap_or_default());
            fence(out, "text", &why::why(&trace, &subject)?);
        }
        "queue" => fence(out, "text", &queue::queue(&outcome.world)),
        "source" => fence(out, "yaml", source),
        _ => {
            return Err(format!("nothing is shown by `{what}`: transcript, flow, trace, why, queue, source"));
        }
    }
    Ok(())
}

/// The steps of a transcript.
fn blocks(transcript: &str) -> Vec<&str> {
    let (mut starts, mut at) = (Vec::new(), 0);
    for line in transcript.split_inclusive('\n') {
        if line.starts_with(&format!("# {}. ", starts.len() + 1)) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([transcript.len()]);
    starts.iter().zip(ends).map(|(start, end)| &transcript[*start..end]).collect()
}

/// A step: who speaks where, and what was said.
fn transcript(out: &mut String, block: &str) {
    let (head, said) = block.split_once('\n').unwrap_or((block, ""));
    let head = head.split_once(". ").map_or(head, |(_, h)| h);
    let place = match (head.split_once(" -> "), head.split_once('@')) {
        (Some((from, to)), _) => format!("{from} calls {to}"),
        (None, Some((user, host))) => format!("{user} on {host}"),
        _ => head.to_owned(),
    };
    let _ = write!(out, "\n<p class=\"maillab-where\">{place}</p>\n\n");
    fence(out, "text", said);
}

/// A block of code, fenced by more backquotes than are in it.
fn fence(out: &mut String, language: &str, text: &str) {
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest.max(2) + 1);
    let _ = write!(out, "{ticks}{language}\n{text}\n{ticks}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_cut_at_its_steps() {
        let text = "# 1. a@b\n$ cat x\n# 9. no step\n\n# 2. wait 5m\n";
        assert_eq!(blocks(text), ["# 1. a@b\n$ cat x\n# 9. no step\n\n", "# 2. wait 5m\n"]);
    }

    #[test]
    fn a_fence_is_longer_than_those_in_it() {
        let mut out = String::new();
        fence(&mut out, "text", "```\na\n```\n");
        assert_eq!(out, "````text\n```\na\n```\n````\n");
    }
}
