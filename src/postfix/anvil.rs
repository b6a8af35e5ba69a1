//! anvil(8): counts the connections of each client, and how often it does what within a minute.
//!
//! smtpd asks on behalf of a client of a service; anvil answers with the number of its connections and
//! with the rate of what it asks about, in `anvil_rate_time_unit`. smtpd tells when the client has
//! left; a server that hangs up has no clients any more.
//!
//! Diagnostics: the largest numbers seen, in the log every `anvil_status_update_time` and at the end.

use super::queue::SPOOL;
use super::server::Daemon;
use crate::world::clock::{Duration, Time};
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::timer::{Either, race};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    Connect,
    Mail,
    Recipient,
    NewTls,
    Auth,
    /// It has left.
    Disconnect,
}

/// The acts that have a rate, as the log calls them.
const RATES: [(Act, &str); 5] = [
    (Act::Connect, "connection"),
    (Act::Mail, "message"),
    (Act::Recipient, "recipient"),
    (Act::NewTls, "newtls"),
    (Act::Auth, "auth"),
];

/// A question: smtpd → anvil.
#[derive(Clone, Debug)]
pub struct Request {
    /// `service:address`.
    pub client: Rc<str>,
    /// What it does.
    pub act: Act,
}

/// The answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    /// Its connections at this moment.
    pub connections: u32,
    /// How often it has done this within the time unit.
    pub rate: u32,
}

/// A client, counted.
#[derive(Default)]
struct Counted {
    connections: u32,
    since: Time,
    rates: [u32; 5],
}

/// The largest of some numbers, whose it was, and when.
#[derive(Default)]
struct Largest(Option<(u32, Rc<str>, Time)>);

impl Largest {
    fn see(&mut self, n: u32, client: &Rc<str>, now: Time) {
        if self.0.as_ref().is_none_or(|(most, _, _)| n > *most) {
            self.0 = Some((n, client.clone(), now));
        }
    }
}

/// What has been seen since the log was last told.
#[derive(Default)]
struct Statistics {
    rates: [Largest; 5],
    connections: Largest,
    clients: Largest,
}

struct Anvil {
    daemon: Daemon,
    /// `anvil_rate_time_unit`
    unit: Duration,
    clients: RefCell<BTreeMap<Rc<str>, Counted>>,
    seen: RefCell<Statistics>,
    /// Servers that are connected, and since when there is none.
    servers: Cell<usize>,
    alone_since: Cell<Time>,
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let anvil = Rc::new(Anvil {
        unit: daemon.seconds("anvil_rate_time_unit"),
        clients: RefCell::default(),
        seen: RefCell::default(),
        servers: Cell::new(0),
        alone_since: Cell::new(daemon.p.now()),
        daemon,
    });
    let p = anvil.daemon.p.clone();
    p.task(anvil.clone().report_now_and_then());
    while let Some(stream) = anvil.next().await {
        anvil.servers.set(anvil.servers.get() + 1);
        p.task(anvil.clone().serve(stream));
    }
    anvil.report();
    0
}

impl Anvil {
    /// The next server; nothing when there has been none for `max_idle`, or when retired.
    async fn next(&self) -> Option<Stream> {
        let p = &self.daemon.p;
        let patience = self.daemon.seconds("max_idle").max(self.unit);
        let mut wait = patience;
        loop {
            if let Some(next) = p.timeout(wait, self.daemon.accept_always()).await {
                return next;
            }
            wait = patience;
            if self.servers.get() == 0 {
                wait = patience.saturating_sub(p.now() - self.alone_since.get());
                if wait.is_zero() {
                    return None;
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, stream: Stream) {
        let mut connected: Vec<Rc<str>> = Vec::new();
        while let Either::Left(Some(request)) =
            race(stream.receive::<Request>(), self.daemon.service.retirement()).await
        {
            match request.act {
                Act::Connect => connected.push(request.client.clone()),
                Act::Disconnect => {
                    if let Some(at) = connected.iter().position(|c| *c == request.client) {
                        self.leave(&connected.swap_remove(at));
                    }
                }
                _ => {}
            }
            if stream.send_untold(self.count(&request)).is_err() {
                break;
            }
        }
        for client in connected {
            self.leave(&client);
        }
        self.servers.set(self.servers.get() - 1);
        self.alone_since.set(self.daemon.p.now());
    }

    fn leave(&self, client: &Rc<str>) {
        if let Some(counted) = self.clients.borrow_mut().get_mut(client) {
            counted.connections -= 1;
        }
    }

    /// Counts an act, and keeps in mind what was more than before.
    fn count(&self, request: &Request) -> Reply {
        let now = self.daemon.p.now();
        let (mut all, mut seen) = (self.clients.borrow_mut(), self.seen.borrow_mut());
        forget(&mut all, now, self.unit);
        let client = all.entry(request.client.clone()).or_default();
        if now - client.since >= self.unit {
            (client.since, client.rates) = (now, [0; 5]);
        }
        let Some(rate) = client.rates.get_mut(request.act as usize) else { return Reply::default() };
        *rate += 1;
        seen.rates[request.act as usize].see(*rate, &request.client, now);
        let rate = *rate;
        if request.act == Act::Connect {
            client.connections += 1;
            seen.connections.see(client.connections, &request.client, now);
        }
        let reply = Reply { connections: client.connections, rate };
        let known = all.len() as u32;
        seen.clients.see(known, &request.client, now);
        reply
    }

    async fn report_now_and_then(self: Rc<Self>) {
        self.daemon.now_and_then("anvil_status_update_time", || self.report()).await;
    }

    /// Tells the log of the largest numbers, and begins anew.
    fn report(&self) {
        let seen = self.seen.take();
        let log = |text: String| self.daemon.msg.log(&format!("statistics: {text}"));
        let at = |time: Time| time.strftime("%b %e %H:%M:%S");
        let unit = self.unit.as_secs();
        for (n, (largest, (_, name))) in seen.rates.iter().zip(RATES).enumerate() {
            if let Largest(Some((most, client, time))) = largest {
                log(format!("max {name} rate {most}/{unit}s for ({client}) at {}", at(*time)));
            }
            if n == 0
                && let Largest(Some((most, client, time))) = &seen.connections
            {
                log(format!("max connection count {most} for ({client}) at {}", at(*time)));
            }
        }
        if let Largest(Some((most, _, time))) = seen.clients {
            log(format!("max cache size {most} at {}", at(time)));
        }
    }
}

/// Clients of whom there is nothing left to be known.
fn forget(all: &mut BTreeMap<Rc<str>, Counted>, now: Time, unit: Duration) {
    all.retain(|_, c| c.connections > 0 || now - c.since < unit);
}

/// Asks; an anvil that is not there stands in nobody's way.
pub async fn ask(p: &Process, open: &RefCell<Option<Stream>>, client: Rc<str>, act: Act) -> Option<Reply> {
    let kept = open.borrow_mut().take();
    let stream = match kept {
        Some(stream) => stream,
        None => p.connect_unix(&format!("{SPOOL}/private/anvil")).await.ok()?,
    };
    stream.send_untold(Request { client, act }).ok()?;
    let reply = stream.receive::<Reply>().await?;
    open.borrow_mut().replace(stream);
    Some(reply)
}
