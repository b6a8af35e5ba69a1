//! A chapter: its directives found, and each put in place of what it makes.

use super::{Repository, format, index, reference, show};

/// A directive as it stands in a chapter.
#[derive(Debug, PartialEq, Eq)]
pub struct Directive<'c> {
    /// What it is: `run`, `lesson`, `reference`.
    pub verb: &'c str,
    /// The words behind it without a `=`.
    pub words: Vec<&'c str>,
    /// Its settings.
    pub settings: Vec<(&'c str, &'c str)>,
    /// What stands in the fence.
    pub body: &'c str,
}

/// What is wrong, and how many lines below the directive's first.
pub type Wrong = (usize, String);

/// The chapter with all directives done.
///
/// # Errors
/// All mistakes, each with its line.
pub fn render(repository: &Repository, chapter: &str) -> Result<String, Vec<(usize, String)>> {
    let (mut out, mut wrong) = (String::with_capacity(chapter.len()), Vec::new());
    for part in parts(chapter) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Fence { line, info, body } => {
                match parse(info, body).and_then(|d| carry_out(repository, &d)) {
                    Ok(text) => {
                        out.push_str(&text);
                        out.push('\n');
                    }
                    Err((below, what)) => wrong.push((line + below, what)),
                }
            }
        }
    }
    if wrong.is_empty() { Ok(out) } else { Err(wrong) }
}

fn carry_out(repository: &Repository, d: &Directive<'_>) -> Result<String, Wrong> {
    let first = |what: String| (0, what);
    match (d.verb, d.words.as_slice()) {
        ("run", []) => show::run(repository, d),
        ("lesson", [name]) if d.settings.is_empty() => reference::lesson(repository, name).map_err(first),
        ("reference", [what]) if d.settings.is_empty() => match *what {
            "commands" => Ok(reference::commands()),
            "programs" => Ok(reference::programs(repository)),
            "parameters" => reference::parameters(repository).map_err(first),
            "features" => reference::features(repository).map_err(first),
            "format" => Ok(format::scenarios()),
            "lessons" => reference::lessons(repository).map_err(first),
            "scenarios" => reference::scenarios(repository).map_err(first),
            "index" => index::render(repository).map_err(first),
            _ => Err(first(format!("there is no reference `{what}`"))),
        },
        (verb, words) => Err(first(format!(
            "`maillab {}` is no directive: run on=NAME, lesson NAME, reference WHAT",
            [&[verb], words].concat().join(" ")
        ))),
    }
}

enum Part<'c> {
    Text(&'c str),
    /// A directive: the line of its opening fence, from 1.
    Fence {
        line: usize,
        info: &'c str,
        body: &'c str,
    },
}

/// Cuts a chapter at its directives. One inside another fence is text.
fn parts(chapter: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    // The fence that is open: how many backquotes, where it and its body begin, and its info string.
    let mut open: Option<(usize, usize, usize, &str, usize)> = None;
    let (mut at, mut text) = (0, 0);
    for (n, line) in chapter.split_inclusive('\n').enumerate() {
        let bare = line.trim();
        let ticks = bare.len() - bare.trim_start_matches('`').len();
        let end = at + line.len();
        match open {
            None if ticks >= 3 => open = Some((ticks, at, end, bare.trim_start_matches('`').trim(), n + 1)),
            Some((wanted, start, body, info, number)) if ticks >= wanted && ticks == bare.len() => {
                if let Some(info) = info.strip_prefix("maillab ") {
                    parts.push(Part::Text(&chapter[text..start]));
                    parts.push(Part::Fence { line: number, info, body: &chapter[body..at] });
                    text = end;
                }
                open = None;
            }
            _ => {}
        }
        at = end;
    }
    parts.push(Part::Text(&chapter[text..]));
    parts
}

fn parse<'c>(info: &'c str, body: &'c str) -> Result<Directive<'c>, Wrong> {
    let mut d = Directive { verb: "", words: Vec::new(), settings: Vec::new(), body };
    let mut rest = info.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let Some(value) = behind.strip_prefix('=') else {
            if d.verb.is_empty() {
                d.verb = word
            } else {
                d.words.push(word)
            }
            rest = behind.trim_start();
            continue;
        };
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => {
                quoted.split_once('"').ok_or_else(|| (0, format!("`{word}=` has no closing quote")))?
            }
            None => value.split_once(' ').unwrap_or((value, "")),
        };
        d.settings.push((word, value));
        rest = behind.trim_start();
    }
    Ok(d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_has_words_settings_and_a_body() {
        let d = parse("run on=small-internet of=\"to=<x> y\" step=2", "- note: a\n");
        let settings = vec![("on", "small-internet"), ("of", "to=<x> y"), ("step", "2")];
        assert_eq!(d, Ok(Directive { verb: "run", words: vec![], settings, body: "- note: a\n" }));
        assert!(parse("run of=\"x", "").is_err());
    }

    #[test]
    fn only_fences_of_their_own_are_directives() {
        let chapter = "a\n````markdown\n```maillab run\n```\n````\n```maillab lesson x\nb\n```\nc\n";
        let found: Vec<_> = parts(chapter)
            .into_iter()
            .filter_map(|p| match p {
                Part::Fence { line, info, body } => Some((line, info, body)),
                Part::Text(_) => None,
            })
            .collect();
        assert_eq!(found, [(6, "lesson x", "b\n")]);
    }
}
