//! Lists that something is compared with: domains (`relay_domains`), strings (`mydestination`),
//! hosts and networks (`mynetworks`).
//!
//! An element is a pattern, `!pattern` to take it out again, `/file/name` whose lines are
//! elements, or `type:table`, which matches what is a key in the table. The first that matches
//! counts.

use super::cidr::Network;
use super::maps::Parents;
use super::{Dict, DictError, Files, Flags};
use crate::postfix::config::{Config, typed};
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

/// How deep files may name files.
const DEEPEST: usize = 10;

/// A parsed list.
#[derive(Debug, Default)]
pub struct MatchList {
    name: Rc<str>,
    items: Vec<Item>,
    subdomains: Subdomains,
}

/// What the elements that are domains say of subdomains.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Subdomains {
    /// Nothing: they are strings.
    #[default]
    No,
    /// `example.com` matches them, too.
    Plain,
    /// `.example.com` matches them.
    Dotted,
}

#[derive(Debug)]
struct Item {
    text: Rc<str>,
    negated: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A string, in lower case.
    Text(String),
    Network(Network),
    Table(Dict),
    /// What makes every comparison that comes to it fail.
    Bad(String),
}

impl MatchList {
    /// The list that is the value of a parameter, of domains or strings as the parameter has it.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn domains(name: &str, config: &Config, io: &dyn Files) -> Result<MatchList, String> {
        const OF_DOMAINS: [&str; 4] =
            ["relay_domains", "fast_flush_domains", "permit_mx_backup_networks", "debug_peer_list"];
        let subdomains = match OF_DOMAINS.contains(&name) {
            true => subdomains(name, config),
            false => Subdomains::No,
        };
        MatchList::parse(name, &config.string(name), subdomains, false, io)
    }

    /// The list that is the value of a parameter, of hosts and networks.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn networks(name: &str, config: &Config, io: &dyn Files) -> Result<MatchList, String> {
        MatchList::parse(name, &config.string(name), subdomains(name, config), true, io)
    }

    /// A list of strings.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn strings(name: &str, text: &str, io: &dyn Files) -> Result<MatchList, String> {
        MatchList::parse(name, text, Subdomains::No, false, io)
    }

    /// Is the list empty?
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What a daemon logs as `error: ` when it has read the list.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|i| match &i.what {
            What::Table(dict) => dict.unavailable(),
            _ => None,
        })
    }

    /// Is a domain or string in the list? A table that cannot answer counts as no.
    pub fn matches(&self, text: &str) -> bool {
        self.find(text).is_ok_and(|found| found.is_some())
    }

    /// The element that a domain or string matches.
    ///
    /// # Errors
    /// A table that cannot answer, before anything matched.
    pub fn find(&self, text: &str) -> Result<Option<&Rc<str>>, DictError> {
        let lower = match text.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
        self.first(|item| self.text_matches(item, &lower))
    }

    /// The element that a client matches, by its name (if it has one) or its address.
    ///
    /// # Errors
    /// A bad network or a table that cannot answer, before anything matched.
    pub fn find_client(&self, name: Option<&str>, address: IpAddr) -> Result<Option<&Rc<str>>, DictError> {
        let name = name.map(str::to_ascii_lowercase);
        let shown = address.to_string();
        self.first(|item| match &item.what {
            What::Network(network) => Ok(network.contains(address)),
            _ => {
                let by_name = name.as_deref().map_or(Ok(false), |name| self.text_matches(item, name))?;
                Ok(by_name || self.text_matches(item, &shown)?)
            }
        })
    }

    fn first(
        &self,
        matches: impl Fn(&Item) -> Result<bool, DictError>,
    ) -> Result<Option<&Rc<str>>, DictError> {
        for item in &self.items {
            if matches(item)? {
                return Ok((!item.negated).then_some(&item.text));
            }
        }
        Ok(None)
    }

    fn text_matches(&self, item: &Item, text: &str) -> Result<bool, DictError> {
        match &item.what {
            What::Network(_) => Ok(false),
            What::Table(dict) => dict.lookup(text).map(|found| found.is_some()),
            What::Bad(why) => Err(DictError::new(item.text.clone(), format!("{}: {why}", self.name))),
            What::Text(pattern) if pattern == text => Ok(true),
            What::Text(pattern) => Ok(match self.subdomains {
                Subdomains::No => false,
                Subdomains::Plain => {
                    text.strip_suffix(pattern.as_str()).is_some_and(|rest| rest.ends_with('.'))
                }
                Subdomains::Dotted => pattern.starts_with('.') && text.ends_with(pattern.as_str()),
            }),
        }
    }

    fn parse(
        name: &str,
        text: &str,
        subdomains: Subdomains,
        networks: bool,
        io: &dyn Files,
    ) -> Result<MatchList, String> {
        let mut list = MatchList { name: name.into(), items: Vec::new(), subdomains };
        list.add(text, false, networks, io, 0)?;
        Ok(list)
    }

    fn add(
        &mut self,
        text: &str,
        negated: bool,
        networks: bool,
        io: &dyn Files,
        depth: usize,
    ) -> Result<(), String> {
        for word in typed::words(text) {
            let bare = word.trim_start_matches('!');
            let negated = negated != ((word.len() - bare.len()) % 2 == 1);
            if bare.starts_with('/') {
                if depth >= DEEPEST {
                    return Err(format!("unreasonable file nesting: {bare}"));
                }
                let bytes = io.read(bare).map_err(|e| format!("open file {bare}: {e}"))?;
                let content: String = String::from_utf8_lossy(&bytes)
                    .lines()
                    .filter(|line| !line.trim_start().starts_with('#'))
                    .flat_map(|line| [line, "\n"])
                    .collect();
                self.add(&content, negated, networks, io, depth + 1)?;
                continue;
            }
            self.items.push(Item { text: word.into(), negated, what: what(bare, networks, io) });
        }
        Ok(())
    }
}

fn what(text: &str, networks: bool, io: &dyn Files) -> What {
    let is_address = text.starts_with('[') || text.parse::<IpAddr>().is_ok();
    if text.contains(':') && !is_address && !text.starts_with(|c: char| c.is_ascii_digit()) {
        let dict = Dict::open(text, Flags::USUAL, io);
        return What::Table(dict.unwrap_or_else(|why| Dict::surrogate(text, &why)));
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '[');
    if networks && (is_address || numeric && text.contains('/')) {
        return Network::parse(text).map_or_else(What::Bad, What::Network);
    }
    What::Text(text.to_ascii_lowercase())
}

fn subdomains(name: &str, config: &Config) -> Subdomains {
    match parents(name, config) {
        Parents::Plain => Subdomains::Plain,
        Parents::Dotted => Subdomains::Dotted,
    }
}

/// How the parents of a domain match for a feature, by `parent_domain_matches_subdomains`.
pub fn parents(feature: &str, config: &Config) -> Parents {
    let plain = config.list("parent_domain_matches_subdomains").iter().any(|w| **w == *feature);
    if plain { Parents::Plain } else { Parents::Dotted }
}
