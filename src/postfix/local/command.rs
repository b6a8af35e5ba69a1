//! Delivery to a command (`pipe_command(3)`): it gets the message on standard input, runs with the
//! recipient's rights, and its end says what came of it ([`sysexits`]).

use super::expand::{self, Names};
use super::file::is_allowed;
use super::seen::Key;
use super::{State, Status, Work};
use crate::postfix::deliver::Dsn;
use crate::postfix::pipe_command::{self, End};
use crate::postfix::queue::SPOOL;
use crate::postfix::sysexits;
use crate::world::errno::Errno;
use crate::world::exec::{Child, Start};
use crate::world::fs::Access;
use crate::world::process::Environment;
use crate::world::users::Cred;
use std::rc::Rc;

/// Besides letters and digits, what a command may have that needs no shell.
const HARMLESS: &str = "!@%-_=+:,./ \t";
const SHELL: &str = "/bin/sh";

impl<'a> Work<'a> {
    /// Runs a command with the message.
    pub(super) async fn command(&self, state: &State, command: &str) -> Status {
        let uid = state.rights.as_ref().map_or(0, |u| u.uid);
        if self.seen.borrow_mut().before(Key::Command(uid, command.to_owned())) {
            return Status::Done;
        }
        if !is_allowed(&self.settings().allow_commands, state.expansion) {
            return self.failed(state, Dsn::new("5.7.1", "mail to command is restricted")).await;
        }
        if self.is_rehearsal() {
            return self.sent(state, format!("delivers to command: {command}")).await;
        }
        match self.run(state, command).await {
            None => self.sent(state, format!("delivered to command: {command}")).await,
            Some(mut dsn) => {
                if dsn.status.starts_with('2') {
                    let text = format!("bounce_append: ignoring dsn code \"{}\"", dsn.status);
                    self.daemon().msg.log_warn(text);
                    dsn.status = "5.0.0".into();
                }
                self.failed_part(state, dsn).await
            }
        }
    }

    /// Runs it to its end or its time limit; nothing to say where all went well.
    async fn run(&self, state: &State, command: &str) -> Option<Dsn> {
        let start = Start {
            cred: Some(self.rights(state)),
            env: Some(self.environment(state)),
            directory: Some(self.directory(state)),
            ..Start::default()
        };
        let message = self.for_command(state);
        let limit = self.settings().command_limit;
        let end = pipe_command::run(self.daemon(), command, start, message, limit, |start| {
            self.start(command, start)
        });
        let End { status, output } = end.await;
        match status {
            Some(status) => sysexits::failure(status, command, &output),
            None => Some(sysexits::out_of_time(command, &output)),
        }
    }

    /// Starts it, by itself where no shell is needed.
    ///
    /// # Errors
    /// What the child says before it ends.
    fn start(&self, command: &str, mut start: Start) -> Result<Child, String> {
        let p = &self.daemon().p;
        let cred = start.cred.clone().unwrap_or_else(Cred::root);
        let shell = &self.settings().command_shell;
        let words: Vec<Rc<str>> =
            command.split([' ', '\t']).filter(|w| !w.is_empty()).map(Into::into).collect();
        let harmless = command.chars().all(|c| c.is_ascii_alphanumeric() || HARMLESS.contains(c));
        let fatal = |program: &str, e: Errno| format!("fatal: execvp {program}: {e}");
        if !shell.is_empty() {
            start.argv = shell.split_whitespace().map(Into::into).chain([command.into()]).collect();
            let program = start.argv[0].clone();
            return p.spawn(&program, start).map_err(|e| fatal(&program, e));
        }
        if let Some(program) = words.first().filter(|_| harmless) {
            let found = self.with_rights(&cred, |p| match program.contains('/') {
                true => p.access(program, Access::EXEC).map(|()| program.to_string()),
                false => p.find_program(program),
            });
            match found {
                Ok(path) => {
                    start.argv = words.clone();
                    return p.spawn(&path, start).map_err(|e| fatal(program, e));
                }
                Err(e) if program.contains('/') || e != Errno::ENOENT => return Err(fatal(program, e)),
                Err(_) => {} // perhaps the shell knows it
            }
        }
        start.argv = ["sh", "-c", command].map(Into::into).to_vec();
        p.spawn(SHELL, start).map_err(|e| format!("fatal: execl {SHELL}: {e}"))
    }

    fn directory(&self, state: &State) -> String {
        let settings = self.settings();
        if settings.command_directory.is_empty() {
            return SPOOL.to_owned();
        }
        let names = Names::new(self, state, &settings.command_directory_filter);
        let directory = expand::text(&settings.command_directory, &names);
        if directory.is_empty() { SPOOL.to_owned() } else { directory }
    }

    fn environment(&self, state: &State) -> Environment {
        let rcpt = &state.rcpt;
        let mut all: Vec<(&str, &str)> = vec![
            ("LOGNAME", &state.user),
            ("USER", &state.user),
            ("SENDER", &state.sender),
            ("RECIPIENT", &rcpt.address),
            ("LOCAL", &state.local),
        ];
        if let Some(user) = &state.rights {
            all.push(("HOME", &user.home));
            all.push(("SHELL", &user.shell));
        }
        if !state.domain.is_empty() {
            all.push(("DOMAIN", &state.domain));
        }
        if let Some(extension) = &state.extension {
            all.push(("EXTENSION", extension));
        }
        if !rcpt.original.is_empty() {
            all.push(("ORIGINAL_RECIPIENT", &rcpt.original));
        }
        let filter = &self.settings().command_filter;
        let mut env: Environment = all
            .into_iter()
            .map(|(name, value)| (name.into(), expand::censored(value, filter).into()))
            .collect();
        env.extend(pipe_command::environment(self.daemon(), &self.settings().export_environment));
        env
    }
}
