//! The lab of a session: the world, the terminals one sits at, and all that was done. Undoing is
//! doing all but the last again, since the same acts give the same world.

use super::act::Act;
use super::look;
use crate::postfix::MAIN_CF;
use crate::scenario::boot::{self, boot};
use crate::scenario::model::{File, Scenario};
use crate::scenario::problem::Problem;
use crate::scenario::trouble;
use crate::trace::{EventId, Keep, Kind, ProcId, text};
use crate::world::clock::{Duration, Time};
use crate::world::exec::Child;
use crate::world::host::Host;
use crate::world::process::{STDERR, STDIN, STDOUT};
use crate::world::terminal::{Draft, Terminal};
use crate::world::users::Cred;
use crate::world::{Failure, World};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How long a typed command may take, in virtual time, before one is asked again.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the world runs on behind a command before the next prompt.
const AFTER_COMMAND: Duration = Duration::from_secs(1);
/// How long it runs on behind a line of a dialogue: servers think, and may be slow on purpose.
const AFTER_LINE: Duration = Duration::from_secs(30);
/// While time stands, a command gets what lies no further ahead than this: hand-overs and segments.
const HELD: Duration = Duration::from_millis(10);
/// The most entries of the agenda done for one act.
const MOST: u32 = 3_000_000;
/// The most of them while time stands.
const MOST_HELD: u32 = 100_000;
/// How far `:step` and `:next` look ahead: every letter that waits is tried again in this time.
const AHEAD: Duration = Duration::from_secs(2 * 60 * 60);

/// A line that is put behind a host's main.cf before its services start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The host.
    pub host: String,
    /// `name = value`.
    pub line: String,
}

/// Where one sits: a host, a user, a terminal with a login shell.
pub struct Place {
    host: Host,
    user: String,
    child: Child,
    terminal: Rc<Terminal>,
    /// The beginning of a line that waits for what is typed.
    prompt: String,
}

/// Where an act ends before its time, because one has gone back to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// When so many events have happened.
    Event(u32),
    /// At this time.
    Time(Time),
}

/// An act that was done, and what came of it.
pub struct Done {
    /// What was done.
    pub act: Act,
    /// Where it was stopped, if so.
    pub stop: Option<Stop>,
    /// When.
    pub at: Time,
    /// How many events there were before.
    pub began: u32,
    /// The place: host and user.
    pub place: (Rc<str>, String),
    /// The working directory of the shell, where it was one that read the line.
    pub directory: Option<String>,
    /// The program that read the line.
    pub program: Rc<str>,
    /// The user as whom it ran.
    pub user: String,
    /// Did time stand?
    pub frozen: bool,
    /// What was printed.
    pub said: String,
    /// What the lab itself has to say: where time was stopped, what still runs.
    pub notes: Vec<String>,
    /// How many steps there were to make, where more were asked for than happen by themselves.
    pub short: Option<u32>,
}

/// Why the world was left standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// What was waited for is there.
    Done,
    /// Nothing more happens in the time that there is.
    Rest,
    /// An event has the text of a `:break` in it.
    Break(EventId),
    /// One has gone back to here.
    Stopped,
    /// It goes on and on.
    Busy,
}

/// A session's world, and how it came to be.
pub struct Lab {
    scenario: Scenario,
    settings: Vec<Setting>,
    start: (String, String),
    quiet: bool,
    world: World,
    places: Vec<Place>,
    frozen: bool,
    breaks: Vec<String>,
    journal: Vec<Done>,
    stop: Option<Stop>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.world.shut_down();
    }
}

impl Lab {
    /// Boots the hosts and sits down at one of them. `quiet`: nobody looks, shells do not prompt.
    ///
    /// # Errors
    /// When the world cannot be built.
    pub fn new(
        scenario: Scenario,
        settings: Vec<Setting>,
        start: (String, String),
        quiet: bool,
    ) -> Result<Lab, Problem> {
        let world = boot(&with_settings(&scenario, &settings)?, Keep::All, None)?;
        let mut lab = Lab {
            scenario,
            settings,
            start: start.clone(),
            quiet,
            world,
            places: Vec::new(),
            frozen: false,
            breaks: Vec::new(),
            journal: Vec::new(),
            stop: None,
        };
        lab.go(&start.0, &start.1);
        lab.collect();
        Ok(lab)
    }

    /// The same session in a world of its own: the first `acts` of it, with these settings.
    ///
    /// # Errors
    /// When the world cannot be built.
    pub fn again(&self, acts: usize, settings: Vec<Setting>) -> Result<Lab, Problem> {
        let acts = &self.journal[..acts.min(self.journal.len())];
        self.replay(settings, acts.iter().map(|d| (d.act.clone(), d.stop)))
    }

    /// Another session on the same hosts, of these acts, each with where it was stopped.
    ///
    /// # Errors
    /// When the world cannot be built.
    pub fn replay(
        &self,
        settings: Vec<Setting>,
        acts: impl IntoIterator<Item = (Act, Option<Stop>)>,
    ) -> Result<Lab, Problem> {
        let mut lab = Lab::new(self.scenario.clone(), settings, self.start.clone(), self.quiet)?;
        for (act, stop) in acts {
            lab.stop = stop;
            lab.act(act);
            // Whoever went back to a moment found time standing there.
            lab.frozen |= stop.is_some();
        }
        lab.stop = None;
        Ok(lab)
    }

    /// The session up to a moment that lies behind: the acts before it, and a part of the next.
    ///
    /// # Errors
    /// When the world cannot be built.
    pub fn back_to(&self, stop: Stop) -> Result<Lab, Problem> {
        let before = |d: &Done| match stop {
            Stop::Event(n) => d.began < n,
            Stop::Time(t) => d.at <= t,
        };
        let whole = self.journal.iter().take_while(|d| before(d)).count();
        let mut lab = self.again(whole.saturating_sub(1), self.settings.clone())?;
        if let Some(last) = whole.checked_sub(1).and_then(|n| self.journal.get(n)) {
            lab.stop = Some(stop);
            lab.act(last.act.clone());
            lab.stop = None;
        }
        lab.frozen = true;
        Ok(lab)
    }

    /// The scenario, without its steps' having any effect here.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What was kept of `:what-if`.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// All that was done.
    pub fn journal(&self) -> &[Done] {
        &self.journal
    }

    /// Does time stand?
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Texts at which time stops.
    pub fn breaks(&self) -> &[String] {
        &self.breaks
    }

    /// A program's failure, which ends the session.
    pub fn failure(&self) -> Option<Failure> {
        self.world.failure()
    }

    /// Where one sits; `None` when one has logged out everywhere.
    pub fn place(&self) -> Option<&Place> {
        self.places.last()
    }

    /// Does an act; gives what came of it.
    pub fn act(&mut self, act: Act) -> &Done {
        let program = self.program();
        let mut done = Done {
            stop: self.stop,
            at: self.world.now(),
            began: self.world.trace().len(),
            place: self
                .place()
                .map_or(("".into(), String::new()), |p| (p.host.name().clone(), p.user.clone())),
            directory: self.directory(),
            program,
            user: self.user(),
            frozen: self.frozen,
            said: String::new(),
            notes: Vec::new(),
            short: None,
            act,
        };
        let halt = self.carry_out(&mut done);
        match halt {
            Halt::Break(id) => {
                self.frozen = true;
                done.notes.push(format!("stopped at event {id}:"));
                done.notes.push(self.event_line(id));
            }
            Halt::Busy => done.notes.push("it is still running; Ctrl-C ends it, :wait lets it go on".into()),
            Halt::Rest if self.waits_for_time() => {
                done.notes.push("it waits for time to pass: :wait, :step or :thaw".into());
            }
            Halt::Done | Halt::Rest | Halt::Stopped => {}
        }
        done.said = self.collect();
        self.journal.push(done);
        &self.journal[self.journal.len() - 1]
    }

    fn carry_out(&mut self, done: &mut Done) -> Halt {
        let world = self.world.clone();
        let (act, began) = (done.act.clone(), done.began);
        match &act {
            Act::Line(_) | Act::End | Act::Edited(_) | Act::Interrupt => self.at_terminal(&act, began),
            Act::Go { host, user } => {
                self.go(host, user);
                Halt::Done
            }
            Act::Wait(time) => {
                let until = world.now() + *time;
                let halt = self.run(until, |_| false);
                if halt == Halt::Rest {
                    world.set_now(until);
                }
                halt
            }
            Act::Until { pattern, within } => {
                let found = self.search(began, world.now() + *within, pattern);
                match found {
                    Ok(id) => {
                        done.notes.push(self.event_line(id));
                        Halt::Done
                    }
                    Err(halt) => {
                        done.notes
                            .push(format!("nothing with `{pattern}` in it happened in {}", spoken(*within)));
                        halt
                    }
                }
            }
            Act::Step(n) => {
                self.frozen = true;
                self.steps(*n, done, text::is_telling, Lab::event_line)
            }
            Act::Next(n) => {
                self.frozen = true;
                self.steps(*n, done, is_hand_over, look::hand_over)
            }
            Act::Freeze => {
                self.frozen = true;
                Halt::Done
            }
            Act::Thaw => {
                self.frozen = false;
                self.rest(AFTER_COMMAND)
            }
            Act::Break(pattern) => {
                self.breaks.push(pattern.clone());
                Halt::Done
            }
            Act::NoBreaks => {
                self.breaks.clear();
                Halt::Done
            }
            Act::Fault(t) => {
                trouble::begin(&world, t);
                Halt::Done
            }
            Act::Heal(t) => {
                trouble::end(&world, t.as_ref());
                Halt::Done
            }
        }
    }

    /// What is typed, and what follows from it.
    fn at_terminal(&mut self, act: &Act, began: u32) -> Halt {
        let Some(place) = self.places.last() else { return Halt::Done };
        let in_dialogue = self.in_dialogue();
        let (terminal, world) = (place.terminal.clone(), &self.world);
        match act {
            Act::Line(line) => terminal.type_line(world, line),
            Act::End => terminal.type_end(world),
            Act::Edited(text) => terminal.finish_edit(world, text.clone().map(Into::into)),
            _ => {
                terminal.flush();
                place.host.interrupt(&place.child);
            }
        }
        let interrupted = matches!(act, Act::Interrupt);
        if self.frozen {
            // A dialogue is with a server, and that stands.
            return if in_dialogue && !interrupted { Halt::Done } else { self.run_held(began) };
        }
        if in_dialogue && !interrupted {
            return self.rest(AFTER_LINE);
        }
        let limit = self.world.now() + PATIENCE;
        match self.run(limit, Lab::prompts) {
            Halt::Done if self.in_dialogue() => self.rest(AFTER_LINE),
            Halt::Done => self.rest(AFTER_COMMAND),
            halt => halt,
        }
    }

    /// Lets the world come to rest, for at most `time`.
    fn rest(&mut self, time: Duration) -> Halt {
        let limit = self.world.now() + time;
        match self.run(limit, |lab| lab.world.is_at_rest()) {
            Halt::Rest => Halt::Done,
            halt => halt,
        }
    }

    /// Runs the world until `done`, at most until `limit`.
    fn run(&mut self, limit: Time, done: impl Fn(&Lab) -> bool) -> Halt {
        for _ in 0..MOST {
            if done(self) {
                return Halt::Done;
            }
            let next = self.world.next_time();
            match self.stop {
                Some(Stop::Event(n)) if self.world.trace().len() >= n => return Halt::Stopped,
                Some(Stop::Time(t)) if next.is_none_or(|next| next > t) => {
                    self.world.set_now(t);
                    return Halt::Stopped;
                }
                _ => {}
            }
            let before = self.world.trace().len();
            if next.is_none_or(|t| t > limit) || !self.world.step() {
                return Halt::Rest;
            }
            if !self.breaks.is_empty()
                && let Some(id) = self.events_since(before).find(|id| self.breaks_at(*id))
            {
                return Halt::Break(id);
            }
        }
        Halt::Busy
    }

    /// Runs the foreground program alone, and what it sets going, while the clock stands.
    fn run_held(&mut self, since: u32) -> Halt {
        for _ in 0..MOST_HELD {
            if self.prompts() {
                return Halt::Done;
            }
            let Some(place) = self.places.last() else { return Halt::Done };
            let first = place.child.process().pid();
            let ours = |id: ProcId| {
                let named = self.world.trace().process(id).map(|p| (p.host.clone(), p.pid));
                named.is_some_and(|(host, pid)| host == *place.host.name() && place.host.descends(pid, first))
            };
            if !self.world.step_held(ours, since, HELD) {
                return Halt::Rest;
            }
        }
        Halt::Rest
    }

    /// Does the foreground program wait for what is typed, or only look on?
    fn prompts(&self) -> bool {
        let Some(place) = self.places.last() else { return true };
        let waits = place.child.status().is_some() || place.terminal.wants_line();
        waits || place.terminal.draft().is_some() || (self.world.is_at_rest() && self.watches())
    }

    fn watches(&self) -> bool {
        let Some(place) = self.places.last() else { return false };
        let first = place.child.process().pid();
        let all = place.host.processes();
        all.iter().any(|p| p.is_watching() && !p.is_background() && place.host.descends(p.pid(), first))
    }

    fn waits_for_time(&self) -> bool {
        !self.prompts()
    }

    /// Runs on until the trace has `n` more events of a kind, and notes them.
    fn steps(
        &mut self,
        n: u32,
        done: &mut Done,
        wanted: fn(&Kind) -> bool,
        told: fn(&Lab, EventId) -> String,
    ) -> Halt {
        let seen = Cell::new(self.world.trace().len());
        let (left, found) = (Cell::new(n), RefCell::new(Vec::new()));
        let look = |lab: &Lab| {
            let new = lab.events_since(seen.get());
            seen.set(lab.world.trace().len());
            let is_wanted = |id: &EventId| lab.world.trace().event(*id).is_some_and(|e| wanted(&e.kind));
            let new: Vec<EventId> = new.filter(is_wanted).collect();
            left.set(left.get().saturating_sub(u32::from(!new.is_empty())));
            found.borrow_mut().extend(new);
            left.get() == 0
        };
        let limit = self.world.now() + AHEAD;
        let halt = self.run(limit, look);
        look(self);
        done.notes.extend(found.borrow().iter().map(|id| told(self, *id)));
        if halt == Halt::Rest {
            done.short = Some(n - left.get());
        }
        Halt::Done
    }

    fn search(&mut self, began: u32, limit: Time, pattern: &str) -> Result<EventId, Halt> {
        let (seen, found) = (Cell::new(began), Cell::new(None));
        let halt = self.run(limit, |lab| {
            let ids = lab.events_since(seen.get());
            seen.set(lab.world.trace().len());
            found.set(ids.into_iter().find(|id| lab.event_line(*id).contains(pattern)));
            found.get().is_some()
        });
        found.get().ok_or(halt)
    }

    fn breaks_at(&self, id: EventId) -> bool {
        let line = self.event_line(id);
        self.breaks.iter().any(|b| line.contains(b.as_str()))
    }

    fn events_since(&self, count: u32) -> impl Iterator<Item = EventId> + use<> {
        (count + 1..=self.world.trace().len()).filter_map(EventId::new)
    }

    /// An event in a line, as the trace shows it.
    pub fn event_line(&self, id: EventId) -> String {
        let trace = self.world.trace();
        let mut line = String::new();
        if let Some(event) = trace.event(id) {
            text::line(&trace, id, event, false, &mut line);
        }
        line.trim_end().to_owned()
    }

    /// Sits down at a host as a user: at the terminal one had there, or at a new one.
    fn go(&mut self, name: &str, user: &str) {
        if let Some(n) = self.places.iter().position(|p| &**p.host.name() == name && p.user == user) {
            let place = self.places.remove(n);
            self.places.push(place);
            return;
        }
        let Some(host) = self.world.host(name) else { return };
        let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
        let cred = host.login(user).unwrap_or_else(|_| Cred::root());
        let (terminal, open) = Terminal::new(&host);
        terminal.set_quiet(self.quiet);
        let mut env = boot::environment(user, &home);
        env.insert("MAILRC".into(), crate::mua::PERSON_RC.into());
        let child = host.start("login", cred, env, &home, async move |p| {
            for fd in [STDIN, STDOUT, STDERR] {
                p.set_fd(fd, Some(open.clone()));
            }
            p.exec("/bin/bash", &["-bash".into()]).await.unwrap_or(127)
        });
        self.places.push(Place { host, user: user.to_owned(), child, terminal, prompt: String::new() });
        let began = self.world.trace().len();
        if self.frozen {
            self.run_held(began);
        } else {
            let limit = self.world.now() + AFTER_COMMAND;
            self.run(limit, Lab::prompts);
        }
    }

    /// Takes what was printed, and leaves the terminals whose shells have ended.
    fn collect(&mut self) -> String {
        let mut said = String::new();
        while let Some(place) = self.places.last_mut() {
            let bytes = place.terminal.take_output();
            let text = String::from_utf8_lossy(&bytes);
            if !text.is_empty() {
                place.prompt = text.rsplit('\n').next().unwrap_or_default().to_owned();
            }
            let whole = text.strip_suffix(place.prompt.as_str()).unwrap_or(&text);
            said.push_str(whole);
            if place.child.status().is_none() {
                break;
            }
            self.places.pop();
        }
        said
    }

    /// The beginning of a line that waits for what is typed.
    pub fn prompt(&self) -> &str {
        self.place().map_or("", |p| p.prompt.as_str())
    }

    /// The name of the program that waits for a line.
    pub fn program(&self) -> Rc<str> {
        let reader = self.place().and_then(|p| p.terminal.reader(&self.world));
        let trace = self.world.trace();
        reader.and_then(|id| trace.process(id)).map_or_else(|| "".into(), |p| p.program.clone())
    }

    /// Is it another program than a shell that waits for a line?
    pub fn in_dialogue(&self) -> bool {
        !matches!(&*self.program(), "bash" | "sh" | "dash" | "")
    }

    /// Does a shell wait for a command?
    pub fn at_prompt(&self) -> bool {
        self.place().is_some_and(|p| p.terminal.wants_line()) && !self.in_dialogue()
    }

    fn directory(&self) -> Option<String> {
        let place = self.place().filter(|_| !self.in_dialogue())?;
        let reader = place.terminal.reader(&self.world)?;
        let pid = self.world.trace().process(reader)?.pid;
        Some(place.host.process(pid)?.cwd_path())
    }

    /// The user as whom the program runs that waits for a line.
    fn user(&self) -> String {
        let Some(place) = self.place() else { return String::new() };
        let uid = place.process(&self.world).cred().uid;
        let (fs, mut users) = (place.host.fs(), place.host.users());
        users.getpwuid(&fs, uid).map_or_else(|| place.user.clone(), |u| u.name.clone())
    }
}

impl Place {
    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The user who logged in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A text that a program wants to have edited.
    pub fn draft(&self) -> Option<Draft> {
        self.terminal.draft()
    }

    /// Is what is typed kept from being seen?
    pub fn is_silent(&self) -> bool {
        self.terminal.is_silent()
    }

    /// The process that waits for a line, or else the login shell's, for its rights and directory.
    pub fn process(&self, world: &World) -> crate::world::process::Process {
        let reader = self.terminal.reader(world);
        let pid = reader.and_then(|id| world.trace().process(id).map(|p| p.pid));
        pid.and_then(|pid| self.host.process(pid)).unwrap_or_else(|| self.child.process().clone())
    }
}

/// A span of time as it is said: `5d`, `1h30m`, `20s`.
pub fn spoken(time: Duration) -> String {
    let mut left = time.as_secs();
    let mut out = String::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if left >= seconds {
            out.push_str(&format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    if out.is_empty() { format!("{} ms", time.as_millis()) } else { out }
}

/// Does a message, or a wish about one, pass from one program to another?
fn is_hand_over(kind: &Kind) -> bool {
    match kind {
        Kind::HandOver { to, .. } => !to.ends_with("/private/rewrite"),
        Kind::Queue { .. } => true,
        Kind::Log { line } => line.contains("status="),
        _ => false,
    }
}

/// The scenario with lines put behind the main.cf of some hosts.
fn with_settings(scenario: &Scenario, settings: &[Setting]) -> Result<Scenario, Problem> {
    let mut changed = scenario.clone();
    for setting in settings {
        let Some(host) = changed.hosts.get_mut(&setting.host) else { continue };
        if !host.files.contains_key(MAIN_CF) {
            host.files.insert(MAIN_CF.to_owned(), File { text: boot::main_cf()?, ..File::default() });
        }
        if let Some(file) = host.files.get_mut(MAIN_CF) {
            let end = if file.text.is_empty() || file.text.ends_with('\n') { "" } else { "\n" };
            file.text = format!("{}{end}{}\n", file.text, setting.line);
        }
    }
    Ok(changed)
}
