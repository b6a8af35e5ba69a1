//! The system log: lines in the traditional format, `Jan  4 14:45:09 mx postfix/smtpd[1204]: text`,
//! appended to `/var/log/maillog` (RFC 3164, section 4.1.2 and rsyslog's traditional file format).
//!
//! The file stays open, as rsyslogd keeps it: a log that is moved away goes on under its new name.

use super::World;
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
        self.write_log(ident, Some(self.pid()), text);
    }

    /// The same without the process id, as daemons do that log through another process.
    pub fn syslog_plain(&self, ident: &str, text: &str) {
        self.write_log(ident, None, text);
    }

    fn write_log(&self, ident: &str, pid: Option<u32>, text: &str) {
        let (host, world) = (self.host(), self.world());
        let now = world.now();
        let short = host.short_name();
        let mut line = String::with_capacity(text.len() + ident.len() + short.len() + 40);
        world.push_log_time(&mut line);
        for part in [" ", short, " "] {
            line.push_str(part);
        }
        let start = line.len();
        line.push_str(ident);
        if let Some(pid) = pid {
            let _ = write!(line, "[{pid}]");
        }
        line.push_str(": ");
        line.push_str(text);
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

/// The second for which the time was last written into a log, and what was written.
#[derive(Default)]
pub(super) struct LogTime {
    second: u64,
    text: String,
}

impl World {
    /// Appends the time as a log line begins with it, made anew once a second.
    fn push_log_time(&self, line: &mut String) {
        let mut last = self.log_time().borrow_mut();
        let now = self.now();
        if last.text.is_empty() || last.second != now.unix() {
            last.second = now.unix();
            let t = now.civil();
            let month = MONTHS[(t.month() as usize).saturating_sub(1) % 12];
            let (h, m, s) = (t.hour(), t.minute(), t.second());
            last.text = format!("{month} {:>2} {h:02}:{m:02}:{s:02}", t.day());
        }
        line.push_str(&last.text);
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
