//! Replies (RFC 5321, section 4.2), with enhanced status codes (RFC 2034, RFC 3463).

use bytes::BytesMut;
use std::fmt;

/// Lines of a reply beyond this many, and octets of a line, are not kept.
const MAX_LINES: usize = 200;
const MAX_LINE: usize = 2048;

/// An enhanced status code (RFC 3463).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dsn {
    /// 2 success, 4 for now, 5 for good.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl Dsn {
    /// Reads a code off the start of a text.
    pub fn parse(text: &str) -> Option<Dsn> {
        let word = text.split(' ').next()?;
        let mut parts = word.split('.');
        let mut number = |max: usize| {
            let part = parts.next()?;
            (part.len() <= max && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<u16>().ok())?
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        (matches!(class, 2 | 4 | 5) && parts.next().is_none()).then_some(Dsn {
            class: class as u8,
            subject,
            detail,
        })
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A whole reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The three digits; 0 where the server sent something that is no reply.
    pub code: u16,
    /// The lines without their codes.
    pub lines: Vec<String>,
}

impl Reply {
    /// The enhanced status code, if the text starts with one.
    pub fn dsn(&self) -> Option<Dsn> {
        self.lines.first().and_then(|l| Dsn::parse(l))
    }

    /// The text of all lines, joined by blanks.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Code and text of all lines in one, as they are told to people.
    pub fn joined(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|l| format!("{:03} {l}", self.code)).collect();
        lines.join(" ")
    }
}

/// What stands at the start of a buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// A whole reply.
    Reply(Reply),
    /// Not yet.
    NeedMore,
}

/// Takes a reply off the buffer once all its lines are there.
pub fn parse(buffer: &mut BytesMut) -> Parsed {
    let (mut at, mut lines) = (0, Vec::new());
    loop {
        let rest = &buffer[at..];
        let Some(end) = memchr::memchr(b'\n', rest) else {
            if rest.len() <= MAX_LINE {
                return Parsed::NeedMore;
            }
            // No server of ours sends such lines: what came is the reply, and no good one.
            buffer.clear();
            return Parsed::Reply(Reply { code: 0, lines });
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let line = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]).into_owned();
        at += end + 1;
        let digits = line.get(..3).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let (code, more, text) = match digits {
            Some(d) => {
                (d.parse().unwrap_or(0), line.as_bytes().get(3) == Some(&b'-'), line.get(4..).unwrap_or(""))
            }
            None => (0, false, line.as_str()),
        };
        if lines.len() < MAX_LINES {
            lines.push(text.to_owned());
        }
        if !more {
            let _ = buffer.split_to(at);
            return Parsed::Reply(Reply { code, lines });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn section_4_2_1_multiline_replies() {
        let mut b = BytesMut::from(&b"250-foo.com\r\n250-SIZE\r\n250 HELP\r\n354 go"[..]);
        let Parsed::Reply(reply) = parse(&mut b) else { panic!("a whole reply stands there") };
        assert_eq!((reply.code, reply.lines.len()), (250, 3));
        assert_eq!(parse(&mut b), Parsed::NeedMore);
    }

    #[test]
    fn rfc_3463_codes() {
        assert_eq!(Dsn::parse("5.7.1 no").map(|d| d.to_string()), Some("5.7.1".into()));
        assert_eq!(Dsn::parse("3.7.1 no"), None);
        assert_eq!(Dsn::parse("5.7 no"), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_a_reply_or_not_yet(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let mut b = BytesMut::from(&bytes[..]);
            while let Parsed::Reply(_) = parse(&mut b) {}
        }
    }
}
