//! flush(8): knows which messages wait for a destination of `fast_flush_domains`, and has them tried
//! again (ETRN, `postqueue -s`), or one message (`postqueue -i`).
//!
//! Delivery agents tell of each recipient that has to wait ([`add`]); its queue id goes into a file
//! of `flush/` named after the domain. A request moves the messages in it from `deferred/` to
//! `incoming/` and wakes qmgr. master's wake-up calls refresh lists older than
//! `fast_flush_refresh_time`, and remove empty ones older than `fast_flush_purge_time`.

use super::dict::MatchList;
use super::master::{self, Trigger};
use super::queue::{self, Queue, SPOOL};
use super::server::Daemon;
use crate::world::fs::{OpenFlags, Touch};
use crate::world::process::Process;
use std::rc::Rc;

/// What to do: smtpd, postqueue, delivery agents → flush.
#[derive(Clone, Debug)]
pub enum Request {
    /// Try all mail for a domain.
    Site(Rc<str>),
    /// Try one message.
    Message(Rc<str>),
    /// A message waits for a domain.
    Add(Rc<str>, Rc<str>),
}

/// Whether it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is.
    Ok,
    /// The domain is not one of `fast_flush_domains`.
    Denied,
}

/// Asks the daemon; `None` when the mail system is down.
pub async fn ask(p: &Process, request: Request) -> Option<Answer> {
    let stream = p.connect_unix(&format!("{SPOOL}/public/flush")).await.ok()?;
    stream.send(|_| format!("{request:?}"), request.clone()).ok()?;
    stream.receive().await
}

/// Tells the daemon that a message waits for a domain, if that is of interest.
pub async fn add(daemon: &Daemon, domain: &str, id: &Rc<str>) {
    if !daemon.fast_flush().is_some_and(|domains| domains.matches(domain)) {
        return;
    }
    if ask(&daemon.p, Request::Add(domain.into(), id.clone())).await.is_none() {
        daemon.msg.log_warn(format!("{id}: flush service failure"));
    }
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
        let Some(request) = stream.receive_any().await else { continue };
        let request = match request.downcast::<Request>() {
            Ok(request) => *request,
            Err(_) => {
                refresh(&daemon).await;
                continue;
            }
        };
        let answer = match request {
            Request::Site(site) | Request::Add(site, _) if !domains.matches(&site) => Answer::Denied,
            Request::Site(site) => {
                send(&daemon.p, &path_of(&site)).await;
                Answer::Ok
            }
            Request::Message(id) => one(&daemon.p, &id).await,
            Request::Add(site, id) => note(&daemon, &site, &id),
        };
        let _ = stream.send(|_| format!("{answer:?}"), answer);
    }
    0
}

/// The list of a domain: its name in lower case, with `_` for all but letters and digits.
fn path_of(site: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    format!("{SPOOL}/flush/{}", site.chars().map(letter).collect::<String>())
}

fn note(daemon: &Daemon, site: &str, id: &str) -> Answer {
    let path = path_of(site);
    let written = daemon
        .p
        .open(&path, OpenFlags::APPEND, 0o600)
        .and_then(|f| f.write_file(format!("{id}\n").as_bytes()));
    match written {
        Ok(()) => Answer::Ok,
        Err(e) => {
            daemon.msg.log_warn(format!("open fast flush logfile {}: {e}", &path[SPOOL.len() + 1..]));
            Answer::Denied
        }
    }
}

/// Has every message of a list tried; the list is empty then.
async fn send(p: &Process, path: &str) {
    let Ok(text) = p.read_text(path) else { return };
    // Destinations that were down are up again, as far as anybody can say.
    wake(p, "F").await;
    let mut done: Vec<Rc<str>> = Vec::new();
    for id in text.lines().filter(|id| queue::is_id(id)) {
        if !done.iter().any(|d| **d == *id) {
            done.push(id.into());
            make_due(p, &done[done.len() - 1]);
        }
    }
    let _ = p.write_file(path, "", 0o600);
    wake(p, "FI").await;
}

/// Moves a message to where qmgr finds it at once, if it is deferred.
fn make_due(p: &Process, id: &Rc<str>) {
    let path = Queue::Deferred.path(id);
    if p.set_times(&path, Touch::Now, Touch::Now).is_ok() {
        if let Ok(file) = p.stat(&path, false) {
            let _ = p.chmod(&path, file.mode & 0o777 | queue::UNTHROTTLED);
        }
        let _ = queue::rename(p, id, Queue::Deferred, Queue::Incoming);
    }
}

async fn one(p: &Process, id: &Rc<str>) -> Answer {
    wake(p, "F").await;
    make_due(p, id);
    wake(p, "FI").await;
    Answer::Ok
}

async fn wake(p: &Process, calls: &'static str) {
    let _ = master::trigger(p, &format!("{SPOOL}/public/qmgr"), Trigger(calls)).await;
}

/// Tries what has waited long, and removes lists that nobody needed for long.
async fn refresh(daemon: &Daemon) {
    let p = &daemon.p;
    let (refresh, purge) =
        (daemon.seconds("fast_flush_refresh_time"), daemon.seconds("fast_flush_purge_time"));
    for name in p.list(&format!("{SPOOL}/flush")).unwrap_or_default() {
        let path = format!("{SPOOL}/flush/{name}");
        let Ok(stat) = p.stat(&path, false) else { continue };
        if stat.size == 0 && stat.mtime + purge < p.now() {
            let _ = p.unlink(&path);
        } else if stat.size > 0 && stat.ctime + refresh < p.now() {
            send(p, &path).await;
        }
    }
}
