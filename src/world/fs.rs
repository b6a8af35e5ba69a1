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
//! - from a path to an inode: `walk`
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
mod walk;

use super::clock::Time;
use super::errno::{Errno, Sys};
use super::users::{Cred, Gid, Uid};
use bytes::Bytes;
use content::Content;
use locks::Locks;
use node::{Body, Dir, Node, Table};
use std::fmt;
use walk::{Found, Last, Links};

pub use attr::{Access, Touch};
pub use locks::LockKind;
pub use names::Special;

/// The longest name of a directory entry, in bytes (NAME_MAX).
pub const NAME_MAX: usize = 255;
/// The longest path, in bytes, with the NUL byte that a C program puts at its end (PATH_MAX).
pub const PATH_MAX: usize = 4096;
/// The longest file, in bytes: 1 GiB. Beyond it a write fails with EFBIG.
pub const MAX_FILE: u64 = 1 << 30;
/// The unit in which files take room, in bytes.
pub const PAGE: u64 = 4096;

/// The number of an inode, as stat(2) shows it and Postfix writes it into its queue ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ino(u32);

impl Ino {
    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inode {}", self.0)
    }
}

/// What an inode is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice(Device),
}

/// The character devices of a host, each with its number of /dev as in null(4), random(4), tty(4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    Null,
    Zero,
    Full,
    Random,
    Urandom,
    Tty,
}

impl Device {
    /// Its name under /dev.
    pub const fn name(self) -> &'static str {
        match self {
            Device::Null => "null",
            Device::Zero => "zero",
            Device::Full => "full",
            Device::Random => "random",
            Device::Urandom => "urandom",
            Device::Tty => "tty",
        }
    }

    /// Its major and minor number.
    pub const fn number(self) -> (u32, u32) {
        match self {
            Device::Null => (1, 3),
            Device::Zero => (1, 5),
            Device::Full => (1, 7),
            Device::Random => (1, 8),
            Device::Urandom => (1, 9),
            Device::Tty => (5, 0),
        }
    }
}

/// What stat(2) tells of an inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    pub ino: Ino,
    /// The device the file system lies on; the same for all files of a host.
    pub dev: u32,
    pub kind: Kind,
    /// The twelve mode bits, without the file type.
    pub mode: u16,
    /// How many names the inode has; a directory has two and one for each directory in it.
    pub nlink: u32,
    pub uid: Uid,
    pub gid: Gid,
    /// In bytes.
    pub size: u64,
    /// Room taken, in units of 512 bytes.
    pub blocks: u64,
    /// Last read, as far as the layer above tells ([`Fs::accessed`]).
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of the inode: owner, mode, number of names, content.
    pub ctime: Time,
}

impl Stat {
    /// Is it a directory?
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Is it a regular file?
    pub fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    /// `st_mode`: the type and the mode bits in one number.
    pub fn st_mode(&self) -> u32 {
        let kind = match self.kind {
            Kind::Fifo => 0o010000,
            Kind::CharDevice(_) => 0o020000,
            Kind::Directory => 0o040000,
            Kind::File => 0o100000,
            Kind::Symlink => 0o120000,
            Kind::Socket => 0o140000,
        };
        kind | u32::from(self.mode)
    }
}

/// How open(2) is to open. The default opens nothing for anything; start from
/// [`READ`](OpenFlags::READ) or [`CREATE`](OpenFlags::CREATE) and change what differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenFlags {
    pub read: bool,
    pub write: bool,
    /// O_CREAT
    pub create: bool,
    /// O_EXCL: with `create`, the name must not exist yet.
    pub excl: bool,
    /// O_TRUNC
    pub truncate: bool,
    /// O_APPEND; the caller then writes by [`Fs::append`].
    pub append: bool,
    /// O_NOFOLLOW
    pub nofollow: bool,
    /// O_DIRECTORY
    pub directory: bool,
}

impl OpenFlags {
    const NONE: OpenFlags = OpenFlags {
        read: false,
        write: false,
        create: false,
        excl: false,
        truncate: false,
        append: false,
        nofollow: false,
        directory: false,
    };
    /// O_RDONLY
    pub const READ: OpenFlags = OpenFlags { read: true, ..OpenFlags::NONE };
    /// O_WRONLY
    pub const WRITE: OpenFlags = OpenFlags { write: true, ..OpenFlags::NONE };
    /// O_RDWR
    pub const UPDATE: OpenFlags = OpenFlags { read: true, write: true, ..OpenFlags::NONE };
    /// O_WRONLY | O_CREAT | O_TRUNC, as a shell opens for `>`.
    pub const CREATE: OpenFlags = OpenFlags { create: true, truncate: true, ..OpenFlags::WRITE };
    /// O_WRONLY | O_CREAT | O_APPEND, as a shell opens for `>>`.
    pub const APPEND: OpenFlags = OpenFlags { create: true, append: true, ..OpenFlags::WRITE };
    /// O_WRONLY | O_CREAT | O_EXCL: a new file or EEXIST.
    pub const EXCLUSIVE: OpenFlags = OpenFlags { create: true, excl: true, ..OpenFlags::WRITE };
}

/// What [`Fs::open`] gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The inode, on which the caller now holds a reference to be given back by [`Fs::close`].
    pub ino: Ino,
    /// Was the file made by this call?
    pub created: bool,
}

/// How full a file system is, as statvfs(3) tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Room in all, in bytes.
    pub size: u64,
    /// Room taken, in bytes.
    pub used: u64,
    /// Number of inodes in use.
    pub inodes: u64,
}

impl Usage {
    /// Room left, in bytes.
    pub fn free(&self) -> u64 {
        self.size.saturating_sub(self.used)
    }
}

/// The file system of one host.
#[derive(Clone)]
pub struct Fs {
    table: Table,
    root: Ino,
    locks: Locks,
    capacity: Option<u64>,
    used: u64,
    changes: u64,
}

impl Fs {
    /// What the file system measures where no capacity was set, in bytes.
    const ROOMY: u64 = 12_341_828 * 1024;

    /// A root directory, owned by root, mode 755, and nothing else.
    pub fn new(now: Time) -> Fs {
        let mut table = Table::default();
        let root = table.next();
        table.add(Node::new(Body::Dir(Dir::new(root, "")), 0o755, 0, 0, now));
        Fs { table, root, locks: Locks::default(), capacity: None, used: 0, changes: 0 }
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

    /// fstat(2).
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
