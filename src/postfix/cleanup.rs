//! cleanup(8): takes a message in, completes it, and writes it into the incoming queue.
//!
//! Every message comes this way, from [`smtpd`](super::smtpd), [`pickup`](super::pickup),
//! [`local`](super::local) (forwarded) or [`bounce`]. cleanup makes the queue file
//! and tells its id, then waits for the message ([`Submission`]); it adds what headers are
//! missing, completes the addresses of a local message's headers, removes duplicate recipients,
//! expands `virtual_alias_maps`, writes the file in one go and wakes qmgr.
//!
//! Standards: RFC 5322 (section 3.6, the fields that a message must have), RFC 3461.
//!
//! - [`headers`]: what is dropped, completed and added
//! - [`checks`], [`mime`]: content inspection
//! - [`mapping`], [`recipients`]: what addresses become
//! - [`encode`]: the queue file
//!
//! # Simplifications
//! No Milters, no conversion between 8BITMIME and 7BIT.

mod checks;
mod encode;
mod headers;
mod mapping;
mod mime;
mod recipients;

use super::address_map::MapTrouble;
use super::bounce::{self, Append};
use super::deliver::Dsn;
use super::dict::Maps;
use super::ipc::{CleanupStatus, GivenUp, RewriteContext, Submission, TraceFlags};
use super::master::{self, Trigger};
use super::own_domains::OwnDomains;
use super::queue::{self, Queue, Recipient, SPOOL};
use super::rewrite::Rewriter;
use super::server::Daemon;
use super::verify;
use crate::trace::{Decision, Outcome};
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::process::Process;
use crate::world::stream::Stream;
use checks::{Checks, Inspector};
use mapping::{Class, Mapping};
use recipients::Expansion;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The reason for all that goes wrong with a queue file.
pub const WRITE_ERROR: &str = "queue file write error";

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let cleanup = match Cleanup::new(&daemon) {
        Ok(cleanup) => cleanup,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    while let Some(stream) = daemon.accept().await {
        cleanup.serve(&stream).await;
    }
    0
}

struct Cleanup<'d> {
    daemon: &'d Daemon,
    rewriter: Rewriter,
    expansion: Expansion,
    mapping: Mapping,
    own: Rc<OwnDomains>,
    checks: Checks,
    bcc: Bcc,
    settings: Settings,
}

/// Who gets copies.
struct Bcc {
    always: Rc<str>,
    by_sender: Maps,
    by_recipient: Maps,
    delimiter: Rc<str>,
}

/// What a message needs of the configuration, read once.
struct Settings {
    myhostname: Rc<str>,
    message_size_limit: u64,
    always_add_missing: bool,
    undisclosed: Rc<str>,
    drop: Vec<Rc<str>>,
    enable_original_recipient: bool,
    duplicate_limit: usize,
    hopcount_limit: usize,
    header_size_limit: usize,
    remote_domain: Rc<str>,
    delay_warning: std::time::Duration,
    long_ids: bool,
    in_flow_delay: std::time::Duration,
    replace_stray: bool,
    full_name: FullName,
}

/// How a sender's name stands in `From:` (`header_from_format`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum FullName {
    /// `name <address>`
    Before,
    /// `address (name)`
    Comment,
}

/// The recipients to deliver to, in the order of the queue file.
#[derive(Default)]
struct Addressed {
    all: Vec<Recipient>,
    /// So many first ones get a copy for the sender's sake (`sender_bcc_maps`).
    of_sender: usize,
    /// So many are known from the envelope; those behind them from the content.
    of_envelope: usize,
    /// Those that an alias stood for, where the sender wants to hear of success: that it was
    /// expanded is all he hears.
    expanded: Vec<Recipient>,
    /// Who is among them, as far as `duplicate_filter_limit` goes.
    seen: BTreeSet<String>,
}

impl Addressed {
    fn of_sender(&self) -> &[Recipient] {
        &self.all[..self.of_sender]
    }

    fn of_envelope(&self) -> &[Recipient] {
        &self.all[self.of_sender..self.of_envelope]
    }

    fn of_content(&self) -> &[Recipient] {
        &self.all[self.of_envelope..]
    }
}

/// A message on its way through.
struct Message {
    headers: Vec<u8>,
    body: bytes::Bytes,
}

impl<'d> Cleanup<'d> {
    fn new(daemon: &'d Daemon) -> Result<Cleanup<'d>, String> {
        let settings = Settings {
            myhostname: daemon.string("myhostname"),
            message_size_limit: daemon.int("message_size_limit").max(0) as u64,
            always_add_missing: daemon.yes("always_add_missing_headers"),
            undisclosed: daemon.string("undisclosed_recipients_header"),
            drop: daemon
                .config
                .list("message_drop_headers")
                .iter()
                .map(|h| h.to_ascii_lowercase().into())
                .collect(),
            enable_original_recipient: daemon.yes("enable_original_recipient"),
            in_flow_delay: daemon.seconds("in_flow_delay"),
            duplicate_limit: daemon.int("duplicate_filter_limit").max(0) as usize,
            hopcount_limit: daemon.int("hopcount_limit").max(0) as usize,
            header_size_limit: daemon.int("header_size_limit").max(1) as usize,
            remote_domain: daemon.string("remote_header_rewrite_domain"),
            delay_warning: daemon.seconds("delay_warning_time"),
            replace_stray: daemon.yes("cleanup_replace_stray_cr_lf"),
            long_ids: daemon.yes("enable_long_queue_ids"),
            full_name: match &*daemon.string("header_from_format") {
                "obsolete" => FullName::Comment,
                _ => FullName::Before,
            },
        };
        let own = Rc::new(OwnDomains::new(daemon)?);
        let (expansion, mapping) = (Expansion::new(daemon, own.clone()), Mapping::new(daemon, own.clone()));
        let checks = Checks::new(daemon);
        let bcc = Bcc {
            always: daemon.string("always_bcc"),
            by_sender: Maps::open(&daemon.string("sender_bcc_maps"), &daemon.p)?,
            by_recipient: Maps::open(&daemon.string("recipient_bcc_maps"), &daemon.p)?,
            delimiter: daemon.string("recipient_delimiter"),
        };
        Ok(Cleanup { daemon, rewriter: Rewriter::default(), expansion, mapping, own, checks, bcc, settings })
    }

    /// One message, from one client.
    async fn serve(&self, stream: &Stream) {
        let p = &self.daemon.p;
        let id = match queue::enter(p, Queue::Incoming, 0o600, self.settings.long_ids) {
            Ok(id) => id,
            Err(e) => {
                self.daemon.msg.log(&format!("warning: mail_queue_enter: create file incoming: {e}"));
                return;
            }
        };
        if stream.send(|_| format!("queue id {id}"), id.clone()).is_err() {
            let _ = p.unlink(&Queue::Incoming.path(&id));
            return;
        }
        p.queue_event(&id, &["", "incoming"]);
        let received = stream.receive_any().await.map(|message| message.downcast::<Submission>());
        if let Some(Err(other)) = &received
            && let Some(GivenUp { octets }) = other.downcast_ref::<GivenUp>()
            && self.settings.message_size_limit.saturating_sub(ENVELOPE) < *octets as u64
        {
            // What was written before the client gave up did not fit into the file.
            self.daemon.msg.log_warn("mail_stream_cleanup: close error");
        }
        let Some(Ok(submission)) = received.map(|r| r.map(|boxed| *boxed)) else {
            // The client gave the message up before its end.
            let _ = p.unlink(&Queue::Incoming.path(&id));
            p.queue_event(&id, &["incoming", ""]);
            return;
        };
        // Who hands in a message here cannot be told no: it is returned (`CLEANUP_FLAG_BOUNCE`).
        let returns = submission.client.is_none() && !submission.internal;
        let local = returns.then(|| (submission.arrival, submission.recipients.clone()));
        let status = self.accept(&id, submission).await;
        if status != CleanupStatus::Ok {
            let _ = p.unlink(&Queue::Incoming.path(&id));
            p.queue_event(&id, &["incoming", ""]);
        }
        if let Some((arrival, recipients)) = local
            && let CleanupStatus::Rejected { dsn, text, .. } | CleanupStatus::Refused { dsn, text, .. } =
                &status
            && !dsn.starts_with('4')
        {
            self.log_bounced(&id, arrival, &recipients, dsn, text).await;
        }
        let told = |s: &CleanupStatus| match s {
            CleanupStatus::Ok => format!("{id} is in the queue"),
            CleanupStatus::Rejected { .. } | CleanupStatus::Refused { .. } => format!("{id} is refused"),
        };
        let _ = stream.send(told, status);
    }

    /// Tells of each recipient of a message that is returned.
    async fn log_bounced(&self, id: &str, arrival: Time, recipients: &[Recipient], dsn: &str, text: &str) {
        let p = &self.daemon.p;
        for rcpt in recipients {
            let address = self.rewriter.rewrite(p, RewriteContext::Local, &rcpt.address).await;
            let from =
                if address == rcpt.address { String::new() } else { format!(", orig_to=<{}>", rcpt.address) };
            let mut delay = String::new();
            super::deliver::delay(p.now() - arrival, &mut delay);
            self.daemon.msg.log(&format!(
                "{id}: to=<{address}>{from}, relay=none, delay={delay}, delays={delay}/0/0/0, dsn={dsn}, \
                 status=bounced ({text})"
            ));
        }
    }

    /// Waits a while where more mail comes in than qmgr takes up.
    async fn go_with_the_flow(&self) {
        let pause = self.settings.in_flow_delay;
        if pause.is_zero() || self.daemon.service.flow().get() {
            return;
        }
        self.daemon.p.decide(|| Decision {
            rule: "in_flow_delay".into(),
            setting: "in_flow_delay".into(),
            place: self.daemon.config.place("in_flow_delay"),
            compared: "more messages have come in than the queue manager has taken up".to_owned(),
            outcome: Outcome::Yes,
        });
        self.daemon.p.sleep(pause).await;
    }

    async fn accept(&self, id: &Rc<str>, mut submission: Submission) -> CleanupStatus {
        let p = &self.daemon.p;
        self.go_with_the_flow().await;
        let sender = match self.address(id, &submission, Class::EnvelopeSender, &submission.sender).await {
            Ok(sender) => sender,
            Err(status) => return status,
        };
        let is_probe = submission.trace == TraceFlags::Probe;
        // The envelope comes before the content; of a probe the log tells it.
        let probed = if is_probe { Some(self.recipients(id, &submission, &sender).await) } else { None };
        let message = match self.complete(id, &mut submission, &sender).await {
            Ok(message) => message,
            Err(status) => return status,
        };
        if submission.given_up {
            return rejected(554, "5.7.1", "given up");
        }
        if submission.actions.discard {
            let _ = p.unlink(&Queue::Incoming.path(id));
            p.queue_event(id, queue::gone(Queue::Incoming));
            return CleanupStatus::Ok;
        }
        let recipients = match probed {
            Some(recipients) => recipients,
            None => self.recipients(id, &submission, &sender).await,
        };
        let recipients = match recipients {
            Ok(recipients) => recipients,
            Err(status) => return status,
        };
        if recipients.all.is_empty() && !is_probe {
            return rejected(550, "5.1.1", "no recipients specified");
        }
        let file = self.encode(id, &submission, &sender, &recipients, &message);
        let size_limit = self.settings.message_size_limit;
        if size_limit > 0 && file.len() as u64 > size_limit {
            self.daemon.msg.log(&format!("warning: {id}: queue file size limit exceeded"));
            return rejected(552, "5.3.4", "message file too big");
        }
        for rcpt in &recipients.expanded {
            bounce::append(self.daemon, "trace", expanded(id, rcpt)).await;
        }
        match self.store(id, file) {
            Ok(()) if submission.actions.hold => {
                let _ = queue::rename(p, id, Queue::Incoming, Queue::Hold);
                CleanupStatus::Ok
            }
            Ok(()) => {
                let path = format!("{SPOOL}/public/qmgr");
                // Nobody there: qmgr finds the message when it comes up.
                let _ = master::trigger(p, &path, Trigger("I")).await;
                CleanupStatus::Ok
            }
            Err(e) => {
                self.daemon.msg.log(&format!("warning: {id}: write queue file: {e}"));
                let _ = p.unlink(&queue::path("trace", id));
                rejected(452, "4.3.1", WRITE_ERROR)
            }
        }
    }

    /// Writes the file; its mode says that it is complete.
    fn store(&self, id: &str, file: Vec<u8>) -> Sys<()> {
        let path = Queue::Incoming.path(id);
        self.daemon.p.write_file(&path, file, 0o600)?;
        self.daemon.p.chmod(&path, 0o700)
    }

    /// An address of the envelope, completed and mapped.
    async fn address(
        &self,
        id: &str,
        s: &Submission,
        class: Class,
        address: &Rc<str>,
    ) -> Result<Rc<str>, CleanupStatus> {
        let complete = self.rewriter.rewrite(&self.daemon.p, s.context, address).await;
        if s.unmapped || complete.is_empty() {
            return Ok(complete);
        }
        let mapped = self.mapping.apply(self.daemon, &self.rewriter, complete, class).await;
        mapped.map_err(|trouble| self.unmapped(id, &trouble, "4.3.0", WRITE_ERROR))
    }

    fn unmapped(&self, id: &str, trouble: &MapTrouble, dsn: &str, text: &str) -> CleanupStatus {
        self.daemon.msg.log_warn(format!("{id}: {} -- message not accepted, try again later", trouble.0));
        rejected(451, dsn, text)
    }

    /// The recipients to deliver to: completed, mapped, expanded, without duplicates.
    async fn recipients(
        &self,
        id: &str,
        submission: &Submission,
        sender: &Rc<str>,
    ) -> Result<Addressed, CleanupStatus> {
        let mut addressed = Addressed::default();
        let copies = !submission.internal && !submission.unmapped;
        if copies
            && !sender.is_empty()
            && let Some(copy) = self.copy_to(&self.bcc.by_sender, sender)
        {
            self.add(id, submission, &copy, true, &mut addressed).await?;
        }
        addressed.of_sender = addressed.all.len();
        for rcpt in &submission.recipients {
            self.add(id, submission, rcpt, false, &mut addressed).await?;
            let address = self.address(id, submission, Class::EnvelopeRecipient, &rcpt.address).await?;
            if copies && let Some(copy) = self.copy_to(&self.bcc.by_recipient, &address) {
                self.add(id, submission, &copy, true, &mut addressed).await?;
            }
        }
        addressed.of_envelope = addressed.all.len();
        if copies && !self.bcc.always.is_empty() && !addressed.all.is_empty() {
            self.add(id, submission, &copy_for(self.bcc.always.clone()), true, &mut addressed).await?;
        }
        for copy in &submission.actions.bcc {
            self.add(id, submission, &copy_for(copy.clone()), true, &mut addressed).await?;
        }
        Ok(addressed)
    }

    /// Who gets a copy of mail from or to an address.
    fn copy_to(&self, maps: &Maps, address: &str) -> Option<Recipient> {
        if maps.is_empty() {
            return None;
        }
        match maps.find_address_of(
            address,
            &self.bcc.delimiter,
            address.rsplit_once('@').is_some_and(|(_, d)| self.own.contain(d)),
        ) {
            Ok(found) => found.map(|f| copy_for(f.value)),
            Err(e) => {
                e.log(&self.daemon.msg);
                None
            }
        }
    }

    /// Adds what a recipient becomes.
    async fn add(
        &self,
        id: &str,
        submission: &Submission,
        rcpt: &Recipient,
        is_copy: bool,
        addressed: &mut Addressed,
    ) -> Result<(), CleanupStatus> {
        let address = self.address(id, submission, Class::EnvelopeRecipient, &rcpt.address).await?;
        let original = match &*rcpt.original {
            // Whoever gets a copy was named by nobody but the configuration.
            "" if is_copy => address.clone(),
            "" => rcpt.address.clone(),
            _ => rcpt.original.clone(),
        };
        let dsn_orcpt = match &*rcpt.dsn_orcpt {
            // Whoever gets a copy was no recipient of the sender's.
            "" if is_copy => "".into(),
            "" => format!("rfc822;{}", crate::proto::smtp::xtext_encode(&address)).into(),
            _ => rcpt.dsn_orcpt.clone(),
        };
        let mut into = match submission.unmapped {
            true => vec![address.clone()],
            false => match self.expansion.expand(self.daemon, &self.rewriter, address.clone()).await {
                Ok(into) => into,
                Err(trouble) => return Err(self.unmapped(id, &trouble, "4.6.0", "Alias expansion error")),
            },
        };
        if submission.trace == TraceFlags::Probe && into.len() > 1 {
            // What becomes of each of many is no answer to what becomes of the one.
            self.probed_alias(id, submission, &original).await;
            into.clear();
        }
        let given = rcpt.dsn_orcpt.clone();
        let mut rcpt = Recipient { original, dsn_orcpt, ..rcpt.clone() };
        if rcpt.dsn_notify & queue::notify::SUCCESS != 0 && into != [address.clone()] {
            addressed.expanded.push(Recipient { address, ..rcpt.clone() });
            rcpt.dsn_notify = queue::notify::without_success(rcpt.dsn_notify);
        }
        for address in into {
            let next = Recipient { address, ..rcpt.clone() };
            let identity = self.identity(&next, &given);
            if addressed.seen.contains(&identity) {
                continue;
            }
            if addressed.seen.len() < self.settings.duplicate_limit {
                addressed.seen.insert(identity);
            }
            addressed.all.push(next);
        }
        Ok(())
    }

    /// An address that is probed stands for many: it can be delivered to.
    async fn probed_alias(&self, id: &str, submission: &Submission, address: &Rc<str>) {
        let reason: Rc<str> = "aliased to multiple recipients".into();
        let rcpt = Recipient { original: address.clone(), ..copy_for(address.clone()) };
        let status = verify::Status::Ok;
        let word = super::deliver::probed(self.daemon, id, &rcpt, status, &reason).await;
        let now = self.daemon.p.now();
        let times = [submission.arrival, now, now, now, now];
        let dsn = Dsn::new("2.0.0", reason);
        self.daemon.msg.log(&super::deliver::line(
            id,
            &rcpt,
            "none",
            times,
            (&dsn.status, &dsn.reason),
            word,
        ));
    }

    /// What makes a recipient another one than those before: besides the address, what the sender
    /// wants to hear of it and, where that is kept, what the address was at first.
    fn identity(&self, rcpt: &Recipient, dsn_orcpt: &str) -> String {
        let original = if self.settings.enable_original_recipient { &*rcpt.original } else { "" };
        format!("{}\n{}\n{dsn_orcpt}\n{original}", rcpt.address, rcpt.dsn_notify).to_ascii_lowercase()
    }

    /// Inspects the message, adds what it must have and completes the addresses in its headers.
    async fn complete(
        &self,
        id: &Rc<str>,
        s: &mut Submission,
        sender: &Rc<str>,
    ) -> Result<Message, CleanupStatus> {
        let log = |text: &str| self.daemon.msg.log(text);
        let last = match s.recipients.last() {
            Some(rcpt) if !s.recipients_last => {
                Some(self.address(id, s, Class::EnvelopeRecipient, &rcpt.address).await?)
            }
            _ => None,
        };
        let mut inspector = Inspector::new(self.daemon, &self.checks, id, s, sender, last.as_deref());
        inspector.characters(&mut s.content);
        let mut pass = headers::Pass::new(id, s, &self.settings);
        let mut body = pass.read(&s.content, &mut inspector, &log);
        if let Some(status) = inspector.refused {
            return Err(status);
        }
        if pass.received > self.settings.hopcount_limit {
            return Err(rejected(554, "5.4.0", "too many hops"));
        }
        if !inspector.actions.discard {
            let local = s.context == RewriteContext::Local;
            // Where it broke off among its headers, more of them may have been to come.
            let ended = !s.broken_off || !body.is_empty();
            if local || !self.settings.remote_domain.is_empty() {
                let mapping = (!s.unmapped).then_some(&self.mapping);
                pass.rewrite_addresses(self.daemon, &self.rewriter, mapping)
                    .await
                    .map_err(|trouble| self.unmapped(id, &trouble, "4.3.0", WRITE_ERROR))?;
            }
            let adds = local || self.settings.always_add_missing || !self.settings.remote_domain.is_empty();
            if ended && adds {
                pass.add_missing(&self.settings, sender, self.daemon.p.now(), &log);
            } else if ended && pass.lacks_id() {
                log(&format!("{id}: message-id=<>"));
            }
            if !inspector.is_over() && self.checks.look_at_body() {
                let (mime, limit) = (self.checks.mime_processing, self.checks.body_limit);
                body = mime::Walk::new(&mut inspector, mime, limit, pass.content_type()).run(&body).into();
            }
        }
        if let Some(status) = inspector.refused {
            return Err(status);
        }
        let headers = pass.finish();
        s.actions = inspector.actions;
        Ok(Message { headers, body })
    }
}

/// A recipient that gets a copy: what becomes of it is nobody's affair.
fn copy_for(address: Rc<str>) -> Recipient {
    Recipient {
        offset: 0,
        original: "".into(),
        address,
        dsn_orcpt: "".into(),
        dsn_notify: queue::notify::NEVER,
    }
}

/// What a sender who wanted to hear of success is told of an alias.
fn expanded(id: &Rc<str>, rcpt: &Recipient) -> Append {
    Append {
        id: id.clone(),
        recipient: rcpt.clone(),
        relay: "none".into(),
        dsn: Dsn::new("2.0.0", "alias expanded"),
        action: "expanded",
    }
}

/// About as many octets of a queue file are not content.
const ENVELOPE: u64 = 600;

fn rejected(code: u16, dsn: &str, text: &str) -> CleanupStatus {
    CleanupStatus::Rejected { code, dsn: dsn.into(), text: text.into() }
}
