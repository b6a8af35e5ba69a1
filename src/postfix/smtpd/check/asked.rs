//! What is asked, on whose behalf, and what has been answered so far.

use super::restriction::Class;
use super::{Reject, Verdict};
use crate::postfix::ipc::Resolved;
use crate::postfix::smtpd::session::Session;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A question to the restriction lists: one command of one session.
pub struct Asked<'a> {
    /// Who asks.
    pub session: &'a Session<'a>,
    /// What the client said in HELO or EHLO; empty if it did not.
    pub helo: Rc<str>,
    /// The envelope sender as it was given; `None` before MAIL.
    pub sender: Option<Rc<str>>,
    /// The recipient as it was given; `None` where there is none, or more than one.
    pub recipient: Option<Rc<str>>,
    /// The domain of ETRN.
    pub etrn: Option<Rc<str>>,
    /// How deep in restriction classes and tables we are.
    pub depth: Cell<usize>,
    /// The depth at which `warn_if_reject` stands.
    pub warn_at: Cell<Option<usize>>,
    /// What is answered in place of a permission.
    pub defer_if_permit: RefCell<Option<Reject>>,
    /// What is answered in place of a rejection.
    pub defer_if_reject: RefCell<Option<Reject>>,
    /// Whether the sender and the recipient exist has been asked.
    pub sender_checked: Cell<bool>,
    /// The same of the recipient.
    pub recipient_checked: Cell<bool>,
}

impl<'a> Asked<'a> {
    /// A question about what the session has come to.
    pub fn new(session: &'a Session<'a>) -> Asked<'a> {
        Asked {
            session,
            helo: session.helo.clone(),
            sender: session.transaction.as_ref().map(|t| t.sender.clone()),
            recipient: session.recipient.clone(),
            etrn: None,
            depth: Cell::new(0),
            warn_at: Cell::new(None),
            defer_if_permit: RefCell::new(session.carried.borrow().sender.clone()),
            defer_if_reject: RefCell::default(),
            sender_checked: Cell::new(false),
            recipient_checked: Cell::new(false),
        }
    }

    /// A question that is asked before its time; `carried` is what was said before.
    pub fn early(session: &'a Session<'a>, carried: Option<Reject>) -> Asked<'a> {
        Asked { defer_if_permit: RefCell::new(carried), ..Asked::new(session) }
    }

    /// `name[address]` of the client.
    pub fn client(&self) -> Rc<str> {
        self.session.shown.clone()
    }

    /// A rejection: told to the log at once. After `warn_if_reject` it is only a warning.
    pub fn reject(&self, code: u16, dsn: &str, text: String) -> Verdict {
        let warns = self.warn_at.get().is_some();
        // Something that failed for now might have permitted what is rejected here.
        let earlier = if warns { None } else { self.defer_if_reject.take() };
        let reject = earlier.unwrap_or_else(|| Reject::new(code, dsn, text));
        let reject = reject.softened(self.session.settings.soft_bounce);
        self.log(if warns { "reject_warning" } else { "reject" }, &reject.line());
        if warns { Verdict::Dunno } else { Verdict::Reject(reject) }
    }

    /// The fault is ours: no `warn_if_reject` helps.
    pub fn misconfigured(&self) -> Verdict {
        let reject = Reject::new(451, "4.3.5", "Server configuration error");
        let warns = self.warn_at.get().is_some();
        self.log(if warns { "reject_warning" } else { "reject" }, &reject.line());
        Verdict::Reject(reject)
    }

    /// A table could not answer.
    pub fn lookup_failed(&self, name: &str) -> Verdict {
        self.reject(451, "4.3.0", format!("<{name}>: Temporary lookup failure"))
    }

    /// The usual words of a rejection.
    pub fn refuse(&self, code: u16, dsn: &str, name: &str, class: Class, why: &str) -> Verdict {
        self.reject(code, dsn, format!("<{name}>: {} rejected: {why}", class.text()))
    }

    /// A rejection for now, unless something else rejects for good.
    pub fn defer_if_permit(&self, code: u16, dsn: &str, text: String) -> Verdict {
        if self.warn_at.get().is_some() {
            return self.reject(code, dsn, text);
        }
        self.defer_if_permit.borrow_mut().get_or_insert_with(|| Reject::new(code, dsn, text));
        Verdict::Dunno
    }

    /// A rejection for now, in case something rejects.
    pub fn defer_if_reject(&self, code: u16, dsn: &str, text: String) -> Verdict {
        self.defer_if_reject.borrow_mut().get_or_insert_with(|| Reject::new(code, dsn, text));
        Verdict::Dunno
    }

    /// What a temporary failure leads to, by an `*_tempfail_action`.
    pub fn tempfail(&self, setting: &str, code: u16, dsn: &str, text: String) -> Verdict {
        match &*self.session.daemon.string(setting).to_ascii_lowercase() {
            "defer_if_permit" => self.defer_if_permit(code, dsn, text),
            _ => self.reject(code, dsn, text),
        }
    }

    /// A line in the log about this command.
    pub fn log(&self, what: &str, text: &str) {
        let s = self.session;
        let mut line = format!("{}: {what}: {} from {}: {text};", s.queue_id(), s.last, s.shown);
        if let Some(sender) = &self.sender {
            line.push_str(&format!(" from=<{}>", crate::proto::address::quote(sender)));
        }
        if let Some(recipient) = &self.recipient {
            line.push_str(&format!(" to=<{}>", crate::proto::address::quote(recipient)));
        }
        line.push_str(&format!(" proto={}", s.protocol()));
        if !self.helo.is_empty() {
            line.push_str(&format!(" helo=<{}>", self.helo));
        }
        s.log(&line);
    }

    /// Where mail to an address goes.
    pub async fn resolve(&self, address: &Rc<str>) -> Resolved {
        let (s, p) = (self.session, &self.session.daemon.p);
        let complete = s.rewriter.rewrite(p, s.context, address).await;
        let sender = self.sender.clone().unwrap_or_else(|| "".into());
        s.rewriter.resolve(p, &sender, &complete).await
    }
}
