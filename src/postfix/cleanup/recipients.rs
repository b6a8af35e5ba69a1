//! Expansion of `virtual_alias_maps`: one recipient may become many, again and again.

use super::expanded;
use super::mapping::{Mapping, propagates, with_extension};
use crate::postfix::dict::Maps;
use crate::postfix::ipc::RewriteContext;
use crate::postfix::rewrite::Rewriter;
use crate::postfix::server::Daemon;
use crate::proto::address;
use std::rc::Rc;

/// The tables and limits of the expansion.
pub struct Expansion {
    maps: Maps,
    recursion_limit: usize,
    expansion_limit: usize,
    delimiter: Rc<str>,
    propagate: bool,
}

impl Expansion {
    /// Opens the tables.
    ///
    /// # Errors
    /// Why a table cannot be opened, for the log.
    pub fn new(daemon: &Daemon) -> Result<Expansion, String> {
        Ok(Expansion {
            maps: Maps::open(&daemon.string("virtual_alias_maps"), &daemon.p)?,
            recursion_limit: daemon.int("virtual_alias_recursion_limit").max(1) as usize,
            expansion_limit: daemon.int("virtual_alias_expansion_limit").max(1) as usize,
            delimiter: daemon.string("recipient_delimiter"),
            propagate: propagates(&daemon.config, "virtual"),
        })
    }

    /// What a recipient becomes; itself where no table knows it.
    pub async fn expand(
        &self,
        daemon: &Daemon,
        rewriter: &Rewriter,
        mapping: &Mapping,
        address: Rc<str>,
    ) -> Vec<Rc<str>> {
        if self.maps.is_empty() {
            return vec![address];
        }
        let mut done: Vec<Rc<str>> = Vec::new();
        let mut open = vec![(address, 0)];
        while let Some((address, depth)) = open.pop() {
            let found = match self.maps.find_address_of(&address, &self.delimiter, mapping.is_own(&address)) {
                Ok(found) => found.filter(|_| depth < self.recursion_limit),
                Err(e) => {
                    daemon.msg.log(&format!("warning: {e}"));
                    None
                }
            };
            let Some(found) = found else {
                if !done.contains(&address) && done.len() < self.expansion_limit {
                    done.push(address);
                }
                continue;
            };
            let mut into: Vec<Rc<str>> = Vec::new();
            for next in address::parse_list(&found.value) {
                // `@domain` in a table keeps the user.
                let next = match (next.strip_prefix('@'), address.rsplit_once('@')) {
                    (Some(domain), Some((user, _))) => format!("{user}@{domain}"),
                    _ => next,
                };
                let next = rewriter.rewrite(&daemon.p, RewriteContext::Local, &next.into()).await;
                into.push(if self.propagate { with_extension(next, &found) } else { next });
            }
            expanded(daemon, &found.table, &address, &into);
            // An address that stands for itself is not looked up again.
            for next in into.into_iter().rev() {
                if next.eq_ignore_ascii_case(&address) {
                    done.push(next);
                } else {
                    open.push((next, depth + 1));
                }
            }
        }
        done
    }
}
