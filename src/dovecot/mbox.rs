//! Saving into an mbox: appended under a lock, with the headers in which Dovecot keeps a message's
//! number, flags and length.

use crate::proto::message;
use crate::world::clock::Duration;
use crate::world::errno::Errno;
use crate::world::fs::{LockKind, OpenFlags};
use crate::world::process::Process;
use crate::world::users::Cred;

/// How long a lock is waited for (`mbox_lock_timeout`).
const PATIENCE: Duration = Duration::from_secs(300);

/// The room that keywords get.
const KEYWORDS: usize = 73;

/// Appends a message.
///
/// # Errors
/// Those of open(2) and write(2); what was there before is left as it was.
pub async fn save(p: &Process, cred: &Cred, path: &str, sender: &str, content: &[u8]) -> Result<(), Errno> {
    let lock = format!("{path}.lock");
    let begin = p.now();
    loop {
        match p.with_rights(cred, |p| p.create_file(&lock, bytes::Bytes::new(), 0o600)) {
            Ok(()) => break,
            Err(Errno::EEXIST) if p.now().since(begin) < PATIENCE => p.sleep(Duration::from_secs(1)).await,
            Err(e) => return Err(e),
        }
    }
    let done = append(p, cred, path, sender, content).await;
    let _ = p.with_rights(cred, |p| p.unlink(&lock));
    done
}

async fn append(p: &Process, cred: &Cred, path: &str, sender: &str, content: &[u8]) -> Result<(), Errno> {
    let open = p.with_rights(cred, |p| {
        p.open(path, OpenFlags { create: true, read: true, ..OpenFlags::APPEND }, 0o600)
    })?;
    open.lock(LockKind::Exclusive, PATIENCE).await?;
    let text = p.with_rights(cred, |p| p.read_file(path))?;
    let written = open.write_file(&entry(p, &text, sender, content));
    if written.is_err()
        && let Some(ino) = open.ino()
    {
        let _ = p.host().fs_mut().truncate(ino, text.len() as u64, p.now());
    }
    open.unlock();
    written
}

/// The message as it stands in the file.
fn entry(p: &Process, before: &[u8], sender: &str, content: &[u8]) -> Vec<u8> {
    let now = p.now().unix();
    let count = before.split(|b| *b == b'\n').filter(|l| l.starts_with(b"X-UID: ")).count() + 1;
    let mut headers = message::headers(content);
    let own = ["X-IMAPbase", "X-IMAP", "X-UID", "Status", "X-Status", "X-Keywords", "Content-Length"];
    let sender = if sender.is_empty() { "MAILER-DAEMON" } else { sender };
    let mut out = format!("From {sender}  {}\n", message::ctime(now)).into_bytes();
    for header in headers.by_ref().filter(|h| !own.iter().any(|name| h.is(name))) {
        out.extend_from_slice(header.raw());
    }
    let body = headers.rest();
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    if before.is_empty() {
        out.extend_from_slice(format!("X-IMAPbase: {now} {count:010}\n").as_bytes());
    }
    let blanks = " ".repeat(KEYWORDS);
    let state = format!("X-UID: {count}\nStatus: \nX-Keywords: {blanks}\nContent-Length: {}\n\n", body.len());
    out.extend_from_slice(state.as_bytes());
    out.extend_from_slice(body);
    if !body.ends_with(b"\n") {
        out.push(b'\n');
    }
    out.push(b'\n');
    out
}
