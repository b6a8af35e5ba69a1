//! A list from left to right, and what each restriction does.

use super::asked::Asked;
use super::restriction::{Kind, List, Restriction};
use super::{Checks, DEEPEST, Evaluation, Subject, Verdict};
use crate::trace::{Decision, Outcome};

impl Checks {
    /// Evaluates a list.
    pub(super) fn evaluate<'a>(
        &'a self,
        list: &'a List,
        asked: &'a Asked<'a>,
        subject: Subject,
    ) -> Evaluation<'a> {
        Box::pin(async move {
            let depth = asked.depth.get();
            if depth == 0 {
                // What one list says for the case of a rejection is nothing to the next.
                asked.defer_if_reject.take();
            }
            if depth > DEEPEST {
                asked.session.daemon.msg.log_warn("restriction classes have recursion level > 100");
                return asked.misconfigured();
            }
            asked.depth.set(depth + 1);
            let verdict = self.items(list, asked, &subject).await;
            asked.depth.set(depth);
            if asked.warn_at.get().is_some_and(|at| at > depth) {
                asked.warn_at.set(None);
            }
            verdict
        })
    }

    async fn items(&self, list: &List, asked: &Asked<'_>, subject: &Subject) -> Verdict {
        for (n, item) in list.items.iter().enumerate() {
            if item.kind == Kind::WarnIfReject {
                if asked.warn_at.get().is_none() {
                    asked.warn_at.set(Some(asked.depth.get()));
                }
                continue;
            }
            if let (Kind::Permit | Kind::Reject | Kind::Defer, Some(next)) =
                (item.kind, list.items.get(n + 1))
                && asked.warn_at.get().is_none()
            {
                asked
                    .session
                    .daemon
                    .msg
                    .log_warn(format!("restriction `{}' after `{}' is ignored", next.name, item.name));
            }
            let (verdict, compared) = self.one(list, item, asked, subject).await;
            self.decide(list, item, asked, &verdict, compared);
            if asked.warn_at.get().is_some_and(|at| at >= asked.depth.get()) {
                asked.warn_at.set(None);
            }
            if !matches!(verdict, Verdict::Dunno) {
                return verdict;
            }
        }
        Verdict::Dunno
    }

    /// Asks one restriction; also says what was compared.
    async fn one(
        &self,
        list: &List,
        item: &Restriction,
        asked: &Asked<'_>,
        subject: &Subject,
    ) -> (Verdict, String) {
        let (name, class) = (&*subject.name, subject.class);
        let s = asked.session;
        let code = |setting: &str| s.daemon.int(setting).clamp(400, 599) as u16;
        let none = String::new();
        match item.kind {
            Kind::Permit => (Verdict::Permit, none),
            Kind::Reject => (asked.refuse(code("reject_code"), "5.7.1", name, class, "Access denied"), none),
            Kind::Defer => (asked.refuse(code("defer_code"), "4.3.2", name, class, "Try again later"), none),
            Kind::DeferIfPermit => {
                let text = format!("<{name}>: {} rejected: defer_if_permit requested", class.text());
                (asked.defer_if_permit(450, "4.7.0", text), none)
            }
            Kind::DeferIfReject => {
                let text = format!("<{name}>: {} rejected: defer_if_reject requested", class.text());
                (asked.defer_if_reject(450, "4.7.0", text), none)
            }
            Kind::WarnIfReject => (Verdict::Dunno, none),
            Kind::Sleep => match item.argument.as_ref().and_then(|a| a.parse::<u64>().ok()) {
                Some(seconds) => {
                    s.daemon.p.sleep(std::time::Duration::from_secs(seconds)).await;
                    (Verdict::Dunno, none)
                }
                None => (self.without_argument(item, asked, "number"), none),
            },
            Kind::UnauthPipelining => {
                let esmtp_may = s.esmtp && s.last != "DATA";
                let compared = format!(
                    "{} is waiting behind {}",
                    if s.has_input() { "more" } else { "nothing" },
                    s.last
                );
                if s.has_input() && !esmtp_may {
                    (
                        asked.refuse(503, "5.5.0", name, class, "Improper use of SMTP command pipelining"),
                        compared,
                    )
                } else {
                    (Verdict::Dunno, compared)
                }
            }
            Kind::PlaintextSession => match s.tls.is_some() {
                true => (Verdict::Dunno, "the session is encrypted".into()),
                false => {
                    let code = code("plaintext_reject_code");
                    (asked.refuse(code, "4.7.1", name, class, "Session encryption is required"), none)
                }
            },
            Kind::Mynetworks | Kind::InetInterfaces => self.by_address(item.kind, asked),
            Kind::SaslAuthenticated => match &s.login {
                Some(login) => (Verdict::Permit, format!("the client is logged in as {}", login.user)),
                None => (Verdict::Dunno, "the client has not logged in".into()),
            },
            Kind::TlsClientcerts => (Verdict::Dunno, "the client has no certificate".into()),
            Kind::Policy => self.policy(item, asked, subject).await,
            Kind::OfClass => match self.classes.iter().find(|c| c.setting == item.name) {
                Some(of_class) => (self.evaluate(of_class, asked, subject.clone()).await, none),
                None => (Verdict::Dunno, none),
            },
            Kind::Unknown => {
                let text = format!("unknown smtpd restriction: \"{}\"", item.name);
                s.daemon.msg.log_warn(text);
                (asked.misconfigured(), format!("{}: no such restriction", list.setting))
            }
            Kind::SenderLogin(which) => self.sender_login(which, asked).await,
            Kind::Access(class) => self.access(item, class, asked, subject).await,
            Kind::ServerAccess(class, servers) => {
                self.server_access(item, class, servers, asked, subject).await
            }
            Kind::RblClient | Kind::DnswlClient | Kind::Rhsbl(_) | Kind::RhswlClient => {
                self.dns_list(item, asked).await
            }
            Kind::UnauthDestination
            | Kind::DeferUnauthDestination
            | Kind::AuthDestination
            | Kind::MxBackup => self.destination(item.kind, asked).await,
            Kind::Unlisted(class) => self.unlisted(class, asked).await,
            Kind::Unverified(_) => self.unverified(item, asked),
            Kind::MultiRecipientBounce => {
                let allowed = usize::from(s.last != "RCPT");
                let bounce = asked.sender.as_ref().is_some_and(|sender| sender.is_empty());
                match bounce && s.rcpt_count > allowed {
                    true => {
                        let code = code("multi_recipient_bounce_reject_code");
                        (asked.refuse(code, "5.5.3", name, class, "Multi-recipient bounce"), none)
                    }
                    false => (Verdict::Dunno, none),
                }
            }
            _ => self.names(item.kind, asked).await,
        }
    }

    fn by_address(&self, kind: Kind, asked: &Asked<'_>) -> (Verdict, String) {
        let client = &asked.session.client;
        let is = |yes: bool| if yes { "is" } else { "is not" };
        if kind == Kind::Mynetworks {
            let yes = client.address.is_some_and(|a| self.in_mynetworks(&client.name, a));
            let config = &asked.session.daemon.config;
            let (networks, place) = (asked.session.daemon.string("mynetworks"), config.place("mynetworks"));
            let shown = &client.shown_address;
            let compared = format!("{shown} {} in {networks} (mynetworks, {place})", is(yes));
            return (Verdict::permit_if(yes), compared);
        }
        let yes = client.address.is_some_and(|a| self.is_own(a));
        (Verdict::permit_if(yes), format!("{} {} this host's own", client.shown_address, is(yes)))
    }

    /// A restriction that lacks the word after it.
    pub(super) fn without_argument(&self, item: &Restriction, asked: &Asked<'_>, what: &str) -> Verdict {
        let text = format!("restriction {} must be followed by {what}", item.name);
        asked.session.daemon.msg.log_warn(text);
        asked.misconfigured()
    }

    fn unverified(&self, item: &Restriction, asked: &Asked<'_>) -> (Verdict, String) {
        asked.session.daemon.msg.log_warn(format!("{} has no effect in the lab", item.name));
        (Verdict::Dunno, "not evaluated in the lab".into())
    }

    pub(super) fn decide(
        &self,
        list: &List,
        item: &Restriction,
        asked: &Asked<'_>,
        verdict: &Verdict,
        compared: String,
    ) {
        let daemon = asked.session.daemon;
        daemon.p.decide(|| Decision {
            rule: match &item.argument {
                Some(argument) if *argument != item.name => format!("{} {argument}", item.name).into(),
                _ => item.name.to_string().into(),
            },
            setting: list.setting.to_string().into(),
            place: daemon.config.place(&list.setting),
            compared,
            outcome: match verdict {
                Verdict::Dunno => Outcome::No,
                Verdict::Permit => Outcome::Yes,
                Verdict::Reject(reject) => Outcome::Becomes(reject.line().into()),
            },
        });
    }
}
