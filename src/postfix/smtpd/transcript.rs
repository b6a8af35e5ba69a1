//! What was said in a session, for the postmaster, who may want to know of sessions in which something
//! went wrong (`notify_classes`).

use crate::postfix::post_mail::{self, Letter};
use crate::postfix::server::Daemon;
use crate::proto::message;
use std::cell::{Cell, RefCell};
use std::fmt::Write;

/// What can go wrong, as `notify_classes` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Mail that would come back: there is no such recipient, it is too large, it runs in circles.
    Bounce,
    /// Mail that is not wanted.
    Policy,
    /// A client that does not keep to SMTP.
    Protocol,
    /// A disk or a queue that is full.
    Resource,
    /// A configuration that makes no sense.
    Software,
    /// A table that could not be read.
    Data,
}

impl Class {
    const ALL: [Class; 6] =
        [Class::Bounce, Class::Policy, Class::Protocol, Class::Resource, Class::Software, Class::Data];

    const fn name(self) -> &'static str {
        match self {
            Class::Bounce => "bounce",
            Class::Policy => "policy",
            Class::Protocol => "protocol",
            Class::Resource => "resource",
            Class::Software => "software",
            Class::Data => "data",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A session's lines and errors.
pub struct Transcript {
    wanted: u8,
    errors: Cell<u8>,
    aborted: Cell<Option<&'static str>>,
    lines: RefCell<Vec<String>>,
}

/// The length of a line of the letter, without the blank before it.
const WIDTH: usize = 78;

/// How far the rest of a longer line stands in.
const INDENT: usize = 4;

impl Transcript {
    /// Nothing said so far.
    pub fn new(daemon: &Daemon) -> Transcript {
        let classes = daemon.config.list("notify_classes");
        let wants = |class: &&Class| classes.iter().any(|c| c.eq_ignore_ascii_case(class.name()));
        Transcript {
            wanted: Class::ALL.iter().filter(wants).fold(0, |all, class| all | class.bit()),
            errors: Cell::new(0),
            aborted: Cell::new(None),
            lines: RefCell::default(),
        }
    }

    /// The client said a line.
    pub fn heard(&self, line: &[u8]) {
        if self.wanted != 0 {
            self.lines.borrow_mut().push(format!("In:  {}", String::from_utf8_lossy(line)));
        }
    }

    /// The server said a line.
    pub fn said(&self, line: &str) {
        if self.wanted != 0 {
            self.lines.borrow_mut().push(format!("Out: {line}"));
        }
    }

    /// Something went wrong.
    pub fn failed(&self, class: Class) {
        self.errors.set(self.errors.get() | class.bit());
    }

    /// The session did not come to its end.
    pub fn aborted(&self, why: &'static str) {
        self.aborted.set(Some(why));
    }

    /// A message was taken: what went before it is forgiven.
    pub fn forgive(&self) {
        self.errors.set(0);
    }

    /// Writes to the postmaster if there is reason to and more than so many lines were said; what was
    /// said is forgotten then.
    pub async fn tell(&self, daemon: &Daemon, client: &str, threshold: usize) {
        if self.lines.borrow().len() <= threshold {
            return;
        }
        let lines = self.lines.take();
        let errors = self.errors.take();
        if errors & self.wanted == 0 {
            return;
        }
        let what = if errors & Class::Bounce.bit() != 0 { "bounce" } else { "error" };
        let to = daemon.string(&format!("{what}_notice_recipient"));
        let letter = self.letter(daemon, client, &to, &lines);
        let sender = post_mail::double_bounce(daemon);
        post_mail::post(daemon, &sender, &to, letter, Letter::Notice).await;
    }

    fn letter(&self, daemon: &Daemon, client: &str, to: &str, lines: &[String]) -> String {
        let date = message::date_with_zone(daemon.p.now().unix());
        let (name, host) = (daemon.string("mail_name"), daemon.string("myhostname"));
        let mut out = format!(
            "Date: {date}\nFrom: Mail Delivery System <MAILER-DAEMON@{host}>\nTo: Postmaster <{to}>\n\
             Subject: {name} SMTP server: errors from {client}\n\n\
             Transcript of session follows.\n\n"
        );
        for line in lines {
            wrap(&mut out, line);
        }
        out.push('\n');
        if let Some(why) = self.aborted.get() {
            let _ = writeln!(out, "Session aborted, reason: {why}");
        }
        out.push_str("\nFor other details, see the local mail logfile\n");
        out
    }
}

/// Writes a line, broken between words where it is too long.
fn wrap(out: &mut String, line: &str) {
    let (mut rest, mut indent) = (line, 0);
    loop {
        let end = break_at(rest, WIDTH - indent);
        let _ = writeln!(out, " {:indent$}{}", "", &rest[..end]);
        rest = rest[end..].trim_start_matches(' ');
        if rest.is_empty() {
            return;
        }
        indent = INDENT;
    }
}

/// Where a line has to be broken: at the last blank that leaves it no longer than it may be, or, where
/// there is none, at the first one.
fn break_at(text: &str, width: usize) -> usize {
    if text.len() <= width {
        return text.len();
    }
    let blanks = || text.match_indices(' ').map(|(at, _)| at).filter(|at| *at > 0);
    blanks().take_while(|at| *at <= width).last().or_else(|| blanks().next()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words() {
        let mut out = String::new();
        wrap(
            &mut out,
            "Out: 550 5.1.1 <nobody9@example.com>: Recipient address rejected: User unknown in local \
             recipient table",
        );
        assert_eq!(
            out,
            " Out: 550 5.1.1 <nobody9@example.com>: Recipient address rejected: User unknown\n     in local \
             recipient table\n"
        );
        out.clear();
        wrap(&mut out, &"x".repeat(100));
        assert_eq!(out.len(), 102);
    }
}
