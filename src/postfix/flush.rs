//! flush(8): has the mail for one destination tried again (ETRN, `postqueue -s`), or one message
//! (`postqueue -i`).
//!
//! # Simplifications
//! The real one keeps a list of messages for each of `fast_flush_domains`; here the deferred
//! queue itself is looked through, which comes to the same.

use super::dict::MatchList;
use super::master::{self, Trigger};
use super::queue::{self, Queue, QueueFile, SPOOL};
use super::server::Daemon;
use crate::proto::address;
use crate::world::fs::Touch;
use crate::world::process::Process;
use std::rc::Rc;

/// What to try again: smtpd, postqueue → flush.
#[derive(Clone, Debug)]
pub enum Request {
    /// All mail for a domain.
    Site(Rc<str>),
    /// One message.
    Message(Rc<str>),
}

/// Whether it will be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It will.
    Ok,
    /// The domain is not one of `fast_flush_domains`, or there is no such message.
    Denied,
}

/// Asks the daemon; `None` when the mail system is down.
pub async fn ask(p: &Process, request: Request) -> Option<Answer> {
    let stream = p.connect_unix(&format!("{SPOOL}/public/flush")).await.ok()?;
    stream.send(|_| format!("{request:?}"), request.clone()).ok()?;
    stream.receive().await
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let domains = match MatchList::domains("fast_flush_domains", &daemon.config, &daemon.p) {
        Ok(domains) => domains,
        Err(e) => {
            daemon.msg.log(&format!("fatal: {e}"));
            return 1;
        }
    };
    while let Some(stream) = daemon.accept().await {
        // Calls of master, to clean up lists that are not kept here, are no requests.
        let Some(request) = stream.receive::<Request>().await else { continue };
        let answer = match request {
            Request::Site(site) if !domains.matches(&site) => Answer::Denied,
            Request::Site(site) => again(&daemon.p, |_, file| {
                file.recipients
                    .iter()
                    .any(|r| address::domain(&r.address).is_some_and(|d| d.eq_ignore_ascii_case(&site)))
            })
            .await
            .map_or(Answer::Ok, |()| Answer::Ok),
            Request::Message(id) => {
                again(&daemon.p, |i, _| *i == *id).await.map_or(Answer::Denied, |()| Answer::Ok)
            }
        };
        let _ = stream.send(|_| format!("{answer:?}"), answer);
    }
    0
}

/// Makes deferred messages due at once; `None` when there was none.
async fn again(p: &Process, wanted: impl Fn(&str, &QueueFile) -> bool) -> Option<()> {
    let mut found = false;
    for (id, path) in queue::scan(p, Queue::Deferred.name()) {
        let file = p.read_file(&path).ok().and_then(|f| QueueFile::parse(f).ok());
        if file.is_some_and(|f| wanted(&id, &f)) {
            found |= p.set_times(&path, Touch::Now, Touch::Now).is_ok();
        }
    }
    let _ = master::trigger(p, &format!("{SPOOL}/public/qmgr"), Trigger("D")).await;
    found.then_some(())
}
