//! AUTH (RFC 4954), by asking Dovecot's auth service (`xsasl_dovecot_server`).
//!
//! Over the socket `smtpd_sasl_path` goes the protocol of Dovecot's authentication clients: lines of
//! fields between tabs. The server tells its mechanisms first; `AUTH` begins an exchange, `CONT`
//! goes on with it, `OK` and `FAIL` end it.

use super::session::{Gone, Next, Session};
use crate::postfix::anvil::Act;
use crate::postfix::queue::SPOOL;
use crate::proto::smtp::command::Words;
use crate::world::clock::Duration;
use crate::world::stream::Stream;
use bytes::BytesMut;
use std::rc::Rc;

/// Who has logged in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The mechanism, in the client's spelling.
    pub method: Rc<str>,
    /// The user.
    pub user: Rc<str>,
}

/// A mechanism that the auth service offers.
#[derive(Clone, Debug)]
pub struct Mechanism {
    name: Rc<str>,
    plaintext: bool,
    anonymous: bool,
    /// It resists a listener who guesses passwords.
    dictionary: bool,
}

/// A connection to the auth service.
struct Service {
    stream: Stream,
    input: BytesMut,
}

/// What the service says to a step.
enum Step {
    Continue(String),
    Success(Rc<str>),
    Failure { user: Option<Rc<str>>, reason: Option<String>, temporary: bool },
}

/// How long the service may take for a step: ten seconds, and the answer's way.
const PATIENCE: Duration = Duration::from_millis(10_100);

/// The service sends no line longer than this.
const LONGEST: usize = 1 << 16;

impl Service {
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input) {
                let line = self.input.split_to(end + 1);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let bytes = self.stream.read().await.ok().filter(|b| !b.is_empty())?;
            self.input.extend_from_slice(&bytes);
            if self.input.len() > LONGEST {
                return None;
            }
        }
    }

    async fn step(&mut self, command: String) -> Option<Step> {
        self.stream.write(command).await.ok()?;
        loop {
            let line = self.line().await?;
            let mut fields = line.split('\t');
            let (kind, _id) = (fields.next()?, fields.next());
            let rest: Vec<&str> = fields.collect();
            let value = |name: &str| rest.iter().find_map(|f| f.strip_prefix(name)).map(str::to_owned);
            match kind {
                "OK" => return Some(Step::Success(value("user=").unwrap_or_default().into())),
                "CONT" => return Some(Step::Continue(rest.first().copied().unwrap_or_default().to_owned())),
                "FAIL" => {
                    return Some(Step::Failure {
                        user: value("user=").map(Into::into),
                        reason: value("reason="),
                        temporary: rest.contains(&"temp"),
                    });
                }
                _ => {}
            }
        }
    }
}

impl Session<'_> {
    /// Calls the auth service and hears what it offers. An error without words: it hung up.
    async fn sasl_service(&self) -> Result<(Service, Vec<Mechanism>), Option<String>> {
        let path = &self.settings.sasl_path;
        let full = if path.starts_with('/') { path.to_string() } else { format!("{SPOOL}/{path}") };
        let p = &self.daemon.p;
        let stream =
            p.connect_unix(&full).await.map_err(|e| Some(format!("SASL: Connect to {path} failed: {e}")))?;
        let hello = format!("VERSION\t1\t1\nCPID\t{}\n", p.pid());
        stream.write(hello).await.map_err(|_| None)?;
        let mut service = Service { stream, input: BytesMut::new() };
        let mut mechanisms = Vec::new();
        loop {
            let line = service.line().await.ok_or(None)?;
            let mut fields = line.split('\t');
            match fields.next() {
                Some("MECH") => {
                    let name = fields.next().unwrap_or_default().into();
                    let properties: Vec<&str> = fields.collect();
                    let has = |p: &str| properties.contains(&p);
                    mechanisms.push(Mechanism {
                        name,
                        plaintext: has("plaintext"),
                        anonymous: has("anonymous"),
                        dictionary: has("dictionary"),
                    });
                }
                Some("DONE") => return Ok((service, mechanisms)),
                _ => {}
            }
        }
    }

    /// Can this client log in at all, here and now?
    fn sasl_active(&self) -> bool {
        self.settings.sasl_enabled && (self.tls.is_some() || !self.settings.tls.auth_only)
    }

    /// The mechanisms for this session.
    ///
    /// # Errors
    /// The server cannot go on: it offers AUTH and has none.
    pub async fn sasl_mechanisms(&self) -> Result<Vec<Mechanism>, ()> {
        if !self.sasl_active() {
            return Ok(Vec::new());
        }
        let options = match self.tls {
            Some(_) => &self.settings.sasl_tls_security,
            None => &self.settings.sasl_security,
        };
        let forbids = |o: &str| options.iter().any(|w| w.eq_ignore_ascii_case(o));
        match self.sasl_service().await {
            Ok(_) if &*self.settings.sasl_type != "dovecot" => {}
            Ok((_, mut all)) => {
                all.retain(|m| {
                    !(m.plaintext && forbids("noplaintext")
                        || m.anonymous && forbids("noanonymous")
                        || m.dictionary && forbids("nodictionary"))
                });
                if !all.is_empty() {
                    return Ok(all);
                }
            }
            Err(Some(why)) => self.daemon.msg.log_warn(why),
            Err(None) => {}
        }
        self.log("fatal: no SASL authentication mechanisms");
        Err(())
    }

    /// The mechanisms as EHLO tells them, if it does.
    pub fn offered_mechanisms(&self) -> Option<String> {
        let excepted = self.client.address.is_some_and(|a| {
            self.settings.sasl_exceptions.find_client(Some(&self.client.name), a).is_ok_and(|f| f.is_some())
        });
        let names: Vec<&str> = self.mechanisms.iter().map(|m| &*m.name).collect();
        (self.sasl_active() && !names.is_empty() && !excepted).then(|| names.join(" "))
    }

    /// RFC 4954, section 4
    pub async fn auth(&mut self, words: &Words<'_>) -> Next {
        if self.helo.is_empty() && self.settings.helo_required {
            return self.fault("503 5.5.1 Error: send HELO/EHLO first");
        }
        if !self.sasl_active() || self.discard.has("AUTH") {
            return self.fault("503 5.5.1 Error: authentication not enabled");
        }
        if self.transaction.is_some() {
            return self.fault("503 5.5.1 Error: MAIL transaction in progress");
        }
        if self.login.is_some() {
            return self.fault("503 5.5.1 Error: already authenticated");
        }
        let limit = self.settings.client_limits.auth_rate;
        if self.exceeds(Act::Auth, limit, "AUTH command rate").await {
            return self.fault(&format!(
                "450 4.7.1 Error: too many AUTH commands from {}",
                self.client.shown_address
            ));
        }
        let Some(mechanism) = words.get(1).filter(|_| words.len() <= 3) else {
            return self.fault("501 5.5.4 Syntax: AUTH mechanism");
        };
        if !self.mechanisms.iter().any(|m| m.name.eq_ignore_ascii_case(mechanism)) {
            return self.auth_failed(mechanism, "Invalid authentication mechanism", false);
        }
        match self.exchange(mechanism, words.get(2)).await {
            Ok(next) => next,
            Err(gone) => Next::Gone(gone),
        }
    }

    fn auth_failed(&mut self, mechanism: &str, why: &str, temporary: bool) -> Next {
        let user = self.sasl_user.as_deref().unwrap_or("(unavailable)");
        self.daemon.msg.log_warn(format!(
            "{}: SASL {mechanism} authentication failed: {why}, sasl_username={user}",
            self.shown
        ));
        match temporary {
            true => self.fault(&format!("454 4.7.0 Temporary authentication failure: {why}")),
            false => self.fault(&format!("535 5.7.8 Error: authentication failed: {why}")),
        }
    }

    async fn exchange(&mut self, mechanism: &str, initial: Option<&str>) -> Result<Next, Gone> {
        const LOST: &str = "Connection lost to authentication server";
        let Ok((mut service, _)) = self.sasl_service().await else {
            return Ok(self.auth_failed(mechanism, LOST, true));
        };
        let p = self.daemon.p.clone();
        let first = self.auth_request(mechanism, initial);
        let mut step = p.timeout(PATIENCE, service.step(first)).await.flatten();
        loop {
            match step {
                None => return Ok(self.auth_failed(mechanism, LOST, true)),
                Some(Step::Success(user)) => {
                    self.login = Some(Login { method: mechanism.into(), user });
                    self.introduce();
                    return Ok(self.done("235 2.7.0 Authentication successful"));
                }
                Some(Step::Failure { user, reason, temporary }) => {
                    if user.is_some() || reason.is_none() {
                        self.sasl_user = user.clone();
                    }
                    let why = reason.unwrap_or_else(|| "(reason unavailable)".to_owned());
                    return Ok(self.auth_failed(mechanism, &why, temporary));
                }
                Some(Step::Continue(challenge)) => {
                    self.reply(&format!("334 {challenge}"));
                    let line = self.line().await?;
                    let answer = String::from_utf8_lossy(&line);
                    if answer == "*" {
                        let text = format!("{}: SASL {mechanism} authentication aborted", self.shown);
                        self.daemon.msg.log_warn(text);
                        return Ok(self.fault("501 5.7.0 Authentication aborted"));
                    }
                    let answer = answer.replace(['\t', '\n'], "");
                    let next = format!("CONT\t1\t{answer}\n");
                    step = p.timeout(PATIENCE, service.step(next)).await.flatten();
                }
            }
        }
    }

    fn auth_request(&self, mechanism: &str, initial: Option<&str>) -> String {
        let mut out = format!("AUTH\t1\t{mechanism}\tservice=smtp\tnologin");
        if let Some(server) = self.client.server {
            out.push_str(&format!("\tlip={}\tlport={}", server.ip(), server.port()));
        }
        out.push_str(&format!("\trip={}\trport={}", self.client.shown_address, self.client.port));
        if self.tls.is_some() {
            out.push_str("\tsecured");
        }
        if let Some(initial) = initial {
            // An empty response is written so (RFC 4954, section 4).
            let initial = if initial == "=" { "" } else { initial };
            out.push_str(&format!("\tresp={initial}"));
        }
        out.push('\n');
        out
    }

    /// `AUTH=` of MAIL (RFC 4954, section 5).
    pub fn auth_option(&self, value: &str) -> Result<(), String> {
        match value {
            "<>" => Ok(()),
            v if crate::proto::smtp::xtext_decode(v).is_some() && !v.is_empty() => Ok(()),
            _ => Err("501 5.5.4 Malformed AUTH parameter: bad xtext".to_owned()),
        }
    }
}
