//! Who takes mail for a next hop (RFC 5321, section 5.1).
//!
//! `domain`: the hosts of its MX records, the lowest preference first, or its own address where
//! there are none. `[host]`: that host. Either may have `:port` behind it.

use super::Settings;
use crate::postfix::deliver::Dsn;
use crate::postfix::server::Daemon;
use crate::trace::{Decision, Outcome};
use crate::world::dns::Trouble;
use std::net::IpAddr;
use std::rc::Rc;

/// A host that may take the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: Rc<str>,
    /// One of its addresses.
    pub address: IpAddr,
    /// The port to call.
    pub port: u16,
    preference: u16,
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
    pub async fn find(daemon: &Daemon, settings: &Settings, nexthop: &str) -> Result<Destination, Dsn> {
        let (name, port, is_host) = split(daemon, settings, nexthop);
        if let Ok(address) = name.trim_start_matches("IPv6:").parse::<IpAddr>()
            && is_host
        {
            let hosts = vec![Host { name: name.into(), address, port, preference: 0 }];
            return Ok(Destination { hosts });
        }
        let mut finder = Finder { daemon, port, trouble: None, hosts: Vec::new() };
        if is_host {
            finder.addresses(name, 0).await;
        } else {
            finder.exchangers(name).await?;
        }
        finder.finish(name, is_host)
    }
}

/// The parts of a next hop: name, port, and whether it stands in brackets.
fn split<'n>(daemon: &Daemon, settings: &Settings, nexthop: &'n str) -> (&'n str, u16, bool) {
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
    port: u16,
    /// The last thing that went wrong.
    trouble: Option<Dsn>,
    hosts: Vec<Host>,
}

impl Finder<'_> {
    async fn exchangers(&mut self, domain: &str) -> Result<(), Dsn> {
        match self.daemon.p.mx_of(domain).await {
            Ok(records) => {
                if let [(0, name)] = records.as_slice()
                    && (name.is_empty() || &**name == ".")
                {
                    let text = format!("Domain {domain} does not accept mail (nullMX)");
                    return Err(Dsn::new("5.1.0", text));
                }
                for (preference, name) in records {
                    self.addresses(&name, preference).await;
                }
                self.leave_out_ourselves(domain)?;
            }
            Err(Trouble::TryAgain) => return Err(name_error(domain, "MX", Trouble::TryAgain)),
            // No MX record: the domain is a host.
            Err(_) => self.addresses(domain, 0).await,
        }
        Ok(())
    }

    async fn addresses(&mut self, name: &str, preference: u16) {
        match self.daemon.p.lookup_addresses(name).await {
            Ok(all) => {
                let port = self.port;
                self.hosts.extend(all.into_iter().map(|address| Host {
                    name: name.into(),
                    address,
                    port,
                    preference,
                }));
            }
            Err((kind, trouble)) => self.trouble = Some(name_error(name, kind, trouble)),
        }
    }

    /// A host does not send to itself, nor to exchangers that stand behind it.
    fn leave_out_ourselves(&mut self, domain: &str) -> Result<(), Dsn> {
        let host = self.daemon.p.host();
        let own = self.hosts.iter().filter(|h| host.owns(h.address)).map(|h| h.preference).min();
        if let Some(own) = own {
            self.hosts.retain(|h| h.preference < own);
            if self.hosts.is_empty() {
                return Err(Dsn::new("5.4.6", format!("mail for {domain} loops back to myself")));
            }
        }
        Ok(())
    }

    /// Sorts by preference; equals in a random order, which spreads the load.
    fn finish(mut self, name: &str, is_host: bool) -> Result<Destination, Dsn> {
        if self.hosts.is_empty() {
            let trouble = self.trouble.unwrap_or_else(|| name_error(name, "A", Trouble::NoSuchName));
            return Err(trouble);
        }
        if self.daemon.yes("smtp_randomize_addresses") {
            for i in (1..self.hosts.len()).rev() {
                let j = self.daemon.p.host().random(i as u64 + 1) as usize;
                self.hosts.swap(i, j);
            }
        }
        self.hosts.sort_by_key(|h| h.preference);
        self.daemon.p.decide(|| Decision {
            rule: if is_host { "address of the host" } else { "mail exchangers" }.into(),
            setting: "".into(),
            place: crate::trace::Place::Default,
            compared: name.to_owned(),
            outcome: Outcome::Becomes(
                self.hosts
                    .iter()
                    .map(|h| format!("{} {}[{}]:{}", h.preference, h.name, h.address, h.port))
                    .collect::<Vec<_>>()
                    .join(", ")
                    .into(),
            ),
        });
        Ok(Destination { hosts: self.hosts })
    }
}

fn name_error(name: &str, kind: &str, trouble: Trouble) -> Dsn {
    let status = if trouble == Trouble::TryAgain { "4.4.3" } else { "5.4.4" };
    let text = format!(
        "Host or domain name not found. Name service error for name={name} type={kind}: {}",
        trouble.text()
    );
    Dsn::new(status, text)
}
