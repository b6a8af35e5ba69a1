//! What a client says: a line cut into words as Postfix's server cuts it.
//!
//! Words are separated by blanks; quoted strings and what stands between `<` and `>` hold together.
//! After the colon of `FROM:` and `TO:` a new word begins, with or without a blank.

/// The words of a command line.
#[derive(Clone, Debug)]
pub struct Words<'l> {
    line: &'l str,
    words: Vec<Word<'l>>,
}

#[derive(Clone, Copy, Debug)]
struct Word<'l> {
    text: &'l str,
    start: usize,
    broken: bool,
}

/// The address argument of MAIL or RCPT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument<'l> {
    /// There is none, or the keyword before it is another.
    Missing,
    /// A quote or bracket is not closed.
    Broken,
    /// The address, with its brackets.
    Text(&'l str),
}

impl<'l> Words<'l> {
    /// Cuts a line.
    pub fn split(line: &'l str) -> Words<'l> {
        let (mut words, mut at) = (Vec::new(), 0);
        loop {
            at += line[at..].len() - line[at..].trim_start_matches([' ', '\t']).len();
            if at >= line.len() {
                return Words { line, words };
            }
            let (len, broken) = word(&line[at..]);
            words.push(Word { text: &line[at..at + len], start: at, broken });
            at += len;
        }
    }

    /// The first word, or nothing.
    pub fn verb(&self) -> &'l str {
        self.get(0).unwrap_or_default()
    }

    /// A word.
    pub fn get(&self, n: usize) -> Option<&'l str> {
        self.words.get(n).map(|w| w.text)
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Is the line blank?
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The line from a word on.
    pub fn rest(&self, n: usize) -> Option<&'l str> {
        self.words.get(n).map(|w| self.line[w.start..].trim_end_matches([' ', '\t']))
    }

    /// The address after `FROM:` or `TO:`.
    pub fn address_argument(&self, keyword: &str) -> Argument<'l> {
        match (self.get(1), self.words.get(2)) {
            (Some(k), Some(w)) if k.eq_ignore_ascii_case(keyword) => {
                if w.broken {
                    Argument::Broken
                } else {
                    Argument::Text(w.text)
                }
            }
            _ => Argument::Missing,
        }
    }

    /// The words after the address.
    pub fn options(&self) -> impl Iterator<Item = &'l str> {
        self.words.iter().skip(3).map(|w| w.text)
    }
}

/// The length of the word at the start, and whether something in it is not closed.
fn word(text: &str) -> (usize, bool) {
    let mut chars = text.char_indices();
    let (mut quoted, mut angle) = (false, false);
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' if quoted || angle => {
                chars.next();
            }
            '"' => quoted = !quoted,
            _ if quoted => {}
            '<' => angle = true,
            '>' if angle => angle = false,
            ' ' | '\t' if !angle => return (i, false),
            ':' if !angle && matches!(text[..i].to_ascii_uppercase().as_str(), "FROM" | "TO") => {
                return (i + 1, false);
            }
            _ => {}
        }
    }
    (text.len(), quoted || angle)
}

/// `NOTIFY=` words as the bits of a queue file: NEVER 1, SUCCESS 2, FAILURE 4, DELAY 8
/// (RFC 3461, section 4.1).
pub fn notify(value: &str) -> Option<u8> {
    let mut flags = 0;
    for word in value.split(',') {
        flags |= match word.to_ascii_uppercase().as_str() {
            "NEVER" => 1,
            "SUCCESS" => 2,
            "FAILURE" => 4,
            "DELAY" => 8,
            _ => return None,
        };
    }
    // NEVER stands alone.
    (flags == 1 || flags & 1 == 0).then_some(flags)
}

/// `ORCPT=type;xtext`, with the xtext read (RFC 3461, section 4.2).
pub fn orcpt(value: &str) -> Option<String> {
    let (kind, text) = value.split_once(';')?;
    let text = super::xtext_decode(text)?;
    (!kind.is_empty() && !text.is_empty()).then(|| format!("{kind};{text}"))
}

/// Could this be xtext?
pub fn is_xtext(text: &str) -> bool {
    !text.is_empty() && super::xtext_decode(text).is_some()
}

/// Could this be the name of a header, so that what was said is a message and no command?
pub fn is_header_name(name: &str) -> bool {
    name.len() > 1 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A client's text for the log: what is not printable as `?`, and at most `max` characters of it.
pub fn printable(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_hold_together_in_quotes_and_brackets() {
        let w = Words::split("MAIL FROM:<a b@c> SIZE=5");
        assert_eq!(w.address_argument("FROM:"), Argument::Text("<a b@c>"));
        assert_eq!(w.options().collect::<Vec<_>>(), ["SIZE=5"]);
        let w = Words::split("RCPT TO: <\"x >\"@c>");
        assert_eq!(w.address_argument("TO:"), Argument::Text("<\"x >\"@c>"));
        assert_eq!(Words::split("MAIL FROM:<a").address_argument("FROM:"), Argument::Broken);
        assert_eq!(Words::split("MAIL FROM:").address_argument("FROM:"), Argument::Missing);
        assert_eq!(Words::split("MAIL TO:<a>").address_argument("FROM:"), Argument::Missing);
        assert!(Words::split(" \t").is_empty());
    }

    #[test]
    fn rfc_3461_section_4_1_notify() {
        assert_eq!(notify("SUCCESS,failure"), Some(6));
        assert_eq!(notify("NEVER,DELAY"), None);
        assert_eq!(notify("maybe"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_cut(line in "\\PC{0,80}") {
            let w = Words::split(&line);
            let _ = (w.verb(), w.rest(1), w.address_argument("TO:"), w.options().count());
        }
    }
}
