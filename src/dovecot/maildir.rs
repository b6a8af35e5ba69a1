//! Saving into a Maildir: written in `tmp`, then moved to `new` under a name that tells its size
//! (`S=`) and its size with CR LF (`W=`).
//!
//! # Simplifications
//! `dovecot-uidlist` gets a line for each message; it is read for nothing but the next number.

use crate::world::errno::{Errno, Sys};
use crate::world::fs::OpenFlags;
use crate::world::process::Process;

/// Saves a message with the process's present rights, making the Maildir where it is missing.
///
/// # Errors
/// The file that could not be made, and why.
pub fn save(p: &Process, path: &str, message: &[u8]) -> Result<(), (String, Errno)> {
    let now = p.now();
    make(p, path)?;
    let lines = message.iter().filter(|b| **b == b'\n').count();
    let (size, wire) = (message.len(), message.len() + lines);
    let base = format!("{}.M{}P{}.{}", now.unix(), now.subsec_micros(), p.pid(), p.host().name());
    let temporary = format!("{path}/tmp/{base}");
    let written = p.create_file(&temporary, message.to_vec(), 0o600);
    written.map_err(|e| {
        let _ = p.unlink(&temporary);
        (temporary.clone(), e)
    })?;
    // Of two messages of one instant the second gets another name.
    let mut name = format!("{base},S={size},W={wire}");
    let mut again = 0;
    while p.exists(&format!("{path}/new/{name}")) {
        again += 1;
        name = format!("{base}_{again},S={size},W={wire}");
    }
    let target = format!("{path}/new/{name}");
    p.rename(&temporary, &target).map_err(|e| (target, e))?;
    let _ = note(p, path, &name);
    Ok(())
}

fn make(p: &Process, path: &str) -> Result<(), (String, Errno)> {
    if p.exists(&format!("{path}/cur")) {
        return Ok(());
    }
    let mut above = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        above = format!("{above}/{part}");
        directory(p, &above).map_err(|e| (above.clone(), e))?;
    }
    for name in ["cur", "new", "tmp"] {
        let directory_path = format!("{path}/{name}");
        directory(p, &directory_path).map_err(|e| (directory_path, e))?;
    }
    let mark = format!("{path}/maildirfolder");
    p.create_file(&mark, bytes::Bytes::new(), 0o600).map_err(|e| (mark, e))
}

fn directory(p: &Process, path: &str) -> Sys<()> {
    p.mkdir(path, 0o700).or_else(|e| if e == Errno::EEXIST || p.exists(path) { Ok(()) } else { Err(e) })
}

/// Enters a message into the list of numbers, which it begins where there is none.
fn note(p: &Process, path: &str, name: &str) -> Sys<()> {
    let list = format!("{path}/dovecot-uidlist");
    let text = p.read_text(&list).unwrap_or_default();
    let number = text.lines().skip(1).count() + 1;
    let mut entry = String::new();
    if text.is_empty() {
        let validity = p.now().unix();
        let id: String = (0..4).map(|_| format!("{:08x}", p.host().random(1 << 32))).collect();
        entry = format!("3 V{validity} N1 G{id}\n");
        p.write_file(&format!("{path}/dovecot-uidvalidity"), format!("{validity:08x}"), 0o600)?;
        p.create_file(&format!("{path}/dovecot-uidvalidity.{validity:08x}"), bytes::Bytes::new(), 0o444)?;
    }
    entry.push_str(&format!("{number} :{name}\n"));
    p.open(&list, OpenFlags::APPEND, 0o600)?.write_file(entry.as_bytes())
}
