//! Destinations: how many deliveries may run to one at a time, and those that are down
//! (SCHEDULER_README).
//!
//! A destination is a transport and a next hop. It starts with `initial_destination_concurrency`;
//! every delivery that gets through adds one, up to `TRANSPORT_destination_concurrency_limit`, and
//! every one that finds the destination down takes one away. After as many failures as make a
//! whole cohort the destination is left alone for `minimal_backoff_time`, and what waits for it is
//! deferred without another try.

use crate::postfix::deliver::Dsn;
use crate::world::World;
use crate::world::agenda::TaskId;
use crate::world::clock::{Duration, Time};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// A transport and where it goes: a next hop, or a recipient for agents that take one at a time.
pub type SiteName = (Rc<str>, Rc<str>);

/// All destinations that something is known of.
#[derive(Default)]
pub struct Sites {
    sites: RefCell<BTreeMap<SiteName, Site>>,
}

struct Site {
    window: usize,
    limit: usize,
    running: usize,
    waiting: VecDeque<TaskId>,
    /// The part of a cohort that has failed in a row.
    failed_cohorts: f64,
    down: Option<(Time, Dsn)>,
}

/// May a delivery go on?
pub enum Admission {
    /// Yes; [`Sites::done`] must follow.
    Go,
    /// No: the destination is down, for this reason.
    Down(Dsn),
}

impl Sites {
    /// Waits for a place among the deliveries to a destination.
    pub async fn enter(&self, world: &World, name: &SiteName, initial: usize, limit: usize) -> Admission {
        poll_fn(|_| {
            let mut sites = self.sites.borrow_mut();
            let site = sites.entry(name.clone()).or_insert_with(|| Site::new(initial, limit));
            if let Some((until, dsn)) = &site.down {
                if world.now() < *until {
                    return Poll::Ready(Admission::Down(dsn.clone()));
                }
                site.down = None;
                site.window = initial.min(limit.max(1));
                site.failed_cohorts = 0.0;
            }
            if site.running < site.window {
                site.running += 1;
                return Poll::Ready(Admission::Go);
            }
            if let Some(task) = world.current_task()
                && !site.waiting.contains(&task)
            {
                site.waiting.push_back(task);
            }
            Poll::Pending
        })
        .await
    }

    /// A delivery has ended; `down` says why the destination could not be reached at all.
    pub fn done(&self, world: &World, name: &SiteName, down: Option<&Dsn>, pause: Duration) {
        let mut sites = self.sites.borrow_mut();
        let Some(site) = sites.get_mut(name) else { return };
        site.running = site.running.saturating_sub(1);
        match down {
            None => {
                site.window = (site.window + 1).min(site.limit);
                site.failed_cohorts = 0.0;
            }
            Some(dsn) => {
                site.failed_cohorts += 1.0 / site.window as f64;
                site.window = (site.window - 1).max(1);
                if site.failed_cohorts >= 1.0 {
                    site.down = Some((world.now() + pause, dsn.clone()));
                }
            }
        }
        let free = if site.down.is_some() { usize::MAX } else { site.window.saturating_sub(site.running) };
        let n = free.min(site.waiting.len());
        for task in site.waiting.drain(..n) {
            world.wake(task);
        }
        // What is not in use and holds no grudge need not be remembered.
        if site.running == 0 && site.waiting.is_empty() && site.down.is_none() && site.failed_cohorts == 0.0 {
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
    fn new(initial: usize, limit: usize) -> Site {
        // A limit of zero means none.
        let limit = if limit == 0 { usize::MAX } else { limit };
        let window = initial.min(limit);
        Site { window, limit, running: 0, waiting: VecDeque::new(), failed_cohorts: 0.0, down: None }
    }
}
