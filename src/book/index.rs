//! The index: from what LPIC-2 asks for to lessons, scenarios and parameters.
//!
//! What is asked for is data (`book/lpic2.yaml`); which lesson teaches a term stands in the lessons'
//! front matter; which scenario uses it is found in the scenarios. A term that no lesson teaches is
//! said to be missing.

use super::reference::name_of;
use super::{Repository, code};
use crate::lesson::model::Lesson;
use crate::postfix::config::parameters;
use regex::Regex;
use serde_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// An objective of LPIC-2.
pub struct Objective {
    /// Its number, such as 211.1.
    pub number: String,
    /// Its name.
    pub title: String,
    /// What it asks for.
    pub terms: Vec<Term>,
}

/// Something that an objective asks for: a key knowledge area, or a term.
pub struct Term {
    /// What it is called.
    pub name: String,
    /// The terms of lessons that teach it.
    pub taught: Vec<String>,
    /// Commands and paths whose use in a scenario shows it.
    pub used: Vec<String>,
    /// Parameters of Postfix that belong to it.
    pub parameters: Vec<String>,
    /// Why no lesson teaches it, where that is meant.
    pub aside: Option<String>,
}

/// Reads what LPIC-2 asks for.
///
/// # Errors
/// What is wrong with the file.
pub fn objectives(repository: &Repository) -> Result<Vec<Objective>, String> {
    const FILE: &str = "book/lpic2.yaml";
    let data: Value = serde_yaml::from_str(&repository.read(FILE)?).map_err(|e| format!("{FILE}: {e}"))?;
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let list = |v: &Value, key: &str| -> Vec<String> {
        let all = v.get(key).and_then(Value::as_sequence).into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let needed =
        |v: &Value, key: &str| text(v, key).ok_or(format!("{FILE}: there is an entry without `{key}`"));
    let mut objectives = Vec::new();
    for o in data.get("objectives").and_then(Value::as_sequence).into_iter().flatten() {
        let mut terms = Vec::new();
        for t in o.get("terms").and_then(Value::as_sequence).into_iter().flatten() {
            let parameters = list(t, "parameters");
            if let Some(unknown) = parameters.iter().find(|p| parameters::find(p).is_none()) {
                return Err(format!("{FILE}: Postfix has no parameter `{unknown}`"));
            }
            terms.push(Term {
                name: needed(t, "term")?,
                taught: list(t, "taught"),
                used: list(t, "used"),
                parameters,
                aside: text(t, "aside"),
            });
        }
        objectives.push(Objective { number: needed(o, "number")?, title: needed(o, "title")?, terms });
    }
    Ok(objectives)
}

/// The lessons that teach a term: by its own name or one that stands for it, or one of its parameters.
pub fn taught<'l>(term: &Term, lessons: &'l [Lesson]) -> Vec<&'l Lesson> {
    let is = |l: &&Lesson| {
        l.terms.iter().any(|t| {
            t.eq_ignore_ascii_case(&term.name) || term.taught.iter().any(|w| w.eq_ignore_ascii_case(t))
        }) || l.parameters.iter().any(|p| term.parameters.contains(p))
    };
    lessons.iter().filter(is).collect()
}

/// The index as Markdown.
///
/// # Errors
/// What is wrong with the data, a lesson or a scenario.
pub fn render(repository: &Repository) -> Result<String, String> {
    let lessons = repository.lessons()?;
    let scenarios = scenarios(repository)?;
    let mut out = String::new();
    for o in objectives(repository)? {
        let _ = writeln!(
            out,
            "\n## {} {}\n\n| term | lessons | scenarios | parameters |\n| --- | --- | --- | --- |",
            o.number, o.title
        );
        for t in &o.terms {
            let lessons: Vec<String> = taught(t, &lessons).into_iter().map(link).collect();
            let lessons = match (&t.aside, lessons.is_empty()) {
                (_, false) => lessons.join(", "),
                (Some(why), true) => format!("none: {why}"),
                (None, true) => "**still missing**".to_owned(),
            };
            let used = telling(&scenarios, t).into_iter().map(Scenario::link);
            let names: Vec<String> = t.parameters.iter().map(|p| parameter(p)).collect();
            let _ = writeln!(
                out,
                "| {} | {lessons} | {} | {} |",
                t.name,
                used.collect::<Vec<_>>().join(", "),
                names.join(", ")
            );
        }
    }
    words(&mut out, &lessons);
    settings(&mut out, &lessons, &scenarios);
    Ok(out)
}

fn link(lesson: &Lesson) -> String {
    format!("[{}]({}.md)", lesson.number, lesson.stem)
}

fn parameter(name: &str) -> String {
    format!("[{}](parameters.md#p-{name})", code(name))
}

/// All terms of the lessons, in the order of the alphabet.
fn words(out: &mut String, lessons: &[Lesson]) {
    let mut all: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for l in lessons {
        for t in &l.terms {
            all.entry((t.to_lowercase(), t)).or_default().push(link(l));
        }
    }
    out.push_str("\n## Terms of the lessons\n\n| term | lessons |\n| --- | --- |\n");
    for ((_, term), lessons) in all {
        let _ = writeln!(out, "| {} | {} |", code(term), lessons.join(", "));
    }
}

/// All parameters that a lesson teaches or a scenario sets.
fn settings(out: &mut String, lessons: &[Lesson], scenarios: &[Scenario]) {
    let of_lessons = lessons.iter().flat_map(|l| l.parameters.iter().map(String::as_str));
    let all: BTreeSet<&str> =
        scenarios.iter().flat_map(|s| s.parameters.iter().map(String::as_str)).chain(of_lessons).collect();
    out.push_str("\n## Parameters\n\n| parameter | lessons | scenarios |\n| --- | --- | --- |\n");
    for name in all {
        let teach = lessons.iter().filter(|l| l.parameters.iter().any(|p| p == name)).map(link);
        let set = scenarios.iter().filter(|s| s.parameters.contains(name)).take(6).map(Scenario::link);
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            parameter(name),
            teach.collect::<Vec<_>>().join(", "),
            set.collect::<Vec<_>>().join(", ")
        );
    }
}

/// A scenario, and what it uses.
struct Scenario {
    name: String,
    text: String,
    parameters: BTreeSet<String>,
}

impl Scenario {
    fn link(&self) -> String {
        format!("[{0}](scenarios.md#{0})", self.name)
    }

    /// How often it uses what shows a term.
    fn uses(&self, term: &Term) -> usize {
        let word = |c: char| c.is_alphanumeric() || "_-".contains(c);
        let used = term.used.iter().map(|what| {
            let all = self.text.match_indices(what.as_str());
            all.filter(|(at, found)| {
                !self.text[..*at].ends_with(word) && !self.text[at + found.len()..].starts_with(word)
            })
            .count()
        });
        used.sum::<usize>() + term.parameters.iter().filter(|p| self.parameters.contains(*p)).count()
    }
}

/// The scenarios that show most of a term; as many as a cell of the table holds.
fn telling<'s>(scenarios: &'s [Scenario], term: &Term) -> Vec<&'s Scenario> {
    let mut all: Vec<&Scenario> = scenarios.iter().filter(|s| s.uses(term) > 0).collect();
    all.sort_by_key(|s| std::cmp::Reverse(s.uses(term)));
    all.truncate(4);
    all
}

/// Settings that every server has, and that show nothing.
const EVERYWHERE: [&str; 3] = ["compatibility_level", "alias_maps", "alias_database"];

fn scenarios(repository: &Repository) -> Result<Vec<Scenario>, String> {
    let setting = Regex::new(r"\b([a-z0-9][a-z0-9_]+) *=").map_err(|e| e.to_string())?;
    let read = |file: String| {
        let text = repository.read(&file)?;
        let names = setting.captures_iter(&text).map(|c| c[1].to_owned());
        let known = |n: &String| parameters::find(n).is_some() && !EVERYWHERE.contains(&n.as_str());
        let parameters = names.filter(known).collect();
        Ok(Scenario { name: name_of(&file).to_owned(), parameters, text })
    };
    repository.files("scenarios", ".yaml").into_iter().map(read).collect()
}
