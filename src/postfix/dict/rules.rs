//! Tables of patterns, `regexp:` and `pcre:`: rules searched from the top, the first that matches
//! gives the result (regexp_table(5), pcre_table(5)).
//!
//! ```text
//! /pattern/flags    result with $1
//! !/pattern/flags   result where the pattern does not match
//! if /pattern/flags
//! endif
//! ```
//!
//! # Simplifications
//! A pattern that would take too long is given up with an error. Of the messages for a bad `pcre:`
//! pattern only the most common are the real ones. Flags `U` and `X` of `pcre:` do nothing.

use super::posix::{self, Mode};
use crate::postfix::config::expand::{self, ExpandError, Names};
use crate::postfix::config::main_cf::{is_blank, logical_lines};
use fancy_regex::Regex;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How many steps a match may take before it is given up.
const PATIENCE: usize = 100_000;

/// The language of the patterns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// `regexp:`.
    Posix,
    /// `pcre:`.
    Pcre,
}

/// A parsed table.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// What was wrong with the source.
    pub warnings: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    pattern: Regex,
    negated: bool,
    line: u32,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// The result as it is.
    Value(Rc<str>),
    /// The result with `$1` to be filled in.
    Template(String),
    /// The rule behind the matching `endif`, where the search goes on if this does not match.
    Else(usize),
}

impl Rules {
    /// Parses a table, the text of the file `path`.
    pub fn parse(text: &str, syntax: Syntax, path: &str, no_regsub: bool) -> Rules {
        let mut parser =
            Parser { syntax, path, no_regsub, line: 0, rules: Rules::default(), open: Vec::new() };
        for logical in logical_lines(text) {
            parser.line = logical.line;
            parser.rule(logical.text.trim_matches(is_blank));
        }
        for start in std::mem::take(&mut parser.open).into_iter().rev() {
            parser.line = parser.rules.rules[start].line;
            parser.warn("IF has no matching ENDIF");
        }
        parser.rules
    }

    /// The result for a key, and the line of its rule.
    ///
    /// # Errors
    /// A pattern that takes too long.
    pub fn lookup(&self, key: &str) -> Result<Option<(Rc<str>, u32)>, String> {
        let mut next = 0;
        while let Some(rule) = self.rules.get(next) {
            next += 1;
            let give_up = |e: fancy_regex::Error| format!("line {}: {e}", rule.line);
            if let (Then::Template(template), false) = (&rule.then, rule.negated) {
                if let Some(captures) = rule.pattern.captures(key).map_err(give_up)? {
                    let names = Captured(captures);
                    let text = expand::expand(template, &names).unwrap_or_default();
                    return Ok(Some((text.into(), rule.line)));
                }
                continue;
            }
            let holds = rule.pattern.is_match(key).map_err(give_up)? != rule.negated;
            match &rule.then {
                Then::Value(value) if holds => return Ok(Some((value.clone(), rule.line))),
                Then::Else(end) if !holds => next = *end,
                _ => {}
            }
        }
        Ok(None)
    }
}

/// `$1` and its like, from a match.
struct Captured<'k>(fancy_regex::Captures<'k, str>);

impl Names for Captured<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.get(name.parse().ok()?).map(|m| Cow::Borrowed(m.as_str()))
    }
    fn expand_again(&self) -> bool {
        false
    }
}

/// `$1` and its like in a template that is looked at for the first time.
#[derive(Default)]
struct Wanted {
    highest: Cell<usize>,
    any: Cell<bool>,
    bad: RefCell<Option<String>>,
}

impl Names for Wanted {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.any.set(true);
        match name.parse::<usize>() {
            Ok(number) => self.highest.set(self.highest.get().max(number)),
            Err(_) => {
                self.bad.borrow_mut().get_or_insert_with(|| name.to_string());
            }
        }
        None
    }
    fn expand_again(&self) -> bool {
        false
    }
}

struct Parser<'t> {
    syntax: Syntax,
    path: &'t str,
    no_regsub: bool,
    line: u32,
    rules: Rules,
    /// The `if` rules that are open.
    open: Vec<usize>,
}

/// A pattern taken from a rule, and what follows it.
struct Pattern<'t> {
    regex: Regex,
    negated: bool,
    rest: &'t str,
}

impl Parser<'_> {
    fn warn(&mut self, what: &str) {
        let kind = if self.syntax == Syntax::Pcre { "pcre" } else { "regexp" };
        self.rules.warnings.push(format!("{kind} map {}, line {}: {what}", self.path, self.line));
    }

    fn rule(&mut self, text: &str) {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        match text[..end].to_ascii_lowercase().as_str() {
            "" => self.match_rule(text),
            "if" => self.if_rule(text[end..].trim_start_matches(is_blank)),
            "endif" => self.endif(text[end..].trim_start_matches(is_blank)),
            _ => self.warn("ignoring unrecognized request"),
        }
    }

    fn if_rule(&mut self, text: &str) {
        let Some(Pattern { regex, negated, rest }) = self.pattern(text) else { return };
        if !rest.is_empty() {
            self.warn(&format!("ignoring extra text after IF statement: \"{rest}\""));
            self.warn("do not prepend whitespace to statements between IF and ENDIF");
        }
        self.open.push(self.rules.rules.len());
        // An `if` that is never closed leads past the end.
        let then = Then::Else(usize::MAX);
        self.rules.rules.push(Rule { pattern: regex, negated, line: self.line, then });
    }

    fn endif(&mut self, rest: &str) {
        let Some(start) = self.open.pop() else {
            self.warn("ignoring ENDIF without matching IF");
            return;
        };
        if !rest.is_empty() {
            self.warn("ignoring extra text after ENDIF");
        }
        self.rules.rules[start].then = Then::Else(self.rules.rules.len());
    }

    fn match_rule(&mut self, text: &str) {
        let Some(split) = self.split(text) else { return };
        let result = split.rest;
        if result.is_empty() {
            self.warn("no replacement text: using empty string");
        }
        let Some((wanted, literal)) = self.check_result(result, split.negated) else { return };
        let Some(pattern) = self.compile(&split) else { return };
        if wanted >= pattern.captures_len() && wanted > 0 {
            self.warn(&format!("out of range replacement index \"{wanted}\": skipping this rule"));
            return;
        }
        let then = match literal {
            Some(literal) => Then::Value(literal.into()),
            None => Then::Template(result.to_string()),
        };
        self.rules.rules.push(Rule { pattern, negated: split.negated, line: self.line, then });
    }

    /// The highest `$number` of a result, and the result itself if it has none.
    fn check_result(&mut self, result: &str, negated: bool) -> Option<(usize, Option<String>)> {
        let wanted = Wanted::default();
        let expanded = expand::expand(result, &wanted);
        if let Some(name) = wanted.bad.take() {
            self.warn(&format!("non-numeric replacement index \"{name}\""));
            self.warn("bad replacement syntax: skipping this rule");
            return None;
        }
        let literal = match expanded {
            Ok(literal) => literal,
            Err(ExpandError::Syntax(why) | ExpandError::Fatal(why)) => {
                self.rules.warnings.push(why);
                self.warn("bad replacement syntax: skipping this rule");
                return None;
            }
        };
        if wanted.any.get() && negated {
            self.warn("$number found in negative match replacement text: skipping this rule");
            return None;
        }
        if wanted.any.get() && self.no_regsub {
            self.warn("regular expression substitution is not allowed: skipping this rule");
            return None;
        }
        Some((wanted.highest.get(), (!wanted.any.get()).then_some(literal)))
    }

    fn pattern<'t>(&mut self, text: &'t str) -> Option<Pattern<'t>> {
        let split = self.split(text)?;
        let regex = self.compile(&split)?;
        Some(Pattern { regex, negated: split.negated, rest: split.rest })
    }

    /// Splits `!/pattern/flags rest`, without looking into the pattern.
    fn split<'t>(&mut self, text: &'t str) -> Option<Split<'t>> {
        let mut text = text;
        let mut negated = false;
        while let Some(rest) = text.strip_prefix('!') {
            negated = !negated;
            text = rest.trim_start_matches(is_blank);
        }
        let Some(delimiter) = text.chars().next() else {
            self.warn("no regexp: skipping this rule");
            return None;
        };
        let inside = &text[delimiter.len_utf8()..];
        let mut escaped = false;
        let end = inside.char_indices().find(|&(_, c)| {
            let found = c == delimiter && !escaped;
            escaped = c == '\\' && !escaped;
            found
        });
        let Some((end, _)) = end else {
            let so = if self.syntax == Syntax::Pcre { "ignoring" } else { "skipping" };
            self.warn(&format!("no closing regexp delimiter \"{delimiter}\": {so} this rule"));
            return None;
        };
        let after = &inside[end + delimiter.len_utf8()..];
        let flags_end = after.find(is_blank).unwrap_or(after.len());
        let mut split = Split {
            pattern: &inside[..end],
            negated,
            rest: after[flags_end..].trim_start_matches(is_blank),
            posix: Mode::default(),
            pcre: PcreFlags::default(),
        };
        for flag in after[..flags_end].chars() {
            if !split.toggle(flag, self.syntax) {
                self.warn(&format!("unknown regexp option \"{flag}\": skipping this rule"));
                return None;
            }
        }
        Some(split)
    }

    fn compile(&mut self, split: &Split<'_>) -> Option<Regex> {
        let translated = match self.syntax {
            Syntax::Pcre => split.pcre.apply(split.pattern),
            Syntax::Posix => match posix::translate(split.pattern, split.posix) {
                Ok(translated) => translated,
                Err(why) => {
                    self.warn(why);
                    return None;
                }
            },
        };
        match fancy_regex::RegexBuilder::new(&translated).backtrack_limit(PATIENCE).build() {
            Ok(regex) => Some(regex),
            Err(_) if self.syntax == Syntax::Posix => {
                self.warn("Regular expression too big");
                None
            }
            Err(e) => {
                self.warn(&pcre_error(split.pattern, &e));
                None
            }
        }
    }
}

struct Split<'t> {
    pattern: &'t str,
    negated: bool,
    rest: &'t str,
    posix: Mode,
    pcre: PcreFlags,
}

impl Split<'_> {
    /// A flag turns its default round; false for an unknown one.
    fn toggle(&mut self, flag: char, syntax: Syntax) -> bool {
        let which = match (syntax, flag) {
            (Syntax::Posix, 'i') => &mut self.posix.ignore_case,
            (Syntax::Posix, 'm') => &mut self.posix.newline,
            (Syntax::Posix, 'x') => &mut self.posix.extended,
            (Syntax::Pcre, 'i') => &mut self.pcre.ignore_case,
            (Syntax::Pcre, 'm') => &mut self.pcre.multi_line,
            (Syntax::Pcre, 's') => &mut self.pcre.dot_all,
            (Syntax::Pcre, 'x') => &mut self.pcre.extended,
            (Syntax::Pcre, 'A') => &mut self.pcre.anchored,
            (Syntax::Pcre, 'E') => &mut self.pcre.end_only,
            (Syntax::Pcre, 'U' | 'X') => return true,
            _ => return false,
        };
        *which = !*which;
        true
    }
}

struct PcreFlags {
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    extended: bool,
    anchored: bool,
    end_only: bool,
}

impl Default for PcreFlags {
    fn default() -> PcreFlags {
        PcreFlags {
            ignore_case: true,
            multi_line: false,
            dot_all: true,
            extended: false,
            anchored: false,
            end_only: false,
        }
    }
}

impl PcreFlags {
    fn apply(&self, pattern: &str) -> String {
        let on = [(self.ignore_case, 'i'), (self.multi_line, 'm'), (self.dot_all, 's'), (self.extended, 'x')];
        let flags: String = on.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag).collect();
        let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
        if self.anchored { format!("{flags}\\A(?:{pattern})") } else { format!("{flags}{pattern}") }
    }
}

/// The message of PCRE for a bad pattern.
fn pcre_error(pattern: &str, error: &fancy_regex::Error) -> String {
    let starts_repeat = pattern.starts_with(['*', '+', '?']);
    let (offset, text) = match error.to_string() {
        _ if starts_repeat => (0, "quantifier does not follow a repeatable item".to_string()),
        t if t.contains("parenthes") || t.contains("group") && t.contains("clos") => {
            (pattern.len(), "missing closing parenthesis".to_string())
        }
        _ if pattern.matches('[').count() > pattern.matches(']').count() => {
            (pattern.len(), "missing terminating ] for character class".to_string())
        }
        t => (pattern.len(), t.lines().last().unwrap_or_default().to_string()),
    };
    format!("error in regex at offset {offset}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BROKEN: &str =
        "/^(.*)@/    OK $2\n!/(foo)/    $1\n/(/         oops\nbar         baz\n/end/       fine\n";

    fn value(rules: &Rules, key: &str) -> Option<String> {
        rules.lookup(key).unwrap().map(|(v, _)| v.to_string())
    }

    #[test]
    fn rules_with_mistakes_are_skipped() {
        let rules = Rules::parse(BROKEN, Syntax::Posix, "/etc/postfix/broken", false);
        assert_eq!(
            rules.warnings,
            [
                "regexp map /etc/postfix/broken, line 1: out of range replacement index \"2\": skipping this rule",
                "regexp map /etc/postfix/broken, line 2: $number found in negative match replacement text: skipping this rule",
                "regexp map /etc/postfix/broken, line 3: Unmatched ( or \\(",
                "regexp map /etc/postfix/broken, line 4: ignoring unrecognized request",
            ]
        );
        assert_eq!(rules.lookup("the-end@example.com"), Ok(Some(("fine".into(), 5))));
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let text = "/^postmaster@/              OK\n!/@example\\.(com|net)$/     550 5.7.1 not ours\nif /^list-/\n\
                    /^list-(.*)-request@(.*)$/  FILTER lists:$2-$1\nendif\n/^([^@]+)@/                 PREPEND X-User: ${1}\n";
        for syntax in [Syntax::Posix, Syntax::Pcre] {
            let rules = Rules::parse(text, syntax, "patterns", false);
            assert_eq!(rules.warnings, [""; 0]);
            for (key, want) in [
                ("postmaster@example.org", "OK"),
                ("bob@example.org", "550 5.7.1 not ours"),
                ("Bob@Example.COM", "PREPEND X-User: Bob"),
                ("list-dogs-request@example.net", "FILTER lists:example.net-dogs"),
                ("list-dogs@example.net", "PREPEND X-User: list-dogs"),
            ] {
                assert_eq!(value(&rules, key).as_deref(), Some(want), "{key}");
            }
        }
    }

    #[test]
    fn as_the_real_regexp_table() {
        let rules = Rules::parse(include_str!("rules_case.txt"), Syntax::Posix, "re", false);
        let want: Vec<String> = include_str!("rules_case_warnings.txt").lines().map(String::from).collect();
        assert_eq!(rules.warnings, want);
        for (key, want) in [
            ("abcd", "[b][cd] b cd"),
            ("X", "neg"),
            ("yZ", "foo"),
            ("y foo", "foo"),
            ("z", "neg"),
            ("l1", "one if /x/"),
            ("l2", "two"),
            ("lxl2", "lower"),
            ("mn", "neg"),
            ("kn", "enn"),
            ("123", "notlower"),
            ("qq", "q2"),
            ("e/f", "slash"),
            ("g", "pipe"),
            ("hx", "lower"),
            ("hi", "[i]"),
            ("a word b", "word"),
            ("backss", "backref"),
        ] {
            assert_eq!(value(&rules, key).as_deref(), Some(want), "{key}");
        }
    }

    #[test]
    fn pcre_has_its_own_words() {
        let text = "/x/ ilower\n/X/i upper off\n/y/z foo\n/(?<n>n)o/ named $1\n/(/ paren\n/[z/ br\n/*/ star\n!/(p)$/ neg $1\n/l1/ $3\n!/(?=l)^/A anch\n/a";
        let rules = Rules::parse(text, Syntax::Pcre, "pc", false);
        assert_eq!(
            rules.warnings,
            [
                "pcre map pc, line 3: unknown regexp option \"z\": skipping this rule",
                "pcre map pc, line 5: error in regex at offset 1: missing closing parenthesis",
                "pcre map pc, line 6: error in regex at offset 2: missing terminating ] for character class",
                "pcre map pc, line 7: error in regex at offset 0: quantifier does not follow a repeatable item",
                "pcre map pc, line 8: $number found in negative match replacement text: skipping this rule",
                "pcre map pc, line 9: out of range replacement index \"3\": skipping this rule",
                "pcre map pc, line 11: no closing regexp delimiter \"/\": ignoring this rule",
            ]
        );
        assert_eq!(value(&rules, "X").as_deref(), Some("ilower"));
        assert_eq!(value(&rules, "no").as_deref(), Some("named n"));
        assert_eq!(value(&rules, "lp"), None);
        assert_eq!(value(&rules, "zzp").as_deref(), Some("anch"));
    }

    #[test]
    fn a_pattern_that_takes_for_ever_is_given_up() {
        let rules = Rules::parse("/(x+x+)+y\\1/ never\n", Syntax::Posix, "re", false);
        assert!(rules.lookup(&"x".repeat(60)).is_err());
    }

    #[test]
    fn strangers_may_not_choose_commands() {
        let rules = Rules::parse("/(.*)/ |cmd $1\n", Syntax::Pcre, "a", true);
        assert_eq!(
            rules.warnings,
            ["pcre map a, line 1: regular expression substitution is not allowed: skipping this rule"]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[/!a$1{}()\\\\ \nixfend|*]{0,60}", pcre: bool) {
            let syntax = if pcre { Syntax::Pcre } else { Syntax::Posix };
            let _ = Rules::parse(&text, syntax, "f", false).lookup("a");
        }
    }
}
