//! A session with one client: the connection, what has been said, and the transaction that is open.

use super::check::{Checks, Reject};
use super::counts::{Counts, Verb};
use super::peer;
use crate::postfix::ipc::{ClientInfo, RewriteContext};
use crate::postfix::queue::Recipient;
use crate::postfix::rewrite::Rewriter;
use crate::postfix::server::Daemon;
use crate::proto::smtp::line::{self, Framed};
use crate::world::clock::{Duration, Time};
use crate::world::stream::Stream;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::rc::Rc;

/// What a server needs of the configuration, read once.
pub struct Settings {
    pub myhostname: Rc<str>,
    pub banner: Rc<str>,
    pub mail_name: Rc<str>,
    pub message_size_limit: u64,
    pub recipient_limit: usize,
    pub line_length_limit: usize,
    pub timeout: Duration,
    pub soft_error_limit: u32,
    pub hard_error_limit: u32,
    pub error_sleep: Duration,
    pub helo_required: bool,
    pub disable_vrfy: bool,
    pub discard_keywords: Vec<String>,
    pub forbidden_commands: Vec<String>,
}

impl Settings {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Which setting cannot be, for the log.
    pub fn read(daemon: &Daemon) -> Result<Settings, String> {
        let upper = |name: &str| daemon.config.list(name).iter().map(|w| w.to_ascii_uppercase()).collect();
        let int = |name: &str| daemon.config.int(name).map_err(|e| e.to_string());
        Ok(Settings {
            myhostname: daemon.string("myhostname"),
            banner: daemon.string("smtpd_banner"),
            mail_name: daemon.string("mail_name"),
            message_size_limit: int("message_size_limit")?.max(0) as u64,
            recipient_limit: int("smtpd_recipient_limit")?.max(1) as usize,
            line_length_limit: int("line_length_limit")?.clamp(512, 1 << 20) as usize,
            timeout: daemon.seconds("smtpd_timeout"),
            soft_error_limit: int("smtpd_soft_error_limit")?.max(1) as u32,
            hard_error_limit: int("smtpd_hard_error_limit")?.max(1) as u32,
            error_sleep: daemon.seconds("smtpd_error_sleep_time"),
            helo_required: daemon.yes("smtpd_helo_required"),
            disable_vrfy: daemon.yes("disable_vrfy_command"),
            discard_keywords: upper("smtpd_discard_ehlo_keywords"),
            forbidden_commands: upper("smtpd_forbidden_commands"),
        })
    }
}

/// A message that is being handed in.
pub struct Transaction {
    /// The envelope sender, completed; empty for the null sender.
    pub sender: Rc<str>,
    /// When the client said MAIL.
    pub began: Time,
    /// `ENVID=`.
    pub envid: Option<Rc<str>>,
    /// `RET=FULL` (true) or `RET=HDRS`.
    pub ret_full: Option<bool>,
    /// `BODY=8BITMIME`.
    pub eight_bit: bool,
    /// `SMTPUTF8`.
    pub smtputf8: bool,
    /// Those accepted.
    pub recipients: Vec<Recipient>,
    /// The queue id and the way to cleanup, from the first accepted recipient on.
    pub queue: Option<(Rc<str>, Stream)>,
    /// What came by BDAT so far.
    pub chunks: Option<Vec<u8>>,
}

/// Shall the session go on?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// With the next command.
    Command,
    /// No: the client said QUIT, or has been told to go.
    Close,
    /// No: the client is gone.
    Lost,
}

/// A session with one client.
pub struct Session<'d> {
    pub daemon: &'d Daemon,
    pub settings: &'d Settings,
    pub checks: &'d Checks,
    pub rewriter: &'d Rewriter,
    pub client: ClientInfo,
    /// `name[address]`, as the log shows the client.
    pub shown: Rc<str>,
    pub helo: Rc<str>,
    pub esmtp: bool,
    /// Whose addresses without a domain the client's are.
    pub context: RewriteContext,
    pub transaction: Option<Transaction>,
    pub counts: Counts,
    pub errors: u32,
    /// The command that was the last one, for the log.
    pub last: &'static str,
    stream: Stream,
    input: RefCell<BytesMut>,
    output: RefCell<BytesMut>,
}

impl<'d> Session<'d> {
    /// Finds out who the client is.
    pub async fn new(
        daemon: &'d Daemon,
        settings: &'d Settings,
        checks: &'d Checks,
        rewriter: &'d Rewriter,
        stream: Stream,
    ) -> Session<'d> {
        let client = peer::identify(daemon, &stream).await;
        let address = client.address.map(|a| a.to_string()).unwrap_or_else(|| "unknown".into());
        let shown = format!("{}[{address}]", client.name).into();
        // local_header_rewrite_clients = permit_inet_interfaces
        let own = client.address.is_none_or(|a| checks.is_own(a));
        let context = if own { RewriteContext::Local } else { RewriteContext::Remote };
        Session {
            daemon,
            settings,
            checks,
            rewriter,
            client,
            shown,
            helo: "".into(),
            esmtp: false,
            context,
            transaction: None,
            counts: Counts::default(),
            errors: 0,
            last: "CONNECT",
            stream,
            input: RefCell::default(),
            output: RefCell::default(),
        }
    }

    /// The whole session.
    pub async fn run(mut self) {
        self.log(&format!("connect from {}", self.shown));
        let banner = format!("220 {}", self.settings.banner);
        self.reply(&banner);
        let next = self.commands().await;
        if next == Next::Lost {
            self.log(&format!("lost connection after {} from {}", self.last, self.shown));
        }
        // Dropping the way to cleanup before the message is complete gives the message up.
        self.transaction = None;
        let counts = self.counts.text();
        self.log(&format!("disconnect from {}{counts}", self.shown));
        let _ = self.flush().await;
        self.stream.end();
    }

    async fn commands(&mut self) -> Next {
        loop {
            if self.errors >= self.settings.hard_error_limit {
                let text = format!("421 4.7.0 {} Error: too many errors", self.settings.myhostname);
                self.reply(&text);
                self.log(&format!("too many errors after {} from {}", self.last, self.shown));
                return Next::Close;
            }
            let line = match self.line().await {
                Ok(line) => line,
                Err(Gone::Lost) => return Next::Lost,
                Err(Gone::Silent) => {
                    let text = format!("421 4.4.2 {} Error: timeout exceeded", self.settings.myhostname);
                    self.reply(&text);
                    self.log(&format!("timeout after {} from {}", self.last, self.shown));
                    return Next::Close;
                }
            };
            let before = self.errors;
            match self.command(&line).await {
                Next::Command => {}
                end => return end,
            }
            if self.errors > before && self.errors > self.settings.soft_error_limit {
                // Clients that make many mistakes wait for their answers.
                self.daemon.p.sleep(self.settings.error_sleep).await;
            }
        }
    }

    /// The next line, without its end; a longer one is cut at the limit, as the real one does.
    pub async fn line(&self) -> Result<Bytes, Gone> {
        let limit = self.settings.line_length_limit;
        loop {
            match line::take(&mut self.input.borrow_mut(), limit) {
                Framed::Line(line) => return Ok(line),
                Framed::NeedMore => {}
            }
            self.more().await?;
        }
    }

    /// What has arrived, whatever it is; waits if that is nothing.
    pub async fn octets(&self) -> Result<BytesMut, Gone> {
        if self.input.borrow().is_empty() {
            self.more().await?;
        }
        Ok(self.input.borrow_mut().split())
    }

    /// Puts back what was too much.
    pub fn put_back(&self, rest: BytesMut) {
        let mut input = self.input.borrow_mut();
        let later = input.split();
        *input = rest;
        input.unsplit(later);
    }

    async fn more(&self) -> Result<(), Gone> {
        self.flush().await?;
        match self.daemon.p.timeout(self.settings.timeout, self.stream.read()).await {
            Some(Ok(bytes)) if !bytes.is_empty() => {
                let mut input = self.input.borrow_mut();
                if input.is_empty() {
                    *input = bytes.into();
                } else {
                    input.extend_from_slice(&bytes);
                }
                Ok(())
            }
            Some(_) => Err(Gone::Lost),
            None => Err(Gone::Silent),
        }
    }

    /// Puts a reply into the output, which goes out when the client has nothing more to say.
    pub fn reply(&self, line: &str) {
        let mut out = self.output.borrow_mut();
        out.reserve(line.len() + 2);
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Sends what stands in the output.
    pub async fn flush(&self) -> Result<(), Gone> {
        let out = self.output.borrow_mut().split();
        if out.is_empty() {
            return Ok(());
        }
        self.stream.write(out).await.map_err(|_| Gone::Lost)
    }

    /// A command that failed by the client's own fault.
    pub fn fault(&mut self, verb: Verb, reply: &str) -> Next {
        self.reply(reply);
        self.errors += 1;
        self.counts.add(verb, false);
        Next::Command
    }

    /// A command that succeeded.
    pub fn success(&mut self, verb: Verb, reply: &str) -> Next {
        self.reply(reply);
        self.counts.add(verb, true);
        Next::Command
    }

    /// A command that a restriction refused: told to the client and to the log.
    pub fn refuse(&mut self, verb: Verb, command: &str, recipient: Option<&str>, reject: &Reject) -> Next {
        let line = reject.line();
        let id = self.transaction.as_ref().and_then(|t| t.queue.as_ref()).map_or("NOQUEUE", |(id, _)| id);
        let mut text = format!("{id}: reject: {command} from {}: {line};", self.shown);
        if let Some(t) = &self.transaction {
            text.push_str(&format!(" from=<{}>", t.sender));
        }
        if let Some(r) = recipient {
            text.push_str(&format!(" to=<{r}>"));
        }
        text.push_str(&format!(" proto={}", self.protocol()));
        if !self.helo.is_empty() {
            text.push_str(&format!(" helo=<{}>", self.helo));
        }
        self.log(&text);
        self.fault(verb, &line)
    }

    /// `SMTP` or `ESMTP`.
    pub fn protocol(&self) -> &'static str {
        if self.esmtp { "ESMTP" } else { "SMTP" }
    }

    /// Writes to the log.
    pub fn log(&self, text: &str) {
        self.daemon.msg.log(text);
    }
}

/// Why no more can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gone {
    /// The connection ended.
    Lost,
    /// Nothing came in time.
    Silent,
}
