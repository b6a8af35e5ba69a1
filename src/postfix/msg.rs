//! Messages of Postfix's programs (`msg_info`, `msg_warn`, `msg_fatal`): to the log under
//! `postfix/PROGRAM`, and for commands to standard error as well.

use super::config::Config;
use crate::world::process::Process;
use std::fmt::Display;
use std::rc::Rc;

/// Where a program's messages go.
#[derive(Clone)]
pub struct Msg {
    p: Process,
    /// The name in the log; empty for what is not logged.
    ident: Rc<str>,
    /// The name in front of messages on standard error; daemons have none.
    tag: Option<Rc<str>>,
}

impl Msg {
    /// A daemon's messages, under `syslog_name` and its program name.
    pub fn daemon(p: &Process, config: &Config) -> Msg {
        let name = config.string("syslog_name");
        Msg { p: p.clone(), ident: format!("{name}/{}", p.name()).into(), tag: None }
    }

    /// Messages to the log alone, under a name of their own.
    pub fn daemon_named(p: &Process, ident: &str) -> Msg {
        Msg { p: p.clone(), ident: ident.into(), tag: None }
    }

    /// A command's messages, before it has read its configuration.
    pub fn command(p: &Process, name: &str) -> Msg {
        Msg { p: p.clone(), ident: format!("postfix/{name}").into(), tag: Some(name.into()) }
    }

    /// Messages of a command that logs nothing.
    pub fn unlogged(p: &Process, name: &str) -> Msg {
        Msg { p: p.clone(), ident: "".into(), tag: Some(name.into()) }
    }

    /// Under another name in the log.
    pub fn with_ident(mut self, ident: impl Into<Rc<str>>) -> Msg {
        self.ident = ident.into();
        self
    }

    /// To the log alone, with nothing in front.
    pub fn log(&self, text: &str) {
        if !self.ident.is_empty() {
            self.p.syslog(&self.ident, text);
        }
    }

    /// A message to the log and, for a command, to standard error.
    pub async fn info(&self, text: impl Display) {
        self.say("", text).await;
    }

    /// A warning.
    pub async fn warn(&self, text: impl Display) {
        self.say("warning: ", text).await;
    }

    /// An error after which the program goes on.
    pub async fn error(&self, text: impl Display) {
        self.say("error: ", text).await;
    }

    /// An error after which the program ends; gives the exit status for that.
    pub async fn fatal(&self, text: impl Display) -> i32 {
        self.say("fatal: ", text).await;
        1
    }

    /// A warning of a daemon, which never has to wait for its log.
    pub fn log_warn(&self, text: impl Display) {
        self.log(&format!("warning: {text}"));
    }

    async fn say(&self, level: &str, text: impl Display) {
        let text = format!("{level}{text}");
        self.log(&text);
        if let Some(tag) = &self.tag {
            self.p.eprint(format!("{tag}: {text}\n")).await;
        }
    }
}
