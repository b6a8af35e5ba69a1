//! What a person does to the lab, in order: enough to do it all again.

use crate::scenario::model::Trouble;
use crate::world::clock::Duration;
use std::fmt;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A line was typed at the terminal one sits at.
    Line(String),
    /// The end of input was typed: Ctrl-D.
    End,
    /// Ctrl-C.
    Interrupt,
    /// An edited text came back; `None` when it is to stay as it was.
    Edited(Option<Vec<u8>>),
    /// One sat down at another host, or as somebody else.
    Go { host: String, user: String },
    /// Time passed.
    Wait(Duration),
    /// Time passed until something was logged.
    Until { pattern: String, within: Duration },
    /// So many events happened.
    Step(u32),
    /// So many hand-overs of a message happened.
    Next(u32),
    /// Time was stopped.
    Freeze,
    /// It went on.
    Thaw,
    /// From now on, time stops where an event has this text in it.
    Break(String),
    /// From now on it stops nowhere.
    NoBreaks,
    /// Something broke.
    Fault(Trouble),
    /// It was mended; everything, where nothing is named.
    Heal(Option<Trouble>),
}

impl fmt::Display for Act {
    /// As it was typed, or could have been.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Line(text) => f.write_str(text),
            Act::End => f.write_str("Ctrl-D"),
            Act::Interrupt => f.write_str("Ctrl-C"),
            Act::Edited(Some(_)) => f.write_str("the edited text"),
            Act::Edited(None) => f.write_str("the text left as it was"),
            Act::Go { host, user } => write!(f, ":go {host} {user}"),
            Act::Wait(time) => write!(f, ":wait {}", super::lab::spoken(*time)),
            Act::Until { pattern, .. } => write!(f, ":until {pattern}"),
            Act::Step(n) => write!(f, ":step {n}"),
            Act::Next(n) => write!(f, ":next {n}"),
            Act::Freeze => f.write_str(":freeze"),
            Act::Thaw => f.write_str(":thaw"),
            Act::Break(pattern) => write!(f, ":break {pattern}"),
            Act::NoBreaks => f.write_str(":break off"),
            Act::Fault(trouble) => write!(f, ":fault: {trouble}"),
            Act::Heal(Some(trouble)) => write!(f, ":heal: {trouble}"),
            Act::Heal(None) => f.write_str(":heal"),
        }
    }
}
