//! postcat(1): shows what is in queue files.
//!
//! `-e` the envelope, `-h` the headers, `-b` the body (all where none of them is given), `-q` the
//! files of queue ids, `-o` the offset of each record, `-d` the type of each as a number. `-r` shows
//! records as they stand in the file, which is how they are read anyway: none points elsewhere.
//!
//! # Simplifications
//! `-v` says nothing more; there is no `-s`.

use super::getopt::{self, Options};
use super::msg::Msg;
use super::queue::{self, Queue};
use super::record::{Records, Type};
use crate::proto::message::ctime;
use crate::world::errno::Errno;
use crate::world::process::{Process, STDIN};
use bytes::Bytes;
use std::fmt::Write;

const USAGE: &str = "usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] \
[-e (envelope records)] [-h (header text)] [-q (access queue)] [-v] [file(s)...]";

/// The command.
pub async fn main(p: Process) -> i32 {
    let msg = Msg::unlogged(&p, "postcat");
    let options = match getopt::of_command(&p, &msg, "postcat", "bc:dehoqrv", USAGE).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let shown = Shown::of(&options);
    if let Err(status) = super::configuration_of_host(&p, &msg, options.value('c')).await {
        return status;
    }
    if options.has('q') {
        for id in &options.rest {
            if let Err(text) = by_id(&p, &msg, &shown, id).await {
                return msg.fatal(text).await;
            }
        }
    } else if options.rest.is_empty() {
        let input = match p.fd(STDIN) {
            Ok(open) => open.read_to_end(super::STDIN_LIMIT).await.unwrap_or_default(),
            Err(_) => Bytes::new(),
        };
        show(&p, &msg, &shown, "stdin", &input).await;
    } else {
        for path in &options.rest {
            match p.read_file(path) {
                Ok(file) => show(&p, &msg, &shown, path, &file).await,
                Err(e) => return msg.fatal(format!("open {path}: {e}")).await,
            }
        }
    }
    0
}

async fn by_id(p: &Process, msg: &Msg, shown: &Shown, id: &str) -> Result<(), String> {
    if id.is_empty() || id.len() > 100 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(format!("bad mail queue ID: {id}"));
    }
    let mut error = Errno::ENOENT;
    for queue in Queue::ALL.into_iter().chain([Queue::Corrupt]) {
        let path = queue.path(id);
        match p.read_file(&path) {
            Ok(file) => {
                let name = path.strip_prefix(queue::SPOOL).unwrap_or(&path).trim_start_matches('/');
                show(p, msg, shown, name, &file).await;
                return Ok(());
            }
            Err(Errno::ENOENT) => {}
            Err(e) => error = e,
        }
    }
    Err(format!("open queue file {id}: {error}"))
}

/// What is shown of a file, and how.
struct Shown {
    envelope: bool,
    headers: bool,
    body: bool,
    offsets: bool,
    numbers: bool,
}

impl Shown {
    fn of(options: &Options) -> Shown {
        let all = !['b', 'e', 'h'].into_iter().any(|l| options.has(l));
        Shown {
            envelope: all || options.has('e'),
            headers: all || options.has('h'),
            body: all || options.has('b'),
            offsets: options.has('o'),
            numbers: options.has('d'),
        }
    }
}

/// The part of a file that is being shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Envelope,
    Headers,
    Body,
    Extracted,
}

async fn show(p: &Process, msg: &Msg, shown: &Shown, name: &str, file: &[u8]) {
    if file.is_empty() {
        return;
    }
    let mut records = Records::new(file, 0).peekable();
    let is_queue_file = |r: &super::record::Record<'_>| matches!(r.kind, Type::Size | Type::Time);
    if !records.peek().is_some_and(|r| r.as_ref().is_ok_and(is_queue_file)) {
        msg.warn(format!("{name}: input is not a valid queue file")).await;
        return;
    }
    let mut out: Vec<u8> = Vec::with_capacity(file.len() + 512);
    if shown.envelope {
        out.extend_from_slice(format!("*** ENVELOPE RECORDS {name} ***\n").as_bytes());
    }
    let mut part = Part::Envelope;
    let mut in_line = false;
    for record in records {
        let Ok(r) = record else {
            p.print(std::mem::take(&mut out)).await;
            msg.warn(format!("{name}: unexpected record type")).await;
            return;
        };
        let mut prefix = String::new();
        if shown.offsets && !in_line {
            let _ = write!(prefix, "{:>9} ", r.offset);
        }
        if shown.numbers && !in_line {
            let _ = write!(prefix, "{:>3} ", r.kind as u8);
        }
        let title = match r.kind {
            Type::Message => {
                part = Part::Headers;
                Some("MESSAGE CONTENTS")
            }
            Type::Extra => {
                part = Part::Extracted;
                Some("HEADER EXTRACTED")
            }
            Type::End => Some("MESSAGE FILE END"),
            _ => None,
        };
        if let Some(title) = title {
            if shown.envelope {
                out.extend_from_slice(format!("{prefix}*** {title} {name} ***\n").as_bytes());
            }
            continue;
        }
        match part {
            Part::Headers | Part::Body => {
                // What is no header begins the body.
                if part == Part::Headers && !in_line && is_body(r.content) {
                    part = Part::Body;
                }
                let wanted = if part == Part::Headers { shown.headers } else { shown.body };
                if wanted {
                    out.extend_from_slice(prefix.as_bytes());
                    out.extend_from_slice(r.content);
                    if r.kind == Type::Line {
                        out.push(b'\n');
                    }
                }
                in_line = r.kind == Type::Part;
            }
            Part::Envelope | Part::Extracted if shown.envelope => {
                out.extend_from_slice(prefix.as_bytes());
                out.extend_from_slice(envelope(r.kind, r.content).as_bytes());
            }
            Part::Envelope | Part::Extracted => {}
        }
    }
    p.print(out).await;
}

fn is_body(line: &[u8]) -> bool {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return false;
    }
    let colon = line.iter().position(|b| *b == b':').unwrap_or(0);
    colon == 0 || !line[..colon].trim_ascii_end().iter().all(|b| (33..127).contains(b))
}

/// A record of the envelope in words.
fn envelope(kind: Type, content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let time = |text: &str| {
        let seconds: i64 =
            text.split_ascii_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or_default();
        u64::try_from(seconds).map_or_else(|_| "Wed Dec 31 23:59:59 1969".to_owned(), ctime)
    };
    let name = match kind {
        Type::Size => "message_size",
        Type::Time => return format!("message_arrival_time: {}\n", time(&text)),
        // The time is put off by a second, so that nobody comes too late.
        Type::Warn => {
            let at: i64 = text.trim().parse().unwrap_or_default();
            return format!("warning_message_time: {}\n", time(&(at - 1).to_string()));
        }
        Type::FullName => "sender_fullname",
        Type::Attr => match text.strip_prefix("create_time=") {
            Some(at) => return format!("create_time: {}\n", time(at)),
            None => "named_attribute",
        },
        Type::Filter => "content_filter",
        Type::Redirect => "redirect_to",
        Type::From => "sender",
        Type::OriginalRecipient => "original_recipient",
        Type::Recipient => "recipient",
        Type::Done => "done_recipient",
        Type::Killed => "killed_record",
        Type::Message | Type::Line | Type::Part | Type::Extra | Type::End => "unknown_record",
    };
    format!("{name}: {text}\n")
}
