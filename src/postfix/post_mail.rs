//! Mail that a daemon writes itself (`post_mail(3)`): notifications and probes, through cleanup.

use super::ipc::{CleanupStatus, RewriteContext, Submission, TraceFlags};
use super::queue::{Recipient, SPOOL};
use super::server::Daemon;
use crate::proto::message;
use std::rc::Rc;

/// What a daemon writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letter {
    /// A notice in plain ASCII.
    Notice,
    /// A report that quotes a message as it is.
    Report,
    /// A report of which nobody wants to hear: it is begun all the same, and given up.
    Abandoned,
    /// A question whether an address can be delivered to.
    Probe,
}

/// Puts a message of the mail system's own into the queue, under a `Received:` header; gives its
/// queue id, or nothing if cleanup did not take it.
pub async fn post(
    daemon: &Daemon,
    sender: &str,
    recipient: &str,
    content: impl Into<bytes::Bytes>,
    letter: Letter,
) -> Option<Rc<str>> {
    let p = &daemon.p;
    let Ok(stream) = p.connect_unix(&format!("{SPOOL}/public/cleanup")).await else {
        daemon.msg.log_warn("connect to service public/cleanup: Connection refused");
        return None;
    };
    let id = stream.receive::<Rc<str>>().await?;
    let now = p.now();
    let by = format!("{} ({})", daemon.string("myhostname"), daemon.string("mail_name"));
    let date = message::date_with_zone(now.unix());
    let submission = Submission {
        arrival: now,
        context: RewriteContext::Local,
        sender: sender.into(),
        eight_bit: matches!(letter, Letter::Report | Letter::Abandoned),
        recipients: vec![Recipient {
            offset: 0,
            original: recipient.into(),
            address: recipient.into(),
            dsn_orcpt: "".into(),
            dsn_notify: 0,
        }],
        prepend: format!("Received: by {by}\n\tid {id}; {date}\n").into_bytes(),
        content: content.into(),
        trace: if letter == Letter::Probe { TraceFlags::Probe } else { TraceFlags::None },
        given_up: letter == Letter::Abandoned,
        internal: true,
        ..Submission::default()
    };
    let what = if letter == Letter::Probe { "probe" } else { "notification" };
    stream.send(|_| format!("{what} for <{recipient}>"), submission).ok()?;
    (stream.receive::<CleanupStatus>().await == Some(CleanupStatus::Ok)).then_some(id)
}

/// The address from which the mail system writes to postmasters (`double_bounce_sender`).
pub fn double_bounce(daemon: &Daemon) -> Rc<str> {
    format!("{}@{}", daemon.string("double_bounce_sender"), daemon.string("myhostname")).into()
}
