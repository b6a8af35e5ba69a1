//! The disk of a freshly installed host: Debian 12 with its directories, system users and the
//! small files of /etc, as far as programs of the lab ask for them.
//!
//! [`system`] is built once and cloned for each host; [`personalise`] and [`add_user`] then make
//! a clone somebody's. What belongs to a program (its configuration, the program file itself)
//! the program's own layer installs.
//!
//! Owners and modes are those of a machine that the lab is compared with. There /home, /run and
//! /var/log are writable for all, with the sticky bit; on most others they are 755.

use super::clock::Time;
use super::errno::{Errno, Sys};
use super::fs::{Device, Fs, Ino, OpenFlags, Special};
use super::passwd::{self, Group, Passwd, Shadow};
use super::users::{Cred, Gid, Uid};

/// The group that owns mailboxes; procmail and lockfile have its set-group-id bit.
pub const MAIL: Gid = 8;
/// The group `adm`, which reads logs.
pub const ADM: Gid = 4;
/// The user that Postfix's daemons run as.
pub const POSTFIX: Uid = 102;
/// The group of the user postfix.
pub const POSTFIX_GROUP: Gid = 105;
/// The group that postdrop and postqueue have the set-group-id bit of.
pub const POSTDROP: Gid = 106;
/// The user that Dovecot's processes run as.
pub const DOVECOT: Uid = 103;
/// The group of the user dovecot.
pub const DOVECOT_GROUP: Gid = 107;
/// The user that Dovecot's login processes run as.
pub const DOVENULL: Uid = 104;
/// The user with no rights.
pub const NOBODY: Uid = 65534;
const SHADOW: Gid = 42;
const STAFF: Gid = 50;
const SSL_CERT: Gid = 103;

/// Directories: path, mode, owner, group. A directory stands behind the one it lies in.
const DIRECTORIES: &[(&str, u16, Uid, Gid)] = &[
    ("/boot", 0o755, 0, 0),
    ("/dev", 0o755, 0, 0),
    ("/etc", 0o755, 0, 0),
    ("/etc/alternatives", 0o755, 0, 0),
    ("/etc/cron.d", 0o755, 0, 0),
    ("/etc/cron.daily", 0o755, 0, 0),
    ("/etc/default", 0o755, 0, 0),
    ("/etc/dovecot", 0o755, 0, 0),
    ("/etc/dovecot/conf.d", 0o755, 0, 0),
    ("/etc/dovecot/private", 0o700, 0, 0),
    ("/etc/init.d", 0o755, 0, 0),
    ("/etc/logrotate.d", 0o755, 0, 0),
    ("/etc/network", 0o755, 0, 0),
    ("/etc/opt", 0o755, 0, 0),
    ("/etc/pam.d", 0o755, 0, 0),
    ("/etc/postfix", 0o755, 0, 0),
    ("/etc/postfix/dynamicmaps.cf.d", 0o755, 0, 0),
    ("/etc/postfix/postfix-files.d", 0o755, 0, 0),
    ("/etc/postfix/sasl", 0o755, 0, 0),
    ("/etc/profile.d", 0o755, 0, 0),
    ("/etc/rsyslog.d", 0o755, 0, 0),
    ("/etc/skel", 0o755, 0, 0),
    ("/etc/ssl", 0o755, 0, 0),
    ("/etc/ssl/certs", 0o755, 0, 0),
    ("/etc/ssl/private", 0o710, 0, SSL_CERT),
    ("/home", 0o1777, 0, 0),
    ("/media", 0o755, 0, 0),
    ("/mnt", 0o755, 0, 0),
    ("/opt", 0o755, 0, 0),
    ("/proc", 0o555, 0, 0),
    ("/root", 0o700, 0, 0),
    ("/run", 0o1777, 0, 0),
    ("/run/sendsigs.omit.d", 0o755, 0, 0),
    ("/srv", 0o755, 0, 0),
    ("/sys", 0o755, 0, 0),
    ("/tmp", 0o1777, 0, 0),
    ("/usr", 0o755, 0, 0),
    ("/usr/bin", 0o755, 0, 0),
    ("/usr/games", 0o755, 0, 0),
    ("/usr/include", 0o755, 0, 0),
    ("/usr/lib", 0o755, 0, 0),
    ("/usr/lib/dovecot", 0o755, 0, 0),
    ("/usr/lib/postfix", 0o755, 0, 0),
    ("/usr/lib/postfix/sbin", 0o755, 0, 0),
    ("/usr/lib64", 0o755, 0, 0),
    ("/usr/libexec", 0o755, 0, 0),
    ("/usr/local", 0o755, 0, 0),
    ("/usr/local/bin", 0o755, 0, 0),
    ("/usr/local/etc", 0o755, 0, 0),
    ("/usr/local/games", 0o755, 0, 0),
    ("/usr/local/include", 0o755, 0, 0),
    ("/usr/local/lib", 0o755, 0, 0),
    ("/usr/local/sbin", 0o755, 0, 0),
    ("/usr/local/share", 0o755, 0, 0),
    ("/usr/local/src", 0o755, 0, 0),
    ("/usr/sbin", 0o755, 0, 0),
    ("/usr/share", 0o755, 0, 0),
    ("/usr/share/doc", 0o755, 0, 0),
    ("/usr/share/dovecot", 0o755, 0, 0),
    ("/usr/share/man", 0o755, 0, 0),
    ("/usr/share/postfix", 0o755, 0, 0),
    ("/usr/share/zoneinfo", 0o755, 0, 0),
    ("/usr/share/zoneinfo/Etc", 0o755, 0, 0),
    ("/var", 0o755, 0, 0),
    ("/var/backups", 0o755, 0, 0),
    ("/var/cache", 0o755, 0, 0),
    ("/var/lib", 0o755, 0, 0),
    ("/var/lib/dovecot", 0o755, 0, 0),
    ("/var/lib/postfix", 0o755, POSTFIX, POSTFIX_GROUP),
    ("/var/local", 0o2775, 0, STAFF),
    ("/var/log", 0o1777, 0, 0),
    ("/var/mail", 0o2775, 0, MAIL),
    ("/var/opt", 0o755, 0, 0),
    ("/var/spool", 0o755, 0, 0),
    ("/var/spool/postfix", 0o755, 0, 0),
    ("/var/spool/postfix/active", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/bounce", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/corrupt", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/defer", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/deferred", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/dev", 0o755, 0, 0),
    ("/var/spool/postfix/etc", 0o755, 0, 0),
    ("/var/spool/postfix/flush", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/hold", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/incoming", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/lib", 0o755, 0, 0),
    ("/var/spool/postfix/maildrop", 0o1730, POSTFIX, POSTDROP),
    ("/var/spool/postfix/pid", 0o755, 0, 0),
    ("/var/spool/postfix/private", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/public", 0o2710, POSTFIX, POSTDROP),
    ("/var/spool/postfix/saved", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/trace", 0o700, POSTFIX, 0),
    ("/var/spool/postfix/usr", 0o755, 0, 0),
    ("/var/spool/rsyslog", 0o700, 0, 0),
    ("/var/tmp", 0o1777, 0, 0),
];

/// Symbolic links: path, target.
const LINKS: &[(&str, &str)] = &[
    ("/bin", "usr/bin"),
    ("/lib", "usr/lib"),
    ("/lib64", "usr/lib64"),
    ("/sbin", "usr/sbin"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    ("/etc/os-release", "../usr/lib/os-release"),
    ("/usr/local/man", "share/man"),
    ("/var/lock", "/run/lock"),
    ("/var/run", "/run"),
    ("/var/spool/mail", "../mail"),
];

/// Files: path, mode, group, text. All belong to root.
const FILES: &[(&str, u16, Gid, &str)] = &[
    ("/etc/passwd", 0o644, 0, include_str!("base/passwd")),
    ("/etc/group", 0o644, 0, include_str!("base/group")),
    ("/etc/shadow", 0o640, SHADOW, include_str!("base/shadow")),
    ("/etc/gshadow", 0o640, SHADOW, include_str!("base/gshadow")),
    ("/etc/debian_version", 0o644, 0, "12.11\n"),
    ("/etc/host.conf", 0o644, 0, "multi on\n"),
    ("/etc/hosts", 0o644, 0, "127.0.0.1 localhost localhost.localdomain\n::1 localhost\n"),
    ("/etc/issue", 0o644, 0, "Debian GNU/Linux 12 \\n \\l\n\n"),
    ("/etc/login.defs", 0o644, 0, include_str!("base/login.defs")),
    ("/etc/nsswitch.conf", 0o644, 0, include_str!("base/nsswitch.conf")),
    ("/etc/resolv.conf", 0o644, 0, "nameserver 127.0.0.1\n"),
    ("/etc/services", 0o644, 0, include_str!("base/services")),
    ("/etc/shells", 0o644, 0, include_str!("base/shells")),
    ("/etc/ssl/certs/ssl-cert-snakeoil.pem", 0o644, 0, include_str!("base/ssl-cert-snakeoil.pem")),
    ("/etc/ssl/private/ssl-cert-snakeoil.key", 0o640, SSL_CERT, include_str!("base/ssl-cert-snakeoil.key")),
    ("/etc/timezone", 0o644, 0, "Etc/UTC\n"),
    ("/usr/lib/os-release", 0o644, 0, include_str!("base/os-release")),
];

const DEVICES: [Device; 6] =
    [Device::Null, Device::Zero, Device::Full, Device::Random, Device::Urandom, Device::Tty];

/// What a program file begins with: it looks like a program to file(1), and tells exec which one it is.
const PROGRAM: &[u8] = b"\x7fELF\x02\x01\x01 maillab program ";

/// A host's disk before it has a name and people.
pub fn system(now: Time) -> Fs {
    let mut fs = Fs::new(now);
    build(&mut fs, now)
        .expect("the tables above name each path once and each directory before what lies in it");
    fs
}

/// Give the host its name: /etc/hostname and /etc/mailname.
pub fn personalise(fs: &mut Fs, hostname: &str, now: Time) -> Sys<()> {
    for path in ["/etc/hostname", "/etc/mailname"] {
        write(fs, path, format!("{hostname}\n"), now)?;
    }
    Ok(())
}

/// Make a user, as `groupadd -g UID NAME; useradd -m -u UID -g UID -s /bin/bash NAME` does: lines
/// in passwd, group, shadow and gshadow, and an empty home directory. With a password its hash
/// is made with the salt given; without one nobody can log in.
///
/// EINVAL for a name that cannot be one, EEXIST for a name or number taken by a user or group.
pub fn add_user(
    fs: &mut Fs,
    name: &str,
    uid: Uid,
    password: Option<&str>,
    salt: [u8; 12],
    now: Time,
) -> Sys<()> {
    if !passwd::valid_name(name) || uid == Uid::MAX {
        return Err(Errno::EINVAL);
    }
    let (users, groups) = (read(fs, "/etc/passwd")?, read(fs, "/etc/group")?);
    let taken = passwd::users(&users).any(|user| user.name == name || user.uid == uid)
        || passwd::groups(&groups).any(|group| group.name == name || group.gid == uid);
    if taken {
        return Err(Errno::EEXIST);
    }
    let home = format!("/home/{name}");
    let user = Passwd {
        name: name.into(),
        password: "x".into(),
        uid,
        gid: uid,
        gecos: String::new(),
        home: home.clone(),
        shell: "/bin/bash".into(),
    };
    let group = Group { name: name.into(), password: "x".into(), gid: uid, members: Vec::new() };
    let shadow = Shadow {
        name: name.into(),
        hash: password.map_or_else(|| "!".into(), |password| passwd::hash(password, salt)),
        ageing: format!("{}:0:99999:7:::", now.unix() / 86_400),
    };
    append(fs, "/etc/passwd", &format!("{user}\n"), now)?;
    append(fs, "/etc/group", &format!("{group}\n"), now)?;
    append(fs, "/etc/shadow", &format!("{shadow}\n"), now)?;
    append(fs, "/etc/gshadow", &format!("{name}:!::\n"), now)?;
    let ino = match fs.mkdir(&Cred::root(), fs.root(), &home, 0o755, now) {
        Err(Errno::EEXIST) => return Ok(()),
        made => made?,
    };
    fs.chown(&Cred::root(), ino, Some(uid), Some(uid), now)
}

/// Does the base system itself have this user?
pub fn has_user(name: &str) -> bool {
    passwd::users(include_str!("base/passwd")).any(|user| user.name == name)
}

/// Does the base system itself have a user or group of this name? [`add_user`] refuses it then.
pub fn has_account(name: &str) -> bool {
    has_user(name) || passwd::groups(include_str!("base/group")).any(|group| group.name == name)
}

/// The same for the number of a user or group.
pub fn has_id(id: Uid) -> bool {
    passwd::users(include_str!("base/passwd")).any(|user| user.uid == id)
        || passwd::groups(include_str!("base/group")).any(|group| group.gid == id)
}

/// Install the file of the lab's program `name` under `path`, replacing what is there. `mode` may
/// have set-id bits, which then stand for root and for `group`.
pub fn install_program(fs: &mut Fs, path: &str, name: &str, mode: u16, group: Gid, now: Time) -> Sys<Ino> {
    let ino = write(fs, path, [PROGRAM, name.as_bytes(), b"\n"].concat(), now)?;
    let root = Cred::root();
    fs.chown(&root, ino, Some(0), Some(group), now)?;
    fs.chmod(&root, ino, mode, now)?;
    Ok(ino)
}

/// Which program of the lab a file's content stands for; `None` for any other file.
pub fn program_name(content: &[u8]) -> Option<&str> {
    let name = content.strip_prefix(PROGRAM)?.strip_suffix(b"\n")?;
    std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && !name.contains('\n'))
}

fn build(fs: &mut Fs, now: Time) -> Sys<()> {
    let (root, top) = (Cred::root(), fs.root());
    for &(path, mode, uid, gid) in DIRECTORIES {
        let ino = fs.mkdir(&root, top, path, mode & 0o777, now)?;
        fs.chown(&root, ino, Some(uid), Some(gid), now)?;
        fs.chmod(&root, ino, mode, now)?;
    }
    for &(path, target) in LINKS {
        fs.symlink(&root, target, top, path, now)?;
    }
    for device in DEVICES {
        let path = format!("/dev/{}", device.name());
        fs.mknod(&root, top, &path, Special::Device(device), 0o666, now)?;
    }
    for &(path, mode, gid, text) in FILES {
        let ino = fs.write_path(&root, top, path, text, mode, now)?;
        fs.chown(&root, ino, None, Some(gid), now)?;
    }
    Ok(())
}

fn read(fs: &Fs, path: &str) -> Sys<String> {
    let bytes = fs.read_path(&Cred::root(), fs.root(), path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(fs: &mut Fs, path: &str, content: impl Into<bytes::Bytes>, now: Time) -> Sys<Ino> {
    fs.write_path(&Cred::root(), fs.root(), path, content, 0o644, now)
}

fn append(fs: &mut Fs, path: &str, text: &str, now: Time) -> Sys<()> {
    let ino = fs.open(&Cred::root(), fs.root(), path, OpenFlags::APPEND, 0o644, now)?.ino;
    let done = fs.append(ino, text.as_bytes(), now);
    fs.close(ino);
    if done? < text.len() { Err(Errno::ENOSPC) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fs::Access;
    use crate::world::passwd::{UserDb, verify};

    const NOW: Time = Time::DEFAULT;

    fn stat(fs: &Fs, path: &str) -> (u16, Uid, Gid) {
        let s = fs.stat_path(&Cred::root(), fs.root(), path, false).unwrap();
        (s.mode, s.uid, s.gid)
    }

    #[test]
    fn the_queue_is_guarded() {
        let fs = system(NOW);
        assert_eq!(stat(&fs, "/var/spool/postfix/maildrop"), (0o1730, POSTFIX, POSTDROP));
        assert_eq!(stat(&fs, "/var/mail"), (0o2775, 0, MAIL));
        assert_eq!(stat(&fs, "/etc/shadow"), (0o640, 0, SHADOW));
        let maildrop = fs.resolve(&Cred::root(), fs.root(), "/var/spool/postfix/maildrop", true).unwrap();
        let nobody = Cred { uid: NOBODY, gid: NOBODY, groups: [].into() };
        let dropping = Cred { gid: POSTDROP, ..nobody.clone() };
        assert!(fs.access(&dropping, maildrop, Access::WRITE | Access::EXEC).is_ok());
        assert!(fs.access(&dropping, maildrop, Access::READ).is_err());
        assert!(fs.access(&nobody, maildrop, Access::EXEC).is_err());
    }

    #[test]
    fn ids_are_those_of_the_files() {
        let (fs, mut db) = (system(NOW), UserDb::default());
        for (name, uid) in
            [("postfix", POSTFIX), ("dovecot", DOVECOT), ("dovenull", DOVENULL), ("nobody", NOBODY)]
        {
            assert_eq!(db.getpwnam(&fs, name).unwrap().uid, uid);
        }
        for (name, gid) in [
            ("mail", MAIL),
            ("adm", ADM),
            ("postfix", POSTFIX_GROUP),
            ("postdrop", POSTDROP),
            ("dovecot", DOVECOT_GROUP),
            ("shadow", SHADOW),
            ("staff", STAFF),
            ("ssl-cert", SSL_CERT),
        ] {
            assert_eq!(db.getgrnam(&fs, name).unwrap().gid, gid);
        }
        for &(path, _, uid, gid) in DIRECTORIES {
            assert!(db.getpwuid(&fs, uid).is_some() && db.getgrgid(&fs, gid).is_some(), "{path}");
        }
    }

    #[test]
    fn a_host_with_people() {
        let base = system(NOW);
        let mut fs = base.clone();
        personalise(&mut fs, "mx.example.com", NOW).unwrap();
        add_user(&mut fs, "alice", 1000, Some("secret"), [1; 12], NOW).unwrap();
        add_user(&mut fs, "bob", 1001, None, [2; 12], NOW).unwrap();
        assert_eq!(read(&fs, "/etc/mailname").unwrap(), "mx.example.com\n");
        assert!(
            read(&fs, "/etc/passwd").unwrap().ends_with(
                "\nalice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/bash\n"
            )
        );
        assert!(read(&fs, "/etc/group").unwrap().ends_with("\nalice:x:1000:\nbob:x:1001:\n"));
        let shadow = read(&fs, "/etc/shadow").unwrap();
        assert!(shadow.ends_with("\nbob:!:18631:0:99999:7:::\n"), "{shadow}");
        assert!(verify(&passwd::shadow_of(&shadow, "alice").unwrap().hash, "secret"));
        assert_eq!(stat(&fs, "/home/alice"), (0o755, 1000, 1000));
        assert!(
            base.read_path(&Cred::root(), base.root(), "/etc/mailname").is_err(),
            "the base stays as it is"
        );

        let mut add = |name, uid| add_user(&mut fs, name, uid, None, [0; 12], NOW);
        assert_eq!(add("alice", 1002), Err(Errno::EEXIST));
        assert_eq!(add("carol", 1001), Err(Errno::EEXIST));
        assert_eq!(add("mail", 1002), Err(Errno::EEXIST));
        for name in ["", "a:b", "../x", "-x", "a b", "a\nb", "..", "#a"] {
            assert_eq!(add(name, 1002), Err(Errno::EINVAL), "{name}");
        }
    }

    #[test]
    fn programs_are_files() {
        let mut fs = system(NOW);
        install_program(&mut fs, "/usr/sbin/postdrop", "postdrop", 0o2555, POSTDROP, NOW).unwrap();
        install_program(&mut fs, "/bin/ls", "ls", 0o755, 0, NOW).unwrap();
        assert_eq!(stat(&fs, "/usr/sbin/postdrop"), (0o2555, 0, POSTDROP));
        let content = fs.read_path(&Cred::root(), fs.root(), "/usr/bin/ls").unwrap();
        assert_eq!(program_name(&content), Some("ls"));
        assert_eq!(program_name(b"#!/bin/sh\n"), None);
        assert_eq!(program_name(PROGRAM), None);
    }
}
