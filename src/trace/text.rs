//! The trace for people: one line an event.
//!
//! ```text
//!   #    time          host            process          what                              cause
//!  41  14:45:09.001  stranger        telnet[1201]     → lpic2-study-1:25  "RCPT TO:<x@example.org>\r\n"
//! ```
//!
//! Octets are shown between quotes, CR, LF, TAB and whatever is not printable as escapes. Without
//! `verbose`, long texts are shortened and decisions that came to nothing are left out.

use super::{Closing, Direction, Ends, Event, EventId, FileAct, Kind, Outcome, Trace};
use std::fmt::Write;
use std::net::SocketAddr;

/// How many octets of what was sent are shown where the trace is not verbose.
const SHORT: usize = 100;

/// Writes the whole trace.
pub fn render(trace: &Trace, verbose: bool) -> String {
    let mut out = String::new();
    out.push_str("    #  time          host             process            what · cause\n");
    trace.each(|id, event| {
        if verbose || is_telling(&event.kind) {
            line(trace, id, event, verbose, &mut out);
        }
    });
    out
}

/// Writes one event as a line.
pub fn line(trace: &Trace, id: EventId, event: &Event, verbose: bool, out: &mut String) {
    let (host, process) = match trace.process(event.process) {
        Some(p) if p.pid > 0 => {
            (p.host.split('.').next().unwrap_or(&p.host).to_owned(), format!("{}[{}]", p.program, p.pid))
        }
        _ => (String::new(), "-".to_owned()),
    };
    let _ = write!(out, "{id:>5}  {}  {host:<15}  {process:<17}  ", event.time);
    what(trace, &event.kind, verbose, out);
    if let Some(cause) = event.cause {
        let _ = write!(out, "   ·{cause}");
    }
    out.push('\n');
}

/// Does this event say something to a reader in a hurry?
pub fn is_telling(kind: &Kind) -> bool {
    match kind {
        Kind::Decision(d) => d.outcome != Outcome::No,
        Kind::Ended { status } => *status != 0,
        _ => true,
    }
}

/// Writes what an event was, without its number, time and process.
pub fn what(trace: &Trace, kind: &Kind, verbose: bool, out: &mut String) {
    let _ = match kind {
        Kind::Connect(conn) => write!(out, "calls {}", peer(trace, *conn, Direction::ToServer)),
        Kind::Accepted(conn) => write!(out, "reached {}", peer(trace, *conn, Direction::ToServer)),
        Kind::Sent { conn, to, bytes } => {
            let _ = write!(out, "→ {}  ", peer(trace, *conn, *to));
            quote(bytes, if verbose { usize::MAX } else { SHORT }, out);
            Ok(())
        }
        Kind::Arrived { len, .. } => write!(out, "received {len} bytes"),
        Kind::Lost { conn, to, len } => {
            write!(out, "{len} bytes for {} are lost", peer(trace, *conn, *to))
        }
        Kind::Closed { conn, to, how } => closed(trace, *conn, *to, *how, out),
        Kind::Sealed { conn, what } => {
            write!(out, "seals {}: {}", peer(trace, *conn, Direction::ToClient), shown(what))
        }
        Kind::DnsQuestion { server, wire } => {
            write!(out, "asks {}  {}", server.ip(), crate::proto::dns::describe(wire))
        }
        Kind::DnsAnswer { wire } if wire.is_empty() => write!(out, "no answer came"),
        Kind::DnsAnswer { wire } => write!(out, "is told  {}", crate::proto::dns::describe(wire)),
        Kind::Started { parent, argv } => {
            let _ = write!(out, "starts, by {parent}:");
            for a in argv.iter() {
                let _ = write!(out, " {}", shown(a));
            }
            Ok(())
        }
        Kind::Ended { status } => write!(out, "ends with {status}"),
        Kind::HandOver { to, what } => write!(out, "hands to {to}: {}", shown(what)),
        Kind::File { act: FileAct::Written, path, len } => {
            write!(out, "writes {len} bytes to {}", shown(path))
        }
        Kind::File { act: FileAct::Removed, path, .. } => write!(out, "removes {}", shown(path)),
        Kind::File { act: FileAct::MadeDirectory, path, .. } => {
            write!(out, "makes directory {}", shown(path))
        }
        Kind::File { act: FileAct::Attributes, path, .. } => {
            write!(out, "changes owner or mode of {}", shown(path))
        }
        Kind::Renamed { from, to } => write!(out, "renames {} to {}", shown(from), shown(to)),
        Kind::Queue { id, hop: ["", to] } => write!(out, "queue: {id} is in {to}"),
        Kind::Queue { id, hop: [from, ""] } => write!(out, "queue: {id} leaves {from}"),
        Kind::Queue { id, hop: [from, to] } => write!(out, "queue: {id} {from} → {to}"),
        Kind::Log { line } => write!(out, "log: {}", shown(line)),
        Kind::Command { text } => write!(out, "$ {}", shown(text)),
        Kind::Fault { text } => write!(out, "fault: {}", shown(text)),
        Kind::Decision(d) => {
            let _ = write!(out, "{}: {}", d.rule, d.outcome);
            if !d.compared.is_empty() {
                let _ = write!(out, ", {}", shown(&d.compared));
            }
            if d.setting.is_empty() { Ok(()) } else { write!(out, " ({}, {})", d.setting, d.place) }
        }
    };
}

fn closed(
    trace: &Trace,
    conn: super::ConnId,
    to: Direction,
    how: Closing,
    out: &mut String,
) -> std::fmt::Result {
    match how {
        // Told by the side that sees it.
        Closing::Finished | Closing::Reset => {
            let from = match to {
                Direction::ToServer => Direction::ToClient,
                Direction::ToClient => Direction::ToServer,
            };
            let who = peer(trace, conn, from);
            let verb = if how == Closing::Reset { "cut the connection" } else { "says no more" };
            write!(out, "{who} {verb}")
        }
        Closing::Refused => write!(out, "{}: connection refused", peer(trace, conn, Direction::ToServer)),
        Closing::Unreachable => write!(out, "{}: no route to host", peer(trace, conn, Direction::ToServer)),
        Closing::TimedOut => write!(out, "{}: timed out", peer(trace, conn, Direction::ToServer)),
    }
}

/// The end of a connection that bytes going `to` reach: `mx:25`.
fn peer(trace: &Trace, conn: super::ConnId, to: Direction) -> String {
    match trace.connection(conn) {
        Some(Ends::Tcp { client, client_host, server, server_host }) => match to {
            Direction::ToServer => end(server_host, *server),
            Direction::ToClient => end(client_host, *client),
        },
        Some(Ends::Unix { path }) => path.to_string(),
        None => "?".to_owned(),
    }
}

fn end(host: &str, address: SocketAddr) -> String {
    if host.is_empty() {
        return address.to_string();
    }
    format!("{}:{}", host.split('.').next().unwrap_or(host), address.port())
}

/// Texts from outside, without control characters.
fn shown(text: &str) -> String {
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text.to_owned() }
}

/// Octets between quotes, at most `max` of them.
pub fn quote(bytes: &[u8], max: usize, out: &mut String) {
    let part = &bytes[..bytes.len().min(max)];
    out.push('"');
    for chunk in part.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => {
                    let _ = write!(out, "{}", c.escape_default());
                }
                c => out.push(c),
            }
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    out.push('"');
    if part.len() < bytes.len() {
        let _ = write!(out, "… {} bytes", bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn octets_are_shown_so_that_line_ends_are_seen() {
        let mut out = String::new();
        quote(b"RCPT TO:<a>\r\n\t\xff\"", usize::MAX, &mut out);
        assert_eq!(out, r#""RCPT TO:<a>\r\n\t\xff\"""#);
        out.clear();
        quote(b"abcdef", 3, &mut out);
        assert_eq!(out, "\"abc\"… 6 bytes");
    }
}
