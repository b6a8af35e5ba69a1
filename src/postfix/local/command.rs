//! Delivery to a command (`pipe_command(3)`): it gets the message on standard input, runs with the
//! recipient's rights in the queue directory, and its exit status says what came of it
//! (sysexits.h).

use super::{Target, Work};
use crate::postfix::deliver::Dsn;
use crate::postfix::queue::SPOOL;
use crate::world::errno::Errno;
use crate::world::exec::Start;
use crate::world::process::{Environment, STDERR, STDIN, STDOUT};
use std::rc::Rc;

/// Characters and words that only a shell understands.
const SHELL_CHARACTERS: &str = "$`\"'\\|&;<>(){}[]*?~#!^=%\n";

impl<'a> Work<'a> {
    /// Runs a command with the message.
    pub(super) async fn command(&self, target: &Target, command: &str) {
        let daemon = self.daemon();
        let p = &daemon.p;
        let (stdin, writer) = p.pipe();
        let (reader, stdout) = p.pipe();
        let mut start = if command.contains(|c| SHELL_CHARACTERS.contains(c)) || !command.starts_with('/') {
            Start::new([&*self.agent.settings.shell, "-c", command])
        } else {
            Start::new(command.split_whitespace())
        };
        let program = start.argv.first().cloned().unwrap_or_else(|| "/bin/sh".into());
        start.cred = Some(self.rights(target));
        start.env = Some(self.environment(target));
        start.directory = Some(SPOOL.to_owned());
        start.fds = Some([(STDIN, stdin), (STDOUT, stdout.clone()), (STDERR, stdout)].into());
        let child = match p.spawn(&program, start) {
            Ok(child) => child,
            Err(e) => return self.not_started(target, &program, e).await,
        };
        p.hand_over(command, || format!("the message, {} bytes", self.content.len()));
        let mut message = self.top(target, true);
        message.extend_from_slice(&self.content);
        // A command that does not read its input has its reasons.
        let _ = writer.write(message).await;
        drop(writer);
        /// The most of a command's output that is told to the sender, in octets.
        const OUTPUT: usize = 4096;
        let output = reader.read_to_end(1 << 20).await.unwrap_or_default();
        let status = child.wait().await;
        let output = String::from_utf8_lossy(&output[..output.len().min(OUTPUT)]).replace('\n', " ");
        match outcome(status, command, &output) {
            Ok(()) => self.sent(target, format!("delivered to command: {command}")).await,
            Err(dsn) => self.failed(target, dsn).await,
        }
    }

    /// The child of the real one finds out, says so, and ends.
    async fn not_started(&self, target: &Target, program: &str, error: Errno) {
        let text = format!("fatal: execvp {program}: {error}");
        self.daemon().p.syslog("local", &text);
        let dsn = Dsn::new("4.3.0", format!("temporary failure. Command output: local: {text} "));
        self.failed(target, dsn).await;
    }

    fn environment(&self, target: &Target) -> Environment {
        let address = &target.rcpt.address;
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let sender = self.sender(target);
        let mut all: Vec<(&str, Rc<str>)> = vec![
            ("DOMAIN", domain.into()),
            ("LANG", "C".into()),
            ("LOCAL", local.into()),
            ("MAIL_CONFIG", "/etc/postfix".into()),
            ("ORIGINAL_RECIPIENT", target.rcpt.original.clone()),
            ("PATH", "/usr/bin:/bin".into()),
            ("RECIPIENT", address.clone()),
            ("SENDER", if sender.is_empty() { "MAILER-DAEMON".into() } else { sender }),
        ];
        if let Some(user) = &target.user {
            all.push(("HOME", user.home.as_str().into()));
            all.push(("LOGNAME", user.name.as_str().into()));
            all.push(("USER", user.name.as_str().into()));
            all.push(("SHELL", user.shell.as_str().into()));
        }
        if let Some(extension) = &target.extension {
            all.push(("EXTENSION", extension.clone()));
        }
        all.into_iter().map(|(n, v)| (n.into(), v)).collect()
    }
}

/// What a command's exit status means (sysexits.h, `sys_exits(3)`).
fn outcome(status: i32, command: &str, output: &str) -> Result<(), Dsn> {
    let (code, text) = match status {
        0 => return Ok(()),
        64 => ("5.3.0", "command line usage error"),
        65 => ("5.6.0", "data format error"),
        66 => ("5.3.0", "cannot open input"),
        67 => ("5.1.1", "user unknown"),
        68 => ("5.1.2", "host name unknown"),
        69 => ("5.3.0", "service unavailable"),
        70 => ("5.3.0", "internal software error"),
        71 => ("4.3.0", "system resource problem"),
        72 => ("5.3.0", "critical OS file missing"),
        73 => ("5.2.0", "can't create user output file"),
        74 => ("5.3.0", "input/output error"),
        75 => ("4.3.0", "temporary failure"),
        76 => ("5.5.0", "remote error in protocol"),
        77 => ("5.7.0", "permission denied"),
        78 => ("5.3.5", "local configuration error"),
        n => {
            let how = if n > 128 && n < 160 { format!("signal {}", n - 128) } else { format!("status {n}") };
            let verb = if n > 128 && n < 160 { "killed by" } else { "died with" };
            let text = format!("Command {verb} {how}: \"{command}\"");
            return Err(Dsn::new("5.3.0", with_output(text, output)));
        }
    };
    Err(Dsn::new(code, with_output(text.to_owned(), output)))
}

fn with_output(text: String, output: &str) -> String {
    if output.trim().is_empty() { text } else { format!("{text}. Command output: {output}") }
}
