//! trivial-rewrite(8): completes addresses, and says where they go.
//!
//! Listens on `private/rewrite`. *Rewriting* makes `user` into `user@$myorigin`, `user@host` into
//! `user@host.$mydomain` (`append_dot_mydomain`), `site!user` into `user@site`, `user%domain` into
//! `user@domain`. *Resolving* gives transport, next hop and recipient by the class of the domain
//! (ADDRESS_CLASS_README) and by `transport_maps`, `relayhost` and their kin.
//!
//! # Simplifications
//! `sender_dependent_*` and `address_verify_*` routing are said to have no effect.

use super::dict::{Maps, MatchList};
use super::ipc::{AddressClass, ResolveRequest, Resolved, RewriteContext, RewriteRequest};
use super::server::Daemon;
use crate::proto::address;
use crate::trace::{Decision, Outcome};
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::timer::{Either, race};
use std::net::IpAddr;
use std::rc::Rc;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let rewrite = match TrivialRewrite::new(&daemon) {
        Ok(rewrite) => Rc::new(rewrite),
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    let p = daemon.p.clone();
    let daemon = Rc::new(daemon);
    // Clients keep their connections: each is served beside the others (multi_server(3)).
    while let Some(stream) = daemon.accept_always().await {
        p.task(serve(daemon.clone(), rewrite.clone(), stream));
    }
    0
}

async fn serve(daemon: Rc<Daemon>, rewrite: Rc<TrivialRewrite>, stream: Stream) {
    loop {
        let next = race(stream.receive_any(), daemon.service.retirement()).await;
        let Either::Left(Some(request)) = next else { return };
        let sent = match request.downcast::<RewriteRequest>() {
            Ok(r) => {
                let answer = rewrite.rewrite(r.context, &r.address);
                stream.send(|a| format!("{} is {a}", r.address), answer)
            }
            Err(request) => match request.downcast::<ResolveRequest>() {
                Ok(r) => {
                    let answer = rewrite.resolve(&daemon, &r);
                    let what =
                        |a: &Resolved| format!("{} goes by {} to {}", r.address, a.transport, a.nexthop);
                    stream.send(what, answer)
                }
                Err(_) => return,
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The settings and tables of the daemon.
struct TrivialRewrite {
    myorigin: Rc<str>,
    mydomain: Rc<str>,
    myhostname: Rc<str>,
    append_at_myorigin: bool,
    append_dot_mydomain: bool,
    swap_bangpath: bool,
    percent_hack: bool,
    remote_domain: Rc<str>,
    resolve_numeric: bool,
    empty_recipient: Rc<str>,
    mydestination: MatchList,
    relay_domains: MatchList,
    virtual_alias_domains: MatchList,
    virtual_mailbox_domains: MatchList,
    own_addresses: Vec<IpAddr>,
    transport_maps: Maps,
    delimiter: Rc<str>,
    local_transport: Rc<str>,
    virtual_transport: Rc<str>,
    relay_transport: Rc<str>,
    default_transport: Rc<str>,
    relayhost: Rc<str>,
}

impl TrivialRewrite {
    fn new(daemon: &Daemon) -> Result<TrivialRewrite, String> {
        let p = &daemon.p;
        let domains = |name: &str| MatchList::domains(name, &daemon.config, p);
        let own = || p.host().addresses().iter().copied();
        Ok(TrivialRewrite {
            myorigin: daemon.string("myorigin"),
            mydomain: daemon.string("mydomain"),
            myhostname: daemon.string("myhostname"),
            append_at_myorigin: daemon.yes("append_at_myorigin"),
            append_dot_mydomain: daemon.yes("append_dot_mydomain"),
            swap_bangpath: daemon.yes("swap_bangpath"),
            percent_hack: daemon.yes("allow_percent_hack"),
            remote_domain: daemon.string("remote_header_rewrite_domain"),
            resolve_numeric: daemon.yes("resolve_numeric_domain"),
            empty_recipient: daemon.string("empty_address_recipient"),
            mydestination: domains("mydestination")?,
            relay_domains: domains("relay_domains")?,
            virtual_alias_domains: domains("virtual_alias_domains")?,
            virtual_mailbox_domains: domains("virtual_mailbox_domains")?,
            own_addresses: own().chain([IpAddr::from([127, 0, 0, 1])]).collect(),
            transport_maps: Maps::open(&daemon.string("transport_maps"), p)?,
            delimiter: daemon.string("recipient_delimiter"),
            local_transport: daemon.string("local_transport"),
            virtual_transport: daemon.string("virtual_transport"),
            relay_transport: daemon.string("relay_transport"),
            default_transport: daemon.string("default_transport"),
            relayhost: daemon.string("relayhost"),
        })
    }

    /// The complete form of an address.
    fn rewrite(&self, context: RewriteContext, address: &str) -> Rc<str> {
        let origin = match context {
            RewriteContext::Local => &self.myorigin,
            RewriteContext::Remote if !self.remote_domain.is_empty() => &self.remote_domain,
            RewriteContext::Remote => &self.myorigin,
        };
        let mut address = address.to_owned();
        if address.is_empty() {
            return "".into();
        }
        // A source route says nothing any more (RFC 5321, appendix C).
        if let Some(rest) = address.strip_prefix('@')
            && let Some((_, rest)) = rest.split_once(':')
            && !rest.is_empty()
        {
            address = rest.to_owned();
        }
        if address::domain(&address).is_none() {
            if self.swap_bangpath
                && let Some((site, user)) = address.split_once('!')
                && !site.is_empty()
                && !user.is_empty()
            {
                address = format!("{user}@{site}");
            } else if self.percent_hack
                && let Some((user, domain)) = address.rsplit_once('%')
                && !user.is_empty()
            {
                address = format!("{user}@{domain}");
            }
        }
        match address.rsplit_once('@') {
            None if self.append_at_myorigin => address = format!("{address}@{origin}"),
            Some((user, "")) if !user.is_empty() => address.truncate(address.len() - 1),
            Some((_, domain))
                if self.append_dot_mydomain && !domain.contains(['.', '[', ':']) && !domain.is_empty() =>
            {
                address = format!("{address}.{}", self.mydomain);
            }
            _ => {}
        }
        if address.ends_with('.') && address.contains('@') {
            address.pop();
        }
        address.into()
    }

    /// Where an address goes.
    fn resolve(&self, daemon: &Daemon, request: &ResolveRequest) -> Resolved {
        let address: &str = if request.address.is_empty() { &self.empty_recipient } else { &request.address };
        let mut routed = false;
        let mut current = address.to_owned();
        // Own domains are taken off as long as a route inside the local part leads on.
        let domain = loop {
            let Some((local, domain)) = current.rsplit_once('@') else { break None };
            if !self.is_local(domain) {
                break Some(domain.to_owned());
            }
            match self.route_in(local) {
                Some(next) => {
                    routed = true;
                    current = next;
                }
                None => break Some(domain.to_owned()),
            }
        };
        let domain = domain.unwrap_or_else(|| {
            current = format!("{current}@{}", self.myhostname);
            self.myhostname.to_string()
        });
        // A route that leads to a foreign host is a route all the same.
        routed |= address.rsplit_once('@').is_some_and(|(local, _)| self.route_in(local).is_some());
        let class = self.class(&domain);
        let (transport, nexthop) = self.by_class(class, &domain);
        let mut resolved = Resolved {
            transport,
            nexthop,
            error: !address::is_valid_domain(&domain) || current.starts_with('@'),
            recipient: current.into(),
            class,
            routed,
            failed: false,
        };
        self.decide(daemon, &resolved, &domain);
        self.by_transport_maps(daemon, &mut resolved, &domain);
        resolved
    }

    /// An address inside a local part: `user%domain`, `site!user`, `user@domain`.
    fn route_in(&self, local: &str) -> Option<String> {
        if let Some((user, domain)) = local.rsplit_once('@')
            && !user.is_empty()
        {
            return Some(format!("{user}@{domain}"));
        }
        if self.swap_bangpath
            && let Some((site, user)) = local.split_once('!')
            && !site.is_empty()
            && !user.is_empty()
        {
            return Some(format!("{user}@{site}"));
        }
        let (user, domain) = local.rsplit_once('%').filter(|_| self.percent_hack)?;
        (!user.is_empty()).then(|| format!("{user}@{domain}"))
    }

    fn is_local(&self, domain: &str) -> bool {
        if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
            let literal = literal.strip_prefix("IPv6:").unwrap_or(literal);
            return literal.parse().is_ok_and(|ip| self.own_addresses.contains(&ip));
        }
        if self.resolve_numeric
            && let Ok(ip) = domain.parse()
        {
            return self.own_addresses.contains(&ip);
        }
        self.mydestination.matches(domain)
    }

    fn class(&self, domain: &str) -> AddressClass {
        if self.is_local(domain) {
            AddressClass::Local
        } else if self.virtual_alias_domains.matches(domain) {
            AddressClass::VirtualAlias
        } else if self.virtual_mailbox_domains.matches(domain) {
            AddressClass::VirtualMailbox
        } else if self.relay_domains.matches(domain) {
            AddressClass::Relay
        } else {
            AddressClass::Default
        }
    }

    fn by_class(&self, class: AddressClass, domain: &str) -> (Rc<str>, Rc<str>) {
        let (setting, own_hop) = match class {
            AddressClass::Local => (&self.local_transport, &*self.myhostname),
            AddressClass::VirtualAlias => {
                return ("error".into(), "5.1.1 User unknown in virtual alias table".into());
            }
            AddressClass::VirtualMailbox => (&self.virtual_transport, domain),
            AddressClass::Relay => (&self.relay_transport, domain),
            AddressClass::Default => (&self.default_transport, domain),
        };
        let (transport, nexthop) = split_transport(setting);
        let by_relayhost =
            matches!(class, AddressClass::Relay | AddressClass::Default) && !self.relayhost.is_empty();
        let nexthop = match nexthop {
            Some(nexthop) => nexthop,
            None if by_relayhost => &self.relayhost,
            None => own_hop,
        };
        (transport.into(), nexthop.into())
    }

    /// `transport_maps` have the last word: `user@domain`, `domain`, `.parent`, `*`.
    fn by_transport_maps(&self, daemon: &Daemon, resolved: &mut Resolved, domain: &str) {
        if self.transport_maps.is_empty() {
            return;
        }
        match self.transport_maps.find_transport(&resolved.recipient, &self.delimiter) {
            Ok(None) => {}
            Ok(Some(found)) => {
                let (transport, nexthop) = split_transport(&found.value);
                let (default_transport, default_hop) = self.by_class(resolved.class, domain);
                resolved.transport =
                    if transport.is_empty() { default_transport.clone() } else { transport.into() };
                resolved.nexthop = match nexthop {
                    Some(nexthop) if !nexthop.is_empty() => nexthop.into(),
                    _ if transport.is_empty() => default_hop,
                    _ => domain.into(),
                };
                daemon.p.decide(|| Decision {
                    rule: "transport table".into(),
                    setting: "transport_maps".into(),
                    place: daemon.config.place("transport_maps"),
                    compared: format!("{} in {}", resolved.recipient, found.table),
                    outcome: Outcome::Becomes(format!("{}:{}", resolved.transport, resolved.nexthop).into()),
                });
            }
            Err(e) => {
                daemon.msg.log(&format!("warning: {e}"));
                resolved.failed = true;
            }
        }
    }

    fn decide(&self, daemon: &Daemon, resolved: &Resolved, domain: &str) {
        if resolved.class == AddressClass::Default {
            self.foreign(daemon, domain);
        }
        daemon.p.decide(|| {
            let text = |name: &str| daemon.string(name);
            let (setting, list) = match resolved.class {
                AddressClass::Local => ("mydestination", text("mydestination")),
                AddressClass::VirtualAlias => ("virtual_alias_domains", text("virtual_alias_domains")),
                AddressClass::VirtualMailbox => ("virtual_mailbox_domains", text("virtual_mailbox_domains")),
                AddressClass::Relay => ("relay_domains", text("relay_domains")),
                AddressClass::Default if !self.relayhost.is_empty() => ("relayhost", self.relayhost.clone()),
                AddressClass::Default => ("default_transport", self.default_transport.clone()),
            };
            let compared = match resolved.class {
                AddressClass::Default => format!("{domain} stands in no list of own or relayed domains"),
                _ => format!("{domain} is in {list}"),
            };
            Decision {
                rule: "where to".into(),
                setting: setting.into(),
                place: daemon.config.place(setting),
                compared,
                outcome: Outcome::Becomes(format!("{}:{}", resolved.transport, resolved.nexthop).into()),
            }
        });
    }

    /// Records that a domain stands in none of the lists that make it one of ours.
    fn foreign(&self, daemon: &Daemon, domain: &str) {
        for list in ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] {
            daemon.p.decide(|| {
                let value = daemon.string(list);
                let compared = match &*value {
                    "" => "it is empty".to_owned(),
                    value => format!("{domain} is not in {value}"),
                };
                let place = daemon.config.place(list);
                Decision { rule: list.into(), setting: list.into(), place, compared, outcome: Outcome::No }
            });
        }
    }
}

/// `transport:nexthop`; the next hop may be left out.
pub fn split_transport(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((transport, "")) => (transport, None),
        Some((transport, nexthop)) => (transport, Some(nexthop)),
        None => (text, None),
    }
}
