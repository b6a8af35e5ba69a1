//! Restrictions: may this client send this mail (SMTPD_ACCESS_README)?
//!
//! A list is evaluated from left to right until a restriction permits (the rest of the list is
//! skipped) or rejects. With `smtpd_delay_reject` the lists for client, HELO and sender are
//! evaluated with each RCPT, before those for relay and recipient; last comes the check whether
//! the recipient exists. Each restriction asked leaves a decision in the trace.
//!
//! - [`restriction`]: the names, and lists read into them
//! - [`asked`]: one question, and how it is answered and logged
//! - [`access`]: access(5) tables and their actions
//! - [`evaluate`]: a list from left to right, and what each restriction does
//! - [`names`]: the form of names, and what DNS says of them
//! - [`destination`]: is it ours, is it relayed, does the recipient exist
//! - [`dnsbl`]: block lists and allow lists in DNS
//! - [`login`]: who may use which sender address
//! - [`policy`]: policy services
//! - [`unverified`]: addresses that verify(8) knows of
//!
//! # Simplifications
//! No client certificates: `permit_tls_clientcerts` and `check_ccert_access` never apply.

mod access;
pub mod asked;
mod destination;
mod dnsbl;
mod evaluate;
mod login;
mod names;
mod policy;
mod restriction;
mod unverified;

use super::session::Session;
use crate::postfix::dict::maps::Parents;
use crate::postfix::dict::{Maps, MatchList, match_list};
use crate::postfix::server::Daemon;
use crate::postfix::verify;
use crate::trace::{Decision, Outcome};
use asked::Asked;
use destination::Recipients;
use dnsbl::Dnsbl;
use restriction::{Class, Kind, List};
use std::cell::RefCell;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
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
    /// An answer of these parts; the class of the enhanced code follows the SMTP code.
    pub fn new(code: u16, dsn: &str, text: impl Into<String>) -> Reject {
        let rest = dsn.get(1..).unwrap_or(".0.0");
        Reject { code, dsn: format!("{}{rest}", code / 100).into(), text: text.into() }
    }

    /// For now only, where `soft_bounce` says so.
    pub(super) fn softened(self, soft_bounce: bool) -> Reject {
        match self.code {
            500..=599 if soft_bounce => Reject::new(self.code - 100, &self.dsn, self.text),
            _ => self,
        }
    }

    /// As it goes over the wire.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.code, self.dsn, self.text)
    }
}

/// What a restriction or a list came to.
pub(super) enum Verdict {
    /// Nothing was said.
    Dunno,
    /// The rest of this list is skipped.
    Permit,
    /// No.
    Reject(Reject),
}

impl Verdict {
    fn permit_if(yes: bool) -> Verdict {
        if yes { Verdict::Permit } else { Verdict::Dunno }
    }
}

/// Under what name, and as what, the thing that a list is about is refused.
#[derive(Clone)]
struct Subject {
    name: Rc<str>,
    class: Class,
}

/// A future that may contain itself: a class may name a class.
type Evaluation<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// What lists that were asked early said for the case that nothing rejects.
#[derive(Default)]
pub struct Carried {
    client: Option<Reject>,
    helo: Option<Reject>,
    /// With the last MAIL.
    pub sender: Option<Reject>,
}

/// How deep restriction classes and tables may lead to each other.
const DEEPEST: usize = 100;

/// The lists and tables of a server.
pub struct Checks {
    mynetworks: MatchList,
    own_addresses: Vec<IpAddr>,
    delay_reject: bool,
    relay_first: bool,
    client: List,
    helo: List,
    sender: List,
    relay: List,
    recipient: List,
    data: List,
    end_of_data: List,
    etrn: List,
    classes: Vec<List>,
    class_names: Vec<Rc<str>>,
    parents: Parents,
    delimiter: Rc<str>,
    recipients: Recipients,
    login_maps: Maps,
    dnsbl: Dnsbl,
    policies: policy::Services,
    /// Lists that were results of access tables.
    results: RefCell<Vec<(Rc<str>, Rc<List>)>>,
}

impl Checks {
    /// Reads the configuration and opens the tables.
    ///
    /// # Errors
    /// Why the server cannot begin, for the log.
    pub fn new(daemon: &Daemon) -> Result<Checks, String> {
        let config = &daemon.config;
        let class_names = config.list("smtpd_restriction_classes");
        let list = |setting: &str, default: Option<Class>| {
            List::parse(setting, &config.string(setting), default, &class_names, daemon)
        };
        let own = daemon.p.host().addresses().iter().copied();
        Ok(Checks {
            mynetworks: MatchList::networks("mynetworks", config, &daemon.p)?,
            own_addresses: own.chain([IpAddr::from([127, 0, 0, 1])]).collect(),
            delay_reject: daemon.yes("smtpd_delay_reject"),
            relay_first: daemon.yes("smtpd_relay_before_recipient_restrictions"),
            client: list("smtpd_client_restrictions", Some(Class::Client)),
            helo: list("smtpd_helo_restrictions", Some(Class::Helo)),
            sender: list("smtpd_sender_restrictions", Some(Class::Sender)),
            relay: list("smtpd_relay_restrictions", Some(Class::Recipient)),
            recipient: list("smtpd_recipient_restrictions", Some(Class::Recipient)),
            data: list("smtpd_data_restrictions", None),
            end_of_data: list("smtpd_end_of_data_restrictions", None),
            etrn: list("smtpd_etrn_restrictions", Some(Class::Etrn)),
            classes: class_names.iter().map(|name| list(name, None)).collect(),
            parents: match_list::parents("smtpd_access_maps", config),
            delimiter: daemon.string("recipient_delimiter"),
            recipients: Recipients::new(daemon),
            login_maps: Maps::open(&daemon.string("smtpd_sender_login_maps"), &daemon.p)?,
            dnsbl: Dnsbl::new(daemon)?,
            policies: policy::Services::default(),
            results: RefCell::default(),
            class_names,
        })
    }

    /// What would make every message open to relaying or be refused: one list must say where mail
    /// may go.
    ///
    /// # Errors
    /// What the real server ends with.
    pub fn check_relay_control(&self) -> Result<(), String> {
        let guards = |kind| {
            use Kind::{Defer, DeferUnauthDestination, Reject, UnauthDestination};
            matches!(kind, UnauthDestination | DeferUnauthDestination | Reject | Defer | Kind::DeferIfPermit)
        };
        let relays = |list: &List| list.items.iter().any(|i| guards(i.kind));
        if relays(&self.relay) || relays(&self.recipient) {
            return Ok(());
        }
        Err("in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one \
             working instance of: reject_unauth_destination, defer_unauth_destination, reject, defer, \
             defer_if_permit or check_relay_domains"
            .to_owned())
    }

    /// Is the client on this host itself (`permit_inet_interfaces`)?
    pub fn is_own(&self, address: IpAddr) -> bool {
        self.own_addresses.contains(&address)
    }

    /// Is the client trusted (`mynetworks`)?
    pub fn in_mynetworks(&self, name: &str, address: IpAddr) -> bool {
        self.mynetworks.find_client(Some(name), address).is_ok_and(|found| found.is_some())
    }

    /// May the client talk to us at all? Asked at once without `smtpd_delay_reject`.
    pub async fn connect(&self, s: &Session<'_>) -> Result<(), Reject> {
        if self.delay_reject || s.is_alone() {
            return Ok(());
        }
        let asked = Asked::early(s, None);
        self.stage(&self.client, &asked, self.client_subject(&asked)).await?;
        s.carried.borrow_mut().client = asked.defer_if_permit.take();
        Ok(())
    }

    /// May the client call itself so? Asked at once without `smtpd_delay_reject`.
    pub async fn helo(&self, s: &Session<'_>, name: &Rc<str>) -> Result<(), Reject> {
        if self.delay_reject || s.is_alone() {
            return Ok(());
        }
        s.carried.borrow_mut().helo = None;
        let asked = Asked { helo: name.clone(), ..Asked::early(s, s.carried.borrow().client.clone()) };
        self.stage(&self.helo, &asked, Subject { name: name.clone(), class: Class::Helo }).await?;
        s.carried.borrow_mut().helo = asked.defer_if_permit.take();
        Ok(())
    }

    /// May there be mail from this sender? Asked at once without `smtpd_delay_reject`.
    pub async fn mail(&self, s: &Session<'_>, sender: &Rc<str>) -> Result<(), Reject> {
        if self.delay_reject || s.is_alone() {
            return Ok(());
        }
        let asked =
            Asked { sender: Some(sender.clone()), ..Asked::early(s, s.carried.borrow().helo.clone()) };
        self.sender(&asked).await?;
        s.carried.borrow_mut().sender = asked.defer_if_permit.take();
        Ok(())
    }

    /// A list that is asked as soon as its command is there.
    async fn stage(&self, list: &List, asked: &Asked<'_>, subject: Subject) -> Result<(), Reject> {
        match self.evaluate(list, asked, subject).await {
            Verdict::Reject(reject) => Err(reject),
            Verdict::Dunno | Verdict::Permit => Ok(()),
        }
    }

    async fn sender(&self, asked: &Asked<'_>) -> Result<(), Reject> {
        let Some(sender) = asked.sender.clone() else { return Ok(()) };
        let subject = Subject { name: sender.clone(), class: Class::Sender };
        if let Verdict::Reject(reject) = self.evaluate(&self.sender, asked, subject).await {
            return Err(reject);
        }
        let s = asked.session;
        if s.settings.reject_unlisted_sender
            && !asked.sender_checked.get()
            && !s.actions.borrow().discard
            && !sender.is_empty()
            && let Verdict::Reject(reject) = self.listed(asked, &sender, Class::Sender).await
        {
            return Err(reject);
        }
        Ok(())
    }

    /// The lists whose turn has come late.
    async fn delayed(&self, asked: &Asked<'_>) -> Result<(), Reject> {
        if !self.delay_reject {
            return Ok(());
        }
        let client = self.client_subject(asked);
        if let Verdict::Reject(reject) = self.evaluate(&self.client, asked, client).await {
            return Err(reject);
        }
        if !asked.helo.is_empty() {
            let subject = Subject { name: asked.helo.clone(), class: Class::Helo };
            if let Verdict::Reject(reject) = self.evaluate(&self.helo, asked, subject).await {
                return Err(reject);
            }
        }
        Ok(())
    }

    /// May mail go to this recipient?
    pub async fn rcpt(&self, s: &Session<'_>, recipient: &Rc<str>) -> Result<(), Reject> {
        if s.is_alone() || self.is_always_taken(s, recipient) {
            return Ok(());
        }
        let asked = Asked { recipient: Some(recipient.clone()), ..Asked::new(s) };
        self.delayed(&asked).await?;
        if self.delay_reject {
            self.sender(&asked).await?;
        }
        let subject = Subject { name: recipient.clone(), class: Class::Recipient };
        let both =
            if self.relay_first { [&self.relay, &self.recipient] } else { [&self.recipient, &self.relay] };
        for list in both {
            if let Verdict::Reject(reject) = self.evaluate(list, &asked, subject.clone()).await {
                return Err(reject);
            }
        }
        self.permission(&asked)?;
        if s.settings.reject_unlisted_recipient
            && !asked.recipient_checked.get()
            && !s.actions.borrow().discard
            && let Verdict::Reject(reject) = self.listed(&asked, recipient, Class::Recipient).await
        {
            return Err(reject);
        }
        Ok(())
    }

    /// Must mail to this recipient be taken, whoever sends it? The postmaster's (RFC 5321, section
    /// 4.5.1), and that of our own probes: hosts that probe each other would wait for each other.
    fn is_always_taken(&self, s: &Session<'_>, recipient: &str) -> bool {
        let yes = recipient.eq_ignore_ascii_case("postmaster")
            || recipient.eq_ignore_ascii_case(&verify::probe_sender(s.daemon));
        if yes {
            s.daemon.p.decide(|| Decision {
                rule: "always taken".into(),
                setting: "address_verify_sender".into(),
                place: s.daemon.config.place("address_verify_sender"),
                compared: format!("{recipient} is the postmaster or the sender of probes"),
                outcome: Outcome::Yes,
            });
        }
        yes
    }

    /// What would be permitted may have to wait.
    fn permission(&self, asked: &Asked<'_>) -> Result<(), Reject> {
        let deferred = asked.defer_if_permit.borrow_mut().take();
        match deferred.map(|r| asked.reject(r.code, &r.dsn, r.text)) {
            Some(Verdict::Reject(reject)) => Err(reject),
            _ => Ok(()),
        }
    }

    /// May the message begin?
    pub async fn data(&self, s: &Session<'_>) -> Result<(), Reject> {
        self.whole(&self.data, s, "DATA", Class::Data).await
    }

    /// May the message be taken, now that it is here?
    pub async fn end_of_data(&self, s: &Session<'_>) -> Result<(), Reject> {
        self.whole(&self.end_of_data, s, "END-OF-MESSAGE", Class::EndOfData).await
    }

    async fn whole(&self, list: &List, s: &Session<'_>, name: &str, class: Class) -> Result<(), Reject> {
        if list.items.is_empty() || s.is_alone() {
            return Ok(());
        }
        let mut asked = Asked::new(s);
        if s.rcpt_count > 1 {
            // What is said of the message is said of all its recipients alike.
            asked.recipient = None;
        }
        match self.evaluate(list, &asked, Subject { name: name.into(), class }).await {
            Verdict::Reject(reject) => Err(reject),
            Verdict::Dunno | Verdict::Permit => self.permission(&asked),
        }
    }

    /// May the client have the queue flushed?
    pub async fn etrn(&self, s: &Session<'_>, domain: &Rc<str>) -> Result<(), Reject> {
        let asked = Asked { etrn: Some(domain.clone()), ..Asked::new(s) };
        self.delayed(&asked).await?;
        match self.evaluate(&self.etrn, &asked, Subject { name: domain.clone(), class: Class::Etrn }).await {
            Verdict::Reject(reject) => Err(reject),
            Verdict::Dunno | Verdict::Permit => self.permission(&asked),
        }
    }

    fn client_subject(&self, asked: &Asked<'_>) -> Subject {
        Subject { name: asked.client(), class: Class::Client }
    }
}
