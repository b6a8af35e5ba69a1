//! Going through rcfiles: assignments are made, recipes asked and done, one after the other, until the
//! message is delivered.
//!
//! What is left to do is a stack of frames, one for each file and block that was entered: so a
//! copy of procmail (a block with the flag `c`) can go on from where it was made.

use super::deliver::{FolderType, ended};
use super::log::Abstract;
use super::message::Message;
use super::rc::{self, Action, Flags, Item, Kind, Lock, Recipe};
use super::word::Word;
use crate::trace::{Decision, Outcome, Place};
use crate::world::process::Process;
use crate::world::users::Cred;
use bytes::Bytes;
use std::cell::Cell;
use std::rc::Rc;

/// Files that include each other are left at this depth.
const DEEPEST: usize = 64;

/// One run of procmail.
#[derive(Clone)]
pub struct Procmail {
    /// The process.
    pub p: Process,
    /// The message as it is now.
    pub message: Message,
    /// `$1` and so on.
    pub arguments: Vec<String>,
    /// The file that is being obeyed.
    pub rcfile: Rc<str>,
    /// `VERBOSE`.
    pub verbose: bool,
    /// `LOGABSTRACT`.
    pub abstracts: Abstract,
    /// There is a log file.
    pub log_opened: bool,
    /// When the time was last written to the log, in seconds.
    pub stamped: Cell<u64>,
    /// Where the message went last.
    pub last_folder: String,
    /// How many octets were written there.
    pub last_size: usize,
    /// `$?`
    pub last_exit: i32,
    /// `$=`
    pub score: f64,
    /// The message has found its place.
    pub delivered: bool,
    /// The second in which a unique name was last made, and how many were.
    pub serial: (u64, u32),
    /// `LOCKFILE`.
    pub global_lock: Option<String>,
    /// The group that may make files beside the system mailboxes, until rights are given up.
    pub mail_group: Option<u32>,
    /// `-t`: a message that cannot be delivered is to be tried again.
    pub soft: bool,
    frames: Vec<Frame>,
}

/// Items to go through.
#[derive(Clone)]
struct Frame {
    items: Rc<[Item]>,
    next: usize,
    /// The file they stand in, where they are a whole file.
    file: Option<Rc<str>>,
    /// Released when the frame is left.
    lock: Option<String>,
    memory: Memory,
}

/// What later recipes ask about earlier ones.
#[derive(Clone, Copy, Default)]
struct Memory {
    /// The conditions of the last recipe without `A` or `a` held.
    matched: bool,
    /// A recipe of the present chain of `E` applied.
    chain: bool,
    /// The last action succeeded.
    succeeded: bool,
}

impl Procmail {
    /// A run that has not begun yet.
    pub fn new(p: Process, message: Message) -> Procmail {
        let now = p.now().unix();
        Procmail {
            p,
            message,
            arguments: Vec::new(),
            rcfile: "".into(),
            verbose: false,
            abstracts: Abstract::default(),
            log_opened: false,
            stamped: Cell::new(0),
            last_folder: String::new(),
            last_size: 0,
            last_exit: 0,
            score: 0.0,
            delivered: false,
            serial: (now, 0),
            global_lock: None,
            mail_group: None,
            soft: false,
            frames: Vec::new(),
        }
    }

    /// Puts a file on top of what is to be done.
    pub fn enter_file(&mut self, path: &str, text: &str) {
        let file: Rc<str> = path.into();
        self.rcfile = file.clone();
        self.enter(rc::parse(text).into(), Some(file), None);
    }

    fn enter(&mut self, items: Rc<[Item]>, file: Option<Rc<str>>, lock: Option<String>) {
        self.frames.push(Frame { items, next: 0, file, lock, memory: Memory::default() });
    }

    /// `INCLUDERC` and `SWITCHRC`.
    pub async fn read_rc(&mut self, how: &str, path: &str) {
        let switching = how == "SWITCHRC";
        if path.is_empty() && switching {
            self.leave_file().await;
            return;
        }
        match self.p.read_file(path) {
            Ok(text) if self.frames.len() < DEEPEST => {
                if switching {
                    self.leave_file().await;
                }
                self.enter_file(path, &String::from_utf8_lossy(&text));
            }
            _ if path.is_empty() => {}
            _ => self.say_of("Couldn't read", path).await,
        }
    }

    async fn leave_file(&mut self) {
        while let Some(frame) = self.frames.pop() {
            if let Some(lock) = &frame.lock {
                self.unlock(lock).await;
            }
            if frame.file.is_some() {
                break;
            }
        }
        self.rename_file();
    }

    /// Leaves the rcfile with all that it includes; is there another one?
    pub async fn leave_rcfile(&mut self) -> bool {
        while self.frames.last().is_some_and(|frame| frame.next > 0) {
            self.leave_file().await;
        }
        !self.frames.is_empty()
    }

    fn rename_file(&mut self) {
        if let Some(file) = self.frames.iter().rev().find_map(|f| f.file.clone()) {
            self.rcfile = file;
        }
    }

    /// Goes through everything until the message is delivered or nothing is left.
    pub async fn go(&mut self) {
        while !self.delivered {
            let Some(frame) = self.frames.last_mut() else { return };
            let items = frame.items.clone();
            let Some(item) = items.get(frame.next) else {
                let lock = frame.lock.take();
                self.frames.pop();
                self.rename_file();
                if let Some(lock) = lock {
                    self.unlock(&lock).await;
                }
                continue;
            };
            frame.next += 1;
            match &item.kind {
                Kind::Assign(name, None) => self.assign(name, None).await,
                Kind::Assign(name, Some(word)) => {
                    let value = self.expand(word).await;
                    self.assign(name, Some(&value)).await;
                }
                Kind::Skipped(text) => self.say_of("Skipped", text).await,
                Kind::Remark(text) => self.say(text).await,
                Kind::Recipe(recipe) => self.recipe(item.line, recipe).await,
            }
        }
        for lock in std::mem::take(&mut self.frames).into_iter().rev().filter_map(|f| f.lock) {
            self.unlock(&lock).await;
        }
    }

    fn memory(&mut self) -> Memory {
        self.frames.last().map_or_else(Memory::default, |f| f.memory)
    }

    fn remember(&mut self, depth: usize, change: impl FnOnce(&mut Memory)) {
        if let Some(frame) = self.frames.get_mut(depth) {
            change(&mut frame.memory);
        }
    }

    async fn recipe(&mut self, line: u32, recipe: &Recipe) {
        let depth = self.frames.len().saturating_sub(1);
        let (flags, memory) = (recipe.flags, self.memory());
        let asked = !(flags.has('A') && !memory.matched
            || flags.has('a') && !(memory.matched && memory.succeeded)
            || flags.has('E') && memory.chain
            || flags.has('e') && (!memory.chain || memory.succeeded));
        let applies = asked && self.conditions_hold(flags, &recipe.conditions).await;
        if !flags.has('A') && !flags.has('a') {
            self.remember(depth, |m| m.matched = applies || flags.has('E') && m.chain && m.matched);
        }
        self.remember(depth, |m| m.chain = applies || flags.has('E') && m.chain);
        let rcfile = self.rcfile.clone();
        self.p.decide(|| Decision {
            rule: "recipe".into(),
            setting: format!(":0 with {} conditions", recipe.conditions.len()).into(),
            place: Place::line(rcfile, line),
            compared: if asked { "the conditions" } else { "the flags A, a, E, e" }.to_owned(),
            outcome: if applies { Outcome::Becomes(shown(&recipe.action).into()) } else { Outcome::No },
        });
        if !applies {
            return;
        }
        let done = self.act(recipe).await;
        self.remember(depth, |m| m.succeeded = done);
        let keeps_going = flags.has('c') || flags.has('f');
        let moves_mail = matches!(recipe.action, Action::Folder(_) | Action::Forward(_) | Action::Pipe(_));
        if done && moves_mail && !flags.has('f') {
            if keeps_going {
                self.write_abstract(false).await;
            } else {
                self.delivered = true;
            }
        }
    }

    /// Does what a recipe says; false when that failed.
    async fn act(&mut self, recipe: &Recipe) -> bool {
        let (flags, raw) = (recipe.flags, recipe.flags.has('r'));
        let (header, body) = (flags.has('h'), flags.has('b'));
        match &recipe.action {
            Action::Folder(words) => {
                let mut names = Vec::new();
                for word in words {
                    names.push(self.expand(word).await);
                }
                let Some((first, others)) = names.split_first() else { return false };
                let lock = match (&recipe.lock, self.folder_type(first)) {
                    (Lock::Implicit, FolderType::Mbox) => Some(format!("{first}{}", self.var("LOCKEXT"))),
                    (Lock::Named(word), _) => Some(self.expand(word).await),
                    _ => None,
                };
                let lock = self.hold(lock).await;
                let mut done = self.deliver(first, header, body, raw).await;
                for name in others {
                    done &= self.link_into(name).await;
                }
                self.release(lock).await;
                done
            }
            Action::Forward(line) => {
                let words = Word::list(line);
                let addresses = self.expand_all(&words).await;
                let text =
                    format!("{} {} {}", self.var("SENDMAIL"), self.var("SENDMAILFLAGS"), addresses.join(" "));
                self.pipe_action(recipe, &text).await
            }
            Action::Pipe(text) => {
                let text = text.trim_end().to_owned();
                self.pipe_action(recipe, &text).await
            }
            Action::Capture(name, text) => {
                let lock = self.explicit_lock(&recipe.lock, text).await;
                let command = self.command(text).await;
                let input = Bytes::copy_from_slice(self.message.parts(header, body));
                let ran = self.run(&command, input, true).await;
                self.release(lock).await;
                let value = String::from_utf8_lossy(&ran.output).into_owned();
                self.p.set_var(name, Some(value.trim_end_matches('\n')));
                self.waited_for(flags, &ran).await
            }
            Action::Block(items) => self.block(recipe, items).await,
            Action::Missing => false,
        }
    }

    async fn block(&mut self, recipe: &Recipe, items: &Rc<[Item]>) -> bool {
        let lock = match &recipe.lock {
            Lock::Named(word) => Some(self.expand(word).await),
            Lock::Implicit => {
                self.say("Extraneous locallockfile ignored").await;
                None
            }
            Lock::None => None,
        };
        let lock = self.hold(lock).await;
        if !recipe.flags.has('c') {
            self.enter(items.clone(), None, lock);
            return true;
        }
        self.tell(|| "Forking \"procmail\"".to_owned()).await;
        let mut copy = self.clone();
        let items = items.clone();
        self.p.fork(async move |p| {
            copy.p = p;
            copy.global_lock = None;
            copy.enter(items, None, lock);
            copy.finish().await
        });
        true
    }

    async fn pipe_action(&mut self, recipe: &Recipe, text: &str) -> bool {
        let flags = recipe.flags;
        let (header, body) = (flags.has('h'), flags.has('b'));
        let lock = self.explicit_lock(&recipe.lock, text).await;
        let command = self.command(text).await;
        let filter = flags.has('f');
        let part = self.message.parts(header, body);
        let input = ended(part, flags.has('r')).into_owned();
        let size = input.len();
        // Without a reason to wait the real program goes on while the command runs.
        let waits = filter || lock.is_some() || flags.has('w') || flags.has('W');
        if !waits {
            self.tell(|| format!("Assigning \"LASTFOLDER={}\"", command.folder())).await;
        }
        let ran = self.run(&command, Bytes::from(input), filter).await;
        let mut done = self.waited_for(flags, &ran).await;
        if !ran.read_all && !flags.has('i') && !ran.succeeded() {
            self.say_of("Error while writing to", &ran.name).await;
            done = false;
        }
        if !filter {
            if waits {
                self.set_last_folder(&command.folder()).await;
            } else {
                self.note_last_folder(&command.folder());
            }
            self.last_size = size;
        } else if done {
            self.message.replace(header, body, &ran.output);
        } else {
            self.say("Rescue of unfiltered data succeeded").await;
        }
        self.release(lock).await;
        done
    }

    /// Did a program do what it should? Its exit status counts only where the recipe waits for it.
    async fn waited_for(&self, flags: Flags, ran: &super::command::Ran) -> bool {
        let waits = flags.has('w') || flags.has('W');
        self.speak_of_failure(ran, flags.has('w') && !flags.has('W')).await;
        ran.status.is_some() && (!waits || ran.succeeded())
    }

    /// The lock file of a command: by name, or by the file that its output goes to.
    async fn explicit_lock(&mut self, lock: &Lock, text: &str) -> Option<String> {
        let name = match lock {
            Lock::None => None,
            Lock::Named(word) => Some(self.expand(word).await),
            Lock::Implicit => {
                match text.split_once(">>").and_then(|(_, file)| file.split_whitespace().next()) {
                    Some(file) => {
                        let word = Word::from_text(file);
                        Some(format!("{}{}", self.expand(&word).await, self.var("LOCKEXT")))
                    }
                    None => {
                        self.say("Extraneous locallockfile ignored").await;
                        None
                    }
                }
            }
        };
        self.hold(name).await
    }

    async fn hold(&mut self, name: Option<String>) -> Option<String> {
        let name = name.filter(|n| !n.is_empty())?;
        self.lock(&name).await.then_some(name)
    }

    async fn release(&mut self, lock: Option<String>) {
        if let Some(name) = lock {
            self.unlock(&name).await;
        }
    }

    /// Delivers into `DEFAULT`, or failing that into `ORGMAIL`.
    pub async fn deliver_by_default(&mut self) -> bool {
        let name = self.var("DEFAULT");
        let lock = match self.folder_type(&name) {
            FolderType::Mbox => self.hold(Some(format!("{name}{}", self.var("LOCKEXT")))).await,
            _ => None,
        };
        let mut done = !name.is_empty() && self.deliver(&name, false, false, false).await;
        self.release(lock).await;
        let original = self.original_mailbox();
        if !done && original != name {
            done = self.deliver(&original, false, false, false).await;
        }
        let place = if self.p.var("DEFAULT").is_some() { "DEFAULT" } else { "ORGMAIL" };
        self.p.decide(|| Decision {
            rule: "no recipe delivered".into(),
            setting: place.into(),
            place: Place::Default,
            compared: "the end of the rcfile".to_owned(),
            outcome: if done { Outcome::Becomes(name.into()) } else { Outcome::No },
        });
        done
    }

    /// Does something with the right to make files beside the system mailboxes.
    pub fn as_mailbox_owner<T>(&self, work: impl FnOnce(&Process) -> T) -> T {
        let Some(group) = self.mail_group else { return work(&self.p) };
        let mine = self.p.cred().clone();
        self.p.set_cred(Cred { gid: group, ..mine.clone() });
        let result = work(&self.p);
        self.p.set_cred(mine);
        result
    }
}

fn shown(action: &Action) -> String {
    match action {
        Action::Folder(_) => "a folder".to_owned(),
        Action::Forward(line) => format!("! {}", line.trim()),
        Action::Pipe(text) => format!("| {}", text.trim()),
        Action::Capture(name, text) => format!("{name}=| {}", text.trim()),
        Action::Block(_) => "a block".to_owned(),
        Action::Missing => String::new(),
    }
}
