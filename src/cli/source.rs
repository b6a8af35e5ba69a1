//! Scenario files: finding them, reading them, and saying what is wrong with one.

use maillab::lesson::library::{self, Library};
use maillab::scenario::load;
use maillab::scenario::model::Scenario;
use maillab::scenario::problem::Problem;
use maillab::scenario::yaml::{self, MAX_FILE};
use maillab::view::diagnostic;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The scenario files among paths: files as they are, of folders every `.yaml` in them, in order.
///
/// # Errors
/// A path that is not there, in words.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    find_files(paths, "scenarios (files named *.yaml)", &is_scenario)
}

/// The same, with lessons.
///
/// # Errors
/// A path that is not there, in words.
pub fn find_with_lessons(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let wanted = |path: &Path| is_scenario(path) || library::stem(path).is_some();
    find_files(paths, "scenarios (files named *.yaml) and no lessons", &wanted)
}

fn is_scenario(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml")
}

fn find_files(paths: &[PathBuf], what: &str, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        let meta = fs::metadata(path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
        if !meta.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        folder(path, wanted, &mut found)?;
        if found.len() == before {
            return Err(format!("{}: no {what} in this folder", path.display()));
        }
    }
    Ok(found)
}

fn folder(path: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
    let mut entries: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            folder(&entry, wanted, found)?;
        } else if wanted(&entry) {
            found.push(entry);
        }
    }
    Ok(())
}

/// A scenario and the text it was read from.
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// The file.
    pub text: String,
    /// What it says.
    pub scenario: Scenario,
}

impl Source {
    /// What is wrong with it, ready to be printed.
    pub fn complaint(&self, problem: &Problem, colour: bool) -> String {
        diagnostic::render(problem, &self.path.display().to_string(), &self.text, colour)
    }
}

/// Reads a scenario.
///
/// # Errors
/// What is wrong with it, ready to be printed.
pub fn read(path: &Path, colour: bool) -> Result<Source, String> {
    let text = read_text(path, colour)?;
    match load::load(&text) {
        Ok(scenario) => Ok(Source { path: path.to_owned(), text, scenario }),
        Err(problem) => Err(diagnostic::render(&problem, &path.display().to_string(), &text, colour)),
    }
}

/// Reads a lesson, with the scenarios beside it.
///
/// # Errors
/// What is wrong with it, ready to be printed.
pub fn read_lesson(path: &Path, colour: bool) -> Result<(), String> {
    let text = read_text(path, colour)?;
    let library = Library::new(Some(path.parent().unwrap_or(Path::new(""))));
    match library.parse(&name(path), &text) {
        Ok(_) => Ok(()),
        Err(problem) => Err(diagnostic::render(&problem, &path.display().to_string(), &text, colour)),
    }
}

/// Reads a file of text.
fn read_text(path: &Path, colour: bool) -> Result<String, String> {
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|e| format!("error: {shown}: {}", plain(&e)))?;
    // One octet more than may be, so that a file that is too large is seen to be.
    let read = file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| format!("error: {shown}: {}", plain(&e)))?;
    if bytes.len() > MAX_FILE {
        return Err(diagnostic::render(&yaml::too_large(), &shown, "", colour));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(e.as_bytes()).into_owned();
        let problem = Problem::new(at..at, "this is not UTF-8").expected("text in UTF-8");
        diagnostic::render(&problem, &shown, &text, colour)
    })
}

/// An error of the machine's without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The name of a scenario: its file's, without the ending.
pub fn name(path: &Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Where the snapshot of a scenario's trace lies.
pub fn snapshot(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join("snapshots").join(format!("{}.snap", name(path)))
}
