//! Putting a message into a folder. What the folder is follows from its name and from what is there:
//! `name/.` is an MH folder, `name/` a Maildir, another directory gets a file a message, and
//! everything else is an mbox.
//!
//! An mbox gets a `>` before each later line that begins with `From `, and everything but a Maildir an empty
//! line at the end of a message that has none. A Maildir gets no `From ` line.

use super::recipe::Procmail;
use crate::world::clock::Duration;
use crate::world::errno::{Errno, Sys};
use crate::world::fs::{LockKind, OpenFlags};
use std::borrow::Cow;

/// procmail waits this long after it has made an mbox, so that its times tell new mail.
const AFTER_FIRST: Duration = Duration::from_secs(1);
/// No longer than this is waited for the kernel's lock.
const KERNEL_LOCK: Duration = Duration::from_secs(1024);
/// A free name is looked for so often.
const NAMES: u32 = 4096;

/// The kinds of folders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FolderType {
    /// Swallows everything.
    Null,
    /// One file.
    Mbox,
    /// `name/`
    Maildir,
    /// `name/.`
    Mh,
    /// A directory without a slash.
    Directory,
}

impl Procmail {
    /// What kind of folder this is.
    pub fn folder_type(&self, name: &str) -> FolderType {
        if name == "/dev/null" {
            FolderType::Null
        } else if name.ends_with("/.") {
            FolderType::Mh
        } else if name.ends_with('/') {
            FolderType::Maildir
        } else if self.p.stat(name, true).is_ok_and(|s| s.is_dir()) {
            FolderType::Directory
        } else {
            FolderType::Mbox
        }
    }

    /// Delivers into a folder; false when that failed. With `raw` nothing is added.
    pub async fn deliver(&mut self, name: &str, header: bool, body: bool, raw: bool) -> bool {
        let kind = self.folder_type(name);
        let content = self.message.parts(header, body);
        let content = match kind {
            FolderType::Null => Cow::Borrowed(content),
            FolderType::Maildir => Cow::Borrowed(without_from_line(content)),
            FolderType::Mbox => mbox_entry(content, raw),
            FolderType::Mh | FolderType::Directory => ended(content, raw),
        };
        let content = content.into_owned();
        let size = content.len();
        let written = match kind {
            FolderType::Null => {
                self.set_last_folder(name).await;
                self.tell(|| format!("Opening \"{name}\"")).await;
                Ok(())
            }
            FolderType::Mbox => self.write_mbox(name, content).await,
            FolderType::Maildir => self.write_maildir(name, content).await,
            FolderType::Mh => self.write_mh(name, content).await,
            FolderType::Directory => self.write_directory(name, content).await,
        };
        match written {
            Ok(()) => {
                self.last_size = size;
                true
            }
            Err(_) => {
                self.say_of("Error while writing to", name).await;
                false
            }
        }
    }

    /// Says where the message went, for `LASTFOLDER` and the log.
    pub async fn set_last_folder(&mut self, name: &str) {
        self.tell(|| format!("Assigning \"LASTFOLDER={name}\"")).await;
        self.note_last_folder(name);
    }

    /// The same without a word.
    pub fn note_last_folder(&mut self, name: &str) {
        self.p.set_var("LASTFOLDER", Some(name));
        self.last_folder = name.to_owned();
    }

    async fn write_mbox(&mut self, name: &str, content: Vec<u8>) -> Sys<()> {
        self.set_last_folder(name).await;
        self.tell(|| format!("Opening \"{name}\"")).await;
        let file = if self.mail_group.is_some() && name == self.original_mailbox() {
            // The system mailbox is made for the group, too, that may write beside it.
            self.as_mailbox_owner(|p| {
                let mask = p.set_umask(p.umask() & !0o070);
                let file = p.open(name, OpenFlags::APPEND, 0o666);
                p.set_umask(mask);
                file
            })?
        } else {
            self.p.open(name, OpenFlags::APPEND, 0o666)?
        };
        self.tell(|| "Acquiring kernel-lock".to_owned()).await;
        if file.lock(LockKind::Exclusive, KERNEL_LOCK).await.is_err() {
            self.say("Kernel-lock failed").await;
        }
        let was_empty = self.p.stat(name, true).is_ok_and(|s| s.is_file() && s.size == 0);
        file.write(content).await?;
        if was_empty {
            self.p.sleep(AFTER_FIRST).await;
        }
        file.unlock();
        Ok(())
    }

    async fn write_maildir(&mut self, name: &str, content: Vec<u8>) -> Sys<()> {
        let base = name.trim_end_matches('/');
        let base = if base.is_empty() { "." } else { base };
        for sub in ["", "/tmp", "/new", "/cur"] {
            match self.p.mkdir(&format!("{base}{sub}"), 0o777) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(e) => return Err(e),
            }
        }
        for _ in 0..NAMES {
            let file = self.unique_name();
            let (draft, place) = (format!("{base}/tmp/{file}"), format!("{base}/new/{file}"));
            match self.p.open(&draft, OpenFlags::EXCLUSIVE, 0o666) {
                Ok(open) => {
                    open.write(content).await?;
                    self.p.rename(&draft, &place)?;
                    self.set_last_folder(&place).await;
                    return Ok(());
                }
                Err(Errno::EEXIST) => {}
                Err(e) => return Err(e),
            }
        }
        Err(Errno::EEXIST)
    }

    async fn write_mh(&mut self, name: &str, content: Vec<u8>) -> Sys<()> {
        let directory = name.trim_end_matches("/.");
        match self.p.mkdir(directory, 0o777) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
        let numbers = self.p.list(directory)?;
        let highest = numbers.iter().filter_map(|n| n.parse::<u32>().ok()).max().unwrap_or(0);
        self.write_new_file((1..NAMES).map(|n| format!("{directory}/{}", highest.saturating_add(n))), content)
            .await
    }

    async fn write_directory(&mut self, name: &str, content: Vec<u8>) -> Sys<()> {
        const LETTERS: &[u8; 64] = b"-,0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxy";
        let prefix = self.var("MSGPREFIX");
        let host = self.p.host().clone();
        let mut names = (0..NAMES).map(|_| {
            let letters: String = (0..4).map(|_| char::from(LETTERS[host.random(64) as usize])).collect();
            format!("{name}/{prefix}{letters}")
        });
        self.write_new_file(&mut names, content).await
    }

    async fn write_new_file(&mut self, names: impl Iterator<Item = String>, content: Vec<u8>) -> Sys<()> {
        for name in names {
            match self.p.open(&name, OpenFlags::EXCLUSIVE, 0o666) {
                Ok(file) => {
                    self.set_last_folder(&name).await;
                    self.tell(|| format!("Opening \"{name}\"")).await;
                    self.tell(|| "Acquiring kernel-lock".to_owned()).await;
                    return file.write(content).await;
                }
                Err(Errno::EEXIST) => {}
                Err(e) => return Err(e),
            }
        }
        Err(Errno::EEXIST)
    }

    /// Gives the message that was just delivered a second place, by a link.
    pub async fn link_into(&mut self, name: &str) -> bool {
        let from = self.last_folder.clone();
        let base = name.trim_end_matches('.').trim_end_matches('/');
        let to = match self.folder_type(name) {
            FolderType::Maildir => format!("{base}/new/{}", self.unique_name()),
            FolderType::Mh | FolderType::Directory => {
                let numbers = self.p.list(base).unwrap_or_default();
                let highest = numbers.iter().filter_map(|n| n.parse::<u32>().ok()).max().unwrap_or(0);
                format!("{base}/{}", highest.saturating_add(1))
            }
            FolderType::Null | FolderType::Mbox => {
                self.say_of("Skipped", name).await;
                return false;
            }
        };
        self.tell(|| format!("Linking to \"{to}\"")).await;
        if self.p.link(&from, &to).is_err() {
            self.say_of("Couldn't make link to", &to).await;
            return false;
        }
        true
    }

    fn unique_name(&mut self) -> String {
        let serial = self.next_serial();
        format!("{}.{}_{serial}.{}", self.p.now().unix(), self.p.pid(), self.var("HOST"))
    }

    /// Counts the names made within a second.
    pub fn next_serial(&mut self) -> u32 {
        let now = self.p.now().unix();
        self.serial = if self.serial.0 == now { (now, self.serial.1 + 1) } else { (now, 0) };
        self.serial.1
    }
}

fn without_from_line(content: &[u8]) -> &[u8] {
    if !content.starts_with(b"From ") {
        return content;
    }
    memchr::memchr(b'\n', content).map_or(&[], |n| &content[n + 1..])
}

/// With an empty line at the end, where that is wanted and there is none.
pub fn ended(content: &[u8], raw: bool) -> Cow<'_, [u8]> {
    if raw || content.ends_with(b"\n\n") {
        return Cow::Borrowed(content);
    }
    let mut out = Vec::with_capacity(content.len() + 1);
    out.extend_from_slice(content);
    out.push(b'\n');
    Cow::Owned(out)
}

fn mbox_entry(content: &[u8], raw: bool) -> Cow<'_, [u8]> {
    if memchr::memmem::find(content, b"\nFrom ").is_none() {
        return ended(content, raw);
    }
    let mut out = Vec::with_capacity(content.len() + 16);
    for (i, line) in content.split_inclusive(|c| *c == b'\n').enumerate() {
        if i > 0 && line.starts_with(b"From ") {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
    Cow::Owned(ended(&out, raw).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_quotes_and_ends() {
        assert_eq!(
            &*mbox_entry(b"From a  d\nX: y\n\nFrom b\nlast\n", false),
            b"From a  d\nX: y\n\n>From b\nlast\n\n"
        );
        assert_eq!(&*mbox_entry(b"Subject: x\n\nb", false), b"Subject: x\n\nb\n");
        assert_eq!(&*mbox_entry(b"", false), b"\n");
        assert_eq!(&*mbox_entry(b"b", true), b"b");
        assert_eq!(without_from_line(b"From a\nX: y\n"), b"X: y\n");
    }
}
