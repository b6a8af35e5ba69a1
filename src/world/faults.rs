//! Faults on cue: what the network does to segments and name servers to questions while a fault lasts.

use super::clock::Duration;
use std::fmt;

/// A fault of the network or of a name server. Hosts are given by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Connections to this host (and port) are refused.
    Refuse {
        /// The host that refuses.
        host: u32,
        /// Only this port, if given.
        port: Option<u16>,
    },
    /// Segments between two hosts (or all of one host's) are lost.
    Drop {
        /// One host.
        a: u32,
        /// The other; all others, if not given.
        b: Option<u32>,
    },
    /// Segments between two hosts take longer.
    Delay {
        /// One host.
        a: u32,
        /// The other; all others, if not given.
        b: Option<u32>,
        /// How much longer.
        by: Duration,
    },
    /// The hosts of one list and all others do not reach each other.
    Partition {
        /// Those on one side.
        hosts: Vec<u32>,
    },
    /// Questions of this host are answered by SERVFAIL.
    NameServerFails {
        /// The host whose name server fails.
        host: u32,
    },
    /// Questions of this host are not answered.
    NameServerSilent {
        /// The host whose name server is silent.
        host: u32,
    },
}

/// The faults in force, in the order in which they began.
#[derive(Default, Debug)]
pub struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// A fault begins.
    pub fn begin(&mut self, fault: Fault) {
        if !self.list.contains(&fault) {
            self.list.push(fault);
        }
    }

    /// A fault ends; false if it was not in force.
    pub fn end(&mut self, fault: &Fault) -> bool {
        let before = self.list.len();
        self.list.retain(|f| f != fault);
        self.list.len() < before
    }

    /// All faults end.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The faults in force.
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// What happens to a segment on this route: it passes after a further delay, or it is lost.
    pub fn verdict(&self, (from, to): (u32, u32)) -> Option<Duration> {
        let mut extra = Duration::ZERO;
        for fault in &self.list {
            match fault {
                Fault::Drop { a, b } if between(*a, *b, from, to) => return None,
                Fault::Partition { hosts } if hosts.contains(&from) != hosts.contains(&to) => return None,
                Fault::Delay { a, b, by } if between(*a, *b, from, to) => extra += *by,
                _ => {}
            }
        }
        Some(extra)
    }

    /// Does this host refuse connections to this port?
    pub fn refuses(&self, to: u32, at: u16) -> bool {
        self.list
            .iter()
            .any(|f| matches!(f, Fault::Refuse { host, port } if *host == to && port.is_none_or(|p| p == at)))
    }

    /// Does this host's name server fail?
    pub fn name_server_fails(&self, of: u32) -> bool {
        self.list.iter().any(|f| matches!(f, Fault::NameServerFails { host } if *host == of))
    }

    /// Is this host's name server silent?
    pub fn name_server_silent(&self, of: u32) -> bool {
        self.list.iter().any(|f| matches!(f, Fault::NameServerSilent { host } if *host == of))
    }
}

fn between(a: u32, b: Option<u32>, from: u32, to: u32) -> bool {
    match b {
        Some(b) => (from == a && to == b) || (from == b && to == a),
        None => from != to && (from == a || to == a),
    }
}

impl fmt::Display for Fault {
    /// The fault without its hosts' names, which only the world knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Refuse { .. } => "connections are refused",
            Fault::Drop { .. } => "segments are lost",
            Fault::Delay { .. } => "segments are late",
            Fault::Partition { .. } => "the network is parted",
            Fault::NameServerFails { .. } => "the name server fails",
            Fault::NameServerSilent { .. } => "the name server is silent",
        })
    }
}
