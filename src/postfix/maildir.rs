//! Delivery to a Maildir: written in `tmp`, then given its name in `new`.

use super::deliver::Dsn;
use super::mbox::status;
use super::server::Daemon;
use crate::world::errno::{Errno, Sys};
use crate::world::process::Process;
use crate::world::users::Cred;
use bytes::Bytes;

/// Delivers to the Maildir `path` with the rights `cred`.
///
/// # Errors
/// What the sender is told; errors without a status code of their own have `default_status`.
pub fn deliver(
    daemon: &Daemon,
    cred: &Cred,
    path: &str,
    message: Bytes,
    default_status: &'static str,
) -> Result<(), Dsn> {
    let (file, e) = match daemon.p.with_rights(cred, |p| write(p, path, message)) {
        Ok(()) => return Ok(()),
        Err(trouble) => trouble,
    };
    let what = format!("create maildir file {file}: {e}");
    if e == Errno::EACCES {
        let ids = format!("{}/{}", cred.uid, cred.gid);
        daemon.msg.log_warn(format!("maildir access problem for UID/GID={ids}: {what}"));
        daemon.msg.log_warn("perhaps you need to create the maildirs in advance");
    }
    let what = if e == Errno::ENOSPC { format!("error writing message: {e}") } else { what };
    Err(Dsn::new(status(e, default_status), format!("maildir delivery failed: {what}")))
}

/// Writes a message into the Maildir `path`, which ends with a slash, with the process's own rights,
/// making the directories it lacks.
///
/// # Errors
/// The file that could not be made, and why.
pub fn write(p: &Process, path: &str, message: Bytes) -> Result<(), (String, Errno)> {
    let host = p.host().name();
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
