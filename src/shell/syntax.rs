//! Reserved words where they may not stand. The parser library knows that a text cannot be read,
//! but not always which word is in the way; this walk over the words tells.

use super::parse;
use brush_parser::Token;

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Open {
    If,
    Then,
    Else,
    Loop,
    Do,
    Case,
    Brace,
    Parenthesis,
}

impl Open {
    /// The word that goes on with it.
    fn expects(self) -> &'static str {
        match self {
            Open::If => "then",
            Open::Then | Open::Else => "fi",
            Open::Loop => "do",
            Open::Do => "done",
            Open::Case => ";;",
            Open::Brace => "}",
            Open::Parenthesis => ")",
        }
    }
}

/// What the walk found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The first misplaced word: where it begins, in characters; its line; itself.
    pub misplaced: Option<(usize, usize, String)>,
    /// What should still come at the end.
    pub expecting: Option<&'static str>,
}

/// Walks over the words of a text.
pub fn walk(text: &str) -> Found {
    let Some(tokens) = parse::tokens(text) else { return Found::default() };
    let mut open: Vec<Open> = Vec::new();
    let mut at_command = true;
    for token in &tokens {
        match token {
            Token::Operator(op, _) => {
                match op.as_str() {
                    "(" => open.push(Open::Parenthesis),
                    ")" if open.last() == Some(&Open::Parenthesis) => {
                        open.pop();
                    }
                    _ => {}
                }
                let redirects = op.contains(['<', '>']);
                let pattern_next = matches!(op.as_str(), ";;" | ";&" | ";;&");
                at_command = !redirects && !pattern_next;
            }
            Token::Word(word, at) => {
                let case_ends = word == "esac" && open.last() == Some(&Open::Case);
                if !at_command && !case_ends {
                    continue;
                }
                match step(word, &mut open) {
                    Some(next) => at_command = next,
                    None => {
                        let misplaced = Some((at.start.index, at.start.line, word.clone()));
                        return Found { misplaced, expecting: None };
                    }
                }
            }
        }
    }
    Found { misplaced: None, expecting: open.last().map(|o| o.expects()) }
}

/// Takes a word in the place of a command; does a command follow? `None` where it may not stand.
fn step(word: &str, open: &mut Vec<Open>) -> Option<bool> {
    let top = open.last().copied();
    let mut turn = |from: &[Open], to: Option<Open>| {
        if !top.is_some_and(|t| from.contains(&t)) {
            return None;
        }
        open.pop();
        open.extend(to);
        Some(to.is_some())
    };
    match word {
        "then" => turn(&[Open::If], Some(Open::Then)),
        "elif" => turn(&[Open::Then], Some(Open::If)),
        "else" => turn(&[Open::Then], Some(Open::Else)),
        "fi" => turn(&[Open::Then, Open::Else], None),
        "do" => turn(&[Open::Loop], Some(Open::Do)),
        "done" => turn(&[Open::Do], None),
        "esac" => turn(&[Open::Case], None),
        "}" => turn(&[Open::Brace], None),
        "if" => {
            open.push(Open::If);
            Some(true)
        }
        "while" | "until" => {
            open.push(Open::Loop);
            Some(true)
        }
        "for" | "select" => {
            open.push(Open::Loop);
            Some(false)
        }
        "case" => {
            open.push(Open::Case);
            Some(false)
        }
        "{" => {
            open.push(Open::Brace);
            Some(true)
        }
        "!" | "time" => Some(true),
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::walk;

    #[test]
    fn misplaced_words() {
        for (text, word) in [
            ("fi", Some("fi")),
            ("echo a; done", Some("done")),
            ("if true; then echo fi; fi", None),
            ("for i in a; do echo; done", None),
            ("case a in a) echo;; esac", None),
            ("echo }", None),
            ("if true; do", Some("do")),
        ] {
            assert_eq!(walk(text).misplaced.as_ref().map(|m| m.2.as_str()), word, "{text}");
        }
        assert_eq!(walk("if true").expecting, Some("then"));
    }
}
