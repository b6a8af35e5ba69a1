//! smtp(8): the SMTP client; also behind the service `relay`.
//!
//! Looks up who takes mail for the next hop ([`destination`]), tries those hosts one after the
//! other, and speaks SMTP with the first that listens ([`session`]).
//!
//! Standards: RFC 5321 (section 5.1, which host), RFC 7505 (null MX), RFC 2920 (PIPELINING),
//! RFC 1870 (SIZE), RFC 3461 (DSN), RFC 6152 (8BITMIME).
//!
//! # Simplifications
//! No TLS, no authentication, no connection cache; `smtp_fallback_relay` and
//! `smtp_generic_maps` are said to have no effect.
//!
//! Diagnostics: a line for each host that cannot be reached, one for each recipient.

mod destination;
mod session;

use super::deliver::{Delivery, Dsn, Progress};
use super::queue::Recipient;
use super::server::Daemon;
use crate::world::clock::Duration;
use crate::world::errno::Errno;
use crate::world::process::Process;
use destination::{Destination, Host};
use session::{Failure, Session};
use std::net::SocketAddr;
use std::rc::Rc;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let settings = match Settings::read(&daemon) {
        Ok(settings) => settings,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    while let Some(stream) = daemon.accept().await {
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        let site_down = Client { daemon: &daemon, settings: &settings, delivery: &delivery }.deliver().await;
        delivery.finish(&stream, site_down);
    }
    0
}

/// What a client needs of the configuration, read once.
pub(super) struct Settings {
    pub helo_name: Rc<str>,
    pub port: u16,
    pub connect_timeout: Duration,
    pub helo_timeout: Duration,
    pub mail_timeout: Duration,
    pub rcpt_timeout: Duration,
    pub data_init_timeout: Duration,
    pub data_xfer_timeout: Duration,
    pub data_done_timeout: Duration,
    pub address_limit: usize,
    pub session_limit: usize,
    pub always_ehlo: bool,
    pub never_ehlo: bool,
    pub skip_5xx_greeting: bool,
    pub line_length_limit: usize,
    pub discard_keywords: Vec<String>,
}

impl Settings {
    fn read(daemon: &Daemon) -> Result<Settings, String> {
        let time = |name: &str| daemon.config.seconds(name).map_err(|e| e.to_string());
        let port = daemon.string("smtp_tcp_port");
        Ok(Settings {
            helo_name: daemon.string("smtp_helo_name"),
            port: super::port(&daemon.p, &port).unwrap_or(25),
            connect_timeout: time("smtp_connect_timeout")?,
            helo_timeout: time("smtp_helo_timeout")?,
            mail_timeout: time("smtp_mail_timeout")?,
            rcpt_timeout: time("smtp_rcpt_timeout")?,
            data_init_timeout: time("smtp_data_init_timeout")?,
            data_xfer_timeout: time("smtp_data_xfer_timeout")?,
            data_done_timeout: time("smtp_data_done_timeout")?,
            address_limit: daemon.int("smtp_mx_address_limit").max(0) as usize,
            session_limit: daemon.int("smtp_mx_session_limit").max(0) as usize,
            always_ehlo: daemon.yes("smtp_always_send_ehlo"),
            never_ehlo: daemon.yes("smtp_never_send_ehlo"),
            skip_5xx_greeting: daemon.yes("smtp_skip_5xx_greeting"),
            line_length_limit: daemon.int("smtp_line_length_limit").max(0) as usize,
            discard_keywords: daemon
                .config
                .list("smtp_discard_ehlo_keywords")
                .iter()
                .map(|k| k.to_ascii_uppercase())
                .collect(),
        })
    }
}

/// One request, on its way to one or more hosts.
struct Client<'a> {
    daemon: &'a Daemon,
    settings: &'a Settings,
    delivery: &'a Delivery<'a>,
}

impl Client<'_> {
    /// Delivers to whom it can; gives the reason if the destination could not be reached at all.
    async fn deliver(&self) -> Option<Dsn> {
        let mut left: Vec<Recipient> = self.delivery.request.recipients.clone();
        let destination =
            match Destination::find(self.daemon, self.settings, &self.delivery.request.nexthop).await {
                Ok(destination) => destination,
                Err(dsn) => {
                    for rcpt in &left {
                        self.delivery.failed(rcpt, "none", Progress::default(), &dsn).await;
                    }
                    return dsn.is_transient().then_some(dsn);
                }
            };
        let (mut last, mut sessions) = (None, 0);
        let limit = if self.settings.address_limit == 0 { usize::MAX } else { self.settings.address_limit };
        let hosts = &destination.hosts[..destination.hosts.len().min(limit)];
        for (n, host) in hosts.iter().enumerate() {
            let max_sessions =
                if self.settings.session_limit == 0 { usize::MAX } else { self.settings.session_limit };
            let is_final = n + 1 == hosts.len() || sessions + 1 >= max_sessions;
            match self.one_host(host, is_final, &mut left, &mut sessions).await {
                Ok(()) => {}
                Err(failure) => last = Some(failure),
            }
            if left.is_empty() {
                return last.filter(|f| f.whole_site).map(|f| f.dsn);
            }
            if sessions >= max_sessions {
                break;
            }
        }
        let failure = last.unwrap_or_else(|| Failure::whole(Dsn::new("4.4.1", "no host takes mail for it")));
        for rcpt in &left {
            let relay = failure.relay.as_deref().unwrap_or("none");
            self.delivery.failed(rcpt, relay, failure.progress, &failure.dsn).await;
        }
        failure.whole_site.then_some(failure.dsn)
    }

    /// Tries one host; whoever it answered for good is taken off `left`.
    async fn one_host(
        &self,
        host: &Host,
        is_final: bool,
        left: &mut Vec<Recipient>,
        sessions: &mut usize,
    ) -> Result<(), Failure> {
        let at = SocketAddr::new(host.address, host.port);
        let connect = self.daemon.p.connect(at, None);
        let stream = match self.daemon.p.timeout(self.settings.connect_timeout, connect).await {
            Some(Ok(stream)) => stream,
            failed => {
                let error = failed.map_or(Errno::ETIMEDOUT, |r| r.err().unwrap_or(Errno::ETIMEDOUT));
                let text = format!("connect to {}[{}]:{}: {error}", host.name, host.address, host.port);
                self.daemon.msg.log(&text);
                return Err(Failure::whole(Dsn::new("4.4.1", text)));
            }
        };
        let mut session = Session::new(self.daemon, self.settings, self.delivery, host, stream);
        session.hello(is_final).await?;
        *sessions += 1;
        session.transfer(left, is_final).await
    }
}
