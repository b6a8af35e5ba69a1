//! `maillab learn`: lessons.

use super::Learn;
use maillab::lesson::learn::Learning;

/// Does what was asked for; gives the exit status.
pub fn learn(arguments: &Learn, colour: bool) -> u8 {
    let learning = Learning::new(arguments.lessons.as_deref(), colour);
    let done = match (&arguments.lesson, &arguments.report, &arguments.verify) {
        (_, Some(file), _) => learning.report(file),
        (_, _, Some(file)) => learning.verify(file),
        (what, ..) if arguments.reset => learning.forget(what.as_deref()),
        (Some(what), ..) => learning.open(what),
        (None, ..) => learning.list(),
    };
    done.unwrap_or_else(|text| {
        eprintln!("{text}");
        2
    })
}
