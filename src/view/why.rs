//! Why: the explanation of a reply, a letter, an address, a log line or a file, from the decisions
//! in the trace.
//!
//! First stands what is explained, then what was asked, question by question: each rule, what it
//! said, what was compared, and where the setting was made; last, what would have changed it.
//! No line is wider than 80 columns.
//!
//! - `reply`: what a server said
//! - `story`: a letter, on every host that it comes to
//! - `event`: a log line, a file
//! - `chain`: how decisions are laid out
//! - `alternatives`: what would have changed an answer
//!
//! # Simplifications
//! Of a letter that is tried again and again, the last try is told. What would have changed an
//! answer is known for the restrictions and failures that are common; others are told without it.

mod alternatives;
mod chain;
mod event;
mod reply;
mod story;

use super::letter::{self, Letter};
use super::reading::{Reading, field};
use super::text::plain;
use crate::trace::{EventId, Trace};

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The last reply that a server gave to a person, before an event if one is named.
    LastReply {
        /// Events from this one on are left out.
        before: Option<EventId>,
    },
    /// A letter, by its queue id on any host.
    QueueId(String),
    /// A letter or a refusal, by a recipient's or sender's address.
    Address(String),
    /// The last line in a log, or else the last reply, with this text in it; a reply first, where
    /// the text begins with a reply code.
    Log(String),
    /// The last thing done to a file, by the end of its path.
    File(String),
}

impl Subject {
    /// What a text names: nothing is the last reply; a queue id is one that the trace knows; an
    /// address has an `@` and no blank; a path has a `/` and no blank; all else is a log line.
    pub fn parse(trace: &Trace, text: &str) -> Subject {
        let text = text.trim();
        if text.is_empty() {
            return Subject::LastReply { before: None };
        }
        let known = |e: super::reading::Seen<'_>| e.hop().is_some_and(|(id, ..)| id == text);
        if !text.contains(char::is_whitespace) && Reading::new(trace).events().any(known) {
            return Subject::QueueId(text.to_owned());
        }
        let bare = text.trim_start_matches('<').trim_end_matches('>');
        if bare.contains('@') && !bare.contains(char::is_whitespace) {
            return Subject::Address(bare.to_owned());
        }
        if text.contains('/') && !text.contains(char::is_whitespace) {
            return Subject::File(text.to_owned());
        }
        Subject::Log(text.to_owned())
    }
}

/// The explanation, its lines ended by LF.
///
/// # Errors
/// One sentence for the user when there is nothing to explain, with what can be asked instead.
pub fn why(trace: &Trace, subject: &Subject) -> Result<String, String> {
    let reading = Reading::new(trace);
    if !trace.kept() {
        return Err("No trace is kept, so nothing can be explained; run without --trace none.".to_owned());
    }
    match subject {
        Subject::LastReply { before } => {
            let reading = reading.before(*before);
            match reply::last(reading) {
                Some(reply) => Ok(reply::explain(reading, &reply)),
                None => Err(format!("No server has said anything yet. {}", instead(reading))),
            }
        }
        Subject::QueueId(id) => queue_id(reading, id, None),
        Subject::Address(address) => of_address(reading, address),
        Subject::Log(text) => {
            let said = || reply::containing(reading, text).map(|r| reply::explain(reading, &r));
            let found = if is_reply(text) {
                said().or_else(|| event::log(reading, text))
            } else {
                event::log(reading, text).or_else(said)
            };
            let nothing =
                || format!("No log line and no reply holds “{}”. {}", plain(text), instead(reading));
            found.ok_or_else(nothing)
        }
        Subject::File(path) => event::file(reading, path)
            .ok_or_else(|| format!("Nothing was done to a file {}. {}", plain(path), instead(reading))),
    }
}

/// Does a text begin as an SMTP reply does? Log lines quote replies, and are not meant then.
fn is_reply(text: &str) -> bool {
    let code = text.as_bytes().get(..4).unwrap_or_default();
    matches!(code, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-'])
}

fn queue_id(reading: Reading<'_>, id: &str, recipient: Option<&str>) -> Result<String, String> {
    if let Some(letter) = Letter::find(reading, None, id) {
        return Ok(story::tell(reading, &letter, recipient));
    }
    if let Some((host, new)) = letter::picked_up(reading, id)
        && let Some(letter) = Letter::find(reading, Some(host), new)
    {
        return Ok(story::tell(reading, &letter, recipient));
    }
    if let Some(text) = event::maildrop(reading, id) {
        return Ok(text);
    }
    Err(format!("No letter has the queue id {}. {}", plain(id), instead(reading)))
}

/// The newest letter to or from an address, from the host on which it began, or the newest refusal
/// of it.
fn of_address(reading: Reading<'_>, address: &str) -> Result<String, String> {
    let is = |a: Option<&str>| a.is_some_and(|a| a.eq_ignore_ascii_case(address));
    let told = reading.events().rfind(|e| {
        e.log().is_some_and(|line| {
            is(field(line, "to")) || is(field(line, "orig_to")) || is(field(line, "from"))
        })
    });
    let Some(told) = told else {
        let refused = reply::containing(reading, &format!("<{address}>"));
        return refused
            .map(|r| reply::explain(reading, &r))
            .ok_or_else(|| format!("Nothing is known of {}. {}", plain(address), instead(reading)));
    };
    let line = told.log().unwrap_or_default();
    let id = line.split(": ").next().unwrap_or_default();
    if let Some(mut letter) = Letter::find(reading, Some(told.host), id) {
        let recipient = (!is(field(line, "from"))).then_some(address);
        for _ in 0..story::FOLLOWED {
            let Some(before) = letter.predecessor(reading) else { break };
            letter = before;
        }
        // It may have been sent to another name.
        let recipient = recipient.filter(|r| letter.outcomes().iter().any(|d| story::is_to(d, r)));
        return Ok(story::tell(reading, &letter, recipient));
    }
    event::of_log(reading, told).ok_or_else(|| instead(reading))
}

/// What can be asked about, with an example from the trace.
fn instead(reading: Reading<'_>) -> String {
    match letter::all(reading).last().and_then(|e| e.hop()) {
        Some((id, ..)) => {
            format!("What can be asked about: a queue id such as {id}, an address, a log line, a file.")
        }
        None => "What can be asked about: a queue id, an address, a log line, a file.".to_owned(),
    }
}
