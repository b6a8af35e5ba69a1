//! The teacher's report: what was solved and how, as JSON and Markdown; and its proof, by doing it
//! all again.
//!
//! The JSON holds the records of all lessons that were begun (see [`super::journal`]). To verify it, each
//! attempt is done again in a world of its own, and each task that is said to be solved is checked
//! where it was.

use super::check::{self, Verdict};
use super::journal::{Attempt, Record, Solved, TaskRecord};
use super::learn::{Learning, fits, start};
use super::model::Lesson;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::Path;

impl Learning {
    /// Writes the report, as `path` with `.json` and with `.md`; gives the exit status.
    ///
    /// # Errors
    /// A file that cannot be written, or a lesson that cannot be read.
    pub fn report(&self, path: &Path) -> Result<u8, String> {
        let base = match path.extension().and_then(|e| e.to_str()) {
            Some("json" | "md") => path.with_extension(""),
            _ => path.to_owned(),
        };
        let mut lessons: Vec<(Lesson, Record)> = Vec::new();
        for stem in self.library.stems()? {
            let lesson = self.library.read(&stem, self.colour)?;
            match self.record(&lesson) {
                Ok(Some(record)) if record.is_begun() => lessons.push((lesson, record)),
                Ok(_) => {}
                Err(why) => eprintln!("note: {stem} is left out: {why}"),
            }
        }
        let records = lessons.iter().map(|(lesson, record)| {
            let mut out = record.to_json();
            out["title"] = json!(lesson.title);
            out["of"] = json!(lesson.tasks.len());
            out
        });
        let report = json!({"maillab": env!("CARGO_PKG_VERSION"), "lessons": records.collect::<Vec<_>>()});
        for (ending, text) in [("json", format!("{report:#}\n")), ("md", markdown(&lessons))] {
            let file = std::path::PathBuf::from(format!("{}.{ending}", base.display()));
            fs::write(&file, text).map_err(|e| format!("error: {}: {e}", file.display()))?;
            println!("{}", file.display());
        }
        Ok(0)
    }

    /// Does again what a report tells, and says what does not hold; gives the exit status.
    ///
    /// # Errors
    /// A file that is no report.
    pub fn verify(&self, path: &Path) -> Result<u8, String> {
        let wrong = |why: &str| format!("error: {}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|e| wrong(&e.to_string()))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|e| wrong(&format!("this is not JSON: {e}")))?;
        let lessons =
            value["lessons"].as_array().ok_or_else(|| wrong("this is no report: it has no `lessons`"))?;
        let mut bad = 0;
        for record in lessons {
            let name = record["lesson"].as_str().unwrap_or("a lesson without a name").to_owned();
            match self.verify_lesson(record) {
                Ok((0, solved)) => println!("  holds  {name}: {solved} solved"),
                Ok((failed, solved)) => {
                    println!("  FAILS  {name}: {failed} of {solved}");
                    bad += 1;
                }
                Err(why) => {
                    println!("  FAILS  {name}: {why}");
                    bad += 1;
                }
            }
        }
        Ok(u8::from(bad > 0))
    }

    /// Does a lesson again; gives how many tasks were not solved, and how many are said to be.
    fn verify_lesson(&self, value: &Value) -> Result<(usize, usize), String> {
        let name = value["lesson"].as_str().ok_or("it has no name")?;
        let known = self.library.stems()?.iter().any(|s| s == name);
        let lesson = if known {
            self.library.read(name, self.colour)?
        } else {
            return Err("there is no such lesson".to_owned());
        };
        let record = Record::from_json(value, &lesson.scenario)?;
        fits(&record, &lesson)?;
        let mut failed = 0;
        for (number, task) in &record.tasks {
            let Some(solved) = task.solved else { continue };
            if let Err(why) = holds(&lesson, &record, *number, task, solved) {
                println!("         {name}, task {number}: {why}");
                failed += 1;
            }
        }
        Ok((failed, record.solved()))
    }
}

/// Was a task solved as it is said to be?
fn holds(
    lesson: &Lesson,
    record: &Record,
    number: usize,
    entry: &TaskRecord,
    solved: Solved,
) -> Result<(), String> {
    let task = check::task(lesson, number).ok_or("there is no such task")?;
    if let Some(question) = &task.question {
        let given = entry.answers.last().ok_or("its question was not answered")?;
        question.take(given).map_err(|_| format!("`{given}` does not answer its question"))?;
    }
    let Attempt { settings, acts } = record.attempts.get(solved.attempt).ok_or("it was done nowhere")?;
    let mut session = start(lesson, true, false)?;
    session.resume(settings.clone(), acts.get(..solved.acts).unwrap_or_default())?;
    match check::check(task, session.lab())? {
        Verdict::Solved => Ok(()),
        Verdict::NotYet(why) => Err(why),
    }
}

/// The report for people.
fn markdown(lessons: &[(Lesson, Record)]) -> String {
    let mut out = "# Lessons\n".to_owned();
    if lessons.is_empty() {
        out.push_str("\nNone was begun.\n");
    }
    for (lesson, record) in lessons {
        let (solved, all) = (record.solved(), lesson.tasks.len());
        let _ = write!(out, "\n## {} ({solved} of {all})\n\n", lesson.title);
        out.push_str(
            "| task | | hints | checks in vain | solution shown |\n| --- | --- | --- | --- | --- |\n",
        );
        for (n, task) in (1..).zip(&lesson.tasks) {
            let entry = record.tasks.get(&n).cloned().unwrap_or_default();
            let state = match (entry.solved.is_some(), entry.skipped) {
                (true, _) => "solved",
                (false, true) => "skipped",
                (false, false) => "",
            };
            let shown = if entry.shown { "yes" } else { "" };
            let _ = writeln!(
                out,
                "| {n}. {} | {state} | {} | {} | {shown} |",
                cell(&task.title),
                entry.hints,
                entry.checks
            );
        }
        for (n, entry) in record.tasks.iter().filter(|(_, t)| !t.answers.is_empty()) {
            let _ = writeln!(
                out,
                "\nAnswers to task {n}: {}",
                entry.answers.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ")
            );
        }
        for (n, attempt) in (1..).zip(&record.attempts) {
            let _ = write!(
                out,
                "\nWhat was done{}:\n\n```text\n",
                if record.attempts.len() > 1 { format!(", attempt {n}") } else { String::new() }
            );
            for setting in &attempt.settings {
                let _ = writeln!(out, ":what-if {}: {}", setting.host, setting.line);
            }
            for (act, _) in &attempt.acts {
                let _ = writeln!(out, "{}", act.to_string().replace("```", "` ` `"));
            }
            out.push_str("```\n");
        }
    }
    out
}

/// A text in a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
