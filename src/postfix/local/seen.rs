//! What one recipient has led to already, so that nothing is delivered twice (`been_here(3)`).

use std::collections::BTreeSet;

/// A thing that is done once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// An address, at a depth of expansion.
    Recipient(u32, String),
    /// A user's mailbox.
    Mailbox(String),
    /// A `.forward` file that is being read.
    Forward(String),
    /// A `.forward` file that named somebody.
    Forwarded(String),
    /// An address to send on to.
    Indirect(String),
    /// A file, with a user's rights.
    File(u32, String),
    /// A command, with a user's rights.
    Command(u32, String),
    /// A list, with a user's rights.
    Include(u32, String),
    /// `luser_relay`.
    Relay,
}

impl Key {
    fn folded(mut self) -> Key {
        match &mut self {
            Key::Recipient(_, t)
            | Key::Mailbox(t)
            | Key::Forward(t)
            | Key::Forwarded(t)
            | Key::Indirect(t)
            | Key::File(_, t)
            | Key::Command(_, t)
            | Key::Include(_, t) => t.make_ascii_lowercase(),
            Key::Relay => {}
        }
        self
    }
}

/// The things that were done, at most so many (`duplicate_filter_limit`; 0 for all).
pub struct Seen {
    keys: BTreeSet<Key>,
    limit: usize,
}

impl Seen {
    pub fn new(limit: usize) -> Seen {
        Seen { keys: BTreeSet::new(), limit }
    }

    /// Was it done before? From now on it was.
    pub fn before(&mut self, key: Key) -> bool {
        let key = key.folded();
        if self.keys.contains(&key) {
            return true;
        }
        if self.limit == 0 || self.keys.len() < self.limit {
            self.keys.insert(key);
        }
        false
    }

    /// Was it done before?
    pub fn has(&self, key: Key) -> bool {
        self.keys.contains(&key.folded())
    }
}
