//! Who takes mail for a next hop (RFC 5321, section 5.1).
//!
//! `domain`: the hosts of its MX records, the lowest preference first, or its own address where
//! there are none. `[host]`: that host. Either may have `:port` behind it. LMTP knows no mail
//! exchangers, and takes `inet:host` and `unix:path` besides.

use super::session::Failure;
use super::settings::{Protocol, Settings};
use crate::postfix::deliver::Dsn;
use crate::postfix::server::Daemon;
use crate::trace::{Decision, Outcome};
use crate::world::dns;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Where SMTP servers listen.
pub const SMTP_PORT: u16 = 25;

/// Where a host is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Over the network.
    Inet(SocketAddr),
    /// At a socket in the file system, below the queue directory unless the path is absolute.
    Unix(Rc<str>),
}

/// A host that may take the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: Rc<str>,
    /// One of its addresses.
    pub place: Place,
    preference: u16,
    /// No other is preferred to it.
    pub is_best: bool,
}

impl Host {
    fn at(name: &str, address: IpAddr, port: u16, preference: u16) -> Host {
        Host {
            name: name.into(),
            place: Place::Inet(SocketAddr::new(address, port)),
            preference,
            is_best: true,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        match &self.place {
            Place::Inet(at) => Some(at.ip()),
            Place::Unix(_) => None,
        }
    }

    /// `name[address]`
    pub fn named(&self) -> String {
        match &self.place {
            Place::Inet(at) => format!("{}[{}]", self.name, at.ip()),
            Place::Unix(path) => format!("{}[{path}]", self.name),
        }
    }

    /// `name[address]:port`, as the log has it.
    pub fn relay(&self) -> String {
        match &self.place {
            Place::Inet(at) => format!("{}[{}]:{}", self.name, at.ip(), at.port()),
            Place::Unix(_) => self.named(),
        }
    }
}

/// Why there is no host, where that could be a mistake in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The mail would come back to this host.
    Loop,
    /// The next hop has no address, or wants no mail.
    NoHost,
    /// The host does not want to talk.
    Refused,
}

/// The hosts to try, in order.
pub struct Destination {
    /// Never empty.
    pub hosts: Vec<Host>,
}

impl Destination {
    /// Finds the hosts for a next hop.
    ///
    /// # Errors
    /// Why there are none, for the sender.
    pub async fn find(daemon: &Daemon, settings: &Settings, nexthop: &str) -> Result<Destination, Failure> {
        let mut nexthop = nexthop;
        let is_lmtp = settings.protocol == Protocol::Lmtp;
        if is_lmtp {
            if let Some(path) = nexthop.strip_prefix("unix:") {
                let name = settings.myhostname.clone();
                let host = Host { name, place: Place::Unix(path.into()), preference: 0, is_best: true };
                return Ok(Destination { hosts: vec![host] });
            }
            nexthop = nexthop.strip_prefix("inet:").unwrap_or(nexthop);
        }
        let (name, port, in_brackets) = split(daemon, settings, nexthop);
        let name = name.strip_prefix("IPv6:").unwrap_or(name);
        let is_host = in_brackets || is_lmtp || !settings.uses_dns;
        let mut finder = Finder { daemon, settings, port, best: None, trouble: None, hosts: Vec::new() };
        match name.parse::<IpAddr>() {
            Ok(address) if is_host => finder.hosts.push(Host::at(name, address, port, 0)),
            _ if is_host => finder.addresses(name, 0).await,
            _ => finder.exchangers(name).await?,
        }
        finder.leave_out_ourselves(name)?;
        finder.finish(name, is_host)
    }
}

/// The parts of a next hop: name, port, and whether it stands in brackets.
pub(super) fn split<'n>(daemon: &Daemon, settings: &Settings, nexthop: &'n str) -> (&'n str, u16, bool) {
    let port = |text: &str| crate::postfix::port(&daemon.p, text).unwrap_or(settings.port);
    if let Some(rest) = nexthop.strip_prefix('[') {
        let (name, after) = rest.split_once(']').unwrap_or((rest, ""));
        return (name, after.strip_prefix(':').map_or(settings.port, port), true);
    }
    match nexthop.rsplit_once(':') {
        Some((name, text)) if !name.contains(':') => (name, port(text), false),
        _ => (nexthop, settings.port, false),
    }
}

struct Finder<'d> {
    daemon: &'d Daemon,
    settings: &'d Settings,
    port: u16,
    /// The lowest preference of the domain's exchangers.
    best: Option<u16>,
    /// The last thing that went wrong.
    trouble: Option<Dsn>,
    hosts: Vec<Host>,
}

impl Finder<'_> {
    async fn exchangers(&mut self, domain: &str) -> Result<(), Failure> {
        match self.daemon.p.mx_of(domain).await {
            Ok(records) => {
                if let [(0, name)] = records.as_slice()
                    && (name.is_empty() || &**name == ".")
                {
                    let text = format!("Domain {domain} does not accept mail (nullMX)");
                    return Err(Failure::before(Dsn::new("5.1.0", text), Trouble::NoHost));
                }
                self.best = records.iter().map(|(preference, _)| *preference).min();
                for (preference, name) in records {
                    self.addresses(&name, preference).await;
                }
                if self.hosts.is_empty() {
                    let text = format!("no MX host for {domain} has a valid address record");
                    self.daemon.msg.log_warn(text);
                }
                if self.hosts.is_empty() && self.settings.defer_without_mx_address {
                    self.trouble = self.trouble.take().map(|dsn| Dsn { status: "4.4.4".into(), ..dsn });
                }
            }
            Err(dns::Trouble::TryAgain) => {
                let dsn = name_error(domain, "MX", dns::Trouble::TryAgain);
                return Err(Failure::before(dsn, Trouble::NoHost));
            }
            // No MX record: the domain is a host.
            Err(_) => self.addresses(domain, 0).await,
        }
        Ok(())
    }

    async fn addresses(&mut self, name: &str, preference: u16) {
        match self.daemon.p.lookup_addresses(name).await {
            Ok(all) => {
                let port = self.port;
                self.hosts.extend(all.into_iter().map(|a| Host::at(name, a, port, preference)));
            }
            Err((kind, trouble)) => self.trouble = Some(name_error(name, kind, trouble)),
        }
    }

    /// A host does not send to itself, nor to exchangers that stand behind it; at another port than
    /// SMTP's somebody else listens.
    fn leave_out_ourselves(&mut self, domain: &str) -> Result<(), Failure> {
        if self.port != SMTP_PORT {
            return Ok(());
        }
        let host = self.daemon.p.host();
        let is_own = |h: &&Host| h.address().is_some_and(|a| host.owns(a));
        let own = self.hosts.iter().filter(is_own).map(|h| h.preference).min();
        if let Some(own) = own {
            let found = self.hosts.iter().map(|h| h.preference).min();
            self.hosts.retain(|h| h.preference < own);
            if self.hosts.is_empty() && self.best != found && self.best.is_some() {
                // Somebody else comes first, but has no address.
                let text = format!("unable to find primary relay for {domain}");
                return Err(Failure::before(Dsn::new("4.4.4", text), Trouble::NoHost));
            }
            if self.hosts.is_empty() {
                let dsn = Dsn::new("5.4.6", format!("mail for {domain} loops back to myself"));
                return Err(Failure::before(dsn, Trouble::Loop));
            }
        }
        Ok(())
    }

    /// Sorts by preference; equals in a random order, which spreads the load.
    fn finish(mut self, name: &str, is_host: bool) -> Result<Destination, Failure> {
        if self.hosts.is_empty() {
            let dsn = self.trouble.unwrap_or_else(|| name_error(name, "A", dns::Trouble::NoSuchName));
            return Err(Failure::before(dsn, Trouble::NoHost));
        }
        if self.settings.randomize {
            for i in (1..self.hosts.len()).rev() {
                let j = self.daemon.p.host().random(i as u64 + 1) as usize;
                self.hosts.swap(i, j);
            }
        }
        let preferred = &*self.settings.preference;
        self.hosts.sort_by_key(|h| {
            let second = match preferred {
                "ipv4" => h.address().is_some_and(|a| a.is_ipv6()),
                "ipv6" => h.address().is_some_and(|a| a.is_ipv4()),
                _ => false,
            };
            (h.preference, second)
        });
        let best = self.hosts[0].preference;
        for host in &mut self.hosts {
            host.is_best = host.preference == best;
        }
        self.daemon.p.decide(|| Decision {
            rule: if is_host { "address of the host" } else { "mail exchangers" }.into(),
            setting: "".into(),
            place: crate::trace::Place::Default,
            compared: name.to_owned(),
            outcome: Outcome::Becomes(
                self.hosts
                    .iter()
                    .map(|h| format!("{} {}", h.preference, h.relay()))
                    .collect::<Vec<_>>()
                    .join(", ")
                    .into(),
            ),
        });
        Ok(Destination { hosts: self.hosts })
    }
}

fn name_error(name: &str, kind: &str, trouble: dns::Trouble) -> Dsn {
    let status = if trouble == dns::Trouble::TryAgain { "4.4.3" } else { "5.4.4" };
    let text = format!(
        "Host or domain name not found. Name service error for name={name} type={kind}: {}",
        trouble.text()
    );
    Dsn::new(status, text)
}
