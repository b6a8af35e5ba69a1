//! Postfix 3.7.11: one file a daemon, one file a command, named as in the real thing.
//!
//! A letter's way: [`sendmail`], [`postdrop`] → `maildrop/` → [`pickup`] → [`cleanup`] ←
//! [`smtpd`]; cleanup asks [`trivial_rewrite`] and writes `incoming/`; [`qmgr`] moves it to
//! `active/` and hands it to [`smtp`], [`local`], [`error`] or [`discard`]; what cannot be
//! delivered goes by way of [`bounce`] back to its sender.
//!
//! What they share: [`config`] and [`dict`] (settings and tables), [`master`] and [`server`]
//! (processes), [`ipc`] (what they say to each other), [`queue`] and [`record`] (queue files),
//! [`rewrite`] (asking trivial-rewrite), [`deliver`] (what agents do alike), [`msg`] (the log).
//!
//! Commands: [`postfix`](mod@postfix), [`postconf`], [`postqueue`] (also `mailq`), [`postsuper`],
//! [`postmap`], [`postalias`] (also `newaliases`).

pub mod bounce;
pub mod cleanup;
pub mod config;
pub mod deliver;
pub mod dict;
pub mod ipc;
pub mod local;
pub mod master;
pub mod msg;
pub mod qmgr;
pub mod queue;
pub mod record;
pub mod rewrite;
pub mod server;
pub mod trivial_rewrite;

use crate::world::process::Process;
use config::{Config, ConfigError, HostFacts};
use std::rc::Rc;

/// The main configuration file.
pub const MAIN_CF: &str = "/etc/postfix/main.cf";

/// The table of services.
pub const MASTER_CF: &str = "/etc/postfix/master.cf";

/// Reads main.cf as a program does when it starts; `overrides` come from `-o`.
///
/// # Errors
/// What the real program says before it gives up: no such file, a line that is no setting.
pub fn config_of(p: &Process, overrides: &[(Rc<str>, Rc<str>)]) -> Result<Config, ConfigError> {
    let text = p.read_text(MAIN_CF).map_err(|e| ConfigError::new(format!("open {MAIN_CF}: {e}")))?;
    let facts = HostFacts { hostname: p.host().name().clone(), addresses: p.host().addresses().to_vec() };
    Config::parse(&text, MAIN_CF, &facts, overrides)
}

/// A port by its number or its name in `/etc/services`.
pub fn port(p: &Process, name: &str) -> Option<u16> {
    if let Ok(port) = name.parse() {
        return Some(port);
    }
    let services = p.read_text("/etc/services").ok()?;
    services.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let first = words.next()?;
        let port = words.next()?.strip_suffix("/tcp")?;
        (first == name || words.any(|w| w == name)).then(|| port.parse().ok()).flatten()
    })
}
