//! Brace expansion: `{a,b}`, `{1..9}`, `{a..e..2}` (bash(1), "Brace Expansion"). It works on the
//! text of a word, before all other expansions.

/// The most words that braces may make.
const MOST: usize = 100_000;
/// How deep they may nest.
const DEEPEST: usize = 32;

/// The words that braces make of one.
pub fn expand(word: &str) -> Vec<String> {
    if !word.contains('{') || !(word.contains(',') || word.contains("..")) {
        return vec![word.to_owned()];
    }
    inner(word, DEEPEST)
}

fn inner(word: &str, depth: usize) -> Vec<String> {
    let whole = || vec![word.to_owned()];
    if depth == 0 {
        return whole();
    }
    let mut from = 0;
    while let Some(open) = find(word, from, |b| b == b'{') {
        let Some((close, commas)) = closing(word, open) else {
            from = open + 1;
            continue;
        };
        let body = &word[open + 1..close];
        let middle = if commas.is_empty() {
            sequence(body)
        } else {
            let mut parts = Vec::new();
            let mut start = open + 1;
            for at in commas.iter().copied().chain([close]) {
                parts.extend(inner(&word[start..at], depth - 1));
                start = at + 1;
            }
            Some(parts)
        };
        let Some(middle) = middle else {
            from = open + 1;
            continue;
        };
        let ends = inner(&word[close + 1..], depth - 1);
        let front = &word[..open];
        let all = middle.iter().flat_map(|m| ends.iter().map(move |e| format!("{front}{m}{e}")));
        return all.take(MOST).collect();
    }
    whole()
}

/// The next octet that is wanted, outside quotes, `${…}`, `$(…)` and backquotes.
fn find(word: &str, from: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let b = word.as_bytes();
    let mut at = from;
    while at < b.len() {
        match b[at] {
            b'\\' => at += 1,
            b'\'' => at = skip_to(b, at + 1, b'\''),
            b'"' | b'`' => at = skip_quoted(b, at),
            b'$' if matches!(b.get(at + 1), Some(b'{' | b'(')) => at = skip_nested(b, at + 1),
            c if wanted(c) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn skip_to(b: &[u8], from: usize, end: u8) -> usize {
    (from..b.len()).find(|i| b[*i] == end).unwrap_or(b.len())
}

fn skip_quoted(b: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < b.len() && b[at] != b[open] {
        at += if b[at] == b'\\' { 2 } else { 1 };
    }
    at
}

fn skip_nested(b: &[u8], open: usize) -> usize {
    let (mut depth, mut at) = (0usize, open);
    while at < b.len() {
        match b[at] {
            b'\\' => at += 1,
            b'\'' => at = skip_to(b, at + 1, b'\''),
            b'"' => at = skip_quoted(b, at),
            b'{' | b'(' => depth += 1,
            b'}' | b')' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where a brace closes, and the commas between that belong to it.
fn closing(word: &str, open: usize) -> Option<(usize, Vec<usize>)> {
    let (mut depth, mut commas, mut at) = (1usize, Vec::new(), open + 1);
    loop {
        at = find(word, at, |b| matches!(b, b'{' | b'}' | b','))?;
        match word.as_bytes()[at] {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some((at, commas));
                }
            }
            _ if depth == 1 => commas.push(at),
            _ => {}
        }
        at += 1;
    }
}

fn sequence(body: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = body.split("..").collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => (*first, *last, step.parse::<i64>().ok()?),
        _ => return None,
    };
    if let (Ok(a), Ok(b)) = (first.parse::<i64>(), last.parse::<i64>()) {
        let digits = |t: &str| t.trim_start_matches('-').len();
        let padded = |t: &str| digits(t) > 1 && t.trim_start_matches('-').starts_with('0');
        let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
        return Some(count(a, b, step).map(|n| format!("{n:0width$}")).collect());
    }
    let one = |t: &str| t.chars().next().filter(|c| t.len() == 1 && c.is_ascii_alphabetic());
    let (a, b) = (one(first)?, one(last)?);
    let letters = count(a as i64, b as i64, step).filter_map(|n| char::from_u32(n as u32));
    Some(letters.map(String::from).collect())
}

fn count(start: i64, end: i64, step: i64) -> impl Iterator<Item = i64> {
    let step = step.saturating_abs().max(1);
    let down = end < start;
    let count = (start.abs_diff(end) / step as u64).min(MOST as u64 - 1);
    (0..=count as i64).map(move |n| if down { start - n * step } else { start + n * step })
}

#[cfg(test)]
mod tests {
    use super::expand;
    use proptest::prelude::*;

    #[test]
    fn braces() {
        for (word, words) in [
            ("{a,b}{1,2}", "a1 a2 b1 b2"),
            ("{01..03}", "01 02 03"),
            ("a{,b}c", "ac abc"),
            ("{a}", "{a}"),
            ("${a,b}", "${a,b}"),
            ("'{a,b}'", "'{a,b}'"),
            ("{a,b", "{a,b"),
            ("{a,{b,c}d}e", "ae bde cde"),
            ("{1..10..3}", "1 4 7 10"),
            ("{c..a}", "c b a"),
        ] {
            assert_eq!(expand(word).join(" "), words, "{word}");
        }
    }

    proptest! {
        #[test]
        fn any_word_is_read(word in "[{},.a1\\\\\"'$(]{0,30}") {
            let _ = expand(&word);
        }
    }
}
