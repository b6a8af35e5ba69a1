//! Where lessons are: those that come with the program, or those of a folder.

use super::load;
use super::model::Lesson;
use crate::repl::start;
use crate::scenario::problem::Problem;
use crate::view::diagnostic;
use include_dir::{Dir, include_dir};
use std::fs;
use std::path::{Path, PathBuf};

/// The lessons that come with the program.
static OWN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/lessons");
/// The scenario that the lab opens with, by its name in lessons.
const SMALL_INTERNET: &str = "small-internet";

/// Lessons.
pub struct Library {
    folder: Option<PathBuf>,
}

impl Library {
    /// The lessons of a folder; `None` for the program's own.
    pub fn new(folder: Option<&Path>) -> Library {
        Library { folder: folder.map(Path::to_owned) }
    }

    /// The names of the lessons, in the order of the course.
    ///
    /// # Errors
    /// A folder that cannot be read or has none, in words.
    pub fn stems(&self) -> Result<Vec<String>, String> {
        let mut stems: Vec<String> = match &self.folder {
            Some(folder) => {
                let entries =
                    fs::read_dir(folder).map_err(|e| format!("error: {}: {e}", folder.display()))?;
                entries.flatten().filter_map(|e| stem(&e.path())).collect()
            }
            None => OWN.files().filter_map(|f| stem(f.path())).collect(),
        };
        stems.sort();
        match (&self.folder, stems.is_empty()) {
            (Some(folder), true) => Err(format!(
                "error: {}: no lessons (files such as 02-smtp-by-hand.md) in this folder",
                folder.display()
            )),
            _ => Ok(stems),
        }
    }

    /// Reads a lesson.
    ///
    /// # Errors
    /// What is wrong with it, ready to be printed.
    pub fn read(&self, stem: &str, colour: bool) -> Result<Lesson, String> {
        let name = format!("{stem}.md");
        let path = self.folder.as_deref().unwrap_or(Path::new("lessons")).join(&name);
        let text = self.text(&name).ok_or_else(|| format!("error: {}: it cannot be read", path.display()))?;
        self.parse(stem, &text)
            .map_err(|p| diagnostic::render(&p, &path.display().to_string(), &text, colour))
    }

    /// Reads the text of a lesson.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(&self, stem: &str, text: &str) -> Result<Lesson, Problem> {
        load::load(stem, text, &|name| self.scenario(name))
    }

    /// The text of a scenario that lessons share.
    fn scenario(&self, name: &str) -> Option<String> {
        if name == SMALL_INTERNET {
            return Some(start::SCENARIO.to_owned());
        }
        // A name, and no way out of the folder.
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        plain.then(|| self.text(&format!("hosts/{name}.yaml"))).flatten()
    }

    fn text(&self, path: &str) -> Option<String> {
        match &self.folder {
            Some(folder) => fs::read_to_string(folder.join(path)).ok(),
            None => OWN.get_file(path).and_then(|f| f.contents_utf8()).map(str::to_owned),
        }
    }

    /// The lesson that is meant: its number, its name or a part of that.
    ///
    /// # Errors
    /// When it is none or may be several, in words.
    pub fn find(&self, what: &str) -> Result<String, String> {
        let stems = self.stems()?;
        let number = what.parse::<u32>().ok();
        let is = |stem: &&String| match number {
            Some(n) => stem.split('-').next().and_then(|s| s.parse().ok()) == Some(n),
            None => stem.contains(&what.to_lowercase()),
        };
        let exact = stems
            .iter()
            .find(|s| s.as_str() == what || s.split_once('-').is_some_and(|(_, name)| name == what));
        let found: Vec<&String> = stems.iter().filter(is).collect();
        match (exact, found.as_slice()) {
            (Some(one), _) => Ok(one.clone()),
            (None, [one]) => Ok((*one).clone()),
            (None, []) => Err(format!("error: there is no lesson `{what}`\n  = `maillab learn` lists them")),
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|s| s.as_str()).collect();
                Err(format!("error: `{what}` may be {}", names.join(" or ")))
            }
        }
    }
}

/// The name of a lesson's file, without its ending; `None` where it is no lesson's.
pub fn stem(path: &Path) -> Option<String> {
    let numbered = |s: &str| s.starts_with(|c: char| c.is_ascii_digit());
    let stem = path.file_stem()?.to_str().filter(|s| numbered(s))?;
    (path.extension()? == "md").then(|| stem.to_owned())
}
