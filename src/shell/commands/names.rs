//! How users, groups, modes and sizes are written, and paths joined.

use crate::world::fs::{Kind, Stat};
use crate::world::host::Host;
use crate::world::process::Process;
use crate::world::users::{Gid, Uid};

/// A user's name, or the number where it has none.
pub fn user(host: &Host, uid: Uid) -> String {
    host.users().user_name(&host.fs(), uid)
}

/// A group's name, or the number where it has none.
pub fn group(host: &Host, gid: Gid) -> String {
    host.users().group_name(&host.fs(), gid)
}

/// The number of a user, given by name or number.
pub fn uid_of(p: &Process, name: &str) -> Option<Uid> {
    let host = p.host();
    let known = host.users().getpwnam(&host.fs(), name).map(|u| u.uid);
    known.or_else(|| name.parse().ok())
}

/// The number of a group, given by name or number.
pub fn gid_of(p: &Process, name: &str) -> Option<Gid> {
    let host = p.host();
    let known = host.users().getgrnam(&host.fs(), name).map(|g| g.gid);
    known.or_else(|| name.parse().ok())
}

/// Type and mode as `ls -l` shows them: `drwxr-sr-t`.
pub fn mode(stat: &Stat) -> String {
    let m = stat.mode;
    let kind = match stat.kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::CharDevice(_) => 'c',
    };
    let mut text = String::with_capacity(10);
    text.push(kind);
    for (shift, special, set) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = m >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (m & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => set.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// A size for people, as `-h` prints it: rounded up, with one decimal below ten.
pub fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut unit = 1024_u64;
    for letter in ["K", "M", "G", "T"] {
        let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(unit));
        if tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        let whole = bytes.div_ceil(unit);
        if whole < 1024 {
            return format!("{whole}{letter}");
        }
        unit = unit.saturating_mul(1024);
    }
    format!("{}P", bytes.div_ceil(1 << 50))
}

/// A name in a directory, as a path.
pub fn join(directory: &str, name: &str) -> String {
    if directory.ends_with('/') { format!("{directory}{name}") } else { format!("{directory}/{name}") }
}

/// The last part of a path, without slashes behind it; `/` for the root.
pub fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && !path.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// The path without its last part.
pub fn parent(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        None if trimmed.is_empty() && !path.is_empty() => "/",
        None => ".",
        Some(at) => match trimmed[..at].trim_end_matches('/') {
            "" => "/",
            parent => parent,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths() {
        for (path, directory, name) in
            [("a", ".", "a"), ("a/b/", "a", "b"), ("/", "/", "/"), ("//a", "/", "a"), ("/a//b", "/a", "b")]
        {
            assert_eq!((parent(path), base(path)), (directory, name), "{path}");
        }
    }

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10240, "10K"),
            (10241, "11K"),
            (1 << 20, "1.0M"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
