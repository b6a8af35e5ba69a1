//! Forwarding: recipients that are not delivered to here go into the queue as a new message, with
//! the marks of this stop on top.

use super::seen::Key;
use super::{RELAY, State, Status, Work};
use crate::postfix::deliver::{Dsn, Progress};
use crate::postfix::ipc::{CleanupStatus, Resolved, Submission, TraceFlags};
use crate::postfix::queue::{Recipient, SPOOL, notify};
use crate::proto::{address, message};
use std::rc::Rc;

/// Recipients waiting to be forwarded.
#[derive(Default)]
pub struct Forwards(Vec<Forward>);

/// A message to be sent on: one for each stop and sender.
struct Forward {
    /// The `Delivered-To:` address.
    delivered: Rc<str>,
    sender: Rc<str>,
    /// Has an `owner-` alias replaced the sender?
    resent: bool,
    recipients: Vec<Recipient>,
}

/// Is an address delivered to by this agent?
pub fn is_own(resolved: &Resolved, service: &str) -> bool {
    *resolved.transport == *service
}

impl<'a> Work<'a> {
    /// Puts an address among those to be forwarded.
    pub(super) async fn indirect(&self, state: &State) -> Status {
        let to = &state.rcpt.address;
        if self.seen.borrow_mut().before(Key::Indirect(to.to_string())) {
            return Status::Done;
        }
        if self.is_rehearsal() {
            return self.sent(state, format!("forwards to {to}")).await;
        }
        let original = if state.rcpt.original.is_empty() { to } else { &state.rcpt.original };
        let rcpt = Recipient { offset: 0, original: original.clone(), ..state.rcpt.clone() };
        let mut forwards = self.forwards.borrow_mut();
        match forwards.0.iter_mut().find(|f| f.sender == state.sender && f.delivered == state.delivered) {
            Some(forward) => forward.recipients.push(rcpt),
            None => forwards.0.push(Forward {
                delivered: state.delivered.clone(),
                sender: state.sender.clone(),
                resent: state.resent,
                recipients: vec![rcpt],
            }),
        }
        Status::Done
    }

    /// Sends what is to be forwarded for the recipient of the envelope.
    pub(super) async fn send_forwards(&self) -> Status {
        let forwards = std::mem::take(&mut self.forwards.borrow_mut().0);
        let mut status = Status::Done;
        for forward in forwards {
            match self.send_forward(forward).await {
                Some(id) => {
                    let dsn = Dsn::new("2.0.0", format!("forwarded as {id}"));
                    // Who wanted to hear of success has been told of the expansion.
                    let dsn_notify = notify::without_success(self.top.dsn_notify);
                    let top = Recipient { dsn_notify, ..self.top.clone() };
                    self.delivery.sent_as("relayed", &top, RELAY, Progress::default(), &dsn).await;
                }
                None => {
                    let dsn = Dsn::new("4.3.0", "unable to forward message");
                    let fate = self.delivery.deferred(self.top, RELAY, Progress::default(), &dsn).await;
                    status = status.and(fate.into());
                }
            }
        }
        status
    }

    async fn send_forward(&self, forward: Forward) -> Option<Rc<str>> {
        let p = &self.daemon().p;
        let request = &self.delivery.request;
        let stream = p.connect_unix(&format!("{SPOOL}/public/cleanup")).await.ok()?;
        let id = stream.receive::<Rc<str>>().await?;
        let settings = self.settings();
        let date = message::date_with_zone(p.now().unix());
        let mut prepend =
            format!("Received: by {} ({})\n\tid {id}; {date}\n", settings.myhostname, settings.mail_name);
        if settings.delivered_to.forward {
            prepend.push_str(&format!("Delivered-To: {}\n", address::quote(&forward.delivered)));
        }
        let own = forward.resent;
        let submission = Submission {
            arrival: p.now(),
            context: request.context,
            full_name: None,
            client: None,
            sender: forward.sender,
            dsn_envid: (!own && !request.dsn_envid.is_empty()).then(|| request.dsn_envid.clone()),
            dsn_ret_full: request.dsn_ret_full.filter(|_| !own),
            eight_bit: request.eight_bit,
            smtputf8: false,
            recipients: forward.recipients,
            prepend: prepend.into_bytes(),
            content: self.content().clone(),
            trace: TraceFlags::None,
            internal: true,
            unmapped: true,
            ..Submission::default()
        };
        let what = |s: &Submission| format!("{} forwarded for {} recipients", request.id, s.recipients.len());
        stream.send(what, submission).ok()?;
        match stream.receive::<CleanupStatus>().await {
            Some(CleanupStatus::Ok) => Some(id),
            _ => None,
        }
    }
}
