//! A user's mailbox, or what stands for it: `mailbox_transport`, `mailbox_command`, a Maildir, an
//! mbox in `mail_spool_directory` or at `home_mailbox`.

use super::seen::Key;
use super::{Expansion, State, Status, Work, rights_of};
use crate::postfix::deliver::Dsn;
use crate::postfix::dict::{Found, Maps};
use crate::postfix::mbox::Target;
use crate::world::passwd::Passwd;
use std::rc::Rc;

impl<'a> Work<'a> {
    /// Delivers to the user's mailbox; nothing if there is no such user.
    pub(super) async fn mailbox(&'a self, state: &State) -> Option<Status> {
        if self.seen.borrow_mut().before(Key::Mailbox(state.local.to_string())) {
            return Some(Status::Done);
        }
        let settings = self.settings();
        match self.ask(&settings.mailbox_transport_maps, state) {
            Ok(Some(found)) => {
                self.chose(state, "mailbox_transport_maps", &found.value);
                return Some(self.pass_on(state, &found.value).await);
            }
            Ok(None) => {}
            Err(dsn) => return Some(self.deferred(state, dsn).await),
        }
        if !settings.mailbox_transport.is_empty() {
            self.chose(state, "mailbox_transport", &settings.mailbox_transport);
            return Some(self.pass_on(state, &settings.mailbox_transport).await);
        }
        let user = self.user(&state.user)?;
        let mut state = state.clone();
        state.level += 1;
        state.rights = Some(user.clone());
        // The administrator's command is allowed whatever users may do.
        state.expansion = Expansion::None;
        Some(self.place(&state, &user).await)
    }

    /// What takes the place of a user's mailbox, or the mailbox.
    async fn place(&'a self, state: &State, user: &Rc<Passwd>) -> Status {
        let settings = self.settings();
        match self.ask(&settings.mailbox_command_maps, state) {
            Ok(Some(found)) => {
                self.chose(state, "mailbox_command_maps", &found.value);
                return self.command(state, &found.value).await;
            }
            Ok(None) => {}
            Err(dsn) => return self.deferred(state, dsn).await,
        }
        if !settings.mailbox_command.is_empty() {
            self.chose(state, "mailbox_command", &settings.mailbox_command);
            return self.command(state, &settings.mailbox_command).await;
        }
        let cred = rights_of(user.uid, user.gid);
        if !settings.home_mailbox.is_empty() {
            self.chose(state, "home_mailbox", &settings.home_mailbox);
            let path = format!("{}/{}", user.home, settings.home_mailbox);
            if path.ends_with('/') {
                return self.maildir(state, &cred, &path).await;
            }
            return self
                .to_file(state, Target { path: &path, cred, give_to: None, lock_may_fail: false })
                .await;
        }
        self.chose(state, "mail_spool_directory", &settings.mail_spool);
        if settings.mail_spool.ends_with('/') {
            let path = format!("{}{}/", settings.mail_spool, state.user);
            return self.maildir(state, &cred, &path).await;
        }
        self.spool_file(state, user).await
    }

    fn ask(&self, maps: &Maps, state: &State) -> Result<Option<Found>, Dsn> {
        if maps.is_empty() {
            return Ok(None);
        }
        maps.find(&state.user).map_err(|e| {
            e.log(&self.daemon().msg);
            Dsn::new("4.3.0", "table lookup failure")
        })
    }

    /// With the least rights that will do: the user's where everybody may write to the spool, those
    /// of the spool's group where that may, else root's, and the file is given away.
    async fn spool_file(&'a self, state: &State, user: &Passwd) -> Status {
        let spool = &self.settings().mail_spool;
        let (cred, give_to) = match self.daemon().p.stat(spool, true) {
            Ok(stat) if stat.mode & 0o022 == 0 => (rights_of(0, 0), Some((user.uid, user.gid))),
            Ok(stat) if stat.mode & 0o002 == 0 => (rights_of(user.uid, stat.gid), None),
            _ => (rights_of(user.uid, user.gid), None),
        };
        let path = format!("{spool}/{}", state.user);
        self.to_file(state, Target { path: &path, cred, give_to, lock_may_fail: false }).await
    }

    async fn to_file(&'a self, state: &State, target: Target<'_>) -> Status {
        if self.is_rehearsal() {
            return self.sent(state, "delivers to mailbox").await;
        }
        let mut state = state.clone();
        if !self.settings().frozen_delivered {
            state.delivered = state.rcpt.address.clone();
        }
        match self.append_to_mailbox(&state, &target).await {
            Ok(()) => self.sent(&state, "delivered to mailbox").await,
            Err(mut dsn) => {
                let (path, user) = (target.path, &state.user);
                dsn.reason = format!("cannot update mailbox {path} for user {user}. {}", dsn.reason).into();
                self.failed(&state, dsn).await
            }
        }
    }

    async fn append_to_mailbox(&'a self, state: &State, target: &Target<'_>) -> Result<(), Dsn> {
        let mbox = self.agent.opener.open(target).await?;
        let path = target.path;
        if !mbox.stat.is_file() {
            return Err(Dsn::new("5.2.0", format!("destination {path} is not a regular file")));
        }
        let is_his = state.rights.as_ref().is_some_and(|u| u.uid == mbox.stat.uid);
        if self.settings().strict_owner && !is_his {
            let text = "specify \"strict_mailbox_ownership = no\" to ignore mailbox ownership mismatch";
            self.daemon().msg.log_warn(text);
            return Err(Dsn::new("4.2.0", format!("destination {path} is not owned by recipient")));
        }
        mbox.append(self.for_mbox(state)).await
    }
}
