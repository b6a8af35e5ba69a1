//! The mail user agent: mail(1) as s-nail 14.9.24 is.
//!
//! - [`mail`]: the command line, and which of the two modes it asks for
//! - [`settings`]: variables and aliases, from `/etc/s-nail.rc`, `~/.mailrc` and `-S`
//! - [`names`]: addresses as people write them, and what is wrong with them
//! - [`template`]: a message that brings its own header (`-t`)
//! - [`compose`]: the letter, and the octets made of it
//! - [`header`]: header fields: folding and encoded words
//! - [`mime`]: how a body must be encoded; quoted-printable and base64
//! - [`send`]: handing the letter to sendmail(1), and `dead.letter`
//! - [`folder`]: an mbox as a list of messages with their states
//! - [`summary`]: the lines of a header summary
//! - [`reader`]: the commands of the receive mode

pub mod compose;
pub mod folder;
pub mod header;
pub mod mail;
pub mod mime;
pub mod names;
pub mod reader;
pub mod send;
pub mod settings;
pub mod summary;
pub mod template;
pub mod writing;

#[cfg(test)]
mod tests;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::Program;
use crate::world::users::Cred;

/// The programs of this folder, by the names that executable files give them.
pub fn programs() -> Vec<(&'static str, Program)> {
    vec![("s-nail", |p| Box::pin(mail::main(p)))]
}

/// The start-up file of those who sit at a terminal: a dot ends a letter, which goes without a
/// further question, as with the older mailx.
pub const PERSON_RC: &str = "/etc/mail.rc";

/// Lays s-nail, its two other names and its settings onto a host's disk.
///
/// # Errors
/// Those of writing files, on a disk too small.
pub fn install(fs: &mut Fs, now: Time) -> Sys<()> {
    base::install_program(fs, "/usr/bin/s-nail", "s-nail", 0o755, 0, now)?;
    let (root, top) = (Cred::root(), fs.root());
    for name in ["/usr/bin/mail", "/usr/bin/mailx"] {
        fs.symlink(&root, "s-nail", top, name, now)?;
    }
    fs.write_path(&root, top, "/etc/s-nail.rc", settings::SYSTEM_RC, 0o644, now)?;
    fs.write_path(&root, top, PERSON_RC, settings::PERSON_RC, 0o644, now).map(drop)
}
