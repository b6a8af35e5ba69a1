//! Keeping in step with the client: commands that come before their turn (RFC 2920, section 3.1),
//! and lines that end with a bare LF, by which two servers can come to see different messages
//! (RFC 5321, section 2.3.8).

use super::check::asked::Asked;
use super::counts::Verb;
use super::session::{Next, Session};
use crate::postfix::server::Daemon;
use std::fmt::Write;

/// How many octets of what came too early the log shows.
const SHOWN: usize = 100;

/// What becomes of a client that ends lines with a bare LF (`smtpd_forbid_bare_newline`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BareNewline {
    /// It is a line's end.
    #[default]
    Taken,
    /// It is a line's end, but no end of a message.
    Normalized,
    /// It is refused.
    Rejected,
}

impl BareNewline {
    /// Reads the setting.
    ///
    /// # Errors
    /// What the log says of one that is none.
    pub fn read(daemon: &Daemon) -> Result<BareNewline, String> {
        let value = daemon.string("smtpd_forbid_bare_newline");
        match &*value.to_ascii_lowercase() {
            "no" => Ok(BareNewline::Taken),
            "yes" | "normalize" => Ok(BareNewline::Normalized),
            "reject" => Ok(BareNewline::Rejected),
            _ => Err(format!("bad parameter value: 'smtpd_forbid_bare_newline = {value}'")),
        }
    }
}

impl Session<'_> {
    /// What becomes of this client's bare LFs.
    pub fn bare_newline(&self) -> BareNewline {
        match self.settings.bare_newline {
            BareNewline::Taken => BareNewline::Taken,
            _ if self.is_in(&self.settings.bare_newline_exclusions) => BareNewline::Taken,
            other => other,
        }
    }

    /// Says once a session that a client sent more before it was its turn; ends the session where
    /// that is forbidden (`smtpd_forbid_unauth_pipelining`).
    pub fn too_early(&self, verb: Verb) -> Option<Next> {
        if self.is_alone() {
            return None;
        }
        if self.early.get() || (self.esmtp && !verb.ends_group()) || self.input.borrow().is_empty() {
            return None;
        }
        self.early.set(true);
        let shown = escaped(&self.input.borrow());
        self.log(&format!("improper command pipelining after {} from {}: {shown}", self.last, self.shown));
        self.settings.forbid_pipelining.then(|| {
            self.reply("554 5.5.0 Error: SMTP protocol synchronization");
            Next::Dismissed
        })
    }

    /// The refusal of a bare LF, once it is in the log.
    pub fn bare_newline_refused(&self) -> String {
        Asked::new(self).log("reject", "bare <LF> received");
        let (code, name) = (self.settings.bare_newline_code, &self.settings.myhostname);
        format!("{code} 5.5.2 {name} Error: bare <LF> received")
    }
}

/// Octets as the log shows them: C's escapes, and octal for what has none.
fn escaped(octets: &[u8]) -> String {
    let mut out = String::new();
    for octet in octets.iter().take(SHOWN) {
        match octet {
            b'\\' => out.push_str("\\\\"),
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            7 => out.push_str("\\a"),
            8 => out.push_str("\\b"),
            11 => out.push_str("\\v"),
            12 => out.push_str("\\f"),
            b' '..=b'~' => out.push(char::from(*octet)),
            other => {
                let _ = write!(out, "\\{other:03o}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_came_too_early_is_escaped_and_cut() {
        assert_eq!(escaped(b"RSET\r\n\x00\xff\\"), "RSET\\r\\n\\000\\377\\\\");
        assert_eq!(escaped(&[b'a'; 300]).len(), 100);
    }
}
