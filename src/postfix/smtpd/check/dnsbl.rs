//! Block lists and allow lists in DNS (RFC 5782).
//!
//! `name=d.d.d.d` counts only answers of that form; a number may be a choice, `[2;4..9]`.

use super::asked::Asked;
use super::restriction::{Class, Kind, Restriction};
use super::{Checks, Verdict};
use crate::postfix::config::expand::{self, Names};
use crate::postfix::dict::Maps;
use crate::postfix::server::Daemon;
use crate::proto::address;
use crate::proto::dns::{self, Data, Type};
use crate::world::dns::Trouble;
use std::borrow::Cow;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// How many answers are kept.
const KEPT: usize = 100;

/// An answer: the addresses, and the reason if there is one.
#[derive(Clone)]
struct Answer {
    addresses: Vec<Ipv4Addr>,
    reason: Option<Rc<str>>,
}

/// The words for refusals, and what has been asked already.
pub struct Dnsbl {
    replies: Maps,
    default_reply: Rc<str>,
    code: u16,
    known: RefCell<Vec<(Rc<str>, Answer)>>,
}

impl Dnsbl {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Why a table cannot be opened, for the log.
    pub fn new(daemon: &Daemon) -> Result<Dnsbl, String> {
        Ok(Dnsbl {
            replies: Maps::open(&daemon.string("rbl_reply_maps"), &daemon.p)?,
            default_reply: daemon.config.raw("default_rbl_reply").unwrap_or_default().into(),
            code: daemon.int("maps_rbl_reject_code").clamp(400, 599) as u16,
            known: RefCell::default(),
        })
    }
}

impl Checks {
    pub(super) async fn dns_list(&self, item: &Restriction, asked: &Asked<'_>) -> (Verdict, String) {
        let Some(list) = &item.argument else {
            return (self.without_argument(item, asked, "domain name"), String::new());
        };
        let c = &asked.session.client;
        let (class, what): (Class, Rc<str>) = match item.kind {
            Kind::RblClient | Kind::DnswlClient => (Class::Client, c.shown_address.clone()),
            Kind::RhswlClient | Kind::Rhsbl(Class::Client) => (Class::Client, c.name.clone()),
            Kind::Rhsbl(Class::ReverseClient) => (Class::ReverseClient, c.reverse_name.clone()),
            Kind::Rhsbl(Class::Helo) => (Class::Helo, asked.helo.clone()),
            Kind::Rhsbl(Class::Sender) => (Class::Sender, asked.sender.clone().unwrap_or_else(|| "".into())),
            _ => (Class::Recipient, asked.recipient.clone().unwrap_or_else(|| "".into())),
        };
        let (domain, filter) = list.split_once('=').map_or((&**list, None), |(d, f)| (d, Some(f)));
        let by_address = matches!(item.kind, Kind::RblClient | Kind::DnswlClient);
        let query = match (by_address, c.address) {
            (true, Some(address)) => reversed(address, domain),
            (true, None) => return (Verdict::Dunno, String::new()),
            (false, _) => match listed_name(&what) {
                Some(name) => format!("{name}.{domain}"),
                None => return (Verdict::Dunno, format!("{what} has no domain to ask for")),
            },
        };
        let allows = matches!(item.kind, Kind::DnswlClient | Kind::RhswlClient);
        match self.ask(&query, allows, asked).await {
            Err(Trouble::TryAgain) if allows => {
                let text = format!(
                    "<{what}>: {} rejected: Service unavailable; {domain}: lookup error",
                    class.text()
                );
                (asked.defer_if_reject(450, "4.7.1", text), format!("{query}: no answer"))
            }
            Err(_) => (Verdict::Dunno, format!("{query} does not exist")),
            Ok(answer) => {
                let shown: Vec<String> = answer.addresses.iter().map(ToString::to_string).collect();
                let compared = format!("{query} is {}", shown.join(", "));
                let counts = answer.addresses.iter().any(|a| filter.is_none_or(|f| fits(*a, f)));
                match (counts, allows) {
                    (false, _) => (Verdict::Dunno, format!("{compared}, not {}", filter.unwrap_or_default())),
                    (true, true) => (self.allow(asked).await, compared),
                    (true, false) => (self.blocked(domain, &what, class, &answer, asked), compared),
                }
            }
        }
    }

    /// An allow list opens no way that relay control closes.
    async fn allow(&self, asked: &Asked<'_>) -> Verdict {
        match &asked.recipient {
            Some(_) => self.destination(Kind::AuthDestination, asked).await.0,
            None => Verdict::Permit,
        }
    }

    async fn ask(&self, query: &str, allows: bool, asked: &Asked<'_>) -> Result<Answer, Trouble> {
        if let Some((_, known)) = self.dnsbl.known.borrow().iter().find(|(q, _)| **q == *query) {
            return match known.addresses.is_empty() {
                true => Err(Trouble::NoSuchName),
                false => Ok(known.clone()),
            };
        }
        let p = &asked.session.daemon.p;
        let addresses = match p.query(query, Type::A).await {
            Ok(records) => records
                .into_iter()
                .filter_map(|d| match d {
                    Data::Address(IpAddr::V4(a)) => Some(a),
                    _ => None,
                })
                .collect(),
            Err(Trouble::TryAgain) => {
                let text = format!("{query}: RBL lookup error: {}", error_text(query, Trouble::TryAgain));
                asked.session.daemon.msg.log_warn(text);
                return Err(Trouble::TryAgain);
            }
            Err(_) => Vec::new(),
        };
        let mut reason = None;
        if !addresses.is_empty() && !allows {
            reason = p.query(query, Type::Txt).await.ok().and_then(|records| {
                records.into_iter().find_map(|d| match d {
                    Data::Txt(text) => Some(text.concat().into()),
                    _ => None,
                })
            });
        }
        let answer = Answer { addresses, reason };
        let mut known = self.dnsbl.known.borrow_mut();
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push((query.into(), answer.clone()));
        if answer.addresses.is_empty() { Err(Trouble::NoSuchName) } else { Ok(answer) }
    }

    fn blocked(
        &self,
        domain: &str,
        what: &Rc<str>,
        class: Class,
        answer: &Answer,
        asked: &Asked<'_>,
    ) -> Verdict {
        let template = match self.dnsbl.replies.find(domain) {
            Ok(found) => found.map_or_else(|| self.dnsbl.default_reply.clone(), |f| f.value),
            Err(e) => {
                e.log(&asked.session.daemon.msg);
                self.dnsbl.default_reply.clone()
            }
        };
        let words =
            Words { asked, code: self.dnsbl.code, domain, what, class, reason: answer.reason.as_deref() };
        let text = expand::expand(&template, &words).unwrap_or_default();
        let (code, rest) = text.split_once([' ', '\t']).unwrap_or((&text, ""));
        let number = code.parse().ok().filter(|n| (400..=599).contains(n));
        let (code, rest) = number.map_or((self.dnsbl.code, &*text), |n| (n, rest.trim_start()));
        let (dsn, rest) = super::access::split_dsn(rest, "4.7.1");
        asked.reject(code, &dsn, rest.to_owned())
    }
}

/// What a reply's template may name (`default_rbl_reply`).
struct Words<'a> {
    asked: &'a Asked<'a>,
    code: u16,
    domain: &'a str,
    what: &'a str,
    class: Class,
    reason: Option<&'a str>,
}

impl Names for Words<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let c = &self.asked.session.client;
        let part = |address: &Option<Rc<str>>, domain: bool| {
            let address = address.as_deref().unwrap_or_default();
            let (local, d) = address.rsplit_once('@').unwrap_or((address, ""));
            Cow::Owned(if domain { d } else { local }.to_owned())
        };
        let whole = |address: &Option<Rc<str>>| Cow::Owned(address.as_deref().unwrap_or_default().to_owned());
        Some(match name {
            "rbl_code" => self.code.to_string().into(),
            "rbl_domain" => self.domain.into(),
            "rbl_reason" => self.reason?.into(),
            "rbl_what" => self.what.into(),
            "rbl_class" => self.class.text().into(),
            "client" => self.asked.client().to_string().into(),
            "client_address" => (&*c.shown_address).into(),
            "client_name" => (&*c.name).into(),
            "reverse_client_name" => (&*c.reverse_name).into(),
            "helo_name" => (&*self.asked.helo).into(),
            "sender" => whole(&self.asked.sender),
            "sender_domain" => part(&self.asked.sender, true),
            "sender_name" => part(&self.asked.sender, false),
            "recipient" => whole(&self.asked.recipient),
            "recipient_domain" => part(&self.asked.recipient, true),
            "recipient_name" => part(&self.asked.recipient, false),
            _ => return None,
        })
    }

    fn expand_again(&self) -> bool {
        false
    }
}

fn error_text(query: &str, trouble: Trouble) -> String {
    format!("Host or domain name not found. Name service error for name={query} type=A: {}", trouble.text())
}

/// The name under which a list knows an address.
fn reversed(address: IpAddr, list: &str) -> String {
    let whole = dns::reverse_name(address);
    let digits = whole.trim_end_matches('.').trim_end_matches(".in-addr.arpa").trim_end_matches(".ip6.arpa");
    format!("{digits}.{list}")
}

/// The domain of an address or name, if a list can know it.
fn listed_name(what: &str) -> Option<&str> {
    let name = address::domain(what).unwrap_or(what);
    let good = !name.starts_with('[') && name != "unknown" && address::is_valid_hostname(name);
    good.then_some(name)
}

/// Does an address have the form `d.d.d.d`, where a number may be `[n;n..n]`?
fn fits(address: Ipv4Addr, pattern: &str) -> bool {
    let mut rest = pattern;
    for (n, octet) in address.octets().into_iter().enumerate() {
        if n > 0 {
            let Some(after) = rest.strip_prefix('.') else { return false };
            rest = after;
        }
        let (choice, after) = match rest.strip_prefix('[') {
            Some(inside) => match inside.split_once(']') {
                Some(parts) => parts,
                None => return false,
            },
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        rest = after;
        let holds = choice.split(';').any(|part| match part.split_once("..") {
            Some((low, high)) => {
                let bounds = (low.trim().parse::<u8>(), high.trim().parse::<u8>());
                matches!(bounds, (Ok(low), Ok(high)) if (low..=high).contains(&octet))
            }
            None => part.trim().parse() == Ok(octet),
        });
        if !holds {
            return false;
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let a = Ipv4Addr::new(127, 0, 0, 4);
        for (pattern, yes) in [
            ("127.0.0.4", true),
            ("127.0.0.[2..9]", true),
            ("127.0.0.[2;4]", true),
            ("127.0.0.[2;5..9]", false),
            ("127.0.[0..1].4", true),
            ("127.0.0", false),
            ("127.0.0.4.5", false),
        ] {
            assert_eq!(fits(a, pattern), yes, "{pattern}");
        }
    }

    #[test]
    fn rfc_5782_section_2_names() {
        assert_eq!(reversed("192.0.2.99".parse().unwrap(), "bl.example"), "99.2.0.192.bl.example");
        let v6 = reversed("2001:db8::1".parse().unwrap(), "bl.example");
        assert!(v6.starts_with("1.0.0.0.") && v6.ends_with("8.b.d.0.1.0.0.2.bl.example"), "{v6}");
    }
}
