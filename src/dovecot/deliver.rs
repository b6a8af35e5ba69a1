//! A message into a user's INBOX, wherever `mail_location` has that.

use super::conf::Block;
use super::user::{self, User};
use super::{maildir, mbox};
use crate::proto::message;
use crate::world::errno::Errno;
use crate::world::process::Process;
use crate::world::users::Cred;

/// Where a user's mail is.
enum Location {
    /// The directory of a Maildir.
    Maildir(String),
    /// The file that is the INBOX.
    Mbox(String),
}

fn location(conf: &Block, user: &User) -> Option<Location> {
    let own = user.extra.iter().find(|(name, _)| name == "mail").map(|(_, place)| place.as_str());
    let text = own.or_else(|| conf.setting("mail_location"))?;
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
    // A program that is not root's has no other rights than its own.
    let own = p.cred().clone();
    let cred = if own.uid == 0 { user.cred(p, conf.setting("mail_privileged_group")) } else { own };
    match location(conf, user) {
        Some(Location::Maildir(path)) => {
            let saved = p.with_rights(&cred, |p| maildir::save(p, &path, message));
            saved.map_err(|(file, e)| format!("Mailbox INBOX: open({file}) failed: {e}"))
        }
        Some(Location::Mbox(path)) => {
            let saved = mbox::save(p, &cred, &path, sender, message).await;
            saved
                .map_err(|e| format!("Mailbox INBOX: open({path}) failed: {e}{}", denied(p, &cred, &path, e)))
        }
        None => Err("Mailbox INBOX: mail_location not set or of a kind that is not known".to_owned()),
    }
}

/// Is the INBOX an mbox that is not there yet?
pub fn lacks_mbox(p: &Process, conf: &Block, user: &User) -> bool {
    matches!(location(conf, user), Some(Location::Mbox(path)) if !p.exists(&path))
}

/// Why a file may not be made, in the words of the log: who asks, and whose the directory is.
fn denied(p: &Process, cred: &Cred, path: &str, e: Errno) -> String {
    let directory = path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let Some(stat) = p.stat(directory, true).ok().filter(|_| e == Errno::EACCES) else {
        return String::new();
    };
    let host = p.host();
    let (fs, mut users) = (host.fs(), host.users());
    let user = users.getpwuid(&fs, cred.uid).map_or_else(String::new, |u| format!("({})", u.name));
    let mut group = |gid: u32| users.getgrgid(&fs, gid).map_or_else(String::new, |g| format!("({})", g.name));
    let (own, other) = (group(cred.gid), group(stat.gid));
    let stranger = match stat.mode & 0o020 != 0 && stat.gid != cred.gid {
        true => format!(", we're not in group {}{other}", stat.gid),
        false => String::new(),
    };
    format!(
        " (euid={}{user} egid={}{own} missing +w perm: {directory}{stranger}, dir owned by {}:{} mode={:04o})",
        cred.uid,
        cred.gid,
        stat.uid,
        stat.gid,
        stat.mode & 0o777
    )
}

/// The message's id as the log shows it: with its brackets, or `unspecified`.
pub fn message_id(content: &[u8]) -> String {
    let found = message::headers(content).find(|h| h.is("Message-Id"));
    found.map_or_else(|| "unspecified".to_owned(), |h| String::from_utf8_lossy(h.value()).into_owned())
}
