//! A message with eight bits for a server that takes seven (RFC 6152, section 3): what says of itself that it
//! is 8-bit or binary becomes quoted-printable (RFC 2045, section 6.7), part by part; what says nothing is
//! left alone, whatever is in it.

use crate::proto::message;
use crate::proto::mime::ContentType;

/// Parts lie within each other this deep; what is deeper is left alone.
const DEEPEST: usize = 100;

/// A line of quoted-printable is broken before the octet that would come behind so many.
const LONGEST: usize = 72;

/// A message, each line ended by LF, in seven bits as far as its headers tell of more.
pub fn to_seven_bits(content: &[u8]) -> Vec<u8> {
    let mut walk = Walk {
        out: Vec::with_capacity(content.len() + content.len() / 8),
        boundaries: Vec::new(),
        encodes: false,
    };
    walk.entity(content);
    walk.out
}

struct Walk {
    out: Vec<u8>,
    /// The boundaries of the parts that are open.
    boundaries: Vec<String>,
    /// Is the body that is being read encoded?
    encodes: bool,
}

impl Walk {
    /// Headers and what they are of, up to the end of it all.
    fn entity(&mut self, content: &[u8]) {
        let mut rest = self.headers(content);
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
            let (line, after) = rest.split_at(end);
            rest = after;
            match self.boundary(line) {
                None if self.encodes => encode_line(line, &mut self.out),
                None => self.out.extend_from_slice(line),
                Some((at, last)) => {
                    self.out.extend_from_slice(line);
                    self.boundaries.truncate(if last { at } else { at + 1 });
                    self.encodes = false;
                    if !last {
                        rest = self.headers(rest);
                    }
                }
            }
        }
    }

    /// Copies the headers of a message or a part; gives what follows, the empty line still before it unless
    /// it was the end of headers that a whole message follows.
    fn headers<'m>(&mut self, content: &'m [u8]) -> &'m [u8] {
        let mut content = content;
        loop {
            let mut kind = ContentType::default();
            let mut is_wide = false;
            let mut encoding: Option<&[u8]> = None;
            let mut headers = message::headers(content);
            for header in headers.by_ref() {
                if header.is("content-transfer-encoding") {
                    is_wide = ["8bit", "binary"]
                        .iter()
                        .any(|w| token(header.value()).eq_ignore_ascii_case(w.as_bytes()));
                    encoding = Some(header.raw());
                    continue;
                }
                let (name, value) = (header.name(), header.value());
                kind.note(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
                self.out.extend_from_slice(header.raw());
            }
            let composite = kind.is_composite();
            match encoding {
                Some(_) if is_wide && composite => {
                    self.out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\n")
                }
                Some(_) if is_wide => {
                    self.out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\n");
                }
                Some(raw) => self.out.extend_from_slice(raw),
                None => {}
            }
            // What is not taken apart is encoded, whatever the header is made to say.
            self.encodes = is_wide && kind.multipart().is_none() && !kind.is_message();
            content = headers.rest();
            if let Some(boundary) = kind.multipart().filter(|_| self.boundaries.len() < DEEPEST) {
                self.boundaries.push(boundary.to_owned());
            }
            match content.strip_prefix(b"\n") {
                Some(rest) => {
                    self.out.push(b'\n');
                    content = rest;
                }
                None => return content,
            }
            if !kind.is_message() {
                return content;
            }
        }
    }

    /// Which of the open boundaries a line is, and whether it is its last one.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?;
        let at = self.boundaries.iter().rposition(|b| rest.starts_with(b.as_bytes()))?;
        Some((at, rest[self.boundaries[at].len()..].starts_with(b"--")))
    }
}

/// The first word of a value, where a comment or a parameter may follow.
fn token(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|b| b" \t\n;(".contains(b)).unwrap_or(value.len());
    &value[..end]
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let mut written = 0;
    for (n, &octet) in text.iter().enumerate() {
        if written > LONGEST {
            out.extend_from_slice(b"=\n");
            written = 0;
        }
        let is_last = n + 1 == text.len();
        let plain = (b' '..127).contains(&octet) && octet != b'=' || octet == b'\t';
        if plain && !(is_last && matches!(octet, b' ' | b'\t')) {
            out.push(octet);
            written += 1;
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.extend([b'=', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
            written += 3;
        }
    }
    if line.ends_with(b"\n") {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_says_it_is_wide_is_encoded() {
        let wide = "Content-Transfer-Encoding: 8bit\nSubject: x\n\nGr\u{fc}n = 1 \n";
        let narrow = "Subject: x\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BCn =3D 1=20\n";
        assert_eq!(String::from_utf8_lossy(&to_seven_bits(wide.as_bytes())), narrow);
    }

    #[test]
    fn what_says_nothing_is_left_alone() {
        let text = "Subject: x\n\nGr\u{fc}n = 1 \n".as_bytes();
        assert_eq!(to_seven_bits(text), text);
    }

    proptest! {
        #[test]
        fn no_line_is_too_long(body in "[ -~\u{e4}\t]{0,300}") {
            let message = format!("Content-Transfer-Encoding: 8bit\n\n{body}\n");
            let narrow = to_seven_bits(message.as_bytes());
            prop_assert!(narrow.is_ascii());
            prop_assert!(narrow.split(|b| *b == b'\n').all(|line| line.len() <= 76));
        }
    }
}
