//! A guide: somebody who looks over one's shoulder in the lab, adds commands to it, and may have
//! something to say after each line. A lesson is one; the lab knows no more about it than this.

use super::commands::{Command, Done};
use super::session::{Answer, Session};

/// What a guide does.
pub trait Guide {
    /// The commands that it adds, before those of the lab. One of the same name takes the place of
    /// the lab's own.
    fn commands(&self) -> &'static [Command];

    /// Does one of them.
    ///
    /// # Errors
    /// Why it is not done, and what would be.
    fn run(&mut self, session: &mut Session, name: &str, args: &str) -> Done;

    /// Looks at the session after a line was typed and `answer` came; gives what there is to say.
    fn after(&mut self, session: &Session, answer: &Answer) -> String;
}
