//! Flow control (`mail_flow(3)`): those who take mail in may not run away from the queue manager.
//!
//! qmgr puts down a token for each message that it takes up, and as many as there may be processes
//! (`default_process_limit`) when there is nothing left to take up. cleanup takes one for each message;
//! where there is none, it waits for `in_flow_delay` and goes on all the same. In life the tokens are
//! octets in a pipe that master's daemons share.

use std::cell::Cell;

/// The tokens of one mail system.
#[derive(Default)]
pub struct MailFlow(Cell<u64>);

impl MailFlow {
    /// Takes a token, if there is one.
    pub fn get(&self) -> bool {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.unwrap_or_default());
        left.is_some()
    }

    /// Puts a token down, where there are fewer than `most`.
    pub fn put(&self, most: u64) {
        self.0.set((self.0.get() + 1).min(most));
    }

    /// Puts so many down that there are `most`.
    pub fn fill(&self, most: u64) {
        self.0.set(most);
    }
}
