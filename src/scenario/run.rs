//! Running a scenario: boot, then step after step, writing the transcript and comparing what is
//! heard with what is expected.

use super::boot::{self, Seen, boot};
use super::expect::{self, Mismatch};
use super::model::{Act, Chat, Placed, Scenario, Shell, Step, Until};
use super::problem::Problem;
use super::talk::{self, Said};
use super::trouble;
use crate::trace::{Keep, Kind};
use crate::world::clock::Duration;
use crate::world::exec::Child;
use crate::world::host::Host;
use crate::world::open::Open;
use crate::world::process::{STDERR, STDIN, STDOUT};
use crate::world::syslog::MAIL_LOG;
use crate::world::users::Cred;
use crate::world::{Failure, World};
use std::fmt::Write;
use std::rc::Rc;

/// How long a typed command may take, in virtual time, before it is ended.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Is the trace kept?
    pub keep: Keep,
    /// A seed in place of the scenario's.
    pub seed: Option<u64>,
}

/// What came of a run.
pub struct Outcome {
    /// What was said and printed (SCENARIO.md, "The transcript").
    pub transcript: String,
    /// Where that is not what the scenario expects, one a step at most.
    pub mismatches: Vec<Mismatch>,
    /// How many letters entered a queue.
    pub letters: u64,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// The world as it was left, with its trace.
    pub world: World,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.world.shut_down();
    }
}

/// Why a run has no outcome.
#[derive(Debug)]
pub enum Stopped {
    /// The world could not be built.
    Boot(Problem),
    /// A program of the lab failed; that is a fault of the lab.
    Failed(Failure),
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stopped::Boot(problem) => f.write_str(&problem.message),
            Stopped::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

/// Runs a scenario from its boot to its last step.
///
/// # Errors
/// When the world cannot be built, or a program of the lab fails.
pub fn run(scenario: &Scenario, options: Options) -> Result<Outcome, Stopped> {
    let world = boot(scenario, options.keep, options.seed).map_err(Stopped::Boot)?;
    let mut run = Run { world, number: 0, transcript: String::new(), mismatches: Vec::new() };
    for step in &scenario.steps {
        run.step(step);
        run.world.settle();
        if let Some(failure) = run.world.failure() {
            run.world.shut_down();
            return Err(Stopped::Failed(failure));
        }
    }
    Ok(Outcome {
        letters: letters(&run.world),
        elapsed: run.world.now().since(scenario.clock),
        transcript: run.transcript,
        mismatches: run.mismatches,
        world: run.world,
    })
}

/// Does steps in a world that is there already, and gives where they come out otherwise than they
/// say.
///
/// # Errors
/// When a program of the lab fails.
pub fn go_on(world: &World, steps: &[Step]) -> Result<Vec<Mismatch>, Failure> {
    let mut run = Run { world: world.clone(), number: 0, transcript: String::new(), mismatches: Vec::new() };
    for step in steps {
        run.step(step);
        run.world.settle();
        if let Some(failure) = run.world.failure() {
            return Err(failure);
        }
    }
    Ok(run.mismatches)
}

/// Messages that came into the queue of a host, as the trace knows them.
fn letters(world: &World) -> u64 {
    let trace = world.trace();
    trace.events().filter(|(_, e)| matches!(&e.kind, Kind::Queue { hop: ["", "incoming"], .. })).count()
        as u64
}

struct Run {
    world: World,
    number: usize,
    transcript: String,
    mismatches: Vec<Mismatch>,
}

impl Run {
    fn step(&mut self, step: &Step) {
        self.number += 1;
        if self.number > 1 {
            self.transcript.push('\n');
        }
        match &step.act {
            Act::Chat(chat) => self.chat(chat),
            Act::Shell(shell) => self.shell(shell),
            Act::Wait { time, text } => {
                self.head(format_args!("wait {text}"));
                let until = self.world.now() + *time;
                self.world.run_until(until);
            }
            Act::Note(_) => self.head(format_args!("note")),
            Act::Fault(trouble) => {
                self.head(format_args!("fault {trouble}"));
                trouble::begin(&self.world, trouble);
            }
            Act::Heal(trouble) => {
                match trouble {
                    Some(t) => self.head(format_args!("heal {t}")),
                    None => self.head(format_args!("heal all")),
                }
                trouble::end(&self.world, trouble.as_ref());
            }
            Act::Until(until) => self.until(until),
        }
    }

    fn head(&mut self, what: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.transcript, "# {}. {what}", self.number);
    }

    fn chat(&mut self, chat: &Chat) {
        let tls = if chat.tls { " (TLS)" } else { "" };
        self.head(format_args!("{} -> {} {}{tls}", chat.host, chat.to, chat.port));
        let Some(host) = self.world.host(&chat.host) else { return };
        let out = Rc::new(std::cell::RefCell::new(Vec::new()));
        let (said, chat2) = (out.clone(), chat.clone());
        let child =
            host.start("telnet", Cred::root(), boot::environment("root", "/root"), "/root", async move |p| {
                talk::talk(&p, &chat2, &said).await;
                0
            });
        self.finish(&host, &child);
        let said = out.borrow();
        for line in said.iter() {
            let _ = match line {
                Said::Server(text) => writeln!(self.transcript, "S: {text}"),
                Said::Client(text) => writeln!(self.transcript, "C: {text}"),
                Said::Note(text) => writeln!(self.transcript, "! {text}"),
                Said::Sealed => writeln!(self.transcript, "! TLS started"),
            };
        }
        self.compare_chat(chat, &said);
    }

    /// Cuts what was said at our own lines, and compares each reply with what was expected.
    fn compare_chat(&mut self, chat: &Chat, said: &[Said]) {
        let mut replies: Vec<Vec<&str>> = vec![Vec::new()];
        for line in said {
            match line {
                Said::Client(_) => replies.push(Vec::new()),
                // Nobody says that: it is what became of the connection.
                Said::Sealed => {}
                Said::Server(text) | Said::Note(text) => {
                    if let Some(last) = replies.last_mut() {
                        last.push(text);
                    }
                }
            }
        }
        let expected = std::iter::once(&chat.greeting).chain(chat.lines.iter().map(|(_, expected)| expected));
        let before = std::iter::once(None).chain(chat.lines.iter().map(|(line, _)| Some(line)));
        for (n, (expected, line)) in expected.zip(before).enumerate() {
            let after = line.map_or(0..0, |l| l.span.clone());
            let empty = Vec::new();
            if !self.compare(expected, replies.get(n).unwrap_or(&empty), after) {
                return;
            }
        }
    }

    fn shell(&mut self, shell: &Shell) {
        self.head(format_args!("{}@{}", shell.user, shell.host));
        let Some(host) = self.world.host(&shell.host) else { return };
        let mut good = true;
        for (command, expected) in &shell.commands {
            let _ = writeln!(self.transcript, "$ {}", command.value.replace('\n', "\n> "));
            let seen = self.command(&host, &shell.user, &command.value);
            let text = String::from_utf8_lossy(&seen.borrow()).into_owned();
            self.transcript.push_str(&text);
            if !text.is_empty() && !text.ends_with('\n') {
                self.transcript.push('\n');
            }
            self.world.settle();
            if good {
                let lines: Vec<&str> = text.lines().collect();
                good = self.compare(expected, &lines, command.span.clone());
            }
        }
    }

    /// Has a user type a command on a host, to its end.
    fn command(&self, host: &Host, user: &str, text: &str) -> Seen {
        let (child, seen) = command(host, user, text);
        self.finish(host, &child);
        seen
    }

    /// Lets the world run until a foreground program has ended; one that does not is ended.
    fn finish(&self, host: &Host, child: &Child) {
        let limit = self.world.now() + PATIENCE;
        if !self.world.run_while(limit, || child.status().is_some()) {
            host.end(child);
            self.world.settle();
        }
    }

    fn until(&mut self, until: &Until) {
        self.head(format_args!("until {} logs {}", until.host, until.log));
        let Some(host) = self.world.host(&until.host) else { return };
        let limit = self.world.now() + until.within;
        let pattern = format!("[..]{}[..]", until.log);
        let world = self.world.clone();
        let mut seen = 0;
        let found = world.run_while(limit, || {
            let fs = host.fs();
            let log = fs.read_path(&Cred::root(), fs.root(), MAIL_LOG).unwrap_or_default();
            let new = log.get(seen..).unwrap_or_default();
            let found = String::from_utf8_lossy(new).lines().any(|l| expect::matches(&pattern, l));
            seen = log.len();
            found
        });
        if !found {
            self.mismatches.push(Mismatch {
                step: self.number,
                span: until.span.clone(),
                expected: Some(until.log.clone()),
                actual: None,
            });
        }
    }

    fn compare(&mut self, expected: &[Placed<String>], actual: &[&str], after: super::model::Span) -> bool {
        if expected.is_empty() {
            return true;
        }
        let Err((n, actual)) = expect::compare(expected, actual) else { return true };
        let line = n.and_then(|n| expected.get(n));
        let span = line.or(expected.last()).map_or(after, |l| l.span.clone());
        let expected = line.map(|l| l.value.clone());
        self.mismatches.push(Mismatch { step: self.number, span, expected, actual });
        false
    }
}

/// Starts a command as a user types it: a fresh shell in the home directory, no input, what it
/// prints in one stream.
pub fn command(host: &Host, user: &str, text: &str) -> (Child, Seen) {
    let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
    let cred = host.login(user).unwrap_or_else(|_| Cred::root());
    let (sink, seen) = Open::sink(host);
    let null = Open::null(host);
    let argv: Vec<Rc<str>> = ["/bin/bash", "-c", text].iter().map(|a| (*a).into()).collect();
    host.world().record(Kind::Command { text: format!("{user}@{}$ {text}", host.name()).into() });
    let child = host.start("bash", cred, boot::environment(user, &home), &home, async move |p| {
        p.set_fd(STDIN, Some(null));
        p.set_fd(STDOUT, Some(sink.clone()));
        p.set_fd(STDERR, Some(sink));
        p.exec("/bin/bash", &argv).await.unwrap_or(127)
    });
    (child, seen)
}
