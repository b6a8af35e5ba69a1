//! What was said on a connection, command by command: each reply beside what it answers.

use super::reading::Reading;
use crate::trace::{ConnId, Direction, EventId};
use std::collections::VecDeque;

/// A command and the reply to it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The command; empty for the greeting and for what is said unasked.
    pub command: String,
    /// The event by which the command, or its end, was sent.
    pub asked: Option<EventId>,
    /// The lines of the reply.
    pub reply: Vec<String>,
    /// The event by which the reply was sent.
    pub said: EventId,
}

impl Exchange {
    /// The reply's last line, which stands for it.
    pub fn line(&self) -> &str {
        self.reply.last().map_or("", String::as_str)
    }

    /// Does the reply say no?
    pub fn is_refusal(&self) -> bool {
        let line = self.line();
        line.starts_with(['4', '5'])
            || line.starts_with("-ERR")
            || line.contains(" NO ")
            || line.contains(" BAD ")
    }

    /// The command's verb, in capitals.
    pub fn verb(&self) -> String {
        self.command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase()
    }

    /// The address in angle brackets of a MAIL or RCPT command.
    pub fn address(&self) -> Option<&str> {
        let (_, rest) = self.command.split_once('<')?;
        rest.split_once('>').map(|(address, _)| address)
    }
}

/// What the client has sent and the server has not answered yet.
#[derive(Default)]
struct Pending {
    commands: VecDeque<(String, EventId)>,
    part: Vec<u8>,
    /// Lines are the message's, up to the lone dot.
    in_data: bool,
    /// Octets of a BDAT chunk that are still to come.
    chunk: usize,
}

/// All exchanges on a connection, in order.
pub fn read(reading: Reading<'_>, conn: ConnId) -> Vec<Exchange> {
    let mut pending = Pending::default();
    let mut server = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut all: Vec<Exchange> = Vec::new();
    for e in reading.events() {
        let Some((_, to, bytes)) = e.sent().filter(|(c, ..)| *c == conn) else { continue };
        if to == Direction::ToServer {
            pending.take(bytes, e.id);
            continue;
        }
        server.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(line) = next_line(&server, &mut at) {
            let more = line.as_bytes().get(3) == Some(&b'-') && line.is_char_boundary(3);
            lines.push(line);
            if more {
                continue;
            }
            let reply = std::mem::take(&mut lines);
            let (command, asked) = match pending.commands.pop_front() {
                Some((command, at)) => (command, Some(at)),
                None => (String::new(), None),
            };
            pending.in_data |=
                command.eq_ignore_ascii_case("DATA") && reply.last().is_some_and(|l| l.starts_with("354"));
            all.push(Exchange { command, asked, reply, said: e.id });
        }
        server.drain(..at);
    }
    all
}

impl Pending {
    fn take(&mut self, bytes: &[u8], at: EventId) {
        let skip = self.chunk.min(bytes.len());
        self.chunk -= skip;
        self.part.extend_from_slice(&bytes[skip..]);
        let mut from = 0;
        while let Some(line) = next_line(&self.part, &mut from) {
            if self.in_data {
                if line == "." {
                    self.in_data = false;
                    self.commands.push_back((line, at));
                }
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            if words.next().is_some_and(|w| w.eq_ignore_ascii_case("BDAT")) {
                let size: usize = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                let skip = size.min(self.part.len() - from);
                from += skip;
                self.chunk = size - skip;
            }
            self.commands.push_back((line, at));
        }
        self.part.drain(..from);
    }
}

/// The next whole line from `at` on, without its end; `at` moves behind it.
fn next_line(buffer: &[u8], at: &mut usize) -> Option<String> {
    let rest = &buffer[*at..];
    let end = memchr::memchr(b'\n', rest)?;
    *at += end + 1;
    Some(String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned())
}
