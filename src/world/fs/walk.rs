//! From a path to an inode (path_resolution(7)).

use super::node::{Body, Dir};
use super::{Access, Fs, Ino, NAME_MAX, PATH_MAX};
use crate::world::errno::{Errno, Sys};
use crate::world::users::Cred;

/// How many symbolic links one path may lead through.
const MAX_LINKS: u32 = 40;

/// Counts the symbolic links followed so far.
#[derive(Default)]
pub(super) struct Links(u32);

impl Links {
    pub(super) fn follow(&mut self) -> Sys<()> {
        self.0 += 1;
        if self.0 > MAX_LINKS { Err(Errno::ELOOP) } else { Ok(()) }
    }
}

/// The last component of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last<'p> {
    Name(&'p str),
    Dot,
    DotDot,
    Root,
}

/// Where a path's last component lies.
pub(super) struct Place<'p> {
    pub(super) dir: Ino,
    pub(super) last: Last<'p>,
    /// Did slashes follow it?
    pub(super) slash: bool,
}

/// What a directory has under a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    At(Ino),
    Missing,
}

impl Fs {
    /// The inode that `path` names, seen from the directory `cwd`. A symbolic link at its end
    /// is followed if `follow` says so or a slash stands behind it.
    ///
    /// ENOENT, ENOTDIR, EACCES for a directory on the way that may not be searched, ELOOP,
    /// ENAMETOOLONG.
    pub fn resolve(&self, cred: &Cred, cwd: Ino, path: &str, follow: bool) -> Sys<Ino> {
        self.walk(cred, cwd, path, follow, &mut Links::default())
    }

    /// The path of a directory from the root, as getcwd(2) tells it; `None` for one that was
    /// removed, and for anything but a directory.
    pub fn path_of(&self, dir: Ino) -> Option<String> {
        let mut names = Vec::new();
        let mut at = dir;
        while at != self.root {
            let Body::Dir(dir) = &self.table.get(at)?.body else { return None };
            if dir.dead {
                return None;
            }
            names.push(&*dir.name);
            at = dir.parent;
        }
        if names.is_empty() {
            return self.table.get(dir).map(|_| "/".into());
        }
        let mut path = String::new();
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        Some(path)
    }

    fn walk(&self, cred: &Cred, start: Ino, path: &str, follow: bool, links: &mut Links) -> Sys<Ino> {
        let path = checked(path)?;
        match memchr::memrchr(b'/', path.as_bytes()) {
            Some(slash) if slash > 0 && path.starts_with('/') => {
                let (way, name) = path.split_at(slash + 1);
                let dir = self.way(cred, way, links)?;
                self.steps(cred, dir, name, follow, links)
            }
            Some(0) => self.steps(cred, self.root, path, follow, links),
            _ => self.steps(cred, start, path, follow, links),
        }
    }

    /// The directory to which an absolute path with a slash at its end leads.
    fn way(&self, cred: &Cred, path: &str, links: &mut Links) -> Sys<Ino> {
        let before = links.0;
        if let Some((to, through)) = self.ways.find(cred, path) {
            links.0 += through;
            return if links.0 > MAX_LINKS { Err(Errno::ELOOP) } else { Ok(to) };
        }
        let to = self.steps(cred, self.root, path, true, links)?;
        self.ways.keep(cred, path, to, links.0 - before);
        Ok(to)
    }

    /// Goes from a directory, name by name.
    fn steps(&self, cred: &Cred, from: Ino, path: &str, follow: bool, links: &mut Links) -> Sys<Ino> {
        let (mut dir, mut rest) = (from, path);
        self.dir(dir)?;
        loop {
            while let Some(behind) = rest.strip_prefix('/') {
                rest = behind;
            }
            if rest.is_empty() {
                return Ok(dir);
            }
            // Names are short: a plain loop finds the slash before a vectorised search has begun.
            let end = rest.bytes().position(|b| b == b'/');
            let name = &rest[..end.unwrap_or(rest.len())];
            self.may_search(cred, dir)?;
            let Found::At(mut ino) = self.step(dir, name)? else { return Err(Errno::ENOENT) };
            if let Body::Symlink(target) = &self.node(ino).body
                && (follow || end.is_some())
            {
                links.follow()?;
                ino = self.walk(cred, dir, target, true, links)?;
            }
            let Some(end) = end else { return Ok(ino) };
            if !self.node(ino).is_dir() {
                return Err(Errno::ENOTDIR);
            }
            dir = ino;
            rest = &rest[end..];
        }
    }

    /// The directory that holds a path's last component, which itself is not looked at. Links
    /// on the way are followed and counted.
    pub(super) fn parent<'p>(
        &self,
        cred: &Cred,
        start: Ino,
        path: &'p str,
        links: &mut Links,
    ) -> Sys<Place<'p>> {
        let whole = checked(path)?;
        let trimmed = whole.trim_end_matches('/');
        let slash = trimmed.len() < whole.len();
        if trimmed.is_empty() {
            return Ok(Place { dir: self.root, last: Last::Root, slash });
        }
        let (dir, name) = match memchr::memrchr(b'/', trimmed.as_bytes()) {
            Some(at) => (self.walk(cred, start, &trimmed[..=at], true, links)?, &trimmed[at + 1..]),
            None => (start, trimmed),
        };
        self.may_search(cred, dir)?;
        let last = match name {
            "." => Last::Dot,
            ".." => Last::DotDot,
            name => Last::Name(name),
        };
        Ok(Place { dir, last, slash })
    }

    /// What `dir` has under `name`, which is neither `.` nor `..`.
    pub(super) fn lookup(&self, dir: Ino, name: &str) -> Sys<Found> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(self.dir(dir)?.entries.get(name).map_or(Found::Missing, |named| Found::At(named.ino)))
    }

    fn step(&self, dir: Ino, name: &str) -> Sys<Found> {
        match name {
            "." => Ok(Found::At(dir)),
            ".." => Ok(Found::At(self.dir(dir)?.parent)),
            name => self.lookup(dir, name),
        }
    }

    /// The directory behind an inode. One that is gone altogether is ENOENT, as for a process
    /// whose working directory was removed.
    pub(super) fn dir(&self, ino: Ino) -> Sys<&Dir> {
        match &self.table.get(ino).ok_or(Errno::ENOENT)?.body {
            Body::Dir(dir) => Ok(dir),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn may_search(&self, cred: &Cred, dir: Ino) -> Sys<()> {
        self.dir(dir)?;
        if cred.uid == 0 { Ok(()) } else { self.access(cred, dir, Access::EXEC) }
    }
}

fn checked(path: &str) -> Sys<&str> {
    match path.len() {
        0 => Err(Errno::ENOENT),
        PATH_MAX.. => Err(Errno::ENAMETOOLONG),
        _ => Ok(path),
    }
}
