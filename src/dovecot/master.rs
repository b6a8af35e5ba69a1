//! dovecot(1): the master process. It reads the configuration, opens the sockets of the services, and
//! starts a service's process when somebody calls.
//!
//! `dovecot` starts it, `dovecot -F` does not leave the foreground; `dovecot stop` and
//! `dovecot reload` tell a running one.

use super::conf::{Files, Section};
use super::{CONF, auth, log};
use crate::world::clock::Duration;
use crate::world::exec::{Signal, Start};
use crate::world::process::Process;
use crate::world::timer::{Either, race};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The version, as the log names it.
pub const VERSION: &str = "2.3.19.1 (9b53102964)";

/// The file with the master's process id.
const PID_FILE: &str = "/run/dovecot/master.pid";

/// How long a service whose process cannot begin its work is left alone.
const THROTTLE: Duration = Duration::from_secs(2);

/// A host's files, for `!include`.
pub struct OnDisk<'p>(pub &'p Process);

impl Files for OnDisk<'_> {
    fn read(&self, path: &str) -> Option<String> {
        self.0.read_text(path).ok()
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let (directory, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
        let (start, end) = name.split_once('*').unwrap_or((name, ""));
        let all = self.0.list(directory).unwrap_or_default();
        all.iter()
            .filter(|n| n.len() >= start.len() + end.len() && n.starts_with(start) && n.ends_with(end))
            .map(|n| format!("{directory}/{n}"))
            .collect()
    }
}

/// Reads the configuration of a host.
///
/// # Errors
/// What Dovecot's programs end with.
pub fn configuration(p: &Process) -> Result<Section, String> {
    let text = p.read_text(CONF).map_err(|e| format!("open({CONF}) failed: {e}"))?;
    Section::parse(&text, CONF, &OnDisk(p)).map_err(|e| format!("Error in configuration file {e}"))
}

/// The command.
pub async fn main(p: Process) -> i32 {
    let args = p.args();
    let running = p.read_text(PID_FILE).ok().and_then(|t| t.trim().parse().ok());
    let running =
        running.and_then(|pid| p.host().process(pid).filter(|q| *q.name() == *"dovecot").map(|_| pid));
    match args.first().map(|a| &**a) {
        Some("-F") => return run(p).await,
        Some("--version") => {
            p.print(format!("{VERSION}\n")).await;
            return 0;
        }
        Some(command @ ("stop" | "reload")) => {
            let Some(pid) = running else {
                p.eprint("Fatal: Dovecot is not running (read from /run/dovecot/master.pid)\n").await;
                return 1;
            };
            let _ = p.kill(pid, if command == "stop" { Signal::Term } else { Signal::Hup });
            p.sleep(Duration::from_millis(10)).await;
            return 0;
        }
        _ => {}
    }
    if let Some(pid) = running {
        p.eprint(format!("Fatal: Dovecot is already running with PID {pid} (read from {PID_FILE})\n")).await;
        return 89;
    }
    if let Err(e) = configuration(&p) {
        p.eprint(format!("doveconf: Fatal: {e}\n")).await;
        return 89;
    }
    let mut start = Start::new(["dovecot", "-F"]);
    start.fds = Some(BTreeMap::new());
    start.directory = Some("/".to_owned());
    match p.spawn("/usr/sbin/dovecot", start) {
        Ok(_) => {
            p.sleep(Duration::from_millis(5)).await;
            0
        }
        Err(_) => 89,
    }
}

/// The services of the moment.
struct Services {
    over: Rc<Cell<bool>>,
}

async fn run(p: Process) -> i32 {
    let _ = p.mkdir("/run/dovecot", 0o755);
    let _ = p.write_file(PID_FILE, format!("{}\n", p.pid()), 0o644);
    p.catch(&[Signal::Hup, Signal::Term]);
    let Ok(conf) = configuration(&p) else { return 89 };
    let protocols = conf.words("protocols", "imap pop3 lmtp").join(", ");
    let protocols = if protocols.is_empty() { "no protocols".to_owned() } else { protocols };
    log(&p, "master", &format!("Dovecot v{VERSION} starting up for {protocols} (core dumps disabled)"));
    let mut services = start(&p, Rc::new(conf));
    loop {
        match p.signal().await {
            Signal::Hup => {
                log(&p, "master", "Warning: SIGHUP received - reloading configuration");
                if let Ok(conf) = configuration(&p) {
                    services.over.set(true);
                    services = start(&p, Rc::new(conf));
                }
            }
            _ => {
                log(&p, "master", "Warning: Killed with signal 15 (by pid=0 uid=0 code=kill)");
                services.over.set(true);
                let _ = p.unlink(PID_FILE);
                for child in p.host().processes() {
                    if child.parent() == p.pid() {
                        let _ = p.kill(child.pid(), Signal::Term);
                    }
                }
                return 0;
            }
        }
    }
}

/// Opens the sockets of the services and has them watched.
fn start(p: &Process, conf: Rc<Section>) -> Services {
    let over = Rc::new(Cell::new(false));
    let mut listeners = Vec::new();
    for (path, mode, user, group) in auth_sockets(&conf) {
        let _ = p.unlink(&path);
        match p.listen_unix(&path, mode) {
            Ok(listener) => {
                let _ = p.chmod(&path, mode);
                let (fs, mut users) = (p.host().fs(), p.host().users());
                let uid = users.getpwnam(&fs, &user).map_or(0, |u| u.uid);
                let gid = users.getgrnam(&fs, &group).map_or(0, |g| g.gid);
                drop((fs, users));
                let _ = p.chown(&path, Some(uid), Some(gid), false);
                listeners.push(listener);
            }
            Err(e) => log(p, "master", &format!("Error: bind({path}) failed: {e}")),
        }
    }
    let work = Rc::new(auth::Inheritance { conf, listeners });
    for n in 0..work.listeners.len() {
        p.task(watch(p.clone(), work.clone(), n, over.clone()));
    }
    Services { over }
}

/// The sockets of the auth service: path, mode, user, group.
fn auth_sockets(conf: &Section) -> Vec<(String, u16, String, String)> {
    let full =
        |name: &str| if name.starts_with('/') { name.to_owned() } else { format!("/run/dovecot/{name}") };
    let mut all = vec![
        (full("auth-client"), 0o600, "dovecot".to_owned(), String::new()),
        (full("auth-userdb"), 0o666, "dovecot".to_owned(), String::new()),
    ];
    let Some(service) = conf.section("service", "auth") else { return all };
    for s in service.sections("unix_listener") {
        let mode = s.get("mode").and_then(|m| u16::from_str_radix(m, 8).ok()).unwrap_or(0o600);
        let text = |key: &str| s.get(key).unwrap_or_default().to_owned();
        let path = full(&s.name);
        all.retain(|(known, ..)| *known != path);
        if mode != 0 {
            all.push((path, mode, text("user"), text("group")));
        }
    }
    all
}

/// Starts the auth process when somebody calls that none listens to.
async fn watch(p: Process, work: Rc<auth::Inheritance>, n: usize, over: Rc<Cell<bool>>) {
    let Some(listener) = work.listeners.get(n) else { return };
    while !over.get() {
        listener.unattended().await;
        if over.get() {
            return;
        }
        let start = Start {
            inherited: Some(work.clone()),
            directory: Some("/".to_owned()),
            cred: Some(crate::world::users::Cred::root()),
            ..Start::new(["dovecot/auth"])
        };
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
