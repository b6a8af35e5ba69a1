//! postfix(1) and the script behind it: starts, stops and checks the mail system.
//!
//! What it has to say goes to the log under `postfix/postfix-script`, and to standard error
//! only where that is a terminal.

use super::getopt;
use super::msg::Msg;
use super::postconf::show::Shown;
use super::queue::SPOOL;
use crate::world::clock::Duration;
use crate::world::exec::{Signal, Start};
use crate::world::process::Process;
use std::collections::BTreeMap;

const USAGE: &str = "usage: postfix [-c config_dir] [-Dv] command";
const COMMANDS: &str =
    "start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)";

/// How many settings the script looks at when it checks the installation.
const CHECKED: usize = 19;

/// The command.
pub async fn main(p: Process) -> i32 {
    let script = Msg::daemon_named(&p, "postfix/postfix-script");
    if p.cred().uid != 0 {
        let msg = Msg::daemon_named(&p, "postfix");
        msg.error("to submit mail, use the Postfix sendmail command").await;
        return msg.fatal("the postfix command is reserved for the superuser").await;
    }
    let msg = Msg::daemon_named(&p, "postfix");
    let options = match getopt::of_command(&p, &msg, "postfix", "c:Dv", USAGE).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if let Err(status) = super::configuration_of_host(&p, &msg, options.value('c')).await {
        return status;
    }
    let command = options.rest.first().map_or("", |w| &**w);
    let running = running(&p);
    let checks = command == "check" || (command == "start" && running.is_none());
    warn(&p, options.value('c'), 1 + if checks { CHECKED } else { 0 }).await;
    match (command, running) {
        ("start", Some(_)) => script.fatal("the Postfix mail system is already running").await,
        ("start", None) => start(&p, &script).await,
        ("stop" | "abort" | "reload" | "logrotate", None) => {
            script.fatal("the Postfix mail system is not running").await
        }
        ("stop", Some(pid)) => end(&p, &script, "stopping", pid).await,
        ("abort", Some(pid)) => end(&p, &script, "aborting", pid).await,
        ("reload", Some(pid)) => {
            script.log("refreshing the Postfix mail system");
            let _ = p.kill(pid, Signal::Hup);
            settle(&p).await;
            0
        }
        ("flush", _) => {
            let argv = ["/usr/sbin/postqueue".into(), "-f".into()];
            p.exec("/usr/sbin/postqueue", &argv).await.unwrap_or(1)
        }
        ("status", Some(pid)) => {
            script.log(&format!("the Postfix mail system is running: PID: {pid}"));
            0
        }
        ("status", None) => {
            script.log("the Postfix mail system is not running");
            1
        }
        ("check" | "set-permissions" | "upgrade-configuration" | "logrotate", _) => 0,
        (other, _) => script.fatal(format!("unknown command: '{other}'. Usage: postfix {COMMANDS}")).await,
    }
}

/// The script asks postconf(1) for each setting that it needs, and at each time postconf has a word to
/// say of parameters that mean nothing.
async fn warn(p: &Process, directory: Option<&str>, times: usize) {
    let directory = directory.unwrap_or("/etc/postfix");
    let (main_cf, master_cf) = (format!("{directory}/main.cf"), format!("{directory}/master.cf"));
    let Ok(shown) = Shown::read(p, &main_cf, &master_cf, &[], false, false) else { return };
    let warnings = shown.before.iter().cloned().chain(shown.unused(false));
    let text: String = warnings.map(|warning| format!("/usr/sbin/postconf: warning: {warning}\n")).collect();
    if !text.is_empty() {
        p.eprint(text.repeat(times)).await;
    }
}

/// The process id of master, if it runs.
fn running(p: &Process) -> Option<u32> {
    let pid = p.read_text(&format!("{SPOOL}/pid/master.pid")).ok()?.trim().parse().ok()?;
    p.host().process(pid).filter(|m| &*m.name() == "master").map(|_| pid)
}

async fn start(p: &Process, script: &Msg) -> i32 {
    script.log("starting the Postfix mail system");
    let mut start = Start::new(["/usr/lib/postfix/sbin/master", "-w"]);
    // A daemon keeps nothing of the terminal or pipe it was started from.
    start.fds = Some(BTreeMap::new());
    start.directory = Some(SPOOL.to_owned());
    match p.spawn("/usr/lib/postfix/sbin/master", start) {
        Ok(master) => {
            // As `master -w` does: not back before it has begun its work, or failed to.
            for _ in 0..50 {
                if running(p).is_some() || master.status().is_some() {
                    break;
                }
                p.sleep(Duration::from_millis(1)).await;
            }
            master.status().map_or(0, |status| i32::from(status != 0))
        }
        Err(e) => script.fatal(format!("exec /usr/lib/postfix/sbin/master: {e}")).await,
    }
}

async fn end(p: &Process, script: &Msg, what: &str, pid: u32) -> i32 {
    script.log(&format!("{what} the Postfix mail system"));
    let _ = p.kill(pid, Signal::Term);
    settle(p).await;
    0
}

/// A moment for master to do it.
async fn settle(p: &Process) {
    p.sleep(Duration::from_millis(10)).await;
}
