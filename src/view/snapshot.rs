//! The trace of a scenario as it is kept beside it: what was said on the wire, what was decided,
//! what became of every message; all of it, one line an event.

use crate::scenario::model::Scenario;
use crate::trace::{Trace, text};

/// What stands above a snapshot in its file; the test library insta reads and writes the same.
const HEAD: &str = "---\nsource: tests/scenarios.rs\nexpression: trace\n---\n";

/// The file of a snapshot.
pub fn file(snapshot: &str) -> String {
    format!("{HEAD}{}\n", snapshot.trim_end())
}

/// Is this the file of this snapshot?
pub fn is(file: &str, snapshot: &str) -> bool {
    body(file).trim_end() == snapshot.trim_end()
}

/// The snapshot in a file.
pub fn body(file: &str) -> &str {
    let rest = file.strip_prefix("---\n").unwrap_or(file);
    rest.split_once("\n---\n").map_or(rest, |(_, body)| body)
}

/// The snapshot of a run.
pub fn of(scenario: &Scenario, trace: &Trace) -> String {
    format!("# {}\n{}", scenario.title, text::render(trace, true))
}
