//! `formail -s`: takes a mailbox apart and gives each message to a program.
//!
//! A message begins with a `From ` line that is followed by a header field, at the start of the text or
//! after an empty line (formail(1)).
//!
//! # Simplifications
//! `-d` (digests, messages without a `From ` line), `-m`, `-n` and the `Content-Length` field are not obeyed.

use super::formail::{Options, is_field, run};
use crate::world::exec::Start;
use crate::world::process::{Process, STDIN};
use bytes::Bytes;

/// What runs a program that is none.
const SHELL: &str = "/bin/sh";

/// What `-s` and the numbers before it ask for.
#[derive(Default)]
pub struct Split {
    /// The program and its arguments; with none the messages are printed one after another.
    pub program: Vec<String>,
    /// `+N`: so many messages are left out.
    pub skip: usize,
    /// `-N`: no more than so many are taken.
    pub most: Option<usize>,
    /// `-e`: no empty line need come before a message.
    pub anywhere: bool,
}

/// Gives each message of a mailbox to the program; gives the exit status of the last one that failed.
pub async fn split(p: &Process, options: &Options, split: &Split, text: &str, date: &str) -> i32 {
    let mut number = Number::of(p);
    let mut status = 0;
    let all = messages(text, split.anywhere);
    for message in all.into_iter().skip(split.skip).take(split.most.unwrap_or(usize::MAX)) {
        if options.has_come_before(p, message) {
            continue;
        }
        let (out, _) = run(options, message, date);
        if split.program.is_empty() {
            p.print(out).await;
            continue;
        }
        p.set_var("FILENO", Some(&number.next()));
        match give(p, &split.program, out.into()).await {
            0 => {}
            failed => status = failed,
        }
    }
    status
}

/// The messages of a mailbox.
fn messages(text: &str, anywhere: bool) -> Vec<&str> {
    let text = text.trim_start_matches('\n');
    let mut starts = vec![0];
    let mut at = 0;
    let mut after_empty = false;
    for line in text.split_inclusive('\n') {
        let next = &text[at + line.len()..];
        if at > 0 && (after_empty || anywhere) && line.starts_with("From ") && begins_with_field(next) {
            starts.push(at);
        }
        after_empty = line == "\n";
        at += line.len();
    }
    starts.push(text.len());
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).filter(|m| !m.is_empty()).collect()
}

fn begins_with_field(text: &str) -> bool {
    text.lines().next().is_some_and(is_field)
}

/// The number of a message, in as many digits as `FILENO` had (three without it).
struct Number {
    value: usize,
    digits: usize,
}

impl Number {
    fn of(p: &Process) -> Number {
        let given = p.var("FILENO").filter(|text| !text.is_empty());
        match given.as_deref().map(|text| (text.parse(), text.len())) {
            Some((Ok(value), digits)) => Number { value, digits },
            _ => Number { value: 0, digits: 3 },
        }
    }

    fn next(&mut self) -> String {
        self.value += 1;
        format!("{:0digits$}", self.value - 1, digits = self.digits)
    }
}

/// Runs the program with a message as its input; gives its exit status.
async fn give(p: &Process, program: &[String], message: Bytes) -> i32 {
    let (feed, writer) = p.pipe();
    let mut fds = p.fds();
    fds.insert(STDIN, feed);
    let name = program.first().map_or("", String::as_str);
    let found = p.find_program(name).and_then(|path| {
        let start = Start { fds: Some(fds.clone()), ..Start::new(program) };
        p.spawn(&path, start)
    });
    let child = found.or_else(|_| {
        // What cannot be run itself is given to the shell as a script.
        let script: Vec<&str> = [SHELL].into_iter().chain(program.iter().map(String::as_str)).collect();
        p.spawn(SHELL, Start { fds: Some(fds), ..Start::new(script) })
    });
    let Ok(child) = child else { return 1 };
    // A program may end without reading all of it, and that is its own affair.
    let _ = writer.write(message).await;
    writer.end();
    child.wait().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAILBOX: &str = "From a@example.com  Sat Jan  2 10:12:09 2021\nSubject: 1\n\nx\nFrom b@example.com  now\n\
        Subject: 2\n\nFrom here on\nno header\n\nFrom c@example.com  now\nSubject: 3\n\ny\n";

    #[test]
    fn a_mailbox_is_taken_apart() {
        let subjects = |anywhere| {
            let all = messages(MAILBOX, anywhere).into_iter();
            all.map(|m| m.lines().nth(1).unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(subjects(false), ["Subject: 1", "Subject: 3"]);
        assert_eq!(subjects(true), ["Subject: 1", "Subject: 2", "Subject: 3"]);
        assert!(messages("", false).is_empty());
        assert_eq!(messages(MAILBOX, true).concat(), MAILBOX);
    }
}
