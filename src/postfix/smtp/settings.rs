//! What a client needs of the configuration, read once: the `smtp_…` parameters, or the `lmtp_…`
//! ones where it speaks LMTP.

use crate::postfix::address_map::AddressMap;
use crate::postfix::dict::{Maps, MatchList};
use crate::postfix::own_domains::OwnDomains;
use crate::postfix::server::Daemon;
use crate::world::clock::Duration;
use std::net::IpAddr;
use std::rc::Rc;

/// The protocol that is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// RFC 5321
    Smtp,
    /// RFC 2033
    Lmtp,
}

impl Protocol {
    fn prefix(self) -> &'static str {
        match self {
            Protocol::Smtp => "smtp",
            Protocol::Lmtp => "lmtp",
        }
    }
}

/// Settings and tables.
pub struct Settings {
    pub protocol: Protocol,
    pub myhostname: Rc<str>,
    pub relayhost: Rc<str>,
    pub fallback_relay: Vec<Rc<str>>,
    pub best_mx_transport: Rc<str>,
    pub helo_name: Rc<str>,
    pub port: u16,
    pub bind: Vec<IpAddr>,
    pub connect_timeout: Duration,
    pub helo_timeout: Duration,
    pub mail_timeout: Duration,
    pub rcpt_timeout: Duration,
    pub data_init_timeout: Duration,
    pub data_xfer_timeout: Duration,
    pub data_done_timeout: Duration,
    pub quit_timeout: Duration,
    pub rset_timeout: Duration,
    pub address_limit: usize,
    pub session_limit: usize,
    pub always_ehlo: bool,
    pub never_ehlo: bool,
    pub skip_5xx_greeting: bool,
    pub skip_quit_response: bool,
    pub assume_final: bool,
    pub defer_without_mx_address: bool,
    pub randomize: bool,
    /// Are addresses of a kind put first: `ipv4`, `ipv6`, `any`?
    pub preference: Rc<str>,
    /// Is the DNS asked at all (`disable_dns_lookups`, `smtp_dns_support_level`)?
    pub uses_dns: bool,
    pub line_length_limit: usize,
    pub discard_keywords: Vec<String>,
    pub discard_keyword_maps: Maps,
    pub generic: AddressMap,
    pub own: OwnDomains,
    /// Is what is 8-bit encoded for a server that does not say 8BITMIME?
    pub converts: bool,
    pub starttls_timeout: Duration,
    pub cache_destinations: MatchList,
    pub caches_on_demand: bool,
    pub cache_time_limit: Duration,
    pub reuse_time_limit: Duration,
    pub reuse_count_limit: u32,
    pub tls: super::tls::Settings,
    pub sasl: super::sasl::Settings,
}

impl Settings {
    /// The first table whose file is another one than that which was opened, as the log names it.
    pub fn changed(&self, daemon: &Daemon) -> Option<String> {
        let more = [self.tls.tables(), self.sasl.tables()];
        self.generic.changed(daemon).or_else(|| more.iter().find_map(|maps| maps.changed(&daemon.p)))
    }

    /// Those of the service: read anew, or as the client before this one read them.
    ///
    /// # Errors
    /// What the daemon ends with: a time that is none.
    pub fn of(daemon: &Daemon, protocol: Protocol) -> Result<Rc<Settings>, String> {
        if let Some(kept) = daemon.service.kept(&daemon.config) {
            return Ok(kept);
        }
        let settings = Rc::new(Settings::read(daemon, protocol)?);
        if settings.is_without_tables() {
            daemon.service.keep(&daemon.config, settings.clone());
        }
        Ok(settings)
    }

    /// Do they depend on nothing but main.cf? (A list that is read from a file serves a table.)
    fn is_without_tables(&self) -> bool {
        let maps = [self.tls.tables(), self.sasl.tables(), &self.discard_keyword_maps];
        let is_plain = self.generic.is_empty() && self.cache_destinations.is_empty();
        is_plain && maps.iter().all(|maps| maps.is_empty())
    }

    fn read(daemon: &Daemon, protocol: Protocol) -> Result<Settings, String> {
        let prefix = protocol.prefix();
        let own = |name: &str| format!("{prefix}_{name}");
        let time = |name: &str| daemon.config.seconds(&own(name)).map_err(|e| e.to_string());
        let count = |name: &str| daemon.int(&own(name)).max(0) as usize;
        let is_smtp = protocol == Protocol::Smtp;
        let hello = if is_smtp { "ehlo" } else { "lhlo" };
        let address = |name: &str| daemon.string(&own(name)).trim_matches(['[', ']']).parse().ok();
        let port = daemon.string(&own("tcp_port"));
        let generic = if is_smtp { "smtp_generic_maps" } else { "lmtp_generic_maps" };
        let tls = super::tls::Settings::read(daemon, prefix)?;
        let sasl = super::sasl::Settings::read(daemon, prefix)?;
        // A table that two settings name is opened once.
        let errors: std::collections::BTreeSet<&str> =
            [sasl.tables(), tls.tables()].into_iter().flat_map(Maps::errors).collect();
        for e in errors {
            daemon.msg.log(&format!("error: {e}"));
        }
        Ok(Settings {
            protocol,
            myhostname: daemon.string("myhostname"),
            relayhost: daemon.string("relayhost"),
            fallback_relay: if is_smtp { daemon.config.list("smtp_fallback_relay") } else { Vec::new() },
            best_mx_transport: daemon.string("best_mx_transport"),
            helo_name: daemon.string(if is_smtp { "smtp_helo_name" } else { "lmtp_lhlo_name" }),
            port: crate::postfix::port(&daemon.p, &port).unwrap_or(if is_smtp { 25 } else { 24 }),
            bind: [address("bind_address"), address("bind_address6")].into_iter().flatten().collect(),
            connect_timeout: time("connect_timeout")?,
            helo_timeout: time(if is_smtp { "helo_timeout" } else { "lhlo_timeout" })?,
            mail_timeout: time("mail_timeout")?,
            rcpt_timeout: time("rcpt_timeout")?,
            data_init_timeout: time("data_init_timeout")?,
            data_xfer_timeout: time("data_xfer_timeout")?,
            data_done_timeout: time("data_done_timeout")?,
            quit_timeout: time("quit_timeout")?,
            rset_timeout: time("rset_timeout")?,
            address_limit: count("mx_address_limit"),
            session_limit: count("mx_session_limit"),
            always_ehlo: is_smtp && daemon.yes("smtp_always_send_ehlo"),
            never_ehlo: is_smtp && daemon.yes("smtp_never_send_ehlo"),
            skip_5xx_greeting: daemon.yes(&own("skip_5xx_greeting")),
            skip_quit_response: daemon.yes(&own("skip_quit_response")),
            assume_final: !is_smtp && daemon.yes("lmtp_assume_final"),
            defer_without_mx_address: is_smtp && daemon.yes("smtp_defer_if_no_mx_address_found"),
            randomize: daemon.yes(&own("randomize_addresses")),
            preference: daemon.string(&own("address_preference")),
            uses_dns: !daemon.yes("disable_dns_lookups")
                && &*daemon.string(&own("dns_support_level")) != "disabled",
            line_length_limit: count("line_length_limit"),
            discard_keywords: daemon
                .config
                .list(&own(&format!("discard_{hello}_keywords")))
                .iter()
                .map(|k| k.to_ascii_uppercase())
                .collect(),
            discard_keyword_maps: Maps::open(
                &daemon.string(&own(&format!("discard_{hello}_keyword_address_maps"))),
                &daemon.p,
            )?,
            generic: AddressMap::open(daemon, generic, "generic"),
            own: OwnDomains::new(daemon)?,
            converts: !daemon.yes("disable_mime_output_conversion"),
            starttls_timeout: time("starttls_timeout")?,
            cache_destinations: MatchList::domains(
                &own("connection_cache_destinations"),
                &daemon.config,
                &daemon.p,
            )?,
            caches_on_demand: daemon.yes(&own("connection_cache_on_demand")),
            cache_time_limit: time("connection_cache_time_limit")?,
            reuse_time_limit: time("connection_reuse_time_limit")?,
            reuse_count_limit: count("connection_reuse_count_limit") as u32,
            tls,
            sasl,
        })
    }
}
