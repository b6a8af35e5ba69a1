//! The tokens of address lists (RFC 5322, section 3.2). Whatever is not closed reaches to the end.

/// A token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Token {
    /// Letters, digits and whatever else needs no quotes, dots included.
    Atom(String),
    /// A quoted string, without its quotes.
    Quoted(String),
    /// An address in brackets, with them.
    Literal(String),
    /// A comment, with its parentheses.
    Comment(String),
    /// One of `<>@,;:`.
    Special(char),
}

/// Cuts a text.
pub fn tokens(text: &str) -> Vec<Token> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(c) = text[at..].chars().next() {
        let (token, len) = match c {
            c if c.is_whitespace() => (None, c.len_utf8()),
            '<' | '>' | '@' | ',' | ';' | ':' => (Some(Token::Special(c)), 1),
            '"' => {
                let (content, len) = quoted(&text[at + 1..]);
                (Some(Token::Quoted(content)), len + 1)
            }
            '(' => {
                let len = comment(&text[at..]);
                (Some(Token::Comment(text[at..at + len].to_owned())), len)
            }
            '[' => {
                let len = text[at..].find(']').map_or(text.len() - at, |n| n + 1);
                (Some(Token::Literal(text[at..at + len].to_owned())), len)
            }
            _ => atom(&text[at..]),
        };
        out.extend(token);
        at += len;
    }
    out
}

/// The content of a quoted string, and how far it reaches.
fn quoted(text: &str) -> (String, usize) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return (out, i + 1),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            // Folding is no part of the content.
            '\r' | '\n' => {}
            c => out.push(c),
        }
    }
    (out, text.len())
}

fn comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    text.len()
}

fn atom(text: &str) -> (Option<Token>, usize) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '<' | '>' | '@' | ',' | ';' | ':' | '"' | '(' | '[' => return (some(out), i),
            c if c.is_whitespace() => return (some(out), i),
            c => out.push(c),
        }
    }
    (some(out), text.len())
}

fn some(text: String) -> Option<Token> {
    (!text.is_empty()).then_some(Token::Atom(text))
}
