//! Aliases (aliases(5)) and the lists that they include.

use super::destination;
use super::{Origin, Target, Work};
use crate::postfix::deliver::{Dsn, Progress};
use crate::trace::{Decision, Outcome};
use std::rc::Rc;

/// Whether a name is an alias.
pub enum Found {
    /// It is none.
    No,
    /// It was, and has been taken care of.
    Handled,
}

impl<'a> Work<'a> {
    /// Expands a name, with its extension or without, if it is an alias.
    pub(super) async fn alias(&'a self, local: &str, target: &Target) -> Found {
        let daemon = self.daemon();
        let (user, extension) = crate::proto::address::split_extension(local, &self.agent.settings.delimiter);
        let mut names = vec![local];
        if extension.is_some() {
            names.push(user);
        }
        for name in names {
            // A name that stands in its own alias is the user of that name.
            if target.chain.last().is_some_and(|last| **last == *name) {
                return Found::No;
            }
            let found = self.agent.aliases.iter().find_map(|dict| dict.lookup(name).transpose());
            let found = match found {
                None => continue,
                Some(Ok(found)) => found,
                Some(Err(e)) => {
                    daemon.msg.log(&format!("warning: {e}"));
                    let dsn = Dsn::new("4.3.0", "alias database unavailable");
                    self.delivery.deferred(&target.rcpt, "local", Progress::default(), &dsn).await;
                    return Found::Handled;
                }
            };
            daemon.p.decide(|| Decision {
                rule: "alias".into(),
                setting: "alias_maps".into(),
                place: daemon.config.place("alias_maps"),
                compared: format!("{name} in {}", found.table),
                outcome: Outcome::Becomes(found.value.to_string().into()),
            });
            if target.chain.iter().any(|c| **c == *name) || target.chain.len() > 100 {
                let at = target.chain.last().cloned().unwrap_or_else(|| name.into());
                daemon.msg.log_warn(format!("alias database loop for {at}"));
                let dsn = Dsn::new("5.4.6", format!("alias database loop for {at}"));
                let mut rcpt = target.rcpt.clone();
                let domain = rcpt.address.rsplit_once('@').map_or("", |(_, d)| d).to_owned();
                rcpt.address = format!("{at}@{domain}").into();
                self.delivery.bounced(&rcpt, "local", Progress::default(), &dsn).await;
                return Found::Handled;
            }
            self.expand(name, &found.value, target).await;
            return Found::Handled;
        }
        Found::No
    }

    async fn expand(&'a self, name: &str, value: &str, target: &Target) {
        let mut next = target.clone();
        next.chain.push(name.into());
        next.origin = Origin::Alias;
        if let Some(owner) = self.owner(name).await {
            next.owner = Some(owner);
        }
        for destination in destination::parse(value) {
            self.destination(&next, destination).await;
        }
    }

    /// The sender that `owner-NAME` makes, if there is such an alias.
    async fn owner(&self, name: &str) -> Option<Rc<str>> {
        let owner = format!("owner-{name}");
        let known = self.agent.aliases.iter().any(|d| matches!(d.lookup(&owner), Ok(Some(_))));
        if !known || name.starts_with("owner-") {
            return None;
        }
        let p = &self.daemon().p;
        Some(self.agent.rewriter.rewrite(p, crate::postfix::ipc::RewriteContext::Local, &owner.into()).await)
    }

    /// `:include:/file/name`
    pub(super) async fn include(&'a self, from: &'a Target, path: &str) {
        let daemon = self.daemon();
        if from.origin == Origin::Forward {
            let dsn = Dsn::new("5.7.1", "mail to :include: is restricted");
            return self.delivery.bounced(&from.rcpt, "local", Progress::default(), &dsn).await;
        }
        let text = match daemon.p.read_text(path) {
            Ok(text) => text,
            Err(e) => {
                let what = if daemon.p.stat(path, true).is_ok() {
                    "open include file"
                } else {
                    "lookup :include: file"
                };
                daemon.msg.log_warn(format!("unable to {what} {path}: {e}"));
                let dsn = Dsn::new("5.3.5", "mail system configuration error");
                return self.delivery.bounced(&from.rcpt, "local", Progress::default(), &dsn).await;
            }
        };
        if from.chain.len() > 100 {
            let dsn = Dsn::new("5.4.6", format!("too many nested lists in {path}"));
            return self.delivery.bounced(&from.rcpt, "local", Progress::default(), &dsn).await;
        }
        let mut next = from.clone();
        next.origin = Origin::Include;
        next.indirect = true;
        next.chain.push(format!(":include:{path}").into());
        for destination in destination::parse(&text) {
            self.destination(&next, destination).await;
        }
    }
}
