//! lmtp: takes mail over LMTP and saves it for local users.
//!
//! Standards: RFC 2033 (LMTP), RFC 5321, RFC 3030 (CHUNKING).
//!
//! Every recipient gets an answer of its own. A message gets `Return-Path:` and `Received:` on top,
//! and `Delivered-To:` where it has one recipient.
//!
//! Diagnostics: a line for each connection, each message saved, and each that could not be.

use super::conf::Block;
use super::deliver;
use super::log::log;
use super::master::Inheritance;
use super::user::{self, NoUser, User};
use crate::proto::message;
use crate::proto::smtp::{dot, line};
use crate::world::process::Process;
use crate::world::stream::{Peer, Stream};
use bytes::BytesMut;
use std::fmt::Write;

/// The longest line of a command, in octets.
const LONGEST: usize = 4096;

/// The most of a message that is kept.
const MESSAGE: usize = 64 << 20;

/// The program.
pub async fn main(p: Process) -> i32 {
    let Some(inherited) = p.inherited::<Inheritance>() else {
        p.eprint("lmtp: Fatal: This program must be run by the Dovecot master process\n").await;
        return 89;
    };
    for n in 0..inherited.listeners.len() {
        let (p2, inherited) = (p.clone(), inherited.clone());
        p.task(async move {
            loop {
                let stream = inherited.listeners[n].accept().await;
                let (p3, inherited) = (p2.clone(), inherited.clone());
                p2.task(async move { Session::new(&p3, &inherited.conf, stream).serve().await });
            }
        });
    }
    // Until the server ends it.
    std::future::pending().await
}

/// A recipient that was accepted.
struct Recipient {
    /// As it was given.
    address: String,
    user: User,
    /// Its place among all that were asked for in the transaction, counted from 1.
    number: usize,
}

/// Where a session stands, as it is logged at its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Mail,
    Rcpt,
    Data,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Ready => "READY",
            State::Mail => "MAIL FROM",
            State::Rcpt => "RCPT TO",
            State::Data => "DATA",
        }
    }
}

struct Session<'a> {
    p: &'a Process,
    conf: &'a Block,
    stream: Stream,
    input: BytesMut,
    id: String,
    /// The client's address, or nothing for a local one.
    peer: Option<std::net::SocketAddr>,
    helo: String,
    state: State,
    sender: String,
    recipients: Vec<Recipient>,
    asked: usize,
    transactions: usize,
    chunks: Vec<u8>,
}

impl<'a> Session<'a> {
    fn new(p: &'a Process, conf: &'a Block, stream: Stream) -> Session<'a> {
        let peer = match stream.peer() {
            Peer::Tcp { remote, .. } => Some(*remote),
            Peer::Unix { .. } => None,
        };
        Session {
            p,
            conf,
            stream,
            input: BytesMut::new(),
            id: session_id(p),
            peer,
            helo: String::new(),
            state: State::Ready,
            sender: String::new(),
            recipients: Vec::new(),
            asked: 0,
            transactions: 0,
            chunks: Vec::new(),
        }
    }

    fn who(&self) -> String {
        format!("lmtp({})", self.p.pid())
    }

    fn from(&self) -> String {
        self.peer.map_or_else(|| "local".to_owned(), |a| a.ip().to_string())
    }

    async fn serve(mut self) {
        log(self.p, &self.who(), &format!("Connect from {}", self.from()));
        let host = self.p.host().name().clone();
        let greeting = self.conf.setting("login_greeting").unwrap_or("Dovecot (Debian) ready.").to_owned();
        let mut open = self.reply(&format!("220 {host} {greeting}")).await;
        let mut how = "Connection closed";
        while open {
            let Some(text) = self.line().await else { break };
            let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
            let rest = rest.trim();
            if verb.eq_ignore_ascii_case("QUIT") {
                how = "Logged out";
                self.reply("221 2.0.0 Bye").await;
                break;
            }
            open = self.command(&verb.to_ascii_uppercase(), rest).await;
        }
        let text = format!("Disconnect from {}: {how} (state={})", self.from(), self.state.name());
        log(self.p, &self.who(), &text);
    }

    /// One command; `false` when the client is gone.
    async fn command(&mut self, verb: &str, rest: &str) -> bool {
        match verb {
            "LHLO" if rest.is_empty() => self.reply("501 Missing hostname").await,
            "LHLO" => {
                self.reset();
                self.helo = rest.to_owned();
                let host = self.p.host().name().clone();
                let lines = format!(
                    "250-{host}\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING"
                );
                self.reply(&lines).await
            }
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            "BDAT" => self.bdat(rest).await,
            "RSET" => {
                self.reset();
                self.reply("250 2.0.0 OK").await
            }
            "NOOP" => self.reply("250 2.0.0 OK").await,
            "VRFY" => self.reply("252 2.3.3 Try RCPT instead").await,
            "STARTTLS" => self.reply("502 5.5.1 TLS support is not enabled.").await,
            "XCLIENT" => self.reply("550 5.7.14 You are not from trusted IP").await,
            verb if verb.is_empty() || !verb.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                self.reply("500 5.5.2 Invalid command syntax").await
            }
            _ => self.reply("500 5.5.1 Unknown command").await,
        }
    }

    fn reset(&mut self) {
        self.state = State::Ready;
        self.sender.clear();
        self.recipients.clear();
        self.chunks.clear();
        self.asked = 0;
    }

    async fn mail(&mut self, rest: &str) -> bool {
        if self.state != State::Ready {
            return self.reply("503 5.5.0 MAIL already given").await;
        }
        let (sender, parameters) = match argument(rest, "FROM:") {
            Ok(parts) => parts,
            Err(text) => return self.reply(&text).await,
        };
        let known = |w: &str| w.eq_ignore_ascii_case("BODY=8BITMIME") || w.eq_ignore_ascii_case("BODY=7BIT");
        if !parameters.split_whitespace().all(known) {
            return self.reply("555 5.5.4 Unsupported parameters").await;
        }
        self.sender = sender.to_owned();
        self.state = State::Mail;
        self.transactions += 1;
        self.reply("250 2.1.0 OK").await
    }

    async fn rcpt(&mut self, rest: &str) -> bool {
        if self.state == State::Ready {
            return self.reply("503 5.5.0 MAIL needed first").await;
        }
        let (address, parameters) = match argument(rest, "TO:") {
            Ok(parts) => parts,
            Err(text) => return self.reply(&text).await,
        };
        if address.is_empty() {
            return self.reply("501 5.5.4 Invalid TO: Null path not allowed").await;
        }
        if !parameters.is_empty() {
            return self.reply("555 5.5.4 Unsupported parameters").await;
        }
        self.asked += 1;
        let delimiters = self.conf.setting("recipient_delimiter").unwrap_or("+");
        let name = user::without_detail(address, delimiters);
        match user::look_up(self.p, self.conf, &name) {
            Ok(user) => {
                let number = self.asked;
                self.recipients.push(Recipient { address: address.to_owned(), user, number });
                self.state = State::Rcpt;
                self.reply("250 2.1.5 OK").await
            }
            Err(NoUser::Unknown) => {
                self.reply(&format!("550 5.1.1 <{address}> User doesn't exist: {name}")).await
            }
            Err(NoUser::Unusable(why)) => {
                let conn = self.peer.map_or_else(|| "unix".to_owned(), |a| a.to_string());
                let text = format!(
                    "Error: lmtp-server: conn {conn} [1]: rcpt {address}: Failed to lookup user {name}: {why}"
                );
                log(self.p, &self.who(), &text);
                self.reply(&format!("451 4.3.0 <{address}> Temporary internal error")).await
            }
        }
    }

    async fn data(&mut self) -> bool {
        if let Some(objection) = self.objection() {
            return self.reply(objection).await;
        }
        if !self.reply("354 OK").await {
            return false;
        }
        self.state = State::Data;
        let (mut decoder, mut content) = (dot::Decoder::new(), Vec::new());
        while !decoder.decode(&mut self.input, &mut content) {
            if content.len() > MESSAGE || !self.more().await {
                return false;
            }
        }
        self.save(&content).await
    }

    /// Why no message may come now.
    fn objection(&self) -> Option<&'static str> {
        match self.state {
            State::Ready => Some("503 5.5.0 MAIL needed first"),
            _ if self.recipients.is_empty() => Some("503 5.5.0 No valid recipients"),
            _ => None,
        }
    }

    async fn bdat(&mut self, rest: &str) -> bool {
        let mut words = rest.split_whitespace();
        let Some(size) = words.next().and_then(|n| n.parse::<usize>().ok()) else {
            return self.reply("501 5.5.4 Invalid chunk size parameter").await;
        };
        let is_last = words.next().is_some_and(|w| w.eq_ignore_ascii_case("LAST"));
        while self.input.len() < size {
            if size > MESSAGE || !self.more().await {
                return false;
            }
        }
        let chunk = self.input.split_to(size);
        if let Some(objection) = self.objection() {
            return self.reply(objection).await;
        }
        self.chunks.extend_from_slice(&chunk);
        if !is_last {
            return self.reply(&format!("250 2.0.0 Added {size} octets")).await;
        }
        let content = message::to_lf(&std::mem::take(&mut self.chunks));
        self.save(&content).await
    }

    /// Saves the message for every recipient, and answers for each.
    async fn save(&mut self, content: &[u8]) -> bool {
        let id = match self.transactions {
            0 | 1 => self.id.clone(),
            n => format!("{}:T{n}", self.id),
        };
        let recipients = std::mem::take(&mut self.recipients);
        let only = (recipients.len() == 1).then(|| recipients[0].address.clone());
        let message_id = deliver::message_id(content);
        let mut whole = self.top_lines(&id, only.as_deref()).into_bytes();
        whole.extend_from_slice(content);
        let mut open = true;
        for rcpt in &recipients {
            let own = if rcpt.number == 1 { id.clone() } else { format!("{id}:R{}", rcpt.number) };
            let who = format!("lmtp({})<{}><{own}>", rcpt.user.name, self.p.pid());
            let saved = deliver::save(self.p, self.conf, &rcpt.user, &self.sender, &whole).await;
            let answer = match saved {
                Ok(()) => {
                    log(self.p, &who, &format!("msgid={message_id}: saved mail to INBOX"));
                    format!("250 2.0.0 <{}> {own} Saved", rcpt.address)
                }
                Err(why) => {
                    log(
                        self.p,
                        &who,
                        &format!("msgid={message_id}: save failed to open mailbox INBOX: {why}"),
                    );
                    format!(
                        "451 4.2.0 <{}> Internal error occurred. Refer to server log for more information.",
                        rcpt.address
                    )
                }
            };
            open &= self.reply(&answer).await;
        }
        self.reset();
        open
    }

    /// What is put on top of a message.
    fn top_lines(&self, id: &str, only: Option<&str>) -> String {
        let host = self.p.host().name();
        let mut out = format!("Return-Path: <{}>\n", self.sender);
        if let Some(address) = only {
            let _ = writeln!(out, "Delivered-To: {address}");
        }
        let peer = self.peer.map_or_else(String::new, |a| format!(" ([{}])", a.ip()));
        let _ = write!(out, "Received: from {}{peer}\n\tby {host} with LMTP\n\tid {id}\n", self.helo);
        let _ = write!(out, "\t(envelope-from <{}>)", self.sender);
        if let Some(address) = only {
            let _ = write!(out, "\n\tfor <{address}>");
        }
        let date = message::date(self.p.now().unix()).replace(",  ", ", 0");
        let _ = writeln!(out, "; {date}");
        out
    }

    async fn reply(&self, text: &str) -> bool {
        self.stream.write(format!("{text}\r\n")).await.is_ok()
    }

    async fn more(&mut self) -> bool {
        match self.stream.read().await {
            Ok(bytes) if !bytes.is_empty() => {
                self.input.extend_from_slice(&bytes);
                true
            }
            _ => false,
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let line::Framed::Line(line) = line::take(&mut self.input, LONGEST) {
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

/// `FROM:<path> parameters`: the path without its brackets, and the parameters.
fn argument<'t>(text: &'t str, keyword: &str) -> Result<(&'t str, &'t str), String> {
    let rest = text
        .get(..keyword.len())
        .filter(|k| k.eq_ignore_ascii_case(keyword))
        .map(|_| text[keyword.len()..].trim_start())
        .ok_or("501 5.5.4 Invalid parameters")?;
    let invalid = |why: &str| format!("501 5.5.4 Invalid {keyword} {why}");
    let Some(path) = rest.strip_prefix('<') else { return Err(invalid("Missing '<' at beginning of path")) };
    let Some((path, parameters)) = path.split_once('>') else {
        let why = if path.contains('@') { "Missing '>' at end of path" } else { "Missing domain" };
        return Err(invalid(why));
    };
    if path.contains(' ') {
        return Err(invalid("Missing '>' at end of path"));
    }
    Ok((path, parameters.trim()))
}

/// An id that no other session has, as Dovecot writes it: 16 octets in base64.
pub fn session_id(p: &Process) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..22).map(|_| char::from(DIGITS[p.host().random(64) as usize])).collect()
}
