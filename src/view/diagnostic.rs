//! A problem in a file, shown with the text it is about.

use crate::scenario::model::Span;
use crate::scenario::problem::Problem;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Lines shown before and after the text.
const AROUND: usize = 1;
/// The most of one line that is shown, in octets.
const LONGEST: usize = 240;

/// The problem as it is printed, without a line end behind it.
pub fn render(problem: &Problem, path: &str, source: &str, colour: bool) -> String {
    show(&problem.message, "error", problem, path, source, colour)
}

/// The same for a report that is no error of the file: `title` stands on top.
pub fn report(title: &str, problem: &Problem, path: &str, source: &str, colour: bool) -> String {
    show(title, "", problem, path, source, colour)
}

fn show(title: &str, level: &str, problem: &Problem, path: &str, source: &str, colour: bool) -> String {
    if source.is_empty() {
        let mut out = if level.is_empty() { title.to_owned() } else { format!("{level}: {title}") };
        out.push_str(&format!("\n --> {path}:1:1"));
        if !problem.label.is_empty() {
            out.push_str(&format!("\n  = {}", problem.label));
        }
        return out;
    }
    let (part, first_line, shift) = window(source, &problem.span);
    let place = |span: &Span| {
        let start = span.start.saturating_sub(shift).min(part.len());
        let end = span.end.saturating_sub(shift).clamp(start, part.len());
        start..if end == start && end < part.len() { end + next_len(part, end) } else { end }
    };
    let mut snippet = Snippet::source(part).path(path).line_start(first_line).fold(false);
    let mut annotation = AnnotationKind::Primary.span(place(&problem.span));
    if !problem.label.is_empty() {
        annotation = annotation.label(problem.label.as_str());
    }
    snippet = snippet.annotation(annotation);
    if let Some((span, text)) = &problem.also
        && span.start >= shift
        && span.end <= shift + part.len()
    {
        snippet = snippet.annotation(AnnotationKind::Context.span(place(span)).label(text.as_str()));
    }
    let title_level = if level.is_empty() { Level::NOTE.no_name() } else { Level::ERROR };
    let mut group: Group<'_> = title_level.primary_title(title).element(snippet);
    if let Some((span, text)) = &problem.also
        && (span.start < shift || span.end > shift + part.len())
    {
        let line = source[..span.start].matches('\n').count() + 1;
        group = group.element(Level::NOTE.no_name().message(format!("{text}: {path}:{line}")));
    }
    for note in &problem.notes {
        group = group.element(Level::NOTE.no_name().message(note.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(100).render(&[group])
}

/// The lines around a place, so that a large file is not copied: the text, its first line's
/// number, and where it starts.
fn window<'s>(source: &'s str, span: &Span) -> (&'s str, usize, usize) {
    let at = floor(source, span.start.min(source.len()));
    let mut start = source[..at].rfind('\n').map_or(0, |n| n + 1);
    for _ in 0..AROUND {
        start = source[..start.saturating_sub(1)].rfind('\n').map_or(0, |n| n + 1).min(start);
    }
    let start = floor(source, start.max(at.saturating_sub(LONGEST)));
    let mut end = at;
    for _ in 0..=AROUND {
        end = source[end..].find('\n').map_or(source.len(), |n| end + n + 1);
    }
    let end = floor(source, end.min(at + 2 * LONGEST));
    let first_line = source[..start].matches('\n').count() + 1;
    (source[start..end].trim_end_matches('\n'), first_line, start)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn next_len(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}
