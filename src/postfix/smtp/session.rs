//! One SMTP or LMTP session: greeting, handshake, and the message with its recipients.

use super::Client;
use super::destination::{Host, Place, SMTP_PORT, Trouble};
use super::reuse::Connection;
use super::settings::{Protocol, Settings};
use super::tls::Level;
use crate::postfix::deliver::{Delivery, Dsn, Progress};
use crate::postfix::queue::{Recipient, notify};
use crate::postfix::server::Daemon;
use crate::proto::address;
use crate::proto::smtp::reply::{self, Parsed, Reply};
use crate::proto::smtp::{dot, xtext_encode};
use crate::world::clock::{Duration, Time};
use crate::world::stream::Stream;
use crate::world::tls::Tls;
use bytes::BytesMut;
use std::borrow::Cow;
use std::cell::Cell;
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
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split(' ').filter(|w| !w.is_empty());
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            if discard.contains(&keyword) {
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
    fn discarded_keywords(&self) -> Vec<String> {
        let Place::Inet(at) = &self.host.place else { return self.settings.discard_keywords.clone() };
        match self.settings.discard_keyword_maps.find(&at.ip().to_string()) {
            Ok(Some(found)) => crate::postfix::config::typed::words(&found.value)
                .into_iter()
                .map(str::to_ascii_uppercase)
                .collect(),
            _ => self.settings.discard_keywords.clone(),
        }
    }

    /// The message, to all who are left; who is answered for good is taken off.
    ///
    /// # Errors
    /// Why those that are still left have to try elsewhere or later.
    pub async fn transfer(&mut self, left: &mut Vec<Recipient>) -> Result<(), Failure> {
        let timeouts =
            (self.settings.mail_timeout, self.settings.rcpt_timeout, self.settings.data_init_timeout);
        let size = self.delivery.request.size;
        if let Some(limit) = self.features.size.filter(|limit| *limit > 0 && size > *limit) {
            let text =
                format!("message size {size} exceeds size limit {limit} of server {}", self.host.named());
            let dsn = Dsn::new("5.3.4", text);
            for rcpt in left.drain(..) {
                self.delivery.failed(&rcpt, &self.relay(), self.progress(), &dsn).await;
            }
            return Ok(());
        }
        let sender = self.client.outside(&self.delivery.request.sender).await.map_err(Failure::message)?;
        let mail = self.mail_command(&sender);
        let mut commands = Vec::with_capacity(left.len());
        for rcpt in left.iter() {
            let address = self.client.outside(&rcpt.address).await.map_err(Failure::message)?;
            commands.push(self.rcpt_command(rcpt, &address));
        }
        let rehearsal = self.delivery.request.trace.is_rehearsal();
        if self.features.pipelining {
            let all = mail + &commands.concat() + if rehearsal { "" } else { "DATA\r\n" };
            self.send(all, Step::Mail).await?;
        } else {
            self.send(mail, Step::Mail).await?;
        }
        let reply = self.receive(Step::Mail, timeouts.0).await?;
        if reply.code / 100 != 2 {
            if self.features.pipelining {
                for _ in 0..left.len() + usize::from(!rehearsal) {
                    self.receive(Step::Rcpt, timeouts.1).await?;
                }
            }
            self.give_up().await;
            return self.all_failed(left, &reply, Step::Mail).await;
        }
        let mut accepted = Vec::new();
        let mut later = Vec::new();
        let mut failure = None;
        for (rcpt, command) in std::mem::take(left).into_iter().zip(commands) {
            if !self.features.pipelining {
                self.send(command, Step::Rcpt).await.inspect_err(|_| left.push(rcpt.clone()))?;
            }
            match self.receive(Step::Rcpt, timeouts.1).await {
                Ok(reply) if reply.code / 100 == 2 && rehearsal => self.delivered(rcpt, &reply).await,
                Ok(reply) if reply.code / 100 == 2 => accepted.push(rcpt),
                Ok(reply) => {
                    let dsn = self.said(&reply, Step::Rcpt);
                    failure = self.refused(rcpt, dsn, &mut later).await.or(failure);
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
        let result = self.message(&mut accepted).await;
        left.append(&mut accepted);
        left.append(&mut later);
        result?;
        failure.map_or(Ok(()), Err)
    }

    /// DATA, the message, and its end.
    async fn message(&mut self, accepted: &mut Vec<Recipient>) -> Result<(), Failure> {
        if accepted.is_empty() {
            if self.features.pipelining && !self.delivery.request.trace.is_rehearsal() {
                // DATA is under way already; its answer is of no interest (RFC 2920, section 3.1).
                let reply = self.receive(Step::Data, self.settings.data_init_timeout).await?;
                if reply.code / 100 == 3 {
                    self.send(".\r\n".to_owned(), Step::Body).await?;
                    let _ = self.receive(Step::End, self.settings.data_done_timeout).await;
                }
            }
            self.give_up().await;
            return Ok(());
        }
        if !self.features.pipelining {
            self.send("DATA\r\n".to_owned(), Step::Data).await?;
        }
        let reply = self.receive(Step::Data, self.settings.data_init_timeout).await?;
        if reply.code / 100 != 3 {
            self.give_up().await;
            return self.all_failed(accepted, &reply, Step::Data).await;
        }
        let mut content = self.client.content_outside().await.map_err(Failure::message)?;
        if self.settings.converts && !self.features.eight_bit {
            content = super::downgrade::to_seven_bits(&content);
        }
        let mut wire = dot::encode(&content, self.settings.line_length_limit);
        if self.features.pipelining && !self.keeps {
            wire.extend_from_slice(b"QUIT\r\n");
        }
        let sent = self.daemon.p.timeout(self.settings.data_xfer_timeout, self.stream.write(wire)).await;
        self.outcome(sent.map(|r| r.map_err(|_| ())), Step::Body)?;
        if self.settings.protocol == Protocol::Lmtp {
            return self.lmtp_answers(accepted).await;
        }
        let reply = self.receive(Step::End, self.settings.data_done_timeout).await?;
        self.part().await;
        if reply.code / 100 != 2 {
            return self.all_failed(accepted, &reply, Step::End).await;
        }
        for rcpt in accepted.drain(..) {
            self.delivered(rcpt, &reply).await;
        }
        Ok(())
    }

    /// A recipient is refused: another host may take him later, where there is one; else it is told.
    async fn refused(&mut self, rcpt: Recipient, dsn: Dsn, later: &mut Vec<Recipient>) -> Option<Failure> {
        if dsn.is_transient() && !self.is_final {
            self.elsewhere(&dsn);
            later.push(rcpt);
            return Some(self.failure(dsn, false));
        }
        self.delivery.failed(&rcpt, &self.relay(), self.progress(), &dsn).await;
        None
    }

    /// An answer for each recipient (RFC 2033, section 4.2).
    async fn lmtp_answers(&mut self, accepted: &mut Vec<Recipient>) -> Result<(), Failure> {
        let mut later = Vec::new();
        let mut failure = None;
        while !accepted.is_empty() {
            let reply = match self.receive(Step::End, self.settings.data_done_timeout).await {
                Ok(reply) => reply,
                Err(lost) => {
                    accepted.append(&mut later);
                    return Err(lost);
                }
            };
            let rcpt = accepted.remove(0);
            if reply.code / 100 == 2 {
                self.delivered(rcpt, &reply).await;
                continue;
            }
            let dsn = self.said(&reply, Step::End);
            failure = self.refused(rcpt, dsn, &mut later).await.or(failure);
        }
        self.part().await;
        accepted.append(&mut later);
        failure.map_or(Ok(()), Err)
    }

    /// The server has taken the message for a recipient.
    async fn delivered(&self, mut rcpt: Recipient, reply: &Reply) {
        let status = reply.dsn().map_or_else(|| "2.0.0".to_owned(), |d| d.to_string());
        let text = reply.joined();
        let dsn = self.remote(&status, text.clone(), text);
        // A server that knows DSN tells of success itself.
        if self.features.dsn {
            rcpt.dsn_notify &= !notify::SUCCESS;
        }
        let action = if self.settings.assume_final && !self.features.dsn { "delivered" } else { "relayed" };
        self.delivery.sent_as(action, &rcpt, &self.relay(), self.progress(), &dsn).await;
    }

    fn mail_command(&self, sender: &str) -> String {
        let r = &self.delivery.request;
        let mut line = format!("MAIL FROM:<{}>", address::quote(sender));
        if self.features.size.is_some() {
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
        if self.settings.sasl.dummy_auth && self.features.mechanisms.is_some() {
            line.push_str(" AUTH=<>");
        }
        line + "\r\n"
    }

    fn rcpt_command(&self, rcpt: &Recipient, address: &str) -> String {
        let mut line = format!("RCPT TO:<{}>", address::quote(address));
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
    async fn all_failed(&self, left: &mut Vec<Recipient>, reply: &Reply, step: Step) -> Result<(), Failure> {
        let dsn = self.said(reply, step);
        if dsn.is_transient() && !self.is_final {
            self.elsewhere(&dsn);
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

    /// Leaves a transaction that came to nothing.
    async fn give_up(&mut self) {
        if self.stream.write("RSET\r\n").await.is_ok()
            && self.receive(Step::Mail, self.settings.rset_timeout).await.is_ok()
            && !self.keeps
        {
            self.leave().await;
        }
    }

    /// After a message: QUIT may have gone with it.
    async fn part(&mut self) {
        if self.keeps {
            return;
        }
        if self.features.pipelining {
            self.farewell().await;
        } else {
            self.leave().await;
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

    async fn receive(&mut self, step: Step, limit: Duration) -> Result<Reply, Failure> {
        loop {
            match reply::parse(&mut self.input) {
                Parsed::Reply(reply) => {
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

fn notify_words(flags: u8) -> String {
    let all = [
        (notify::NEVER, "NEVER"),
        (notify::SUCCESS, "SUCCESS"),
        (notify::FAILURE, "FAILURE"),
        (notify::DELAY, "DELAY"),
    ];
    all.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
}
