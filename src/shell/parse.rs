//! From text to a tree. What nests without end is refused before the parser sees it, since the
//! parser's own stack is what would give way.

use brush_parser::ast::Program;
use brush_parser::{Parser, ParserOptions};

/// The longest text, in octets.
const LONGEST: usize = 1 << 20;
/// How deep parentheses, braces and quotes may lie in one another.
const DEEPEST: usize = 60;

/// How texts are read everywhere in the shell.
pub fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

/// Reads a script.
///
/// # Errors
/// What bash says of it, after the name and line.
pub fn program(text: &str) -> Result<Program, String> {
    check(text)?;
    let mut parser = Parser::new(std::io::Cursor::new(text), &options());
    parser.parse_program().map_err(|e| match e {
        brush_parser::ParseError::ParsingNear(at) => {
            let word: String =
                text.chars().skip(at.index).take_while(|c| !c.is_whitespace()).take(20).collect();
            let near = if word.is_empty() { "newline".to_owned() } else { word };
            format!("syntax error near unexpected token `{near}'")
        }
        _ => "syntax error: unexpected end of file".to_owned(),
    })
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
    for c in text.chars() {
        match c {
            '(' | '{' | '`' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    for word in text.split_whitespace() {
        match word {
            "if" | "while" | "until" | "case" | "for" => words += 1,
            "fi" | "done" | "esac" | "done;" | "fi;" | "esac;" => words = words.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(words);
    }
    if deepest > DEEPEST { Err(format!("syntax error: nested more than {DEEPEST} deep")) } else { Ok(()) }
}
