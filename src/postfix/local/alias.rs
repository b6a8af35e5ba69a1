//! Aliases (aliases(5)).

use super::token;
use super::{Expansion, State, Status, Work};
use crate::postfix::deliver::Dsn;
use crate::postfix::dict::Found;
use crate::postfix::queue::{Recipient, notify};
use crate::trace::{Decision, Outcome, Place};
use std::rc::Rc;

/// How deep expansions may lie in one another.
const DEEPEST: u32 = 100;

impl<'a> Work<'a> {
    /// Expands a name, if it is an alias.
    pub(super) async fn alias(&'a self, state: &State, name: &Rc<str>) -> Option<Status> {
        let daemon = self.daemon();
        let level = state.level + 1;
        // A name that stands in its own alias is the user of that name.
        if state.from_alias.as_ref().is_some_and(|a| a.eq_ignore_ascii_case(name)) {
            return None;
        }
        if level > DEEPEST {
            daemon.msg.log_warn(format!("alias database loop for {name}"));
            let dsn = Dsn::new("5.4.6", format!("alias database loop for {name}"));
            return Some(self.failed(state, dsn).await);
        }
        let found = match self.look_up(name) {
            Ok(found) => found?,
            Err(()) => {
                return Some(self.deferred(state, Dsn::new("4.3.0", "alias database unavailable")).await);
            }
        };
        if self.is_probe() {
            return Some(self.sent(state, format!("aliased to {}", found.value)).await);
        }
        let mut next = state.clone();
        next.level = level;
        next.from_alias = Some(name.clone());
        next.expansion = Expansion::Alias;
        next.rights = None;
        let status = self.expand(state, next, name, &found.value).await;
        Some(status)
    }

    fn look_up(&self, name: &str) -> Result<Option<Found>, ()> {
        let daemon = self.daemon();
        for dict in &self.settings().aliases {
            match dict.lookup(name) {
                Ok(Some(found)) => {
                    daemon.p.decide(|| Decision {
                        rule: "alias".into(),
                        setting: "alias_maps".into(),
                        place: match found.line {
                            Some(line) => Place::line(file_of(&found.table), line),
                            None => daemon.config.place("alias_maps"),
                        },
                        compared: format!("{name} in {}", found.table),
                        outcome: Outcome::Becomes(found.value.to_string().into()),
                    });
                    return Ok(Some(found));
                }
                Ok(None) => {}
                Err(e) => {
                    daemon.msg.log_warn(&e);
                    daemon.msg.log_warn(format!("{}: lookup of '{name}' failed", dict.name()));
                    return Err(());
                }
            }
        }
        Ok(None)
    }

    async fn expand(&'a self, state: &State, mut next: State, name: &str, value: &str) -> Status {
        let settings = self.settings();
        match self.owner(name).await {
            // The message begins a life of its own; the first sender's wishes do not go with it.
            Some(owner) => {
                next.sender = owner.clone();
                next.owner = Some(owner);
                next.resent = true;
                next.rcpt.original = "".into();
                next.rcpt.dsn_orcpt = "".into();
                next.rcpt.dsn_notify = 0;
            }
            None => {
                if settings.reset_owner {
                    next.owner = None;
                }
                next.rcpt.dsn_notify = notify::without_success(state.rcpt.dsn_notify);
            }
        }
        if !settings.frozen_delivered {
            next.delivered = state.rcpt.address.clone();
        }
        let destinations = token::parse(value);
        if destinations.is_empty() {
            self.daemon().msg.log_warn(format!("no recipient in alias lookup result for {name}"));
            return self.deferred(state, Dsn::new("4.3.0", "alias database unavailable")).await;
        }
        let resent = next.resent && !state.resent;
        next.level += 1;
        let mut status = Status::Done;
        for destination in destinations {
            status = status.and(self.destination(&next, destination).await);
        }
        if status == Status::Done && state.rcpt.dsn_notify & notify::SUCCESS != 0 {
            if resent {
                // What it was written as belongs to the life before.
                let rcpt = Recipient { original: "".into(), ..state.rcpt.clone() };
                self.report_expansion(&State { rcpt, ..state.clone() }, "delivered").await;
            } else {
                self.report_expansion(state, "expanded").await;
            }
        }
        status
    }

    /// Tells a sender who asked for it that the name stood for others.
    pub(super) async fn report_expansion(&self, state: &State, action: &'static str) {
        let dsn = Dsn::new("2.0.0", "alias expanded");
        self.delivery.traced(&state.rcpt, super::RELAY, &dsn, action).await;
    }

    /// The sender that `owner-NAME` makes, if there is such an alias.
    async fn owner(&self, name: &str) -> Option<Rc<str>> {
        let settings = self.settings();
        if !settings.owner_special {
            return None;
        }
        let owner = format!("owner-{name}");
        let found = settings.aliases.iter().find_map(|d| d.lookup(&owner).ok().flatten())?;
        let address = if settings.expand_owner { &*found.value } else { &*owner };
        Some(self.rewrite(address).await)
    }
}

fn file_of(table: &str) -> &str {
    table.split_once(':').map_or(table, |(_, path)| path)
}
