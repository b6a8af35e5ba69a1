//! The values that calls of the file system take and give.

#[cfg(doc)]
use super::Fs;
use crate::world::clock::Time;
use crate::world::users::{Gid, Uid};
use std::fmt;

/// The number of an inode, as stat(2) shows it and Postfix writes it into its queue ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ino(pub(super) u32);

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
