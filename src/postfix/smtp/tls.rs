//! STARTTLS (RFC 3207) as a client: which level of security holds for a destination
//! (`smtp_tls_security_level`, `smtp_tls_policy_maps`), and the handshake.
//!
//! # Simplifications
//! No certificate is signed by anybody the client trusts: levels that ask for more than encryption
//! (`fingerprint`, `verify`, `secure`, `dane-only`) end as they do with a self-signed certificate, and `dane`
//! finds no TLSA records, so it is `may`. `smtp_tls_fingerprint_cert_match` has no effect. Protocols and
//! ciphers cannot be chosen: the words of a policy about them are read and have no effect. There are no
//! client certificates, no session cache, no `smtp_tls_per_site`.

use super::destination::Host;
use super::session::{Failure, Session};
use crate::postfix::config::typed;
use crate::postfix::deliver::Dsn;
use crate::postfix::dict::Maps;
use crate::postfix::dict::maps::Parents;
use crate::postfix::server::Daemon;
use crate::trace::{Decision, Outcome, Place};
use std::rc::Rc;

/// What a destination is asked for, from nothing upwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// TLS is not used.
    None,
    /// It is used where it is offered.
    May,
    /// Nothing is sent without it.
    Encrypt,
    /// Nor to a server whose certificate is not the one that is expected.
    Verified,
}

impl Level {
    /// The level of a word, `None` where it is none of them.
    fn parse(word: &str) -> Option<Level> {
        match word.to_ascii_lowercase().as_str() {
            "none" => Some(Level::None),
            "may" | "dane" => Some(Level::May),
            "encrypt" => Some(Level::Encrypt),
            "dane-only" | "fingerprint" | "verify" | "secure" => Some(Level::Verified),
            _ => None,
        }
    }
}

/// What of the configuration concerns TLS.
pub struct Settings {
    prefix: &'static str,
    level: Level,
    /// The same as it is written.
    word: Rc<str>,
    has_dnssec: bool,
    policies: Maps,
    log_level: i64,
    notes_offer: bool,
    /// TLS from the first octet.
    wrapper: bool,
}

impl Settings {
    /// Reads the settings of `smtp` or `lmtp`.
    ///
    /// # Errors
    /// What the daemon ends with: a level that is none.
    pub fn read(daemon: &Daemon, prefix: &'static str) -> Result<Settings, String> {
        let own = |name: &str| format!("{prefix}_{name}");
        let word = daemon.string(&own("tls_security_level"));
        let level = match &*word {
            "" if daemon.yes(&own("enforce_tls")) => {
                if daemon.yes(&own("tls_enforce_peername")) {
                    Level::Verified
                } else {
                    Level::Encrypt
                }
            }
            "" if daemon.yes(&own("use_tls")) => Level::May,
            "" => Level::None,
            word => Level::parse(word).ok_or_else(|| format!("Invalid TLS level \"{word}\""))?,
        };
        let policies = Maps::open(&daemon.string(&own("tls_policy_maps")), &daemon.p)?;
        Ok(Settings {
            prefix,
            level,
            word,
            has_dnssec: &*daemon.string(&own("dns_support_level")) == "dnssec",
            policies,
            log_level: daemon.int(&own("tls_loglevel")),
            notes_offer: daemon.yes(&own("tls_note_starttls_offer")),
            wrapper: daemon.yes(&own("tls_wrappermode")),
        })
    }

    /// The tables, for a look whether they have changed.
    pub fn tables(&self) -> &Maps {
        &self.policies
    }

    /// The level for a next hop, as it is written in the queue or the tables, with brackets and port.
    ///
    /// # Errors
    /// A table that cannot answer, or that says what is none; it has been logged.
    pub fn level_for(&self, daemon: &Daemon, nexthop: &str, host: &Host) -> Result<Level, Failure> {
        let trouble = |text: String| {
            daemon.msg.log_warn(text);
            let why = "client TLS configuration problem";
            daemon.msg.log_warn(format!("TLS policy lookup for {nexthop}/{}: {why}", host.name));
            Failure::message(Dsn::new("4.7.5", why))
        };
        let maps = format!("{}_tls_policy_maps", self.prefix);
        let found = match nexthop.starts_with('[') || nexthop.contains(':') {
            true => self.policies.find(nexthop),
            false => self.policies.find_domain(nexthop, Parents::Dotted),
        };
        let found = match found {
            Ok(found) => found,
            Err(e) => {
                daemon.msg.log_warn(&e);
                daemon.msg.log_warn(format!("{} lookup error for \"{nexthop}\"", e.table));
                let text = format!("{maps}, next-hop destination \"{nexthop}\": policy table lookup error");
                return Err(trouble(text));
            }
        };
        let (level, word, matches) = match &found {
            None => (self.level, self.word.to_string(), false),
            Some(found) => {
                let value = found.value.replace(',', " ");
                let mut words = typed::words(&value).into_iter();
                let (word, matches) = (words.next().unwrap_or_default(), value.contains(" match="));
                let of = || format!("{maps}, next-hop destination \"{nexthop}\"");
                let Some(level) = Level::parse(word) else {
                    return Err(trouble(format!("{}: invalid security level \"{word}\"", of())));
                };
                if let Some(word) = words.find(|w| !is_attribute(w)) {
                    return Err(trouble(match word.split_once('=') {
                        None => format!(
                            "{}: malformed attribute/value pair \"{word}\": missing '=' after attribute name",
                            of()
                        ),
                        Some((name, _)) => format!("{}: invalid attribute name: \"{name}\"", of()),
                    }));
                }
                (level, word.to_ascii_lowercase(), matches)
            }
        };
        if matches!(word.as_str(), "dane" | "dane-only") && !self.has_dnssec {
            let text = format!("{nexthop}: {word} configured with dnssec lookups disabled");
            if level > Level::May {
                return Err(trouble(text));
            }
            daemon.msg.log_warn(text);
        }
        if word == "fingerprint" && !matches {
            return Err(trouble(format!(
                "nexthop domain {nexthop}: configured at fingerprint security level, but with no fingerprints to match."
            )));
        }
        if self.wrapper && level < Level::Encrypt {
            let prefix = self.prefix;
            daemon.msg.log_warn(format!(
                "{prefix}_tls_wrappermode requires \"{prefix}_tls_security_level = encrypt\" (or stronger)"
            ));
            let why = "server unavailable or unable to receive mail";
            return Err(Failure::whole(Dsn::new("4.3.0", why)));
        }
        let setting = if found.is_some() { maps } else { format!("{}_tls_security_level", self.prefix) };
        daemon.p.decide(|| Decision {
            rule: "TLS policy".into(),
            setting: setting.clone().into(),
            place: daemon.config.place(&setting),
            compared: match &found {
                Some(found) => format!("{nexthop} in {}: {}", found.table, found.value),
                None => nexthop.to_owned(),
            },
            outcome: Outcome::Becomes(format!("{level:?}").to_lowercase().into()),
        });
        Ok(level)
    }
}

/// May this stand behind the level in a policy?
fn is_attribute(word: &str) -> bool {
    const NAMES: [&str; 7] =
        ["protocols", "ciphers", "exclude", "match", "tafile", "servername", "connection_reuse"];
    word.split_once('=').is_some_and(|(name, value)| NAMES.contains(&name) && !value.is_empty())
}

impl Session<'_> {
    /// TLS from the first octet, where that is the way here.
    ///
    /// # Errors
    /// The server does not speak it.
    pub(super) async fn wrap(&mut self) -> Result<(), Failure> {
        if self.settings.tls.wrapper && self.level > Level::None {
            self.shake_hands().await?;
        }
        Ok(())
    }

    /// STARTTLS, if the server offers it and the level asks for it. True where there is TLS now that was
    /// not before: then all that the server has said is forgotten.
    ///
    /// # Errors
    /// The level asks for more than there is.
    pub(super) async fn start_tls(&mut self) -> Result<bool, Failure> {
        if self.tls.is_some() {
            return Ok(false);
        }
        let settings = &self.settings.tls;
        if self.level == Level::None {
            if self.features.starttls && settings.notes_offer {
                self.daemon.msg.log(&format!("Host offered STARTTLS: [{}]", self.host.name));
            }
            return Ok(false);
        }
        let named = self.host.named();
        if !self.features.starttls {
            if self.level < Level::Encrypt {
                return Ok(false);
            }
            let text = format!("TLS is required, but was not offered by host {named}");
            return Err(self.unsafe_site(Dsn::new("4.7.4", text)).await);
        }
        let reply = self.say("STARTTLS", super::session::Step::StartTls).await?;
        if reply.code / 100 == 2 {
            self.shake_hands().await?;
            return Ok(true);
        }
        if self.level < Level::Encrypt {
            return Ok(false);
        }
        let status = reply.dsn().map_or_else(|| format!("{}.0.0", reply.code / 100), |d| d.to_string());
        let text = format!("TLS is required, but host {named} refused to start TLS: {}", reply.joined());
        Err(self.unsafe_site(Dsn::new(&status, text)).await)
    }

    /// The handshake, and a look at whom one has shaken hands with.
    async fn shake_hands(&mut self) -> Result<(), Failure> {
        let limit = self.settings.starttls_timeout;
        let relay = self.host.relay();
        let tls = match self.daemon.p.timeout(limit, crate::world::tls::connect(&self.stream)).await {
            Some(Ok(tls)) => tls,
            _ => {
                self.daemon.msg.log(&format!("SSL_connect error to {relay}: lost connection"));
                let failure = self.failure(Dsn::new("4.7.5", "Cannot start TLS: handshake failure"), true);
                if self.level < Level::Encrypt || !self.is_final {
                    self.elsewhere(&failure.dsn);
                }
                // Where TLS is only preferred, the host is called once more, without it.
                return Err(Failure { without_tls: self.level < Level::Encrypt, ..failure });
            }
        };
        if self.settings.tls.log_level > 0 {
            if self.level == Level::Verified {
                self.daemon
                    .msg
                    .log(&format!("certificate verification failed for {relay}: self-signed certificate"));
            }
            self.daemon
                .msg
                .log(&format!("Untrusted TLS connection established to {relay}: {}", tls.summary()));
        }
        self.tls = Some(tls);
        if self.level == Level::Verified {
            return Err(self.unsafe_site(Dsn::new("4.7.5", "Server certificate not verified")).await);
        }
        Ok(())
    }

    /// Leaves a server that is not as safe as the level wants it.
    async fn unsafe_site(&mut self, dsn: Dsn) -> Failure {
        if !self.is_final {
            self.elsewhere(&dsn);
        }
        self.daemon.p.decide(|| Decision {
            rule: "TLS policy".into(),
            setting: "".into(),
            place: Place::Default,
            compared: dsn.reason.to_string(),
            outcome: Outcome::Becomes("not delivered here".into()),
        });
        self.leave().await;
        self.failure(dsn, true)
    }
}
