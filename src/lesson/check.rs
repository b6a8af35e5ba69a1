//! Has a task been solved? Asked of a copy of the learner's world, so that asking changes nothing.

use super::model::{Finding, Lesson, Task, What};
use crate::repl::act as lab;
use crate::repl::lab::Lab;
use crate::scenario::expect;
use crate::scenario::model::{Act, Shell, Step};
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
                match copy.as_mut().map_or(Ok(None), |copy| come_out(copy, step))? {
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
fn come_out(copy: &mut Lab, step: &Step) -> Result<Option<String>, String> {
    let failed = |failure| format!("a program of the lab failed: {failure}");
    if let (true, Act::Shell(shell)) = (copy.is_frozen(), &step.act) {
        let got = while_time_stands(copy, shell);
        return copy.failure().map_or(Ok(got), |f| Err(failed(f)));
    }
    let found = run::go_on(copy.world(), std::slice::from_ref(step)).map_err(failed)?;
    Ok(found.first().map(|m| m.actual.clone().unwrap_or_default()))
}

/// Types commands while nothing else moves, so that they see what the learner has stopped.
fn while_time_stands(copy: &mut Lab, shell: &Shell) -> Option<String> {
    copy.act(lab::Act::Go { host: shell.host.clone(), user: shell.user.clone() });
    if !copy.at_prompt() {
        copy.act(lab::Act::Interrupt);
    }
    for (command, expected) in &shell.commands {
        let mut said = String::new();
        for line in command.value.split('\n') {
            said.push_str(&copy.act(lab::Act::Line(line.to_owned())).said);
        }
        let lines: Vec<&str> = said.lines().collect();
        if let (false, Err((_, got))) = (expected.is_empty(), expect::compare(expected, &lines)) {
            return Some(got.unwrap_or_default());
        }
    }
    None
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
