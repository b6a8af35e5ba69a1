//! The receive mode: commands that go through a mailbox, read from standard input.
//!
//! Each line is a command; what it prints goes to standard output, so a terminal in front of it
//! only has to bring lines and a prompt.
//!
//! # Simplifications
//! `forward` is left out. Commands of macros, colours, key bindings, POP3 and IMAP are unknown. Text in a character set
//! other than ASCII is shown with question marks.

use super::compose::{Letter, USER_AGENT};
use super::folder::{Folder, Mail};
use super::mime::{from_base64, from_quoted_printable};
use super::names::{Name, quoted};
use super::send::{complain, send};
use super::settings::{Settings, expand_home, login_name, words};
use super::{summary, writing};
use crate::world::fs::OpenFlags;
use crate::world::process::{Process, STDIN};

/// Header lines on a screen.
const SCREEN: usize = 22;
/// Lines of a message that `top` shows.
const TOP: usize = 5;
/// Nobody types more.
const LONGEST_INPUT: usize = 1 << 24;

const HELP: &str = "\
s-nail commands -- <msglist> denotes message specification tokens, e.g.,
1-5, :n, @f@Ulf or . (current, the \"dot\"), separated by *ifs*:

type <msglist>         type (`print') messages (honour `headerpick' etc.)
Type <msglist>         like `type' but always show all headers
next                   goto and type next message
headers                header summary ... for messages surrounding \"dot\"
search <msglist>       ... for the given expression list (alias for `from')
delete <msglist>       delete messages (can be `undelete'd)

save <msglist> folder  append messages to folder and mark as saved
copy <msglist> folder  like `save', but do not mark them (`move' moves)
write <msglist> file   write message contents to file (prompts for parts)
Reply <msglist>        reply to message sender(s) only
reply <msglist>        like `Reply', but address all recipients
Lreply <msglist>       forced mailing list `reply' (see `mlist')

mail <recipients>      compose a mail for the given recipients
file folder            change to another mailbox
File folder            like `file', but open readonly
quit                   quit and apply changes to the current mailbox
xit or exit            like `quit', but discard changes
!shell command         shell escape
list                   show all commands (reacts upon *verbose*)
";

/// The commands, by the shortest word that names each and the whole word.
const COMMANDS: &[(&str, &str, Verb)] = &[
    ("n", "next", Verb::Next),
    ("al", "alias", Verb::Setting),
    ("c", "copy", Verb::Copy),
    ("ch", "chdir", Verb::Chdir),
    ("cd", "cd", Verb::Chdir),
    ("d", "delete", Verb::Delete),
    ("dp", "dp", Verb::DeleteNext),
    ("dt", "dt", Verb::DeleteNext),
    ("ec", "echo", Verb::Echo),
    ("ex", "exit", Verb::Exit),
    ("f", "from", Verb::From),
    ("fi", "file", Verb::File),
    ("fold", "folder", Verb::File),
    ("h", "headers", Verb::Headers),
    ("hel", "help", Verb::Help),
    ("?", "?", Verb::Help),
    ("ig", "ignore", Verb::Setting),
    ("m", "mail", Verb::Interactive("mail")),
    ("p", "print", Verb::Type { all: false }),
    ("P", "Print", Verb::Type { all: true }),
    ("q", "quit", Verb::Quit),
    ("r", "reply", Verb::Interactive("reply")),
    ("R", "Reply", Verb::Interactive("Reply")),
    ("ret", "retain", Verb::Setting),
    ("s", "save", Verb::Save),
    ("sea", "search", Verb::From),
    ("se", "set", Verb::Setting),
    ("si", "size", Verb::Size),
    ("t", "type", Verb::Type { all: false }),
    ("T", "Type", Verb::Type { all: true }),
    ("to", "top", Verb::Top),
    ("tou", "touch", Verb::Touch),
    ("un", "undelete", Verb::Undelete),
    ("U", "Unread", Verb::Unread),
    ("unr", "unread", Verb::Unread),
    ("uns", "unset", Verb::Setting),
    ("w", "write", Verb::Write),
    ("x", "xit", Verb::Exit),
    ("z", "z", Verb::Scroll),
    ("=", "=", Verb::Number),
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Verb {
    Next,
    Type { all: bool },
    Top,
    Headers,
    From,
    Scroll,
    Number,
    Size,
    Delete,
    DeleteNext,
    Undelete,
    Unread,
    Touch,
    Save,
    Copy,
    Write,
    File,
    Chdir,
    Echo,
    Setting,
    Help,
    Quit,
    Exit,
    Interactive(&'static str),
}

/// What the command line asks of the receive mode.
pub struct How {
    /// Only tell by the exit status whether there is mail (`-e`).
    pub check_only: bool,
    /// Only print the summary (`-H`).
    pub summary_only: bool,
    /// Print no summary at the start (`-N`).
    pub no_summary: bool,
    /// The mailbox, if not the system's: a file, `&` for `~/mbox`, `%user` for somebody's.
    pub folder: Option<String>,
}

struct Reader {
    p: Process,
    settings: Settings,
    folder: Folder,
    /// The current message, counted from 1; 0 where there is none.
    dot: usize,
    /// The current message has not been shown yet.
    fresh: bool,
}

/// Runs the receive mode; gives the exit status.
pub async fn run(p: &Process, settings: Settings, how: How) -> i32 {
    let (path, inbox) = resolve(p, how.folder.as_deref());
    let opened = Folder::open(p, &path, inbox);
    if how.check_only || how.summary_only {
        let Ok(folder) = opened else { return 1 };
        if how.summary_only {
            for (i, mail) in folder.mails.iter().enumerate() {
                p.print(summary::line(mail, i + 1, i == 0, p.now())).await;
            }
        }
        return i32::from(folder.mails.is_empty());
    }
    if let Err(error) = &opened {
        complain(p, &format!("{path}: {}", Folder::trouble(*error))).await;
    }
    p.print(format!("s-nail version {}.  Type `?' for help\n", USER_AGENT.trim_start_matches("s-nail ")))
        .await;
    let nothing = opened.is_err();
    let folder = opened.unwrap_or_default();
    let dot = if folder.mails.is_empty() { 0 } else { folder.first_to_read() };
    let mut reader = Reader { p: p.clone(), settings, folder, dot, fresh: true };
    if nothing {
        p.print("(Currently no active mailbox)\n").await;
    } else if !how.no_summary || reader.dot == 0 {
        reader.announce().await;
    }
    if reader.dot == 0 {
        p.print("No more mail.\n").await;
    } else if !how.no_summary {
        reader.screen().await;
    }
    reader.commands().await
}

/// The path of a mailbox, and whether it is a system mailbox.
fn resolve(p: &Process, name: Option<&str>) -> (String, bool) {
    match name {
        None => match p.var("MAIL").filter(|m| !m.is_empty()) {
            Some(path) => (path.to_string(), true),
            None => (format!("/var/mail/{}", login_name(p)), true),
        },
        Some("%") => (format!("/var/mail/{}", login_name(p)), true),
        Some("&") => (expand_home(p, "~/mbox"), false),
        Some(name) => match name.strip_prefix('%') {
            Some(user) => (format!("/var/mail/{user}"), true),
            None => (expand_home(p, name), false),
        },
    }
}

impl Reader {
    async fn print(&self, text: impl Into<bytes::Bytes>) {
        self.p.print(text).await;
    }

    /// The full path of the mailbox, and how much is in it.
    async fn announce(&self) {
        let path = self.full_path();
        self.print(format!("{path}: {}\n", self.folder.count())).await;
    }

    fn full_path(&self) -> String {
        let path = &self.folder.path;
        if path.starts_with('/') { path.clone() } else { format!("{}/{path}", self.p.cwd_path()) }
    }

    async fn commands(&mut self) -> i32 {
        if writing::at_terminal(&self.p) {
            return self.prompted().await;
        }
        let input = match self.p.fd(STDIN) {
            Ok(open) => open.read_to_end(LONGEST_INPUT).await.unwrap_or_default(),
            Err(_) => Default::default(),
        };
        for line in String::from_utf8_lossy(&input).lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if self.command(line).await.is_break() {
                return 0;
            }
        }
        self.quit().await;
        0
    }

    /// Commands from a person: an empty line shows the next message.
    async fn prompted(&mut self) -> i32 {
        while let Some(line) = writing::ask(&self.p, "? ").await {
            let line = line.trim();
            // A list of messages alone is to be shown.
            let line = match line {
                "" => "next".to_owned(),
                list if list.starts_with(|c: char| c.is_ascii_digit() || ".$:@/".contains(c)) => {
                    format!("type {list}")
                }
                line => line.to_owned(),
            };
            if !line.starts_with('#') && self.command(&line).await.is_break() {
                return 0;
            }
        }
        self.quit().await;
        0
    }

    /// `mail`, `reply`: a letter of one's own, or an answer.
    async fn write(&mut self, name: &str, rest: &str) {
        let mut letter = Letter::default();
        if name == "mail" {
            letter.to = Name::parse_list(rest).0;
        } else {
            let Some(list) = self.list(rest, Verb::Interactive("reply")).await else { return };
            let Some(n) = list.first().copied() else { return };
            let mail = &self.folder.mails[n - 1];
            answer(mail, name == "reply", &mut letter);
        }
        if !writing::write(&self.p, &self.settings, &mut letter).await {
            complain(&self.p, "Failed to prepare composed message").await;
            return;
        }
        send(&self.p, &self.settings, &mut letter, false).await;
    }

    async fn quit(&self) {
        let mut folder = self.folder.clone();
        folder.path = self.full_path();
        match folder.close(&self.p) {
            Ok(Some(said)) => self.print(format!("{said}\n")).await,
            Ok(None) => {}
            Err(error) => complain(&self.p, &format!("{}: {error}", folder.path)).await,
        }
    }

    async fn command(&mut self, line: &str) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        let end = line.find(|c: char| !c.is_ascii_alphabetic() && c != '?' && c != '=').unwrap_or(line.len());
        let (word, rest) = line.split_at(end.max(usize::from(line.starts_with(['?', '=']))));
        let rest = rest.trim();
        let Some(verb) = find_verb(word) else {
            let text = if word.is_empty() {
                format!("The empty (default) command is ignored here, but has arguments: {rest}")
            } else {
                format!("{word}: unknown command")
            };
            complain(&self.p, &text).await;
            return Continue(());
        };
        match verb {
            Verb::Quit => {
                self.quit().await;
                return Break(());
            }
            Verb::Exit => return Break(()),
            Verb::Help => self.print(HELP).await,
            Verb::Interactive(name) if writing::at_terminal(&self.p) => self.write(name, rest).await,
            Verb::Interactive(name) => {
                complain(&self.p, &format!("{name}: can only be used batch or interactive mode")).await;
            }
            Verb::Setting => {
                let words = words(line);
                if words.len() == 1 && words[0].starts_with("se") {
                    let all: Vec<String> = self
                        .settings
                        .variables()
                        .map(|(n, v)| match v {
                            "" => format!("set {n}\n"),
                            v => format!("set {n}={}\n", quoted(v)),
                        })
                        .collect();
                    self.print(all.concat()).await;
                } else {
                    self.settings.command(&self.p, &words, 0);
                }
            }
            Verb::Echo => self.print(format!("{}\n", words(rest).join(" "))).await,
            Verb::Chdir => {
                let to = if rest.is_empty() { "~" } else { rest };
                if self.p.chdir(&expand_home(&self.p, to)).is_err() {
                    complain(&self.p, &format!("chdir: cannot change directory to {to}")).await;
                }
            }
            Verb::File if rest.is_empty() => self.announce().await,
            Verb::File => self.change_folder(rest).await,
            Verb::Headers => self.screen().await,
            Verb::Scroll => self.scroll(rest).await,
            Verb::Next => self.next().await,
            Verb::Save | Verb::Copy | Verb::Write => self.save(verb, rest).await,
            _ => {
                if let Some(list) = self.list(rest, verb).await {
                    self.on_messages(verb, &list).await;
                }
            }
        }
        Continue(())
    }

    async fn change_folder(&mut self, name: &str) {
        self.quit().await;
        let (path, inbox) = resolve(&self.p, Some(name));
        match Folder::open(&self.p, &path, inbox) {
            Ok(folder) => {
                self.dot = if folder.mails.is_empty() { 0 } else { folder.first_to_read() };
                self.folder = folder;
                self.fresh = true;
                self.announce().await;
                if self.dot > 0 {
                    self.screen().await;
                }
            }
            Err(error) => complain(&self.p, &format!("{path}: {}", Folder::trouble(error))).await,
        }
    }

    /// Prints the header lines of some messages.
    async fn summary(&self, numbers: &[usize]) {
        let now = self.p.now();
        let lines: Vec<String> = numbers
            .iter()
            .map(|n| summary::line(&self.folder.mails[n - 1], *n, *n == self.dot, now))
            .collect();
        self.print(lines.concat()).await;
    }

    /// The screenful of messages that the current one is on.
    async fn screen(&mut self) {
        let present: Vec<usize> = self.folder.present().collect();
        let at = present.iter().position(|n| *n >= self.dot).unwrap_or(present.len().saturating_sub(1));
        let first = at / SCREEN * SCREEN;
        let numbers = &present[first.min(present.len())..(first + SCREEN).min(present.len())];
        self.summary(numbers).await;
    }

    async fn scroll(&mut self, how: &str) {
        let present: Vec<usize> = self.folder.present().collect();
        let at = present.iter().position(|n| *n >= self.dot).unwrap_or(0) / SCREEN * SCREEN;
        let to = if how.starts_with('-') {
            at.checked_sub(SCREEN)
        } else {
            Some(at + SCREEN).filter(|n| *n < present.len())
        };
        match to {
            Some(to) => self.dot = present[to],
            None if how.starts_with('-') => self.print("On first screenful of messages\n").await,
            None => self.print("On last screenful of messages\n").await,
        }
        self.screen().await;
    }

    async fn next(&mut self) {
        let next = if self.fresh {
            Some(self.dot).filter(|d| *d > 0)
        } else {
            self.folder.present().find(|n| *n > self.dot)
        };
        match next {
            Some(n) => self.on_messages(Verb::Type { all: false }, &[n]).await,
            None => self.print("At EOF\n").await,
        }
    }

    async fn on_messages(&mut self, verb: Verb, list: &[usize]) {
        let Some(first) = list.first().copied() else { return };
        match verb {
            Verb::Type { .. } | Verb::Top => {
                for (i, n) in list.iter().enumerate() {
                    if i > 0 {
                        self.print("\n").await;
                    }
                    self.show(*n, verb).await;
                }
            }
            Verb::From => {
                self.dot = first;
                for n in list {
                    self.summary(&[*n]).await;
                }
            }
            Verb::Number => {
                let numbers: Vec<String> = list.iter().map(usize::to_string).collect();
                self.print(format!("{}\n", numbers.join(" "))).await;
            }
            Verb::Size => {
                for n in list {
                    let m = &self.folder.mails[n - 1];
                    self.print(format!("{n}: {}/{}\n", m.lines(), m.bytes.len())).await;
                }
            }
            Verb::Delete | Verb::DeleteNext => self.delete(list, verb == Verb::DeleteNext).await,
            Verb::Undelete => {
                list.iter().for_each(|n| self.folder.mails[n - 1].state.deleted = false);
                self.dot = first;
            }
            Verb::Unread => {
                for n in list {
                    let state = &mut self.folder.mails[n - 1].state;
                    (state.read, state.new, state.touched) = (false, false, true);
                }
                self.dot = first;
            }
            Verb::Touch => list.iter().for_each(|n| self.mark_read(*n)),
            _ => {}
        }
    }

    async fn delete(&mut self, list: &[usize], and_next: bool) {
        list.iter().for_each(|n| self.folder.mails[n - 1].state.deleted = true);
        let last = list.last().copied().unwrap_or(self.dot);
        let next = self.folder.present().find(|n| *n > last);
        match next.or_else(|| self.folder.present().next_back()) {
            Some(n) => self.dot = n,
            None => self.dot = 0,
        }
        self.fresh = true;
        if and_next {
            match next {
                Some(n) => self.show(n, Verb::Type { all: false }).await,
                None => self.print("At EOF\n").await,
            }
        }
    }

    fn mark_read(&mut self, n: usize) {
        let state = &mut self.folder.mails[n - 1].state;
        state.touched |= !state.read;
        state.read = true;
    }

    /// Shows a message: the fields that are wanted, and the text.
    async fn show(&mut self, n: usize, verb: Verb) {
        let mail = &self.folder.mails[n - 1];
        let mut text =
            format!("[-- Message {n:2} -- {} lines, {} bytes --]:\n", mail.lines(), mail.bytes.len());
        let all = verb == Verb::Type { all: true };
        if all {
            text.push_str(&format!("{}\n", mail.from_line()));
        }
        for (name, whole) in mail.fields() {
            let brief =
                ["from", "to", "cc", "subject", "status"].contains(&name.to_ascii_lowercase().as_str());
            if all
                || if verb == Verb::Top {
                    brief && self.settings.shows(&name)
                } else {
                    self.settings.shows(&name)
                }
            {
                text.push_str(&summary::plain(&whole));
                text.push('\n');
            }
        }
        text.push('\n');
        let body = decoded(mail);
        if verb == Verb::Top {
            text.extend(body.lines().take(TOP).filter(|l| !l.is_empty()).map(|l| format!("{l}\n")));
        } else {
            text.push_str(&body);
        }
        self.print(text).await;
        self.mark_read(n);
        (self.dot, self.fresh) = (n, false);
    }

    /// `save`, `copy` and `write`: the last word is a file.
    async fn save(&mut self, verb: Verb, rest: &str) {
        let (list, file) = match rest.rsplit_once(char::is_whitespace) {
            Some((list, file)) => (list, file),
            None => ("", rest),
        };
        let file = if file.is_empty() { expand_home(&self.p, "~/mbox") } else { expand_home(&self.p, file) };
        let Some(list) = self.list(list, verb).await else { return };
        let mut content = Vec::new();
        for n in &list {
            let mail = &self.folder.mails[n - 1];
            match verb {
                Verb::Write => {
                    let body = decoded(mail);
                    content
                        .extend_from_slice(body.strip_suffix("\n\n").map_or(body.as_str(), |b| b).as_bytes());
                    if body.ends_with("\n\n") {
                        content.push(b'\n');
                    }
                }
                _ => content.extend_from_slice(&mail.with_status(false)),
            }
        }
        let how = if self.p.exists(&file) { "Appended" } else { "New file" };
        let written = match self.p.open(&file, OpenFlags::APPEND, 0o600) {
            Ok(open) => open.write(content.clone()).await,
            Err(e) => Err(e),
        };
        match written {
            Ok(()) => {
                let shown = if verb == Verb::Write { format!("file://{file}") } else { file };
                self.print(format!("{shown} [{how}] {} bytes\n", content.len())).await;
                if verb != Verb::Copy {
                    list.iter().for_each(|n| self.mark_read(*n));
                }
            }
            Err(error) => complain(&self.p, &format!("{file}: {}", Folder::trouble(error))).await,
        }
    }

    /// The messages that a list names; the current one where it names none.
    async fn list(&self, text: &str, verb: Verb) -> Option<Vec<usize>> {
        let gone = verb == Verb::Undelete;
        let wanted = |n: &usize| self.folder.mails[n - 1].state.deleted == gone;
        let mut list = Vec::new();
        if text.trim().is_empty() {
            if self.dot == 0 {
                complain(&self.p, "No applicable messages").await;
                return None;
            }
            return Some(vec![self.dot]);
        }
        for token in text.split_whitespace() {
            match self.token(token) {
                Ok(numbers) => list.extend(numbers.into_iter().filter(wanted)),
                Err(why) => {
                    complain(&self.p, &why).await;
                    return None;
                }
            }
        }
        list.sort_unstable();
        list.dedup();
        if list.is_empty() {
            complain(&self.p, "No applicable messages").await;
            return None;
        }
        Some(list)
    }

    fn token(&self, token: &str) -> Result<Vec<usize>, String> {
        let count = self.folder.mails.len();
        let all = || 1..=count;
        let by =
            |test: &dyn Fn(&Mail) -> bool| Ok(all().filter(|n| test(&self.folder.mails[n - 1])).collect());
        if let Some(words) = token.strip_prefix('/') {
            let words = words.to_ascii_lowercase();
            return by(&|m| m.field("Subject").unwrap_or_default().to_ascii_lowercase().contains(&words));
        }
        match token {
            "*" => return Ok(all().collect()),
            ":n" => return by(&|m| m.state.new && !m.state.read),
            ":o" => return by(&|m| !m.state.new),
            ":r" => return by(&|m| m.state.read),
            ":u" => return by(&|m| !m.state.read),
            ":d" => return by(&|m| m.state.deleted),
            "+" => return Ok(self.folder.present().find(|n| *n > self.dot).into_iter().collect()),
            "-" => return Ok(self.folder.present().rev().find(|n| *n < self.dot).into_iter().collect()),
            _ => {}
        }
        let one = |t: &str| match t {
            "." => Some(self.dot),
            "^" => self.folder.present().next(),
            "$" => self.folder.present().next_back(),
            t => t.parse().ok(),
        };
        let check = |n: usize| {
            if (1..=count).contains(&n) { Ok(n) } else { Err(format!("{n}: Invalid message number")) }
        };
        if let Some(n) = one(token) {
            return check(n).map(|n| vec![n]);
        }
        if let Some((a, b)) = token.split_once('-')
            && let (Some(a), Some(b)) = (one(a), one(b))
        {
            return Ok((check(a)?..=check(b)?).collect());
        }
        let name = token.to_ascii_lowercase();
        by(&|m| m.field("From").unwrap_or_else(|| m.from_line()).to_ascii_lowercase().contains(&name))
    }
}

fn find_verb(word: &str) -> Option<Verb> {
    let fits = |(short, long, _): &&(&str, &str, Verb)| long.starts_with(word) && word.len() >= short.len();
    COMMANDS
        .iter()
        .find(|(short, ..)| *short == word)
        .or_else(|| COMMANDS.iter().find(fits))
        .map(|(_, _, v)| *v)
}

/// Makes a letter the answer to another: to its author, and with `all` to those who got it too.
fn answer(mail: &Mail, all: bool, letter: &mut Letter) {
    let field = |name: &str| mail.field(name).unwrap_or_default();
    let from = match field("Reply-To") {
        to if to.trim().is_empty() => field("From"),
        to => to,
    };
    letter.to = Name::parse_list(&from).0;
    if all {
        letter.cc = Name::parse_list(&format!("{}, {}", field("To"), field("Cc"))).0;
        letter.cc.retain(|n| !letter.to.iter().any(|t| t.same(n)));
    }
    let subject = field("Subject");
    let plain = subject.trim().strip_prefix("Re: ").unwrap_or(subject.trim());
    letter.subject = Some(format!("Re: {plain}"));
    letter.in_reply_to = mail.field("Message-ID").map(|id| id.trim().to_owned());
    letter.references = letter.in_reply_to.clone();
    letter.body = format!("{} wrote:\n\n", field("From").trim()).into_bytes();
    for line in decoded(mail).trim_end().lines() {
        letter.body.extend_from_slice(format!("> {line}\n").as_bytes());
    }
}

/// The text of a message as it is shown.
fn decoded(mail: &Mail) -> String {
    let encoding = mail.field("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
    let text = match encoding.as_str() {
        "quoted-printable" => from_quoted_printable(mail.body()),
        "base64" => from_base64(mail.body()),
        _ => mail.body().to_vec(),
    };
    summary::ascii(&String::from_utf8_lossy(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_by_their_shortest_names() {
        assert_eq!(find_verb("p"), Some(Verb::Type { all: false }));
        assert_eq!(find_verb("h"), Some(Verb::Headers));
        assert_eq!(find_verb("head"), Some(Verb::Headers));
        assert_eq!(find_verb("undel"), Some(Verb::Undelete));
        assert_eq!(find_verb("foo"), None);
    }
}
