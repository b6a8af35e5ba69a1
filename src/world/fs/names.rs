//! Making, linking, renaming and removing names.

use super::attr::SGID;
use super::node::{Body, Dir, Named, Node};
use super::walk::{Found, Last, Links, Place};
use super::{Access, Device, Fs, Ino, Stat};
use crate::world::clock::Time;
use crate::world::errno::{Errno, Sys};
use crate::world::users::Cred;
use std::rc::Rc;

/// What mknod(2) makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Special {
    Fifo,
    /// As bind(2) makes one for a local socket.
    Socket,
    /// Root only.
    Device(Device),
}

impl Fs {
    /// mkdir(2). `mode` has the umask applied; a set-group-id directory passes on its group and
    /// that bit.
    pub fn mkdir(&mut self, cred: &Cred, cwd: Ino, path: &str, mode: u16, now: Time) -> Sys<Ino> {
        let place = self.parent(cred, cwd, path, &mut Links::default())?;
        let name = self.new_name(&place, true)?;
        self.create(cred, place.dir, name, Body::Dir(Dir::new(place.dir, name)), mode & 0o1777, now)
    }

    /// symlink(2): a link `path` that leads to `target`. ENOENT for an empty target.
    pub fn symlink(&mut self, cred: &Cred, target: &str, cwd: Ino, path: &str, now: Time) -> Sys<Ino> {
        match target.len() {
            0 => return Err(Errno::ENOENT),
            super::PATH_MAX.. => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        let place = self.parent(cred, cwd, path, &mut Links::default())?;
        let name = self.new_name(&place, false)?;
        self.create(cred, place.dir, name, Body::Symlink(Rc::from(target)), 0o777, now)
    }

    /// mknod(2), mkfifo(3), or the name that bind(2) makes for a local socket. `mode` has the
    /// umask applied.
    pub fn mknod(
        &mut self,
        cred: &Cred,
        cwd: Ino,
        path: &str,
        what: Special,
        mode: u16,
        now: Time,
    ) -> Sys<Ino> {
        let place = self.parent(cred, cwd, path, &mut Links::default())?;
        let name = self.new_name(&place, false)?;
        let body = match what {
            Special::Fifo => Body::Fifo,
            Special::Socket => Body::Socket,
            Special::Device(device) => Body::Device(device),
        };
        self.may_create(cred, place.dir)?;
        if matches!(what, Special::Device(_)) && cred.uid != 0 {
            return Err(Errno::EPERM);
        }
        self.create(cred, place.dir, name, body, mode, now)
    }

    /// readlink(2). EINVAL for anything but a symbolic link.
    pub fn readlink(&self, ino: Ino) -> Sys<Rc<str>> {
        match &self.node(ino).body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// link(2): a second name for a file. A symbolic link is itself linked, not what it leads to.
    pub fn link(&mut self, cred: &Cred, cwd: Ino, old: &str, new: &str, now: Time) -> Sys<()> {
        let ino = self.resolve(cred, cwd, old, false)?;
        let place = self.parent(cred, cwd, new, &mut Links::default())?;
        let name = self.new_name(&place, false)?;
        self.may_link(cred, ino)?;
        self.may_create(cred, place.dir)?;
        if self.node(ino).is_dir() {
            return Err(Errno::EPERM);
        }
        let node = self.node_mut(ino);
        node.nlink += 1;
        node.ctime = now;
        self.enter(place.dir, name, ino, now);
        Ok(())
    }

    /// unlink(2). The file itself goes with its last name and its last reference.
    pub fn unlink(&mut self, cred: &Cred, cwd: Ino, path: &str, now: Time) -> Sys<()> {
        let place = self.parent(cred, cwd, path, &mut Links::default())?;
        let Last::Name(name) = place.last else { return Err(Errno::EISDIR) };
        let ino = self.found(place.dir, name)?;
        let is_dir = self.node(ino).is_dir();
        if place.slash {
            return Err(if is_dir { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        self.may_delete(cred, place.dir, ino)?;
        if is_dir {
            return Err(Errno::EISDIR);
        }
        self.leave(place.dir, name, now);
        self.unname(ino, now);
        Ok(())
    }

    /// rmdir(2).
    pub fn rmdir(&mut self, cred: &Cred, cwd: Ino, path: &str, now: Time) -> Sys<()> {
        let place = self.parent(cred, cwd, path, &mut Links::default())?;
        let name = match place.last {
            Last::Name(name) => name,
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Root => return Err(Errno::EBUSY),
        };
        let ino = self.found(place.dir, name)?;
        self.may_delete(cred, place.dir, ino)?;
        if !self.dir(ino)?.entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.leave(place.dir, name, now);
        self.bury(place.dir, ino, now);
        Ok(())
    }

    /// rename(2): in one step, with what bore the new name before replaced.
    pub fn rename(&mut self, cred: &Cred, cwd: Ino, old: &str, new: &str, now: Time) -> Sys<()> {
        let from = self.parent(cred, cwd, old, &mut Links::default())?;
        let to = self.parent(cred, cwd, new, &mut Links::default())?;
        let (Last::Name(old), Last::Name(new)) = (from.last, to.last) else { return Err(Errno::EBUSY) };
        let ino = self.found(from.dir, old)?;
        let target = self.lookup(to.dir, new)?;
        let is_dir = self.node(ino).is_dir();
        if !is_dir && (from.slash || to.slash) {
            return Err(Errno::ENOTDIR);
        }
        if is_dir && self.lies_in(to.dir, ino) {
            return Err(Errno::EINVAL);
        }
        if let Found::At(other) = target {
            if from.dir != to.dir && self.lies_in(from.dir, other) {
                return Err(Errno::ENOTEMPTY);
            }
            if other == ino {
                return Ok(());
            }
        }
        self.may_rename(cred, &from, ino, &to, target)?;

        self.leave(from.dir, old, now);
        if is_dir && from.dir != to.dir {
            self.node_mut(from.dir).nlink -= 1;
            self.node_mut(to.dir).nlink += 1;
        }
        self.enter(to.dir, new, ino, now);
        let node = self.node_mut(ino);
        node.ctime = now;
        match &mut node.body {
            Body::Dir(dir) => {
                dir.parent = to.dir;
                dir.name = new.into();
                self.forget_ways();
            }
            Body::Symlink(_) => self.forget_ways(),
            _ => {}
        }
        if let Found::At(other) = target {
            if self.node(other).is_dir() { self.bury(to.dir, other, now) } else { self.unname(other, now) }
        }
        Ok(())
    }

    /// The entries of a directory in the byte order of their names, without `.` and `..`.
    pub fn readdir(&self, dir: Ino) -> Sys<impl Iterator<Item = (&str, Ino)>> {
        let mut all: Vec<(&str, Ino)> =
            self.dir(dir)?.entries.iter().map(|(name, named)| (&**name, named.ino)).collect();
        all.sort_unstable();
        Ok(all.into_iter())
    }

    /// The entries of a directory, the newest name first, as tmpfs gives them.
    pub fn readdir_newest_first(&self, dir: Ino) -> Sys<impl Iterator<Item = (&str, Ino)>> {
        let mut all: Vec<_> =
            self.dir(dir)?.entries.iter().map(|(name, n)| (n.number, &**name, n.ino)).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        Ok(all.into_iter().map(|(_, name, ino)| (name, ino)))
    }

    /// The same, only the entries that are `wanted`, with their states.
    pub fn readdir_newest_first_where(
        &self,
        dir: Ino,
        wanted: impl Fn(&str, &Stat) -> bool,
    ) -> Sys<impl Iterator<Item = (&str, Stat)>> {
        let entries = self.dir(dir)?.entries.iter();
        let mut all: Vec<_> = entries
            .map(|(name, n)| (n.number, &**name, self.stat(n.ino)))
            .filter(|(_, name, stat)| wanted(name, stat))
            .collect();
        all.sort_unstable_by_key(|(number, _, _)| std::cmp::Reverse(*number));
        Ok(all.into_iter().map(|(_, name, stat)| (name, stat)))
    }

    /// Has the directory no entries but `.` and `..`?
    pub fn is_empty_dir(&self, dir: Ino) -> Sys<bool> {
        Ok(self.dir(dir)?.entries.is_empty())
    }

    /// The directory that a directory lies in; the root lies in itself.
    pub fn parent_of(&self, dir: Ino) -> Sys<Ino> {
        Ok(self.dir(dir)?.parent)
    }

    /// Make an inode and give it a name that is known to be free.
    pub(super) fn create(
        &mut self,
        cred: &Cred,
        dir: Ino,
        name: &str,
        body: Body,
        mode: u16,
        now: Time,
    ) -> Sys<Ino> {
        self.may_create(cred, dir)?;
        let is_dir = matches!(body, Body::Dir(_));
        let (mut mode, mut gid) = (mode & 0o7777, cred.gid);
        let above = self.node(dir);
        if above.mode & SGID != 0 {
            gid = above.gid;
            if is_dir {
                mode |= SGID;
            } else if mode & 0o010 != 0 && cred.uid != 0 && !cred.in_group(gid) {
                mode &= !SGID;
            }
        }
        let ino = self.table.add(Node::new(body, mode, cred.uid, gid, now));
        if is_dir {
            self.node_mut(dir).nlink += 1;
        }
        self.enter(dir, name, ino, now);
        Ok(ino)
    }

    /// The name that `place` offers for something new.
    fn new_name<'p>(&self, place: &Place<'p>, is_dir: bool) -> Sys<&'p str> {
        let Last::Name(name) = place.last else { return Err(Errno::EEXIST) };
        match self.lookup(place.dir, name)? {
            Found::At(_) => Err(Errno::EEXIST),
            Found::Missing if place.slash && !is_dir => Err(Errno::ENOENT),
            Found::Missing => Ok(name),
        }
    }

    fn found(&self, dir: Ino, name: &str) -> Sys<Ino> {
        match self.lookup(dir, name)? {
            Found::At(ino) => Ok(ino),
            Found::Missing => Err(Errno::ENOENT),
        }
    }

    fn may_rename(&self, cred: &Cred, from: &Place<'_>, ino: Ino, to: &Place<'_>, target: Found) -> Sys<()> {
        let is_dir = self.node(ino).is_dir();
        self.may_delete(cred, from.dir, ino)?;
        match target {
            Found::Missing => self.may_create(cred, to.dir)?,
            Found::At(other) => {
                self.may_delete(cred, to.dir, other)?;
                match (is_dir, self.node(other).is_dir()) {
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    _ => {}
                }
            }
        }
        // A directory that moves gets another `..`, which is a change in it.
        if is_dir && from.dir != to.dir {
            self.access(cred, ino, Access::WRITE)?;
        }
        match target {
            Found::At(other) if is_dir && !self.dir(other)?.entries.is_empty() => Err(Errno::ENOTEMPTY),
            _ => Ok(()),
        }
    }

    /// Is `dir` the directory `top` or somewhere below it?
    fn lies_in(&self, dir: Ino, top: Ino) -> bool {
        let mut at = dir;
        loop {
            if at == top {
                return true;
            }
            match self.dir(at) {
                Ok(dir) if at != self.root => at = dir.parent,
                _ => return false,
            }
        }
    }

    fn enter(&mut self, dir: Ino, name: &str, ino: Ino, now: Time) {
        let node = self.node_mut(dir);
        (node.mtime, node.ctime) = (now, now);
        if let Body::Dir(dir) = &mut node.body {
            dir.given += 1;
            let named = Named { ino, number: dir.given };
            match dir.entries.get_mut(name) {
                Some(entry) => *entry = named,
                None => _ = dir.entries.insert(name.into(), named),
            }
        }
    }

    fn leave(&mut self, dir: Ino, name: &str, now: Time) {
        let node = self.node_mut(dir);
        (node.mtime, node.ctime) = (now, now);
        if let Body::Dir(dir) = &mut node.body {
            dir.entries.remove(name);
        }
    }

    /// One name of a file less.
    fn unname(&mut self, ino: Ino, now: Time) {
        let node = self.node_mut(ino);
        node.nlink -= 1;
        node.ctime = now;
        if matches!(node.body, Body::Symlink(_)) {
            self.forget_ways();
        }
        self.release(ino);
    }

    /// A directory has lost its only name. If it is still in use its `..` is too.
    fn bury(&mut self, parent: Ino, ino: Ino, now: Time) {
        self.forget_ways();
        self.node_mut(parent).nlink -= 1;
        let node = self.node_mut(ino);
        node.nlink = 0;
        node.ctime = now;
        if let Body::Dir(dir) = &mut node.body {
            dir.dead = true;
        }
        self.hold(parent);
        self.release(ino);
    }
}
