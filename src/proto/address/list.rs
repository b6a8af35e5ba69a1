//! An address list that can be written again: the addresses may be changed, everything between
//! them stays.

use super::token::{Token, tokens};

/// A piece of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    /// Display names, comments, brackets, group names.
    Text(String),
    /// An address, in internal form.
    Address(String),
    /// The comma between two.
    Comma,
}

/// The addresses of a header, and what stands between them.
#[derive(Clone, Debug, Default)]
pub struct HeaderAddresses {
    pieces: Vec<Piece>,
}

/// Lines shorter than this take another address.
const FOLD: usize = 70;

impl HeaderAddresses {
    /// Reads the value of a header. What cannot be read as an address stays as text.
    pub fn parse(text: &str) -> HeaderAddresses {
        let tokens = tokens(text);
        let mut list = HeaderAddresses::default();
        let mut in_route = false;
        let mut opened = false;
        // A source route has commas of its own (RFC 5321, section 4.1.2).
        let between = |token: &Token| {
            match token {
                Token::Special('@') if opened => in_route = true,
                Token::Special(':' | '>') => in_route = false,
                _ => {}
            }
            opened = *token == Token::Special('<');
            *token == Token::Special(',') && !in_route
        };
        for item in tokens.split(between) {
            if !item.is_empty() {
                if !list.pieces.is_empty() {
                    list.pieces.push(Piece::Comma);
                }
                list.item(item);
            }
        }
        list
    }

    /// The addresses, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.pieces.iter_mut().filter_map(|p| match p {
            Piece::Address(a) => Some(a),
            Piece::Text(_) | Piece::Comma => None,
        })
    }

    /// The addresses alone.
    pub fn into_addresses(self) -> Vec<String> {
        self.pieces
            .into_iter()
            .filter_map(|p| match p {
                Piece::Address(a) => Some(a),
                Piece::Text(_) | Piece::Comma => None,
            })
            .collect()
    }

    /// The header `name` with this list, folded between addresses, with its line end.
    pub fn fold(&self, name: &str) -> String {
        let mut lines = vec![format!("{name}: ")];
        for piece in &self.pieces {
            if *piece == Piece::Comma {
                if let Some(last) = lines.last_mut() {
                    last.push(',');
                }
                lines.push(String::new());
                continue;
            }
            let Some(line) = lines.last_mut() else { continue };
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Address(address) => line.push_str(&super::quote(address)),
                Piece::Comma => {}
            }
        }
        let mut out = String::new();
        let mut width = 0;
        for (n, line) in lines.iter().enumerate() {
            if n > 0 && width + 1 + line.len() < FOLD {
                out.push(' ');
                width += 1 + line.len();
            } else {
                if n > 0 {
                    out.push_str("\n\t");
                }
                width = line.len();
            }
            out.push_str(line);
        }
        out.push('\n');
        out
    }

    /// What stands between two commas: a group's beginning, an address with or without a name.
    fn item(&mut self, mut item: &[Token]) {
        let angle = item.iter().position(|t| *t == Token::Special('<'));
        let colon = item.iter().position(|t| *t == Token::Special(':'));
        if let Some(colon) = colon
            && angle.is_none_or(|a| colon < a)
            && !item[..colon].contains(&Token::Special('@'))
        {
            self.pieces.push(Piece::Text(format!("{}: ", phrase(&item[..colon]))));
            item = &item[colon + 1..];
        }
        let end = item.iter().position(|t| *t == Token::Special(';'));
        let (item, after) = item.split_at(end.unwrap_or(item.len()));
        match item.iter().position(|t| *t == Token::Special('<')) {
            Some(at) => self.with_name(&item[..at], &item[at + 1..]),
            None => self.bare(item),
        }
        if let Some(rest) = after.get(1..) {
            self.pieces.push(Piece::Text(";".to_owned()));
            if !rest.is_empty() {
                self.bare(rest);
            }
        }
    }

    /// `Name <address> (comment)`
    fn with_name(&mut self, name: &[Token], rest: &[Token]) {
        let close = rest.iter().position(|t| *t == Token::Special('>')).unwrap_or(rest.len());
        let (inner, after) = rest.split_at(close);
        // A source route says nothing any more (RFC 5321, appendix C).
        let route = inner.first() == Some(&Token::Special('@'));
        let inner = match inner.iter().position(|t| *t == Token::Special(':')) {
            Some(colon) if route => &inner[colon + 1..],
            _ => inner,
        };
        let name = phrase(name);
        self.pieces.push(Piece::Text(if name.is_empty() { "<".to_owned() } else { format!("{name} <") }));
        let found = addresses(inner);
        let several = found.len() > 1;
        for (n, address) in found.into_iter().enumerate() {
            if several && n > 0 {
                self.pieces.push(Piece::Text(" ".to_owned()));
            }
            self.pieces.push(Piece::Address(address));
        }
        let after = phrase(after.get(1..).unwrap_or_default());
        self.pieces.push(Piece::Text(if after.is_empty() { ">".to_owned() } else { format!("> {after}") }));
    }

    /// `address (comment)`; words beside each other are addresses beside each other.
    fn bare(&mut self, item: &[Token]) {
        let comments: Vec<&str> = item
            .iter()
            .filter_map(|t| match t {
                Token::Comment(c) => Some(c.as_str()),
                _ => None,
            })
            .collect();
        for (n, address) in addresses(item).into_iter().enumerate() {
            if n > 0 {
                self.pieces.push(Piece::Comma);
            }
            self.pieces.push(Piece::Address(address));
        }
        if !comments.is_empty() {
            let blank = if matches!(self.pieces.last(), Some(Piece::Address(_))) { " " } else { "" };
            self.pieces.push(Piece::Text(format!("{blank}{}", comments.join(" "))));
        }
    }
}

/// The addresses that a row of tokens makes up: words joined by `@`.
fn addresses(tokens: &[Token]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut joins = false;
    for token in tokens {
        match token {
            Token::Special('@') => {
                match all.last_mut() {
                    Some(last) => last.push('@'),
                    None => all.push("@".to_owned()),
                }
                joins = true;
            }
            Token::Atom(text) | Token::Quoted(text) | Token::Literal(text) => {
                let glued = text.starts_with('.') || all.last().is_some_and(|l| l.ends_with('.'));
                match all.last_mut() {
                    Some(last) if joins || glued => last.push_str(text),
                    _ => all.push(text.clone()),
                }
                joins = false;
            }
            Token::Comment(_) | Token::Special(_) => {}
        }
    }
    all
}

/// Tokens as they are written in a display name.
fn phrase(tokens: &[Token]) -> String {
    let mut out = String::new();
    for token in tokens {
        let text = match token {
            Token::Atom(t) | Token::Literal(t) | Token::Comment(t) => t.clone(),
            Token::Quoted(t) => format!("\"{}\"", t.replace('\\', "\\\\").replace('"', "\\\"")),
            Token::Special(c) => c.to_string(),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real cleanup made of these headers, `user` standing for a completed `user@mail.example.com`.
    #[test]
    fn a_changed_list_is_written_as_the_real_one_writes_it() {
        let folded = |name: &str, text: &str| {
            let mut list = HeaderAddresses::parse(text);
            for a in list.iter_mut().filter(|a| !a.contains('@')) {
                a.push_str("@mail.example.com");
            }
            list.fold(name)
        };
        assert_eq!(
            folded("To", " foo, bar (Joe), \"x y\" <z@c>,\n  Undisclosed: a, b;, <root>\n"),
            "To: foo@mail.example.com, bar@mail.example.com (Joe), \"x y\" <z@c>,\n\
             \tUndisclosed: a@mail.example.com, b@mail.example.com;,\n\t<root@mail.example.com>\n"
        );
        assert_eq!(
            folded(
                "Cc",
                " Very Long Name Indeed <averyveryverylonglocalpart@averyveryverylongdomain.example.com>, Another Name <x>, third <y>, fourth <z>, fifth <w>"
            ),
            "Cc: Very Long Name Indeed <averyveryverylonglocalpart@averyveryverylongdomain.example.com>,\n\
             \tAnother Name <x@mail.example.com>, third <y@mail.example.com>,\n\
             \tfourth <z@mail.example.com>, fifth <w@mail.example.com>\n"
        );
        assert_eq!(
            folded("From", " a b c"),
            "From: a@mail.example.com, b@mail.example.com, c@mail.example.com\n"
        );
    }
}
