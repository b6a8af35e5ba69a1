//! New processes, programs and signals.

use super::agenda::TaskId;
use super::errno::{Errno, Sys};
use super::fs::{Access, Kind as NodeKind};
use super::host::Host;
use super::open::Open;
use super::process::{Environment, Inner, Process, Program};
use super::stream::{Pipe, Reader, Writer};
use super::users::Cred;
use super::{HOP, World, base};
use crate::trace::{Kind, ProcessName};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

/// The signals of the lab (signal(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// The terminal is gone; daemons read their configuration again.
    Hup,
    /// Interrupt, as by Ctrl-C.
    Int,
    /// Quit, as by Ctrl-\.
    Quit,
    /// Abort.
    Abrt,
    /// Memory that is not there.
    Bus,
    /// Arithmetic that cannot be done.
    Fpe,
    /// Cannot be caught.
    Kill,
    /// For the program's own use.
    Usr1,
    /// Memory that is not the program's.
    Segv,
    /// For the program's own use.
    Usr2,
    /// Written to a pipe that nobody reads.
    Pipe,
    /// A timer.
    Alrm,
    /// Please end.
    Term,
}

impl Signal {
    /// All of them, with their numbers and names.
    pub const ALL: [(Signal, i32, &'static str); 13] = [
        (Signal::Hup, 1, "HUP"),
        (Signal::Int, 2, "INT"),
        (Signal::Quit, 3, "QUIT"),
        (Signal::Abrt, 6, "ABRT"),
        (Signal::Bus, 7, "BUS"),
        (Signal::Fpe, 8, "FPE"),
        (Signal::Kill, 9, "KILL"),
        (Signal::Usr1, 10, "USR1"),
        (Signal::Segv, 11, "SEGV"),
        (Signal::Usr2, 12, "USR2"),
        (Signal::Pipe, 13, "PIPE"),
        (Signal::Alrm, 14, "ALRM"),
        (Signal::Term, 15, "TERM"),
    ];

    /// Its number.
    pub fn number(self) -> i32 {
        Signal::ALL.iter().find(|(s, ..)| *s == self).map_or(0, |(_, n, _)| *n)
    }

    /// By number, name, or name with SIG in front.
    pub fn parse(text: &str) -> Option<Signal> {
        let name = text.strip_prefix("SIG").unwrap_or(text);
        Signal::ALL.iter().find(|(_, n, s)| *s == name || n.to_string() == name).map(|(s, ..)| *s)
    }
}

/// A process that was started; waiting for it gives its exit status.
#[derive(Clone)]
pub struct Child(Process);

impl Child {
    /// The process.
    pub fn process(&self) -> &Process {
        &self.0
    }

    /// Its exit status, if it has ended. A signal n that ended it shows as 128 + n.
    pub fn status(&self) -> Option<i32> {
        self.0.0.status.get()
    }

    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<Signal> {
        self.0.0.killed_by.get()
    }

    /// Waits until it has ended.
    pub async fn wait(&self) -> i32 {
        let inner = &self.0.0;
        poll_fn(|_| match inner.status.get() {
            Some(status) => Poll::Ready(status),
            None => {
                if let Some(task) = inner.world.current_task() {
                    let mut waiting = inner.awaited_by.borrow_mut();
                    if !waiting.contains(&task) {
                        waiting.push(task);
                    }
                }
                Poll::Pending
            }
        })
        .await
    }
}

/// How to start a program.
#[derive(Default)]
pub struct Start {
    /// The argument vector; the first is the name it is called by.
    pub argv: Vec<Rc<str>>,
    /// Its rights, where they are not the starter's.
    pub cred: Option<Cred>,
    /// Its environment, where it is not the starter's.
    pub env: Option<Environment>,
    /// Its descriptors, where they are not the starter's.
    pub fds: Option<BTreeMap<i32, Rc<Open>>>,
    /// Its working directory, where it is not the starter's.
    pub directory: Option<String>,
    /// Whatever else the starter hands it.
    pub inherited: Option<Rc<dyn Any>>,
}

impl Start {
    /// Starts a program with these arguments, the first being the name it is called by.
    pub fn new<S: AsRef<str>>(argv: impl IntoIterator<Item = S>) -> Start {
        Start { argv: argv.into_iter().map(|a| a.as_ref().into()).collect(), ..Start::default() }
    }
}

/// What an executable file turned out to be.
struct Image {
    program: Program,
    name: Rc<str>,
    /// For a script: its interpreter's name, the option on its first line, its own path.
    script: Vec<Rc<str>>,
    set_uid: Option<u32>,
    set_gid: Option<u32>,
}

impl Host {
    /// The first process of a kind that nobody on the host started: a login, a boot script, a person at the keyboard.
    pub fn start(
        &self,
        name: &str,
        cred: Cred,
        env: Environment,
        directory: &str,
        run: impl AsyncFnOnce(Process) -> i32 + 'static,
    ) -> Child {
        let root = self.fs().root();
        let cwd = self.fs().resolve(&cred, root, directory, true).unwrap_or(root);
        let real_uid = cred.uid;
        let process = new_process(
            self,
            name.into(),
            Inner {
                world: self.world().clone(),
                host: self.clone(),
                trace_id: Default::default(),
                pid: self.new_pid(),
                parent: 1,
                started: self.world().now(),
                name: RefCell::new(name.into()),
                argv: RefCell::new(Rc::from([Rc::<str>::from(name)])),
                cred: RefCell::new(cred),
                real_uid: Cell::new(real_uid),
                cwd: Cell::new(cwd),
                umask: Cell::new(0o022),
                env: RefCell::new(Rc::new(env)),
                fds: RefCell::default(),
                tasks: RefCell::default(),
                status: Cell::new(None),
                killed_by: Cell::new(None),
                awaited_by: RefCell::default(),
                caught: RefCell::default(),
                signals: RefCell::new(VecDeque::new()),
                signal_waiter: Cell::new(None),
                inherited: None,
                background: Cell::new(false),
                watches: Cell::new(false),
            },
        );
        process.launch(run);
        Child(process)
    }
}

impl Host {
    /// Ends a program from outside the world, as a person does who closes its terminal.
    pub fn end(&self, child: &Child) {
        child.0.finish(128 + Signal::Hup.number());
    }
}

fn new_process(host: &Host, name: Rc<str>, mut inner: Inner) -> Process {
    let named = ProcessName { host: host.name().clone(), program: name, pid: inner.pid };
    inner.trace_id = host.world().trace_mut().name_process(named);
    host.fs_mut().hold(inner.cwd.get());
    let process = Process(Rc::new(inner));
    host.enter(process.clone());
    process
}

impl Process {
    /// A copy of this process that runs `run`: fork(2).
    pub fn fork(&self, run: impl AsyncFnOnce(Process) -> i32 + 'static) -> Child {
        let child = self.copy(self.name(), Start::default());
        child.launch(run);
        Child(child)
    }

    /// Starts the program in the file `path`: fork(2) and execve(2).
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`, `ENOEXEC` for a file that is no program and no script.
    pub fn spawn(&self, path: &str, mut start: Start) -> Sys<Child> {
        let image = self.load(path)?;
        let argv = image.argv(path, &start.argv);
        let directory = start.directory.take();
        let child = self.copy(image.name.clone(), start);
        if let Some(directory) = directory {
            child.chdir(&directory)?;
        }
        child.become_image(&image, argv.clone());
        let (program, world) = (image.program, self.world());
        world.record_for(child.0.trace_id, Kind::Started { parent: self.pid(), argv });
        child.launch(async move |p| program(p).await);
        Ok(Child(child))
    }

    /// Becomes the program in the file `path` and runs it to its end: execve(2).
    ///
    /// # Errors
    /// As [`spawn`](Process::spawn).
    pub async fn exec(&self, path: &str, argv: &[Rc<str>]) -> Sys<i32> {
        let image = self.load(path)?;
        let argv = image.argv(path, argv);
        self.become_image(&image, argv.clone());
        self.world().record_for(self.0.trace_id, Kind::Started { parent: self.parent(), argv });
        Ok((image.program)(self.clone()).await)
    }

    /// Finds a command as execvp(3) does: by its path, or along `PATH`.
    ///
    /// # Errors
    /// `ENOENT` where there is none, `EACCES` where there is one that may not be run.
    pub fn find_program(&self, name: &str) -> Sys<String> {
        if name.contains('/') {
            self.access(name, Access::EXEC)?;
            return Ok(name.to_owned());
        }
        let path = self.var("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let mut error = Errno::ENOENT;
        for directory in path.split(':') {
            let full = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
            let Ok(stat) = self.stat(&full, true) else { continue };
            if stat.kind != NodeKind::File {
                continue;
            }
            match self.access(&full, Access::EXEC) {
                Ok(()) => return Ok(full),
                Err(e) => error = e,
            }
        }
        Err(error)
    }

    /// Adds a task to the process; it ends with the process.
    pub fn task(&self, job: impl Future<Output = ()> + 'static) {
        let id = self.world().spawn(self.0.trace_id, Box::pin(job));
        let mut tasks = self.0.tasks.borrow_mut();
        // Those that have ended are forgotten whenever the list would have to grow.
        if tasks.len() == tasks.capacity() && tasks.len() > 16 {
            tasks.retain(|t| self.world().is_alive(*t));
        }
        tasks.push(id);
    }

    /// A pipe: what is written to the second is read from the first.
    pub fn pipe(&self) -> (Rc<Open>, Rc<Open>) {
        let pipe = Pipe::new(HOP, None, None);
        let reader = Open::reader(self.host(), Reader::new(self.world(), pipe.clone()));
        let writer = Open::writer(self.host(), Writer::new(self.world(), pipe));
        (reader, writer)
    }

    /// These signals no longer end the process; [`signal`](Process::signal) tells of them.
    pub fn catch(&self, signals: &[Signal]) {
        self.0.caught.borrow_mut().extend_from_slice(signals);
    }

    /// These signals end the process again.
    pub fn uncatch(&self, signals: &[Signal]) {
        self.0.caught.borrow_mut().retain(|s| !signals.contains(s));
    }

    /// A signal that is caught and has come already.
    pub fn take_signal(&self) -> Option<Signal> {
        self.0.signals.borrow_mut().pop_front()
    }

    /// Waits for a signal that is caught.
    pub async fn signal(&self) -> Signal {
        poll_fn(|_| match self.0.signals.borrow_mut().pop_front() {
            Some(signal) => Poll::Ready(signal),
            None => {
                self.0.signal_waiter.set(self.world().current_task());
                Poll::Pending
            }
        })
        .await
    }

    /// Sends a signal to a process of the same host.
    ///
    /// # Errors
    /// `ESRCH` where there is none, `EPERM` where it belongs to somebody else.
    pub fn kill(&self, pid: u32, signal: Signal) -> Sys<()> {
        let target = self.host().process(pid).ok_or(Errno::ESRCH)?;
        let me = self.cred().uid;
        if me != 0 && me != target.cred().uid && self.real_uid() != target.real_uid() {
            return Err(Errno::EPERM);
        }
        target.deliver(signal);
        Ok(())
    }

    /// Ends at once, by a signal.
    pub async fn die(&self, signal: Signal) {
        self.kill_by(signal);
        // The task is gone once it yields.
        std::future::pending::<()>().await;
    }

    /// Ends at once with this status, from wherever it is.
    pub async fn exit(&self, status: i32) -> ! {
        self.finish(status);
        std::future::pending::<std::convert::Infallible>().await;
        unreachable!("a process that has ended is not polled again")
    }

    pub(super) fn deliver(&self, signal: Signal) {
        if self.0.caught.borrow().contains(&signal) && signal != Signal::Kill {
            self.0.signals.borrow_mut().push_back(signal);
            if let Some(task) = self.0.signal_waiter.take() {
                self.world().wake(task);
            }
        } else {
            self.kill_by(signal);
        }
    }

    /// Ends the process by a signal.
    fn kill_by(&self, signal: Signal) {
        if self.0.status.get().is_none() {
            self.0.killed_by.set(Some(signal));
        }
        self.finish(128 + signal.number());
    }

    fn copy(&self, name: Rc<str>, start: Start) -> Process {
        let (host, me) = (self.host(), &*self.0);
        let inner = Inner {
            world: me.world.clone(),
            host: host.clone(),
            trace_id: Default::default(),
            pid: host.new_pid(),
            parent: me.pid,
            started: self.now(),
            name: RefCell::new(name.clone()),
            argv: me.argv.clone(),
            real_uid: Cell::new(start.cred.as_ref().map_or(me.real_uid.get(), |c| c.uid)),
            cred: RefCell::new(start.cred.unwrap_or_else(|| me.cred.borrow().clone())),
            cwd: me.cwd.clone(),
            umask: me.umask.clone(),
            env: RefCell::new(start.env.map_or_else(|| me.env.borrow().clone(), Rc::new)),
            fds: RefCell::new(start.fds.unwrap_or_else(|| me.fds.borrow().clone())),
            tasks: RefCell::default(),
            status: Cell::new(None),
            killed_by: Cell::new(None),
            awaited_by: RefCell::default(),
            caught: RefCell::default(),
            signals: RefCell::default(),
            signal_waiter: Cell::new(None),
            inherited: start.inherited,
            background: me.background.clone(),
            watches: Cell::new(false),
        };
        new_process(host, name, inner)
    }

    fn launch(&self, run: impl AsyncFnOnce(Process) -> i32 + 'static) {
        let process = self.clone();
        self.task(async move {
            let status = run(process.clone()).await;
            process.finish(status);
        });
    }

    fn become_image(&self, image: &Image, argv: Rc<[Rc<str>]>) {
        self.0.name.replace(image.name.clone());
        self.world().trace_mut().rename_process(self.0.trace_id, image.name.clone());
        self.0.argv.replace(argv);
        let mut cred = self.0.cred.borrow_mut();
        cred.uid = image.set_uid.unwrap_or(cred.uid);
        cred.gid = image.set_gid.unwrap_or(cred.gid);
    }

    fn load(&self, path: &str) -> Sys<Image> {
        let (content, stat) = self.executable(path)?;
        let set_uid = (stat.mode & 0o4000 != 0).then_some(stat.uid);
        let set_gid = (stat.mode & 0o2000 != 0).then_some(stat.gid);
        if let Some(name) = base::program_name(&content) {
            let program = self.world().program(name)?;
            let name = base_name(path).into();
            return Ok(Image { program, name, script: Vec::new(), set_uid, set_gid });
        }
        // A script's set-id bits have no effect, as on Linux.
        let line = content.strip_prefix(b"#!").ok_or(Errno::ENOEXEC)?;
        let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.trim().splitn(2, [' ', '\t']);
        let interpreter = words.next().filter(|w| !w.is_empty()).ok_or(Errno::ENOEXEC)?;
        let (content, _) = self.executable(interpreter)?;
        let program = self.world().program(base::program_name(&content).ok_or(Errno::ENOEXEC)?)?;
        let mut script: Vec<Rc<str>> = vec![interpreter.into()];
        script.extend(words.map(|w| w.trim().into()));
        script.push(path.into());
        let name = base_name(interpreter).into();
        Ok(Image { program, name, script, set_uid: None, set_gid: None })
    }

    fn executable(&self, path: &str) -> Sys<(bytes::Bytes, super::fs::Stat)> {
        let fs = self.host().fs();
        let cred = self.cred();
        let ino = fs.resolve(&cred, self.cwd(), path, true)?;
        let stat = fs.stat(ino);
        if stat.kind != NodeKind::File {
            return Err(Errno::EACCES);
        }
        fs.access(&cred, ino, Access::EXEC)?;
        Ok((fs.read_all(ino)?, stat))
    }

    /// Ends the process: its tasks go, its descriptors close, whoever waits for it is woken.
    fn finish(&self, status: i32) {
        let me = &*self.0;
        if me.status.get().is_some() {
            return;
        }
        me.status.set(Some(status));
        me.world.record_for(me.trace_id, Kind::Ended { status });
        let fds = std::mem::take(&mut *me.fds.borrow_mut());
        drop(fds);
        me.host.fs_mut().close(me.cwd.get());
        me.host.leave(me.pid);
        for task in std::mem::take(&mut *me.awaited_by.borrow_mut()) {
            me.world.wake(task);
        }
        let tasks: Vec<TaskId> = std::mem::take(&mut *me.tasks.borrow_mut());
        for task in tasks {
            me.world.kill_task(task);
        }
    }

    /// Lets go of everything when the world ends.
    pub(super) fn forget(&self) {
        let fds = std::mem::take(&mut *self.0.fds.borrow_mut());
        drop(fds);
    }
}

impl World {
    fn program(&self, name: &str) -> Sys<Program> {
        self.programs().0.get(name).copied().ok_or(Errno::ENOEXEC)
    }

    /// A new holder of locks.
    pub(super) fn new_owner(&self) -> u64 {
        let n = self.0.owners.get() + 1;
        self.0.owners.set(n);
        n
    }
}

impl Image {
    fn argv(&self, path: &str, argv: &[Rc<str>]) -> Rc<[Rc<str>]> {
        if self.script.is_empty() {
            return if argv.is_empty() { Rc::from([Rc::from(path)]) } else { argv.into() };
        }
        self.script.iter().chain(argv.iter().skip(1)).cloned().collect()
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
