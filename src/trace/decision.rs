//! Decisions: whenever a program chooses, it records the rule, the setting behind it and where
//! that was set, what was compared, and the outcome. Explanations are data.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// Why a program did as it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The rule that was asked: a restriction, a table, a recipe, a test.
    pub rule: Cow<'static, str>,
    /// The setting that brought the rule into play, such as `smtpd_relay_restrictions`.
    pub setting: Cow<'static, str>,
    /// Where that setting was made.
    pub place: Place,
    /// What was compared, in words: `198.51.100.66 is not in 127.0.0.0/8`.
    pub compared: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Place {
    /// Nobody set it: the program's own default.
    #[default]
    Default,
    /// A line of a file.
    File {
        /// The path of the file.
        path: Rc<str>,
        /// The line, counted from 1.
        line: u32,
    },
    /// An option on a command line or in master.cf.
    Option(Rc<str>),
}

impl Place {
    /// A line of a file.
    pub fn line(path: impl Into<Rc<str>>, line: u32) -> Place {
        Place::File { path: path.into(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::File { path, line } => {
                write!(f, "{}:{line}", path.rsplit('/').next().unwrap_or(path))
            }
            Place::Option(text) => f.write_str(text),
        }
    }
}

/// What a rule said.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It does not apply; the next rule is asked.
    No,
    /// It applies.
    Yes,
    /// It applies, and this is what follows: a transport, an address, a reply.
    Becomes(Cow<'static, str>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::No => f.write_str("no"),
            Outcome::Yes => f.write_str("YES"),
            Outcome::Becomes(text) => f.write_str(text),
        }
    }
}
