//! The system log: lines in the traditional format, `Jan  4 14:45:09 mx postfix/smtpd[1204]: text`,
//! appended to `/var/log/maillog` (RFC 3164, section 4.1.2 and rsyslog's traditional file format).
//!
//! The file stays open, as rsyslogd keeps it: a log that is moved away goes on under its new name.

use super::fs::{Ino, OpenFlags};
use super::host::Host;
use super::process::Process;
use super::users::Cred;
use crate::trace::Kind;
use std::fmt::Write;

/// Where mail is logged to.
pub const MAIL_LOG: &str = "/var/log/maillog";

impl Process {
    /// Writes a line to the mail log under `ident`, which gets the process id in brackets.
    pub fn syslog(&self, ident: &str, text: &str) {
        let (host, world) = (self.host(), self.world());
        let now = world.now();
        let t = now.civil();
        let month = MONTHS[(t.month() as usize).saturating_sub(1) % 12];
        let short = host.short_name();
        let mut line = String::with_capacity(text.len() + ident.len() + short.len() + 40);
        let _ = write!(
            line,
            "{month} {:>2} {:02}:{:02}:{:02} {short} ",
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        );
        let start = line.len();
        let _ = write!(line, "{ident}[{}]: {text}", self.pid());
        if world.traced() {
            world.record(Kind::Log { line: line[start..].into() });
        }
        line.push('\n');
        if let Some(ino) = host.log_ino() {
            // A full disk loses the line, as rsyslogd does.
            let _ = host.fs_mut().append(ino, line.as_bytes(), now);
        }
    }
}

impl Host {
    /// The log's inode; the file is made when there is none yet. The log server reads it as root.
    fn log_ino(&self) -> Option<Ino> {
        if let Some(ino) = self.log_file().get() {
            return Some(ino);
        }
        let flags = OpenFlags::APPEND;
        let now = self.world().now();
        let mut fs = self.fs_mut();
        let root = fs.root();
        let opened = fs.open(&Cred::root(), root, MAIL_LOG, flags, 0o640, now).ok()?;
        if opened.created {
            let adm = self.users().getgrnam(&fs, "adm").map_or(0, |g| g.gid);
            fs.chown(&Cred::root(), opened.ino, Some(0), Some(adm), now).ok()?;
        }
        self.log_file().set(Some(opened.ino));
        Some(opened.ino)
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
