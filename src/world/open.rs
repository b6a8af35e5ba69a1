//! Open files: what a file descriptor stands for (open(2), "open file description").

use super::World;
use super::clock::Duration;
use super::errno::{Errno, Sys};
use super::fs::{Device, Ino, LockKind};
use super::host::Host;
use super::stream::{Reader, Stream, Writer};
use super::terminal::Terminal;
use super::timer;
use crate::trace::{FileAct, Kind};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// An open file: shared by the descriptors that were duplicated or inherited from one another.
pub struct Open {
    host: Host,
    what: What,
    /// Its name when it was opened.
    path: Rc<str>,
}

enum What {
    File {
        ino: Ino,
        offset: Cell<u64>,
        read: bool,
        write: bool,
        append: bool,
        locked: Cell<bool>,
        owner: u64,
    },
    Device(Device),
    Reader(Reader),
    Writer(Writer),
    Stream(Stream),
    /// A text to be read, such as a here-document.
    Text(RefCell<Bytes>),
    /// Whoever looks on from outside the world.
    Sink(Rc<RefCell<Vec<u8>>>),
    /// A person at the keyboard.
    Terminal(Rc<Terminal>),
}

/// The most a sink keeps, in octets; what is written beyond is dropped.
const SINK_LIMIT: usize = 64 << 20;

/// How a file may be used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    pub read: bool,
    pub write: bool,
    pub append: bool,
}

impl Open {
    pub(super) fn file(host: &Host, ino: Ino, path: &str, mode: Mode, owner: u64) -> Open {
        let Mode { read, write, append } = mode;
        let what =
            What::File { ino, offset: Cell::new(0), read, write, append, locked: Cell::new(false), owner };
        Open { host: host.clone(), what, path: path.into() }
    }

    pub(super) fn device(host: &Host, device: Device, path: &str) -> Open {
        Open { host: host.clone(), what: What::Device(device), path: path.into() }
    }

    /// A connection as an open file.
    pub fn stream(host: &Host, stream: Stream) -> Rc<Open> {
        Rc::new(Open { host: host.clone(), what: What::Stream(stream), path: "socket".into() })
    }

    /// An open file whose content is seen from outside the world: what a person at the keyboard sees.
    pub fn sink(host: &Host) -> (Rc<Open>, Rc<RefCell<Vec<u8>>>) {
        let seen = Rc::new(RefCell::new(Vec::new()));
        (Rc::new(Open { host: host.clone(), what: What::Sink(seen.clone()), path: "terminal".into() }), seen)
    }

    pub(super) fn terminal(host: &Host, terminal: Rc<Terminal>) -> Rc<Open> {
        Rc::new(Open { host: host.clone(), what: What::Terminal(terminal), path: "/dev/tty".into() })
    }

    /// The terminal, where it is one (isatty(3)).
    pub fn as_terminal(&self) -> Option<&Rc<Terminal>> {
        match &self.what {
            What::Terminal(t) => Some(t),
            _ => None,
        }
    }

    /// A text as an open file, to be read once.
    pub fn text(host: &Host, text: impl Into<Bytes>) -> Rc<Open> {
        let what = What::Text(RefCell::new(text.into()));
        Rc::new(Open { host: host.clone(), what, path: "text".into() })
    }

    /// `/dev/null`, for programs that are started without input.
    pub fn null(host: &Host) -> Rc<Open> {
        Rc::new(Open::device(host, Device::Null, "/dev/null"))
    }

    pub(super) fn reader(host: &Host, reader: Reader) -> Rc<Open> {
        Rc::new(Open { host: host.clone(), what: What::Reader(reader), path: "pipe".into() })
    }

    pub(super) fn writer(host: &Host, writer: Writer) -> Rc<Open> {
        Rc::new(Open { host: host.clone(), what: What::Writer(writer), path: "pipe".into() })
    }

    fn world(&self) -> &World {
        self.host.world()
    }

    /// Its name when it was opened.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The inode, where it is a file.
    pub fn ino(&self) -> Option<Ino> {
        match self.what {
            What::File { ino, .. } => Some(ino),
            _ => None,
        }
    }

    /// The connection, where it is one.
    pub fn as_stream(&self) -> Option<&Stream> {
        match &self.what {
            What::Stream(s) => Some(s),
            _ => None,
        }
    }

    /// Reads at most `max` octets from where the last reading or writing stopped; none at the end.
    ///
    /// # Errors
    /// `EBADF` where it is not open for reading, `ECONNRESET`.
    pub async fn read(&self, max: usize) -> Sys<Bytes> {
        match &self.what {
            What::File { read: false, .. } | What::Writer(_) | What::Sink(_) => Err(Errno::EBADF),
            What::File { ino, offset, .. } => {
                let data = self.host.fs().read_at(*ino, offset.get(), max)?;
                offset.set(offset.get() + data.len() as u64);
                Ok(data)
            }
            What::Device(Device::Null | Device::Tty) => Ok(Bytes::new()),
            What::Device(Device::Zero | Device::Full) => Ok(Bytes::from(vec![0; max.min(65536)])),
            What::Device(Device::Random | Device::Urandom) => {
                Ok((0..max.min(65536)).map(|_| self.host.random(256) as u8).collect())
            }
            What::Terminal(t) => Ok(t.read(self.world(), max).await),
            What::Text(text) => {
                let mut text = text.borrow_mut();
                let n = text.len().min(max);
                Ok(text.split_to(n))
            }
            What::Reader(r) => {
                let mut got = r.read().await?;
                if got.len() > max {
                    r.unread(got.split_off(max));
                }
                Ok(got)
            }
            What::Stream(s) => {
                let mut got = s.read().await?;
                if got.len() > max {
                    s.unread(got.split_off(max));
                }
                Ok(got)
            }
        }
    }

    /// Everything up to the end, at most `limit` octets.
    ///
    /// # Errors
    /// As [`read`](Open::read); `EFBIG` when there is more.
    pub async fn read_to_end(&self, limit: usize) -> Sys<Bytes> {
        let first = self.read(limit + 1).await?;
        if first.is_empty() {
            return Ok(first);
        }
        let mut all = Vec::new();
        let mut next = self.read(limit + 1).await?;
        if next.is_empty() {
            return if first.len() > limit { Err(Errno::EFBIG) } else { Ok(first) };
        }
        all.extend_from_slice(&first);
        while !next.is_empty() {
            all.extend_from_slice(&next);
            if all.len() > limit {
                return Err(Errno::EFBIG);
            }
            next = self.read(limit + 1).await?;
        }
        Ok(all.into())
    }

    /// Gives back octets that were read and are not wanted, so that the next reader gets them.
    pub fn unread(&self, bytes: Bytes) {
        match &self.what {
            What::File { offset, .. } => offset.set(offset.get().saturating_sub(bytes.len() as u64)),
            What::Text(text) => {
                let mut text = text.borrow_mut();
                *text = [bytes, text.clone()].concat().into();
            }
            What::Reader(r) => r.unread(bytes),
            What::Stream(s) => s.unread(bytes),
            What::Terminal(t) if !bytes.is_empty() => t.unread(bytes),
            What::Device(_) | What::Writer(_) | What::Sink(_) | What::Terminal(_) => {}
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// `EBADF`, `ENOSPC`, `EPIPE`, `ECONNRESET`.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Sys<()> {
        let bytes = bytes.into();
        match &self.what {
            What::File { write: false, .. } | What::Reader(_) | What::Text(_) => Err(Errno::EBADF),
            What::File { .. } => self.write_file(&bytes),
            What::Device(Device::Full) => Err(Errno::ENOSPC),
            What::Device(_) => Ok(()),
            What::Writer(w) => w.write(bytes).await,
            What::Stream(s) => s.write(bytes).await,
            What::Sink(seen) => {
                see(seen, &bytes);
                Ok(())
            }
            What::Terminal(t) => {
                see(t.seen(), &bytes);
                Ok(())
            }
        }
    }

    /// Writes to a file, which never has to wait.
    ///
    /// # Errors
    /// `EBADF` where it is not a file open for writing, `ENOSPC`.
    pub fn write_file(&self, bytes: &[u8]) -> Sys<()> {
        let What::File { ino, offset, write: true, append, .. } = &self.what else {
            return Err(Errno::EBADF);
        };
        let now = self.world().now();
        {
            let mut fs = self.host.fs_mut();
            if *append {
                fs.append(*ino, bytes, now)?;
                offset.set(fs.stat(*ino).size);
            } else {
                fs.write_at(*ino, offset.get(), bytes, now)?;
                offset.set(offset.get() + bytes.len() as u64);
            }
        }
        if self.world().traced() {
            let kind = Kind::File { act: FileAct::Written, path: self.path.clone(), len: bytes.len() as u32 };
            self.world().record(kind);
        }
        Ok(())
    }

    /// Where the next reading or writing begins (lseek(2)).
    ///
    /// # Errors
    /// `ESPIPE` where it is no file.
    pub fn offset(&self) -> Sys<u64> {
        match &self.what {
            What::File { offset, .. } => Ok(offset.get()),
            _ => Err(Errno::ESPIPE),
        }
    }

    /// Sets where the next reading or writing begins.
    ///
    /// # Errors
    /// `ESPIPE` where it is no file.
    pub fn seek(&self, to: u64) -> Sys<()> {
        match &self.what {
            What::File { offset, .. } => {
                offset.set(to);
                Ok(())
            }
            _ => Err(Errno::ESPIPE),
        }
    }

    /// Says that no more will be written, where that can be said (shutdown(2)).
    pub fn end(&self) {
        match &self.what {
            What::Writer(w) => w.end(),
            What::Stream(s) => s.end(),
            _ => {}
        }
    }

    /// Takes an advisory lock on the whole file, waiting for it at most `limit`.
    ///
    /// # Errors
    /// `EAGAIN` when somebody else had it all the time, `EINVAL` where it is no file.
    pub async fn lock(&self, kind: LockKind, limit: Duration) -> Sys<()> {
        let What::File { ino, locked, owner, .. } = &self.what else { return Err(Errno::EINVAL) };
        let world = self.world();
        let attempt = poll_fn(|_| {
            if self.host.fs_mut().try_lock(*ino, *owner, kind) {
                return Poll::Ready(());
            }
            if let Some(task) = world.current_task() {
                self.host.wait_for_lock(task);
            }
            Poll::Pending
        });
        timer::timeout(world, limit, attempt).await.ok_or(Errno::EAGAIN)?;
        locked.set(true);
        Ok(())
    }

    /// Gives the lock up.
    pub fn unlock(&self) {
        if let What::File { ino, locked, owner, .. } = &self.what
            && locked.replace(false)
        {
            self.host.fs_mut().unlock(*ino, *owner);
            self.host.lock_released();
        }
    }
}

/// Adds to what is seen from outside.
fn see(seen: &RefCell<Vec<u8>>, bytes: &[u8]) {
    let mut seen = seen.borrow_mut();
    let room = SINK_LIMIT.saturating_sub(seen.len());
    seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

impl Drop for Open {
    fn drop(&mut self) {
        self.unlock();
        if let What::File { ino, .. } = self.what {
            self.host.fs_mut().close(ino);
        }
    }
}
