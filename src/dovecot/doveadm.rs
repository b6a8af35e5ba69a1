//! doveadm(1): `stop` and `reload`.
//!
//! # Simplifications
//! Its many other commands are not here: they are said to be unknown.

use super::RUN;
use crate::world::clock::Duration;
use crate::world::exec::Signal;
use crate::world::process::Process;

/// The command.
pub async fn main(p: Process) -> i32 {
    let args = p.args();
    match args.first().map(|a| &**a) {
        Some("stop") => signal(&p, Signal::Term).await,
        Some("reload") => signal(&p, Signal::Hup).await,
        Some(other) => {
            p.eprint(format!(
                "doveadm: Fatal: Unknown command '{other}', but plugin for it exists elsewhere\n"
            ))
            .await;
            64
        }
        None => {
            p.eprint("usage: doveadm [-Dv] [-f <formatter>] reload | stop\n").await;
            64
        }
    }
}

/// The server's process id, if it runs.
pub fn running(p: &Process) -> Option<u32> {
    let pid = p.read_text(&format!("{RUN}/master.pid")).ok()?.trim().parse().ok()?;
    p.host().process(pid).filter(|m| &*m.name() == "dovecot").map(|_| pid)
}

async fn signal(p: &Process, signal: Signal) -> i32 {
    let Some(pid) = running(p) else {
        p.eprint("Fatal: Dovecot is not running (read from /run/dovecot/master.pid)\n").await;
        return 64;
    };
    if let Err(e) = p.kill(pid, signal) {
        p.eprint(format!("Fatal: kill({pid}) failed: {e}\n")).await;
        return 89;
    }
    // Not back before it is done.
    p.sleep(Duration::from_millis(10)).await;
    0
}
