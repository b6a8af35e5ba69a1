//! What a delivery puts around the message (`mail_copy(3)`): a `From ` line, the envelope in
//! headers, and in an mbox `>` before lines that begin with `From `, and an empty line behind it.

use crate::proto::{address, message};
use crate::world::clock::Time;
use std::fmt::Write;

/// What is put around a message.
#[derive(Clone, Copy, Default)]
pub struct Copy<'c> {
    /// A `From ` line of this time on top.
    pub separator: Option<Time>,
    /// The sender, for the `From ` line and `Return-Path:`.
    pub sender: &'c str,
    /// Is there a `Return-Path:`?
    pub return_path: bool,
    /// `X-Original-To:`, unless empty.
    pub original: &'c str,
    /// `Delivered-To:`, if there is one.
    pub delivered: Option<&'c str>,
}

impl Copy<'_> {
    /// The message as a command or a file of a Maildir has it.
    pub fn plain(&self, content: &[u8]) -> Vec<u8> {
        let mut out = self.top_lines(content.len());
        out.extend_from_slice(content);
        out
    }

    /// The message as it stands in an mbox.
    pub fn mbox(&self, content: &[u8]) -> Vec<u8> {
        let mut out = self.top_lines(content.len());
        push_quoted(&mut out, content);
        if !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        out.push(b'\n');
        out
    }

    /// The lines on top.
    pub fn top_lines(&self, room: usize) -> Vec<u8> {
        let mut out = String::with_capacity(256 + room);
        let sender = address::quote(self.sender);
        if let Some(at) = self.separator {
            let from = if sender.is_empty() { "MAILER-DAEMON" } else { &sender };
            let _ = writeln!(out, "From {from}  {}", message::ctime(at.unix()));
        }
        if self.return_path {
            let _ = writeln!(out, "Return-Path: <{sender}>");
        }
        if !self.original.is_empty() {
            let _ = writeln!(out, "X-Original-To: {}", address::quote(self.original));
        }
        if let Some(delivered) = self.delivered {
            let _ = writeln!(out, "Delivered-To: {}", address::quote(delivered));
        }
        out.into_bytes()
    }
}

/// Appends lines; one that would look like the beginning of a message gets a `>` (mbox(5)).
pub fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    if rest.starts_with(b"From ") {
        out.push(b'>');
    }
    while let Some(at) = memchr::memmem::find(rest, b"\nFrom ") {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'>');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::push_quoted;
    use proptest::prelude::*;

    /// Octets of every kind, and lines that look like the beginning of a message more often than chance has it.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "(>{0,2}From |From|from )[a-z ]{0,5}".prop_map(String::into_bytes),
        ];
        proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join(&b'\n'))
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(body in body()) {
            let mut quoted = Vec::new();
            push_quoted(&mut quoted, &body);
            prop_assert!(!quoted.split(|&b| b == b'\n').any(|line| line.starts_with(b"From ")));
            // A line that began with `>From ` already is left as it is, so the reading is by the original.
            let mut read = quoted.split(|&b| b == b'\n');
            for line in body.split(|&b| b == b'\n') {
                let stored = read.next().expect("as many lines as before");
                let stored = if line.starts_with(b"From ") { &stored[1..] } else { stored };
                prop_assert_eq!(line, stored);
            }
            prop_assert!(read.next().is_none());
        }
    }
}
