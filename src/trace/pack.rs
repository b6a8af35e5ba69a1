//! How events that lie behind are kept: some hundred of them as one compressed run of octets.
//!
//! An event is a time and a cause, each told by its distance from what came before, a process, and
//! a kind with its texts. The texts of a run repeat each other (paths, queue ids, the same log line
//! with another number in it), so that LZ4 leaves about a tenth of them, at some gigabytes a second.
//! A decision that a program made again in the same words is told once in a run.
//!
//! # Simplifications
//! Nothing is shared between two runs: a text that stands in both is kept twice.

use super::EventId;
use super::decision::{Decision, Outcome, Place};
use super::event::{Closing, ConnId, Direction, Event, FileAct, Kind, ProcId};
use crate::world::clock::Time;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// The two ends of a move between queues, as [`Kind::Queue`] has them.
type Hop = &'static [&'static str; 2];

/// A run of events, packed.
pub(super) struct Packed(Box<[u8]>);

/// The moves between queues that occur, since an event refers to one by a static text.
#[derive(Default)]
pub(super) struct Hops(Vec<Hop>);

/// Packs events, the first of which has the number `first`. `room` is used for what comes between,
/// so that it need not be made anew each time.
pub(super) fn pack(events: &[Event], first: u32, hops: &mut Hops, room: &mut Vec<u8>) -> Packed {
    room.clear();
    let mut out = Out { to: room, hops, told: FxHashMap::default(), decisions: 0 };
    let mut before = 0;
    for (number, event) in (first..).zip(events) {
        out.number(event.time.nanos().wrapping_sub(before));
        before = event.time.nanos();
        out.number(u64::from(event.process.0));
        out.number(event.cause.map_or(0, |cause| u64::from(number.saturating_sub(cause.get()).max(1))));
        out.kind(&event.kind);
    }
    Packed(lz4_flex::compress_prepend_size(room).into())
}

impl Packed {
    /// The events again.
    pub(super) fn unpack(&self, first: u32, hops: &Hops) -> Vec<Event> {
        let raw = lz4_flex::decompress_size_prepended(&self.0).expect("what was packed can be unpacked");
        let mut input = In { from: &raw, hops, decisions: Vec::new() };
        let mut events = Vec::new();
        let mut before = 0u64;
        while !input.from.is_empty() {
            let number = first + events.len() as u32;
            before = before.wrapping_add(input.number());
            let time = Time::from_nanos(before);
            let process = ProcId(input.number() as u32);
            let back = input.number() as u32;
            let cause = if back == 0 { None } else { EventId::new(number.saturating_sub(back)) };
            let kind = input.kind();
            events.push(Event { time, process, cause, kind });
        }
        events
    }
}

/// Writes the parts of an event.
struct Out<'a> {
    to: &'a mut Vec<u8>,
    hops: &'a mut Hops,
    /// The decisions that may come again, and the how-manieth of the run each was.
    told: FxHashMap<*const Decision, u64>,
    /// How many decisions have been told.
    decisions: u64,
}

impl Out<'_> {
    /// A number, seven bits an octet, the low ones first.
    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.to.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.to.push(n as u8);
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        self.to.extend_from_slice(octets);
    }

    fn text(&mut self, text: &str) {
        self.octets(text.as_bytes());
    }

    fn conn(&mut self, conn: ConnId, to: Direction) {
        self.number(u64::from(conn.0) << 1 | u64::from(to == Direction::ToClient));
    }

    fn kind(&mut self, kind: &Kind) {
        if let Kind::Decision(d) = kind
            && let Some(n) = self.told.get(&Rc::as_ptr(d))
        {
            let n = *n;
            self.to.push(AGAIN);
            return self.number(n);
        }
        self.to.push(tag(kind));
        match kind {
            Kind::Connect(conn) | Kind::Accepted(conn) => self.number(u64::from(conn.0)),
            Kind::Sent { conn, to, bytes } => {
                self.conn(*conn, *to);
                self.octets(bytes);
            }
            Kind::Arrived { conn, to, len } | Kind::Lost { conn, to, len } => {
                self.conn(*conn, *to);
                self.number(u64::from(*len));
            }
            Kind::Closed { conn, to, how } => {
                self.conn(*conn, *to);
                self.to.push(*how as u8);
            }
            Kind::Sealed { conn, what } => {
                self.number(u64::from(conn.0));
                self.text(what);
            }
            Kind::DnsQuestion { server, wire } => {
                self.number(u64::from(server.port()));
                match server.ip() {
                    IpAddr::V4(ip) => self.octets(&ip.octets()),
                    IpAddr::V6(ip) => self.octets(&ip.octets()),
                }
                self.octets(wire);
            }
            Kind::DnsAnswer { wire } => self.octets(wire),
            Kind::Started { parent, argv } => {
                self.number(u64::from(*parent));
                self.number(argv.len() as u64);
                argv.iter().for_each(|a| self.text(a));
            }
            // The bits of a negative status are many, and rare.
            Kind::Ended { status } => self.number(u64::from(*status as u32)),
            Kind::Log { line: text } | Kind::Command { text } | Kind::Fault { text } => self.text(text),
            Kind::HandOver { to, what } => {
                self.text(to);
                self.text(what);
            }
            Kind::File { act, path, len } => {
                self.to.push(*act as u8);
                self.text(path);
                self.number(u64::from(*len));
            }
            Kind::Renamed { from, to } => {
                self.text(from);
                self.text(to);
            }
            Kind::Queue { id, hop } => {
                self.text(id);
                let n = self.hops.number_of(hop);
                self.number(n);
            }
            Kind::Decision(d) => {
                if Rc::strong_count(d) > 1 {
                    self.told.insert(Rc::as_ptr(d), self.decisions);
                }
                self.decisions += 1;
                self.decision(d);
            }
        }
    }

    fn decision(&mut self, d: &Decision) {
        self.text(&d.rule);
        self.text(&d.setting);
        match &d.place {
            Place::Default => self.to.push(0),
            Place::File { path, line } => {
                self.to.push(1);
                self.text(path);
                self.number(u64::from(*line));
            }
            Place::Option(text) => {
                self.to.push(2);
                self.text(text);
            }
        }
        self.text(&d.compared);
        match &d.outcome {
            Outcome::No => self.to.push(0),
            Outcome::Yes => self.to.push(1),
            Outcome::Becomes(text) => {
                self.to.push(2);
                self.text(text);
            }
        }
    }
}

/// Reads them again. What it reads was written above, so that it never meets an end too early.
struct In<'a> {
    from: &'a [u8],
    hops: &'a Hops,
    /// Those of the run so far.
    decisions: Vec<Rc<Decision>>,
}

impl<'a> In<'a> {
    fn octet(&mut self) -> u8 {
        let (first, rest) = self.from.split_first().expect(WHOLE);
        self.from = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let (mut n, mut shift) = (0, 0);
        loop {
            let octet = self.octet();
            n |= u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return n;
            }
            shift += 7;
        }
    }

    fn small(&mut self) -> u32 {
        self.number() as u32
    }

    fn octets(&mut self) -> &'a [u8] {
        let n = self.number() as usize;
        let (octets, rest) = self.from.split_at(n);
        self.from = rest;
        octets
    }

    fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.octets()).expect(WHOLE)
    }

    fn shared(&mut self) -> Rc<str> {
        self.text().into()
    }

    fn bytes(&mut self) -> Bytes {
        Bytes::copy_from_slice(self.octets())
    }

    fn conn(&mut self) -> (ConnId, Direction) {
        let n = self.number();
        let to = if n & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        (ConnId((n >> 1) as u32), to)
    }

    fn server(&mut self) -> SocketAddr {
        let port = self.number() as u16;
        let octets = self.octets();
        let ip = match <[u8; 4]>::try_from(octets) {
            Ok(four) => IpAddr::from(four),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(octets).expect(WHOLE)),
        };
        SocketAddr::new(ip, port)
    }

    fn kind(&mut self) -> Kind {
        match self.octet() {
            0 => Kind::Connect(ConnId(self.small())),
            1 => Kind::Accepted(ConnId(self.small())),
            2 => {
                let (conn, to) = self.conn();
                Kind::Sent { conn, to, bytes: self.bytes() }
            }
            3 => {
                let (conn, to) = self.conn();
                Kind::Arrived { conn, to, len: self.small() }
            }
            4 => {
                let (conn, to) = self.conn();
                Kind::Lost { conn, to, len: self.small() }
            }
            5 => {
                let (conn, to) = self.conn();
                Kind::Closed { conn, to, how: one_of(&CLOSINGS, self.octet()) }
            }
            6 => Kind::Sealed { conn: ConnId(self.small()), what: self.shared() },
            7 => Kind::DnsQuestion { server: Box::new(self.server()), wire: self.bytes() },
            8 => Kind::DnsAnswer { wire: self.bytes() },
            9 => {
                let parent = self.small();
                let n = self.number();
                Kind::Started { parent, argv: (0..n).map(|_| self.shared()).collect() }
            }
            10 => Kind::Ended { status: self.small() as i32 },
            11 => Kind::HandOver { to: self.shared(), what: self.shared() },
            12 => {
                Kind::File { act: one_of(&FILE_ACTS, self.octet()), path: self.shared(), len: self.small() }
            }
            13 => Kind::Renamed { from: self.shared(), to: self.shared() },
            14 => Kind::Queue { id: self.shared(), hop: self.hops.0[self.number() as usize] },
            15 => Kind::Log { line: self.shared() },
            16 => Kind::Command { text: self.shared() },
            17 => Kind::Fault { text: self.shared() },
            AGAIN => {
                let n = self.number() as usize;
                Kind::Decision(self.decisions[n].clone())
            }
            _ => {
                let decision = Rc::new(self.decision());
                self.decisions.push(decision.clone());
                Kind::Decision(decision)
            }
        }
    }

    fn decision(&mut self) -> Decision {
        Decision {
            rule: self.text().to_owned().into(),
            setting: self.text().to_owned().into(),
            place: match self.octet() {
                0 => Place::Default,
                1 => Place::File { path: self.shared(), line: self.small() },
                _ => Place::Option(self.shared()),
            },
            compared: self.text().to_owned(),
            outcome: match self.octet() {
                0 => Outcome::No,
                1 => Outcome::Yes,
                _ => Outcome::Becomes(self.text().to_owned().into()),
            },
        }
    }
}

/// Stands for a kind: the same decision as one before.
const AGAIN: u8 = 255;

/// Why reading what was packed cannot fail.
const WHOLE: &str = "a run of events is read as it was written";

const CLOSINGS: [Closing; 5] =
    [Closing::Finished, Closing::Reset, Closing::Refused, Closing::Unreachable, Closing::TimedOut];

const FILE_ACTS: [FileAct; 4] =
    [FileAct::Written, FileAct::Removed, FileAct::MadeDirectory, FileAct::Attributes];

fn one_of<T: Copy>(all: &[T], n: u8) -> T {
    all[usize::from(n)]
}

fn tag(kind: &Kind) -> u8 {
    match kind {
        Kind::Connect(_) => 0,
        Kind::Accepted(_) => 1,
        Kind::Sent { .. } => 2,
        Kind::Arrived { .. } => 3,
        Kind::Lost { .. } => 4,
        Kind::Closed { .. } => 5,
        Kind::Sealed { .. } => 6,
        Kind::DnsQuestion { .. } => 7,
        Kind::DnsAnswer { .. } => 8,
        Kind::Started { .. } => 9,
        Kind::Ended { .. } => 10,
        Kind::HandOver { .. } => 11,
        Kind::File { .. } => 12,
        Kind::Renamed { .. } => 13,
        Kind::Queue { .. } => 14,
        Kind::Log { .. } => 15,
        Kind::Command { .. } => 16,
        Kind::Fault { .. } => 17,
        Kind::Decision(_) => 18,
    }
}

impl Hops {
    fn number_of(&mut self, hop: Hop) -> u64 {
        let known = self.0.iter().position(|h| *h == hop);
        let n = known.unwrap_or_else(|| {
            self.0.push(hop);
            self.0.len() - 1
        });
        n as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<Kind> {
        let (conn, to) = (ConnId(700), Direction::ToClient);
        let decision = |place, outcome| {
            Kind::Decision(Rc::new(Decision {
                rule: "permit_mynetworks".into(),
                setting: "smtpd_relay_restrictions".into(),
                place,
                compared: "198.51.100.66 is not in 127.0.0.0/8".into(),
                outcome,
            }))
        };
        let server = |text: &str| Box::new(text.parse::<SocketAddr>().unwrap());
        let mut all = vec![
            Kind::Connect(conn),
            Kind::Accepted(conn),
            Kind::Sent { conn, to, bytes: Bytes::from_static(b"250 2.0.0 Ok \xff\r\n") },
            Kind::Arrived { conn, to, len: 70_000 },
            Kind::Lost { conn, to: Direction::ToServer, len: 3 },
            Kind::Sealed { conn, what: "TLSv1.3".into() },
            Kind::DnsQuestion { server: server("127.0.0.1:53"), wire: Bytes::from_static(b"\0\x01") },
            Kind::DnsQuestion { server: server("[2001:db8::1]:5353"), wire: Bytes::new() },
            Kind::DnsAnswer { wire: Bytes::from_static(b"\0\x80") },
            Kind::Started { parent: 1, argv: ["smtpd".into(), "-n".into(), "smtp".into()].into() },
            Kind::Ended { status: 143 },
            Kind::Ended { status: -1 },
            Kind::HandOver { to: "/var/spool/postfix/private/smtp".into(), what: "ä letter".into() },
            Kind::Renamed { from: "a".into(), to: "b".into() },
            Kind::Queue { id: "A1B2C3".into(), hop: &["active", "deferred"] },
            Kind::Queue { id: "A1B2C3".into(), hop: &["", "active"] },
            Kind::Log { line: "postfix/smtp[12]: A1B2C3: status=sent".into() },
            Kind::Command { text: "mailq".into() },
            Kind::Fault { text: "the disk is full".into() },
            decision(Place::Default, Outcome::No),
            decision(Place::line("/etc/postfix/main.cf", 12), Outcome::Yes),
            decision(Place::Option("-o x=y".into()), Outcome::Becomes("smtp:[192.0.2.1]".into())),
        ];
        all.extend([all[all.len() - 1].clone(), all[all.len() - 3].clone()]);
        all.extend(CLOSINGS.map(|how| Kind::Closed { conn, to, how }));
        all.extend(FILE_ACTS.map(|act| Kind::File { act, path: "/var/log/maillog".into(), len: 1 << 20 }));
        all
    }

    #[test]
    fn every_kind_of_event_comes_back_as_it_was() {
        let first = 1001;
        let events: Vec<Event> = (0u32..)
            .zip(every_kind())
            .map(|(n, kind)| Event {
                time: Time::DEFAULT + crate::world::clock::Duration::from_micros(u64::from(n * n)),
                process: ProcId(n * 50),
                cause: EventId::new(n).map(|back| EventId::new(first + n - back.get().min(900)).unwrap()),
                kind,
            })
            .collect();
        let mut hops = Hops::default();
        let packed = pack(&events, first, &mut hops, &mut Vec::new());
        let again = packed.unpack(first, &hops);
        assert_eq!(format!("{again:?}"), format!("{events:?}"));
    }
}
