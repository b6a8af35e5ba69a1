//! One SMTP or LMTP session: greeting and handshake, what is said and heard, and what comes of it; the
//! message with its recipients is a [`transaction`].

mod transaction;

use super::Client;
use super::destination::{Host, Place, SMTP_PORT, Trouble};
use super::reuse::Connection;
use super::settings::{Protocol, Settings};
use super::tls::Level;
use crate::postfix::deliver::{Delivery, Dsn, Progress};
use crate::postfix::server::Daemon;
use crate::postfix::smtpd::Discard;
use crate::proto::smtp::reply::{self, Parsed, Reply};
use crate::world::clock::{Duration, Time};
use crate::world::stream::Stream;
use crate::world::tls::Tls;
use bytes::BytesMut;
use std::borrow::Cow;
use std::cell::Cell;

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
    /// Could it be a mistake in the configuration, and which?
    pub trouble: Option<Trouble>,
    /// May the same host be called again, without TLS?
    pub without_tls: bool,
}

impl Failure {
    /// Nobody was reached.
    pub fn whole(dsn: Dsn) -> Failure {
        let progress = Progress::default();
        Failure { dsn, relay: None, progress, whole_site: true, trouble: None, without_tls: false }
    }

    /// There is nobody to call.
    pub fn before(dsn: Dsn, trouble: Trouble) -> Failure {
        Failure { trouble: Some(trouble), ..Failure::whole(dsn) }
    }

    /// For this message alone.
    pub(super) fn message(dsn: Dsn) -> Failure {
        Failure { whole_site: false, ..Failure::whole(dsn) }
    }
}

/// What the server said it can do.
#[derive(Default)]
pub(super) struct Features {
    pipelining: bool,
    size: Option<u64>,
    eight_bit: bool,
    dsn: bool,
    smtputf8: bool,
    pub(super) starttls: bool,
    /// The mechanisms of AUTH, as they were said.
    pub(super) mechanisms: Option<String>,
}

/// What is being said, for errors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Ehlo,
    Helo,
    Lhlo,
    StartTls,
    Auth,
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
            Step::Lhlo => "performing the LHLO handshake",
            Step::StartTls => "performing the EHLO handshake",
            Step::Auth => "performing SASL authentication",
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
            Step::Lhlo => "LHLO command",
            Step::StartTls => "STARTTLS command",
            Step::Auth => "AUTH command",
            Step::Mail => "MAIL FROM command",
            Step::Rcpt => "RCPT TO command",
            Step::Data => "DATA command",
            Step::Body | Step::End => "end of DATA command",
        }
    }
}

/// One session.
pub struct Session<'a> {
    client: &'a Client<'a>,
    pub(super) daemon: &'a Daemon,
    pub(super) settings: &'a Settings,
    pub(super) delivery: &'a Delivery<'a>,
    pub(super) host: Cow<'a, Host>,
    pub(super) stream: Stream,
    connected: Time,
    input: BytesMut,
    pub(super) features: Features,
    /// How safe the way must be.
    pub(super) level: Level,
    pub(super) tls: Option<Tls>,
    /// No other server is tried after this one.
    pub(super) is_final: bool,
    /// The how-manieth delivery over this connection it is.
    uses: u32,
    /// Since when the connection stands.
    since: Time,
    /// Is the connection left to the next delivery?
    keeps: bool,
    /// Could it serve another?
    is_sound: Cell<bool>,
}

impl<'a> Session<'a> {
    /// On a connection that stands.
    pub fn new(
        client: &'a Client<'a>,
        host: &'a Host,
        stream: Stream,
        level: Level,
        is_final: bool,
    ) -> Session<'a> {
        Session::on(client, Cow::Borrowed(host), stream, level, is_final)
    }

    fn on(
        client: &'a Client<'a>,
        host: Cow<'a, Host>,
        stream: Stream,
        level: Level,
        is_final: bool,
    ) -> Session<'a> {
        let Client { daemon, settings, delivery, .. } = *client;
        Session {
            client,
            daemon,
            settings,
            delivery,
            host,
            stream,
            connected: daemon.p.now(),
            input: BytesMut::new(),
            features: Features::default(),
            level,
            tls: None,
            is_final,
            uses: 1,
            since: daemon.p.now(),
            keeps: false,
            is_sound: Cell::new(true),
        }
    }

    /// On a connection that another delivery has left.
    pub(super) fn resumed(client: &'a Client<'a>, kept: Connection, is_final: bool) -> Session<'a> {
        let Connection { host, stream, input, features, uses, since } = kept;
        let host = Cow::Owned(host);
        let session = Session::on(client, host, stream, Level::None, is_final);
        Session { input, features, uses: uses + 1, since, ..session }
    }

    /// Is the server still there, and has forgotten what was before?
    pub(super) async fn is_willing(&mut self) -> bool {
        let limit = self.settings.rset_timeout;
        // Nobody need know what becomes of a connection that another delivery has left.
        let is_final = std::mem::replace(&mut self.is_final, true);
        let reset = self.stream.write("RSET\r\n").await.is_ok()
            && self.receive(Step::Mail, limit).await.is_ok_and(|reply| reply.code / 100 == 2);
        self.is_final = is_final;
        reset
    }

    /// The connection is left to the next delivery if that is wanted, and nothing is against it.
    pub(super) fn keep_if(&mut self, wanted: bool) {
        let settings = self.settings;
        let limit = settings.reuse_count_limit;
        let is_young = self.daemon.p.now() - self.since < settings.reuse_time_limit;
        let is_open = self.tls.is_none() && self.level == Level::None && !settings.sasl.is_enabled();
        self.keeps = wanted && is_open && is_young && (limit == 0 || self.uses <= limit);
    }

    /// The connection, where it is to be left to the next delivery.
    pub(super) fn into_kept(self) -> Option<Connection> {
        let Session { host, stream, input, features, uses, since, .. } = self;
        let is_kept = self.keeps && self.is_sound.get();
        is_kept.then(|| Connection { host: host.into_owned(), stream, input, features, uses, since })
    }

    /// Greeting and handshake, TLS and login, on behalf of the next hop `site`.
    ///
    /// # Errors
    /// The server does not want to talk, or not as it must be talked; the next one may.
    pub async fn hello(&mut self, site: &str) -> Result<(), Failure> {
        self.wrap().await?;
        let greeting = self.receive(Step::Greeting, self.settings.helo_timeout).await?;
        if greeting.code / 100 != 2 {
            let hard = greeting.code / 100 == 5 && !self.settings.skip_5xx_greeting;
            return Err(self.unwilling(&greeting, hard));
        }
        if self.settings.protocol == Protocol::Smtp && self.is_own_name(&greeting) {
            let (host, own) = (self.host.relay(), &self.settings.myhostname);
            self.daemon.msg.log_warn(format!("host {host} greeted me with my own hostname {own}"));
        }
        self.introduce(site, &greeting).await?;
        if self.start_tls().await? {
            // What was said before TLS is nobody's word (RFC 3207, section 4.2).
            self.features = Features::default();
            self.introduce(site, &greeting).await?;
        }
        self.log_in(site).await
    }

    /// EHLO, HELO or LHLO.
    async fn introduce(&mut self, site: &str, greeting: &Reply) -> Result<(), Failure> {
        if self.settings.protocol == Protocol::Lmtp {
            let reply = self.say(&format!("LHLO {}", self.settings.helo_name), Step::Lhlo).await?;
            if reply.code / 100 != 2 {
                return Err(self.unwilling(&reply, reply.code / 100 == 5));
            }
            self.learn(&reply);
            return Ok(());
        }
        let esmtp = self.settings.always_ehlo || greeting.text().contains("ESMTP");
        if esmtp && !self.settings.never_ehlo {
            let reply = self.say(&format!("EHLO {}", self.settings.helo_name), Step::Ehlo).await?;
            match reply.code / 100 {
                2 => {
                    self.is_somebody_else(&reply, site)?;
                    self.learn(&reply);
                    return Ok(());
                }
                _ if reply.code == 421 => return Err(self.unwilling(&reply, false)),
                _ => {}
            }
        }
        let reply = self.say(&format!("HELO {}", self.settings.helo_name), Step::Helo).await?;
        if reply.code / 100 != 2 {
            return Err(self.unwilling(&reply, reply.code / 100 == 5));
        }
        self.is_somebody_else(&reply, site)
    }

    /// A server with this host's name would send the mail back here, for ever.
    fn is_somebody_else(&self, reply: &Reply, site: &str) -> Result<(), Failure> {
        if !self.is_own_name(reply) {
            return Ok(());
        }
        let (host, own) = (self.host.relay(), &self.settings.myhostname);
        self.daemon.msg.log_warn(format!("host {host} replied to HELO/EHLO with my own hostname {own}"));
        let status = if self.host.is_best { "5.4.6" } else { "4.4.6" };
        let dsn = Dsn::new(status, format!("mail for {site} loops back to myself"));
        let failure = self.failure(dsn, true);
        Err(Failure { trouble: self.host.is_best.then_some(Trouble::Loop), ..failure })
    }

    fn is_own_name(&self, reply: &Reply) -> bool {
        // On another port a program of this host's may well answer, such as a content filter.
        if !matches!(self.host.place, Place::Inet(address) if address.port() == SMTP_PORT) {
            return false;
        }
        let name = reply.lines.first().and_then(|l| l.split_ascii_whitespace().next()).unwrap_or_default();
        name.eq_ignore_ascii_case(&self.settings.myhostname)
    }

    pub(super) async fn say(&mut self, line: &str, step: Step) -> Result<Reply, Failure> {
        self.send(format!("{line}\r\n"), step).await?;
        self.receive(step, self.settings.helo_timeout).await
    }

    /// RFC 5321, section 4.1.1.1
    fn learn(&mut self, reply: &Reply) {
        let discard = self.discarded_keywords();
        if let Some(told) = discard.told() {
            self.daemon.msg.log(&told);
        }
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split(' ').filter(|w| !w.is_empty());
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            if discard.has(&keyword) {
                continue;
            }
            match keyword.as_str() {
                "PIPELINING" => self.features.pipelining = true,
                "SIZE" => self.features.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                "8BITMIME" => self.features.eight_bit = true,
                "DSN" => self.features.dsn = true,
                "SMTPUTF8" => self.features.smtputf8 = true,
                "STARTTLS" => self.features.starttls = true,
                "AUTH" => {
                    self.features.mechanisms.get_or_insert_with(|| words.collect::<Vec<_>>().join(" "));
                }
                _ => {}
            }
        }
        if self.features.smtputf8 && !self.features.eight_bit {
            let named = self.named();
            self.daemon.msg.log(&format!("host {named} offers SMTPUTF8 support, but not 8BITMIME"));
            self.features.eight_bit = true;
        }
    }

    /// What the server may say without being believed.
    fn discarded_keywords(&self) -> Discard {
        let Place::Inet(at) = &self.host.place else { return self.settings.discard_keywords.clone() };
        match self.settings.discard_keyword_maps.find(&at.ip().to_string()) {
            Ok(Some(found)) => Discard::parse(&found.value),
            _ => self.settings.discard_keywords.clone(),
        }
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
        if !hard && !self.is_final {
            self.elsewhere(&dsn);
        }
        Failure { trouble: Some(Trouble::Refused), ..self.failure(dsn, true) }
    }

    /// Says why another server is tried.
    pub(super) fn elsewhere(&self, dsn: &Dsn) {
        self.daemon.msg.log(&format!("{}: {}", self.delivery.request.id, dsn.reason));
    }

    /// A refusal in the words of the server.
    fn said(&self, reply: &Reply, step: Step) -> Dsn {
        let status = match reply.dsn() {
            Some(status) if u16::from(status.class) == reply.code / 100 => status.to_string(),
            _ => format!("{}.0.0", if reply.code / 100 == 4 { 4 } else { 5 }),
        };
        let text = reply.joined();
        let reason = format!("host {} said: {text} (in reply to {})", self.named(), step.command());
        self.remote(&status, reason, text)
    }

    /// What the server itself has said.
    fn remote(&self, status: &str, reason: String, text: String) -> Dsn {
        Dsn {
            status: status.into(),
            reason: reason.into(),
            diagnostic_type: "smtp".into(),
            diagnostic_text: text.into(),
            mta_type: "dns".into(),
            mta_name: self.host.name.clone(),
        }
    }

    /// Hears the answer to QUIT out, where that is wanted.
    async fn farewell(&mut self) {
        if self.settings.skip_quit_response {
            return;
        }
        loop {
            if let Parsed::Reply(_) = reply::parse(&mut self.input) {
                return;
            }
            match self.daemon.p.timeout(self.settings.quit_timeout, self.stream.read()).await {
                Some(Ok(bytes)) if !bytes.is_empty() => self.input.extend_from_slice(&bytes),
                _ => return,
            }
        }
    }

    pub(super) async fn leave(&mut self) {
        let _ = self.stream.write("QUIT\r\n").await;
        self.farewell().await;
    }

    async fn send(&mut self, text: String, step: Step) -> Result<(), Failure> {
        let sent = self.daemon.p.timeout(self.settings.helo_timeout, self.stream.write(text)).await;
        self.outcome(sent.map(|r| r.map_err(|_| ())), step)
    }

    /// The reply as `smtp_reply_filter` wants it, which sees one line at a time.
    fn filtered(&self, reply: Reply) -> Reply {
        let filter = &self.settings.reply_filter;
        if filter.is_empty() {
            return reply;
        }
        let mut whole = BytesMut::new();
        for (n, text) in reply.lines.iter().enumerate() {
            let mark = if n + 1 < reply.lines.len() { '-' } else { ' ' };
            let line = format!("{:03}{mark}{text}", reply.code);
            let line = match filter.find(&line) {
                Ok(Some(found)) => {
                    let (relay, new) = (self.relay(), &found.value);
                    let text = format!("{relay}: replacing server reply \"{line}\" with \"{new}\"");
                    self.daemon.msg.log(&text);
                    found.value.to_string()
                }
                _ => line,
            };
            whole.extend_from_slice(line.as_bytes());
            whole.extend_from_slice(b"\r\n");
        }
        match reply::parse(&mut whole) {
            Parsed::Reply(filtered) => filtered,
            Parsed::NeedMore => reply,
        }
    }

    async fn receive(&mut self, step: Step, limit: Duration) -> Result<Reply, Failure> {
        loop {
            match reply::parse(&mut self.input) {
                Parsed::Reply(reply) => {
                    let reply = self.filtered(reply);
                    if reply.code == 421 {
                        self.is_sound.set(false);
                    }
                    return Ok(reply);
                }
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
        self.is_sound.set(false);
        let dsn = Dsn::new("4.4.2", text);
        if !self.is_final {
            self.elsewhere(&dsn);
        }
        Err(self.failure(dsn, true))
    }

    pub(super) fn failure(&self, dsn: Dsn, whole_site: bool) -> Failure {
        let (relay, progress) = (Some(self.relay()), self.progress());
        Failure { dsn, relay, progress, whole_site, trouble: None, without_tls: false }
    }

    fn progress(&self) -> Progress {
        Progress { connected: Some(self.connected), uses: self.uses }
    }

    /// `name[address]`
    fn named(&self) -> String {
        self.host.named()
    }

    /// `name[address]:port`
    fn relay(&self) -> String {
        self.host.relay()
    }
}
