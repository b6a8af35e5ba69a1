//! What could be typed next: commands, options, virtual paths, hosts, and in a dialogue with a
//! server the protocol's next commands.

use super::act::Act;
use super::commands::{self, Completes};
use super::lab::Lab;
use super::session::Session;
use crate::postfix::config::parameters;
use crate::world::process::Process;

/// Kinds of faults, as a scenario writes them.
const FAULTS: [&str; 7] =
    ["refuse:", "drop:", "delay:", "partition:", "disk_full:", "dns_servfail:", "dns_silent:"];
/// Words of the shell itself, where a command may stand.
const WORDS: [&str; 14] = [
    "alias", "cd", "declare", "echo", "exit", "export", "for", "history", "if", "kill", "read", "set",
    "type", "while",
];
/// Commands that take a host's name.
const TAKE_HOSTS: [&str; 6] = ["telnet", "nc", "dig", "host", "openssl", "ping"];
/// Options that one needs here, by command.
const OPTIONS: [(&str, &[&str]); 18] = [
    ("postqueue", &["-f", "-i", "-j", "-p", "-s"]),
    ("postsuper", &["-d", "-h", "-H", "-p", "-r", "-s"]),
    ("postconf", &["-d", "-e", "-f", "-F", "-h", "-m", "-M", "-n", "-o", "-p", "-P", "-x", "-X"]),
    ("postmap", &["-d", "-i", "-q", "-s"]),
    ("postalias", &["-d", "-i", "-q", "-s"]),
    ("postfix", &["abort", "check", "flush", "reload", "start", "status", "stop"]),
    ("postcat", &["-b", "-e", "-h", "-q", "-v"]),
    ("sendmail", &["-bi", "-bp", "-bv", "-f", "-i", "-q", "-t", "-v"]),
    ("mail", &["-a", "-b", "-c", "-f", "-H", "-r", "-s", "-u"]),
    ("ls", &["-1", "-a", "-d", "-F", "-l", "-R", "-t"]),
    ("tail", &["-f", "-F", "-n"]),
    ("grep", &["-A", "-B", "-c", "-E", "-i", "-n", "-r", "-v"]),
    ("ps", &["aux", "auxw", "-e", "-ef"]),
    ("systemctl", &["reload", "restart", "start", "status", "stop"]),
    ("procmail", &["-d", "-m", "-v"]),
    ("openssl", &["s_client", "-connect", "-starttls", "-crlf", "-quiet"]),
    ("nc", &["-l", "-v", "-w", "-z"]),
    ("chmod", &["-R"]),
];

/// What may stand at the end of a line: where the word begins, in octets, and the words. The only
/// one is a whole word, and has the blank behind it, as in bash; what is to go on has none.
pub fn candidates(session: &Session, line: &str) -> (usize, Vec<String>) {
    let (start, mut found) = words(session, line);
    if let [only] = found.as_mut_slice()
        && !only.ends_with(['/', '<', ' ', '.'])
        && (line.starts_with(':') || !session.lab().in_dialogue())
    {
        only.push(' ');
    }
    (start, found)
}

fn words(session: &Session, line: &str) -> (usize, Vec<String>) {
    let lab = session.lab();
    if let Some(rest) = line.strip_prefix(':') {
        return of_lab(session, rest);
    }
    if lab.in_dialogue() {
        let words = next_commands(lab);
        return (0, matching(line, words.into_iter().map(str::to_owned)));
    }
    let start = line.rfind(|c: char| c.is_whitespace() || ";|&<>(".contains(c)).map_or(0, |at| at + 1);
    let word = &line[start..];
    let before = line[..start].trim_end();
    // Behind these a command begins, as at the start.
    let first = before.is_empty() || before.ends_with([';', '|', '&', '(']) || before.ends_with("sudo");
    let Some(place) = lab.place() else { return (start, Vec::new()) };
    let process = place.process(lab.world());
    if first && !word.contains('/') {
        return (start, matching(word, programs(&process)));
    }
    let segment = before.rsplit([';', '|', '&']).next().unwrap_or_default();
    let command = segment.split_whitespace().find(|w| *w != "sudo").unwrap_or_default();
    let mut found = Vec::new();
    if let Some((_, options)) = OPTIONS.iter().find(|(name, _)| *name == command) {
        found.extend(
            options.iter().filter(|o| !word.is_empty() || !o.starts_with('-')).map(|o| (*o).to_owned()),
        );
    }
    if TAKE_HOSTS.contains(&command) {
        found.extend(lab.scenario().hosts.keys().cloned());
    }
    if command == "postconf" && !word.is_empty() {
        found.extend(parameters::all().iter().map(|p| p.name.to_owned()));
    }
    let mut found = matching(word, found);
    found.extend(paths(&process, word));
    (start, found)
}

/// What is likely to be typed next, as the rest of the line.
pub fn hint(session: &Session, line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix(':') {
        let (name, args) = rest.split_once(' ').unwrap_or((rest, ""));
        let command = commands::all(session.added()).into_iter().find(|c| c.name == name)?;
        let shown = args.is_empty() && !command.arguments.is_empty();
        let space = if rest.contains(' ') { "" } else { " " };
        return shown.then(|| format!("{space}{}", command.arguments));
    }
    let lab = session.lab();
    if !lab.in_dialogue() {
        return None;
    }
    let words = next_commands(lab);
    let likely = words.first().filter(|_| line.is_empty());
    let begun = || words.iter().find(|w| !line.is_empty() && w.len() > line.len() && starts(w, line));
    likely.or_else(begun).and_then(|w| w.get(line.len()..)).map(str::to_owned)
}

fn starts(word: &str, line: &str) -> bool {
    word.get(..line.len()).is_some_and(|w| w.eq_ignore_ascii_case(line))
}

fn matching(word: &str, all: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = all.into_iter().filter(|w| starts(w, word)).collect();
    found.sort();
    found.dedup();
    found
}

fn of_lab(session: &Session, rest: &str) -> (usize, Vec<String>) {
    let (lab, all) = (session.lab(), commands::all(session.added()));
    let Some((name, args)) = rest.split_once(' ') else {
        return (1, matching(rest, all.iter().map(|c| c.name.to_owned())));
    };
    let start = 1 + rest.rfind(' ').map_or(0, |at| at + 1);
    let word = args.rsplit(' ').next().unwrap_or_default();
    let completes = all.iter().find(|c| c.name == name).map_or(Completes::Nothing, |c| c.completes);
    let first = !args.contains(' ');
    let colon = if name == "what-if" { ":" } else { "" };
    let hosts = || lab.scenario().hosts.keys().map(|h| format!("{h}{colon}"));
    let found = match completes {
        Completes::Commands => matching(word, all.iter().map(|c| c.name.to_owned())),
        Completes::Hosts if first => matching(word, hosts()),
        Completes::Hosts => {
            let users = args.split(' ').next().and_then(|h| lab.scenario().hosts.get(h));
            let users = users.map(|h| h.users.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
            let settings = parameters::all().iter().map(|p| p.name.to_owned()).filter(|_| name == "what-if");
            matching(word, users.into_iter().chain(settings))
        }
        Completes::Faults if first => matching(word, FAULTS.iter().map(|f| (*f).to_owned())),
        Completes::Faults => matching(word, hosts()),
        Completes::Nothing => Vec::new(),
    };
    (start, found)
}

/// The commands of the protocol that may come next, the likeliest first (RFC 5321, section 4.1.4).
fn next_commands(lab: &Lab) -> Vec<&'static str> {
    const ALWAYS: [&str; 4] = ["RSET", "NOOP", "VRFY ", "QUIT"];
    if &*lab.program() != "telnet" && &*lab.program() != "nc" && &*lab.program() != "openssl" {
        return Vec::new();
    }
    let typed = lab.journal().iter().rev().take_while(|d| d.directory.is_none());
    let typed: Vec<String> = typed
        .filter_map(|d| match &d.act {
            Act::Line(line) => Some(line.to_ascii_uppercase()),
            _ => None,
        })
        .collect();
    let opened = lab.journal().iter().rev().find(|d| d.directory.is_some()).map(|d| d.act.to_string());
    match opened.as_deref().and_then(|l| l.split_whitespace().last().map(str::to_owned)).as_deref() {
        Some("110" | "pop3" | "995") => {
            return vec!["USER ", "PASS ", "STAT", "LIST", "RETR ", "DELE ", "QUIT"];
        }
        Some("143" | "imap" | "993") => {
            return vec!["a1 LOGIN ", "a2 SELECT INBOX", "a3 FETCH 1 BODY[]", "a4 LOGOUT"];
        }
        _ => {}
    }
    // In the letter itself nothing is a command but the dot.
    let last = |verb: &str| typed.iter().position(|l| l.starts_with(verb));
    if let Some(data) = last("DATA")
        && typed.iter().position(|l| l == ".").is_none_or(|dot| dot > data)
    {
        return vec!["."];
    }
    let since = |verb: &str| last(verb).unwrap_or(usize::MAX);
    let reset =
        last("RSET").unwrap_or(usize::MAX).min(typed.iter().position(|l| l == ".").unwrap_or(usize::MAX));
    let mut next = if since("HELO").min(since("EHLO")) == usize::MAX {
        vec!["EHLO ", "HELO "]
    } else if since("MAIL") < reset && since("RCPT") < since("MAIL") {
        vec!["DATA", "RCPT TO:<"]
    } else if since("MAIL") < reset {
        vec!["RCPT TO:<"]
    } else {
        vec!["MAIL FROM:<"]
    };
    next.extend(ALWAYS);
    next
}

/// The commands that a process finds along its PATH.
fn programs(process: &Process) -> Vec<String> {
    let mut found: Vec<String> = WORDS.iter().map(|w| (*w).to_owned()).collect();
    let path = process.var("PATH").unwrap_or_default();
    for directory in path.split(':').filter(|d| !d.is_empty()) {
        found.extend(names(process, directory).into_iter().map(|(name, _)| name));
    }
    found
}

/// Paths that begin with a word; directories end with a slash.
fn paths(process: &Process, word: &str) -> Vec<String> {
    let (directory, name) = word.rsplit_once('/').map_or(("", word), |(d, n)| (&word[..d.len() + 1], n));
    let home = process.var("HOME").unwrap_or_default();
    let looked = match directory {
        "" => ".".to_owned(),
        d => d.strip_prefix("~/").map_or_else(|| d.to_owned(), |rest| format!("{home}/{rest}")),
    };
    let mut found = Vec::new();
    for (entry, is_dir) in names(process, &looked) {
        let hidden = entry.starts_with('.') && !name.starts_with('.');
        if entry.starts_with(name) && !hidden {
            found.push(format!("{directory}{entry}{}", if is_dir { "/" } else { "" }));
        }
    }
    found.sort();
    found
}

/// What lies in a directory, as far as the process may look, and whether it is a directory.
fn names(process: &Process, directory: &str) -> Vec<(String, bool)> {
    let (fs, cred) = (process.host().fs(), process.cred().clone());
    let Ok(ino) = fs.resolve(&cred, process.cwd(), directory, true) else { return Vec::new() };
    if fs.access(&cred, ino, crate::world::fs::Access::READ).is_err() {
        return Vec::new();
    }
    let Ok(entries) = fs.readdir(ino) else { return Vec::new() };
    entries
        .filter(|(name, _)| *name != "." && *name != "..")
        .map(|(name, ino)| (name.to_owned(), fs.stat(ino).is_dir()))
        .collect()
}
