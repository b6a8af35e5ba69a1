//! A session: the lab, where it came from, and what one line that is typed does.

use super::act::Act;
use super::commands::{self, Command};
use super::compare::Summary;
use super::guide::Guide;
use super::lab::{Lab, Setting, Stop};
use super::start;
use crate::scenario::load;
use crate::scenario::model::Scenario;
use crate::scenario::problem::Problem;
use crate::view::diagnostic;
use crate::world::Failure;
use std::path::Path;

/// What came of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What the programs printed.
    pub said: String,
    /// Was it said in a dialogue with a server?
    pub by_server: bool,
    /// What the lab itself has to say.
    pub notes: String,
    /// Has one left?
    pub leave: bool,
}

impl Answer {
    /// Something the lab says.
    pub fn note(text: impl Into<String>) -> Answer {
        Answer { notes: text.into(), ..Answer::default() }
    }
}

/// Why the lab did not do what was typed: a sentence, and what would do.
pub type Refusal = String;

/// A session.
pub struct Session {
    lab: Lab,
    /// The scenario's file, or what stands in its place.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Another run, not yet kept, and what it was asked with.
    pub alternative: Option<Lab>,
    /// The run before the last step back.
    pub before: Option<Summary>,
    guide: Option<Box<dyn Guide>>,
    quiet: bool,
}

impl Session {
    /// A session on a scenario's hosts, or on the small Internet that comes with the lab. `quiet`:
    /// the lines come from a pipe, and nobody reads prompts.
    ///
    /// # Errors
    /// What is wrong with the file, ready to be printed.
    pub fn open(path: Option<&Path>, quiet: bool, colour: bool) -> Result<Session, String> {
        let Some(path) = path else {
            let name = "the small Internet";
            return Session::on(start::SCENARIO.to_owned(), name.to_owned(), start::seat(), quiet, colour);
        };
        let name = path.display().to_string();
        let source = std::fs::read_to_string(path).map_err(|e| format!("error: {name}: {e}"))?;
        let none = (String::new(), String::new());
        Session::on(source, name, none, quiet, colour)
    }

    /// A session on the hosts of a scenario's text. `name` is what complaints call it, `seat` the
    /// host and user where one sits down; with an empty host, at the first that has users.
    ///
    /// # Errors
    /// What is wrong with the text, ready to be printed.
    pub fn on(
        source: String,
        name: String,
        seat: (String, String),
        quiet: bool,
        colour: bool,
    ) -> Result<Session, String> {
        let complain = |problem: &Problem| diagnostic::render(problem, &name, &source, colour);
        let scenario = load::load(&source).map_err(|p| complain(&p))?;
        let seat = if seat.0.is_empty() { first_seat(&scenario) } else { seat };
        let lab = Lab::new(scenario, Vec::new(), seat, quiet).map_err(|p| complain(&p))?;
        Ok(Session { lab, source, name, alternative: None, before: None, guide: None, quiet })
    }

    /// Another scenario in place of this one.
    ///
    /// # Errors
    /// What is wrong with the file; or that a guide is here, whose hosts these are.
    pub fn load(&mut self, path: &str) -> Result<(), Refusal> {
        if self.guide.is_some() {
            return Err(format!("Other hosts would end this; `maillab repl {path}` opens them elsewhere."));
        }
        *self = Session::open(Some(Path::new(path)), self.quiet, false)?;
        Ok(())
    }

    /// From now on a guide looks on.
    pub fn follow(&mut self, guide: Box<dyn Guide>) {
        self.guide = Some(guide);
    }

    /// The commands that the guide has added.
    pub fn added(&self) -> &'static [Command] {
        self.guide.as_ref().map_or(&[], |g| g.commands())
    }

    /// Has the guide do one of its commands.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn guided(&mut self, name: &str, args: &str) -> Result<Answer, Refusal> {
        // It works on the session, and is not in it meanwhile.
        let Some(mut guide) = self.guide.take() else { return Err(format!("Nobody does `:{name}`.")) };
        let done = guide.run(self, name, args);
        self.guide = Some(guide);
        done
    }

    fn after(&mut self, mut answer: Answer) -> Answer {
        if let Some(mut guide) = self.guide.take() {
            let said = guide.after(self, &answer);
            self.guide = Some(guide);
            if !answer.notes.is_empty() && !answer.notes.ends_with('\n') && !said.is_empty() {
                answer.notes.push('\n');
            }
            answer.notes.push_str(&said);
        }
        answer
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// A program's failure, which ends the session.
    pub fn failure(&self) -> Option<Failure> {
        self.lab.failure()
    }

    /// What a line does: a command of the lab where it begins with a colon, else it is typed at the
    /// terminal. `::` types a colon.
    pub fn line(&mut self, line: &str) -> Answer {
        // A text that was pasted is as many lines.
        let mut lines = line.strip_suffix('\n').unwrap_or(line).split('\n');
        let mut answer = self.one_line(lines.next().unwrap_or_default());
        for line in lines {
            if answer.leave {
                break;
            }
            let next = self.one_line(line);
            answer.said.push_str(&next.said);
            answer.notes.push_str(&next.notes);
            answer.by_server |= next.by_server;
            answer.leave = next.leave;
        }
        answer
    }

    fn one_line(&mut self, line: &str) -> Answer {
        if let Some(rest) = line.strip_prefix("::") {
            return self.key(Act::Line(format!(":{rest}")));
        }
        let answer = match line.strip_prefix(':') {
            // `:` is a command of the shell, and a line of a letter may be a smile.
            Some(command) if command.starts_with(|c: char| c.is_ascii_alphabetic() || c == '?') => {
                commands::run(self, command).unwrap_or_else(Answer::note)
            }
            _ => self.act(Act::Line(line.to_owned())),
        };
        self.after(answer)
    }

    /// Does what a key or a whole line at the terminal does, and lets a guide have its word.
    pub fn key(&mut self, act: Act) -> Answer {
        let answer = self.act(act);
        self.after(answer)
    }

    /// Goes on where an earlier session on these hosts ended: does its acts again.
    ///
    /// # Errors
    /// When its settings do not fit the hosts.
    pub fn resume(&mut self, settings: Vec<Setting>, acts: &[(Act, Option<Stop>)]) -> Result<(), Refusal> {
        self.lab = self.lab.replay(settings, acts.iter().cloned()).map_err(|p| p.message)?;
        Ok(())
    }

    /// Does an act, and tells what came of it.
    pub fn act(&mut self, act: Act) -> Answer {
        let by_server = self.lab.in_dialogue();
        let done = self.lab.act(act);
        let mut notes: String = done.notes.iter().map(|n| format!("{n}\n")).collect();
        let (said, short) = (done.said.clone(), done.short);
        if let Some(steps) = short {
            notes.push_str(&self.step_less(steps));
        }
        let by_server = by_server || self.lab.in_dialogue();
        Answer { said, by_server, notes, leave: self.lab.place().is_none() }
    }

    /// More steps were asked for than happen by themselves: the time in which nothing happened has
    /// not passed.
    fn step_less(&mut self, steps: u32) -> String {
        let acts = self.lab.journal().len().saturating_sub(1);
        let asked = self.lab.journal().get(acts).map(|d| d.act.clone());
        let lab = match self.lab.again(acts, self.lab.settings().to_vec()) {
            Ok(lab) => lab,
            Err(problem) => return format!("{}\n", problem.message),
        };
        self.lab = lab;
        self.lab.act(match asked {
            Some(Act::Step(_)) if steps > 0 => Act::Step(steps),
            Some(Act::Next(_)) if steps > 0 => Act::Next(steps),
            _ => Act::Freeze,
        });
        "Nothing more happens by itself; :wait lets time pass.\n".to_owned()
    }

    /// Takes the session back by some acts.
    ///
    /// # Errors
    /// When there are not so many.
    pub fn undo(&mut self, n: usize) -> Result<String, Refusal> {
        let all = self.lab.journal().len();
        if n == 0 || n > all {
            return Err(match all {
                0 => "There is nothing to undo yet.".to_owned(),
                _ => format!("There are {all} things to undo: :undo 1 to :undo {all}."),
            });
        }
        let first = self.lab.journal().get(all - n).map(|d| d.act.to_string()).unwrap_or_default();
        let lab = self.lab.again(all - n, self.lab.settings().to_vec()).map_err(|p| p.message)?;
        self.replace(lab);
        Ok(format!("Back at {}, before `{first}`.", self.lab.world().now()))
    }

    /// Takes the session back to a time or an event.
    ///
    /// # Errors
    /// When it lies ahead.
    pub fn rewind(&mut self, stop: Stop) -> Result<String, Refusal> {
        let (now, events) = (self.lab.world().now(), self.lab.world().trace().len());
        let ahead = match stop {
            Stop::Event(n) => n > events,
            Stop::Time(t) => t > now,
        };
        if ahead {
            return Err(format!("That lies ahead: it is {now}, and event {events} was the last."));
        }
        let lab = self.lab.back_to(stop).map_err(|p| p.message)?;
        self.replace(lab);
        let events = self.lab.world().trace().len();
        Ok(format!("Time stands at {}, after event {events}.", self.lab.world().now()))
    }

    /// The session from its beginning.
    ///
    /// # Errors
    /// When the hosts cannot be booted again.
    pub fn reset(&mut self) -> Result<(), Refusal> {
        let lab = self.lab.again(0, Vec::new()).map_err(|p| p.message)?;
        self.replace(lab);
        Ok(())
    }

    /// Runs the session again with a setting changed; tells what differs.
    ///
    /// # Errors
    /// When there is no such host, or the session cannot be run again.
    pub fn what_if(&mut self, setting: Setting) -> Result<String, Refusal> {
        let mut settings = self.lab.settings().to_vec();
        settings.push(setting);
        let other = self.lab.again(self.lab.journal().len(), settings).map_err(|p| p.message)?;
        if let Some(failure) = other.failure() {
            return Err(format!("With that setting a program of the lab fails: {failure}"));
        }
        let differences = Summary::of(&self.lab).differences(&Summary::of(&other));
        self.alternative = Some(other);
        Ok(differences)
    }

    /// Goes on in the other run.
    ///
    /// # Errors
    /// When there is none.
    pub fn keep(&mut self) -> Result<(), Refusal> {
        let other = self.alternative.take().ok_or("There is nothing to keep; :what-if comes first.")?;
        self.replace(other);
        Ok(())
    }

    fn replace(&mut self, lab: Lab) {
        self.before = Some(Summary::of(&self.lab));
        self.alternative = None;
        self.lab = lab;
    }

    /// The prompt: what waits at the end of the terminal's output, with a mark while time stands.
    pub fn prompt(&self) -> String {
        let prompt = self.lab.prompt();
        if !self.lab.is_frozen() || self.quiet {
            return prompt.to_owned();
        }
        let time = self.lab.world().now();
        match prompt.strip_suffix("$ ").map(|p| (p, "$ ")).or(prompt.strip_suffix("# ").map(|p| (p, "# "))) {
            Some((start, mark)) => format!("{start} (frozen {time}) {mark}"),
            None => prompt.to_owned(),
        }
    }
}

/// Where one sits down in a scenario: at the first host that has users, as the first of them.
fn first_seat(scenario: &Scenario) -> (String, String) {
    let with_users = scenario.hosts.iter().find(|(_, h)| !h.users.is_empty());
    let first = with_users.or_else(|| scenario.hosts.iter().next());
    first.map_or((String::new(), "root".to_owned()), |(name, host)| {
        (name.clone(), host.users.keys().next().cloned().unwrap_or_else(|| "root".to_owned()))
    })
}
