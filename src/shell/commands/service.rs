//! systemctl(1), service(8), apt-get(8) and yum(8), as far as a mail host needs them.
//!
//! # Simplifications
//! The only units are `postfix` and `dovecot`; they are started, stopped and asked by their own
//! programs. Nothing can be installed: the packages of a mail host are there already.

use super::tool::Tool;
use crate::world::exec::Start;
use crate::world::process::Process;
use std::rc::Rc;

/// Packages that a host has.
const INSTALLED: &[(&str, &str)] = &[
    ("bsd-mailx", "8.1.2-0.20220412cvs-1"),
    ("dovecot-core", "1:2.3.19.1+dfsg1-2.1+deb12u1"),
    ("dovecot-imapd", "1:2.3.19.1+dfsg1-2.1+deb12u1"),
    ("dovecot-pop3d", "1:2.3.19.1+dfsg1-2.1+deb12u1"),
    ("mailutils", "1:3.15-4"),
    ("mailx", "8.1.2-0.20220412cvs-1"),
    ("dovecot", "1:2.3.19.1+dfsg1-2.1+deb12u1"),
    ("postfix", "3.7.11-0+deb12u1"),
    ("procmail", "3.22-27"),
    ("s-nail", "14.9.24-2"),
    ("telnet", "0.17+2.4-2+deb12u1"),
];

/// The program that controls a unit, and whether its master runs.
fn control(name: &str) -> Option<(&'static str, &'static str)> {
    match name.trim_end_matches(".service") {
        "postfix" => Some(("/usr/sbin/postfix", "master")),
        "dovecot" => Some(("/usr/sbin/dovecot", "dovecot")),
        _ => None,
    }
}

fn running(p: &Process, master: &str) -> Option<Process> {
    p.host().processes().into_iter().find(|q| *q.name() == *master && q.cred().uid == 0)
}

async fn run(p: &Process, path: &str, arguments: &[&str]) -> i32 {
    let name = super::names::base(path);
    let mut argv: Vec<Rc<str>> = vec![name.into()];
    argv.extend(arguments.iter().map(|a| Rc::from(*a)));
    // What a service says goes to the journal, not to who started it.
    let mut fds = p.fds();
    if let Ok(null) = p.open("/dev/null", crate::world::fs::OpenFlags::UPDATE, 0) {
        for fd in 0..3 {
            fds.insert(fd, null.clone());
        }
    }
    match p.spawn(path, Start { argv, fds: Some(fds), ..Start::default() }) {
        Ok(child) => child.wait().await,
        Err(_) => 127,
    }
}

/// Does what is asked with a unit; gives the status of its own program.
async fn act(p: &Process, unit: &str, verb: &str) -> i32 {
    let Some((path, master)) = control(unit) else { return 5 };
    let is_running = running(p, master).is_some();
    let own: &[&[&str]] = match (verb, is_running, path.ends_with("postfix")) {
        ("start", true, _) | ("stop", false, _) => &[],
        ("start", false, true) => &[&["start"]],
        ("start", false, false) => &[&[]],
        ("stop", true, _) => &[&["stop"]],
        ("restart", true, true) => &[&["stop"], &["start"]],
        ("restart", true, false) => &[&["stop"], &[]],
        ("restart", false, true) => &[&["start"]],
        ("restart", false, false) => &[&[]],
        ("reload", ..) => &[&["reload"]],
        _ => &[],
    };
    for arguments in own {
        let status = run(p, path, arguments).await;
        if status != 0 {
            return status;
        }
    }
    0
}

/// systemctl(1)
pub async fn systemctl(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let words: Vec<&Rc<str>> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let Some((verb, units)) = words.split_first() else {
        tool.complain("maillab: name a verb and a unit").await;
        return 1;
    };
    let known = [
        "start",
        "stop",
        "restart",
        "reload",
        "status",
        "is-active",
        "enable",
        "disable",
        "is-enabled",
        "try-restart",
        "reload-or-restart",
        "daemon-reload",
    ];
    if !known.contains(&&***verb) {
        tool.p.eprint(format!("Unknown command verb {verb}.\n")).await;
        return 1;
    }
    if units.is_empty() && &***verb != "daemon-reload" {
        tool.p.eprint("Too few arguments.\n").await;
        return 1;
    }
    for unit in units {
        let name = unit.trim_end_matches(".service");
        let Some((_, master)) = control(name) else {
            let (text, status) = match &***verb {
                "status" => (format!("Unit {name}.service could not be found.\n"), 4),
                "is-active" => {
                    tool.line("inactive").await;
                    (String::new(), 3)
                }
                "enable" | "disable" => {
                    (format!("Failed to {verb} unit: Unit file {name}.service does not exist.\n"), 1)
                }
                verb => (format!("Failed to {verb} {name}.service: Unit {name}.service not found.\n"), 5),
            };
            tool.flush().await;
            tool.p.eprint(text).await;
            tool.status = status;
            continue;
        };
        let main = running(&tool.p, master);
        match &***verb {
            "is-active" => {
                tool.line(if main.is_some() { "active" } else { "inactive" }).await;
                tool.status = if main.is_some() { 0 } else { 3 };
            }
            "is-enabled" => tool.line("enabled").await,
            "enable" | "disable" | "daemon-reload" => {}
            "status" => {
                tool.status = if main.is_some() { 0 } else { 3 };
                status(&mut tool, name, main).await;
            }
            verb => {
                if tool.p.cred().uid != 0 {
                    tool.p.eprint(format!("Failed to {verb} {name}.service: Access denied\n")).await;
                    tool.status = 4;
                    continue;
                }
                let verb = match verb {
                    "try-restart" | "reload-or-restart" => "restart",
                    verb => verb,
                };
                if act(&tool.p, name, verb).await != 0 {
                    tool.p.eprint(format!("Job for {name}.service failed because the control process exited with error code.\n")).await;
                    tool.status = 1;
                }
            }
        }
    }
    tool.done().await
}

async fn status(tool: &mut Tool, name: &str, main: Option<Process>) {
    let what =
        if name == "postfix" { "Postfix Mail Transport Agent" } else { "Dovecot IMAP/POP3 email server" };
    let mark = if main.is_some() { '\u{25cf}' } else { '\u{25cb}' };
    tool.line(format!("{mark} {name}.service - {what}")).await;
    tool.line(format!("     Loaded: loaded (/lib/systemd/system/{name}.service; enabled; preset: enabled)"))
        .await;
    match main {
        Some(main) => {
            let since = main.started().strftime("%a %Y-%m-%d %H:%M:%S UTC");
            tool.line(format!("     Active: active (running) since {since}")).await;
            tool.line(format!("   Main PID: {} ({})", main.pid(), main.name())).await;
        }
        None => tool.line("     Active: inactive (dead)").await,
    }
}

/// service(8)
pub async fn service(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let [unit, verb, ..] = &args[..] else {
        tool.p
            .eprint(
                "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]\n",
            )
            .await;
        return 1;
    };
    let Some((_, master)) = control(unit) else {
        tool.p.eprint(format!("{unit}: unrecognized service\n")).await;
        return 1;
    };
    let what = if &**unit == "postfix" { "Postfix Mail Transport Agent" } else { "IMAP/POP3 mail server" };
    match &**verb {
        "status" => {
            let up = running(&tool.p, master).is_some();
            let text =
                if up { format!("{unit} is running.") } else { format!("{unit} is not running ... failed!") };
            tool.line(text).await;
            tool.status = if up { 0 } else { 3 };
        }
        "start" | "stop" | "restart" | "reload" | "force-reload" => {
            let verb = if &**verb == "force-reload" { "reload" } else { verb };
            let doing = match verb {
                "start" => "Starting",
                "stop" => "Stopping",
                "restart" => "Restarting",
                _ => "Reloading",
            };
            let status = act(&tool.p, unit, verb).await;
            let end = if status == 0 { "." } else { " failed!" };
            tool.line(format!("{doing} {what}: {unit}{end}")).await;
            tool.status = i32::from(status != 0);
        }
        _ => {
            tool.p
                .eprint(format!(
                    "Usage: /etc/init.d/{unit} {{start|stop|restart|reload|force-reload|status}}\n"
                ))
                .await;
            tool.status = 1;
        }
    }
    tool.done().await
}

/// apt-get(8), apt(8), yum(8) and dnf(8)
pub async fn packages(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let name = tool.p.name();
    let args = tool.p.args();
    let words: Vec<&Rc<str>> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let Some((verb, wanted)) = words.split_first() else {
        tool.complain("maillab: name what to do, such as install postfix").await;
        return 1;
    };
    let apt = name.starts_with("apt");
    if tool.p.cred().uid != 0 {
        let text = match apt {
            true => {
                "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?\n"
            }
            false => {
                "Error: This command has to be run with superuser privileges (under the root user on most systems).\n"
            }
        };
        tool.p.eprint(text).await;
        return if apt { 100 } else { 1 };
    }
    match (&***verb, apt) {
        ("update", true) => tool.line("Reading package lists... Done").await,
        ("install" | "upgrade" | "dist-upgrade", true) => {
            tool.line("Reading package lists... Done\nBuilding dependency tree... Done\nReading state information... Done").await;
            for package in wanted {
                match INSTALLED.iter().find(|(known, _)| *known == &***package) {
                    Some((known, version)) => {
                        tool.line(format!("{known} is already the newest version ({version}).")).await;
                    }
                    None => {
                        tool.flush().await;
                        tool.p.eprint(format!("E: Unable to locate package {package}\n")).await;
                        tool.status = 100;
                    }
                }
            }
            if tool.status == 0 {
                tool.line("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.").await;
            }
        }
        ("install" | "update", false) => {
            for package in wanted {
                match INSTALLED.iter().find(|(known, _)| *known == &***package) {
                    Some((known, version)) => {
                        tool.line(format!("Package {known}-{version}.x86_64 is already installed.")).await;
                    }
                    None => {
                        tool.line(format!("No match for argument: {package}")).await;
                        tool.status = 1;
                    }
                }
            }
            if tool.status == 0 {
                tool.line("Dependencies resolved.\nNothing to do.\nComplete!").await;
            } else {
                tool.flush().await;
                tool.p.eprint("Error: Unable to find a match\n").await;
            }
        }
        (verb, _) => {
            tool.complain(format!("maillab: {verb} is not available in the lab")).await;
        }
    }
    tool.done().await
}
