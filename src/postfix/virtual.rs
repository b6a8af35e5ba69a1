//! virtual(8): delivers to the mailboxes of virtual domains, whose users have no accounts here.
//!
//! A recipient is looked up in `virtual_mailbox_maps` (`user+ext@domain`, `user@domain`, `@domain`);
//! what is found stands below `virtual_mailbox_base` and is a Maildir if it ends with a slash, else
//! an mbox. It is written with the rights that `virtual_uid_maps` and `virtual_gid_maps` give.
//!
//! Diagnostics: one line a recipient; warnings for ids that are missing or too low.

use super::deliver::{Delivery, Dsn, Progress};
use super::dict::{Flags, Maps};
use super::local::rights_of;
use super::mail_copy::Copy;
use super::maildir;
use super::mbox::{Opener, Target};
use super::queue::Recipient;
use super::server::Daemon;
use crate::trace::{Decision, Outcome};
use crate::world::process::Process;
use crate::world::users::Cred;
use std::rc::Rc;

/// The relay as it is logged.
const RELAY: &str = "virtual";

/// The status code of errors at a mailbox that have none of their own.
const DEFAULT_STATUS: &str = "4.2.0";

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    if let Err(e) = daemon.config.check("virtual_mailbox_base") {
        daemon.msg.log(&format!("fatal: {}", e.fatal));
        return 1;
    }
    let agent = Agent::new(&daemon);
    let changed = || [&agent.mailboxes, &agent.uids, &agent.gids].iter().find_map(|m| m.changed(&daemon.p));
    while let Some(stream) = daemon.accept_unless(changed).await {
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        agent.deliver(&delivery).await;
        delivery.finish(&stream, None);
    }
    0
}

/// What a daemon keeps between requests.
struct Agent<'d> {
    daemon: &'d Daemon,
    mailboxes: Maps,
    uids: Maps,
    gids: Maps,
    delimiter: Rc<str>,
    base: Rc<str>,
    minimum_uid: u32,
    strict_owner: bool,
    opener: Opener<'d>,
}

impl<'d> Agent<'d> {
    fn new(daemon: &'d Daemon) -> Agent<'d> {
        let open = |setting: &str| {
            let maps = Maps::open_with(&daemon.string(setting), Flags::ALIAS, &daemon.p);
            for e in maps.errors() {
                daemon.msg.log(&format!("error: {e}"));
            }
            for w in maps.warnings() {
                daemon.msg.log_warn(w);
            }
            maps
        };
        Agent {
            daemon,
            mailboxes: open("virtual_mailbox_maps"),
            uids: open("virtual_uid_maps"),
            gids: open("virtual_gid_maps"),
            delimiter: daemon.string("recipient_delimiter"),
            base: daemon.string("virtual_mailbox_base"),
            minimum_uid: daemon.int("virtual_minimum_uid").clamp(1, i64::from(u32::MAX)) as u32,
            strict_owner: daemon.yes("strict_mailbox_ownership"),
            opener: Opener::new(daemon, "virtual_mailbox_lock", "virtual_mailbox_limit", DEFAULT_STATUS),
        }
    }

    async fn deliver(&self, delivery: &Delivery<'_>) {
        let content = delivery.content();
        let stops: Vec<&[u8]> = crate::proto::message::headers(&content)
            .filter(|h| h.is("Delivered-To"))
            .map(|h| h.value())
            .collect();
        for rcpt in &delivery.request.recipients {
            let loops = stops.iter().any(|s| s.eq_ignore_ascii_case(rcpt.address.as_bytes()));
            let done = match loops {
                true => Err(Dsn::new("5.4.6", format!("mail forwarding loop for {}", rcpt.address))),
                false => self.recipient(delivery, rcpt, &content).await,
            };
            match done {
                Ok(what) => {
                    delivery.sent(rcpt, RELAY, Progress::default(), &Dsn::new("2.0.0", what)).await;
                }
                Err(dsn) => {
                    delivery.failed(rcpt, RELAY, Progress::default(), &dsn).await;
                }
            }
        }
    }

    /// Delivers to one recipient; gives the text for the log.
    async fn recipient(
        &self,
        delivery: &Delivery<'_>,
        rcpt: &Recipient,
        content: &[u8],
    ) -> Result<&'static str, Dsn> {
        let user = rcpt.address.to_lowercase();
        let unknown = || Dsn::new("5.1.1", format!("unknown user: \"{user}\""));
        let place = self.find(&self.mailboxes, "virtual_mailbox_maps", &user)?.ok_or_else(unknown)?;
        let path = format!("{}/{place}", self.base);
        let uid = self.id(&self.uids, "virtual_uid_maps", "uid", &user, self.minimum_uid)?;
        let gid = self.id(&self.gids, "virtual_gid_maps", "gid", &user, 1)?;
        let cred = rights_of(uid, gid);
        let is_maildir = path.ends_with('/');
        if delivery.request.trace.is_rehearsal() {
            return Ok(if is_maildir { "delivers to maildir" } else { "delivers to mailbox" });
        }
        let copy = Copy {
            separator: (!is_maildir).then(|| self.daemon.p.now()),
            sender: &delivery.request.sender,
            return_path: true,
            original: delivery.shown_original(rcpt),
            delivered: Some(&rcpt.address),
        };
        if is_maildir {
            let message = copy.plain(content).into();
            maildir::deliver(self.daemon, &cred, &path, message, DEFAULT_STATUS)?;
            return Ok("delivered to maildir");
        }
        match self.append(&path, cred, copy.mbox(content)).await {
            Ok(()) => Ok("delivered to mailbox"),
            Err(mut dsn) => {
                dsn.reason = format!("delivery failed to mailbox {path}: {}", dsn.reason).into();
                Err(dsn)
            }
        }
    }

    async fn append(&self, path: &str, cred: Cred, message: Vec<u8>) -> Result<(), Dsn> {
        let owner = cred.uid;
        let target = Target { path, cred, give_to: None, lock_may_fail: false };
        let mbox = self.opener.open(&target).await?;
        if !mbox.stat.is_file() {
            return Err(Dsn::new("5.2.0", "destination is not a regular file"));
        }
        if self.strict_owner && mbox.stat.uid != owner {
            let text = "specify \"strict_mailbox_ownership = no\" to ignore mailbox ownership mismatch";
            self.daemon.msg.log_warn(text);
            return Err(Dsn::new("4.2.0", "destination is not owned by recipient"));
        }
        mbox.append(message).await
    }

    fn find(&self, maps: &Maps, setting: &'static str, user: &str) -> Result<Option<Rc<str>>, Dsn> {
        let found = maps.find_address(user, &self.delimiter).map_err(|e| {
            e.log(&self.daemon.msg);
            misconfigured()
        })?;
        if let Some(found) = &found {
            self.daemon.p.decide(|| Decision {
                rule: "virtual mailbox".into(),
                setting: setting.into(),
                place: self.daemon.config.place(setting),
                compared: format!("{user} in {}", found.table),
                outcome: Outcome::Becomes(found.value.to_string().into()),
            });
        }
        Ok(found.map(|f| f.value))
    }

    fn id(&self, maps: &Maps, setting: &'static str, what: &str, user: &str, least: u32) -> Result<u32, Dsn> {
        let Some(text) = self.find(maps, setting, user)? else {
            self.daemon.msg.log_warn(format!("recipient {user}: not found in {setting}"));
            return Err(misconfigured());
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        match text[..digits].parse::<u32>() {
            Ok(id) if id >= least => Ok(id),
            _ => {
                self.daemon.msg.log_warn(format!("recipient {user}: bad {what} {text} in {setting}"));
                Err(misconfigured())
            }
        }
    }
}

fn misconfigured() -> Dsn {
    Dsn::new("4.3.5", "mail system configuration error")
}
