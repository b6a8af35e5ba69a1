//! Expectations: lines that must come, with `[..]` for any text within a line and `...` alone on
//! a line for any number of lines.

use super::model::{Placed, Span};

/// Where what was heard is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The number of the step, from 1.
    pub step: usize,
    /// The expected line; of a line that should not have come, the one it came after.
    pub span: Span,
    /// What was expected there; `None` for nothing more.
    pub expected: Option<String>,
    /// What came instead; `None` for nothing.
    pub actual: Option<String>,
}

/// Compares lines with what was expected of them.
///
/// # Errors
/// The first expected line that did not come (`Some`), or a line too many (`None` and that line).
pub fn compare(expected: &[Placed<String>], actual: &[&str]) -> Result<(), (Option<usize>, Option<String>)> {
    // How far the expectations reach with each number of lines taken: a row of the usual table.
    let mut reached = vec![false; actual.len() + 1];
    reached[0] = true;
    for (n, pattern) in expected.iter().enumerate() {
        let mut next = vec![false; actual.len() + 1];
        if pattern.value.trim() == "..." {
            let from = reached.iter().position(|r| *r).unwrap_or(actual.len());
            next[from..].fill(true);
        } else {
            for (i, line) in actual.iter().enumerate() {
                next[i + 1] = reached[i] && matches(&pattern.value, line);
            }
        }
        match next.iter().rposition(|r| *r) {
            Some(_) => reached = next,
            None => {
                let at = reached.iter().position(|r| *r).unwrap_or(0);
                return Err((Some(n), actual.get(at).map(|l| (*l).to_owned())));
            }
        }
    }
    if reached[actual.len()] {
        return Ok(());
    }
    let taken = reached.iter().rposition(|r| *r).unwrap_or(0);
    Err((None, actual.get(taken).map(|l| (*l).to_owned())))
}

/// Does a line match a pattern with `[..]` in it?
pub fn matches(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (pattern.trim_end(), line.trim_end());
    let mut parts = pattern.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(all: &[&str]) -> Vec<Placed<String>> {
        all.iter().map(|l| Placed { value: (*l).to_owned(), span: 0..0 }).collect()
    }

    #[test]
    fn patterns_within_a_line() {
        assert!(matches("554 5.7.1 [..]: Relay access denied", "554 5.7.1 <x@y>: Relay access denied"));
        assert!(matches("[..]", ""));
        assert!(matches("a[..]b[..]c", "a1b2b3c"));
        assert!(!matches("a[..]b", "a1b2"));
        assert!(!matches("ab[..]ba", "aba"));
        assert!(!matches("a", "ab"));
    }

    #[test]
    fn any_number_of_lines() {
        assert_eq!(compare(&lines(&["a", "...", "c"]), &["a", "b", "b", "c"]), Ok(()));
        assert_eq!(compare(&lines(&["...", "c"]), &["c", "b", "c"]), Ok(()));
        assert_eq!(compare(&lines(&["..."]), &[]), Ok(()));
        assert_eq!(compare(&lines(&["a", "b"]), &["a", "c"]), Err((Some(1), Some("c".into()))));
        assert_eq!(compare(&lines(&["a"]), &["a", "c"]), Err((None, Some("c".into()))));
        assert_eq!(compare(&lines(&["a", "b"]), &["a"]), Err((Some(1), None)));
    }

    proptest! {
        #[test]
        fn lines_match_themselves(all in proptest::collection::vec("[a-z .\\[\\]]{0,8}", 0..8)) {
            let expected: Vec<&str> = all.iter().map(String::as_str).collect();
            prop_assert_eq!(compare(&lines(&expected), &expected), Ok(()));
        }
    }
}
