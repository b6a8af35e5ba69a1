//! A session with one client: the connection, what has been said, and the transaction that is open.

use super::check::{Carried, Checks, Reject};
use super::counts::{Counts, Verb};
use super::peer::{self, NameTrouble};
use super::postdrop::Postdrop;
use super::sasl::{Login, Mechanism};
use super::settings::{Discard, Settings};
use super::sync::BareNewline;
use super::tls::Tls;
use super::transcript::{Class, Transcript};
use super::wire::Wire;
use crate::postfix::anvil::Act;
use crate::postfix::dict::{Flags, Maps};
use crate::postfix::ipc::{Actions, ClientInfo, RewriteContext};
use crate::postfix::queue::Recipient;
use crate::postfix::rewrite::Rewriter;
use crate::postfix::server::Daemon;
use crate::proto::smtp::command::printable;
use crate::proto::smtp::line::{self, Framed};
use crate::world::clock::{Duration, Time};
use crate::world::stream::Stream;
use bytes::{Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A message that is being handed in.
pub struct Transaction {
    /// The envelope sender as it was given; empty for the null sender.
    pub sender: Rc<str>,
    /// When the client said MAIL.
    pub began: Time,
    /// `SIZE=`; 0 if nothing was said.
    pub size: u64,
    /// `ENVID=`, read.
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
    pub queue: Option<(Rc<str>, Way)>,
    /// The octets taken of its messages: after one that was refused another may follow.
    pub taken: usize,
    /// How many octets came, if by BDAT.
    pub chunked: Option<usize>,
    /// How far BDAT has come.
    pub chunks: Chunks,
}

/// Where a message goes.
pub enum Way {
    /// To cleanup, which waits for it.
    Cleanup(Stream),
    /// To postdrop, for a user of this host.
    Postdrop(Postdrop),
}

/// The state of a message that comes by BDAT, or that did not come to its end.
#[derive(Default)]
pub enum Chunks {
    /// No BDAT so far.
    #[default]
    None,
    /// What has come.
    Some(Vec<u8>),
    /// Whatever follows is read and thrown away.
    Failed,
    /// What had come behind DATA when the client went away.
    BrokenOff(Vec<u8>),
}

/// What came of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It succeeded.
    Done,
    /// It began the session anew (XCLIENT).
    Begun,
    /// It failed, by the client's own fault.
    Fault,
    /// The client said QUIT.
    Quit,
    /// The client has been told to go.
    Dismissed,
    /// No more can be read.
    Gone(Gone),
}

/// Why no more can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gone {
    /// The connection ended.
    Lost,
    /// Nothing came in time.
    Silent,
    /// A line ended with a bare LF, and that is refused.
    BareNewline,
}

/// A session with one client.
pub struct Session<'d> {
    pub daemon: &'d Daemon,
    pub settings: &'d Settings,
    pub checks: &'d Checks,
    pub rewriter: &'d Rewriter,
    pub client: ClientInfo,
    /// The client as it was before XCLIENT or XFORWARD; what the message's log lines name.
    pub forwarded: Option<ClientInfo>,
    /// The id of the message where it came from, by XFORWARD.
    pub forwarded_id: Option<Rc<str>>,
    pub name_trouble: NameTrouble,
    /// `name[address]`, as the log shows the client.
    pub shown: Rc<str>,
    pub helo: Rc<str>,
    pub esmtp: bool,
    /// Whose addresses without a domain the client's are.
    pub context: RewriteContext,
    pub transaction: Option<Transaction>,
    /// The first accepted recipient, and how many there were.
    pub recipient: Option<Rc<str>>,
    pub rcpt_count: usize,
    pub rcpt_overshoot: usize,
    /// What the last `SIZE=` said, in octets; it stands for a MAIL that follows one that failed.
    pub announced_size: u64,
    /// What access tables want to be done with the message.
    pub actions: RefCell<Actions>,
    /// What lists that were asked early said for the case that nothing rejects.
    pub carried: RefCell<Carried>,
    /// Why the client may not talk to us.
    pub denied: Option<Reject>,
    pub login: Option<Login>,
    /// Whom the client last tried to log in as.
    pub sasl_user: Option<Rc<str>>,
    pub mechanisms: Vec<Mechanism>,
    pub tls: Option<Tls>,
    pub discard: Discard,
    pub counts: Counts,
    pub errors: u32,
    pub junk: u32,
    /// The command that was the last one, for the log.
    pub last: &'static str,
    /// In the midst of a message: how many octets of it came.
    pub received: Cell<Option<usize>>,
    instance: u64,
    pub wire: Wire,
    /// The way to anvil, as long as the server lasts.
    pub anvil: &'d RefCell<Option<Stream>>,
    /// What was said, and what was wrong with it.
    pub transcript: Transcript,
    pub input: RefCell<BytesMut>,
    pub output: RefCell<BytesMut>,
    /// How long a client with many mistakes waits for its answers.
    pub penalty: Cell<Duration>,
    pub hang_up: Cell<bool>,
    pub eof: Cell<bool>,
    /// Has it been said that the client does not wait its turn?
    pub early: Cell<bool>,
    /// Has a line of the message ended with a bare LF?
    pub bare: Cell<bool>,
}

impl<'d> Session<'d> {
    /// Finds out who the client is.
    pub async fn new(
        daemon: &'d Daemon,
        settings: &'d Settings,
        checks: &'d Checks,
        rewriter: &'d Rewriter,
        anvil: &'d RefCell<Option<Stream>>,
        wire: Wire,
    ) -> Session<'d> {
        let (client, name_trouble) = peer::identify(daemon, &wire).await;
        let mut session = Session {
            daemon,
            settings,
            checks,
            rewriter,
            client,
            forwarded: None,
            forwarded_id: None,
            name_trouble,
            shown: "".into(),
            helo: "".into(),
            esmtp: false,
            context: RewriteContext::Remote,
            transaction: None,
            recipient: None,
            rcpt_count: 0,
            rcpt_overshoot: 0,
            announced_size: 0,
            actions: RefCell::default(),
            carried: RefCell::default(),
            denied: None,
            login: None,
            sasl_user: None,
            mechanisms: Vec::new(),
            tls: None,
            discard: settings.discard.clone(),
            counts: Counts::default(),
            errors: 0,
            junk: 0,
            last: "CONNECT",
            received: Cell::new(None),
            instance: 0,
            wire,
            anvil,
            transcript: Transcript::new(daemon),
            input: RefCell::default(),
            output: RefCell::default(),
            penalty: Cell::default(),
            hang_up: Cell::new(false),
            eof: Cell::new(false),
            early: Cell::new(false),
            bare: Cell::new(false),
        };
        session.introduce();
        session
    }

    /// What follows from who the client is.
    pub fn introduce(&mut self) {
        let c = &self.client;
        let address = if c.shown_address.is_empty() { "unknown" } else { &c.shown_address };
        self.shown = match self.settings.port_logging {
            true => format!("{}[{address}]:{}", c.name, c.port).into(),
            false => format!("{}[{address}]", c.name).into(),
        };
        self.context = if self.is_local_client() { RewriteContext::Local } else { RewriteContext::Remote };
        if let Ok(Some(found)) = self.settings.discard_maps.find(&c.shown_address) {
            self.discard = Discard::parse(&found.value);
        }
    }

    /// `local_header_rewrite_clients`
    fn is_local_client(&self) -> bool {
        let c = &self.client;
        let Some(address) = c.address else { return true };
        self.daemon.config.list("local_header_rewrite_clients").iter().any(|word| match &**word {
            "permit_inet_interfaces" => self.checks.is_own(address),
            "permit_mynetworks" => self.checks.in_mynetworks(&c.name, address),
            "permit_sasl_authenticated" => self.login.is_some(),
            "permit_tls_clientcerts" | "permit_tls_all_clientcerts" => false,
            word => {
                let table = word.strip_prefix("check_address_map").map_or(word, str::trim_start);
                table.contains(':') && self.in_table(table, &c.name, &c.shown_address)
            }
        })
    }

    /// Does a table know a client, by its name, its address, or what that is part of?
    fn in_table(&self, table: &str, name: &str, address: &str) -> bool {
        let maps = Maps::open_with(table, Flags::USUAL, &self.daemon.p);
        [name, address].into_iter().any(|key| maps.find(key).is_ok_and(|found| found.is_some()))
    }

    /// The whole session.
    ///
    /// # Errors
    /// The server cannot go on; the log says why.
    pub async fn run(mut self) -> Result<(), ()> {
        self.log(&format!("connect from {}", self.shown));
        if !self.is_alone() && self.too_many_connections().await {
            self.end().await;
            return Ok(());
        }
        if self.settings.tls.wrapper && !self.start_tls().await {
            self.log(&format!("lost connection after CONNECT from {}", self.shown));
            self.end().await;
            return Ok(());
        }
        self.mechanisms = self.sasl_mechanisms().await?;
        let may = self.checks.connect(&self).await;
        match may {
            Ok(()) => self.reply(&format!("220 {}", self.settings.banner)),
            Err(reject) => {
                self.reply(&reject.line());
                self.denied = Some(reject);
                self.errors += 1;
            }
        }
        let gone = self.commands().await;
        // Before the message is given up, so that the log shows what there was.
        match gone {
            Some(Gone::Lost) => {
                self.transcript.aborted("lost connection");
                // Who goes after a message has done what he came for.
                if self.last != "END-OF-MESSAGE" {
                    self.left("lost connection");
                }
            }
            Some(Gone::BareNewline) => {
                let text = self.bare_newline_refused();
                self.transcript.aborted("bare newline");
                self.reply(&text);
            }
            Some(Gone::Silent) => {
                let text = format!("421 4.4.2 {} Error: timeout exceeded", self.settings.myhostname);
                self.transcript.aborted("timeout");
                self.reply(&text);
                self.left("timeout");
            }
            None => {}
        }
        self.transcript.tell(self.daemon, &self.shown, 0).await;
        self.end().await;
        Ok(())
    }

    async fn end(mut self) {
        let chunks = self.transaction.as_mut().map(|t| std::mem::take(&mut t.chunks));
        if let Some(Chunks::BrokenOff(content)) = chunks {
            self.abandon(content, true).await;
        }
        if let Some((_, Way::Postdrop(postdrop))) = self.transaction.as_mut().and_then(|t| t.queue.take()) {
            postdrop.cancel().await;
        }
        // Dropping the way to cleanup before the message is complete gives the message up.
        self.reset();
        let counts = self.counts.text();
        self.log(&format!("disconnect from {}{counts}", self.shown));
        let _ = self.flush().await;
        self.wire.end();
        self.event(Act::Disconnect).await;
    }

    fn left(&self, why: &str) {
        let amount = self.received.get().map_or_else(String::new, |n| format!(" ({n} bytes)"));
        self.log(&format!("{why} after {}{amount} from {}", self.last, self.shown));
    }

    async fn commands(&mut self) -> Option<Gone> {
        loop {
            if self.errors >= self.settings.hard_error_limit {
                let text = format!("421 4.7.0 {} Error: too many errors", self.settings.myhostname);
                self.transcript.failed(Class::Protocol);
                self.transcript.aborted("too many errors");
                self.reply(&text);
                self.left("too many errors");
                return None;
            }
            let line = match self.line().await {
                Ok(line) => line,
                Err(gone) => return Some(gone),
            };
            self.transcript.heard(&line);
            match self.command(&line).await {
                Next::Done | Next::Begun => {}
                Next::Fault => self.errors += 1,
                Next::Quit | Next::Dismissed => return None,
                Next::Gone(gone) => return Some(gone),
            }
            let penalty = self.penalty.take();
            if !penalty.is_zero() {
                self.daemon.p.sleep(penalty).await;
            }
            if self.hang_up.get() {
                return None;
            }
        }
    }

    /// The next line, without its end. Of a longer one than may be, the rest is thrown away.
    pub async fn line(&self) -> Result<Bytes, Gone> {
        let limit = self.settings.line_length_limit;
        loop {
            let bare = is_bare(&self.input.borrow());
            let framed = line::take(&mut self.input.borrow_mut(), limit);
            match framed {
                Framed::Line(line) => {
                    let refused = bare && self.bare_newline() == BareNewline::Rejected;
                    return if refused { Err(Gone::BareNewline) } else { Ok(line) };
                }
                Framed::TooLong(line) => {
                    let start = printable(&String::from_utf8_lossy(&line), 30);
                    self.daemon
                        .msg
                        .log_warn(format!("{}: request longer than {limit}: {start}...", self.shown));
                    self.skip_line().await?;
                    return Ok(line);
                }
                Framed::NeedMore => {}
            }
            self.more().await?;
        }
    }

    async fn skip_line(&self) -> Result<(), Gone> {
        loop {
            {
                let mut input = self.input.borrow_mut();
                if let Some(end) = memchr::memchr(b'\n', &input) {
                    let _ = input.split_to(end + 1);
                    return Ok(());
                }
                input.clear();
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

    /// Waits for more than `known` octets of input, and gives all of it.
    pub async fn octets_beyond(&self, known: BytesMut) -> Result<BytesMut, Gone> {
        self.put_back(known);
        self.more().await?;
        Ok(self.input.borrow_mut().split())
    }

    /// Puts back what was too much.
    pub fn put_back(&self, rest: BytesMut) {
        let mut input = self.input.borrow_mut();
        let later = input.split();
        *input = rest;
        input.unsplit(later);
    }

    /// Has the client said more already?
    pub fn has_input(&self) -> bool {
        !self.input.borrow().is_empty() || self.wire.readable()
    }

    /// Forgets what the client said before its time (at STARTTLS).
    pub fn drop_input(&self) {
        self.input.borrow_mut().clear();
    }

    async fn more(&self) -> Result<(), Gone> {
        self.flush().await?;
        match self.daemon.p.timeout(self.settings.timeout, self.wire.read()).await {
            Some(Ok(bytes)) if !bytes.is_empty() => {
                let mut input = self.input.borrow_mut();
                if input.is_empty() {
                    *input = bytes.into();
                } else {
                    input.extend_from_slice(&bytes);
                }
                Ok(())
            }
            Some(_) => {
                self.eof.set(true);
                Err(Gone::Lost)
            }
            None => Err(Gone::Silent),
        }
    }

    /// Gives up the message that is being handed in (`mail_reset`); what RCPT counted stays.
    pub fn reset_mail(&mut self) {
        self.transaction = None;
        self.announced_size = 0;
        *self.actions.borrow_mut() = Actions::default();
    }

    /// Gives up the message and its recipients.
    pub fn reset(&mut self) {
        self.reset_mail();
        self.recipient = None;
        self.rcpt_count = 0;
        self.rcpt_overshoot = 0;
    }

    /// Does it serve a user of this host at its standard input?
    pub fn is_alone(&self) -> bool {
        matches!(self.wire, Wire::Standard(_))
    }

    /// The id of the message that is being handed in.
    pub fn queue_id(&self) -> &str {
        self.transaction.as_ref().and_then(|t| t.queue.as_ref()).map_or("NOQUEUE", |(id, _)| id)
    }

    /// `SMTP` or `ESMTP`.
    pub fn protocol(&self) -> &'static str {
        if self.esmtp { "ESMTP" } else { "SMTP" }
    }

    /// A new message: policy services are told which questions belong together.
    pub fn next_instance(&mut self) {
        self.instance += 1;
    }

    /// What the questions about one message have in common.
    pub fn instance(&self) -> String {
        let p = &self.daemon.p;
        let began = self.transaction.as_ref().map_or(p.now(), |t| t.began);
        format!(
            "{:x}.{:x}.{:x}.{:x}",
            p.pid(),
            began.unix(),
            began.subsec_micros(),
            self.instance.saturating_sub(1)
        )
    }

    /// Writes to the log.
    pub fn log(&self, text: &str) {
        self.daemon.msg.log(text);
    }

    /// Counts a use of a command, and what is not mail.
    pub fn count(&mut self, verb: Verb, next: Next) {
        if matches!(next, Next::Done | Next::Quit) {
            self.counts.succeeded(verb);
        }
        if verb.is_junk() {
            self.junk();
        }
    }

    /// One more command that brings no mail.
    pub fn junk(&mut self) {
        let before = self.junk;
        self.junk += 1;
        if before > self.settings.junk_command_limit {
            self.errors += 1;
        }
    }
}

/// Does the first line end with a LF that has no CR in front?
fn is_bare(input: &[u8]) -> bool {
    memchr::memchr(b'\n', input).is_some_and(|at| at == 0 || input[at - 1] != b'\r')
}
