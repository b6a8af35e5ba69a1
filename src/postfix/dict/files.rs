//! What a table needs of the machine it is on.

use crate::world::clock::Time;
use crate::world::errno::Sys;
use bytes::Bytes;

/// Files, their times, the clock and the environment, as the process that opens a table sees them.
pub trait Files {
    /// The content of a file.
    ///
    /// # Errors
    /// What open(2) or read(2) fails with.
    fn read(&self, path: &str) -> Sys<Bytes>;
    /// When a file was last changed.
    ///
    /// # Errors
    /// What stat(2) fails with.
    fn modified(&self, path: &str) -> Sys<Time>;
    /// The time now.
    fn now(&self) -> Time;
    /// The environment, for `environ:` tables.
    fn environment(&self) -> Vec<(String, String)>;
}
