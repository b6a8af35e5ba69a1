//! Restrictions about the form of names, and about what DNS says of them.

use super::asked::Asked;
use super::restriction::{Class, Kind};
use super::{Checks, Verdict};
use crate::proto::address;
use crate::proto::dns::{Data, Type};
use crate::world::dns::Trouble;
use std::rc::Rc;

/// Whether a name exists in DNS.
enum Existence {
    Yes,
    /// It says that it takes no mail (RFC 7505).
    NullMx,
    No,
    Unknown,
}

impl Checks {
    pub(super) async fn names(&self, kind: Kind, asked: &Asked<'_>) -> (Verdict, String) {
        match kind {
            Kind::UnknownClient | Kind::UnknownReverseClient => self.unknown_client(kind, asked),
            Kind::InvalidHelo | Kind::NonFqdnHelo | Kind::UnknownHelo if asked.helo.is_empty() => {
                (Verdict::Dunno, String::new())
            }
            Kind::InvalidHelo | Kind::NonFqdnHelo | Kind::UnknownHelo => {
                let helo = asked.helo.clone();
                if helo.starts_with('[') {
                    return (self.literal(&helo, &helo, Class::Helo, asked), helo.to_string());
                }
                (self.helo_name(kind, &helo, asked).await, helo.to_string())
            }
            Kind::NonFqdn(class) => match subject_address(class, asked) {
                Some(address) => (self.non_fqdn(&address, class, asked), address.to_string()),
                None => (Verdict::Dunno, String::new()),
            },
            Kind::UnknownDomain(class) => match subject_address(class, asked) {
                Some(address) => (self.unknown_domain(&address, class, asked).await, address.to_string()),
                None => (Verdict::Dunno, String::new()),
            },
            _ => (Verdict::Dunno, String::new()),
        }
    }

    fn unknown_client(&self, kind: Kind, asked: &Asked<'_>) -> (Verdict, String) {
        let s = asked.session;
        let (name, temporary, which) = match kind {
            Kind::UnknownClient => (&s.client.name, s.name_trouble.name, ""),
            _ => (&s.client.reverse_name, s.name_trouble.reverse, "reverse "),
        };
        let address = &s.client.shown_address;
        if **name != *"unknown" {
            return (Verdict::Dunno, format!("{address} is {name}"));
        }
        let code = if temporary { 450 } else { code(asked, "unknown_client_reject_code") };
        let text = format!("Client host rejected: cannot find your {which}hostname, [{address}]");
        (asked.reject(code, "4.7.25", text), format!("{address} has no {which}name"))
    }

    async fn helo_name(&self, kind: Kind, helo: &Rc<str>, asked: &Asked<'_>) -> Verdict {
        let name = without_dot(helo);
        match kind {
            Kind::InvalidHelo if !is_hostname(name) && name.parse::<std::net::IpAddr>().is_err() => asked
                .refuse(
                    code(asked, "invalid_hostname_reject_code"),
                    "5.5.2",
                    helo,
                    Class::Helo,
                    "Invalid name",
                ),
            Kind::NonFqdnHelo if !is_hostname(name) || !name.contains('.') => {
                let code = code(asked, "non_fqdn_reject_code");
                asked.refuse(code, "5.5.2", helo, Class::Helo, "need fully-qualified hostname")
            }
            Kind::UnknownHelo => match self.exists(name, &[Type::A, Type::Aaaa, Type::Mx], asked).await {
                Existence::Yes | Existence::NullMx => Verdict::Dunno,
                Existence::No => {
                    let code = code(asked, "unknown_hostname_reject_code");
                    asked.refuse(code, "4.7.1", helo, Class::Helo, "Host not found")
                }
                Existence::Unknown => {
                    let text = format!("<{helo}>: Helo command rejected: Host not found");
                    asked.tempfail("unknown_helo_hostname_tempfail_action", 450, "4.7.1", text)
                }
            },
            _ => Verdict::Dunno,
        }
    }

    fn non_fqdn(&self, address: &Rc<str>, class: Class, asked: &Asked<'_>) -> Verdict {
        let domain = address::domain(address).unwrap_or_default();
        if domain.starts_with('[') {
            return self.literal(domain, address, class, asked);
        }
        let name = without_dot(domain);
        if is_hostname(name) && name.contains('.') {
            return Verdict::Dunno;
        }
        asked.refuse(
            code(asked, "non_fqdn_reject_code"),
            "5.5.2",
            address,
            class,
            "need fully-qualified address",
        )
    }

    async fn unknown_domain(&self, address: &Rc<str>, class: Class, asked: &Asked<'_>) -> Verdict {
        use crate::postfix::ipc::AddressClass::{Default, Relay};
        let resolved = asked.resolve(address).await;
        if resolved.failed {
            return asked.lookup_failed(address);
        }
        let Some(domain) = address::domain(&resolved.recipient) else { return Verdict::Dunno };
        if !matches!(resolved.class, Default | Relay) {
            return Verdict::Dunno;
        }
        if domain.starts_with('[') {
            return self.literal(domain, address, class, asked);
        }
        let is_sender = class == Class::Sender;
        let dsn = if is_sender { "4.1.8" } else { "4.1.2" };
        match self.exists(domain, &[Type::Mx, Type::A, Type::Aaaa], asked).await {
            Existence::Yes => Verdict::Dunno,
            Existence::NullMx => {
                let (code, dsn) = if is_sender { (550, "5.7.27") } else { (556, "5.1.10") };
                let why = format!("Domain {domain} does not accept mail (nullMX)");
                asked.refuse(code, dsn, address, class, &why)
            }
            Existence::No => {
                let code = code(asked, "unknown_address_reject_code");
                asked.refuse(code, dsn, address, class, "Domain not found")
            }
            Existence::Unknown => {
                let text = format!("<{address}>: {} rejected: Domain not found", class.text());
                asked.tempfail("unknown_address_tempfail_action", 450, dsn, text)
            }
        }
    }

    /// An address in brackets must be one.
    fn literal(&self, literal: &str, name: &Rc<str>, class: Class, asked: &Asked<'_>) -> Verdict {
        if address::is_valid_domain(literal) {
            return Verdict::Dunno;
        }
        asked.refuse(code(asked, "invalid_hostname_reject_code"), "5.5.2", name, class, "invalid ip address")
    }

    async fn exists(&self, name: &str, kinds: &[Type], asked: &Asked<'_>) -> Existence {
        if !is_hostname(name) {
            return Existence::No;
        }
        let mut unknown = false;
        for kind in kinds {
            match asked.session.daemon.p.query(name, *kind).await {
                Ok(records) => {
                    let null = |d: &Data| matches!(d, Data::Mx(_, host) if host.is_empty() || **host == *".");
                    return if records.iter().all(null) { Existence::NullMx } else { Existence::Yes };
                }
                Err(Trouble::NoSuchName) => return Existence::No,
                Err(Trouble::TryAgain) => unknown = true,
                Err(Trouble::NoData) => {}
            }
        }
        if unknown { Existence::Unknown } else { Existence::No }
    }
}

/// The address that a restriction of a class is about, if there is one.
pub(super) fn subject_address(class: Class, asked: &Asked<'_>) -> Option<Rc<str>> {
    match class {
        Class::Sender => asked.sender.clone().filter(|s| !s.is_empty()),
        _ => asked.recipient.clone(),
    }
}

fn code(asked: &Asked<'_>, setting: &str) -> u16 {
    asked.session.daemon.int(setting).clamp(400, 599) as u16
}

fn is_hostname(name: &str) -> bool {
    !name.ends_with('.') && address::is_valid_hostname(name)
}

/// A name without its last dot, unless there are two.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').filter(|n| !n.ends_with('.')).unwrap_or(name)
}
