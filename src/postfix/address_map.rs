//! Tables that replace addresses (`mail_addr_map(3)`): canonical(5), virtual(5), generic(5).
//!
//! An address is looked up as `user+ext@domain` and `user@domain`; where the domain is
//! `$myorigin` or one of the host's own, also as `user+ext` and `user`; last as `@domain`. A result
//! `@elsewhere` keeps the local part. An extension that the key did not have is put onto the result
//! where `propagate_unmatched_extensions` names the kind of table.

use super::dict::{DictError, Found, Maps};
use super::ipc::RewriteContext;
use super::own_domains::OwnDomains;
use super::rewrite::Rewriter;
use super::server::Daemon;
use crate::proto::address;
use crate::trace::{Decision, Outcome, Place};
use std::rc::Rc;

/// How often the result of one-to-one mapping is looked up again.
const DEEPEST: usize = 10;

/// The tables of one parameter.
pub struct AddressMap {
    /// The parameter.
    pub setting: &'static str,
    /// What the decisions of the trace call it.
    rule: &'static str,
    maps: Maps,
    propagate: bool,
    /// Is a result looked up again? Those of generic(5) are not.
    recurses: bool,
    delimiter: Rc<str>,
    myorigin: Rc<str>,
}

/// Why an address cannot be mapped, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapTrouble(pub String);

impl AddressMap {
    /// Opens the tables of `setting`; `kind` is their word in `propagate_unmatched_extensions`.
    pub fn open(daemon: &Daemon, setting: &'static str, kind: &'static str) -> AddressMap {
        let maps = Maps::open_with(&daemon.string(setting), super::dict::Flags::USUAL, &daemon.p);
        for e in maps.errors() {
            daemon.msg.log(&format!("error: {e}"));
        }
        AddressMap {
            setting,
            rule: if kind == "virtual" { "virtual alias" } else { kind },
            maps,
            propagate: daemon.config.list("propagate_unmatched_extensions").iter().any(|w| &**w == kind),
            recurses: kind != "generic",
            delimiter: daemon.string("recipient_delimiter"),
            myorigin: daemon.string("myorigin"),
        }
    }

    /// Is there nothing to look up?
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// The first table whose file is another one than that which was opened, as the log names it.
    pub fn changed(&self, daemon: &Daemon) -> Option<String> {
        self.maps.changed(&daemon.p)
    }

    /// What the tables say of an address, as it stands there.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn find(&self, own: &OwnDomains, address: &str) -> Result<Option<Found>, DictError> {
        let is_own = address
            .rsplit_once('@')
            .is_none_or(|(_, domain)| domain.eq_ignore_ascii_case(&self.myorigin) || own.contain(domain));
        self.maps.find_address_of(address, &self.delimiter, is_own)
    }

    /// The addresses that one stands for, complete; `None` where no table knows it.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub async fn map(
        &self,
        daemon: &Daemon,
        own: &OwnDomains,
        rewriter: &Rewriter,
        address: &str,
    ) -> Result<Option<Vec<Rc<str>>>, DictError> {
        let Some(found) = self.find(own, address)? else { return Ok(None) };
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        let extension = found.unmatched.as_deref().filter(|_| self.propagate);
        let mut all: Vec<Rc<str>> = Vec::new();
        let mut value = &*found.value;
        let mut into = Vec::new();
        if value.starts_with('@') {
            let end = value.find(',').unwrap_or(value.len());
            into.push(format!("{local}{}", value[..end].trim_end()));
            value = &value[end..];
        }
        into.extend(address::parse_list(value));
        for next in into {
            let next = rewriter.rewrite(&daemon.p, RewriteContext::Local, &next.into()).await;
            all.push(match extension {
                Some(extension) => extended(&next, extension),
                None => next,
            });
        }
        if all.is_empty() {
            let (setting, value) = (self.setting, &found.value);
            let text = format!("{setting} lookup of {address} returns non-address result \"{value}\"");
            return Err(DictError::new(found.table, text));
        }
        daemon.p.decide(|| Decision {
            rule: self.rule.into(),
            setting: self.setting.into(),
            place: match found.line {
                Some(line) => {
                    Place::line(found.table.split_once(':').map_or(&*found.table, |(_, f)| f), line)
                }
                None => daemon.config.place(self.setting),
            },
            compared: format!("{address} in {}", found.table),
            outcome: Outcome::Becomes(all.join(", ").into()),
        });
        Ok(Some(all))
    }

    /// The address that one is replaced by; where the tables are looked up again, until none knows
    /// the result, or it stands for itself.
    ///
    /// # Errors
    /// A table that cannot answer, or a chain without an end.
    pub async fn map_to_one(
        &self,
        daemon: &Daemon,
        own: &OwnDomains,
        rewriter: &Rewriter,
        address: &Rc<str>,
    ) -> Result<Rc<str>, MapTrouble> {
        let mut address = address.clone();
        if self.is_empty() || address.is_empty() {
            return Ok(address);
        }
        for _ in 0..DEEPEST {
            let next = match self.map(daemon, own, rewriter, &address).await {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(address),
                Err(e) => {
                    e.log(&daemon.msg);
                    return Err(MapTrouble(format!("{} map lookup problem for {address}", self.setting)));
                }
            };
            if next.len() > 1 {
                daemon.msg.log_warn(format!("multi-valued {} entry for {address}", self.setting));
            }
            match next.into_iter().next() {
                Some(first) if !self.recurses => return Ok(first),
                Some(first) if first != address => address = first,
                _ => return Ok(address),
            }
        }
        Err(MapTrouble(format!("unreasonable {} map nesting for {address}", self.setting)))
    }
}

/// An address with an extension that begins with its delimiter.
fn extended(address: &str, extension: &str) -> Rc<str> {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}{extension}@{domain}").into(),
        None => format!("{address}{extension}").into(),
    }
}
