//! spawn(8): runs a command for each connection, with the connection as its standard input, output
//! and standard error.
//!
//! The arguments stand in master.cf: `user=name[:group] argv=command …`. A connection's command may
//! run for `SERVICE_time_limit`.
//!
//! Diagnostics: a command that fails is told of in the log.

use super::server::Daemon;
use crate::world::exec::{Signal, Start};
use crate::world::open::Open;
use crate::world::process::{Process, STDERR, STDIN, STDOUT};
use crate::world::stream::Stream;
use crate::world::users::Cred;
use std::rc::Rc;

/// What the service's line says.
struct Command {
    argv: Vec<Rc<str>>,
    cred: Cred,
}

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let command = match Command::parse(&daemon) {
        Ok(command) => command,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    while let Some(stream) = daemon.accept().await {
        command.serve(&daemon, stream).await;
    }
    0
}

impl Command {
    fn parse(daemon: &Daemon) -> Result<Command, String> {
        let args = &daemon.service.entry.args;
        let at = args.iter().position(|a| a.starts_with("argv=")).ok_or("missing argv= attribute")?;
        let mut argv: Vec<Rc<str>> = vec![args[at]["argv=".len()..].into()];
        argv.extend(args[at + 1..].iter().cloned());
        if argv[0].is_empty() {
            return Err("missing argv= attribute".to_owned());
        }
        let user = args[..at].iter().find_map(|a| a.strip_prefix("user="));
        let user = user.filter(|u| !u.is_empty()).ok_or("missing user= attribute")?;
        let (user, group) = user.split_once(':').map_or((user, None), |(u, g)| (u, Some(g)));
        let (fs, mut users) = (daemon.p.host().fs(), daemon.p.host().users());
        let known = users.getpwnam(&fs, user).ok_or_else(|| format!("unknown username: {user}"))?;
        let gid = match group.filter(|g| !g.is_empty()) {
            Some(group) => users.getgrnam(&fs, group).ok_or_else(|| format!("unknown group: {group}"))?.gid,
            None => known.gid,
        };
        if known.uid == 0 {
            return Err("user= command-line attribute specifies root privileges".to_owned());
        }
        Ok(Command { argv, cred: Cred { uid: known.uid, gid, groups: Rc::from([]) } })
    }

    async fn serve(&self, daemon: &Daemon, stream: Stream) {
        let p = &daemon.p;
        let open = Open::stream(p.host(), stream);
        let fds = [STDIN, STDOUT, STDERR].into_iter().map(|fd| (fd, open.clone())).collect();
        let start = Start {
            argv: self.argv.clone(),
            fds: Some(fds),
            cred: Some(self.cred.clone()),
            ..Start::default()
        };
        drop(open);
        let program = &self.argv[0];
        let child = match p.spawn(program, start) {
            Ok(child) => child,
            Err(e) => return daemon.msg.log(&format!("fatal: execvp {program}: {e}")),
        };
        let limit = daemon.seconds(&format!("{}_time_limit", daemon.service.name()));
        let limit = if limit.is_zero() { daemon.seconds("command_time_limit") } else { limit };
        match p.timeout(limit, child.wait()).await {
            Some(0) => {}
            Some(status) => daemon.msg.log_warn(format!("command {program} exit status {status}")),
            None => {
                daemon.msg.log_warn(format!(
                    "{program}: process id {}: command time limit exceeded",
                    child.process().pid()
                ));
                let _ = p.kill(child.process().pid(), Signal::Kill);
            }
        }
    }
}
