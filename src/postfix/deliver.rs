//! What every delivery agent does with a request (`deliver_request(3)`), and how it tells what
//! came of each recipient: to the log, to the queue file, and to the bounce daemon
//! (`sent(3)`, `bounce(3)`, `defer(3)`).

use super::bounce::{Append, Report, ReportKind};
use super::ipc::{DeliveryReport, DeliveryRequest, TraceFlags};
use super::queue::{self, Queue, Recipient, notify};
use super::server::Daemon;
use super::verify::{self, Status};
use crate::proto::address;
use crate::world::clock::{Duration, Time};
use crate::world::fs::OpenFlags;
use crate::world::process::Process;
use crate::world::stream::Stream;
use std::borrow::Cow;
use std::fmt::Write;
use std::rc::Rc;

/// What a delivery came to, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dsn {
    /// The enhanced status code, `5.1.1` (RFC 3463).
    pub status: Rc<str>,
    /// The reason in words.
    pub reason: Rc<str>,
    /// What kind of system gave `diagnostic_text` (`smtp`, `x-unix`), or empty.
    pub diagnostic_type: Rc<str>,
    /// Its own words.
    pub diagnostic_text: Rc<str>,
    /// What kind of name `mta_name` is (`dns`), or empty.
    pub mta_type: Rc<str>,
    /// The host that spoke.
    pub mta_name: Rc<str>,
}

impl Dsn {
    /// A status with a reason of our own.
    pub fn new(status: &str, reason: impl Into<Rc<str>>) -> Dsn {
        // Empty texts are made once: each of them would have to be allocated.
        thread_local!(static BLANK: Dsn = Dsn::default());
        Dsn { status: status.into(), reason: reason.into(), ..BLANK.with(Dsn::clone) }
    }

    /// May another try go better (class 4)?
    pub fn is_transient(&self) -> bool {
        self.status.starts_with('4')
    }
}

/// When a delivery agent came how far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// When the connection stood, for an agent that makes one.
    pub connected: Option<Time>,
    /// The how-manieth delivery over that connection it was.
    pub uses: u32,
}

/// What happened to a recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Delivered; bounces and waiting aside.
    Sent,
    /// Never to be delivered.
    Bounced,
    /// Not yet.
    Deferred,
}

/// A request that is being worked on.
pub struct Delivery<'d> {
    /// The agent.
    pub daemon: &'d Daemon,
    /// The request.
    pub request: DeliveryRequest,
    /// When the agent got it.
    started: Time,
    /// Does a recipient have to wait?
    deferred: std::cell::Cell<bool>,
    /// Does the agent strike its recipients itself?
    strikes_itself: std::cell::Cell<bool>,
}

impl<'d> Delivery<'d> {
    /// Waits for qmgr's request on a new connection.
    pub async fn receive(daemon: &'d Daemon, stream: &Stream) -> Option<Delivery<'d>> {
        let request = stream.receive::<DeliveryRequest>().await?;
        Some(Delivery {
            daemon,
            request,
            started: daemon.p.now(),
            deferred: std::cell::Cell::new(false),
            strikes_itself: std::cell::Cell::new(false),
        })
    }

    /// Tells qmgr that the request is done.
    pub fn finish(self, stream: &Stream, site_down: Option<Dsn>) {
        let report = DeliveryReport { deferred: self.deferred.get(), site_down };
        let id = &self.request.id;
        // qmgr reads the answer, or is gone and looks at the queue file when it comes back.
        let _ = stream.send(|r| format!("{id} {}", if r.deferred { "must wait" } else { "done" }), report);
    }

    /// Another agent did a part of the work, and struck or noted its recipients itself.
    pub fn passed(&self, deferred: bool) {
        self.deferred.set(self.deferred.get() | deferred);
    }

    /// The agent calls [`strike`](Self::strike) itself: a recipient may stand for several, and is
    /// done when all of them are.
    pub fn strikes_itself(&self) {
        self.strikes_itself.set(true);
    }

    /// Must a recipient of this request wait?
    pub fn is_deferred(&self) -> bool {
        self.deferred.get()
    }

    /// Does the message hold octets beyond ASCII, as its sender said?
    pub fn is_eight_bit(&self) -> bool {
        self.request.eight_bit
    }

    /// What `X-Original-To:` says of a recipient; empty without `enable_original_recipient`.
    pub fn shown_original<'r>(&self, rcpt: &'r Recipient) -> &'r str {
        if self.daemon.yes("enable_original_recipient") { &rcpt.original } else { "" }
    }

    /// The message, each line ended by LF.
    pub fn content(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.request.file.len());
        for r in super::record::Records::new(&self.request.file, self.request.data_offset).flatten() {
            match r.kind {
                super::record::Type::Line => {
                    out.extend_from_slice(r.content);
                    out.push(b'\n');
                }
                super::record::Type::Part => out.extend_from_slice(r.content),
                _ => break,
            }
        }
        out
    }

    /// A recipient was delivered to: logged, reported if wanted, and struck from the queue file.
    pub async fn sent(&self, rcpt: &Recipient, relay: &str, progress: Progress, dsn: &Dsn) {
        self.sent_as("delivered", rcpt, relay, progress, dsn).await;
    }

    /// The same, where the report to the sender is to say `relayed` or `expanded`.
    pub async fn sent_as(
        &self,
        action: &'static str,
        rcpt: &Recipient,
        relay: &str,
        progress: Progress,
        dsn: &Dsn,
    ) {
        let dsn = &*self.daemon.status_filter().apply(self.daemon, dsn);
        if self.request.trace.is_rehearsal() {
            return self.verified(rcpt, relay, progress, dsn, Status::Ok).await;
        }
        let wants = rcpt.dsn_notify & notify::SUCCESS != 0;
        if wants || self.request.trace == TraceFlags::Record {
            // The agent has delivered: who wanted to hear of it must not get the message twice.
            if !self.traced(rcpt, relay, dsn, action).await {
                self.daemon.msg.log_warn(format!("{}: trace service failure", self.request.id));
            }
        }
        self.log(rcpt, relay, progress, dsn, "sent", &dsn.reason);
        if !self.strikes_itself.get() {
            self.strike(rcpt);
        }
    }

    /// A recipient will never be delivered to, unless the administrator thinks otherwise.
    pub async fn bounced(&self, rcpt: &Recipient, relay: &str, progress: Progress, dsn: &Dsn) -> Fate {
        match self.daemon.status_filter().apply(self.daemon, dsn) {
            Cow::Owned(dsn) if dsn.is_transient() => {
                self.deferred_as("deferred", rcpt, relay, progress, &dsn).await
            }
            dsn => self.bounced_as_is(rcpt, relay, progress, &dsn).await,
        }
    }

    async fn bounced_as_is(&self, rcpt: &Recipient, relay: &str, progress: Progress, dsn: &Dsn) -> Fate {
        if self.request.trace.is_rehearsal() {
            self.verified(rcpt, relay, progress, dsn, Status::Bounce).await;
            return Fate::Bounced;
        }
        if self.daemon.yes("soft_bounce") {
            let mut soft = dsn.clone();
            soft.status = format!("4{}", dsn.status.get(1..).unwrap_or_default()).into();
            return self.deferred_as("SOFTBOUNCE", rcpt, relay, progress, &soft).await;
        }
        let noted = self.append("bounce", rcpt, relay, dsn, "failed").await;
        if !noted
            || self.request.trace == TraceFlags::Record && !self.traced(rcpt, relay, dsn, "failed").await
        {
            let dsn = Dsn {
                reason: "bounce or trace service failure".into(),
                status: "4.3.0".into(),
                ..dsn.clone()
            };
            return self.deferred_as("deferred", rcpt, relay, progress, &dsn).await;
        }
        self.log(rcpt, relay, progress, dsn, "bounced", &dsn.reason);
        if !self.strikes_itself.get() {
            self.strike(rcpt);
        }
        Fate::Bounced
    }

    /// A recipient has to wait, unless the administrator thinks otherwise.
    pub async fn deferred(&self, rcpt: &Recipient, relay: &str, progress: Progress, dsn: &Dsn) -> Fate {
        match self.daemon.status_filter().apply(self.daemon, dsn) {
            Cow::Owned(dsn) if !dsn.is_transient() => self.bounced_as_is(rcpt, relay, progress, &dsn).await,
            dsn => self.deferred_as("deferred", rcpt, relay, progress, &dsn).await,
        }
    }

    /// A recipient has to wait, with this word for it in the log.
    async fn deferred_as(
        &self,
        word: &str,
        rcpt: &Recipient,
        relay: &str,
        progress: Progress,
        dsn: &Dsn,
    ) -> Fate {
        if self.request.trace.is_rehearsal() {
            self.verified(rcpt, relay, progress, dsn, Status::Defer).await;
            return Fate::Deferred;
        }
        self.append("defer", rcpt, relay, dsn, "delayed").await;
        if self.request.trace == TraceFlags::Record {
            self.traced(rcpt, relay, dsn, "delayed").await;
        }
        self.deferred.set(true);
        self.log(rcpt, relay, progress, dsn, word, &dsn.reason);
        if let Some(domain) = address::domain(&rcpt.address) {
            super::flush::add(self.daemon, domain, &self.request.id).await;
        }
        Fate::Deferred
    }

    /// A recipient whose delivery failed, for good or for now, as the status says.
    pub async fn failed(&self, rcpt: &Recipient, relay: &str, progress: Progress, dsn: &Dsn) -> Fate {
        if dsn.is_transient() {
            self.deferred(rcpt, relay, progress, dsn).await
        } else {
            self.bounced(rcpt, relay, progress, dsn).await
        }
    }

    /// Nothing was delivered: what would have been is told to whoever wants to know.
    async fn verified(
        &self,
        rcpt: &Recipient,
        relay: &str,
        progress: Progress,
        dsn: &Dsn,
        status: verify::Status,
    ) {
        let mut word = if status == Status::Ok { "deliverable" } else { "undeliverable" };
        if self.request.trace == TraceFlags::Probe {
            word = probed(self.daemon, &self.request.id, rcpt, status, &dsn.reason).await;
        } else {
            self.traced(rcpt, relay, dsn, word).await;
        }
        self.log(rcpt, relay, progress, dsn, word, &dsn.reason);
        if !self.strikes_itself.get() {
            self.strike(rcpt);
        }
    }

    /// Notes the recipient's fate for the report that its sender asked for.
    pub async fn traced(&self, rcpt: &Recipient, relay: &str, dsn: &Dsn, action: &'static str) -> bool {
        let mut dsn = dsn.clone();
        if relay != "none" {
            dsn.reason = format!("delivery via {relay}: {}", dsn.reason).into();
        }
        self.append("trace", rcpt, relay, &dsn, action).await
    }

    /// Notes the recipient's fate in the log file of a bounce service.
    async fn append(
        &self,
        service: &'static str,
        rcpt: &Recipient,
        relay: &str,
        dsn: &Dsn,
        action: &'static str,
    ) -> bool {
        let append = Append {
            id: self.request.id.clone(),
            recipient: rcpt.clone(),
            relay: relay.into(),
            dsn: dsn.clone(),
            action,
        };
        super::bounce::append(self.daemon, service, append).await
    }

    /// The line that administrators look for.
    pub fn log(
        &self,
        rcpt: &Recipient,
        relay: &str,
        progress: Progress,
        dsn: &Dsn,
        status: &str,
        text: &str,
    ) {
        let r = &self.request;
        let connected = progress.connected.unwrap_or(self.started);
        let used = (progress.uses > 1).then(|| format!("{relay}, conn_use={}", progress.uses));
        let relay = used.as_deref().unwrap_or(relay);
        let times = [r.arrival, r.active.min(r.handed), self.started, connected, self.daemon.p.now()];
        self.daemon.msg.log(&line(&r.id, rcpt, relay, times, (&dsn.status, text), status));
    }

    /// Marks a recipient as done in the queue file: one that stands in none is passed over.
    pub fn strike(&self, rcpt: &Recipient) {
        strike(&self.daemon.p, &self.request.id, rcpt);
    }

    /// Asks for a report to the sender at once (`sendmail -v`, `NOTIFY=SUCCESS`).
    pub fn report(&self) -> Report {
        Report {
            kind: ReportKind::Success,
            id: self.request.id.clone(),
            sender: self.request.sender.clone(),
            dsn_envid: self.request.dsn_envid.clone(),
            dsn_ret_full: self.request.dsn_ret_full,
        }
    }
}

/// Tells verify what came of a probe; gives the word for it in the log.
pub async fn probed(
    daemon: &Daemon,
    id: &str,
    rcpt: &Recipient,
    status: Status,
    reason: &Rc<str>,
) -> &'static str {
    if status != Status::Ok && !daemon.yes("address_verify_negative_cache") {
        return "undeliverable-but-not-cached";
    }
    // smtpd asked about the address as it was before any table; what holds of it holds of what it became.
    let asked = if rcpt.original.is_empty() { &rcpt.address } else { &rcpt.original };
    let also = (status == Status::Ok && *asked != rcpt.address).then_some(&rcpt.address);
    for address in std::iter::once(asked).chain(also) {
        if !verify::update(daemon, address, status, reason).await {
            daemon.msg.log_warn(format!("{id}: address verification service failure"));
        }
    }
    if status == Status::Ok { "deliverable" } else { "undeliverable" }
}

/// Marks a recipient as done in the file of an active message: one that stands in none is passed over.
pub fn strike(p: &Process, id: &str, rcpt: &Recipient) {
    if rcpt.offset == 0 {
        return;
    }
    if let Ok(file) = p.open(&Queue::Active.path(id), OpenFlags::WRITE, 0) {
        let _ = file.seek(rcpt.offset);
        let _ = file.write_file(&[super::record::Type::Done as u8]);
    }
}

/// The line on a recipient. `times`: when the message arrived, became active, was given to the agent,
/// when the connection stood, and now. `dsn`: the enhanced status code and the reason.
pub fn line(
    id: &str,
    rcpt: &Recipient,
    relay: &str,
    times: [Time; 5],
    dsn: (&str, &str),
    status: &str,
) -> String {
    let mut line = String::with_capacity(300);
    for part in [id, ": to=<", &address::quote(&rcpt.address), ">"] {
        line.push_str(part);
    }
    if !rcpt.original.is_empty() && !rcpt.original.eq_ignore_ascii_case(&rcpt.address) {
        let _ = write!(line, ", orig_to=<{}>", address::quote(&rcpt.original));
    }
    for part in [", relay=", relay, ", delay="] {
        line.push_str(part);
    }
    delay(times[4] - times[0], &mut line);
    line.push_str(", delays=");
    for (i, step) in times.windows(2).enumerate() {
        line.push_str(if i > 0 { "/" } else { "" });
        delay(step[1] - step[0], &mut line);
    }
    let (code, reason) = dsn;
    for part in [", dsn=", code, ", status=", status, " (", reason, ")"] {
        line.push_str(part);
    }
    line
}

/// Writes a delay as the log has it: two significant digits, at most two places after the point.
pub fn delay(d: Duration, out: &mut String) {
    let micros = u64::try_from(d.as_micros()).unwrap_or(u64::MAX - 500_000);
    let hundredths = match micros {
        10_000_000.. => (micros + 500_000) / 1_000_000 * 100,
        1_000_000.. => (micros + 50_000) / 100_000 * 10,
        _ => (micros + 5_000) / 10_000,
    };
    let (whole, part) = (hundredths / 100, hundredths % 100);
    // Most delays are too short to be seen.
    let _ = match (whole, part, part % 10) {
        (0, 0, _) => out.write_char('0'),
        (_, 0, _) => write!(out, "{whole}"),
        (_, _, 0) => write!(out, "{whole}.{}", part / 10),
        _ => write!(out, "{whole}.{part:02}"),
    };
}

/// Where the log files of bounce services lie.
pub fn log_path(service: &str, id: &str) -> String {
    queue::path(service, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_have_two_significant_digits() {
        for (micros, shown) in [
            (0, "0"),
            (4_000, "0"),
            (26_000, "0.03"),
            (200_000, "0.2"),
            (1_440_000, "1.4"),
            (64_000_000, "64"),
        ] {
            let mut out = String::new();
            delay(Duration::from_micros(micros), &mut out);
            assert_eq!(out, shown);
        }
    }
}
