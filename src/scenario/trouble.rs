//! Faults on cue: a scenario's words for them, carried out in the world.

use super::model::Trouble;
use crate::trace::Kind;
use crate::world::World;
use crate::world::faults::Fault;
use std::fmt;

/// Something breaks.
pub fn begin(world: &World, trouble: &Trouble) {
    world.record(Kind::Fault { text: format!("{trouble} begins").into() });
    match fault(world, trouble) {
        Some(fault) => world.faults_mut().begin(fault),
        None => set_disk(world, trouble, true),
    }
}

/// It is mended; everything, where nothing is named.
pub fn end(world: &World, trouble: Option<&Trouble>) {
    match trouble {
        Some(t) => {
            world.record(Kind::Fault { text: format!("{t} ends").into() });
            match fault(world, t) {
                Some(fault) => {
                    world.faults_mut().end(&fault);
                }
                None => set_disk(world, t, false),
            }
        }
        None => {
            world.record(Kind::Fault { text: "all faults end".into() });
            world.faults_mut().clear();
            for host in world.hosts() {
                host.fs_mut().set_capacity(None);
            }
        }
    }
}

fn set_disk(world: &World, trouble: &Trouble, full: bool) {
    if let Trouble::DiskFull(name) = trouble
        && let Some(host) = world.host(name)
    {
        let used = host.fs().usage().used;
        host.fs_mut().set_capacity(full.then_some(used));
    }
}

/// The world's own word for it; `None` for what is no affair of the network.
fn fault(world: &World, trouble: &Trouble) -> Option<Fault> {
    let index = |name: &str| world.host(name).map_or(u32::MAX, |h| h.index());
    let other = |name: &Option<String>| name.as_deref().map(index);
    Some(match trouble {
        Trouble::Refuse { host, port } => Fault::Refuse { host: index(host), port: *port },
        Trouble::Drop { host, other: b } => Fault::Drop { a: index(host), b: other(b) },
        Trouble::Delay { host, other: b, by } => Fault::Delay { a: index(host), b: other(b), by: *by },
        Trouble::Partition(hosts) => Fault::Partition { hosts: hosts.iter().map(|h| index(h)).collect() },
        Trouble::DnsFails(host) => Fault::NameServerFails { host: index(host) },
        Trouble::DnsSilent(host) => Fault::NameServerSilent { host: index(host) },
        Trouble::DiskFull(_) => return None,
    })
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = |f: &mut fmt::Formatter<'_>, host: &str, other: &Option<String>| match other {
            Some(other) => write!(f, "between {host} and {other}"),
            None => write!(f, "to and from {host}"),
        };
        match self {
            Trouble::Refuse { host, port: Some(port) } => write!(f, "{host} port {port} refuses connections"),
            Trouble::Refuse { host, port: None } => write!(f, "{host} refuses connections"),
            Trouble::Drop { host, other } => {
                f.write_str("nothing passes ")?;
                between(f, host, other)
            }
            Trouble::Delay { host, other, by } => {
                write!(f, "{by:?} more ")?;
                between(f, host, other)
            }
            Trouble::Partition(hosts) => write!(f, "{} cut off from all others", hosts.join(", ")),
            Trouble::DiskFull(host) => write!(f, "the disk of {host} is full"),
            Trouble::DnsFails(host) => write!(f, "the name server of {host} fails"),
            Trouble::DnsSilent(host) => write!(f, "the name server of {host} is silent"),
        }
    }
}
