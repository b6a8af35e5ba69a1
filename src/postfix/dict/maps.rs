//! Lists of tables, and the forms in which an address, a domain or a host is looked up in them.
//!
//! A table that cannot be opened does not stop a daemon: it logs an error, and every lookup that
//! comes to that table fails (then mail is deferred).

use super::{Dict, DictError, Files, Flags, Found};
use crate::postfix::config::typed;
use std::net::IpAddr;
use std::rc::Rc;

/// How the parents of a domain are found, as `parent_domain_matches_subdomains` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parents {
    /// `example.com` stands for its subdomains, too.
    Plain,
    /// `.example.com` stands for the subdomains of example.com.
    Dotted,
}

/// Tables that are asked one after the other.
#[derive(Debug, Default)]
pub struct Maps {
    dicts: Vec<Dict>,
}

impl Maps {
    /// Opens the tables of a list as a daemon does; see [`Maps::errors`].
    ///
    /// # Errors
    /// None so far: what cannot be opened fails when it is asked.
    pub fn open(specs: &str, io: &dyn Files) -> Result<Maps, String> {
        Ok(Maps::open_with(specs, Flags::USUAL, io))
    }

    /// The same with flags.
    pub fn open_with(specs: &str, flags: Flags, io: &dyn Files) -> Maps {
        let open = |spec: &str| Dict::open(spec, flags, io).unwrap_or_else(|why| Dict::surrogate(spec, &why));
        Maps { dicts: typed::words(specs).into_iter().map(open).collect() }
    }

    /// Are there no tables?
    pub fn is_empty(&self) -> bool {
        self.dicts.is_empty()
    }

    /// The tables.
    pub fn dicts(&self) -> &[Dict] {
        &self.dicts
    }

    /// What a daemon logs as `error: ` when it has opened the tables.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.dicts.iter().filter_map(Dict::unavailable)
    }

    /// What a daemon logs as `warning: ` when it has opened the tables.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.dicts.iter().flat_map(|d| d.warnings().iter().map(String::as_str))
    }

    /// The first table whose file has changed since it was opened, as a daemon names it when it
    /// logs `table … has changed -- restarting`.
    pub fn changed(&self, io: &dyn Files) -> Option<String> {
        self.dicts.iter().find(|d| d.changed(io)).map(Dict::identity)
    }

    /// Looks up a key as it is.
    ///
    /// # Errors
    /// A table that cannot answer, if none before it could.
    pub fn find(&self, key: &str) -> Result<Option<Found>, DictError> {
        // Nobody may be found by asking for nothing.
        if key.is_empty() {
            return Ok(None);
        }
        for dict in &self.dicts {
            let asked = |e| DictError { key: Some(key.into()), ..e };
            if let Some(found) = dict.lookup(key).map_err(asked)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Looks up an address (canonical(5), virtual(5)): `user+ext@domain`, `user@domain`, `@domain`.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn find_address(&self, address: &str, delimiters: &str) -> Result<Option<Found>, DictError> {
        self.find_address_of(address, delimiters, false)
    }

    /// The same for an address whose domain is the host's own: `user+ext` and `user` are tried
    /// before `@domain`.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn find_address_of(
        &self,
        address: &str,
        delimiters: &str,
        own_domain: bool,
    ) -> Result<Option<Found>, DictError> {
        if self.dicts.is_empty() {
            return Ok(None);
        }
        let Some((local, domain)) = address.rsplit_once('@') else {
            let (user, extension) = split_extension(address, delimiters);
            return self.first([(address, None), (user, extension)], extension.is_some());
        };
        let (user, extension) = split_extension(local, delimiters);
        if let Some(found) = self.find(address)? {
            return Ok(Some(keyed(found, address, None)));
        }
        if extension.is_some() {
            let bare = format!("{user}@{domain}");
            if let Some(found) = self.find(&bare)? {
                return Ok(Some(keyed(found, &bare, extension)));
            }
        }
        if own_domain
            && let Some(found) = self.first([(local, None), (user, extension)], extension.is_some())?
        {
            return Ok(Some(found));
        }
        let at = &address[local.len()..];
        Ok(self.find(at)?.map(|found| keyed(found, at, None)))
    }

    /// Looks up a recipient's transport (transport(5)): `user+ext@domain`, `user@domain`,
    /// `domain`, `.domain` of every parent, `*`.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn find_transport(&self, recipient: &str, delimiters: &str) -> Result<Option<Found>, DictError> {
        if let Some((local, domain)) = recipient.rsplit_once('@') {
            if let Some(found) = self.full_or_bare(recipient, local, domain, delimiters)? {
                return Ok(Some(found));
            }
            if let Some(found) = self.find_domain(domain, Parents::Dotted)? {
                return Ok(Some(found));
            }
        } else if let Some(found) = self.find(recipient)? {
            return Ok(Some(keyed(found, recipient, None)));
        }
        Ok(self.find("*")?.map(|found| keyed(found, "*", None)))
    }

    /// Looks up a domain, then its parents.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn find_domain(&self, domain: &str, parents: Parents) -> Result<Option<Found>, DictError> {
        let mut key = domain;
        loop {
            if let Some(found) = self.find(key)? {
                return Ok(Some(keyed(found, key, None)));
            }
            let from = usize::from(parents == Parents::Dotted && key.starts_with('.'));
            match key[from..].find('.') {
                Some(dot) if parents == Parents::Dotted => key = &key[from + dot..],
                Some(dot) => key = &key[dot + 1..],
                None => return Ok(None),
            }
        }
    }

    /// Looks up a client's address, then the networks it is in, octet by octet (access(5)).
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn find_network(&self, address: IpAddr) -> Result<Option<Found>, DictError> {
        let text = address.to_string();
        let between = if address.is_ipv4() { '.' } else { ':' };
        let mut key = text.as_str();
        loop {
            if let Some(found) = self.find(key)? {
                return Ok(Some(keyed(found, key, None)));
            }
            match key.rfind(between) {
                Some(end) => key = key[..end].trim_end_matches(between),
                None => return Ok(None),
            }
            if key.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Looks up an address in an access(5) table: `user+ext@domain`, `user@domain`, the domain and
    /// its parents, `user+ext@`, `user@`.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn find_access(
        &self,
        address: &str,
        delimiters: &str,
        parents: Parents,
    ) -> Result<Option<Found>, DictError> {
        let Some((local, domain)) = address.rsplit_once('@') else {
            return Ok(self.find(address)?.map(|found| keyed(found, address, None)));
        };
        if let Some(found) = self.full_or_bare(address, local, domain, delimiters)? {
            return Ok(Some(found));
        }
        if let Some(found) = self.find_domain(domain, parents)? {
            return Ok(Some(found));
        }
        let (user, extension) = split_extension(local, delimiters);
        let (full, bare) = (format!("{local}@"), format!("{user}@"));
        self.first([(&full, None), (&bare, extension)], extension.is_some())
    }

    fn full_or_bare(
        &self,
        address: &str,
        local: &str,
        domain: &str,
        delimiters: &str,
    ) -> Result<Option<Found>, DictError> {
        let (user, extension) = split_extension(local, delimiters);
        let bare = format!("{user}@{domain}");
        self.first([(address, None), (&bare, extension)], extension.is_some())
    }

    /// The first of two keys that is found; the second only if there is one.
    fn first(&self, keys: [(&str, Option<&str>); 2], both: bool) -> Result<Option<Found>, DictError> {
        for (key, unmatched) in keys.into_iter().take(if both { 2 } else { 1 }) {
            if let Some(found) = self.find(key)? {
                return Ok(Some(keyed(found, key, unmatched)));
            }
        }
        Ok(None)
    }
}

fn keyed(found: Found, key: &str, unmatched: Option<&str>) -> Found {
    Found { key: Some(key.into()), unmatched: unmatched.map(Rc::from), ..found }
}

/// Splits a local part into the user and the extension with its delimiter: `user`, `+ext`. The
/// names of the mail system itself, `owner-list` and `list-request` are not split at `-`.
pub fn split_extension<'a>(local: &'a str, delimiters: &str) -> (&'a str, Option<&'a str>) {
    if delimiters.is_empty() {
        return (local, None);
    }
    const WHOLE: [&str; 3] = ["mailer-daemon", "double-bounce", "postmaster"];
    if WHOLE.iter().any(|w| local.eq_ignore_ascii_case(w)) {
        return (local, None);
    }
    let starts = |with: &str| local.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with));
    let ends = |with: &str| {
        local
            .len()
            .checked_sub(with.len())
            .and_then(|i| local.get(i..))
            .is_some_and(|s| s.eq_ignore_ascii_case(with))
    };
    if delimiters.contains('-') && (starts("owner-") || ends("-request")) {
        return (local, None);
    }
    match local.find(|c| delimiters.contains(c)) {
        Some(at) if at > 0 => (&local[..at], Some(&local[at..])),
        _ => (local, None),
    }
}
