//! A problem in a file, shown with the text it is about.

use crate::scenario::model::Span;
use crate::scenario::problem::Problem;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

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
    let window = Window::around(source, &problem.span, AROUND);
    let also = problem.also.as_ref();
    let mut snippet = window.snippet(path);
    let primary = AnnotationKind::Primary.span(window.place(&problem.span));
    snippet = snippet.annotation(labelled(primary, &problem.label));
    if let Some((span, text)) = also.filter(|(span, _)| window.holds(span)) {
        snippet = snippet.annotation(labelled(AnnotationKind::Context.span(window.place(span)), text));
    }
    let title_level = if level.is_empty() { Level::NOTE.no_name() } else { Level::ERROR };
    let mut group: Group<'_> = title_level.primary_title(title).element(snippet);
    let far = also.filter(|(span, _)| !window.holds(span));
    let far = far.map(|(span, text)| (Window::around(source, span, 0), span, text));
    if let Some((window, span, text)) = &far {
        let annotation = labelled(AnnotationKind::Context.span(window.place(span)), text);
        group = group.element(window.snippet(path).annotation(annotation));
    }
    for note in &problem.notes {
        group = group.element(Level::NOTE.no_name().message(note.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let out = renderer.term_width(100).render(&[group]);
    let out = window.true_column(out, path, source, &problem.span);
    match &far {
        Some((window, span, _)) => window.true_column(out, path, source, span),
        None => out,
    }
}

fn labelled<'t>(annotation: Annotation<'t>, label: &'t str) -> Annotation<'t> {
    if label.is_empty() { annotation } else { annotation.label(label) }
}

/// The lines around a place, so that a large file is not copied.
struct Window<'s> {
    text: &'s str,
    first_line: usize,
    /// Where the text starts in the file.
    start: usize,
}

impl<'s> Window<'s> {
    fn around(source: &'s str, span: &Span, lines: usize) -> Window<'s> {
        let at = floor(source, span.start.min(source.len()));
        let mut start = source[..at].rfind('\n').map_or(0, |n| n + 1);
        for _ in 0..lines {
            start = source[..start.saturating_sub(1)].rfind('\n').map_or(0, |n| n + 1).min(start);
        }
        let start = floor(source, start.max(at.saturating_sub(LONGEST)));
        let mut end = at;
        for _ in 0..=lines {
            end = source[end..].find('\n').map_or(source.len(), |n| end + n + 1);
        }
        let end = floor(source, end.min(at + 2 * LONGEST));
        let first_line = source[..start].matches('\n').count() + 1;
        Window { text: source[start..end].trim_end_matches(['\n', '\r']), first_line, start }
    }

    fn snippet<'t>(&self, path: &'t str) -> Snippet<'t, Annotation<'t>>
    where
        's: 't,
    {
        Snippet::source(self.text).path(path).line_start(self.first_line).fold(false)
    }

    /// A report in which the column is that of the file, where this text begins within a line.
    fn true_column(&self, report: String, path: &str, source: &str, span: &Span) -> String {
        let line = |text: &str| text.rfind('\n').map_or(0, |n| n + 1);
        let at = self.start + self.place(span).start;
        let (cut, whole) = (line(&source[self.start..at]) + self.start, line(&source[..at]));
        if cut == whole {
            return report;
        }
        let number = self.first_line + source[self.start..at].matches('\n').count();
        let place = |start: usize| format!("{path}:{number}:{}", source[start..at].chars().count() + 1);
        report.replacen(&place(cut), &place(whole), 1)
    }

    fn holds(&self, span: &Span) -> bool {
        span.start >= self.start && span.end <= self.start + self.text.len()
    }

    /// A span of the file within the text, one character wide at least.
    fn place(&self, span: &Span) -> Span {
        let start = floor(self.text, span.start.saturating_sub(self.start).min(self.text.len()));
        let end = floor(self.text, span.end.saturating_sub(self.start).clamp(start, self.text.len()));
        start..if end == start { end + next_len(self.text, end) } else { end }
    }
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
