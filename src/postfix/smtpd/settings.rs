//! What a server needs of its configuration, read once.

use super::sync::BareNewline;
use crate::postfix::config::expand::{self, Names};
use crate::postfix::dict::{Maps, MatchList};
use crate::postfix::receive_override::ReceiveOverride;
use crate::postfix::server::Daemon;
use crate::proto::smtp::reply::Dsn;
use crate::world::clock::Duration;
use std::borrow::Cow;
use std::rc::Rc;

/// The settings of a server.
pub struct Settings {
    pub myhostname: Rc<str>,
    pub banner: Rc<str>,
    pub mail_name: Rc<str>,
    /// In octets; 0 for none.
    pub message_size_limit: u64,
    /// What one client may do: 0 for no limit.
    pub client_limits: ClientLimits,
    /// Clients without such limits.
    pub limit_exceptions: MatchList,
    pub recipient_limit: usize,
    pub recipient_overshoot: usize,
    pub line_length_limit: usize,
    pub timeout: Duration,
    pub soft_error_limit: u32,
    pub hard_error_limit: u32,
    /// A longer transcript is given to the postmaster before the session ends, in lines.
    pub history_flush_threshold: usize,
    pub junk_command_limit: u32,
    pub error_sleep: Duration,
    pub helo_required: bool,
    pub disable_vrfy: bool,
    pub smtputf8: bool,
    pub strict_envelopes: bool,
    pub soft_bounce: bool,
    pub allow_untrusted_routing: bool,
    pub reject_unlisted_recipient: bool,
    pub reject_unlisted_sender: bool,
    pub noop_commands: MatchList,
    pub forbidden_commands: MatchList,
    pub forbid_pipelining: bool,
    pub bare_newline: BareNewline,
    pub bare_newline_exclusions: MatchList,
    pub bare_newline_code: u16,
    /// Does the log show clients with their ports?
    pub port_logging: bool,
    pub xclient_hosts: MatchList,
    pub xforward_hosts: MatchList,
    pub command_filter: Maps,
    pub discard: Discard,
    pub discard_maps: Maps,
    pub reject_footer: Rc<str>,
    pub reject_footer_maps: Maps,
    pub sasl_enabled: bool,
    /// The SASL implementation: of `dovecot` and `cyrus` the lab has the first.
    pub sasl_type: Rc<str>,
    pub sasl_path: Rc<str>,
    pub sasl_exceptions: MatchList,
    pub sasl_security: Vec<Rc<str>>,
    pub sasl_tls_security: Vec<Rc<str>>,
    pub sasl_broken_clients: bool,
    pub sasl_authenticated_header: bool,
    pub tls: super::tls::Settings,
    pub overrides: ReceiveOverride,
}

impl Settings {
    /// What does not apply to a user of this host at standard input is switched off.
    pub fn stand_alone(&mut self) {
        (self.tls.offered, self.tls.enforce, self.tls.wrapper) = (false, false, false);
        self.sasl_enabled = false;
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Which setting cannot be, for the log.
    pub fn read(daemon: &Daemon) -> Result<Settings, String> {
        let int = |name: &str| daemon.config.int(name).map_err(|e| e.to_string());
        let yes = |name: &str| daemon.config.bool(name).map_err(|e| e.to_string());
        let maps = |name: &str| Maps::open(&daemon.string(name), &daemon.p);
        let strings = |name: &str| MatchList::strings(name, &daemon.string(name), &daemon.p);
        let networks = |name: &str| MatchList::networks(name, &daemon.config, &daemon.p);
        let overrides = ReceiveOverride::read(daemon)?;
        Ok(Settings {
            myhostname: daemon.string("myhostname"),
            banner: daemon.string("smtpd_banner"),
            mail_name: daemon.string("mail_name"),
            message_size_limit: int("message_size_limit")?.max(0) as u64,
            client_limits: ClientLimits {
                connections: int("smtpd_client_connection_count_limit")?.max(0) as u32,
                connection_rate: int("smtpd_client_connection_rate_limit")?.max(0) as u32,
                message_rate: int("smtpd_client_message_rate_limit")?.max(0) as u32,
                recipient_rate: int("smtpd_client_recipient_rate_limit")?.max(0) as u32,
                new_tls_rate: int("smtpd_client_new_tls_session_rate_limit")?.max(0) as u32,
                auth_rate: int("smtpd_client_auth_rate_limit")?.max(0) as u32,
            },
            limit_exceptions: networks("smtpd_client_event_limit_exceptions")?,
            recipient_limit: int("smtpd_recipient_limit")?.max(1) as usize,
            recipient_overshoot: int("smtpd_recipient_overshoot_limit")?.max(1) as usize,
            line_length_limit: int("line_length_limit")?.clamp(512, 1 << 20) as usize,
            timeout: daemon.config.seconds("smtpd_timeout").map_err(|e| e.to_string())?,
            soft_error_limit: int("smtpd_soft_error_limit")?.max(1) as u32,
            history_flush_threshold: daemon.int("smtpd_history_flush_threshold").max(1) as usize,
            hard_error_limit: int("smtpd_hard_error_limit")?.max(1) as u32,
            junk_command_limit: int("smtpd_junk_command_limit")?.max(1) as u32,
            error_sleep: daemon.seconds("smtpd_error_sleep_time"),
            helo_required: yes("smtpd_helo_required")?,
            disable_vrfy: yes("disable_vrfy_command")?,
            smtputf8: yes("smtputf8_enable")?,
            strict_envelopes: yes("strict_rfc821_envelopes")?,
            soft_bounce: yes("soft_bounce")?,
            allow_untrusted_routing: yes("allow_untrusted_routing")?,
            reject_unlisted_recipient: !overrides.unknown_recipients
                && yes("smtpd_reject_unlisted_recipient")?,
            reject_unlisted_sender: !overrides.unknown_recipients && yes("smtpd_reject_unlisted_sender")?,
            noop_commands: strings("smtpd_noop_commands")?,
            forbidden_commands: strings("smtpd_forbidden_commands")?,
            forbid_pipelining: yes("smtpd_forbid_unauth_pipelining")?,
            bare_newline: BareNewline::read(daemon)?,
            bare_newline_exclusions: networks("smtpd_forbid_bare_newline_exclusions")?,
            bare_newline_code: int("smtpd_forbid_bare_newline_reject_code")?.clamp(500, 599) as u16,
            port_logging: yes("smtpd_client_port_logging")?,
            xclient_hosts: networks("smtpd_authorized_xclient_hosts")?,
            xforward_hosts: networks("smtpd_authorized_xforward_hosts")?,
            command_filter: maps("smtpd_command_filter")?,
            discard: Discard::parse(&daemon.string("smtpd_discard_ehlo_keywords")),
            discard_maps: maps("smtpd_discard_ehlo_keyword_address_maps")?,
            reject_footer: daemon.config.raw("smtpd_reject_footer").unwrap_or_default().into(),
            reject_footer_maps: maps("smtpd_reject_footer_maps")?,
            sasl_enabled: yes("smtpd_sasl_auth_enable")?,
            sasl_type: daemon.string("smtpd_sasl_type"),
            sasl_path: daemon.string("smtpd_sasl_path"),
            sasl_exceptions: networks("smtpd_sasl_exceptions_networks")?,
            sasl_security: daemon.config.list("smtpd_sasl_security_options"),
            sasl_tls_security: daemon.config.list("smtpd_sasl_tls_security_options"),
            sasl_broken_clients: yes("broken_sasl_auth_clients")?,
            sasl_authenticated_header: yes("smtpd_sasl_authenticated_header")?,
            tls: super::tls::Settings::read(daemon)?,
            overrides,
        })
    }
}

/// `smtpd_client_*_limit`
#[derive(Clone, Copy, Default)]
pub struct ClientLimits {
    pub connections: u32,
    pub connection_rate: u32,
    pub message_rate: u32,
    pub recipient_rate: u32,
    pub new_tls_rate: u32,
    pub auth_rate: u32,
}

impl ClientLimits {
    /// Is nothing limited?
    pub fn none(&self) -> bool {
        [
            self.connections,
            self.connection_rate,
            self.message_rate,
            self.recipient_rate,
            self.new_tls_rate,
            self.auth_rate,
        ] == [0; 6]
    }
}

/// The EHLO keywords that are not told, in the order in which the log names them.
const KEYWORDS: [&str; 12] = [
    "8BITMIME",
    "AUTH",
    "ETRN",
    "PIPELINING",
    "SIZE",
    "VRFY",
    "XCLIENT",
    "XFORWARD",
    "STARTTLS",
    "ENHANCEDSTATUSCODES",
    "DSN",
    "SMTPUTF8",
];

/// `smtpd_discard_ehlo_keywords`
#[derive(Clone, Default, Debug)]
pub struct Discard {
    words: Vec<String>,
    silent: bool,
}

impl Discard {
    /// Reads a list of keywords.
    pub fn parse(text: &str) -> Discard {
        let mut words: Vec<String> =
            crate::postfix::config::typed::words(text).iter().map(|w| w.to_ascii_uppercase()).collect();
        let silent = words.iter().any(|w| w == "SILENT-DISCARD");
        words.retain(|w| w != "SILENT-DISCARD");
        Discard { words, silent }
    }

    /// Is this keyword kept from clients?
    pub fn has(&self, keyword: &str) -> bool {
        self.words.iter().any(|w| w == keyword)
    }

    /// What the log says; nothing where it shall be silent.
    pub fn told(&self) -> Option<String> {
        if self.silent || self.words.is_empty() {
            return None;
        }
        let all: Vec<&str> = KEYWORDS.into_iter().chain(["CHUNKING"]).filter(|k| self.has(k)).collect();
        Some(format!("discarding EHLO keywords: {}", all.join(" ")))
    }
}

/// The reply with the footer of `smtpd_reject_footer` under it (`smtp_reply_footer(3)`). `\c` at
/// the footer's start puts it onto the last line; `\n` in it starts a line.
pub fn with_footer(reply: &str, footer: &str, names: &dyn Names) -> String {
    let Ok(footer) = expand::expand(footer, names) else { return reply.to_owned() };
    let code = &reply[..3];
    let dsn = reply.get(4..).and_then(Dsn::parse).map(|d| format!("{d} ")).unwrap_or_default();
    let (glued, footer) = match footer.strip_prefix("\\c") {
        Some(rest) => (true, rest),
        None => (false, &*footer),
    };
    let mut lines = footer.split("\\n");
    let mut out = reply.to_owned();
    if glued {
        out.push_str(lines.next().unwrap_or_default());
    }
    let all: Vec<String> = std::iter::once(out).chain(lines.map(|l| format!("{code} {dsn}{l}"))).collect();
    let last = all.len() - 1;
    all.iter()
        .enumerate()
        .map(|(n, l)| if n < last { format!("{}-{}", &l[..3], &l[4..]) } else { l.clone() })
        .collect::<Vec<_>>()
        .join("\r\n")
}

/// Names with values of their own.
pub struct Values<'a>(pub Vec<(&'static str, Cow<'a, str>)>);

impl Names for Values<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| Cow::Borrowed(&**v))
    }

    fn expand_again(&self) -> bool {
        false
    }
}
