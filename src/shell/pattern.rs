//! Patterns of file names and texts: `*`, `?`, `[…]`.

use crate::world::process::Process;

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    One(char),
    Any,
    Star,
    Set(Vec<(char, char)>, bool),
}

/// Does a text match a pattern, from end to end? `\` takes the next character as it is.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pieces = pieces(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pieces.get(p) {
            Some(Piece::Star) => {
                back = Some((p, t));
                p += 1;
            }
            Some(piece) if one(piece, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match back {
                // The last star takes one character more.
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pieces[p..].iter().all(|piece| *piece == Piece::Star)
}

fn one(piece: &Piece, c: char) -> bool {
    match piece {
        Piece::One(x) => *x == c,
        Piece::Any => true,
        Piece::Set(ranges, negated) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated,
        Piece::Star => false,
    }
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let chars: Vec<char> = pattern.chars().collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        match chars[at] {
            '*' => {
                if out.last() != Some(&Piece::Star) {
                    out.push(Piece::Star);
                }
            }
            '?' => out.push(Piece::Any),
            '\\' if at + 1 < chars.len() => {
                at += 1;
                out.push(Piece::One(chars[at]));
            }
            '[' => match set(&chars[at..]) {
                Some((piece, used)) => {
                    out.push(piece);
                    at += used - 1;
                }
                None => out.push(Piece::One('[')),
            },
            c => out.push(Piece::One(c)),
        }
        at += 1;
    }
    out
}

fn set(chars: &[char]) -> Option<(Piece, usize)> {
    let negated = matches!(chars.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    let (mut at, mut ranges) = (first, Vec::new());
    loop {
        match *chars.get(at)? {
            ']' if at > first => return Some((Piece::Set(ranges, negated), at + 1)),
            '[' if chars.get(at + 1) == Some(&':') => {
                let end = (at + 2..chars.len() - 1).find(|i| chars[*i] == ':' && chars[*i + 1] == ']')?;
                let name: String = chars[at + 2..end].iter().collect();
                ranges.extend_from_slice(class(&name));
                at = end + 2;
            }
            c => {
                let c = if c == '\\' {
                    at += 1;
                    *chars.get(at)?
                } else {
                    c
                };
                if chars.get(at + 1) == Some(&'-') && chars.get(at + 2).is_some_and(|e| *e != ']') {
                    ranges.push((c, chars[at + 2]));
                    at += 3;
                } else {
                    ranges.push((c, c));
                    at += 1;
                }
            }
        }
    }
}

fn class(name: &str) -> &'static [(char, char)] {
    match name {
        "alpha" => &[('a', 'z'), ('A', 'Z')],
        "digit" => &[('0', '9')],
        "alnum" => &[('a', 'z'), ('A', 'Z'), ('0', '9')],
        "upper" => &[('A', 'Z')],
        "lower" => &[('a', 'z')],
        "space" => &[(' ', ' '), ('\t', '\r')],
        "blank" => &[(' ', ' '), ('\t', '\t')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "xdigit" => &[('0', '9'), ('a', 'f'), ('A', 'F')],
        "print" => &[(' ', '~')],
        "graph" => &[('!', '~')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        _ => &[],
    }
}

/// Does the text hold a character that means something in a pattern?
pub fn is_pattern(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// A text so that it means itself in a pattern.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '!' | '^' | '-') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A pattern as plain text: its backslashes gone.
pub fn unquote(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next().or(Some('\\')) } else { Some(c) });
    }
    out
}

/// The files that a pattern names, in order; none where there are none.
pub fn files(p: &Process, pattern: &str) -> Vec<String> {
    let absolute = pattern.starts_with('/');
    let mut found: Vec<String> = vec![if absolute { "/".to_owned() } else { String::new() }];
    let parts: Vec<&str> = pattern.split('/').filter(|p| !p.is_empty()).collect();
    for (n, part) in parts.iter().enumerate() {
        let mut next = Vec::new();
        for base in &found {
            let join = |name: &str| format!("{base}{name}");
            if is_pattern(part) {
                let directory = if base.is_empty() { "." } else { base.as_str() };
                let names = p.list(directory).unwrap_or_default();
                let dotted = part.starts_with('.') || part.starts_with("\\.");
                let special = [".", ".."].into_iter().filter(|_| dotted).map(Into::into);
                let names = special.chain(names);
                next.extend(
                    names
                        .filter(|n: &std::rc::Rc<str>| (dotted || !n.starts_with('.')) && matches(part, n))
                        .map(|n| join(&n)),
                );
            } else {
                let path = join(&unquote(part));
                if p.stat(&path, false).is_ok() {
                    next.push(path);
                }
            }
        }
        if n + 1 < parts.len() {
            next.retain(|path| p.stat(path, true).is_ok_and(|s| s.is_dir()));
            for path in &mut next {
                path.push('/');
            }
        }
        found = next;
    }
    if pattern.ends_with('/') && !parts.is_empty() {
        found.retain(|path| p.stat(path, true).is_ok_and(|s| s.is_dir()));
        for path in &mut found {
            path.push('/');
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, text, yes) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[[:digit:]]", "7", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[", "[", true),
            ("*.gz*", "a.gz.b", true),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(matches(pattern, text), yes, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn quoted_texts_match_themselves(text in "\\PC{0,20}") {
            prop_assert!(matches(&quote(&text), &text));
            prop_assert_eq!(unquote(&quote(&text)), text);
        }

        #[test]
        fn any_pattern_is_read(pattern in "\\PC{0,20}", text in "\\PC{0,20}") {
            let _ = matches(&pattern, &text);
        }
    }
}
