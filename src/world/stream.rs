//! Pipes, and the streams made of two of them.
//!
//! A [`Pipe`] carries items one way, from a writer to a reader, each arriving after the pipe's
//! delay and in order. A [`Stream`] is a pair: a TCP connection or a socket in the file system.
//! Items are bytes or, between the parts of one program, whole values ([`Stream::send`]).
//! Flow control is a window: a writer waits while too much lies unread.

use super::World;
use super::agenda::{Action, TaskId, Weight};
use super::clock::{Duration, Time};
use super::errno::{Errno, Sys};
use super::tls::Tls;
use crate::trace::{Closing, ConnId, Direction, Kind, ProcId};
use bytes::Bytes;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// Octets a writer may have on the way or unread before it waits.
const WINDOW: usize = 1 << 20;

/// When TCP first sends a lost segment again; each further pause is twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// After this long TCP gives a connection up (tcp_retries2).
const GIVE_UP: Duration = Duration::from_secs(924);

/// What travels.
pub(super) enum Item {
    Bytes(Bytes),
    Value(Box<dyn Any>),
    /// The writer is done.
    End,
    /// The other side cut the connection.
    Reset,
}

/// Where a pipe stands in the trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced {
    pub conn: ConnId,
    pub to: Direction,
}

/// One way from a writer to a reader.
pub struct Pipe {
    items: RefCell<VecDeque<Item>>,
    /// Octets sent and not yet read.
    outstanding: Cell<usize>,
    ended: Cell<bool>,
    reset: Cell<bool>,
    reader_gone: Cell<bool>,
    reader: Cell<Option<TaskId>>,
    writer: Cell<Option<TaskId>>,
    owner: Cell<ProcId>,
    last_arrival: Cell<Time>,
    delay: Duration,
    /// What a fault keeps from passing, to be sent again later, as TCP does.
    stalled: RefCell<VecDeque<Item>>,
    traced: Option<Traced>,
    /// The two hosts, for faults.
    pub(super) route: Option<(u32, u32)>,
}

impl Pipe {
    pub(super) fn new(delay: Duration, traced: Option<Traced>, route: Option<(u32, u32)>) -> Rc<Pipe> {
        Rc::new(Pipe {
            items: RefCell::default(),
            outstanding: Cell::new(0),
            ended: Cell::new(false),
            reset: Cell::new(false),
            reader_gone: Cell::new(false),
            reader: Cell::new(None),
            writer: Cell::new(None),
            owner: Cell::new(ProcId::default()),
            last_arrival: Cell::new(Time::default()),
            delay,
            stalled: RefCell::default(),
            traced,
            route,
        })
    }

    /// The process that reads from it.
    pub(super) fn owner(&self) -> ProcId {
        self.owner.get()
    }

    /// Puts an item on its way.
    fn send(self: &Rc<Pipe>, world: &World, item: Item) {
        if let (Some(t), Item::Bytes(b)) = (self.traced, &item) {
            world.record(Kind::Sent { conn: t.conn, to: t.to, bytes: b.clone() });
        }
        if !self.stalled.borrow().is_empty() {
            self.stalled.borrow_mut().push_back(item);
            return;
        }
        match self.extra_delay(world) {
            Some(extra) => self.pass(world, extra, item),
            None => {
                self.lose(world, &item);
                self.stalled.borrow_mut().push_back(item);
                self.retry_later(world, FIRST_RETRY, Duration::ZERO);
            }
        }
    }

    /// What faults say of this route now: a delay, or nothing passes.
    fn extra_delay(&self, world: &World) -> Option<Duration> {
        self.route.map_or(Some(Duration::ZERO), |route| world.faults().verdict(route))
    }

    fn pass(self: &Rc<Pipe>, world: &World, extra: Duration, item: Item) {
        let at = (world.now() + self.delay + extra).max(self.last_arrival.get());
        self.last_arrival.set(at);
        world.put(at, Weight::Busy, Action::Arrive(self.clone(), item));
    }

    fn lose(&self, world: &World, item: &Item) {
        if let (Some(t), Item::Bytes(b)) = (self.traced, item) {
            world.record(Kind::Lost { conn: t.conn, to: t.to, len: b.len() as u32 });
        }
    }

    /// Tries again after `pause`; `waited` is how long it has been tried already.
    fn retry_later(self: &Rc<Pipe>, world: &World, pause: Duration, waited: Duration) {
        let pipe = self.clone();
        world.call_after(pause, Weight::Idle, move |world| {
            let waited = waited + pause;
            if let Some(extra) = pipe.extra_delay(world) {
                let items = std::mem::take(&mut *pipe.stalled.borrow_mut());
                for item in items {
                    pipe.pass(world, extra, item);
                }
            } else if waited < GIVE_UP {
                pipe.retry_later(world, pause * 2, waited);
            } else {
                pipe.stalled.borrow_mut().clear();
                pipe.arrive(world, Item::Reset);
            }
        });
    }

    /// An item has arrived.
    pub(super) fn arrive(&self, world: &World, item: Item) {
        if let Some(t) = self.traced {
            let kind = match &item {
                Item::Bytes(b) => Some(Kind::Arrived { conn: t.conn, to: t.to, len: b.len() as u32 }),
                Item::End => Some(Kind::Closed { conn: t.conn, to: t.to, how: Closing::Finished }),
                Item::Reset => Some(Kind::Closed { conn: t.conn, to: t.to, how: Closing::Reset }),
                Item::Value(_) => None,
            };
            if let Some(kind) = kind {
                world.record_for(self.owner.get(), kind);
            }
        }
        match item {
            Item::End => self.ended.set(true),
            Item::Reset => {
                self.reset.set(true);
                if let Some(task) = self.writer.take() {
                    world.ready(task);
                }
            }
            item => self.items.borrow_mut().push_back(item),
        }
        if let Some(task) = self.reader.take() {
            world.ready(task);
        }
    }

    fn end(self: &Rc<Pipe>, world: &World) {
        self.send(world, Item::End);
    }

    /// The reader will read no more: a later write fails.
    fn abandon(&self, world: &World) {
        self.reader_gone.set(true);
        self.items.borrow_mut().clear();
        if let Some(task) = self.writer.take() {
            world.wake(task);
        }
    }

    fn took(&self, world: &World, octets: usize) {
        let left = self.outstanding.get().saturating_sub(octets);
        self.outstanding.set(left);
        if left < WINDOW
            && let Some(task) = self.writer.take()
        {
            world.wake(task);
        }
    }
}

/// The reading end of a pipe.
pub struct Reader {
    world: World,
    pipe: Rc<Pipe>,
}

impl Reader {
    pub(super) fn new(world: &World, pipe: Rc<Pipe>) -> Reader {
        Reader { world: world.clone(), pipe }
    }

    /// Waits for bytes; none at the end.
    ///
    /// # Errors
    /// `ECONNRESET` when the other side cut the connection.
    pub async fn read(&self) -> Sys<Bytes> {
        loop {
            match self.next().await {
                Ok(Some(Item::Bytes(b))) => return Ok(b),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Bytes::new()),
                Err(e) => return Err(e),
            }
        }
    }

    /// Waits for a whole value; `None` at the end, or when something else came.
    pub async fn receive<T: 'static>(&self) -> Option<T> {
        self.receive_any().await?.downcast::<T>().ok().map(|b| *b)
    }

    /// Waits for a whole value of any type; `None` at the end, or when something else came.
    pub async fn receive_any(&self) -> Option<Box<dyn Any>> {
        match self.next().await {
            Ok(Some(Item::Value(v))) => Some(v),
            _ => None,
        }
    }

    /// Is there something to read, or an end to be seen, right now?
    pub fn readable(&self) -> bool {
        !self.pipe.items.borrow().is_empty() || self.pipe.ended.get() || self.pipe.reset.get()
    }

    /// Puts bytes back in front, to be read again first.
    pub fn unread(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pipe.outstanding.set(self.pipe.outstanding.get() + bytes.len());
            self.pipe.items.borrow_mut().push_front(Item::Bytes(bytes));
        }
    }

    async fn next(&self) -> Sys<Option<Item>> {
        poll_fn(|_| {
            let item = self.pipe.items.borrow_mut().pop_front();
            if let Some(item) = item {
                self.pipe.took(&self.world, size(&item));
                return Poll::Ready(Ok(Some(item)));
            }
            if self.pipe.reset.get() {
                return Poll::Ready(Err(Errno::ECONNRESET));
            }
            if self.pipe.ended.get() {
                return Poll::Ready(Ok(None));
            }
            self.pipe.owner.set(self.world.current_process());
            self.pipe.reader.set(self.world.current_task());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pipe.abandon(&self.world);
    }
}

/// The writing end of a pipe.
pub struct Writer {
    world: World,
    pipe: Rc<Pipe>,
    ended: Cell<bool>,
}

impl Writer {
    pub(super) fn new(world: &World, pipe: Rc<Pipe>) -> Writer {
        Writer { world: world.clone(), pipe, ended: Cell::new(false) }
    }

    /// Sends bytes, waiting first while too much lies unread.
    ///
    /// # Errors
    /// `EPIPE` when nobody will read any more, `ECONNRESET` when the connection was cut.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Sys<()> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Ok(());
        }
        self.room().await?;
        self.pipe.outstanding.set(self.pipe.outstanding.get() + bytes.len());
        self.pipe.send(&self.world, Item::Bytes(bytes));
        Ok(())
    }

    /// Sends a whole value to another part of the same program.
    ///
    /// # Errors
    /// `EPIPE` when nobody will read any more.
    pub fn send<T: 'static>(&self, value: T) -> Sys<()> {
        if self.pipe.reader_gone.get() || self.ended.get() {
            return Err(Errno::EPIPE);
        }
        self.pipe.send(&self.world, Item::Value(Box::new(value)));
        Ok(())
    }

    /// Says that no more will come (half-close).
    pub fn end(&self) {
        if !self.ended.replace(true) {
            self.pipe.end(&self.world);
        }
    }

    async fn room(&self) -> Sys<()> {
        poll_fn(|_| {
            if self.pipe.reset.get() {
                return Poll::Ready(Err(Errno::ECONNRESET));
            }
            if self.pipe.reader_gone.get() || self.ended.get() {
                return Poll::Ready(Err(Errno::EPIPE));
            }
            if self.pipe.outstanding.get() < WINDOW {
                return Poll::Ready(Ok(()));
            }
            self.pipe.writer.set(self.world.current_task());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

fn size(item: &Item) -> usize {
    match item {
        Item::Bytes(b) => b.len(),
        _ => 0,
    }
}

/// One end of a connection: reads what the peer writes, writes what the peer reads.
pub struct Stream {
    reader: Reader,
    writer: Writer,
    peer: Peer,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A TCP connection: this end's address and the other's.
    Tcp {
        /// The address of this end.
        local: std::net::SocketAddr,
        /// The address of the other end.
        remote: std::net::SocketAddr,
    },
    /// A socket in the file system, with the user at the other end.
    Unix {
        /// The path of the socket.
        path: Rc<str>,
        /// The peer's user id (SO_PEERCRED).
        uid: u32,
    },
}

impl Stream {
    pub(super) fn new(world: &World, incoming: Rc<Pipe>, outgoing: Rc<Pipe>, peer: Peer) -> Stream {
        Stream { reader: Reader::new(world, incoming), writer: Writer::new(world, outgoing), peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Waits for bytes; none at the end.
    ///
    /// # Errors
    /// `ECONNRESET` when the other side cut the connection.
    pub async fn read(&self) -> Sys<Bytes> {
        self.reader.read().await
    }

    /// Puts bytes back in front, to be read again first.
    pub fn unread(&self, bytes: Bytes) {
        self.reader.unread(bytes);
    }

    /// Is there something to read, or an end to be seen, right now?
    pub fn readable(&self) -> bool {
        self.reader.readable()
    }

    /// Sends bytes, waiting first while too much lies unread.
    ///
    /// # Errors
    /// `EPIPE` or `ECONNRESET` when the connection is gone.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Sys<()> {
        self.writer.write(bytes).await
    }

    /// Says that no more will come; the other direction stays open.
    pub fn end(&self) {
        self.writer.end();
    }

    /// Cuts the connection.
    pub fn reset(&self) {
        if !self.writer.ended.replace(true) {
            self.writer.pipe.send(&self.writer.world, Item::Reset);
        }
    }

    /// Answers a handshake of TLS: what passes from now on is sealed.
    ///
    /// # Errors
    /// `EPIPE` when the other end is gone.
    pub fn seal(&self, tls: &Tls) -> Sys<()> {
        let world = &self.writer.world;
        if let Some(t) = self.writer.pipe.traced {
            let what =
                format!("{} with cipher {}, certificate of {}", tls.protocol, tls.cipher, tls.certificate);
            world.record(Kind::Sealed { conn: t.conn, what: what.into() });
        }
        self.writer.send(tls.clone())
    }

    /// Hands a whole value to the program at the other end, which is a part of the same system;
    /// `what` says in the trace what passes.
    ///
    /// # Errors
    /// `EPIPE` when the other end is gone.
    pub fn send<T: 'static>(&self, what: impl FnOnce(&T) -> String, value: T) -> Sys<()> {
        let world = &self.writer.world;
        if world.traced()
            && let Peer::Unix { path, .. } = &self.peer
        {
            world.record(Kind::HandOver { to: path.clone(), what: what(&value).into() });
        }
        self.writer.send(value)
    }

    /// The same without a word in the trace, for what happens by the clock all the time.
    ///
    /// # Errors
    /// `EPIPE` when the other end is gone.
    pub fn send_untold<T: 'static>(&self, value: T) -> Sys<()> {
        self.writer.send(value)
    }

    /// Waits for a whole value; `None` when the other end is gone.
    pub async fn receive<T: 'static>(&self) -> Option<T> {
        self.reader.receive().await
    }

    /// Waits for a whole value of any type; `None` when the other end is gone.
    pub async fn receive_any(&self) -> Option<Box<dyn Any>> {
        self.reader.receive_any().await
    }
}
