//! Filling in `$name` in parameter values and rewriting rules.
//!
//! The forms, which nest freely:
//!
//! - `$name`, `${name}`, `$(name)`: the value of another parameter, itself filled in; nothing if
//!   there is none. `$$` is a dollar sign.
//! - `${name?text}`, `${name?{text}:{other}}`: text if the value is not empty, else other.
//! - `${name:text}`: text if the value is empty or there is none.
//! - `${{a} == {b} ? {x} : {y}}`: a comparison, by number when both sides are numbers, else by
//!   text; with `<level` and its like by compatibility level. Without `?` it gives `true` or
//!   nothing.
//!
//! Text is returned as it stands; blanks at its ends belong to it unless it is in braces, where
//! only what is inside the braces counts.
//!
//! # Simplifications
//! Values that refer to each other so that they would grow beyond all measure are refused with the
//! message for values that refer to themselves; the real program runs out of memory.

use super::level::Level;
use std::borrow::Cow;

/// How deep one value may refer to another.
const DEEPEST: usize = 101;

/// How many values one text may take in, and how long it may become: values that double each
/// other would otherwise never end, as they do not in the real program.
const MOST: usize = 100_000;
const LONGEST: usize = 16 << 20;

/// Why a text could not be filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExpandError {
    /// Bad syntax: what the real program says as a warning before it gives up.
    Syntax(String),
    /// What the real program ends with at once, without a warning first.
    Fatal(String),
}

/// Where names get their values. The value of a name is filled in again if `expand_again` says so.
pub trait Names {
    /// The value of a name, as it was set.
    fn value(&self, name: &str) -> Option<Cow<'_, str>>;
    /// Has a name a value that is not empty? A condition asks.
    fn holds(&self, name: &str) -> bool {
        self.value(name).is_some_and(|v| !v.is_empty())
    }
    /// Whether values are themselves to be filled in; they are in main.cf.
    fn expand_again(&self) -> bool {
        true
    }
}

/// Fills in a text.
pub fn expand(text: &str, names: &dyn Names) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len() + 32);
    fill(text, &mut Work { names, steps: 0 }, &mut out, 0)?;
    Ok(out)
}

/// Every name that a text refers to, in comparisons and in either outcome, too; each as often as
/// it stands there.
pub fn names_in(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    // What is inside brackets is looked at later, so that deep nesting needs no deep stack.
    let mut open = vec![text];
    while let Some(mut rest) = open.pop() {
        while let Some(at) = rest.find('$') {
            rest = &rest[at + 1..];
            match rest.chars().next() {
                Some('$') => rest = &rest[1..],
                Some(bracket @ ('{' | '(')) => {
                    let Some(len) = balanced(rest, bracket) else { break };
                    let inside = rest[1..len - 1].trim_start();
                    let name = leading_name(inside);
                    if !name.is_empty() {
                        found.push(name);
                    }
                    open.push(&rest[len..]);
                    rest = &inside[name.len()..];
                }
                _ => {
                    let name = leading_name(rest);
                    if !name.is_empty() {
                        found.push(name);
                    }
                    rest = &rest[name.len()..];
                }
            }
        }
    }
    found
}

struct Work<'n> {
    names: &'n dyn Names,
    /// Values taken in so far.
    steps: usize,
}

fn syntax<T>(text: String) -> Result<T, ExpandError> {
    Err(ExpandError::Syntax(text))
}

fn leading_name(text: &str) -> &str {
    let end = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'_')).unwrap_or(text.len());
    &text[..end]
}

/// The length of the bracketed expression that `text` begins with, brackets included.
fn balanced(text: &str, open: char) -> Option<usize> {
    let close = if open == '(' { ')' } else { '}' };
    let mut depth = 0usize;
    for (i, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(i + 1);
            }
        }
    }
    None
}

fn fill(text: &str, work: &mut Work<'_>, out: &mut String, depth: usize) -> Result<(), ExpandError> {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.chars().next() {
            Some('$') => {
                out.push('$');
                rest = &rest[1..];
            }
            Some(open @ ('{' | '(')) => {
                let Some(len) = balanced(rest, open) else {
                    return syntax(format!("truncated macro reference: \"{text}\""));
                };
                if len == 2 {
                    return syntax(format!("empty macro name: \"{text}\""));
                }
                braced(&rest[1..len - 1], work, out, depth)?;
                rest = &rest[len..];
            }
            _ => {
                let name = leading_name(rest);
                if name.is_empty() {
                    return syntax(format!("empty macro name: \"{text}\""));
                }
                named(name, work, out, depth)?;
                rest = &rest[name.len()..];
            }
        }
    }
    out.push_str(rest);
    Ok(())
}

/// Appends the value of a name.
fn named(name: &str, work: &mut Work<'_>, out: &mut String, depth: usize) -> Result<(), ExpandError> {
    let names = work.names;
    let Some(value) = names.value(name) else { return Ok(()) };
    work.steps += 1;
    if work.steps > MOST || out.len() + value.len() > LONGEST {
        return syntax(format!("unreasonable macro call nesting: \"{name}\""));
    }
    if !names.expand_again() || !value.contains('$') {
        out.push_str(&value);
        return Ok(());
    }
    if depth >= DEEPEST {
        return syntax(format!("unreasonable macro call nesting: \"{name}\""));
    }
    fill(&value, work, out, depth + 1)
}

/// What stands between the brackets of `${…}`.
fn braced(inside: &str, work: &mut Work<'_>, out: &mut String, depth: usize) -> Result<(), ExpandError> {
    if depth >= DEEPEST {
        return syntax(format!("unreasonable macro call nesting: \"{inside}\""));
    }
    let start = inside.trim_start();
    if start.starts_with('{') {
        let (holds, rest) = comparison(start, work, depth)?;
        return match rest.chars().next() {
            None if holds => {
                out.push_str("true");
                Ok(())
            }
            None => Ok(()),
            Some(mark @ ('?' | ':')) => choose(mark, &rest[1..], holds, work, out, depth),
            Some(_) => syntax(format!("\"?\" or \":\" expected at: \"...}}>>>{}\"", first20(rest))),
        };
    }
    let name = leading_name(start);
    let after = &start[name.len()..];
    let rest = after.trim_start();
    match rest.chars().next() {
        None => named(name, work, out, depth),
        Some(mark @ ('?' | ':')) => {
            let holds = work.names.holds(name);
            choose(mark, &rest[1..], holds, work, out, depth)
        }
        Some(_) => syntax(format!("attribute name syntax error at: \"...{name}>>>{}\"", first20(after))),
    }
}

/// What follows `?` or `:`.
fn choose(
    mark: char,
    rest: &str,
    holds: bool,
    work: &mut Work<'_>,
    out: &mut String,
    depth: usize,
) -> Result<(), ExpandError> {
    let (first, after) = payload(rest)?;
    let mut second = "";
    if let Some(after) = after
        && !after.is_empty()
    {
        let Some(other) = after.strip_prefix(':').filter(|_| mark == '?') else {
            let what = if mark == '?' { "\":\" expected" } else { "unexpected input" };
            return syntax(format!("{what} at: \"...{first}}}>>>{}\"", first20(after)));
        };
        let (text, after) = payload(other)?;
        second = text;
        if let Some(after) = after
            && !after.is_empty()
        {
            return syntax(format!("unexpected input at: \"...{second}}}>>>{}\"", first20(after)));
        }
    }
    let text = match (mark, holds) {
        ('?', true) | (':', false) => first,
        ('?', false) => second,
        _ => return Ok(()),
    };
    fill(text, work, out, depth + 1)
}

/// A text in braces and what follows it, or all of a text without braces.
fn payload(text: &str) -> Result<(&str, Option<&str>), ExpandError> {
    let start = text.trim_start();
    if !start.starts_with('{') {
        return Ok((text, None));
    }
    match balanced(start, '{') {
        Some(len) => Ok((&start[1..len - 1], Some(start[len..].trim_start()))),
        None => syntax(format!("unbalanced {{}} in attribute expression: \"{start}\"")),
    }
}

/// Evaluates `{a} == {b}` and returns what follows it.
fn comparison<'t>(text: &'t str, work: &mut Work<'_>, depth: usize) -> Result<(bool, &'t str), ExpandError> {
    const SIGNS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];
    let (left, rest) = operand(text)?;
    let Some(sign) = SIGNS.into_iter().find(|s| rest.starts_with(s)) else {
        return syntax(format!(
            "\"==\" or \"!=\"\" or \"<\"\" or \"<=\"\" or \">=\"\" or \">\" expected at: \"...{left}}}>>>{}\"",
            first20(rest)
        ));
    };
    let rest = &rest[sign.len()..];
    let end = rest.bytes().position(|b| !b.is_ascii_alphabetic()).unwrap_or(rest.len());
    let suffix = &rest[..end];
    if !suffix.is_empty() && suffix != "level" {
        return syntax(format!("bad operator suffix at: \"...{sign}>>>{suffix}\""));
    }
    let after = &rest[end..];
    let start = after.trim_start();
    if !start.starts_with('{') {
        return syntax(format!(
            "\"{{expression}}\" expected at: \"...{{{left}}} {sign}>>>{}\"",
            first20(after)
        ));
    }
    let (right, rest) = operand(start)?;
    let mut a = String::new();
    let mut b = String::new();
    fill(left, work, &mut a, depth + 1)?;
    fill(right, work, &mut b, depth + 1)?;
    let order = if suffix.is_empty() { by_number_or_text(&a, &b)? } else { by_level(&a, &b)? };
    let holds = match sign {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    };
    Ok((holds, rest))
}

fn operand(text: &str) -> Result<(&str, &str), ExpandError> {
    let (inside, rest) = payload(text)?;
    Ok((inside, rest.unwrap_or("")))
}

fn by_level(a: &str, b: &str) -> Result<std::cmp::Ordering, ExpandError> {
    let a = Level::parse(a).map_err(ExpandError::Syntax)?;
    Ok(a.cmp(&Level::parse(b).map_err(ExpandError::Syntax)?))
}

fn by_number_or_text(a: &str, b: &str) -> Result<std::cmp::Ordering, ExpandError> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
    if !(digits(a) && digits(b)) {
        return Ok(a.cmp(b));
    }
    let number = |s: &str| {
        s.parse::<i64>().map_err(|_| ExpandError::Fatal(format!("mac_exp_eval: bad conversion: {s}")))
    };
    Ok(number(a)?.cmp(&number(b)?))
}

fn first20(text: &str) -> &str {
    let end = text.char_indices().nth(20).map_or(text.len(), |(i, _)| i);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Few;
    impl Names for Few {
        fn value(&self, name: &str) -> Option<Cow<'_, str>> {
            Some(match name {
                "foo" => "b a r".into(),
                "empty" => "".into(),
                "rec" => "$rec1 x".into(),
                "rec1" => "${rec}".into(),
                _ => return None,
            })
        }
    }

    /// Each as the real program expands it; a text after `!` is its warning.
    const REAL: &str = include_str!("expand_cases.txt");

    #[test]
    fn as_the_real_program() {
        for line in REAL.lines() {
            let (text, want) = line.split_once(" => ").expect("text => result");
            let (text, want) = (text.trim_matches('|'), want.trim_matches('|'));
            match (expand(&format!("|{text}|"), &Few), want.strip_prefix('!')) {
                (Ok(got), None) => assert_eq!(got, format!("|{want}|"), "{text}"),
                (Err(ExpandError::Syntax(got) | ExpandError::Fatal(got)), Some(want)) => {
                    assert_eq!(got, want, "{text}");
                }
                (got, _) => panic!("{text}: {got:?}, expected {want}"),
            }
        }
    }

    #[test]
    fn values_that_double_end() {
        struct Doubling;
        impl Names for Doubling {
            fn value(&self, name: &str) -> Option<Cow<'_, str>> {
                let n: u32 = name[1..].parse().ok()?;
                Some(format!("$a{0}$a{0}", n + 1).into())
            }
        }
        assert!(expand("$a0", &Doubling).is_err());
    }

    #[test]
    fn names_are_found() {
        assert_eq!(names_in("$a ${b?$c} $$d $(e) ${{$f} == {} ? {$g}}"), ["a", "b", "c", "e", "f", "g"]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[$(){}?:<=a-z \u{e9}]{0,60}") {
            let _ = expand(&text, &Few);
            let _ = names_in(&text);
        }
        #[test]
        fn text_without_dollars_stays(text in "[^$]{0,60}") {
            prop_assert_eq!(expand(&text, &Few).unwrap(), text);
        }
    }
}
