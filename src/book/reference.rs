//! References that are made from the code's own tables, and from what stands in the heads of its files.
//!
//! What is left out of a program stands in the head of its file under *Simplifications*. Those heads
//! are read from the sources, which are at hand where a book is made, rather than kept in a table of
//! their own that would have to be held to them.

use super::{Repository, cell, code};
use crate::postfix;
use crate::postfix::config::effect;
use crate::postfix::config::parameters::{self, Parameter};
use crate::repl::commands::COMMANDS;
use crate::repl::start;
use crate::scenario::boot::boot;
use crate::scenario::{load, run};
use crate::shell::commands;
use crate::trace::Keep;
use regex::Regex;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The commands of the lab.
pub fn commands() -> String {
    let mut out = "| command | what it does |\n| --- | --- |\n".to_owned();
    for c in COMMANDS {
        let name = code(format!(":{} {}", c.name, c.arguments).trim_end());
        let about = capital(c.about);
        let _ = writeln!(
            out,
            "| <span id=\"c-{}\">{name}</span> | {}. {} |",
            c.name,
            cell(&escape(&about)),
            cell(&escape(c.more))
        );
    }
    out
}

/// The programs that a host has: those of the mail system each with what it does, the others by name.
pub fn programs(repository: &Repository) -> String {
    let mut out = "| program | what it does |\n| --- | --- |\n".to_owned();
    for (name, paths, ..) in postfix::PROGRAMS {
        if name == "idle" {
            continue;
        }
        let paths: Vec<String> = paths.iter().map(|p| code(p)).collect();
        let about = about(repository, name);
        let _ = writeln!(out, "| {} | {about} {} |", code(name), paths.join(", "));
    }
    let known: BTreeSet<&str> = commands::COMMANDS.iter().map(|c| c.path).collect();
    let of_postfix: BTreeSet<&str> =
        postfix::PROGRAMS.iter().flat_map(|(_, paths, ..)| *paths).copied().collect();
    let all = installed();
    let is_other = |p: &&String| !known.contains(p.as_str()) && !of_postfix.contains(p.as_str());
    let _ =
        writeln!(out, "\nOther programs of mail, and the shells: {}.", names(all.iter().filter(is_other)));
    let _ = writeln!(out, "\nSmall commands: {}.", names(all.iter().filter(|p| known.contains(p.as_str()))));
    out
}

fn names<'p>(paths: impl Iterator<Item = &'p String>) -> String {
    let all: BTreeSet<&str> = paths.map(|p| p.rsplit('/').next().unwrap_or(p)).collect();
    all.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// The programs on the disk of a host of the lab.
fn installed() -> Vec<String> {
    const LIST: &str = "find /usr/bin /usr/sbin /usr/lib -type f -perm -1";
    let world = load::load(start::SCENARIO).ok().and_then(|s| boot(&s, Keep::Nothing, None).ok());
    let Some(world) = world else { return Vec::new() };
    let mut all = Vec::new();
    if let Some(host) = world.host("mx.example.com") {
        let (child, seen) = run::command(&host, "root", LIST);
        world.settle();
        debug_assert!(child.status() == Some(0), "find lists the programs");
        all.extend(String::from_utf8_lossy(&seen.borrow()).lines().map(str::to_owned));
    }
    world.shut_down();
    all
}

/// What a daemon or command of Postfix does, in the first words of its file's head.
fn about(repository: &Repository, name: &str) -> String {
    let file = format!("src/postfix/{}.rs", name.replace('-', "_"));
    let Ok(text) = repository.read(&file) else { return String::new() };
    let head = head(&text);
    let first = head.split("\n\n").next().unwrap_or_default();
    let about = first.split_once(": ").map_or(first, |(_, about)| about);
    let sentence = about.split_once(". ").map_or(about, |(first, _)| first);
    format!("{}.", cell(&prose(&capital(sentence.trim_end_matches('.')))))
}

/// The doc comment at the top of a source file.
fn head(source: &str) -> String {
    let lines = source.lines().map_while(|l| l.strip_prefix("//!"));
    lines.map(|l| format!("{}\n", l.strip_prefix(' ').unwrap_or(l))).collect()
}

/// A text of a doc comment for the book: its links to items of the code become plain code.
fn prose(text: &str) -> String {
    let Ok(links) = Regex::new(r"\[(`[^`\]]+`|[^\]`]+)\](\([^)]*\)|\[[^\]]*\])?") else {
        return text.to_owned();
    };
    let text = links.replace_all(text, |found: &regex::Captures<'_>| {
        let target = found.get(2).map_or("", |t| t.as_str());
        if target.starts_with("(http") { found[0].to_owned() } else { found[1].to_owned() }
    });
    let mut out = String::new();
    // What stands between backquotes is as it is; elsewhere `<` would begin a tag.
    for (n, part) in text.split('`').enumerate() {
        if n > 0 {
            out.push('`');
        }
        if n % 2 == 0 { out.push_str(&escape(part)) } else { out.push_str(part) }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Every parameter of Postfix: those that do something here with their defaults and the lessons
/// that teach them, the others by name.
///
/// # Errors
/// What is wrong with a lesson.
pub fn parameters(repository: &Repository) -> Result<String, String> {
    let lessons = repository.lessons()?;
    let (honoured, others): (Vec<&Parameter>, Vec<&Parameter>) =
        parameters::all().iter().partition(|p| effect::has_effect(p.name));
    let mut out = format!(
        "Postfix 3.7 has {} parameters. These {} do something in the lab:\n\n\
         | parameter | default | lessons |\n| --- | --- | --- |\n",
        parameters::all().len(),
        honoured.len()
    );
    for p in honoured {
        let default = match p.kind {
            parameters::Kind::Computed => "found out from the host".to_owned(),
            _ if p.default.is_empty() => "(empty)".to_owned(),
            _ => code(p.default),
        };
        let teach = lessons.iter().filter(|l| l.parameters.iter().any(|n| n == p.name));
        let teach: Vec<String> = teach.map(|l| format!("[{}]({}.md)", l.number, l.stem)).collect();
        let _ = writeln!(
            out,
            "| <span id=\"p-{}\">{}</span> | {default} | {} |",
            p.name,
            code(p.name),
            teach.join(", ")
        );
    }
    let transports: Vec<String> =
        effect::OF_TRANSPORTS.iter().map(|t| code(&format!("TRANSPORT{t}"))).collect();
    let _ = writeln!(
        out,
        "\nA transport or a service may have its own value of some: {}.\n",
        transports.join(", ")
    );
    let named = |p: &&Parameter| format!("<span id=\"p-{}\">{}</span>", p.name, code(p.name));
    let names: Vec<String> = others.iter().map(named).collect();
    let _ = writeln!(
        out,
        "## Known, without effect\n\nThese {} are known to `postconf`, with their defaults. When one is set, \
         `maillab check` says that nothing in the lab obeys it.\n\n{}.",
        names.len(),
        names.join(", ")
    );
    Ok(out)
}

/// What is left out, file by file, as the heads of the sources say it.
///
/// # Errors
/// When a source cannot be read.
pub fn features(repository: &Repository) -> Result<String, String> {
    const HEADING: &str = "# Simplifications\n";
    const FOLDERS: [(&str, &str); 8] = [
        ("postfix", "Postfix"),
        ("dovecot", "Dovecot"),
        ("procmail", "procmail"),
        ("mua", "mail(1)"),
        ("shell", "The shell and its commands"),
        ("world", "Hosts and network"),
        ("proto", "Protocols"),
        ("view", "What the lab shows"),
    ];
    let mut out = String::new();
    for (folder, title) in FOLDERS {
        let _ = writeln!(out, "\n## {title}\n");
        for file in repository.files(&format!("src/{folder}"), ".rs") {
            let head = head(&repository.read(&file)?);
            let Some((above, below)) = head.split_once(HEADING) else { continue };
            let end = below.find("\n# ").unwrap_or(below.len());
            let left_out = below[..end].split("\n\n").next().unwrap_or_default().trim().replace('\n', " ");
            if left_out.to_lowercase().starts_with("none") || left_out.is_empty() {
                continue;
            }
            let what = above.split("\n\n").next().unwrap_or_default().trim().replace('\n', " ");
            let _ = writeln!(
                out,
                "- **{}** {}",
                prose(what.trim_end_matches([':', '.'])) + ".",
                prose(&left_out)
            );
        }
    }
    Ok(out)
}

/// The format of lessons, as the head of the module that reads them says it.
///
/// # Errors
/// When it does not say it.
pub fn lessons(repository: &Repository) -> Result<String, String> {
    const FILE: &str = "src/lesson/mod.rs";
    let head = head(&repository.read(FILE)?);
    let format = head.split_once("# The file of a lesson\n").map(|(_, format)| format.to_owned());
    format.ok_or_else(|| format!("{FILE}: no `# The file of a lesson` in its head"))
}

/// The scenarios that come with the lab.
///
/// # Errors
/// When one cannot be read.
pub fn scenarios(repository: &Repository) -> Result<String, String> {
    let mut out = String::new();
    for file in repository.files("scenarios", ".yaml") {
        let scenario = load::load(&repository.read(&file)?).map_err(|p| format!("{file}: {}", p.message))?;
        let name = name_of(&file);
        let _ = writeln!(
            out,
            "\n## {} {{#{name}}}\n\n{}\n\n```text\nmaillab run {file} --transcript\nmaillab repl {file}\n```",
            scenario.title,
            escape(scenario.summary.trim())
        );
    }
    Ok(out)
}

/// The name of a scenario or lesson, from its path.
pub fn name_of(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file)
}

/// What sends the reader into a lesson.
///
/// # Errors
/// What is wrong with the lesson, or that its name has no number.
pub fn lesson(repository: &Repository, name: &str) -> Result<String, String> {
    let command = name.split_once('-').ok_or(format!("`{name}` is no lesson: NN-name"))?.1;
    let lessons = repository.lessons()?;
    let Some(lesson) = lessons.iter().find(|l| l.stem == name) else {
        return Ok("> **Now do it.** The lesson to this chapter is not written yet.\n".to_owned());
    };
    let mut out = format!(
        "> **Now do it:** `maillab learn {command}`\n>\n> {} tasks, about {} minutes; LPIC-2 {}.\n>\n",
        lesson.tasks.len(),
        lesson.minutes,
        lesson.objectives.join(", ")
    );
    for (n, task) in lesson.tasks.iter().enumerate() {
        let _ = writeln!(out, "> {}. {}", n + 1, prose(&task.title));
    }
    Ok(out)
}
