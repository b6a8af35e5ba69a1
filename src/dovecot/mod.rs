//! Dovecot 2.3.19.1, as far as mail is delivered by it.
//!
//! [`master`] is `dovecot` itself: it opens the sockets that [`conf`] names and hands them to
//! [`lmtp`], the LMTP server; [`lda`] is `dovecot-lda`, for one message on standard input. Both look
//! their user up ([`user`]) and put the message into his INBOX ([`deliver`]): a Maildir ([`maildir`])
//! or an mbox ([`mbox`]). [`doveadm`] stops the server; [`log`] writes what they have to say.
//!
//! [`auth`] says who somebody is, by the [`passdb`]s; [`userdb`] tells where he is at home.
//!
//! # Simplifications
//! No IMAP, POP3, ManageSieve or Sieve. The index files beside a mailbox (`dovecot.index*`) are not
//! written. Settings that are not about delivery are read and have no effect.

pub mod auth;
pub mod conf;
pub mod deliver;
pub mod doveadm;
pub mod lda;
pub mod lmtp;
pub mod log;
pub mod maildir;
pub mod master;
pub mod mbox;
pub mod passdb;
pub mod user;
pub mod userdb;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::Program;
use crate::world::users::Cred;

/// The version that is simulated, as it logs it.
pub const VERSION: &str = "2.3.19.1 (9b53102964)";

/// The main configuration file.
pub const CONF: &str = "/etc/dovecot/dovecot.conf";

/// Where the server's own sockets and its pid file lie (`base_dir`).
pub const RUN: &str = "/run/dovecot";

/// Name, where it is installed, what runs.
const PROGRAMS: [(&str, &[&str], Program); 5] = [
    ("dovecot", &["/usr/sbin/dovecot"], |p| Box::pin(master::main(p))),
    ("auth", &["/usr/lib/dovecot/auth"], |p| Box::pin(auth::main(p))),
    ("dovecot-lmtp", &["/usr/lib/dovecot/lmtp"], |p| Box::pin(lmtp::main(p))),
    ("dovecot-lda", &["/usr/lib/dovecot/dovecot-lda", "/usr/lib/dovecot/deliver"], |p| {
        Box::pin(lda::main(p))
    }),
    ("doveadm", &["/usr/bin/doveadm"], |p| Box::pin(doveadm::main(p))),
];

/// The configuration of a new host.
const STOCK_CONF: &str = "protocols = imap pop3 lmtp\nssl = no\ndisable_plaintext_auth = no\n\
    mail_location = mbox:~/mail:INBOX=/var/mail/%u\nmail_privileged_group = mail\n\
    passdb {\n  driver = pam\n}\nuserdb {\n  driver = passwd\n}\n";

/// Those of the protocols that a configuration wants, the stock one where there is none, that nothing
/// serves in the lab. Included files are not looked at.
pub fn unserved(conf: Option<&str>) -> Vec<String> {
    struct Alone;
    impl conf::Files for Alone {
        fn read(&self, _: &str) -> Option<String> {
            None
        }
        fn glob(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }
    // One that cannot be read serves nothing, and says why when it is started.
    let Ok(read) = conf::Block::parse(conf.unwrap_or(STOCK_CONF), CONF, &Alone) else { return Vec::new() };
    let mut all = read.words("protocols", "imap pop3 lmtp");
    all.retain(|protocol| protocol != "lmtp");
    all
}

/// Its programs by their names.
pub fn programs() -> impl Iterator<Item = (&'static str, Program)> {
    PROGRAMS.into_iter().map(|(name, _, program)| (name, program))
}

/// Puts Dovecot on a host's disk.
///
/// # Errors
/// Those of writing files, on a disk too small.
pub fn install(fs: &mut Fs, now: Time) -> Sys<()> {
    for (name, paths, _) in PROGRAMS {
        for path in paths {
            base::install_program(fs, path, name, 0o755, 0, now)?;
        }
    }
    let root = fs.root();
    fs.write_path(&Cred::root(), root, CONF, STOCK_CONF, 0o644, now).map(drop)
}
