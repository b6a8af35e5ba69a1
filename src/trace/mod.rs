//! The trace: one typed list of everything that happened, written by one recorder.
//!
//! Every picture and every explanation is computed from it; nothing else remembers. An event
//! has a number, a time, a process (which has a host) and a *cause*, the event that led to it.
//!
//! - [`event`]: what can happen
//! - [`decision`]: why a program chose as it did
//! - [`text`]: one line an event, for people
//! - [`jsonl`]: one JSON object an event, for programs

pub mod decision;
pub mod event;
pub mod jsonl;
pub mod text;

pub use decision::{Decision, Outcome, Place};
pub use event::{Closing, ConnId, Direction, Event, FileAct, Kind, ProcId};

use crate::world::clock::Time;
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

/// Events are kept in blocks of this many, so that growing never copies what is there.
const BLOCK: usize = 4096;

/// The recorder and its list.
#[derive(Default)]
pub struct Trace {
    keep: Keep,
    count: u32,
    blocks: Vec<Vec<Event>>,
    processes: Vec<ProcessName>,
    connections: Vec<Ends>,
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
            if self.blocks.last().is_none_or(|b| b.len() == BLOCK) {
                self.blocks.push(Vec::with_capacity(BLOCK));
            }
            if let Some(block) = self.blocks.last_mut() {
                block.push(Event { time, process, cause, kind });
            }
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

    /// All events with their numbers, in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (EventId, &Event)> {
        self.blocks.iter().enumerate().flat_map(|(b, block)| {
            block
                .iter()
                .enumerate()
                .filter_map(move |(i, e)| EventId::new((b * BLOCK + i) as u32 + 1).map(|id| (id, e)))
        })
    }

    /// One event.
    pub fn event(&self, id: EventId) -> Option<&Event> {
        let n = id.get() as usize - 1;
        self.blocks.get(n / BLOCK)?.get(n % BLOCK)
    }

    /// The last event, if it is kept.
    pub fn last(&self) -> Option<&Event> {
        self.blocks.last()?.last()
    }
}
