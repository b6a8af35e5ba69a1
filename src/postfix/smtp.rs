//! smtp(8), the SMTP client, also behind the service `relay`; and lmtp(8), the same with LMTP.
//!
//! Looks up who takes mail for the next hop ([`destination`]), tries those hosts one after the
//! other, then `smtp_fallback_relay`, and speaks SMTP or LMTP with the first that listens
//! ([`session`]), inside TLS ([`tls`]) and logged in ([`sasl`]) where that is set. [`generic`] replaces
//! addresses that mean nothing outside, [`downgrade`] encodes what a server cannot take; [`settings`] are
//! the parameters.
//!
//! Standards: RFC 5321 (section 5.1, which host), RFC 7505 (null MX), RFC 2033 (LMTP), RFC 2920
//! (PIPELINING), RFC 1870 (SIZE), RFC 3461 (DSN), RFC 6152 (8BITMIME), RFC 3207 (STARTTLS), RFC 4954
//! (AUTH).
//! [`reuse`] leaves connections to the next delivery.
//!
//! Diagnostics: a line for each host that cannot be reached, one for each recipient.

mod destination;
mod downgrade;
mod generic;
mod reuse;
mod sasl;
mod session;
mod settings;
mod tls;

use super::deliver::{Delivery, Dsn};
use super::queue::Recipient;
use super::rewrite::Rewriter;
use super::scache::By;
use super::server::Daemon;
use crate::world::clock::Duration;
use crate::world::errno::Errno;
use crate::world::process::Process;
use crate::world::stream::Stream;
use destination::{Destination, Host, Place, Trouble};
use session::{Failure, Session};
use settings::{Protocol, Settings};
use tls::Level;

/// The SMTP client.
pub async fn main(p: Process) -> i32 {
    serve(p, Protocol::Smtp).await
}

/// The LMTP client.
pub async fn lmtp(p: Process) -> i32 {
    serve(p, Protocol::Lmtp).await
}

async fn serve(p: Process, protocol: Protocol) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let settings = match Settings::of(&daemon, protocol) {
        Ok(settings) => settings,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    let rewriter = Rewriter::default();
    while let Some(stream) = daemon.accept_unless(|| settings.changed(&daemon)).await {
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        let client =
            Client { daemon: &daemon, settings: &settings, rewriter: &rewriter, delivery: &delivery };
        let site_down = client.deliver().await;
        delivery.finish(&stream, site_down);
    }
    0
}

/// One request, on its way to one or more hosts.
struct Client<'a> {
    daemon: &'a Daemon,
    settings: &'a Settings,
    rewriter: &'a Rewriter,
    delivery: &'a Delivery<'a>,
}

/// Where a next hop stands in the list of those that are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Site {
    /// It is of `smtp_fallback_relay`.
    is_fallback: bool,
    /// None comes after it.
    is_last: bool,
}

impl Client<'_> {
    /// Delivers to whom it can; gives the reason if the destination could not be reached at all.
    async fn deliver(&self) -> Option<Dsn> {
        let mut left: Vec<Recipient> = self.delivery.request.recipients.clone();
        let nexthop = self.delivery.request.nexthop.clone();
        let mut sites: Vec<&str> = crate::postfix::config::typed::words(&nexthop);
        let own = sites.len();
        sites.extend(self.settings.fallback_relay.iter().map(|s| &**s));
        let mut last = None;
        let mut counts = Counts::default();
        for (n, site) in sites.iter().enumerate() {
            let place = Site { is_fallback: n >= own, is_last: n + 1 == sites.len() };
            match self.one_site(site, place, &mut left, &mut counts).await {
                Ok(()) => last = None,
                Err(failure) => last = Some((failure, place)),
            }
            if left.is_empty() {
                return last.filter(|(f, _)| f.whole_site).map(|(f, _)| f.dsn);
            }
            // Another host would send it back here.
            if last.as_ref().is_some_and(|(f, _)| f.trouble == Some(Trouble::Loop)) {
                break;
            }
        }
        let (failure, place) = last?;
        self.give_up(failure, place, left).await
    }

    /// Those that are left get the last reason.
    async fn give_up(&self, mut failure: Failure, place: Site, left: Vec<Recipient>) -> Option<Dsn> {
        let settings = self.settings;
        if settings.protocol == Protocol::Smtp && failure.trouble.is_some() && !failure.dsn.is_transient() {
            let own = &self.delivery.request.nexthop;
            let blamed = match place.is_fallback {
                true => Some("smtp_fallback_relay"),
                false => (!own.is_empty() && **own == *settings.relayhost).then_some("relayhost"),
            };
            if let Some(setting) = blamed {
                // What could be a mistake of the administrator may be mended.
                self.daemon.msg.log_warn(format!("{setting} configuration problem"));
                failure.dsn.status = "4.3.5".into();
            } else if failure.trouble == Some(Trouble::Loop) && !settings.best_mx_transport.is_empty() {
                self.delivery.pass_all(&settings.best_mx_transport, left).await;
                return None;
            }
        }
        for rcpt in &left {
            let relay = failure.relay.as_deref().unwrap_or("none");
            self.delivery.failed(rcpt, relay, failure.progress, &failure.dsn).await;
        }
        let down = failure.whole_site && failure.dsn.is_transient();
        down.then_some(failure.dsn)
    }

    /// Tries the hosts of one next hop.
    async fn one_site(
        &self,
        site: &str,
        place: Site,
        left: &mut Vec<Recipient>,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        let settings = self.settings;
        // Whoever is still left then tries elsewhere.
        let kept = self.over_kept(site, left, counts).await;
        if left.is_empty() {
            return kept;
        }
        let destination = Destination::find(self.daemon, settings, site).await?;
        let unlimited = |n: usize| if n == 0 { usize::MAX } else { n };
        let (addresses, sessions) = (unlimited(settings.address_limit), unlimited(settings.session_limit));
        let mut last = None;
        for (n, host) in destination.hosts.iter().enumerate() {
            counts.addresses += 1;
            let is_end = n + 1 == destination.hosts.len() || counts.addresses >= addresses;
            let is_final = place.is_last && (is_end || counts.sessions + 1 >= sessions);
            match self.one_host(host, site, is_final, left, counts).await {
                Ok(()) => last = None,
                Err(failure) => last = Some(failure),
            }
            if left.is_empty() || is_end || counts.sessions >= sessions {
                break;
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// Tries one host; whoever it answered for good is taken off `left`.
    async fn one_host(
        &self,
        host: &Host,
        site: &str,
        is_final: bool,
        left: &mut Vec<Recipient>,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        if self.reuse_for(site).load
            && let Some(session) = self.resume(By::Server, &host.relay(), site, is_final).await
        {
            counts.sessions += 1;
            return self.converse(session, site, left).await;
        }
        let mut level = self.settings.tls.level_for(self.daemon, site, host)?;
        let session = loop {
            let mut session = Session::new(self, host, self.call(host).await?, level, is_final);
            match session.hello(site).await {
                Ok(()) => break session,
                Err(failure) if failure.without_tls && level != Level::None => level = Level::None,
                Err(failure) => return Err(failure),
            }
        };
        counts.sessions += 1;
        self.converse(session, site, left).await
    }

    async fn call(&self, host: &Host) -> Result<Stream, Failure> {
        self.connect(host).await.map_err(|error| {
            let text = format!("connect to {}: {error}", host.relay());
            self.daemon.msg.log(&text);
            Failure::whole(Dsn::new("4.4.1", text))
        })
    }

    async fn connect(&self, host: &Host) -> Result<Stream, Errno> {
        let p = &self.daemon.p;
        let limit = match self.settings.connect_timeout {
            Duration::ZERO => Duration::from_secs(u64::from(u32::MAX)),
            limit => limit,
        };
        let connected = match &host.place {
            Place::Inet(at) => {
                let bind = self.settings.bind.iter().find(|b| b.is_ipv4() == at.ip().is_ipv4());
                p.timeout(limit, p.connect(*at, bind.copied())).await
            }
            Place::Unix(path) => {
                let path = if path.starts_with('/') {
                    path.to_string()
                } else {
                    format!("{}/{path}", super::queue::SPOOL)
                };
                p.timeout(limit, p.connect_unix(&path)).await
            }
        };
        connected.unwrap_or(Err(Errno::ETIMEDOUT))
    }
}

/// How many hosts have been tried, and how many have talked.
#[derive(Default)]
struct Counts {
    addresses: usize,
    sessions: usize,
}
