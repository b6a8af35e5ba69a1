//! access(5) tables: what is looked up, and what the results do.

use super::asked::Asked;
use super::restriction::{Class, List, Restriction, Servers};
use super::{Checks, Subject, Verdict};
use crate::postfix::dict::{DictError, Found, Maps};
use crate::postfix::server::Daemon;
use crate::postfix::smtpd::session::Session;
use crate::proto::address;
use crate::proto::dns::{Data, Type};
use crate::proto::smtp::command;
use crate::world::dns::{Lookup, Trouble};
use std::net::IpAddr;
use std::rc::Rc;

/// What a lookup came to.
type Looked = Result<Option<Found>, DictError>;

impl Checks {
    /// `check_*_access`
    pub(super) async fn access(
        &self,
        item: &Restriction,
        class: Class,
        asked: &Asked<'_>,
        about: &Subject,
    ) -> (Verdict, String) {
        let (Some(maps), Some(spec)) = (&item.table, &item.argument) else {
            return (self.without_argument(item, asked, "type:table"), String::new());
        };
        let s = asked.session;
        let c = &s.client;
        let subject = |name: &Rc<str>| Subject { name: name.clone(), class };
        let (subject, looked) = match class {
            Class::Client => (subject(&s.shown), self.by_client(maps, &c.name, c.address)),
            Class::ReverseClient => {
                (subject(&c.reverse_name), self.by_client(maps, &c.reverse_name, c.address))
            }
            Class::Helo if asked.helo.is_empty() => return (Verdict::Dunno, String::new()),
            Class::Helo => (subject(&asked.helo), maps.find_domain(&asked.helo, self.parents)),
            Class::Sender | Class::Recipient => match self.by_mail(class, maps, asked).await {
                Some((name, looked)) => (subject(&name), looked),
                None => return (Verdict::Dunno, String::new()),
            },
            Class::Etrn => match &asked.etrn {
                Some(domain) => (subject(domain), maps.find_domain(domain, self.parents)),
                None => return (Verdict::Dunno, String::new()),
            },
            Class::SaslLogin => match &s.login {
                Some(login) => (subject(&login.user), maps.find(&login.user)),
                None => return (Verdict::Dunno, "the client has not logged in".into()),
            },
            Class::Certificate | Class::Data | Class::EndOfData => return (Verdict::Dunno, String::new()),
        };
        let (verdict, compared) = self.obey(looked, spec, &subject, asked).await;
        match (verdict, class) {
            (Verdict::Permit, Class::ReverseClient) => (self.not_allowed(item, about, asked), compared),
            (Verdict::Permit, Class::Recipient) if self.is_suspicious(asked).await => {
                (Verdict::Dunno, compared)
            }
            (verdict, _) => (verdict, compared),
        }
    }

    /// A route of the sender's own leads who knows where: no table may permit that.
    async fn is_suspicious(&self, asked: &Asked<'_>) -> bool {
        match &asked.recipient {
            Some(recipient) if !asked.session.settings.allow_untrusted_routing => {
                asked.resolve(recipient).await.routed
            }
            _ => false,
        }
    }

    /// A name and its parents, then the address and its networks.
    fn by_client(&self, maps: &Maps, name: &str, address: Option<IpAddr>) -> Looked {
        match (maps.find_domain(name, self.parents)?, address) {
            (None, Some(address)) => maps.find_network(address),
            (found, _) => Ok(found),
        }
    }

    async fn by_mail(&self, class: Class, maps: &Maps, asked: &Asked<'_>) -> Option<(Rc<str>, Looked)> {
        let address = if class == Class::Sender { asked.sender.clone()? } else { asked.recipient.clone()? };
        if address.is_empty() {
            let key = asked.session.daemon.string("smtpd_null_access_lookup_key");
            return Some((address, maps.find(&key)));
        }
        let resolved = asked.resolve(&address).await;
        let looked = maps.find_access(&resolved.recipient, &self.delimiter, self.parents);
        Some((address, looked))
    }

    /// Does what the table says.
    async fn obey(
        &self,
        looked: Looked,
        spec: &str,
        subject: &Subject,
        asked: &Asked<'_>,
    ) -> (Verdict, String) {
        let daemon = asked.session.daemon;
        match looked {
            Ok(None) => (Verdict::Dunno, format!("{} is not in {spec}", subject.name)),
            Ok(Some(found)) => {
                let key = found.key.as_deref().unwrap_or(&subject.name).to_owned();
                let line = found.line.map_or_else(String::new, |n| format!(", line {n}"));
                let compared = format!("{key} in {}{line}: {}", found.table, found.value);
                (self.action(&found, &key, subject, asked).await, compared)
            }
            Err(e) => {
                daemon.msg.log_warn(&e);
                let problem = match subject.class {
                    Class::Sender | Class::Recipient => {
                        format!("{spec} lookup error for \"{}\"", subject.name)
                    }
                    _ => format!("{spec}: table lookup problem"),
                };
                daemon.msg.log_warn(problem);
                let why = "Server configuration error";
                (asked.refuse(451, "4.3.5", &subject.name, subject.class, why), e.text)
            }
        }
    }

    /// The right-hand side of a table.
    pub(super) async fn action(
        &self,
        found: &Found,
        key: &str,
        subject: &Subject,
        asked: &Asked<'_>,
    ) -> Verdict {
        let value = &*found.value;
        let (word, text) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        let text = text.trim_start();
        let (name, class) = (&*subject.name, subject.class);
        let s = asked.session;
        let code = |setting: &str| s.daemon.int(setting).clamp(400, 599) as u16;
        let upper = word.to_ascii_uppercase();
        let reply = |code: u16, dsn: &str, default: &str| {
            let (dsn, text) = split_dsn(text, dsn);
            let dsn = fitting_dsn(&dsn, class, s.daemon);
            (
                code,
                dsn,
                format!(
                    "<{name}>: {} rejected: {}",
                    class.text(),
                    if text.is_empty() { default } else { text }
                ),
            )
        };
        match upper.as_str() {
            "DUNNO" => Verdict::Dunno,
            "REJECT" => {
                let (code, dsn, text) = reply(code("access_map_reject_code"), "5.7.1", "Access denied");
                asked.reject(code, &dsn, text)
            }
            "DEFER" => {
                let (code, dsn, text) = reply(code("access_map_defer_code"), "4.7.1", "Access denied");
                asked.reject(code, &dsn, text)
            }
            "DEFER_IF_PERMIT" => {
                let (code, dsn, text) = reply(code("access_map_defer_code"), "4.7.1", "Service unavailable");
                asked.defer_if_permit(code, &dsn, text)
            }
            "DEFER_IF_REJECT" => {
                let (code, dsn, text) = reply(code("access_map_defer_code"), "4.7.1", "Service unavailable");
                asked.defer_if_reject(code, &dsn, text)
            }
            "WARN" | "INFO" => {
                asked.log(&upper.to_ascii_lowercase(), text);
                Verdict::Dunno
            }
            "OK" | "RELAY" => Verdict::Permit,
            "HOLD" | "DISCARD" | "FILTER" | "REDIRECT" | "BCC" | "PREPEND" => {
                self.delegate(&upper, text, key, found, subject, asked)
            }
            _ if word.len() == 3 && word.starts_with(['4', '5']) && is_digits(word) && !text.is_empty() => {
                let code = word.parse().unwrap_or(550);
                let (code, dsn, text) =
                    reply(code, if code < 500 { "4.7.1" } else { "5.7.1" }, "Access denied");
                asked.reject(code, &dsn, text)
            }
            // Some databases keep the time of a login there.
            _ if is_digits(value) => Verdict::Permit,
            _ => self.list_of_words(value, key, &found.table, subject, asked).await,
        }
    }

    /// Restrictions by name as a result.
    async fn list_of_words(
        &self,
        value: &str,
        key: &str,
        table: &str,
        subject: &Subject,
        asked: &Asked<'_>,
    ) -> Verdict {
        let daemon = asked.session.daemon;
        if value.trim().is_empty() {
            daemon.msg.log_warn(format!("access table {table} entry {key} has empty value"));
            return Verdict::Permit;
        }
        if let Some(map) = value.split([' ', '\t', ',']).find(|w| w.contains(':')) {
            daemon.msg.log_warn(format!("access table {table} has entry with lookup table: {map}"));
            daemon.msg.log_warn("do not specify lookup tables inside SMTPD access maps");
            daemon.msg.log_warn("define a restriction class and specify its name instead.");
            return asked.misconfigured();
        }
        let known = self.results.borrow().iter().find(|(v, _)| **v == *value).map(|(_, l)| l.clone());
        let list = known.unwrap_or_else(|| {
            let list = Rc::new(List::parse(table, value, None, &self.class_names, daemon));
            self.results.borrow_mut().push((value.into(), list.clone()));
            list
        });
        self.evaluate(&list, asked, subject.clone()).await
    }

    /// Actions that cleanup carries out once the message is there.
    fn delegate(
        &self,
        action: &str,
        text: &str,
        key: &str,
        found: &Found,
        subject: &Subject,
        asked: &Asked<'_>,
    ) -> Verdict {
        let s = asked.session;
        let table = &found.table;
        if s.last == "ETRN" && action != "PREPEND" {
            let text = format!("access table {table}: with {} specify no action {action}", s.last);
            s.daemon.msg.log_warn(text);
            return Verdict::Dunno;
        }
        if !self.delay_reject && matches!(subject.class, Class::Client | Class::Helo) {
            s.daemon.msg.log_warn(format!(
                "access table {table}: with smtpd_delay_reject=no, action {action} is always skipped in \
                 {} or {} restrictions",
                Class::Client.text(),
                Class::Helo.text()
            ));
            return Verdict::Dunno;
        }
        let warn = |what: &str| {
            s.daemon.msg.log_warn(format!("access table {table} entry \"{key}\" {what}"));
            Verdict::Dunno
        };
        let what = format!("<{}>: {}", subject.name, subject.class.text());
        let log = |how: &str| asked.log(&action.to_ascii_lowercase(), &format!("{what} {how}"));
        let mut actions = s.actions.borrow_mut();
        match action {
            "HOLD" if actions.hold => {}
            "HOLD" => {
                log(if text.is_empty() { "triggers HOLD action" } else { text });
                actions.hold = true;
            }
            "DISCARD" => {
                log(if text.is_empty() { "triggers DISCARD action" } else { text });
                actions.discard = true;
                return Verdict::Permit;
            }
            "FILTER" if text.is_empty() => return warn("has FILTER entry without value"),
            "FILTER" if !text.contains(':') => return warn("requires transport:destination"),
            "FILTER" => {
                log(&format!("triggers FILTER {text}"));
                actions.filter = Some(text.into());
            }
            "REDIRECT" | "BCC" if !text.contains('@') => return warn("requires user@domain target"),
            "REDIRECT" => {
                log(&format!("triggers REDIRECT {text}"));
                actions.redirect = Some(text.into());
            }
            "BCC" => {
                log(&format!("triggers BCC {text}"));
                actions.bcc.push(text.into());
            }
            _ if !text.split_once(':').is_some_and(|(name, _)| command::is_header_name(name)) => {
                return warn("requires header: text");
            }
            _ => actions.prepend.push(text.into()),
        }
        Verdict::Dunno
    }

    /// `check_*_{a,mx,ns}_access`: the names and addresses of a domain's servers.
    pub(super) async fn server_access(
        &self,
        item: &Restriction,
        class: Class,
        servers: Servers,
        asked: &Asked<'_>,
        about: &Subject,
    ) -> (Verdict, String) {
        let (Some(maps), Some(spec)) = (&item.table, &item.argument) else {
            return (self.without_argument(item, asked, "type:table"), String::new());
        };
        let c = &asked.session.client;
        let (name, full): (Rc<str>, Rc<str>) = match class {
            Class::Client => (c.name.clone(), asked.client()),
            Class::ReverseClient => (c.reverse_name.clone(), c.reverse_name.clone()),
            Class::Helo => (asked.helo.clone(), asked.helo.clone()),
            _ => match super::names::subject_address(class, asked) {
                Some(a) => (address::domain(&a).unwrap_or_default().into(), a),
                None => return (Verdict::Dunno, String::new()),
            },
        };
        if name.is_empty() || *name == *"unknown" || name.starts_with('[') {
            return (Verdict::Dunno, String::new());
        }
        let subject = Subject { name: full, class };
        let hosts = match self.servers(&name, servers, asked).await {
            Ok(hosts) => hosts,
            Err(trouble) => {
                let kind = type_name(servers);
                let text = format!("Unable to look up {kind} host for {name}: {}", trouble.text());
                asked.session.daemon.msg.log_warn(&text);
                return (Verdict::Dunno, text);
            }
        };
        for host in &hosts {
            let (verdict, compared) =
                self.obey(maps.find_domain(host, self.parents), spec, &subject, asked).await;
            let found = !compared.contains(" is not in ");
            if found {
                return (self.unless_permitted(verdict, item, about, asked), compared);
            }
            let Lookup::Found(addresses) = asked.session.daemon.p.addresses_of(host).await else {
                let (kind, s) = (type_name(servers), asked.session);
                s.daemon.msg.log_warn(format!(
                    "Unable to look up {kind} host {host} for {} {}: Name or service not known",
                    class.text(),
                    subject.name
                ));
                continue;
            };
            for address in addresses {
                let looked = maps.find_network(address);
                if matches!(looked, Ok(None)) {
                    continue;
                }
                let (verdict, compared) = self.obey(looked, spec, &subject, asked).await;
                return (self.unless_permitted(verdict, item, about, asked), compared);
            }
        }
        (Verdict::Dunno, format!("{} of {name}: none is in {spec}", hosts.join(", ")))
    }

    fn unless_permitted(
        &self,
        verdict: Verdict,
        item: &Restriction,
        about: &Subject,
        asked: &Asked<'_>,
    ) -> Verdict {
        match verdict {
            Verdict::Permit => self.not_allowed(item, about, asked),
            verdict => verdict,
        }
    }

    /// What a stranger can have put into DNS must not open doors.
    fn not_allowed(&self, item: &Restriction, about: &Subject, asked: &Asked<'_>) -> Verdict {
        let s: &Session<'_> = asked.session;
        s.daemon.msg.log_warn(format!("restriction {} returns OK for {}", item.name, about.name));
        s.daemon.msg.log_warn("this is not allowed for security reasons");
        s.daemon.msg.log_warn("use DUNNO instead of OK if you want to make an exception");
        asked.misconfigured()
    }

    async fn servers(
        &self,
        name: &str,
        servers: Servers,
        asked: &Asked<'_>,
    ) -> Result<Vec<Rc<str>>, Trouble> {
        let p = &asked.session.daemon.p;
        let kind = match servers {
            Servers::A => return Ok(vec![name.into()]),
            Servers::Mx => Type::Mx,
            Servers::Ns => Type::Ns,
        };
        let mut domain = name;
        loop {
            match (p.query(domain, kind).await, servers) {
                (Ok(records), _) => {
                    let hosts = records.into_iter().filter_map(|d| match d {
                        Data::Mx(_, host) | Data::Ns(host) => Some(host),
                        _ => None,
                    });
                    return Ok(hosts.filter(|h| !h.is_empty() && **h != *".").collect());
                }
                (Err(Trouble::NoData), Servers::Mx) => return Ok(vec![domain.into()]),
                (Err(Trouble::NoData), Servers::Ns) => match domain.split_once('.') {
                    Some((_, parent)) if !parent.is_empty() => domain = parent,
                    _ => return Err(Trouble::NoData),
                },
                (Err(trouble), _) => return Err(trouble),
            }
        }
    }
}

fn type_name(servers: Servers) -> &'static str {
    match servers {
        Servers::A => "A",
        Servers::Mx => "MX",
        Servers::Ns => "NS",
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// An enhanced status code at the start of a text, or `default`; and the text.
pub fn split_dsn<'t>(text: &'t str, default: &str) -> (String, &'t str) {
    match crate::proto::smtp::reply::Dsn::parse(text) {
        Some(dsn) => {
            let code = dsn.to_string();
            let rest = text[code.len()..].trim_start();
            (code, rest)
        }
        None => (default.to_owned(), text),
    }
}

/// A code about an address (`x.1.y`) made one that fits what was refused (`smtpd_dsn_fix(3)`).
pub fn fitting_dsn(dsn: &str, class: Class, daemon: &Daemon) -> String {
    let Some((kind, detail)) = dsn.split_once(".1.") else { return dsn.to_owned() };
    let fixed = match (class, detail) {
        (Class::Sender, "1" | "3" | "4" | "6") => "1.7",
        (Class::Sender, "2") => "1.8",
        (Class::Sender, "5") => "1.0",
        (Class::Recipient, "7") => "1.3",
        (Class::Recipient, "8") => "1.2",
        (Class::Sender | Class::Recipient, _) => return dsn.to_owned(),
        _ => "0.0",
    };
    let fixed = format!("{kind}.{fixed}");
    daemon.msg.log(&format!("mapping DSN status {dsn} into {} status {fixed}", class.text()));
    fixed
}
