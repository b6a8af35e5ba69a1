//! Postfix 3.7.11: one file a daemon, one file a command, named as in the real thing.
//!
//! A letter's way: [`sendmail`], [`postdrop`] → `maildrop/` → [`pickup`] → [`cleanup`] ←
//! [`smtpd`]; cleanup asks [`trivial_rewrite`] and writes `incoming/`; [`qmgr`] moves it to
//! `active/` and hands it to [`smtp`] (also lmtp), [`local`], [`virtual`](mod@virtual), [`pipe`], [`error`] or `discard`; what cannot be
//! delivered goes by way of [`bounce`] back to its sender. [`verify`] tells [`smtpd`] whether an address
//! can be delivered to.
//!
//! What they share: [`address_map`] and [`own_domains`] (addresses that stand for others), [`config`] and [`dict`] (settings and tables), [`master`] and [`server`]
//! (processes), [`ipc`] (what they say to each other), [`queue`] and [`record`] (queue files),
//! [`rewrite`] (asking trivial-rewrite), [`deliver`] (what agents do alike), [`post_mail`] (mail of their own), [`msg`] (the log).
//!
//! Commands: [`postfix`](mod@postfix), [`postconf`], [`postqueue`] (also `mailq`), [`postsuper`],
//! [`postcat`], [`postlog`], [`postmap`], [`postalias`] (also `newaliases`), [`qshape`]; [`getopt`]
//! reads their options.

pub mod address_map;
pub mod anvil;
mod authorized;
pub mod bounce;
pub mod cleanup;
pub mod config;
pub mod deliver;
pub mod deliver_pass;
pub mod dict;
pub mod error;
pub mod escape;
pub mod flush;
pub mod getopt;
pub mod ipc;
pub mod local;
pub mod mail_copy;
pub mod mail_flow;
pub mod maildir;
pub mod master;
pub mod mbox;
pub mod mkmap;
pub mod msg;
pub mod own_domains;
pub mod pickup;
pub mod pipe;
pub mod pipe_command;
pub mod post_mail;
pub mod postalias;
pub mod postcat;
pub mod postconf;
pub mod postdrop;
#[expect(clippy::module_inception, reason = "the command postfix(1) is named as its system is")]
pub mod postfix;
pub mod postlog;
pub mod postmap;
pub mod postqueue;
pub mod postsuper;
pub mod qmgr;
pub mod qshape;
pub mod queue;
pub mod queue_id;
pub mod receive_override;
pub mod record;
pub mod rewrite;
pub mod scache;
pub mod sendmail;
pub mod server;
pub mod showq;
pub mod smtp;
pub mod smtpd;
pub mod spawn;
pub mod status_filter;
pub mod sysexits;
#[cfg(test)]
pub(crate) mod testing;
pub mod trivial_rewrite;
pub mod verify;
pub mod r#virtual;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::{Process, Program};
use crate::world::users::Cred;
use config::{Config, ConfigError, HostFacts};
use std::rc::Rc;

/// The programs: name, where it is installed, whether it has the rights of group postdrop, what runs.
pub const PROGRAMS: [(&str, &[&str], bool, Program); 32] = [
    ("postfix", &["/usr/sbin/postfix"], false, |p| Box::pin(postfix::main(p))),
    ("postconf", &["/usr/sbin/postconf"], false, |p| Box::pin(postconf::main(p))),
    ("postalias", &["/usr/sbin/postalias"], false, |p| Box::pin(postalias::main(p))),
    ("postmap", &["/usr/sbin/postmap"], false, |p| Box::pin(postmap::main(p))),
    ("postdrop", &["/usr/sbin/postdrop"], true, |p| Box::pin(postdrop::main(p))),
    ("postqueue", &["/usr/sbin/postqueue"], true, |p| Box::pin(postqueue::main(p))),
    ("postcat", &["/usr/sbin/postcat"], false, |p| Box::pin(postcat::main(p))),
    ("postlog", &["/usr/sbin/postlog"], false, |p| Box::pin(postlog::main(p))),
    ("qshape", &["/usr/sbin/qshape"], false, |p| Box::pin(qshape::main(p))),
    ("postsuper", &["/usr/sbin/postsuper"], false, |p| Box::pin(postsuper::main(p))),
    ("sendmail", &["/usr/sbin/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases"], false, |p| {
        Box::pin(sendmail::main(p))
    }),
    ("master", &["/usr/lib/postfix/sbin/master"], false, |p| Box::pin(master::main(p))),
    ("pickup", &["/usr/lib/postfix/sbin/pickup"], false, |p| Box::pin(pickup::main(p))),
    ("cleanup", &["/usr/lib/postfix/sbin/cleanup"], false, |p| Box::pin(cleanup::main(p))),
    ("qmgr", &["/usr/lib/postfix/sbin/qmgr"], false, |p| Box::pin(qmgr::main(p))),
    ("trivial-rewrite", &["/usr/lib/postfix/sbin/trivial-rewrite"], false, |p| {
        Box::pin(trivial_rewrite::main(p))
    }),
    ("bounce", &["/usr/lib/postfix/sbin/bounce"], false, |p| Box::pin(bounce::main(p))),
    ("smtpd", &["/usr/lib/postfix/sbin/smtpd"], false, |p| Box::pin(smtpd::main(p))),
    ("smtp", &["/usr/lib/postfix/sbin/smtp"], false, |p| Box::pin(smtp::main(p))),
    ("lmtp", &["/usr/lib/postfix/sbin/lmtp"], false, |p| Box::pin(smtp::lmtp(p))),
    ("pipe", &["/usr/lib/postfix/sbin/pipe"], false, |p| Box::pin(pipe::main(p))),
    ("virtual", &["/usr/lib/postfix/sbin/virtual"], false, |p| Box::pin(r#virtual::main(p))),
    ("local", &["/usr/lib/postfix/sbin/local"], false, |p| Box::pin(local::main(p))),
    ("error", &["/usr/lib/postfix/sbin/error"], false, |p| Box::pin(error::main(p))),
    ("discard", &["/usr/lib/postfix/sbin/discard"], false, |p| Box::pin(error::discard(p))),
    ("showq", &["/usr/lib/postfix/sbin/showq"], false, |p| Box::pin(showq::main(p))),
    ("flush", &["/usr/lib/postfix/sbin/flush"], false, |p| Box::pin(flush::main(p))),
    ("anvil", &["/usr/lib/postfix/sbin/anvil"], false, |p| Box::pin(anvil::main(p))),
    ("verify", &["/usr/lib/postfix/sbin/verify"], false, |p| Box::pin(verify::main(p))),
    ("spawn", &["/usr/lib/postfix/sbin/spawn"], false, |p| Box::pin(spawn::main(p))),
    ("scache", &["/usr/lib/postfix/sbin/scache"], false, |p| Box::pin(scache::main(p))),
    ("idle", &IDLE, false, |p| Box::pin(server::idle(p))),
];

/// Services of the stock master.cf that nothing in the lab calls: they start, and wait.
const IDLE: [&str; 3] =
    ["/usr/lib/postfix/sbin/tlsmgr", "/usr/lib/postfix/sbin/proxymap", "/usr/lib/postfix/sbin/postlogd"];

/// The main.cf of a new host.
const STOCK_MAIN_CF: &str =
    "compatibility_level = 3.6\nalias_maps = hash:/etc/aliases\nalias_database = hash:/etc/aliases\n";

/// The aliases of a new host.
const STOCK_ALIASES: &str = "mailer-daemon: postmaster\npostmaster: root\n";

/// The services of a new host.
const STOCK_MASTER_CF: &str = include_str!("master.cf");

/// Puts Postfix on a host's disk: its programs and its configuration.
///
/// # Errors
/// Those of writing files, on a disk too small.
pub fn install(fs: &mut Fs, now: Time) -> Sys<()> {
    for (name, paths, setgid, _) in PROGRAMS {
        for path in paths {
            let (mode, group) = if setgid { (0o2555, base::POSTDROP) } else { (0o755, 0) };
            base::install_program(fs, path, name, mode, group, now)?;
        }
    }
    let root = fs.root();
    let mut file = |path: &str, text: &'static str| {
        fs.write_path(&Cred::root(), root, path, text.as_bytes(), 0o644, now).map(drop)
    };
    file(MAIN_CF, STOCK_MAIN_CF)?;
    file(MASTER_CF, STOCK_MASTER_CF)?;
    file("/etc/aliases", STOCK_ALIASES)
}

/// The most that a program reads from its standard input, in octets.
const STDIN_LIMIT: usize = 64 << 20;

/// The main configuration file.
pub const MAIN_CF: &str = "/etc/postfix/main.cf";

/// The table of services.
pub const MASTER_CF: &str = "/etc/postfix/master.cf";

/// Reads main.cf as a program does when it starts; `overrides` come from `-o`.
///
/// # Errors
/// What the real program says before it gives up: no such file, a line that is no setting.
pub fn config_of(p: &Process, overrides: &[(Rc<str>, Rc<str>)]) -> Result<Config, ConfigError> {
    config_at(p, MAIN_CF, overrides)
}

/// The same of another file.
///
/// # Errors
/// What the real program says before it gives up: no such file, a line that is no setting.
pub fn config_at(p: &Process, path: &str, overrides: &[(Rc<str>, Rc<str>)]) -> Result<Config, ConfigError> {
    let text = p.read_text(path).map_err(|e| ConfigError::new(format!("open {path}: {e}")))?;
    let facts = HostFacts { hostname: p.host().name().clone(), addresses: p.host().addresses().to_vec() };
    Config::parse(&text, path, &facts, overrides)
}

/// Reads main.cf, of another directory with `-c`, and checks what every program checks.
///
/// # Errors
/// The exit status, after the reason has been said.
pub async fn configuration(p: &Process, msg: &msg::Msg, directory: Option<&str>) -> Result<Config, i32> {
    let read = match directory {
        None => config_of(p, &[]),
        Some(directory) => config_at(p, &format!("{directory}/main.cf"), &[]),
    };
    let checked = match read {
        Ok(config) => {
            for warning in config.warnings() {
                msg.warn(warning).await;
            }
            config.check_global().map(|()| config)
        }
        Err(e) => Err(e),
    };
    match checked {
        Ok(config) => Ok(config),
        Err(ConfigError { warnings, fatal }) => {
            for warning in warnings {
                msg.warn(warning).await;
            }
            Err(msg.fatal(fatal).await)
        }
    }
}

/// The same for a command that works on the host's mail system: of that there is one, and a command
/// that is told of another one's directory says so.
///
/// # Errors
/// The exit status, after the reason has been said.
pub async fn configuration_of_host(
    p: &Process,
    msg: &msg::Msg,
    directory: Option<&str>,
) -> Result<Config, i32> {
    let config = configuration(p, msg, directory).await?;
    if let Some(other) = directory.filter(|d| d.trim_end_matches('/') != "/etc/postfix") {
        msg.warn(format!("{other}: a host of the lab has one mail system, that of /etc/postfix")).await;
    }
    Ok(config)
}

impl dict::Files for Process {
    fn read(&self, path: &str) -> Sys<bytes::Bytes> {
        self.read_file(path)
    }

    fn modified(&self, path: &str) -> Sys<Time> {
        self.stat(path, true).map(|s| s.mtime)
    }

    fn now(&self) -> Time {
        Process::now(self)
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.env().iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
    }
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
