//! verify(8): knows which addresses can be delivered to, and finds it out with probes
//! (ADDRESS_VERIFICATION_README).
//!
//! smtpd asks about an address ([`query`]) and gets at once what is known. Of an address that is
//! not known, or not for long enough, a probe is sent: a message that the delivery agents do not
//! deliver, but tell of what would have become of it ([`update`]). What is known stands in
//! `address_verify_map`, a record an address: status, when the probe was sent, when its result
//! came, the reason.
//!
//! # Simplifications
//! The table is `btree:` or `hash:`, or in memory alone. `address_verify_sender_ttl` has no effect.
//! Old records are looked for when somebody asks, not at the very time.

use super::dict::compiled::{self, Table};
use super::post_mail::{self, Letter};
use super::queue::SPOOL;
use super::server::Daemon;
use crate::proto::message;
use crate::world::clock::Duration;
use crate::world::process::Process;
use crate::world::stream::Stream;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is known of an address, and its number in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// A probe would have been delivered.
    Ok = 0,
    /// A probe would have had to wait.
    Defer = 1,
    /// A probe would have been returned.
    Bounce = 2,
    /// Nothing yet.
    Todo = 3,
}

impl Status {
    /// The status that a record's number means.
    fn read(text: &str) -> Option<Status> {
        let all = [Status::Ok, Status::Defer, Status::Bounce, Status::Todo];
        all.into_iter().find(|s| text.parse() == Ok(*s as u8))
    }
}

/// A question: smtpd → verify.
struct Query(Rc<str>);

/// What came of a probe: a delivery agent → verify.
struct Update {
    address: Rc<str>,
    status: Status,
    text: Rc<str>,
}

/// What is known: verify → smtpd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Can it be delivered to?
    pub status: Status,
    /// Why not, or how.
    pub text: Rc<str>,
}

/// The update is taken.
struct Taken;

/// What is said of an address of which nothing is known.
const IN_PROGRESS: &str = "Address verification in progress";

/// A probe that is so old, in seconds, has got lost.
const PROBE_TTL: i64 = 1000;

/// The record of the time at which old records were last removed.
const LAST_CLEANUP: &str = "_LAST_CACHE_CLEANUP_COMPLETED_";

async fn connect(daemon: &Daemon) -> Option<Stream> {
    let service = daemon.string("address_verify_service_name");
    daemon.p.connect_unix(&format!("{SPOOL}/private/{service}")).await.ok()
}

/// What is known of an address; `None` if the service cannot be asked.
pub async fn query(daemon: &Daemon, address: &Rc<str>) -> Option<Answer> {
    let stream = connect(daemon).await?;
    stream.send(|_| format!("is {address} deliverable?"), Query(address.clone())).ok()?;
    stream.receive().await
}

/// Tells what came of a probe; `false` if the service cannot be told.
pub async fn update(daemon: &Daemon, address: &Rc<str>, status: Status, text: &Rc<str>) -> bool {
    let Some(stream) = connect(daemon).await else { return false };
    let update = Update { address: address.clone(), status, text: text.clone() };
    stream.send(|u| format!("{address} is {:?}", u.status), update).is_ok()
        && stream.receive::<Taken>().await.is_some()
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let cache = match Cache::open(&daemon) {
        Ok(cache) => RefCell::new(cache),
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    let verify = Rc::new(Verify { settings: Settings::read(&daemon), daemon, cache });
    verify.clean();
    while let Some(stream) = verify.daemon.accept_always().await {
        verify.daemon.p.task(verify.clone().serve(stream));
    }
    0
}

struct Settings {
    negative_cache: bool,
    positive: Ages,
    negative: Ages,
    cleanup: Duration,
}

/// How long a result is good.
struct Ages {
    refresh: i64,
    expire: i64,
}

impl Settings {
    fn read(daemon: &Daemon) -> Settings {
        let seconds = |name: &str| daemon.seconds(name).as_secs() as i64;
        Settings {
            negative_cache: daemon.yes("address_verify_negative_cache"),
            positive: Ages {
                refresh: seconds("address_verify_positive_refresh_time"),
                expire: seconds("address_verify_positive_expire_time"),
            },
            negative: Ages {
                refresh: seconds("address_verify_negative_refresh_time"),
                expire: seconds("address_verify_negative_expire_time"),
            },
            cleanup: daemon.seconds("address_verify_cache_cleanup_interval"),
        }
    }

    fn of(&self, status: Status) -> &Ages {
        if status == Status::Ok { &self.positive } else { &self.negative }
    }
}

struct Verify {
    daemon: Daemon,
    settings: Settings,
    cache: RefCell<Cache>,
}

impl Verify {
    async fn serve(self: Rc<Self>, stream: Stream) {
        let Some(request) = stream.receive_any().await else { return };
        self.clean();
        match request.downcast::<Query>() {
            Ok(query) => {
                let (known, wants_probe) = self.known(&query.0);
                let answer = Answer { status: known.status, text: known.text.clone() };
                let _ = stream.send(|a| format!("{:?}: {}", a.status, a.text), answer);
                if wants_probe {
                    self.probe(&query.0, known).await;
                }
            }
            Err(request) => {
                let Ok(update) = request.downcast::<Update>() else { return };
                self.note(&update);
                let _ = stream.send(|_| "noted".to_owned(), Taken);
            }
        }
    }

    fn now(&self) -> i64 {
        self.daemon.p.now().unix() as i64
    }

    /// What is known of an address, and whether a probe should be sent.
    fn known(&self, address: &str) -> (Record, bool) {
        let now = self.now();
        let kept = self.cache.borrow().get(address);
        let known = kept
            .filter(|r| r.updated + self.settings.of(r.status).expire >= now || r.status == Status::Todo)
            .unwrap_or_else(|| Record {
                status: Status::Todo,
                probed: 0,
                updated: 0,
                text: IN_PROGRESS.into(),
            });
        let is_stale = known.updated + self.settings.of(known.status).refresh < now;
        let wants_probe = now - known.probed > PROBE_TTL && is_stale;
        (known, wants_probe)
    }

    /// Sends a probe, and notes that it is under way.
    async fn probe(&self, address: &Rc<str>, known: Record) {
        let now = self.now();
        if known.updated != 0 || self.settings.negative_cache {
            self.cache.borrow_mut().put(&self.daemon, address, &Record { probed: now, ..known });
        }
        let content = format!("Date: {}\n", message::date_with_zone(self.daemon.p.now().unix()));
        let sender = probe_sender(&self.daemon);
        post_mail::post(&self.daemon, &sender, address, content, Letter::Probe).await;
    }

    /// A result: a good one stays until it is too old, whatever probes come to.
    fn note(&self, update: &Update) {
        let now = self.now();
        let mut cache = self.cache.borrow_mut();
        let was_good = cache.get(&update.address).is_some_and(|r| r.status == Status::Ok);
        if update.status == Status::Ok || !was_good {
            let record = Record { status: update.status, probed: 0, updated: now, text: update.text.clone() };
            cache.put(&self.daemon, &update.address, &record);
        }
    }

    /// Removes what is too old to be of use, if it is time to.
    fn clean(&self) {
        let (now, interval) = (self.now(), self.settings.cleanup.as_secs() as i64);
        let mut cache = self.cache.borrow_mut();
        let last = cache.records.get(LAST_CLEANUP).and_then(|t| t.parse::<i64>().ok()).unwrap_or(0);
        let Some(name) = cache.name.clone().filter(|_| interval > 0 && last + interval <= now) else {
            return;
        };
        let before = cache.records.len();
        cache.records.remove(LAST_CLEANUP);
        let had_mark = before - cache.records.len();
        cache.records.retain(|_, text| {
            Record::read(text).is_some_and(|r| {
                let known_since = if r.status == Status::Todo { r.probed } else { r.updated };
                known_since + self.settings.of(r.status).expire >= now
            })
        });
        let (retained, dropped) = (cache.records.len(), before - had_mark - cache.records.len());
        cache.records.insert(LAST_CLEANUP.into(), now.to_string().into());
        cache.store(&self.daemon);
        self.daemon
            .msg
            .log(&format!("cache {name} full cleanup: retained={retained} dropped={dropped} entries"));
    }
}

/// Who sends probes (`address_verify_sender`); empty for the null sender.
pub fn probe_sender(daemon: &Daemon) -> Rc<str> {
    let sender = daemon.string("address_verify_sender");
    match &*sender {
        "" | "<>" => "".into(),
        name if name.contains('@') => sender,
        name => format!("{name}@{}", daemon.string("myorigin")).into(),
    }
}

/// A record of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Record {
    status: Status,
    /// When a probe was sent that has not come back; seconds since 1970.
    probed: i64,
    /// When the result came.
    updated: i64,
    text: Rc<str>,
}

impl Record {
    fn read(text: &str) -> Option<Record> {
        let mut parts = text.splitn(4, ':');
        Some(Record {
            status: Status::read(parts.next()?)?,
            probed: parts.next()?.parse().ok()?,
            updated: parts.next()?.parse().ok()?,
            text: parts.next()?.into(),
        })
    }

    fn text(&self) -> String {
        format!("{}:{}:{}:{}", self.status as u8, self.probed, self.updated, self.text)
    }
}

/// The table.
struct Cache {
    /// As it is set, where it stands in a file.
    name: Option<Rc<str>>,
    kind: Rc<str>,
    path: Rc<str>,
    records: BTreeMap<Rc<str>, Rc<str>>,
}

impl Cache {
    fn open(daemon: &Daemon) -> Result<Cache, String> {
        let set = daemon.string("address_verify_map");
        let name: Rc<str> = set.strip_prefix("proxy:").unwrap_or(&set).into();
        let mut cache = Cache { name: None, kind: "".into(), path: "".into(), records: BTreeMap::new() };
        if name.is_empty() {
            return Ok(cache);
        }
        let (kind, path) = name.split_once(':').unwrap_or(("hash", &name));
        if !["btree", "hash"].contains(&kind) {
            return Err(format!("unsupported dictionary type for address_verify_map: {kind}"));
        }
        (cache.kind, cache.path) = (kind.into(), path.into());
        if let Ok(bytes) = daemon.p.read_file(&compiled::path(path)) {
            let table = compiled::decode(&bytes).filter(|t| t.kind == kind);
            let table = table.ok_or_else(|| format!("open database {path}.db: Invalid argument"))?;
            cache.records = table.entries.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        }
        cache.name = Some(name);
        Ok(cache)
    }

    fn get(&self, address: &str) -> Option<Record> {
        self.records.get(address).and_then(|text| Record::read(text))
    }

    fn put(&mut self, daemon: &Daemon, address: &Rc<str>, record: &Record) {
        self.records.insert(address.clone(), record.text().into());
        self.store(daemon);
    }

    fn store(&self, daemon: &Daemon) {
        if self.name.is_none() {
            return;
        }
        let mut table = Table::new(&self.kind, &self.path);
        table.entries = self.records.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let path = compiled::path(&self.path);
        let written = daemon.p.write_file(&path, compiled::encode(&table), 0o644);
        if let Err(e) = written.and_then(|()| daemon.p.chmod(&path, 0o644)) {
            daemon.msg.log_warn(format!("write database {path}: {e}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record { status: Status::Bounce, probed: 0, updated: 7, text: "no: such".into() };
        assert_eq!(record.text(), "2:0:7:no: such");
        assert_eq!(Record::read(&record.text()), Some(record));
        assert_eq!(Record::read("1795544143"), None);
        assert_eq!(Record::read("9:0:7:x"), None);
    }
}
