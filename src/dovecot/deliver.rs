//! A message into a user's INBOX, wherever `mail_location` has that.

use super::conf::Block;
use super::user::{self, User};
use super::{maildir, mbox};
use crate::proto::message;
use crate::world::process::Process;

/// Where a user's mail is.
enum Location {
    /// The directory of a Maildir.
    Maildir(String),
    /// The file that is the INBOX.
    Mbox(String),
}

fn location(conf: &Block, user: &User) -> Option<Location> {
    let text = conf.setting("mail_location")?;
    let (kind, rest) = text.split_once(':')?;
    let mut parts = rest.split(':');
    let root = parts.next().unwrap_or_default();
    let inbox = parts.find_map(|p| p.strip_prefix("INBOX="));
    let place = |text: &str| user::path(text, user).to_string();
    match kind {
        "maildir" => Some(Location::Maildir(place(inbox.unwrap_or(root)))),
        "mbox" => Some(Location::Mbox(inbox.map_or_else(|| format!("{}/inbox", place(root)), place))),
        _ => None,
    }
}

/// Saves a message, whose lines end with LF; `sender` is for the `From ` line of an mbox.
///
/// # Errors
/// Why it cannot be saved, as the log says it.
pub async fn save(
    p: &Process,
    conf: &Block,
    user: &User,
    sender: &str,
    message: &[u8],
) -> Result<(), String> {
    let cred = user.cred(p, conf.setting("mail_privileged_group"));
    match location(conf, user) {
        Some(Location::Maildir(path)) => {
            let saved = p.with_rights(&cred, |p| maildir::save(p, &path, message));
            saved.map_err(|(file, e)| format!("Mailbox INBOX: open({file}) failed: {e}"))
        }
        Some(Location::Mbox(path)) => {
            let saved = mbox::save(p, &cred, &path, sender, message).await;
            saved.map_err(|e| format!("Mailbox INBOX: open({path}) failed: {e}"))
        }
        None => Err("Mailbox INBOX: mail_location not set or of a kind that is not known".to_owned()),
    }
}

/// The message's id as the log shows it: with its brackets, or `unspecified`.
pub fn message_id(content: &[u8]) -> String {
    let found = message::headers(content).find(|h| h.is("Message-Id"));
    found.map_or_else(|| "unspecified".to_owned(), |h| String::from_utf8_lossy(h.value()).into_owned())
}
