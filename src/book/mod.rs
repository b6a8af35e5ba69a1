//! The course as a book: a preprocessor for mdBook that runs scenarios and writes references.
//!
//! - [`mdbook`]: what mdBook says on standard input, and what it hears
//! - [`chapter`]: the directives of a chapter
//! - [`show`]: `run`: a scenario, and what is shown of it
//! - [`reference`](mod@reference), [`format`](mod@format): commands, parameters, what is left out; the format of scenarios
//! - [`index`]: from LPIC-2's terms to lessons, scenarios and parameters
//!
//! # Directives
//!
//! A directive is a fenced block whose info string begins with `maillab`; what stands in the fence is
//! data. In a book without the preprocessor it is a block of code, so chapters stay plain Markdown.
//! A value with blanks stands between double quotes.
//!
//! ````markdown
//! ```maillab run on=relay-denial step=2 show=transcript,flow
//! ```
//!
//! ```maillab run on=small-internet step=2
//! - host: lpic2-study-1
//!   as: wand
//!   shell: $ date | mail -s hello alice@example.com
//! - host: mx.example.com
//!   shell: $ cat /var/mail/alice
//! ```
//!
//! ```maillab lesson 02-smtp-by-hand
//! ```
//!
//! ```maillab reference commands
//! ```
//! ````
//!
//! - `run` runs the scenario that `on` names: `book/hosts/NAME.yaml`, which has no steps, with those in the
//!   fence; `small-internet`, the lab's own hosts, likewise; or `scenarios/NAME.yaml` with its own steps.
//!   What the steps expect must come, or the book is not built. `show` names one or more of:
//!   `transcript` (the default), of the steps in `step` or all · `flow`, a picture of the way of the letter
//!   with the queue id `of`, or of the newest · `trace`, the events with `of` in their line · `why`, the
//!   explanation of `of` (see [`crate::view::why::Subject::parse`]) · `queue` · `source`, the hosts as they
//!   stand in the file.
//! - `lesson NAME` sends the reader into a lesson.
//! - `reference` is one of `commands`, `programs`, `parameters`, `features`, `format`, `scenarios`, `index`.
//!
//! A mistake fails the build; it is told with the chapter's file and line.
//!
//! Further languages are further folders beside `book/en`; they share the hosts and the data of the index.

pub mod chapter;
pub mod format;
pub mod index;
pub mod mdbook;
pub mod reference;
pub mod show;

use crate::lesson::library::Library;
use crate::lesson::model::Lesson;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository that the book tells of.
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository in a folder.
    ///
    /// # Errors
    /// When that folder holds none, in words.
    pub fn new(root: &Path) -> Result<Repository, String> {
        if !root.join("scenarios").is_dir() {
            return Err(format!("{}: no folder of scenarios is in there", root.display()));
        }
        Ok(Repository { root: root.to_owned() })
    }

    /// The text of a file, by its path from the root.
    ///
    /// # Errors
    /// When it cannot be read, in words.
    pub fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.root.join(path)).map_err(|e| format!("{path}: {e}"))
    }

    /// The files below a folder with this ending, by their paths from the root, sorted.
    pub fn files(&self, folder: &str, ending: &str) -> Vec<String> {
        let mut found = Vec::new();
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        for entry in entries {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                found.extend(self.files(&path, ending));
            } else if path.ends_with(ending) {
                found.push(path);
            }
        }
        found.sort();
        found
    }

    /// The lessons, in the order of the course.
    ///
    /// # Errors
    /// What is wrong with one, ready to be printed.
    pub fn lessons(&self) -> Result<Vec<Lesson>, String> {
        let library = Library::new(Some(&self.root.join("lessons")));
        library.stems()?.iter().map(|stem| library.read(stem, false)).collect()
    }
}

/// A text between pipes of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A text as code in a cell.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let ticks = if text.contains('`') { "``" } else { "`" };
    cell(&format!("{ticks}{text}{ticks}"))
}
