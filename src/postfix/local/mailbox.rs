//! A user's mailbox: an mbox in `mail_spool_directory` or at `home_mailbox`, or with a slash at the
//! end of its name a Maildir.

use super::{Target, Work};
use crate::postfix::deliver::Dsn;
use crate::world::clock::Duration;
use crate::world::errno::{Errno, Sys};
use crate::world::fs::{Kind, LockKind, OpenFlags};
use crate::world::open::Open;
use crate::world::passwd::Passwd;
use crate::world::process::Process;
use std::rc::Rc;

/// How long to wait for somebody else's lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

impl<'a> Work<'a> {
    /// Delivers to the user's mailbox.
    pub(super) async fn mailbox(&self, target: &Target, user: &Passwd) {
        let settings = &self.agent.settings;
        if settings.home_mailbox.is_empty() {
            self.chose("mail_spool_directory", &settings.mail_spool);
            let spool = settings.mail_spool.trim_end_matches('/');
            if settings.mail_spool.ends_with('/') {
                return self.maildir(target, &format!("{spool}/{}/", user.name)).await;
            }
            return self.spool_file(target, user, &format!("{spool}/{}", user.name)).await;
        }
        self.chose("home_mailbox", &settings.home_mailbox);
        let path = format!("{}/{}", user.home, settings.home_mailbox);
        if path.ends_with('/') {
            return self.maildir(target, &path).await;
        }
        let cred = self.rights(target);
        let opened = self.as_user(cred, |p| open_mbox(p, &path));
        self.append(target, &path, opened, None, "mailbox").await;
    }

    /// A file in the spool is made by root where the user may not, and given to the user.
    async fn spool_file(&self, target: &Target, user: &Passwd, path: &str) {
        let p = &self.daemon().p;
        let cred = self.rights(target);
        let opened = match self.as_user(cred, |p| open_mbox(p, path)) {
            Err(Errno::EACCES) => {
                let fresh = p.stat(path, false).is_err();
                let opened = open_mbox(p, path);
                if fresh && opened.is_ok() {
                    let directory = path.rsplit_once('/').map_or("/", |(d, _)| d);
                    // In a directory that passes its group on, the file keeps that group.
                    let inherits = p.stat(directory, true).is_ok_and(|s| s.mode & 0o2000 != 0);
                    let gid = (!inherits).then_some(user.gid);
                    let _ = p.chown(path, Some(user.uid), gid, true);
                }
                opened
            }
            opened => opened,
        };
        let lock = format!("{path}.lock");
        let made = p.create_file(&lock, bytes::Bytes::new(), 0o600).is_ok();
        self.append(target, path, opened, None, "mailbox").await;
        if made {
            let _ = p.unlink(&lock);
        }
    }

    /// Appends the message to an mbox; `what` is how the log names the place.
    pub(super) async fn append(
        &self,
        target: &Target,
        path: &str,
        opened: Sys<Rc<Open>>,
        prefix: Option<&str>,
        what: &str,
    ) {
        let user = target.user.as_ref().map_or("", |u| &u.name);
        let trouble = |text: String| match prefix {
            Some(prefix) => format!("{prefix}: {text}"),
            None => format!("cannot update mailbox {path} for user {user}. {text}"),
        };
        let open = match opened {
            Ok(open) => open,
            Err(e) => {
                let text = match e {
                    Errno::EISDIR => "unable to create lock file: destination is a directory".to_owned(),
                    e => format!("cannot open file: {e}"),
                };
                let status = if matches!(e, Errno::ENOSPC | Errno::EAGAIN) { "4.2.0" } else { "5.2.0" };
                return self.failed(target, Dsn::new(status, trouble(text))).await;
            }
        };
        if open.lock(LockKind::Exclusive, LOCK_PATIENCE).await.is_err() {
            let text =
                trouble("unable to lock for exclusive access: Resource temporarily unavailable".into());
            return self.failed(target, Dsn::new("4.2.0", text)).await;
        }
        let p = &self.daemon().p;
        let before = open.ino().map_or(0, |ino| p.host().fs().stat(ino).size);
        let mbox = self.as_mbox(target);
        let limit = self.agent.settings.mailbox_size_limit;
        if limit > 0 && before + mbox.len() as u64 > limit {
            let text = trouble("error writing message: File too large".into());
            return self.failed(target, Dsn::new("5.2.2", text)).await;
        }
        match open.write_file(&mbox) {
            Ok(()) => self.sent(target, format!("delivered to {what}")).await,
            Err(e) => {
                // Half a message is none: the file is as it was.
                if let Some(ino) = open.ino() {
                    let _ = p.host().fs_mut().truncate(ino, before, p.now());
                }
                let status = if e == Errno::ENOSPC { "4.2.2" } else { "5.2.0" };
                let text = trouble(format!("error writing message: {e}"));
                self.failed(target, Dsn::new(status, text)).await;
            }
        }
    }

    /// The message as it stands in an mbox: separator, `>From ` in the body, an empty line behind it.
    pub(super) fn as_mbox(&self, target: &Target) -> Vec<u8> {
        let mut out = self.top(target, true);
        out.reserve(self.content.len() + 16);
        let body = memchr::memmem::find(&self.content, b"\n\n").map_or(self.content.len(), |at| at + 1);
        out.extend_from_slice(&self.content[..body]);
        push_quoted(&mut out, &self.content[body..]);
        if !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        out.push(b'\n');
        out
    }

    /// Delivers to a Maildir: written in `tmp`, then moved to `new`.
    pub(super) async fn maildir(&self, target: &Target, path: &str) {
        let daemon = self.daemon();
        let cred = self.rights(target);
        let mut message = self.top(target, false);
        message.extend_from_slice(&self.content);
        let ids = (cred.uid, cred.gid);
        match self.as_user(cred, |p| write_maildir(p, path, &self.agent.settings.myhostname, message)) {
            Ok(()) => self.sent(target, "delivered to maildir").await,
            Err((file, e)) => {
                let what = format!("create maildir file {file}: {e}");
                if matches!(e, Errno::EACCES | Errno::ENOENT | Errno::ENOTDIR) {
                    daemon
                        .msg
                        .log_warn(format!("maildir access problem for UID/GID={}/{}: {what}", ids.0, ids.1));
                    daemon.msg.log_warn("perhaps you need to create the maildirs in advance");
                }
                let status = if e == Errno::ENOSPC { "4.2.2" } else { "5.2.0" };
                self.failed(target, Dsn::new(status, format!("maildir delivery failed: {what}"))).await;
            }
        }
    }
}

fn open_mbox(p: &Process, path: &str) -> Sys<Rc<Open>> {
    if p.stat(path, false).is_ok_and(|s| s.kind != Kind::File) {
        return Err(Errno::EISDIR);
    }
    p.open(path, OpenFlags { read: true, ..OpenFlags::APPEND }, 0o600)
}

/// Writes a message into a Maildir, making the directories it lacks.
fn write_maildir(p: &Process, path: &str, host: &str, message: Vec<u8>) -> Result<(), (String, Errno)> {
    let now = p.now();
    let temporary = format!("{path}tmp/{}.P{}.{host}", now.unix(), p.pid());
    let message: bytes::Bytes = message.into();
    let write = || p.create_file(&temporary, message.clone(), 0o600);
    let written = match write() {
        Err(Errno::ENOENT) => {
            let mut made = Ok(());
            for part in ["", "tmp", "new", "cur"] {
                let directory = format!("{path}{part}");
                made = made.and(make_directories(p, directory.trim_end_matches('/')));
            }
            made.and_then(|()| write())
        }
        written => written,
    };
    written.map_err(|e| (temporary.clone(), e))?;
    let ino = p.stat(&temporary, false).map_err(|e| (temporary.clone(), e))?;
    let name = format!(
        "{path}new/{}.V{:x}I{:x}M{}.{host}",
        now.unix(),
        ino.dev,
        ino.ino.number(),
        now.subsec_micros()
    );
    match p.rename(&temporary, &name) {
        Err(Errno::ENOENT) => {
            let made =
                make_directories(p, &format!("{path}new")).and(make_directories(p, &format!("{path}cur")));
            made.and_then(|()| p.rename(&temporary, &name))
        }
        moved => moved,
    }
    .map_err(|e| {
        let _ = p.unlink(&temporary);
        (name, e)
    })
}

/// A directory and those above it, as far as they are missing.
fn make_directories(p: &Process, path: &str) -> Sys<()> {
    let made = match (p.mkdir(path, 0o700), path.rsplit_once('/')) {
        (Err(Errno::ENOENT), Some((above, _))) => {
            make_directories(p, above).and_then(|()| p.mkdir(path, 0o700))
        }
        (made, _) => made,
    };
    made.or_else(|e| if e == Errno::EEXIST { Ok(()) } else { Err(e) })
}

/// Appends the lines of a body; one that would look like the beginning of a message gets a `>` (mbox(5)).
fn push_quoted(out: &mut Vec<u8>, body: &[u8]) {
    for line in body.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b"From ") {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::push_quoted;
    use proptest::prelude::*;

    /// Octets of every kind, and lines that look like the beginning of a message more often than chance has it.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "(>{0,2}From |From|from )[a-z ]{0,5}".prop_map(String::into_bytes),
        ];
        proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join(&b'\n'))
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(body in body()) {
            let mut quoted = Vec::new();
            push_quoted(&mut quoted, &body);
            prop_assert!(!quoted.split(|&b| b == b'\n').any(|line| line.starts_with(b"From ")));
            // A line that began with `>From ` already is left as it is, so the reading is by the original.
            let mut read = quoted.split(|&b| b == b'\n');
            for line in body.split(|&b| b == b'\n') {
                let stored = read.next().expect("as many lines as before");
                let stored = if line.starts_with(b"From ") { &stored[1..] } else { stored };
                prop_assert_eq!(line, stored);
            }
            prop_assert!(read.next().is_none());
        }
    }
}
