//! A conversation over TCP as a careful person holds it: a line is sent when the reply to the
//! one before is complete. After DATA lines go out without waiting until the lone dot, after BDAT
//! until as many octets have gone as it announced.

use super::model::Chat;
use crate::world::clock::Duration;
use crate::world::dns::Lookup;
use crate::world::errno::Errno;
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::tls;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// How long to wait for a connection, and for a reply to become complete.
const CONNECT: Duration = Duration::from_secs(15);
const REPLY: Duration = Duration::from_secs(20);

/// How long a reply that looks complete may still go on, where only silence tells.
const SILENCE: Duration = Duration::from_millis(400);

/// Ports on which SMTP or LMTP is spoken, where a reply says itself whether it goes on.
const SMTP: [u16; 5] = [25, 587, 465, 24, 2525];

/// What was said, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// By the server.
    Server(String),
    /// By us.
    Client(String),
    /// What the client program itself has to say.
    Note(String),
    /// The conversation goes on inside TLS.
    Sealed,
}

/// Holds the conversation; what is said is appended to `out` as it happens.
pub async fn talk(p: &Process, chat: &Chat, out: &Rc<RefCell<Vec<Said>>>) {
    let stream = match connect(p, chat).await {
        Ok(stream) => stream,
        Err(text) => return out.borrow_mut().push(Said::Note(text)),
    };
    let mut talk = Talk { p, stream, smtp: SMTP.contains(&chat.port), closed: false, out };
    let mut reply = talk.receive(None).await;
    let (mut in_data, mut octets) = (false, 0usize);
    for (line, _) in &chat.lines {
        let line = &line.value;
        if reply.is_none() {
            return;
        }
        if talk.closed || talk.send(line).await.is_err() {
            return talk.note("Connection closed by foreign host.");
        }
        if in_data {
            if line != "." {
                continue;
            }
            in_data = false;
        }
        if octets > 0 {
            octets = octets.saturating_sub(line.len() + 2);
            if octets > 0 {
                continue;
            }
        } else if let Some(size) = talk.smtp.then(|| bdat_size(line)).flatten() {
            octets = size;
            continue;
        }
        reply = talk.receive(Some(line)).await;
        let said = |prefix: &str| reply.as_ref().is_some_and(|r| r.starts_with(prefix.as_bytes()));
        if talk.smtp && line.eq_ignore_ascii_case("DATA") && said("354") {
            in_data = true;
        }
        let verb = line.rsplit(' ').next().unwrap_or_default().to_ascii_uppercase();
        if matches!(verb.as_str(), "STARTTLS" | "STLS") && (said("220") || said("+OK")) {
            match tls::connect(&talk.stream).await {
                Ok(_) => talk.out.borrow_mut().push(Said::Sealed),
                Err(_) => return talk.note("Connection closed by foreign host."),
            }
        }
    }
}

async fn connect(p: &Process, chat: &Chat) -> Result<Stream, String> {
    let address: IpAddr = match chat.to.trim_matches(['[', ']']).parse() {
        Ok(address) => address,
        Err(_) => match p.addresses_of(&chat.to).await {
            Lookup::Found(all) => *all.first().ok_or("Name or service not known")?,
            Lookup::NotFound => return Err("Name or service not known".to_owned()),
            Lookup::Failed => return Err("Temporary failure in name resolution".to_owned()),
        },
    };
    let connect = p.connect(SocketAddr::new(address, chat.port), chat.source);
    match p.timeout(CONNECT, connect).await {
        Some(Ok(stream)) if chat.tls => match p.timeout(CONNECT, tls::connect(&stream)).await {
            Some(Ok(_)) => Ok(stream),
            _ => Err("TLS is not spoken there".to_owned()),
        },
        Some(Ok(stream)) => Ok(stream),
        Some(Err(Errno::ETIMEDOUT)) | None => Err("timed out".to_owned()),
        Some(Err(e)) => Err(e.to_string()),
    }
}

struct Talk<'a> {
    p: &'a Process,
    stream: Stream,
    smtp: bool,
    closed: bool,
    out: &'a Rc<RefCell<Vec<Said>>>,
}

impl Talk<'_> {
    async fn send(&self, line: &str) -> Result<(), Errno> {
        self.out.borrow_mut().push(Said::Client(line.to_owned()));
        self.stream.write(format!("{line}\r\n")).await
    }

    fn note(&self, text: &str) {
        self.out.borrow_mut().push(Said::Note(text.to_owned()));
    }

    fn show(&self, data: &[u8]) {
        let text = String::from_utf8_lossy(data).replace("\r\n", "\n");
        self.out.borrow_mut().extend(text.lines().map(|l| Said::Server(l.to_owned())));
    }

    /// The reply to a command, or the greeting; `None` when the server closed without one.
    async fn receive(&mut self, command: Option<&str>) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let whole = self.is_complete(&data, command);
            if whole && self.smtp {
                break;
            }
            let patience = if whole { SILENCE } else { REPLY };
            match self.p.timeout(patience, self.stream.read()).await {
                Some(Ok(more)) if !more.is_empty() => data.extend_from_slice(&more),
                None => break,
                // A reset is a close, too.
                Some(_) => {
                    self.closed = true;
                    self.show(&data);
                    if whole {
                        return Some(data);
                    }
                    self.note("Connection closed by foreign host.");
                    return None;
                }
            }
        }
        self.show(&data);
        Some(data)
    }

    fn is_complete(&self, data: &[u8], command: Option<&str>) -> bool {
        let Some(text) = data.strip_suffix(b"\r\n") else { return false };
        let last = text.rsplit(|b| *b == b'\n').next().unwrap_or_default();
        if self.smtp {
            let digits = last.len() >= 3 && last[..3].iter().all(u8::is_ascii_digit);
            return digits && matches!(last.get(3), None | Some(b' '));
        }
        let first = command.unwrap_or_default().split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let multi = matches!(first.as_str(), "RETR" | "TOP")
            || (matches!(first.as_str(), "LIST" | "UIDL" | "CAPA" | "AUTH")
                && !command.unwrap_or_default().trim_end().contains(' '));
        if multi && data.starts_with(b"+OK") { last == b"." } else { true }
    }
}

/// The octets that BDAT announces.
fn bdat_size(line: &str) -> Option<usize> {
    let mut words = line.split(' ');
    let is_bdat = words.next()?.eq_ignore_ascii_case("BDAT");
    let size = words.next()?.parse().ok().filter(|n| *n > 0);
    let last = words.next().is_none_or(|w| w.eq_ignore_ascii_case("LAST"));
    size.filter(|_| is_bdat && last && words.next().is_none())
}
