//! A file that messages are appended to: locked, opened with care, and left as it was when the
//! message does not fit (`mbox_open(3)`, `safe_open(3)`, `dot_lockfile(3)`).

use super::deliver::Dsn;
use super::server::Daemon;
use crate::world::clock::Duration;
use crate::world::errno::Errno;
use crate::world::fs::{Kind, LockKind, OpenFlags, Stat};
use crate::world::open::Open;
use crate::world::process::Process;
use crate::world::users::Cred;
use std::rc::Rc;

/// What to open, and how.
pub struct Target<'t> {
    /// The file.
    pub path: &'t str,
    /// With whose rights it is opened and locked.
    pub cred: Cred,
    /// To whom a new file is given.
    pub give_to: Option<(u32, u32)>,
    /// Goes it without a lock file, where none can be made?
    pub lock_may_fail: bool,
}

/// How mailboxes are locked (`mailbox_delivery_lock` or `virtual_mailbox_lock`,
/// `deliver_lock_…`, `stale_lock_time`), and what is said of errors.
pub struct Opener<'d> {
    daemon: &'d Daemon,
    dot: bool,
    kernel: bool,
    attempts: i64,
    delay: Duration,
    stale: Duration,
    /// The greatest size of a file, in octets; zero for none.
    size_limit: u64,
    /// The status code of errors that have none of their own.
    default_status: &'static str,
}

/// An open file and its locks.
pub struct Mbox<'o> {
    opener: &'o Opener<'o>,
    /// The file.
    pub open: Rc<Open>,
    /// What it was when it was opened.
    pub stat: Stat,
    lock_file: Option<(String, Cred)>,
}

impl<'d> Opener<'d> {
    /// Reads the settings; `locks` and `size_limit` are parameters.
    pub fn new(
        daemon: &'d Daemon,
        locks: &str,
        size_limit: &str,
        default_status: &'static str,
    ) -> Opener<'d> {
        let locks = daemon.config.list(locks);
        let is = |word: &str| locks.iter().any(|w| w.eq_ignore_ascii_case(word));
        Opener {
            daemon,
            dot: is("dotlock"),
            kernel: is("fcntl") || is("flock"),
            attempts: daemon.int("deliver_lock_attempts").max(1),
            delay: daemon.seconds("deliver_lock_delay"),
            stale: daemon.seconds("stale_lock_time"),
            size_limit: daemon.int(size_limit).max(0) as u64,
            default_status,
        }
    }

    /// Locks and opens a file, making it where it is not there.
    ///
    /// # Errors
    /// Why not, to be put behind a text that names the file.
    pub async fn open(&self, target: &Target<'_>) -> Result<Mbox<'_>, Dsn> {
        let p = &self.daemon.p;
        let Target { path, cred, .. } = target;
        let is_other = p.with_rights(cred, |p| p.stat(path, true)).is_ok_and(|s| s.kind != Kind::File);
        let mut lock_file = None;
        if self.dot && !is_other {
            let lock = format!("{path}.lock");
            match self.dot_lock(&lock, cred).await {
                Ok(()) => lock_file = Some((lock, cred.clone())),
                Err(e) => {
                    let text = format!("unable to create lock file {lock}: {e}");
                    if e == Errno::EEXIST {
                        return Err(Dsn::new("4.2.0", text));
                    }
                    if !target.lock_may_fail {
                        return Err(Dsn::new(self.status(e), text));
                    }
                    self.daemon.msg.log_warn(text);
                }
            }
        }
        match p.with_rights(cred, |p| safe_open(p, target)) {
            Ok((open, stat)) => {
                let mbox = Mbox { opener: self, open, stat, lock_file };
                if stat.is_file() && self.kernel {
                    let patience = self.delay * self.attempts.min(1000) as u32;
                    if let Err(e) = mbox.open.lock(LockKind::Exclusive, patience).await {
                        return Err(Dsn::new(
                            self.status(e),
                            format!("unable to lock for exclusive access: {e}"),
                        ));
                    }
                }
                Ok(mbox)
            }
            Err((e, text)) => {
                if let Some((lock, cred)) = lock_file {
                    let _ = p.with_rights(&cred, |p| p.unlink(&lock));
                }
                Err(Dsn::new(self.status(e), text))
            }
        }
    }

    async fn dot_lock(&self, lock: &str, cred: &Cred) -> Result<(), Errno> {
        let p = &self.daemon.p;
        let mut count = 1;
        loop {
            let made = p.with_rights(cred, |p| p.create_file(lock, bytes::Bytes::new(), 0));
            match made {
                Err(Errno::EEXIST) if count < self.attempts => {
                    let stat = p.with_rights(cred, |p| p.stat(lock, true));
                    if stat.is_ok_and(|s| p.now() > s.ctime + self.stale) {
                        match p.with_rights(cred, |p| p.unlink(lock)) {
                            Ok(()) | Err(Errno::ENOENT) => {}
                            Err(e) => return Err(e),
                        }
                    }
                    p.sleep(self.delay).await;
                    count += 1;
                }
                made => return made,
            }
        }
    }
}

impl Opener<'_> {
    fn status(&self, error: Errno) -> &'static str {
        status(error, self.default_status)
    }
}

impl Mbox<'_> {
    /// Appends a message, or leaves the file as it was.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn append(&self, message: Vec<u8>) -> Result<(), Dsn> {
        let p = &self.opener.daemon.p;
        let limit = self.opener.size_limit;
        let before = self.open.ino().map(|ino| (ino, p.host().fs().stat(ino).size));
        let size = before.map_or(0, |(_, size)| size);
        let written = if limit > 0 && before.is_some() && size + message.len() as u64 > limit {
            Err(Errno::EFBIG)
        } else if before.is_some() {
            self.open.write_file(&message)
        } else {
            self.open.write(message).await
        };
        written.map_err(|e| {
            if let Some((ino, size)) = before {
                // Half a message is none. What was there before stays whatever truncating says.
                let _ = p.host().fs_mut().truncate(ino, size, p.now());
            }
            Dsn::new(self.opener.status(e), format!("error writing message: {e}"))
        })
    }
}

impl Drop for Mbox<'_> {
    fn drop(&mut self) {
        self.open.unlock();
        if let Some((lock, cred)) = &self.lock_file {
            let _ = self.opener.daemon.p.with_rights(cred, |p| p.unlink(lock));
        }
    }
}

/// The status code of an error at a mailbox (`mbox_dsn(3)`).
pub fn status(error: Errno, default: &'static str) -> &'static str {
    match error {
        Errno::EAGAIN => "4.2.0",
        Errno::ENOSPC => "4.3.0",
        Errno::EFBIG => "5.2.2",
        _ => default,
    }
}

/// Opens a file that nobody can have slipped in: one name, no link of somebody else's.
fn safe_open(p: &Process, target: &Target<'_>) -> Result<(Rc<Open>, Stat), (Errno, String)> {
    let path = target.path;
    let cannot = |e: Errno| (e, format!("cannot open file: {e}"));
    let stat = match p.stat(path, true) {
        Ok(stat) => stat,
        Err(Errno::ENOENT) => return create(p, target),
        Err(e) => return Err(cannot(e)),
    };
    match stat.kind {
        Kind::Directory => return Err(cannot(Errno::EISDIR)),
        // Without a reader a pipe cannot be opened for writing, and a socket never.
        Kind::Fifo | Kind::Socket => {
            return Err((Errno::ENOTSOCK, "cannot open file: No such device or address".to_owned()));
        }
        _ => {}
    }
    let open = p.open(path, OpenFlags { create: false, ..OpenFlags::APPEND }, 0).map_err(cannot)?;
    if stat.nlink != 1 {
        return Err((Errno::EPERM, format!("file has {} hard links", stat.nlink)));
    }
    let link = p.stat(path, false).map_err(cannot)?;
    if link.kind == Kind::Symlink {
        let directory = path.rsplit_once('/').map_or("/", |(d, _)| if d.is_empty() { "/" } else { d });
        let roots = p.stat(directory, true).is_ok_and(|d| d.uid == 0 && d.mode & 0o022 == 0);
        if link.uid != 0 || !roots {
            return Err((Errno::EPERM, "file is a symbolic link".to_owned()));
        }
    }
    Ok((open, stat))
}

fn create(p: &Process, target: &Target<'_>) -> Result<(Rc<Open>, Stat), (Errno, String)> {
    let flags = OpenFlags { excl: true, ..OpenFlags::APPEND };
    let cannot = |e: Errno| (e, format!("cannot create file exclusively: {e}"));
    let open = p.open(target.path, flags, 0o600).map_err(cannot)?;
    if let Some((uid, gid)) = target.give_to {
        p.chown(target.path, Some(uid), Some(gid), false)
            .map_err(|e| (e, format!("cannot change file ownership: {e}")))?;
    }
    let stat = p.stat(target.path, false).map_err(cannot)?;
    Ok((open, stat))
}
