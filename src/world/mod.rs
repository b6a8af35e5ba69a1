//! The simulated machines. The world knows no mail.
//!
//! - [`clock`], [`agenda`]: virtual time, and what is going to happen
//! - [`stream`]: pipes and connections; [`net`]: who reaches whom; [`faults`]: what fails on cue
//! - [`dns`]: the name server and each host's resolver
//! - [`host`]: a machine: its files ([`fs`]), users ([`passwd`], [`users`]), processes, log ([`syslog`])
//! - [`terminal`]: a person at its keyboard
//! - [`process`]: a running program's view of its machine, the interface of everything above
//! - [`errno`], [`rng`]: the small things they share
//!
//! The world is a discrete-event simulation: one thread, one [agenda], and tasks that
//! are polled when an entry of the agenda wakes them. [`World::step`] does one entry.

pub mod agenda;
pub mod base;
pub mod clock;
pub mod dns;
pub mod errno;
pub mod exec;
pub mod faults;
pub mod files;
pub mod fs;
pub mod host;
pub mod net;
pub mod open;
pub mod passwd;
pub mod process;
pub mod rng;
pub mod stream;
pub mod syslog;
pub mod terminal;
pub mod timer;
pub mod tls;
pub mod users;

use crate::trace::{EventId, Keep, Kind, ProcId, Trace};
use agenda::{Action, Agenda, TaskId, Weight};
use clock::{Duration, Time};
use faults::Faults;
use host::Host;
use indexmap::IndexMap;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

/// The delay of a hand-over between two processes of one host.
pub const HOP: Duration = Duration::from_micros(200);

/// The delay of a segment between two hosts.
pub const LATENCY: Duration = Duration::from_millis(1);

/// More events than this at one instant are a livelock.
const EVENTS_AT_ONE_INSTANT: u64 = 1_000_000;

/// The whole simulated Internet; a handle, cheap to clone.
#[derive(Clone)]
pub struct World(Rc<Inner>);

struct Inner {
    now: Cell<Time>,
    seed: u64,
    agenda: RefCell<Agenda>,
    tasks: RefCell<Tasks>,
    ready: RefCell<VecDeque<TaskId>>,
    trace: RefCell<Trace>,
    traced: bool,
    hosts: RefCell<IndexMap<Rc<str>, Host>>,
    addresses: RefCell<IndexMap<std::net::IpAddr, u32>>,
    zone: RefCell<crate::proto::dns::Zone>,
    /// What the name server answered from these records.
    answers: RefCell<dns::Answers>,
    faults: RefCell<Faults>,
    programs: process::Programs,
    current: Cell<Current>,
    failure: RefCell<Option<Failure>>,
    at_this_instant: Cell<u64>,
    /// How many holders of locks there have been.
    owners: Cell<u64>,
    log_time: RefCell<syslog::LogTime>,
}

/// What is being polled.
#[derive(Clone, Copy, Default)]
struct Current {
    task: Option<TaskId>,
    process: ProcId,
    cause: Option<EventId>,
    /// The last event recorded since the entry began.
    last: Option<EventId>,
}

/// Why a run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The program that failed, with its host and process id.
    pub program: String,
    /// The number of the last event before it.
    pub event: u32,
    /// What it said.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed after event {}: {}", self.program, self.event, self.message)
    }
}

impl std::error::Error for Failure {}

type Job = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    process: ProcId,
    state: SlotState,
}

enum SlotState {
    Free,
    /// Out of the table while it is polled; `killed` if it must not come back.
    Polled {
        killed: bool,
    },
    Parked(Job),
}

impl World {
    /// A world without hosts.
    pub fn new(start: Time, seed: u64, keep: Keep, programs: process::Programs) -> World {
        let mut trace = Trace::new(keep);
        let nobody = crate::trace::ProcessName { host: "".into(), program: "world".into(), pid: 0 };
        trace.name_process(nobody);
        World(Rc::new(Inner {
            now: Cell::new(start),
            seed,
            agenda: RefCell::default(),
            tasks: RefCell::default(),
            ready: RefCell::default(),
            traced: trace.kept(),
            trace: RefCell::new(trace),
            hosts: RefCell::default(),
            addresses: RefCell::default(),
            zone: RefCell::default(),
            answers: RefCell::default(),
            faults: RefCell::default(),
            programs,
            current: Cell::default(),
            failure: RefCell::default(),
            at_this_instant: Cell::new(0),
            owners: Cell::new(0),
            log_time: RefCell::default(),
        }))
    }

    /// The virtual clock.
    pub fn now(&self) -> Time {
        self.0.now.get()
    }

    /// The seed of everything random.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// The hosts, in the order in which they were made.
    pub fn hosts(&self) -> Vec<Host> {
        self.0.hosts.borrow().values().cloned().collect()
    }

    /// A host by its name.
    pub fn host(&self, name: &str) -> Option<Host> {
        self.0.hosts.borrow().get(name).cloned()
    }

    /// The trace so far.
    pub fn trace(&self) -> Ref<'_, Trace> {
        self.0.trace.borrow()
    }

    pub(crate) fn trace_mut(&self) -> RefMut<'_, Trace> {
        self.0.trace.borrow_mut()
    }

    /// Is the trace kept? Texts that only it needs are not made otherwise.
    pub fn traced(&self) -> bool {
        self.0.traced
    }

    /// Why the run cannot go on, if so.
    pub fn failure(&self) -> Option<Failure> {
        self.0.failure.borrow().clone()
    }

    /// The faults in force.
    pub fn faults(&self) -> Ref<'_, Faults> {
        self.0.faults.borrow()
    }

    /// The faults in force, to begin or end one.
    pub fn faults_mut(&self) -> RefMut<'_, Faults> {
        self.0.faults.borrow_mut()
    }

    /// The records of the name server.
    pub fn zone(&self) -> Ref<'_, crate::proto::dns::Zone> {
        self.0.zone.borrow()
    }

    /// The records of the name server, to add to them.
    pub fn zone_mut(&self) -> RefMut<'_, crate::proto::dns::Zone> {
        self.0.answers.borrow_mut().clear();
        self.0.zone.borrow_mut()
    }

    fn log_time(&self) -> &RefCell<syslog::LogTime> {
        &self.0.log_time
    }

    pub(crate) fn programs(&self) -> &process::Programs {
        &self.0.programs
    }

    /// Records an event of the process that is running.
    pub fn record(&self, kind: Kind) -> EventId {
        self.record_for(self.current_process(), kind)
    }

    /// Records an event of a given process.
    pub fn record_for(&self, process: ProcId, kind: Kind) -> EventId {
        let mut current = self.0.current.get();
        let id = self.0.trace.borrow_mut().record(self.now(), process, current.cause, kind);
        current.last = Some(id);
        self.0.current.set(current);
        id
    }

    pub(crate) fn current_process(&self) -> ProcId {
        self.0.current.get().process
    }

    pub(crate) fn current_task(&self) -> Option<TaskId> {
        self.0.current.get().task
    }

    fn put(&self, at: Time, weight: Weight, action: Action) -> u64 {
        assert!(at >= self.now(), "an entry of the agenda lies in the past");
        let current = self.0.current.get();
        let cause = current.last.or(current.cause);
        self.0.agenda.borrow_mut().put(at, weight, cause, action)
    }

    /// Has `f` called after `pause`.
    pub(crate) fn call_after(&self, pause: Duration, weight: Weight, f: impl FnOnce(&World) + 'static) {
        self.put(self.now() + pause, weight, Action::Call(Box::new(f)));
    }

    /// Wakes a task as a hand-over between processes does: by an entry of the agenda.
    pub(crate) fn wake(&self, task: TaskId) {
        self.put(self.now() + HOP, Weight::Busy, Action::Wake(task));
    }

    /// Wakes a task at a given time; gives the entry's number, by which it can be cancelled.
    pub(crate) fn wake_at(&self, at: Time, weight: Weight, task: TaskId) -> u64 {
        self.put(at.max(self.now()), weight, Action::Wake(task))
    }

    /// Takes an entry back, which was put down for `at`.
    pub(crate) fn cancel(&self, at: Time, entry: u64) {
        self.0.agenda.borrow_mut().cancel(at, entry);
    }

    /// Has a task polled within the present entry of the agenda.
    pub(crate) fn ready(&self, task: TaskId) {
        self.0.ready.borrow_mut().push_back(task);
    }

    /// Puts a task into the world; it first runs at the next entry.
    pub(crate) fn spawn(&self, process: ProcId, job: Job) -> TaskId {
        let mut tasks = self.0.tasks.borrow_mut();
        let slot = tasks.free.pop().unwrap_or_else(|| {
            tasks.slots.push(Slot { generation: 0, process, state: SlotState::Free });
            tasks.slots.len() as u32 - 1
        });
        let s = &mut tasks.slots[slot as usize];
        s.process = process;
        s.state = SlotState::Parked(job);
        let id = TaskId { slot, generation: s.generation };
        drop(tasks);
        self.wake(id);
        id
    }

    /// The process that a task belongs to.
    pub(crate) fn process_of(&self, id: TaskId) -> Option<ProcId> {
        let tasks = self.0.tasks.borrow();
        tasks.slots.get(id.slot as usize).filter(|s| s.generation == id.generation).map(|s| s.process)
    }

    /// Has the task not ended yet?
    pub(crate) fn is_alive(&self, id: TaskId) -> bool {
        let tasks = self.0.tasks.borrow();
        tasks.slots.get(id.slot as usize).is_some_and(|s| s.generation == id.generation)
    }

    /// Ends a task wherever it waits.
    pub(crate) fn kill_task(&self, id: TaskId) {
        let job = {
            let mut tasks = self.0.tasks.borrow_mut();
            match tasks.slots.get_mut(id.slot as usize) {
                Some(s) if s.generation == id.generation => match &mut s.state {
                    SlotState::Polled { killed } => {
                        *killed = true;
                        None
                    }
                    SlotState::Parked(_) => tasks.vacate(id.slot),
                    SlotState::Free => None,
                },
                _ => None,
            }
        };
        drop(job); // outside the borrow: what it holds may wake others
    }

    /// Does the next entry of the agenda; false when there is none, or the run has failed.
    pub fn step(&self) -> bool {
        if self.0.failure.borrow().is_some() {
            return false;
        }
        let Some(entry) = self.0.agenda.borrow_mut().take() else { return false };
        debug_assert!(entry.at >= self.now(), "time goes back");
        self.act(entry);
        true
    }

    /// Does an entry.
    fn act(&self, entry: agenda::Entry) {
        if entry.at > self.now() {
            self.0.now.set(entry.at);
            self.0.at_this_instant.set(0);
        }
        let cause = entry.cause;
        self.0.current.set(Current { cause, ..Current::default() });
        match entry.action {
            Action::Wake(task) => self.poll(task, cause),
            Action::Arrive(pipe, item) => pipe.arrive(self, item),
            Action::Call(f) => f(self),
            Action::Nothing => {}
        }
        loop {
            let Some(task) = self.0.ready.borrow_mut().pop_front() else { break };
            let current = self.0.current.get();
            self.poll(task, current.last.or(cause));
        }
        self.watch_for_livelock();
        // What is done from outside before the next entry is no process's doing.
        let current = self.0.current.get();
        self.0.current.set(Current { task: None, process: ProcId::default(), ..current });
    }

    /// Does one entry while the clock stands: the next that belongs to a process for which `ours`
    /// holds, or else the next that was caused by what happened from event `since` on. What lies
    /// more than `ahead` in front of the clock waits for time, and is left. False when there is none.
    pub fn step_held(&self, ours: impl Fn(ProcId) -> bool, since: u32, ahead: Duration) -> bool {
        if self.0.failure.borrow().is_some() {
            return false;
        }
        let limit = self.now() + ahead;
        let process = |entry: &agenda::Entry| match &entry.action {
            Action::Wake(task) => {
                let tasks = self.0.tasks.borrow();
                tasks.slots.get(task.slot as usize).map(|s| s.process)
            }
            Action::Arrive(pipe, _) => Some(pipe.owner()),
            Action::Call(_) | Action::Nothing => None,
        };
        let mut agenda = self.0.agenda.borrow_mut();
        let mine = agenda.take_where(|e| e.at <= limit && process(e).is_some_and(&ours));
        let caused = |e: &agenda::Entry| e.at <= limit && e.cause.is_some_and(|c| c.get() > since);
        let Some(entry) = mine.or_else(|| agenda.take_where(caused)) else { return false };
        drop(agenda);
        self.act(agenda::Entry { at: self.now(), ..entry });
        true
    }

    /// Runs on while something is going on: until only time-outs and periodic looks are left.
    pub fn settle(&self) {
        while self.0.agenda.borrow().busy() > 0 && self.step() {}
    }

    /// Is nothing going on: are only time-outs and periodic looks left?
    pub fn is_at_rest(&self) -> bool {
        self.0.agenda.borrow().busy() == 0
    }

    /// When the next thing happens, if anything is to happen.
    pub fn next_time(&self) -> Option<Time> {
        self.0.agenda.borrow().next_time()
    }

    /// Sets the clock to `at`, where nothing happens before.
    pub fn set_now(&self, at: Time) {
        if at > self.now() && self.next_time().is_none_or(|t| t >= at) {
            self.0.now.set(at);
        }
    }

    /// Runs on until `at`, and sets the clock there.
    pub fn run_until(&self, at: Time) {
        while self.0.agenda.borrow().next_time().is_some_and(|t| t <= at) && self.step() {}
        if self.0.failure.borrow().is_none() && at > self.now() {
            self.0.now.set(at);
        }
    }

    /// Runs on until `done` says so, at most until `limit`; tells whether it was done.
    pub fn run_while(&self, limit: Time, mut done: impl FnMut() -> bool) -> bool {
        while !done() {
            if self.0.agenda.borrow().next_time().is_none_or(|t| t > limit) || !self.step() {
                return done();
            }
        }
        true
    }

    /// Ends everything, so that what refers to the world in a circle is let go.
    pub fn shut_down(&self) {
        let entries = self.0.agenda.borrow_mut().clear();
        drop(entries);
        let slots = std::mem::take(&mut *self.0.tasks.borrow_mut()).slots;
        drop(slots);
        let entries = self.0.agenda.borrow_mut().clear();
        drop(entries);
        for host in self.hosts() {
            host.shut_down();
        }
        self.0.hosts.borrow_mut().clear();
    }

    fn poll(&self, id: TaskId, cause: Option<EventId>) {
        let (mut job, process) = {
            let mut tasks = self.0.tasks.borrow_mut();
            let Some(slot) = tasks.slots.get_mut(id.slot as usize) else { return };
            if slot.generation != id.generation || !matches!(slot.state, SlotState::Parked(_)) {
                return;
            }
            let state = std::mem::replace(&mut slot.state, SlotState::Polled { killed: false });
            let SlotState::Parked(job) = state else { return };
            (job, slot.process)
        };
        self.0.current.set(Current { task: Some(id), process, cause, last: None });
        let polled =
            catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        let done = match polled {
            Ok(poll) => poll.is_ready(),
            Err(panic) => {
                self.fail(process, &panic_text(&*panic));
                true
            }
        };
        let mut tasks = self.0.tasks.borrow_mut();
        // The table is emptied under us when the world shuts down.
        let Some(slot) = tasks.slots.get_mut(id.slot as usize) else { return };
        let killed = matches!(slot.state, SlotState::Polled { killed: true });
        if done || killed {
            let _ = tasks.vacate(id.slot);
            drop(tasks);
            drop(job);
        } else {
            slot.state = SlotState::Parked(job);
        }
    }

    fn fail(&self, process: ProcId, message: &str) {
        let trace = self.0.trace.borrow();
        let program = trace
            .process(process)
            .map_or_else(|| "a program".to_owned(), |p| format!("{}[{}] on {}", p.program, p.pid, p.host));
        let event = trace.len();
        self.0.failure.borrow_mut().get_or_insert(Failure { program, event, message: message.to_owned() });
    }

    fn watch_for_livelock(&self) {
        let n = self.0.at_this_instant.get() + 1;
        self.0.at_this_instant.set(n);
        if n > EVENTS_AT_ONE_INSTANT {
            let message =
                format!("time stands still at {}: more than {EVENTS_AT_ONE_INSTANT} events", self.now());
            self.fail(self.current_process(), &message);
        }
    }
}

impl Tasks {
    /// Frees a slot and gives back the job that was in it.
    fn vacate(&mut self, slot: u32) -> Option<Job> {
        let s = &mut self.slots[slot as usize];
        s.generation = s.generation.wrapping_add(1);
        self.free.push(slot);
        match std::mem::replace(&mut s.state, SlotState::Free) {
            SlotState::Parked(job) => Some(job),
            _ => None,
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Keep;
    use clock::Duration;

    /// A world with one host, on which a process of this name does this after a second.
    fn world_with(name: &str, run: impl AsyncFnOnce() + 'static) -> World {
        let now = Time::DEFAULT;
        let world = World::new(now, 1, Keep::All, process::Programs::default());
        let mut fs = base::system(now);
        base::personalise(&mut fs, "mx.example.com", now).unwrap();
        let host = world.add_host("mx.example.com", vec!["192.0.2.25".parse().unwrap()], fs).unwrap();
        let root = host.login("root").unwrap();
        host.start(name, root, Default::default(), "/", async move |p| {
            p.sleep(Duration::from_secs(1)).await;
            run().await;
            0
        });
        world
    }

    #[test]
    fn a_panic_ends_the_run_and_is_named() {
        let world = world_with("brittle", async || panic!("a wheel came off"));
        world.run_until(Time::DEFAULT + Duration::from_secs(3600));
        let failure = world.failure().expect("the run has failed");
        assert!(failure.program.starts_with("brittle["), "{failure}");
        assert!(failure.program.ends_with(" on mx.example.com"), "{failure}");
        assert_eq!(failure.message, "a wheel came off");
        assert_eq!(failure.event, world.trace().len(), "{failure}");
        assert!(!world.step(), "a failed world takes no further step");
        world.shut_down();
    }
}
