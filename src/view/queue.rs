//! Everything that is on its way: each message in the queues of every host, from its queue file.
//!
//! # Simplifications
//! What is in the memory of a program, and not yet in a queue, is not seen.

use super::text::{clip, plain, width};
use crate::postfix::bounce;
use crate::postfix::queue::{Queue, QueueFile, SPOOL, path};
use crate::world::World;
use crate::world::clock::Time;
use crate::world::fs::Fs;
use crate::world::host::Host;
use crate::world::users::Cred;
use std::rc::Rc;

/// No line is wider, but for addresses.
const WIDTH: usize = 80;

/// A message on its way.
struct Waiting {
    host: Rc<str>,
    queue: &'static str,
    id: String,
    sender: String,
    recipients: Vec<String>,
    /// What it waits for.
    what: String,
}

/// The queues of all hosts, a message a paragraph; "Nothing is on its way." if they are empty.
pub fn queue(world: &World) -> String {
    let all: Vec<Waiting> = world.hosts().iter().flat_map(|host| of_host(host, world.now())).collect();
    if all.is_empty() {
        return "Nothing is on its way.\n".to_owned();
    }
    let widest = |of: fn(&Waiting) -> usize| all.iter().map(of).max().unwrap_or(0);
    let (hosts, queues, ids) =
        (widest(|w| width(short(&w.host))), widest(|w| w.queue.len()), widest(|w| w.id.len()));
    let mut out = String::new();
    for w in &all {
        let sender = if w.sender.is_empty() { "<>" } else { &w.sender };
        let way = format!("{} → {}", plain(sender), plain(&w.recipients.join(", ")));
        let head = format!("  {:<hosts$}   {:<queues$}   {:<ids$}   ", short(&w.host), w.queue, w.id);
        out.push_str(&format!("{head}{way}\n"));
        let left = "  ".len() + hosts + 3;
        out.push_str(&format!("{:left$}{}\n", "", clip(&plain(&w.what), WIDTH - left.min(WIDTH / 2))));
    }
    out
}

fn short(host: &str) -> &str {
    super::reading::short(host)
}

fn of_host(host: &Host, now: Time) -> Vec<Waiting> {
    let fs = host.fs();
    let mut all = Vec::new();
    for queue in Queue::ALL {
        for id in ids(&fs, queue.name()) {
            let Ok(bytes) = read(&fs, &queue.path(&id)) else { continue };
            let file = QueueFile::parse(bytes);
            let what = waits_for(&fs, queue, &id, file.is_ok(), now);
            let (sender, recipients) = match &file {
                Ok(f) => (f.sender.to_string(), f.recipients.iter().map(|r| r.address.to_string()).collect()),
                Err(_) => ("?".to_owned(), vec!["?".to_owned()]),
            };
            all.push(Waiting {
                host: host.name().clone(),
                queue: queue.name(),
                id,
                sender,
                recipients,
                what,
            });
        }
    }
    all
}

fn waits_for(fs: &Fs, queue: Queue, id: &str, whole: bool, now: Time) -> String {
    match queue {
        Queue::Maildrop => "waits for pickup".to_owned(),
        Queue::Incoming if whole => "waits for qmgr".to_owned(),
        Queue::Incoming => "cleanup writes it".to_owned(),
        Queue::Active => "qmgr has it delivered".to_owned(),
        Queue::Hold => "is held, until postsuper -H".to_owned(),
        Queue::Corrupt => "could not be read".to_owned(),
        Queue::Deferred => {
            let at = fs.stat_path(&Cred::root(), fs.root(), &queue.path(id), true).map(|s| s.mtime);
            let text = read(fs, &path("defer", id)).unwrap_or_default();
            let reasons = bounce::parse(&String::from_utf8_lossy(&text));
            let reason = reasons.first().map_or_else(String::new, |e| format!(": {}", e.dsn.reason));
            match at {
                Ok(at) if at > now => format!("until {}{reason}", at.strftime("%b %e %H:%M:%S")),
                _ => format!("for qmgr's next look at the queue{reason}"),
            }
        }
    }
}

fn read(fs: &Fs, path: &str) -> Result<bytes::Bytes, crate::world::errno::Errno> {
    fs.read_path(&Cred::root(), fs.root(), path)
}

/// The ids in a queue, in the order of their names.
fn ids(fs: &Fs, queue: &str) -> Vec<String> {
    let list = |path: &str| -> Vec<String> {
        let Ok(dir) = fs.resolve(&Cred::root(), fs.root(), path, true) else { return Vec::new() };
        fs.readdir(dir).map(|all| all.map(|(name, _)| name.to_owned()).collect()).unwrap_or_default()
    };
    let top = format!("{SPOOL}/{queue}");
    let mut found = Vec::new();
    for name in list(&top) {
        if name.len() == 1 {
            found.extend(list(&format!("{top}/{name}")));
        } else {
            found.push(name);
        }
    }
    found.retain(|name| crate::postfix::queue::is_id(name));
    found.sort();
    found
}
