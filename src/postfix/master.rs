//! master(8): starts the daemons of master.cf when somebody calls their sockets, and wakes those
//! that have to look around now and then.
//!
//! Reads `main.cf` and `master.cf`, when started and on SIGHUP. Makes the sockets in
//! `/var/spool/postfix/{public,private}` and the listeners of `inet` services; writes
//! `/var/spool/postfix/pid/master.pid`.
//!
//! # Simplifications
//! Daemons are not put into a chroot: every service behaves as with `chroot = n`. A daemon is
//! retired when it is idle, never in the middle of its work.

use super::config::master_cf::{self, Entry, ServiceType};
use super::config::{Config, ConfigError};
use super::mail_flow::MailFlow;
use super::msg::Msg;
use super::queue::SPOOL;
use super::{MAIN_CF, MASTER_CF, config_of};
use crate::world::agenda::TaskId;
use crate::world::clock::{Duration, Time};
use crate::world::exec::{Signal, Start};
use crate::world::fs::Version;
use crate::world::net::Listener;
use crate::world::process::Process;
use crate::world::timer::{Either, race};
use crate::world::users::Cred;
use rustc_hash::FxHashMap;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::task::Poll;

/// The version of Postfix that is simulated.
pub const VERSION: &str = "3.7.11";

/// A service of master.cf while it runs.
pub struct Service {
    /// Its line.
    pub entry: Entry,
    /// `-o name=value` from its line.
    pub overrides: Vec<(Rc<str>, Rc<str>)>,
    running: Cell<usize>,
    retired: Cell<bool>,
    /// Who waits for its retirement, and the how-manieth of them each was.
    retiring: RefCell<FxHashMap<u64, TaskId>>,
    /// How many have waited for it so far.
    waiters: Cell<u64>,
    /// Who waits for one of its daemons to end.
    waiting: RefCell<Vec<TaskId>>,
    /// main.cf as it was last read for one of its daemons, and which content of the file that was.
    configuration: RefCell<Option<(Version, Rc<Config>)>>,
    /// What one of its daemons made of that, for those after it.
    settings: RefCell<Option<Kept>>,
    children: RefCell<Vec<u32>>,
    /// Those of them that have served somebody.
    useful: RefCell<BTreeSet<u32>>,
    listener: Listener,
    /// Until when it is left alone, since its last daemon could not even begin its work.
    throttled: Cell<Option<Time>>,
    /// The same service before a reload, whose daemons may still be at work.
    before: RefCell<Option<Rc<Service>>>,
    /// What all services of this mail system share.
    flow: Rc<MailFlow>,
    world: crate::world::World,
}

/// What a daemon made of a configuration, and of which.
type Kept = (Rc<Config>, Rc<dyn Any>);

/// How long a service whose daemons cannot begin their work is left alone.
const THROTTLE: Duration = Duration::from_secs(60);

/// What a daemon gets from master besides its arguments.
pub struct Inheritance {
    /// Its service.
    pub service: Rc<Service>,
}

/// A wake-up call to a daemon (`trigger(3)`): what it should do, in one letter each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger(pub &'static str);

impl Service {
    fn new(p: &Process, entry: Entry, overrides: Vec<(Rc<str>, Rc<str>)>, listener: Listener) -> Service {
        Service {
            entry,
            overrides,
            running: Cell::new(0),
            retired: Cell::new(false),
            retiring: RefCell::default(),
            waiters: Cell::new(0),
            waiting: RefCell::default(),
            configuration: RefCell::default(),
            settings: RefCell::default(),
            children: RefCell::default(),
            useful: RefCell::default(),
            listener,
            throttled: Cell::default(),
            before: RefCell::default(),
            flow: Rc::default(),
            world: p.world().clone(),
        }
    }

    /// The service of a daemon that master did not start; its name is that of the program.
    pub fn alone(p: &Process) -> Rc<Service> {
        let entry = Entry::of_program(&p.name());
        Rc::new(Service::new(p, entry, Vec::new(), Listener::nowhere(p.host())))
    }

    /// The socket its daemons take connections from.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// A daemon has done what it was called for.
    pub fn serves(&self, pid: u32) {
        self.useful.borrow_mut().insert(pid);
    }

    /// The flow of mail into the queue.
    pub fn flow(&self) -> &MailFlow {
        &self.flow
    }

    /// Its name in master.cf.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Shall its daemons end?
    pub fn retired(&self) -> bool {
        self.retired.get()
    }

    /// Waits until its daemons shall end.
    pub async fn retirement(&self) {
        let mut waiter = Waiter { service: self, number: None };
        poll_fn(|_| {
            if self.retired.get() {
                return Poll::Ready(());
            }
            waiter.wait();
            Poll::Pending
        })
        .await;
    }

    /// The configuration of its daemons, with the overrides of master.cf. Most of them find main.cf as
    /// the one before found it, and share what that one read.
    ///
    /// # Errors
    /// As [`config_of`].
    pub fn configuration(&self, p: &Process) -> Result<Rc<Config>, ConfigError> {
        let version = p.content_version(MAIN_CF).ok();
        if let Some((of, config)) = &*self.configuration.borrow()
            && version == Some(*of)
        {
            return Ok(config.clone());
        }
        let config = Rc::new(config_of(p, &self.overrides)?);
        *self.configuration.borrow_mut() = version.map(|version| (version, config.clone()));
        Ok(config)
    }

    /// What an earlier daemon [kept](Service::keep), if it was made of the same configuration.
    pub fn kept<T: 'static>(&self, config: &Rc<Config>) -> Option<Rc<T>> {
        let kept = self.settings.borrow();
        let (_, settings) = kept.as_ref().filter(|(of, _)| Rc::ptr_eq(of, config))?;
        settings.clone().downcast().ok()
    }

    /// Keeps what a daemon made of its configuration alone: those that come after it share it.
    pub fn keep<T: 'static>(&self, config: &Rc<Config>, settings: Rc<T>) {
        *self.settings.borrow_mut() = Some((config.clone(), settings));
    }

    fn retire(&self) {
        self.retired.set(true);
        let mut waiting: Vec<(u64, TaskId)> = self.retiring.borrow_mut().drain().collect();
        waiting.sort_unstable_by_key(|(number, _)| *number);
        for (_, task) in waiting {
            self.world.wake(task);
        }
        self.changed();
    }

    fn wait_here(&self) {
        if let Some(task) = self.world.current_task() {
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.contains(&task) {
                waiting.push(task);
            }
        }
    }

    fn changed(&self) {
        for task in std::mem::take(&mut *self.waiting.borrow_mut()) {
            self.world.wake(task);
        }
    }

    /// A service of one daemon waits until the one from before the reload has ended.
    async fn succession(&self) {
        let before = self.before.borrow_mut().take();
        if let Some(before) = before.filter(|_| self.entry.max_processes == Some(1)) {
            poll_fn(|_| {
                if before.running.get() == 0 {
                    return Poll::Ready(());
                }
                before.wait_here();
                Poll::Pending
            })
            .await;
        }
    }

    /// Waits until another daemon may be started.
    async fn room(&self) {
        let limit = self.entry.max_processes.unwrap_or(100);
        poll_fn(|_| {
            if self.retired.get() || limit == 0 || self.running.get() < limit as usize {
                return Poll::Ready(());
            }
            self.wait_here();
            Poll::Pending
        })
        .await;
    }
}

/// A task that waits for a service's retirement; one that gives up waits no more. A daemon waits again
/// for every request, so that those left behind would be more and more.
struct Waiter<'s> {
    service: &'s Service,
    /// The how-manieth it is.
    number: Option<u64>,
}

impl Waiter<'_> {
    fn wait(&mut self) {
        if self.number.is_none()
            && let Some(task) = self.service.world.current_task()
        {
            let number = self.service.waiters.get();
            self.service.waiters.set(number + 1);
            self.service.retiring.borrow_mut().insert(number, task);
            self.number = Some(number);
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.service.retiring.borrow_mut().remove(&number);
        }
    }
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let config = match config_of(&p, &[]) {
        Ok(config) => config,
        Err(e) => {
            p.syslog("postfix/master", &format!("fatal: {e}"));
            return 1;
        }
    };
    let msg = Msg::daemon(&p, &config);
    let Ok(mut services) = start_services(&p, &config, &msg, &[]) else { return 1 };
    p.set_umask(0o077);
    let pid_file = format!("{SPOOL}/pid/master.pid");
    if let Err(e) = p.write_file(&pid_file, format!("{:>32}\n", p.pid()), 0o600) {
        msg.log(&format!("fatal: open lock file {pid_file}: {e}"));
        return 1;
    }
    p.catch(&[Signal::Hup, Signal::Term]);
    let running = "version 3.7.11, configuration /etc/postfix";
    msg.log(&format!("daemon started -- {running}"));
    loop {
        match p.signal().await {
            Signal::Hup => {
                msg.log(&format!("reload -- {running}"));
                retire(&services);
                let Ok(config) = config_of(&p, &[]) else { return 1 };
                let Ok(again) = start_services(&p, &config, &msg, &services) else { return 1 };
                services = again;
            }
            signal => {
                msg.log(&format!("terminating on signal {}", signal.number()));
                let _ = p.unlink(&pid_file);
                for service in &services {
                    for pid in service.children.borrow().clone() {
                        let _ = p.kill(pid, Signal::Term);
                    }
                }
                return 0;
            }
        }
    }
}

fn retire(services: &[Rc<Service>]) {
    for service in services {
        service.retire();
    }
}

/// Opens the sockets of all services and has each watched. After a reload, `before` are the old
/// services: a socket that stays is kept open, so that no call is lost.
fn start_services(
    p: &Process,
    config: &Config,
    msg: &Msg,
    before: &[Rc<Service>],
) -> Result<Vec<Rc<Service>>, ()> {
    let text = p.read_text(MASTER_CF).map_err(|e| msg.log(&format!("fatal: open {MASTER_CF}: {e}")))?;
    let entries = master_cf::parse(&text, MASTER_CF).map_err(|e| msg.log(&format!("fatal: {e}")))?;
    let flow = before.first().map(|service| service.flow.clone()).unwrap_or_default();
    let mut services = Vec::new();
    for entry in entries {
        let overrides = entry.overrides();
        let old = before.iter().find(|s| s.entry.name == entry.name && s.entry.kind == entry.kind);
        let listener = match old {
            Some(service) => service.listener.clone(),
            None => listen(p, config, &entry).map_err(|e| msg.log(&format!("fatal: {e}")))?,
        };
        let service = Rc::new(Service {
            throttled: Cell::new(old.and_then(|service| service.throttled.get())),
            before: RefCell::new(old.cloned()),
            flow: flow.clone(),
            ..Service::new(p, entry, overrides, listener)
        });
        p.task(watch(p.clone(), service.clone()));
        if let Some(pause) = service.entry.wakeup.filter(|w| *w > 0) {
            p.task(wake(p.clone(), service.clone(), Duration::from_secs(pause)));
        }
        services.push(service);
    }
    Ok(services)
}

fn listen(p: &Process, config: &Config, entry: &Entry) -> Result<Listener, String> {
    if entry.kind == ServiceType::Inet {
        let addresses = inet_addresses(p, config, &entry.name)?;
        let shown = addresses.first().map_or_else(String::new, |a| format!("{} port {}", a.ip(), a.port()));
        return p.listen(&addresses).map_err(|e| format!("bind {shown}: {e}"));
    }
    let path = socket_path(entry);
    let _ = p.unlink(&path);
    let mask = p.set_umask(0);
    let listener = p.listen_unix(&path, 0o666).map_err(|e| format!("bind: {path}: {e}"));
    p.set_umask(mask);
    let listener = listener?;
    let users = postfix_ids(p);
    let gid = if entry.private { users.1 } else { users.2 };
    p.chown(&path, Some(users.0), Some(gid), false).map_err(|e| format!("chown {path}: {e}"))?;
    Ok(listener)
}

/// Where the socket of a service lies.
fn socket_path(entry: &Entry) -> String {
    let directory = if entry.private { "private" } else { "public" };
    format!("{SPOOL}/{directory}/{}", entry.name)
}

/// The ids of user postfix, its group, and the group postdrop.
fn postfix_ids(p: &Process) -> (u32, u32, u32) {
    let fs = p.host().fs();
    let mut users = p.host().users();
    let postfix = users.getpwnam(&fs, "postfix").map_or((0, 0), |u| (u.uid, u.gid));
    let postdrop = users.getgrnam(&fs, "postdrop").map_or(postfix.1, |g| g.gid);
    (postfix.0, postfix.1, postdrop)
}

/// The addresses an `inet` service listens on: `host:port`, or `port` on `inet_interfaces`.
fn inet_addresses(p: &Process, config: &Config, name: &str) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => (Some(host.trim_matches(['[', ']'])), port),
        Some((_, port)) => (None, port),
        None => (None, name),
    };
    let port = super::port(p, port).ok_or_else(|| format!("unknown service: {port}/tcp"))?;
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let words = config.list("inet_interfaces");
    let names: Vec<&str> = match host {
        Some(host) => vec![host],
        None => words.iter().map(|w| &**w).collect(),
    };
    let mut all = Vec::new();
    for name in names {
        match name {
            "all" => all.extend(any),
            "loopback-only" | "localhost" => all.extend(loopback),
            name => match name.trim_matches(['[', ']']).parse::<IpAddr>() {
                Ok(ip) => all.push(ip),
                Err(_) if *name == **p.host().name() => all.extend(p.host().addresses()),
                Err(_) => return Err(format!("config variable inet_interfaces: host not found: {name}")),
            },
        }
    }
    let protocols = config.list("inet_protocols");
    let has = |p: &str| protocols.iter().any(|w| &**w == p || &**w == "all");
    all.retain(|ip| if ip.is_ipv4() { has("ipv4") } else { has("ipv6") });
    all.dedup();
    Ok(all.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// Starts daemons for connections that no idle one takes.
async fn watch(p: Process, service: Rc<Service>) {
    loop {
        if let Either::Right(()) = race(service.listener.unattended(), service.retirement()).await {
            return;
        }
        service.succession().await;
        service.room().await;
        if service.retired.get() {
            return;
        }
        if let Some(until) = service.throttled.get() {
            if p.now() < until {
                p.idle(until - p.now()).await;
            }
            service.throttled.set(None);
            continue;
        }
        match start(&p, &service) {
            Ok(()) => p.sleep(crate::world::HOP * 3).await,
            Err(text) => {
                p.syslog("postfix/master", &text);
                p.idle(THROTTLE).await;
            }
        }
    }
}

fn start(p: &Process, service: &Rc<Service>) -> Result<(), String> {
    let entry = &service.entry;
    let program = format!("/usr/lib/postfix/sbin/{}", entry.command);
    let mut start = Start::new([&*entry.command, "-n", &entry.name, "-t", entry.kind.name(), "-u"]);
    start.argv.extend(entry.args.iter().cloned());
    if entry.unprivileged {
        let (uid, gid, _) = postfix_ids(p);
        start.cred = Some(Cred { uid, gid, groups: Rc::from([]) });
    }
    start.directory = Some(SPOOL.to_owned());
    start.inherited = Some(Rc::new(Inheritance { service: service.clone() }));
    let child = p.spawn(&program, start).map_err(|e| format!("fatal: master_spawn: exec {program}: {e}"))?;
    service.running.set(service.running.get() + 1);
    let pid = child.process().pid();
    service.children.borrow_mut().push(pid);
    let (p2, service, program) = (p.clone(), service.clone(), program);
    p.task(async move {
        let status = child.wait().await;
        service.running.set(service.running.get() - 1);
        service.children.borrow_mut().retain(|c| *c != pid);
        report(&p2, &program, pid, status);
        let was_useful = service.useful.borrow_mut().remove(&pid);
        // One that has done something may be replaced at once.
        if !was_useful && !matches!(status, 0 | 143) {
            service.throttled.set(Some(p2.now() + THROTTLE));
            p2.syslog("postfix/master", &format!("warning: {program}: bad command startup -- throttling"));
        }
        service.changed();
    });
    Ok(())
}

fn report(p: &Process, program: &str, pid: u32, status: i32) {
    match status {
        0 | 143 => {}
        s if s > 128 => {
            p.syslog(
                "postfix/master",
                &format!("warning: process {program} pid {pid} killed by signal {}", s - 128),
            );
        }
        s => p.syslog("postfix/master", &format!("warning: process {program} pid {pid} exit status {s}")),
    }
}

/// Wakes a service again and again.
async fn wake(p: Process, service: Rc<Service>, pause: Duration) {
    let path = socket_path(&service.entry);
    loop {
        if service.retired.get() {
            return;
        }
        // A service marked `?` is woken only while it runs. What comes by the clock is nobody's
        // letter, and stays out of the trace.
        let wanted = !service.entry.wakeup_if_used || service.running.get() > 0;
        if wanted && let Ok(stream) = p.connect_unix(&path).await {
            let _ = stream.send_untold(Trigger("W"));
        }
        if let Either::Right(()) = race(p.idle(pause), service.retirement()).await {
            return;
        }
    }
}

/// Sends a daemon a wake-up call.
///
/// # Errors
/// Those of connect(2): `ENOENT` or `ECONNREFUSED` when the mail system is down.
pub async fn trigger(p: &Process, path: &str, call: Trigger) -> crate::world::errno::Sys<()> {
    let stream = p.connect_unix(path).await?;
    stream.send(|call| format!("wake up: {}", call.0), call)
}
