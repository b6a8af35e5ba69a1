//! A trace, read: its events with the names of host and process beside them, and what is found
//! by going through them.

use crate::trace::{ConnId, Decision, Direction, Ends, Event, EventId, Kind, ProcId, Trace};
use std::collections::BTreeSet;

/// A trace up to some event.
#[derive(Clone, Copy)]
pub struct Reading<'t> {
    /// The trace.
    pub trace: &'t Trace,
    /// Events of this number and later are not looked at.
    end: u32,
}

/// An event with its number and with the names of who did it.
#[derive(Clone, Copy)]
pub struct Seen<'t> {
    /// Its number.
    pub id: EventId,
    /// What happened.
    pub event: &'t Event,
    /// The host's full name, empty for what no host did.
    pub host: &'t str,
    /// The program.
    pub program: &'t str,
    /// Its process id.
    pub pid: u32,
}

impl<'t> Reading<'t> {
    /// The whole trace.
    pub fn new(trace: &'t Trace) -> Reading<'t> {
        Reading { trace, end: u32::MAX }
    }

    /// What came before an event.
    #[must_use]
    pub fn before(self, end: Option<EventId>) -> Reading<'t> {
        Reading { end: end.map_or(self.end, EventId::get).min(self.end), ..self }
    }

    /// The events, in order.
    pub fn events(self) -> impl DoubleEndedIterator<Item = Seen<'t>> {
        self.between(0, self.end)
    }

    /// The events with numbers from `from` to `to`, the latter excluded.
    pub fn between(self, from: u32, to: u32) -> impl DoubleEndedIterator<Item = Seen<'t>> {
        let last = to.min(self.end).min(self.trace.len().saturating_add(1));
        (from.max(1)..last).filter_map(move |n| self.event(EventId::new(n)?))
    }

    /// One event.
    pub fn event(self, id: EventId) -> Option<Seen<'t>> {
        let event = self.trace.event(id)?;
        let (host, program, pid) = match self.trace.process(event.process) {
            Some(p) if p.pid > 0 => (&*p.host, &*p.program, p.pid),
            _ => ("", "", 0),
        };
        Some(Seen { id, event, host, program, pid })
    }

    /// The hosts at the ends of a TCP connection: the client's, the server's.
    pub fn ends(self, conn: ConnId) -> Option<(&'t str, &'t str)> {
        match self.trace.connection(conn)? {
            Ends::Tcp { client_host, server_host, .. } => Some((client_host, server_host)),
            Ends::Unix { .. } => None,
        }
    }

    /// The processes that a process started, and those that they started, within some events.
    pub fn children(self, parent: Seen<'t>, from: u32, to: u32) -> BTreeSet<ProcId> {
        let mut pids = BTreeSet::from([parent.pid]);
        let mut all = BTreeSet::new();
        for e in self.between(from, to).filter(|e| e.host == parent.host) {
            if let Kind::Started { parent, .. } = &e.event.kind
                && pids.contains(parent)
            {
                pids.insert(e.pid);
                all.insert(e.event.process);
            }
        }
        all
    }
}

impl<'t> Seen<'t> {
    /// The event's number.
    pub fn number(self) -> u32 {
        self.id.get()
    }

    /// The host's name without its domain.
    pub fn short_host(self) -> &'t str {
        short(self.host)
    }

    /// The decision that it is.
    pub fn decision(self) -> Option<&'t Decision> {
        match &self.event.kind {
            Kind::Decision(d) => Some(d),
            _ => None,
        }
    }

    /// What a log line says, behind the name of the program.
    pub fn log(self) -> Option<&'t str> {
        match &self.event.kind {
            Kind::Log { line } => Some(line.split_once("]: ").map_or(&**line, |(_, rest)| rest)),
            _ => None,
        }
    }

    /// What a log line says of a message.
    pub fn log_of(self, id: &str) -> Option<&'t str> {
        self.log()?.strip_prefix(id)?.strip_prefix(": ")
    }

    /// What was handed over, and to whom.
    pub fn hand_over(self) -> Option<(&'t str, &'t str)> {
        match &self.event.kind {
            Kind::HandOver { to, what } => Some((to, what)),
            _ => None,
        }
    }

    /// A move between queues: the message's id, from where, to where.
    pub fn hop(self) -> Option<(&'t str, &'t str, &'t str)> {
        match &self.event.kind {
            Kind::Queue { id, hop: [from, to] } => Some((id, from, to)),
            _ => None,
        }
    }

    /// What was sent over a connection, and which way.
    pub fn sent(self) -> Option<(ConnId, Direction, &'t [u8])> {
        match &self.event.kind {
            Kind::Sent { conn, to, bytes } => Some((*conn, *to, bytes)),
            _ => None,
        }
    }
}

/// A host's name without its domain.
pub fn short(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

/// The value of `name=<…>` or `name=…,` in a log line.
pub fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let mut rest = line;
    loop {
        let at = rest.find(name)?;
        let starts = at == 0 || rest[..at].ends_with(' ');
        let after = &rest[at + name.len()..];
        match after.strip_prefix('=') {
            Some(value) if starts => {
                return match value.strip_prefix('<') {
                    Some(value) => value.find('>').map(|end| &value[..end]),
                    None => Some(value.split([',', ' ']).next().unwrap_or(value)),
                };
            }
            _ => rest = after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_of_a_log_line() {
        let line = "to=<bob@example.com>, orig_to=<bob>, relay=local, dsn=2.0.0, status=sent (ok, to=<x>)";
        assert_eq!(field(line, "to"), Some("bob@example.com"));
        assert_eq!(field(line, "orig_to"), Some("bob"));
        assert_eq!(field(line, "status"), Some("sent"));
        assert_eq!(field(line, "nrcpt"), None);
        assert_eq!(field("from=<>, size=1", "from"), Some(""));
    }
}
