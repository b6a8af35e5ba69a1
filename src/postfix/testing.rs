//! For tests: a host with Postfix on its disk, on which recorded commands are run again.

use super::{PROGRAMS, install};
use crate::trace::Keep;
use crate::world::World;
use crate::world::base;
use crate::world::clock::{Duration, Time};
use crate::world::exec::Start;
use crate::world::host::Host;
use crate::world::process::Programs;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;

/// The host.
pub struct Machine {
    world: World,
    host: Host,
    status: Cell<i32>,
}

impl Machine {
    /// A host of this name.
    pub fn new(name: &str) -> Machine {
        let now = Time::DEFAULT;
        let world =
            World::new(now, 1, Keep::Nothing, Programs::new(PROGRAMS.map(|(name, .., run)| (name, run))));
        let mut fs = base::system(now);
        install(&mut fs, now).unwrap();
        base::personalise(&mut fs, name, now).unwrap();
        base::add_user(&mut fs, "alice", 1000, None, [7; 12], now).unwrap();
        let host = world.add_host(name, vec!["192.0.2.25".parse().unwrap()], fs).unwrap();
        Machine { world, host, status: Cell::new(0) }
    }

    /// Writes a file as root.
    pub fn write(&self, path: &str, text: &str) {
        let (path, text) = (path.to_owned(), text.to_owned());
        self.host.start("test", self.host.login("root").unwrap(), Default::default(), "/", async move |p| {
            p.write_file(&path, text, 0o644).map_or(1, |()| 0)
        });
        self.world.settle();
    }

    /// What a command line prints. It knows `;`, a pipe from printf or echo or to sort, `echo $?`,
    /// cat and rm of one file, and single quotes.
    pub fn type_in(&self, user: &str, line: &str) -> String {
        split(line, ';').iter().map(|command| self.command(user, command.trim())).collect()
    }

    fn command(&self, user: &str, command: &str) -> String {
        if command == "echo $?" {
            return format!("{}\n", self.status.get());
        }
        let stages: Vec<Vec<String>> = split(command, '|').iter().map(|s| words(s)).collect();
        let mut text = String::new();
        for argv in stages {
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            text = match argv[..] {
                ["printf", format] => format.replace("\\n", "\n"),
                ["echo", words] => format!("{words}\n"),
                ["sort"] => {
                    let mut lines: Vec<&str> = text.lines().collect();
                    lines.sort_unstable();
                    lines.iter().flat_map(|line| [line, "\n"]).collect()
                }
                _ => self.run(user, &argv, &text),
            };
        }
        text
    }

    fn run(&self, user: &str, argv: &[&str], stdin: &str) -> String {
        let argv: Vec<String> = argv.iter().map(|a| a.to_string()).collect();
        let stdin = stdin.to_owned();
        let told = Rc::new(RefCell::new(None));
        let said = told.clone();
        self.host.start("test", self.host.login(user).unwrap(), Default::default(), "/", async move |p| {
            let result = match argv[0].as_str() {
                "cat" => (p.read_text(&argv[1]).unwrap_or_default(), 0),
                "rm" => (String::new(), p.unlink(&argv[1]).map_or(1, |()| 0)),
                program => {
                    let (in_reader, in_writer) = p.pipe();
                    let (out_reader, out_writer) = p.pipe();
                    let fds =
                        [(0, in_reader), (1, out_writer.clone()), (2, out_writer)].into_iter().collect();
                    let start = Start { fds: Some(fds), ..Start::new(&argv) };
                    let directory =
                        if matches!(program, "newaliases" | "mailq") { "/usr/bin" } else { "/usr/sbin" };
                    let child = p.spawn(&format!("{directory}/{program}"), start).unwrap();
                    p.task(async move {
                        let _ = in_writer.write(stdin).await;
                    });
                    let out = out_reader.read_to_end(1 << 24).await.unwrap();
                    (String::from_utf8_lossy(&out).into_owned(), child.wait().await)
                }
            };
            *told.borrow_mut() = Some(result);
            0
        });
        self.world.run_while(self.world.now() + Duration::from_secs(100), || said.borrow().is_some());
        assert_eq!(self.world.failure(), None);
        let (text, status) = said.take().expect("the command ends");
        self.status.set(status);
        text
    }

    /// Writes the files of a recording and types in its commands; compares what they print.
    pub fn replay(&self, recording: &str) {
        let (files, commands) = recording.split_once("\n$ ").unwrap();
        for file in files.split("@ ").skip(1) {
            let (path, text) = file.split_once('\n').unwrap();
            self.write(path, &format!("{text}\n"));
        }
        for block in commands.split("\n$ ") {
            let (command, want) = block.split_once('\n').unwrap_or((block, ""));
            let got = self.type_in("root", command);
            assert_eq!(got.trim_end_matches('\n'), want.trim_end_matches('\n'), "$ {command}");
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.world.shut_down();
    }
}

/// The parts of a text between separators that stand outside quotes.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '\'';
        match parts.last_mut() {
            Some(last) if c != separator || quoted => last.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}

fn words(text: &str) -> Vec<String> {
    split(text.trim(), ' ').into_iter().filter(|w| !w.is_empty()).map(|w| w.replace('\'', "")).collect()
}
