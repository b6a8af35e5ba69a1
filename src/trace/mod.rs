//! The trace: one typed list of everything that happened, written by one recorder.
//!
//! Every picture and every explanation is computed from it; nothing else remembers. An event
//! has a number, a time, a process (which has a host) and a *cause*, the event that led to it.
//!
//! - [`event`]: what can happen
//! - [`decision`]: why a program chose as it did
//! - [`text`]: one line an event, for people
//! - [`jsonl`]: one JSON object an event, for programs
//! - `pack`: how those that lie behind are kept
//!
//! A run of some days is millions of events. The newest few hundred lie there as they are; those
//! before are packed, a run at a time, to some ten octets each. Whoever asks for one of them has its
//! whole run unpacked, and that stays so; [`Trace::each`] goes through all and keeps nothing.

pub mod decision;
pub mod event;
pub mod jsonl;
mod pack;
pub mod text;

pub use decision::{Decision, Outcome, Place};
pub use event::{Closing, ConnId, Direction, Event, FileAct, Kind, ProcId};

use crate::world::clock::Time;
use pack::{Common, Packed};
use std::cell::OnceCell;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;

/// The number of an event, counted from 1.
pub type EventId = NonZeroU32;

/// Does the recorder keep what it is told?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    /// Every event.
    #[default]
    All,
    /// None: events are counted, so that numbers stay the same, and forgotten.
    Nothing,
}

/// A process as the trace names it.
#[derive(Clone, Debug)]
pub struct ProcessName {
    /// The host's full name.
    pub host: Rc<str>,
    /// The program's name, as ps(1) shows it.
    pub program: Rc<str>,
    /// The process id on its host.
    pub pid: u32,
}

/// The two ends of a connection.
#[derive(Clone, Debug)]
pub enum Ends {
    /// TCP: the client's address and the server's.
    Tcp {
        /// Who connected.
        client: SocketAddr,
        /// The host of the client.
        client_host: Rc<str>,
        /// Whom it called.
        server: SocketAddr,
        /// The host of the server.
        server_host: Rc<str>,
    },
    /// A socket in the file system.
    Unix {
        /// Its path.
        path: Rc<str>,
    },
}

/// How many events are packed together: so many that their texts repeat each other, and so few that
/// they fit into the 64 KiB that LZ4 looks back.
const RUN: usize = 512;

/// The recorder and its list.
#[derive(Default)]
pub struct Trace {
    keep: Keep,
    count: u32,
    /// Those that lie behind, [`RUN`] together.
    runs: Vec<Run>,
    /// Those after them, at most [`RUN`].
    newest: Vec<Event>,
    common: Common,
    room: Vec<u8>,
    processes: Vec<ProcessName>,
    connections: Vec<Ends>,
}

/// Events that lie behind.
struct Run {
    packed: Packed,
    /// The same, once somebody has asked for one of them.
    unpacked: OnceCell<Vec<Event>>,
}

impl Trace {
    /// An empty trace.
    pub fn new(keep: Keep) -> Trace {
        Trace { keep, ..Trace::default() }
    }

    /// Are events kept? Where not, callers spare themselves the making of texts.
    pub fn kept(&self) -> bool {
        self.keep == Keep::All
    }

    /// Records an event and gives its number.
    pub fn record(&mut self, time: Time, process: ProcId, cause: Option<EventId>, kind: Kind) -> EventId {
        self.count = self.count.saturating_add(1);
        if self.keep == Keep::All {
            if self.newest.len() == RUN {
                self.pack_newest();
            }
            self.newest.push(Event { time, process, cause, kind });
        }
        EventId::new(self.count).unwrap_or(EventId::MIN)
    }

    /// Gives a process a name in the trace.
    pub fn name_process(&mut self, name: ProcessName) -> ProcId {
        self.processes.push(name);
        ProcId(self.processes.len() as u32 - 1)
    }

    /// The program under a process id may change (exec(2)).
    pub fn rename_process(&mut self, id: ProcId, program: Rc<str>) {
        if let Some(p) = self.processes.get_mut(id.0 as usize) {
            p.program = program;
        }
    }

    /// Gives a connection a number.
    pub fn name_connection(&mut self, ends: Ends) -> ConnId {
        if self.keep == Keep::All || self.connections.is_empty() {
            self.connections.push(ends);
        }
        ConnId(self.connections.len() as u32 - 1)
    }

    /// The process an event belongs to.
    pub fn process(&self, id: ProcId) -> Option<&ProcessName> {
        self.processes.get(id.0 as usize)
    }

    /// The ends of a connection.
    pub fn connection(&self, id: ConnId) -> Option<&Ends> {
        self.connections.get(id.0 as usize)
    }

    /// How many events happened, kept or not.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Has nothing happened yet?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn pack_newest(&mut self) {
        let first = number(self.runs.len(), 0);
        let packed = pack::pack(&self.newest, first, &mut self.common, &mut self.room);
        self.runs.push(Run { packed, unpacked: OnceCell::new() });
        self.newest.clear();
    }

    /// The events of a run.
    fn run(&self, n: usize) -> Option<&[Event]> {
        match self.runs.get(n) {
            Some(run) => Some(run.unpacked.get_or_init(|| run.packed.unpack(number(n, 0), &self.common))),
            None if n == self.runs.len() => Some(&self.newest),
            None => None,
        }
    }

    /// Calls `f` with each event and its number, in order.
    pub fn each(&self, mut f: impl FnMut(EventId, &Event)) {
        let mut all = |n: usize, events: &[Event]| {
            for (i, event) in events.iter().enumerate() {
                EventId::new(number(n, i)).into_iter().for_each(|id| f(id, event));
            }
        };
        for (n, run) in self.runs.iter().enumerate() {
            match run.unpacked.get() {
                Some(events) => all(n, events),
                None => all(n, &run.packed.unpack(number(n, 0), &self.common)),
            }
        }
        all(self.runs.len(), &self.newest);
    }

    /// All events with their numbers, in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (EventId, &Event)> {
        (0..=self.runs.len()).flat_map(|n| {
            let events = self.run(n).unwrap_or_default();
            events.iter().enumerate().filter_map(move |(i, e)| EventId::new(number(n, i)).map(|id| (id, e)))
        })
    }

    /// One event.
    pub fn event(&self, id: EventId) -> Option<&Event> {
        let n = id.get() as usize - 1;
        self.run(n / RUN)?.get(n % RUN)
    }

    /// The last event, if it is kept.
    pub fn last(&self) -> Option<&Event> {
        self.newest.last()
    }
}

/// The number of an event of a run.
fn number(run: usize, i: usize) -> u32 {
    (run * RUN + i) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_number_wherever_they_lie() {
        let mut trace = Trace::new(Keep::All);
        let all = 3 * RUN + 7;
        for n in 0..all {
            let cause = EventId::new(n as u32);
            trace.record(Time::DEFAULT, ProcId(7), cause, Kind::Ended { status: n as i32 });
        }
        let is_nth = |e: &Event, n: usize| {
            assert!(matches!(e.kind, Kind::Ended { status } if status as usize == n), "{n}: {e:?}");
            assert_eq!(e.cause.map_or(0, EventId::get), n as u32);
        };
        let mut seen = 0;
        trace.each(|id, e| {
            is_nth(e, seen);
            seen += 1;
            assert_eq!(id.get() as usize, seen);
        });
        assert_eq!(seen, all);
        for n in [0, 1, RUN - 1, RUN, 2 * RUN, 3 * RUN - 1, 3 * RUN, all - 1] {
            is_nth(trace.event(EventId::new(n as u32 + 1).unwrap()).unwrap(), n);
        }
        assert!(trace.event(EventId::new(all as u32 + 1).unwrap()).is_none());
        let backwards: Vec<u32> = trace.events().rev().map(|(id, _)| id.get()).collect();
        assert!(backwards.iter().rev().copied().eq(1..=all as u32));
        is_nth(trace.last().unwrap(), all - 1);
    }
}
