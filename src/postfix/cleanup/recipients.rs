//! Expansion of `virtual_alias_maps`: one recipient may become many, again and again.

use crate::postfix::address_map::{AddressMap, MapTrouble};
use crate::postfix::own_domains::OwnDomains;
use crate::postfix::rewrite::Rewriter;
use crate::postfix::server::Daemon;
use std::rc::Rc;

/// The tables and limits of the expansion.
pub struct Expansion {
    map: AddressMap,
    own: Rc<OwnDomains>,
    recursion_limit: usize,
    expansion_limit: usize,
    length_limit: usize,
}

impl Expansion {
    /// Opens the tables.
    pub fn new(daemon: &Daemon, own: Rc<OwnDomains>) -> Expansion {
        let limit = |name: &str| daemon.int(name).max(1) as usize;
        Expansion {
            map: AddressMap::open(daemon, "virtual_alias_maps", "virtual"),
            own,
            recursion_limit: limit("virtual_alias_recursion_limit"),
            expansion_limit: limit("virtual_alias_expansion_limit"),
            length_limit: limit("virtual_alias_address_length_limit"),
        }
    }

    /// What a recipient becomes; itself where no table knows it.
    ///
    /// # Errors
    /// Why that cannot be said now; the message is not taken.
    pub async fn expand(
        &self,
        daemon: &Daemon,
        rewriter: &Rewriter,
        address: Rc<str>,
    ) -> Result<Vec<Rc<str>>, MapTrouble> {
        if self.map.is_empty() {
            return Ok(vec![address]);
        }
        let title = self.map.setting;
        let mut all = vec![address.clone()];
        // Those that stood for themselves once are not looked up again.
        let mut own: Vec<Rc<str>> = Vec::new();
        let mut at = 0;
        while at < all.len() {
            let mut depth = 0;
            loop {
                if all.len() > self.expansion_limit {
                    return Err(MapTrouble(format!("unreasonable {title} map expansion size for {address}")));
                }
                let current = all[at].clone();
                if own.iter().any(|o| o.eq_ignore_ascii_case(&current)) {
                    break;
                }
                if depth >= self.recursion_limit {
                    return Err(MapTrouble(format!("unreasonable {title} map nesting for {address}")));
                }
                let into = match self.map.map(daemon, &self.own, rewriter, &current).await {
                    Ok(into) => into,
                    Err(e) => {
                        e.log(&daemon.msg);
                        return Err(MapTrouble(format!("{title} map lookup problem for {address}")));
                    }
                };
                let Some(into) = into else { break };
                if let Some(long) = into.iter().find(|a| a.len() > self.length_limit) {
                    let shown: String = long.chars().take(300).collect();
                    return Err(MapTrouble(format!("unreasonable {title} result {shown}... for {address}")));
                }
                if into.iter().any(|a| a.eq_ignore_ascii_case(&current)) {
                    own.push(current);
                }
                let mut into = into.into_iter();
                all[at] = into.next().unwrap_or_else(|| address.clone());
                all.extend(into);
                depth += 1;
            }
            at += 1;
        }
        Ok(all)
    }
}
