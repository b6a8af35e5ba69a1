//! postsuper(1): deletes, holds, releases, requeues and expires messages; root only.
//!
//! # Simplifications
//! `-s` and `-S` find nothing to mend: files of the lab are always where they belong.

use super::getopt;
use super::msg::Msg;
use super::queue::{self, Queue, SPOOL};
use crate::world::clock::Duration;
use crate::world::errno::Sys;
use crate::world::fs::Touch;
use crate::world::process::Process;
use std::rc::Rc;

const USAGE: &str = "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] \
[-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] \
[-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]";

/// What to do with messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Delete,
    Hold,
    Release,
    Requeue,
    Expire,
    /// Expire, and release what is on hold.
    ExpireAndRelease,
}

/// The command.
pub async fn main(p: Process) -> i32 {
    let msg = Msg::command(&p, "postsuper");
    if p.cred().uid != 0 {
        return msg.fatal("use of this command is reserved for the superuser").await;
    }
    let options = match getopt::of_command(&p, &msg, "postsuper", "c:d:e:f:h:H:pr:sSv", USAGE).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if let Err(status) = super::configuration_of_host(&p, &msg, options.value('c')).await {
        return status;
    }
    let mut queues = Vec::new();
    for name in &options.rest {
        match Queue::named(name) {
            Some(queue) => queues.push(queue),
            None => return msg.fatal(format!("invalid directory name: {name}")).await,
        }
    }
    if options.has('p') {
        purge(&p);
    }
    for (letter, id) in options.given {
        let (Some(act), Some(id)) = (act(letter), id) else { continue };
        let from: Vec<Queue> = match act {
            Act::Delete | Act::Requeue | Act::Expire | Act::ExpireAndRelease => {
                vec![Queue::Maildrop, Queue::Hold, Queue::Incoming, Queue::Active, Queue::Deferred]
            }
            Act::Hold => vec![Queue::Incoming, Queue::Active, Queue::Deferred],
            Act::Release => vec![Queue::Hold],
        };
        let from: Vec<Queue> = from.into_iter().filter(|q| queues.is_empty() || queues.contains(q)).collect();
        let count = match &*id {
            "ALL" => all(&p, &msg, act, &from).await,
            "-" => from_stdin(&p, &msg, act, &from).await,
            id => one(&p, &msg, act, &from, id).await,
        };
        if act == Act::ExpireAndRelease {
            summary(&msg, Act::Expire, count.0).await;
            summary(&msg, Act::Release, count.1).await;
        } else {
            summary(&msg, act, count.0).await;
        }
    }
    0
}

fn act(letter: char) -> Option<Act> {
    Some(match letter {
        'd' => Act::Delete,
        'e' => Act::Expire,
        'f' => Act::ExpireAndRelease,
        'h' => Act::Hold,
        'H' => Act::Release,
        'r' => Act::Requeue,
        _ => return None,
    })
}

async fn summary(msg: &Msg, act: Act, count: usize) {
    let plural = if count == 1 { "" } else { "s" };
    let what = match act {
        Act::Delete => "Deleted",
        Act::Hold => "Placed on hold",
        Act::Release => "Released from hold",
        Act::Requeue => "Requeued",
        Act::Expire | Act::ExpireAndRelease => "Force-expired",
    };
    msg.info(format!("{what}: {count} message{plural}")).await;
}

/// Removes files that nobody finished writing: those of programs that are gone, older than a day.
fn purge(p: &Process) {
    const OLD: Duration = Duration::from_secs(86400);
    for queue in [Queue::Maildrop, Queue::Incoming] {
        let directory = format!("{SPOOL}/{}", queue.name());
        for name in p.list(&directory).unwrap_or_default() {
            let path = format!("{directory}/{name}");
            if name.contains('.') && p.stat(&path, false).is_ok_and(|s| s.mtime + OLD < p.now()) {
                let _ = p.unlink(&path);
            }
        }
    }
}

/// How many messages something was done with: what was asked for, and released besides.
type Counts = (usize, usize);

async fn all(p: &Process, msg: &Msg, act: Act, from: &[Queue]) -> Counts {
    let mut counts = (0, 0);
    for queue in from {
        for (id, _) in queue::scan(p, queue.name()) {
            add(&mut counts, perform(p, msg, act, *queue, &id).await);
        }
    }
    counts
}

fn add(counts: &mut Counts, (done, released): (bool, bool)) {
    counts.0 += usize::from(done);
    counts.1 += usize::from(released);
}

async fn from_stdin(p: &Process, msg: &Msg, act: Act, from: &[Queue]) -> Counts {
    let input = match p.fd(crate::world::process::STDIN) {
        Ok(open) => open.read_to_end(super::STDIN_LIMIT).await.unwrap_or_default(),
        Err(_) => return (0, 0),
    };
    let mut counts = (0, 0);
    for id in String::from_utf8_lossy(&input).lines() {
        let (done, released) = one(p, msg, act, from, id.trim_end()).await;
        counts = (counts.0 + done, counts.1 + released);
    }
    counts
}

async fn one(p: &Process, msg: &Msg, act: Act, from: &[Queue], id: &str) -> Counts {
    let mut counts = (0, 0);
    if id.is_empty() || id.len() > 100 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        msg.warn(format!("invalid mail queue id: {id}")).await;
        return counts;
    }
    let id: Rc<str> = id.into();
    for queue in from {
        if p.stat(&queue.path(&id), false).is_err() {
            continue;
        }
        let done = perform(p, msg, act, *queue, &id).await;
        add(&mut counts, done);
        let what = match act {
            Act::Delete => "removed",
            Act::Hold => "placed on hold",
            Act::Release => "released from hold",
            Act::Requeue => "requeued",
            Act::Expire | Act::ExpireAndRelease => "expired",
        };
        if done.0 {
            msg.info(format!("{id}: {what}")).await;
        }
        if done.1 {
            msg.info(format!("{id}: released from hold")).await;
        }
        if done != (false, false) {
            break;
        }
    }
    counts
}

/// Was it done, and was the message released from hold besides?
async fn perform(p: &Process, msg: &Msg, act: Act, queue: Queue, id: &Rc<str>) -> (bool, bool) {
    let done = match act {
        Act::Delete => delete(p, queue, id).map(|()| (true, false)),
        Act::Hold => queue::rename(p, id, queue, Queue::Hold).map(|()| (true, false)),
        Act::Release => release(p, id).map(|()| (true, false)),
        Act::Requeue => queue::rename(p, id, queue, Queue::Maildrop).map(|()| (true, false)),
        Act::Expire => expire(p, queue, id).map(|done| (done, false)),
        Act::ExpireAndRelease => expire(p, queue, id).and_then(|done| match queue {
            Queue::Hold => release(p, id).map(|()| (done, true)),
            _ => Ok((done, false)),
        }),
    };
    match done {
        Ok(done) => done,
        Err(e) => {
            msg.warn(format!("{}: {e}", queue.path(id))).await;
            (false, false)
        }
    }
}

/// It is due at once, but waits for qmgr to look.
fn release(p: &Process, id: &Rc<str>) -> Sys<()> {
    p.set_times(&Queue::Hold.path(id), Touch::Now, Touch::Now)?;
    queue::rename(p, id, Queue::Hold, Queue::Deferred)
}

/// Marks the message: it goes back to its sender when the queue manager comes to it. `false` if it is marked already, or
/// has not come into a queue of the queue manager yet.
fn expire(p: &Process, queue: Queue, id: &Rc<str>) -> Sys<bool> {
    let path = queue.path(id);
    let stat = p.stat(&path, false)?;
    if queue == Queue::Maildrop || queue::is_expired(&stat) {
        return Ok(false);
    }
    p.chmod(&path, stat.mode & 0o7777 | queue::EXPIRED)?;
    Ok(true)
}

/// The message, and what the bounce daemon has noted of it.
fn delete(p: &Process, queue: Queue, id: &Rc<str>) -> Sys<()> {
    for log in ["bounce", "defer", "trace"] {
        let _ = p.unlink(&queue::path(log, id));
    }
    p.unlink(&queue.path(id))?;
    p.queue_event(id, queue::gone(queue));
    Ok(())
}
