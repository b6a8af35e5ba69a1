//! Handing a recipient to another delivery agent as it is: `mailbox_transport`,
//! `fallback_transport` and their tables.

use super::{State, Status, Work};
use crate::postfix::deliver::Dsn;
use crate::postfix::queue::Recipient;

impl<'a> Work<'a> {
    /// Has another agent deliver; `setting` is `transport:nexthop`.
    pub(super) async fn pass_on(&self, state: &State, setting: &str) -> Status {
        // The recipient is struck here, when all is done.
        let rcpt = Recipient { offset: 0, ..state.rcpt.clone() };
        match self.delivery.pass(setting, rcpt).await {
            Some(true) => Status::Later,
            Some(false) => Status::Done,
            None => self.deferred(state, Dsn::new("4.3.0", "mail transport unavailable")).await,
        }
    }
}
