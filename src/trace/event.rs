//! What can happen.

use super::{Decision, EventId};
use crate::world::clock::Time;
use bytes::Bytes;
use std::net::SocketAddr;
use std::rc::Rc;

/// A process in the trace's own list of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct ProcId(pub u32);

/// A connection in the trace's own list of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct ConnId(pub u32);

/// One thing that happened. Its number is its position.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub time: Time,
    /// Which process did it, or to which it happened.
    pub process: ProcId,
    /// The event that led to it.
    pub cause: Option<EventId>,
    /// What it was.
    pub kind: Kind,
}

/// Which way bytes go on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the one that called to the one that was called.
    ToServer,
    /// Back.
    ToClient,
}

/// How a connection, or one direction of it, ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    /// The sender said all it had to say (FIN).
    Finished,
    /// It was cut (RST).
    Reset,
    /// Nobody listens there.
    Refused,
    /// No such host or no way to it.
    Unreachable,
    /// Nothing came back in time.
    TimedOut,
}

/// What was done to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileAct {
    /// Its content was written, wholly or in part.
    Written,
    /// It was removed.
    Removed,
    /// A directory was made.
    MadeDirectory,
    /// Its owner or mode was changed.
    Attributes,
}

/// The kinds of events.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A connection was asked for.
    Connect(ConnId),
    /// It stands; seen from the side that accepted it.
    Accepted(ConnId),
    /// Bytes were handed to the network.
    Sent { conn: ConnId, to: Direction, bytes: Bytes },
    /// They arrived; `len` octets of them.
    Arrived { conn: ConnId, to: Direction, len: u32 },
    /// They were lost on the way, by a fault.
    Lost { conn: ConnId, to: Direction, len: u32 },
    /// A connection, or one direction of it, ended.
    Closed { conn: ConnId, to: Direction, how: Closing },
    /// A connection is sealed from here on: version, cipher and certificate.
    Sealed { conn: ConnId, what: Rc<str> },
    /// A question to a name server, in wire format.
    DnsQuestion { server: Box<SocketAddr>, wire: Bytes },
    /// Its answer; empty when none came.
    DnsAnswer { wire: Bytes },
    /// A process began: its argument vector.
    Started { parent: u32, argv: Rc<[Rc<str>]> },
    /// It ended with this status.
    Ended { status: i32 },
    /// Something passed from one process to another; `to` names the receiver's socket or file.
    HandOver { to: Rc<str>, what: Rc<str> },
    /// A file changed.
    File { act: FileAct, path: Rc<str>, len: u32 },
    /// A file got another name.
    Renamed { from: Rc<str>, to: Rc<str> },
    /// A message moved from one queue to another; a name is empty at either end of its life.
    Queue { id: Rc<str>, hop: &'static [&'static str; 2] },
    /// A line for the system log, without its time and host.
    Log { line: Rc<str> },
    /// A command typed on a host.
    Command { text: Rc<str> },
    /// A fault began, ended or struck.
    Fault { text: Rc<str> },
    /// A program chose.
    Decision(Rc<Decision>),
}
