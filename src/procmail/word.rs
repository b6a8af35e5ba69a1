//! Words of an rcfile: text, quoted as for a shell, with variables and commands in it
//! (procmailrc(5), "rcfile format"). Reading a word and working it out are apart, so that a file can be
//! read without running anything.

/// One part of a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// `$name`, `${name}`.
    Variable(String),
    /// `$\name`: the value, quoted so that a regular expression matches just it.
    Quoted(String),
    /// `${name-word}` and its kin.
    Choice {
        /// The variable asked.
        name: String,
        /// `:`: an empty value counts as none.
        empty_is_unset: bool,
        /// `+`: the word stands where there is a value; `-`: where there is none.
        when_set: bool,
        /// What stands then.
        word: Word,
    },
    /// A command between backquotes.
    Command(String),
}

/// A word: its parts in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Word(pub Vec<Piece>);

/// `${a-${b-${c…` deeper than this is text.
const DEEPEST_CHOICE: usize = 32;

/// How a word ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// At white space.
    Space,
    /// At the end of the text; quotes mean nothing.
    End,
    /// At a closing brace.
    Brace,
}

/// Reads along some text.
#[derive(Clone)]
pub struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    /// The line the cursor is in, counted from 1.
    pub line: u32,
}

impl<'t> Cursor<'t> {
    /// At the start of a text.
    pub fn new(text: &'t str) -> Cursor<'t> {
        Cursor { text, at: 0, line: 1 }
    }

    /// What lies ahead.
    pub fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next character.
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    pub fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        self.line += u32::from(c == '\n');
        Some(c)
    }

    /// Takes the next character if it is `c`.
    pub fn eat(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.take();
        }
        there
    }

    /// Passes blanks, tabs and joined line ends.
    pub fn skip_blanks(&mut self) {
        loop {
            if self.rest().starts_with("\\\n") {
                self.take();
                self.take();
            } else if !(self.eat(' ') || self.eat('\t')) {
                return;
            }
        }
    }

    /// Passes white space, line ends and comments.
    pub fn skip_space(&mut self) {
        loop {
            self.skip_blanks();
            match self.peek() {
                Some('#') => drop(self.raw_line()),
                Some('\n' | '\r') => drop(self.take()),
                _ => return,
            }
        }
    }

    /// Takes the rest of the line, without its end.
    pub fn raw_line(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find('\n').unwrap_or(rest.len());
        self.at += end;
        self.take();
        &rest[..end]
    }

    /// Takes the rest of the line and those joined to it by a backslash; blanks at the start of a
    /// joined line are dropped.
    pub fn joined_line(&mut self) -> String {
        let mut line = self.raw_line().to_owned();
        while line.ends_with('\\') && !self.rest().is_empty() {
            line.pop();
            line.push_str(self.raw_line().trim_start_matches([' ', '\t']));
        }
        line
    }

    /// Reads a word that ends at white space.
    pub fn word(&mut self) -> Word {
        self.word_until(Until::Space, 0)
    }

    fn word_until(&mut self, until: Until, depth: usize) -> Word {
        let mut out = Builder::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' if until == Until::Space => break,
                '}' if until == Until::Brace => break,
                '\\' => {
                    self.take();
                    match self.take() {
                        Some('\n') => {}
                        // Inside double quotes a backslash stands for itself before most letters.
                        Some(c) if until == Until::End && !"\\\"$`".contains(c) => {
                            out.push('\\');
                            out.push(c);
                        }
                        Some(c) => out.push(c),
                        None => out.push('\\'),
                    }
                }
                '\'' if until != Until::End => {
                    self.take();
                    out.touch();
                    while let Some(c) = self.take().filter(|c| *c != '\'') {
                        out.push(c);
                    }
                }
                '"' if until != Until::End => {
                    self.take();
                    out.touch();
                    self.double_quoted(&mut out, depth);
                }
                '"' => drop(self.take()),
                '$' => self.dollar(&mut out, depth),
                '`' => self.backquoted(&mut out),
                c => {
                    self.take();
                    out.push(c);
                }
            }
        }
        out.finish()
    }

    fn double_quoted(&mut self, out: &mut Builder, depth: usize) {
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.take();
                    return;
                }
                '\\' => {
                    self.take();
                    match self.take() {
                        Some('\n') | None => {}
                        Some(c) if "\\\"$`".contains(c) => out.push(c),
                        Some(c) => {
                            out.push('\\');
                            out.push(c);
                        }
                    }
                }
                '$' => self.dollar(out, depth),
                '`' => self.backquoted(out),
                c => {
                    self.take();
                    out.push(c);
                }
            }
        }
    }

    fn dollar(&mut self, out: &mut Builder, depth: usize) {
        self.take();
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.name();
                out.piece(Piece::Variable(name));
            }
            Some(c) if c.is_ascii_digit() || "$#?-_=@".contains(c) => {
                self.take();
                out.piece(Piece::Variable(c.to_string()));
            }
            Some('\\') => {
                self.take();
                let name = self.name();
                out.piece(Piece::Quoted(name));
            }
            Some('{') => {
                self.take();
                self.braced(out, depth);
            }
            _ => out.push('$'),
        }
    }

    fn braced(&mut self, out: &mut Builder, depth: usize) {
        let quoted = self.eat('\\');
        let name = match self.peek() {
            Some(c) if c.is_ascii_digit() || "$#?-_=@".contains(c) && !self.rest().starts_with('_') => {
                self.take();
                c.to_string()
            }
            _ => self.name(),
        };
        let empty_is_unset = self.eat(':');
        match self.peek() {
            Some(c @ ('-' | '+')) if depth < DEEPEST_CHOICE => {
                self.take();
                let word = self.word_until(Until::Brace, depth + 1);
                out.piece(Piece::Choice { name, empty_is_unset, when_set: c == '+', word });
            }
            _ if quoted => out.piece(Piece::Quoted(name)),
            _ => out.piece(Piece::Variable(name)),
        }
        self.eat('}');
    }

    fn backquoted(&mut self, out: &mut Builder) {
        self.take();
        let mut command = String::new();
        while let Some(c) = self.take().filter(|c| *c != '`') {
            if c == '\\' && self.peek().is_some_and(|c| "`\\$".contains(c)) {
                command.extend(self.take());
            } else {
                command.push(c);
            }
        }
        out.piece(Piece::Command(command));
    }

    /// Reads the name of a variable; empty where there is none.
    pub fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.take();
        }
        name
    }
}

impl Word {
    /// Reads text in which quotes mean nothing but variables and commands do.
    pub fn from_text(text: &str) -> Word {
        Cursor::new(text).word_until(Until::End, 0)
    }

    /// Reads the words of a line.
    pub fn list(line: &str) -> Vec<Word> {
        let mut cursor = Cursor::new(line);
        let mut words = Vec::new();
        loop {
            cursor.skip_blanks();
            match cursor.peek() {
                None => return words,
                Some('#') if !words.is_empty() => return words,
                Some('\n') => drop(cursor.take()),
                Some(_) => words.push(cursor.word()),
            }
        }
    }
}

/// Collects pieces, neighbouring text in one.
#[derive(Default)]
struct Builder(Vec<Piece>);

impl Builder {
    fn push(&mut self, c: char) {
        self.touch();
        if let Some(Piece::Text(text)) = self.0.last_mut() {
            text.push(c);
        }
    }

    /// Makes the word one that has text, if only empty text.
    fn touch(&mut self) {
        if !matches!(self.0.last(), Some(Piece::Text(_))) {
            self.0.push(Piece::Text(String::new()));
        }
    }

    fn piece(&mut self, piece: Piece) {
        self.0.push(piece);
    }

    fn finish(self) -> Word {
        Word(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Piece {
        Piece::Text(s.to_owned())
    }

    #[test]
    fn quotes_join_to_one_word() {
        assert_eq!(Word::list(r#"x"y z"'$A'\$q next"#)[0], Word(vec![text("xy z$A$q")]));
        assert_eq!(Word::list("a\\\nb c").len(), 2);
    }

    #[test]
    fn variables_and_commands() {
        let w = &Word::list("$HOME/x${A:-b$C}`date`")[0].0;
        assert_eq!(w[0], Piece::Variable("HOME".into()));
        assert!(
            matches!(&w[2], Piece::Choice { empty_is_unset: true, when_set: false, word, .. } if word.0.len() == 2)
        );
        assert_eq!(w[3], Piece::Command("date".into()));
        assert_eq!(Word::list("a$ $(x)")[0], Word(vec![text("a$")]));
    }
}
