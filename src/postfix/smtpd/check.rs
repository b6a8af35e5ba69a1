//! Restrictions: may this client send this mail (SMTPD_ACCESS_README)?
//!
//! A list is evaluated from left to right until a restriction permits (the rest of the list is
//! skipped) or rejects. The lists for client, HELO and sender are evaluated with the first RCPT
//! (`smtpd_delay_reject`), then those for relay and recipient; last comes the check whether the
//! recipient exists. Each restriction asked leaves a decision in the trace.
//!
//! # Simplifications
//! Block lists, policy services, address verification, restriction classes and the checks by
//! `check_*_ns_access` and `check_*_mx_access` are not evaluated: a list that names one is said to
//! at the first use, and the restriction counts as not there.

use super::session::{Session, Transaction};
use crate::postfix::dict::{Maps, MatchList};
use crate::postfix::ipc::{AddressClass, Resolved};
use crate::postfix::server::Daemon;
use crate::proto::address;
use crate::trace::{Decision, Outcome};
use crate::world::process::Process;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

/// An answer that a restriction gives instead of `250`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The SMTP code.
    pub code: u16,
    /// The enhanced status code.
    pub dsn: Rc<str>,
    /// The text after them.
    pub text: String,
}

impl Reject {
    /// An answer of these parts.
    pub fn new(code: u16, dsn: &str, text: impl Into<String>) -> Reject {
        Reject { code, dsn: dsn.into(), text: text.into() }
    }

    /// As it goes over the wire.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.code, self.dsn, self.text)
    }
}

/// What a list came to.
enum Verdict {
    /// Nothing was said.
    Dunno,
    /// The rest of this list is skipped.
    Permit,
    /// No.
    Reject(Reject),
}

/// A restriction list of the configuration, split once.
struct List {
    setting: &'static str,
    words: Vec<Rc<str>>,
}

/// The lists, tables and codes of a server.
pub struct Checks {
    mynetworks: MatchList,
    own_addresses: Vec<IpAddr>,
    client: List,
    helo: List,
    sender: List,
    relay: List,
    recipient: List,
    data: List,
    end_of_data: List,
    etrn: List,
    local_recipients: Option<Table>,
    relay_recipients: Option<Table>,
    virtual_mailboxes: Option<Table>,
    virtual_aliases: Maps,
    delimiter: Rc<str>,
    reject_unlisted_recipient: bool,
    reject_unlisted_sender: bool,
    access: RefCell<Vec<(Rc<str>, Rc<Maps>)>>,
    said: RefCell<Vec<Rc<str>>>,
    myhostname: Rc<str>,
}

impl Checks {
    /// Reads the configuration and opens the tables.
    ///
    /// # Errors
    /// Why a table cannot be opened, for the log.
    pub fn new(daemon: &Daemon) -> Result<Checks, String> {
        let config = &daemon.config;
        let list = |setting: &'static str| List { setting, words: words_of(&config.string(setting)) };
        let maps = |name: &str| Table::open(daemon, name);
        let own = daemon.p.host().addresses().iter().copied();
        Ok(Checks {
            mynetworks: MatchList::networks("mynetworks", config, &daemon.p)?,
            own_addresses: own.chain([IpAddr::from([127, 0, 0, 1])]).collect(),
            client: list("smtpd_client_restrictions"),
            helo: list("smtpd_helo_restrictions"),
            sender: list("smtpd_sender_restrictions"),
            relay: list("smtpd_relay_restrictions"),
            recipient: list("smtpd_recipient_restrictions"),
            data: list("smtpd_data_restrictions"),
            end_of_data: list("smtpd_end_of_data_restrictions"),
            etrn: list("smtpd_etrn_restrictions"),
            local_recipients: maps("local_recipient_maps")?,
            relay_recipients: maps("relay_recipient_maps")?,
            virtual_mailboxes: maps("virtual_mailbox_maps")?,
            virtual_aliases: Maps::open(&daemon.string("virtual_alias_maps"), &daemon.p)?,
            delimiter: daemon.string("recipient_delimiter"),
            reject_unlisted_recipient: daemon.yes("smtpd_reject_unlisted_recipient"),
            reject_unlisted_sender: daemon.yes("smtpd_reject_unlisted_sender"),
            access: RefCell::default(),
            said: RefCell::default(),
            myhostname: daemon.string("myhostname"),
        })
    }

    /// Is the client on this host itself (`permit_inet_interfaces`)?
    pub fn is_own(&self, address: IpAddr) -> bool {
        self.own_addresses.contains(&address)
    }

    /// Is the client trusted (`mynetworks`)?
    pub fn in_mynetworks(&self, address: IpAddr) -> bool {
        self.mynetworks.find_client(None, address).is_ok_and(|found| found.is_some())
    }

    /// May mail go to this recipient?
    pub async fn rcpt(
        &self,
        s: &Session<'_>,
        t: &Transaction,
        original: &Rc<str>,
        address: &Rc<str>,
    ) -> Result<(), Reject> {
        let to =
            Asked { session: s, transaction: Some(t), recipient: Some(original), complete: Some(address) };
        let sender_exists = !self.reject_unlisted_sender || t.sender.is_empty();
        if !sender_exists {
            self.unlisted_sender(&to).await?;
        }
        for list in [&self.client, &self.helo, &self.sender, &self.relay, &self.recipient] {
            if let Verdict::Reject(reject) = self.evaluate(list, &to).await {
                return Err(reject);
            }
        }
        if self.reject_unlisted_recipient {
            let resolved = to.resolve(address).await;
            self.listed(&to, original, &resolved, "smtpd_reject_unlisted_recipient", Role::Recipient)?;
        }
        Ok(())
    }

    /// May this address be asked for?
    pub async fn vrfy(&self, s: &Session<'_>, original: &Rc<str>, address: &Rc<str>) -> Result<(), Reject> {
        let to = Asked { session: s, transaction: None, recipient: Some(original), complete: Some(address) };
        let resolved = to.resolve(address).await;
        self.listed(&to, original, &resolved, "smtpd_reject_unlisted_recipient", Role::Recipient)
    }

    /// May the message begin?
    pub async fn data(&self, s: &Session<'_>, t: &Transaction) -> Result<(), Reject> {
        self.whole(&self.data, s, Some(t)).await
    }

    /// May the message be taken, now that it is here?
    pub async fn end_of_data(&self, s: &Session<'_>, t: &Transaction) -> Result<(), Reject> {
        self.whole(&self.end_of_data, s, Some(t)).await
    }

    /// May the client have the queue flushed?
    pub async fn etrn(&self, s: &Session<'_>) -> Result<(), Reject> {
        self.whole(&self.etrn, s, None).await
    }

    async fn whole(&self, list: &List, s: &Session<'_>, t: Option<&Transaction>) -> Result<(), Reject> {
        if list.words.is_empty() {
            return Ok(());
        }
        match self
            .evaluate(list, &Asked { session: s, transaction: t, recipient: None, complete: None })
            .await
        {
            Verdict::Reject(reject) => Err(reject),
            Verdict::Dunno | Verdict::Permit => Ok(()),
        }
    }

    async fn evaluate(&self, list: &List, to: &Asked<'_>) -> Verdict {
        let mut words = list.words.iter();
        while let Some(word) = words.next() {
            let argument = if takes_argument(word) { words.next() } else { None };
            let (verdict, compared) = self.one(list, word, argument, to).await;
            self.decide(list, word, argument, to, &verdict, compared);
            match verdict {
                Verdict::Dunno => {}
                verdict => return verdict,
            }
        }
        Verdict::Dunno
    }

    /// Asks one restriction; also says what was compared.
    async fn one(
        &self,
        list: &List,
        word: &str,
        argument: Option<&Rc<str>>,
        to: &Asked<'_>,
    ) -> (Verdict, String) {
        let client = to.session.client.address;
        let shown = || client.map(|a| a.to_string()).unwrap_or_default();
        match word {
            "permit" => (Verdict::Permit, String::new()),
            "reject" => (Verdict::Reject(self.refusal(to, 554, "5.7.1", "Access denied")), String::new()),
            "defer" => (Verdict::Reject(self.refusal(to, 450, "4.7.1", "Try again later")), String::new()),
            "permit_mynetworks" => {
                let yes = client.is_some_and(|a| self.in_mynetworks(a));
                let is = if yes { "is in" } else { "is not in" };
                let (daemon, place) = (to.session.daemon, to.session.daemon.config.place("mynetworks"));
                let networks = daemon.string("mynetworks");
                (permit_if(yes), format!("{} {is} {networks} (mynetworks, {place})", shown()))
            }
            "permit_inet_interfaces" => {
                let yes = client.is_some_and(|a| self.is_own(a));
                (permit_if(yes), format!("{} is {} this host's own", shown(), if yes { "" } else { "not" }))
            }
            "permit_sasl_authenticated" => (Verdict::Dunno, "the client has not logged in".into()),
            "permit_tls_clientcerts" | "permit_tls_all_clientcerts" => {
                (Verdict::Dunno, "the client has no certificate".into())
            }
            "reject_unauth_destination" | "defer_unauth_destination" | "permit_auth_destination" => {
                self.destination(word, to).await
            }
            "reject_unlisted_recipient" | "check_recipient_maps" => self.unlisted_recipient(to, word).await,
            "reject_unlisted_sender" => match self.unlisted_sender(to).await {
                Ok(()) => (Verdict::Dunno, String::new()),
                Err(reject) => (Verdict::Reject(reject), String::new()),
            },
            _ => self.by_name(list, word, argument, to).await,
        }
    }

    /// Restrictions about the form of names, and access tables.
    async fn by_name(
        &self,
        list: &List,
        word: &str,
        argument: Option<&Rc<str>>,
        to: &Asked<'_>,
    ) -> (Verdict, String) {
        let helo = &to.session.helo;
        let sender = to.transaction.map(|t| t.sender.clone()).unwrap_or_else(|| "".into());
        let recipient = to.recipient.cloned().unwrap_or_else(|| "".into());
        match word {
            "reject_invalid_helo_hostname" | "reject_invalid_hostname" => {
                let bad = !helo.is_empty() && !is_host_or_literal(helo);
                let text = format!("<{helo}>: Helo command rejected: Invalid name");
                (reject_if(bad, 501, "5.5.2", text), helo.to_string())
            }
            "reject_non_fqdn_helo_hostname" | "reject_non_fqdn_hostname" => {
                let bad = !helo.is_empty() && !helo.starts_with('[') && !is_fqdn(helo);
                let text = format!("<{helo}>: Helo command rejected: need fully-qualified hostname");
                (reject_if(bad, 504, "5.5.2", text), helo.to_string())
            }
            "reject_non_fqdn_sender" => {
                let bad = !sender.is_empty() && !address::domain(&sender).is_some_and(is_fqdn);
                let text = format!("<{sender}>: Sender address rejected: need fully-qualified address");
                (reject_if(bad, 504, "5.5.2", text), sender.to_string())
            }
            "reject_non_fqdn_recipient" => {
                let bad = !address::domain(&recipient).is_some_and(is_fqdn);
                let text = format!("<{recipient}>: Recipient address rejected: need fully-qualified address");
                (reject_if(bad, 504, "5.5.2", text), recipient.to_string())
            }
            "reject_unauth_pipelining" => (Verdict::Dunno, String::new()),
            "check_client_access" => self.client_access(argument, to),
            "check_helo_access" => self.domain_access(argument, helo, &format!("<{helo}>: Helo command"), to),
            "check_sender_access" => {
                self.address_access(argument, &sender, &format!("<{sender}>: Sender address"), to)
            }
            "check_recipient_access" => {
                self.address_access(argument, &recipient, &format!("<{recipient}>: Recipient address"), to)
            }
            _ => self.unknown(list, word, to),
        }
    }

    /// Is the recipient here, or in a domain that is relayed?
    async fn destination(&self, word: &str, to: &Asked<'_>) -> (Verdict, String) {
        let (Some(recipient), Some(complete)) = (to.recipient, to.complete) else {
            return (Verdict::Dunno, String::new());
        };
        let resolved = to.resolve(complete).await;
        let ours = resolved.class != AddressClass::Default && !resolved.routed;
        let domain = address::domain(recipient).unwrap_or(&self.myhostname);
        let compared = if ours {
            format!("{domain} is a domain of ours")
        } else if resolved.routed {
            format!("{recipient} holds a route of the sender's own")
        } else {
            let relay = to.session.daemon.string("relay_domains");
            format!("{domain} is in none of mydestination, relay_domains ({relay}), virtual domains")
        };
        let verdict = match (word, ours) {
            ("permit_auth_destination", true) => Verdict::Permit,
            (_, true) | ("permit_auth_destination", false) => Verdict::Dunno,
            (word, false) => {
                let (code, dsn) = match word {
                    "defer_unauth_destination" => (454, "4.7.1"),
                    _ => (to.session.daemon.int("relay_domains_reject_code").clamp(400, 599) as u16, "5.7.1"),
                };
                Verdict::Reject(Reject::new(code, dsn, format!("<{recipient}>: Relay access denied")))
            }
        };
        (verdict, compared)
    }

    async fn unlisted_recipient(&self, to: &Asked<'_>, word: &str) -> (Verdict, String) {
        let (Some(recipient), Some(complete)) = (to.recipient, to.complete) else {
            return (Verdict::Dunno, String::new());
        };
        let resolved = to.resolve(complete).await;
        match self.listed(to, recipient, &resolved, word, Role::Recipient) {
            Ok(()) => (Verdict::Dunno, format!("{recipient} may exist")),
            Err(reject) => (Verdict::Reject(reject), format!("{recipient} does not exist")),
        }
    }

    async fn unlisted_sender(&self, to: &Asked<'_>) -> Result<(), Reject> {
        let Some(t) = to.transaction.filter(|t| !t.sender.is_empty()) else { return Ok(()) };
        let resolved = to.resolve(&t.sender).await;
        self.listed(to, &t.sender, &resolved, "smtpd_reject_unlisted_sender", Role::Sender)
    }

    /// Does the address exist, as far as the tables of its class know?
    fn listed(
        &self,
        to: &Asked<'_>,
        address: &Rc<str>,
        resolved: &Resolved,
        setting: &str,
        role: Role,
    ) -> Result<(), Reject> {
        let config = &to.session.daemon.config;
        if matches!(self.virtual_aliases.find_address(address, &self.delimiter), Ok(Some(_))) {
            return Ok(());
        }
        let (table, which, name, code) = match resolved.class {
            AddressClass::Local => (
                &self.local_recipients,
                "local recipient",
                "local_recipient_maps",
                "unknown_local_recipient_reject_code",
            ),
            AddressClass::Relay => (
                &self.relay_recipients,
                "relay recipient",
                "relay_recipient_maps",
                "unknown_relay_recipient_reject_code",
            ),
            AddressClass::VirtualMailbox => (
                &self.virtual_mailboxes,
                "virtual mailbox",
                "virtual_mailbox_maps",
                "unknown_virtual_mailbox_reject_code",
            ),
            AddressClass::VirtualAlias => {
                let code = config.int("unknown_virtual_alias_reject_code").unwrap_or(550) as u16;
                return Err(role.reject(address, code, "User unknown in virtual alias table"));
            }
            AddressClass::Default => return Ok(()),
        };
        let Some(table) = table else { return Ok(()) };
        let local = resolved.class == AddressClass::Local;
        let known = table.knows(&to.session.daemon.p, &resolved.recipient, &self.delimiter, local)?;
        to.session.daemon.p.decide(|| Decision {
            rule: "does it exist?".into(),
            setting: setting.to_owned().into(),
            place: config.place(name),
            compared: format!("{} in {name} ({})", resolved.recipient, table.text),
            outcome: if known { Outcome::Yes } else { Outcome::Becomes("unknown".into()) },
        });
        if known {
            return Ok(());
        }
        let code = config.int(code).unwrap_or(550).clamp(400, 599) as u16;
        Err(role.reject(address, code, &format!("User unknown in {which} table")))
    }

    fn refusal(&self, to: &Asked<'_>, code: u16, dsn: &str, text: &str) -> Reject {
        let what = match to.recipient {
            Some(r) => format!("<{r}>: Recipient address rejected"),
            None => {
                let c = &to.session.client;
                format!(
                    "<{}[{}]>: Client host rejected",
                    c.name,
                    c.address.map(|a| a.to_string()).unwrap_or_default()
                )
            }
        };
        Reject::new(code, dsn, format!("{what}: {text}"))
    }

    fn table(&self, spec: Option<&Rc<str>>, to: &Daemon) -> Result<Rc<Maps>, String> {
        let spec = spec.ok_or("no table is named")?;
        if let Some((_, maps)) = self.access.borrow().iter().find(|(s, _)| s == spec) {
            return Ok(maps.clone());
        }
        let maps = Rc::new(Maps::open(spec, &to.p)?);
        self.access.borrow_mut().push((spec.clone(), maps.clone()));
        Ok(maps)
    }

    fn client_access(&self, spec: Option<&Rc<str>>, to: &Asked<'_>) -> (Verdict, String) {
        let c = &to.session.client;
        let address = c.address.map(|a| a.to_string()).unwrap_or_default();
        let what = format!("<{}[{address}]>: Client host", c.name);
        let mut keys = domain_keys(&c.name);
        // An address, then the networks it is in, octet by octet.
        let mut part = address.as_str();
        loop {
            keys.push(part.to_owned());
            match part.rfind(['.', ':']) {
                Some(at) => part = &part[..at],
                None => break,
            }
        }
        self.access(spec, &keys, &what, to)
    }

    fn domain_access(
        &self,
        spec: Option<&Rc<str>>,
        name: &str,
        what: &str,
        to: &Asked<'_>,
    ) -> (Verdict, String) {
        self.access(spec, &domain_keys(name), what, to)
    }

    /// `user+extension@domain`, `user@domain`, the domain and its parents, `user@`.
    fn address_access(
        &self,
        spec: Option<&Rc<str>>,
        full: &str,
        what: &str,
        to: &Asked<'_>,
    ) -> (Verdict, String) {
        let Some((local, domain)) = full.rsplit_once('@') else {
            return self.access(
                spec,
                &[if full.is_empty() { "<>".to_owned() } else { full.to_owned() }],
                what,
                to,
            );
        };
        let (user, extension) = address::split_extension(local, &self.delimiter);
        let mut keys = vec![full.to_owned()];
        if extension.is_some() {
            keys.push(format!("{user}@{domain}"));
        }
        keys.extend(domain_keys(domain));
        keys.push(format!("{local}@"));
        if extension.is_some() {
            keys.push(format!("{user}@"));
        }
        self.access(spec, &keys, what, to)
    }

    /// Looks the keys up one after the other and obeys the first answer (access(5)).
    fn access(
        &self,
        spec: Option<&Rc<str>>,
        keys: &[String],
        what: &str,
        to: &Asked<'_>,
    ) -> (Verdict, String) {
        let daemon = to.session.daemon;
        let maps = match self.table(spec, daemon) {
            Ok(maps) => maps,
            Err(e) => {
                daemon.msg.log(&format!("warning: {e}"));
                return (Verdict::Reject(misconfigured()), e);
            }
        };
        for key in keys {
            match maps.find(&key.to_ascii_lowercase()) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    let compared = format!("{key} in {}: {}", found.table, found.value);
                    return (self.action(&found.value, what, to), compared);
                }
                Err(e) => {
                    daemon.msg.log(&format!("warning: {e}"));
                    return (Verdict::Reject(misconfigured()), key.clone());
                }
            }
        }
        (Verdict::Dunno, format!("{} is not in {}", keys.first().map_or("", |k| k), spec.map_or("", |s| s)))
    }

    /// The right-hand side of an access table.
    fn action(&self, value: &str, what: &str, to: &Asked<'_>) -> Verdict {
        let (word, text) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
        let text = text.trim();
        let daemon = to.session.daemon;
        let or = |default: &'static str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        let reject = |code: u16, dsn: &str, text: String| {
            Verdict::Reject(Reject::new(code, dsn, format!("{what} rejected: {text}")))
        };
        match word.to_ascii_uppercase().as_str() {
            "OK" | "RELAY" => Verdict::Permit,
            "DUNNO" => Verdict::Dunno,
            "REJECT" => reject(
                daemon.int("access_map_reject_code").clamp(400, 599) as u16,
                "5.7.1",
                or("Access denied"),
            ),
            "DEFER" => reject(
                daemon.int("access_map_defer_code").clamp(400, 499) as u16,
                "4.7.1",
                or("Access denied"),
            ),
            code if code.len() == 3
                && code.starts_with(['4', '5'])
                && code.bytes().all(|b| b.is_ascii_digit()) =>
            {
                let dsn = format!("{}.7.1", &code[..1]);
                reject(code.parse().unwrap_or(554), &dsn, or("Access denied"))
            }
            digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => Verdict::Permit,
            _ => {
                self.say_once(
                    daemon,
                    value,
                    &format!("access table action is not available in the lab: {value}"),
                );
                Verdict::Dunno
            }
        }
    }

    /// A restriction that is not evaluated here, or is none at all.
    fn unknown(&self, list: &List, word: &str, to: &Asked<'_>) -> (Verdict, String) {
        let daemon = to.session.daemon;
        if KNOWN_ELSEWHERE.contains(&word) {
            self.say_once(daemon, word, &format!("{}: {word} has no effect in the lab", list.setting));
            return (Verdict::Dunno, "not evaluated in the lab".into());
        }
        daemon.msg.log(&format!("warning: unknown smtpd restriction: \"{word}\""));
        (Verdict::Reject(misconfigured()), "no such restriction".into())
    }

    fn say_once(&self, daemon: &Daemon, what: &str, text: &str) {
        let mut said = self.said.borrow_mut();
        if !said.iter().any(|s| **s == *what) {
            said.push(what.into());
            daemon.msg.log(&format!("warning: {text}"));
        }
    }

    fn decide(
        &self,
        list: &List,
        word: &str,
        argument: Option<&Rc<str>>,
        to: &Asked<'_>,
        verdict: &Verdict,
        compared: String,
    ) {
        let daemon = to.session.daemon;
        daemon.p.decide(|| Decision {
            rule: argument.map_or_else(|| word.to_owned(), |a| format!("{word} {a}")).into(),
            setting: list.setting.into(),
            place: daemon.config.place(list.setting),
            compared,
            outcome: match verdict {
                Verdict::Dunno => Outcome::No,
                Verdict::Permit => Outcome::Yes,
                Verdict::Reject(reject) => Outcome::Becomes(reject.line().into()),
            },
        });
    }
}

/// Restrictions of the real server that are not evaluated here.
const KNOWN_ELSEWHERE: [&str; 36] = [
    "check_ccert_access",
    "check_sasl_access",
    "check_policy_service",
    "check_client_a_access",
    "check_client_mx_access",
    "check_client_ns_access",
    "check_helo_a_access",
    "check_helo_mx_access",
    "check_helo_ns_access",
    "check_sender_a_access",
    "check_sender_mx_access",
    "check_sender_ns_access",
    "check_recipient_a_access",
    "check_recipient_mx_access",
    "check_recipient_ns_access",
    "check_reverse_client_hostname_access",
    "check_etrn_access",
    "permit_mx_backup",
    "permit_dnswl_client",
    "permit_rhswl_client",
    "reject_rbl_client",
    "reject_rhsbl_client",
    "reject_rhsbl_helo",
    "reject_rhsbl_recipient",
    "reject_rhsbl_sender",
    "reject_rhsbl_reverse_client",
    "reject_unknown_client_hostname",
    "reject_unknown_reverse_client_hostname",
    "reject_unknown_helo_hostname",
    "reject_unknown_sender_domain",
    "reject_unknown_recipient_domain",
    "reject_unverified_sender",
    "reject_unverified_recipient",
    "reject_sender_login_mismatch",
    "reject_multi_recipient_bounce",
    "warn_if_reject",
];

/// What a client is told when the fault is ours.
fn misconfigured() -> Reject {
    Reject::new(451, "4.3.5", "Server configuration error")
}

/// Tables that know which addresses exist; the users of the host may be one of them.
struct Table {
    text: Rc<str>,
    maps: Maps,
    has_users: bool,
}

impl Table {
    /// `None` where the setting is empty: then every address may exist.
    fn open(daemon: &Daemon, setting: &str) -> Result<Option<Table>, String> {
        let text = daemon.string(setting);
        let is_users = |w: &&str| w.trim_start_matches("proxy:") == "unix:passwd.byname";
        let words = crate::postfix::config::typed::words(&text);
        let has_users = words.iter().any(is_users);
        let others: Vec<&str> = words.iter().copied().filter(|w| !is_users(w)).collect();
        let maps = Maps::open(&others.join(" "), &daemon.p)?;
        if let Some(e) = maps.errors().next() {
            daemon.msg.log(&format!("error: {e}"));
        }
        let empty = text.is_empty();
        Ok((!empty).then_some(Table { text, maps, has_users }))
    }

    fn knows(
        &self,
        p: &Process,
        recipient: &str,
        delimiters: &str,
        own_domain: bool,
    ) -> Result<bool, Reject> {
        if self.has_users && own_domain {
            let local = recipient.rsplit_once('@').map_or(recipient, |(l, _)| l).to_ascii_lowercase();
            let (user, _) = address::split_extension(&local, delimiters);
            let fs = p.host().fs();
            let mut users = p.host().users();
            if users.getpwnam(&fs, &local).is_some() || users.getpwnam(&fs, user).is_some() {
                return Ok(true);
            }
        }
        match self.maps.find_address_of(recipient, delimiters, own_domain) {
            Ok(found) => Ok(found.is_some()),
            Err(e) => {
                p.syslog("postfix/smtpd", &format!("warning: {e}"));
                Err(Reject::new(451, "4.3.0", format!("<{recipient}>: Temporary lookup failure")))
            }
        }
    }
}

/// Whom a restriction is asked about.
struct Asked<'a> {
    session: &'a Session<'a>,
    transaction: Option<&'a Transaction>,
    /// The recipient as it was given.
    recipient: Option<&'a Rc<str>>,
    /// The recipient with its domain.
    complete: Option<&'a Rc<str>>,
}

impl Asked<'_> {
    async fn resolve(&self, address: &Rc<str>) -> Resolved {
        let sender = self.transaction.map(|t| t.sender.clone()).unwrap_or_else(|| "".into());
        self.session.rewriter.resolve(&self.session.daemon.p, &sender, address).await
    }
}

/// As what an address was given.
#[derive(Clone, Copy)]
enum Role {
    Sender,
    Recipient,
}

impl Role {
    fn reject(self, address: &str, code: u16, text: &str) -> Reject {
        let (who, dsn) = match self {
            Role::Sender => ("Sender", ".1.0"),
            Role::Recipient => ("Recipient", ".1.1"),
        };
        Reject::new(
            code,
            &format!("{}{dsn}", code / 100),
            format!("<{address}>: {who} address rejected: {text}"),
        )
    }
}

/// The words of a restriction list; a group in braces is one word.
fn words_of(text: &str) -> Vec<Rc<str>> {
    crate::postfix::config::typed::words(text).into_iter().map(Into::into).collect()
}

fn takes_argument(word: &str) -> bool {
    word.starts_with("check_") && word != "check_recipient_maps"
        || matches!(
            word,
            "reject_rbl_client"
                | "permit_dnswl_client"
                | "reject_rhsbl_client"
                | "reject_rhsbl_sender"
                | "reject_rhsbl_recipient"
                | "reject_rhsbl_helo"
                | "reject_rhsbl_reverse_client"
                | "permit_rhswl_client"
                | "sleep"
        )
}

fn permit_if(yes: bool) -> Verdict {
    if yes { Verdict::Permit } else { Verdict::Dunno }
}

fn reject_if(yes: bool, code: u16, dsn: &str, text: String) -> Verdict {
    if yes { Verdict::Reject(Reject::new(code, dsn, text)) } else { Verdict::Dunno }
}

fn is_fqdn(name: &str) -> bool {
    name.starts_with('[') || (name.contains('.') && address::is_valid_hostname(name))
}

fn is_host_or_literal(name: &str) -> bool {
    name.starts_with('[') || address::is_valid_hostname(name)
}

/// A name and the domains it is in.
fn domain_keys(name: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = name;
    loop {
        keys.push(rest.to_owned());
        match rest.split_once('.') {
            Some((_, parent)) if !parent.is_empty() => rest = parent,
            _ => return keys,
        }
    }
}
