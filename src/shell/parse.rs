//! From text to a tree. What nests without end is refused before the parser sees it, since the
//! parser's own stack is what would give way.
//!
//! The real shell reads one line, runs it, and reads on; so what stands in front of an error has
//! been run when the error is found. Here a text is read as a whole, and only where that fails is
//! the longest part in front of the error looked for.
//!
//! # Simplifications
//!
//! - A here-document within `$(…)` may not hold a `)` that stands alone: it ends the substitution.

use super::dialect::Dialect;
use super::syntax;
use brush_parser::ast::Program;
use brush_parser::word::{Parameter, WordPieceWithSource};
use brush_parser::{ParseError, Parser, ParserOptions, Token, TokenizerError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The longest text, in octets.
const LONGEST: usize = 1 << 20;
/// How deep parentheses, braces and quotes may lie in one another.
const DEEPEST: usize = 60;
/// How many parentheses or substitutions may be open where a text ends. What the parser library
/// needs to see that there is no end grows by a factor with each.
const MOST_OPEN: usize = 5;
/// How many places in front of an error are tried.
const ATTEMPTS: usize = 200;

/// A text that was read.
pub struct Script {
    /// What could be read.
    pub program: Program,
    /// Why it could not be read to its end.
    pub trouble: Option<Trouble>,
    /// The end of a here-document that was missing: its line, and the word that should end it.
    pub unended: Option<(usize, String)>,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A word that may not stand there; with its line's number and text.
    Near { token: String, line: usize, text: String },
    /// The text ends too early; with the number of the line behind the last.
    End { line: usize, expecting: Option<&'static str> },
    /// The end of something in quotes or parentheses is missing.
    Unclosed { with: char, line: usize },
    /// It is too long or too deep for us.
    Limit(String),
}

impl Trouble {
    /// What bash says, line by line, each to stand behind `NAME: ` and a note such as `-c: `.
    pub fn bash(&self) -> Vec<String> {
        match self {
            Trouble::Near { token, line, text } => vec![
                format!("line {line}: syntax error near unexpected token `{token}'"),
                format!("line {line}: `{text}'"),
            ],
            Trouble::End { line, .. } => vec![format!("line {line}: syntax error: unexpected end of file")],
            Trouble::Unclosed { with, line } => {
                vec![format!("line {line}: unexpected EOF while looking for matching `{with}'")]
            }
            Trouble::Limit(text) => vec![format!("line 1: {text}")],
        }
    }

    /// What dash says, with the line in front.
    pub fn dash(&self) -> String {
        match self {
            Trouble::Near { token, line, .. } if token == "newline" => {
                format!("{line}: Syntax error: newline unexpected")
            }
            Trouble::Near { token, line, .. } => format!("{line}: Syntax error: \"{token}\" unexpected"),
            Trouble::End { line, expecting: Some(word) } => {
                format!("{}: Syntax error: end of file unexpected (expecting \"{word}\")", line - 1)
            }
            Trouble::End { line, expecting: None } => {
                format!("{}: Syntax error: end of file unexpected", line - 1)
            }
            Trouble::Unclosed { with: '"' | '\'', line } => {
                format!("{line}: Syntax error: Unterminated quoted string")
            }
            Trouble::Unclosed { with: '`', line } => {
                format!("{line}: Syntax error: EOF in backquote substitution")
            }
            Trouble::Unclosed { with: '}', line } => format!("{line}: Syntax error: Missing '}}'"),
            Trouble::Unclosed { line, .. } => {
                format!("{}: Syntax error: end of file unexpected (expecting \")\")", line - 1)
            }
            Trouble::Limit(text) => format!("1: {text}"),
        }
    }
}

/// How texts are read everywhere in the shell.
pub fn options(extended_globs: bool) -> ParserOptions {
    ParserOptions { enable_extended_globbing: extended_globs, ..ParserOptions::default() }
}

/// Reads a script as far as it can be read.
pub fn script(text: &str, dialect: Dialect, extended_globs: bool) -> Script {
    let nothing = || Program { complete_commands: Vec::new() };
    if let Err(limit) = check(text) {
        return Script { program: nothing(), trouble: Some(Trouble::Limit(limit)), unended: None };
    }
    let options = ParserOptions { sh_mode: dialect == Dialect::Dash, ..options(extended_globs) };
    let mut unended = None;
    let mut whole = std::borrow::Cow::Borrowed(text);
    // The library takes the `;;` in a loop without end for that of `case`.
    if text.contains("((;;") {
        whole = text.replace("((;;", "((; ;").into();
    }
    // Without a line end behind it, the library looks for that of a here-document for ever.
    if !whole.ends_with('\n') {
        whole.to_mut().push('\n');
    }
    if ends_within(&whole) {
        return Script { program: nothing(), trouble: Some(end(text, Some(")"))), unended };
    }
    // Every try ends one here-document that the text leaves open.
    for _ in 0..8 {
        let error = match parse(&whole, &options) {
            Ok(program) => return Script { program, trouble: None, unended },
            Err(error) => error,
        };
        if let Some((line, tag)) = open_document(&whole, &error) {
            whole = format!("{whole}{tag}\n").into();
            unended.get_or_insert((line, tag));
            continue;
        }
        let trouble = trouble(text, &error);
        let program = in_front(text, &trouble, &options).unwrap_or_else(nothing);
        return Script { program, trouble: Some(trouble), unended };
    }
    Script { program: nothing(), trouble: Some(end(text, None)), unended }
}

/// Runs the parser library. It gives up on some texts (`$(<<E` without an end, `~` and more digits
/// than a number has) by a panic of its own, where a shell finds an error in the text.
fn fenced<T, E>(read: impl FnOnce() -> Result<T, E>) -> Result<T, Option<E>> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(Some),
        Err(_) => Err(None),
    }
}

/// Does a script end within more parentheses than the library can see the end of in time?
fn ends_within(text: &str) -> bool {
    if text.bytes().filter(|b| *b == b'(').count() <= MOST_OPEN {
        return false;
    }
    let mut open = 0usize;
    for token in tokens(text).unwrap_or_default() {
        match token {
            Token::Operator(op, _) if op == "(" => open += 1,
            Token::Operator(op, _) if op == ")" => open = open.saturating_sub(1),
            _ => {}
        }
    }
    open > MOST_OPEN
}

/// Does a word end within more substitutions than the library can see the end of in time?
fn word_ends_within(text: &str) -> bool {
    let mut open = Vec::new();
    let mut bytes = text.bytes();
    let mut before = 0;
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => {
                bytes.next();
            }
            b'(' | b'{' | b'[' if before == b'$' || !open.is_empty() => open.push(b),
            b')' | b'}' | b']' => {
                open.pop();
            }
            _ => {}
        }
        before = b;
    }
    open.len() > MOST_OPEN
}

/// The pieces of a word; `None` where it cannot be read.
pub fn word(text: &str, options: &ParserOptions) -> Option<Vec<WordPieceWithSource>> {
    if word_ends_within(text) {
        return None;
    }
    let read = |options| fenced(|| brush_parser::word::parse(text, options));
    match read(options) {
        // A number behind a tilde that is none is a name that nobody has.
        Err(None) => {
            let tilde_expansion_at_word_start = false;
            let tilde_expansion_after_colon = false;
            read(&ParserOptions {
                tilde_expansion_at_word_start,
                tilde_expansion_after_colon,
                ..options.clone()
            })
            .ok()
        }
        read => read.ok(),
    }
}

/// The pieces of a here-document; `None` where it cannot be read.
pub fn document(text: &str) -> Option<Vec<WordPieceWithSource>> {
    if word_ends_within(text) {
        return None;
    }
    fenced(|| brush_parser::word::parse_heredoc(text, &options(false))).ok()
}

/// The parameter that a text names, as between braces; `None` where it is no name.
pub fn parameter(text: &str) -> Option<Parameter> {
    fenced(|| brush_parser::word::parse_parameter(text, &options(false))).ok()
}

/// The words and operators of a text; `None` where it cannot be cut.
pub fn tokens(text: &str) -> Option<Vec<Token>> {
    fenced(|| brush_parser::tokenize_str(text)).ok()
}

/// The error is the library's; `None` where it gave up.
fn parse(text: &str, options: &ParserOptions) -> Result<Program, Option<ParseError>> {
    fenced(|| Parser::new(std::io::Cursor::new(text), options).parse_program())
}

/// The here-document that an error says is open: its line and the word that ends it.
fn open_document(text: &str, error: &Option<ParseError>) -> Option<(usize, String)> {
    let (line, tag) = match error {
        Some(ParseError::Tokenizing {
            inner: TokenizerError::UnterminatedHereDocuments(tags, places),
            ..
        }) => {
            let line = places.split(',').next().and_then(|n| n.parse().ok()).unwrap_or(1);
            (line, tags.split(", ").next().unwrap_or_default())
        }
        // One in a substitution: the library gave up where the text ended within it.
        None => {
            let (before, rest) = text.rsplit_once("<<")?;
            let rest = rest.trim_start_matches(['-', ' ', '\t']);
            let tag = rest.split(|c: char| c.is_whitespace() || ";&|()<>".contains(c)).next()?;
            let already = text.lines().next_back() == Some(tag);
            if tag.is_empty() || already || before.ends_with('<') {
                return None;
            }
            (lines(before), tag)
        }
        _ => return None,
    };
    Some((line, tag.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect()))
}

fn lines(text: &str) -> usize {
    text.trim_end_matches('\n').split('\n').count()
}

fn end(text: &str, expecting: Option<&'static str>) -> Trouble {
    Trouble::End { line: lines(text) + 1, expecting }
}

fn near(text: &str, token: String, line: usize) -> Trouble {
    let whole = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    Trouble::Near { token, line, text: whole.to_owned() }
}

fn trouble(text: &str, error: &Option<ParseError>) -> Trouble {
    let Some(error) = error else { return Trouble::Unclosed { with: ')', line: lines(text) + 1 } };
    let found = match error {
        ParseError::Tokenizing { .. } => syntax::Found::default(),
        _ => syntax::walk(text),
    };
    match (error, found.misplaced) {
        // The parser stops behind a word that is in the way.
        (ParseError::ParsingNear(at), Some((index, line, word))) if index <= at.index => {
            return near(text, word, line);
        }
        (ParseError::ParsingAtEndOfInput, Some((_, line, word))) => return near(text, word, line),
        _ => {}
    }
    match error {
        ParseError::ParsingNear(at) => {
            let rest: String = text.chars().skip(at.index).take(200).collect();
            near(text, token(&rest), at.line)
        }
        // Where a file name is missing, the end of the line stands in its place.
        ParseError::ParsingAtEndOfInput if text.trim_end().ends_with(['<', '>']) => Trouble::Near {
            token: "newline".to_owned(),
            line: lines(text),
            text: text.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default().to_owned(),
        },
        ParseError::ParsingAtEndOfInput => end(text, found.expecting),
        ParseError::Tokenizing { inner, position } => {
            let here = position.as_ref().map_or(1, |p| p.line).min(lines(text));
            use TokenizerError as T;
            let (with, line) = match inner {
                T::UnterminatedSingleQuote(at) | T::UnterminatedAnsiCQuote(at) => ('\'', at.line),
                T::UnterminatedDoubleQuote(at) => ('"', at.line),
                T::UnterminatedBackquote(at) => ('`', at.line),
                T::UnterminatedVariable => ('}', here),
                T::UnterminatedCommandSubstitution => (')', lines(text) + 1),
                T::UnterminatedExpansion if !text.contains("((") => (')', lines(text) + 1),
                T::UnterminatedExpansion | T::UnterminatedExtendedGlob(_) => (')', here),
                _ => return end(text, None),
            };
            Trouble::Unclosed { with, line }
        }
    }
}

/// The operator or word that a text begins with.
fn token(text: &str) -> String {
    const OPERATORS: [&str; 23] = [
        "&>>", "<<<", "<<-", ";;&", ";;", ";&", "&&", "||", "|&", "&>", ">>", "<<", ">&", "<&", ">|", "<>",
        ";", "&", "|", "(", ")", "<", ">",
    ];
    if text.is_empty() || text.starts_with('\n') {
        return "newline".to_owned();
    }
    if let Some(operator) = OPERATORS.iter().find(|o| text.starts_with(**o)) {
        return (*operator).to_owned();
    }
    let end = text.find(|c: char| c.is_whitespace() || ";&|()<>".contains(c)).unwrap_or(text.len());
    let first = text.chars().next().map_or(0, char::len_utf8);
    text[..end.max(first)].to_owned()
}

/// What was run before the error is found: whole lines in front of it that can be read.
fn in_front(text: &str, trouble: &Trouble, options: &ParserOptions) -> Option<Program> {
    let last = match trouble {
        Trouble::Near { line, .. } | Trouble::Unclosed { line, .. } | Trouble::End { line, .. } => *line,
        Trouble::Limit(_) => return None,
    };
    let ends: Vec<usize> =
        text.match_indices('\n').map(|(at, _)| at + 1).take(last.saturating_sub(1)).collect();
    ends.into_iter().rev().take(ATTEMPTS).find_map(|end| parse(&text[..end], options).ok())
}

/// Is the text short and flat enough?
///
/// # Errors
/// Why not.
pub fn check(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("the script is longer than {LONGEST} bytes"));
    }
    let (mut depth, mut deepest) = (0usize, 0usize);
    let mut words = 0usize;
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => {
                bytes.next();
            }
            b'(' | b'{' | b'[' => depth += 1,
            b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        deepest = deepest.max(depth);
    }
    for word in text.split(|c: char| c.is_whitespace() || c == ';') {
        match word {
            "if" | "while" | "until" | "case" | "for" | "select" => words += 1,
            "fi" | "done" | "esac" => words = words.saturating_sub(1),
            _ => continue,
        }
        deepest = deepest.max(words);
    }
    if deepest > DEEPEST { Err(format!("syntax error: nested more than {DEEPEST} deep")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_front_of_an_error_is_read() {
        let script = script("echo a\nfi\necho b\n", Dialect::Bash, false);
        assert_eq!(script.program.complete_commands.len(), 1);
        let near = Trouble::Near { token: "fi".into(), line: 2, text: "fi".into() };
        assert_eq!(script.trouble, Some(near));
    }

    #[test]
    fn texts_that_end_within_much_are_refused_at_once() {
        for piece in ["(", "((", "( (", "(( ("] {
            let script = script(&piece.repeat(15), Dialect::Bash, false);
            assert!(matches!(script.trouble, Some(Trouble::End { .. })), "{piece}");
        }
        for piece in ["$(", "$((", "$(((", "${x:-", "\"$(", "$[("] {
            assert!(word(&piece.repeat(15), &options(false)).is_none(), "{piece}");
            assert!(document(&piece.repeat(15)).is_none(), "{piece}");
        }
        let closed = format!("{}echo{}", "$(".repeat(15), ")".repeat(15));
        assert!(word(&closed, &options(false)).is_some());
    }

    #[test]
    fn deep_and_long_texts_are_refused() {
        for text in
            ["(".repeat(100_000), "if true; then ".repeat(5000), "${a:-".repeat(9000), " ".repeat(2 << 20)]
        {
            assert!(matches!(script(&text, Dialect::Bash, false).trouble, Some(Trouble::Limit(_))));
        }
    }
}
