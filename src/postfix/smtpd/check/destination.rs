//! Is a recipient's domain ours or relayed, and does the address exist?

use super::asked::Asked;
use super::restriction::{Class, Kind};
use super::{Checks, Verdict};
use crate::postfix::config::typed;
use crate::postfix::dict::maps::split_extension;
use crate::postfix::dict::{DictError, Maps, MatchList};
use crate::postfix::ipc::{AddressClass, Resolved};
use crate::postfix::server::Daemon;
use crate::postfix::smtpd::transcript;
use crate::proto::address;
use crate::trace::{Decision, Outcome};
use crate::world::dns::{Lookup, Trouble};
use crate::world::process::Process;
use std::net::IpAddr;
use std::rc::Rc;

/// The tables that know which addresses exist.
pub(super) struct Recipients {
    local: Option<Table>,
    relay: Option<Table>,
    virtual_mailbox: Option<Table>,
    canonical: Maps,
    recipient_canonical: Maps,
    sender_canonical: Maps,
    virtual_alias: Maps,
    backup_networks: Option<MatchList>,
    double_bounce: Rc<str>,
}

impl Recipients {
    /// Opens the tables, and says what is wrong with them.
    pub(super) fn new(daemon: &Daemon) -> Recipients {
        let maps = |name: &str| {
            let maps = Maps::open(&daemon.string(name), &daemon.p).unwrap_or_default();
            for e in maps.errors() {
                daemon.msg.log(&format!("error: {e}"));
            }
            maps
        };
        Recipients {
            local: Table::open(daemon, "local_recipient_maps"),
            relay: Table::open(daemon, "relay_recipient_maps"),
            virtual_mailbox: Table::open(daemon, "virtual_mailbox_maps"),
            canonical: maps("canonical_maps"),
            recipient_canonical: maps("recipient_canonical_maps"),
            sender_canonical: maps("sender_canonical_maps"),
            virtual_alias: maps("virtual_alias_maps"),
            backup_networks: MatchList::networks("permit_mx_backup_networks", &daemon.config, &daemon.p).ok(),
            double_bounce: daemon.string("double_bounce_sender"),
        }
    }
}

impl Checks {
    /// Is the recipient here, or in a domain that is relayed?
    pub(super) async fn destination(&self, kind: Kind, asked: &Asked<'_>) -> (Verdict, String) {
        let Some(recipient) = asked.recipient.clone() else { return (Verdict::Dunno, String::new()) };
        let daemon = asked.session.daemon;
        let resolved = asked.resolve(&recipient).await;
        if resolved.failed {
            return (asked.lookup_failed(&recipient), "a table could not answer".into());
        }
        let routed = resolved.routed && !asked.session.settings.allow_untrusted_routing;
        let ours = resolved.class != AddressClass::Default && !routed;
        let domain = address::domain(&resolved.recipient).unwrap_or_default();
        let compared = if ours {
            format!("{domain} is a domain of ours")
        } else if routed {
            format!("{recipient} holds a route of the sender's own")
        } else {
            let relay = daemon.string("relay_domains");
            format!("{domain} is in none of mydestination, relay_domains ({relay}), virtual domains")
        };
        match kind {
            Kind::AuthDestination => (Verdict::permit_if(ours), compared),
            Kind::MxBackup => {
                (Verdict::permit_if(ours || (!routed && self.is_backup(domain, asked).await)), compared)
            }
            _ if ours => (Verdict::Dunno, compared),
            _ => {
                let text = format!("<{recipient}>: Relay access denied");
                let code = match kind {
                    Kind::DeferUnauthDestination => 454,
                    _ => daemon.int("relay_domains_reject_code").clamp(400, 599) as u16,
                };
                (asked.reject(code, "5.7.1", text), compared)
            }
        }
    }

    /// `permit_mx_backup`: this host is a mail exchanger of the domain, and not the first one.
    async fn is_backup(&self, domain: &str, asked: &Asked<'_>) -> bool {
        let p = &asked.session.daemon.p;
        let mut exchangers = match p.mx_of(domain).await {
            Ok(all) => all,
            Err(Trouble::TryAgain) => {
                asked.defer_if_reject(450, "4.4.4", format!("<{domain}>: Unable to look up host"));
                return false;
            }
            Err(_) => return false,
        };
        exchangers.sort();
        let mut own_at = None;
        let mut first_is_allowed = true;
        let best = exchangers.first().map(|(preference, _)| *preference);
        for (preference, host) in &exchangers {
            let Lookup::Found(addresses) = p.addresses_of(host).await else { continue };
            if own_at.is_none() && addresses.iter().any(|a| self.is_own(*a) && !a.is_loopback()) {
                own_at = Some(*preference);
            }
            if Some(*preference) == best
                && let Some(networks) = self.recipients.backup_networks.as_ref().filter(|n| !n.is_empty())
            {
                let inside = |a: &IpAddr| networks.find_client(None, *a).is_ok_and(|f| f.is_some());
                first_is_allowed &= addresses.iter().all(inside);
            }
        }
        own_at.is_some_and(|at| Some(at) != best) && first_is_allowed
    }

    /// `reject_unlisted_*`
    pub(super) async fn unlisted(&self, class: Class, asked: &Asked<'_>) -> (Verdict, String) {
        let address = match class {
            Class::Sender => asked.sender.clone().filter(|s| !s.is_empty()),
            _ => asked.recipient.clone(),
        };
        let Some(address) = address else { return (Verdict::Dunno, String::new()) };
        match self.listed(asked, &address, class).await {
            Verdict::Reject(reject) => (Verdict::Reject(reject), format!("{address} does not exist")),
            verdict => (verdict, format!("{address} may exist")),
        }
    }

    /// Does the address exist, as far as the tables of its class know?
    pub(super) async fn listed(&self, asked: &Asked<'_>, address: &Rc<str>, class: Class) -> Verdict {
        let before = asked.class.replace(transcript::Class::Bounce);
        let verdict = self.is_listed(asked, address, class).await;
        asked.class.set(before);
        verdict
    }

    async fn is_listed(&self, asked: &Asked<'_>, address: &Rc<str>, class: Class) -> Verdict {
        let checked = if class == Class::Sender { &asked.sender_checked } else { &asked.recipient_checked };
        checked.set(true);
        let resolved = asked.resolve(address).await;
        if resolved.failed {
            return asked.lookup_failed(address);
        }
        match self.rewritten(&resolved, class) {
            Ok(true) => return Verdict::Dunno,
            Ok(false) => {}
            Err(e) => {
                e.log(&asked.session.daemon.msg);
                return asked.lookup_failed(address);
            }
        }
        let config = &asked.session.daemon.config;
        let unknown_dsn = if class == Class::Sender { "5.1.0" } else { "5.1.1" };
        if matches!(&*resolved.transport, "error" | "retry") {
            let is_alias = resolved.class == AddressClass::VirtualAlias;
            let setting = is_alias.then(|| config.int("unknown_virtual_alias_reject_code").unwrap_or(550));
            let code = if &*resolved.transport == "retry" { 450 } else { setting.unwrap_or(550) };
            let (dsn, text) = super::access::split_dsn(&resolved.nexthop, unknown_dsn);
            let dsn = super::access::fitting_dsn(&dsn, class, asked.session.daemon);
            return asked.refuse(code.clamp(400, 599) as u16, &dsn, address, class, text);
        }
        let r = &self.recipients;
        let (table, which, name, code) = match resolved.class {
            AddressClass::Local => {
                (&r.local, "local recipient", "local_recipient_maps", "unknown_local_recipient_reject_code")
            }
            AddressClass::Relay => {
                (&r.relay, "relay recipient", "relay_recipient_maps", "unknown_relay_recipient_reject_code")
            }
            AddressClass::VirtualMailbox => (
                &r.virtual_mailbox,
                "virtual mailbox",
                "virtual_mailbox_maps",
                "unknown_virtual_mailbox_reject_code",
            ),
            AddressClass::VirtualAlias | AddressClass::Default => return Verdict::Dunno,
        };
        let Some(table) = table else { return Verdict::Dunno };
        let local = resolved.class == AddressClass::Local;
        let user = resolved.recipient.rsplit_once('@').map_or(&*resolved.recipient, |(user, _)| user);
        if local && user.eq_ignore_ascii_case(&r.double_bounce) {
            return Verdict::Dunno;
        }
        let known = match table.knows(&asked.session.daemon.p, &resolved.recipient, &self.delimiter, local) {
            Ok(known) => known,
            Err(e) => {
                e.log(&asked.session.daemon.msg);
                return asked.lookup_failed(address);
            }
        };
        asked.session.daemon.p.decide(|| Decision {
            rule: "does it exist?".into(),
            setting: name.into(),
            place: config.place(name),
            compared: format!("{} in {name} ({})", resolved.recipient, table.text),
            outcome: if known { Outcome::Yes } else { Outcome::Becomes("unknown".into()) },
        });
        if known {
            return Verdict::Dunno;
        }
        let shown = config.bool("show_user_unknown_table_name").unwrap_or(true);
        let table = if shown { format!(" in {which} table") } else { String::new() };
        let code = config.int(code).unwrap_or(550).clamp(400, 599) as u16;
        asked.refuse(code, unknown_dsn, address, class, &format!("User unknown{table}"))
    }

    /// Do the tables that rewrite addresses know it? Then what it becomes will be looked at later.
    fn rewritten(&self, resolved: &Resolved, class: Class) -> Result<bool, DictError> {
        let r = &self.recipients;
        let by_class = if class == Class::Sender { &r.sender_canonical } else { &r.recipient_canonical };
        let own = resolved.class == AddressClass::Local;
        for maps in [by_class, &r.recipient_canonical, &r.canonical, &r.virtual_alias] {
            if maps.find_address_of(&resolved.recipient, &self.delimiter, own)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Tables that know which addresses exist; the users of the host may be one of them.
struct Table {
    text: Rc<str>,
    maps: Maps,
    has_users: bool,
}

impl Table {
    /// `None` where the setting is empty: then every address may exist.
    fn open(daemon: &Daemon, setting: &str) -> Option<Table> {
        let text = daemon.string(setting);
        if text.is_empty() {
            return None;
        }
        let is_users = |w: &&str| w.trim_start_matches("proxy:") == "unix:passwd.byname";
        let words = typed::words(&text);
        let has_users = words.iter().any(is_users);
        let others: Vec<&str> = words.iter().copied().filter(|w| !is_users(w)).collect();
        let maps = Maps::open(&others.join(" "), &daemon.p).unwrap_or_default();
        for e in maps.errors() {
            daemon.msg.log(&format!("error: {e}"));
        }
        Some(Table { text, maps, has_users })
    }

    fn knows(
        &self,
        p: &Process,
        recipient: &str,
        delimiters: &str,
        own_domain: bool,
    ) -> Result<bool, DictError> {
        if self.has_users && own_domain {
            let local = recipient.rsplit_once('@').map_or(recipient, |(l, _)| l).to_ascii_lowercase();
            let (user, _) = split_extension(&local, delimiters);
            let fs = p.host().fs();
            let mut users = p.host().users();
            if users.getpwnam(&fs, &local).is_some() || users.getpwnam(&fs, user).is_some() {
                return Ok(true);
            }
        }
        Ok(self.maps.find_address_of(recipient, delimiters, own_domain)?.is_some())
    }
}
