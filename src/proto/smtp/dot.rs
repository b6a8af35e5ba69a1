//! The message on the wire (RFC 5321, section 4.5.2): lines ended by CR LF, a dot before each
//! line that starts with one, and a line with a dot alone at the end.

use bytes::{Buf, BytesMut};

/// Writes a message, lines ended by LF, as DATA carries it, up to and with the final dot. Lines
/// longer than `limit` octets are broken with CR LF and a blank; 0 for no limit.
pub fn encode(message: &[u8], limit: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(message.len() + message.len() / 16 + 8);
    let mut rest = message;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        line(&rest[..end], limit, &mut out);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    out.extend_from_slice(b".\r\n");
    out
}

fn line(mut line: &[u8], limit: usize, out: &mut BytesMut) {
    if line.first() == Some(&b'.') {
        out.extend_from_slice(b".");
    }
    let mut room = limit;
    while limit > 0 && line.len() > room {
        let (head, tail) = line.split_at(room);
        out.extend_from_slice(head);
        out.extend_from_slice(b"\r\n ");
        line = tail;
        // The blank counts.
        room = limit.saturating_sub(1).max(1);
    }
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

/// Reads a message off the wire, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Not at the start of a line: a line was longer than what had come.
    inside: bool,
    /// A CR came last, and nothing after it yet.
    cr: bool,
    /// Does only CR LF, dot, CR LF end the message?
    strict: bool,
    /// Did the line before end with a bare LF?
    after_bare: bool,
    /// Did any line?
    bare: bool,
}

impl Decoder {
    /// At the start of a message.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// At the start of a message that only a dot between two CR LF ends; one beside a bare LF is left
    /// out.
    pub fn strict() -> Decoder {
        Decoder { strict: true, ..Decoder::default() }
    }

    /// Has a line ended with a bare LF?
    pub fn has_bare(&self) -> bool {
        self.bare
    }

    /// Takes what it can off `input` and appends the message's lines, ended by LF, to `out`. True
    /// when the final dot was read; what follows it stays in `input`. A bare LF ends a line, too.
    pub fn decode(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> bool {
        while !input.is_empty() {
            let Some(end) = memchr::memchr(b'\n', input) else {
                return self.part(input, out);
            };
            let line = &input[..end];
            let whole = line.strip_suffix(b"\r").unwrap_or(line);
            let lone_cr = self.cr && !(whole.is_empty() && line.is_empty());
            if lone_cr {
                out.push(b'\r');
            }
            let (inside, dot) = (self.inside, whole.first() == Some(&b'.'));
            let is_bare = whole.len() == line.len() && !(self.cr && line.is_empty());
            let dot_alone = !inside && whole == b".";
            let done = dot_alone && !(self.strict && (is_bare || self.after_bare));
            (self.after_bare, self.bare) = (is_bare, self.bare || is_bare);
            if !dot_alone {
                out.extend_from_slice(if !inside && dot { &whole[1..] } else { whole });
                out.push(b'\n');
            }
            (self.inside, self.cr) = (false, false);
            input.advance(end + 1);
            if done {
                return true;
            }
        }
        false
    }

    /// A line whose end has not come. Short ones stay in `input`, where they can still turn out to
    /// be the final dot.
    fn part(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> bool {
        if !self.inside && input.len() < 4 {
            return false;
        }
        if self.cr {
            out.push(b'\r');
        }
        self.cr = input.last() == Some(&b'\r');
        let keep = input.len() - usize::from(self.cr);
        let skip = usize::from(!self.inside && input.first() == Some(&b'.'));
        out.extend_from_slice(&input[skip..keep]);
        self.inside = true;
        input.clear();
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_in_pieces(wire: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>, bool) {
        let (mut decoder, mut out, mut input) = (Decoder::new(), Vec::new(), BytesMut::new());
        for (n, part) in wire.chunks(piece).enumerate() {
            input.extend_from_slice(part);
            if decoder.decode(&mut input, &mut out) {
                input.extend_from_slice(&wire[((n + 1) * piece).min(wire.len())..]);
                return (out, input.to_vec(), true);
            }
        }
        (out, input.to_vec(), false)
    }

    #[test]
    fn section_4_5_2_transparency() {
        assert_eq!(&encode(b".\n..\na\n", 0)[..], b"..\r\n...\r\na\r\n.\r\n");
        assert_eq!(
            decode_in_pieces(b"..\r\n...\r\na\r\n.\r\nQUIT\r\n", 100),
            (b".\n..\na\n".to_vec(), b"QUIT\r\n".to_vec(), true)
        );
        assert_eq!(&encode(b"", 0)[..], b".\r\n");
        assert_eq!(&encode(b"abcdef\n", 4)[..], b"abcd\r\n ef\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(lines in proptest::collection::vec("[.a\\r ]{0,6}", 0..12), piece in 1usize..9) {
            // A CR before the line's end belongs to that end on the wire.
            let message: String = lines.iter().map(|l| format!("{}\n", l.trim_end_matches('\r'))).collect();
            let mut wire = encode(message.as_bytes(), 0).to_vec();
            wire.extend_from_slice(b"QUIT\r\n");
            let (out, rest, done) = decode_in_pieces(&wire, piece);
            prop_assert!(done);
            prop_assert_eq!(out, message.into_bytes());
            prop_assert_eq!(rest, b"QUIT\r\n".to_vec());
        }

        #[test]
        fn any_octets_are_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..9) {
            let _ = decode_in_pieces(&bytes, piece);
        }
    }
}
