//! What the client is told, and what became of its commands by that.

use super::check::Reject;
use super::check::asked::Asked;
use super::session::{Gone, Next, Session};
use super::settings::{self, Values};
use super::transcript::Class;
use std::rc::Rc;

impl Session<'_> {
    /// Puts a reply into the output, which goes out when the client has nothing more to say.
    pub fn reply(&self, line: &str) {
        if self.errors >= self.settings.soft_error_limit {
            self.penalty.set(self.penalty.get() + self.settings.error_sleep);
        }
        let soft =
            line.strip_prefix('5').filter(|_| self.settings.soft_bounce).map(|rest| match rest.get(..4) {
                Some(start) if start.ends_with('5') => format!("4{}4{}", &rest[..3], &rest[4..]),
                _ => format!("4{rest}"),
            });
        let line = soft.as_deref().unwrap_or(line);
        let rejects = line.starts_with(['4', '5']);
        let footed = if rejects { self.footed(line) } else { None };
        let line = footed.as_deref().unwrap_or(line);
        self.transcript.said(line);
        let mut out = self.output.borrow_mut();
        out.reserve(line.len() + 2);
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        if line.starts_with("421") || line.starts_with("521") {
            self.hang_up.set(true);
        }
    }

    /// The reply with the footer that the administrator wants.
    fn footed(&self, line: &str) -> Option<String> {
        let s = self.settings;
        let found = match s.reject_footer_maps.is_empty() {
            true => None,
            false => s.reject_footer_maps.find(line).ok().flatten().map(|f| f.value),
        };
        let footer = found.unwrap_or_else(|| s.reject_footer.clone());
        if footer.is_empty() {
            return None;
        }
        let (c, now) = (&self.client, self.daemon.p.now());
        let sender =
            self.transaction.as_ref().map_or("", |t| if t.sender.is_empty() { "<>" } else { &t.sender });
        let names = Values(vec![
            ("client", (&*self.shown).into()),
            ("client_address", (&*c.shown_address).into()),
            ("client_name", (&*c.name).into()),
            ("client_port", c.port.to_string().into()),
            ("helo_name", (&*self.helo).into()),
            ("localtime", now.strftime("%b %d %H:%M:%S").into()),
            ("myhostname", (&*s.myhostname).into()),
            ("recipient", self.recipient.as_deref().unwrap_or_default().into()),
            ("sender", sender.into()),
            ("server_name", (&*s.myhostname).into()),
        ]);
        Some(settings::with_footer(line, &footer, &names))
    }

    /// Sends what stands in the output.
    pub async fn flush(&self) -> Result<(), Gone> {
        let out = self.output.borrow_mut().split();
        if out.is_empty() || self.eof.get() {
            return Ok(());
        }
        self.wire.write(out.freeze()).await.map_err(|_| Gone::Lost)
    }

    /// A command that failed by the client's own fault.
    pub fn fault(&self, reply: &str) -> Next {
        self.fault_of(Class::Protocol, reply)
    }

    /// A command that failed, and why the postmaster may want to know.
    pub fn fault_of(&self, class: Class, reply: &str) -> Next {
        self.transcript.failed(class);
        self.reply(reply);
        Next::Fault
    }

    /// A chapter of the session has ended: the postmaster hears of what was wrong in it, if it was long.
    pub async fn tell_errors(&self) {
        self.transcript.tell(self.daemon, &self.shown, self.settings.history_flush_threshold).await;
    }

    /// A command that succeeded.
    pub fn done(&self, reply: &str) -> Next {
        self.reply(reply);
        Next::Done
    }

    /// A command that a restriction refused.
    pub fn refuse(&self, reject: &Reject) -> Next {
        // What is wrong stood in the log, and was noted then.
        self.reply(&reject.line());
        Next::Fault
    }

    /// A refusal that rests on no restriction list, with its line in the log.
    pub fn refuse_logged(&self, reject: Reject, sender: Option<Rc<str>>) -> Next {
        Asked { sender, ..Asked::new(self) }.log("reject", &reject.line());
        self.transcript.failed(Class::Policy);
        self.refuse(&reject)
    }
}
