//! `maillab learn`: the list of lessons, opening one, forgetting one.

use super::course::Course;
use super::journal::{Record, digest};
use super::library::Library;
use super::model::Lesson;
use crate::repl::front;
use crate::repl::session::Session;
use serde_json::Value;
use std::fs;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The largest record that is read, in octets.
const MAX_RECORD: u64 = 64 << 20;

/// Lessons, and what is kept of them.
pub struct Learning {
    /// The lessons.
    pub library: Library,
    /// Where what is kept lies; `None` where nothing can be.
    pub folder: Option<PathBuf>,
    /// In colour?
    pub colour: bool,
}

impl Learning {
    /// The lessons of a folder, or the program's own, with what this user has done of them.
    pub fn new(lessons: Option<&Path>, colour: bool) -> Learning {
        let folder = front::state_folder().map(|f| f.join("lessons"));
        Learning { library: Library::new(lessons), folder, colour }
    }

    /// Prints the lessons, each with how far one has come; gives the exit status.
    ///
    /// # Errors
    /// What is wrong with the lessons, ready to be printed.
    pub fn list(&self) -> Result<u8, String> {
        let mut out = String::new();
        for stem in self.library.stems()? {
            let lesson = self.library.read(&stem, self.colour)?;
            let state = match self.record(&lesson) {
                Ok(Some(record)) if record.solved() >= lesson.tasks.len() => "done".to_owned(),
                Ok(Some(record)) if record.is_begun() => {
                    format!("{} of {}", record.solved(), lesson.tasks.len())
                }
                Ok(_) => format!("{} min", lesson.minutes),
                Err(why) => why,
            };
            let width = 62;
            let mut title = lesson.title.clone();
            if title.chars().count() > width {
                title = title.chars().take(width - 1).collect::<String>() + "…";
            }
            out.push_str(&format!("  {:>2}  {title:<width$}  {state}\n", lesson.number));
        }
        print!("{out}\n  maillab learn 2      opens a lesson; a part of its name will do\n");
        Ok(0)
    }

    /// Opens a lesson in the lab, where it was left; gives the exit status.
    ///
    /// # Errors
    /// What is wrong with it, ready to be printed.
    pub fn open(&self, what: &str) -> Result<u8, String> {
        let lesson = Rc::new(self.library.read(&self.library.find(what)?, self.colour)?);
        let terminal = std::io::stdin().is_terminal();
        let record = match self.record(&lesson) {
            Ok(record) => record,
            Err(why) => {
                self.set_aside(&lesson.stem, &why);
                None
            }
        };
        let mut record = record.unwrap_or_else(|| Record::new(&lesson.stem, &lesson.source));
        let mut session = start(&lesson, !terminal, self.colour)?;
        if let Some(attempt) = record.attempts.last()
            && session.resume(attempt.settings.clone(), &attempt.acts).is_err()
        {
            self.set_aside(&lesson.stem, "its settings are not for these hosts");
            record = Record::new(&lesson.stem, &lesson.source);
        }
        // Whoever logged out everywhere sits down again.
        if session.lab().place().is_none() {
            let (host, user) = lesson.seat.clone();
            session.act(crate::repl::act::Act::Go { host, user });
        }
        let course = Course::new(lesson.clone(), record, self.file(&lesson.stem));
        println!("{}", course.opening(&session));
        session.follow(Box::new(course));
        Ok(match terminal {
            true => front::at_terminal(session, self.colour),
            false => front::from_pipe(session, self.colour),
        })
    }

    /// Forgets a lesson, or all; gives the exit status.
    ///
    /// # Errors
    /// When there is no such lesson, or its record cannot be removed.
    pub fn forget(&self, what: Option<&str>) -> Result<u8, String> {
        let stems = match what {
            Some(what) => vec![self.library.find(what)?],
            None => self.library.stems()?,
        };
        let mut forgotten = 0;
        for file in stems.iter().filter_map(|s| self.file(s)) {
            match fs::remove_file(&file) {
                Ok(()) => forgotten += 1,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(format!("error: {}: {e}", file.display())),
            }
        }
        match (forgotten, stems.as_slice()) {
            (0, _) => println!("Nothing was kept."),
            (1, [stem]) => println!("{stem} begins anew."),
            (n, _) => println!("{n} lessons begin anew."),
        }
        Ok(0)
    }

    /// What is kept of a lesson.
    ///
    /// # Errors
    /// Why it cannot be used, in a few words.
    pub fn record(&self, lesson: &Lesson) -> Result<Option<Record>, String> {
        let Some(file) = self.file(&lesson.stem) else { return Ok(None) };
        let size = match fs::metadata(&file) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        if size > MAX_RECORD {
            return Err("what was kept of it is too large".to_owned());
        }
        let text = fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let value: Value =
            serde_json::from_str(&text).map_err(|_| "what was kept of it is damaged".to_owned())?;
        let record = Record::from_json(&value, &lesson.scenario)
            .map_err(|why| format!("what was kept of it is damaged: {why}"))?;
        fits(&record, lesson)?;
        Ok(Some(record))
    }

    fn file(&self, stem: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|f| f.join(format!("{stem}.json")))
    }

    /// Keeps a record that cannot be used under another name, and says so.
    fn set_aside(&self, stem: &str, why: &str) {
        let Some(file) = self.file(stem) else { return };
        let aside = file.with_extension("json.old");
        let moved = fs::rename(&file, &aside);
        let where_to = match moved {
            Ok(()) => format!("; it is kept as {}", aside.display()),
            Err(e) => format!("; it cannot be put aside: {e}"),
        };
        eprintln!("note: the lesson begins anew: {why}{where_to}");
    }
}

/// A session on a lesson's hosts.
///
/// # Errors
/// What is wrong with its scenario, ready to be printed.
pub fn start(lesson: &Lesson, quiet: bool, colour: bool) -> Result<Session, String> {
    Session::on(lesson.source.clone(), lesson.title.clone(), lesson.seat.clone(), quiet, colour)
}

/// Is a record one of this lesson as it is now?
///
/// # Errors
/// Why not, in a few words.
pub fn fits(record: &Record, lesson: &Lesson) -> Result<(), String> {
    if record.hosts != digest(&lesson.source) {
        return Err("its hosts are others than they were".to_owned());
    }
    if record.tasks.keys().any(|n| *n == 0 || *n > lesson.tasks.len()) {
        return Err("its tasks are others than they were".to_owned());
    }
    Ok(())
}
