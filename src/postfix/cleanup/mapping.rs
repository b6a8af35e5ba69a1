//! Address mapping: `canonical_maps` and its kin, and `masquerade_domains` (ADDRESS_REWRITING_README).

use crate::postfix::config::Config;
use crate::postfix::dict::{Found, Maps, MatchList};
use crate::postfix::ipc::RewriteContext;
use crate::postfix::rewrite::Rewriter;
use crate::postfix::server::Daemon;
use crate::proto::address;
use crate::trace::{Decision, Outcome};
use std::rc::Rc;

/// What an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    EnvelopeSender,
    EnvelopeRecipient,
    HeaderSender,
    HeaderRecipient,
}

impl Class {
    const fn name(self) -> &'static str {
        match self {
            Class::EnvelopeSender => "envelope_sender",
            Class::EnvelopeRecipient => "envelope_recipient",
            Class::HeaderSender => "header_sender",
            Class::HeaderRecipient => "header_recipient",
        }
    }

    const fn is_sender(self) -> bool {
        matches!(self, Class::EnvelopeSender | Class::HeaderSender)
    }
}

/// How often one mapping may lead to the next.
const DEEPEST: usize = 10;

/// A table and the addresses that it maps.
struct Canonical {
    setting: &'static str,
    maps: Maps,
    classes: Vec<Rc<str>>,
}

/// The tables and lists.
pub struct Mapping {
    tables: [Canonical; 3],
    masquerade: Vec<Rc<str>>,
    masquerade_classes: Vec<Rc<str>>,
    exceptions: MatchList,
    propagate: bool,
    mydestination: MatchList,
    myorigin: Rc<str>,
    delimiter: Rc<str>,
}

impl Mapping {
    /// Opens the tables.
    ///
    /// # Errors
    /// A file that cannot be read, for the log.
    pub fn new(daemon: &Daemon) -> Result<Mapping, String> {
        let p = &daemon.p;
        let table = |setting: &'static str, classes: &str| -> Result<Canonical, String> {
            let maps = Maps::open(&daemon.string(setting), p)?;
            for e in maps.errors() {
                daemon.msg.log(&format!("error: {e}"));
            }
            Ok(Canonical { setting, maps, classes: daemon.config.list(classes) })
        };
        let exceptions = daemon.string("masquerade_exceptions");
        Ok(Mapping {
            tables: [
                table("sender_canonical_maps", "sender_canonical_classes")?,
                table("recipient_canonical_maps", "recipient_canonical_classes")?,
                table("canonical_maps", "canonical_classes")?,
            ],
            masquerade: daemon.config.list("masquerade_domains"),
            masquerade_classes: daemon.config.list("masquerade_classes"),
            exceptions: MatchList::strings("masquerade_exceptions", &exceptions, p)?,
            propagate: propagates(&daemon.config, "canonical"),
            mydestination: MatchList::domains("mydestination", &daemon.config, p)?,
            myorigin: daemon.string("myorigin"),
            delimiter: daemon.string("recipient_delimiter"),
        })
    }

    /// Is there nothing to be mapped?
    pub fn is_empty(&self) -> bool {
        self.masquerade.is_empty() && self.tables.iter().all(|t| t.maps.is_empty())
    }

    /// Is this a domain of this host, so that tables may hold its users alone?
    pub fn is_own(&self, address: &str) -> bool {
        address::domain(address)
            .is_some_and(|d| d.eq_ignore_ascii_case(&self.myorigin) || self.mydestination.matches(d))
    }

    /// What an address that is complete becomes.
    pub async fn map(&self, daemon: &Daemon, rewriter: &Rewriter, class: Class, address: Rc<str>) -> Rc<str> {
        if address.is_empty() || self.is_empty() {
            return address;
        }
        let mut address = address;
        for table in &self.tables {
            let other = if class.is_sender() { "recipient_canonical_maps" } else { "sender_canonical_maps" };
            let applies = table.classes.iter().any(|c| **c == *class.name());
            if applies && table.setting != other && !table.maps.is_empty() {
                address = self.by_table(daemon, rewriter, table, address).await;
            }
        }
        if self.masquerade_classes.iter().any(|c| **c == *class.name()) {
            address = self.masqueraded(daemon, address);
        }
        address
    }

    async fn by_table(
        &self,
        daemon: &Daemon,
        rewriter: &Rewriter,
        table: &Canonical,
        from: Rc<str>,
    ) -> Rc<str> {
        let mut address = from;
        for _ in 0..DEEPEST {
            let own = self.is_own(&address);
            let found = match table.maps.find_address_of(&address, &self.delimiter, own) {
                Ok(Some(found)) => found,
                Ok(None) => return address,
                Err(e) => {
                    daemon.msg.log_warn(e);
                    return address;
                }
            };
            let Some(new) = address::parse_list(&found.value).into_iter().next() else { return address };
            // `@domain` in a table keeps the user.
            let new = match (new.strip_prefix('@'), address.rsplit_once('@')) {
                (Some(domain), Some((user, _))) => format!("{user}@{domain}"),
                _ => new,
            };
            let new = rewriter.rewrite(&daemon.p, RewriteContext::Local, &new.into()).await;
            let new = if self.propagate { with_extension(new, &found) } else { new };
            daemon.p.decide(|| Decision {
                rule: "address mapping".into(),
                setting: table.setting.into(),
                place: daemon.config.place(table.setting),
                compared: format!("{address} in {}", found.table),
                outcome: Outcome::Becomes(new.to_string().into()),
            });
            if new == address {
                return address;
            }
            let again = !new.eq_ignore_ascii_case(&address);
            address = new;
            if !again {
                return address;
            }
        }
        daemon.msg.log_warn(format!("unreasonable {} map nesting for {address}", table.setting));
        address
    }

    /// Hosts of a domain hide behind it (`masquerade_domains`).
    fn masqueraded(&self, daemon: &Daemon, address: Rc<str>) -> Rc<str> {
        let Some((user, domain)) = address.rsplit_once('@') else { return address };
        if self.masquerade.is_empty() || self.exceptions.matches(user) {
            return address;
        }
        for entry in &self.masquerade {
            let bare = entry.trim_start_matches('!');
            let keeps = entry.len() - bare.len() == 1;
            if domain.eq_ignore_ascii_case(bare) {
                return address;
            }
            let cut = domain.len().checked_sub(bare.len()).filter(|at| *at > 0);
            let within = cut.is_some_and(|at| {
                domain.is_char_boundary(at)
                    && domain[at..].eq_ignore_ascii_case(bare)
                    && domain[..at].ends_with('.')
            });
            if within {
                if keeps {
                    return address;
                }
                let new: Rc<str> = format!("{user}@{bare}").into();
                daemon.p.decide(|| Decision {
                    rule: "masquerade".into(),
                    setting: "masquerade_domains".into(),
                    place: daemon.config.place("masquerade_domains"),
                    compared: format!("{domain} is within {bare}"),
                    outcome: Outcome::Becomes(new.to_string().into()),
                });
                return new;
            }
        }
        address
    }
}

/// Does a kind of table pass an address's extension on (`propagate_unmatched_extensions`)?
pub fn propagates(config: &Config, kind: &str) -> bool {
    config.list("propagate_unmatched_extensions").iter().any(|w| **w == *kind)
}

/// A result with the extension that the key did not have.
pub fn with_extension(address: Rc<str>, found: &Found) -> Rc<str> {
    match (&found.unmatched, address.rsplit_once('@')) {
        (Some(extension), Some((user, domain))) => format!("{user}{extension}@{domain}").into(),
        (Some(extension), None) => format!("{address}{extension}").into(),
        (None, _) => address,
    }
}
