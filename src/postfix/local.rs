//! local(8): delivers to the users, files and commands of this host.
//!
//! A recipient is looked up in `alias_maps`, then among the users; a user's `.forward` is read,
//! and what is left goes to `mailbox_transport`, `mailbox_command` or the mailbox. Names that
//! nobody has go to `fallback_transport` or `luser_relay`, or back to the sender.
//!
//! - [`recipient`]: an address of this host, and what happens to it in turn
//! - [`alias`], [`dotforward`], [`mod@include`]: what it may expand to; [`token`]: how that is written
//! - [`forward`]: what is sent on as a new message; [`pass`]: what another agent is given
//! - [`mailbox`], [`mod@file`], [`maildir`], [`command`]: where mail ends; [`copy`]: what a delivery
//!   puts around a message
//! - [`unknown`]: names that nobody has; [`expand`]: `$user` and its kin in settings
//!
//! # Simplifications
//! No biff. A command that runs out of time is killed; what it started itself is left alone.
//! Kernel locks are of one kind, whether `fcntl` or `flock`. Mail for a `luser_relay` that is not a single
//! address comes back; the real one loses it.
//!
//! Diagnostics: one line a recipient; warnings for files and lists that cannot be read.

mod alias;
mod command;
mod copy;
mod dotforward;
mod expand;
mod file;
mod forward;
mod include;
mod mailbox;
mod maildir;
mod pass;
mod recipient;
mod seen;
mod settings;
mod token;
mod unknown;

use super::bounce;
use super::deliver::{Delivery, Dsn, Fate, Progress};
use super::ipc::{RewriteContext, TraceFlags};
use super::mbox::Opener;
use super::queue::{QueueFile, Recipient};
use super::rewrite::Rewriter;
use super::server::Daemon;
use crate::trace::{Decision, Outcome};
use crate::world::passwd::Passwd;
use crate::world::process::Process;
use crate::world::users::Cred;
use forward::Forwards;
use seen::Seen;
use settings::Settings;
use std::cell::{OnceCell, RefCell};
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
    while let Some(stream) = daemon.accept_unless(|| agent.settings.changed(&daemon.p)).await {
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        agent.deliver(&delivery).await;
        delivery.finish(&stream, None);
    }
    0
}

/// What a daemon keeps between requests.
struct Agent<'d> {
    daemon: &'d Daemon,
    rewriter: Rewriter,
    settings: Settings,
    opener: Opener<'d>,
}

/// What came of a recipient or a part of what it expands to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    /// Delivered, forwarded or returned: there is nothing left to do.
    Done,
    /// It has to wait: the recipient stays in the queue.
    Later,
}

impl Status {
    /// Both: done only if both are.
    fn and(self, other: Status) -> Status {
        if self == Status::Done { other } else { Status::Later }
    }
}

impl From<Fate> for Status {
    fn from(fate: Fate) -> Status {
        match fate {
            Fate::Deferred => Status::Later,
            Fate::Bounced | Fate::Sent => Status::Done,
        }
    }
}

/// What listed a destination; `allow_mail_to_commands` and `allow_mail_to_files` go by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expansion {
    /// A setting of the administrator.
    None,
    /// An alias.
    Alias,
    /// A `.forward` file.
    Forward,
    /// An `:include:` list.
    Include,
}

/// A recipient, on its way from the envelope to a place.
#[derive(Clone)]
struct State {
    /// How deep in expansions it is.
    level: u32,
    /// The recipient as it is logged.
    rcpt: Recipient,
    /// The `Delivered-To:` address.
    delivered: Rc<str>,
    /// The envelope sender.
    sender: Rc<str>,
    /// Who stands behind the list this recipient is on: an `owner-` alias, the user with a
    /// `.forward`, the name with an `:include:`. Other users' mail is then forwarded.
    owner: Option<Rc<str>>,
    /// Has an `owner-` alias replaced the sender?
    resent: bool,
    /// What listed it.
    expansion: Expansion,
    /// The alias it stands in.
    from_alias: Option<Rc<str>>,
    /// The local part, in lower case.
    local: Rc<str>,
    /// The local part without its extension.
    user: Rc<str>,
    /// The extension.
    extension: Option<Rc<str>>,
    /// The extension, where addresses that it expands to are to get it.
    unmatched: Option<Rc<str>>,
    /// The domain.
    domain: Rc<str>,
    /// With whose rights files are written and commands run; nobody's in particular: `default_privs`.
    rights: Option<Rc<Passwd>>,
}

/// One recipient's shared state.
struct Work<'a> {
    agent: &'a Agent<'a>,
    delivery: &'a Delivery<'a>,
    /// The recipient of the envelope.
    top: &'a Recipient,
    seen: RefCell<Seen>,
    forwards: RefCell<Forwards>,
    content: &'a OnceCell<bytes::Bytes>,
    /// The `Delivered-To:` addresses that the message has already.
    stops: &'a OnceCell<Vec<Vec<u8>>>,
}

type Doing<'a> = Pin<Box<dyn Future<Output = Status> + 'a>>;

/// The relay as it is logged.
const RELAY: &str = "local";

impl<'d> Agent<'d> {
    fn new(daemon: &'d Daemon) -> Agent<'d> {
        Agent {
            daemon,
            rewriter: Rewriter::default(),
            settings: Settings::read(daemon),
            opener: Opener::new(daemon, "mailbox_delivery_lock", "mailbox_size_limit", "5.2.0"),
        }
    }

    /// Delivers to every recipient of a request.
    async fn deliver(&self, delivery: &Delivery<'_>) {
        let (content, stops) = (OnceCell::new(), OnceCell::new());
        delivery.strikes_itself();
        for rcpt in &delivery.request.recipients {
            let work = Work {
                agent: self,
                delivery,
                top: rcpt,
                seen: RefCell::new(Seen::new(self.settings.duplicate_limit)),
                forwards: RefCell::default(),
                content: &content,
                stops: &stops,
            };
            let state = State {
                level: 0,
                rcpt: rcpt.clone(),
                delivered: rcpt.address.clone(),
                sender: delivery.request.sender.clone(),
                owner: None,
                resent: false,
                expansion: Expansion::None,
                from_alias: None,
                local: "".into(),
                user: "".into(),
                extension: None,
                unmatched: None,
                domain: "".into(),
                rights: None,
            };
            let mut status = work.recipient(state).await;
            if status == Status::Done {
                status = work.send_forwards().await;
            }
            if status == Status::Done {
                delivery.strike(rcpt);
            }
        }
    }
}

impl<'a> Work<'a> {
    fn daemon(&self) -> &'a Daemon {
        self.agent.daemon
    }

    fn settings(&self) -> &'a Settings {
        &self.agent.settings
    }

    /// The message, each line ended by LF.
    fn content(&self) -> &'a bytes::Bytes {
        self.content.get_or_init(|| self.delivery.content().into())
    }

    /// Is it only asked what would happen (`sendmail -bv`)?
    fn is_rehearsal(&self) -> bool {
        self.delivery.request.trace.is_rehearsal()
    }

    /// Is it only asked whether the address exists? Then nothing is expanded.
    fn is_probe(&self) -> bool {
        self.delivery.request.trace == TraceFlags::Probe
    }

    /// Has the message been delivered to this address before?
    fn is_looping(&self, address: &str) -> bool {
        let stops = self.stops.get_or_init(|| {
            crate::proto::message::headers(self.content())
                .filter(|h| h.is("Delivered-To"))
                .map(|h| h.value().to_vec())
                .collect()
        });
        stops.iter().any(|s| s.eq_ignore_ascii_case(address.as_bytes()))
    }

    fn user(&self, name: &str) -> Option<Rc<Passwd>> {
        let host = self.daemon().p.host();
        let fs = host.fs();
        host.users().getpwnam(&fs, name)
    }

    fn user_of(&self, uid: u32) -> Option<Rc<Passwd>> {
        let host = self.daemon().p.host();
        let fs = host.fs();
        host.users().getpwuid(&fs, uid)
    }

    /// The complete form of an address that stands in a file of this host.
    async fn rewrite(&self, address: &str) -> Rc<str> {
        self.agent.rewriter.rewrite(&self.daemon().p, RewriteContext::Local, &address.into()).await
    }

    /// The rights with which files are written and commands run: never root's.
    fn rights(&self, state: &State) -> Cred {
        match &state.rights {
            Some(user) if user.uid != 0 && user.gid != 0 => rights_of(user.uid, user.gid),
            _ => match self.user(&self.settings().default_privs) {
                Some(user) => rights_of(user.uid, user.gid),
                None => rights_of(65534, 65534),
            },
        }
    }

    /// Does something with other rights, and takes its own back.
    fn with_rights<T>(&self, cred: &Cred, f: impl FnOnce(&Process) -> T) -> T {
        self.daemon().p.with_rights(cred, f)
    }

    /// Records that a setting decides who takes the message.
    fn chose(&self, state: &State, setting: &'static str, value: &str) {
        let daemon = self.daemon();
        daemon.p.decide(|| Decision {
            rule: "who takes it".into(),
            setting: setting.into(),
            place: daemon.config.place(setting),
            compared: state.delivered.to_string(),
            outcome: Outcome::Becomes(value.to_owned().into()),
        });
    }

    async fn sent(&self, state: &State, what: impl Into<Rc<str>>) -> Status {
        self.delivery.sent(&state.rcpt, RELAY, Progress::default(), &Dsn::new("2.0.0", what)).await;
        Status::Done
    }

    /// It cannot be delivered: returned to the sender, or kept where the status says so.
    async fn failed(&self, state: &State, dsn: Dsn) -> Status {
        self.delivery.failed(&state.rcpt, RELAY, Progress::default(), &dsn).await.into()
    }

    async fn deferred(&self, state: &State, dsn: Dsn) -> Status {
        self.delivery.deferred(&state.rcpt, RELAY, Progress::default(), &dsn).await.into()
    }

    /// As [`failed`](Self::failed), for a part of an alias: where that has an owner, he is told.
    async fn failed_part(&self, state: &State, dsn: Dsn) -> Status {
        if !state.resent || dsn.is_transient() || self.is_rehearsal() || self.daemon().yes("soft_bounce") {
            return self.failed(state, dsn).await;
        }
        let request = &self.delivery.request;
        if let Ok(mut file) = QueueFile::parse(request.file.clone()) {
            file.recipients = vec![state.rcpt.clone()];
            bounce::tell(self.daemon(), &request.id, &file, &state.sender, dsn.clone()).await;
        }
        self.delivery.log(&state.rcpt, RELAY, Progress::default(), &dsn, "bounced", &dsn.reason);
        Status::Done
    }
}

/// A user's rights without his other groups, as the real agent takes them on.
pub(super) fn rights_of(uid: u32, gid: u32) -> Cred {
    Cred { uid, gid, groups: Rc::from([]) }
}
