//! The language of rcfiles (procmailrc(5)): assignments and recipes, as they stand in a file.
//!
//! A whole file is read before anything in it is done; mistakes become items of their own, so
//! that procmail speaks of them when it comes to them.

use super::word::{Cursor, Word};
use std::rc::Rc;

/// Blocks in blocks deeper than this are not opened.
const DEEPEST_BLOCK: usize = 48;

/// What stands in an rcfile, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The line it begins on, counted from 1.
    pub line: u32,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of items.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `NAME=value`; without `=` the variable is taken away.
    Assign(String, Option<Word>),
    /// `:0 …`
    Recipe(Box<Recipe>),
    /// Text that is nothing of these.
    Skipped(String),
    /// A remark about the file.
    Remark(&'static str),
}

/// A recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Its letters.
    pub flags: Flags,
    /// The second colon.
    pub lock: Lock,
    /// Its conditions: each line, without the asterisk, and where it stands.
    pub conditions: Vec<(u32, String)>,
    /// What to do.
    pub action: Action,
}

/// Which lock file a recipe asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Lock {
    /// None.
    None,
    /// The one that goes with the folder.
    Implicit,
    /// This one.
    Named(Word),
}

/// What a recipe does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Into a file or directory; into further directories by links.
    Folder(Vec<Word>),
    /// To other addresses.
    Forward(String),
    /// Into a command.
    Pipe(String),
    /// Into a command whose output a variable gets.
    Capture(String, String),
    /// More of the file.
    Block(Rc<[Item]>),
    /// The file ended too soon.
    Missing,
}

/// The letters of a recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

/// All flag letters.
const LETTERS: &str = "HBDAahbfcwWiEer";

impl Flags {
    /// Is this letter given?
    pub fn has(self, letter: char) -> bool {
        LETTERS.find(letter).is_some_and(|n| self.0 >> n & 1 == 1)
    }

    fn set(&mut self, letter: char) -> bool {
        let Some(n) = LETTERS.find(letter) else { return false };
        self.0 |= 1 << n;
        true
    }
}

/// Reads an rcfile.
pub fn parse(text: &str) -> Vec<Item> {
    let mut cursor = Cursor::new(text);
    let mut items = block(&mut cursor, 0);
    while !cursor.rest().is_empty() {
        // A closing brace that closes nothing.
        let line = cursor.line;
        cursor.take();
        items.push(Item { line, kind: Kind::Remark("Closing brace unexpected") });
        items.extend(block(&mut cursor, 0));
    }
    items
}

/// Reads up to a closing brace or the end.
fn block(cursor: &mut Cursor<'_>, depth: usize) -> Vec<Item> {
    let mut items = Vec::new();
    loop {
        cursor.skip_space();
        let line = cursor.line;
        let mut push = |kind| items.push(Item { line, kind });
        match cursor.peek() {
            None => {
                if depth > 0 {
                    push(Kind::Remark("Missing closing brace"));
                }
                return items;
            }
            Some('}') => return items,
            Some(':') => {
                cursor.take();
                let (recipe, skipped) = recipe(cursor, depth);
                if let Some(text) = skipped {
                    push(Kind::Skipped(text));
                }
                push(match recipe.action {
                    Action::Missing => Kind::Remark("Incomplete recipe"),
                    _ => Kind::Recipe(Box::new(recipe)),
                });
            }
            Some(_) => push(assignment(cursor)),
        }
    }
}

fn assignment(cursor: &mut Cursor<'_>) -> Kind {
    let start = cursor.clone();
    if !cursor.peek().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
        return Kind::Skipped(whole_line(start, cursor));
    }
    let name = cursor.name();
    let ended = |c: &Cursor<'_>| c.peek().is_none_or(|c| c.is_whitespace() || c == '}');
    if ended(cursor) {
        let mut ahead = cursor.clone();
        ahead.skip_blanks();
        if ahead.peek() != Some('=') {
            return Kind::Assign(name, None);
        }
        *cursor = ahead;
    }
    if !cursor.eat('=') {
        return Kind::Skipped(whole_line(start, cursor));
    }
    cursor.skip_blanks();
    if cursor.peek() == Some('#') {
        return Kind::Assign(name, Some(Word::default()));
    }
    Kind::Assign(name, Some(cursor.word()))
}

/// The line from `start` on, which the cursor passes.
fn whole_line<'t>(start: Cursor<'t>, cursor: &mut Cursor<'t>) -> String {
    *cursor = start;
    cursor.raw_line().trim_end().to_owned()
}

/// Reads a recipe behind its first colon; gives also what of its first line is no part of it.
fn recipe(cursor: &mut Cursor<'_>, depth: usize) -> (Recipe, Option<String>) {
    let mut flags = Flags::default();
    let mut lock = Lock::None;
    let mut skipped = None;
    cursor.skip_blanks();
    let mut digits = String::new();
    while let Some(c) = cursor.peek().filter(char::is_ascii_digit) {
        digits.push(c);
        cursor.take();
    }
    // Of the old form, `:n`, n lines of conditions follow, without asterisks.
    let counted = if digits.is_empty() { 1 } else { digits.parse().unwrap_or(0usize) };
    loop {
        cursor.skip_blanks();
        match cursor.peek() {
            Some(c) if flags.set(c) => drop(cursor.take()),
            Some(':') if lock == Lock::None => {
                cursor.take();
                cursor.skip_blanks();
                lock = match cursor.peek() {
                    None | Some('\n' | '#') => Lock::Implicit,
                    Some(_) => Lock::Named(cursor.word()),
                };
            }
            Some('{') => break,
            Some(c) if c != '\n' && c != '#' => {
                skipped = Some(cursor.raw_line().trim_end().to_owned());
                break;
            }
            _ => {
                cursor.raw_line();
                break;
            }
        }
    }
    let conditions = conditions(cursor, counted);
    let action = action(cursor, depth);
    (Recipe { flags, lock, conditions, action }, skipped)
}

fn conditions(cursor: &mut Cursor<'_>, counted: usize) -> Vec<(u32, String)> {
    let mut conditions = Vec::new();
    for _ in 0..counted {
        cursor.skip_space();
        if cursor.rest().is_empty() {
            break;
        }
        conditions.push((cursor.line, cursor.joined_line()));
    }
    loop {
        cursor.skip_space();
        let line = cursor.line;
        if !cursor.eat('*') {
            return conditions;
        }
        let text = cursor.joined_line();
        conditions.push((line, text.trim_start_matches([' ', '\t']).to_owned()));
    }
}

fn action(cursor: &mut Cursor<'_>, depth: usize) -> Action {
    match cursor.peek() {
        None => Action::Missing,
        Some('{') if depth < DEEPEST_BLOCK && opens_block(cursor) => {
            cursor.take();
            let items = block(cursor, depth + 1);
            cursor.eat('}');
            Action::Block(items.into())
        }
        Some('!') => {
            cursor.take();
            Action::Forward(cursor.joined_line())
        }
        Some('|') => {
            cursor.take();
            Action::Pipe(cursor.joined_line())
        }
        Some(_) => {
            if let Some((name, command)) = capture(cursor) {
                return Action::Capture(name, command);
            }
            Action::Folder(folders(cursor))
        }
    }
}

/// A brace opens a block only where white space follows.
fn opens_block(cursor: &Cursor<'_>) -> bool {
    cursor.rest()[1..].chars().next().is_none_or(char::is_whitespace)
}

fn capture(cursor: &mut Cursor<'_>) -> Option<(String, String)> {
    let mut ahead = cursor.clone();
    let name = ahead.name();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    ahead.skip_blanks();
    if !ahead.eat('=') {
        return None;
    }
    ahead.skip_blanks();
    if !ahead.eat('|') {
        return None;
    }
    let command = ahead.joined_line();
    *cursor = ahead;
    Some((name, command))
}

fn folders(cursor: &mut Cursor<'_>) -> Vec<Word> {
    let mut words = Vec::new();
    loop {
        cursor.skip_blanks();
        match cursor.peek() {
            None | Some('\n') => return words,
            Some('#') => {
                cursor.raw_line();
                return words;
            }
            // Behind a folder in a block of one line.
            Some('}') if !words.is_empty() => return words,
            Some(_) => words.push(cursor.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<Kind> {
        parse(text).into_iter().map(|i| i.kind).collect()
    }

    #[test]
    fn the_recipe_of_three_lines() {
        let items = parse("SHELL=/bin/bash\nDEFAULT=$MAILDIR # here\n\n:0\n* ^Subject:.*SPAM.*\n/dev/null\n");
        assert_eq!(items.iter().map(|i| i.line).collect::<Vec<_>>(), [1, 2, 4]);
        let Kind::Recipe(r) = &items[2].kind else { panic!("{items:?}") };
        assert_eq!(r.conditions, [(5, "^Subject:.*SPAM.*".to_owned())]);
        assert!(matches!(&r.action, Action::Folder(w) if w.len() == 1));
    }

    #[test]
    fn flags_locks_and_blocks() {
        let items = kinds(":0 HBc:x.lock\n*  ! ^a\\\n  b\n{ A=1 B=2 }\n:0 c:\n| cat\n:0\nV=| date\n");
        let Kind::Recipe(r) = &items[0] else { panic!("{items:?}") };
        assert!(r.flags.has('H') && r.flags.has('c') && !r.flags.has('D'));
        assert!(matches!(r.lock, Lock::Named(_)));
        assert_eq!(r.conditions[0].1, "! ^ab");
        assert!(matches!(&r.action, Action::Block(items) if items.len() == 2));
        assert!(
            matches!(&items[1], Kind::Recipe(r) if r.lock == Lock::Implicit && r.action == Action::Pipe(" cat".into()))
        );
        assert!(
            matches!(&items[2], Kind::Recipe(r) if matches!(&r.action, Action::Capture(v, c) if v == "V" && c == " date"))
        );
    }

    #[test]
    fn mistakes_are_items() {
        assert_eq!(kinds("'NOT A NAME'=x\n"), [Kind::Skipped("'NOT A NAME'=x".into())]);
        assert_eq!(kinds("3=4\n")[0], Kind::Skipped("3=4".into()));
        assert_eq!(kinds("A ; B\n")[1], Kind::Skipped("; B".into()));
        assert_eq!(kinds(":0 cQ\nflag\n")[0], Kind::Skipped("Q".into()));
        assert_eq!(kinds(":0\n* ^x\n"), [Kind::Remark("Incomplete recipe")]);
        assert_eq!(kinds("A=c=d e\n").len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text: String) {
            parse(&text);
        }

        #[test]
        fn anything_like_an_rcfile_can_be_read(text in "[:0 *!|{}\\\\\n#'\"$`=A-Ca-c/?<>^-]{0,80}") {
            parse(&text);
        }
    }
}
