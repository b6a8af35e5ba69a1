//! postsuper(1): deletes, holds, releases and requeues messages; root only.

use super::msg::Msg;
use super::queue::{self, Queue};
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
}

/// The command.
pub async fn main(p: Process) -> i32 {
    let msg = Msg::command(&p, "postsuper");
    if p.cred().uid != 0 {
        return msg.fatal("use of this command is reserved for the superuser").await;
    }
    let (acts, queues) = match parse(&p.args()) {
        Ok(parsed) => parsed,
        Err(text) => return msg.fatal(text).await,
    };
    let mut counts = [0usize; 4];
    for (act, id) in acts {
        let from: Vec<Queue> = match act {
            Act::Delete | Act::Requeue => {
                vec![Queue::Maildrop, Queue::Hold, Queue::Incoming, Queue::Active, Queue::Deferred]
            }
            Act::Hold => vec![Queue::Incoming, Queue::Active, Queue::Deferred],
            Act::Release => vec![Queue::Hold],
        };
        let from: Vec<Queue> = from.into_iter().filter(|q| queues.is_empty() || queues.contains(q)).collect();
        counts[act as usize] += match &*id {
            "ALL" => all(&p, &msg, act, &from).await,
            "-" => from_stdin(&p, &msg, act, &from).await,
            id => one(&p, &msg, act, &from, id).await,
        };
        // Of nothing done the real one speaks only where something was asked for by name.
        summary(&msg, act, counts[act as usize], &id).await;
        counts[act as usize] = 0;
    }
    0
}

async fn summary(msg: &Msg, act: Act, count: usize, id: &str) {
    if count == 0 && id == "ALL" {
        return;
    }
    let plural = if count == 1 { "" } else { "s" };
    let what = match act {
        Act::Delete => "Deleted",
        Act::Hold => "Placed on hold",
        Act::Release => "Released from hold",
        Act::Requeue => "Requeued",
    };
    msg.info(format!("{what}: {count} message{plural}")).await;
}

/// What to do with which messages, and in which queues.
type Orders = (Vec<(Act, Rc<str>)>, Vec<Queue>);

fn parse(args: &[Rc<str>]) -> Result<Orders, String> {
    let (mut acts, mut queues) = (Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let act = match arg.get(..2) {
            Some("-d") => Act::Delete,
            Some("-h") => Act::Hold,
            Some("-H") => Act::Release,
            Some("-r") => Act::Requeue,
            // Files of the lab are always where they belong.
            Some("-p" | "-s" | "-S" | "-v") if arg.len() == 2 => continue,
            Some(option) if option.starts_with('-') => return Err(USAGE.to_owned()),
            _ => {
                let queue = Queue::named(arg).ok_or_else(|| format!("invalid queue name: {arg}"))?;
                queues.push(queue);
                continue;
            }
        };
        let id: Rc<str> = if arg.len() > 2 { arg[2..].into() } else { args.next().cloned().ok_or(USAGE)? };
        acts.push((act, id));
    }
    Ok((acts, queues))
}

async fn all(p: &Process, msg: &Msg, act: Act, from: &[Queue]) -> usize {
    let mut count = 0;
    for queue in from {
        for (id, _) in queue::scan(p, queue.name()) {
            count += usize::from(perform(p, msg, act, *queue, &id).await);
        }
    }
    count
}

async fn from_stdin(p: &Process, msg: &Msg, act: Act, from: &[Queue]) -> usize {
    let input = match p.fd(crate::world::process::STDIN) {
        Ok(open) => open.read_to_end(super::STDIN_LIMIT).await.unwrap_or_default(),
        Err(_) => return 0,
    };
    let mut count = 0;
    for id in String::from_utf8_lossy(&input).split_whitespace() {
        count += one(p, msg, act, from, id).await;
    }
    count
}

async fn one(p: &Process, msg: &Msg, act: Act, from: &[Queue], id: &str) -> usize {
    if !queue::is_id(id) {
        msg.warn(format!("invalid mail queue id: {id}")).await;
        return 0;
    }
    let id: Rc<str> = id.into();
    for queue in from {
        if p.stat(&queue.path(&id), false).is_ok() && perform(p, msg, act, *queue, &id).await {
            let what = match act {
                Act::Delete => "removed",
                Act::Hold => "placed on hold",
                Act::Release => "released from hold",
                Act::Requeue => "requeued",
            };
            msg.info(format!("{id}: {what}")).await;
            return 1;
        }
    }
    0
}

async fn perform(p: &Process, msg: &Msg, act: Act, queue: Queue, id: &Rc<str>) -> bool {
    let done = match act {
        Act::Delete => delete(p, queue, id),
        Act::Hold => queue::rename(p, id, queue, Queue::Hold),
        Act::Release => {
            // It is due at once, but waits for qmgr to look.
            let now = p.set_times(&queue.path(id), Touch::Now, Touch::Now);
            now.and_then(|()| queue::rename(p, id, Queue::Hold, Queue::Deferred))
        }
        Act::Requeue => requeue(p, queue, id),
    };
    match done {
        Ok(()) => true,
        Err(e) => {
            msg.warn(format!("{}: {e}", queue.path(id))).await;
            false
        }
    }
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

/// Back to pickup, which gives it to cleanup once more; the real one keeps its arrival time, too.
fn requeue(p: &Process, queue: Queue, id: &Rc<str>) -> Sys<()> {
    for log in ["bounce", "defer", "trace"] {
        let _ = p.unlink(&queue::path(log, id));
    }
    queue::rename(p, id, queue, Queue::Maildrop)
}
