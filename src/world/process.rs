//! A running program's view of its machine: the interface of everything above the world.
//!
//! A program is an `async fn(Process) -> i32`, its result the exit status. It lives in an
//! executable file; what it may do follows from its credentials; what it does is recorded.
//!
//! - here: identity, environment, time, descriptors, output, the log, decisions
//! - [`files`](super::files): files by their paths
//! - [`exec`](super::exec): new processes, programs, signals
//! - [`net`](super::net): sockets; [`dns`](super::dns): names

use super::World;
use super::agenda::{TaskId, Weight};
use super::clock::{Duration, Time};
use super::errno::{Errno, Sys};
use super::exec::Signal;
use super::fs::Ino;
use super::host::Host;
use super::open::Open;
use super::terminal::Terminal;
use super::timer;
use super::users::{Cred, Uid};
use crate::trace::{Decision, Kind, ProcId};
use bytes::Bytes;
use std::any::Any;
use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// What a program is to the world.
pub type Program = fn(Process) -> Pin<Box<dyn Future<Output = i32>>>;

/// The programs that executable files may name, by name.
#[derive(Clone, Default)]
pub struct Programs(pub(super) Rc<BTreeMap<&'static str, Program>>);

impl Programs {
    /// All programs of a world.
    pub fn new(all: impl IntoIterator<Item = (&'static str, Program)>) -> Programs {
        Programs(Rc::new(all.into_iter().collect()))
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

/// The standard streams' descriptors.
pub const STDIN: i32 = 0;
/// Standard output.
pub const STDOUT: i32 = 1;
/// Standard error.
pub const STDERR: i32 = 2;

/// A process; a handle, cheap to clone.
#[derive(Clone)]
pub struct Process(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub world: World,
    pub host: Host,
    pub trace_id: ProcId,
    pub pid: u32,
    pub parent: u32,
    pub started: Time,
    pub name: RefCell<Rc<str>>,
    pub argv: RefCell<Rc<[Rc<str>]>>,
    pub cred: RefCell<Cred>,
    pub real_uid: Cell<Uid>,
    pub cwd: Cell<Ino>,
    pub umask: Cell<u16>,
    pub env: RefCell<Rc<Environment>>,
    pub fds: RefCell<BTreeMap<i32, Rc<Open>>>,
    pub tasks: RefCell<Vec<TaskId>>,
    pub status: Cell<Option<i32>>,
    pub killed_by: Cell<Option<Signal>>,
    pub awaited_by: RefCell<Vec<TaskId>>,
    pub caught: RefCell<Vec<Signal>>,
    pub signals: RefCell<VecDeque<Signal>>,
    pub signal_waiter: Cell<Option<TaskId>>,
    pub inherited: Option<Rc<dyn Any>>,
    /// Does it run beside what the terminal is for?
    pub background: Cell<bool>,
    /// Does it only look on, until it is told to end?
    pub watches: Cell<bool>,
}

/// Environment variables.
pub type Environment = BTreeMap<Rc<str>, Rc<str>>;

impl Process {
    /// The world.
    pub fn world(&self) -> &World {
        &self.0.world
    }

    /// The machine it runs on.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// Its number on the host.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// The number of the process that started it.
    pub fn parent(&self) -> u32 {
        self.0.parent
    }

    /// When it was started.
    pub fn started(&self) -> Time {
        self.0.started
    }

    /// The name of its program, without directories.
    pub fn name(&self) -> Rc<str> {
        self.0.name.borrow().clone()
    }

    /// Its argument vector; the first is the name it was called by.
    pub fn argv(&self) -> Rc<[Rc<str>]> {
        self.0.argv.borrow().clone()
    }

    /// Its arguments, without the name it was called by.
    pub fn args(&self) -> Vec<Rc<str>> {
        self.0.argv.borrow().iter().skip(1).cloned().collect()
    }

    /// Takes another argument vector, as a shell does for a command it runs in itself; gives the old one.
    pub fn set_argv(&self, argv: Rc<[Rc<str>]>) -> Rc<[Rc<str>]> {
        self.0.argv.replace(argv)
    }

    /// With whose rights it acts.
    pub fn cred(&self) -> Ref<'_, Cred> {
        self.0.cred.borrow()
    }

    /// Acts with other rights from now on; the caller has checked that it may.
    pub fn set_cred(&self, cred: Cred) {
        self.0.cred.replace(cred);
    }

    /// Does something with other rights, and takes its own back.
    pub fn with_rights<T>(&self, cred: &Cred, f: impl FnOnce(&Process) -> T) -> T {
        let own = self.0.cred.replace(cred.clone());
        let result = f(self);
        self.0.cred.replace(own);
        result
    }

    /// The user who started it, whatever rights a set-id program gave it.
    pub fn real_uid(&self) -> Uid {
        self.0.real_uid.get()
    }

    /// Belongs to another user from now on.
    pub fn set_real_uid(&self, uid: Uid) {
        self.0.real_uid.set(uid);
    }

    /// Does it run in the background, where Ctrl-C does not reach it?
    pub fn is_background(&self) -> bool {
        self.0.background.get()
    }

    /// It and what it starts from now on run in the background.
    pub fn to_background(&self) {
        self.0.background.set(true);
    }

    /// It only looks on from now on, and ends when it is told to: nobody need wait for its end.
    pub fn only_watches(&self) {
        self.0.watches.set(true);
    }

    /// Does it only look on?
    pub fn is_watching(&self) -> bool {
        self.0.watches.get()
    }

    /// The terminal behind a descriptor, where it is one (isatty(3)).
    pub fn terminal(&self, fd: i32) -> Option<Rc<Terminal>> {
        self.fd(fd).ok()?.as_terminal().cloned()
    }

    /// Its working directory.
    pub fn cwd(&self) -> Ino {
        self.0.cwd.get()
    }

    /// The mode bits its new files do not get.
    pub fn umask(&self) -> u16 {
        self.0.umask.get()
    }

    /// Sets the mode bits its new files do not get; gives the old ones.
    pub fn set_umask(&self, mask: u16) -> u16 {
        self.0.umask.replace(mask & 0o777)
    }

    /// A variable of its environment.
    pub fn var(&self, name: &str) -> Option<Rc<str>> {
        self.0.env.borrow().get(name).cloned()
    }

    /// Its environment.
    pub fn env(&self) -> Rc<Environment> {
        self.0.env.borrow().clone()
    }

    /// Sets or, with `None`, removes a variable.
    pub fn set_var(&self, name: &str, value: Option<&str>) {
        let mut env = self.0.env.borrow_mut();
        let env = Rc::make_mut(&mut env);
        match value {
            Some(value) => env.insert(name.into(), value.into()),
            None => env.remove(name),
        };
    }

    /// Replaces its environment.
    pub fn set_env(&self, env: Environment) {
        self.0.env.replace(Rc::new(env));
    }

    /// What the starter left for it besides descriptors.
    pub fn inherited<T: 'static>(&self) -> Option<Rc<T>> {
        self.0.inherited.clone()?.downcast().ok()
    }

    /// The clock.
    pub fn now(&self) -> Time {
        self.0.world.now()
    }

    /// Waits, as part of what it does: the world is not at rest meanwhile.
    pub async fn sleep(&self, pause: Duration) {
        timer::sleep(&self.0.world, pause, Weight::Busy).await;
    }

    /// Waits for a time when something may be due: the world may rest meanwhile.
    pub async fn idle(&self, pause: Duration) {
        timer::sleep(&self.0.world, pause, Weight::Idle).await;
    }

    /// Waits for `work`, at most for `limit`; `None` when time ran out.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        timer::timeout(&self.0.world, limit, work).await
    }

    /// The open file under a descriptor.
    ///
    /// # Errors
    /// `EBADF` where there is none.
    pub fn fd(&self, fd: i32) -> Sys<Rc<Open>> {
        self.0.fds.borrow().get(&fd).cloned().ok_or(Errno::EBADF)
    }

    /// Puts an open file under a descriptor; `None` closes it.
    pub fn set_fd(&self, fd: i32, open: Option<Rc<Open>>) {
        let old = match open {
            Some(open) => self.0.fds.borrow_mut().insert(fd, open),
            None => self.0.fds.borrow_mut().remove(&fd),
        };
        drop(old);
    }

    /// Replaces all open descriptors; gives the old ones.
    pub fn set_fds(&self, fds: BTreeMap<i32, Rc<Open>>) -> BTreeMap<i32, Rc<Open>> {
        self.0.fds.replace(fds)
    }

    /// All open descriptors.
    pub fn fds(&self) -> BTreeMap<i32, Rc<Open>> {
        self.0.fds.borrow().clone()
    }

    /// Reads at most `max` octets from standard input; none at its end, or where it is closed.
    pub async fn read_stdin(&self, max: usize) -> Bytes {
        match self.fd(STDIN) {
            Ok(open) => open.read(max).await.unwrap_or_default(),
            Err(_) => Bytes::new(),
        }
    }

    /// Writes to standard output. A process that writes to a pipe nobody reads ends there,
    /// by SIGPIPE.
    pub async fn print(&self, text: impl Into<Bytes>) {
        self.write(STDOUT, text).await;
    }

    /// Writes to standard error.
    pub async fn eprint(&self, text: impl Into<Bytes>) {
        self.write(STDERR, text).await;
    }

    /// Writes to a descriptor, ending by SIGPIPE when nobody reads. Other errors are the
    /// program's own affair: use [`fd`](Process::fd) to see them.
    pub async fn write(&self, fd: i32, text: impl Into<Bytes>) {
        let Ok(open) = self.fd(fd) else { return };
        if let Err(Errno::EPIPE) = open.write(text).await {
            self.die(Signal::Pipe).await;
        }
    }

    /// Records why the program chose as it did; the text is made only where the trace is kept.
    pub fn decide(&self, decision: impl FnOnce() -> Decision) {
        if self.0.world.traced() {
            self.0.world.record(Kind::Decision(Rc::new(decision())));
        }
    }

    /// Records decisions that were made in the same words before.
    pub fn decide_again(&self, decisions: &[Rc<Decision>]) {
        for decision in decisions {
            self.0.world.record(Kind::Decision(decision.clone()));
        }
    }

    /// Records that a message went from one queue to another.
    pub fn queue_event(&self, id: &Rc<str>, hop: &'static [&'static str; 2]) {
        if self.0.world.traced() {
            self.0.world.record(Kind::Queue { id: id.clone(), hop });
        }
    }

    /// Records that something passed to another process by way of a file or descriptor `to`.
    pub fn hand_over(&self, to: &str, what: impl FnOnce() -> String) {
        if self.0.world.traced() {
            self.0.world.record(Kind::HandOver { to: to.into(), what: what().into() });
        }
    }
}
