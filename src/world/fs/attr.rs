//! Rights, owners, modes and times.

use super::node::Node;
use super::{Fs, Ino, Kind};
use crate::world::clock::{Duration, Time};
use crate::world::errno::{Errno, Sys};
use crate::world::users::{Cred, Gid, Uid};
use std::ops::BitOr;

/// Set-group-id.
pub(super) const SGID: u16 = 0o2000;
const SUID: u16 = 0o4000;
const STICKY: u16 = 0o1000;

/// What someone wants to do with an inode: any of the bits of access(2), joined by `|`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access(u16);

impl Access {
    /// F_OK: nothing but that it is there.
    pub const EXISTS: Access = Access(0);
    /// X_OK: run a file, search a directory.
    pub const EXEC: Access = Access(1);
    /// W_OK
    pub const WRITE: Access = Access(2);
    /// R_OK
    pub const READ: Access = Access(4);
}

impl BitOr for Access {
    type Output = Access;
    fn bitor(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }
}

/// What utimensat(2) does with one of the two times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// Leave it (UTIME_OMIT).
    Keep,
    /// Set it to the present (UTIME_NOW).
    Now,
    /// Set it to an instant.
    At(Time),
}

impl Fs {
    /// May a process do this with the inode itself (the way to it is not looked at)? EACCES if not.
    pub fn access(&self, cred: &Cred, ino: Ino, want: Access) -> Sys<()> {
        let node = self.node(ino);
        if cred.uid == 0 {
            let runs = want.0 & 1 == 0 || node.is_dir() || node.mode & 0o111 != 0;
            return if runs { Ok(()) } else { Err(Errno::EACCES) };
        }
        let granted = if cred.uid == node.uid {
            node.mode >> 6
        } else if cred.in_group(node.gid) {
            node.mode >> 3
        } else {
            node.mode
        };
        if granted & want.0 == want.0 { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// chmod(2). EPERM for others than the owner and root. Who is not in the file's group
    /// cannot set its set-group-id bit; it is dropped in silence.
    pub fn chmod(&mut self, cred: &Cred, ino: Ino, mode: u16, now: Time) -> Sys<()> {
        let node = self.node_mut(ino);
        owned(cred, node)?;
        let foreign = cred.uid != 0 && !cred.in_group(node.gid);
        node.mode = mode & if foreign { 0o7777 & !SGID } else { 0o7777 };
        node.ctime = now;
        if node.is_dir() {
            self.forget_ways();
        }
        Ok(())
    }

    /// chown(2); `None` leaves one as it is. Only root gives files away; the owner may choose
    /// among its own groups. The set-id bits of anything but a directory are dropped.
    pub fn chown(&mut self, cred: &Cred, ino: Ino, uid: Option<Uid>, gid: Option<Gid>, now: Time) -> Sys<()> {
        let node = self.node_mut(ino);
        if cred.uid != 0 {
            let keeps = uid.is_none_or(|uid| uid == node.uid && uid == cred.uid);
            let joins = gid.is_none_or(|gid| node.uid == cred.uid && (cred.in_group(gid) || gid == node.gid));
            if !keeps || !joins {
                return Err(Errno::EPERM);
            }
        }
        if !node.is_dir() {
            node.mode &= !SUID;
            if node.mode & 0o010 != 0 || (cred.uid != 0 && !cred.in_group(node.gid)) {
                node.mode &= !SGID;
            }
        }
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        node.ctime = now;
        if node.is_dir() {
            self.forget_ways();
        }
        Ok(())
    }

    /// utimensat(2). To set both to the present, the right to write is enough; else one must
    /// be the owner or root (EPERM).
    pub fn utimes(&mut self, cred: &Cred, ino: Ino, atime: Touch, mtime: Touch, now: Time) -> Sys<()> {
        if (atime, mtime) == (Touch::Keep, Touch::Keep) {
            return Ok(());
        }
        let mine = owned(cred, self.node(ino));
        if (atime, mtime) == (Touch::Now, Touch::Now) {
            mine.or_else(|_| self.access(cred, ino, Access::WRITE))?;
        } else {
            mine?;
        }
        let before = self.node(ino).mtime;
        let node = self.node_mut(ino);
        let set = |time: &mut Time, touch| match touch {
            Touch::Keep => {}
            Touch::Now => *time = now,
            Touch::At(instant) => *time = instant,
        };
        set(&mut node.atime, atime);
        set(&mut node.mtime, mtime);
        node.ctime = now;
        let is_earlier = node.mtime < before;
        self.moved_back += u64::from(is_earlier);
        Ok(())
    }

    /// The file was read: move its access time as Linux does (`relatime`), once after each
    /// change and otherwise once a day.
    pub fn accessed(&mut self, ino: Ino, now: Time) {
        let node = self.node(ino);
        let stale = node.atime <= node.mtime
            || node.atime <= node.ctime
            || now.since(node.atime) >= Duration::from_secs(24 * 60 * 60);
        if stale && node.atime != now {
            self.node_mut(ino).atime = now;
        }
    }

    /// May a second name be made for the inode? Not for what one neither owns nor may read and
    /// write, nor for programs with set-id bits (`fs.protected_hardlinks`).
    pub(super) fn may_link(&self, cred: &Cred, ino: Ino) -> Sys<()> {
        let node = self.node(ino);
        if owned(cred, node).is_ok() {
            return Ok(());
        }
        let plain =
            node.kind() == Kind::File && node.mode & SUID == 0 && node.mode & (SGID | 0o010) != SGID | 0o010;
        if plain && self.access(cred, ino, Access::READ | Access::WRITE).is_ok() {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    /// May names be made in this directory? ENOENT in one that was removed.
    pub(super) fn may_create(&self, cred: &Cred, dir: Ino) -> Sys<()> {
        if self.dir(dir)?.dead {
            return Err(Errno::ENOENT);
        }
        self.access(cred, dir, Access::WRITE | Access::EXEC)
    }

    /// May this name be taken from its directory? In a sticky one only by the owner of either (EPERM).
    pub(super) fn may_delete(&self, cred: &Cred, dir: Ino, ino: Ino) -> Sys<()> {
        self.access(cred, dir, Access::WRITE | Access::EXEC)?;
        let (dir, node) = (self.node(dir), self.node(ino));
        let kept = dir.mode & STICKY != 0 && cred.uid != 0 && cred.uid != node.uid && cred.uid != dir.uid;
        if kept { Err(Errno::EPERM) } else { Ok(()) }
    }
}

fn owned(cred: &Cred, node: &Node) -> Sys<()> {
    if cred.uid == 0 || cred.uid == node.uid { Ok(()) } else { Err(Errno::EPERM) }
}
