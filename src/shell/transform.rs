//! What `${x#pattern}`, `${x/pattern/text}`, `${x^}`, `${x@Q}` and their kin make of a text.

use super::variable::Variable;
use super::{ansi_c, pattern, quote};
use brush_parser::word::{ParameterExpr, ParameterTransformOp, SubstringMatchKind};

/// The longest text in which patterns are looked for, in octets: the time it takes grows with the square.
const LONGEST: usize = 1 << 16;

/// Forms with a pattern.
pub fn by_pattern(text: &str, expr: &ParameterExpr, pattern: &str, replacement: &str) -> String {
    use ParameterExpr as E;
    if text.len() > LONGEST {
        return text.to_owned();
    }
    match expr {
        E::RemoveSmallestPrefixPattern { .. } => cut_front(text, pattern, false),
        E::RemoveLargestPrefixPattern { .. } => cut_front(text, pattern, true),
        E::RemoveSmallestSuffixPattern { .. } => cut_back(text, pattern, false),
        E::RemoveLargestSuffixPattern { .. } => cut_back(text, pattern, true),
        E::UppercaseFirstChar { .. } => letters(text, pattern, true, |c| c.to_ascii_uppercase()),
        E::LowercaseFirstChar { .. } => letters(text, pattern, true, |c| c.to_ascii_lowercase()),
        E::UppercasePattern { .. } => letters(text, pattern, false, |c| c.to_ascii_uppercase()),
        E::LowercasePattern { .. } => letters(text, pattern, false, |c| c.to_ascii_lowercase()),
        E::ReplaceSubstring { match_kind, .. } => replace(text, pattern, replacement, match_kind),
        _ => text.to_owned(),
    }
}

/// `${x@op}`
pub fn by_operator(text: &str, op: &ParameterTransformOp, name: &str, variable: Option<&Variable>) -> String {
    use ParameterTransformOp as T;
    match op {
        T::CapitalizeInitial => letters(text, "", true, |c| c.to_ascii_uppercase()),
        T::ToUpperCase => text.to_ascii_uppercase(),
        T::ToLowerCase => text.to_ascii_lowercase(),
        T::ExpandEscapeSequences => ansi_c::decode(text),
        T::Quoted | T::PossiblyQuoteWithArraysExpanded { .. } => quote::single(text),
        T::ToAssignmentLogic => match variable.map(Variable::attributes) {
            Some(attributes) if attributes != "-" => {
                format!("declare -{attributes} {name}={}", quote::single(text))
            }
            _ => format!("{name}={}", quote::single(text)),
        },
        T::ToAttributeFlags => variable.map(Variable::attributes).filter(|a| a != "-").unwrap_or_default(),
        T::PromptExpand => text.to_owned(),
    }
}

fn letters(text: &str, pattern: &str, first: bool, f: impl Fn(char) -> char) -> String {
    let wanted = |c: char| pattern.is_empty() || pattern::matches(pattern, c.encode_utf8(&mut [0; 4]));
    text.chars().enumerate().map(|(n, c)| if (n == 0 || !first) && wanted(c) { f(c) } else { c }).collect()
}

fn boundaries(text: &str) -> Vec<usize> {
    text.char_indices().map(|(i, _)| i).chain([text.len()]).collect()
}

fn cut_front(text: &str, pattern: &str, largest: bool) -> String {
    let pattern = pattern::Pattern::new(pattern);
    let mut ends = boundaries(text);
    if largest {
        ends.reverse();
    }
    let end = ends.into_iter().find(|e| pattern.matches(&text[..*e]));
    text[end.unwrap_or(0)..].to_owned()
}

fn cut_back(text: &str, pattern: &str, largest: bool) -> String {
    let pattern = pattern::Pattern::new(pattern);
    let mut starts = boundaries(text);
    if !largest {
        starts.reverse();
    }
    let start = starts.into_iter().find(|s| pattern.matches(&text[*s..]));
    text[..start.unwrap_or(text.len())].to_owned()
}

fn replace(text: &str, pattern: &str, with: &str, kind: &SubstringMatchKind) -> String {
    if pattern.is_empty() {
        return text.to_owned();
    }
    let pattern = pattern::Pattern::new(pattern);
    let ends = boundaries(text);
    let longest = |from: usize| {
        ends.iter().rev().copied().take_while(|e| *e > from).find(|e| pattern.matches(&text[from..*e]))
    };
    let (mut out, mut at, mut done) = (String::new(), 0, false);
    while at < text.len() {
        let found = match kind {
            SubstringMatchKind::Prefix if at > 0 => None,
            SubstringMatchKind::FirstOccurrence if done => None,
            SubstringMatchKind::Suffix => Some(text.len()).filter(|e| pattern.matches(&text[at..*e])),
            _ => longest(at),
        };
        match found {
            Some(end) => {
                put_replacement(&mut out, with, &text[at..end]);
                at = end;
                done = true;
            }
            None => {
                let len = text[at..].chars().next().map_or(1, char::len_utf8);
                out.push_str(&text[at..at + len]);
                at += len;
            }
        }
    }
    out
}

/// `&` stands for what was found; a backslash guards what is behind it.
fn put_replacement(out: &mut String, with: &str, found: &str) {
    let mut chars = with.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '&' => out.push_str(found),
            c => out.push(c),
        }
    }
}
