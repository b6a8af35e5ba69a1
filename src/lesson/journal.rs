//! What a learner did in a lesson, kept between sessions: every act, so that the world can be had
//! again, and how each task was come by.
//!
//! One JSON file a lesson, `$XDG_STATE_HOME/maillab/lessons/NN-name.json`, written after every line
//! under another name and renamed. A report holds the same objects:
//!
//! ```json
//! {"lesson": "02-smtp-by-hand", "hosts": "9e107d9d…", "task": 2,
//!  "attempts": [{"settings": [], "acts": [{"line": "telnet mx.example.com 25"}, {"end": true}]}],
//!  "tasks": {"1": {"hints": 1, "checks": 0, "solved": {"attempt": 0, "acts": 2}}}}
//! ```
//!
//! An attempt is what was done from the start of the hosts; another begins where one went back behind
//! something that had solved a task. `hosts` is the MD5 of the scenario's text: on other hosts the
//! same acts would be something else.

use crate::proto::base64;
use crate::repl::act::Act;
use crate::repl::lab::{Lab, Setting, Stop};
use crate::repl::save;
use crate::scenario::load;
use crate::scenario::model::Scenario;
use crate::world::clock::{Duration, Time};
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

/// An act, and where it was stopped because one has gone back to there.
pub type Step = (Act, Option<Stop>);

/// What was done from the start of the hosts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attempt {
    /// What was kept of `:what-if`.
    pub settings: Vec<Setting>,
    /// What was done.
    pub acts: Vec<Step>,
}

/// Where a task was solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solved {
    /// In which attempt.
    pub attempt: usize,
    /// After so many of its acts.
    pub acts: usize,
}

/// How a task was gone about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskRecord {
    /// How many hints were shown.
    pub hints: usize,
    /// How often `:check` was asked in vain.
    pub checks: usize,
    /// Was the solution shown?
    pub shown: bool,
    /// Was it skipped?
    pub skipped: bool,
    /// What was answered to its question.
    pub answers: Vec<String>,
    /// Where it was solved, if it was.
    pub solved: Option<Solved>,
}

/// All that is kept of a lesson.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The lesson's name.
    pub lesson: String,
    /// The MD5 of its scenario's text, in hex.
    pub hosts: String,
    /// The number of the task that one is at.
    pub task: usize,
    /// What was done; the last is the present one.
    pub attempts: Vec<Attempt>,
    /// How each task was gone about, by its number.
    pub tasks: BTreeMap<usize, TaskRecord>,
}

impl Record {
    /// A record of a lesson that is not yet begun.
    pub fn new(lesson: &str, source: &str) -> Record {
        let hosts = digest(source);
        Record {
            lesson: lesson.to_owned(),
            hosts,
            task: 1,
            attempts: vec![Attempt::default()],
            tasks: BTreeMap::new(),
        }
    }

    /// How many tasks are solved.
    pub fn solved(&self) -> usize {
        self.tasks.values().filter(|t| t.solved.is_some()).count()
    }

    /// Was a task solved?
    pub fn is_solved(&self, task: usize) -> bool {
        self.tasks.get(&task).is_some_and(|t| t.solved.is_some())
    }

    /// Has anything been done?
    pub fn is_begun(&self) -> bool {
        !self.tasks.is_empty() || self.attempts.iter().any(|a| !a.acts.is_empty())
    }

    /// Takes over what was done in the lab.
    pub fn remember(&mut self, lab: &Lab) {
        let acts: Vec<Step> = lab.journal().iter().map(|d| (d.act.clone(), d.stop)).collect();
        let now = Attempt { settings: lab.settings().to_vec(), acts };
        let index = self.attempts.len().saturating_sub(1);
        let Some(last) = self.attempts.last_mut() else { return self.attempts.push(now) };
        let solved = self.tasks.values().filter_map(|t| t.solved).filter(|s| s.attempt == index);
        let needed = solved.map(|s| s.acts).max().unwrap_or(0);
        let kept = last.acts.iter().zip(&now.acts).take_while(|(a, b)| a == b).count();
        if needed > 0 && (needed > kept || last.settings != now.settings) {
            self.attempts.push(now);
        } else {
            *last = now;
        }
    }

    /// The record as JSON.
    pub fn to_json(&self) -> Value {
        let attempts: Vec<Value> = self.attempts.iter().map(attempt_to_json).collect();
        let tasks: Map<String, Value> =
            self.tasks.iter().map(|(n, t)| (n.to_string(), task_to_json(t))).collect();
        json!({"lesson": self.lesson, "hosts": self.hosts, "task": self.task, "attempts": attempts, "tasks": tasks})
    }

    /// A record from JSON; faults in it are those of the scenario.
    ///
    /// # Errors
    /// What it lacks, in words.
    pub fn from_json(value: &Value, scenario: &Scenario) -> Result<Record, String> {
        let text = |name: &str| value[name].as_str().map(str::to_owned).ok_or(format!("`{name}` is no text"));
        let list = value["attempts"].as_array().ok_or("`attempts` is no list")?;
        let attempts: Vec<Attempt> =
            list.iter().map(|a| attempt_from_json(a, scenario)).collect::<Result<_, _>>()?;
        let mut tasks = BTreeMap::new();
        for (name, task) in value["tasks"].as_object().ok_or("`tasks` is no map")? {
            let number = name.parse().map_err(|_| format!("`{name}` is no task's number"))?;
            let task = task_from_json(task)?;
            let exists = |s: &Solved| attempts.get(s.attempt).is_some_and(|a| s.acts <= a.acts.len());
            if task.solved.as_ref().is_some_and(|s| !exists(s)) {
                return Err(format!("task {number} was solved by acts that are not there"));
            }
            tasks.insert(number, task);
        }
        let task = number(value, "task")?;
        Ok(Record { lesson: text("lesson")?, hosts: text("hosts")?, task, attempts, tasks })
    }

    /// Writes the record to a file.
    ///
    /// # Errors
    /// The machine's own.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(self.to_json().to_string().as_bytes())?;
        file.persist(path).map(|_| ()).map_err(|e| e.error)
    }
}

/// The MD5 of a text, in hex.
pub fn digest(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn number(value: &Value, name: &str) -> Result<usize, String> {
    value[name].as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| format!("`{name}` is no number"))
}

fn task_to_json(task: &TaskRecord) -> Value {
    let mut out = json!({"hints": task.hints, "checks": task.checks});
    for (name, so) in [("shown", task.shown), ("skipped", task.skipped)] {
        if so {
            out[name] = json!(true);
        }
    }
    if !task.answers.is_empty() {
        out["answers"] = json!(task.answers);
    }
    if let Some(solved) = task.solved {
        out["solved"] = json!({"attempt": solved.attempt, "acts": solved.acts});
    }
    out
}

fn task_from_json(value: &Value) -> Result<TaskRecord, String> {
    let answers = value["answers"].as_array().into_iter().flatten();
    let solved = &value["solved"];
    let solved = match solved {
        Value::Null => None,
        _ => Some(Solved { attempt: number(solved, "attempt")?, acts: number(solved, "acts")? }),
    };
    Ok(TaskRecord {
        hints: number(value, "hints")?,
        checks: number(value, "checks")?,
        shown: value["shown"] == json!(true),
        skipped: value["skipped"] == json!(true),
        answers: answers.filter_map(|a| a.as_str().map(str::to_owned)).collect(),
        solved,
    })
}

fn attempt_to_json(attempt: &Attempt) -> Value {
    let settings = attempt.settings.iter().map(|s| json!({"host": s.host, "line": s.line}));
    let acts = attempt.acts.iter().map(|(act, stop)| {
        let mut out = act_to_json(act);
        match stop {
            Some(Stop::Event(n)) => out["stopped_at_event"] = json!(n),
            Some(Stop::Time(t)) => out["stopped_at"] = json!(t.nanos()),
            None => {}
        }
        out
    });
    json!({"settings": settings.collect::<Vec<_>>(), "acts": acts.collect::<Vec<_>>()})
}

fn attempt_from_json(value: &Value, scenario: &Scenario) -> Result<Attempt, String> {
    let mut attempt = Attempt::default();
    for setting in value["settings"].as_array().ok_or("`settings` is no list")? {
        let text = |name: &str| setting[name].as_str().map(str::to_owned).ok_or("a setting is incomplete");
        attempt.settings.push(Setting { host: text("host")?, line: text("line")? });
    }
    for act in value["acts"].as_array().ok_or("`acts` is no list")? {
        let event = act["stopped_at_event"].as_u64().and_then(|n| u32::try_from(n).ok()).map(Stop::Event);
        let time = act["stopped_at"].as_u64().map(|n| Stop::Time(Time::from_nanos(n)));
        attempt.acts.push((act_from_json(act, scenario)?, event.or(time)));
    }
    Ok(attempt)
}

fn act_to_json(act: &Act) -> Value {
    let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match act {
        Act::Line(text) => json!({"line": text}),
        Act::End => json!({"end": true}),
        Act::Interrupt => json!({"interrupt": true}),
        Act::Edited(None) => json!({"edited": null}),
        Act::Edited(Some(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => json!({"edited": text}),
            Err(_) => json!({"edited_base64": base64::encode(bytes)}),
        },
        Act::Go { host, user } => json!({"go": host, "user": user}),
        Act::Wait(time) => json!({"wait": millis(time)}),
        Act::Until { pattern, within } => json!({"until": pattern, "within": millis(within)}),
        Act::Step(n) => json!({"step": n}),
        Act::Next(n) => json!({"next": n}),
        Act::Freeze => json!({"freeze": true}),
        Act::Thaw => json!({"thaw": true}),
        Act::Break(pattern) => json!({"break": pattern}),
        Act::NoBreaks => json!({"break": null}),
        Act::Fault(trouble) => json!({"fault": save::trouble(trouble)}),
        Act::Heal(Some(trouble)) => json!({"heal": save::trouble(trouble)}),
        Act::Heal(None) => json!({"heal": null}),
    }
}

fn act_from_json(value: &Value, scenario: &Scenario) -> Result<Act, String> {
    let map = value.as_object().ok_or("an act is no map")?;
    let (name, what) = map.iter().next().ok_or("an act is empty")?;
    let bad = || format!("the act `{name}` is not one: {what}");
    let text = || what.as_str().map(str::to_owned).ok_or_else(bad);
    let count = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(bad);
    let time = |value: &Value| value.as_u64().map(Duration::from_millis).ok_or_else(bad);
    let trouble = || load::fault(&text()?, &scenario.hosts).map_err(|p| p.message);
    Ok(match (name.as_str(), what) {
        ("line", _) => Act::Line(text()?),
        ("end", _) => Act::End,
        ("interrupt", _) => Act::Interrupt,
        ("edited", Value::Null) => Act::Edited(None),
        ("edited", _) => Act::Edited(Some(text()?.into_bytes())),
        ("edited_base64", _) => Act::Edited(Some(base64::decode(&text()?).ok_or_else(bad)?)),
        ("go", _) => {
            let host = text()?;
            let known = scenario.hosts.contains_key(&host);
            let user = value["user"].as_str().filter(|_| known).ok_or_else(bad)?.to_owned();
            Act::Go { host, user }
        }
        ("wait", _) => Act::Wait(time(what)?),
        ("until", _) => Act::Until { pattern: text()?, within: time(&value["within"])? },
        ("step", _) => Act::Step(count(what)?),
        ("next", _) => Act::Next(count(what)?),
        ("freeze", _) => Act::Freeze,
        ("thaw", _) => Act::Thaw,
        ("break", Value::Null) => Act::NoBreaks,
        ("break", _) => Act::Break(text()?),
        ("fault", _) => Act::Fault(trouble()?),
        ("heal", Value::Null) => Act::Heal(None),
        ("heal", _) => Act::Heal(Some(trouble()?)),
        _ => return Err(bad()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::start;
    use crate::scenario::model::Trouble;

    #[test]
    fn what_was_done_comes_back_from_json() {
        let scenario = load::load(start::SCENARIO).expect("the small Internet is good");
        let host = "mx.example.com".to_owned();
        let delay = Trouble::Delay { host: host.clone(), other: None, by: Duration::from_millis(1500) };
        let acts = [
            Act::Line("echo ü; true".to_owned()),
            Act::End,
            Act::Interrupt,
            Act::Edited(None),
            Act::Edited(Some(b"x\n".to_vec())),
            Act::Edited(Some(vec![0xff, 0])),
            Act::Go { host: host.clone(), user: "alice".to_owned() },
            Act::Wait(Duration::from_secs(90)),
            Act::Until { pattern: "x".to_owned(), within: Duration::from_secs(1) },
            Act::Step(2),
            Act::Next(3),
            Act::Freeze,
            Act::Thaw,
            Act::Break("q".to_owned()),
            Act::NoBreaks,
            Act::Fault(delay),
            Act::Heal(Some(Trouble::DiskFull(host))),
            Act::Heal(None),
        ];
        let stops = [None, Some(Stop::Event(7)), Some(Stop::Time(Time::from_nanos(12)))];
        let acts = acts.into_iter().zip(stops.into_iter().cycle()).collect();
        let settings = vec![Setting { host: "mx.example.org".to_owned(), line: "a = b".to_owned() }];
        let mut record = Record::new("02-x", start::SCENARIO);
        record.attempts = vec![Attempt { settings, acts }, Attempt::default()];
        let solved = Some(Solved { attempt: 0, acts: 3 });
        let answers = vec!["550".to_owned()];
        record
            .tasks
            .insert(2, TaskRecord { hints: 1, checks: 2, shown: true, skipped: true, answers, solved });
        let text = record.to_json().to_string();
        let value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(Record::from_json(&value, &scenario), Ok(record));
    }

    #[test]
    fn a_broken_record_is_refused_in_words() {
        let scenario = load::load(start::SCENARIO).expect("the small Internet is good");
        for (text, says) in [
            ("{}", "`attempts` is no list"),
            (
                r#"{"attempts": [{"settings": [], "acts": [{"go": "nowhere", "user": "root"}]}]}"#,
                "the act `go` is not one",
            ),
            (r#"{"attempts": [{"settings": [], "acts": [{"jump": 1}]}]}"#, "the act `jump` is not one"),
            (
                r#"{"attempts": [], "tasks": {"1": {"hints": 0, "checks": 0, "solved": {"attempt": 0, "acts": 1}}}}"#,
                "acts that are not there",
            ),
        ] {
            let value = serde_json::from_str(text).expect("it is JSON");
            let said = Record::from_json(&value, &scenario).expect_err(text);
            assert!(said.contains(says), "{said}");
        }
    }
}
