//! Dovecot 2.3.19.1: one file a process, one file a command.
//!
//! [`master`] (the command `dovecot`) reads the configuration ([`conf`]), opens the sockets and starts
//! the processes behind them; [`auth`] says who somebody is, by the [`passdb`]s and [`userdb`]s.
//!
//! # Simplifications
//! Of the services there is `auth`; IMAP, POP3 and LMTP are not served.

pub mod auth;
pub mod conf;
pub mod master;
pub mod passdb;
pub mod userdb;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::{Process, Program};
use crate::world::users::Cred;

/// The programs: name, where it is installed, what runs.
pub const PROGRAMS: [(&str, &str, Program); 2] = [
    ("dovecot", "/usr/sbin/dovecot", |p| Box::pin(master::main(p))),
    ("auth", "/usr/lib/dovecot/auth", |p| Box::pin(auth::main(p))),
];

/// The configuration file.
pub const CONF: &str = "/etc/dovecot/dovecot.conf";

/// The configuration of a new host.
const STOCK_CONF: &str = "\
protocols = imap pop3 lmtp
ssl = no
disable_plaintext_auth = no
mail_location = mbox:~/mail:INBOX=/var/mail/%u
mail_privileged_group = mail
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
";

/// Puts Dovecot on a host's disk: its programs and its configuration.
///
/// # Errors
/// Those of writing files, on a disk too small.
pub fn install(fs: &mut Fs, now: Time) -> Sys<()> {
    for (name, path, _) in PROGRAMS {
        base::install_program(fs, path, name, 0o755, 0, now)?;
    }
    let root = fs.root();
    fs.write_path(&Cred::root(), root, CONF, STOCK_CONF, 0o644, now).map(drop)
}

/// Writes to the log, as the process `who` of Dovecot.
pub fn log(p: &Process, who: &str, text: &str) {
    p.syslog_without_pid("dovecot", &format!("{who}: {text}"));
}
