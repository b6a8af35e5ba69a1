//! YAML with places: the events of a parser, made into a tree in which every node knows where it
//! stands, within bounds that no file can exceed.
//!
//! Anchors and aliases are refused: a scenario needs none, and a few lines of them can stand for
//! more text than there is memory.

use super::model::Span;
use super::problem::Problem;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;

/// The largest file, in octets.
pub const MAX_FILE: usize = 16 << 20;
/// How deep nodes may lie in one another.
const MAX_DEPTH: usize = 32;
/// How many nodes there may be.
const MAX_NODES: usize = 1 << 20;

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A text, a number, a truth value; `plain` without quotes.
    Scalar { text: String, plain: bool, block: bool },
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in order.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, in words.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { text, plain: true, .. } => plain_scalar(text),
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// What a scalar without quotes is (YAML 1.2, section 10.3: the core schema).
fn plain_scalar(text: &str) -> &'static str {
    // Nothing that long is a number, and most texts are seen to be none by their first letter.
    if text.len() > 64 || text.starts_with(|c: char| c.is_alphabetic() && !"nNtTfF".contains(c)) {
        return "a text";
    }
    match serde_yaml::from_str(text) {
        Ok(serde_yaml::Value::Null) => "nothing",
        Ok(serde_yaml::Value::Bool(_)) => "a truth value",
        Ok(serde_yaml::Value::Number(_)) => "a number",
        _ => "a text",
    }
}

/// Reads a file of one document.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(source: &str) -> Result<Node, Problem> {
    if source.len() > MAX_FILE {
        return Err(too_large());
    }
    check_depth(source)?;
    let offsets = Offsets::new(source);
    let mut builder = Builder { source, stack: Vec::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|e| {
            let at = offsets.byte(e.marker().index()).min(source.len());
            syntax(e.info(), at, source)
        })?;
        let span = offsets.byte(span.start.index())..offsets.byte(span.end.index());
        if !builder.event(event, span)? {
            break;
        }
    }
    builder.root.ok_or_else(|| {
        Problem::new(0..0, "the file is empty").expected("a scenario: title, summary, hosts, steps")
    })
}

/// The complaint about a file of more than [`MAX_FILE`] octets.
pub fn too_large() -> Problem {
    Problem::new(0..0, format!("the file is larger than {} megabytes", MAX_FILE >> 20))
        .expected("a scenario, which fits on a few pages")
}

/// Brackets that nest without end are refused before the parser sees them.
fn check_depth(source: &str) -> Result<(), Problem> {
    let mut run = 0;
    for (at, c) in source.bytes().enumerate() {
        match c {
            b'[' | b'{' => run += 1,
            b' ' | b'\n' | b'-' | b',' | b':' | b'?' => {}
            _ => run = 0,
        }
        if run > MAX_DEPTH {
            return Err(too_deep(at..at + 1));
        }
    }
    // Lists in lists in lists: `- - - - …`.
    for (start, line) in lines(source) {
        let dashes =
            line.split(' ').take_while(|w| w.is_empty() || *w == "-" || *w == "?").filter(|w| !w.is_empty());
        let indent = line.len() - line.trim_start().len();
        if dashes.count() > MAX_DEPTH || indent > 4096 {
            return Err(too_deep(start..start + line.len().min(80)));
        }
    }
    Ok(())
}

fn lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    source.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

fn too_deep(span: Span) -> Problem {
    Problem::new(span, format!("this lies more than {MAX_DEPTH} levels deep"))
        .expected("no more than the five that a scenario needs")
}

/// The parser's complaint, in words for somebody who does not know its insides.
fn syntax(info: &str, at: usize, source: &str) -> Problem {
    let has = |word: &str| info.contains(word);
    let rest = source.get(at..).unwrap_or_default();
    if has("recursion limit") {
        too_deep(at..at)
    } else if has("unknown anchor") {
        alias(at..at + rest.find(char::is_whitespace).unwrap_or(rest.len()))
    } else if has("quoted scalar") && (has("end of stream") || has("indent") || has("document indicator")) {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"')).unwrap_or('"');
        let problem = Problem::new(at..at, "the text that begins here does not end");
        problem.expected(format_args!("a closing `{quote}`"))
    } else if has("tab") {
        Problem::new(at..at, "a tab stands here").expected("spaces, for YAML indents with nothing else")
    } else if has("mapping values are not allowed") {
        Problem::new(at..at, "a second `:` stands on this line, or its text is indented wrongly")
            .expected("quotes around a text that holds `: `, or the indentation of the lines above")
    } else if has("unprintable") {
        Problem::new(at..at, "this character is not allowed in YAML").expected("text")
    } else if let Some((what, expected)) = info.split_once(", expected ") {
        Problem::new(at..at, format!("this is not YAML: {what}")).expected(expected)
    } else {
        Problem::new(at..at, format!("this is not YAML: {info}")).expected("YAML 1.2")
    }
}

fn alias(span: Span) -> Problem {
    Problem::new(span, "aliases are not read in scenarios").expected("the text itself")
}

struct Builder<'s> {
    source: &'s str,
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

struct Open {
    start: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    /// The pairs, the key whose value is to come, and where each key stands.
    Map(Vec<(Node, Node)>, Option<Node>, BTreeMap<String, Span>),
}

impl Builder<'_> {
    /// Takes an event; false when the document is over.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<bool, Problem> {
        match event {
            Event::Alias(_) => {
                return Err(alias(span));
            }
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag)) => {
                let marked = self.source.get(span.clone()).and_then(|t| t.split_whitespace().next());
                let tag =
                    marked.filter(|t| t.starts_with('!')).map_or_else(|| tag.to_string(), str::to_owned);
                let message = format!("the tag `{tag}` is not read in scenarios");
                return Err(Problem::new(span, message).expected("the value alone; a text in quotes"));
            }
            Event::Scalar(text, style, _, None) => {
                let plain = style == ScalarStyle::Plain;
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let span = if block { span } else { self.trimmed(span) };
                self.node(Node { span, kind: Kind::Scalar { text: text.into_owned(), plain, block } })?;
            }
            Event::SequenceStart(..) => self.open(span.start, Items::List(Vec::new()))?,
            Event::MappingStart(..) => {
                self.open(span.start, Items::Map(Vec::new(), None, BTreeMap::new()))?
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.stack.pop() {
                    let kind = match open.items {
                        Items::List(items) => Kind::List(items),
                        Items::Map(pairs, ..) => Kind::Map(pairs),
                    };
                    let span = self.trimmed(open.start..span.end.max(open.start));
                    self.node(Node { span, kind })?;
                }
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                return Err(
                    Problem::new(span, "a second document begins here").expected("one scenario a file")
                );
            }
            Event::StreamEnd => return Ok(false),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(true)
    }

    fn trimmed(&self, span: Span) -> Span {
        let text = self.source.get(span.clone()).unwrap_or_default();
        span.start..span.start + text.trim_end().len()
    }

    fn open(&mut self, start: usize, items: Items) -> Result<(), Problem> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(start..start + 1));
        }
        self.stack.push(Open { start, items });
        Ok(())
    }

    fn node(&mut self, node: Node) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Problem::new(node.span, "there are too many values in this file")
                .expected(format_args!("no more than {MAX_NODES}")));
        }
        match self.stack.last_mut().map(|o| &mut o.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map(pairs, key, seen)) => match key.take() {
                None => {
                    // A key that is no text is refused by the loader.
                    if let Kind::Scalar { text, .. } = &node.kind
                        && let Some(first) = seen.insert(text.clone(), node.span.clone())
                    {
                        let name = self.source.get(node.span.clone()).unwrap_or_default();
                        let message = format!("the key `{name}` stands here for the second time");
                        return Err(Problem::new(node.span, message)
                            .also(first, "first here")
                            .expected("each key once"));
                    }
                    *key = Some(node);
                }
                Some(key) => pairs.push((key, node)),
            },
        }
        Ok(())
    }
}

/// The parser counts characters; places are kept in octets.
struct Offsets(Option<Vec<u32>>);

impl Offsets {
    fn new(source: &str) -> Offsets {
        if source.is_ascii() {
            return Offsets(None);
        }
        let ends = source.char_indices().map(|(i, _)| i as u32).chain([source.len() as u32]);
        Offsets(Some(ends.collect()))
    }

    fn byte(&self, character: usize) -> usize {
        match &self.0 {
            None => character,
            Some(table) => table.get(character).or(table.last()).map_or(0, |b| *b as usize),
        }
    }
}

/// The lines of a text scalar, each with its place in the file where that can be told.
pub fn text_lines(source: &str, node: &Node) -> Vec<(String, Span)> {
    let Kind::Scalar { text, block, .. } = &node.kind else { return Vec::new() };
    if !block {
        return text.lines().map(|l| (l.to_owned(), node.span.clone())).collect();
    }
    // The first line of a block is the one after its `|`.
    let start = node.span.start;
    let header = source[start..].starts_with(['|', '>']);
    let mut at = if header {
        source[start..].find('\n').map_or(source.len(), |n| start + n + 1)
    } else {
        source[..start].rfind('\n').map_or(0, |n| n + 1)
    };
    let mut out = Vec::new();
    for line in text.lines() {
        let end = source[at.min(source.len())..].find('\n').map_or(source.len(), |n| at + n);
        let raw = source.get(at..end).unwrap_or_default().trim_end_matches('\r');
        let span =
            if raw.ends_with(line) { at + raw.len() - line.len()..at + raw.len() } else { node.span.clone() };
        out.push((line.to_owned(), span));
        at = (end + 1).min(source.len());
    }
    out
}
