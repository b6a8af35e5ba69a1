//! Who reaches whom: listeners, and connections over TCP or over a socket in the file system.
//!
//! # Simplifications
//! All hosts are one hop apart. An address that nobody has answers "No route to host" after three
//! seconds, as on a shared Ethernet where nobody answers for it. There is no congestion control.

use super::agenda::{TaskId, Weight};
use super::clock::Duration;
use super::errno::{Errno, Sys};
use super::fs::{Access, Special};
use super::host::Host;
use super::process::Process;
use super::stream::{Peer, Pipe, Stream, Traced};
use super::{HOP, LATENCY, World};
use crate::trace::{Closing, Direction, Kind};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::task::Poll;

/// How long the kernel asks who has an address before it gives up.
const ADDRESS_RESOLUTION: Duration = Duration::from_millis(3060);

/// How long the kernel repeats an unanswered call (tcp_syn_retries).
const CONNECT_RETRIES: Duration = Duration::from_secs(127);

/// A socket that listens.
pub(super) struct Listening {
    backlog: RefCell<VecDeque<Stream>>,
    /// Tasks in accept(2), the one that waits longest first.
    acceptors: RefCell<VecDeque<TaskId>>,
    /// A task that wants to know of connections nobody accepts.
    watcher: Cell<Option<TaskId>>,
    open: Cell<bool>,
}

/// A socket that listens, as its programs hold it; clones share it, the last one closes it.
#[derive(Clone)]
pub struct Listener(Rc<Bound>);

struct Bound {
    host: Host,
    world: World,
    listening: Rc<Listening>,
    at: At,
}

enum At {
    Tcp(Vec<SocketAddr>),
    Unix(super::fs::Ino),
}

impl Listener {
    fn new(host: &Host, at: At) -> Listener {
        let listening = Rc::new(Listening {
            backlog: RefCell::default(),
            acceptors: RefCell::default(),
            watcher: Cell::new(None),
            open: Cell::new(true),
        });
        Listener(Rc::new(Bound { host: host.clone(), world: host.world().clone(), listening, at }))
    }

    /// A listener with no address: nobody can connect to it.
    pub fn nowhere(host: &Host) -> Listener {
        Listener::new(host, At::Tcp(Vec::new()))
    }

    /// Waits for a connection. Of several that wait, the one that waits longest gets it.
    pub async fn accept(&self) -> Stream {
        let Bound { world, listening, .. } = &*self.0;
        let mut acceptor = Acceptor { bound: &self.0, task: None };
        poll_fn(|_| {
            let me = world.current_task();
            let mut acceptors = listening.acceptors.borrow_mut();
            if let Some(stream) = listening.backlog.borrow_mut().pop_front() {
                acceptors.retain(|t| Some(*t) != me);
                acceptor.task = None;
                return Poll::Ready(stream);
            }
            if let Some(me) = me
                && !acceptors.contains(&me)
            {
                acceptors.push_back(me);
                acceptor.task = Some(me);
            }
            Poll::Pending
        })
        .await
    }

    /// Leaves a connection that was accepted, and from which nothing was read, to the next who accepts.
    pub fn put_back(&self, stream: Stream) {
        let Bound { world, listening, .. } = &*self.0;
        listening.backlog.borrow_mut().push_front(stream);
        let next = listening.acceptors.borrow().front().copied();
        if let Some(task) = next.or(listening.watcher.get()) {
            world.wake(task);
        }
    }

    /// Waits until there is a connection that nobody is waiting to accept.
    pub async fn unattended(&self) {
        let Bound { world, listening, .. } = &*self.0;
        poll_fn(|_| {
            if listening.backlog.borrow().len() > listening.acceptors.borrow().len() {
                return Poll::Ready(());
            }
            listening.watcher.set(world.current_task());
            Poll::Pending
        })
        .await;
    }
}

/// A task that waits for a connection; one that gives up or is killed waits no more.
struct Acceptor<'l> {
    bound: &'l Bound,
    task: Option<TaskId>,
}

impl Drop for Acceptor<'_> {
    fn drop(&mut self) {
        let Some(me) = self.task else { return };
        let Bound { world, listening, .. } = self.bound;
        listening.acceptors.borrow_mut().retain(|t| *t != me);
        // Who called it meanwhile is another's business.
        if !listening.backlog.borrow().is_empty() {
            let next = listening.acceptors.borrow().front().copied();
            for task in [next, listening.watcher.get()].into_iter().flatten() {
                world.wake(task);
            }
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.listening.open.set(false);
        match &self.at {
            At::Tcp(all) => {
                let mut listeners = self.host.listeners();
                for address in all {
                    listeners.remove(address);
                }
            }
            At::Unix(ino) => {
                self.host.sockets().remove(ino);
            }
        }
        let waiting = std::mem::take(&mut *self.listening.backlog.borrow_mut());
        for stream in waiting {
            stream.reset();
        }
    }
}

impl Listening {
    fn offer(&self, world: &World, stream: Stream) {
        self.backlog.borrow_mut().push_back(stream);
        let acceptor = self.acceptors.borrow_mut().pop_front();
        if let Some(task) = acceptor.or_else(|| self.watcher.take()) {
            world.ready(task);
        }
    }
}

impl Process {
    /// Listens on these addresses and ports; `0.0.0.0` and `::` stand for all of their family.
    ///
    /// # Errors
    /// `EACCES` below port 1024 unless root, `EADDRINUSE` when another socket listens there,
    /// `EADDRNOTAVAIL` when the address is not this host's.
    pub fn listen(&self, addresses: &[SocketAddr]) -> Sys<Listener> {
        let host = self.host();
        for a in addresses {
            if a.port() < 1024 && self.cred().uid != 0 {
                return Err(Errno::EACCES);
            }
            if !a.ip().is_unspecified() && !host.owns(a.ip()) {
                return Err(Errno::EADDRNOTAVAIL);
            }
            if host.listeners().contains_key(a) {
                return Err(Errno::EADDRINUSE);
            }
        }
        let listener = Listener::new(host, At::Tcp(addresses.to_vec()));
        for a in addresses {
            host.listeners().insert(*a, listener.0.listening.clone());
        }
        Ok(listener)
    }

    /// Listens on a socket in the file system, made anew with this mode.
    ///
    /// # Errors
    /// Those of mknod(2); `EADDRINUSE` when something else has that name.
    pub fn listen_unix(&self, path: &str, mode: u16) -> Sys<Listener> {
        let host = self.host();
        let ino = self.make_node(path, Special::Socket, mode).map_err(|e| match e {
            Errno::EEXIST => Errno::EADDRINUSE,
            e => e,
        })?;
        let listener = Listener::new(host, At::Unix(ino));
        host.sockets().insert(ino, listener.0.listening.clone());
        Ok(listener)
    }

    /// Calls a socket in the file system.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES` as for any file; `ECONNREFUSED` when nobody listens on it.
    pub async fn connect_unix(&self, path: &str) -> Sys<Stream> {
        let (host, world) = (self.host(), self.world());
        let listening = {
            let fs = host.fs();
            let cred = self.cred();
            let ino = fs.resolve(&cred, self.cwd(), path, true)?;
            fs.access(&cred, ino, Access::WRITE)?;
            host.sockets().get(&ino).cloned().ok_or(Errno::ECONNREFUSED)?
        };
        let path: Rc<str> = path.into();
        let uid = self.cred().uid;
        let (there, back) = (Pipe::new(HOP, None, None), Pipe::new(HOP, None, None));
        let far = Stream::new(world, there.clone(), back.clone(), Peer::Unix { path: path.clone(), uid });
        let near = Stream::new(world, back, there, Peer::Unix { path, uid });
        world.call_after(HOP, Weight::Busy, move |world| {
            if listening.open.get() {
                listening.offer(world, far);
            } else {
                far.reset();
            }
        });
        Ok(near)
    }

    /// Calls an address and port over TCP, from `source` if given.
    ///
    /// # Errors
    /// `ECONNREFUSED`, `EHOSTUNREACH`, `ENETUNREACH`, `ETIMEDOUT`, or `EADDRNOTAVAIL` for a source
    /// that is not this host's.
    pub async fn connect(&self, remote: SocketAddr, source: Option<IpAddr>) -> Sys<Stream> {
        let (host, world) = (self.host(), self.world());
        let remote = canonical(remote);
        if source.is_some_and(|s| !host.owns(s)) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let local_ip = source.or_else(|| host.source_for(remote.ip())).ok_or(Errno::ENETUNREACH)?;
        let local = SocketAddr::new(local_ip, host.new_port());
        let target = if host.owns(remote.ip()) { Some(host.clone()) } else { world.host_at(remote.ip()) };
        let conn = world.trace_mut().name_connection(crate::trace::Ends::Tcp {
            client: local,
            client_host: host.name().clone(),
            server: remote,
            server_host: target.as_ref().map_or_else(|| "".into(), |t| t.name().clone()),
        });
        world.record(Kind::Connect(conn));
        let failed = |how| {
            world.record(Kind::Closed { conn, to: Direction::ToClient, how });
        };
        let Some(target) = target else {
            self.sleep(ADDRESS_RESOLUTION).await;
            failed(Closing::Unreachable);
            return Err(Errno::EHOSTUNREACH);
        };
        let same = target.index() == host.index();
        let route = (!same).then_some((host.index(), target.index()));
        let Some(extra) = self.syn_passes(route).await else {
            failed(Closing::TimedOut);
            return Err(Errno::ETIMEDOUT);
        };
        let delay = if same { HOP / 2 } else { LATENCY };
        self.sleep(delay + extra).await;
        let refused = route.is_some() && world.faults().refuses(target.index(), remote.port());
        let Some(listening) = target.listening(remote).filter(|_| !refused) else {
            self.sleep(delay + extra).await;
            failed(Closing::Refused);
            return Err(Errno::ECONNREFUSED);
        };
        let traced = |to| Some(Traced { conn, to });
        let there = Pipe::new(delay, traced(Direction::ToServer), route);
        let back = Pipe::new(delay, traced(Direction::ToClient), route.map(|(a, b)| (b, a)));
        let far = Stream::new(world, there.clone(), back.clone(), Peer::Tcp { local: remote, remote: local });
        let near = Stream::new(world, back, there, Peer::Tcp { local, remote });
        world.record(Kind::Accepted(conn));
        listening.offer(world, far);
        self.sleep(delay + extra).await;
        Ok(near)
    }

    /// Waits until a call gets through; `None` when the kernel gives up repeating it.
    async fn syn_passes(&self, route: Option<(u32, u32)>) -> Option<Duration> {
        let Some(route) = route else { return Some(Duration::ZERO) };
        let world = self.world();
        let (mut waited, mut pause) = (Duration::ZERO, Duration::from_secs(1));
        loop {
            if let Some(extra) = world.faults().verdict(route) {
                return Some(extra);
            }
            if waited >= CONNECT_RETRIES {
                return None;
            }
            self.idle(pause).await;
            waited += pause;
            pause *= 2;
        }
    }
}

impl Host {
    fn listening(&self, at: SocketAddr) -> Option<Rc<Listening>> {
        let listeners = self.listeners();
        let any: IpAddr =
            if at.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        listeners.get(&at).or_else(|| listeners.get(&SocketAddr::new(any, at.port()))).cloned()
    }
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
