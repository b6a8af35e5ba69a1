//! What a host determines of the configuration: myhostname, mydomain, mynetworks.
//!
//! # Simplifications
//! Interfaces have the netmasks of the lab, /24 for IPv4 and /64 for IPv6. A name in
//! `inet_interfaces` must be the host's own, `localhost`, or an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// What a program asks the kernel when it reads main.cf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostFacts {
    /// The name of the host, as gethostname(2) gives it.
    pub hostname: Rc<str>,
    /// The addresses of its interfaces, without loopback.
    pub addresses: Vec<IpAddr>,
}

impl HostFacts {
    /// The default of myhostname: the host's name, with mydomain behind it if it has no domain.
    pub fn myhostname(&self, mydomain: Option<&str>) -> String {
        if self.hostname.contains('.') {
            return self.hostname.to_string();
        }
        format!("{}.{}", self.hostname, mydomain.unwrap_or("localdomain"))
    }

    /// The default of mynetworks, for given settings of mynetworks_style, inet_interfaces and
    /// inet_protocols.
    ///
    /// # Errors
    /// What the real program ends with.
    pub fn mynetworks(&self, style: &str, interfaces: &str, protocols: &str) -> Result<String, String> {
        if !matches!(style, "class" | "subnet" | "host") {
            return Err(format!("unknown mynetworks mask style value \"{style}\" in \"{style}\""));
        }
        let mut networks: Vec<String> = Vec::new();
        for address in self.own_addresses(interfaces, protocols)? {
            let network = network(address, style);
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        Ok(networks.join(" "))
    }

    /// The addresses that `inet_interfaces` and `inet_protocols` leave, in the kernel's order:
    /// IPv4 before IPv6, loopback first.
    ///
    /// # Errors
    /// What the real program ends with.
    pub fn own_addresses(&self, interfaces: &str, protocols: &str) -> Result<Vec<IpAddr>, String> {
        let (v4, v6) = families(protocols)?;
        let mut all: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
        all.extend(self.addresses.iter().filter(|a| a.is_ipv4()));
        all.push(Ipv6Addr::LOCALHOST.into());
        all.extend(self.addresses.iter().filter(|a| a.is_ipv6()));
        let mut wanted: Vec<IpAddr> = Vec::new();
        for word in words(interfaces) {
            match word {
                "all" => wanted.extend(&all),
                "loopback-only" | "localhost" => wanted.extend(all.iter().filter(|a| a.is_loopback())),
                name if name.eq_ignore_ascii_case(&self.hostname) => wanted.extend(&self.addresses),
                name => {
                    let bare = name.trim_start_matches('[').trim_end_matches(']');
                    let address: IpAddr = bare
                        .parse()
                        .map_err(|_| format!("config variable inet_interfaces: host not found: {name}"))?;
                    if !all.contains(&address) && !address.is_unspecified() {
                        return Err(format!(
                            "parameter inet_interfaces: no local interface found for {bare}"
                        ));
                    }
                    wanted.push(address);
                }
            }
        }
        all.retain(|a| wanted.contains(a) && if a.is_ipv4() { v4 } else { v6 });
        Ok(all)
    }
}

/// Which families `inet_protocols` allows: (IPv4, IPv6).
///
/// # Errors
/// What the real program ends with.
pub fn families(protocols: &str) -> Result<(bool, bool), String> {
    let mut found = (false, false);
    for word in words(protocols) {
        match word.to_ascii_lowercase().as_str() {
            "all" => found = (true, true),
            "ipv4" => found.0 = true,
            "ipv6" => found.1 = true,
            _ => return Err(format!("unknown inet_protocols value \"{word}\" in \"{protocols}\"")),
        }
    }
    Ok(found)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\r', '\n', ',']).filter(|w| !w.is_empty())
}

fn network(address: IpAddr, style: &str) -> String {
    match address {
        IpAddr::V4(a) => {
            let bits = match (style, a.octets()[0]) {
                ("host", _) => 32,
                (_, 127) => 8,
                ("class", 0..=127) => 8,
                ("class", 128..=191) => 16,
                _ => 24,
            };
            let net = u32::from(a) & (u32::MAX << (32 - bits));
            format!("{}/{bits}", Ipv4Addr::from(net))
        }
        IpAddr::V6(a) => {
            let bits = if style == "host" || a.is_loopback() { 128 } else { 64 };
            let net = u128::from(a) & (u128::MAX << (128 - bits));
            format!("[{}]/{bits}", Ipv6Addr::from(net))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostFacts {
        HostFacts {
            hostname: "mail.example.com".into(),
            addresses: vec!["192.0.2.25".parse().unwrap(), "2001:db8::25".parse().unwrap()],
        }
    }

    #[test]
    fn networks_as_the_real_program_finds_them() {
        let of = |style, interfaces, protocols| host().mynetworks(style, interfaces, protocols);
        assert_eq!(of("subnet", "all", "all").unwrap(), "127.0.0.0/8 192.0.2.0/24 [::1]/128 [2001:db8::]/64");
        assert_eq!(
            of("host", "all", "all").unwrap(),
            "127.0.0.1/32 192.0.2.25/32 [::1]/128 [2001:db8::25]/128"
        );
        assert_eq!(of("host", "loopback-only", "all").unwrap(), "127.0.0.1/32 [::1]/128");
        assert_eq!(of("host", "192.0.2.25", "all").unwrap(), "192.0.2.25/32");
        assert_eq!(of("host", "all", "ipv6").unwrap(), "[::1]/128 [2001:db8::25]/128");
        assert_eq!(
            of("host", "192.0.2.99", "all").unwrap_err(),
            "parameter inet_interfaces: no local interface found for 192.0.2.99"
        );
        assert_eq!(
            of("foo", "all", "all").unwrap_err(),
            "unknown mynetworks mask style value \"foo\" in \"foo\""
        );
        assert_eq!(of("host", "all", "foo").unwrap_err(), "unknown inet_protocols value \"foo\" in \"foo\"");
    }

    #[test]
    fn a_bare_hostname_gets_a_domain() {
        let host = HostFacts { hostname: "mx".into(), addresses: vec![] };
        assert_eq!(host.myhostname(None), "mx.localdomain");
        assert_eq!(host.myhostname(Some("foo.example")), "mx.foo.example");
    }
}
