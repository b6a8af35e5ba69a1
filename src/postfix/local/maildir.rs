//! Delivery to a Maildir.

use super::{State, Status, Work};
use crate::postfix::maildir;
use crate::world::users::Cred;

impl<'a> Work<'a> {
    /// Delivers to the Maildir `path`, which ends with a slash, with these rights.
    pub(super) async fn maildir(&self, state: &State, cred: &Cred, path: &str) -> Status {
        if self.is_rehearsal() {
            return self.sent(state, "delivers to maildir").await;
        }
        let mut state = state.clone();
        if !self.settings().frozen_delivered {
            state.delivered = state.rcpt.address.clone();
        }
        let message = self.for_maildir(&state).into();
        match maildir::deliver(self.daemon(), cred, path, message, "5.2.0") {
            Ok(()) => self.sent(&state, "delivered to maildir").await,
            Err(dsn) => self.failed(&state, dsn).await,
        }
    }
}
