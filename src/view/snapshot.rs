//! The trace of a scenario as it is kept beside it: what was said on the wire, what was decided,
//! what became of every message; all of it, one line an event.

use crate::scenario::model::Scenario;
use crate::trace::{Trace, text};

/// The snapshot of a run.
pub fn of(scenario: &Scenario, trace: &Trace) -> String {
    format!("# {}\n{}", scenario.title, text::render(trace, true))
}
