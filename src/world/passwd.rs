//! The users and groups of a host: /etc/passwd, /etc/group and /etc/shadow (passwd(5), group(5),
//! shadow(5)), read as glibc reads them, and password hashes (crypt(5)).
//!
//! The first part is pure: a text in, entries out. [`UserDb`] then answers getpwnam(3) and its
//! like for one host, reading the files again when they have changed.
//!
//! # Simplifications
//!
//! - Only files: no other service of nsswitch.conf(5), no `+` and `-` entries of NIS.
//! - [`UserDb`] reads the two files whatever their modes are.
//! - Password hashes are `$6$` and `$5$`; one that asks for more than a million rounds is never
//!   taken to be right.

use super::fs::{Fs, Ino};
use super::users::{Cred, Gid, Uid};
use sha_crypt::{Algorithm, CustomizedPasswordHasher, Params, PasswordVerifier, ShaCrypt};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// One line of /etc/passwd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passwd {
    pub name: String,
    /// `x` where the hash is in /etc/shadow.
    pub password: String,
    pub uid: Uid,
    pub gid: Gid,
    /// Full name and more, separated by commas.
    pub gecos: String,
    pub home: String,
    pub shell: String,
}

/// One line of /etc/group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub name: String,
    pub password: String,
    pub gid: Gid,
    /// Those who are in the group besides its users by /etc/passwd.
    pub members: Vec<String>,
}

/// One line of /etc/shadow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shadow {
    pub name: String,
    /// A hash, or `*` or `!…` for a password that cannot be right.
    pub hash: String,
    /// The six fields about the password's age, as they stand there.
    pub ageing: String,
}

impl Passwd {
    /// Read a line; `None` for a comment, an empty line, and what glibc passes over. Missing
    /// fields behind the group are empty, and further colons belong to the shell.
    pub fn parse(line: &str) -> Option<Passwd> {
        let mut fields = fields(line)?.splitn(7, ':');
        let mut text = || fields.next().unwrap_or("").to_string();
        Some(Passwd {
            name: text(),
            password: text(),
            uid: number(&text())?,
            gid: number(&text())?,
            gecos: text(),
            home: text(),
            shell: text(),
        })
    }
}

impl Group {
    /// Read a line; `None` for a comment, an empty line, and what glibc passes over.
    pub fn parse(line: &str) -> Option<Group> {
        let mut fields = fields(line)?.splitn(4, ':');
        let mut text = || fields.next().unwrap_or("");
        let (name, password, gid) = (text().into(), text().into(), number(text())?);
        let members = text().split(',').map(str::trim_start).filter(|name| !name.is_empty());
        Some(Group { name, password, gid, members: members.map(str::to_string).collect() })
    }
}

impl Shadow {
    /// Read a line; `None` for a comment and an empty line.
    pub fn parse(line: &str) -> Option<Shadow> {
        let mut fields = fields(line)?.splitn(3, ':');
        let mut text = || fields.next().unwrap_or("").to_string();
        Some(Shadow { name: text(), hash: text(), ageing: text() })
    }
}

impl fmt::Display for Passwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Passwd { name, password, uid, gid, gecos, home, shell } = self;
        write!(f, "{name}:{password}:{uid}:{gid}:{gecos}:{home}:{shell}")
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.name, self.password, self.gid, self.members.join(","))
    }
}

impl fmt::Display for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.hash, self.ageing)
    }
}

/// The users of an /etc/passwd, in its order.
pub fn users(text: &str) -> impl Iterator<Item = Passwd> {
    text.lines().filter_map(Passwd::parse)
}

/// The groups of an /etc/group, in its order.
pub fn groups(text: &str) -> impl Iterator<Item = Group> {
    text.lines().filter_map(Group::parse)
}

/// The entry of one user in an /etc/shadow.
pub fn shadow_of(text: &str, name: &str) -> Option<Shadow> {
    text.lines().filter_map(Shadow::parse).find(|entry| entry.name == name)
}

/// An /etc/shadow with another hash for one user (chpasswd(8)); `None` if the user is not in it.
pub fn with_hash(text: &str, name: &str, hash: &str) -> Option<String> {
    let mut found = false;
    let mut out = String::with_capacity(text.len() + hash.len());
    for line in text.lines() {
        match Shadow::parse(line) {
            Some(entry) if entry.name == name && !found => {
                found = true;
                out.push_str(&Shadow { hash: hash.into(), ..entry }.to_string());
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    found.then_some(out)
}

/// May a user or group be called so? useradd(8) of Debian asks for little: 1 to 32 bytes, none
/// of them blank, a control character, `:` or `,`, and the first not `-`, `+` or `~`. We ask also
/// that it can name a home directory and a line of passwd: no `/`, not `.` nor `..`, no `#` in front.
pub fn valid_name(name: &str) -> bool {
    let bad = |c: char| matches!(c, ':' | ',' | '/') || c.is_whitespace() || c.is_control();
    (1..=32).contains(&name.len())
        && !name.starts_with(['-', '+', '~', '#'])
        && !matches!(name, "." | "..")
        && !name.contains(bad)
}

/// The `$6$` hash (SHA-512, 5000 rounds) of a password. The salt is drawn by the caller and
/// becomes 16 characters.
///
/// This takes some milliseconds, and in a build without optimisation a hundred; so what has been
/// worked out is kept, since a lab that is gone back in boots the same hosts again and again.
pub fn hash(password: &str, salt: [u8; 12]) -> String {
    let key = (password.to_owned(), salt);
    HASHES.with_borrow_mut(|known| {
        if known.len() >= KEPT && !known.contains_key(&key) {
            known.clear();
        }
        known.entry(key).or_insert_with_key(|(password, salt)| work_out(password, *salt)).clone()
    })
}

/// How many hashes a thread keeps.
const KEPT: usize = 1000;

thread_local! {
    /// Hashes worked out, by password and salt.
    static HASHES: RefCell<BTreeMap<(String, [u8; 12]), String>> = const { RefCell::new(BTreeMap::new()) };
}

fn work_out(password: &str, salt: [u8; 12]) -> String {
    ShaCrypt::new(Algorithm::Sha512Crypt, Params::default())
        .hash_password_customized(password.as_bytes(), &salt, None, None, Params::default())
        .map(|hash| hash.as_str().replacen("rounds=5000$", "", 1))
        .expect("a salt of 12 bytes and the default rounds are in bounds")
}

/// Is this the password of that hash? What is no hash (`!`, `*`, nothing) has none.
pub fn verify(hash: &str, password: &str) -> bool {
    let rounds = hash.split("rounds=").nth(1).and_then(|rest| rest.split('$').next());
    if rounds.is_some_and(|rounds| rounds.parse().unwrap_or(u32::MAX) > 1_000_000) {
        return false;
    }
    hash.starts_with('$') && ShaCrypt::default().verify_password(password.as_bytes(), hash).is_ok()
}

/// A line without the blanks before it, if there is an entry on it.
fn fields(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') { None } else { Some(line) }
}

fn number(field: &str) -> Option<u32> {
    field.trim_start().parse().ok()
}

/// The users and groups of one host, kept as long as the files do not change.
#[derive(Default)]
pub struct UserDb {
    users: Cached<Users>,
    groups: Cached<Groups>,
}

#[derive(Default)]
struct Users {
    by_name: BTreeMap<String, Rc<Passwd>>,
    by_uid: BTreeMap<Uid, Rc<Passwd>>,
}

#[derive(Default)]
struct Groups {
    by_name: BTreeMap<String, Rc<Group>>,
    by_gid: BTreeMap<Gid, Rc<Group>>,
    /// For each user the groups that name it, in the order of the file.
    of: BTreeMap<String, Vec<Gid>>,
}

/// What was read from a file, and from which version of it.
#[derive(Default)]
struct Cached<T> {
    from: Option<(Ino, u64)>,
    value: T,
}

impl<T: Default> Cached<T> {
    fn fresh(&mut self, fs: &Fs, path: &str, read: impl FnOnce(&str) -> T) -> &T {
        let ino = fs.resolve(&Cred::root(), fs.root(), path, true).ok();
        let from = ino.map(|ino| (ino, fs.version(ino)));
        if self.from != from {
            let bytes = ino.and_then(|ino| fs.read_all(ino).ok()).unwrap_or_default();
            self.value = read(&String::from_utf8_lossy(&bytes));
            self.from = from;
        }
        &self.value
    }
}

impl UserDb {
    /// getpwnam(3)
    pub fn getpwnam(&mut self, fs: &Fs, name: &str) -> Option<Rc<Passwd>> {
        self.users(fs).by_name.get(name).cloned()
    }

    /// getpwuid(3)
    pub fn getpwuid(&mut self, fs: &Fs, uid: Uid) -> Option<Rc<Passwd>> {
        self.users(fs).by_uid.get(&uid).cloned()
    }

    /// getgrnam(3)
    pub fn getgrnam(&mut self, fs: &Fs, name: &str) -> Option<Rc<Group>> {
        self.groups(fs).by_name.get(name).cloned()
    }

    /// getgrgid(3)
    pub fn getgrgid(&mut self, fs: &Fs, gid: Gid) -> Option<Rc<Group>> {
        self.groups(fs).by_gid.get(&gid).cloned()
    }

    /// The user's name, or its number where it has none, as `ls -l` shows it.
    pub fn user_name(&mut self, fs: &Fs, uid: Uid) -> String {
        self.users(fs).by_uid.get(&uid).map_or_else(|| uid.to_string(), |user| user.name.clone())
    }

    /// The group's name, or its number where it has none, as `ls -l` shows it.
    pub fn group_name(&mut self, fs: &Fs, gid: Gid) -> String {
        self.groups(fs).by_gid.get(&gid).map_or_else(|| gid.to_string(), |group| group.name.clone())
    }

    /// All groups of a user (getgrouplist(3)): `gid` first, then those that name the user, in
    /// the order of the file.
    pub fn groups_of(&mut self, fs: &Fs, name: &str, gid: Gid) -> Rc<[Gid]> {
        let more = self.groups(fs).of.get(name);
        std::iter::once(gid).chain(more.into_iter().flatten().copied().filter(|&more| more != gid)).collect()
    }

    /// The rights of a user who has logged in (initgroups(3)).
    pub fn cred(&mut self, fs: &Fs, user: &Passwd) -> Cred {
        Cred { uid: user.uid, gid: user.gid, groups: self.groups_of(fs, &user.name, user.gid) }
    }

    fn users(&mut self, fs: &Fs) -> &Users {
        self.users.fresh(fs, "/etc/passwd", |text| {
            let mut users = Users::default();
            for user in users_rc(text) {
                users.by_name.entry(user.name.clone()).or_insert_with(|| user.clone());
                users.by_uid.entry(user.uid).or_insert(user);
            }
            users
        })
    }

    fn groups(&mut self, fs: &Fs) -> &Groups {
        self.groups.fresh(fs, "/etc/group", |text| {
            let mut all = Groups::default();
            for group in groups(text).map(Rc::new) {
                for member in &group.members {
                    let of = all.of.entry(member.clone()).or_default();
                    if !of.contains(&group.gid) {
                        of.push(group.gid);
                    }
                }
                all.by_name.entry(group.name.clone()).or_insert_with(|| group.clone());
                all.by_gid.entry(group.gid).or_insert(group);
            }
            all
        })
    }
}

fn users_rc(text: &str) -> impl Iterator<Item = Rc<Passwd>> {
    users(text).map(Rc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::clock::Time;

    /// The entries that fgetpwent(3) of glibc 2.36 found in these lines.
    #[test]
    fn passwd_as_glibc_reads_it() {
        let text = "# c:x:1:1::/:/s\na:x:1000:1000:A,,,:/home/a:/bin/sh\n  b:x:1001:1001::/home/b:/bin/sh\n\n\
                    c:x:1:2\ne:x::2:g:/h:/s\nf:x:abc:2:g:/h:/s\ng:x:5:2:g:/h:/s:extra\nh:x:-1:2:g:/h:/s\ni\n\
                    j:x: 7:2:g:/h:/s\nk:x:7\nm:x:4294967296:8:a:b:c\nn:x:12a:8:a:b:c\no::7:8:a:b:/bin/sh \n";
        let seen: Vec<String> = users(text).map(|user| user.to_string()).collect();
        assert_eq!(
            seen,
            [
                "a:x:1000:1000:A,,,:/home/a:/bin/sh",
                "b:x:1001:1001::/home/b:/bin/sh",
                "c:x:1:2:::",
                "g:x:5:2:g:/h:/s:extra",
                "j:x:7:2:g:/h:/s",
                "o::7:8:a:b:/bin/sh ",
            ]
        );
    }

    /// The entries that fgetgrent(3) of glibc 2.36 found in these lines.
    #[test]
    fn group_as_glibc_reads_it() {
        let text =
            "#c:x:1:\na:x:1:\nb:x:2\nc:x:3:u,v\nd:x:4: u , v ,,w\n e:x:5:u\nf:x::u\ng:x:7:u:v\nh:x:8:u,\n";
        let seen: Vec<_> = groups(text).map(|group| (group.name, group.gid, group.members)).collect();
        let of = |name: &str, gid, members: &[&str]| {
            (name.to_string(), gid, members.iter().map(|m| m.to_string()).collect::<Vec<_>>())
        };
        let wanted = [
            of("a", 1, &[]),
            of("b", 2, &[]),
            of("c", 3, &["u", "v"]),
            of("d", 4, &["u ", "v ", "w"]),
            of("e", 5, &["u"]),
            of("g", 7, &["u:v"]),
            of("h", 8, &["u"]),
        ];
        assert_eq!(seen, wanted);
    }

    /// Hashes that chpasswd(8) and mkpasswd(1) made.
    #[test]
    fn hashes() {
        let real = "$6$qD3rx.RQdn4Z3P5R$qpxAV6oLyMD5NhJyuBHdQNHwf64jH40KuU1PFjA/aLfuySBZhYo/YyfRFlRZH6CUYoEHHNehpKmslbVeNm5Vu.";
        assert!(verify(real, "secret") && !verify(real, "Secret"));
        let ours = hash("secret", [7; 12]);
        assert!(
            ours.starts_with("$6$") && ours.split('$').nth(2).is_some_and(|salt| salt.len() == 16),
            "{ours}"
        );
        assert!(verify(&ours, "secret") && !verify(&ours, ""));
        for none in ["", "!", "*", "!*", "x", "$", "$6$", "$6$salt", "$1$a$b", "$6$rounds=999999999$a$b"] {
            assert!(!verify(none, "secret") && !verify(none, ""), "{none}");
        }
    }

    #[test]
    fn the_shadow_file_is_edited_by_line() {
        let text = "root:*:20228:0:99999:7:::\nalice:!:20781:0:99999:7:::\n";
        let edited = with_hash(text, "alice", "HASH").unwrap();
        assert_eq!(edited, "root:*:20228:0:99999:7:::\nalice:HASH:20781:0:99999:7:::\n");
        assert_eq!(shadow_of(&edited, "alice").unwrap().hash, "HASH");
        assert_eq!(with_hash(text, "bob", "HASH"), None);
    }

    #[test]
    fn the_database_follows_the_files() {
        let now = Time::DEFAULT;
        let mut fs = Fs::new(now);
        let root = Cred::root();
        fs.mkdir(&root, fs.root(), "/etc", 0o755, now).unwrap();
        let mut db = UserDb::default();
        assert_eq!(db.getpwnam(&fs, "alice"), None);
        let etc = |fs: &mut Fs, file: &str, text: &'static str| {
            fs.write_path(&root, fs.root(), file, text, 0o644, now).unwrap();
        };
        etc(&mut fs, "/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1000:9::/:/s\n");
        etc(&mut fs, "/etc/group", "mail:x:8:alice,bob\nalice:x:1000:\nadm:x:4:alice\nmail2:x:8:alice\n");
        let alice = db.getpwnam(&fs, "alice").unwrap();
        assert_eq!(alice.home, "/home/alice");
        assert_eq!(db.getpwuid(&fs, 1000), Some(alice.clone()), "the first with that number");
        assert_eq!(db.cred(&fs, &alice).groups[..], [1000, 8, 4]);
        assert_eq!(db.getgrgid(&fs, 8).unwrap().name, "mail");
        assert_eq!((db.user_name(&fs, 1000), db.user_name(&fs, 77)), ("alice".into(), "77".into()));
        assert_eq!((db.group_name(&fs, 4), db.group_name(&fs, 77)), ("adm".into(), "77".into()));
        etc(&mut fs, "/etc/passwd", "carol:x:1000:1000::/home/carol:/bin/bash\nbob:x:1000:9::/:/s\n");
        assert_eq!(db.getpwnam(&fs, "alice"), None, "same size, same instant, another content");
        assert_eq!(db.getpwuid(&fs, 1000).unwrap().name, "carol");
    }
}
