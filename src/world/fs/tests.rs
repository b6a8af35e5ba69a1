//! The file system as its users see it: sessions of a very small shell, and the kernel of this
//! machine as a second opinion (`kernel`).

mod kernel;

use super::*;
use crate::world::users::{Gid, Uid};
use std::fmt::Write;
use std::rc::Rc;

/// A clock that moves on with every command, and users that are numbers: root, alice (1000, also
/// in the group 8), bob (1001).
struct Session {
    fs: Fs,
    cred: Cred,
    cwd: Ino,
    now: Time,
}

fn user(uid: Uid, groups: &[Gid]) -> Cred {
    Cred { uid, gid: uid, groups: Rc::from(groups) }
}

impl Session {
    fn new() -> Session {
        let fs = Fs::new(Time::from_unix(1));
        let cwd = fs.root();
        Session { fs, cred: Cred::root(), cwd, now: Time::from_unix(1) }
    }

    /// Run the `$` lines of a session; what stands under each is what it must say.
    fn play(&mut self, session: &str) {
        let mut wanted = String::new();
        let mut seen = String::new();
        for line in session.lines().map(str::trim).filter(|line| !line.is_empty()) {
            writeln!(wanted, "{line}").unwrap();
            if let Some(command) = line.strip_prefix("$ ") {
                writeln!(seen, "{line}").unwrap();
                match self.run(command) {
                    Ok(text) => seen.push_str(&text),
                    Err(errno) => writeln!(seen, "{errno:?}").unwrap(),
                }
            }
        }
        assert_eq!(seen, wanted);
    }

    fn run(&mut self, command: &str) -> Sys<String> {
        self.now += std::time::Duration::from_secs(1);
        let (now, cwd, cred) = (self.now, self.cwd, self.cred.clone());
        let words: Vec<&str> = command.split(' ').collect();
        let octal = |text| u16::from_str_radix(text, 8).expect("an octal mode");
        match words[..] {
            ["as", "root"] => self.cred = Cred::root(),
            ["as", "alice"] => self.cred = user(1000, &[8]),
            ["as", "bob"] => self.cred = user(1001, &[]),
            ["cd", path] => {
                self.cwd = self.fs.resolve(&cred, cwd, path, true)?;
                self.fs.hold(self.cwd);
            }
            ["pwd"] => return self.fs.path_of(cwd).map(|path| path + "\n").ok_or(Errno::ENOENT),
            ["mkdir", path] => _ = self.fs.mkdir(&cred, cwd, path, 0o755, now)?,
            ["mkdir", mode, path] => _ = self.fs.mkdir(&cred, cwd, path, octal(mode), now)?,
            ["touch", path] => {
                let flags = OpenFlags { truncate: false, ..OpenFlags::CREATE };
                let opened = self.fs.open(&cred, cwd, path, flags, 0o644, now)?;
                self.fs.close(opened.ino);
            }
            ["new", path] => {
                let opened = self.fs.open(&cred, cwd, path, OpenFlags::EXCLUSIVE, 0o644, now)?;
                self.fs.close(opened.ino);
            }
            ["write", text, ">", path] => {
                _ = self.fs.write_path(&cred, cwd, path, text.to_string(), 0o644, now)?
            }
            ["write", text, ">>", path] => {
                let opened = self.fs.open(&cred, cwd, path, OpenFlags::APPEND, 0o644, now)?;
                let done = self.fs.append(opened.ino, text.as_bytes(), now);
                self.fs.close(opened.ino);
                done?;
            }
            ["cat", path] => {
                let bytes = self.fs.read_path(&cred, cwd, path)?;
                return Ok(format!("{}\n", String::from_utf8_lossy(&bytes)));
            }
            ["ln", old, new] => self.fs.link(&cred, cwd, old, new, now)?,
            ["ln", "-s", target, path] => _ = self.fs.symlink(&cred, target, cwd, path, now)?,
            ["mkfifo", path] => _ = self.fs.mknod(&cred, cwd, path, Special::Fifo, 0o644, now)?,
            ["mkdev", path] => {
                _ = self.fs.mknod(&cred, cwd, path, Special::Device(Device::Null), 0o666, now)?
            }
            ["bind", path] => _ = self.fs.mknod(&cred, cwd, path, Special::Socket, 0o755, now)?,
            ["rm", path] => self.fs.unlink(&cred, cwd, path, now)?,
            ["rmdir", path] => self.fs.rmdir(&cred, cwd, path, now)?,
            ["mv", old, new] => self.fs.rename(&cred, cwd, old, new, now)?,
            ["chmod", mode, path] => {
                let ino = self.fs.resolve(&cred, cwd, path, true)?;
                self.fs.chmod(&cred, ino, octal(mode), now)?;
            }
            ["chown", owner, path] => {
                let (uid, gid) = owner.split_once(':').expect("uid:gid");
                let ino = self.fs.resolve(&cred, cwd, path, true)?;
                self.fs.chown(&cred, ino, uid.parse().ok(), gid.parse().ok(), now)?;
            }
            ["ls", path] => {
                let dir = self.fs.open(&cred, cwd, path, OpenFlags::READ, 0, now)?.ino;
                let text = self.fs.readdir(dir)?.map(|(name, _)| format!("{name}\n")).collect();
                self.fs.close(dir);
                return Ok(text);
            }
            ["stat", path] => {
                let s = self.fs.stat_path(&cred, cwd, path, false)?;
                return Ok(format!("{:06o} {} {}:{} {}\n", s.st_mode(), s.nlink, s.uid, s.gid, s.size));
            }
            ["capacity", bytes] => self.fs.set_capacity(bytes.parse().ok()),
            _ => panic!("what is {command}?"),
        }
        Ok(String::new())
    }
}

#[test]
fn names_and_links() {
    Session::new().play(
        "$ mkdir a
         $ mkdir a
         EEXIST
         $ mkdir no/such
         ENOENT
         $ write one > a/f
         $ ln a/f a/g
         $ write two >> a/g
         $ cat a/f
         onetwo
         $ stat a/f
         100644 2 0:0 6
         $ stat a
         040755 2 0:0 80
         $ mkdir a/b/
         $ stat a
         040755 3 0:0 100
         $ ln a a2
         EPERM
         $ rm a
         EISDIR
         $ rmdir a
         ENOTEMPTY
         $ rmdir a/f
         ENOTDIR
         $ rmdir a/b/.
         EINVAL
         $ rmdir a/b/..
         ENOTEMPTY
         $ rmdir /
         EBUSY
         $ rm a/f
         $ stat a/g
         100644 1 0:0 6
         $ cat a/g/
         ENOTDIR
         $ cat a
         EISDIR
         $ write x > a
         EISDIR
         $ touch new/
         EISDIR
         $ ls a
         b
         g",
    );
}

#[test]
fn symbolic_links() {
    Session::new().play(
        "$ ln -s target link
         $ stat link
         120777 1 0:0 6
         $ cat link
         ENOENT
         $ new link
         EEXIST
         $ write x > link
         $ cat target
         x
         $ mkdir d
         $ ln -s d dl
         $ touch dl/f
         $ ls d
         f
         $ rmdir dl
         ENOTDIR
         $ rm dl/
         ENOTDIR
         $ ln -s loop loop
         $ cat loop
         ELOOP
         $ write x > loop
         ELOOP
         $ cat loop/x
         ELOOP
         $ ln -s ../d/f d/up
         $ write y > d/up
         $ cat d/f
         y
         $ ln d/up second
         $ stat second
         120777 2 0:0 6",
    );
}

#[test]
fn rename_replaces_in_one_step() {
    Session::new().play(
        "$ write old > f
         $ write new > g
         $ mv g f
         $ cat f
         new
         $ mkdir d
         $ mkdir e
         $ touch e/x
         $ mv f d
         EISDIR
         $ mv d f
         ENOTDIR
         $ mv d e
         ENOTEMPTY
         $ mv e d
         $ ls d
         x
         $ stat /
         040755 3 0:0 80
         $ mv d d/inside
         EINVAL
         $ mv d/x d
         ENOTEMPTY
         $ mv f f
         $ mv f g/
         ENOTDIR
         $ mv d/. z
         EBUSY
         $ mkdir p
         $ mv d p/q
         $ stat /
         040755 3 0:0 80
         $ stat p
         040755 3 0:0 60
         $ cd p/q
         $ pwd
         /p/q
         $ mv /p /r
         $ pwd
         /r/q",
    );
}

#[test]
fn a_directory_removed_under_our_feet() {
    Session::new().play(
        "$ mkdir a
         $ mkdir a/b
         $ cd a/b
         $ rmdir /a/b
         $ pwd
         ENOENT
         $ ls .
         $ touch f
         ENOENT
         $ mkdir d
         ENOENT
         $ rmdir /a
         $ ls ..
         $ cd ../..
         $ pwd
         /",
    );
}

#[test]
fn rights_of_strangers() {
    Session::new().play(
        "$ mkdir 700 secret
         $ touch secret/f
         $ mkdir 755 public
         $ write x > public/f
         $ chmod 600 public/f
         $ as alice
         $ cat secret/f
         EACCES
         $ cat public/f
         EACCES
         $ stat public/f
         100600 1 0:0 1
         $ touch public/g
         EACCES
         $ rm public/f
         EACCES
         $ mkdir public
         EEXIST
         $ mkdir public/f
         EEXIST
         $ chmod 644 public/f
         EPERM
         $ chown 1000: public/f
         EPERM
         $ mkdev null
         EACCES
         $ as root
         $ mkdev null
         $ chmod 0 public/f
         $ cat public/f
         x",
    );
}

#[test]
fn the_owners_class_alone_counts() {
    Session::new().play(
        "$ write x > f
         $ chown 1000:8 f
         $ chmod 077 f
         $ as alice
         $ cat f
         EACCES
         $ as bob
         $ cat f
         x
         $ as root
         $ chown 1001: f
         $ chmod 704 f
         $ as alice
         $ cat f
         EACCES",
    );
}

#[test]
fn a_sticky_directory_protects_the_files_of_others() {
    Session::new().play(
        "$ mkdir 755 tmp
         $ chmod 1777 tmp
         $ as alice
         $ write a > tmp/a
         $ as bob
         $ cat tmp/a
         a
         $ rm tmp/a
         EPERM
         $ mv tmp/a tmp/b
         EPERM
         $ touch tmp/mine
         $ mv tmp/mine tmp/a
         EPERM
         $ mv tmp/mine tmp/c
         $ rm tmp/c
         $ ln tmp/a tmp/second
         EPERM
         $ as alice
         $ rm tmp/a",
    );
}

#[test]
fn a_setgid_directory_passes_its_group_on() {
    Session::new().play(
        "$ mkdir 755 mail
         $ chown 0:8 mail
         $ chmod 2775 mail
         $ as alice
         $ touch mail/alice
         $ stat mail/alice
         100644 1 1000:8 0
         $ mkdir 700 mail/dir
         $ stat mail/dir
         042700 2 1000:8 40
         $ as bob
         $ touch mail/bob
         EACCES",
    );
}

#[test]
fn set_id_bits() {
    Session::new().play(
        "$ touch f
         $ chown 1000:8 f
         $ chmod 6755 f
         $ stat f
         106755 1 1000:8 0
         $ chown 1000:1000 f
         $ stat f
         100755 1 1000:1000 0
         $ chown :9 f
         $ as alice
         $ chmod 6755 f
         $ stat f
         104755 1 1000:9 0
         $ chown :8 f
         $ stat f
         100755 1 1000:8 0
         $ chmod 2755 f
         $ stat f
         102755 1 1000:8 0
         $ chown :9 f
         EPERM
         $ chown 1001: f
         EPERM",
    );
}

#[test]
fn a_full_disk() {
    let mut session = Session::new();
    session.play(
        "$ capacity 8192
         $ write x > a
         $ write x > b
         $ write x > c
         ENOSPC
         $ stat c
         100644 1 0:0 0
         $ write yyy >> a
         $ cat a
         xyyy
         $ rm b
         $ write x > c",
    );
    let ino = session.fs.resolve(&Cred::root(), session.cwd, "a", true).unwrap();
    assert_eq!(session.fs.append(ino, &[b'z'; 9000], session.now), Ok(4092), "what fits is written");
    assert_eq!(session.fs.append(ino, b"z", session.now), Err(Errno::ENOSPC));
    assert_eq!(session.fs.write_at(ino, MAX_FILE, b"z", session.now), Err(Errno::EFBIG));
    assert_eq!(session.fs.usage(), Usage { size: 8192, used: 8192, inodes: 3 });
}

#[test]
fn sockets_and_fifos_are_names() {
    Session::new().play(
        "$ mkfifo p
         $ bind s
         $ touch p
         $ stat p
         010644 1 0:0 0
         $ stat s
         140755 1 0:0 0
         $ cat s
         ENXIO
         $ rm p",
    );
}

#[test]
fn an_unlinked_file_lives_until_its_last_close() {
    let mut s = Session::new();
    let root = Cred::root();
    let ino = s.fs.open(&root, s.cwd, "f", OpenFlags::CREATE, 0o600, s.now).unwrap().ino;
    s.fs.hold(ino);
    s.fs.unlink(&root, s.cwd, "f", s.now).unwrap();
    s.fs.append(ino, b"still here", s.now).unwrap();
    s.fs.close(ino);
    assert_eq!(s.fs.read_all(ino).unwrap(), "still here");
    assert_eq!(s.fs.stat(ino).nlink, 0);
    s.fs.close(ino);
    assert!(!s.fs.exists(ino));
    assert_eq!(s.fs.read_all(ino), Err(Errno::EBADF));
    assert_eq!(s.fs.usage().used, 0);
}

#[test]
fn numbers_come_back_only_after_a_while() {
    let mut s = Session::new();
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..10_000u32 {
        let ino = s.fs.write_path(&Cred::root(), s.cwd, "f", "x", 0o644, s.now).unwrap();
        assert!(n >= 512 || seen.insert(ino), "{ino} again after {n} files");
        s.fs.unlink(&Cred::root(), s.cwd, "f", s.now).unwrap();
    }
    assert!(s.fs.stat(s.cwd).size == 40 && s.fs.usage().inodes == 1);
}

#[test]
fn clones_do_not_see_each_other() {
    let mut a = Session::new();
    a.play("$ mkdir d\n$ write one > d/f");
    let mut b = Session { fs: a.fs.clone(), cred: Cred::root(), cwd: a.cwd, now: a.now };
    b.play("$ write two >> d/f\n$ touch d/g");
    a.play("$ cat d/f\none\n$ ls d\nf");
    b.play("$ cat d/f\nonetwo\n$ ls d\nf\ng");
}

#[test]
fn locks_are_shared_or_not() {
    let mut s = Session::new();
    s.play("$ touch f");
    let f = s.fs.resolve(&Cred::root(), s.cwd, "f", true).unwrap();
    assert!(s.fs.try_lock(f, 1, LockKind::Shared) && s.fs.try_lock(f, 2, LockKind::Shared));
    assert!(!s.fs.try_lock(f, 1, LockKind::Exclusive), "another one reads");
    assert!(s.fs.unlock(f, 2) && !s.fs.unlock(f, 2));
    assert!(s.fs.try_lock(f, 1, LockKind::Exclusive), "one's own lock may be made stronger");
    assert!(!s.fs.try_lock(f, 2, LockKind::Shared));
    assert_eq!(s.fs.lock_owners(f), [(1, LockKind::Exclusive)]);
}

#[test]
fn names_and_paths_have_limits() {
    let mut s = Session::new();
    let name = "n".repeat(256);
    assert_eq!(s.run(&format!("touch {name}")), Err(Errno::ENAMETOOLONG));
    assert_eq!(s.run(&format!("touch {}", &name[1..])), Ok(String::new()));
    assert_eq!(s.run(&format!("stat {}", "./".repeat(2048))), Err(Errno::ENAMETOOLONG));
    assert!(s.run(&format!("stat {}", "./".repeat(2047))).is_ok());
    assert_eq!(s.run("stat "), Err(Errno::ENOENT));
}

#[test]
fn times() {
    let mut s = Session::new();
    let root = Cred::root();
    let at = Time::from_unix;
    let dir = s.fs.root();
    let f = s.fs.write_path(&root, dir, "f", "x", 0o666, at(10)).unwrap();
    let times = |fs: &Fs, ino| (fs.stat(ino).atime, fs.stat(ino).mtime, fs.stat(ino).ctime);
    assert_eq!(times(&s.fs, f), (at(10), at(10), at(10)));
    assert_eq!(times(&s.fs, dir), (at(1), at(10), at(10)));
    s.fs.append(f, b"y", at(20)).unwrap();
    assert_eq!(times(&s.fs, f), (at(10), at(20), at(20)));
    s.fs.accessed(f, at(30));
    s.fs.accessed(f, at(40));
    assert_eq!(times(&s.fs, f), (at(30), at(20), at(20)));
    s.fs.chmod(&root, f, 0o666, at(50)).unwrap();
    s.fs.rename(&root, dir, "f", "g", at(60)).unwrap();
    assert_eq!(times(&s.fs, f), (at(30), at(20), at(60)));
    let alice = user(1000, &[]);
    assert_eq!(s.fs.utimes(&alice, f, Touch::At(at(1)), Touch::Keep, at(70)), Err(Errno::EPERM));
    assert_eq!(s.fs.utimes(&alice, f, Touch::Now, Touch::Now, at(70)), Ok(()));
    assert_eq!(times(&s.fs, f), (at(70), at(70), at(70)));
    assert_eq!(s.fs.utimes(&root, f, Touch::Keep, Touch::At(at(5)), at(80)), Ok(()));
    assert_eq!(times(&s.fs, f), (at(70), at(5), at(80)));
}
