//! The words of awk.

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Number(f64),
    Text(Vec<u8>),
    Regex(Vec<u8>),
    Name(String),
    /// A name with `(` right behind it.
    Call(String),
    Keyword(&'static str),
    Builtin(&'static str),
    Op(&'static str),
    Newline,
    End,
}

const KEYWORDS: &[&str] = &[
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next",
    "nextfile", "exit", "return", "delete", "in", "getline", "print", "printf",
];
const BUILTINS: &[&str] = &[
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "tolower", "toupper", "sin",
    "cos", "atan2", "exp", "log", "sqrt", "int", "rand", "srand", "system", "close", "fflush", "systime",
    "strftime",
];
/// Longer ones first.
const OPS: &[&str] = &[
    "**=", "&&", "||", "==", "!=", "<=", ">=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "!~",
    ">>", "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", "<", ">", "|", "?", ":",
    "~", "$", "=",
];

/// Cuts a program into words, each with its line.
///
/// # Errors
/// What is wrong, with the line.
pub fn words(text: &[u8]) -> Result<Vec<(Token, usize)>, String> {
    let mut out: Vec<(Token, usize)> = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let b = text[at];
        match b {
            b'\n' => {
                out.push((Token::Newline, line));
                line += 1;
                at += 1;
            }
            b' ' | b'\t' | b'\r' => at += 1,
            b'\\' if text[at + 1..].starts_with(b"\n") => {
                at += 2;
                line += 1;
            }
            b'#' => at += text[at..].iter().take_while(|b| **b != b'\n').count(),
            b'"' => {
                let (value, used) =
                    quoted(&text[at + 1..], b'"').ok_or_else(|| runaway(&text[at..], line))?;
                out.push((Token::Text(value), line));
                at += used + 1;
            }
            b'/' if regex_here(out.last().map(|t| &t.0)) => {
                let used = pattern(&text[at + 1..])
                    .ok_or(format!("line {line}: regular expression compile failed (missing '/')"))?;
                out.push((Token::Regex(text[at + 1..at + 1 + used].to_vec()), line));
                at += used + 2;
            }
            b'0'..=b'9' | b'.' if b != b'.' || text.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                let rest = String::from_utf8_lossy(&text[at..text.len().min(at + 400)]).into_owned();
                let (n, used) = crate::shell::commands::printf::leading_number(&rest);
                out.push((Token::Number(n), line));
                at += used.max(1);
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let len = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                let name = String::from_utf8_lossy(&text[at..at + len]).into_owned();
                at += len;
                out.push((named(name, text.get(at) == Some(&b'(')), line));
            }
            b => {
                let Some(op) = OPS.iter().find(|op| text[at..].starts_with(op.as_bytes())) else {
                    return Err(format!("line {line}: unexpected character '{}'", char::from(b)));
                };
                out.push((Token::Op(op), line));
                at += op.len();
            }
        }
    }
    out.push((Token::Newline, line));
    out.push((Token::End, line + 1));
    Ok(out)
}

fn runaway(text: &[u8], line: usize) -> String {
    let shown = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let shown = String::from_utf8_lossy(&shown[..shown.len().min(10)]).into_owned();
    format!("line {line}: runaway string constant {shown} ...")
}

fn named(name: String, call: bool) -> Token {
    if let Some(word) = KEYWORDS.iter().find(|k| **k == name) {
        return Token::Keyword(if *word == "func" { "function" } else { word });
    }
    if let Some(word) = BUILTINS.iter().find(|k| **k == name) {
        return Token::Builtin(word);
    }
    if call { Token::Call(name) } else { Token::Name(name) }
}

/// Does a slash begin a regular expression behind this word, not a division?
fn regex_here(before: Option<&Token>) -> bool {
    !matches!(
        before,
        Some(
            Token::Number(_)
                | Token::Text(_)
                | Token::Name(_)
                | Token::Builtin(_)
                | Token::Op(")" | "]" | "$" | "++" | "--")
        )
    )
}

/// How long the pattern is, up to the slash that ends it; one in brackets does not.
fn pattern(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut bracket = None;
    while let Some(b) = text.get(at) {
        match b {
            b'\n' => return None,
            b'\\' => at += 1,
            b'[' if bracket.is_none() => {
                let first = at + 1 + usize::from(text.get(at + 1) == Some(&b'^'));
                bracket = Some(first);
            }
            b']' if bracket.is_some_and(|first| at > first) => bracket = None,
            b'/' if bracket.is_none() => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// A string with its escapes replaced, and how far it reaches, the quote included.
fn quoted(text: &[u8], end: u8) -> Option<(Vec<u8>, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b if b == end => return Some((out, at + 1)),
            b'\n' => return None,
            b'\\' => {
                let (bytes, used) = escape(&text[at..]);
                out.extend_from_slice(&bytes);
                at += used;
            }
            b => {
                out.push(b);
                at += 1;
            }
        }
    }
}

fn escape(text: &[u8]) -> (Vec<u8>, usize) {
    let one = |b: u8| (vec![b], 2);
    match text.get(1) {
        None => (vec![b'\\'], 1),
        Some(b'n') => one(b'\n'),
        Some(b't') => one(b'\t'),
        Some(b'r') => one(b'\r'),
        Some(b'a') => one(7),
        Some(b'b') => one(8),
        Some(b'f') => one(12),
        Some(b'v') => one(11),
        Some(c @ (b'"' | b'\\' | b'/')) => one(*c),
        Some(b'\n') => (Vec::new(), 2),
        Some(b'0'..=b'7') => {
            let digits = text[1..].iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            let n = text[1..=digits].iter().fold(0_u32, |n, d| n * 8 + u32::from(d - b'0'));
            (vec![n as u8], digits + 1)
        }
        Some(c) => (vec![b'\\', *c], 2),
    }
}

/// A text with its escapes replaced, as for `-v`.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' {
            let (bytes, used) = escape(&text[at..]);
            out.extend_from_slice(&bytes);
            at += used;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}
