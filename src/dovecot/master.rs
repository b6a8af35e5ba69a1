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
    loop {
        match p.signal().await {
            Signal::Hup => {
                log(p, "master", "Warning: SIGHUP received - reloading configuration");
                end(p, &services);
                if let Ok(again) = conf::read(p, CONF) {
                    conf = again;
                }
                services = self::services(p, &conf);
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
    let mut unix = vec![(format!("{RUN}/{service}"), 0o666, None)];
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
