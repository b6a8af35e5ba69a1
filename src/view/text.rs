//! Lines of a given width: folding, cutting, and texts from outside made harmless.
//!
//! # Simplifications
//! A character counts as one column; wide and combining ones shift what stands behind them.

use std::fmt::Write;

/// Control characters are shown as escapes, everything else as it is.
pub fn plain(text: &str) -> String {
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text.to_owned() }
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// Folds a text at blanks into lines of at most `width` columns; a longer word is cut.
pub fn fold(text: &str, width: usize) -> Vec<String> {
    let width_of = self::width;
    let most = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word;
        if !line.is_empty() {
            if width_of(&line) + 1 + width_of(word) <= most {
                line.push(' ');
            } else {
                lines.push(std::mem::take(&mut line));
            }
        }
        while width_of(word) > most {
            let cut = word.char_indices().nth(most).map_or(word.len(), |(at, _)| at);
            lines.push(word[..cut].to_owned());
            word = &word[cut..];
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text cut to `width` columns; `…` stands for what is missing.
pub fn clip(text: &str, width: usize) -> String {
    if self::width(text) <= width {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        out.push('…');
    }
    out
}

/// Appends `text`, folded to `width` columns in all, behind `head`; further lines stand under the
/// first.
pub fn hang(out: &mut String, head: &str, text: &str, width: usize) {
    let left = self::width(head);
    for (n, line) in fold(text, width.saturating_sub(left).max(8)).iter().enumerate() {
        let head = if n == 0 { head } else { "" };
        let _ = writeln!(out, "{}", format!("{head:<left$}{line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
        assert_eq!(fold("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(clip("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(text in "\\PC{0,60}", most in 1usize..30) {
            for line in fold(&text, most) {
                prop_assert!(width(&line) <= most);
            }
            prop_assert!(width(&clip(&text, most)) <= most);
        }
    }
}
