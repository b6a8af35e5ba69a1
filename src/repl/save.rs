//! `:save` and `:export`: what happened, in files outside the lab.
//!
//! # Simplifications
//! A scenario's commands run each in a fresh shell. So a saved command begins with a `cd` where it
//! was not typed at home; variables and functions of the session's shell are not carried over. A
//! dialogue with a program other than telnet becomes its input.

use super::act::Act;
use super::compare::replaced;
use super::lab::{Done, Lab};
use super::session::{Refusal, Session};
use crate::scenario::model::Trouble;
use crate::scenario::run::{Options, run};
use crate::scenario::{load, yaml};
use crate::shell::dialect::Dialect;
use crate::shell::interactive::is_whole;
use crate::trace::{jsonl, text};
use crate::view::{flow, html, svg};
use crate::world::clock::Duration;
use std::fmt::Write;

/// The longest output that becomes an expectation, in lines.
const LONGEST: usize = 60;
/// Time that passes by itself in a run, and need not be waited for.
const BY_ITSELF: Duration = Duration::from_secs(30);

/// Writes the session to a file as a scenario; tells how it runs.
///
/// # Errors
/// When the file cannot be written.
pub fn save(session: &Session, path: &str) -> Result<String, Refusal> {
    if path.is_empty() {
        return Err("Where to? :save FILE.yaml".to_owned());
    }
    let saved = scenario(session);
    std::fs::write(path, &saved).map_err(|e| format!("{path}: {e}"))?;
    let scenario = load::load(&saved).map_err(|p| format!("{path} was written, but: {}", p.message))?;
    let steps = match scenario.steps.len() {
        1 => "1 step".to_owned(),
        n => format!("{n} steps"),
    };
    let verdict = match run(&scenario, Options::default()) {
        Ok(outcome) => match outcome.mismatches.first() {
            None => "and it passes".to_owned(),
            Some(m) => format!("but its step {} answers otherwise than here", m.step),
        },
        Err(stopped) => format!("but it does not run: {stopped}"),
    };
    Ok(format!("{path}: {steps}, {verdict}.  maillab run {path}"))
}

/// The session as a scenario.
fn scenario(session: &Session) -> String {
    let mut out = without_steps(&session.source);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    let steps = steps(session.lab());
    if steps.is_empty() {
        out.push_str("steps: []\n");
    } else {
        out.push_str("steps:\n");
        out.push_str(&steps);
    }
    out
}

/// The scenario's text up to its steps, and what stands behind them.
fn without_steps(source: &str) -> String {
    let Ok(root) = yaml::parse(source) else { return source.to_owned() };
    let yaml::Kind::Map(pairs) = &root.kind else { return source.to_owned() };
    let steps =
        pairs.iter().find(|(k, _)| matches!(&k.kind, yaml::Kind::Scalar { text, .. } if text == "steps"));
    match steps {
        Some((key, value)) => {
            let behind = source.get(value.span.end..).unwrap_or_default();
            let behind = behind.split_once('\n').map_or("", |(_, rest)| rest);
            format!("{}{behind}", &source[..key.span.start])
        }
        None => source.to_owned(),
    }
}

fn steps(lab: &Lab) -> String {
    let mut steps = Steps::default();
    for setting in lab.settings() {
        let line = setting.line.replace('\'', "'\\''");
        steps.command(&setting.host, "root", &format!("postconf -e '{line}'"), None);
        steps.command(&setting.host, "root", "postfix reload", None);
    }
    let all = lab.journal();
    let mut n = 0;
    while let Some(done) = all.get(n) {
        let (taken, text) = command_at(&all[n..]);
        let rest = &all[n + taken..];
        // What is said to a program that a command started belongs to the command.
        let dialogue = rest.iter().take_while(|d| belongs(d)).count();
        match &done.act {
            Act::Line(_) if shell_line(done) => {
                typed(&mut steps, &all[n..n + taken], &text, &rest[..dialogue]);
                n += dialogue;
            }
            Act::Fault(t) => steps.other(&format!("fault: {}", trouble(t))),
            Act::Heal(Some(t)) => steps.other(&format!("heal: {}", trouble(t))),
            Act::Heal(None) => steps.other("heal: all"),
            _ => {}
        }
        n += taken;
        let next = all.get(n).map_or_else(|| lab.world().now(), |d| d.at);
        let passed = next.since(done.at);
        if passed > BY_ITSELF {
            steps.other(&format!("wait: {}s", passed.as_secs()));
        }
    }
    steps.out
}

/// The steps that are written, and the host and user of the last one, where it is of commands.
#[derive(Default)]
struct Steps {
    out: String,
    shell: Option<(String, String)>,
}

impl Steps {
    /// A command and what it printed; `None` where that is left open.
    fn command(&mut self, host: &str, user: &str, text: &str, said: Option<&str>) {
        let place = (host.to_owned(), user.to_owned());
        if self.shell.as_ref() != Some(&place) {
            let _ = writeln!(self.out, "  - host: {host}\n    as: {user}\n    shell: |");
            self.shell = Some(place);
        }
        let mut lines = text.split('\n');
        let _ = writeln!(self.out, "      $ {}", lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(self.out, "      > {line}");
        }
        let mut expected: Vec<String> = said.unwrap_or_default().lines().map(expectation).collect();
        // Empty lines at the end of a step are not seen.
        while expected.pop_if(|l| l.is_empty()).is_some() {
            if expected.last().is_some_and(|l| !l.is_empty()) {
                expected.push("...".to_owned());
            }
        }
        // A line that looks like a command would be taken for one.
        let plain = |l: &String| !l.starts_with("$ ") && !l.starts_with("> ") && is_plain(l);
        if expected.iter().all(plain) && expected.len() <= LONGEST {
            for line in &expected {
                let _ = writeln!(self.out, "      {line}");
            }
        }
    }

    /// A step of another kind.
    fn other(&mut self, text: &str) {
        self.shell = None;
        let _ = writeln!(self.out, "  - {text}");
    }

    /// A conversation.
    fn chat(&mut self, text: &str) {
        self.shell = None;
        self.out.push_str(text);
    }
}

/// A whole command: how many acts it took to type it, and its text.
fn command_at(acts: &[Done]) -> (usize, String) {
    let mut text = String::new();
    for (n, done) in acts.iter().enumerate() {
        let Act::Line(line) = &done.act else { break };
        if !shell_line(done) {
            break;
        }
        text.push_str(line);
        text.push('\n');
        if is_whole(&text, Dialect::Bash, false) {
            return (n + 1, text.trim_end_matches('\n').to_owned());
        }
    }
    (1, text.lines().next().unwrap_or_default().to_owned())
}

/// Was it typed to another program than a shell?
fn belongs(done: &Done) -> bool {
    match done.act {
        Act::Line(_) | Act::End | Act::Interrupt => !shell_line(done),
        Act::Edited(_) => true,
        _ => false,
    }
}

fn shell_line(done: &Done) -> bool {
    matches!(done.act, Act::Line(_)) && done.directory.is_some()
}

/// A step for a command and what was said to the program it started.
fn typed(steps: &mut Steps, acts: &[Done], text: &str, dialogue: &[Done]) {
    let [done, .., last] = acts else {
        let Some(done) = acts.first() else { return };
        return typed_in(steps, done, done, text, dialogue);
    };
    typed_in(steps, done, last, text, dialogue);
}

fn typed_in(steps: &mut Steps, done: &Done, last: &Done, text: &str, dialogue: &[Done]) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let skipped = matches!(words.as_slice(), [] | ["cd" | "exit" | "logout" | "su", ..])
        || matches!(words.as_slice(), ["sudo", "-i" | "-s" | "su" | "bash", ..]);
    if skipped {
        return;
    }
    let (host, _) = &done.place;
    if let ["telnet", to, rest @ ..] = words.as_slice()
        && !to.starts_with('-')
        && !dialogue.is_empty()
    {
        let port = rest.first().map_or("23", |p| if *p == "smtp" { "25" } else { p });
        return steps.chat(&chat(host, to, port, last, dialogue));
    }
    let home = if done.user == "root" { "/root".to_owned() } else { format!("/home/{}", done.user) };
    let directory = done.directory.as_ref().filter(|d| **d != home);
    let prefix = directory.map_or_else(String::new, |d| format!("cd {d} && "));
    let edited = dialogue.iter().find_map(|d| if let Act::Edited(text) = &d.act { Some(text) } else { None });
    if let Some(edited) = edited {
        let (Some(edited), Some(file)) = (edited, words.last()) else { return };
        let edited = String::from_utf8_lossy(edited).into_owned();
        let by = if words.first() == Some(&"sudo") { "sudo tee" } else { "tee" };
        let text = format!("{prefix}{by} {file} > /dev/null <<'END'\n{}END", ended(&edited));
        return steps.command(host, &done.user, &text, None);
    }
    if dialogue.is_empty() {
        // What is done of itself at a terminal is an option elsewhere.
        let text = match words.as_slice() {
            ["ls", ..] => text.replacen("ls", "ls -C", 1),
            _ => text.to_owned(),
        };
        // While time stands a command sees what none sees in a run.
        let said = Some(last.said.as_str()).filter(|_| !done.frozen);
        return steps.command(host, &done.user, &format!("{prefix}{text}"), said);
    }
    let lines = dialogue.iter().filter_map(|d| match &d.act {
        Act::Line(line) => Some(format!("{line}\n")),
        _ => None,
    });
    let mut input: String = lines.collect();
    let mut command = text.to_owned();
    // What is asked for at a terminal is an option elsewhere.
    if matches!(words.first(), Some(&"mail" | &"mailx" | &"s-nail")) {
        if !words.contains(&"-s") && writes_letter(&words) {
            let (subject, rest) = input.split_once('\n').unwrap_or((&input, ""));
            let quoted = subject.replace('\'', "'\\''");
            command = text.replacen(words[0], &format!("{} -s '{quoted}'", words[0]), 1);
            input = rest.to_owned();
        }
        input = input.strip_suffix(".\n").unwrap_or(&input).to_owned();
    }
    // What a program prints to a person it need not print to a file.
    steps.command(host, &done.user, &format!("{prefix}{command} <<'END'\n{input}END"), None);
}

/// Does a call of mail(1) write a letter, and not read a mailbox? It names somebody.
fn writes_letter(words: &[&str]) -> bool {
    words.iter().skip(1).any(|w| !w.starts_with('-')) && !words.contains(&"-f")
}

fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// Can a text stand in YAML as it is?
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\t')
}

/// A line with what varies left open.
fn expectation(line: &str) -> String {
    let line = replaced(line.trim_end(), "[..]");
    // A shell at a terminal gives another name than one that runs a step.
    match line.strip_prefix("-bash: ") {
        Some(rest) => format!("[..]{rest}"),
        None => line,
    }
}

/// A conversation as a scenario has it.
fn chat(host: &str, to: &str, port: &str, done: &Done, dialogue: &[Done]) -> String {
    let mut out = format!("  - host: {host}\n    telnet: {to} {port}\n    chat: |\n");
    heard(&mut out, &done.said);
    for d in dialogue {
        if let Act::Line(line) = &d.act {
            let _ = writeln!(out, "      C: {line}");
        }
        heard(&mut out, &d.said);
    }
    out
}

fn heard(out: &mut String, said: &str) {
    let own = |line: &str| {
        line.starts_with("Trying ")
            || line.starts_with("Connected to ")
            || line.starts_with("Escape character")
    };
    for line in said.lines().filter(|l| !own(l) && is_plain(l)) {
        if line.starts_with("Connection closed") {
            continue;
        }
        let _ = writeln!(out, "      S: {}", expectation(line));
    }
}

/// A fault as a scenario has it.
pub fn trouble(t: &Trouble) -> String {
    let two = |a: &String, b: &Option<String>| match b {
        Some(b) => format!("[{a}, {b}]"),
        None => a.clone(),
    };
    match t {
        Trouble::Refuse { host, port: Some(port) } => format!("{{refuse: {host} {port}}}"),
        Trouble::Refuse { host, port: None } => format!("{{refuse: {host}}}"),
        Trouble::Drop { host, other } => format!("{{drop: {}}}", two(host, other)),
        Trouble::Delay { host, other, by } => {
            format!("{{delay: {}, by: {}ms}}", two(host, other), by.as_millis())
        }
        Trouble::Partition(hosts) => format!("{{partition: [{}]}}", hosts.join(", ")),
        Trouble::DiskFull(host) => format!("{{disk_full: {host}}}"),
        Trouble::DnsFails(host) => format!("{{dns_servfail: {host}}}"),
        Trouble::DnsSilent(host) => format!("{{dns_silent: {host}}}"),
    }
}

/// Writes the trace to a file.
///
/// # Errors
/// An unknown format, or a file that cannot be written.
pub fn export(session: &Session, args: &str) -> Result<String, Refusal> {
    const FORM: &str = ":export text|jsonl|mermaid|svg|html FILE";
    let (format, path) = args.split_once(' ').ok_or(format!("As what, and where to? {FORM}"))?;
    let path = path.trim();
    let trace = session.lab().world().trace();
    let written = match format {
        "text" => text::render(&trace, true),
        "jsonl" => jsonl::render(&trace),
        "mermaid" => flow::mermaid(&trace, None),
        "svg" => svg::svg(&trace, None, svg::Shape::Diagram)?,
        "html" => html::html(&trace, &session.name),
        _ => return Err(format!("There is no format `{format}`: {FORM}")),
    };
    std::fs::write(path, &written).map_err(|e| format!("{path}: {e}"))?;
    Ok(format!("{path}: {} events, {} bytes.", trace.len(), written.len()))
}
