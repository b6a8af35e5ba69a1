//! Addresses as people write them on a command line or in a header, and what s-nail finds
//! wrong with them.

use std::fmt;

/// An address with the name that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it stands in a header field: `Carl <carl@example.org>`.
    pub full: String,
    /// The address alone.
    pub address: String,
    /// The name of the person, without quotes, if there is one.
    pub person: Option<String>,
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadName {
    /// There is no address in it.
    Empty,
    /// An octet that no address has.
    Byte(String, u8),
    /// `@` at the end, or twice.
    At(String),
    /// It has no domain, and cannot be the name of an alias either.
    Alias(String),
    /// A file.
    File(String),
    /// A command.
    Pipe(String),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::Empty => f.write_str("has no recipient"),
            BadName::Byte(name, octet) if octet.is_ascii_graphic() || *octet == b' ' => {
                write!(f, "{} contains invalid byte '{}'", quoted(name), char::from(*octet))
            }
            BadName::Byte(name, octet) => {
                write!(f, "{} contains invalid byte '\\x{octet:02X}'", quoted(name))
            }
            BadName::At(name) => write!(f, "{} contains invalid '@' sequence", quoted(name)),
            BadName::Alias(name) => write!(f, "{} is an invalid alias name", quoted(name)),
            BadName::File(name) => write!(f, "{}: *expandaddr* does not allow file target", quoted(name)),
            BadName::Pipe(name) => {
                write!(f, "{}: *expandaddr* does not allow command pipe target", quoted(name))
            }
        }
    }
}

/// A word as s-nail shows it: in quotes where its own language would need them.
pub fn quoted(word: &str) -> String {
    if word.bytes().any(|b| b == b'\'' || !b.is_ascii() || b.is_ascii_control()) {
        let mut out = String::from("$'");
        for b in word.bytes() {
            match b {
                b'\'' | b'\\' => out.extend(['\\', char::from(b)]),
                b if b.is_ascii() && !b.is_ascii_control() => out.push(char::from(b)),
                b => out.push_str(&format!("\\x{b:02X}")),
            }
        }
        return out + "'";
    }
    let plain =
        !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "|&;<>()$\\\"#".contains(c));
    if plain { word.to_owned() } else { format!("'{word}'") }
}

/// May an alias be called so (s-nail(1), `alias`)?
fn is_alias(name: &str) -> bool {
    let (first, rest) = name.split_at_checked(1).unwrap_or((name, ""));
    let rest = rest.strip_suffix('$').unwrap_or(rest);
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    first.bytes().all(is_word) && rest.bytes().all(|b| is_word(b) || b"-.#:@!".contains(&b))
}

impl Name {
    /// Reads one address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        let text = text.trim();
        let (address, person) = match bracketed(text) {
            Some((before, inside, after)) => (inside.trim(), format!("{before}{after}").trim().to_owned()),
            None => {
                let (bare, comment) = without_comment(text);
                check(bare)?;
                let person = (!comment.is_empty()).then(|| comment.to_owned());
                return Ok(Name { full: text.to_owned(), address: bare.to_owned(), person });
            }
        };
        check(address)?;
        if person.is_empty() {
            return Ok(Name { full: format!("<{address}>"), address: address.to_owned(), person: None });
        }
        let bare = person.strip_prefix('"').and_then(|p| p.strip_suffix('"')).unwrap_or(&person).to_owned();
        let shown = if bare.len() < person.len() || !person.contains(|c| "()<>[]:;@\\,.\"".contains(c)) {
            person
        } else {
            format!("\"{}\"", person.replace('\\', "\\\\").replace('"', "\\\""))
        };
        Ok(Name { full: format!("{shown} <{address}>"), address: address.to_owned(), person: Some(bare) })
    }

    /// Reads a list separated by commas, as in a header field; gives what could be read, and
    /// what is wrong with the rest.
    pub fn parse_list(text: &str) -> (Vec<Name>, Vec<BadName>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for item in split_list(text) {
            // White space alone separates addresses too, where no name goes with them.
            let bare = !item.contains(['<', '"', '(']);
            let parts = if bare { item.split_whitespace().collect() } else { vec![item] };
            for part in parts {
                match Name::parse(part) {
                    Ok(name) => good.push(name),
                    Err(BadName::Empty) => {}
                    Err(e) => bad.push(e),
                }
            }
        }
        (good, bad)
    }

    /// Does it go to the same place? Letters count alike, large and small.
    pub fn same(&self, other: &Name) -> bool {
        self.address.eq_ignore_ascii_case(&other.address)
    }
}

/// The parts of a list, which commas separate outside quotes, comments and brackets.
pub fn split_list(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quote, mut depth, mut escaped) = (0, false, 0usize, false);
    for (i, c) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '\\' => escaped = true,
            '"' => quote = !quote,
            '(' | '<' if !quote => depth += 1,
            ')' | '>' if !quote => depth = depth.saturating_sub(1),
            ',' if !quote && depth == 0 => {
                parts.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

fn bracketed(text: &str) -> Option<(&str, &str, &str)> {
    let mut quote = false;
    let open = text.char_indices().find_map(|(i, c)| {
        if c == '"' {
            quote = !quote;
        }
        (c == '<' && !quote).then_some(i)
    })?;
    let close = open + text[open..].find('>')?;
    Some((&text[..open], &text[open + 1..close], &text[close + 1..]))
}

fn without_comment(text: &str) -> (&str, &str) {
    match text.split_once('(') {
        Some((bare, comment)) => (bare.trim(), comment.trim_end_matches(')').trim()),
        None => (text, ""),
    }
}

fn check(address: &str) -> Result<(), BadName> {
    let name = || address.to_owned();
    if address.is_empty() {
        return Err(BadName::Empty);
    }
    if address.starts_with('|') {
        return Err(BadName::Pipe(name()));
    }
    if !address.contains('@') && (address.contains('/') || address.starts_with('+')) {
        return Err(BadName::File(name()));
    }
    if address.starts_with('-') {
        return Err(BadName::Alias(name()));
    }
    let byte = |at: usize| BadName::Byte(name(), address.as_bytes()[at]);
    let mut quote = false;
    let mut domain = false;
    for (i, c) in address.char_indices() {
        match c {
            '"' => quote = !quote,
            _ if quote => {}
            '@' => {
                if domain || i == 0 || i + 1 == address.len() {
                    return Err(BadName::At(name()));
                }
                domain = true;
            }
            ' ' | ',' | ';' | '(' | ')' | '<' | '>' | '\\' => return Err(byte(i)),
            '[' | ']' | ':' if !domain => return Err(byte(i)),
            c if c.is_ascii_control() || !c.is_ascii() => return Err(byte(i)),
            _ => {}
        }
    }
    if domain || is_alias(address) { Ok(()) } else { Err(BadName::Alias(name())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        Name::parse(text).map_or_else(|e| e.to_string(), |n| n.full)
    }

    #[test]
    fn names_are_quoted_where_needed() {
        assert_eq!(full("Dave <d@x.org>"), "Dave <d@x.org>");
        assert_eq!(full("M. Dot <m@x>"), "\"M. Dot\" <m@x>");
        assert_eq!(full("\"Q. Uoted\" <q@x>"), "\"Q. Uoted\" <q@x>");
        assert_eq!(full("<bare@x>"), "<bare@x>");
        assert_eq!(full("X Y <z@w>, e"), "\"X Y , e\" <z@w>");
        assert_eq!(full("bob@[192.0.2.1]"), "bob@[192.0.2.1]");
    }

    #[test]
    fn bad_addresses_say_why() {
        assert_eq!(full("bob smith"), "'bob smith' contains invalid byte ' '");
        assert_eq!(full("a,b"), "a,b contains invalid byte ','");
        assert_eq!(full("bad@@x"), "bad@@x contains invalid '@' sequence");
        assert_eq!(full("bob@"), "bob@ contains invalid '@' sequence");
        assert_eq!(full("-c"), "-c is an invalid alias name");
        assert_eq!(full("bob+news"), "bob+news is an invalid alias name");
        assert_eq!(full("bob'x"), "$'bob\\'x' is an invalid alias name");
        assert_eq!(full("b\u{fc}b"), "$'b\\xC3\\xBCb' contains invalid byte '\\xC3'");
        assert_eq!(full("bob$"), "bob$");
        assert_eq!(full("./file"), "./file: *expandaddr* does not allow file target");
        assert_eq!(full("|cat"), "'|cat': *expandaddr* does not allow command pipe target");
    }

    #[test]
    fn lists_split_at_commas() {
        assert_eq!(split_list("a@b, \"C, D\" <c@d>,,e (x, y)"), ["a@b", "\"C, D\" <c@d>", "e (x, y)"]);
    }
}
