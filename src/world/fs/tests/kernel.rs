//! Random operations on our file system and on this machine's own: both must say the same and
//! end up with the same tree. Ownership is left out: all files belong to whoever runs the test.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Clone, Debug)]
enum Op {
    Mkdir(String, u16),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    Readlink(String),
    Chmod(String, u16),
    Open(String, OpenFlags, u16),
    Write(String, u64, usize),
    Truncate(String, u64),
    List(String),
}

/// Deep enough that no `..` in a path leads out of the test's own directory.
const DEEP: &str = "1/2/3/4/5/6/7/8";

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![6 => "[abc]", 1 => Just(".".to_string()), 1 => Just("..".to_string())];
    (prop::collection::vec(name, 1..4), prop_oneof![5 => Just(""), 1 => Just("/"), 1 => Just("//")])
        .prop_map(|(names, end)| names.join("/") + end)
}

fn mode() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(0o755u16), 1 => Just(0o1777), 1 => Just(0o500), 1 => Just(0o300), 1 => Just(0o600), 1 => 0..0o1000u16]
}

fn flags() -> impl Strategy<Value = OpenFlags> {
    let bit = any::<bool>;
    (1..4u8, bit(), bit(), bit(), bit(), prop::bool::weighted(0.2)).prop_map(
        |(rw, create, excl, truncate, nofollow, directory)| OpenFlags {
            read: rw & 1 != 0,
            write: rw & 2 != 0,
            create,
            excl: excl && create,
            truncate,
            append: false,
            nofollow,
            directory: directory && !create,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (path(), mode()).prop_map(|(p, m)| Op::Mkdir(p, m)),
        2 => path().prop_map(Op::Rmdir),
        2 => path().prop_map(Op::Unlink),
        4 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => (path(), path()).prop_map(|(a, b)| Op::Link(a, b)),
        3 => (path(), path()).prop_map(|(a, b)| Op::Symlink(a, b)),
        1 => path().prop_map(Op::Readlink),
        2 => (path(), mode()).prop_map(|(p, m)| Op::Chmod(p, m)),
        4 => (path(), flags(), mode()).prop_map(|(p, f, m)| Op::Open(p, f, m)),
        2 => (path(), 0..9000u64, 0..9000usize).prop_map(|(p, o, n)| Op::Write(p, o, n)),
        1 => (path(), 0..9000u64).prop_map(|(p, n)| Op::Truncate(p, n)),
        2 => path().prop_map(Op::List),
    ]
}

fn ours(s: &mut Session, umask: u16, op: &Op) -> Sys<String> {
    let (cred, cwd, now) = (s.cred.clone(), s.cwd, s.now);
    // By whole paths, since what was found on the way to them is remembered.
    let top = s.fs.path_of(cwd);
    let at = |path: &str| top.as_ref().map_or(path.to_owned(), |top| format!("{top}/{path}"));
    let fs = &mut s.fs;
    match op {
        Op::Mkdir(p, m) => _ = fs.mkdir(&cred, cwd, &at(p), m & !umask, now)?,
        Op::Rmdir(p) => fs.rmdir(&cred, cwd, &at(p), now)?,
        Op::Unlink(p) => fs.unlink(&cred, cwd, &at(p), now)?,
        Op::Rename(a, b) => fs.rename(&cred, cwd, &at(a), &at(b), now)?,
        Op::Link(a, b) => fs.link(&cred, cwd, &at(a), &at(b), now)?,
        Op::Symlink(target, p) => _ = fs.symlink(&cred, target, cwd, &at(p), now)?,
        Op::Readlink(p) => {
            let ino = fs.resolve(&cred, cwd, &at(p), false)?;
            return fs.readlink(ino).map(|target| target.to_string());
        }
        Op::Chmod(p, m) => {
            let ino = fs.resolve(&cred, cwd, &at(p), true)?;
            fs.chmod(&cred, ino, *m, now)?;
        }
        Op::Open(p, flags, m) => {
            let ino = fs.open(&cred, cwd, &at(p), *flags, m & !umask, now)?.ino;
            fs.close(ino);
        }
        Op::Write(p, offset, len) => {
            let ino = fs.open(&cred, cwd, &at(p), OpenFlags::WRITE, 0, now)?.ino;
            let done = fs.write_at(ino, *offset, &vec![b'w'; *len], now);
            fs.close(ino);
            done?;
        }
        Op::Truncate(p, len) => {
            let ino = fs.open(&cred, cwd, &at(p), OpenFlags::WRITE, 0, now)?.ino;
            let done = fs.truncate(ino, *len, now);
            fs.close(ino);
            done?;
        }
        Op::List(p) => {
            let ino =
                fs.open(&cred, cwd, &at(p), OpenFlags { directory: true, ..OpenFlags::READ }, 0, now)?.ino;
            let names = fs.readdir(ino)?.map(|(name, _)| name.to_string()).collect::<Vec<_>>();
            fs.close(ino);
            return Ok(names.join(" "));
        }
    }
    Ok(String::new())
}

fn theirs(cwd: &std::fs::File, op: &Op) -> io::Result<String> {
    // A path from an open directory on, whatever has become of the way that led there.
    let at = |path: &str| format!("/proc/self/fd/{}/{path}", cwd.as_raw_fd());
    match op {
        Op::Mkdir(p, m) => std::fs::DirBuilder::new().mode(u32::from(*m)).create(at(p))?,
        Op::Rmdir(p) => std::fs::remove_dir(at(p))?,
        Op::Unlink(p) => std::fs::remove_file(at(p))?,
        Op::Rename(a, b) => std::fs::rename(at(a), at(b))?,
        Op::Link(a, b) => std::fs::hard_link(at(a), at(b))?,
        Op::Symlink(target, p) => std::os::unix::fs::symlink(target, at(p))?,
        Op::Readlink(p) => return Ok(std::fs::read_link(at(p))?.display().to_string()),
        Op::Chmod(p, m) => std::fs::set_permissions(at(p), std::fs::Permissions::from_mode(u32::from(*m)))?,
        Op::Open(p, flags, m) => _ = real_open(&at(p), *flags, *m)?,
        Op::Write(p, offset, len) => {
            real_open(&at(p), OpenFlags::WRITE, 0)?.write_all_at(&vec![b'w'; *len], *offset)?
        }
        Op::Truncate(p, len) => real_open(&at(p), OpenFlags::WRITE, 0)?.set_len(*len)?,
        Op::List(p) => {
            let mut names = std::fs::read_dir(at(p))?
                .map(|entry| entry.map(|entry| entry.file_name().display().to_string()))
                .collect::<io::Result<Vec<_>>>()?;
            names.sort();
            return Ok(names.join(" "));
        }
    }
    Ok(String::new())
}

fn real_open(path: &str, flags: OpenFlags, mode: u16) -> io::Result<std::fs::File> {
    const O_CREAT: i32 = 0o100;
    const O_EXCL: i32 = 0o200;
    const O_TRUNC: i32 = 0o1000;
    const O_DIRECTORY: i32 = 0o200000;
    const O_NOFOLLOW: i32 = 0o400000;
    let bits = [
        (flags.create, O_CREAT),
        (flags.excl, O_EXCL),
        (flags.truncate, O_TRUNC),
        (flags.directory, O_DIRECTORY),
        (flags.nofollow, O_NOFOLLOW),
    ];
    std::fs::OpenOptions::new()
        .read(flags.read)
        .write(flags.write)
        .custom_flags(bits.iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum())
        .mode(u32::from(mode))
        .open(path)
}

/// The name of an error of the kernel, as `Errno` writes it.
fn name_of(error: &io::Error) -> String {
    let name = match error.raw_os_error() {
        Some(1) => "EPERM",
        Some(2) => "ENOENT",
        Some(13) => "EACCES",
        Some(16) => "EBUSY",
        Some(17) => "EEXIST",
        Some(20) => "ENOTDIR",
        Some(21) => "EISDIR",
        Some(22) => "EINVAL",
        Some(39) => "ENOTEMPTY",
        Some(40) => "ELOOP",
        _ => return format!("{error:?}"),
    };
    name.into()
}

/// Everything below the starting directory: path, then mode, links, size and content.
fn our_tree(fs: &Fs, dir: Ino, path: &str, out: &mut BTreeMap<String, String>) {
    for (name, ino) in fs.readdir(dir).unwrap() {
        let s = fs.stat(ino);
        let path = format!("{path}/{name}");
        let body = match s.kind {
            Kind::Directory => String::new(),
            Kind::Symlink => fs.readlink(ino).unwrap().to_string(),
            _ => format!("{:?}", fs.read_all(ino).unwrap()),
        };
        out.insert(path.clone(), format!("{:o} {} {body}", s.st_mode(), s.nlink));
        if s.is_dir() {
            our_tree(fs, ino, &path, out);
        }
    }
}

fn their_tree(dir: &str, path: &str, out: &mut BTreeMap<String, String>) {
    let as_it_was = std::fs::metadata(dir).unwrap().permissions();
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().display().to_string();
        let (full, path) = (format!("{dir}/{name}"), format!("{path}/{name}"));
        let s = std::fs::symlink_metadata(&full).unwrap();
        let body = match s.file_type() {
            kind if kind.is_dir() => String::new(),
            kind if kind.is_symlink() => std::fs::read_link(&full).unwrap().display().to_string(),
            _ => {
                std::fs::set_permissions(&full, std::fs::Permissions::from_mode(0o600)).unwrap();
                let bytes = std::fs::read(&full).unwrap();
                std::fs::set_permissions(&full, s.permissions()).unwrap();
                format!("{:?}", Bytes::from(bytes))
            }
        };
        out.insert(path.clone(), format!("{:o} {} {body}", s.mode(), s.nlink()));
        if s.is_dir() {
            their_tree(&full, &path, out);
        }
    }
    std::fs::set_permissions(dir, as_it_was).unwrap();
}

/// A directory of this machine that is gone at the end.
struct Scratch(String);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("{}/maillab-fs-{}-{number}", std::env::temp_dir().display(), std::process::id());
        std::fs::create_dir_all(format!("{path}/{DEEP}")).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut dirs = vec![self.0.clone()];
        while let Some(dir) = dirs.pop() {
            let _ = std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700));
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    dirs.push(entry.path().display().to_string());
                }
            }
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn the_kernel_says_the_same(ops in prop::collection::vec(op(), 1..60)) {
        let scratch = Scratch::new();
        let me = std::fs::metadata(&scratch.0).unwrap();
        let umask = !std::fs::metadata(format!("{}/1", scratch.0)).unwrap().mode() as u16 & 0o777;
        let cwd = std::fs::File::open(format!("{}/{DEEP}", scratch.0)).unwrap();
        let mut s = Session::new();
        let mut top = String::new();
        for name in DEEP.split('/') {
            top = format!("{top}/{name}");
            let ino = s.fs.mkdir(&Cred::root(), s.cwd, &top, 0o777 & !umask, s.now).unwrap();
            s.fs.chown(&Cred::root(), ino, Some(me.uid()), Some(me.gid()), s.now).unwrap();
        }
        s.cred = Cred { uid: me.uid(), gid: me.gid(), groups: Rc::from([]) };
        s.cwd = s.fs.resolve(&Cred::root(), s.cwd, &top, true).unwrap();

        for (n, op) in ops.iter().enumerate() {
            let ours = ours(&mut s, umask, op).map_err(|errno| format!("{errno:?}"));
            let theirs = theirs(&cwd, op).map_err(|error| name_of(&error));
            prop_assert_eq!(ours, theirs, "operation {}: {:?}", n, op);
        }
        let (mut a, mut b) = (BTreeMap::new(), BTreeMap::new());
        let first = s.fs.resolve(&Cred::root(), s.fs.root(), "/1", true).unwrap();
        our_tree(&s.fs, first, "", &mut a);
        their_tree(&format!("{}/1", scratch.0), "", &mut b);
        prop_assert_eq!(a, b);
    }
}
