//! Lines of a dialogue (RFC 5321, section 2.3.8): ended by CR LF; a bare LF is taken, too.

use bytes::{Bytes, BytesMut};

/// What stands at the start of a buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Framed {
    /// A line, without its end.
    Line(Bytes),
    /// The start of a line that is longer than it may be; the rest of it follows.
    TooLong(Bytes),
    /// No whole line yet.
    NeedMore,
}

/// Takes one line off the buffer. A line longer than `limit` octets is cut there and its rest left,
/// so that no client can make the buffer grow.
pub fn take(buffer: &mut BytesMut, limit: usize) -> Framed {
    let seen = &buffer[..buffer.len().min(limit + 2)];
    match memchr::memchr(b'\n', seen) {
        Some(at) => {
            let mut line = buffer.split_to(at + 1);
            let cr = usize::from(line.len() >= 2 && line[line.len() - 2] == b'\r');
            line.truncate(at - cr);
            Framed::Line(line.freeze())
        }
        None if seen.len() > limit => Framed::TooLong(buffer.split_to(limit).freeze()),
        None => Framed::NeedMore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_line_ends_are_taken_and_long_lines_are_cut() {
        let mut b = BytesMut::from(&b"NOOP\r\nRSET\nabcdefgh"[..]);
        assert_eq!(take(&mut b, 100), Framed::Line("NOOP".into()));
        assert_eq!(take(&mut b, 100), Framed::Line("RSET".into()));
        assert_eq!(take(&mut b, 100), Framed::NeedMore);
        assert_eq!(take(&mut b, 5), Framed::TooLong("abcde".into()));
    }

    proptest! {
        #[test]
        fn any_octets_come_out_in_lines(bytes in proptest::collection::vec(any::<u8>(), 0..400), limit in 1usize..50) {
            let mut b = BytesMut::from(&bytes[..]);
            let mut n = 0;
            while let Framed::Line(line) | Framed::TooLong(line) = take(&mut b, limit) {
                prop_assert!(line.len() <= limit + 1);
                n += 1;
                prop_assert!(n <= bytes.len());
            }
            prop_assert!(b.len() <= limit + 1);
        }
    }
}
