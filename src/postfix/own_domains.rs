//! Which domains are this host's own (`resolve_local(3)`): `mydestination`, and in brackets the
//! addresses it has.

use super::dict::MatchList;
use super::server::Daemon;
use std::net::IpAddr;

/// The host's own domains, read once.
pub struct OwnDomains {
    mydestination: MatchList,
    addresses: Vec<IpAddr>,
    resolve_numeric: bool,
}

impl OwnDomains {
    /// Reads the settings.
    ///
    /// # Errors
    /// A file of `mydestination` that cannot be read, for the log.
    pub fn new(daemon: &Daemon) -> Result<OwnDomains, String> {
        let p = &daemon.p;
        Ok(OwnDomains {
            mydestination: MatchList::domains("mydestination", &daemon.config, p)?,
            addresses: p.host().addresses().iter().copied().chain([IpAddr::from([127, 0, 0, 1])]).collect(),
            resolve_numeric: daemon.yes("resolve_numeric_domain"),
        })
    }

    /// Is this domain one of them?
    pub fn contain(&self, domain: &str) -> bool {
        if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
            let literal = literal.strip_prefix("IPv6:").unwrap_or(literal);
            return literal.parse().is_ok_and(|ip| self.addresses.contains(&ip));
        }
        if self.resolve_numeric
            && let Ok(ip) = domain.parse()
        {
            return self.addresses.contains(&ip);
        }
        self.mydestination.matches(domain)
    }
}
