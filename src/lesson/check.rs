//! Has a task been solved? Asked of a copy of the learner's world, so that asking changes nothing.

use super::model::{Finding, Lesson, Task, What};
use crate::repl::lab::Lab;
use crate::scenario::expect;
use crate::scenario::model::Step;
use crate::scenario::run;
use crate::trace::EventId;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it should be.
    Solved,
    /// Something is not; this is said of it.
    NotYet(String),
}

/// Tries a task's check; a task without one is as it should be.
///
/// # Errors
/// When the world cannot be copied, or a program of the lab fails.
pub fn check(task: &Task, lab: &Lab) -> Result<Verdict, String> {
    let mut copy: Option<Lab> = None;
    let mut lines: Option<Vec<String>> = None;
    for finding in &task.check {
        let is_so = match &finding.what {
            What::Step(step) => {
                if copy.is_none() {
                    copy =
                        Some(lab.again(lab.journal().len(), lab.settings().to_vec()).map_err(|p| p.message)?);
                }
                match copy.as_ref().map_or(Ok(None), |copy| come_out(copy, step))? {
                    None => true,
                    Some(got) => return Ok(Verdict::NotYet(said(finding, &got))),
                }
            }
            What::Happened(texts) => any(lines.get_or_insert_with(|| events(lab)), texts),
            What::Never(texts) => !any(lines.get_or_insert_with(|| events(lab)), texts),
            What::Typed(texts) => {
                let typed: Vec<String> = lab.journal().iter().map(|d| d.act.to_string()).collect();
                any(&typed, texts)
            }
        };
        if !is_so {
            return Ok(Verdict::NotYet(said(finding, "")));
        }
    }
    Ok(Verdict::Solved)
}

/// A task of a lesson by its number, from 1.
pub fn task(lesson: &Lesson, number: usize) -> Option<&Task> {
    number.checked_sub(1).and_then(|n| lesson.tasks.get(n))
}

/// Does a step; gives the line that came where another was expected.
fn come_out(copy: &Lab, step: &Step) -> Result<Option<String>, String> {
    let found = run::go_on(copy.world(), std::slice::from_ref(step));
    let found = found.map_err(|failure| format!("a program of the lab failed: {failure}"))?;
    Ok(found.first().map(|m| m.actual.clone().unwrap_or_default()))
}

fn said(finding: &Finding, got: &str) -> String {
    let got = if got.is_empty() { "nothing" } else { got };
    finding.otherwise.trim_end().replace("{got}", got)
}

/// All that happened since the hosts were there, a line each.
fn events(lab: &Lab) -> Vec<String> {
    let Some(first) = lab.journal().first() else { return Vec::new() };
    (first.began + 1..=lab.world().trace().len())
        .filter_map(EventId::new)
        .map(|id| lab.event_line(id))
        .collect()
}

/// Does any line hold one of the texts?
fn any(lines: &[String], texts: &[String]) -> bool {
    lines.iter().any(|line| texts.iter().any(|text| holds(line, text)))
}

/// Does a line hold a text with `[..]` in it, in letters of either case?
fn holds(line: &str, text: &str) -> bool {
    expect::matches(&format!("[..]{}[..]", text.to_lowercase()), &line.to_lowercase())
}
