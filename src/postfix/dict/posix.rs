//! POSIX regular expressions (regex(7)), with what glibc adds, written anew in the syntax of the
//! engine of this program.
//!
//! # Simplifications
//! Where a pattern can match in several ways, `$1` is what the first alternative gives, as in most
//! engines; glibc mostly does the same.

/// How a pattern is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    /// Extended syntax, else basic.
    pub extended: bool,
    /// Lower and upper case are one.
    pub ignore_case: bool,
    /// `^`, `$` and `.` know lines (REG_NEWLINE).
    pub newline: bool,
}

/// The pattern in the engine's syntax, or glibc's words for what is wrong with it.
pub fn translate(pattern: &str, mode: Mode) -> Result<String, &'static str> {
    let mut t =
        Translation { mode, out: String::with_capacity(pattern.len() + 16), ..Translation::default() };
    t.out.push_str("(?");
    t.out.push_str(if mode.ignore_case { "i" } else { "" });
    t.out.push_str(if mode.newline { "m)" } else { "s)" });
    t.pattern(&pattern.chars().collect::<Vec<_>>())?;
    Ok(t.out)
}

impl Default for Mode {
    fn default() -> Mode {
        Mode { extended: true, ignore_case: true, newline: false }
    }
}

const BAD_REPEAT: &str = "Invalid preceding regular expression";
const UNMATCHED_BRACKET: &str = "Unmatched [, [^, [:, [., or [=";
const MOST_REPEATS: u32 = 32767;

#[derive(Default)]
struct Translation {
    mode: Mode,
    out: String,
    /// Where the groups that are open begin in `out`.
    open: Vec<usize>,
    groups: usize,
    /// Where the last atom begins in `out`, if something can be repeated.
    atom: Option<usize>,
    /// The last atom has a repetition already.
    repeated: bool,
}

impl Translation {
    fn pattern(&mut self, text: &[char]) -> Result<(), &'static str> {
        let extended = self.mode.extended;
        let mut i = 0;
        while let Some(&c) = text.get(i) {
            i += 1;
            let escaped = c == '\\';
            let c = if escaped { *text.get(i).ok_or("Trailing backslash")? } else { c };
            i += usize::from(escaped);
            // In basic syntax it is the backslash that makes these special.
            let special =
                if matches!(c, '(' | ')' | '{' | '|' | '+' | '?') { escaped != extended } else { !escaped };
            match c {
                '(' if special => self.open_group(),
                ')' if special => self.close_group()?,
                '|' if special => {
                    self.out.push('|');
                    self.atom = None;
                }
                '*' if special && !extended && self.atom.is_none() => self.literal('*'),
                '*' | '+' | '?' if special => self.repeat(&c.to_string())?,
                '{' if special => i += self.braces(&text[i..])?,
                '.' if special => self.push_atom("."),
                '[' if special => i += self.bracket(&text[i..])?,
                '^' if special && (extended || self.at_start()) => self.anchor("^"),
                '$' if special && (extended || at_end(&text[i..])) => self.anchor("$"),
                c if escaped => self.escape(c)?,
                c => self.literal(c),
            }
        }
        if self.open.is_empty() { Ok(()) } else { Err("Unmatched ( or \\(") }
    }

    fn at_start(&self) -> bool {
        self.out.ends_with(['(', '|'])
            || self.out.ends_with("i)")
            || self.out.ends_with("s)")
            || self.out.ends_with("m)")
    }

    fn push_atom(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.repeated = false;
        self.out.push_str(text);
    }

    fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        let text = fancy_regex::escape(c.encode_utf8(&mut buffer)).into_owned();
        self.push_atom(&text);
    }

    fn anchor(&mut self, text: &str) {
        self.out.push_str(text);
        self.atom = None;
    }

    fn open_group(&mut self) {
        self.open.push(self.out.len());
        self.groups += 1;
        self.out.push('(');
        self.atom = None;
    }

    fn close_group(&mut self) -> Result<(), &'static str> {
        match self.open.pop() {
            Some(start) => {
                self.out.push(')');
                self.atom = Some(start);
                self.repeated = false;
                Ok(())
            }
            None if self.mode.extended => {
                self.literal(')');
                Ok(())
            }
            None => Err("Unmatched ) or \\)"),
        }
    }

    fn repeat(&mut self, how: &str) -> Result<(), &'static str> {
        let start = self.atom.ok_or(BAD_REPEAT)?;
        // A second repetition would be read as a lazy or possessive one.
        if self.repeated {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(how);
        self.repeated = true;
        Ok(())
    }

    /// `{m,n}`; returns how many characters it took.
    fn braces(&mut self, text: &[char]) -> Result<usize, &'static str> {
        if self.atom.is_none() {
            return Err(BAD_REPEAT);
        }
        let close = if self.mode.extended { "}" } else { "\\}" };
        let inside: String = text.iter().collect();
        let end = inside.find(close).ok_or("Unmatched \\{")?;
        let content = &inside[..end];
        let (low, high) = content.split_once(',').map_or((content, None), |(low, high)| (low, Some(high)));
        let number = |text: &str| match text.parse::<u32>() {
            Ok(n) if n > MOST_REPEATS => Err("Regular expression too big"),
            Ok(n) => Ok(n),
            Err(_) => Err("Invalid content of \\{\\}"),
        };
        let least = if low.is_empty() && high.is_some() { 0 } else { number(low)? };
        let how = match high {
            None => format!("{{{least}}}"),
            Some("") => format!("{{{least},}}"),
            Some(high) if number(high)? < least => return Err("Invalid content of \\{\\}"),
            Some(high) => format!("{{{least},{high}}}"),
        };
        self.repeat(&how)?;
        Ok(content.chars().count() + close.len())
    }

    /// A bracket expression behind its `[`; returns how many characters it took.
    fn bracket(&mut self, text: &[char]) -> Result<usize, &'static str> {
        let mut i = 0;
        let mut out = String::from("[");
        if text.first() == Some(&'^') {
            out.push('^');
            if self.mode.newline {
                out.push_str("\\n");
            }
            i += 1;
        }
        let first = i;
        loop {
            match text.get(i) {
                None => return Err(UNMATCHED_BRACKET),
                Some(']') if i > first => break,
                _ => {}
            }
            let (low, after) = bracket_item(text, i)?;
            i = after;
            let Item::Char(low) = low else {
                if let Item::Class(name) = low {
                    out.push_str(&format!("[:{name}:]"));
                }
                continue;
            };
            let mut high = low;
            if text.get(i) == Some(&'-') && text.get(i + 1).is_some_and(|c| *c != ']') {
                let (item, after) = bracket_item(text, i + 1)?;
                let Item::Char(c) = item else { return Err("Invalid range end") };
                high = c;
                i = after;
            }
            if high < low {
                return Err("Invalid range end");
            }
            out.push_str(&format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(low), u32::from(high)));
        }
        out.push(']');
        self.push_atom(&out);
        Ok(i + 1)
    }

    fn escape(&mut self, c: char) -> Result<(), &'static str> {
        match c {
            '1'..='9' => {
                let number = c.to_digit(10).unwrap_or(0) as usize;
                if number > self.groups {
                    return Err("Invalid back reference");
                }
                self.push_atom(&format!("(?:\\{c})"));
            }
            'w' | 'W' | 's' | 'S' => self.push_atom(&format!("\\{c}")),
            'b' | 'B' => self.anchor(&format!("\\{c}")),
            '<' => self.anchor("\\b(?=\\w)"),
            '>' => self.anchor("\\b(?<=\\w)"),
            '`' => self.anchor("\\A"),
            '\'' => self.anchor("\\z"),
            c => self.literal(c),
        }
        Ok(())
    }
}

/// In basic syntax `$` is an anchor only where the pattern or a group ends.
fn at_end(rest: &[char]) -> bool {
    matches!(rest, [] | ['\\', ')' | '|', ..])
}

enum Item {
    Char(char),
    Class(String),
}

/// What stands at `i` within brackets, and where the next begins.
fn bracket_item(text: &[char], i: usize) -> Result<(Item, usize), &'static str> {
    let c = *text.get(i).ok_or(UNMATCHED_BRACKET)?;
    let kind = match (c, text.get(i + 1)) {
        ('[', Some(k @ (':' | '.' | '='))) => *k,
        _ => return Ok((Item::Char(c), i + 1)),
    };
    let inside = &text[i + 2..];
    let end = inside.windows(2).position(|w| w == [kind, ']']).ok_or(UNMATCHED_BRACKET)?;
    let name: String = inside[..end].iter().collect();
    let after = i + 2 + end + 2;
    const CLASSES: [&str; 12] = [
        "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "xdigit",
    ];
    match kind {
        ':' if CLASSES.contains(&&*name) => Ok((Item::Class(name), after)),
        ':' => Err("Invalid character class name"),
        _ => match name.chars().collect::<Vec<_>>()[..] {
            [c] => Ok((Item::Char(c), after)),
            _ => Err("Invalid collation character"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let translated = translate(pattern, Mode::default()).unwrap();
        fancy_regex::Regex::new(&translated).unwrap().is_match(text).unwrap()
    }

    #[test]
    fn posix_is_not_perl() {
        assert!(matches("^[\\d]$", "\\"));
        assert!(matches("^[]a]+$", "]a]"));
        assert!(matches("^[a[b]$", "["));
        assert!(matches("^(a+?)$", "aaa"));
        assert!(matches("^a{,2}b$", "aab"));
        assert!(matches(")", ")"));
        assert!(matches("back(.)\\1", "backss"));
        assert!(matches("\\<word\\>", "a word b"));
        assert!(!matches("\\<word\\>", "sword"));
        assert!(matches("^[[:digit:]_]+$", "1_2"));
        assert!(matches("\\d", "d"));
        let basic = Mode { extended: false, ..Mode::default() };
        assert_eq!(translate("a\\(b\\)*(c+", basic).unwrap(), "(?is)a(b)*\\(c\\+");
    }

    #[test]
    fn errors_in_the_words_of_glibc() {
        for (pattern, want) in [
            ("a{2,1}", "Invalid content of \\{\\}"),
            ("[z", "Unmatched [, [^, [:, [., or [="),
            ("*", "Invalid preceding regular expression"),
            ("+", "Invalid preceding regular expression"),
            ("(?i)x", "Invalid preceding regular expression"),
            ("{", "Invalid preceding regular expression"),
            ("(", "Unmatched ( or \\("),
            ("a{", "Unmatched \\{"),
            ("a\\", "Trailing backslash"),
            ("\\1", "Invalid back reference"),
            ("[b-a]", "Invalid range end"),
            ("[[:foo:]]", "Invalid character class name"),
        ] {
            assert_eq!(translate(pattern, Mode::default()), Err(want), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_translated_or_refused(pattern in "[a-c0-9\\\\\\[\\](){}|*+?.^$:,=-]{0,30}", extended: bool) {
            if let Ok(translated) = translate(&pattern, Mode { extended, ..Mode::default() }) {
                // The engine may find it too big, but must not find it malformed.
                if let Err(e) = fancy_regex::Regex::new(&translated) {
                    let text = e.to_string();
                    prop_assert!(text.contains("size") || text.contains("limit") || text.contains("oo big") || text.contains("large") || pattern.contains('\\'), "{} {}", translated, text);
                }
            }
        }
    }
}
