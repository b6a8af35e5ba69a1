//! The skeleton of a daemon (`single_server(3)`, `trigger_server(3)`): it takes one connection at
//! a time from the socket that it inherits from master, and ends after `max_use` of them, after
//! `max_idle` without one, or when master retires it.

use super::config::Config;
use super::dict::MatchList;
use super::master;
use super::msg::Msg;
use super::status_filter::StatusFilter;
use crate::world::clock::Duration;
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::timer::{Either, race};
use crate::world::users::Cred;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// What a daemon has from the start.
pub struct Daemon {
    /// The process.
    pub p: Process,
    /// Its configuration, with the overrides of master.cf.
    pub config: Rc<Config>,
    /// Where it logs.
    pub msg: Msg,
    /// Its service in master.cf.
    pub service: Rc<master::Service>,
    uses: Cell<u64>,
    limits: Limits,
    fast_flush: OnceCell<Option<MatchList>>,
    status_filter: OnceCell<StatusFilter>,
}

#[derive(Clone, Copy)]
struct Limits {
    max_use: u64,
    max_idle: Duration,
}

impl Daemon {
    /// Takes over what master left for the process, reads the configuration, and leaves root.
    ///
    /// # Errors
    /// The exit status, after the log has said why.
    pub fn start(p: Process) -> Result<Daemon, i32> {
        let Some(inherited) = p.inherited::<master::Inheritance>() else {
            // Run by hand, as a learner may: the real one reports and gives up, too.
            p.syslog(&format!("postfix/{}", p.name()), "fatal: no transport type specified");
            return Err(1);
        };
        Daemon::of_service(p, inherited.service.clone())
    }

    /// A daemon that somebody runs by hand, for itself alone: nobody can connect to it.
    ///
    /// # Errors
    /// The exit status, after the log has said why.
    pub fn alone(p: Process) -> Result<Daemon, i32> {
        let service = master::Service::alone(&p);
        Daemon::of_service(p, service)
    }

    fn of_service(p: Process, service: Rc<master::Service>) -> Result<Daemon, i32> {
        let config = service.configuration(&p).map_err(|e| {
            p.syslog(&format!("postfix/{}", p.name()), &format!("fatal: {e}"));
            1
        })?;
        let msg = Msg::daemon(&p, &config);
        let limits = Limits {
            max_use: config.int("max_use").unwrap_or(100).max(1) as u64,
            max_idle: config.seconds("max_idle").unwrap_or(Duration::from_secs(100)),
        };
        Ok(Daemon {
            p,
            config,
            msg,
            service,
            uses: Cell::new(0),
            limits,
            fast_flush: OnceCell::new(),
            status_filter: OnceCell::new(),
        })
    }

    /// The next connection; `None` when it is time to end.
    pub async fn accept(&self) -> Option<Stream> {
        self.tell_uses();
        if self.uses.get() >= self.limits.max_use || self.service.retired() {
            return None;
        }
        let next = self
            .p
            .timeout(self.limits.max_idle, race(self.service.listener().accept(), self.service.retirement()));
        let stream = match next.await {
            Some(Either::Left(stream)) => stream,
            Some(Either::Right(())) | None => return None,
        };
        self.uses.set(self.uses.get() + 1);
        Some(stream)
    }

    /// The next connection. A daemon whose tables are others than those it opened leaves it to its
    /// successor, and ends.
    pub async fn accept_unless(&self, changed: impl Fn() -> Option<String>) -> Option<Stream> {
        let stream = self.accept().await?;
        let Some(table) = changed() else { return Some(stream) };
        self.msg.log(&format!("table {table} has changed -- restarting"));
        self.service.listener().put_back(stream);
        None
    }

    /// Tells master that a request has come to its end, if one has.
    fn tell_uses(&self) {
        if self.uses.get() > 0 {
            self.service.serves(self.p.pid());
        }
    }

    /// The next connection of a daemon that lives as long as the mail system; `None` when retired.
    pub async fn accept_always(&self) -> Option<Stream> {
        self.tell_uses();
        match race(self.service.listener().accept(), self.service.retirement()).await {
            Either::Left(stream) => {
                self.uses.set(self.uses.get() + 1);
                Some(stream)
            }
            Either::Right(()) => None,
        }
    }

    /// Does something again and again, with the pause that a setting says, until retired; never, if it is zero.
    pub async fn now_and_then(&self, setting: &str, act: impl Fn()) {
        let pause = self.seconds(setting);
        while !pause.is_zero()
            && let Either::Left(()) = race(self.p.idle(pause), self.service.retirement()).await
        {
            act();
        }
    }

    /// Can a file be read with the rights that the daemon had when it began?
    pub fn root_can_read(&self, path: &str) -> bool {
        let own = self.p.cred().clone();
        self.p.set_cred(Cred::root());
        let read = self.p.read_file(path);
        self.p.set_cred(own);
        read.is_ok()
    }

    /// What the administrator makes of the outcomes of this agent.
    pub fn status_filter(&self) -> &StatusFilter {
        self.status_filter.get_or_init(|| StatusFilter::open(self))
    }

    /// `fast_flush_domains`; nothing if they cannot be read.
    pub fn fast_flush(&self) -> Option<&MatchList> {
        let read = || MatchList::domains("fast_flush_domains", &self.config, &self.p).ok();
        self.fast_flush.get_or_init(read).as_ref()
    }

    /// A setting as a text, with everything it refers to filled in.
    pub fn string(&self, name: &str) -> Rc<str> {
        self.config.string(name)
    }

    /// Is this setting `yes`? Of a value that is neither, the real program dies; here its default stands.
    pub fn yes(&self, name: &str) -> bool {
        self.config.bool(name).unwrap_or(false)
    }

    /// A setting that is a number.
    pub fn int(&self, name: &str) -> i64 {
        self.config.int(name).unwrap_or(0)
    }

    /// A setting that is a time.
    pub fn seconds(&self, name: &str) -> Duration {
        self.config.seconds(name).unwrap_or_default()
    }
}

/// A daemon whose service has no callers in the lab.
pub async fn idle(p: Process) -> i32 {
    match Daemon::start(p) {
        Ok(daemon) => {
            while daemon.accept().await.is_some() {}
            0
        }
        Err(status) => status,
    }
}
