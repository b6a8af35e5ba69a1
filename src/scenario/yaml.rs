//! YAML with places: the events of a parser, made into a tree in which every node knows where it
//! stands, within bounds that no file can exceed.
//!
//! Anchors and aliases are refused: a scenario needs none, and a few lines of them can stand for
//! more text than there is memory.

use super::model::Span;
use super::problem::Problem;
use saphyr_parser::{Event, Parser, ScalarStyle};

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
            Kind::Scalar { text, plain: true, .. } if text.is_empty() => "nothing",
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// Reads a file of one document.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(source: &str) -> Result<Node, Problem> {
    if source.len() > MAX_FILE {
        let text = format!("the file is larger than {} megabytes", MAX_FILE >> 20);
        return Err(Problem::new(0..0, text).expected("a scenario, which fits on a few pages"));
    }
    check_depth(source)?;
    let offsets = Offsets::new(source);
    let mut builder = Builder { offsets: &offsets, source, stack: Vec::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|e| {
            let at = offsets.byte(e.marker().index()).min(source.len());
            Problem::new(at..at, format!("this is not YAML: {}", e.info()))
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
        .expected("a scenario needs five")
}

struct Builder<'s> {
    offsets: &'s Offsets,
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
    Map(Vec<(Node, Node)>, Option<Node>),
}

impl Builder<'_> {
    /// Takes an event; false when the document is over.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<bool, Problem> {
        match event {
            Event::Alias(_) => {
                return Err(
                    Problem::new(span, "aliases are not read in scenarios").expected("the text itself")
                );
            }
            Event::Scalar(text, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let span = if block { span } else { self.trimmed(span) };
                self.node(Node { span, kind: Kind::Scalar { text: text.into_owned(), plain, block } })?;
            }
            Event::SequenceStart(..) => self.open(span.start, Items::List(Vec::new()))?,
            Event::MappingStart(..) => self.open(span.start, Items::Map(Vec::new(), None))?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.stack.pop() {
                    let kind = match open.items {
                        Items::List(items) => Kind::List(items),
                        Items::Map(pairs, _) => Kind::Map(pairs),
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
            return Err(Problem::new(node.span, "there are too many values in this file"));
        }
        match self.stack.last_mut().map(|o| &mut o.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map(pairs, key)) => match key.take() {
                None => {
                    if let Some((first, _)) = pairs.iter().find(|(k, _)| same_key(k, &node)) {
                        let name = self.offsets.text(self.source, &node.span);
                        return Err(Problem::new(
                            node.span,
                            format!("the key `{name}` stands here for the second time"),
                        )
                        .also(first.span.clone(), "first here")
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

fn same_key(a: &Node, b: &Node) -> bool {
    matches!((&a.kind, &b.kind), (Kind::Scalar { text: x, .. }, Kind::Scalar { text: y, .. }) if x == y)
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

    fn text<'s>(&self, source: &'s str, span: &Span) -> &'s str {
        source.get(span.clone()).unwrap_or_default()
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
