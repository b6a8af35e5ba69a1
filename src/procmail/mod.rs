//! procmail 3.22 (its banner says 3.23pre): a mail delivery agent with recipes, formail(1) and lockfile(1).
//!
//! - [`main`]: the command line, and what a run begins and ends with
//! - [`rc`]: the language of rcfiles; [`word`]: its words
//! - [`recipe`]: going through the items of rcfiles
//! - [`condition`]: what a recipe asks; [`regex`]: procmail's own expressions
//! - [`variables`]: what words come to, and what setting a variable does
//! - [`command`]: running programs, by themselves or through the shell
//! - [`deliver`]: mbox, Maildir, MH and plain directories; [`lock`]: lock files
//! - [`log`]: the log file: remarks, and the abstract of three lines
//! - [`message`]: the message
//! - [`mod@formail`] is formail(1), [`split`] what it does with mailboxes; [`mod@lockfile`] is lockfile(1)

pub mod command;
pub mod condition;
pub mod deliver;
pub mod formail;
mod idcache;
pub mod lock;
pub mod lockfile;
pub mod log;
pub mod main;
pub mod message;
pub mod rc;
pub mod recipe;
pub mod regex;
pub mod split;
pub mod variables;
pub mod word;

#[cfg(test)]
mod tests;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::Program;

/// The programs of this folder, by the names that executable files give them.
pub fn programs() -> Vec<(&'static str, Program)> {
    vec![
        ("procmail", |p| Box::pin(main::main(p))),
        ("lockfile", |p| Box::pin(lockfile::main(p))),
        ("formail", |p| Box::pin(formail::main(p))),
    ]
}

/// Lays the programs onto a host's disk, with the set-id bits that Debian gives them.
///
/// # Errors
/// Those of writing files, on a disk too small.
pub fn install(fs: &mut Fs, now: Time) -> Sys<()> {
    base::install_program(fs, "/usr/bin/procmail", "procmail", 0o6755, base::MAIL, now)?;
    base::install_program(fs, "/usr/bin/formail", "formail", 0o755, 0, now)?;
    base::install_program(fs, "/usr/bin/lockfile", "lockfile", 0o2755, base::MAIL, now)?;
    Ok(())
}
