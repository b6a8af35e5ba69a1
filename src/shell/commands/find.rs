//! find(1): walks through directories and does what its expression says.
//!
//! Names of a directory come in byte order.
//!
//! # Simplifications
//! `-regex`, `-prune` aside from its plain use, `-printf`, `-ls` and the options `-H`, `-L` are
//! not there.

use super::glob;
use super::names::{self, join};
use super::regex::Regex;
use super::tool::{Tool, quoted};
use crate::world::clock::Time;
use crate::world::exec::Start;
use crate::world::fs::{Kind, Stat};
use crate::world::process::Process;
use std::rc::Rc;

/// How deep an expression may be nested.
const DEPTH: usize = 50;
/// How many words an expression may have.
const WORDS: usize = 300;

enum Test {
    True,
    Name(Option<Regex>),
    Path(Option<Regex>),
    Kind(String),
    /// How many units of this many seconds ago it was changed, as a comparison.
    Time(fn(&Stat) -> Time, u64, Compare),
    Newer(Time),
    Owner(u32),
    Group(u32),
    NoUser,
    Mode(ModeTest, u16),
    Size(u64, Compare),
    Empty,
    Links(Compare),
    Inode(Compare),
    Print,
    Print0,
    Delete,
    Prune,
    Quit,
    Exec {
        words: Vec<Rc<str>>,
        many: Option<usize>,
    },
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

#[derive(Clone, Copy)]
enum ModeTest {
    Exactly,
    All,
    Any,
}

/// `+N`, `-N` or `N`
#[derive(Clone, Copy)]
struct Compare(char, u64);

impl Compare {
    fn parse(text: &str) -> Option<Compare> {
        let (sign, digits) = match text.chars().next()? {
            c @ ('+' | '-') => (c, &text[1..]),
            _ => ('=', text),
        };
        digits.parse().ok().map(|n| Compare(sign, n))
    }

    fn holds(self, n: u64) -> bool {
        match self.0 {
            '+' => n > self.1,
            '-' => n < self.1,
            _ => n == self.1,
        }
    }
}

/// The words of a command and the paths collected for it.
type Batch = (Vec<Rc<str>>, Vec<Rc<str>>);

struct Walk {
    min: usize,
    max: usize,
    depth_first: bool,
    /// Arguments collected for each `-exec … +`.
    batches: Vec<Batch>,
    pruned: bool,
    quit: bool,
    now: Time,
}

struct Parser<'a> {
    p: &'a Process,
    words: &'a [Rc<str>],
    at: usize,
    walk: Walk,
    acts: bool,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let begins = |a: &str| a.starts_with('-') && a.len() > 1 || matches!(a, "(" | "!");
    let split = args.iter().position(|a| begins(a)).unwrap_or(args.len());
    let (starts, words) = args.split_at(split);
    let starts: Vec<Rc<str>> = if starts.is_empty() { vec![".".into()] } else { starts.to_vec() };
    let walk = Walk {
        min: 0,
        max: usize::MAX,
        depth_first: false,
        batches: Vec::new(),
        pruned: false,
        quit: false,
        now: tool.p.now(),
    };
    let process = tool.p.clone();
    let mut parser = Parser { p: &process, words, at: 0, walk, acts: false };
    let test = match parser.expression() {
        Ok(test) => test,
        Err(text) => {
            tool.warn(text).await;
            return 1;
        }
    };
    let mut walk = parser.walk;
    let test = if parser.acts { test } else { Test::And(Box::new(test), Box::new(Test::Print)) };
    for start in starts {
        walk.tree(&mut tool, &test, &start).await;
        if walk.quit {
            break;
        }
    }
    for (words, paths) in std::mem::take(&mut walk.batches) {
        if !paths.is_empty() && !run(&mut tool, words.into_iter().chain(paths).collect()).await {
            tool.status = 1;
        }
    }
    tool.done().await
}

impl Parser<'_> {
    fn expression(&mut self) -> Result<Test, String> {
        if self.words.is_empty() {
            return Ok(Test::True);
        }
        if self.words.len() > WORDS {
            return Err("the expression is too long".into());
        }
        let test = self.or(0)?;
        match self.words.get(self.at) {
            None => Ok(test),
            Some(w) if &**w == ")" => Err("invalid expression; you have too many ')'".into()),
            Some(w) => Err(format!("paths must precede expression: `{w}'")),
        }
    }

    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(|w| &**w)
    }

    fn or(&mut self, depth: usize) -> Result<Test, String> {
        let mut left = self.and(depth)?;
        while matches!(self.peek(), Some("-o" | "-or")) {
            self.at += 1;
            left = Test::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Test, String> {
        let mut left = self.not(depth)?;
        loop {
            match self.peek() {
                None | Some("-o" | "-or" | ")") => return Ok(left),
                Some("-a" | "-and") => self.at += 1,
                Some(_) => {}
            }
            left = Test::And(Box::new(left), Box::new(self.not(depth)?));
        }
    }

    fn not(&mut self, depth: usize) -> Result<Test, String> {
        if depth > DEPTH {
            return Err("the expression is nested too deeply".into());
        }
        match self.peek() {
            Some("!" | "-not") => {
                self.at += 1;
                Ok(Test::Not(Box::new(self.not(depth + 1)?)))
            }
            Some("(") => {
                self.at += 1;
                if self.peek() == Some(")") {
                    return Err("invalid expression; empty parentheses are not allowed.".into());
                }
                let none = "invalid expression; expected to find a ')' but didn't see one. Perhaps you need an extra predicate after '('";
                if self.peek().is_none() {
                    return Err(none.into());
                }
                let inner = self.or(depth + 1)?;
                if self.peek() != Some(")") {
                    return Err(
                        "invalid expression; I was expecting to find a ')' somewhere but did not see one."
                            .into(),
                    );
                }
                self.at += 1;
                Ok(inner)
            }
            None => Err("invalid expression; you have used a binary operator with nothing after it.".into()),
            Some(_) => self.predicate(),
        }
    }

    fn predicate(&mut self) -> Result<Test, String> {
        let name = self.words[self.at].clone();
        self.at += 1;
        match &*name {
            "-true" | "-mount" | "-xdev" | "-noleaf" => return Ok(Test::True),
            "-false" => return Ok(Test::Not(Box::new(Test::True))),
            "-depth" | "-d" => {
                self.walk.depth_first = true;
                return Ok(Test::True);
            }
            "-empty" => return Ok(Test::Empty),
            "-nouser" => return Ok(Test::NoUser),
            "-prune" => return Ok(Test::Prune),
            "-print" | "-print0" | "-delete" | "-quit" => {
                self.acts = true;
                return Ok(match &*name {
                    "-print" => Test::Print,
                    "-print0" => Test::Print0,
                    "-quit" => Test::Quit,
                    _ => {
                        self.walk.depth_first = true;
                        Test::Delete
                    }
                });
            }
            "-exec" => return self.exec(),
            "-regex" | "-iregex" | "-printf" | "-fprintf" | "-fprint" | "-ls" | "-fls" | "-ok"
            | "-execdir" | "-okdir" | "-lname" | "-samefile" | "-used" | "-readable" | "-writable"
            | "-executable" | "-wholename" => {
                return Err(format!("maillab: {name} is not available in the lab"));
            }
            "-name" | "-iname" | "-path" | "-ipath" | "-type" | "-mtime" | "-mmin" | "-ctime" | "-cmin"
            | "-atime" | "-amin" | "-newer" | "-user" | "-uid" | "-group" | "-gid" | "-perm" | "-size"
            | "-links" | "-inum" | "-maxdepth" | "-mindepth" => {}
            _ => return Err(format!("unknown predicate `{name}'")),
        }
        let Some(value) = self.words.get(self.at).cloned() else {
            return Err(format!("missing argument to `{name}'"));
        };
        self.at += 1;
        let wrong = || format!("invalid argument `{value}' to `{name}'");
        let compare = || Compare::parse(&value).ok_or_else(wrong);
        Ok(match &*name {
            "-name" | "-iname" => Test::Name(glob::to_regex(&value, &*name == "-iname")),
            "-path" | "-ipath" => Test::Path(glob::to_regex(&value, &*name == "-ipath")),
            "-type" => match value.chars().find(|c| !"fdlpsc b,".contains(*c)) {
                Some(c) => return Err(format!("Unknown argument to -type: {c}")),
                None => Test::Kind(value.replace(',', "")),
            },
            "-mtime" => Test::Time(|s| s.mtime, 86400, compare()?),
            "-ctime" => Test::Time(|s| s.ctime, 86400, compare()?),
            "-atime" => Test::Time(|s| s.atime, 86400, compare()?),
            "-mmin" => Test::Time(|s| s.mtime, 60, compare()?),
            "-cmin" => Test::Time(|s| s.ctime, 60, compare()?),
            "-amin" => Test::Time(|s| s.atime, 60, compare()?),
            "-newer" => match self.p.stat(&value, true) {
                Ok(stat) => Test::Newer(stat.mtime),
                Err(e) => return Err(format!("{}: {e}", quoted(&value))),
            },
            "-user" | "-uid" => match names::uid_of(self.p, &value) {
                Some(uid) => Test::Owner(uid),
                None => return Err(format!("{} is not the name of a known user", quoted(&value))),
            },
            "-group" | "-gid" => match names::gid_of(self.p, &value) {
                Some(gid) => Test::Group(gid),
                None => return Err(format!("{} is not the name of an existing group", quoted(&value))),
            },
            "-perm" => {
                let (how, text) = match value.chars().next() {
                    Some('-') => (ModeTest::All, &value[1..]),
                    Some('/') => (ModeTest::Any, &value[1..]),
                    _ => (ModeTest::Exactly, &*value),
                };
                match super::chmod::parse_mode(text) {
                    Some(change) => Test::Mode(how, change.apply(0, false, 0)),
                    None => return Err(format!("invalid mode {}", quoted(&value))),
                }
            }
            "-size" => {
                let (digits, unit) = match value.chars().last() {
                    Some('c') => (&value[..value.len() - 1], 1),
                    Some('w') => (&value[..value.len() - 1], 2),
                    Some('b') => (&value[..value.len() - 1], 512),
                    Some('k') => (&value[..value.len() - 1], 1024),
                    Some('M') => (&value[..value.len() - 1], 1 << 20),
                    Some('G') => (&value[..value.len() - 1], 1 << 30),
                    Some(c) if !c.is_ascii_digit() => return Err(format!("invalid -size type `{c}'")),
                    _ => (&*value, 512),
                };
                Test::Size(unit, Compare::parse(digits).ok_or_else(wrong)?)
            }
            "-links" => Test::Links(compare()?),
            "-inum" => Test::Inode(compare()?),
            depth => {
                let n = value.parse().map_err(|_| {
                    format!(
                        "Expected a positive decimal integer argument to {depth}, but got {}",
                        quoted(&value)
                    )
                })?;
                if depth == "-maxdepth" {
                    self.walk.max = n;
                } else {
                    self.walk.min = n;
                }
                Test::True
            }
        })
    }

    fn exec(&mut self) -> Result<Test, String> {
        self.acts = true;
        let rest = &self.words[self.at..];
        let end = rest
            .iter()
            .enumerate()
            .position(|(n, w)| &**w == ";" || &**w == "+" && n > 0 && &*rest[n - 1] == "{}");
        let Some(end) = end.filter(|end| *end > 0) else { return Err("missing argument to `-exec'".into()) };
        let mut words = rest[..end].to_vec();
        let many = (&*rest[end] == "+").then(|| {
            words.pop();
            self.walk.batches.push((words.clone(), Vec::new()));
            self.walk.batches.len() - 1
        });
        self.at += end + 1;
        Ok(Test::Exec { words, many })
    }
}

impl Walk {
    async fn tree(&mut self, tool: &mut Tool, test: &Test, start: &str) {
        let mut pending = vec![(start.to_owned(), 0_usize, false)];
        while let Some((path, depth, left)) = pending.pop() {
            let stat = match tool.p.stat(&path, false) {
                Ok(stat) => stat,
                Err(e) => {
                    tool.complain(format!("{}: {e}", quoted(&path))).await;
                    continue;
                }
            };
            let reported = depth >= self.min;
            self.pruned = false;
            if reported && (left || !self.depth_first || !stat.is_dir()) {
                Box::pin(self.holds(tool, test, &path, &stat)).await;
            }
            if self.quit {
                return;
            }
            if !stat.is_dir() || left || depth >= self.max || self.pruned && !self.depth_first {
                if stat.is_dir() && !left && self.depth_first && reported {
                    Box::pin(self.holds(tool, test, &path, &stat)).await;
                }
                continue;
            }
            if self.depth_first {
                pending.push((path.clone(), depth, true));
            }
            match tool.p.list(&path) {
                Ok(inner) => pending.extend(inner.iter().rev().map(|n| (join(&path, n), depth + 1, false))),
                // Removed by what was done with it.
                Err(crate::world::errno::Errno::ENOENT) => {}
                Err(e) => tool.complain(format!("{}: {e}", quoted(&path))).await,
            }
        }
    }

    async fn holds(&mut self, tool: &mut Tool, test: &Test, path: &str, stat: &Stat) -> bool {
        let now = self.now;
        match test {
            Test::True => true,
            Test::Not(inner) => !Box::pin(self.holds(tool, inner, path, stat)).await,
            Test::And(a, b) => {
                Box::pin(self.holds(tool, a, path, stat)).await
                    && Box::pin(self.holds(tool, b, path, stat)).await
            }
            Test::Or(a, b) => {
                Box::pin(self.holds(tool, a, path, stat)).await
                    || Box::pin(self.holds(tool, b, path, stat)).await
            }
            Test::Name(regex) => regex.as_ref().is_some_and(|r| r.is_match(names::base(path).as_bytes())),
            Test::Path(regex) => regex.as_ref().is_some_and(|r| r.is_match(path.as_bytes())),
            Test::Kind(letters) => letters.contains(match stat.kind {
                Kind::File => 'f',
                Kind::Directory => 'd',
                Kind::Symlink => 'l',
                Kind::Fifo => 'p',
                Kind::Socket => 's',
                Kind::CharDevice(_) => 'c',
            }),
            Test::Time(time, unit, compare) => {
                let age = now.since(time(stat)).as_secs();
                // Minutes are counted up, days down, as find does.
                compare.holds(if *unit == 60 { age.div_ceil(60) } else { age / unit })
            }
            Test::Newer(than) => stat.mtime > *than,
            Test::Owner(uid) => stat.uid == *uid,
            Test::Group(gid) => stat.gid == *gid,
            Test::NoUser => {
                let host = tool.p.host();
                let found = host.users().getpwuid(&host.fs(), stat.uid);
                found.is_none()
            }
            Test::Mode(how, mode) => match how {
                ModeTest::Exactly => stat.mode == *mode,
                ModeTest::All => stat.mode & mode == *mode,
                ModeTest::Any => *mode == 0 || stat.mode & mode != 0,
            },
            Test::Size(unit, compare) => compare.holds(stat.size.div_ceil(*unit)),
            Test::Empty => match stat.kind {
                Kind::File => stat.size == 0,
                Kind::Directory => tool.p.list(path).is_ok_and(|inner| inner.is_empty()),
                _ => false,
            },
            Test::Links(compare) => compare.holds(u64::from(stat.nlink)),
            Test::Inode(compare) => compare.holds(u64::from(stat.ino.number())),
            Test::Print => {
                tool.line(path).await;
                true
            }
            Test::Print0 => {
                tool.put(format!("{path}\0")).await;
                true
            }
            Test::Prune => {
                self.pruned = true;
                true
            }
            Test::Quit => {
                self.quit = true;
                true
            }
            Test::Delete => {
                if path == "." {
                    return true;
                }
                let removed = if stat.is_dir() { tool.p.rmdir(path) } else { tool.p.unlink(path) };
                if let Err(e) = removed {
                    tool.complain(format!("cannot delete {}: {e}", quoted(path))).await;
                    return false;
                }
                true
            }
            Test::Exec { words, many: Some(n) } => {
                self.batches[*n].1.push(path.into());
                if self.batches[*n].1.len() >= 1000 {
                    let paths = std::mem::take(&mut self.batches[*n].1);
                    if !run(tool, words.iter().cloned().chain(paths).collect()).await {
                        tool.status = 1;
                    }
                }
                true
            }
            Test::Exec { words, many: None } => {
                run(tool, words.iter().map(|w| w.replace("{}", path).into()).collect()).await
            }
        }
    }
}

/// Runs a command; tells whether it succeeded.
async fn run(tool: &mut Tool, argv: Vec<Rc<str>>) -> bool {
    tool.flush().await;
    let found = tool.p.find_program(&argv[0]);
    match found.and_then(|path| tool.p.spawn(&path, Start::new(&argv))) {
        Ok(child) => child.wait().await == 0,
        Err(e) => {
            tool.warn(format!("{}: {e}", quoted(&argv[0]))).await;
            false
        }
    }
}
