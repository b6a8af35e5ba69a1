//! The file system of one host.
//!
//! It behaves as Linux does (path_resolution(7), inode(7), and the manual pages of section 2
//! named at each call): every call that takes a path checks the caller's rights on the way.
//! A path is absolute or relative to a directory `cwd`, so each call is its own openat(2)
//! variant. The caller says what the time is and has already applied its umask to a mode.
//!
//! Nothing here waits, logs or reads bytes from devices: a FIFO, a socket or a device is only
//! a name with an owner and a mode, and the layer above gives it life.
//!
//! An `Fs` is cheap to clone: clones share what neither has changed since, so that a thousand
//! hosts can start from one base system.
//!
//! - [`open`](Fs::open) and the bytes of files: this file and `content`
//! - the values that go in and out: `types`
//! - from a path to an inode: `walk`, and `ways` for those gone before
//! - making, linking, renaming and removing names: `names`
//! - rights, owners, modes, times: `attr`
//! - advisory locks: `locks`
//!
//! # Simplifications
//!
//! - One file system without mount points: rename(2) never says EXDEV. Sizes are those of
//!   tmpfs: a directory is 20 bytes a name, its `.` and `..` among them, and takes no blocks.
//! - [`readdir`](Fs::readdir) tells names in byte order; a real disk has an order of its own.
//! - No holes: a gap that a write leaves is filled with zeros and takes room, and no file
//!   grows over [`MAX_FILE`].
//! - A write does not take the set-user-id bit from a file; chown(2) does.
//! - Reading does not touch the access time; who wants it touched calls [`accessed`](Fs::accessed).
//! - Locks are on whole files, and flock(2) and fcntl(2) locks are one kind.
//! - Of the protections in proc_sys_fs(5) only `protected_hardlinks` is on.

mod attr;
mod content;
mod locks;
mod names;
mod node;
#[cfg(test)]
mod tests;
mod types;
mod walk;
mod ways;

use super::clock::Time;
use super::errno::{Errno, Sys};
use super::users::Cred;
use bytes::Bytes;
use content::Content;
use locks::Locks;
use node::{Body, Dir, Node, Table};
use walk::{Found, Last, Links};
use ways::Ways;

pub use attr::{Access, Touch};
pub use locks::LockKind;
pub use names::Special;
pub use types::{Device, Ino, Kind, OpenFlags, Opened, Stat, Usage};

/// The longest name of a directory entry, in bytes (NAME_MAX).
pub const NAME_MAX: usize = 255;
/// The longest path, in bytes, with the NUL byte that a C program puts at its end (PATH_MAX).
pub const PATH_MAX: usize = 4096;
/// The longest file, in bytes: 1 GiB. Beyond it a write fails with EFBIG.
pub const MAX_FILE: u64 = 1 << 30;
/// The unit in which files take room, in bytes.
pub const PAGE: u64 = 4096;

/// Which content of which file: what a cache of it is valid for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version(Ino, u64);

/// What a directory was like when its files' times of modification were looked at: as long as it is
/// the same, no file in it is older than was seen then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    dir: Ino,
    given: u64,
    moved_back: u64,
}

/// The file system of one host.
#[derive(Clone)]
pub struct Fs {
    table: Table,
    root: Ino,
    ways: Ways,
    locks: Locks,
    capacity: Option<u64>,
    used: u64,
    changes: u64,
    /// How often a file's time of modification has become an earlier one.
    moved_back: u64,
}

impl Fs {
    /// What the file system measures where no capacity was set, in bytes.
    const ROOMY: u64 = 12_341_828 * 1024;

    /// A root directory, owned by root, mode 755, and nothing else.
    pub fn new(now: Time) -> Fs {
        let mut table = Table::default();
        let root = table.next();
        table.add(Node::new(Body::Dir(Dir::new(root, "")), 0o755, 0, 0, now));
        let (ways, locks) = (Ways::default(), Locks::default());
        Fs { table, root, ways, locks, capacity: None, used: 0, changes: 0, moved_back: 0 }
    }

    /// The root directory.
    pub fn root(&self) -> Ino {
        self.root
    }

    /// open(2): find or make a file, check the rights that `flags` ask for, and take a
    /// reference on it. `mode` is for a new file, with the umask applied. A truncation has
    /// happened when the call returns.
    ///
    /// Opening a FIFO or a device is allowed by its mode alone; opening a socket is ENXIO.
    pub fn open(
        &mut self,
        cred: &Cred,
        cwd: Ino,
        path: &str,
        flags: OpenFlags,
        mode: u16,
        now: Time,
    ) -> Sys<Opened> {
        let opened = if flags.create {
            if flags.directory {
                return Err(Errno::EINVAL);
            }
            self.open_or_create(cred, cwd, path, flags, mode, now, &mut Links::default())?
        } else {
            let ino = self.resolve(cred, cwd, path, !flags.nofollow)?;
            self.may_open(cred, ino, flags)?;
            Opened { ino, created: false }
        };
        if flags.truncate && !opened.created && self.node(opened.ino).is_file() {
            self.truncate(opened.ino, 0, now)?;
        }
        self.hold(opened.ino);
        Ok(opened)
    }

    /// Take one more reference: dup(2), fork(2), or a working directory. An inode without a
    /// name lives as long as a reference on it.
    pub fn hold(&mut self, ino: Ino) {
        self.node_mut(ino).opens += 1;
    }

    /// close(2): give back a reference taken by [`open`](Fs::open) or [`hold`](Fs::hold).
    pub fn close(&mut self, ino: Ino) {
        let Some(node) = self.table.get_mut(ino) else { return };
        node.opens = node.opens.saturating_sub(1);
        if node.opens == 0 {
            if let Body::File(content) = &mut node.body {
                content.settle();
            }
            self.release(ino);
        }
    }

    /// How many references there are on the inode: who still has it open?
    pub fn references(&self, ino: Ino) -> u32 {
        self.table.get(ino).map_or(0, |node| node.opens)
    }

    /// Does the inode still exist?
    pub fn exists(&self, ino: Ino) -> bool {
        self.table.get(ino).is_some()
    }

    /// pread(2): up to `len` bytes from `offset`; empty at the end of the file. EISDIR for a
    /// directory, EINVAL for what has no bytes of its own.
    pub fn read_at(&self, ino: Ino, offset: u64, len: usize) -> Sys<Bytes> {
        self.file(ino).map(|content| content.read_at(offset, len))
    }

    /// The whole content, without copying it where it lies in one piece.
    pub fn read_all(&self, ino: Ino) -> Sys<Bytes> {
        self.file(ino).map(Content::read_all)
    }

    /// pwrite(2): replace bytes from `offset` on, growing the file as needed. Says how many
    /// bytes found room: fewer than given when the disk became full, ENOSPC when none did.
    pub fn write_at(&mut self, ino: Ino, offset: u64, data: &[u8], now: Time) -> Sys<usize> {
        self.file(ino)?;
        if data.is_empty() {
            return Ok(0);
        }
        let end = self.room_for(ino, offset.saturating_add(data.len() as u64))?;
        let fits = end.saturating_sub(offset).min(data.len() as u64) as usize;
        if fits == 0 {
            return Err(if offset >= MAX_FILE { Errno::EFBIG } else { Errno::ENOSPC });
        }
        self.change(ino, now, |content| content.write_at(offset, &data[..fits]))?;
        Ok(fits)
    }

    /// write(2) on a file opened with O_APPEND: as [`write_at`](Fs::write_at) at its end.
    pub fn append(&mut self, ino: Ino, data: &[u8], now: Time) -> Sys<usize> {
        let end = self.file(ino)?.len();
        self.write_at(ino, end, data, now)
    }

    /// Set the whole content to `bytes` without copying them. ENOSPC or EFBIG leave it as it was.
    pub fn write_all(&mut self, ino: Ino, bytes: Bytes, now: Time) -> Sys<()> {
        self.file(ino)?;
        self.room_for_all(ino, bytes.len() as u64)?;
        self.change(ino, now, |content| *content = Content::from(bytes))
    }

    /// ftruncate(2): cut the file or fill it with zeros up to `len` bytes.
    pub fn truncate(&mut self, ino: Ino, len: u64, now: Time) -> Sys<()> {
        self.file(ino)?;
        self.room_for_all(ino, len)?;
        self.change(ino, now, |content| content.truncate(len))
    }

    /// A number that is another one after every change of the file's content, and that no two
    /// contents of this file system share: what a cache of the content is valid for. Zero for
    /// what was never written.
    pub fn version(&self, ino: Ino) -> u64 {
        self.node(ino).version
    }

    /// The same with the inode, as one value to compare.
    pub fn content_version(&self, ino: Ino) -> Version {
        Version(ino, self.version(ino))
    }

    /// The directory as it is now.
    pub fn mark(&self, dir: Ino) -> Sys<Mark> {
        let given = self.dir(dir)?.given;
        Ok(Mark { dir, given, moved_back: self.moved_back })
    }

    /// fstat(2).
    #[inline]
    pub fn stat(&self, ino: Ino) -> Stat {
        let node = self.node(ino);
        Stat {
            ino,
            dev: 1,
            kind: node.kind(),
            mode: node.mode,
            nlink: node.nlink,
            uid: node.uid,
            gid: node.gid,
            size: node.size(),
            blocks: node.room() / 512,
            atime: node.atime,
            mtime: node.mtime,
            ctime: node.ctime,
        }
    }

    /// stat(2), or lstat(2) where `follow` is false.
    pub fn stat_path(&self, cred: &Cred, cwd: Ino, path: &str, follow: bool) -> Sys<Stat> {
        self.resolve(cred, cwd, path, follow).map(|ino| self.stat(ino))
    }

    /// Read a whole file by its path: open for reading, read, close.
    pub fn read_path(&self, cred: &Cred, cwd: Ino, path: &str) -> Sys<Bytes> {
        let ino = self.resolve(cred, cwd, path, true)?;
        self.may_open(cred, ino, OpenFlags::READ)?;
        self.read_all(ino)
    }

    /// Write a whole file by its path: open as for `>`, write, close.
    pub fn write_path(
        &mut self,
        cred: &Cred,
        cwd: Ino,
        path: &str,
        content: impl Into<Bytes>,
        mode: u16,
        now: Time,
    ) -> Sys<Ino> {
        let ino = self.open(cred, cwd, path, OpenFlags::CREATE, mode, now)?.ino;
        let done = self.write_all(ino, content.into(), now);
        self.close(ino);
        done.map(|()| ino)
    }

    /// Limit the room that files may take, in bytes; `None` for as much as they like. Files
    /// that take more already keep what they have. There is no reserve for root.
    pub fn set_capacity(&mut self, bytes: Option<u64>) {
        self.capacity = bytes;
    }

    /// How full it is (statvfs(3), df(1)).
    pub fn usage(&self) -> Usage {
        let size = self.capacity.unwrap_or(Fs::ROOMY.max(self.used));
        Usage { size, used: self.used, inodes: self.table.live() }
    }

    #[allow(clippy::too_many_arguments)]
    fn open_or_create(
        &mut self,
        cred: &Cred,
        start: Ino,
        path: &str,
        flags: OpenFlags,
        mode: u16,
        now: Time,
        links: &mut Links,
    ) -> Sys<Opened> {
        let place = self.parent(cred, start, path, links)?;
        let Last::Name(name) = place.last else {
            return Err(if flags.excl { Errno::EEXIST } else { Errno::EISDIR });
        };
        if place.slash {
            return Err(Errno::EISDIR);
        }
        match self.lookup(place.dir, name)? {
            Found::Missing => {
                let ino = self.create(cred, place.dir, name, Body::File(Content::default()), mode, now)?;
                Ok(Opened { ino, created: true })
            }
            Found::At(_) if flags.excl => Err(Errno::EEXIST),
            Found::At(ino) => {
                if let Body::Symlink(target) = &self.node(ino).body {
                    if flags.nofollow {
                        return Err(Errno::ELOOP);
                    }
                    links.follow()?;
                    let target = target.clone();
                    return self.open_or_create(cred, place.dir, &target, flags, mode, now, links);
                }
                if self.node(ino).is_dir() {
                    return Err(Errno::EISDIR);
                }
                self.may_open(cred, ino, flags)?;
                Ok(Opened { ino, created: false })
            }
        }
    }

    fn may_open(&self, cred: &Cred, ino: Ino, flags: OpenFlags) -> Sys<()> {
        let node = self.node(ino);
        match node.kind() {
            Kind::Symlink if flags.directory => return Err(Errno::ENOTDIR),
            Kind::Symlink => return Err(Errno::ELOOP),
            Kind::Directory if flags.write || flags.truncate => return Err(Errno::EISDIR),
            Kind::Directory => {}
            _ if flags.directory => return Err(Errno::ENOTDIR),
            _ => {}
        }
        let mut want = Access::EXISTS;
        if flags.read {
            want = want | Access::READ;
        }
        if flags.write || flags.truncate {
            want = want | Access::WRITE;
        }
        self.access(cred, ino, want)?;
        if node.kind() == Kind::Socket { Err(Errno::ENXIO) } else { Ok(()) }
    }

    /// The end that a file may grow to on its way to `end`.
    fn room_for(&self, ino: Ino, end: u64) -> Sys<u64> {
        let end = end.min(MAX_FILE);
        let Some(capacity) = self.capacity else { return Ok(end) };
        let node = self.node(ino);
        let others = self.used.saturating_sub(node.room());
        let most = capacity.saturating_sub(others) / PAGE * PAGE;
        Ok(end.min(most.max(node.size())))
    }

    fn room_for_all(&self, ino: Ino, len: u64) -> Sys<()> {
        if len > MAX_FILE {
            return Err(Errno::EFBIG);
        }
        if self.room_for(ino, len)? < len { Err(Errno::ENOSPC) } else { Ok(()) }
    }

    fn change(&mut self, ino: Ino, now: Time, edit: impl FnOnce(&mut Content)) -> Sys<()> {
        let node = self.table.get_mut(ino).ok_or(Errno::EBADF)?;
        let before = node.room();
        let Body::File(content) = &mut node.body else { return Err(Errno::EINVAL) };
        edit(content);
        self.moved_back += u64::from(now < node.mtime);
        (node.mtime, node.ctime) = (now, now);
        self.used = self.used - before + node.room();
        self.changes += 1;
        node.version = self.changes;
        Ok(())
    }

    fn file(&self, ino: Ino) -> Sys<&Content> {
        match &self.table.get(ino).ok_or(Errno::EBADF)?.body {
            Body::File(content) => Ok(content),
            Body::Dir(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    fn node(&self, ino: Ino) -> &Node {
        self.table.get(ino).expect("an inode in use: the caller holds a name of it or a reference on it")
    }

    fn node_mut(&mut self, ino: Ino) -> &mut Node {
        self.table.get_mut(ino).expect("an inode in use: the caller holds a name of it or a reference on it")
    }

    /// Free the inode if it has neither a name nor a reference.
    fn release(&mut self, ino: Ino) {
        let Some(node) = self.table.get(ino) else { return };
        if node.nlink == 0 && node.opens == 0 {
            let above = if let Body::Dir(dir) = &node.body { Some(dir.parent) } else { None };
            self.used -= node.room();
            self.locks.forget(ino);
            self.table.remove(ino);
            if let Some(above) = above {
                self.close(above);
            }
        }
    }
}
