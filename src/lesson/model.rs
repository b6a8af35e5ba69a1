//! A lesson as it is taught.

use crate::scenario::model::{Scenario, Step};
use regex::Regex;

/// A lesson.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// The name of its file, without the ending: `02-smtp-by-hand`.
    pub stem: String,
    /// Its place in the course.
    pub number: u32,
    /// What it is called.
    pub title: String,
    /// The objectives of LPIC-2 that it serves, such as 211.1.
    pub objectives: Vec<String>,
    /// How long it takes.
    pub minutes: u32,
    /// Key terms that it teaches.
    pub terms: Vec<String>,
    /// Parameters of Postfix that it teaches.
    pub parameters: Vec<String>,
    /// The text of its scenario.
    pub source: String,
    /// The scenario.
    pub scenario: Scenario,
    /// Where the learner sits down: host and user.
    pub seat: (String, String),
    /// What is said first, in Markdown.
    pub introduction: String,
    /// What there is to do.
    pub tasks: Vec<Task>,
}

/// A task. Texts are Markdown.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it is called.
    pub title: String,
    /// What is to be done.
    pub goal: String,
    /// Help, of growing strength.
    pub hints: Vec<String>,
    /// What is to be foretold.
    pub question: Option<Question>,
    /// What must be so; empty where the question is all.
    pub check: Vec<Finding>,
    /// One way to do it, as lines that are typed.
    pub solution: Vec<String>,
    /// Why it is so.
    pub explanation: String,
}

/// A question, and what is said to answers.
#[derive(Clone, Debug)]
pub struct Question {
    /// What can be answered, where only some things can.
    pub choices: Vec<String>,
    /// The right answer.
    pub answer: Regex,
    /// Particular wrong answers, and what is said to them.
    pub wrong: Vec<(Regex, String)>,
    /// What is said to all others.
    pub otherwise: String,
}

/// Something that must be so.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub what: What,
    /// What is said where it is not; empty where nothing can fail.
    pub otherwise: String,
}

/// What a finding looks at.
#[derive(Clone, Debug)]
pub enum What {
    /// A step, done on the copy of the world.
    Step(Step),
    /// An event with one of these texts in its line has been.
    Happened(Vec<String>),
    /// None has been.
    Never(Vec<String>),
    /// A line with one of these texts has been typed.
    Typed(Vec<String>),
}

impl Question {
    /// What an answer means: itself, or the choice whose letter it is.
    pub fn meant<'a>(&'a self, given: &'a str) -> &'a str {
        let given = given.trim();
        let mut letters = given.trim_end_matches(')').chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_ascii_alphabetic() => {
                let n = letter.to_ascii_lowercase() as usize - 'a' as usize;
                self.choices.get(n).map_or(given, String::as_str)
            }
            _ => given,
        }
    }

    /// Takes an answer.
    ///
    /// # Errors
    /// What is to be said to a wrong one.
    pub fn take(&self, given: &str) -> Result<(), &str> {
        let meant = self.meant(given);
        if self.answer.is_match(meant) {
            return Ok(());
        }
        Err(self
            .wrong
            .iter()
            .find(|(given, _)| given.is_match(meant))
            .map_or(&self.otherwise, |(_, say)| say))
    }
}
