//! Patterns of file names, as fnmatch(3) reads them.

use super::regex::{Dialect, Regex};

/// The pattern as a regular expression for the whole of a name; `None` where it is too long.
pub fn to_regex(pattern: &str, ignore_case: bool) -> Option<Regex> {
    let mut out = Vec::from(b"^");
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'*' => out.extend_from_slice(b".*"),
            b'?' => out.push(b'.'),
            b'[' => match bracket(&bytes[at..]) {
                Some((set, used)) => {
                    out.extend_from_slice(&set);
                    at += used;
                    continue;
                }
                None => out.extend_from_slice(b"\\["),
            },
            b'\\' if at + 1 < bytes.len() => {
                at += 1;
                quote(&mut out, bytes[at]);
            }
            b => quote(&mut out, b),
        }
        at += 1;
    }
    out.push(b'$');
    Regex::new(&out, Dialect { extended: true, ignore_case, ..Dialect::default() }).ok()
}

fn quote(out: &mut Vec<u8>, b: u8) {
    if b.is_ascii_punctuation() {
        // A bracket quotes anything but these two, which a backslash quotes.
        if b == b'^' || b == b'\\' {
            out.extend_from_slice(&[b'\\', b])
        } else {
            out.extend_from_slice(&[b'[', b, b']'])
        }
    } else {
        out.push(b);
    }
}

fn bracket(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut at = 1;
    let mut set = Vec::from(b"[");
    if matches!(text.get(1), Some(b'!' | b'^')) {
        set.push(b'^');
        at = 2;
    }
    let first = at;
    loop {
        match text.get(at)? {
            b']' if at > first => {
                set.push(b']');
                return Some((set, at + 1));
            }
            b'[' if text.get(at + 1) == Some(&b':') => {
                let end = text[at..].windows(2).position(|w| w == b":]")?;
                set.extend_from_slice(&text[at..at + end + 2]);
                at += end + 2;
            }
            b => {
                set.push(*b);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        let is = |pattern, name: &str| to_regex(pattern, false).unwrap().is_match(name.as_bytes());
        assert!(is("*.c", "a.c") && !is("*.c", "a.cc") && !is("*.c", "axc"));
        assert!(is("[!a-c]?", "dx") && !is("[!a-c]?", "ax"));
        assert!(is("\\*", "*") && !is("\\*", "a"));
        assert!(is("[", "[") && is("a+b^c]", "a+b^c]") && is("[[:digit:]]*", "1x"));
    }
}
