//! Users: how a name is written (`auth_username_format`), and where the userdb has him.

use super::conf::Block;
use super::userdb;
use crate::world::process::Process;
use crate::world::users::Cred;
use std::rc::Rc;

/// A user as he is known to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// His name, formatted.
    pub name: String,
    /// The system user whose rights count.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The home directory.
    pub home: String,
    /// Other fields, `name=value`, such as `mail`.
    pub extra: Vec<(String, String)>,
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
    match userdb::find(p, conf, &name) {
        Some(user) if user.uid == 0 => {
            Err(NoUser::Unusable("Invalid settings in userdb: userdb returned 0 as uid".to_owned()))
        }
        Some(user) => Ok(user),
        None => Err(NoUser::Unknown),
    }
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
