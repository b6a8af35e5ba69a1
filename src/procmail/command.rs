//! Running programs. A command without a character of `SHELLMETAS` is run by itself; others, and
//! test(1), go through `SHELL`.

use super::recipe::Procmail;
use super::word::Word;
use crate::world::exec::{Child, Start};
use crate::world::process::{Process, STDIN, STDOUT};
use bytes::Bytes;
use std::rc::Rc;

/// No program may say more.
const LONGEST_OUTPUT: usize = 1 << 26;
/// Runs what is no program.
const PLAIN_SHELL: &str = "/bin/sh";

/// How a program that was run ended.
pub struct Ran {
    /// Its name in remarks.
    pub name: String,
    /// Its exit status; `None` when it could not be run.
    pub status: Option<i32>,
    /// What it printed, where that was asked for.
    pub output: Bytes,
    /// It read all it was given.
    pub read_all: bool,
}

impl Ran {
    /// Did it end with status 0?
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }
}

/// A command, ready to run.
pub struct Command {
    /// The argument vector.
    pub argv: Vec<String>,
    /// The whole command, where it goes through the shell.
    shell: Option<String>,
}

impl Command {
    /// Its name in remarks: the program, or the whole command of a shell.
    pub fn name(&self) -> &str {
        self.shell.as_deref().unwrap_or_else(|| self.argv.first().map_or("", String::as_str))
    }

    /// As the log tells of it: what a folder is called that is a command.
    pub fn folder(&self) -> String {
        self.shell.clone().unwrap_or_else(|| self.argv.join(" "))
    }
}

impl Procmail {
    /// Makes a command ready.
    pub async fn command(&mut self, text: &str) -> Command {
        let metas = self.var("SHELLMETAS");
        let first = text.split_whitespace().next();
        if text.contains(|c| metas.contains(c)) || first == Some("test") {
            let argv = vec![self.shell(), self.var("SHELLFLAGS"), text.to_owned()];
            return Command { argv, shell: Some(text.to_owned()) };
        }
        let words = Word::list(text);
        Command { argv: self.expand_all(&words).await, shell: None }
    }

    fn shell(&self) -> String {
        self.p
            .var("SHELL")
            .filter(|s| !s.is_empty())
            .map_or_else(|| PLAIN_SHELL.to_owned(), |s| s.to_string())
    }

    /// The output of a command between backquotes, without the line ends at its end.
    pub async fn backquote(&mut self, text: &str) -> String {
        let command = self.command(text).await;
        let message = Bytes::copy_from_slice(self.message.bytes());
        let ran = self.run(&command, message, true).await;
        let text = String::from_utf8_lossy(&ran.output).into_owned();
        text.trim_end_matches('\n').to_owned()
    }

    /// Runs a command with `input`; with `capture` its output is collected.
    pub async fn run(&mut self, command: &Command, input: Bytes, capture: bool) -> Ran {
        self.tell(|| {
            format!("Executing \"{}\"", command.shell.clone().unwrap_or_else(|| command.argv.join(",")))
        })
        .await;
        let (feed, writer) = self.p.pipe();
        let mut fds = self.p.fds();
        fds.insert(STDIN, feed);
        let reader = capture.then(|| {
            let (reader, out) = self.p.pipe();
            fds.insert(STDOUT, out);
            reader
        });
        let mut ran =
            Ran { name: command.name().to_owned(), status: None, output: Bytes::new(), read_all: true };
        let Some(child) = start(&self.p, &command.argv, fds) else {
            self.say_of("Failed to execute", &ran.name).await;
            return ran;
        };
        match reader {
            Some(reader) => {
                // The program may print before it has read everything.
                let feeder = async {
                    let all = writer.write(input).await.is_ok();
                    writer.end();
                    all
                };
                let drain = reader.read_to_end(LONGEST_OUTPUT);
                let (read_all, output) = futures_join(feeder, drain).await;
                (ran.read_all, ran.output) = (read_all, output.unwrap_or_default());
            }
            None => {
                ran.read_all = writer.write(input).await.is_ok();
                writer.end();
            }
        }
        let status = child.wait().await;
        ran.status = Some(status);
        self.last_exit = status;
        ran
    }

    /// Speaks of a program that failed: always where a recipe waits for it, otherwise
    /// only with `VERBOSE=on`.
    pub async fn speak_of_failure(&self, ran: &Ran, waited: bool) {
        let Some(status) = ran.status.filter(|s| *s != 0) else { return };
        if waited {
            self.say(&format!("Program failure ({status}) of \"{}\"", ran.name)).await;
        } else {
            self.tell(|| format!("Non-zero exitcode ({status}) from \"{}\"", ran.name)).await;
        }
    }
}

/// Starts a program; what cannot be run itself is given to the shell as a script.
fn start(
    p: &Process,
    argv: &[String],
    fds: std::collections::BTreeMap<i32, Rc<crate::world::open::Open>>,
) -> Option<Child> {
    let name = argv.first()?;
    if let Ok(path) = p.find_program(name) {
        let start = Start { fds: Some(fds.clone()), ..Start::new(argv) };
        if let Ok(child) = p.spawn(&path, start) {
            return Some(child);
        }
    }
    let script: Vec<&str> = [PLAIN_SHELL].into_iter().chain(argv.iter().map(String::as_str)).collect();
    p.spawn(PLAIN_SHELL, Start { fds: Some(fds), ..Start::new(script) }).ok()
}

/// Does two things at once, until both are done.
async fn futures_join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut left, mut right) = (None, None);
    std::future::poll_fn(move |cx| {
        use std::task::Poll;
        if left.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            left = Some(value);
        }
        if right.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            right = Some(value);
        }
        if left.is_some() && right.is_some() {
            left.take().zip(right.take()).map_or(Poll::Pending, Poll::Ready)
        } else {
            Poll::Pending
        }
    })
    .await
}
