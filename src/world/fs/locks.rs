//! Advisory locks on whole files (flock(2), fcntl(2)).
//!
//! An owner is whatever the layer above calls one: an open file for flock, a process for fcntl.
//! Nobody waits here; who was refused asks again when an [`unlock`](super::Fs::unlock) said that
//! something came free.

use super::{Fs, Ino};
use std::collections::BTreeMap;

/// How a file is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockKind {
    /// Many may hold it: LOCK_SH, F_RDLCK.
    Shared,
    /// One may hold it, and nobody else any: LOCK_EX, F_WRLCK.
    Exclusive,
}

/// The locks held on one host: for each locked inode its owners, each once.
#[derive(Clone, Default)]
pub(super) struct Locks(BTreeMap<Ino, Vec<(u64, LockKind)>>);

impl Locks {
    pub(super) fn forget(&mut self, ino: Ino) {
        if !self.0.is_empty() {
            self.0.remove(&ino);
        }
    }
}

impl Fs {
    /// Take a lock, or change the one that `owner` holds to `kind`. False if another owner's
    /// lock stands in the way; then everything is as before.
    pub fn try_lock(&mut self, ino: Ino, owner: u64, kind: LockKind) -> bool {
        let held = self.locks.0.entry(ino).or_default();
        let free = |&(who, how): &(u64, LockKind)| {
            who == owner || (kind == LockKind::Shared && how == LockKind::Shared)
        };
        if !held.iter().all(free) {
            return false;
        }
        held.retain(|&(who, _)| who != owner);
        held.push((owner, kind));
        true
    }

    /// Give back the lock of `owner`. True if it held one, so that others may try again.
    pub fn unlock(&mut self, ino: Ino, owner: u64) -> bool {
        let Some(held) = self.locks.0.get_mut(&ino) else { return false };
        let before = held.len();
        held.retain(|&(who, _)| who != owner);
        let released = held.len() < before;
        if held.is_empty() {
            self.locks.0.remove(&ino);
        }
        released
    }

    /// Who holds locks on the file, oldest first.
    pub fn lock_owners(&self, ino: Ino) -> &[(u64, LockKind)] {
        self.locks.0.get(&ino).map_or(&[], Vec::as_slice)
    }
}
