//! showq(8): tells what is in the queues, for `mailq`, `postqueue -p` and `postqueue -j`.
//!
//! Answers a connection to `public/showq` with one [`Listed`] a message. `postqueue` run by root
//! does the same by itself when the mail system is down.

use super::bounce;
use super::queue::{self, Queue, QueueFile};
use super::server::Daemon;
use crate::world::clock::Time;
use crate::world::process::Process;

/// A message in a queue.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The queue.
    pub queue: Queue,
    /// Its id.
    pub id: String,
    /// Has an administrator expired it?
    pub expired: bool,
    /// When it arrived.
    pub arrival: Time,
    /// Its size: of the message, or of the file where cleanup has not seen it yet.
    pub size: u64,
    /// The envelope sender.
    pub sender: String,
    /// The recipients with the reason why each waits, or an empty one.
    pub recipients: Vec<(String, String)>,
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    while let Some(stream) = daemon.accept().await {
        let list = list(&daemon.p);
        let _ = stream.send(|list| format!("{} messages", list.len()), list);
    }
    0
}

/// All messages, queue by queue.
pub fn list(p: &Process) -> Vec<Listed> {
    let mut all = Vec::new();
    for queue in [Queue::Maildrop, Queue::Active, Queue::Incoming, Queue::Deferred, Queue::Hold] {
        for (id, path) in queue::scan(p, queue.name()) {
            if let Ok(stat) = p.stat(&path, false)
                && queue::is_complete(&stat)
                && let Some(listed) = read(p, queue, &id, &path)
            {
                all.push(Listed { expired: queue::is_expired(&stat), ..listed });
            }
        }
    }
    all
}

fn read(p: &Process, queue: Queue, id: &str, path: &str) -> Option<Listed> {
    let bytes = p.read_file(path).ok()?;
    let file_size = bytes.len() as u64;
    let file = QueueFile::parse(bytes).ok()?;
    let reasons = bounce::parse(&p.read_text(&queue::path("defer", id)).unwrap_or_default());
    // Those of whom it is known why they wait come first, in the order in which that was noted.
    let noted = |e: &&bounce::Entry| file.recipients.iter().any(|r| *r.address == e.recipient);
    let is_noted = |address: &str| reasons.iter().any(|e| e.recipient == address);
    let mut recipients: Vec<(String, String)> =
        reasons.iter().filter(noted).map(|e| (e.recipient.clone(), e.dsn.reason.to_string())).collect();
    let others = file.recipients.iter().filter(|r| !is_noted(&r.address));
    recipients.extend(others.map(|r| (r.address.to_string(), String::new())));
    Some(Listed {
        queue,
        id: id.to_owned(),
        expired: false,
        arrival: file.arrival,
        size: if file.size > 0 { file.size } else { file_size },
        sender: if file.sender.is_empty() { "MAILER-DAEMON".to_owned() } else { file.sender.to_string() },
        recipients,
    })
}
