//! Forwarding: recipients that are not delivered to here go into the queue as a new message, with
//! the marks of this stop on top; and handing a recipient to another delivery agent as it is.

use super::{Target, Work};
use crate::postfix::deliver::{Dsn, Progress};
use crate::postfix::ipc::{CleanupStatus, DeliveryReport, Submission, TraceFlags};
use crate::postfix::queue::{Recipient, SPOOL};
use crate::postfix::trivial_rewrite::split_transport;
use crate::proto::{address, message};
use std::rc::Rc;

/// Recipients waiting to be forwarded, by the sender they are forwarded for.
#[derive(Default)]
pub struct Forwards(Vec<(Rc<str>, Vec<Recipient>)>);

impl<'a> Work<'a> {
    /// Puts an address among those to be forwarded.
    pub(super) fn forward(&self, target: &Target, to: &Rc<str>) {
        let sender = self.sender(target);
        // With a sender of its own the new message begins a life of its own.
        let own = target.owner.is_some();
        let rcpt = Recipient {
            offset: 0,
            original: if own { to.clone() } else { target.rcpt.original.clone() },
            address: to.clone(),
            dsn_orcpt: if own { "".into() } else { target.rcpt.dsn_orcpt.clone() },
            dsn_notify: if own { 0 } else { target.rcpt.dsn_notify },
        };
        let mut forwards = self.forwards.borrow_mut();
        match forwards.0.iter_mut().find(|(s, _)| *s == sender) {
            Some((_, all)) if all.iter().any(|r| r.address.eq_ignore_ascii_case(to)) => {}
            Some((_, all)) => all.push(rcpt),
            None => forwards.0.push((sender, vec![rcpt])),
        }
    }

    /// Sends what is to be forwarded; `rcpt` is whom it was for.
    pub(super) async fn send_forwards(&self, rcpt: &Recipient) {
        let forwards = std::mem::take(&mut self.forwards.borrow_mut().0);
        for (sender, recipients) in forwards {
            match self.send_forward(sender, recipients).await {
                Ok(id) => {
                    let dsn = Dsn::new("2.0.0", format!("forwarded as {id}"));
                    self.delivery.sent(rcpt, "local", Progress::default(), &dsn).await;
                }
                Err(text) => {
                    let dsn = Dsn::new("4.3.0", text);
                    self.delivery.deferred(rcpt, "local", Progress::default(), &dsn).await;
                }
            }
        }
    }

    async fn send_forward(&self, sender: Rc<str>, recipients: Vec<Recipient>) -> Result<Rc<str>, String> {
        let p = &self.daemon().p;
        let request = &self.delivery.request;
        let failed = || "unable to forward message".to_owned();
        let stream = p.connect_unix(&format!("{SPOOL}/public/cleanup")).await.map_err(|_| failed())?;
        let id = stream.receive::<Rc<str>>().await.ok_or_else(failed)?;
        let settings = &self.agent.settings;
        let date = message::date_with_zone(p.now().unix());
        let prepend = format!(
            "Received: by {} ({})\n\tid {id}; {date}\nDelivered-To: {}\n",
            settings.myhostname,
            settings.mail_name,
            address::quote(&self.delivered_to)
        );
        let submission = Submission {
            arrival: p.now(),
            context: request.context,
            full_name: None,
            client: None,
            sender,
            dsn_envid: (!request.dsn_envid.is_empty()).then(|| request.dsn_envid.clone()),
            dsn_ret_full: request.dsn_ret_full,
            eight_bit: request.eight_bit,
            smtputf8: false,
            recipients,
            prepend: prepend.into_bytes(),
            content: self.content.clone().into(),
            trace: TraceFlags::None,
            internal: true,
        };
        let what = |s: &Submission| format!("{} forwarded for {} recipients", request.id, s.recipients.len());
        stream.send(what, submission).map_err(|_| failed())?;
        match stream.receive::<CleanupStatus>().await {
            Some(CleanupStatus::Ok) => Ok(id),
            _ => Err(failed()),
        }
    }

    /// Hands a recipient to another delivery agent (`mailbox_transport`, `fallback_transport`).
    pub(super) async fn pass_on(&self, target: &Target, setting: &str) {
        let daemon = self.daemon();
        let (transport, nexthop) = split_transport(setting);
        let mut request = self.delivery.request.clone();
        request.nexthop = nexthop.unwrap_or(&self.agent.settings.myhostname).into();
        request.recipients = vec![target.rcpt.clone()];
        let path = format!("{SPOOL}/private/{transport}");
        let report = match daemon.p.connect_unix(&path).await {
            Ok(stream) => {
                let id = request.id.clone();
                let sent = stream.send(|_| format!("{id} for {}", target.rcpt.address), request).is_ok();
                if sent { stream.receive::<DeliveryReport>().await } else { None }
            }
            Err(e) => {
                daemon.msg.log_warn(format!("connect to transport private/{transport}: {e}"));
                None
            }
        };
        match report {
            Some(report) => self.delivery.passed(report.deferred),
            None => {
                let dsn = Dsn::new("4.3.0", "mail transport unavailable");
                self.delivery.deferred(&target.rcpt, "local", Progress::default(), &dsn).await;
            }
        }
    }
}
