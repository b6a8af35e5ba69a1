//! From a lesson's file to a [`Lesson`]: every section known and in its place, every check a check,
//! every host and user one of its scenario.

use super::markdown::{self, Section};
use super::model::{Finding, Lesson, Question, Task, What};
use crate::postfix::config::parameters;
use crate::scenario::boot;
use crate::scenario::load::{self, Loader};
use crate::scenario::model::{Host, Scenario, Span};
use crate::scenario::problem::{Problem, did_you_mean};
use crate::scenario::yaml::{self, Kind, Node};
use indexmap::IndexMap;
use regex::Regex;

/// What a lesson says of itself.
const FRONT: [&str; 8] =
    ["title", "objectives", "scenario", "host", "user", "minutes", "terms", "parameters"];
/// The sections of a task.
const SECTIONS: [&str; 5] = ["Hint", "Question", "Check", "Solution", "Explanation"];
/// The fewest hints of a task.
const HINTS: usize = 2;
/// The most lines that a goal takes on a screen.
pub const GOAL_LINES: usize = 10;

/// Reads a lesson. `stem` is the name of its file without the ending, `hosts` gives the text of a
/// scenario by its name.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn load(stem: &str, source: &str, hosts: &dyn Fn(&str) -> Option<String>) -> Result<Lesson, Problem> {
    if source.len() > yaml::MAX_FILE {
        return Err(yaml::too_large());
    }
    let number = number(stem)?;
    let (front, body) = front_matter(source)?;
    let text = alone(source, front);
    let root = yaml::parse(&text)?;
    let reader = Reader { source, loader: Loader::new(&text), hosts };
    let mut lesson = reader.front(&root)?;
    lesson.stem = stem.to_owned();
    lesson.number = number;
    reader.body(&mut lesson, body)?;
    Ok(lesson)
}

/// The number at the start of a lesson's name.
fn number(stem: &str) -> Result<u32, Problem> {
    let number = stem.split_once('-').filter(|(_, name)| !name.is_empty()).map(|(n, _)| n);
    number.and_then(|n| n.parse().ok()).filter(|n| *n > 0).ok_or_else(|| {
        Problem::new(0..0, format!("`{stem}` is not the name of a lesson"))
            .expected("a number and a name: 02-smtp-by-hand.md")
    })
}

/// Where the front matter stands, and where what follows it.
fn front_matter(source: &str) -> Result<(Span, Span), Problem> {
    let missing = || {
        Problem::new(0..0, "the file does not begin with what the lesson says of itself")
            .expected("`---`, lines such as `title: …`, and `---` again")
    };
    let start = source.strip_prefix("---\n").map(|_| 4).ok_or_else(missing)?;
    let end = source[start..].find("\n---\n").map(|n| start + n + 1).ok_or_else(missing)?;
    Ok((start..end, end + 4..source.len()))
}

/// A part of a file with nothing around it but blanks, so that every place in it stays the same.
fn alone(source: &str, part: Span) -> String {
    let before = source[..part.start].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' });
    let mut text: String = before.collect();
    text.push_str(&source[part]);
    text
}

struct Reader<'s> {
    source: &'s str,
    /// For the front matter.
    loader: Loader<'s>,
    hosts: &'s dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn front(&self, root: &Node) -> Result<Lesson, Problem> {
        let loader = &self.loader;
        let fields = loader.fields(root, "a lesson", &FRONT)?;
        let require = |name: &str| fields.require(name, "the lesson");
        let (source, scenario) = self.scenario(require("scenario")?)?;
        let host = require("host")?;
        let user = fields.find("user");
        let seat = (self.host(host, &scenario)?, user.map_or(Ok("root"), |n| loader.scalar(n))?.to_owned());
        let known =
            seat.1 == "root" || scenario.hosts.get(&seat.0).is_some_and(|h| h.users.contains_key(&seat.1));
        if let Some(node) = user.filter(|_| !known) {
            let message = format!("there is no user `{}` on {}", seat.1, seat.0);
            return Err(Problem::new(node.span.clone(), message).expected("root, or one of its users"));
        }
        let minutes = require("minutes")?;
        let minutes = u32::try_from(loader.number(minutes)?)
            .ok()
            .filter(|n| (1..=240).contains(n))
            .ok_or_else(|| {
                Problem::new(minutes.span.clone(), "a lesson does not take so long")
                    .expected("1 to 240 minutes")
            })?;
        Ok(Lesson {
            stem: String::new(),
            number: 0,
            title: loader.text(require("title")?)?,
            objectives: self.objectives(require("objectives")?)?,
            minutes,
            terms: self.words(fields.find("terms"))?.into_iter().map(|(w, _)| w).collect(),
            parameters: self.parameters(fields.find("parameters"))?,
            source,
            scenario,
            seat,
            introduction: String::new(),
            tasks: Vec::new(),
        })
    }

    /// The scenario's text and what it says, by its name or from the file itself.
    fn scenario(&self, node: &Node) -> Result<(String, Scenario), Problem> {
        if let Kind::Map(_) = node.kind {
            let scenario = self.loader.scenario(node)?;
            boot::try_disks(&scenario)?;
            return Ok((dedented(self.source, &node.span), scenario));
        }
        let name = self.loader.scalar(node)?;
        let text = (self.hosts)(name).ok_or_else(|| {
            Problem::new(node.span.clone(), format!("there is no scenario `{name}`"))
                .expected("small-internet, or the name of a file in hosts/")
        })?;
        let scenario = load::load(&text).map_err(|p| {
            Problem::new(node.span.clone(), format!("the scenario `{name}` cannot be read: {}", p.message))
                .hint(format!("`maillab check hosts/{name}.yaml` says where"))
        })?;
        Ok((text, scenario))
    }

    fn host(&self, node: &Node, scenario: &Scenario) -> Result<String, Problem> {
        let name = self.loader.scalar(node)?;
        if scenario.hosts.contains_key(name) {
            return Ok(name.to_owned());
        }
        let hosts = scenario.hosts.keys();
        let problem = Problem::new(node.span.clone(), format!("there is no host `{name}`"));
        Err(problem.expected(format_args!("one of {}", load::some_of(hosts))))
    }

    fn objectives(&self, node: &Node) -> Result<Vec<String>, Problem> {
        let all = self.words(Some(node))?;
        let good = |w: &str| {
            w.split_once('.').is_some_and(|(a, b)| a.parse::<u16>().is_ok() && b.parse::<u16>().is_ok())
        };
        if let Some((word, span)) = all.iter().find(|(w, _)| !good(w)) {
            let problem = Problem::new(span.clone(), format!("`{word}` is not an objective"));
            return Err(problem.expected("numbers such as 211.1"));
        }
        if all.is_empty() {
            return Err(Problem::new(node.span.clone(), "the lesson has no objective")
                .expected("one, such as [211.1]"));
        }
        Ok(all.into_iter().map(|(w, _)| w).collect())
    }

    fn parameters(&self, node: Option<&Node>) -> Result<Vec<String>, Problem> {
        let all = self.words(node)?;
        for (name, span) in &all {
            if parameters::find(name).is_none() && parameters::of_service(name).is_none() {
                let problem = Problem::new(span.clone(), format!("Postfix has no parameter `{name}`"));
                let near = did_you_mean(name, parameters::all().iter().map(|p| p.name));
                return Err(problem.hint(near.map_or("".to_owned(), |n| format!("did you mean `{n}`?"))));
            }
        }
        Ok(all.into_iter().map(|(w, _)| w).collect())
    }

    fn words(&self, node: Option<&Node>) -> Result<Vec<(String, Span)>, Problem> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let items = self.loader.list(node, "a list")?;
        items.iter().map(|n| Ok((self.loader.scalar(n)?.to_owned(), n.span.clone()))).collect()
    }

    /// The introduction and the tasks.
    fn body(&self, lesson: &mut Lesson, body: Span) -> Result<(), Problem> {
        let sections = markdown::sections(self.source, body.clone());
        let end = sections.first().map_or(body.end, |s| s.span.start);
        lesson.introduction = self.text(body.start..end);
        if lesson.introduction.is_empty() {
            let at = body.start..body.start;
            return Err(Problem::new(at, "the lesson has no introduction")
                .expected("a few lines before its first task"));
        }
        let starts: Vec<usize> = (0..sections.len()).filter(|n| sections[*n].level < 3).collect();
        if let Some(early) = sections.first().filter(|s| s.level == 3) {
            return Err(Problem::new(early.span.clone(), "this belongs to no task")
                .expected("`## ` and a task's title above it"));
        }
        if let Some(one) = sections.iter().find(|s| s.level == 1) {
            return Err(Problem::new(one.span.clone(), "a heading of the first level")
                .expected("`title` above; tasks begin with `## `"));
        }
        for (n, start) in starts.iter().enumerate() {
            let next = starts.get(n + 1).copied().unwrap_or(sections.len());
            lesson.tasks.push(self.task(
                &sections[*start],
                &sections[start + 1..next],
                &lesson.scenario.hosts,
            )?);
        }
        if lesson.tasks.is_empty() {
            let at = body.end.saturating_sub(1)..body.end;
            return Err(Problem::new(at, "the lesson has no task").expected("`## ` and a task's title"));
        }
        Ok(())
    }

    fn text(&self, span: Span) -> String {
        self.source.get(span).unwrap_or_default().trim().to_owned()
    }

    fn task(
        &self,
        head: &Section,
        parts: &[Section],
        hosts: &IndexMap<String, Host>,
    ) -> Result<Task, Problem> {
        let wrong = |message: String| Problem::new(head.span.clone(), message);
        let lacks = |what: &str| wrong(format!("this task has no {what}"));
        let mut task = Task {
            title: head.title.clone(),
            goal: self.text(head.body.clone()),
            hints: Vec::new(),
            question: None,
            check: Vec::new(),
            solution: Vec::new(),
            explanation: String::new(),
        };
        let mut seen: Vec<&Section> = Vec::new();
        for part in parts {
            let title = part.title.as_str();
            if !SECTIONS.contains(&title) {
                let problem = Problem::new(part.span.clone(), format!("a task has no section `{title}`"));
                return Err(match did_you_mean(title, SECTIONS) {
                    Some(near) => problem.hint(format!("did you mean `### {near}`?")),
                    None => problem.expected(format_args!("one of {}", SECTIONS.join(", "))),
                });
            }
            if let Some(first) = seen.iter().find(|s| s.title == title && title != "Hint") {
                return Err(Problem::new(part.span.clone(), format!("a second `### {title}`"))
                    .also(first.span.clone(), "the first"));
            }
            seen.push(part);
            match title {
                "Hint" => task.hints.push(self.filled(part)?),
                "Explanation" => task.explanation = self.filled(part)?,
                "Question" => task.question = Some(self.question(part)?),
                "Check" => task.check = self.check(part, hosts)?,
                _ => {
                    let fence = self.fence(part, "text")?;
                    task.solution = self.source[fence].lines().map(str::to_owned).collect();
                }
            }
        }
        if task.goal.is_empty() {
            return Err(lacks("goal").expected("what is to be done, below this line"));
        }
        let lines = markdown::screen(&task.goal).lines().count();
        if lines > GOAL_LINES {
            return Err(wrong(format!("this goal takes {lines} lines on a screen"))
                .expected(format_args!("no more than {GOAL_LINES}")));
        }
        if task.hints.len() < HINTS {
            return Err(wrong(format!("this task has {} hints", task.hints.len()))
                .expected(format_args!("`### Hint` {HINTS} times or more")));
        }
        if task.question.is_none() && task.check.is_empty() {
            return Err(lacks("check").expected("`### Check`, or `### Question`"));
        }
        if task.solution.is_empty() {
            return Err(lacks("solution").expected("`### Solution`"));
        }
        if task.explanation.is_empty() {
            return Err(lacks("explanation").expected("`### Explanation`"));
        }
        Ok(task)
    }

    /// The text of a section that must have one.
    fn filled(&self, part: &Section) -> Result<String, Problem> {
        let text = self.text(part.body.clone());
        if text.is_empty() {
            return Err(
                Problem::new(part.span.clone(), "nothing stands below this heading").expected("a text")
            );
        }
        Ok(text)
    }

    /// The one fenced block of a section.
    fn fence(&self, part: &Section, info: &str) -> Result<Span, Problem> {
        let fences = markdown::fences(self.source, part.body.clone());
        let problem = |message: &str| {
            Problem::new(part.span.clone(), message).expected(format_args!("one block: ```{info}"))
        };
        match fences.as_slice() {
            [one] if one.info == info && !one.span.is_empty() => Ok(one.span.clone()),
            [one] if one.info == info => Err(problem("the block below this is empty")),
            [one] => Err(problem(&format!("the block below this is `{}`", one.info))),
            [] => Err(problem("no block stands below this")),
            _ => Err(problem("several blocks stand below this")),
        }
    }

    fn question(&self, part: &Section) -> Result<Question, Problem> {
        let text = alone(self.source, self.fence(part, "yaml")?);
        let (root, loader) = (yaml::parse(&text)?, Loader::new(&text));
        let fields = loader.fields(&root, "a question", &["choices", "answer", "wrong", "else"])?;
        let choices = match fields.find("choices") {
            Some(node) => {
                let items = loader.list(node, "a list of answers")?;
                items.iter().map(|n| loader.scalar(n).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?
            }
            None => Vec::new(),
        };
        let node = fields.require("answer", "the question")?;
        let answer = pattern(&loader, node)?;
        let right = choices.iter().filter(|c| answer.is_match(c)).count();
        if !choices.is_empty() && right != 1 {
            let problem = Problem::new(node.span.clone(), format!("this fits {right} of the choices"));
            return Err(problem.expected("an answer that is one of them"));
        }
        let mut wrong = Vec::new();
        for item in fields.find("wrong").map_or(Ok(&[][..]), |n| loader.list(n, "a list of wrong answers"))? {
            let fields = loader.fields(item, "a wrong answer", &["given", "say"])?;
            let given = pattern(&loader, fields.require("given", "the wrong answer")?)?;
            wrong.push((given, loader.text(fields.require("say", "the wrong answer")?)?));
        }
        let otherwise = loader.text(fields.require("else", "the question")?)?;
        Ok(Question { choices, answer, wrong, otherwise })
    }

    fn check(&self, part: &Section, hosts: &IndexMap<String, Host>) -> Result<Vec<Finding>, Problem> {
        let text = alone(self.source, self.fence(part, "yaml")?);
        let (root, loader) = (yaml::parse(&text)?, Loader::new(&text));
        let items = loader.list(&root, "a list of findings")?;
        let found: Vec<Finding> =
            items.iter().map(|n| finding(&loader, n, hosts)).collect::<Result<_, _>>()?;
        if found.iter().all(|f| f.otherwise.is_empty()) {
            return Err(Problem::new(root.span.clone(), "this check never fails")
                .expected("a finding with an `else`"));
        }
        Ok(found)
    }
}

/// A regular expression for a whole answer, in letters of either case.
fn pattern(loader: &Loader<'_>, node: &Node) -> Result<Regex, Problem> {
    let text = loader.scalar(node)?;
    Regex::new(&format!("(?i)^(?:{text})$")).map_err(|_| {
        Problem::new(node.span.clone(), format!("`{text}` is not a regular expression"))
            .expected("one such as `250.*`")
    })
}

/// A finding: a step, or what was done, and what is said where it is not so.
fn finding(loader: &Loader<'_>, node: &Node, hosts: &IndexMap<String, Host>) -> Result<Finding, Problem> {
    let mut pairs = loader.map(node, "a finding")?.to_vec();
    let is = |(key, _): &(Node, Node), name: &str| loader.scalar(key).is_ok_and(|k| k == name);
    let otherwise = pairs.iter().position(|p| is(p, "else")).map(|n| pairs.remove(n));
    let otherwise = otherwise.map_or(Ok(String::new()), |(_, value)| loader.text(&value))?;
    let seen: Option<fn(Vec<String>) -> What> = match pairs.as_slice() {
        [one] if is(one, "happened") => Some(What::Happened),
        [one] if is(one, "never") => Some(What::Never),
        [one] if is(one, "typed") => Some(What::Typed),
        _ => None,
    };
    let what = match (seen, pairs.first()) {
        (Some(seen), Some((_, value))) => {
            let texts = match &value.kind {
                Kind::List(items) if !items.is_empty() => items.iter().map(|n| loader.text(n)).collect(),
                _ => loader.text(value).map(|text| vec![text]),
            };
            seen(texts?)
        }
        _ => What::Step(loader.step(&Node { span: node.span.clone(), kind: Kind::Map(pairs) }, hosts)?),
    };
    if otherwise.is_empty() && can_fail(&what) {
        return Err(Problem::new(
            node.span.start..node.span.start + 1,
            "this finding does not say what is wrong when it fails",
        )
        .expected("`else:` and a message"));
    }
    Ok(Finding { what, otherwise })
}

/// Does a finding expect anything?
fn can_fail(what: &What) -> bool {
    use crate::scenario::model::Act;
    match what {
        What::Step(step) => match &step.act {
            Act::Shell(shell) => shell.commands.iter().any(|(_, expected)| !expected.is_empty()),
            Act::Chat(chat) => !chat.greeting.is_empty() || chat.lines.iter().any(|(_, e)| !e.is_empty()),
            Act::Until(_) => true,
            Act::Wait { .. } | Act::Note(_) | Act::Fault(_) | Act::Heal(_) => false,
        },
        What::Happened(_) | What::Never(_) | What::Typed(_) => true,
    }
}

/// The lines of a part of a file, moved to the left by what its first is indented.
fn dedented(source: &str, span: &Span) -> String {
    let start = source[..span.start].rfind('\n').map_or(0, |n| n + 1);
    let indent = span.start - start;
    let text = &source[start..span.end];
    let lines = text.lines().map(|l| {
        l.get(indent..).filter(|_| l[..indent.min(l.len())].trim().is_empty()).unwrap_or(l.trim_start())
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
