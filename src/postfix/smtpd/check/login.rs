//! Who may use which sender address (`smtpd_sender_login_maps`).

use super::asked::Asked;
use super::restriction::Mismatch;
use super::{Checks, Verdict};
use std::rc::Rc;

impl Checks {
    /// `reject_sender_login_mismatch` and its kin.
    pub(super) async fn sender_login(&self, which: Mismatch, asked: &Asked<'_>) -> (Verdict, String) {
        let s = asked.session;
        let sender = match &asked.sender {
            Some(sender) if s.settings.sasl_enabled && !sender.is_empty() => sender.clone(),
            _ => return (Verdict::Dunno, String::new()),
        };
        let resolved = asked.resolve(&sender).await;
        if resolved.failed {
            return (asked.lookup_failed(&sender), "a table could not answer".into());
        }
        let owners: Option<Rc<str>> = match self.login_maps.find_address(&resolved.recipient, &self.delimiter)
        {
            Ok(found) => found.map(|f| f.value),
            Err(e) => {
                e.log(&s.daemon.msg);
                return (asked.lookup_failed(&sender), e.text);
            }
        };
        let compared = match &owners {
            Some(owners) => format!("{sender} is owned by {owners}"),
            None => format!("{sender} is owned by nobody"),
        };
        match &s.login {
            Some(login) if which != Mismatch::Unauthenticated => {
                let owns = owners.as_ref().is_some_and(|o| {
                    o.split([',', ' ', '\t', '\r', '\n']).any(|name| name.eq_ignore_ascii_case(&login.user))
                });
                if owns || (owners.is_none() && which == Mismatch::Known) {
                    return (Verdict::Dunno, compared);
                }
                let text = format!("<{sender}>: Sender address rejected: not owned by user {}", login.user);
                (asked.reject(553, "5.7.1", text), compared)
            }
            None if which != Mismatch::Authenticated && owners.is_some() => {
                let text = format!("<{sender}>: Sender address rejected: not logged in");
                (asked.reject(553, "5.7.1", text), compared)
            }
            _ => (Verdict::Dunno, compared),
        }
    }
}
