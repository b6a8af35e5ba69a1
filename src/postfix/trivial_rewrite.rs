//! trivial-rewrite(8): completes addresses, and says where they go.
//!
//! Listens on `private/rewrite`. *Rewriting* makes `user` into `user@$myorigin`, `user@host` into
//! `user@host.$mydomain` (`append_dot_mydomain`), `site!user` into `user@site`, `user%domain` into
//! `user@domain`. *Resolving* gives transport, next hop and recipient by the class of the domain
//! (ADDRESS_CLASS_README), by the sender (`sender_dependent_relayhost_maps`), by `transport_maps`,
//! and at last by `relocated_maps`. Probes for an address go by the same rules with tables of their own (`address_verify_*`).

use super::dict::{DictError, Flags, Maps, MatchList};
use super::ipc::{AddressClass, ResolveRequest, Resolved, RewriteContext, RewriteRequest};
use super::own_domains::OwnDomains;
use super::server::Daemon;
use crate::proto::address;
use crate::trace::{Decision, Outcome, Place};
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::timer::{Either, race};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
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
    empty_recipient: Rc<str>,
    own: OwnDomains,
    relay_domains: MatchList,
    virtual_alias_domains: MatchList,
    virtual_mailbox_domains: MatchList,
    relocated_maps: Maps,
    null_transport_key: Rc<str>,
    null_relayhost_key: Rc<str>,
    allow_min_user: bool,
    resolve_numeric: bool,
    delimiter: Rc<str>,
    mail: Routing,
    probes: Routing,
    /// The decisions on the domains last asked about: mail to them goes the same way again.
    decided: RefCell<FxHashMap<Box<str>, Decided>>,
}

/// The ways of one kind of mail.
struct Routing {
    /// What stands before the names of its parameters.
    prefix: &'static str,
    transport_maps: Maps,
    sender_transports: Maps,
    sender_relayhosts: Maps,
    local_transport: Rc<str>,
    virtual_transport: Rc<str>,
    relay_transport: Rc<str>,
    default_transport: Rc<str>,
    relayhost: Rc<str>,
}

/// Opens tables, and says what is wrong with them.
fn open(daemon: &Daemon, name: &str) -> Maps {
    let maps = Maps::open_with(&daemon.string(name), Flags::USUAL, &daemon.p);
    for e in maps.errors() {
        daemon.msg.log(&format!("error: {e}"));
    }
    maps
}

impl Routing {
    fn new(daemon: &Daemon, prefix: &'static str) -> Routing {
        let name = |what: &str| format!("{prefix}{what}");
        Routing {
            prefix,
            transport_maps: open(daemon, &name("transport_maps")),
            sender_transports: open(daemon, &name("sender_dependent_default_transport_maps")),
            sender_relayhosts: open(daemon, &name("sender_dependent_relayhost_maps")),
            local_transport: daemon.string(&name("local_transport")),
            virtual_transport: daemon.string(&name("virtual_transport")),
            relay_transport: daemon.string(&name("relay_transport")),
            default_transport: daemon.string(&name("default_transport")),
            relayhost: daemon.string(&name("relayhost")),
        }
    }

    /// The full name of one of its parameters.
    fn setting(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }
}

impl TrivialRewrite {
    fn new(daemon: &Daemon) -> Result<TrivialRewrite, String> {
        let p = &daemon.p;
        let domains = |name: &str| MatchList::domains(name, &daemon.config, p);
        Ok(TrivialRewrite {
            myorigin: daemon.string("myorigin"),
            mydomain: daemon.string("mydomain"),
            myhostname: daemon.string("myhostname"),
            append_at_myorigin: daemon.yes("append_at_myorigin"),
            append_dot_mydomain: daemon.yes("append_dot_mydomain"),
            swap_bangpath: daemon.yes("swap_bangpath"),
            percent_hack: daemon.yes("allow_percent_hack"),
            remote_domain: daemon.string("remote_header_rewrite_domain"),
            empty_recipient: daemon.string("empty_address_recipient"),
            own: OwnDomains::new(daemon)?,
            relay_domains: domains("relay_domains")?,
            virtual_alias_domains: domains("virtual_alias_domains")?,
            virtual_mailbox_domains: domains("virtual_mailbox_domains")?,
            relocated_maps: open(daemon, "relocated_maps"),
            null_transport_key: daemon.string("empty_address_default_transport_maps_lookup_key"),
            null_relayhost_key: daemon.string("empty_address_relayhost_maps_lookup_key"),
            allow_min_user: daemon.yes("allow_min_user"),
            resolve_numeric: daemon.yes("resolve_numeric_domain"),
            delimiter: daemon.string("recipient_delimiter"),
            mail: Routing::new(daemon, ""),
            probes: Routing::new(daemon, "address_verify_"),
            decided: RefCell::default(),
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
            if !self.own.contain(domain) {
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
        // Nobody is the mail system.
        if current.starts_with('@') {
            current = format!("{}{current}", self.empty_recipient);
        }
        // A route that leads to a foreign host is a route all the same.
        routed |= address.rsplit_once('@').is_some_and(|(local, _)| self.route_in(local).is_some());
        let mut domain = domain;
        if self.resolve_numeric && domain.parse::<std::net::IpAddr>().is_ok() {
            current = format!("{}[{domain}]", &current[..current.len() - domain.len()]);
            domain = format!("[{domain}]");
        }
        let class = self.class(&domain);
        let refused = current.starts_with('-') && !self.allow_min_user;
        let mut resolved = Resolved {
            transport: "".into(),
            nexthop: "".into(),
            error: refused || !address::is_valid_domain(&domain),
            recipient: current.into(),
            class,
            routed,
            failed: false,
        };
        let way = if request.probe { &self.probes } else { &self.mail };
        if let Err(e) = self.route(daemon, way, &mut resolved, &domain, &request.sender) {
            e.log(&daemon.msg);
            resolved.failed = true;
        }
        resolved
    }

    /// Transport and next hop: by the class, by the sender, by `transport_maps`, by `relocated_maps`.
    fn route(
        &self,
        daemon: &Daemon,
        way: &Routing,
        resolved: &mut Resolved,
        domain: &str,
        sender: &str,
    ) -> Result<(), DictError> {
        let (what, channel) = self.channel(daemon, way, resolved.class, sender)?;
        let (transport, nexthop) = split_transport(&channel);
        resolved.transport = transport.into();
        resolved.nexthop = match nexthop {
            Some(nexthop) => nexthop.into(),
            None => self.nexthop(daemon, way, resolved.class, domain, sender)?,
        };
        if resolved.transport.is_empty() {
            let setting = way.setting(what);
            let text =
                format!("file /etc/postfix/main.cf: parameter {setting}: null transport is not allowed");
            return Err(DictError::new(setting, text));
        }
        self.decide(daemon, way, resolved, domain);
        if resolved.class != AddressClass::VirtualAlias {
            self.by_transport_maps(daemon, way, resolved, domain)?;
        }
        let moved = {
            let own = resolved.class == AddressClass::Local || domain.eq_ignore_ascii_case(&self.myorigin);
            self.relocated_maps.find_address_of(&resolved.recipient, &self.delimiter, own)?
        };
        if let Some(found) = moved {
            resolved.transport = "error".into();
            resolved.nexthop = format!("5.1.6 User has moved to {}", found.value).into();
            daemon.p.decide(|| Decision {
                rule: "relocated".into(),
                setting: "relocated_maps".into(),
                place: daemon.config.place("relocated_maps"),
                compared: format!("{} in {}", resolved.recipient, found.table),
                outcome: Outcome::Becomes(found.value.to_string().into()),
            });
        }
        Ok(())
    }

    /// `transport` or `transport:nexthop` for a class, and the parameter it comes from, without its prefix.
    fn channel(
        &self,
        daemon: &Daemon,
        way: &Routing,
        class: AddressClass,
        sender: &str,
    ) -> Result<(&'static str, Rc<str>), DictError> {
        Ok(match class {
            AddressClass::Local => ("local_transport", way.local_transport.clone()),
            AddressClass::VirtualAlias => {
                ("virtual_alias_domains", "error:5.1.1 User unknown in virtual alias table".into())
            }
            AddressClass::VirtualMailbox => ("virtual_transport", way.virtual_transport.clone()),
            AddressClass::Relay => ("relay_transport", way.relay_transport.clone()),
            AddressClass::Default => {
                let what = "sender_dependent_default_transport_maps";
                let key = if sender.is_empty() { &*self.null_transport_key } else { sender };
                match self.by_sender(daemon, way, &way.sender_transports, what, key)? {
                    Some(transport) => (what, transport),
                    None => ("default_transport", way.default_transport.clone()),
                }
            }
        })
    }

    /// Where mail of a class goes next, unless its transport says so.
    fn nexthop(
        &self,
        daemon: &Daemon,
        way: &Routing,
        class: AddressClass,
        domain: &str,
        sender: &str,
    ) -> Result<Rc<str>, DictError> {
        match class {
            AddressClass::Local => Ok(self.myhostname.clone()),
            AddressClass::VirtualAlias | AddressClass::VirtualMailbox => Ok(domain.into()),
            AddressClass::Relay | AddressClass::Default => {
                let what = "sender_dependent_relayhost_maps";
                let key = if sender.is_empty() { &*self.null_relayhost_key } else { sender };
                Ok(match self.by_sender(daemon, way, &way.sender_relayhosts, what, key)? {
                    Some(relay) => relay,
                    None if way.relayhost.is_empty() => domain.into(),
                    None => way.relayhost.clone(),
                })
            }
        }
    }

    /// What a table says for mail of a sender; `DUNNO` is nothing.
    fn by_sender(
        &self,
        daemon: &Daemon,
        way: &Routing,
        maps: &Maps,
        what: &str,
        sender: &str,
    ) -> Result<Option<Rc<str>>, DictError> {
        if maps.is_empty() {
            return Ok(None);
        }
        let setting = way.setting(what);
        let Some(found) = maps.find_address(sender, &self.delimiter)? else { return Ok(None) };
        if found.value.is_empty() {
            daemon.msg.log_warn(format!("{setting}: ignoring null lookup result for {sender}"));
            return Ok(None);
        }
        daemon.p.decide(|| Decision {
            rule: "by the sender".into(),
            place: daemon.config.place(&setting),
            setting: setting.into(),
            compared: format!("{sender} in {}", found.table),
            outcome: Outcome::Becomes(found.value.to_string().into()),
        });
        Ok((!found.value.eq_ignore_ascii_case("DUNNO")).then_some(found.value))
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

    fn class(&self, domain: &str) -> AddressClass {
        if self.own.contain(domain) {
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

    /// `transport_maps` have the last word: `user@domain`, `domain`, `.parent`, `*`.
    fn by_transport_maps(
        &self,
        daemon: &Daemon,
        way: &Routing,
        resolved: &mut Resolved,
        domain: &str,
    ) -> Result<(), DictError> {
        if way.transport_maps.is_empty() {
            return Ok(());
        }
        let Some(found) = way.transport_maps.find_transport(&resolved.recipient, &self.delimiter)? else {
            return Ok(());
        };
        let setting = way.setting("transport_maps");
        let (transport, nexthop) = split_transport(&found.value);
        let is_reason = ["error", "retry"].contains(&transport);
        // A transport without a next hop takes the domain's, not that of another transport.
        resolved.nexthop = match nexthop {
            Some(nexthop) => nexthop.into(),
            None if transport.is_empty() => resolved.nexthop.clone(),
            None if is_reason => "Address is undeliverable".into(),
            None => domain.into(),
        };
        if !transport.is_empty() {
            resolved.transport = transport.into();
        }
        daemon.p.decide(|| Decision {
            rule: "transport table".into(),
            setting: setting.clone().into(),
            place: match found.line {
                Some(line) => {
                    Place::line(found.table.split_once(':').map_or(&*found.table, |(_, f)| f), line)
                }
                None => daemon.config.place(&setting),
            },
            compared: format!("{} in {}", resolved.recipient, found.table),
            outcome: Outcome::Becomes(format!("{}:{}", resolved.transport, resolved.nexthop).into()),
        });
        Ok(())
    }

    /// Records where mail to a domain goes, and why.
    fn decide(&self, daemon: &Daemon, way: &Routing, resolved: &Resolved, domain: &str) {
        if !daemon.p.world().traced() {
            return;
        }
        let mut before = self.decided.borrow_mut();
        if let Some((of, decisions)) = before.get(domain)
            && of.is(way, resolved)
        {
            return daemon.p.decide_again(decisions);
        }
        if before.len() >= DECIDED {
            before.clear();
        }
        let mut decisions = Vec::new();
        if resolved.class == AddressClass::Default {
            decisions.extend(foreign(daemon, domain));
        }
        decisions.push(Rc::new(where_to(daemon, way, resolved, domain)));
        daemon.p.decide_again(&decisions);
        before.insert(domain.into(), (Of::new(way, resolved), decisions));
    }
}

/// The decisions on where mail to a domain goes, and for which way they stand.
type Decided = (Of, Vec<Rc<Decision>>);

/// For how many domains it is kept in which words their ways were decided.
const DECIDED: usize = 1024;

/// What mail to a domain was that was decided on.
struct Of {
    prefix: &'static str,
    class: AddressClass,
    transport: Rc<str>,
    nexthop: Rc<str>,
}

impl Of {
    fn new(way: &Routing, to: &Resolved) -> Of {
        let (transport, nexthop) = (to.transport.clone(), to.nexthop.clone());
        Of { prefix: way.prefix, class: to.class, transport, nexthop }
    }

    fn is(&self, way: &Routing, to: &Resolved) -> bool {
        (self.prefix, self.class) == (way.prefix, to.class)
            && (&self.transport, &self.nexthop) == (&to.transport, &to.nexthop)
    }
}

/// A domain stands in none of the lists that make it one of ours.
fn foreign(daemon: &Daemon, domain: &str) -> impl Iterator<Item = Rc<Decision>> {
    let lists = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"];
    lists.into_iter().map(move |list| {
        let value = daemon.string(list);
        let compared = match &*value {
            "" => "it is empty".to_owned(),
            value => format!("{domain} is not in {value}"),
        };
        let place = daemon.config.place(list);
        Rc::new(Decision { rule: list.into(), setting: list.into(), place, compared, outcome: Outcome::No })
    })
}

/// The class of a domain, by the list it stands in, and what follows.
fn where_to(daemon: &Daemon, way: &Routing, resolved: &Resolved, domain: &str) -> Decision {
    let text = |name: &str| daemon.string(name);
    let (setting, list) = match resolved.class {
        AddressClass::Local => ("mydestination".to_owned(), text("mydestination")),
        AddressClass::VirtualAlias => ("virtual_alias_domains".to_owned(), text("virtual_alias_domains")),
        AddressClass::VirtualMailbox => {
            ("virtual_mailbox_domains".to_owned(), text("virtual_mailbox_domains"))
        }
        AddressClass::Relay => ("relay_domains".to_owned(), text("relay_domains")),
        AddressClass::Default if !way.relayhost.is_empty() => {
            (way.setting("relayhost"), way.relayhost.clone())
        }
        AddressClass::Default => (way.setting("default_transport"), way.default_transport.clone()),
    };
    let compared = match resolved.class {
        AddressClass::Default => format!("{domain} stands in no list of own or relayed domains"),
        _ => format!("{domain} is in {list}"),
    };
    Decision {
        rule: "where to".into(),
        place: daemon.config.place(&setting),
        setting: setting.into(),
        compared,
        outcome: Outcome::Becomes(format!("{}:{}", resolved.transport, resolved.nexthop).into()),
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
