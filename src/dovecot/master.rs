//! dovecot(1): the server. Opens the sockets of the services and hands them to their programs.
//!
//! Reads `dovecot.conf` when it starts and on SIGHUP; writes `/run/dovecot/master.pid`. As a command,
//! `dovecot stop` and `dovecot reload` do what `doveadm` does.

use super::conf::{self, Block};
use super::doveadm::running;
use super::log::log;
use super::{CONF, RUN, VERSION};
use crate::world::clock::Duration;
use crate::world::exec::{Child, Signal, Start};
use crate::world::net::Listener;
use crate::world::process::Process;
use crate::world::timer::{Either, race};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

/// What a service's program gets from the server besides its arguments.
pub struct Inheritance {
    /// The configuration.
    pub conf: Block,
    /// The sockets it takes connections from.
    pub listeners: Vec<Listener>,
}

/// The command and the server behind it.
pub async fn main(p: Process) -> i32 {
    let args = p.args();
    match args.first().map(|a| &**a) {
        Some("-F" | "--daemon") => serve(&p).await,
        Some("stop" | "reload") => {
            let argv: Vec<Rc<str>> = ["doveadm", &args[0]].map(Into::into).to_vec();
            p.exec("/usr/bin/doveadm", &argv).await.unwrap_or(127)
        }
        Some("--version") => {
            p.print(format!("{VERSION}\n")).await;
            0
        }
        _ => start(&p).await,
    }
}

/// Starts the server in the background.
async fn start(p: &Process) -> i32 {
    if let Some(pid) = running(p) {
        p.eprint(format!("Fatal: Dovecot is already running with PID {pid} (read from {RUN}/master.pid)\n"))
            .await;
        return 89;
    }
    if let Err(text) = conf::read(p, CONF) {
        p.eprint(format!("doveconf: Fatal: {text}\n")).await;
        return 89;
    }
    let mut start = Start::new(["dovecot", "-F"]);
    start.fds = Some(BTreeMap::new());
    start.directory = Some("/".to_owned());
    match p.spawn("/usr/sbin/dovecot", start) {
        Ok(server) => {
            for _ in 0..50 {
                if running(p).is_some() || server.status().is_some() {
                    break;
                }
                p.sleep(Duration::from_millis(1)).await;
            }
            server.status().map_or(0, |status| i32::from(status != 0) * 89)
        }
        Err(e) => {
            p.eprint(format!("Fatal: exec /usr/sbin/dovecot: {e}\n")).await;
            84
        }
    }
}

async fn serve(p: &Process) -> i32 {
    let Ok(mut conf) = conf::read(p, CONF) else { return 89 };
    p.set_umask(0);
    let _ = p.mkdir(RUN, 0o755);
    let pid_file = format!("{RUN}/master.pid");
    if p.write_file(&pid_file, format!("{}\n", p.pid()), 0o644).is_err() {
        return 89;
    }
    p.catch(&[Signal::Hup, Signal::Term]);
    let protocols = conf.setting("protocols").unwrap_or("imap pop3 lmtp").split_whitespace();
    let protocols: Vec<&str> = protocols.collect();
    let shown = protocols.join(", ");
    log(p, "master", &format!("Dovecot v{VERSION} starting up for {shown} (core dumps disabled)"));
    let mut services = services(p, &conf);
    let mut over = auth_service(p, &conf);
    loop {
        match p.signal().await {
            Signal::Hup => {
                log(p, "master", "Warning: SIGHUP received - reloading configuration");
                end(p, &services);
                if let Ok(again) = conf::read(p, CONF) {
                    conf = again;
                }
                services = self::services(p, &conf);
                over.set(true);
                over = auth_service(p, &conf);
            }
            signal => {
                let text =
                    format!("Warning: Killed with signal {} (by pid=0 uid=0 code=kill)", signal.number());
                log(p, "master", &text);
                end(p, &services);
                let _ = p.unlink(&pid_file);
                return 0;
            }
        }
    }
}

/// Opens the sockets of the auth service. Other than the ones that deliver, its process begins when
/// somebody calls; the cell is set when that shall happen no more.
fn auth_service(p: &Process, conf: &Block) -> Rc<Cell<bool>> {
    let over = Rc::new(Cell::new(false));
    let work = Rc::new(Inheritance { conf: conf.clone(), listeners: listeners(p, conf, "auth") });
    for n in 0..work.listeners.len() {
        p.task(watch_auth(p.clone(), work.clone(), n, over.clone()));
    }
    over
}

/// How long a service whose process cannot begin its work is left alone.
const THROTTLE: Duration = Duration::from_secs(2);

/// Starts the auth process when somebody calls that none listens to.
async fn watch_auth(p: Process, work: Rc<Inheritance>, n: usize, over: Rc<Cell<bool>>) {
    let Some(listener) = work.listeners.get(n) else { return };
    while !over.get() {
        listener.unattended().await;
        if over.get() {
            return;
        }
        let mut start = Start::new(["dovecot/auth"]);
        start.inherited = Some(work.clone());
        let Ok(child) = p.spawn("/usr/lib/dovecot/auth", start) else { return };
        // It serves all sockets of the service: nobody is started beside it.
        let grace = p.sleep(Duration::from_millis(5));
        if let Either::Right(status) = race(grace, child.wait()).await
            && status != 0
        {
            let seconds = THROTTLE.as_secs();
            let text =
                format!("Error: service(auth): command startup failed, throttling for {seconds}.000 secs");
            log(&p, "master", &text);
            // Whoever called is told at once that nobody comes.
            drop(p.timeout(Duration::from_millis(1), listener.accept()).await);
            p.idle(THROTTLE).await;
        }
    }
}

fn end(p: &Process, services: &[Child]) {
    for service in services {
        let _ = p.kill(service.process().pid(), Signal::Term);
    }
}

/// Starts the programs of the services that deliver.
fn services(p: &Process, conf: &Block) -> Vec<Child> {
    let protocols = conf.setting("protocols").unwrap_or("imap pop3 lmtp");
    if !protocols.split_whitespace().any(|w| w == "lmtp") {
        return Vec::new();
    }
    let listeners = listeners(p, conf, "lmtp");
    let mut start = Start::new(["dovecot/lmtp"]);
    start.inherited = Some(Rc::new(Inheritance { conf: conf.clone(), listeners }));
    p.spawn("/usr/lib/dovecot/lmtp", start).into_iter().collect()
}

/// The sockets of a service: its own in the server's directory, and those that the configuration adds.
fn listeners(p: &Process, conf: &Block, service: &str) -> Vec<Listener> {
    let mut all = Vec::new();
    let own: &[(&str, u16)] = match service {
        "auth" => &[("auth-client", 0o600), ("auth-userdb", 0o666)],
        _ => &[(service, 0o666)],
    };
    let mut unix: Vec<_> = own.iter().map(|(name, mode)| (format!("{RUN}/{name}"), *mode, None)).collect();
    for block in conf.all("service").filter(|b| b.name == service) {
        for listener in block.all("unix_listener") {
            let path = match listener.name.starts_with('/') {
                true => listener.name.clone(),
                false => format!("{RUN}/{}", listener.name),
            };
            let mode = listener.setting("mode").and_then(|m| u16::from_str_radix(m, 8).ok()).unwrap_or(0o600);
            unix.retain(|(p, ..)| *p != path);
            unix.push((path, mode, Some(listener)));
        }
        for listener in block.all("inet_listener") {
            let port = listener.setting("port").and_then(|port| port.parse().ok()).filter(|port| *port > 0);
            let Some(port) = port else { continue };
            let addresses = addresses(listener.setting("address").or_else(|| conf.setting("listen")));
            let at: Vec<SocketAddr> = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
            match p.listen(&at) {
                Ok(listener) => all.push(listener),
                Err(e) => log(p, "master", &format!("Error: service({service}): listen({port}) failed: {e}")),
            }
        }
    }
    for (path, mode, block) in unix {
        let _ = p.unlink(&path);
        match p.listen_unix(&path, mode) {
            Ok(listener) => {
                let ids = block.map_or((None, None), |b| ids(p, b));
                let _ = p.chown(&path, ids.0, ids.1, false);
                all.push(listener);
            }
            Err(e) => log(p, "master", &format!("Error: service({service}): bind({path}) failed: {e}")),
        }
    }
    all
}

/// To whom a socket is given.
fn ids(p: &Process, listener: &Block) -> (Option<u32>, Option<u32>) {
    let host = p.host();
    let (fs, mut users) = (host.fs(), host.users());
    let uid = listener.setting("user").and_then(|u| users.getpwnam(&fs, u)).map(|u| u.uid);
    let gid = listener.setting("group").and_then(|g| users.getgrnam(&fs, g)).map(|g| g.gid);
    (uid, gid)
}

/// `listen = *, ::`
fn addresses(text: Option<&str>) -> Vec<IpAddr> {
    let words = text.unwrap_or("*, ::").split([',', ' ']).filter(|w| !w.is_empty());
    words
        .filter_map(|word| match word {
            "*" => Some(Ipv4Addr::UNSPECIFIED.into()),
            "::" => Some(Ipv6Addr::UNSPECIFIED.into()),
            word => word.parse().ok(),
        })
        .collect()
}
