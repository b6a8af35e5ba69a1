//! Running a command with a message on its standard input (`pipe_command(3)`): for local(8) and pipe(8).

use super::server::Daemon;
use super::sysexits;
use crate::world::clock::Duration;
use crate::world::exec::{Child, Signal, Start};
use crate::world::fs::Access;
use crate::world::process::{Environment, STDERR, STDIN, STDOUT};
use crate::world::timer::Either;
use crate::world::timer::race;
use crate::world::users::Cred;
use std::cell::RefCell;
use std::rc::Rc;

/// The most of a command's output that is told to anybody, in octets.
const OUTPUT: usize = 4096;

/// How a command ended.
pub struct End {
    /// Its exit status, over 128 for a signal; nothing if it ran out of time.
    pub status: Option<i32>,
    /// What it printed, in one printable line.
    pub output: String,
}

/// Runs a command to its end or its time limit. `spawn` starts it, or gives what the child says
/// before it ends.
pub async fn run(
    daemon: &Daemon,
    name: &str,
    mut start: Start,
    message: Vec<u8>,
    limit: Duration,
    spawn: impl FnOnce(Start) -> Result<Child, String>,
) -> End {
    let p = &daemon.p;
    if let (Some(directory), Some(cred)) = (&start.directory, &start.cred)
        && let Err(e) = p.with_rights(cred, |p| p.access(&format!("{directory}/."), Access::EXEC))
    {
        // The child says so, where nobody but the log hears it.
        let Cred { uid, gid, .. } = cred;
        daemon
            .msg
            .log(&format!("fatal: cannot change directory to \"{directory}\" for uid={uid} gid={gid}: {e}"));
        return End { status: Some(75), output: String::new() };
    }
    let (stdin, writer) = p.pipe();
    let (reader, stdout) = p.pipe();
    start.fds = Some([(STDIN, stdin), (STDOUT, stdout.clone()), (STDERR, stdout)].into());
    let child = match spawn(start) {
        Ok(child) => child,
        Err(text) => {
            // The child of the real one finds out, says so, and ends.
            let agent = p.name();
            p.syslog(&agent, &text);
            return End { status: Some(75), output: format!("{agent}: {text} ") };
        }
    };
    p.hand_over(name, || format!("the message, {} bytes", message.len()));
    let output = RefCell::new(Vec::new());
    let work = async {
        // A command that does not read its input has its reasons.
        let _ = writer.write(message).await;
        writer.end();
        loop {
            let room = OUTPUT.saturating_sub(output.borrow().len());
            // One that is killed takes its output with it.
            match race(killed(&child), reader.read(room.max(1))).await {
                Either::Right(Ok(piece)) if room > 0 && !piece.is_empty() => {
                    output.borrow_mut().extend_from_slice(&piece);
                }
                _ => break,
            }
        }
        child.wait().await
    };
    let status = p.timeout(limit, work).await;
    drop((writer, reader));
    if status.is_none() {
        daemon.msg.log_warn("pipe_command_read: read time limit exceeded");
        let _ = p.kill(child.process().pid(), Signal::Kill);
    }
    let output = sysexits::printable(&output.borrow());
    End { status, output }
}

/// The environment that the mail system leaves a command (`export_environment`).
pub fn environment(daemon: &Daemon, export: &[Rc<str>]) -> Environment {
    let mut env = Environment::new();
    env.insert("PATH".into(), "/usr/bin:/bin".into());
    for word in export {
        match word.split_once('=') {
            Some((name, value)) => env.insert(name.into(), value.into()),
            None => match daemon.p.var(word).or_else(|| own(word)) {
                Some(value) => env.insert(word.clone(), value),
                None => None,
            },
        };
    }
    env
}

/// Waits until a command is ended by a signal; for one that ends by itself, for ever.
async fn killed(child: &Child) {
    if !sysexits::is_signal(child.wait().await) {
        std::future::pending::<()>().await;
    }
}

/// What master(8) gives its children.
fn own(name: &str) -> Option<Rc<str>> {
    match name {
        "MAIL_CONFIG" => Some("/etc/postfix".into()),
        "LANG" => Some("C".into()),
        _ => None,
    }
}
