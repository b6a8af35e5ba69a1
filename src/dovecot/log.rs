//! Dovecot's log lines: under `dovecot`, without a process id of the system's; each process says
//! itself who it is.

use crate::world::process::Process;

/// Writes a line: `dovecot: WHO: text`.
pub fn log(p: &Process, who: &str, text: &str) {
    p.syslog_plain("dovecot", &format!("{who}: {text}"));
}
