//! Files by their paths, with the rights of a process; what changes is recorded.

use super::errno::{Errno, Sys};
use super::fs::{Access, Fs, Ino, Kind as NodeKind, Mark, OpenFlags, Special, Stat, Touch, Version};
use super::open::{Mode, Open};
use super::process::Process;
use crate::trace::{FileAct, Kind};
use bytes::Bytes;
use std::rc::Rc;

impl Process {
    /// Opens a file; one that is made gets `mode` less the umask.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(&self, path: &str, how: OpenFlags, mode: u16) -> Sys<Rc<Open>> {
        if let Some(open) = self.own_descriptor(path) {
            return open;
        }
        let host = self.host();
        let (ino, stat) = {
            let mut fs = host.fs_mut();
            let opened = fs.open(&self.cred(), self.cwd(), path, how, mode & !self.umask(), self.now())?;
            (opened.ino, fs.stat(opened.ino))
        };
        let mode = Mode { read: how.read, write: how.write, append: how.append };
        match stat.kind {
            NodeKind::CharDevice(device) => {
                host.fs_mut().close(ino);
                Ok(Rc::new(Open::device(host, device, path)))
            }
            NodeKind::Socket | NodeKind::Fifo => {
                host.fs_mut().close(ino);
                Err(Errno::ENOTSOCK)
            }
            _ => {
                let owner = self.world().new_owner();
                Ok(Rc::new(Open::file(host, ino, path, mode, owner)))
            }
        }
    }

    /// What `/dev/stdin`, `/dev/stdout`, `/dev/stderr` and `/dev/fd/N` stand for (fd(4)).
    fn own_descriptor(&self, path: &str) -> Option<Sys<Rc<Open>>> {
        let rest = path.strip_prefix("/dev/")?;
        let n = match rest {
            "stdin" => 0,
            "stdout" => 1,
            "stderr" => 2,
            rest => rest.strip_prefix("fd/")?.parse().ok()?,
        };
        Some(self.fd(n).map_err(|_| Errno::ENOENT))
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// Those of open(2) and read(2).
    pub fn read_file(&self, path: &str) -> Sys<Bytes> {
        let fs = self.host().fs();
        let cred = self.cred();
        let ino = fs.resolve(&cred, self.cwd(), path, true)?;
        fs.access(&cred, ino, Access::READ)?;
        match fs.stat(ino).kind {
            NodeKind::File => fs.read_all(ino),
            NodeKind::Directory => Err(Errno::EISDIR),
            NodeKind::CharDevice(_) => Ok(Bytes::new()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Which content of a file [`read_file`](Process::read_file) would give.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn content_version(&self, path: &str) -> Sys<Version> {
        let fs = self.host().fs();
        let cred = self.cred();
        let ino = fs.resolve(&cred, self.cwd(), path, true)?;
        fs.access(&cred, ino, Access::READ)?;
        Ok(fs.content_version(ino))
    }

    /// The whole content of a file, as text; octets that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// Those of open(2) and read(2).
    pub fn read_text(&self, path: &str) -> Sys<String> {
        self.read_file(path).map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    /// Makes a file's whole content these octets; a new file gets `mode` less the umask.
    ///
    /// # Errors
    /// Those of open(2) and write(2).
    pub fn write_file(&self, path: &str, content: impl Into<Bytes>, mode: u16) -> Sys<()> {
        self.write_with(path, OpenFlags::CREATE, content.into(), mode)
    }

    /// Makes a new file of these octets.
    ///
    /// # Errors
    /// Those of open(2) and write(2); `EEXIST` when there is one already.
    pub fn create_file(&self, path: &str, content: impl Into<Bytes>, mode: u16) -> Sys<()> {
        self.write_with(path, OpenFlags::EXCLUSIVE, content.into(), mode)
    }

    fn write_with(&self, path: &str, how: OpenFlags, content: Bytes, mode: u16) -> Sys<()> {
        let len = content.len() as u32;
        {
            let mut fs = self.host().fs_mut();
            let now = self.now();
            let opened = fs.open(&self.cred(), self.cwd(), path, how, mode & !self.umask(), now)?;
            let written = if fs.stat(opened.ino).kind == NodeKind::File {
                fs.write_all(opened.ino, content, now)
            } else {
                Ok(())
            };
            fs.close(opened.ino);
            written?;
        }
        self.changed(FileAct::Written, path, len);
        Ok(())
    }

    /// What stat(2) tells of a file, or lstat(2) where links are not followed.
    ///
    /// # Errors
    /// Those of stat(2).
    pub fn stat(&self, path: &str, follow: bool) -> Sys<Stat> {
        let fs = self.host().fs();
        let ino = fs.resolve(&self.cred(), self.cwd(), path, follow)?;
        Ok(fs.stat(ino))
    }

    /// Is there something under this name that the process can see?
    pub fn exists(&self, path: &str) -> bool {
        self.stat(path, true).is_ok()
    }

    /// May the process do this with the file?
    ///
    /// # Errors
    /// Those of access(2).
    pub fn access(&self, path: &str, want: Access) -> Sys<()> {
        let fs = self.host().fs();
        let cred = self.cred();
        let ino = fs.resolve(&cred, self.cwd(), path, true)?;
        fs.access(&cred, ino, want)
    }

    /// A directory in which the process may do this.
    fn directory(&self, fs: &Fs, path: &str, wanted: Access) -> Sys<Ino> {
        let cred = self.cred();
        let ino = fs.resolve(&cred, self.cwd(), path, true)?;
        if fs.stat(ino).kind != NodeKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        fs.access(&cred, ino, wanted)?;
        Ok(ino)
    }

    /// The names in a directory, in order, without `.` and `..`.
    ///
    /// # Errors
    /// Those of opendir(3).
    pub fn list(&self, path: &str) -> Sys<Vec<Rc<str>>> {
        let fs = self.host().fs();
        let ino = self.directory(&fs, path, Access::READ)?;
        Ok(fs.readdir(ino)?.map(|(name, _)| name.into()).collect())
    }

    /// The names in a directory, those that came into it last first.
    ///
    /// # Errors
    /// Those of opendir(3).
    pub fn list_newest_first(&self, path: &str) -> Sys<Vec<Rc<str>>> {
        let fs = self.host().fs();
        let ino = self.directory(&fs, path, Access::READ)?;
        Ok(fs.readdir_newest_first(ino)?.map(|(name, _)| name.into()).collect())
    }

    /// The same, only those of whose state `wanted` says so: to look at each of many by its path
    /// takes long.
    ///
    /// # Errors
    /// Those of opendir(3); `EACCES` in a directory that may not be searched.
    pub fn list_newest_first_where(
        &self,
        path: &str,
        wanted: impl Fn(&str, &Stat) -> bool,
    ) -> Sys<Vec<(Rc<str>, Stat)>> {
        let fs = self.host().fs();
        let ino = self.directory(&fs, path, Access::READ | Access::EXEC)?;
        let found = fs.readdir_newest_first_where(ino, wanted)?;
        Ok(found.map(|(name, stat)| (name.into(), stat)).collect())
    }

    /// What a directory is like, to find out whether a look at its files need be repeated.
    ///
    /// # Errors
    /// Those of opendir(3).
    pub fn mark(&self, path: &str) -> Sys<Mark> {
        let fs = self.host().fs();
        let ino = self.directory(&fs, path, Access::READ)?;
        fs.mark(ino)
    }

    /// Removes a name.
    ///
    /// # Errors
    /// Those of unlink(2).
    pub fn unlink(&self, path: &str) -> Sys<()> {
        self.host().fs_mut().unlink(&self.cred(), self.cwd(), path, self.now())?;
        self.changed(FileAct::Removed, path, 0);
        Ok(())
    }

    /// Gives a file another name, in one step.
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn rename(&self, from: &str, to: &str) -> Sys<()> {
        self.rename_untold(from, to)?;
        if self.world().traced() {
            self.world().record(Kind::Renamed { from: from.into(), to: to.into() });
        }
        Ok(())
    }

    /// The same without a word in the trace, where another event tells of it.
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn rename_untold(&self, from: &str, to: &str) -> Sys<()> {
        self.host().fs_mut().rename(&self.cred(), self.cwd(), from, to, self.now())
    }

    /// Gives a file a second name.
    ///
    /// # Errors
    /// Those of link(2).
    pub fn link(&self, from: &str, to: &str) -> Sys<()> {
        self.host().fs_mut().link(&self.cred(), self.cwd(), from, to, self.now())?;
        self.changed(FileAct::Written, to, 0);
        Ok(())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// Those of symlink(2).
    pub fn symlink(&self, target: &str, path: &str) -> Sys<()> {
        self.host().fs_mut().symlink(&self.cred(), target, self.cwd(), path, self.now())?;
        self.changed(FileAct::Written, path, 0);
        Ok(())
    }

    /// Makes a directory with `mode` less the umask.
    ///
    /// # Errors
    /// Those of mkdir(2).
    pub fn mkdir(&self, path: &str, mode: u16) -> Sys<()> {
        let mode = mode & !self.umask();
        self.host().fs_mut().mkdir(&self.cred(), self.cwd(), path, mode, self.now())?;
        self.changed(FileAct::MadeDirectory, path, 0);
        Ok(())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Those of rmdir(2).
    pub fn rmdir(&self, path: &str) -> Sys<()> {
        self.host().fs_mut().rmdir(&self.cred(), self.cwd(), path, self.now())?;
        self.changed(FileAct::Removed, path, 0);
        Ok(())
    }

    /// Makes a socket, a fifo or a device.
    ///
    /// # Errors
    /// Those of mknod(2).
    pub fn make_node(&self, path: &str, what: Special, mode: u16) -> Sys<Ino> {
        let mode = mode & !self.umask();
        self.host().fs_mut().mknod(&self.cred(), self.cwd(), path, what, mode, self.now())
    }

    /// Sets a file's mode bits.
    ///
    /// # Errors
    /// Those of chmod(2).
    pub fn chmod(&self, path: &str, mode: u16) -> Sys<()> {
        self.change(path, true, |fs, ino| fs.chmod(&self.cred(), ino, mode, self.now()))?;
        self.changed(FileAct::Attributes, path, 0);
        Ok(())
    }

    /// Sets a file's owner, its group, or both; of a link's target where `follow`.
    ///
    /// # Errors
    /// Those of chown(2).
    pub fn chown(&self, path: &str, uid: Option<u32>, gid: Option<u32>, follow: bool) -> Sys<()> {
        self.change(path, follow, |fs, ino| fs.chown(&self.cred(), ino, uid, gid, self.now()))?;
        self.changed(FileAct::Attributes, path, 0);
        Ok(())
    }

    /// Sets when a file was last read and written (utimes(2)).
    ///
    /// # Errors
    /// Those of utimes(2).
    pub fn set_times(&self, path: &str, accessed: Touch, modified: Touch) -> Sys<()> {
        self.change(path, true, |fs, ino| fs.utimes(&self.cred(), ino, accessed, modified, self.now()))
    }

    /// Goes to another working directory.
    ///
    /// # Errors
    /// Those of chdir(2).
    pub fn chdir(&self, path: &str) -> Sys<()> {
        let fs = self.host().fs();
        let cred = self.cred();
        let ino = fs.resolve(&cred, self.cwd(), path, true)?;
        if fs.stat(ino).kind != NodeKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        fs.access(&cred, ino, Access::EXEC)?;
        drop((fs, cred));
        self.set_cwd(ino);
        Ok(())
    }

    /// Holds the new directory, so that it outlives its removal, and lets the old one go.
    fn set_cwd(&self, ino: Ino) {
        let mut fs = self.host().fs_mut();
        fs.hold(ino);
        fs.close(self.0.cwd.replace(ino));
    }

    /// The path of the working directory.
    pub fn cwd_path(&self) -> String {
        self.host().fs().path_of(self.cwd()).unwrap_or_else(|| "(unreachable)".to_owned())
    }

    /// Does something to the inode under a path.
    fn change(&self, path: &str, follow: bool, f: impl FnOnce(&mut Fs, Ino) -> Sys<()>) -> Sys<()> {
        let mut fs = self.host().fs_mut();
        let ino = fs.resolve(&self.cred(), self.cwd(), path, follow)?;
        f(&mut fs, ino)
    }

    fn changed(&self, act: FileAct, path: &str, len: u32) {
        if self.world().traced() {
            self.world().record(Kind::File { act, path: path.into(), len });
        }
    }
}
