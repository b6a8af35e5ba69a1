//! scache(8): keeps connections to mail servers for a moment, so that the next delivery to the same
//! place need not make one.
//!
//! A client that is done hands its connection over with two names: the place it was called for (the
//! next hop) and the place where it ends (the server). Another client asks for either, and gets the
//! connection, or nothing. What nobody has asked for when its time is up is closed, without a word
//! to the server.
//!
//! Now and then, and at its end, it tells the log how often it could help.

use super::queue::SPOOL;
use super::server::Daemon;
use crate::world::clock::{Duration, Time};
use crate::world::process::Process;
use crate::world::stream::Stream;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// By what a connection is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The next hop.
    NextHop,
    /// The server.
    Server,
}

/// What a client wants.
enum Request {
    /// A connection to keep for so long.
    Save(Kept, Duration),
    /// The connection with this name.
    Find(By, Rc<str>),
}

/// A connection that is looked after.
struct Kept {
    /// The next hops it was called for.
    nexthop: Option<Rc<str>>,
    server: Rc<str>,
    /// Whatever the client needs to go on.
    session: Box<dyn Any>,
}

/// The answer to a question.
struct Found(Option<Box<dyn Any>>);

/// Is the connection taken?
struct Saved;

/// Hands over a connection, under the names of its next hop, if it may be used for all of that, and of
/// its server. It is closed where the service does not answer.
pub async fn save<T: 'static>(p: &Process, names: (Option<Rc<str>>, Rc<str>), ttl: Duration, session: T) {
    let Some(stream) = connect(p).await else { return };
    let (nexthop, server) = names;
    let kept = Kept { nexthop, server, session: Box::new(session) };
    let what = |request: &Request| match request {
        Request::Save(kept, _) => format!("keep the connection to {}", kept.server),
        Request::Find(..) => String::new(),
    };
    if stream.send(what, Request::Save(kept, ttl)).is_ok() {
        let _ = stream.receive::<Saved>().await;
    }
}

/// Asks for a connection.
pub async fn find<T: 'static>(p: &Process, by: By, name: &Rc<str>) -> Option<T> {
    let stream = connect(p).await?;
    stream.send(|_| format!("is there a connection for {name}?"), Request::Find(by, name.clone())).ok()?;
    let found = stream.receive::<Found>().await?;
    found.0?.downcast().ok().map(|session| *session)
}

async fn connect(p: &Process) -> Option<Stream> {
    p.connect_unix(&format!("{SPOOL}/private/scache")).await.ok()
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let scache = Rc::new(Scache {
        longest: daemon.seconds("connection_cache_ttl_limit"),
        since: Cell::new(daemon.p.now()),
        kept: RefCell::default(),
        next: Cell::new(0),
        seen: RefCell::default(),
        daemon,
    });
    scache.daemon.p.task(scache.clone().report_now_and_then());
    while let Some(stream) = scache.daemon.accept().await {
        match stream.receive::<Request>().await {
            Some(Request::Save(kept, ttl)) => {
                scache.save(kept, ttl);
                let _ = stream.send(|_| "kept".to_owned(), Saved);
            }
            Some(Request::Find(by, name)) => {
                let told = |found: &Found| if found.0.is_some() { "this one" } else { "none" }.to_owned();
                let _ = stream.send(told, Found(scache.find(by, &name)));
            }
            None => {}
        }
    }
    scache.report();
    0
}

struct Scache {
    daemon: Daemon,
    /// No connection is kept for longer.
    longest: Duration,
    kept: RefCell<Vec<(u64, Kept)>>,
    /// The number of the next connection.
    next: Cell<u64>,
    seen: RefCell<Seen>,
    /// Since when it is counted.
    since: Cell<Time>,
}

/// What the log is told.
#[derive(Default)]
struct Seen {
    /// Questions answered with a connection, and those that were not: by next hop, by server.
    asked: [(u32, u32); 2],
    /// The most next hops, servers and connections at a time.
    most: [usize; 3],
}

impl Scache {
    fn save(self: &Rc<Self>, kept: Kept, ttl: Duration) {
        let number = self.next.replace(self.next.get() + 1);
        self.kept.borrow_mut().push((number, kept));
        self.count();
        let (scache, ttl) = (self.clone(), ttl.min(self.longest));
        self.daemon.p.task(async move {
            scache.daemon.p.idle(ttl).await;
            scache.kept.borrow_mut().retain(|(n, _)| *n != number);
        });
    }

    /// The connection that was handed over last.
    fn find(&self, by: By, name: &Rc<str>) -> Option<Box<dyn Any>> {
        let mut kept = self.kept.borrow_mut();
        let is_it = |kept: &Kept| match by {
            By::NextHop => kept.nexthop.as_ref() == Some(name),
            By::Server => kept.server == *name,
        };
        let found = kept.iter().rposition(|(_, kept)| is_it(kept));
        let (hits, misses) = &mut self.seen.borrow_mut().asked[by as usize];
        *if found.is_some() { hits } else { misses } += 1;
        found.map(|at| kept.remove(at).1.session)
    }

    fn count(&self) {
        let kept = self.kept.borrow();
        let nexthops: BTreeSet<_> = kept.iter().filter_map(|(_, kept)| kept.nexthop.as_ref()).collect();
        let servers: BTreeSet<_> = kept.iter().map(|(_, kept)| &kept.server).collect();
        let now = [nexthops.len(), servers.len(), kept.len()];
        for (most, now) in self.seen.borrow_mut().most.iter_mut().zip(now) {
            *most = now.max(*most);
        }
    }

    async fn report_now_and_then(self: Rc<Self>) {
        self.daemon.now_and_then("connection_cache_status_update_time", || self.report()).await;
    }

    /// Tells the log what it was asked, and begins anew; nothing, where it was not asked.
    fn report(&self) {
        let seen = self.seen.take();
        let since = self.since.replace(self.daemon.p.now());
        let log = |text: String| self.daemon.msg.log(&format!("statistics: {text}"));
        if seen.asked == [(0, 0); 2] && seen.most == [0; 3] {
            return;
        }
        log(format!("start interval {}", since.strftime("%b %e %H:%M:%S")));
        for ((hits, misses), name) in seen.asked.into_iter().zip(["domain", "address"]) {
            if let Some(success) = (hits * 100).checked_div(hits + misses) {
                log(format!("{name} lookup hits={hits} miss={misses} success={success}%"));
            }
        }
        let [domains, addresses, connections] = seen.most;
        log(format!("max simultaneous domains={domains} addresses={addresses} connection={connections}"));
    }
}
