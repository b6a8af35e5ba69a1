//! pickup(8): carries what `postdrop` left in `maildrop/` to cleanup.
//!
//! Trusts nothing in the file but what a user may say: the owner of the file is who sent it.
//! Woken by postdrop and, to be sure, by master every minute.

use super::ipc::{CleanupStatus, RewriteContext, Submission, TraceFlags};
use super::queue::{self, Queue, QueueFile, SPOOL};
use super::receive_override::ReceiveOverride;
use super::server::Daemon;
use crate::proto::message;
use crate::world::clock::Time;
use crate::world::process::Process;
use std::rc::Rc;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let overrides = match ReceiveOverride::read(&daemon) {
        Ok(overrides) => overrides,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    let mut seen = daemon.p.now();
    while let Some(stream) = daemon.accept_always().await {
        let _ = stream.receive_any().await;
        drop(stream);
        // After something was taken away there may be more: what had to stay is tried again, too.
        loop {
            let since = std::mem::replace(&mut seen, daemon.p.now());
            let mut taken = 0;
            for (id, path) in letters(&daemon.p, since) {
                pick_up(&daemon, &overrides, &id, &path).await;
                taken += u32::from(!daemon.p.exists(&path));
            }
            if taken == 0 {
                break;
            }
        }
    }
    0
}

/// The letters in `maildrop/`: first those handed in since the last look, one after another, as each
/// has its own trigger and is taken before the next comes; then those that lay there, as the directory
/// gives them.
fn letters(p: &Process, since: Time) -> Vec<(Rc<str>, String)> {
    let (mut new, mut old) = (Vec::new(), Vec::new());
    for (id, path) in queue::scan(p, Queue::Maildrop.name()) {
        match p.stat(&path, false) {
            Ok(stat) if stat.mtime > since => new.push((id, path)),
            _ => old.push((id, path)),
        }
    }
    new.reverse();
    new.extend(old);
    new
}

async fn pick_up(daemon: &Daemon, overrides: &ReceiveOverride, old_id: &Rc<str>, path: &str) {
    let p = &daemon.p;
    let Ok(stat) = p.stat(path, false) else { return };
    if !queue::is_complete(&stat) {
        return;
    }
    let Some(file) = p.read_file(path).ok().and_then(|f| QueueFile::parse(f).ok()) else {
        daemon.msg.log(&format!("warning: {}: malformed record in queue file", queue_name(path)));
        let _ = queue::rename(p, old_id, Queue::Maildrop, Queue::Corrupt);
        return;
    };
    let Ok(stream) = p.connect_unix(&format!("{SPOOL}/public/cleanup")).await else {
        daemon.msg.log("warning: connect to service public/cleanup: Connection refused");
        return;
    };
    let Some(id) = stream.receive::<Rc<str>>().await else { return };
    daemon.msg.log(&format!("{id}: uid={} from=<{}>", stat.uid, file.sender));
    let submission = submission(daemon, overrides, &id, stat.uid, &file);
    let what = |s: &Submission| format!("from {}, for {} recipients", s.sender, s.recipients.len());
    if stream.send(what, submission).is_err() {
        return;
    }
    match stream.receive::<CleanupStatus>().await {
        Some(CleanupStatus::Ok) => done(daemon, old_id, path),
        Some(CleanupStatus::Rejected { dsn, text, .. } | CleanupStatus::Refused { dsn, text, .. })
            if !dsn.starts_with('4') =>
        {
            // The real one has cleanup bounce it; the sender of local mail sees it in the log.
            if refused(daemon, &id, &file, &dsn, &text).await {
                done(daemon, old_id, path);
            }
        }
        // Why it has to wait stands in the log already, but for what happened to the file itself.
        Some(CleanupStatus::Rejected { text, .. } | CleanupStatus::Refused { text, .. })
            if &*text != super::cleanup::WRITE_ERROR => {}
        _ => {
            let why = super::cleanup::WRITE_ERROR;
            daemon.msg.log(&format!("warning: maildrop/{old_id}: error writing {id}: {why}"));
        }
    }
}

fn done(daemon: &Daemon, id: &Rc<str>, path: &str) {
    if daemon.p.unlink(path).is_ok() {
        daemon.p.queue_event(id, &["maildrop", ""]);
    }
}

fn queue_name(path: &str) -> &str {
    path.strip_prefix(SPOOL).unwrap_or(path).trim_start_matches('/')
}

fn submission(
    daemon: &Daemon,
    overrides: &ReceiveOverride,
    id: &str,
    uid: u32,
    file: &QueueFile,
) -> Submission {
    let now = daemon.p.now();
    let by = format!("{} ({}, from userid {uid})", daemon.string("myhostname"), daemon.string("mail_name"));
    let trace = TraceFlags::read(file.attribute("trace_flags").as_deref());
    let mut submission = Submission {
        arrival: file.arrival,
        context: RewriteContext::Local,
        full_name: file.full_name.clone(),
        client: None,
        sender: file.sender.clone(),
        dsn_envid: file.attribute("envelope_id").map(Into::into),
        dsn_ret_full: file.attribute("ret_flags").map(|v| v == "1"),
        eight_bit: file.attribute("encoding").is_some_and(|v| v == "8bit"),
        smtputf8: false,
        recipients: file.recipients.clone(),
        prepend: format!("Received: by {by}\n\tid {id}; {}\n", message::date_with_zone(now.unix()))
            .into_bytes(),
        content: file.content().into(),
        trace,
        internal: false,
        recipients_last: file.recipients.first().is_some_and(|r| r.offset as usize > file.data_offset),
        ..Submission::default()
    };
    overrides.mark(&mut submission);
    submission
}

/// Tells the sender of a message that may never enter the queue.
async fn refused(daemon: &Daemon, id: &Rc<str>, file: &QueueFile, dsn: &str, text: &str) -> bool {
    let (p, rewriter) = (&daemon.p, super::rewrite::Rewriter::default());
    let mut file = file.clone();
    file.sender = rewriter.rewrite(p, RewriteContext::Local, &file.sender).await;
    for rcpt in &mut file.recipients {
        let given = rcpt.address.clone();
        rcpt.address = rewriter.rewrite(p, RewriteContext::Local, &given).await;
        if rcpt.original.is_empty() {
            rcpt.original = given;
        }
    }
    super::bounce::refuse(daemon, id, &file, super::deliver::Dsn::new(dsn, text)).await
}
