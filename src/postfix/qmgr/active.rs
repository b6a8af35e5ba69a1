//! A message in the active queue, from being read to being removed, deferred or returned.

use super::site::{Admission, Pace, SiteName};
use super::{Qmgr, Transport, queue};
use crate::postfix::bounce::{self, Report, ReportKind};
use crate::postfix::deliver::{self, Dsn};
use crate::postfix::ipc::{AddressClass, DeliveryReport, DeliveryRequest, Reuse, RewriteContext, TraceFlags};
use crate::postfix::queue::{Queue, QueueFile, Recipient, SPOOL};
use crate::postfix::record::{Malformed, Type};
use crate::postfix::verify;
use crate::proto::address;
use crate::trace::{Decision, Outcome};
use crate::world::clock::{Duration, Time};
use crate::world::fs::Touch;
use crate::world::process::Process;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A message that is being worked on.
pub struct Message {
    id: Rc<str>,
    file: QueueFile,
    /// When it was taken up.
    since: Time,
    trace: TraceFlags,
    context: RewriteContext,
    /// `RET=FULL` (true), `RET=HDRS` (false).
    ret_full: Option<bool>,
    /// `ENVID=`, or empty.
    envid: Rc<str>,
    eight_bit: bool,
    deferred: Cell<bool>,
    /// An administrator wants it returned without another try (`postsuper -e`).
    given_up: bool,
    /// Somebody wants it tried now (`postqueue -f`, `-i`, `-s`).
    flush: bool,
}

impl Message {
    /// Reads the message's file in `active/`.
    pub fn read(p: &Process, id: Rc<str>, flush: bool) -> Result<Message, Malformed> {
        let file = p.read_file(&Queue::Active.path(&id)).map_err(|_| Malformed { offset: 0 })?;
        let file = QueueFile::parse(file)?;
        // What was said of the last try, if there was one, is no longer true, unless it was the last.
        let defer_log = queue::path("defer", &id);
        let expired = p.stat(&Queue::Active.path(&id), false).is_ok_and(|s| queue::is_expired(&s));
        let given_up = expired && p.exists(&defer_log);
        if !given_up {
            let _ = p.unlink(&defer_log);
        }
        let attribute = |name: &str| file.attribute(name);
        Ok(Message {
            since: p.now(),
            trace: TraceFlags::read(attribute("trace_flags").as_deref()),
            context: match attribute("rewrite_context").as_deref() {
                Some("remote") => RewriteContext::Remote,
                _ => RewriteContext::Local,
            },
            ret_full: attribute("ret_flags").map(|v| v == "1"),
            envid: attribute("envelope_id").map_or_else(|| "".into(), Into::into),
            eight_bit: attribute("encoding").is_some_and(|v| v == "8bit"),
            deferred: Cell::new(given_up),
            given_up,
            flush,
            id,
            file,
        })
    }

    fn report(&self, kind: ReportKind) -> Report {
        Report {
            kind,
            id: self.id.clone(),
            sender: self.file.sender.clone(),
            dsn_envid: self.envid.clone(),
            dsn_ret_full: self.ret_full,
        }
    }
}

/// Transport, next hop and final form of a recipient, and his class where that was found.
type Destination = (Rc<str>, Rc<str>, Rc<str>, Option<AddressClass>);

/// Some recipients of a message for one destination.
struct Batch {
    transport: Rc<str>,
    nexthop: Rc<str>,
    site: SiteName,
    recipients: Vec<Recipient>,
}

/// Delivers a message to all its recipients, then decides what becomes of it.
pub async fn deliver(qmgr: Rc<Qmgr>, message: Rc<Message>) {
    let file = &message.file;
    qmgr.daemon.msg.log(&format!(
        "{}: from=<{}>, size={}, nrcpt={} (queue active)",
        message.id,
        file.sender,
        file.size,
        file.recipients.len()
    ));
    let batches = if message.given_up { Vec::new() } else { qmgr.sort(&message).await };
    qmgr.feed();
    let open = Rc::new(Open { left: Cell::new(batches.len()), waiting: RefCell::default() });
    let mut batches = batches.into_iter();
    let first = batches.next();
    for batch in batches {
        // Each destination at its own pace; the first begins here and now.
        let (qmgr, message, open) = (qmgr.clone(), message.clone(), open.clone());
        let p = qmgr.daemon.p.clone();
        p.task(async move {
            qmgr.deliver_batch(&message, batch).await;
            open.done(&qmgr);
        });
    }
    if let Some(batch) = first {
        qmgr.deliver_batch(&message, batch).await;
        open.done(&qmgr);
    }
    open.all_done(&qmgr).await;
    qmgr.conclude(&message).await;
    qmgr.let_go(&message.id);
}

/// How many batches of a message are under way.
struct Open {
    left: Cell<usize>,
    waiting: RefCell<Option<crate::world::agenda::TaskId>>,
}

impl Open {
    fn done(&self, qmgr: &Qmgr) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0
            && let Some(task) = self.waiting.borrow_mut().take()
        {
            qmgr.daemon.p.world().ready(task);
        }
    }

    async fn all_done(&self, qmgr: &Qmgr) {
        std::future::poll_fn(|_| {
            if self.left.get() == 0 {
                return std::task::Poll::Ready(());
            }
            *self.waiting.borrow_mut() = qmgr.daemon.p.world().current_task();
            std::task::Poll::Pending
        })
        .await;
    }
}

impl Qmgr {
    /// Sorts the recipients by destination.
    async fn sort(&self, message: &Message) -> Vec<Batch> {
        let mut sorted = Vec::with_capacity(message.file.recipients.len());
        // A redirected message goes to one address, for the first of its recipients.
        let redirected = match message.file.redirect {
            Some(_) => Box::pin(self.redirected(message)).await,
            None => None,
        };
        let recipients = match &redirected {
            Some(only) => std::slice::from_ref(only),
            None => &message.file.recipients[..],
        };
        for rcpt in recipients {
            let (transport, nexthop, address, class) = self.destination(message, rcpt).await;
            let rcpt = Recipient { address, ..rcpt.clone() };
            if class == Some(AddressClass::Local) && Box::pin(self.discards(message, &rcpt)).await {
                continue;
            }
            let limit = self.transport(&transport).recipient_limit;
            let is_reason = ["error", "retry"].contains(&&*transport);
            // An agent that takes one recipient at a time has a destination for each.
            let place: Rc<str> = if limit == 1 && !is_reason {
                let local = rcpt.address.rsplit_once('@').map_or(&*rcpt.address, |(local, _)| local);
                let (user, _) = address::split_extension(local, &self.settings.delimiter);
                format!("{user}@{nexthop}").to_lowercase().into()
            } else {
                nexthop.to_lowercase().into()
            };
            sorted.push(((transport, place), nexthop, limit, rcpt));
        }
        // Recipients of one destination stand together, those of one domain side by side.
        sorted.sort_by(|a, b| {
            let domain = |address: &str| address.rsplit_once('@').map(|(_, d)| d.to_lowercase());
            let key = |address: &Rc<str>| (domain(address).is_none(), domain(address), address.clone());
            let by_address = || key(&a.3.address).cmp(&key(&b.3.address));
            a.0.cmp(&b.0).then_with(by_address).then_with(|| key(&a.3.original).cmp(&key(&b.3.original)))
        });
        let mut batches: Vec<Batch> = Vec::new();
        for (site, nexthop, limit, rcpt) in sorted {
            match batches.last_mut() {
                Some(batch) if batch.site == site && (limit == 0 || batch.recipients.len() < limit) => {
                    batch.recipients.push(rcpt);
                }
                _ => {
                    let transport = site.0.clone();
                    batches.push(Batch { transport, nexthop, site, recipients: vec![rcpt] });
                }
            }
        }
        batches
    }

    /// Who gets a message that an action REDIRECT or an access table has sent elsewhere.
    async fn redirected(&self, message: &Message) -> Option<Recipient> {
        let (to, first) = (message.file.redirect.as_ref()?, message.file.recipients.first()?);
        let address = self.rewriter.rewrite(&self.daemon.p, RewriteContext::Local, to).await;
        self.daemon.p.decide(|| Decision {
            rule: "REDIRECT".into(),
            setting: "".into(),
            place: crate::trace::Place::Default,
            compared: "the message goes to one address in place of its recipients".into(),
            outcome: Outcome::Becomes(address.to_string().into()),
        });
        Some(Recipient { address, ..first.clone() })
    }

    /// Where a content filter takes a recipient's copy: its transport, and its next hop or else
    /// `default_filter_nexthop`, or else the recipient's domain.
    fn filtered(&self, message: &Message, rcpt: &Recipient) -> Option<Destination> {
        let filter = message.file.filter.as_ref().filter(|_| message.file.redirect.is_none())?;
        if message.trace.is_rehearsal() {
            return None;
        }
        let (transport, nexthop) = filter.split_once(':').unwrap_or((filter, ""));
        let default = self.daemon.string("default_filter_nexthop");
        let domain = rcpt.address.rsplit_once('@').map(|(_, domain)| domain);
        let own = self.daemon.string("myhostname");
        let nexthop = [nexthop, &default, domain.unwrap_or(&own)].into_iter().find(|n| !n.is_empty());
        let nexthop = nexthop.unwrap_or_default();
        self.daemon.p.decide(|| Decision {
            rule: "content filter".into(),
            setting: "content_filter".into(),
            place: self.daemon.config.place("content_filter"),
            compared: format!("the message is to pass through {filter}"),
            outcome: Outcome::Becomes(format!("{transport}:{nexthop}").into()),
        });
        Some((transport.into(), nexthop.into(), rcpt.address.clone(), None))
    }

    /// A notification to the postmaster that comes back to this host is told to nobody.
    async fn discards(&self, message: &Message, rcpt: &Recipient) -> bool {
        let local = rcpt.address.rsplit_once('@').map_or(&*rcpt.address, |(local, _)| local);
        if !local.eq_ignore_ascii_case(&self.settings.double_bounce) {
            return false;
        }
        let now = self.daemon.p.now();
        let times = [message.file.arrival, message.since, now, now, now];
        let text = "undeliverable postmaster notification discarded";
        let dsn = Dsn::new("2.0.0", text);
        let status = match message.trace {
            TraceFlags::Probe => {
                deliver::probed(&self.daemon, &message.id, rcpt, verify::Status::Ok, &dsn.reason).await
            }
            TraceFlags::VerifyOnly => "deliverable",
            TraceFlags::None | TraceFlags::Record => "sent",
        };
        let line = deliver::line(&message.id, rcpt, "none", times, (&dsn.status, &dsn.reason), status);
        self.daemon.msg.log(&line);
        deliver::strike(&self.daemon.p, &message.id, rcpt);
        true
    }

    /// Transport, next hop and final form of a recipient.
    async fn destination(&self, message: &Message, rcpt: &Recipient) -> Destination {
        let later = |reason: String, address| ("retry".into(), reason.into(), address, None);
        let destination = match self.filtered(message, rcpt) {
            Some(filtered) => filtered,
            None => {
                let probe = message.trace == TraceFlags::Probe;
                let (p, sender) = (&self.daemon.p, &message.file.sender);
                let resolved = self.rewriter.resolve_for(p, sender, &rcpt.address, probe).await;
                if resolved.failed {
                    return later("4.3.0 address resolver failure".to_owned(), rcpt.address.clone());
                }
                if resolved.error {
                    return ("error".into(), "5.1.3 bad address syntax".into(), resolved.recipient, None);
                }
                (resolved.transport, resolved.nexthop, resolved.recipient, Some(resolved.class))
            }
        };
        let (transport, _, address, _) = &destination;
        if let Some(dsn) = self.dead_transport(transport) {
            return later(format!("{} {}", dsn.status, dsn.reason), address.clone());
        }
        if !message.flush && self.settings.defer_transports.contains(transport) {
            self.daemon.p.decide(|| Decision {
                rule: "defer_transports".into(),
                setting: "defer_transports".into(),
                place: self.daemon.config.place("defer_transports"),
                compared: format!("{transport} is one of them"),
                outcome: Outcome::Becomes("deferred transport".into()),
            });
            return later("4.3.2 deferred transport".to_owned(), address.clone());
        }
        destination
    }

    /// Why a transport is left alone now, if it is.
    fn dead_transport(&self, transport: &str) -> Option<Dsn> {
        let mut dead = self.dead.borrow_mut();
        let (until, dsn) = dead.get(transport)?;
        if self.daemon.p.now() < *until {
            return Some(dsn.clone());
        }
        dead.remove(transport);
        None
    }

    /// A transport cannot be used: it is left alone for `transport_retry_time`.
    fn leave_alone(&self, transport: &str, dsn: &Dsn) {
        let until = self.daemon.p.now() + self.settings.transport_retry;
        self.dead.borrow_mut().insert(transport.into(), (until, dsn.clone()));
    }

    /// `TRANSPORT_what`, or `default_what`.
    fn limit(&self, transport: &str, what: &str, default: usize) -> usize {
        let config = &self.daemon.config;
        config
            .int(&format!("{transport}_{what}"))
            .or_else(|_| config.int(&format!("default_{what}")))
            .map_or(default, |n| n.max(0) as usize)
    }

    /// One hand-over to a delivery agent, once its destination has room for it.
    async fn deliver_batch(&self, message: &Message, batch: Batch) {
        let world = self.daemon.p.world();
        let Transport { pace, whole, .. } = self.transport(&batch.transport);
        // All destinations of a transport wait in one line where there is a pause between any two.
        let line = whole.map(|whole| ((batch.transport.clone(), Rc::from("")), whole));
        if let Some((name, whole)) = &line {
            self.sites.enter(world, name, whole).await;
        }
        match self.sites.enter(world, &batch.site, &pace).await {
            Admission::Go(reuse) => {
                let Batch { transport, nexthop, recipients, .. } = batch;
                let report = self.hand_over(message, &transport, nexthop, recipients, reuse).await;
                message.deferred.set(message.deferred.get() | report.deferred);
                self.sites.done(world, &batch.site, report.site_down.as_ref(), &pace);
            }
            Admission::Down(reason) => {
                let report =
                    self.hand_over(message, "retry", reason, batch.recipients, Reuse::default()).await;
                message.deferred.set(message.deferred.get() | report.deferred);
            }
        }
        if let Some((name, whole)) = &line {
            self.sites.done(world, name, None, whole);
        }
    }

    /// What is set for a transport.
    fn transport(&self, name: &Rc<str>) -> Transport {
        if let Some(known) = self.transports.borrow().get(name) {
            return *known;
        }
        let recipient_limit = self.limit(name, "destination_recipient_limit", 50);
        let delay = self.pause(name, "transport_rate_delay");
        let one = Pace { initial: 1, limit: 1, failed_cohorts: 0, rest: Duration::ZERO, delay };
        let whole = (!delay.is_zero()).then_some(one);
        let transport = Transport { recipient_limit, pace: self.pace(name), whole };
        self.transports.borrow_mut().insert(name.clone(), transport);
        transport
    }

    /// `TRANSPORT_what`, or `default_what`, a time.
    fn pause(&self, transport: &str, what: &str) -> Duration {
        let config = &self.daemon.config;
        config
            .seconds(&format!("{transport}_{what}"))
            .or_else(|_| config.seconds(&format!("default_{what}")))
            .unwrap_or_default()
    }

    /// How fast deliveries of a transport may follow each other.
    fn pace(&self, transport: &str) -> Pace {
        let config = &self.daemon.config;
        let delay = self.pause(transport, "destination_rate_delay");
        let limit = self.limit(transport, "destination_concurrency_limit", 20);
        Pace {
            initial: config
                .int(&format!("{transport}_initial_destination_concurrency"))
                .map_or(self.settings.initial_concurrency, |n| n.max(1) as usize),
            // A pause between deliveries makes sense for one at a time only.
            limit: if delay.is_zero() { limit } else { 1 },
            failed_cohorts: self.limit(transport, "destination_concurrency_failed_cohort_limit", 1),
            rest: self.settings.minimal_backoff,
            delay,
        }
    }

    async fn hand_over(
        &self,
        message: &Message,
        transport: &str,
        nexthop: Rc<str>,
        recipients: Vec<Recipient>,
        reuse: Reuse,
    ) -> DeliveryReport {
        let p = &self.daemon.p;
        let path = format!("{SPOOL}/private/{transport}");
        let stream = match p.connect_unix(&path).await {
            Ok(stream) => stream,
            Err(e) => return self.no_transport(message, transport, &path, e, recipients).await,
        };
        let request = DeliveryRequest {
            id: message.id.clone(),
            size: message.file.size,
            nexthop,
            sender: message.file.sender.clone(),
            recipients,
            dsn_envid: message.envid.clone(),
            dsn_ret_full: message.ret_full,
            eight_bit: message.eight_bit,
            context: message.context,
            arrival: message.file.arrival,
            active: message.since,
            handed: p.now(),
            trace: message.trace,
            file: message.file.file.clone(),
            data_offset: message.file.data_offset,
            reuse,
        };
        let first = request.recipients.first().map(|r| r.address.clone()).unwrap_or_else(|| "".into());
        let id = message.id.clone();
        if stream.send(|_| format!("{id} for {first}"), request).is_ok()
            && let Some(report) = stream.receive::<DeliveryReport>().await
        {
            return report;
        }
        // The agent died at it: what it had done is struck in the file, the rest waits.
        self.daemon.msg.log_warn(format!("private/{transport} socket: malformed response"));
        self.leave_alone(transport, &Dsn::new("4.3.0", "unknown mail transport error"));
        DeliveryReport { deferred: true, site_down: None }
    }

    /// There is no such service, or it does not answer.
    async fn no_transport(
        &self,
        message: &Message,
        transport: &str,
        path: &str,
        error: crate::world::errno::Errno,
        recipients: Vec<Recipient>,
    ) -> DeliveryReport {
        let shown = path.strip_prefix(SPOOL).unwrap_or(path).trim_start_matches('/');
        let dsn = Dsn::new("4.3.0", "mail transport unavailable");
        if self.dead_transport(transport).is_none() {
            self.daemon.msg.log_warn(format!("connect to transport {shown}: {error}"));
            self.leave_alone(transport, &dsn);
        }
        if transport == "retry" {
            return DeliveryReport { deferred: true, site_down: None };
        }
        let nexthop = format!("{} {}", dsn.status, dsn.reason).into();
        Box::pin(self.hand_over(message, "retry", nexthop, recipients, Reuse::default())).await
    }

    /// All recipients have had their try: the message goes, waits, or goes back.
    async fn conclude(self: &Rc<Self>, message: &Rc<Message>) {
        let (p, id) = (&self.daemon.p, &message.id);
        let Ok(stat) = p.stat(&Queue::Active.path(id), false) else {
            return; // deleted meanwhile, by postsuper
        };
        let failed = |what: &str| self.daemon.msg.log(&format!("{id}: status=deferred ({what} failed)"));
        if p.exists(&queue::path("bounce", id))
            && !self.flush("bounce", message.report(ReportKind::Failure)).await
        {
            // Nobody knows yet what failed: whatever its age, the message stays until somebody does.
            failed("bounce");
            return self.defer(message);
        }
        if p.exists(&queue::path("trace", id)) {
            let kind =
                if message.trace == TraceFlags::None { ReportKind::Success } else { ReportKind::Trace };
            if self.flush("trace", message.report(kind)).await {
                self.no_second_report(message);
            } else {
                failed("trace");
                message.deferred.set(true);
            }
        }
        if !message.deferred.get() {
            return self.remove(id);
        }
        let age = p.now() - message.file.arrival;
        let forced = queue::is_expired(&stat);
        if forced || age >= self.lifetime(message) {
            let sender = &message.file.sender;
            let what = if forced { "force-expired" } else { "expired" };
            self.daemon.msg.log(&format!("{id}: from=<{sender}>, status={what}, returned to sender"));
            if self.flush("defer", message.report(ReportKind::Failure)).await {
                return self.remove(id);
            }
            failed("bounce");
            return self.defer(message);
        }
        if let Some((offset, at)) = message.file.warn
            && p.now() + Duration::from_secs(1) >= at
        {
            if self.flush("defer", message.report(ReportKind::Delay)).await {
                self.no_second_warning(id, offset);
            } else {
                failed("delay notification");
            }
        }
        self.defer(message);
    }

    /// Has a notification written. It is rare, and its state need not lie in that of every message.
    async fn flush(&self, service: &str, report: Report) -> bool {
        Box::pin(bounce::flush(&self.daemon, service, report)).await
    }

    fn lifetime(&self, message: &Message) -> Duration {
        if message.file.sender.is_empty() { self.settings.bounce_lifetime } else { self.settings.lifetime }
    }

    fn remove(&self, id: &Rc<str>) {
        let p = &self.daemon.p;
        if p.unlink(&Queue::Active.path(id)).is_ok() {
            self.daemon.msg.log(&format!("{id}: removed"));
            p.queue_event(id, &["active", ""]);
        }
        let _ = p.unlink(&queue::path("defer", id));
    }

    fn defer(&self, message: &Message) {
        let (p, id) = (&self.daemon.p, &message.id);
        let at = self.next_try(message.file.arrival);
        if p.world().traced() {
            self.decide_pause((p.now() - message.file.arrival).as_secs(), at);
        }
        let _ = p.set_times(&Queue::Active.path(id), Touch::At(at), Touch::At(at));
        if let Err(e) = queue::rename(p, id, Queue::Active, Queue::Deferred) {
            self.daemon.msg.log(&format!("warning: {id}: rename to deferred: {e}"));
        }
    }

    /// Records when a message so many seconds old is tried again: many are of the same age.
    fn decide_pause(&self, age: u64, at: Time) {
        let mut last = self.last_pause.borrow_mut();
        if last.as_ref().is_none_or(|(of, until, _)| (*of, *until) != (age, at)) {
            let settings = &self.settings;
            let (least, most) = (settings.minimal_backoff.as_secs(), settings.maximal_backoff.as_secs());
            let decision = Decision {
                rule: "next try".into(),
                setting: "minimal_backoff_time".into(),
                place: self.daemon.config.place("minimal_backoff_time"),
                compared: format!("{age} s old, at least {least} s, at most {most} s"),
                outcome: Outcome::Becomes(at.strftime("%b %e %H:%M:%S").into()),
            };
            *last = Some((age, at, Rc::new(decision)));
        }
        let decision = last.as_ref().map(|(_, _, decision)| decision);
        self.daemon.p.decide_again(decision.map_or(&[], std::slice::from_ref));
    }

    /// The report on a message that has to wait is sent: its record counts no more.
    fn no_second_report(&self, message: &Message) {
        let Some(offset) = message.file.trace_record else { return };
        let how = crate::world::fs::OpenFlags::WRITE;
        if message.deferred.get()
            && let Ok(file) = self.daemon.p.open(&Queue::Active.path(&message.id), how, 0)
        {
            let _ = file.seek(offset);
            let _ = file.write_file(&[Type::Killed as u8]);
        }
    }

    /// The warning is sent: its record no longer says when.
    fn no_second_warning(&self, id: &str, offset: u64) {
        let how = crate::world::fs::OpenFlags::WRITE;
        if let Ok(file) = self.daemon.p.open(&Queue::Active.path(id), how, 0) {
            let _ = file.seek(offset + 2);
            let _ = file.write_file(format!("{:15}", 0).as_bytes());
        }
    }
}
