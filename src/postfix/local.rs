//! local(8): delivers to the users, files and commands of this host.
//!
//! A recipient is looked up in `alias_maps`, then among the users; a user's `.forward` is read,
//! and what is left goes to `mailbox_transport`, `mailbox_command` or the mailbox. Names that
//! nobody has go to `fallback_transport` or `luser_relay`, or back to the sender.
//!
//! Mail for other hosts, for members of `:include:` lists, for those named in a `.forward`, and for
//! an alias with an `owner-` alias beside it is handed to cleanup as a new message.
//!
//! # Simplifications
//! `mailbox_command_maps`, `mailbox_transport_maps`, `fallback_transport_maps` and biff are said to
//! have no effect; commands run without a time limit of their own.
//!
//! Diagnostics: one line a recipient; warnings for files and lists that cannot be read.

mod alias;
mod command;
mod destination;
mod dotforward;
mod file;
mod forward;
mod mailbox;

use super::deliver::{Delivery, Dsn, Progress};
use super::dict::{Dict, Flags};
use super::queue::Recipient;
use super::rewrite::Rewriter;
use super::server::Daemon;
use crate::proto::address;
use crate::trace::{Decision, Outcome};
use crate::world::passwd::Passwd;
use crate::world::process::Process;
use crate::world::users::Cred;
use destination::Destination;
use forward::Forwards;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let agent = Agent::new(&daemon);
    while let Some(stream) = daemon.accept().await {
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        if let Some(table) = agent.aliases.iter().find(|d| d.changed(&daemon.p)) {
            daemon.msg.log(&format!("table {} has changed -- restarting", table.identity()));
            agent.deliver(&delivery, true).await;
            delivery.finish(&stream, None);
            return 0;
        }
        agent.deliver(&delivery, false).await;
        delivery.finish(&stream, None);
    }
    0
}

/// What a daemon keeps between requests.
struct Agent<'d> {
    daemon: &'d Daemon,
    aliases: Vec<Dict>,
    rewriter: Rewriter,
    settings: Settings,
}

/// What deliveries need of the configuration, read once.
struct Settings {
    myhostname: Rc<str>,
    mail_name: Rc<str>,
    delimiter: Rc<str>,
    home_mailbox: Rc<str>,
    mail_spool: Rc<str>,
    mailbox_command: Rc<str>,
    mailbox_transport: Rc<str>,
    fallback_transport: Rc<str>,
    luser_relay: Rc<str>,
    allow_commands: Vec<Rc<str>>,
    allow_files: Vec<Rc<str>>,
    default_privs: Rc<str>,
    mailbox_size_limit: u64,
    shell: Rc<str>,
}

/// How a recipient came up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// In the envelope.
    Envelope,
    /// In an alias.
    Alias,
    /// In an `:include:` list.
    Include,
    /// In a `.forward` file.
    Forward,
}

/// A recipient, on its way from the envelope to a place.
#[derive(Clone)]
struct Target {
    /// The recipient as it is logged.
    rcpt: Recipient,
    /// How it came up.
    origin: Origin,
    /// Is it forwarded, whatever it turns out to be: named in a list or in somebody's `.forward`?
    indirect: bool,
    /// Names that led to it, for loops.
    chain: Vec<Rc<str>>,
    /// The sender that an `owner-` alias sets.
    owner: Option<Rc<str>>,
    /// Whose rights commands and files get; the default user's where nobody's.
    user: Option<Rc<Passwd>>,
    /// The extension of the user's address.
    extension: Option<Rc<str>>,
    /// Deliver to this user's mailbox without looking at aliases and `.forward` (`\user`).
    plain: bool,
}

/// One request's shared state.
struct Work<'a> {
    agent: &'a Agent<'a>,
    delivery: &'a Delivery<'a>,
    /// The `Delivered-To:` address.
    delivered_to: Rc<str>,
    seen: RefCell<Vec<String>>,
    forwards: RefCell<Forwards>,
    content: Vec<u8>,
}

type Done<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl<'d> Agent<'d> {
    fn new(daemon: &'d Daemon) -> Agent<'d> {
        Agent {
            aliases: open_aliases(daemon),
            daemon,
            rewriter: Rewriter::default(),
            settings: Settings::read(daemon),
        }
    }

    /// Delivers to every recipient of a request; `fresh` opens the alias tables anew.
    async fn deliver(&self, delivery: &Delivery<'_>, fresh: bool) {
        let renewed;
        let agent = if fresh {
            renewed = Agent::new(self.daemon);
            &renewed
        } else {
            self
        };
        for rcpt in &delivery.request.recipients {
            let work = Work {
                agent,
                delivery,
                delivered_to: rcpt.address.clone(),
                seen: RefCell::default(),
                forwards: RefCell::default(),
                content: delivery.content(),
            };
            if work.is_looping() {
                let dsn = Dsn::new("5.4.6", format!("mail forwarding loop for {}", rcpt.address));
                delivery.bounced(rcpt, "local", Progress::default(), &dsn).await;
                continue;
            }
            let target = Target {
                rcpt: rcpt.clone(),
                origin: Origin::Envelope,
                indirect: false,
                chain: Vec::new(),
                owner: None,
                user: None,
                extension: None,
                plain: false,
            };
            work.recipient(target).await;
            work.send_forwards(rcpt).await;
        }
    }
}

fn open_aliases(daemon: &Daemon) -> Vec<Dict> {
    let specs = daemon.string("alias_maps");
    let mut all = Vec::new();
    for spec in super::config::typed::words(&specs) {
        match Dict::open(spec, Flags::ALIAS, &daemon.p) {
            Ok(dict) => {
                for w in dict.warnings() {
                    daemon.msg.log(&format!("warning: {w}"));
                }
                all.push(dict);
            }
            Err(e) => {
                daemon.msg.log(&format!("error: {e}"));
                all.push(Dict::surrogate(spec, &e));
            }
        }
    }
    all
}

/// A setting as it is written.
fn raw(daemon: &Daemon, name: &str) -> Rc<str> {
    daemon.config.raw(name).map_or_else(|| "".into(), |text| text.as_ref().into())
}

impl Settings {
    fn read(daemon: &Daemon) -> Settings {
        Settings {
            myhostname: daemon.string("myhostname"),
            mail_name: daemon.string("mail_name"),
            delimiter: daemon.string("recipient_delimiter"),
            home_mailbox: daemon.string("home_mailbox"),
            mail_spool: daemon.string("mail_spool_directory"),
            // The shell or the agent itself fills in `$user` and its kin, at delivery.
            mailbox_command: raw(daemon, "mailbox_command"),
            mailbox_transport: daemon.string("mailbox_transport"),
            fallback_transport: daemon.string("fallback_transport"),
            luser_relay: raw(daemon, "luser_relay"),
            allow_commands: daemon.config.list("allow_mail_to_commands"),
            allow_files: daemon.config.list("allow_mail_to_files"),
            default_privs: daemon.string("default_privs"),
            mailbox_size_limit: daemon.int("mailbox_size_limit").max(0) as u64,
            shell: "/bin/sh".into(),
        }
    }
}

impl<'a> Work<'a> {
    /// Has the message been here before? Its own `Delivered-To:` headers tell.
    fn is_looping(&self) -> bool {
        crate::proto::message::headers(&self.content)
            .any(|h| h.is("Delivered-To") && h.value().eq_ignore_ascii_case(self.delivered_to.as_bytes()))
    }

    /// Delivers to a local name: alias, user, or nobody.
    fn recipient(&'a self, mut target: Target) -> Done<'a> {
        Box::pin(async move {
            let address = target.rcpt.address.clone();
            let local = address.rsplit_once('@').map_or(&*address, |(l, _)| l).to_ascii_lowercase();
            let (name, extension) = address::split_extension(&local, &self.agent.settings.delimiter);
            // Whoever names himself in his .forward means his mailbox.
            let himself = target.user.as_ref().is_some_and(|u| *u.name == *local || *u.name == *name);
            target.plain |= target.origin == Origin::Forward && himself;
            let key = format!("{}{local}", if target.plain { "\\" } else { "" });
            if self.seen.borrow().contains(&key) {
                return; // delivered already, on another way
            }
            if !target.plain {
                match self.alias(&local, &target).await {
                    alias::Found::No => {}
                    alias::Found::Handled => return,
                }
            }
            self.seen.borrow_mut().push(key);
            if (target.owner.is_some() || target.indirect) && !target.plain {
                return self.forward(&target, &address);
            }
            match self.user(&local).or_else(|| self.user(name)) {
                Some(user) => {
                    let extension = if *user.name == *local { None } else { extension };
                    self.to_user(target, user, extension).await;
                }
                None => self.nobody(target, &local).await,
            }
        })
    }

    fn user(&self, name: &str) -> Option<Rc<Passwd>> {
        let host = self.daemon().p.host();
        let fs = host.fs();
        host.users().getpwnam(&fs, name)
    }

    fn daemon(&self) -> &'a Daemon {
        self.agent.daemon
    }

    /// A user: `.forward`, then the mailbox or what stands for it.
    async fn to_user(&'a self, mut target: Target, user: Rc<Passwd>, extension: Option<&str>) {
        target.user = Some(user.clone());
        target.extension = extension.map(Into::into);
        let settings = &self.agent.settings;
        if !settings.mailbox_transport.is_empty() {
            self.chose("mailbox_transport", &settings.mailbox_transport);
            return self.pass_on(&target, &settings.mailbox_transport).await;
        }
        if !target.plain && self.dot_forward(&target, &user, extension).await {
            return;
        }
        if !settings.mailbox_command.is_empty() {
            self.chose("mailbox_command", &settings.mailbox_command);
            return self.command(&target, &settings.mailbox_command.clone()).await;
        }
        self.mailbox(&target, &user).await;
    }

    /// Nobody of this name: `fallback_transport`, `luser_relay`, or back.
    async fn nobody(&'a self, target: Target, local: &str) {
        let settings = &self.agent.settings;
        if !settings.mailbox_transport.is_empty() {
            return self.pass_on(&target, &settings.mailbox_transport).await;
        }
        if !settings.fallback_transport.is_empty() {
            self.chose("fallback_transport", &settings.fallback_transport);
            return self.pass_on(&target, &settings.fallback_transport).await;
        }
        if !settings.luser_relay.is_empty() && !target.chain.iter().any(|c| &**c == "luser_relay") {
            self.chose("luser_relay", &settings.luser_relay);
            let text = settings.luser_relay.replace("$user", local).replace("$local", local);
            let mut next = target.clone();
            next.chain.push("luser_relay".into());
            for destination in destination::parse(&text) {
                self.destination(&next, destination).await;
            }
            return;
        }
        let dsn = Dsn::new("5.1.1", format!("unknown user: \"{local}\""));
        self.delivery.bounced(&target.rcpt, "local", Progress::default(), &dsn).await;
    }

    /// What stands in an alias, a list or a `.forward`.
    fn destination(&'a self, from: &'a Target, destination: Destination) -> Done<'a> {
        Box::pin(async move {
            match destination {
                Destination::Address(text) => self.address(from, &text, false).await,
                Destination::Plain(user) => self.address(from, &user, true).await,
                Destination::Command(text) => {
                    let allowed = &self.agent.settings.allow_commands;
                    if !allowed.iter().any(|a| **a == *self.kind(from)) {
                        let dsn = Dsn::new("5.7.1", "mail to command is restricted");
                        return self.delivery.bounced(&from.rcpt, "local", Progress::default(), &dsn).await;
                    }
                    self.command(from, &text).await;
                }
                Destination::File(path) => {
                    let allowed = &self.agent.settings.allow_files;
                    if !allowed.iter().any(|a| **a == *self.kind(from)) {
                        let dsn = Dsn::new("5.7.1", "mail to file is restricted");
                        return self.delivery.bounced(&from.rcpt, "local", Progress::default(), &dsn).await;
                    }
                    self.file(from, &path).await;
                }
                Destination::Include(path) => self.include(from, &path).await,
            }
        })
    }

    /// The word by which `allow_mail_to_…` names where a destination stands.
    fn kind(&self, from: &Target) -> &'static str {
        match from.origin {
            Origin::Envelope | Origin::Alias => "alias",
            Origin::Include => "include",
            Origin::Forward => "forward",
        }
    }

    /// An address: of this host, or of another one.
    async fn address(&'a self, from: &'a Target, text: &str, plain: bool) {
        let p = &self.daemon().p;
        let context = super::ipc::RewriteContext::Local;
        let address = self.agent.rewriter.rewrite(p, context, &text.into()).await;
        let resolved = self.agent.rewriter.resolve(p, &self.delivery.request.sender, &address).await;
        if resolved.error {
            let dsn = Dsn::new("5.1.3", format!("bad recipient address syntax: \"{text}\""));
            return self.delivery.bounced(&from.rcpt, "local", Progress::default(), &dsn).await;
        }
        if *resolved.transport != *self.daemon().service.name() {
            return self.forward(from, &address);
        }
        let mut next = from.clone();
        next.rcpt.address = address;
        next.plain = plain;
        self.recipient(next).await;
    }

    fn chose(&self, setting: &'static str, value: &str) {
        let daemon = self.daemon();
        daemon.p.decide(|| Decision {
            rule: "who takes it".into(),
            setting: setting.into(),
            place: daemon.config.place(setting),
            compared: self.delivered_to.to_string(),
            outcome: Outcome::Becomes(value.to_owned().into()),
        });
    }

    /// The rights with which files are written and commands run.
    fn rights(&self, target: &Target) -> Cred {
        let host = self.daemon().p.host();
        let user = target.user.clone().or_else(|| self.user(&self.agent.settings.default_privs));
        let fs = host.fs();
        match user {
            Some(user) => host.users().cred(&fs, &user),
            None => Cred { uid: 65534, gid: 65534, groups: Rc::from([]) },
        }
    }

    /// Does something with a user's rights, and takes root's back.
    fn as_user<T>(&self, cred: Cred, f: impl FnOnce(&Process) -> T) -> T {
        let p = &self.daemon().p;
        let own = p.cred().clone();
        p.set_cred(cred);
        let result = f(p);
        p.set_cred(own);
        result
    }

    /// The sender as it stands in `Return-Path:`.
    fn sender(&self, target: &Target) -> Rc<str> {
        target.owner.clone().unwrap_or_else(|| self.delivery.request.sender.clone())
    }

    /// The lines that a delivery puts on top.
    fn top(&self, target: &Target, with_separator: bool) -> Vec<u8> {
        let sender = self.sender(target);
        let mut out = String::with_capacity(200);
        if with_separator {
            let from = if sender.is_empty() { "MAILER-DAEMON".to_owned() } else { address::quote(&sender) };
            let date = crate::proto::message::ctime(self.daemon().p.now().unix());
            out.push_str(&format!("From {from}  {date}\n"));
        }
        out.push_str(&format!("Return-Path: <{}>\n", address::quote(&sender)));
        if !target.rcpt.original.is_empty() {
            out.push_str(&format!("X-Original-To: {}\n", address::quote(&target.rcpt.original)));
        }
        out.push_str(&format!("Delivered-To: {}\n", address::quote(&self.delivered_to)));
        out.into_bytes()
    }

    async fn sent(&self, target: &Target, what: impl Into<Rc<str>>) {
        self.delivery.sent(&target.rcpt, "local", Progress::default(), &Dsn::new("2.0.0", what)).await;
    }

    async fn failed(&self, target: &Target, dsn: Dsn) {
        self.delivery.failed(&target.rcpt, "local", Progress::default(), &dsn).await;
    }
}
