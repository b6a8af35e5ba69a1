//! What a delivery puts around the message; see [`mail_copy`](crate::postfix::mail_copy).

use super::{State, Work};
use crate::postfix::mail_copy::Copy;

impl<'a> Work<'a> {
    /// The message as a command reads it.
    pub(super) fn for_command(&self, state: &State) -> Vec<u8> {
        self.copy(state, true, self.settings().delivered_to.command).plain(self.content())
    }

    /// The message as it stands in a file of a Maildir.
    pub(super) fn for_maildir(&self, state: &State) -> Vec<u8> {
        self.copy(state, false, self.settings().delivered_to.file).plain(self.content())
    }

    /// The message as it stands in an mbox.
    pub(super) fn for_mbox(&self, state: &State) -> Vec<u8> {
        self.copy(state, true, self.settings().delivered_to.file).mbox(self.content())
    }

    fn copy<'s>(&self, state: &'s State, with_separator: bool, with_delivered: bool) -> Copy<'s> {
        Copy {
            separator: with_separator.then(|| self.daemon().p.now()),
            sender: &state.sender,
            return_path: true,
            original: self.delivery.shown_original(&state.rcpt),
            delivered: with_delivered.then_some(&*state.delivered),
        }
    }
}
