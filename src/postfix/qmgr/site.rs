//! Destinations: how many deliveries may run to one at a time, and those that are down
//! (SCHEDULER_README).
//!
//! A destination is a transport and a next hop. It starts with `initial_destination_concurrency`;
//! every delivery that gets through adds one, up to `TRANSPORT_destination_concurrency_limit`, and
//! every one that finds the destination down takes one away, the first in a row takes two. After as
//! many failures as make a whole cohort, each counted as the part of the window that it is, the
//! destination is left alone for `minimal_backoff_time`, and what waits for it is deferred without
//! another try.

use crate::postfix::deliver::Dsn;
use crate::postfix::ipc::Reuse;
use crate::world::World;
use crate::world::agenda::TaskId;
use crate::world::clock::{Duration, Time};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// A transport and where it goes: a next hop, or a recipient for agents that take one at a time.
pub type SiteName = (Rc<str>, Rc<str>);

/// All destinations that something is known of.
#[derive(Default)]
pub struct Sites {
    sites: RefCell<FxHashMap<SiteName, Site>>,
}

struct Site {
    window: usize,
    limit: usize,
    running: usize,
    waiting: VecDeque<TaskId>,
    /// The part of a cohort that has failed in a row.
    failed_cohorts: f64,
    /// Has the window become smaller since it last grew?
    has_shrunk: bool,
    /// Until when it is left alone, and the next hop, a reason, of what comes for it meanwhile.
    down: Option<(Time, Rc<str>)>,
    /// No delivery begins before this.
    not_before: Time,
    /// The second in which the last delivery ended.
    last_done: Option<u64>,
    /// What the agents are told about connections.
    reuse: Reuse,
}

/// How fast deliveries to a destination may follow each other.
#[derive(Clone, Copy)]
pub struct Pace {
    /// How many at a time to begin with (`initial_destination_concurrency`).
    pub initial: usize,
    /// How many at most (`…_destination_concurrency_limit`), zero for any number.
    pub limit: usize,
    /// How many cohorts may fail (`…_destination_concurrency_failed_cohort_limit`), zero for any number.
    pub failed_cohorts: usize,
    /// How long a destination that is down is left alone.
    pub rest: Duration,
    /// The pause between two deliveries (`…_destination_rate_delay`).
    pub delay: Duration,
}

/// May a delivery go on?
pub enum Admission {
    /// Yes, and this about connections; [`Sites::done`] must follow.
    Go(Reuse),
    /// No: the destination is down. This is where to go instead by way of `retry`.
    Down(Rc<str>),
}

impl Sites {
    /// Waits for a place among the deliveries to a destination.
    pub async fn enter(&self, world: &World, name: &SiteName, pace: &Pace) -> Admission {
        loop {
            let (admission, wait) = self.admit(world, name, pace).await;
            if wait.is_zero() {
                return admission;
            }
            crate::world::timer::sleep(world, wait, crate::world::agenda::Weight::Idle).await;
        }
    }

    /// Waits for a place; where there is one but a pause is not over yet, says how long that is.
    async fn admit(&self, world: &World, name: &SiteName, pace: &Pace) -> (Admission, Duration) {
        poll_fn(|_| {
            let mut sites = self.sites.borrow_mut();
            let site = sites.entry(name.clone()).or_insert_with(|| Site::new(pace));
            let me = world.current_task();
            // Until here a task that was woken counts among those that wait.
            if let Some(at) = site.waiting.iter().position(|task| Some(*task) == me) {
                site.waiting.remove(at);
            }
            if let Some((until, reason)) = &site.down {
                if world.now() < *until {
                    return Poll::Ready((Admission::Down(reason.clone()), Duration::ZERO));
                }
                site.down = None;
                site.window = pace.initial.min(site.limit);
                (site.failed_cohorts, site.has_shrunk) = (0.0, false);
            }
            if site.running < site.window {
                let now = world.now();
                if now < site.not_before {
                    return Poll::Ready((Admission::Go(site.reuse), site.not_before - now));
                }
                site.running += 1;
                site.decide_on_reuse(now);
                return Poll::Ready((Admission::Go(site.reuse), Duration::ZERO));
            }
            site.waiting.extend(me);
            Poll::Pending
        })
        .await
    }

    /// A delivery has ended; `down` says why the destination could not be reached at all.
    pub fn done(&self, world: &World, name: &SiteName, down: Option<&Dsn>, pace: &Pace) {
        let mut sites = self.sites.borrow_mut();
        let Some(site) = sites.get_mut(name) else { return };
        site.running = site.running.saturating_sub(1);
        site.last_done = Some(world.now().unix());
        match down {
            None => {
                if site.down.take().is_some() {
                    site.window = (site.running + 1).min(site.limit);
                }
                // Growth follows use: a destination that is not busy needs no more room.
                if site.window < site.running + 1 + pace.initial && site.window < site.limit {
                    site.window += 1;
                    site.has_shrunk = false;
                }
                site.failed_cohorts = 0.0;
            }
            Some(dsn) => {
                site.failed_cohorts += 1.0 / site.window as f64;
                // Bad news counts at once: half of what makes the next step goes ahead of the first.
                let step = if std::mem::replace(&mut site.has_shrunk, true) { 1 } else { 2 };
                site.window = site.window.saturating_sub(step).max(1);
                if pace.failed_cohorts > 0 && site.failed_cohorts >= pace.failed_cohorts as f64 {
                    let reason = format!("{} delivery temporarily suspended: {}", dsn.status, dsn.reason);
                    site.down.get_or_insert((world.now() + pace.rest, reason.into()));
                    site.reuse = Reuse::default();
                }
            }
        }
        site.not_before = world.now() + pace.delay;
        let free = if site.down.is_some() { usize::MAX } else { site.window.saturating_sub(site.running) };
        let n = free.min(site.waiting.len());
        for task in site.waiting.iter().take(n) {
            world.wake(*task);
        }
        // Of what is not in use only that is remembered which is left alone: who fails by himself, once
        // in a while, is tried again and again.
        let is_idle = site.running == 0 && site.waiting.is_empty() && pace.delay.is_zero();
        if is_idle && site.down.is_none() {
            sites.remove(name);
        }
    }

    /// All destinations are tried again (`postqueue -f`).
    pub fn forgive(&self) {
        self.sites.borrow_mut().retain(|_, site| {
            site.down = None;
            site.running > 0 || !site.waiting.is_empty()
        });
    }

    /// Is a delivery running?
    pub fn busy(&self) -> bool {
        self.sites.borrow().values().any(|s| s.running > 0)
    }
}

impl Site {
    fn new(pace: &Pace) -> Site {
        // A limit of zero means none.
        let limit = if pace.limit == 0 { usize::MAX } else { pace.limit };
        let window = pace.initial.min(limit);
        let (waiting, not_before) = (VecDeque::new(), Time::default());
        Site {
            window,
            limit,
            running: 0,
            waiting,
            failed_cohorts: 0.0,
            has_shrunk: false,
            down: None,
            not_before,
            last_done: None,
            reuse: Reuse::default(),
        }
    }

    /// Connections are kept once deliveries follow one another, and as long as there are others beside
    /// one or before it; those that are kept are used up.
    fn decide_on_reuse(&mut self, now: Time) {
        let is_back_to_back = self.last_done.is_some_and(|then| then + 1 >= now.unix());
        if !self.reuse.store {
            if is_back_to_back {
                self.reuse = Reuse { load: true, store: true };
            }
        } else if self.running <= 1 && !is_back_to_back {
            self.reuse.store = false;
        }
    }
}
