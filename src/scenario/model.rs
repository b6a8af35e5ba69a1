//! A scenario as it is run: what stands in its file, with the places that reports point to.

use crate::proto::dns::Zone;
use crate::world::clock::{Duration, Time};
use indexmap::IndexMap;
use std::net::IpAddr;
use std::ops::Range;

/// A part of the scenario's file, in octets from its start.
pub type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub span: Span,
}

/// A small Internet and what happens on it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub title: String,
    /// What the reader should see and why.
    pub summary: String,
    /// Virtual time at the start.
    pub clock: Time,
    /// The seed of everything random.
    pub seed: u64,
    /// The records of the name server, those of the hosts aside.
    pub zone: Zone,
    /// The hosts, by name.
    pub hosts: IndexMap<String, Host>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// A host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The people who have an account on it.
    pub users: IndexMap<String, User>,
    /// What is started at boot.
    pub services: Vec<Service>,
    /// Files laid over the base system, by path.
    pub files: IndexMap<String, File>,
}

/// Somebody's account.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// The password, if there is one.
    pub password: Option<String>,
    /// The user id; counted from 1000 if not given.
    pub uid: Option<u32>,
}

/// What can run on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The mail system.
    Postfix,
    /// The mailbox server.
    Dovecot,
}

/// A file of a scenario.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its content.
    pub text: String,
    /// Its mode; 644 if not given.
    pub mode: Option<u16>,
    /// Its owner; root, or the user under `/home/USER/`, if not given.
    pub owner: Option<String>,
    /// Where its path stands.
    pub span: Span,
}

/// A step, and where it stands.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens.
    pub act: Act,
    /// Where the step begins.
    pub span: Span,
}

/// What happens in a step.
#[derive(Clone, Debug)]
pub enum Act {
    /// A conversation over TCP, line by line.
    Chat(Chat),
    /// Commands typed on a host.
    Shell(Shell),
    /// Time passes.
    Wait {
        /// How much.
        time: Duration,
        /// As it is written.
        text: String,
    },
    /// A text for the reader.
    Note(String),
    /// Something breaks.
    Fault(Trouble),
    /// It is mended; everything, where nothing is named.
    Heal(Option<Trouble>),
    /// Time passes until something is seen.
    Until(Until),
}

/// A conversation.
#[derive(Clone, Debug)]
pub struct Chat {
    /// The host that calls.
    pub host: String,
    /// The host, or address, that is called.
    pub to: String,
    /// The port that is called.
    pub port: u16,
    /// TLS from the first octet.
    pub tls: bool,
    /// The address to call from.
    pub source: Option<IpAddr>,
    /// What must come before the first line is sent.
    pub greeting: Vec<Placed<String>>,
    /// The lines to send, each with what must come back.
    pub lines: Vec<(Placed<String>, Vec<Placed<String>>)>,
}

/// Commands.
#[derive(Clone, Debug)]
pub struct Shell {
    /// Where they are typed.
    pub host: String,
    /// Who types.
    pub user: String,
    /// The commands, each with what it must print.
    pub commands: Vec<(Placed<String>, Vec<Placed<String>>)>,
}

/// What can break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A host refuses connections, to one port or all.
    Refuse {
        /// The host.
        host: String,
        /// The port, if only one.
        port: Option<u16>,
    },
    /// Segments between two hosts, or all of one host's, are lost.
    Drop {
        /// One host.
        host: String,
        /// The other.
        other: Option<String>,
    },
    /// They take longer.
    Delay {
        /// One host.
        host: String,
        /// The other.
        other: Option<String>,
        /// How much longer.
        by: Duration,
    },
    /// Some hosts and all others do not reach each other.
    Partition(Vec<String>),
    /// A host's disk is full.
    DiskFull(String),
    /// A host's name server answers SERVFAIL.
    DnsFails(String),
    /// A host's name server does not answer.
    DnsSilent(String),
}

/// Waiting for a line of the mail log.
#[derive(Clone, Debug)]
pub struct Until {
    /// The host whose log is read.
    pub host: String,
    /// What a line must hold; `[..]` stands for any text.
    pub log: String,
    /// How long to wait at most.
    pub within: Duration,
    /// Where the pattern stands.
    pub span: Span,
}
