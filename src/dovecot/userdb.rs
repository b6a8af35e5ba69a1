//! User databases: where a user's mail is, and with whose rights it is read.
//!
//! # Simplifications
//! The drivers are `passwd`, `passwd-file` and `static`; `prefetch` finds nobody.

use super::conf::Block;
use crate::world::process::Process;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
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

/// The user, from the first database that knows it.
pub fn find(p: &Process, conf: &Block, name: &str) -> Option<User> {
    conf.all("userdb").find_map(|userdb| lookup(p, userdb, name))
}

fn lookup(p: &Process, userdb: &Block, name: &str) -> Option<User> {
    let args = userdb.setting("args").unwrap_or_default();
    match userdb.setting("driver")? {
        "passwd" => {
            let fs = p.host().fs();
            let user = p.host().users().getpwnam(&fs, name)?;
            let (uid, gid, home) = (user.uid, user.gid, user.home.clone());
            Some(User { name: name.into(), uid, gid, home, extra: Vec::new() })
        }
        "passwd-file" => {
            let path = args.split_whitespace().find(|a| a.starts_with('/'))?;
            let text = p.read_text(path).ok()?;
            let line = text.lines().find(|l| l.split(':').next() == Some(name) && !name.is_empty())?;
            let fields: Vec<&str> = line.splitn(8, ':').collect();
            let field = |n: usize| fields.get(n).copied().unwrap_or_default();
            let extra = field(7).split_whitespace().filter_map(|w| {
                let (name, value) = w.split_once('=')?;
                Some((name.trim_start_matches("userdb_").to_owned(), value.to_owned()))
            });
            Some(User {
                name: name.into(),
                uid: field(2).parse().unwrap_or(0),
                gid: field(3).parse().unwrap_or(0),
                home: field(5).into(),
                extra: extra.collect(),
            })
        }
        "static" => {
            let mut user = User { name: name.into(), uid: 0, gid: 0, home: String::new(), extra: Vec::new() };
            for (key, value) in args.split_whitespace().filter_map(|w| w.split_once('=')) {
                let value = with_variables(value, name);
                match key {
                    "uid" => user.uid = id(p, &value, true),
                    "gid" => user.gid = id(p, &value, false),
                    "home" => user.home = value,
                    _ => user.extra.push((key.into(), value)),
                }
            }
            Some(user)
        }
        _ => None,
    }
}

/// A user's or group's id, by number or name.
fn id(p: &Process, text: &str, of_user: bool) -> u32 {
    let fs = p.host().fs();
    let mut users = p.host().users();
    text.parse().ok().unwrap_or_else(|| match of_user {
        true => users.getpwnam(&fs, text).map_or(0, |u| u.uid),
        false => users.getgrnam(&fs, text).map_or(0, |g| g.gid),
    })
}

/// `%u` the user, `%n` its local part, `%d` its domain.
pub fn with_variables(text: &str, user: &str) -> String {
    let (local, domain) = user.split_once('@').unwrap_or((user, ""));
    text.replace("%u", user).replace("%n", local).replace("%d", domain)
}
