//! The language of sed: from its text to commands.

use crate::shell::commands::regex::{Dialect, Regex};
use std::collections::BTreeMap;
use std::rc::Rc;

/// One command with the lines it is for.
pub struct Command {
    pub from: Option<Address>,
    pub to: Option<Address>,
    pub negate: bool,
    pub what: What,
}

/// A line, or where a range ends.
pub enum Address {
    Line(u64),
    Last,
    /// The regular expression used last, where there is none.
    Match(Option<Rc<Regex>>),
    /// `FIRST~STEP`
    Step(u64, u64),
    /// `,+N`
    Plus(u64),
    /// `,~N`
    Multiple(u64),
}

/// What a command does.
pub enum What {
    /// `{`, with the number of the command behind the matching `}`.
    Block(usize),
    Nothing,
    Number,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    /// `b`, `t`, `T` and the number of the command to go to.
    Branch(Jump, usize),
    Delete,
    DeleteFirst,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    Exchange,
    List,
    Next,
    NextAppend,
    Print,
    PrintFirst,
    Quit {
        status: i32,
        silent: bool,
    },
    ReadFile(String),
    ReadLine(String),
    Substitute(Box<Substitute>),
    Write(String),
    WriteFirst(String),
    Translate(Box<[u8; 256]>),
    Zap,
    FileName,
}

/// When a branch is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    Always,
    Substituted,
    NotSubstituted,
}

/// `s/regex/replacement/flags`
pub struct Substitute {
    pub regex: Option<Rc<Regex>>,
    pub parts: Vec<Part>,
    pub global: bool,
    pub nth: u64,
    pub print: bool,
    pub file: Option<String>,
}

/// A piece of a replacement.
pub enum Part {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

/// How letters are changed from here on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Upper,
    Lower,
    UpperNext,
    LowerNext,
    End,
}

/// A script with where its pieces come from, for messages.
#[derive(Default)]
pub struct Source {
    text: Vec<u8>,
    /// Where each piece begins, and the file it is from.
    pieces: Vec<(usize, Option<String>)>,
}

impl Source {
    /// Adds the text of `-e`, or of a file.
    pub fn add(&mut self, text: &[u8], file: Option<String>) {
        if !self.pieces.is_empty() {
            self.text.push(b'\n');
        }
        self.pieces.push((self.text.len(), file));
        self.text.extend_from_slice(text);
    }

    /// Has nothing been added?
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn message(&self, at: usize, text: &str) -> String {
        let n = self.pieces.iter().rposition(|(start, _)| *start <= at).unwrap_or(0);
        match self.pieces.get(n) {
            Some((start, Some(file))) => {
                let end = at.min(self.text.len());
                let line = 1 + self.text[*start..end].iter().filter(|b| **b == b'\n').count();
                format!("file {file} line {line}: {text}")
            }
            Some((start, None)) => format!("-e expression #{}, char {}: {text}", n + 1, at - start),
            None => text.to_owned(),
        }
    }

    /// The commands. A label that is not there gives a message of its own.
    ///
    /// # Errors
    /// GNU's messages.
    pub fn compile(&self, extended: bool) -> Result<Vec<Command>, String> {
        let mut parser = Parser {
            text: &self.text,
            at: 0,
            extended,
            blocks: Vec::new(),
            labels: BTreeMap::new(),
            jumps: Vec::new(),
        };
        let mut commands = parser.commands().map_err(|text| self.message(parser.at, &text))?;
        if let Some((_, at)) = parser.blocks.first() {
            let n = self.pieces.iter().rposition(|(start, _)| start <= at).unwrap_or(0);
            return Err(format!("-e expression #{}, char 0: unmatched `{{'", n + 1));
        }
        for (n, label) in parser.jumps {
            let to = match label.as_str() {
                "" => commands.len(),
                label => match parser.labels.get(label) {
                    Some(to) => *to,
                    None => return Err(format!("can't find label for jump to `{label}'")),
                },
            };
            if let What::Branch(_, target) = &mut commands[n].what {
                *target = to;
            }
        }
        Ok(commands)
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    extended: bool,
    /// Blocks that are open: the command's number and its place.
    blocks: Vec<(usize, usize)>,
    labels: BTreeMap<String, usize>,
    jumps: Vec<(usize, String)>,
}

type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let b = self.peek();
        self.at += usize::from(b.is_some());
        b
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn blanks(&mut self) {
        self.skip(|b| b != b'\n' && b.is_ascii_whitespace());
    }

    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        self.skip(|b| b.is_ascii_digit());
        let digits = std::str::from_utf8(&self.text[start..self.at]).ok()?;
        (!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
    }

    fn commands(&mut self) -> Parsed<Vec<Command>> {
        let mut commands: Vec<Command> = Vec::new();
        loop {
            self.skip(|b| b == b';' || b.is_ascii_whitespace());
            if self.peek().is_none() {
                return Ok(commands);
            }
            if self.peek() == Some(b'#') {
                self.skip(|b| b != b'\n');
                continue;
            }
            let command = self.command(&mut commands)?;
            commands.extend(command);
        }
    }

    fn command(&mut self, commands: &mut [Command]) -> Parsed<Option<Command>> {
        let from = self.address()?;
        let mut to = None;
        self.blanks();
        if from.is_some() && self.peek() == Some(b',') {
            self.at += 1;
            self.blanks();
            to = match self.end_address()? {
                Some(to) => Some(to),
                None => return Err("unexpected `,'".into()),
            };
        }
        self.blanks();
        let mut negate = false;
        while self.peek() == Some(b'!') {
            self.at += 1;
            if negate {
                return Err("multiple `!'s".into());
            }
            negate = true;
            self.blanks();
        }
        let Some(letter) = self.next() else { return Err("missing command".into()) };
        if matches!(from, Some(Address::Line(0))) && !matches!(to, Some(Address::Match(_))) {
            return Err("invalid usage of line address 0".into());
        }
        let here = commands.len();
        let what = match letter {
            b'{' => {
                self.blocks.push((here, self.at));
                What::Block(0)
            }
            b'}' => {
                if from.is_some() {
                    return Err("} doesn't want any addresses".into());
                }
                let Some((open, _)) = self.blocks.pop() else { return Err("unexpected `}'".into()) };
                if let What::Block(end) = &mut commands[open].what {
                    *end = here + 1;
                }
                self.end()?;
                What::Nothing
            }
            b':' => {
                if from.is_some() {
                    return Err(": doesn't want any addresses".into());
                }
                let label = self.label(false);
                if label.is_empty() {
                    return Err("\":\" lacks a label".into());
                }
                self.labels.insert(label, here);
                return Ok(None);
            }
            b'a' | b'i' | b'c' => {
                let text = self.inserted()?;
                match letter {
                    b'a' => What::Append(text),
                    b'i' => What::Insert(text),
                    _ => What::Change(text),
                }
            }
            b'b' | b't' | b'T' => {
                let label = self.label(true);
                self.jumps.push((here, label));
                let jump = match letter {
                    b'b' => Jump::Always,
                    b't' => Jump::Substituted,
                    _ => Jump::NotSubstituted,
                };
                What::Branch(jump, 0)
            }
            b'q' | b'Q' => {
                if to.is_some() {
                    return Err("command only uses one address".into());
                }
                self.blanks();
                let status = self.number().unwrap_or(0) as i32 & 255;
                self.end()?;
                What::Quit { status, silent: letter == b'Q' }
            }
            b'r' => What::ReadFile(self.file()?),
            b'R' => What::ReadLine(self.file()?),
            b'w' => What::Write(self.file()?),
            b'W' => What::WriteFirst(self.file()?),
            b's' => What::Substitute(Box::new(self.substitute()?)),
            b'y' => What::Translate(self.translate()?),
            b'l' => {
                self.blanks();
                self.number();
                self.end()?;
                What::List
            }
            letter => {
                let what =
                    simple(letter).ok_or_else(|| format!("unknown command: `{}'", char::from(letter)))?;
                self.end()?;
                what
            }
        };
        Ok(Some(Command { from, to, negate, what }))
    }

    /// Nothing but the end of the command may follow.
    fn end(&mut self) -> Parsed<()> {
        self.blanks();
        match self.peek() {
            None | Some(b'#' | b'}') => Ok(()),
            Some(b';' | b'\n') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => {
                self.at += 1;
                Err("extra characters after command".into())
            }
        }
    }

    fn address(&mut self) -> Parsed<Option<Address>> {
        Ok(Some(match self.peek() {
            Some(b'$') => {
                self.at += 1;
                Address::Last
            }
            Some(b'/' | b'\\') => {
                let mut delimiter = self.next().unwrap_or(b'/');
                if delimiter == b'\\' {
                    delimiter = self.next().ok_or("unterminated address regex")?;
                }
                let pattern = self.until(delimiter, true).ok_or("unterminated address regex")?;
                let mut dialect = self.dialect();
                loop {
                    match self.peek() {
                        Some(b'I') => dialect.ignore_case = true,
                        Some(b'M') => dialect.multiline = true,
                        _ => break,
                    }
                    self.at += 1;
                }
                Address::Match(regex(&pattern, dialect)?)
            }
            Some(b'0'..=b'9') => {
                let first = self.number().unwrap_or(0);
                self.blanks();
                if self.peek() == Some(b'~') {
                    self.at += 1;
                    Address::Step(first, self.number().unwrap_or(0))
                } else {
                    Address::Line(first)
                }
            }
            _ => return Ok(None),
        }))
    }

    fn end_address(&mut self) -> Parsed<Option<Address>> {
        match self.peek() {
            Some(b'+') => {
                self.at += 1;
                Ok(Some(Address::Plus(self.number().ok_or("expected number")?)))
            }
            Some(b'~') => {
                self.at += 1;
                Ok(Some(Address::Multiple(self.number().ok_or("expected number")?)))
            }
            _ => self.address(),
        }
    }

    fn dialect(&self) -> Dialect {
        Dialect { extended: self.extended, escapes: true, ..Dialect::default() }
    }

    /// The text up to a delimiter, which is passed; a backslash in front of the delimiter is taken away.
    fn until(&mut self, delimiter: u8, pattern: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            match self.next()? {
                b if b == delimiter => return Some(out),
                b'\\' => match self.next()? {
                    b'n' if pattern && delimiter != b'n' => out.push(b'\n'),
                    b if b == delimiter && (pattern || b != b'&') => out.push(b),
                    b => out.extend_from_slice(&[b'\\', b]),
                },
                b'\n' if pattern => return None,
                b => out.push(b),
            }
        }
    }

    /// The name of a label; where it is only referred to, a brace ends it too.
    fn label(&mut self, referred: bool) -> String {
        self.blanks();
        let start = self.at;
        self.skip(|b| !b.is_ascii_whitespace() && b != b';' && !(referred && b == b'}'));
        let label = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        self.blanks();
        label
    }

    fn file(&mut self) -> Parsed<String> {
        self.blanks();
        let start = self.at;
        self.skip(|b| b != b'\n');
        if start == self.at {
            return Err("missing filename in r/R/w/W commands".into());
        }
        Ok(String::from_utf8_lossy(&self.text[start..self.at]).into_owned())
    }

    /// The text of `a`, `i` and `c`.
    fn inserted(&mut self) -> Parsed<Vec<u8>> {
        self.blanks();
        if self.peek().is_none() {
            return Err("expected \\ after `a', `c' or `i'".into());
        }
        if self.peek() == Some(b'\\') {
            let start = self.at;
            self.at += 1;
            let after = self.at;
            self.blanks();
            match self.peek() {
                Some(b'\n') => self.at += 1,
                None => return Ok(Vec::new()),
                // Blanks behind the backslash belong to the text.
                Some(_) if self.at > after => self.at = after,
                Some(_) => self.at = if self.text[after] == b't' { start } else { after },
            }
        }
        let mut out = Vec::new();
        loop {
            match self.next() {
                None | Some(b'\n') => break,
                Some(b'\\') => match self.next() {
                    Some(b't') => out.push(b'\t'),
                    Some(b'n') => out.push(b'\n'),
                    Some(b) => out.push(b),
                    None => break,
                },
                Some(b) => out.push(b),
            }
        }
        out.push(b'\n');
        Ok(out)
    }

    fn substitute(&mut self) -> Parsed<Substitute> {
        const UNTERMINATED: &str = "unterminated `s' command";
        let delimiter = self.next().filter(|d| *d != b'\n' && *d != b'\\').ok_or(UNTERMINATED)?;
        let pattern = self.until(delimiter, true).ok_or(UNTERMINATED)?;
        let replacement = self.until(delimiter, false).ok_or(UNTERMINATED)?;
        let mut s =
            Substitute { regex: None, parts: Vec::new(), global: false, nth: 0, print: false, file: None };
        let mut dialect = self.dialect();
        loop {
            match self.peek() {
                Some(b'g') if s.global => {
                    self.at += 1;
                    return Err("multiple `g' options to `s' command".into());
                }
                Some(b'g') => s.global = true,
                Some(b'p') => s.print = true,
                Some(b'i' | b'I') => dialect.ignore_case = true,
                Some(b'm' | b'M') => dialect.multiline = true,
                Some(b'0'..=b'9') => {
                    if s.nth != 0 {
                        return Err("multiple number options to `s' command".into());
                    }
                    s.nth = self.number().unwrap_or(0);
                    if s.nth == 0 {
                        return Err("number option to `s' command may not be zero".into());
                    }
                    continue;
                }
                Some(b'w') => {
                    self.at += 1;
                    s.file = Some(self.file()?);
                    break;
                }
                Some(b'e') => return Err("maillab: the flag e is not available in the lab".into()),
                None | Some(b'#' | b'}' | b';' | b'\n') => break,
                Some(b) if b.is_ascii_whitespace() => {}
                Some(_) => {
                    self.at += 1;
                    return Err("unknown option to `s'".into());
                }
            }
            self.at += 1;
        }
        s.regex = regex(&pattern, dialect)?;
        s.parts = replacement_parts(&replacement);
        let groups = s.regex.as_ref().map(|r| r.groups());
        for part in &s.parts {
            if let (Part::Group(n), Some(groups)) = (part, groups)
                && *n > groups
            {
                return Err(format!("invalid reference \\{n} on `s' command's RHS"));
            }
        }
        Ok(s)
    }

    fn translate(&mut self) -> Parsed<Box<[u8; 256]>> {
        const UNTERMINATED: &str = "unterminated `y' command";
        let delimiter = self.next().ok_or(UNTERMINATED)?;
        let from = self.until(delimiter, false).ok_or(UNTERMINATED)?;
        let to = self.until(delimiter, false).ok_or(UNTERMINATED)?;
        let (from, to) = (plain(&from), plain(&to));
        if from.len() != to.len() {
            return Err("strings for `y' command are different lengths".into());
        }
        let mut table: Box<[u8; 256]> = Box::new(std::array::from_fn(|n| n as u8));
        for (a, b) in from.iter().zip(&to) {
            table[usize::from(*a)] = *b;
        }
        self.end()?;
        Ok(table)
    }
}

fn simple(letter: u8) -> Option<What> {
    Some(match letter {
        b'=' => What::Number,
        b'd' => What::Delete,
        b'D' => What::DeleteFirst,
        b'F' => What::FileName,
        b'g' => What::Get,
        b'G' => What::GetAppend,
        b'h' => What::Hold,
        b'H' => What::HoldAppend,
        b'n' => What::Next,
        b'N' => What::NextAppend,
        b'p' => What::Print,
        b'P' => What::PrintFirst,
        b'x' => What::Exchange,
        b'z' => What::Zap,
        _ => return None,
    })
}

fn regex(pattern: &[u8], dialect: Dialect) -> Parsed<Option<Rc<Regex>>> {
    if pattern.is_empty() {
        return Ok(None);
    }
    Regex::new(pattern, dialect).map(|r| Some(Rc::new(r)))
}

/// Escapes of `y`.
fn plain(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.iter();
    while let Some(&b) = rest.next() {
        match (b, rest.as_slice().first()) {
            (b'\\', Some(b'n')) => out.push(b'\n'),
            (b'\\', Some(b't')) => out.push(b'\t'),
            (b'\\', Some(&c)) => out.push(c),
            _ => {
                out.push(b);
                continue;
            }
        }
        rest.next();
    }
    out
}

fn replacement_parts(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text.iter();
    while let Some(&b) = rest.next() {
        let part = match b {
            b'&' => Part::Group(0),
            b'\\' => match rest.next() {
                Some(c @ b'0'..=b'9') => Part::Group(usize::from(c - b'0')),
                Some(b'U') => Part::Case(Case::Upper),
                Some(b'L') => Part::Case(Case::Lower),
                Some(b'u') => Part::Case(Case::UpperNext),
                Some(b'l') => Part::Case(Case::LowerNext),
                Some(b'E') => Part::Case(Case::End),
                other => {
                    literal.push(match other {
                        Some(b'n') => b'\n',
                        Some(b't') => b'\t',
                        Some(b'r') => b'\r',
                        Some(b'f') => 12,
                        Some(b'v') => 11,
                        Some(b'a') => 7,
                        Some(c) => *c,
                        None => b'\\',
                    });
                    continue;
                }
            },
            b => {
                literal.push(b);
                continue;
            }
        };
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        parts.push(part);
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        let mut source = Source::default();
        source.add(text.as_bytes(), None);
        source.compile(false).err().unwrap_or_default()
    }

    #[test]
    fn messages() {
        for (script, text) in [
            ("k", "-e expression #1, char 1: unknown command: `k'"),
            ("s/a", "-e expression #1, char 3: unterminated `s' command"),
            ("s/a/b/x", "-e expression #1, char 7: unknown option to `s'"),
            ("{p", "-e expression #1, char 0: unmatched `{'"),
            ("p}", "-e expression #1, char 2: unexpected `}'"),
            ("/a", "-e expression #1, char 2: unterminated address regex"),
            ("y/a/bc/", "-e expression #1, char 7: strings for `y' command are different lengths"),
            ("b nosuch", "can't find label for jump to `nosuch'"),
            (":", "-e expression #1, char 1: \":\" lacks a label"),
            ("a", "-e expression #1, char 1: expected \\ after `a', `c' or `i'"),
            ("s/a/\\1/", "-e expression #1, char 7: invalid reference \\1 on `s' command's RHS"),
            ("s/\\(/x/", "-e expression #1, char 7: Unmatched ( or \\("),
            ("r", "-e expression #1, char 1: missing filename in r/R/w/W commands"),
            ("!", "-e expression #1, char 1: missing command"),
            ("1!!p", "-e expression #1, char 3: multiple `!'s"),
            ("p x", "-e expression #1, char 3: extra characters after command"),
            ("s/a/b/gg", "-e expression #1, char 8: multiple `g' options to `s' command"),
            ("s/a/b/0", "-e expression #1, char 7: number option to `s' command may not be zero"),
            ("0p", "-e expression #1, char 2: invalid usage of line address 0"),
            ("y/a/", "-e expression #1, char 4: unterminated `y' command"),
        ] {
            assert_eq!(error(script), text, "{script}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_script_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..40), extended: bool) {
            let mut source = Source::default();
            source.add(&text, None);
            let _ = source.compile(extended);
        }

        #[test]
        fn letters_of_the_language(text in r"[sypdgG{};!,/0-9$\\ab:tnNaic~+ \n]{0,30}") {
            let mut source = Source::default();
            source.add(text.as_bytes(), None);
            let _ = source.compile(false);
        }
    }
}
