//! bounce(8): notes what came of recipients, and writes to senders about it.
//!
//! One program behind three services: `bounce` (returned), `defer` (delayed) and `trace`
//! (reports asked for). Each keeps a log file a message in its directory of the spool, appended to
//! by delivery agents ([`append`]) and turned into a notification when qmgr asks for it
//! ([`flush`]). `mailq` reads the reasons from the same files.
//!
//! Standards: RFC 3461, RFC 3464 (delivery status notifications), RFC 6522 (multipart/report).
//!
//! # Simplifications
//! `bounce_template_file` is said to have no effect: the built-in texts are used.

mod log;
mod notice;

pub use log::{Entry, parse};

use super::deliver::Dsn;
use super::ipc::{CleanupStatus, RewriteContext, Submission, TraceFlags};
use super::queue::{self, Queue, QueueFile, Recipient, SPOOL};
use super::server::Daemon;
use crate::world::fs::OpenFlags;
use crate::world::process::Process;
use notice::Notice;
use std::rc::Rc;

/// What came of a recipient: a delivery agent → bounce.
#[derive(Clone, Debug)]
pub struct Append {
    /// The queue id.
    pub id: Rc<str>,
    /// The recipient.
    pub recipient: Recipient,
    /// By whom it was tried.
    pub relay: Rc<str>,
    /// What came of it.
    pub dsn: Dsn,
    /// `failed`, `delayed`, `delivered`, `relayed`, `expanded`, `deliverable`, `undeliverable`.
    pub action: Rc<str>,
}

/// What a notification is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportKind {
    /// It could not be delivered.
    Failure,
    /// It has not been delivered yet.
    Delay,
    /// It was delivered, as the sender wanted to know (`NOTIFY=SUCCESS`).
    Success,
    /// What `sendmail -v` or `-bv` found.
    Trace,
}

/// A notification to write: qmgr → bounce.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it is about.
    pub kind: ReportKind,
    /// The queue id.
    pub id: Rc<str>,
    /// Whom to tell.
    pub sender: Rc<str>,
    /// `ENVID=`, or empty.
    pub dsn_envid: Rc<str>,
    /// `RET=FULL` (true) or `RET=HDRS`.
    pub dsn_ret_full: Option<bool>,
}

/// Notes what came of a recipient with a bounce service.
pub async fn append(daemon: &Daemon, service: &str, request: Append) {
    let what = format!("{} {}: {}", request.action, request.recipient.address, request.dsn.reason);
    ask(daemon, service, what, request).await;
}

/// Has a notification written; the log file it comes from goes, unless it tells of a delay.
pub async fn flush(daemon: &Daemon, service: &str, report: Report) {
    ask(daemon, service, format!("tell <{}> of {}", report.sender, report.id), report).await;
}

async fn ask<T: 'static>(daemon: &Daemon, service: &str, what: String, request: T) {
    let path = format!("{SPOOL}/private/{service}");
    let answered = match daemon.p.connect_unix(&path).await {
        Ok(stream) if stream.send(|_| what, request).is_ok() => stream.receive::<()>().await.is_some(),
        _ => false,
    };
    if !answered {
        daemon.msg.log(&format!("warning: {service} service failure"));
    }
}

/// Tells the sender of a message that never entered the queue: cleanup refused it.
pub async fn refuse(daemon: &Daemon, id: &Rc<str>, file: &QueueFile, dsn: Dsn) {
    tell(daemon, id, file, &file.sender, dsn).await;
}

/// Tells `sender`, who need not be the message's own, that a file's recipients are not delivered to.
pub async fn tell(daemon: &Daemon, id: &Rc<str>, file: &QueueFile, sender: &Rc<str>, dsn: Dsn) {
    let envid = file.attribute("envelope_id").map_or_else(|| "".into(), Into::into);
    let dsn_ret_full = file.attribute("ret_flags").map(|v| v == "1");
    let (id, kind) = (id.clone(), ReportKind::Failure);
    let report = Report { kind, id: id.clone(), sender: sender.clone(), dsn_envid: envid, dsn_ret_full };
    let what = format!("tell <{sender}> that {id} is refused");
    let refusal = Refusal { report, file: file.clone(), dsn };
    ask(daemon, "bounce", what, refusal).await;
}

/// A message that never entered the queue: pickup → bounce.
struct Refusal {
    report: Report,
    file: QueueFile,
    dsn: Dsn,
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let service = daemon.service.name().to_owned();
    while let Some(stream) = daemon.accept().await {
        let Some(request) = stream.receive_any().await else { continue };
        match request.downcast::<Append>() {
            Ok(append) => note(&daemon, &service, &append),
            Err(request) => match request.downcast::<Report>() {
                Ok(report) => write(&daemon, &service, &report).await,
                Err(request) => {
                    if let Ok(refusal) = request.downcast::<Refusal>() {
                        write_refusal(&daemon, &refusal).await;
                    }
                }
            },
        }
        let _ = stream.send(|_| "done".to_owned(), ());
    }
    0
}

/// Appends an entry to a log file.
fn note(daemon: &Daemon, service: &str, append: &Append) {
    let path = queue::path(service, &append.id);
    let entry = log::entry(append);
    let p = &daemon.p;
    let open = || p.open(&path, OpenFlags { read: true, ..OpenFlags::APPEND }, 0o600);
    let file = open().or_else(|_| {
        queue::make_directory_for(p, &path)?;
        open()
    });
    if let Err(e) = file.and_then(|f| f.write_file(entry.as_bytes())) {
        daemon.msg.log(&format!("warning: {}: append file {service} {}: {e}", append.id, append.id));
    }
}

/// Writes the notification, and those that the postmaster wants (`notify_classes`).
async fn write(daemon: &Daemon, service: &str, report: &Report) {
    let path = queue::path(service, &report.id);
    let text = daemon.p.read_text(&path).unwrap_or_default();
    let mut entries = log::parse(&text);
    wanted(report.kind, &mut entries);
    let file =
        daemon.p.read_file(&Queue::Active.path(&report.id)).ok().and_then(|f| QueueFile::parse(f).ok());
    if let Some(file) = file
        && !entries.is_empty()
    {
        Writer { daemon, report, entries: &entries, file: &file }.write_all().await;
    }
    if report.kind != ReportKind::Delay {
        let _ = daemon.p.unlink(&path);
    }
}

async fn write_refusal(daemon: &Daemon, refusal: &Refusal) {
    let entries: Vec<Entry> = refusal
        .file
        .recipients
        .iter()
        .map(|r| Entry {
            recipient: r.address.to_string(),
            original: r.original.to_string(),
            action: "failed".to_owned(),
            dsn: refusal.dsn.clone(),
            ..Entry::default()
        })
        .collect();
    Writer { daemon, report: &refusal.report, entries: &entries, file: &refusal.file }.write_all().await;
}

/// Leaves the recipients of which the sender wants to hear.
fn wanted(kind: ReportKind, entries: &mut Vec<Entry>) {
    use queue::notify::{DELAY, FAILURE, NEVER};
    entries.retain(|e| match kind {
        _ if e.notify & NEVER != 0 => false,
        ReportKind::Failure => e.notify == 0 || e.notify & FAILURE != 0,
        ReportKind::Delay => e.notify == 0 || e.notify & DELAY != 0,
        ReportKind::Success | ReportKind::Trace => true,
    });
}

struct Writer<'a> {
    daemon: &'a Daemon,
    report: &'a Report,
    entries: &'a [Entry],
    file: &'a QueueFile,
}

impl Writer<'_> {
    async fn write_all(&self) {
        let Report { kind, id, sender, .. } = self.report;
        let classes = self.daemon.config.list("notify_classes");
        let postmaster = |class: &str| classes.iter().any(|c| &**c == class);
        let double = self.daemon.string("double_bounce_sender");
        let double: Rc<str> = format!("{double}@{}", self.daemon.string("myorigin")).into();
        let is_double = sender.eq_ignore_ascii_case(&double);
        if sender.is_empty() {
            // A bounce that bounces is nobody's but the postmaster's; of one that bounces again nobody hears.
            if *kind == ReportKind::Failure && postmaster("2bounce") {
                let to = self.daemon.string("2bounce_notice_recipient");
                self.send(
                    Notice::postmaster(*kind, true),
                    &double,
                    &to,
                    "postmaster non-delivery notification",
                )
                .await;
            }
            return;
        }
        if is_double {
            self.daemon.msg.log(&format!("warning: {id}: undeliverable postmaster notification discarded"));
            return;
        }
        let what = match kind {
            ReportKind::Failure => "sender non-delivery notification",
            ReportKind::Delay => "sender delay notification",
            ReportKind::Success | ReportKind::Trace => "sender delivery status notification",
        };
        self.send(Notice::sender(*kind), "", sender, what).await;
        let (class, setting, what) = match kind {
            ReportKind::Failure => {
                ("bounce", "bounce_notice_recipient", "postmaster non-delivery notification")
            }
            ReportKind::Delay => ("delay", "delay_notice_recipient", "postmaster delay notification"),
            _ => return,
        };
        if postmaster(class) {
            let to = self.daemon.string(setting);
            self.send(Notice::postmaster(*kind, false), &double, &to, what).await;
        }
    }

    /// Puts a notification into the queue, through cleanup.
    async fn send(&self, notice: Notice, from: &str, to: &str, what: &str) {
        let p = &self.daemon.p;
        let Ok(stream) = p.connect_unix(&format!("{SPOOL}/public/cleanup")).await else {
            self.daemon.msg.log("warning: connect to service public/cleanup: Connection refused");
            return;
        };
        let Some(new_id) = stream.receive::<Rc<str>>().await else { return };
        let now = p.now();
        let myhostname = self.daemon.string("myhostname");
        let body = notice.render(self.daemon, self.report, self.entries, self.file, to);
        let recipient = Recipient {
            offset: 0,
            original: to.into(),
            address: to.into(),
            dsn_orcpt: "".into(),
            dsn_notify: queue::notify::NEVER,
        };
        let date = crate::proto::message::date_with_zone(now.unix());
        let submission = Submission {
            arrival: now,
            context: RewriteContext::Local,
            full_name: None,
            client: None,
            sender: from.into(),
            dsn_envid: None,
            dsn_ret_full: None,
            eight_bit: true,
            smtputf8: false,
            recipients: vec![recipient],
            prepend: format!(
                "Received: by {myhostname} ({})\n\tid {new_id}; {date}\n",
                self.daemon.string("mail_name")
            )
            .into_bytes(),
            content: body.into(),
            trace: TraceFlags::None,
            internal: true,
            ..Submission::default()
        };
        let sent = stream.send(|_| format!("notification for <{to}>"), submission).is_ok();
        if sent && stream.receive::<CleanupStatus>().await == Some(CleanupStatus::Ok) {
            self.daemon.msg.log(&format!("{}: {what}: {new_id}", self.report.id));
        }
    }
}
