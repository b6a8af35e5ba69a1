//! One SMTP session: greeting, handshake, and the message with its recipients.

use super::Settings;
use super::destination::Host;
use crate::postfix::deliver::{Delivery, Dsn, Progress};
use crate::postfix::queue::{Recipient, notify};
use crate::postfix::server::Daemon;
use crate::proto::address;
use crate::proto::smtp::reply::{self, Parsed, Reply};
use crate::proto::smtp::{dot, xtext_encode};
use crate::world::clock::{Duration, Time};
use crate::world::stream::Stream;
use bytes::BytesMut;
use std::fmt::Write;

/// Why a host did not do what it should.
pub struct Failure {
    /// For sender and log.
    pub dsn: Dsn,
    /// With whom we spoke, if with anybody.
    pub relay: Option<String>,
    /// How far it went.
    pub progress: Progress,
    /// Does it concern the destination, and not only this message?
    pub whole_site: bool,
}

impl Failure {
    /// Nobody was reached.
    pub fn whole(dsn: Dsn) -> Failure {
        Failure { dsn, relay: None, progress: Progress::default(), whole_site: true }
    }
}

/// What the server said it can do.
#[derive(Default)]
struct Features {
    pipelining: bool,
    size: bool,
    eight_bit: bool,
    dsn: bool,
    smtputf8: bool,
}

/// What is being said, for errors.
#[derive(Clone, Copy)]
enum Step {
    Greeting,
    Ehlo,
    Helo,
    Mail,
    Rcpt,
    Data,
    Body,
    End,
}

impl Step {
    /// "lost connection with … while …"
    fn doing(self) -> &'static str {
        match self {
            Step::Greeting => "receiving the initial server greeting",
            Step::Ehlo => "performing the EHLO handshake",
            Step::Helo => "performing the HELO handshake",
            Step::Mail => "sending MAIL FROM",
            Step::Rcpt => "sending RCPT TO",
            Step::Data => "sending DATA command",
            Step::Body => "sending message body",
            Step::End => "sending end of data -- message may be sent more than once",
        }
    }

    /// "(in reply to …)"
    fn command(self) -> &'static str {
        match self {
            Step::Greeting => "greeting",
            Step::Ehlo => "EHLO command",
            Step::Helo => "HELO command",
            Step::Mail => "MAIL FROM command",
            Step::Rcpt => "RCPT TO command",
            Step::Data => "DATA command",
            Step::Body | Step::End => "end of DATA command",
        }
    }
}

/// One session.
pub struct Session<'a> {
    daemon: &'a Daemon,
    settings: &'a Settings,
    delivery: &'a Delivery<'a>,
    host: &'a Host,
    stream: Stream,
    connected: Time,
    input: BytesMut,
    features: Features,
}

impl<'a> Session<'a> {
    /// On a connection that stands.
    pub fn new(
        daemon: &'a Daemon,
        settings: &'a Settings,
        delivery: &'a Delivery<'a>,
        host: &'a Host,
        stream: Stream,
    ) -> Session<'a> {
        let connected = daemon.p.now();
        let (input, features) = (BytesMut::new(), Features::default());
        Session { daemon, settings, delivery, host, stream, connected, input, features }
    }

    /// Greeting and handshake.
    ///
    /// # Errors
    /// The server does not want to talk; the next one may.
    pub async fn hello(&mut self, is_final: bool) -> Result<(), Failure> {
        let greeting = self.receive(Step::Greeting, self.settings.helo_timeout).await?;
        if greeting.code / 100 != 2 {
            let hard = greeting.code / 100 == 5 && (is_final || !self.settings.skip_5xx_greeting);
            return Err(self.unwilling(&greeting, hard));
        }
        let esmtp = self.settings.always_ehlo || greeting.text().contains("ESMTP");
        if esmtp && !self.settings.never_ehlo {
            let reply = self.say(&format!("EHLO {}", self.settings.helo_name), Step::Ehlo).await?;
            match reply.code / 100 {
                2 => {
                    self.learn(&reply);
                    return Ok(());
                }
                _ if reply.code == 421 => return Err(self.unwilling(&reply, false)),
                _ => {}
            }
        }
        let reply = self.say(&format!("HELO {}", self.settings.helo_name), Step::Helo).await?;
        if reply.code / 100 == 2 { Ok(()) } else { Err(self.unwilling(&reply, reply.code / 100 == 5)) }
    }

    async fn say(&mut self, line: &str, step: Step) -> Result<Reply, Failure> {
        self.send(format!("{line}\r\n"), step).await?;
        self.receive(step, self.settings.helo_timeout).await
    }

    /// RFC 5321, section 4.1.1.1
    fn learn(&mut self, reply: &Reply) {
        for line in reply.lines.iter().skip(1) {
            let keyword = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            if self.settings.discard_keywords.contains(&keyword) {
                continue;
            }
            match keyword.as_str() {
                "PIPELINING" => self.features.pipelining = true,
                "SIZE" => self.features.size = true,
                "8BITMIME" => self.features.eight_bit = true,
                "DSN" => self.features.dsn = true,
                "SMTPUTF8" => self.features.smtputf8 = true,
                _ => {}
            }
        }
    }

    /// The message, to all who are left; who is answered for good is taken off.
    ///
    /// # Errors
    /// Why those that are still left have to try elsewhere or later.
    pub async fn transfer(&mut self, left: &mut Vec<Recipient>, is_final: bool) -> Result<(), Failure> {
        let timeouts =
            (self.settings.mail_timeout, self.settings.rcpt_timeout, self.settings.data_init_timeout);
        let mail = self.mail_command();
        let commands: Vec<String> = left.iter().map(|r| self.rcpt_command(r)).collect();
        if self.features.pipelining {
            let all = mail + &commands.concat() + "DATA\r\n";
            self.send(all, Step::Mail).await?;
        } else {
            self.send(mail, Step::Mail).await?;
        }
        let reply = self.receive(Step::Mail, timeouts.0).await?;
        if reply.code / 100 != 2 {
            self.leave().await;
            return self.all_failed(left, &reply, Step::Mail, is_final).await;
        }
        let mut accepted = Vec::new();
        let mut later = Vec::new();
        let mut failure = None;
        for (rcpt, command) in std::mem::take(left).into_iter().zip(commands) {
            if !self.features.pipelining {
                self.send(command, Step::Rcpt).await.inspect_err(|_| left.push(rcpt.clone()))?;
            }
            match self.receive(Step::Rcpt, timeouts.1).await {
                Ok(reply) if reply.code / 100 == 2 => accepted.push(rcpt),
                Ok(reply) => {
                    let dsn = self.said(&reply, Step::Rcpt);
                    if dsn.is_transient() && !is_final {
                        failure = Some(self.failure(dsn, false));
                        later.push(rcpt);
                    } else {
                        self.delivery.failed(&rcpt, &self.relay(), self.progress(), &dsn).await;
                    }
                }
                Err(failure) => {
                    // Those that have no answer yet try elsewhere.
                    left.push(rcpt);
                    left.append(&mut accepted);
                    left.append(&mut later);
                    return Err(failure);
                }
            }
        }
        let result = self.message(&mut accepted, is_final).await;
        left.append(&mut accepted);
        left.append(&mut later);
        result?;
        failure.map_or(Ok(()), Err)
    }

    /// DATA, the message, and its end.
    async fn message(&mut self, accepted: &mut Vec<Recipient>, is_final: bool) -> Result<(), Failure> {
        if accepted.is_empty() {
            if self.features.pipelining {
                // DATA is under way already; its answer is of no interest (RFC 2920, section 3.1).
                let reply = self.receive(Step::Data, self.settings.data_init_timeout).await?;
                if reply.code / 100 == 3 {
                    self.send(".\r\n".to_owned(), Step::Body).await?;
                    let _ = self.receive(Step::End, self.settings.data_done_timeout).await;
                }
            }
            self.leave().await;
            return Ok(());
        }
        if !self.features.pipelining {
            self.send("DATA\r\n".to_owned(), Step::Data).await?;
        }
        let reply = self.receive(Step::Data, self.settings.data_init_timeout).await?;
        if reply.code / 100 != 3 {
            self.leave().await;
            return self.all_failed(accepted, &reply, Step::Data, is_final).await;
        }
        let mut wire = dot::encode(&self.delivery.content(), self.settings.line_length_limit);
        if self.features.pipelining {
            wire.extend_from_slice(b"QUIT\r\n");
        }
        let sent = self.daemon.p.timeout(self.settings.data_xfer_timeout, self.stream.write(wire)).await;
        self.outcome(sent.map(|r| r.map_err(|_| ())), Step::Body)?;
        let reply = self.receive(Step::End, self.settings.data_done_timeout).await?;
        if !self.features.pipelining {
            self.leave().await;
        }
        if reply.code / 100 != 2 {
            return self.all_failed(accepted, &reply, Step::End, is_final).await;
        }
        let status = reply.dsn().map_or_else(|| "2.0.0".to_owned(), |d| d.to_string());
        let dsn = Dsn::new(&status, reply.joined());
        for mut rcpt in accepted.drain(..) {
            // A server that knows DSN tells of success itself.
            if self.features.dsn {
                rcpt.dsn_notify &= !notify::SUCCESS;
            }
            self.delivery.sent_as("relayed", &rcpt, &self.relay(), self.progress(), &dsn).await;
        }
        Ok(())
    }

    fn mail_command(&self) -> String {
        let r = &self.delivery.request;
        let mut line = format!("MAIL FROM:<{}>", address::quote(&r.sender));
        if self.features.size {
            let _ = write!(line, " SIZE={}", r.size);
        }
        if self.features.eight_bit && self.delivery.is_eight_bit() {
            line.push_str(" BODY=8BITMIME");
        }
        if self.features.dsn {
            if !r.dsn_envid.is_empty() {
                let _ = write!(line, " ENVID={}", r.dsn_envid);
            }
            if let Some(full) = r.dsn_ret_full {
                let _ = write!(line, " RET={}", if full { "FULL" } else { "HDRS" });
            }
        }
        line + "\r\n"
    }

    fn rcpt_command(&self, rcpt: &Recipient) -> String {
        let mut line = format!("RCPT TO:<{}>", address::quote(&rcpt.address));
        if self.features.dsn {
            if let Some((kind, text)) = rcpt.dsn_orcpt.split_once(';') {
                let _ = write!(line, " ORCPT={kind};{}", xtext_encode(text));
            }
            if rcpt.dsn_notify != 0 {
                let _ = write!(line, " NOTIFY={}", notify_words(rcpt.dsn_notify));
            }
        }
        line + "\r\n"
    }

    /// The server refused all that is left.
    async fn all_failed(
        &self,
        left: &mut Vec<Recipient>,
        reply: &Reply,
        step: Step,
        is_final: bool,
    ) -> Result<(), Failure> {
        let dsn = self.said(reply, step);
        if dsn.is_transient() && !is_final {
            return Err(self.failure(dsn, false));
        }
        for rcpt in left.drain(..) {
            self.delivery.failed(&rcpt, &self.relay(), self.progress(), &dsn).await;
        }
        Ok(())
    }

    /// The server does not want to talk at all.
    fn unwilling(&self, reply: &Reply, hard: bool) -> Failure {
        let text = format!("host {} refused to talk to me: {}", self.named(), reply.joined());
        let mut dsn = Dsn::new(if hard { "5.0.0" } else { "4.0.0" }, text);
        if let Some(status) = reply.dsn() {
            dsn.status = status.to_string().into();
            if !hard && dsn.status.starts_with('5') {
                dsn.status = format!("4{}", &dsn.status[1..]).into();
            }
        }
        if !hard {
            self.daemon.msg.log(&format!("{}: {}", self.delivery.request.id, dsn.reason));
        }
        self.failure(dsn, true)
    }

    /// A refusal in the words of the server.
    fn said(&self, reply: &Reply, step: Step) -> Dsn {
        let status = match reply.dsn() {
            Some(status) if u16::from(status.class) == reply.code / 100 => status.to_string(),
            _ => format!("{}.0.0", if reply.code / 100 == 4 { 4 } else { 5 }),
        };
        let text = reply.joined();
        Dsn {
            status: status.into(),
            reason: format!("host {} said: {text} (in reply to {})", self.named(), step.command()).into(),
            diagnostic_type: "smtp".into(),
            diagnostic_text: text.into(),
            mta_type: "dns".into(),
            mta_name: self.host.name.clone(),
        }
    }

    async fn leave(&mut self) {
        let _ = self.stream.write("QUIT\r\n").await;
    }

    async fn send(&mut self, text: String, step: Step) -> Result<(), Failure> {
        let sent = self.daemon.p.timeout(self.settings.helo_timeout, self.stream.write(text)).await;
        self.outcome(sent.map(|r| r.map_err(|_| ())), step)
    }

    async fn receive(&mut self, step: Step, limit: Duration) -> Result<Reply, Failure> {
        loop {
            match reply::parse(&mut self.input) {
                Parsed::Reply(reply) => return Ok(reply),
                Parsed::NeedMore => {}
            }
            let read = self.daemon.p.timeout(limit, self.stream.read()).await;
            let bytes = match read {
                Some(Ok(bytes)) if !bytes.is_empty() => Some(Ok(bytes)),
                Some(_) => Some(Err(())),
                None => None,
            };
            let bytes = self.outcome(bytes, step)?;
            self.input.extend_from_slice(&bytes);
        }
    }

    /// Time-outs and lost connections, in words.
    fn outcome<T>(&self, result: Option<Result<T, ()>>, step: Step) -> Result<T, Failure> {
        let text = match result {
            Some(Ok(value)) => return Ok(value),
            Some(Err(())) => format!("lost connection with {} while {}", self.named(), step.doing()),
            None => format!("conversation with {} timed out while {}", self.named(), step.doing()),
        };
        self.daemon.msg.log(&format!("{}: {text}", self.delivery.request.id));
        Err(self.failure(Dsn::new("4.4.2", text), true))
    }

    fn failure(&self, dsn: Dsn, whole_site: bool) -> Failure {
        Failure { dsn, relay: Some(self.relay()), progress: self.progress(), whole_site }
    }

    fn progress(&self) -> Progress {
        Progress { connected: Some(self.connected) }
    }

    /// `name[address]`
    fn named(&self) -> String {
        format!("{}[{}]", self.host.name, self.host.address)
    }

    /// `name[address]:port`
    fn relay(&self) -> String {
        format!("{}[{}]:{}", self.host.name, self.host.address, self.host.port)
    }
}

fn notify_words(flags: u8) -> String {
    let all = [
        (notify::NEVER, "NEVER"),
        (notify::SUCCESS, "SUCCESS"),
        (notify::FAILURE, "FAILURE"),
        (notify::DELAY, "DELAY"),
    ];
    all.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
}
