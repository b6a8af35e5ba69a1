//! Inodes and the table that holds them.

use super::content::Content;
use super::{Device, Ino, Kind, PAGE};
use crate::world::clock::Time;
use crate::world::users::{Gid, Uid};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::rc::Rc;

/// The first number given out. Where an inode number of a disk in use may well begin: Postfix's
/// queue ids then have the ten characters that one is used to.
const FIRST: u32 = 0x80012;

/// A number is given out again only when so many others were freed after it: a queue id is made
/// of a time and an inode number, and must not come back at once.
const REST: usize = 512;

/// One inode.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) body: Body,
    /// The twelve permission bits.
    pub(super) mode: u16,
    pub(super) nlink: u32,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// References held by those who have it open.
    pub(super) opens: u32,
    /// Which change of a content, of all in this file system, was the last one here.
    pub(super) version: u64,
    pub(super) atime: Time,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
}

/// What an inode consists of.
#[derive(Clone)]
pub(super) enum Body {
    File(Content),
    Dir(Dir),
    Symlink(Rc<str>),
    Fifo,
    Socket,
    Device(Device),
}

/// What a name in a directory stands for, and the how-manieth name it is there.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) ino: Ino,
    pub(super) number: u64,
}

/// A directory: its entries and where it hangs.
#[derive(Clone)]
pub(super) struct Dir {
    /// By hash, since every step of every path asks here; its order must not be seen, so whoever
    /// lists the names sorts them.
    pub(super) entries: FxHashMap<Box<str>, Named>,
    /// How many names have been given in it so far.
    pub(super) given: u64,
    /// The directory it lies in; the root is its own.
    pub(super) parent: Ino,
    /// Its name there.
    pub(super) name: Box<str>,
    /// It was removed while in use: nothing can be made in it any more.
    pub(super) dead: bool,
}

impl Dir {
    pub(super) fn new(parent: Ino, name: &str) -> Dir {
        Dir { entries: FxHashMap::default(), given: 0, parent, name: name.into(), dead: false }
    }
}

impl Node {
    pub(super) fn new(body: Body, mode: u16, uid: Uid, gid: Gid, now: Time) -> Node {
        let nlink = if matches!(body, Body::Dir(_)) { 2 } else { 1 };
        Node { body, mode, nlink, uid, gid, opens: 0, version: 0, atime: now, mtime: now, ctime: now }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Dir(_) => Kind::Directory,
            Body::Symlink(_) => Kind::Symlink,
            Body::Fifo => Kind::Fifo,
            Body::Socket => Kind::Socket,
            Body::Device(device) => Kind::CharDevice(device),
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        matches!(self.body, Body::Dir(_))
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.body, Body::File(_))
    }

    pub(super) fn size(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.len(),
            Body::Dir(dir) => 20 * (dir.entries.len() as u64 + 2),
            Body::Symlink(target) => target.len() as u64,
            Body::Fifo | Body::Socket | Body::Device(_) => 0,
        }
    }

    /// Room taken on the disk, in bytes.
    pub(super) fn room(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.len().div_ceil(PAGE) * PAGE,
            _ => 0,
        }
    }
}

/// All inodes by number. Clones share the inodes; whoever changes one first makes it its own.
#[derive(Clone, Default)]
pub(super) struct Table {
    slots: Vec<Option<Rc<Node>>>,
    /// Numbers no longer in use, in the order they were freed.
    free: VecDeque<Ino>,
}

impl Table {
    /// The number that [`add`](Table::add) will give next.
    pub(super) fn next(&self) -> Ino {
        if self.free.len() > REST { self.free[0] } else { Ino(FIRST + self.slots.len() as u32) }
    }

    pub(super) fn add(&mut self, node: Node) -> Ino {
        let ino = self.next();
        match self.slots.get_mut((ino.0 - FIRST) as usize) {
            Some(slot) => {
                self.free.pop_front();
                *slot = Some(Rc::new(node));
            }
            None => self.slots.push(Some(Rc::new(node))),
        }
        ino
    }

    pub(super) fn remove(&mut self, ino: Ino) {
        if let Some(slot) = self.slots.get_mut((ino.0 - FIRST) as usize)
            && slot.take().is_some()
        {
            self.free.push_back(ino);
        }
    }

    pub(super) fn get(&self, ino: Ino) -> Option<&Node> {
        self.slots.get((ino.0 - FIRST) as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, ino: Ino) -> Option<&mut Node> {
        self.slots.get_mut((ino.0 - FIRST) as usize)?.as_mut().map(Rc::make_mut)
    }

    pub(super) fn live(&self) -> u64 {
        (self.slots.len() - self.free.len()) as u64
    }
}
