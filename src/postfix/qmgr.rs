//! qmgr(8): moves messages through the queues and hands them to delivery agents.
//!
//! Reads `incoming/` and `deferred/`, keeps what it works on in `active/`. Listens on
//! `public/qmgr` for wake-up calls: `I` a message has come, `F` forgive destinations that were
//! down, `D` look at deferred mail, `A` all of it whatever its time, `W` look around.
//!
//! A message that has to wait goes to `deferred/`; the time of its next try is its file's time of
//! modification. The pause is the message's age, at least `minimal_backoff_time` and at most
//! `maximal_backoff_time`. A message older than `maximal_queue_lifetime` (a bounce:
//! `bounce_queue_lifetime`) goes back to its sender instead.
//!
//! # Simplifications
//! One sorting of recipients: by transport and next hop, first come first served, without the
//! preemption of `*_delivery_slot_*`. `in_flow_delay` is not needed, as nothing competes for a disk.

mod active;
mod site;

use super::deliver::Dsn;
use super::master::Trigger;
use super::queue::{self, Queue};
use super::rewrite::Rewriter;
use super::server::Daemon;
use crate::world::clock::{Duration, Time};
use crate::world::fs::Stat;
use crate::world::process::Process;
use crate::world::timer::{Either, race};
use active::Message;
use site::Sites;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let settings = match Settings::read(&daemon) {
        Ok(settings) => settings,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    let qmgr = Rc::new(Qmgr {
        daemon,
        settings,
        rewriter: Rewriter::default(),
        sites: Sites::default(),
        active: RefCell::default(),
        dead: RefCell::default(),
        scanning: Cell::new(false),
    });
    qmgr.recover();
    qmgr.daemon.p.task(qmgr.clone().look_around());
    qmgr.scan_deferred(false);
    while let Some(stream) = qmgr.daemon.accept_always().await {
        if let Some(Trigger(calls)) = stream.receive::<Trigger>().await {
            qmgr.called(calls);
        }
    }
    qmgr.finish_deliveries().await;
    0
}

/// The queue manager's state; all else is in the queue files.
pub(super) struct Qmgr {
    daemon: Daemon,
    settings: Settings,
    rewriter: Rewriter,
    sites: Sites,
    /// Messages that are being worked on, by id.
    active: RefCell<BTreeMap<Rc<str>, Rc<Message>>>,
    /// Transports that are left alone: until when, and why.
    dead: RefCell<BTreeMap<Rc<str>, (Time, Dsn)>>,
    scanning: Cell<bool>,
}

/// What qmgr needs of the configuration, read once.
struct Settings {
    active_limit: usize,
    queue_run_delay: Duration,
    minimal_backoff: Duration,
    maximal_backoff: Duration,
    lifetime: Duration,
    bounce_lifetime: Duration,
    defer_transports: Vec<Rc<str>>,
    initial_concurrency: usize,
    transport_retry: Duration,
    delimiter: Rc<str>,
    double_bounce: Rc<str>,
}

impl Settings {
    fn read(daemon: &Daemon) -> Result<Settings, String> {
        let time = |name: &str| daemon.config.seconds(name).map_err(|e| e.to_string());
        Ok(Settings {
            active_limit: daemon.int("qmgr_message_active_limit").max(1) as usize,
            queue_run_delay: time("queue_run_delay")?.max(Duration::from_secs(1)),
            minimal_backoff: time("minimal_backoff_time")?.max(Duration::from_secs(1)),
            maximal_backoff: time("maximal_backoff_time")?.max(Duration::from_secs(1)),
            lifetime: time("maximal_queue_lifetime")?,
            bounce_lifetime: time("bounce_queue_lifetime")?,
            defer_transports: daemon.config.list("defer_transports"),
            initial_concurrency: daemon.int("initial_destination_concurrency").max(1) as usize,
            transport_retry: time("transport_retry_time")?,
            delimiter: daemon.string("recipient_delimiter"),
            double_bounce: daemon.string("double_bounce_sender"),
        })
    }
}

impl Qmgr {
    /// Messages a former qmgr left in `active/` are taken up again.
    fn recover(&self) {
        let p = &self.daemon.p;
        for (id, _) in queue::scan(p, Queue::Active.name()) {
            let _ = queue::rename(p, &id, Queue::Active, Queue::Incoming);
        }
    }

    fn called(self: &Rc<Self>, calls: &str) {
        for call in calls.chars() {
            match call {
                'F' => {
                    self.sites.forgive();
                    self.dead.borrow_mut().clear();
                }
                'A' => self.scan_deferred(true),
                'D' => self.scan_deferred(false),
                'W' => {
                    self.scan_deferred(false);
                    self.scan_incoming();
                }
                _ => self.scan_incoming(),
            }
        }
    }

    /// Looks at deferred mail every `queue_run_delay`.
    async fn look_around(self: Rc<Self>) {
        self.scan_incoming();
        loop {
            let pause = self.daemon.p.idle(self.settings.queue_run_delay);
            if let Either::Right(()) = race(pause, self.daemon.service.retirement()).await {
                return;
            }
            self.scan_deferred(false);
            self.scan_incoming();
        }
    }

    /// Takes up new messages.
    fn scan_incoming(self: &Rc<Self>) {
        self.take_up_all(Queue::Incoming, false, |_| true);
    }

    /// Takes up deferred messages whose time has come, or `all`.
    fn scan_deferred(self: &Rc<Self>, all: bool) {
        let now = self.daemon.p.now();
        self.take_up_all(Queue::Deferred, all, |file| all || file.mtime <= now);
    }

    /// Takes up those messages of a queue that are wanted, as long as there is room. What is `flush`ed is
    /// tried although its transport is one of `defer_transports`.
    fn take_up_all(self: &Rc<Self>, from: Queue, flush: bool, wanted: impl Fn(&Stat) -> bool) {
        if !self.has_room() {
            return;
        }
        for id in queue::scan_complete(&self.daemon.p, from, wanted) {
            if !self.has_room() {
                return;
            }
            self.take_up(id, from, flush);
        }
    }

    fn has_room(&self) -> bool {
        self.active.borrow().len() < self.settings.active_limit
    }

    /// Moves a message into `active/` and begins to deliver it.
    fn take_up(self: &Rc<Self>, id: Rc<str>, from: Queue, flush: bool) {
        let p = &self.daemon.p;
        if self.active.borrow().contains_key(&id) || queue::rename(p, &id, from, Queue::Active).is_err() {
            return;
        }
        let flush = flush || self.is_to_be_flushed(&id);
        match Message::read(p, id.clone(), from, flush) {
            Ok(message) => {
                let message = Rc::new(message);
                self.active.borrow_mut().insert(id, message.clone());
                p.task(active::deliver(self.clone(), message));
            }
            Err(e) => {
                self.daemon.msg.log(&format!("warning: {id}: {e}: message moved to \"corrupt\""));
                let _ = queue::rename(p, &id, Queue::Active, Queue::Corrupt);
            }
        }
    }

    /// Has somebody asked for this message alone, or for those to its destination?
    fn is_to_be_flushed(&self, id: &str) -> bool {
        let (p, path) = (&self.daemon.p, Queue::Active.path(id));
        // Only then does it make a difference.
        if self.settings.defer_transports.is_empty() {
            return false;
        }
        let mode = p.stat(&path, false).map_or(0, |file| file.mode);
        mode & queue::UNTHROTTLED != 0 && p.chmod(&path, mode & 0o777 & !queue::UNTHROTTLED).is_ok()
    }

    /// The message is not worked on any more.
    fn let_go(self: &Rc<Self>, id: &Rc<str>) {
        let was_full = !self.has_room();
        self.active.borrow_mut().remove(id);
        if was_full && !self.scanning.replace(true) {
            self.scan_incoming();
            self.scanning.set(false);
        }
    }

    /// Retired: what has begun is brought to its end, the rest is left for the next one.
    async fn finish_deliveries(&self) {
        const LOOK: Duration = Duration::from_millis(50);
        for _ in 0..100 {
            if self.active.borrow().is_empty() || !self.sites.busy() {
                return;
            }
            self.daemon.p.idle(LOOK).await;
        }
    }

    /// When a message of this age that has to wait is tried again.
    fn next_try(&self, arrival: Time) -> Time {
        let now = self.daemon.p.now();
        now + (now - arrival).clamp(self.settings.minimal_backoff, self.settings.maximal_backoff)
    }
}
