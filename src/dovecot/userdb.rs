//! User databases: where a user's mail is, and with whose rights it is read.
//!
//! # Simplifications
//! The drivers are `passwd`, `passwd-file` and `static`; `prefetch` finds nobody.

use super::conf::Block;
use super::user::{User, fill};
use crate::world::process::Process;

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
            let field =
                |name: &str| args.split_whitespace().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
            let uid = id(p, &fill(field("uid")?, name, ""), true)?;
            let gid = field("gid").and_then(|gid| id(p, &fill(gid, name, ""), false)).unwrap_or(uid);
            let home = fill(field("home").unwrap_or_default(), name, "");
            let others = args.split_whitespace().filter_map(|w| w.split_once('='));
            let others = others.filter(|(key, _)| !["uid", "gid", "home"].contains(key));
            let extra = others.map(|(key, value)| (key.to_owned(), fill(value, name, &home))).collect();
            Some(User { name: name.into(), uid, gid, home, extra })
        }
        _ => None,
    }
}

/// A user's or group's id, by number or name.
fn id(p: &Process, text: &str, of_user: bool) -> Option<u32> {
    let fs = p.host().fs();
    let mut users = p.host().users();
    text.parse().ok().or_else(|| match of_user {
        true => users.getpwnam(&fs, text).map(|u| u.uid),
        false => users.getgrnam(&fs, text).map(|g| g.gid),
    })
}
