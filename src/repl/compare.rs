//! Two runs of a session beside each other: what was answered, logged and delivered differently.

use super::lab::{Done, Lab};
use crate::world::host::Host;
use crate::world::syslog::MAIL_LOG;
use crate::world::users::Cred;
use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

/// Directories in which mail lies.
const MAIL: [&str; 4] = ["/var/mail", "/var/spool/mail", "/home", "/root"];
/// The queues that a person looks into.
const QUEUES: [&str; 5] = ["maildrop", "incoming", "active", "deferred", "hold"];
/// The deepest directory looked into.
const DEEPEST: usize = 6;
/// The most differing lines shown of one file.
const MOST: usize = 12;

/// What can be compared of a run.
pub struct Summary {
    acts: Vec<Answer>,
    logs: BTreeMap<String, Vec<String>>,
    mail: BTreeMap<String, String>,
    queues: BTreeMap<String, usize>,
}

struct Answer {
    time: String,
    program: String,
    typed: String,
    lines: Vec<String>,
}

impl Summary {
    /// What there is to compare of a session.
    pub fn of(lab: &Lab) -> Summary {
        let mut summary = Summary {
            acts: lab.journal().iter().map(answer).collect(),
            logs: BTreeMap::new(),
            mail: BTreeMap::new(),
            queues: BTreeMap::new(),
        };
        for host in lab.world().hosts() {
            let name = host.name().to_string();
            summary.logs.insert(name.clone(), text_of(&host, MAIL_LOG).lines().map(str::to_owned).collect());
            for directory in MAIL {
                collect(&host, directory, DEEPEST, &mut |path, text| {
                    summary.mail.insert(format!("{name}:{path}"), text);
                });
            }
            for queue in QUEUES {
                let mut count = 0;
                collect(&host, &format!("/var/spool/postfix/{queue}"), DEEPEST, &mut |_, _| count += 1);
                if count > 0 {
                    summary.queues.insert(format!("{name}: {queue}"), count);
                }
            }
        }
        summary
    }

    /// What differs in another run, a line each; nothing where nothing does.
    pub fn differences(&self, other: &Summary) -> String {
        let mut out = String::new();
        for (n, ours) in self.acts.iter().enumerate() {
            let Some(theirs) = other.acts.get(n).filter(|t| t.typed == ours.typed) else { break };
            let found = changed(&ours.lines, &theirs.lines);
            if !found.is_empty() {
                let _ = writeln!(out, "  {}  {:<8} {}", theirs.time, theirs.program, theirs.typed);
                write_lines(&found, &mut out);
            }
        }
        for (host, ours) in &self.logs {
            let none = Vec::new();
            let found = changed(ours, other.logs.get(host).unwrap_or(&none));
            if !found.is_empty() {
                let _ = writeln!(out, "  {host}, mail log");
                write_lines(&found, &mut out);
            }
        }
        self.mailboxes(other, &mut out);
        let queues: std::collections::BTreeSet<_> = self.queues.keys().chain(other.queues.keys()).collect();
        for queue in queues {
            let count = |s: &Summary| s.queues.get(queue).copied().unwrap_or(0);
            if count(self) != count(other) {
                let _ = writeln!(out, "  {queue} queue holds {}, not {}", count(other), count(self));
            }
        }
        out
    }

    fn mailboxes(&self, other: &Summary, out: &mut String) {
        let paths: std::collections::BTreeSet<_> = self.mail.keys().chain(other.mail.keys()).collect();
        // A Maildir names its files by time and process; what counts is what is in them.
        let pool =
            |s: &Summary| -> Vec<String> { s.mail.iter().map(|(p, t)| folder(p) + &masked(t)).collect() };
        let (ours, theirs) = (pool(self), pool(other));
        for path in paths {
            let (mine, its) = (self.mail.get(path), other.mail.get(path));
            let known = |pool: &[String], text: &String| pool.contains(&(folder(path) + &masked(text)));
            match (mine, its) {
                (Some(a), Some(b)) => {
                    let lines = |t: &str| t.lines().map(str::to_owned).collect::<Vec<_>>();
                    let found = changed(&lines(a), &lines(b));
                    if !found.is_empty() {
                        let _ = writeln!(out, "  {path}");
                        write_lines(&found, out);
                    }
                }
                (None, Some(text)) if !known(&ours, text) => {
                    let _ = writeln!(out, "  + {path}, {} bytes", text.len());
                }
                (Some(text), None) if !known(&theirs, text) => {
                    let _ = writeln!(out, "  - {path}, {} bytes", text.len());
                }
                _ => {}
            }
        }
    }
}

fn folder(path: &str) -> String {
    path.rsplit_once('/').map_or(path, |(folder, _)| folder).to_owned()
}

fn answer(done: &Done) -> Answer {
    Answer {
        time: done.at.to_string(),
        program: done.program.to_string(),
        typed: done.act.to_string(),
        lines: done.said.lines().chain(done.notes.iter().map(String::as_str)).map(str::to_owned).collect(),
    }
}

/// The lines that are not the same, each with `-` or `+` in front.
fn changed(ours: &[String], theirs: &[String]) -> Vec<String> {
    let mask = |lines: &[String]| lines.iter().map(|l| masked(l)).collect::<Vec<_>>();
    let (a, b) = (mask(ours), mask(theirs));
    let diff = similar::capture_diff_slices(similar::Algorithm::Myers, &a, &b);
    let mut out = Vec::new();
    for op in diff.iter().filter(|op| op.tag() != similar::DiffTag::Equal) {
        out.extend(ours[op.old_range()].iter().map(|l| format!("- {l}")));
        out.extend(theirs[op.new_range()].iter().map(|l| format!("+ {l}")));
    }
    out
}

fn write_lines(lines: &[String], out: &mut String) {
    for line in lines.iter().take(MOST) {
        let _ = writeln!(out, "      {line}");
    }
    if lines.len() > MOST {
        let _ = writeln!(out, "      … and {} more lines", lines.len() - MOST);
    }
}

/// A text without what is not the same twice where something before it differed: times, process
/// and queue ids.
pub fn masked(text: &str) -> String {
    replaced(text, "#")
}

/// A text with something else in place of times, process and queue ids.
pub fn replaced(text: &str, mask: &str) -> String {
    static VARIES: LazyLock<Regex> = LazyLock::new(|| {
        let all = [
            // queue ids, in both forms, and with what a command writes behind them
            r"\b[0-9A-F]{8,12}\b[*!]?",
            r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:\d+ )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +[0-9: +-]*\d(?: (?:UTC|GMT))?(?: \d{4})?(?: \([A-Z]+\))?",
            r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ \d\d:\d\d(?::\d\d)?",
            r"\d\d:\d\d:\d\d(?:\.\d+)?",
            r"\[\d+\]",
            r"delays?=[0-9./]+",
            r"\d{10}\.[VM][0-9A-Za-z]+\.",
        ];
        Regex::new(&all.join("|")).expect("the pattern is good")
    });
    VARIES.replace_all(text, regex::NoExpand(mask)).into_owned()
}

fn text_of(host: &Host, path: &str) -> String {
    let fs = host.fs();
    let bytes = fs.read_path(&Cred::root(), fs.root(), path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Calls `each` with every file below a directory, and its text.
fn collect(host: &Host, directory: &str, depth: usize, each: &mut impl FnMut(String, String)) {
    let root = Cred::root();
    let names: Vec<String> = {
        let fs = host.fs();
        let Ok(ino) = fs.resolve(&root, fs.root(), directory, true) else { return };
        let Ok(names) = fs.readdir(ino) else { return };
        names.map(|(name, _)| name.to_owned()).filter(|n| n != "." && n != "..").collect()
    };
    for name in names {
        let path = format!("{directory}/{name}");
        let stat = {
            let fs = host.fs();
            fs.stat_path(&root, fs.root(), &path, false)
        };
        match stat {
            Ok(s) if s.is_dir() && depth > 0 => collect(host, &path, depth - 1, each),
            Ok(s) if s.is_file() => each(path.clone(), text_of(host, &path)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_varies_is_masked() {
        assert_eq!(masked("250 2.0.0 Ok: queued as 02C888014E"), "250 2.0.0 Ok: queued as #");
        assert_eq!(masked("Jan  4 14:45:00 mx postfix/smtpd[1204]: x"), "# mx postfix/smtpd#: x");
        assert_eq!(masked("Date: Mon,  4 Jan 2021 14:45:00 +0000 (UTC)"), "Date: #");
    }
}
