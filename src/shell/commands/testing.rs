//! For tests: a small host on which one command runs.

use super::{install, programs};
use crate::trace::Keep;
use crate::world::World;
use crate::world::base;
use crate::world::clock::Time;
use crate::world::exec::Start;
use crate::world::host::Host;
use crate::world::process::{Process, Programs};
use std::cell::RefCell;
use std::rc::Rc;

/// What a command said, and its exit status.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub status: i32,
}

/// A host with the users alice and bob and all commands; `/home/alice` is where they run.
pub struct Lab {
    pub world: World,
    pub host: Host,
}

impl Lab {
    pub fn new() -> Lab {
        let now = Time::DEFAULT;
        let world = World::new(now, 1, Keep::Nothing, Programs::new(programs()));
        let mut fs = base::system(now);
        install(&mut fs, now).unwrap();
        base::personalise(&mut fs, "mx.example.com", now).unwrap();
        base::add_user(&mut fs, "alice", 1000, Some("secret"), [7; 12], now).unwrap();
        base::add_user(&mut fs, "bob", 1001, None, [8; 12], now).unwrap();
        let host = world.add_host("mx.example.com", vec!["192.0.2.10".parse().unwrap()], fs).unwrap();
        Lab { world, host }
    }

    /// A lab with these files.
    pub fn with(files: &[(&str, &str)]) -> Lab {
        let lab = Lab::new();
        for (path, text) in files {
            lab.write(path, text);
        }
        lab
    }

    pub fn write(&self, path: &str, text: &str) {
        let (path, text) = (path.to_owned(), text.to_owned());
        self.act("alice", move |p| p.write_file(&path, text.into_bytes(), 0o644).unwrap());
    }

    pub fn read(&self, path: &str) -> String {
        let cred = self.host.login("root").unwrap();
        let fs = self.host.fs();
        let home = fs.resolve(&cred, fs.root(), "/home/alice", true).unwrap();
        String::from_utf8(fs.read_path(&cred, home, path).unwrap().to_vec()).unwrap()
    }

    fn act(&self, user: &str, act: impl FnOnce(&Process) + 'static) {
        let cred = self.host.login(user).unwrap();
        self.host.start("test", cred, Default::default(), "/home/alice", async move |p| {
            act(&p);
            0
        });
        self.world.settle();
    }

    /// Runs a command as a user, with this on its standard input.
    pub fn as_user(&self, user: &str, argv: &[&str], stdin: &str) -> Said {
        let cred = self.host.login(user).unwrap();
        let (argv, stdin) = (argv.iter().map(|a| a.to_string()).collect::<Vec<_>>(), stdin.to_owned());
        let said = Rc::new(RefCell::new(None));
        let told = said.clone();
        let mut env = crate::world::process::Environment::new();
        env.insert("PATH".into(), "/usr/bin:/bin:/usr/sbin".into());
        env.insert("HOME".into(), "/home/alice".into());
        self.host.start("test", cred, env, "/home/alice", async move |p| {
            let (in_reader, in_writer) = p.pipe();
            let (out_reader, out_writer) = p.pipe();
            let (err_reader, err_writer) = p.pipe();
            let fds = [(0, in_reader), (1, out_writer), (2, err_writer)].into_iter().collect();
            let start = Start { fds: Some(fds), ..Start::new(&argv) };
            let path = p.find_program(&argv[0]).unwrap();
            let child = p.spawn(&path, start).unwrap();
            p.task(async move {
                let _ = in_writer.write(stdin.into_bytes()).await;
            });
            let out = out_reader.read_to_end(1 << 26).await.unwrap();
            let err = err_reader.read_to_end(1 << 26).await.unwrap();
            let status = child.wait().await;
            let text = |b: bytes::Bytes| String::from_utf8_lossy(&b).into_owned();
            *told.borrow_mut() = Some(Said { out: text(out), err: text(err), status });
            0
        });
        let limit = self.world.now() + std::time::Duration::from_secs(100_000);
        self.world.run_while(limit, || said.borrow().is_some());
        assert_eq!(self.world.failure(), None);
        said.take().expect("the command ends")
    }

    pub fn run(&self, argv: &[&str], stdin: &str) -> Said {
        self.as_user("alice", argv, stdin)
    }

    /// What a command prints that must succeed and complain of nothing.
    pub fn out(&self, line: &str, stdin: &str) -> String {
        let said = self.run(&words(line), stdin);
        assert_eq!((said.status, &*said.err), (0, ""), "{line}: {said:?}");
        said.out
    }

    /// What a command complains of, and its exit status.
    pub fn err(&self, line: &str, stdin: &str) -> (String, i32) {
        let said = self.run(&words(line), stdin);
        (said.err, said.status)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.world.shut_down();
    }
}

/// Words, which single quotes may keep together.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a closing quote"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}
