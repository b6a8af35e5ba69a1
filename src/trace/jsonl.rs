//! The trace for programs: JSON Lines, one object an event, in order.
//!
//! The first line is `{"maillab_trace": 1}`; the number grows when the meaning of a key changes,
//! and stays when keys are added. Every further line has
//!
//! - `n` the event's number, `time` in nanoseconds since the Unix epoch,
//! - `host`, `process` and `pid`, absent for what no process did,
//! - `cause`, the number of the event that led to it, absent where none did,
//! - `kind`, and what belongs to that kind:
//!
//! | kind | keys |
//! |---|---|
//! | `connect`, `accepted` | `connection` |
//! | `sent` | `connection`, `to` (`server` or `client`), `bytes` (text; octets that are no UTF-8 as `\xNN`) |
//! | `arrived`, `lost` | `connection`, `to`, `len` in octets |
//! | `closed` | `connection`, `to`, `how` |
//! | `sealed` | `connection`, `what` (version, cipher and certificate of TLS) |
//! | `dns_question`, `dns_answer` | `server`, `message`, `len` |
//! | `started` | `parent`, `argv`; `ended`: `status` |
//! | `waiting` | `what`; `hand_over`: `to`, `what` |
//! | `file` | `act`, `path`, `len`; `renamed`: `from`, `to` |
//! | `queue` | `id`, `from`, `to` (empty at either end of a message's life) |
//! | `log` | `line`; `command`, `fault`: `text` |
//! | `decision` | `rule`, `setting`, `place`, `compared`, `outcome` |
//!
//! A `connection` is `{"client": "address:port", "server": "address:port"}`.

use super::{Closing, ConnId, Direction, Ends, Event, EventId, FileAct, Kind, Trace};
use serde_json::{Map, Value, json};

/// The version of the format.
pub const VERSION: u32 = 1;

/// Writes the whole trace.
pub fn render(trace: &Trace) -> String {
    let mut out = json!({ "maillab_trace": VERSION }).to_string();
    out.push('\n');
    trace.each(|id, event| {
        out.push_str(&Value::Object(object(trace, id, event)).to_string());
        out.push('\n');
    });
    out
}

fn object(trace: &Trace, id: EventId, event: &Event) -> Map<String, Value> {
    let mut o = Map::new();
    o.insert("n".into(), id.get().into());
    o.insert("time".into(), event.time.nanos().into());
    if let Some(p) = trace.process(event.process).filter(|p| p.pid > 0) {
        o.insert("host".into(), (*p.host).into());
        o.insert("process".into(), (*p.program).into());
        o.insert("pid".into(), p.pid.into());
    }
    if let Some(cause) = event.cause {
        o.insert("cause".into(), cause.get().into());
    }
    let (kind, rest) = kind(trace, &event.kind);
    o.insert("kind".into(), kind.into());
    if let Value::Object(rest) = rest {
        o.extend(rest);
    }
    o
}

fn kind(trace: &Trace, kind: &Kind) -> (&'static str, Value) {
    let ends = |c: &ConnId| connection(trace, *c);
    match kind {
        Kind::Connect(c) => ("connect", json!({ "connection": ends(c) })),
        Kind::Accepted(c) => ("accepted", json!({ "connection": ends(c) })),
        Kind::Sent { conn, to, bytes } => {
            ("sent", json!({ "connection": ends(conn), "to": side(*to), "bytes": text(bytes) }))
        }
        Kind::Arrived { conn, to, len } => {
            ("arrived", json!({ "connection": ends(conn), "to": side(*to), "len": len }))
        }
        Kind::Lost { conn, to, len } => {
            ("lost", json!({ "connection": ends(conn), "to": side(*to), "len": len }))
        }
        Kind::Closed { conn, to, how } => {
            ("closed", json!({ "connection": ends(conn), "to": side(*to), "how": closing(*how) }))
        }
        Kind::Sealed { conn, what } => ("sealed", json!({ "connection": ends(conn), "what": **what })),
        Kind::DnsQuestion { server, wire } => {
            let message = crate::proto::dns::describe(wire);
            ("dns_question", json!({ "server": server.to_string(), "message": message, "len": wire.len() }))
        }
        Kind::DnsAnswer { wire } => {
            ("dns_answer", json!({ "message": crate::proto::dns::describe(wire), "len": wire.len() }))
        }
        Kind::Started { parent, argv } => {
            ("started", json!({ "parent": parent, "argv": argv.iter().map(|a| &**a).collect::<Vec<_>>() }))
        }
        Kind::Ended { status } => ("ended", json!({ "status": status })),
        Kind::HandOver { to, what } => ("hand_over", json!({ "to": **to, "what": **what })),
        Kind::File { act, path, len } => {
            ("file", json!({ "act": file_act(*act), "path": **path, "len": len }))
        }
        Kind::Renamed { from, to } => ("renamed", json!({ "from": **from, "to": **to })),
        Kind::Queue { id, hop: [from, to] } => ("queue", json!({ "id": **id, "from": from, "to": to })),
        Kind::Log { line } => ("log", json!({ "line": **line })),
        Kind::Command { text } => ("command", json!({ "text": **text })),
        Kind::Fault { text } => ("fault", json!({ "text": **text })),
        Kind::Decision(d) => (
            "decision",
            json!({ "rule": d.rule, "setting": d.setting, "place": d.place.to_string(),
                    "compared": d.compared, "outcome": d.outcome.to_string() }),
        ),
    }
}

fn connection(trace: &Trace, conn: ConnId) -> Value {
    match trace.connection(conn) {
        Some(Ends::Tcp { client, server, .. }) => {
            json!({ "client": client.to_string(), "server": server.to_string() })
        }
        Some(Ends::Unix { path }) => json!({ "server": **path }),
        None => Value::Null,
    }
}

fn side(to: Direction) -> &'static str {
    match to {
        Direction::ToServer => "server",
        Direction::ToClient => "client",
    }
}

fn closing(how: Closing) -> &'static str {
    match how {
        Closing::Finished => "finished",
        Closing::Reset => "reset",
        Closing::Refused => "refused",
        Closing::Unreachable => "unreachable",
        Closing::TimedOut => "timed out",
    }
}

fn file_act(act: FileAct) -> &'static str {
    match act {
        FileAct::Written => "written",
        FileAct::Removed => "removed",
        FileAct::MadeDirectory => "made directory",
        FileAct::Attributes => "attributes",
    }
}

fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out
}
