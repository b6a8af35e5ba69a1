//! Patterns of file names and texts: `*`, `?`, `[…]`, and with `extglob` `@(…|…)` and its kin.

use crate::world::process::Process;

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    One(char),
    Any,
    Star,
    Set(Vec<(char, char)>, bool),
    /// `?(…)`, `*(…)`, `+(…)`, `@(…)`, `!(…)`: how often, and of what.
    Group(char, Vec<Vec<Piece>>),
}

/// A pattern that was read.
#[derive(Clone, Debug)]
pub struct Pattern {
    pieces: Vec<Piece>,
    grouped: bool,
}

/// How deep groups may lie in one another.
const DEEPEST: usize = 8;
/// How many steps a pattern with groups may take before it counts as no match.
const STEPS: usize = 200_000;

impl Pattern {
    /// Reads a pattern. `\` takes the next character as it is.
    pub fn new(pattern: &str) -> Pattern {
        let chars: Vec<char> = pattern.chars().collect();
        let pieces = pieces(&chars, DEEPEST);
        let grouped = pieces.iter().any(|p| matches!(p, Piece::Group(..)));
        Pattern { pieces, grouped }
    }

    /// Does a text match, from end to end?
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        if self.grouped {
            return grouped(&self.pieces, &text, &mut 0);
        }
        straight(&self.pieces, &text)
    }
}

/// Does a text match a pattern, from end to end?
pub fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).matches(text)
}

fn straight(pieces: &[Piece], text: &[char]) -> bool {
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

/// As [`straight`], trying out what groups may take.
fn grouped(pieces: &[Piece], text: &[char], steps: &mut usize) -> bool {
    *steps += 1;
    if *steps > STEPS {
        return false;
    }
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Star => (0..=text.len()).any(|n| grouped(rest, &text[n..], steps)),
        Piece::Group(kind, choices) => (0..=text.len())
            .rev()
            .any(|n| taken(*kind, choices, &text[..n], steps) && grouped(rest, &text[n..], steps)),
        piece => text.split_first().is_some_and(|(c, after)| one(piece, *c) && grouped(rest, after, steps)),
    }
}

/// May a group take exactly this text?
fn taken(kind: char, choices: &[Vec<Piece>], text: &[char], steps: &mut usize) -> bool {
    let once = |text: &[char], steps: &mut usize| choices.iter().any(|c| grouped(c, text, steps));
    match kind {
        '@' => once(text, steps),
        '?' => text.is_empty() || once(text, steps),
        '!' => !once(text, steps),
        _ if text.is_empty() => kind == '*' || once(text, steps),
        _ => (1..=text.len())
            .any(|n| once(&text[..n], steps) && (n == text.len() || taken('*', choices, &text[n..], steps))),
    }
}

fn one(piece: &Piece, c: char) -> bool {
    match piece {
        Piece::One(x) => *x == c,
        Piece::Any => true,
        Piece::Set(ranges, negated) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated,
        Piece::Star | Piece::Group(..) => false,
    }
}

fn pieces(chars: &[char], depth: usize) -> Vec<Piece> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        if matches!(chars[at], '?' | '*' | '+' | '@' | '!')
            && chars.get(at + 1) == Some(&'(')
            && depth > 0
            && let Some((choices, end)) = choices(&chars[at + 2..])
        {
            let choices = choices.into_iter().map(|c| pieces(c, depth - 1)).collect();
            out.push(Piece::Group(chars[at], choices));
            at += end + 3;
            continue;
        }
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

/// The choices of a group whose parenthesis is open, and where it closes.
fn choices(chars: &[char]) -> Option<(Vec<&[char]>, usize)> {
    let (mut depth, mut start, mut out, mut at) = (0usize, 0, Vec::new(), 0);
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 1,
            '(' => depth += 1,
            ')' if depth == 0 => {
                out.push(&chars[start..at]);
                return Some((out, at));
            }
            ')' => depth -= 1,
            '|' if depth == 0 => {
                out.push(&chars[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
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
            '@' | '+' | '!' if chars.as_str().starts_with('(') => return true,
            _ => {}
        }
    }
    false
}

/// A text so that it means itself in a pattern.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '!' | '^' | '-' | '(' | ')' | '|' | '@' | '+' | '&') {
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

/// How file names are compared with a pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Does `*` take names that begin with a dot?
    pub dots: bool,
    /// Are capital letters the same as small ones?
    pub no_case: bool,
}

/// The files that a pattern names, in order; none where there are none.
pub fn files(p: &Process, pattern: &str, how: How) -> Vec<String> {
    let absolute = pattern.starts_with('/');
    let mut found: Vec<String> = vec![if absolute { "/".to_owned() } else { String::new() }];
    let parts: Vec<&str> = pattern.split('/').filter(|p| !p.is_empty()).collect();
    for (n, part) in parts.iter().enumerate() {
        let mut next = Vec::new();
        let fold = |t: &str| if how.no_case { t.to_lowercase() } else { t.to_owned() };
        let wanted = is_pattern(part).then(|| Pattern::new(&fold(part)));
        // A name that begins with a dot is meant only by a pattern that does; `.` and `..` by none.
        let dotted = part.starts_with('.') || part.starts_with("\\.") || how.dots;
        for base in &found {
            match &wanted {
                Some(wanted) => {
                    let directory = if base.is_empty() { "." } else { base.as_str() };
                    let names = p.list(directory).unwrap_or_default();
                    let names = names.iter().filter(|n| dotted || !n.starts_with('.'));
                    let names = names.filter(|n| wanted.matches(&fold(n)));
                    next.extend(names.map(|n| format!("{base}{n}")));
                }
                None => {
                    let path = format!("{base}{}", unquote(part));
                    if p.stat(&path, false).is_ok() {
                        next.push(path);
                    }
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
            ("@(a|b)c", "bc", true),
            ("!(a*)", "ab", false),
            ("!(a*)", "b", true),
            ("+(ab)", "abab", true),
            ("x?(y)z", "xz", true),
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
