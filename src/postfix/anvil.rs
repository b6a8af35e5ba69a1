//! anvil(8): counts the connections of each client, and how often it does what within a minute.
//!
//! smtpd asks on behalf of a client of a service; anvil answers with the number of its connections and
//! with the rate of what it asks about, in `anvil_rate_time_unit`. Whoever hangs up has no connection
//! any more.
//!
//! # Simplifications
//! The `statistics:` lines that the real one logs now and then are not written.

use super::queue::SPOOL;
use super::server::Daemon;
use crate::world::clock::{Duration, Time};
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::timer::{Either, race};
use std::cell::RefCell;
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
}

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

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => Rc::new(daemon),
        Err(status) => return status,
    };
    let clients = Rc::new(RefCell::new(BTreeMap::new()));
    while let Some(stream) = daemon.accept_always().await {
        daemon.p.task(serve(daemon.clone(), clients.clone(), stream));
    }
    0
}

type Clients = Rc<RefCell<BTreeMap<Rc<str>, Counted>>>;

async fn serve(daemon: Rc<Daemon>, clients: Clients, stream: Stream) {
    let unit = daemon.seconds("anvil_rate_time_unit");
    let mut connected: Option<Rc<str>> = None;
    while let Either::Left(Some(request)) =
        race(stream.receive::<Request>(), daemon.service.retirement()).await
    {
        let reply = {
            let mut all = clients.borrow_mut();
            forget(&mut all, daemon.p.now(), unit);
            let client = all.entry(request.client.clone()).or_default();
            if daemon.p.now() - client.since >= unit {
                (client.since, client.rates) = (daemon.p.now(), [0; 5]);
            }
            if request.act == Act::Connect {
                client.connections += 1;
                connected = Some(request.client.clone());
            }
            let rate = &mut client.rates[request.act as usize];
            *rate += 1;
            Reply { connections: client.connections, rate: *rate }
        };
        if stream.send_untold(reply).is_err() {
            break;
        }
    }
    if let Some(client) = connected
        && let Some(counted) = clients.borrow_mut().get_mut(&client)
    {
        counted.connections -= 1;
    }
}

/// Clients of whom there is nothing left to be known.
fn forget(all: &mut BTreeMap<Rc<str>, Counted>, now: Time, unit: Duration) {
    const MANY: usize = 1000;
    if all.len() > MANY {
        all.retain(|_, c| c.connections > 0 || now - c.since < unit);
    }
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
