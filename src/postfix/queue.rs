//! Queue files and where they lie (`mail_queue(3)`).
//!
//! A queue is a directory below `queue_directory`; those in `hash_queue_names` have a
//! subdirectory for the first character of the queue id ([`queue_id`]).

use super::queue_id;
pub use super::queue_id::is_id;
use super::record::{self, Records, Type};
use crate::world::clock::Time;
use crate::world::errno::{Errno, Sys};
use crate::world::fs::{Kind, Mark, Stat};
use crate::world::process::Process;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

/// `queue_directory`, which no host of the lab moves.
pub const SPOOL: &str = "/var/spool/postfix";

/// The queues.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Queue {
    /// What `postdrop` leaves for `pickup`.
    Maildrop,
    /// What `cleanup` writes.
    Incoming,
    /// What `qmgr` is working on.
    Active,
    /// What waits for another try.
    Deferred,
    /// What an administrator or a rule has put aside.
    Hold,
    /// What could not be read.
    Corrupt,
}

impl Queue {
    /// The queues that hold messages, in the order in which the commands look through them.
    pub const ALL: [Queue; 5] =
        [Queue::Maildrop, Queue::Hold, Queue::Incoming, Queue::Active, Queue::Deferred];

    /// The name of its directory.
    pub const fn name(self) -> &'static str {
        match self {
            Queue::Maildrop => "maildrop",
            Queue::Incoming => "incoming",
            Queue::Active => "active",
            Queue::Deferred => "deferred",
            Queue::Hold => "hold",
            Queue::Corrupt => "corrupt",
        }
    }

    /// The queue of this name.
    pub fn named(name: &str) -> Option<Queue> {
        [Queue::Corrupt].into_iter().chain(Queue::ALL).find(|q| q.name() == name)
    }

    /// Where a message of this id lies in it.
    pub fn path(self, id: &str) -> String {
        path(self.name(), id)
    }
}

/// Directories with a subdirectory for each first character (`hash_queue_names`).
const HASHED: [&str; 2] = ["deferred", "defer"];

/// Where the file of a message lies in a directory of the spool.
pub fn path(directory: &str, id: &str) -> String {
    if HASHED.contains(&directory) {
        let first = queue_id::subdirectory(id);
        [SPOOL, "/", directory, "/", first.encode_utf8(&mut [0; 4]), "/", id].concat()
    } else {
        [SPOOL, "/", directory, "/", id].concat()
    }
}

/// Makes a new, empty file in a queue and gives it the id that follows from it, a long one where
/// that is wanted (`enable_long_queue_ids`).
///
/// # Errors
/// Those of open(2): `ENOSPC` on a full disk, `EACCES`.
pub fn enter(p: &Process, queue: Queue, mode: u16, long: bool) -> Sys<Rc<str>> {
    let temporary = format!("{SPOOL}/{}/{}.{}", queue.name(), p.now().subsec_micros(), p.pid());
    p.create_file(&temporary, Bytes::new(), mode)?;
    let ino = p.stat(&temporary, false)?.ino;
    let id = queue_id::new(p.now(), ino.number().into(), long);
    p.rename(&temporary, &queue.path(&id))?;
    Ok(id)
}

/// Moves a message from one queue to another, making the subdirectory it may need.
///
/// # Errors
/// Those of rename(2); `ENOENT` when it is not there any more.
pub fn rename(p: &Process, id: &Rc<str>, from: Queue, to: Queue) -> Sys<()> {
    let (old, new) = (from.path(id), to.path(id));
    match p.rename_untold(&old, &new) {
        Err(Errno::ENOENT) if HASHED.contains(&to.name()) && p.stat(&old, false).is_ok() => {
            make_directory_for(p, &new)?;
            p.rename_untold(&old, &new)?;
        }
        other => other?,
    }
    p.queue_event(id, hop(from, to));
    Ok(())
}

/// Makes the subdirectory in which `path` lies.
///
/// # Errors
/// Those of mkdir(2).
pub fn make_directory_for(p: &Process, path: &str) -> Sys<()> {
    match path.rsplit_once('/') {
        Some((directory, _)) => match p.mkdir(directory, 0o700) {
            Err(Errno::EEXIST) => Ok(()),
            other => other,
        },
        None => Ok(()),
    }
}

/// The trace's name of a message's end.
pub fn gone(from: Queue) -> &'static [&'static str; 2] {
    match from {
        Queue::Maildrop => &["maildrop", ""],
        Queue::Incoming => &["incoming", ""],
        Queue::Active => &["active", ""],
        Queue::Deferred => &["deferred", ""],
        Queue::Hold => &["hold", ""],
        Queue::Corrupt => &["corrupt", ""],
    }
}

/// The trace's name of a move.
fn hop(from: Queue, to: Queue) -> &'static [&'static str; 2] {
    use Queue::{Active, Corrupt, Deferred, Hold, Incoming, Maildrop};
    match (from, to) {
        (Incoming, Active) => &["incoming", "active"],
        (Deferred, Active) => &["deferred", "active"],
        (Active, Deferred) => &["active", "deferred"],
        (Active, Incoming) => &["active", "incoming"],
        (Deferred, Incoming) => &["deferred", "incoming"],
        (Incoming, Hold) => &["incoming", "hold"],
        (Active, Hold) => &["active", "hold"],
        (Deferred, Hold) => &["deferred", "hold"],
        (Hold, Deferred) => &["hold", "deferred"],
        (_, Maildrop) => &["", "maildrop"],
        (_, Corrupt) => &["", "corrupt"],
        (_, Incoming) => &["", "incoming"],
        (_, Active) => &["", "active"],
        (_, Deferred) => &["", "deferred"],
        (_, Hold) => &["", "hold"],
    }
}

/// The ids in a queue with their paths. As a directory of the real machines gives them: what came
/// into it last comes first.
pub fn scan(p: &Process, directory: &str) -> Vec<(Rc<str>, String)> {
    let mut found = Vec::new();
    let top = format!("{SPOOL}/{directory}");
    for name in p.list_newest_first(&top).unwrap_or_default() {
        let path = format!("{top}/{name}");
        if name.len() == 1 {
            for id in p.list_newest_first(&path).unwrap_or_default() {
                let path = format!("{path}/{id}");
                found.push((id, path));
            }
        } else {
            found.push((name, path));
        }
    }
    found.retain(|(id, _)| is_id(id));
    found
}

/// The ids of the complete messages in a queue, in the order of [`scan`].
pub fn scan_complete(p: &Process, queue: Queue) -> Vec<Rc<str>> {
    let wanted = |name: &str, stat: &Stat| is_complete(stat) && is_id(name);
    scan_by(p, queue, wanted, |directory| p.list_newest_first_where(directory, wanted).unwrap_or_default())
}

/// Until when all files of a subdirectory wait, as long as that is as it was.
#[derive(Default)]
pub struct Waiting(FxHashMap<String, (Mark, Time)>);

/// The ids of the complete messages in a queue whose time has come, in the order of [`scan`]. Where
/// all were found to wait and none has come since, there is no look before the first of them is due:
/// most of a full queue waits for hours.
pub fn scan_due(p: &Process, queue: Queue, waiting: &mut Waiting) -> Vec<Rc<str>> {
    // Clocks of file servers may differ: what is due within the next second is due.
    let now = Time::from_unix(p.now().unix() + 1);
    // The time first: of what waits the name need not be looked at.
    let wanted = |name: &str, stat: &Stat| stat.mtime <= now && is_complete(stat) && is_id(name);
    scan_by(p, queue, wanted, |directory| {
        let Ok(mark) = p.mark(directory) else { return Vec::new() };
        if waiting.0.get(directory).is_some_and(|(seen, until)| *seen == mark && now < *until) {
            return Vec::new();
        }
        let first = Cell::new(None::<Time>);
        let found = p.list_newest_first_where(directory, |name, stat| {
            if stat.mtime > now {
                first.set(Some(first.get().map_or(stat.mtime, |t| t.min(stat.mtime))));
            }
            wanted(name, stat)
        });
        let found = found.unwrap_or_default();
        match first.get().filter(|_| found.is_empty()) {
            Some(until) => _ = waiting.0.insert(directory.to_owned(), (mark, until)),
            None => _ = waiting.0.remove(directory),
        }
        found
    })
}

/// The ids in a queue, with what `within` finds in each of its subdirectories.
fn scan_by(
    p: &Process,
    queue: Queue,
    wanted: impl Fn(&str, &Stat) -> bool,
    mut within: impl FnMut(&str) -> Vec<(Rc<str>, Stat)>,
) -> Vec<Rc<str>> {
    let top = format!("{SPOOL}/{}", queue.name());
    let is_subdirectory = |name: &str, stat: &Stat| name.len() == 1 && stat.kind == Kind::Directory;
    let entries = p
        .list_newest_first_where(&top, |name, stat| is_subdirectory(name, stat) || wanted(name, stat))
        .unwrap_or_default();
    let mut found = Vec::new();
    for (name, stat) in entries {
        if is_subdirectory(&name, &stat) {
            found.extend(within(&format!("{top}/{name}")).into_iter().map(|(id, _)| id));
        } else {
            found.push(name);
        }
    }
    found
}

/// Is the file complete? Whoever writes a queue file sets this bit last.
pub fn is_complete(stat: &Stat) -> bool {
    stat.mode & 0o100 != 0
}

/// The bit of a file's mode that says that it is to be tried now, whatever there is against it
/// (`postqueue -i`, `-s`).
pub const UNTHROTTLED: u16 = 0o040;

/// The bit of a file's mode that says that an administrator wants it returned (`postsuper -e`).
pub const EXPIRED: u16 = 0o010;

/// Does an administrator want it returned?
pub fn is_expired(stat: &Stat) -> bool {
    stat.mode & EXPIRED != 0
}

/// A recipient in a queue file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where its record starts; zero for one that stands in no file.
    pub offset: u64,
    /// The address as it was before any expansion, or empty.
    pub original: Rc<str>,
    /// The address to deliver to.
    pub address: Rc<str>,
    /// The original recipient of the DSN extension (`ORCPT=`), or empty.
    pub dsn_orcpt: Rc<str>,
    /// What the sender wants to be told (`NOTIFY=`); zero if nothing was said.
    pub dsn_notify: u8,
}

/// `NOTIFY=` bits (RFC 3461, section 4.1).
pub mod notify {
    /// Never tell.
    pub const NEVER: u8 = 1;
    /// Tell of success.
    pub const SUCCESS: u8 = 2;
    /// Tell of failure.
    pub const FAILURE: u8 = 4;
    /// Tell of delay.
    pub const DELAY: u8 = 8;

    /// What is left of the sender's wishes for those behind an alias: success is told of the alias.
    pub fn without_success(wishes: u8) -> u8 {
        if wishes == SUCCESS { NEVER } else { wishes & !SUCCESS }
    }
}

/// A queue file, read.
#[derive(Clone, Debug)]
pub struct QueueFile {
    /// The size of the message, headers and content, as it is logged.
    pub size: u64,
    /// When it arrived.
    pub arrival: Time,
    /// Where the named attributes are in the file, in order.
    attributes: Vec<std::ops::Range<usize>>,
    /// A local sender's full name.
    pub full_name: Option<Rc<str>>,
    /// The envelope sender; empty for the null sender.
    pub sender: Rc<str>,
    /// When to warn the sender of a delay, if that is still to be done.
    pub warn: Option<(u64, Time)>,
    /// Where the record is that asks for a report, if there is one.
    pub trace_record: Option<u64>,
    /// The content filter, `transport:nexthop`, through which the message goes.
    pub filter: Option<Rc<str>>,
    /// The address to which the message goes in place of its recipients.
    pub redirect: Option<Rc<str>>,
    /// Those still to be delivered to.
    pub recipients: Vec<Recipient>,
    /// Recipients in the file, done or not.
    pub recipient_count: usize,
    /// Where the message's own records start.
    pub data_offset: usize,
    /// The file.
    pub file: Bytes,
}

impl QueueFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`record::Malformed`] where a record is none, or the file ends too early.
    pub fn parse(file: Bytes) -> Result<QueueFile, record::Malformed> {
        let mut q = QueueFile {
            size: 0,
            arrival: Time::default(),
            attributes: Vec::new(),
            full_name: None,
            sender: "".into(),
            warn: None,
            trace_record: None,
            filter: None,
            redirect: None,
            recipients: Vec::new(),
            recipient_count: 0,
            data_offset: 0,
            file: file.clone(),
        };
        let mut pending = Pending::default();
        let mut records = Records::new(&file, 0);
        let end = record::Malformed { offset: file.len() };
        loop {
            let r = records.next().ok_or(end)??;
            match r.kind {
                Type::End => return Ok(q),
                Type::Message => {
                    q.data_offset = records.offset();
                    q.skip_message(&mut records).ok_or(end)?;
                }
                kind => q.envelope(kind, (r.offset, records.offset()), r.content, &mut pending),
            }
        }
    }

    /// The value of a named attribute; the last one where there are several.
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        self.attributes.iter().rev().find_map(|at| {
            let value = self.file.get(at.clone())?.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(String::from_utf8_lossy(value))
        })
    }

    /// The message, each line ended by LF.
    pub fn content(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.file.len().saturating_sub(self.data_offset));
        for r in Records::new(&self.file, self.data_offset).flatten() {
            match r.kind {
                Type::Line => {
                    out.extend_from_slice(r.content);
                    out.push(b'\n');
                }
                Type::Part => out.extend_from_slice(r.content),
                _ => break,
            }
        }
        out
    }

    fn skip_message(&self, records: &mut Records<'_>) -> Option<()> {
        for r in records.by_ref() {
            match r.ok()?.kind {
                Type::Line | Type::Part => {}
                Type::Extra => return Some(()),
                _ => return None,
            }
        }
        None
    }

    /// Takes a record of the envelope, whose content reaches to `end` in the file.
    fn envelope(&mut self, kind: Type, (offset, end): (usize, usize), content: &[u8], pending: &mut Pending) {
        let text = || record::text(content);
        match kind {
            Type::Size => self.size = first_number(content),
            Type::Time => self.arrival = time_of(content),
            Type::FullName => self.full_name = Some(text()),
            // Zero: the warning has been sent.
            Type::Warn => {
                let at = first_number(content);
                self.warn = (at > 0).then(|| (offset as u64, Time::from_unix(at)));
            }
            Type::From => self.sender = text(),
            Type::Filter => self.filter = Some(text()).filter(|f| !f.is_empty()),
            Type::Redirect => self.redirect = Some(text()).filter(|r| !r.is_empty()),
            Type::Attr => {
                let value = |name: &[u8]| content.strip_prefix(name).map(record::text);
                if let Some(orcpt) = value(b"dsn_orig_rcpt=") {
                    pending.dsn_orcpt = Some(orcpt);
                } else if let Some(flags) = value(b"notify_flags=") {
                    pending.dsn_notify = flags.parse().unwrap_or(0);
                } else {
                    if content.starts_with(b"trace_flags=") {
                        self.trace_record = Some(offset as u64);
                    }
                    self.attributes.push(end - content.len()..end);
                }
            }
            Type::OriginalRecipient => pending.original = Some(text()),
            Type::Recipient | Type::Done => {
                self.recipient_count += 1;
                let p = std::mem::take(pending);
                if kind == Type::Recipient {
                    self.recipients.push(Recipient {
                        offset: offset as u64,
                        original: p.original.unwrap_or_else(|| "".into()),
                        address: text(),
                        dsn_orcpt: p.dsn_orcpt.unwrap_or_else(|| "".into()),
                        dsn_notify: p.dsn_notify,
                    });
                }
            }
            _ => {}
        }
    }
}

/// What stands before a recipient and belongs to it.
#[derive(Default)]
struct Pending {
    original: Option<Rc<str>>,
    dsn_orcpt: Option<Rc<str>>,
    dsn_notify: u8,
}

/// A time record: seconds, and microseconds where they are known.
pub fn time_record(at: Time) -> String {
    format!("{} {}", at.unix(), at.subsec_micros())
}

fn time_of(content: &[u8]) -> Time {
    let text = String::from_utf8_lossy(content);
    let mut words = text.split_ascii_whitespace().map(|w| w.parse::<u64>().unwrap_or(0));
    let seconds = words.next().unwrap_or(0);
    let micros = words.next().unwrap_or(0);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(micros.saturating_mul(1000)))
}

fn first_number(content: &[u8]) -> u64 {
    String::from_utf8_lossy(content).split_ascii_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(0)
}
