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

use crate::world::process::Program;

/// The programs of this folder, by the names that executable files give them.
/// `s-nail` belongs in `/usr/bin/s-nail`, with links `mail` and `mailx` beside it.
pub fn programs() -> Vec<(&'static str, Program)> {
    vec![("s-nail", |p| Box::pin(mail::main(p)))]
}
