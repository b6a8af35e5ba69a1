//! One-to-one mapping of addresses as a message comes in: `canonical_maps` and their kin, and
//! masquerading, which takes subdomains off.

use crate::postfix::address_map::{AddressMap, MapTrouble};
use crate::postfix::own_domains::OwnDomains;
use crate::postfix::rewrite::Rewriter;
use crate::postfix::server::Daemon;
use std::rc::Rc;

/// Where an address stands; the `…_classes` settings go by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// `MAIL FROM`
    EnvelopeSender,
    /// `RCPT TO`
    EnvelopeRecipient,
    /// `From:`, `Sender:`, `Reply-To:` …
    HeaderSender,
    /// `To:`, `Cc:` …
    HeaderRecipient,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Class::EnvelopeSender => "envelope_sender",
            Class::EnvelopeRecipient => "envelope_recipient",
            Class::HeaderSender => "header_sender",
            Class::HeaderRecipient => "header_recipient",
        }
    }

    fn is_sender(self) -> bool {
        matches!(self, Class::EnvelopeSender | Class::HeaderSender)
    }
}

/// The tables, and the classes of addresses that each is for.
pub struct Mapping {
    own: Rc<OwnDomains>,
    sender: (AddressMap, Vec<Rc<str>>),
    recipient: (AddressMap, Vec<Rc<str>>),
    canonical: (AddressMap, Vec<Rc<str>>),
    masquerade: Masquerade,
}

/// Domains of which subdomains are hidden (`masquerade_domains`).
struct Masquerade {
    domains: Vec<Rc<str>>,
    exceptions: Vec<Rc<str>>,
    classes: Vec<Rc<str>>,
}

impl Mapping {
    /// Opens the tables.
    pub fn new(daemon: &Daemon, own: Rc<OwnDomains>) -> Mapping {
        let list = |name: &str| daemon.config.list(name);
        let map = |maps, classes| (AddressMap::open(daemon, maps, "canonical"), list(classes));
        Mapping {
            own,
            sender: map("sender_canonical_maps", "sender_canonical_classes"),
            recipient: map("recipient_canonical_maps", "recipient_canonical_classes"),
            canonical: map("canonical_maps", "canonical_classes"),
            masquerade: Masquerade {
                domains: list("masquerade_domains").iter().map(|d| d.to_ascii_lowercase().into()).collect(),
                exceptions: list("masquerade_exceptions"),
                classes: list("masquerade_classes"),
            },
        }
    }

    /// What an address of this class becomes.
    ///
    /// # Errors
    /// Why that cannot be said now; the message is not taken.
    pub async fn apply(
        &self,
        daemon: &Daemon,
        rewriter: &Rewriter,
        address: Rc<str>,
        class: Class,
    ) -> Result<Rc<str>, MapTrouble> {
        let mut address = address;
        let own_kind = if class.is_sender() { &self.sender } else { &self.recipient };
        for (map, classes) in [own_kind, &self.canonical] {
            if has(classes, class) {
                address = map.map_to_one(daemon, &self.own, rewriter, &address).await?;
            }
        }
        Ok(self.masquerade.apply(&address, class).unwrap_or(address))
    }
}

fn has(classes: &[Rc<str>], class: Class) -> bool {
    classes.iter().any(|c| **c == *class.name())
}

impl Masquerade {
    fn apply(&self, address: &str, class: Class) -> Option<Rc<str>> {
        if self.domains.is_empty() || !has(&self.classes, class) {
            return None;
        }
        let (local, domain) = address.rsplit_once('@')?;
        if self.exceptions.iter().any(|e| e.eq_ignore_ascii_case(local)) {
            return None;
        }
        let domain = domain.to_ascii_lowercase();
        for masked in &self.domains {
            let parent = masked.trim_start_matches('!');
            let keeps = (masked.len() - parent.len()) % 2 == 1;
            if domain == parent {
                return None;
            }
            if domain.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')) {
                return (!keeps).then(|| format!("{local}@{parent}").into());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_hidden() {
        let masquerade = Masquerade {
            domains: vec!["!lab.example.com".into(), "example.com".into()],
            exceptions: vec!["root".into()],
            classes: vec!["envelope_sender".into()],
        };
        let apply = |a: &str| masquerade.apply(a, Class::EnvelopeSender).map(|a| a.to_string());
        assert_eq!(apply("a@host.example.com"), Some("a@example.com".into()));
        assert_eq!(apply("a@x.lab.example.com"), None);
        assert_eq!(apply("a@example.com"), None);
        assert_eq!(apply("a@badexample.com"), None);
        assert_eq!(apply("root@host.example.com"), None);
        assert_eq!(masquerade.apply("a@host.example.com", Class::HeaderSender), None);
    }
}
