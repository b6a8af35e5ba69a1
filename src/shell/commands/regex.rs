//! POSIX basic and extended regular expressions, with GNU's additions (regex(7), grep(1)), in the
//! C locale: they match octets.
//!
//! A pattern is translated to the language of the `regex` crate. Where that crate's first match
//! may be shorter than the longest that POSIX asks for, the end is found by a second automaton.
//! Back-references are left to `fancy-regex`.
//!
//! # Simplifications
//! - A match of a pattern with back-references is the first, not always the longest.
//! - Which of several equally long matches a group gets follows the order of the pattern.
//! - Collating elements are single characters.

use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::{Anchored, Input, MatchKind, nfa::thompson, util::syntax};
use std::cell::RefCell;
use std::fmt::Write;

/// The highest count in braces (RE_DUP_MAX).
const MOST: u32 = 32767;
/// How deep groups may lie in each other.
const DEPTH: usize = 200;

/// Which dialect a pattern is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dialect {
    /// ERE, not BRE.
    pub extended: bool,
    /// `\n` and `\t` stand for newline and tab, as in sed and awk.
    pub escapes: bool,
    /// A backslash in brackets is an escape too, as in awk.
    pub bracket_escapes: bool,
    /// Letters match both cases.
    pub ignore_case: bool,
    /// `^` and `$` match at every line.
    pub multiline: bool,
}

/// What must stand around a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Around {
    /// Nothing in particular.
    #[default]
    Anything,
    /// No letter, digit or underscore (`grep -w`).
    Words,
    /// The ends of the text (`grep -x`).
    Text,
}

/// A place in a text.
pub type Span = (usize, usize);

/// A compiled pattern.
pub struct Regex {
    engine: Engine,
    longest: Option<(PikeVM, RefCell<Cache>)>,
    groups: usize,
    /// What the real program warns of when it reads the pattern.
    pub warnings: Vec<String>,
}

enum Engine {
    Plain(regex::bytes::Regex),
    Fancy(Box<fancy_regex::Regex>),
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The message of regcomp(3).
    pub fn new(pattern: &[u8], dialect: Dialect) -> Result<Regex, String> {
        Regex::within(pattern, dialect, Around::Anything)
    }

    /// Compiles a pattern whose matches must stand between such ends.
    ///
    /// # Errors
    /// The message of regcomp(3).
    pub fn within(pattern: &[u8], dialect: Dialect, around: Around) -> Result<Regex, String> {
        let mut t = Translator::new(pattern, dialect);
        t.alternatives(0)?;
        if t.highest_reference > t.groups {
            return Err("Invalid back reference".into());
        }
        let fancy = t.highest_reference > 0;
        let core = match around {
            Around::Anything => t.out,
            Around::Words if fancy => format!(r"(?<!\w)(?:{})(?!\w)", t.out),
            Around::Words => format!(r"\b{{start-half}}(?:{})\b{{end-half}}", t.out),
            Around::Text => format!(r"\A(?:{})\z", t.out),
        };
        Regex::build(&core, dialect, fancy, t.ambiguous, t.groups, t.warnings)
    }

    /// A pattern that matches this text and nothing else.
    ///
    /// # Errors
    /// When it is too long.
    pub fn literal(text: &[u8], dialect: Dialect, around: Around) -> Result<Regex, String> {
        let mut core = String::new();
        for b in text {
            literal(&mut core, *b);
        }
        let core = match around {
            Around::Anything => core,
            Around::Words => format!(r"\b{{start-half}}(?:{core})\b{{end-half}}"),
            Around::Text => format!(r"\A(?:{core})\z"),
        };
        Regex::build(&core, dialect, false, false, 0, Vec::new())
    }

    fn build(
        core: &str,
        dialect: Dialect,
        fancy: bool,
        ambiguous: bool,
        groups: usize,
        warnings: Vec<String>,
    ) -> Result<Regex, String> {
        let too_big = |_| "Regular expression too big".to_owned();
        if fancy {
            let flags = if dialect.ignore_case { "(?si)" } else { "(?s)" };
            let regex = fancy_regex::Regex::new(&format!("{flags}{core}"))
                .map_err(|_| "Regular expression too big".to_owned())?;
            return Ok(Regex { engine: Engine::Fancy(Box::new(regex)), longest: None, groups, warnings });
        }
        let plain = regex::bytes::RegexBuilder::new(core)
            .unicode(false)
            .dot_matches_new_line(true)
            .case_insensitive(dialect.ignore_case)
            .build()
            .map_err(too_big)?;
        let longest = if ambiguous { longest(core, dialect) } else { None };
        Ok(Regex { engine: Engine::Plain(plain), longest, groups, warnings })
    }

    /// How many groups the pattern has.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Does the pattern match anywhere?
    pub fn is_match(&self, text: &[u8]) -> bool {
        match &self.engine {
            Engine::Plain(regex) => regex.is_match(text),
            Engine::Fancy(_) => self.find_at(text, 0).is_some(),
        }
    }

    /// The leftmost longest match from `at` on.
    pub fn find_at(&self, text: &[u8], at: usize) -> Option<Span> {
        match &self.engine {
            Engine::Plain(regex) => {
                let found = regex.find_at(text, at)?;
                let end = self.longest_end(text, found.start()).unwrap_or(found.end());
                Some((found.start(), end))
            }
            Engine::Fancy(_) => self.captures_at(text, at)?[0],
        }
    }

    /// The leftmost longest match from `at` on and its groups; the first is the whole match.
    pub fn captures_at(&self, text: &[u8], at: usize) -> Option<Vec<Option<Span>>> {
        match &self.engine {
            Engine::Plain(regex) => match &self.longest {
                None => {
                    let found = regex.captures_at(text, at)?;
                    Some((0..=self.groups).map(|n| found.get(n).map(|m| (m.start(), m.end()))).collect())
                }
                Some((vm, cache)) => {
                    let start = regex.find_at(text, at)?.start();
                    let mut found = vm.create_captures();
                    let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
                    vm.captures(&mut cache.borrow_mut(), input, &mut found);
                    let group = |n| found.get_group(n).map(|s| (s.start, s.end));
                    group(0)?;
                    Some((0..=self.groups).map(group).collect())
                }
            },
            Engine::Fancy(regex) => {
                // Octets as characters of the same number, so that all of them are text.
                let as_text: String = text.iter().map(|b| char::from(*b)).collect();
                let place = |n: usize| as_text.char_indices().nth(n).map_or(as_text.len(), |(i, _)| i);
                let back = |i: usize| as_text[..i].chars().count();
                let found = regex.captures_from_pos(&as_text, place(at)).ok()??;
                let group = |n| found.get(n).map(|m| (back(m.start()), back(m.end())));
                Some((0..=self.groups).map(group).collect())
            }
        }
    }

    fn longest_end(&self, text: &[u8], start: usize) -> Option<usize> {
        let (vm, cache) = self.longest.as_ref()?;
        let mut slots = [None; 2];
        let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        vm.search_slots(&mut cache.borrow_mut(), &input, &mut slots)?;
        slots[1].map(|s| s.get())
    }
}

/// The automaton that goes on to the longest match.
fn longest(core: &str, dialect: Dialect) -> Option<(PikeVM, RefCell<Cache>)> {
    let syntax = syntax::Config::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .case_insensitive(dialect.ignore_case);
    let vm = PikeVM::builder()
        .configure(PikeVM::config().match_kind(MatchKind::All))
        .syntax(syntax)
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(16 << 20)))
        .build(core)
        .ok()?;
    let cache = RefCell::new(vm.create_cache());
    Some((vm, cache))
}

fn literal(out: &mut String, b: u8) {
    if b.is_ascii_alphanumeric() || b" _<>@:;,=!%\"'`/".contains(&b) {
        out.push(char::from(b));
    } else {
        let _ = write!(out, "\\x{b:02X}");
    }
}

/// A pattern on its way into the other language.
struct Translator<'a> {
    pattern: &'a [u8],
    at: usize,
    dialect: Dialect,
    out: String,
    groups: usize,
    /// The groups that are closed already: only they can be referred to.
    closed: Vec<bool>,
    highest_reference: usize,
    ambiguous: bool,
    warnings: Vec<String>,
}

impl<'a> Translator<'a> {
    fn new(pattern: &'a [u8], dialect: Dialect) -> Translator<'a> {
        Translator {
            pattern,
            at: 0,
            dialect,
            out: String::new(),
            groups: 0,
            closed: vec![false],
            highest_reference: 0,
            ambiguous: false,
            warnings: Vec::new(),
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.pattern[self.at..]
    }

    /// Does an operator stand here? It has a backslash in a BRE and none in an ERE.
    fn operator(&self, c: u8) -> bool {
        match self.rest() {
            [first, ..] if self.dialect.extended => *first == c,
            [b'\\', second, ..] if !self.dialect.extended => *second == c,
            _ => false,
        }
    }

    fn skip_operator(&mut self) {
        self.at += if self.dialect.extended { 1 } else { 2 };
    }

    fn alternatives(&mut self, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err("Regular expression too big".into());
        }
        loop {
            self.branch(depth)?;
            if !self.operator(b'|') {
                break;
            }
            self.skip_operator();
            self.out.push('|');
            self.ambiguous = true;
        }
        if depth == 0 && !self.rest().is_empty() {
            // Only a closing parenthesis can have stopped us.
            if !self.dialect.extended {
                return Err("Unmatched ) or \\)".into());
            }
            literal(&mut self.out, b')');
            self.at += 1;
            return self.alternatives(0);
        }
        Ok(())
    }

    fn branch(&mut self, depth: usize) -> Result<(), String> {
        let mut first = true;
        while !self.rest().is_empty() && !self.operator(b'|') && !self.operator(b')') {
            let start = self.out.len();
            let kind = self.atom(depth, first)?;
            if kind == Atom::Nothing {
                continue;
            }
            first = kind == Atom::Caret && first;
            self.quantifiers(start, kind)?;
        }
        Ok(())
    }

    fn atom(&mut self, depth: usize, first: bool) -> Result<Atom, String> {
        let c = self.rest()[0];
        if self.operator(b'(') {
            self.skip_operator();
            return self.group(depth);
        }
        if self.dialect.extended && first && b"*+?".contains(&c) {
            self.warnings.push(format!("{} at start of expression", char::from(c)));
            self.at += 1;
            return Ok(Atom::Nothing);
        }
        self.at += 1;
        match c {
            b'[' => self.bracket(),
            b'.' => {
                self.out.push('.');
                Ok(Atom::One)
            }
            b'^' if self.dialect.extended || first => {
                self.out.push_str(if self.dialect.multiline { "(?m:^)" } else { r"\A" });
                Ok(Atom::Caret)
            }
            b'$' if self.dialect.extended || self.rest().is_empty() || self.ends_branch() => {
                self.out.push_str(if self.dialect.multiline { "(?m:$)" } else { r"\z" });
                Ok(Atom::Anchor)
            }
            b'\\' => self.escape(),
            c => {
                literal(&mut self.out, c);
                Ok(Atom::One)
            }
        }
    }

    fn ends_branch(&self) -> bool {
        self.operator(b'|') || self.operator(b')')
    }

    fn group(&mut self, depth: usize) -> Result<Atom, String> {
        self.groups += 1;
        let number = self.groups;
        self.closed.push(false);
        self.out.push('(');
        self.alternatives(depth + 1)?;
        if !self.operator(b')') {
            return Err("Unmatched ( or \\(".into());
        }
        self.skip_operator();
        self.out.push(')');
        self.closed[number] = true;
        Ok(Atom::Group)
    }

    fn escape(&mut self) -> Result<Atom, String> {
        let Some(&c) = self.rest().first() else { return Err("Trailing backslash".into()) };
        self.at += 1;
        let anchor = match c {
            b'<' => Some(r"\b{start}"),
            b'>' => Some(r"\b{end}"),
            b'b' if !self.dialect.bracket_escapes => Some(r"\b"),
            b'B' => Some(r"\B"),
            b'`' => Some(r"\A"),
            b'\'' => Some(r"\z"),
            _ => None,
        };
        if let Some(anchor) = anchor {
            self.out.push_str(anchor);
            return Ok(Atom::Anchor);
        }
        match c {
            b'w' | b'W' | b's' | b'S' => {
                self.out.push('\\');
                self.out.push(char::from(c));
            }
            b'1'..=b'9' if !self.dialect.bracket_escapes => {
                let number = usize::from(c - b'0');
                if !self.closed.get(number).copied().unwrap_or(false) {
                    return Err("Invalid back reference".into());
                }
                self.highest_reference = self.highest_reference.max(number);
                let _ = write!(self.out, "(?:\\{number})");
            }
            c if self.dialect.escapes && escaped(c).is_some() => {
                literal(&mut self.out, escaped(c).unwrap_or(c));
            }
            c => literal(&mut self.out, c),
        }
        Ok(Atom::One)
    }

    fn quantifiers(&mut self, start: usize, kind: Atom) -> Result<(), String> {
        let mut count = 0;
        loop {
            let quantifier = if let Some(q) = self.star(kind) {
                q
            } else if let Some(q) = self.braces()? {
                q
            } else {
                return Ok(());
            };
            count += 1;
            if count > DEPTH {
                return Err("Regular expression too big".into());
            }
            if kind == Atom::Group {
                self.ambiguous = true;
            }
            if count > 1 || kind != Atom::Group {
                self.out.insert_str(start, "(?:");
                self.out.push(')');
            }
            self.out.push_str(&quantifier);
        }
    }

    fn star(&mut self, kind: Atom) -> Option<String> {
        let c = *self.rest().first()?;
        let caret = kind == Atom::Caret && !self.dialect.extended;
        if c == b'*' && !caret {
            self.at += 1;
            return Some("*".into());
        }
        for c in *b"+?" {
            if self.operator(c) && !caret {
                self.skip_operator();
                return Some(char::from(c).to_string());
            }
        }
        None
    }

    fn braces(&mut self) -> Result<Option<String>, String> {
        if !self.operator(b'{') {
            return Ok(None);
        }
        let open = if self.dialect.extended { 1 } else { 2 };
        let close: &[u8] = if self.dialect.extended { b"}" } else { b"\\}" };
        let body = &self.rest()[open..];
        let Some(end) = body.windows(close.len()).position(|w| w == close) else {
            return if self.dialect.extended { Ok(None) } else { Err("Unmatched \\{".into()) };
        };
        let text = String::from_utf8_lossy(&body[..end]).into_owned();
        let Some((low, high)) = interval(&text) else {
            return if self.dialect.extended { Ok(None) } else { Err("Invalid content of \\{\\}".into()) };
        };
        if high.is_some_and(|high| high < low) {
            return Err("Invalid content of \\{\\}".into());
        }
        if low > MOST || high.is_some_and(|high| high > MOST) {
            return Err("Regular expression too big".into());
        }
        self.at += open + end + close.len();
        Ok(Some(match high {
            Some(high) => format!("{{{low},{high}}}"),
            None => format!("{{{low},}}"),
        }))
    }

    fn bracket(&mut self) -> Result<Atom, String> {
        const UNMATCHED: &str = "Unmatched [, [^, [:, [., or [=";
        let start = self.at;
        let mut set = String::from("[");
        if self.rest().first() == Some(&b'^') {
            set.push('^');
            self.at += 1;
        }
        let mut first = true;
        loop {
            let Some(&c) = self.rest().first() else { return Err(UNMATCHED.into()) };
            if c == b']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            if c == b'[' && self.rest().get(1) == Some(&b':') {
                self.class(&mut set)?;
                continue;
            }
            let low = self.element().ok_or(UNMATCHED)?;
            let range = self.rest().first() == Some(&b'-') && self.rest().get(1).is_some_and(|c| *c != b']');
            let high = if range {
                self.at += 1;
                self.element().ok_or(UNMATCHED)?
            } else {
                low
            };
            if high < low {
                return Err("Invalid range end".into());
            }
            let _ = write!(set, "\\x{low:02X}-\\x{high:02X}");
        }
        let inside = &self.pattern[start..self.at.saturating_sub(1)];
        if !self.dialect.escapes && inside.len() > 2 && inside.starts_with(b":") && inside.ends_with(b":") {
            return Err("character class syntax is [[:space:]], not [:space:]".into());
        }
        set.push(']');
        self.out.push_str(&set);
        Ok(Atom::One)
    }

    /// One element of a bracket expression.
    fn element(&mut self) -> Option<u8> {
        let rest = self.rest();
        if let [b'[', mark @ (b'.' | b'='), c, again, b']', ..] = rest
            && mark == again
        {
            self.at += 5;
            return Some(*c);
        }
        if let [b'\\', c, ..] = rest {
            if self.dialect.bracket_escapes {
                self.at += 2;
                return Some(escaped(*c).unwrap_or(*c));
            }
            if self.dialect.escapes && escaped(*c).is_some() {
                self.at += 2;
                return escaped(*c);
            }
        }
        self.at += 1;
        rest.first().copied()
    }

    fn class(&mut self, set: &mut String) -> Result<(), String> {
        const NAMES: [&str; 12] = [
            "alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph",
            "cntrl", "xdigit",
        ];
        let body = &self.rest()[2..];
        let Some(end) = body.windows(2).position(|w| w == b":]") else {
            return Err("Unmatched [, [^, [:, [., or [=".into());
        };
        let name = String::from_utf8_lossy(&body[..end]).into_owned();
        if !NAMES.contains(&&*name) {
            return Err("Invalid character class name".into());
        }
        let _ = write!(set, "[:{name}:]");
        self.at += 2 + end + 2;
        Ok(())
    }
}

/// What an atom was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Atom {
    Nothing,
    One,
    Group,
    Caret,
    Anchor,
}

fn escaped(c: u8) -> Option<u8> {
    Some(match c {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'f' => 12,
        b'v' => 11,
        b'a' => 7,
        _ => return None,
    })
}

/// The two counts of an interval; an absent second one is no limit.
fn interval(text: &str) -> Option<(u32, Option<u32>)> {
    let number = |t: &str| t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse().unwrap_or(u32::MAX));
    match text.split_once(',') {
        None if text.is_empty() => None,
        None => number(text).map(|n| (n, Some(n))),
        Some(("", "")) => Some((0, None)),
        Some((low, "")) => Some((number(low)?, None)),
        Some(("", high)) => Some((0, Some(number(high)?))),
        Some((low, high)) => Some((number(low)?, Some(number(high)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BRE: Dialect = Dialect {
        extended: false,
        escapes: false,
        bracket_escapes: false,
        ignore_case: false,
        multiline: false,
    };
    const ERE: Dialect = Dialect { extended: true, ..BRE };

    fn find(pattern: &str, dialect: Dialect, text: &str) -> Option<String> {
        let regex = Regex::new(pattern.as_bytes(), dialect).unwrap();
        regex.find_at(text.as_bytes(), 0).map(|(a, b)| text[a..b].to_owned())
    }

    fn error(pattern: &str, dialect: Dialect) -> String {
        Regex::new(pattern.as_bytes(), dialect).err().unwrap_or_default()
    }

    #[test]
    fn the_longest_of_the_leftmost() {
        assert_eq!(find("a|ab", ERE, "xabc").as_deref(), Some("ab"));
        assert_eq!(find("(a|ab)(c|bcd)", ERE, "abcd").as_deref(), Some("abcd"));
        assert_eq!(find(r"a\|ab", BRE, "xabc").as_deref(), Some("ab"));
        assert_eq!(find("a?(ab)?", ERE, "ab").as_deref(), Some("ab"));
        let regex = Regex::new(b"x(a|ab)(c|bcd)", ERE).unwrap();
        assert_eq!(regex.captures_at(b"xabcd", 0).unwrap()[1..], [Some((1, 2)), Some((2, 5))]);
    }

    #[test]
    fn basic_and_extended() {
        assert_eq!(find("*a", BRE, "b*a").as_deref(), Some("*a"));
        assert_eq!(find("^*a", BRE, "*a").as_deref(), Some("*a"));
        assert_eq!(find("a+b", BRE, "aab a+b").as_deref(), Some("a+b"));
        assert_eq!(find("a+b", ERE, "aab a+b").as_deref(), Some("aab"));
        assert_eq!(find(r"a\+b", BRE, "aab a+b").as_deref(), Some("aab"));
        assert_eq!(find("a{x}", ERE, "a{x}").as_deref(), Some("a{x}"));
        assert_eq!(find(r"a\{2,3\}", BRE, "aaaa").as_deref(), Some("aaa"));
        assert_eq!(find("a^b$c", BRE, "a^b$c").as_deref(), Some("a^b$c"));
        assert_eq!(find(r"[]a]*[^]]", BRE, "]a]b").as_deref(), Some("]a]b"));
        assert_eq!(find(r"[\n]", BRE, r"\").as_deref(), Some(r"\"));
        assert_eq!(find("[[:digit:]-]*", BRE, "1-2x").as_deref(), Some("1-2"));
        assert_eq!(find(r"\(a*\)b\1", BRE, "aabaa").as_deref(), Some("aabaa"));
        assert_eq!(find(r"\<b", BRE, "abba b").as_deref(), Some("b"));
        assert_eq!(find("", BRE, "x").as_deref(), Some(""));
        assert_eq!(find("a)", ERE, "a)").as_deref(), Some("a)"));
    }

    #[test]
    fn messages() {
        assert_eq!(error(r"\(", BRE), r"Unmatched ( or \(");
        assert_eq!(error(r"\)", BRE), r"Unmatched ) or \)");
        assert_eq!(error("[a", BRE), "Unmatched [, [^, [:, [., or [=");
        assert_eq!(error(r"a\{1", BRE), r"Unmatched \{");
        assert_eq!(error(r"a\{2,1\}", BRE), r"Invalid content of \{\}");
        assert_eq!(error("[b-a]", BRE), "Invalid range end");
        assert_eq!(error(r"\1", BRE), "Invalid back reference");
        assert_eq!(error("a\\", BRE), "Trailing backslash");
        assert_eq!(error("[[:foo:]]", BRE), "Invalid character class name");
        assert_eq!(error("a{99999}", ERE), "Regular expression too big");
    }

    proptest! {
        #[test]
        fn any_octets_are_a_pattern_or_an_error(
            pattern in proptest::collection::vec(any::<u8>(), 0..40),
            text in proptest::collection::vec(any::<u8>(), 0..40),
            bits in 0u8..32,
        ) {
            let dialect = Dialect {
                extended: bits & 1 > 0,
                escapes: bits & 2 > 0,
                bracket_escapes: bits & 4 > 0,
                ignore_case: bits & 8 > 0,
                multiline: bits & 16 > 0,
            };
            if let Ok(regex) = Regex::new(&pattern, dialect) {
                regex.is_match(&text);
                regex.captures_at(&text, 0);
            }
        }

        #[test]
        fn patterns_of_operators_do_no_harm(pattern in r"[\[\]()*+?{},\\|ab1^$.:-]{0,20}", bits in 0u8..4) {
            let dialect = Dialect { extended: bits & 1 > 0, escapes: bits & 2 > 0, ..BRE };
            if let Ok(regex) = Regex::new(pattern.as_bytes(), dialect) {
                regex.captures_at(b"abab1-:", 0);
            }
        }
    }
}
