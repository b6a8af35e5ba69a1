//! Delivery to a Maildir: written in `tmp`, then given its name in `new`.

use super::mbox::status;
use super::{State, Status, Work};
use crate::postfix::deliver::Dsn;
use crate::world::errno::{Errno, Sys};
use crate::world::process::Process;
use crate::world::users::Cred;
use bytes::Bytes;
use std::rc::Rc;

impl<'a> Work<'a> {
    /// Delivers to the Maildir `path`, which ends with a slash, with these rights.
    pub(super) async fn maildir(&self, state: &State, cred: &Cred, path: &str) -> Status {
        if self.is_rehearsal() {
            return self.sent(state, "delivers to maildir").await;
        }
        let mut state = state.clone();
        if !self.settings().frozen_delivered {
            state.delivered = state.rcpt.address.clone();
        }
        let message = self.for_maildir(&state).into();
        let host = self.daemon().p.host().name().clone();
        match self.with_rights(cred, |p| write(p, path, &host, message)) {
            Ok(()) => self.sent(&state, "delivered to maildir").await,
            Err((file, e)) => {
                let what = format!("create maildir file {file}: {e}");
                if e == Errno::EACCES {
                    let msg = &self.daemon().msg;
                    let ids = format!("{}/{}", cred.uid, cred.gid);
                    msg.log_warn(format!("maildir access problem for UID/GID={ids}: {what}"));
                    msg.log_warn("perhaps you need to create the maildirs in advance");
                }
                let what = if e == Errno::ENOSPC { format!("error writing message: {e}") } else { what };
                let dsn = Dsn::new(status(e), format!("maildir delivery failed: {what}"));
                self.failed(&state, dsn).await
            }
        }
    }
}

/// Writes a message into a Maildir, making the directories it lacks; with the file that could not
/// be made where it fails.
fn write(p: &Process, path: &str, host: &Rc<str>, message: Bytes) -> Result<(), (String, Errno)> {
    let now = p.now();
    let temporary = format!("{path}tmp/{}.P{}.{host}", now.unix(), p.pid());
    let create = || p.create_file(&temporary, message.clone(), 0o600);
    let written = match create() {
        Err(Errno::ENOENT) => make_directories(p, &format!("{path}tmp")).and_then(|()| create()),
        written => written,
    };
    if let Err(e) = written {
        if e == Errno::ENOSPC {
            // The name may be there, with less in it than was to be.
            let _ = p.unlink(&temporary);
        }
        return Err((temporary, e));
    }
    let stat = p.stat(&temporary, false).map_err(|e| (temporary.clone(), e))?;
    let (seconds, micros) = (now.unix(), now.subsec_micros());
    let name = format!("{path}new/{seconds}.V{:x}I{:x}M{micros}.{host}", stat.dev, stat.ino.number());
    let moved = match p.rename(&temporary, &name) {
        Err(Errno::ENOENT) => make_directories(p, &format!("{path}cur"))
            .and(make_directories(p, &format!("{path}new")))
            .and_then(|()| p.rename(&temporary, &name)),
        moved => moved,
    };
    moved.map_err(|e| {
        let _ = p.unlink(&temporary);
        (name, e)
    })
}

/// A directory and those above it, as far as they are missing.
fn make_directories(p: &Process, path: &str) -> Sys<()> {
    let made = match (p.mkdir(path, 0o700), path.rsplit_once('/')) {
        (Err(Errno::ENOENT), Some((above, _))) if !above.is_empty() => {
            make_directories(p, above).and_then(|()| p.mkdir(path, 0o700))
        }
        (made, _) => made,
    };
    made.or_else(|e| if e == Errno::EEXIST { Ok(()) } else { Err(e) })
}
