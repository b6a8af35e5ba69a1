//! qmgr(8): moves messages through the queues and hands them to delivery agents.
//!
//! Looks through `incoming/` and `deferred/`, takes up a message of each in turn, the next one when
//! the destinations of the one before are known, and keeps what it works on in `active/`. Listens on
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
//! preemption of `*_delivery_slot_*`.

mod active;
mod site;

use super::deliver::Dsn;
use super::master::Trigger;
use super::queue::{self, Queue};
use super::rewrite::Rewriter;
use super::server::Daemon;
use crate::trace::Decision;
use crate::world::clock::{Duration, Time};
use crate::world::process::Process;
use crate::world::timer::{Either, race};
use active::Message;
use rustc_hash::{FxHashMap, FxHashSet};
use site::{Pace, Sites};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
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
        transports: RefCell::default(),
        dead: RefCell::default(),
        scans: RefCell::default(),
        waiting: RefCell::default(),
        last_pause: RefCell::default(),
        feeding: Cell::new(false),
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
    /// The ids of messages that are being worked on.
    active: RefCell<FxHashSet<Rc<str>>>,
    transports: RefCell<FxHashMap<Rc<str>, Transport>>,
    /// Transports that are left alone: until when, and why.
    dead: RefCell<BTreeMap<Rc<str>, (Time, Dsn)>>,
    scans: RefCell<Scans>,
    waiting: RefCell<queue::Waiting>,
    last_pause: RefCell<Option<Pause>>,
    /// Has a message been taken up whose destinations are not known yet?
    feeding: Cell<bool>,
}

/// When a message of so many seconds is tried again, and the decision on it.
type Pause = (u64, Time, Rc<Decision>);

/// How far the looks through the two queues have come.
#[derive(Default)]
struct Scans {
    incoming: Scan,
    deferred: Scan,
    /// Was the last message a deferred one?
    was_deferred: bool,
}

/// A look through a queue.
#[derive(Default)]
struct Scan {
    /// What was found and has not been taken up.
    found: VecDeque<Rc<str>>,
    /// Was it looked for whatever its time, since somebody wants it tried now?
    flush: bool,
    /// Has somebody asked for another look, and for all of it whatever its time?
    wanted: Option<bool>,
}

impl Scans {
    fn of(&mut self, queue: Queue) -> &mut Scan {
        if queue == Queue::Deferred { &mut self.deferred } else { &mut self.incoming }
    }

    /// The queue whose turn it is.
    fn next_queue(&mut self) -> Queue {
        self.was_deferred = !self.was_deferred;
        if self.was_deferred { Queue::Deferred } else { Queue::Incoming }
    }
}

/// What is set for a transport, read when it is first used (`qmgr_transport.c`).
#[derive(Clone, Copy)]
struct Transport {
    /// How many recipients a delivery takes (`…_destination_recipient_limit`), zero for any number.
    recipient_limit: usize,
    pace: Pace,
    /// How fast deliveries may follow each other whatever their destinations, where there is a pause
    /// (`…_transport_rate_delay`).
    whole: Option<Pace>,
}

/// What qmgr needs of the configuration, read once.
struct Settings {
    active_limit: usize,
    process_limit: u64,
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
            process_limit: daemon.int("default_process_limit").max(1) as u64,
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

    /// Looks for new messages.
    fn scan_incoming(self: &Rc<Self>) {
        self.scan(Queue::Incoming, false);
    }

    /// Looks for deferred messages whose time has come, or `all`.
    fn scan_deferred(self: &Rc<Self>, all: bool) {
        self.scan(Queue::Deferred, all);
    }

    /// Looks through a queue as soon as what was found before is taken up.
    fn scan(self: &Rc<Self>, queue: Queue, all: bool) {
        {
            let mut scans = self.scans.borrow_mut();
            let scan = scans.of(queue);
            scan.wanted = Some(all || scan.wanted == Some(true));
        }
        if !self.feeding.get() {
            self.feed();
        }
    }

    /// The ids of the messages of a queue that are to be taken up now, or `all`.
    fn look(&self, queue: Queue, all: bool) -> VecDeque<Rc<str>> {
        let p = &self.daemon.p;
        let found = match queue {
            Queue::Deferred if !all => queue::scan_due(p, queue, &mut self.waiting.borrow_mut()),
            _ => queue::scan_complete(p, queue),
        };
        found.into()
    }

    /// Takes up the next message, one of each queue in turn; the one after it follows when that one's
    /// destinations are known.
    fn feed(self: &Rc<Self>) {
        self.feeding.set(false);
        let mut scans = self.scans.borrow_mut();
        for _ in 0..2 {
            let queue = scans.next_queue();
            let scan = scans.of(queue);
            while self.has_room() && !self.daemon.service.retired() {
                if scan.found.is_empty()
                    && let Some(all) = scan.wanted.take()
                {
                    scan.found = self.look(queue, all);
                    scan.flush = all;
                }
                let Some(id) = scan.found.pop_front() else { break };
                if self.take_up(id, queue, scan.flush) {
                    self.feeding.set(true);
                    self.daemon.service.flow().put(self.settings.process_limit);
                    return;
                }
            }
        }
        if self.has_room() {
            self.daemon.service.flow().fill(self.settings.process_limit);
        }
    }

    fn has_room(&self) -> bool {
        self.active.borrow().len() < self.settings.active_limit
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

    /// Moves a message into `active/` and begins to deliver it; says whether that was possible. What
    /// is to be `flush`ed is tried although its transport is one of `defer_transports`.
    fn take_up(self: &Rc<Self>, id: Rc<str>, from: Queue, flush: bool) -> bool {
        let p = &self.daemon.p;
        if self.active.borrow().contains(&id) || queue::rename(p, &id, from, Queue::Active).is_err() {
            return false;
        }
        let flush = flush || self.is_to_be_flushed(&id);
        match Message::read(p, id.clone(), flush) {
            Ok(message) => {
                self.active.borrow_mut().insert(id);
                p.task(active::deliver(self.clone(), Rc::new(message)));
                true
            }
            Err(e) => {
                self.daemon.msg.log(&format!("warning: {id}: {e}: message moved to \"corrupt\""));
                let _ = queue::rename(p, &id, Queue::Active, Queue::Corrupt);
                false
            }
        }
    }

    /// The message is not worked on any more.
    fn let_go(self: &Rc<Self>, id: &Rc<str>) {
        let was_full = !self.has_room();
        self.active.borrow_mut().remove(id);
        if was_full && !self.feeding.get() {
            self.feed();
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

    /// When a message of this age that has to wait is tried again, in whole seconds.
    fn next_try(&self, arrival: Time) -> Time {
        let now = Time::from_unix(self.daemon.p.now().unix());
        let age = now - Time::from_unix(arrival.unix());
        now + age.min(self.settings.maximal_backoff).max(self.settings.minimal_backoff)
    }
}
