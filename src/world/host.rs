//! A simulated machine.

use super::World;
use super::agenda::TaskId;
use super::errno::{Errno, Sys};
use super::fs::{Fs, Ino};
use super::net::Listening;
use super::passwd::UserDb;
use super::process::Process;
use super::rng::Rng;
use super::users::Cred;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

/// A simulated machine; a handle, cheap to clone.
#[derive(Clone)]
pub struct Host(Rc<Inner>);

struct Inner {
    world: World,
    index: u32,
    name: Rc<str>,
    addresses: Vec<IpAddr>,
    fs: RefCell<Fs>,
    users: RefCell<UserDb>,
    processes: RefCell<BTreeMap<u32, Process>>,
    next_pid: Cell<u32>,
    next_port: Cell<u16>,
    rng: RefCell<Rng>,
    pub(super) listeners: RefCell<BTreeMap<SocketAddr, Rc<Listening>>>,
    pub(super) sockets: RefCell<BTreeMap<Ino, Rc<Listening>>>,
    lock_waiters: RefCell<Vec<TaskId>>,
    log: Cell<Option<Ino>>,
}

impl World {
    /// A new machine with these addresses and this file system.
    ///
    /// # Errors
    /// `EEXIST` when there is a host of this name, `EADDRINUSE` when another host has the address.
    pub fn add_host(&self, name: &str, addresses: Vec<IpAddr>, fs: Fs) -> Sys<Host> {
        if self.host(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let index = self.0.hosts.borrow().len() as u32;
        for a in &addresses {
            if self.0.addresses.borrow_mut().insert(*a, index).is_some() {
                return Err(Errno::EADDRINUSE);
            }
        }
        let name: Rc<str> = name.into();
        let mut rng = Rng::new(self.seed(), &name);
        let host = Host(Rc::new(Inner {
            world: self.clone(),
            index,
            name: name.clone(),
            addresses,
            fs: RefCell::new(fs),
            users: RefCell::default(),
            processes: RefCell::default(),
            next_pid: Cell::new(1001 + rng.below(1500) as u32),
            next_port: Cell::new(32768 + rng.below(20000) as u16),
            rng: RefCell::new(rng),
            listeners: RefCell::default(),
            sockets: RefCell::default(),
            lock_waiters: RefCell::default(),
            log: Cell::new(None),
        }));
        self.0.hosts.borrow_mut().insert(name, host.clone());
        Ok(host)
    }

    /// The host that has this address, by its index.
    pub(super) fn host_at(&self, address: IpAddr) -> Option<Host> {
        let index = *self.0.addresses.borrow().get(&address)?;
        self.0.hosts.borrow().get_index(index as usize).map(|(_, h)| h.clone())
    }
}

impl Host {
    /// The world it is in.
    pub fn world(&self) -> &World {
        &self.0.world
    }

    /// Its place among the hosts.
    pub fn index(&self) -> u32 {
        self.0.index
    }

    /// Its full name, as hostname(1) prints it.
    pub fn name(&self) -> &Rc<str> {
        &self.0.name
    }

    /// The first label of its name, as the system log prints it.
    pub fn short_name(&self) -> &str {
        self.0.name.split('.').next().unwrap_or(&self.0.name)
    }

    /// Its addresses, loopback aside.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.0.addresses
    }

    /// Is this address its own, loopback included?
    pub fn owns(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.0.addresses.contains(&address)
    }

    /// Its first address of the family of `to`.
    pub fn source_for(&self, to: IpAddr) -> Option<IpAddr> {
        if to.is_loopback() {
            return Some(if to.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        self.0.addresses.iter().copied().find(|a| a.is_ipv4() == to.is_ipv4())
    }

    /// Its file system.
    pub fn fs(&self) -> Ref<'_, Fs> {
        self.0.fs.borrow()
    }

    /// Its file system, to change it.
    pub fn fs_mut(&self) -> RefMut<'_, Fs> {
        self.0.fs.borrow_mut()
    }

    /// Its users and groups, as `/etc/passwd` and `/etc/group` stand now.
    pub fn users(&self) -> RefMut<'_, UserDb> {
        self.0.users.borrow_mut()
    }

    /// A random number below `n`, from this host's own sequence.
    pub fn random(&self, n: u64) -> u64 {
        self.0.rng.borrow_mut().below(n)
    }

    /// The processes, by their ids.
    pub fn processes(&self) -> Vec<Process> {
        self.0.processes.borrow().values().cloned().collect()
    }

    /// A process by its id.
    pub fn process(&self, pid: u32) -> Option<Process> {
        self.0.processes.borrow().get(&pid).cloned()
    }

    /// Where its programs listen over TCP, in order.
    pub fn listening_addresses(&self) -> Vec<SocketAddr> {
        self.0.listeners.borrow().keys().copied().collect()
    }

    /// The rights of a user who logs in.
    ///
    /// # Errors
    /// `ENOENT` when there is no such user.
    pub fn login(&self, user: &str) -> Sys<Cred> {
        let fs = self.fs();
        let mut users = self.users();
        let passwd = users.getpwnam(&fs, user).ok_or(Errno::ENOENT)?;
        Ok(users.cred(&fs, &passwd))
    }

    pub(super) fn new_pid(&self) -> u32 {
        let pid = self.0.next_pid.get();
        // pid_max of a stock kernel
        self.0.next_pid.set(if pid >= 4_194_303 { 300 } else { pid + 1 });
        pid
    }

    pub(super) fn new_port(&self) -> u16 {
        let port = self.0.next_port.get();
        self.0.next_port.set(if port >= 60998 { 32768 } else { port + 2 });
        port
    }

    pub(super) fn enter(&self, process: Process) {
        self.0.processes.borrow_mut().insert(process.pid(), process);
    }

    pub(super) fn leave(&self, pid: u32) {
        let gone = self.0.processes.borrow_mut().remove(&pid);
        drop(gone);
    }

    pub(super) fn listeners(&self) -> RefMut<'_, BTreeMap<SocketAddr, Rc<Listening>>> {
        self.0.listeners.borrow_mut()
    }

    pub(super) fn sockets(&self) -> RefMut<'_, BTreeMap<Ino, Rc<Listening>>> {
        self.0.sockets.borrow_mut()
    }

    pub(super) fn wait_for_lock(&self, task: TaskId) {
        self.0.lock_waiters.borrow_mut().push(task);
    }

    /// A lock was given up: whoever waits for one looks again.
    pub(super) fn lock_released(&self) {
        let waiting = std::mem::take(&mut *self.0.lock_waiters.borrow_mut());
        for task in waiting {
            self.0.world.wake(task);
        }
    }

    pub(super) fn log_file(&self) -> &Cell<Option<Ino>> {
        &self.0.log
    }

    pub(super) fn shut_down(&self) {
        let processes = std::mem::take(&mut *self.0.processes.borrow_mut());
        for p in processes.values() {
            p.forget();
        }
        let listeners = std::mem::take(&mut *self.0.listeners.borrow_mut());
        let sockets = std::mem::take(&mut *self.0.sockets.borrow_mut());
        drop((processes, listeners, sockets));
    }
}
