//! A mailbox file as a list of messages, each with its state, and what is written back.
//!
//! The state lies in the field `Status` of a message: `O` for one that was there before, `R`
//! for one that was read.

use crate::world::errno::{Errno, Sys};
use crate::world::process::Process;
use std::ops::Range;

/// What is known of a message, and what shall become of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// It was not in a mailbox that was closed before.
    pub new: bool,
    /// It was read, now or before.
    pub read: bool,
    /// It was read or saved now.
    pub touched: bool,
    /// It shall be removed.
    pub deleted: bool,
}

/// A message in a folder.
#[derive(Clone, Debug)]
pub struct Mail {
    /// All of it, from its `From ` line to the empty line that ends it.
    pub bytes: Vec<u8>,
    /// Where its body begins.
    body_at: usize,
    /// Its state.
    pub state: State,
}

/// A mailbox file.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Its path.
    pub path: String,
    /// Is it the user's system mailbox?
    pub inbox: bool,
    /// The messages, in order.
    pub mails: Vec<Mail>,
}

impl Mail {
    fn new(bytes: Vec<u8>) -> Mail {
        let body_at = memchr::memmem::find(&bytes, b"\n\n").map_or(bytes.len(), |n| n + 2);
        let mut mail = Mail { bytes, body_at, state: State::default() };
        let status = mail.field("Status").unwrap_or_default();
        mail.state.read = status.contains('R');
        mail.state.new = !status.contains('O');
        mail
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        memchr::memchr_iter(b'\n', &self.bytes).count()
    }

    /// The `From ` line, without its end.
    pub fn from_line(&self) -> String {
        let end = memchr::memchr(b'\n', &self.bytes).unwrap_or(self.bytes.len());
        String::from_utf8_lossy(&self.bytes[..end]).into_owned()
    }

    /// The header fields: name, and all lines of each.
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let header = String::from_utf8_lossy(&self.bytes[..self.body_at]).into_owned();
        for line in header.lines().skip(1).take_while(|l| !l.is_empty()) {
            match (fields.last_mut(), line.split_once(':')) {
                (Some((_, whole)), _) if line.starts_with([' ', '\t']) => {
                    whole.push('\n');
                    whole.push_str(line);
                }
                (_, Some((name, _))) => fields.push((name.trim_end().to_owned(), line.to_owned())),
                _ => {}
            }
        }
        fields
    }

    /// The value of a field, on one line.
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, whole) = self.fields().into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(whole.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// What follows the header.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_at..]
    }

    /// The message with its state written into it; `O` is added where it stays in a mailbox.
    pub fn with_status(&self, stays: bool) -> Vec<u8> {
        let mut status = String::new();
        if self.state.read {
            status.push('R');
        }
        if stays || !self.state.new && !self.state.touched {
            status.push('O');
        }
        let header = &self.bytes
            [..self.body_at.saturating_sub(1).max(self.from_line().len() + 1).min(self.bytes.len())];
        let mut out = Vec::with_capacity(self.bytes.len() + 12);
        for line in header.split_inclusive(|c| *c == b'\n') {
            if !line.to_ascii_lowercase().starts_with(b"status:") {
                out.extend_from_slice(line);
            }
        }
        if !status.is_empty() {
            out.extend_from_slice(format!("Status: {status}\n").as_bytes());
        }
        out.extend_from_slice(&self.bytes[header.len()..]);
        out
    }
}

impl Folder {
    /// Reads a mailbox file.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(p: &Process, path: &str, inbox: bool) -> Sys<Folder> {
        let bytes = p.read_file(path)?;
        let mails = split(&bytes).into_iter().map(|r| Mail::new(bytes[r].to_vec())).collect();
        Ok(Folder { path: path.to_owned(), inbox, mails })
    }

    /// The numbers of the messages that are not deleted, counted from 1.
    pub fn present(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.mails.iter().enumerate().filter(|(_, m)| !m.state.deleted).map(|(i, _)| i + 1)
    }

    /// The first new message, else the first that was not read, else the first.
    pub fn first_to_read(&self) -> usize {
        let find = |test: &dyn Fn(&Mail) -> bool| self.mails.iter().position(test).map(|i| i + 1);
        find(&|m| m.state.new).or_else(|| find(&|m| !m.state.read)).unwrap_or(1)
    }

    /// `3 messages 1 new 2 unread`
    pub fn count(&self) -> String {
        let new = self.mails.iter().filter(|m| m.state.new).count();
        let unread = self.mails.iter().filter(|m| !m.state.read).count();
        let plural = if self.mails.len() == 1 { "" } else { "s" };
        let mut text = format!("{} message{plural}", self.mails.len());
        if new > 0 {
            text.push_str(&format!(" {new} new"));
        }
        if unread > new {
            text.push_str(&format!(" {unread} unread"));
        }
        text
    }

    /// Writes back what has changed: deleted messages go, the others get their state. Gives what
    /// is said about it.
    pub fn close(&self, p: &Process) -> Sys<Option<String>> {
        let kept: Vec<&Mail> = self.mails.iter().filter(|m| !m.state.deleted).collect();
        let changed = kept.len() < self.mails.len() || kept.iter().any(|m| m.state.new || m.state.touched);
        if changed {
            let mut content = Vec::new();
            kept.iter().for_each(|m| content.extend_from_slice(&m.with_status(true)));
            p.write_file(&self.path, content, 0o600)?;
        }
        Ok(match (self.inbox, changed, kept.len()) {
            (_, _, 0) if self.mails.is_empty() => None,
            (true, _, 0) => None,
            (true, _, 1) => Some(format!("Held 1 message in {}", self.path)),
            (true, _, n) => Some(format!("Held {n} messages in {}", self.path)),
            (false, true, 0) => Some(format!("{} truncated", self.path)),
            (false, true, _) => Some(format!("{} updated.", self.path)),
            (false, false, _) => None,
        })
    }

    /// Why a folder could not be opened, as s-nail says it.
    pub fn trouble(error: Errno) -> &'static str {
        match error {
            Errno::ENOENT => "No such entry, file or directory",
            Errno::EACCES => "Permission denied",
            other => other.text(),
        }
    }
}

/// The messages of an mbox: each begins with a `From ` line behind an empty line.
fn split(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut starts = Vec::new();
    if bytes.starts_with(b"From ") {
        starts.push(0);
        starts.extend(memchr::memmem::find_iter(bytes, b"\n\nFrom ").map(|n| n + 2));
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().copied().zip(ends).map(|(a, b)| a..b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBOX: &[u8] = b"From carl@example.org  Mon Jan  4 14:45:00 2021\nFrom: Carl <carl@example.org>\n\
        Subject: Holiday\n plans\n\nSee you there.\n\nFrom x@y  Mon Jan  4 14:45:00 2021\nStatus: RO\n\nb\n\n";

    fn mails() -> Vec<Mail> {
        split(MBOX).into_iter().map(|r| Mail::new(MBOX[r].to_vec())).collect()
    }

    #[test]
    fn an_mbox_is_taken_apart() {
        let m = mails();
        assert_eq!(m.len(), 2);
        assert!(m[0].state.new && m[1].state.read);
        assert_eq!(m[0].field("subject").as_deref(), Some("Holiday plans"));
        assert_eq!(m[0].body(), b"See you there.\n\n");
        assert_eq!(m[0].lines(), 7);
    }

    #[test]
    fn states_are_written() {
        let mut m = mails();
        let text = |m: &Mail| String::from_utf8(m.with_status(true)).unwrap();
        assert!(text(&m[0]).contains(" plans\nStatus: O\n\nSee"));
        m[0].state = State { new: true, read: true, touched: true, deleted: false };
        assert!(text(&m[0]).contains("Status: RO\n\n"));
        assert_eq!(text(&m[1]).matches("Status").count(), 1);
        let folder = Folder { mails: mails(), ..Folder::default() };
        assert_eq!(folder.count(), "2 messages 1 new");
    }
}
