//! `default_delivery_status_filter` and those of the agents (`dsn_filter(3)`): a table that is given the
//! status code and the text of what came of a recipient, and may put others in their place.
//!
//! Diagnostics: warnings for results that are no status, or that would turn success into failure.

use super::deliver::Dsn;
use super::dict::{Flags, Maps};
use super::server::Daemon;
use super::sysexits;
use crate::trace::{Decision, Outcome};
use std::borrow::Cow;
use std::rc::Rc;

/// The table of an agent.
#[derive(Debug)]
pub struct StatusFilter {
    setting: &'static str,
    maps: Option<Maps>,
}

/// The agents that have one, and the setting of each.
const AGENTS: [(&str, &str); 5] = [
    ("lmtp", "lmtp_delivery_status_filter"),
    ("local", "local_delivery_status_filter"),
    ("pipe", "pipe_delivery_status_filter"),
    ("smtp", "smtp_delivery_status_filter"),
    ("virtual", "virtual_delivery_status_filter"),
];

impl StatusFilter {
    /// Opens the table of a daemon, if it has one.
    pub fn open(daemon: &Daemon) -> StatusFilter {
        let agent = AGENTS.iter().find(|(name, _)| *name == &*daemon.p.name());
        let setting = agent.map_or("", |(_, setting)| setting);
        let table = if setting.is_empty() { Rc::from("") } else { daemon.string(setting) };
        let maps = (!table.is_empty()).then(|| Maps::open_with(&table, Flags::USUAL, &daemon.p));
        StatusFilter { setting, maps }
    }

    /// What becomes of an outcome.
    pub fn apply<'d>(&self, daemon: &Daemon, dsn: &'d Dsn) -> Cow<'d, Dsn> {
        let Some(maps) = &self.maps else { return Cow::Borrowed(dsn) };
        let found = match maps.find(&format!("{} {}", dsn.status, dsn.reason)) {
            Ok(Some(found)) => found,
            Ok(None) => return Cow::Borrowed(dsn),
            Err(e) => {
                e.log(&daemon.msg);
                return Cow::Borrowed(dsn);
            }
        };
        let setting = self.setting;
        let Some((status, reason)) = sysexits::own_code(&found.value) else {
            daemon.msg.log_warn(format!("{setting}: bad status code: {}", found.value));
            return Cow::Borrowed(dsn);
        };
        if status.starts_with('2') != dsn.status.starts_with('2') {
            daemon.msg.log_warn(format!("{setting}: bad status code: {}", found.value));
            return Cow::Borrowed(dsn);
        }
        daemon.p.decide(|| Decision {
            rule: "delivery status".into(),
            setting: setting.into(),
            place: daemon.config.place(setting),
            compared: format!("{} {} in {}", dsn.status, dsn.reason, found.table),
            outcome: Outcome::Becomes(found.value.to_string().into()),
        });
        Cow::Owned(Dsn { status: status.into(), reason: reason.into(), ..dsn.clone() })
    }
}
