//! Markdown as lessons use it: headings, fenced blocks, and text on a screen.

use crate::scenario::model::Span;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

/// How wide a text on the screen is, in columns.
const WIDTH: usize = 78;
/// Stands for a space at which no line may end.
const FIXED: char = '\u{a0}';

/// A heading and the text below it, up to the next of its level or a higher one.
pub struct Section {
    /// Its level, from 1.
    pub level: usize,
    /// Its words.
    pub title: String,
    /// Where the heading stands.
    pub span: Span,
    /// Where the text below it stands, up to the next heading of any level.
    pub body: Span,
}

/// A fenced block.
pub struct Fence {
    /// What stands behind the opening fence.
    pub info: String,
    /// Where its lines stand.
    pub span: Span,
}

/// The headings of levels 1 to 3 in a part of a file.
pub fn sections(source: &str, part: Span) -> Vec<Section> {
    let text = source.get(part.clone()).unwrap_or_default();
    let mut found: Vec<Section> = Vec::new();
    let mut inside = false;
    for (event, span) in Parser::new(text).into_offset_iter() {
        let span = part.start + span.start..part.start + span.end;
        match event {
            Event::Start(Tag::Heading { level, .. }) if level <= HeadingLevel::H3 => {
                if let Some(last) = found.last_mut() {
                    last.body.end = span.start;
                }
                inside = true;
                let body = span.end..part.end;
                found.push(Section { level: level as usize, title: String::new(), span, body });
            }
            Event::End(TagEnd::Heading(_)) => inside = false,
            Event::Text(words) | Event::Code(words) if inside => {
                if let Some(last) = found.last_mut() {
                    last.title.push_str(&words);
                }
            }
            _ => {}
        }
    }
    found
}

/// The fenced blocks in a part of a file.
pub fn fences(source: &str, part: Span) -> Vec<Fence> {
    let text = source.get(part.clone()).unwrap_or_default();
    let mut found: Vec<Fence> = Vec::new();
    let mut inside = false;
    for (event, span) in Parser::new(text).into_offset_iter() {
        let span = part.start + span.start..part.start + span.end;
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                inside = true;
                found.push(Fence { info: info.to_string(), span: span.end..span.start });
            }
            // The lines of a block come one by one.
            Event::Text(_) if inside => {
                if let Some(last) = found.last_mut() {
                    last.span = last.span.start.min(span.start)..last.span.end.max(span.end);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                inside = false;
                if let Some(last) = found.last_mut().filter(|f| f.span.start >= f.span.end) {
                    last.span = last.span.end..last.span.end;
                }
            }
            _ => {}
        }
    }
    found
}

/// A text in lines for a screen, indented by two columns, paragraphs apart.
pub fn screen(markdown: &str) -> String {
    let mut out = Screen::default();
    for event in Parser::new(markdown) {
        out.event(event);
    }
    out.text
}

/// The first sentence of a text, without marks.
pub fn first_sentence(markdown: &str) -> String {
    let text = screen(markdown);
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let ends = |w: &&str| w.ends_with(['.', '!', '?']) && !matches!(*w, "e.g." | "i.e.");
    let taken = words.iter().position(ends).map_or(words.len(), |n| n + 1);
    words[..taken].join(" ")
}

/// A text being laid out.
#[derive(Default)]
struct Screen {
    text: String,
    /// The paragraph so far.
    words: String,
    /// What stands before the next paragraph: a list's mark.
    mark: Option<String>,
    /// For each list that is open, the number of its next item.
    lists: Vec<Option<u64>>,
    /// Inside a block of code.
    code: bool,
}

impl Screen {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => {
                self.paragraph();
                self.apart();
                self.code = true;
            }
            Event::End(TagEnd::CodeBlock) => self.code = false,
            Event::Text(text) if self.code => {
                for line in text.lines() {
                    self.text.push_str(format!("    {line}").trim_end());
                    self.text.push('\n');
                }
            }
            Event::Text(text) => self.words.push_str(&text),
            Event::Code(text) => {
                self.words.push('`');
                self.words.extend(text.chars().map(|c| if c == ' ' { FIXED } else { c }));
                self.words.push('`');
            }
            Event::SoftBreak => self.words.push(' '),
            Event::HardBreak => self.words.push('\n'),
            Event::Start(Tag::List(first)) => {
                self.paragraph();
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
            }
            Event::Start(Tag::Item) => {
                self.mark = self.lists.last_mut().map(|n| match n {
                    Some(n) => {
                        *n += 1;
                        format!("{}. ", *n - 1)
                    }
                    None => "- ".to_owned(),
                });
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::Heading(_)) => self.paragraph(),
            _ => {}
        }
    }

    /// An empty line, but not at the start and between the items of a list.
    fn apart(&mut self) {
        if !self.text.is_empty() && self.mark.is_none() {
            self.text.push('\n');
        }
    }

    /// Lays out what has come of a paragraph.
    fn paragraph(&mut self) {
        let words = std::mem::take(&mut self.words);
        if words.trim().is_empty() {
            return;
        }
        let first_item = self.mark.is_some() && !self.text.is_empty() && self.is_first_item();
        if first_item {
            self.text.push('\n');
        }
        self.apart();
        let mark = self.mark.take().unwrap_or_default();
        let indent = 2 * self.lists.len().max(1);
        let rest = indent + mark.chars().count();
        let mut line = format!("{}{mark}", " ".repeat(indent));
        let mut empty = true;
        for part in words.split('\n') {
            for word in part.split(' ').filter(|w| !w.is_empty()) {
                if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                    self.line(&line);
                    line = " ".repeat(rest);
                    empty = true;
                }
                if !empty {
                    line.push(' ');
                }
                line.push_str(word);
                empty = false;
            }
            self.line(&line);
            line = " ".repeat(rest);
            empty = true;
        }
    }

    fn is_first_item(&self) -> bool {
        let last = self.text.lines().next_back().unwrap_or_default().trim_start();
        let numbered = last.split_once(". ").is_some_and(|(n, _)| n.parse::<u64>().is_ok());
        !last.is_empty() && !last.starts_with("- ") && !numbered
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(&line.trim_end().replace(FIXED, " "));
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_what_is_below_them() {
        let source = "intro\n\n## One `x`\n\ntext\n\n### Hint\n\n```yaml\n# not a heading\n- a\n```\n";
        let found = sections(source, 0..source.len());
        let titles: Vec<(usize, &str)> = found.iter().map(|s| (s.level, s.title.as_str())).collect();
        assert_eq!(titles, [(2, "One x"), (3, "Hint")]);
        assert_eq!(source[found[0].body.clone()].trim(), "text");
        let fences = fences(source, found[1].body.clone());
        assert_eq!(fences.len(), 1);
        assert_eq!(
            (fences[0].info.as_str(), &source[fences[0].span.clone()]),
            ("yaml", "# not a heading\n- a\n")
        );
    }

    #[test]
    fn a_text_on_a_screen() {
        let text =
            "Some *words* and `a command`,\nthen a list:\n\n- one\n- two\n\nEnd.\n\n```text\nas it is\n```\n";
        assert_eq!(
            screen(text),
            "  Some words and `a command`, then a list:\n\n  - one\n  - two\n\n  End.\n\n    as it is\n"
        );
        let long = "word ".repeat(40);
        assert!(screen(&long).lines().all(|l| l.len() <= WIDTH && l.starts_with("  word")));
    }

    #[test]
    fn the_first_sentence() {
        assert_eq!(first_sentence("The reply is\n250. That is all.\n\nMore."), "The reply is 250.");
        assert_eq!(first_sentence("mx.example.com knows him. Yes."), "mx.example.com knows him.");
    }
}
