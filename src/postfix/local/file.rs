//! Delivery to a file named in an alias or `.forward`: an mbox, a Maildir, or `/dev/null`.

use super::seen::Key;
use super::{Expansion, State, Status, Work};
use crate::postfix::deliver::Dsn;
use crate::postfix::mbox::Target;
use std::rc::Rc;

/// The word by which `allow_mail_to_…` names where a destination stands; nothing where the
/// administrator's own settings say so.
pub(super) fn is_allowed(list: &[Rc<str>], expansion: Expansion) -> bool {
    let word = match expansion {
        Expansion::None => return true,
        Expansion::Alias => "alias",
        Expansion::Forward => "forward",
        Expansion::Include => "include",
    };
    list.iter().any(|w| w.eq_ignore_ascii_case(word))
}

impl<'a> Work<'a> {
    /// Appends the message to a file.
    pub(super) async fn file(&self, state: &State, path: &str) -> Status {
        let uid = state.rights.as_ref().map_or(0, |u| u.uid);
        if self.seen.borrow_mut().before(Key::File(uid, path.to_owned())) {
            return Status::Done;
        }
        if !is_allowed(&self.settings().allow_files, state.expansion) {
            return self.failed(state, Dsn::new("5.7.1", "mail to file is restricted")).await;
        }
        if self.is_rehearsal() {
            return self.sent(state, format!("delivers to file: {path}")).await;
        }
        if path.ends_with('/') {
            return self.maildir(state, &self.rights(state), path).await;
        }
        match self.append_to_file(state, path).await {
            Ok(()) => self.sent(state, format!("delivered to file: {path}")).await,
            Err(mut dsn) => {
                dsn.reason = format!("cannot append message to file {path}: {}", dsn.reason).into();
                self.failed_part(state, dsn).await
            }
        }
    }

    async fn append_to_file(&self, state: &State, path: &str) -> Result<(), Dsn> {
        let target = Target { path, cred: self.rights(state), give_to: None, lock_may_fail: true };
        let mbox = self.agent.opener.open(&target).await?;
        if mbox.stat.is_file() && mbox.stat.mode & 0o111 != 0 {
            return Err(Dsn::new("5.7.1", "file is executable"));
        }
        mbox.append(self.for_mbox(state)).await
    }
}
