//! bounce(8): notes what came of recipients, and writes to senders about it.
//!
//! One program behind three services: `bounce` (returned), `defer` (delayed) and `trace`
//! (reports asked for). Each keeps a log file a message in its directory of the spool, appended to
//! by delivery agents ([`append`]) and turned into a notification when qmgr asks for it
//! ([`flush`]). `mailq` reads the reasons from the same files.
//!
//! Standards: RFC 3461, RFC 3464 (delivery status notifications), RFC 6522 (multipart/report).
//!
//! The texts are those of [`template`].

mod log;
mod notice;
pub mod template;

pub use log::{Entry, parse};

use super::deliver::Dsn;
use super::post_mail::{self, Letter};
use super::queue::{self, Queue, QueueFile, Recipient, SPOOL};
use super::server::Daemon;
use crate::world::errno::Errno;
use crate::world::fs::OpenFlags;
use crate::world::process::Process;
use notice::Notice;
use std::rc::Rc;
use template::Templates;

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
    pub action: &'static str,
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

/// The status of a message that is larger than messages may be (RFC 3463, section 3.4).
const TOO_BIG: &str = "5.3.4";

/// Is the request done? bounce → who asked.
struct Done(bool);

/// Notes what came of a recipient with a bounce service; `false` if that failed.
pub async fn append(daemon: &Daemon, service: &str, request: Append) -> bool {
    let what = format!("{} {}: {}", request.action, request.recipient.address, request.dsn.reason);
    ask(daemon, service, what, request).await
}

/// Has a notification written; the log file it comes from goes, unless it tells of a delay. `false`
/// if it could not be put into the queue.
pub async fn flush(daemon: &Daemon, service: &str, report: Report) -> bool {
    ask(daemon, service, format!("tell <{}> of {}", report.sender, report.id), report).await
}

async fn ask<T: 'static>(daemon: &Daemon, service: &str, what: String, request: T) -> bool {
    let path = format!("{SPOOL}/private/{service}");
    match daemon.p.connect_unix(&path).await {
        Ok(stream) if stream.send(|_| what, request).is_ok() => {
            stream.receive::<Done>().await.is_some_and(|done| done.0)
        }
        _ => {
            daemon.msg.log_warn(format!("connect to private/{service}: {service} service failure"));
            false
        }
    }
}

/// Tells the sender of a message that never entered the queue: cleanup refused it.
pub async fn refuse(daemon: &Daemon, id: &Rc<str>, file: &QueueFile, dsn: Dsn) -> bool {
    tell(daemon, id, file, &file.sender, dsn).await
}

/// Tells `sender`, who need not be the message's own, that a file's recipients are not delivered to.
pub async fn tell(daemon: &Daemon, id: &Rc<str>, file: &QueueFile, sender: &Rc<str>, dsn: Dsn) -> bool {
    let envid = file.attribute("envelope_id").map_or_else(|| "".into(), Into::into);
    // What is too big is not sent back.
    let dsn_ret_full =
        if &*dsn.status == TOO_BIG { Some(false) } else { file.attribute("ret_flags").map(|v| v == "1") };
    let (id, kind) = (id.clone(), ReportKind::Failure);
    let report = Report { kind, id: id.clone(), sender: sender.clone(), dsn_envid: envid, dsn_ret_full };
    let what = format!("tell <{sender}> that {id} is refused");
    let refusal = Refusal { report, file: file.clone(), dsn };
    ask(daemon, "bounce", what, refusal).await
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
    let templates = match templates(&daemon) {
        Ok(templates) => templates,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    while let Some(stream) = daemon.accept().await {
        let Some(request) = stream.receive_any().await else { continue };
        let done = match request.downcast::<Append>() {
            Ok(append) => note(&daemon, &service, &append),
            Err(request) => match request.downcast::<Report>() {
                Ok(report) => write(&daemon, &service, &report, &templates).await,
                Err(request) => match request.downcast::<Refusal>() {
                    Ok(refusal) => write_refusal(&daemon, &refusal, &templates).await,
                    Err(_) => false,
                },
            },
        };
        let told = |done: &Done| if done.0 { "done".to_owned() } else { "failed".to_owned() };
        let _ = stream.send(told, Done(done));
    }
    0
}

/// The texts, with those of `bounce_template_file`.
fn templates(daemon: &Daemon) -> Result<Templates, String> {
    let path = daemon.string("bounce_template_file");
    if path.is_empty() {
        return Ok(Templates::built_in());
    }
    let text = daemon.p.read_text(&path).map_err(|e| format!("open {path}: {e}"))?;
    let (templates, warnings) = Templates::read(Some((&path, &text)))?;
    for warning in warnings {
        daemon.msg.log_warn(warning);
    }
    Ok(templates)
}

/// Appends an entry to a log file; one that does not fit leaves the file as it was.
fn note(daemon: &Daemon, service: &str, append: &Append) -> bool {
    let path = queue::path(service, &append.id);
    let entry = log::entry(append);
    let p = &daemon.p;
    let open = || p.open(&path, OpenFlags { read: true, ..OpenFlags::APPEND }, 0o600);
    let file = open().or_else(|_| {
        queue::make_directory_for(p, &path)?;
        open()
    });
    let written = file.and_then(|f| {
        let ino = f.ino().ok_or(Errno::EINVAL)?;
        let before = p.host().fs().stat(ino).size;
        f.write_file(entry.as_bytes()).inspect_err(|_| {
            let _ = p.host().fs_mut().truncate(ino, before, p.now());
        })
    });
    if let Err(e) = &written {
        daemon.msg.log_warn(format!("append file {service} {}: {e}", append.id));
    }
    written.is_ok()
}

/// Writes the notification, and those that the postmaster wants (`notify_classes`).
async fn write(daemon: &Daemon, service: &str, report: &Report, templates: &Templates) -> bool {
    let path = queue::path(service, &report.id);
    let text = daemon.p.read_text(&path).unwrap_or_default();
    let all = log::parse(&text);
    let mut entries = all.clone();
    wanted(report.kind, &mut entries);
    let file =
        daemon.p.read_file(&Queue::Active.path(&report.id)).ok().and_then(|f| QueueFile::parse(f).ok());
    let done = match file {
        Some(file) if !all.is_empty() => {
            Writer { daemon, report, entries: &entries, all: &all, file: &file, templates }.write_all().await
        }
        _ => true,
    };
    if done && report.kind != ReportKind::Delay {
        let _ = daemon.p.unlink(&path);
    }
    done
}

async fn write_refusal(daemon: &Daemon, refusal: &Refusal, templates: &Templates) -> bool {
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
    Writer {
        daemon,
        report: &refusal.report,
        entries: &entries,
        all: &entries,
        file: &refusal.file,
        templates,
    }
    .write_all()
    .await
}

/// Leaves the recipients of which the sender wants to hear.
fn wanted(kind: ReportKind, entries: &mut Vec<Entry>) {
    use queue::notify::{DELAY, FAILURE, NEVER};
    entries.retain(|e| match kind {
        // What was asked for with `-v` or `-bv` tells of copies too.
        ReportKind::Trace => true,
        _ if e.notify & NEVER != 0 => false,
        ReportKind::Failure => e.notify == 0 || e.notify & FAILURE != 0,
        ReportKind::Delay => e.notify == 0 || e.notify & DELAY != 0,
        ReportKind::Success => true,
    });
}

struct Writer<'a> {
    daemon: &'a Daemon,
    report: &'a Report,
    /// Those of whom the sender wants to hear.
    entries: &'a [Entry],
    /// Those of whom the postmaster hears.
    all: &'a [Entry],
    file: &'a QueueFile,
    templates: &'a Templates,
}

impl Writer<'_> {
    /// Whom to tell: of a message its sender, of a bounce the postmaster, of a bounce to him nobody.
    async fn write_all(&self) -> bool {
        let Report { kind, id, sender, .. } = self.report;
        let classes = self.daemon.config.list("notify_classes");
        let wants = |class: &str| classes.iter().any(|c| &**c == class);
        let double = post_mail::double_bounce(self.daemon);
        if sender.eq_ignore_ascii_case(&double) {
            match kind {
                ReportKind::Failure | ReportKind::Delay => {
                    self.daemon.msg.log_warn(format!("{id}: undeliverable postmaster notification discarded"))
                }
                ReportKind::Success | ReportKind::Trace => {
                    let text = "not sending trace/success notification for double-bounce message";
                    self.daemon.msg.log(&format!("{id}: {text}"));
                }
            }
            return true;
        }
        let (to_sender, copy, wanted, setting) = match kind {
            ReportKind::Failure => {
                let what = "postmaster non-delivery notification";
                ("sender non-delivery notification", what, wants("bounce"), "bounce_notice_recipient")
            }
            ReportKind::Delay => {
                let what = "postmaster delay notification";
                ("sender delay notification", what, wants("delay"), "delay_notice_recipient")
            }
            ReportKind::Success | ReportKind::Trace => ("sender delivery status notification", "", false, ""),
        };
        if sender.is_empty() {
            let setting = match kind {
                ReportKind::Failure if wants("2bounce") => "2bounce_notice_recipient",
                ReportKind::Success | ReportKind::Trace => {
                    let text = "not sending trace/success notification for single-bounce message";
                    self.daemon.msg.log(&format!("{id}: {text}"));
                    return true;
                }
                _ if wanted => setting,
                _ => return true,
            };
            let to = self.daemon.string(setting);
            return self
                .send(Notice::postmaster(*kind, *kind == ReportKind::Failure), &double, &to, copy)
                .await;
        }
        if self.entries.is_empty() {
            self.abandon(Notice::sender(*kind), sender).await;
        } else if !self.send(Notice::sender(*kind), "", sender, to_sender).await {
            return false;
        }
        if wanted {
            let to = self.daemon.string(setting);
            // It matters less than the notification that is under way.
            if !self.send(Notice::postmaster(*kind, false), &double, &to, copy).await {
                let text = format!("{id}: postmaster notice failed while bouncing to {sender}");
                self.daemon.msg.log_warn(text);
            }
        }
        true
    }

    /// Nobody wants to hear of it: the notification has been begun when that is found out, and what
    /// cleanup says of it stands in the log.
    async fn abandon(&self, notice: Notice, to: &str) {
        let rendered = notice.render(self.daemon, self.report, self.entries, self.file, to, self.templates);
        if let Ok(body) = rendered {
            post_mail::post(self.daemon, "", to, body, Letter::Abandoned).await;
        }
    }

    /// Puts a notification into the queue, through cleanup.
    async fn send(&self, notice: Notice, from: &str, to: &str, what: &str) -> bool {
        let entries = if notice.is_for_postmaster() { self.all } else { self.entries };
        let rendered = notice.render(self.daemon, self.report, entries, self.file, to, self.templates);
        let body = match rendered {
            Ok(body) => body,
            Err(text) => {
                self.daemon.msg.log(&format!("fatal: {text}"));
                return false;
            }
        };
        let Some(new_id) = post_mail::post(self.daemon, from, to, body, Letter::Report).await else {
            return false;
        };
        self.daemon.msg.log(&format!("{}: {what}: {new_id}", self.report.id));
        true
    }
}
