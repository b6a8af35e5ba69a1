//! AUTH (RFC 4954) as a client: `smtp_sasl_password_maps` says for which servers there is a name and a
//! password, the security options which mechanisms may carry them.
//!
//! # Simplifications
//! The mechanisms are CRAM-MD5, PLAIN and LOGIN, preferred in this order; failures are not remembered
//! (`smtp_sasl_auth_cache_name`).

use super::session::{Failure, Session, Step};
use crate::postfix::deliver::Dsn;
use crate::postfix::dict::{DictError, Found, Maps, MatchList};
use crate::postfix::server::Daemon;
use crate::proto::base64;
use crate::proto::sasl::cram_md5;
use crate::proto::smtp::reply::Reply;
use crate::trace::{Decision, Outcome};
use std::rc::Rc;

/// The mechanisms that the client knows, the best first.
const MECHANISMS: [Mechanism; 3] = [
    Mechanism { name: "CRAM-MD5", plaintext: false },
    Mechanism { name: "PLAIN", plaintext: true },
    Mechanism { name: "LOGIN", plaintext: true },
];

struct Mechanism {
    name: &'static str,
    /// Whoever listens learns the password.
    plaintext: bool,
}

/// What of the configuration concerns logging in.
pub struct Settings {
    prefix: &'static str,
    enabled: bool,
    passwords: Maps,
    filter: MatchList,
    by_sender: bool,
    soft_bounce: bool,
    /// `MAIL FROM … AUTH=<>`
    pub dummy_auth: bool,
    options: Vec<Rc<str>>,
    tls_options: Vec<Rc<str>>,
}

impl Settings {
    /// Reads the settings of `smtp` or `lmtp`.
    ///
    /// # Errors
    /// What the daemon ends with: a list that cannot be read.
    pub fn read(daemon: &Daemon, prefix: &'static str) -> Result<Settings, String> {
        let own = |name: &str| format!("{prefix}_{name}");
        let enabled = daemon.yes(&own("sasl_auth_enable"));
        let specs = daemon.string(&own("sasl_password_maps"));
        if enabled && specs.is_empty() {
            return Err(format!(
                "specify a password table via the `{prefix}_sasl_password_maps' configuration parameter"
            ));
        }
        let filter = own("sasl_mechanism_filter");
        let passwords = Maps::open(if enabled { &specs } else { "" }, &daemon.p)?;
        Ok(Settings {
            prefix,
            enabled,
            passwords,
            filter: MatchList::strings(&filter, &daemon.string(&filter), &daemon.p)?,
            by_sender: daemon.yes(&own("sender_dependent_authentication")),
            soft_bounce: daemon.yes(&own("sasl_auth_soft_bounce")),
            dummy_auth: daemon.yes(&own("send_dummy_mail_auth")),
            options: daemon.config.list(&own("sasl_security_options")),
            tls_options: daemon.config.list(&own("sasl_tls_security_options")),
        })
    }

    /// Are sessions logged in, where a password is known?
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The tables, for a look whether they have changed.
    pub fn tables(&self) -> &Maps {
        &self.passwords
    }

    /// The entry for a session: of the sender, of the host's name, of the next hop.
    fn find(&self, sender: &str, host: &str, nexthop: &str) -> Result<Option<Found>, DictError> {
        if self.by_sender
            && !sender.is_empty()
            && let Some(found) = self.passwords.find_address(sender, "")?
        {
            return Ok(Some(found));
        }
        match self.passwords.find(host)? {
            Some(found) => Ok(Some(found)),
            None => self.passwords.find(nexthop),
        }
    }
}

/// Why one is not logged in.
enum Trouble {
    /// The conversation broke off.
    Broken(Failure),
    /// The server said no.
    Refused(Reply),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Broken(failure)
    }
}

impl Session<'_> {
    /// Logs in, where the server offers it and there is a password for it.
    ///
    /// # Errors
    /// No common mechanism, or the server does not believe it.
    pub(super) async fn log_in(&mut self, site: &str) -> Result<(), Failure> {
        let settings = &self.settings.sasl;
        if !settings.enabled || self.features.mechanisms.is_none() {
            return Ok(());
        }
        let found = match settings.find(&self.delivery.request.sender, &self.host.name, site) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(e) => {
                let id = &self.delivery.request.id;
                let key = if settings.by_sender { &self.delivery.request.sender } else { &self.host.name };
                self.daemon.msg.log_warn(&e);
                self.daemon.msg.log_warn(format!("{} lookup error for \"{key}\"", e.table));
                self.daemon
                    .msg
                    .log_warn(format!("{id}: {}_sasl_password_maps lookup error", settings.prefix));
                let text = format!("local data error while talking to {}", self.host.named());
                self.leave().await;
                return Err(self.failure(Dsn::new("4.3.0", text), false));
            }
        };
        let (user, password) = found.value.split_once(':').unwrap_or((&found.value, ""));
        let mechanism = match self.choose() {
            Ok(mechanism) => mechanism,
            Err(text) => return Err(self.not_logged_in(Dsn::new("4.7.0", text)).await),
        };
        self.daemon.p.decide(|| Decision {
            rule: "SASL password".into(),
            setting: format!("{}_sasl_password_maps", settings.prefix).into(),
            place: self.daemon.config.place(&format!("{}_sasl_password_maps", settings.prefix)),
            compared: format!("{site} in {}", found.table),
            outcome: Outcome::Becomes(format!("user {user} by {mechanism}").into()),
        });
        match self.exchange(mechanism, user, password).await {
            Ok(()) => Ok(()),
            Err(Trouble::Broken(failure)) => Err(failure),
            Err(Trouble::Refused(reply)) => {
                let mut status =
                    reply.dsn().map_or_else(|| format!("{}.0.0", reply.code / 100), |d| d.to_string());
                if settings.soft_bounce && status.starts_with('5') {
                    status.replace_range(..1, "4");
                }
                let text = format!(
                    "SASL authentication failed; server {} said: {}",
                    self.host.named(),
                    reply.joined()
                );
                Err(self.not_logged_in(Dsn::new(&status, text)).await)
            }
        }
    }

    /// The best mechanism that both sides know and the security options allow.
    ///
    /// # Errors
    /// Why there is none.
    fn choose(&self) -> Result<&'static str, String> {
        let (settings, named) = (&self.settings.sasl, self.host.named());
        let offered = self.features.mechanisms.as_deref().unwrap_or_default();
        let passes = |m: &str| settings.filter.is_empty() || settings.filter.matches(&m.to_lowercase());
        let left: Vec<&str> = offered.split_ascii_whitespace().filter(|m| passes(m)).collect();
        if left.is_empty() {
            let relay = self.host.relay();
            self.daemon.msg.log_warn(format!("{relay} offered no supported AUTH mechanisms: '{offered}'"));
            return Err(format!(
                "SASL authentication failed: server {named} offered no compatible authentication mechanisms \
                 for this type of connection security"
            ));
        }
        let options = if self.tls.is_some() { &settings.tls_options } else { &settings.options };
        let forbids_plaintext = options.iter().any(|o| o.eq_ignore_ascii_case("noplaintext"));
        let usable = |m: &&Mechanism| {
            !(m.plaintext && forbids_plaintext) && left.iter().any(|l| l.eq_ignore_ascii_case(m.name))
        };
        MECHANISMS.iter().find(usable).map(|m| m.name).ok_or_else(|| {
            self.daemon.msg.log_warn("SASL authentication failure: No worthy mechs found");
            format!(
                "SASL authentication failed; cannot authenticate to server {named}: no mechanism available"
            )
        })
    }

    async fn exchange(&mut self, mechanism: &str, user: &str, password: &str) -> Result<(), Trouble> {
        let first = match mechanism {
            "PLAIN" => format!("AUTH PLAIN {}", base64::encode(format!("\0{user}\0{password}").as_bytes())),
            _ => format!("AUTH {mechanism}"),
        };
        let mut reply = self.say(&first, Step::Auth).await?;
        let mut asked = 0;
        while reply.code / 100 == 3 {
            let challenge = base64::decode(reply.lines.last().map_or("", |l| l.trim())).unwrap_or_default();
            asked += 1;
            let answer = match (mechanism, asked) {
                ("LOGIN", 1) => user.to_owned(),
                ("LOGIN", 2) => password.to_owned(),
                ("CRAM-MD5", 1) => format!("{user} {}", cram_md5(password.as_bytes(), &challenge)),
                // The server asks on and on: one leaves (RFC 4954, section 4).
                _ => {
                    reply = self.say("*", Step::Auth).await?;
                    break;
                }
            };
            reply = self.say(&base64::encode(answer.as_bytes()), Step::Auth).await?;
        }
        match reply.code / 100 {
            2 => Ok(()),
            _ => Err(Trouble::Refused(reply)),
        }
    }

    async fn not_logged_in(&mut self, dsn: Dsn) -> Failure {
        if !self.is_final {
            self.elsewhere(&dsn);
        }
        self.leave().await;
        self.failure(dsn, true)
    }
}
