//! How a body must be encoded to travel, and the two encodings (RFC 2045, section 6).
//!
//! s-nail sends a text as it is when nothing in it could be changed on the way: no octet above
//! 127, no control character, no line of 950 octets, a line end at its end, and no line that an
//! mbox would have to quote. Otherwise it says so in MIME fields and encodes.

use std::borrow::Cow;

/// A line of this many octets is too long to be sent as it is.
const LONG_LINE: usize = 950;
/// The longest line of the encodings, in octets (RFC 2045, section 6.7 rule 5, section 6.8).
const ENCODED_LINE: usize = 76;

/// What a body is and how it travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// As it is, and no MIME field needs to say so.
    SevenBit,
    /// As it is, with octets above 127.
    EightBit,
    /// Text that must be protected.
    QuotedPrintable,
    /// No text at all.
    Base64,
}

impl Transfer {
    /// The value of the field Content-Transfer-Encoding; none where the default is meant.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Transfer::SevenBit => None,
            Transfer::EightBit => Some("8bit"),
            Transfer::QuotedPrintable => Some("quoted-printable"),
            Transfer::Base64 => Some("base64"),
        }
    }

    /// The octets that travel.
    pub fn encode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Transfer::SevenBit | Transfer::EightBit => Cow::Borrowed(body),
            Transfer::QuotedPrintable => Cow::Owned(quoted_printable(body)),
            Transfer::Base64 => Cow::Owned(base64_lines(body)),
        }
    }
}

/// What stands in a body.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Findings {
    /// Octets above 127.
    pub eight_bit: bool,
    /// NUL or a control character that no text has.
    pub binary: bool,
    /// Anything else that must be encoded.
    pub fragile: bool,
}

/// Looks through a body.
pub fn examine(body: &[u8]) -> Findings {
    let mut found = Findings { fragile: body.last().is_some_and(|c| *c != b'\n'), ..Findings::default() };
    for line in body.split_inclusive(|c| *c == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = if line.len() > text.len() { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        found.fragile |= text.len() >= LONG_LINE || text.starts_with(b"From ");
        for c in text {
            match c {
                0x80.. => found.eight_bit = true,
                7 | 8 | 11..=13 | 27 => found.fragile = true,
                b'\t' => {}
                0..=31 | 127 => found.binary = true,
                _ => {}
            }
        }
    }
    found
}

/// Quoted-printable, with the letter F of a line that begins with `From ` and a lone dot
/// quoted as well.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 8);
    for line in body.split_inclusive(|c| *c == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let ended = line.len() > text.len();
        let mut column = 0;
        for (i, c) in text.iter().enumerate() {
            let last = i + 1 == text.len();
            let quote = must_quote(text, i, ended);
            let width = if quote { 3 } else { 1 };
            let room = if last && ended && *c != b'\r' { ENCODED_LINE } else { ENCODED_LINE - 1 };
            if column + width > room {
                out.extend_from_slice(b"=\n");
                column = 0;
            }
            column += width;
            if quote { push_hex(&mut out, *c) } else { out.push(*c) }
        }
        if !ended {
            out.extend_from_slice(b"=\n");
        } else if text.ends_with(b"\r") {
            // The line end itself is data then, and a soft break follows.
            let full = column + 3 > ENCODED_LINE - 1;
            out.extend_from_slice(if full { &b"=\n=0A=\n"[..] } else { b"=0A=\n" });
        } else {
            out.push(b'\n');
        }
    }
    out
}

fn must_quote(text: &[u8], i: usize, ended: bool) -> bool {
    let last = i + 1 == text.len();
    match text[i] {
        b'=' | 127.. => true,
        b' ' | b'\t' => last && ended,
        c if c < b' ' => true,
        b'F' => i == 0 && text.starts_with(b"From "),
        b'.' => text.len() == 1,
        _ => false,
    }
}

/// Reads quoted-printable; what is no valid code stays as it is.
pub fn from_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((c, tail)) = rest.split_first() {
        rest = tail;
        match (c, tail) {
            (b'=', [b'\n', tail @ ..]) | (b'=', [b'\r', b'\n', tail @ ..]) => rest = tail,
            (b'=', [a, b, tail @ ..]) if hex(*a).is_some() && hex(*b).is_some() => {
                out.push(hex(*a).unwrap_or(0) << 4 | hex(*b).unwrap_or(0));
                rest = tail;
            }
            _ => out.push(*c),
        }
    }
    out
}

fn hex(c: u8) -> Option<u8> {
    char::from(c).to_digit(16).map(|d| d as u8)
}

/// An octet as `=` and two hexadecimal digits.
pub fn push_hex(out: &mut Vec<u8>, c: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'=', DIGITS[usize::from(c >> 4)], DIGITS[usize::from(c & 15)]]);
}

/// Base64 in lines.
pub fn base64_lines(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() * 4 / 3 + body.len() / 50 + 4);
    for chunk in body.chunks(ENCODED_LINE / 4 * 3) {
        base64(&mut out, chunk);
        out.push(b'\n');
    }
    out
}

/// Base64 without line ends.
pub fn base64(out: &mut Vec<u8>, data: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in data.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { digit } else { b'=' });
        }
    }
}

/// Reads base64; what does not belong to it is passed over.
pub fn from_base64(text: &[u8]) -> Vec<u8> {
    let (mut out, mut bits, mut count) = (Vec::with_capacity(text.len() * 3 / 4), 0u32, 0);
    for c in text {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn qp(body: &str) -> String {
        String::from_utf8(quoted_printable(body.as_bytes())).unwrap()
    }

    #[test]
    fn lines_an_mbox_would_quote_and_lone_dots() {
        assert_eq!(
            qp("From me\n\nFrom you\n.\n..\n.a\nafter\n"),
            "=46rom me\n\n=46rom you\n=2E\n..\n.a\nafter\n"
        );
        assert_eq!(qp("eq=eq\n trail \nt\t\n"), "eq=3Deq\n trail=20\nt=09\n");
    }

    #[test]
    fn carriage_returns_and_missing_line_ends() {
        assert_eq!(qp("h\rello\r\n"), "h=0Dello=0D=0A=\n");
        assert_eq!(qp("a\r\nb"), "a=0D=0A=\nb=\n");
    }

    #[test]
    fn a_line_of_76_needs_no_soft_break() {
        let line = |n| format!("From {}\n", "c".repeat(n));
        assert_eq!(qp(&line(69)), format!("=46rom {}\n", "c".repeat(69)));
        assert_eq!(qp(&line(70)), format!("=46rom {}=\ncc\n", "c".repeat(68)));
    }

    #[test]
    fn what_may_go_as_it_is() {
        let plain = |s: &str| examine(s.as_bytes()) == Findings::default();
        assert!(plain("tab\there\ntrail \n.\n"));
        assert!(plain("a\r\nb\r\n"));
        assert!(plain(">From \nFromx\nfrom \n"));
        assert!(plain(&format!("{}\n", "b".repeat(949))));
        assert!(examine(format!("{}\n", "b".repeat(950)).as_bytes()).fragile);
        assert!(examine(b"no line end").fragile);
        assert!(examine(b"x\x1by\n").fragile && !examine(b"x\x1by\n").binary);
        assert!(examine(b"x\x7fy\n").binary && examine(b"x\0y\n").binary);
    }

    proptest! {
        #[test]
        fn quoted_printable_is_read_back(body: Vec<u8>) {
            let coded = quoted_printable(&body);
            prop_assert!(coded.split(|c| *c == b'\n').all(|l| l.len() <= ENCODED_LINE));
            prop_assert_eq!(from_quoted_printable(&coded), body);
        }

        #[test]
        fn base64_is_read_back(body: Vec<u8>) {
            prop_assert_eq!(from_base64(&base64_lines(&body)), body);
        }
    }
}
