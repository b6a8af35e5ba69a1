//! Users: how a name is written (`auth_username_format`), and where the userdb has him.
//!
//! # Simplifications
//! Of the databases `passwd` and `static` are known; others find nobody.

use super::conf::Block;
use crate::world::process::Process;
use crate::world::users::Cred;
use std::rc::Rc;

/// A user as he is known to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// His name, formatted.
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// Why there is no user to deliver to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoUser {
    /// Nobody has that name.
    Unknown,
    /// He cannot be used: what the log says.
    Unusable(String),
}

/// The name before the `recipient_delimiter`, with the domain, if there is one: what is looked up.
pub fn without_detail(address: &str, delimiters: &str) -> String {
    let (local, domain) = match address.rfind('@') {
        Some(at) => address.split_at(at),
        None => (address, ""),
    };
    match local.find(|c| delimiters.contains(c)) {
        Some(at) if at > 0 => format!("{}{domain}", &local[..at]),
        _ => address.to_owned(),
    }
}

/// A text with `%u`, `%n`, `%d`, `%h` and their modifiers `L` and `U` filled in (Variables).
pub fn fill(text: &str, name: &str, home: &str) -> String {
    let mut out = String::with_capacity(text.len() + name.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let (mut lower, mut upper) = (false, false);
        let letter = loop {
            match chars.next() {
                Some('L') => lower = true,
                Some('U') => upper = true,
                other => break other,
            }
        };
        let (local, domain) = name.split_once('@').unwrap_or((name, ""));
        let value = match letter {
            Some('u') => name,
            Some('n') => local,
            Some('d') => domain,
            Some('h') => home,
            Some('%') => "%",
            _ => "",
        };
        match (lower, upper) {
            (true, _) => out.push_str(&value.to_lowercase()),
            (_, true) => out.push_str(&value.to_uppercase()),
            _ => out.push_str(value),
        }
    }
    out
}

/// Looks a user up.
///
/// # Errors
/// [`NoUser`]
pub fn look_up(p: &Process, conf: &Block, name: &str) -> Result<User, NoUser> {
    let format = conf.setting("auth_username_format").unwrap_or("%Lu");
    let name = fill(format, name, "");
    for userdb in conf.all("userdb") {
        let found = match userdb.setting("driver") {
            Some("passwd") => passwd(p, &name),
            Some("static") => fixed(p, userdb, &name),
            _ => None,
        };
        let Some(user) = found else { continue };
        if user.uid == 0 {
            let text = "Invalid settings in userdb: userdb returned 0 as uid";
            return Err(NoUser::Unusable(text.to_owned()));
        }
        return Ok(user);
    }
    Err(NoUser::Unknown)
}

fn passwd(p: &Process, name: &str) -> Option<User> {
    let host = p.host();
    let (fs, mut users) = (host.fs(), host.users());
    let entry = users.getpwnam(&fs, name)?;
    Some(User { name: name.to_owned(), uid: entry.uid, gid: entry.gid, home: entry.home.clone() })
}

/// `args = uid=… gid=… home=…`, the same for everybody.
fn fixed(p: &Process, userdb: &Block, name: &str) -> Option<User> {
    let args = userdb.setting("args").unwrap_or_default();
    let field = |field: &str| args.split_whitespace().find_map(|w| w.strip_prefix(field)?.strip_prefix('='));
    let host = p.host();
    let (fs, mut users) = (host.fs(), host.users());
    let uid = field("uid")?;
    let uid = uid.parse().ok().or_else(|| users.getpwnam(&fs, uid).map(|u| u.uid))?;
    let gid = field("gid").unwrap_or("");
    let gid = gid.parse().ok().or_else(|| users.getgrnam(&fs, gid).map(|g| g.gid)).unwrap_or(uid);
    Some(User { name: name.to_owned(), uid, gid, home: fill(field("home").unwrap_or_default(), name, "") })
}

impl User {
    /// His rights, and those of the group that `mail_privileged_group` lends him.
    pub fn cred(&self, p: &Process, privileged_group: Option<&str>) -> Cred {
        let host = p.host();
        let (fs, mut users) = (host.fs(), host.users());
        let lent = privileged_group.and_then(|g| users.getgrnam(&fs, g)).map(|g| g.gid);
        Cred { uid: self.uid, gid: self.gid, groups: lent.into_iter().collect::<Vec<_>>().into() }
    }
}

/// A place with `~` and `%` filled in.
pub fn path(text: &str, user: &User) -> Rc<str> {
    let text = fill(text, &user.name, &user.home);
    match text.strip_prefix('~') {
        Some(rest) => format!("{}{rest}", user.home).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        assert_eq!(fill("%Ln", "Bob@Example.org", ""), "bob");
        assert_eq!(fill("/var/mail/%d/%n/%%", "bob@example.org", ""), "/var/mail/example.org/bob/%");
        assert_eq!(without_detail("bob+x@example.org", "+"), "bob@example.org");
        assert_eq!(without_detail("+x@example.org", "+"), "+x@example.org");
        assert_eq!(without_detail("bob", ""), "bob");
    }
}
