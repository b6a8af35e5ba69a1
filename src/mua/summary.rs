//! The lines of a header summary: state, number, sender, date, size and subject.

use super::folder::Mail;
use super::mime::{from_base64, from_quoted_printable};
use crate::world::clock::Time;
use jiff::fmt::rfc2822;

/// The width of the screen, as it is without a terminal.
const SUBJECT_WIDTH: usize = 26;
/// Letters older than this show no time of day: half a year, in seconds.
const OLD: u64 = 182 * 24 * 3600;

/// One line of a summary.
pub fn line(mail: &Mail, number: usize, dot: bool, now: Time) -> String {
    let mark = if dot { '>' } else { ' ' };
    format!(
        "{mark}{}{number:3} {:18.18} {:16.16} {:4}/{:<5} {:SUBJECT_WIDTH$.SUBJECT_WIDTH$}\n",
        letter(mail),
        sender(mail),
        date(mail, now),
        mail.lines(),
        mail.bytes.len(),
        plain(&mail.field("Subject").unwrap_or_default()),
    )
}

fn letter(mail: &Mail) -> char {
    let s = mail.state;
    match (s.read, s.new) {
        (true, true) => 'R',
        (true, false) => 'O',
        (false, true) => 'N',
        (false, false) => 'U',
    }
}

fn sender(mail: &Mail) -> String {
    let Some(from) = mail.field("From") else {
        return mail.from_line().split_whitespace().nth(1).unwrap_or_default().to_owned();
    };
    match super::names::Name::parse(&from) {
        Ok(name) => plain(&name.person.unwrap_or(name.address)),
        Err(_) => plain(&from),
    }
}

/// The date of the letter, or that of the `From ` line where it has none.
fn date(mail: &Mail, now: Time) -> String {
    let parsed = mail.field("Date").and_then(|d| rfc2822::DateTimeParser::new().parse_timestamp(&d).ok());
    match parsed {
        Some(then) => {
            let then = Time::from_unix(u64::try_from(then.as_second()).unwrap_or(0));
            let old = now.since(then).as_secs() > OLD;
            then.strftime(if old { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" })
        }
        None => mail.from_line().splitn(3, ' ').nth(2).unwrap_or_default().trim_start().to_owned(),
    }
}

/// Text with its encoded words decoded, what is no ASCII shown as question marks.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, tail) = rest.split_at(start);
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        match encoded_word(tail) {
            Some((decoded, length)) => {
                out.push_str(&decoded);
                rest = &tail[length..];
                after_word = true;
            }
            None => {
                out.push_str("=?");
                rest = &tail[2..];
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    ascii(&out)
}

/// What a screen without an extended character set shows.
pub fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

fn encoded_word(text: &str) -> Option<(String, usize)> {
    let mut parts = text[2..].splitn(3, '?');
    let (charset, encoding, tail) = (parts.next()?, parts.next()?, parts.next()?);
    let data = &tail[..tail.find("?=")?];
    let bytes = match encoding {
        "B" | "b" => from_base64(data.as_bytes()),
        "Q" | "q" => from_quoted_printable(data.replace('_', " ").as_bytes()),
        _ => return None,
    };
    let length = 2 + charset.len() + 1 + encoding.len() + 1 + data.len() + 2;
    Some((String::from_utf8_lossy(&bytes).into_owned(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_shown() {
        assert_eq!(plain("=?utf-8?Q?abc=64?= =?us-ascii?B?ZWY=?= x"), "abcdef x");
        assert_eq!(plain("a =? b"), "a =? b");
    }
}
