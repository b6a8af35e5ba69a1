//! The message that procmail sorts: its octets, and where its header ends.

use std::borrow::Cow;

/// A message.
#[derive(Clone, Debug, Default)]
pub struct Message {
    bytes: Vec<u8>,
    body_at: usize,
}

impl Message {
    /// A message of these octets.
    pub fn new(bytes: Vec<u8>) -> Message {
        let body_at = header_end(&bytes);
        Message { bytes, body_at }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The header with the empty line that ends it.
    pub fn header(&self) -> &[u8] {
        &self.bytes[..self.body_at]
    }

    /// What follows the header.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_at..]
    }

    /// The parts asked for; both where neither is.
    pub fn parts(&self, header: bool, body: bool) -> &[u8] {
        match (header, body) {
            (true, false) => self.header(),
            (false, true) => self.body(),
            _ => self.bytes(),
        }
    }

    /// The header as conditions see it: continued fields are one line.
    pub fn unfolded_header(&self) -> Cow<'_, [u8]> {
        unfold(self.header())
    }

    /// The header as conditions see it, and the body.
    pub fn unfolded(&self) -> Cow<'_, [u8]> {
        match self.unfolded_header() {
            Cow::Borrowed(_) => Cow::Borrowed(self.bytes()),
            Cow::Owned(mut whole) => {
                whole.extend_from_slice(self.body());
                Cow::Owned(whole)
            }
        }
    }

    /// The line on top that tells the sender of the envelope, with its end, where there is one.
    pub fn from_line(&self) -> Option<&[u8]> {
        self.bytes.starts_with(b"From ").then(|| {
            let end = memchr::memchr(b'\n', &self.bytes).map_or(self.bytes.len(), |n| n + 1);
            &self.bytes[..end]
        })
    }

    /// Puts other parts in the place of the present ones.
    pub fn replace(&mut self, header: bool, body: bool, text: &[u8]) {
        let whole = match (header, body) {
            (true, false) => [text, self.body()].concat(),
            (false, true) => [self.header(), text].concat(),
            _ => text.to_vec(),
        };
        *self = Message::new(whole);
    }

    /// Puts a line on top.
    pub fn put_on_top(&mut self, line: &[u8]) {
        *self = Message::new([line, &self.bytes].concat());
    }

    /// Takes the `From ` line away.
    pub fn drop_from_line(&mut self) {
        if let Some(length) = self.from_line().map(<[u8]>::len) {
            *self = Message::new(self.bytes.split_off(length));
        }
    }
}

fn header_end(bytes: &[u8]) -> usize {
    memchr::memmem::find(bytes, b"\n\n").map_or(bytes.len(), |n| n + 2)
}

fn unfold(header: &[u8]) -> Cow<'_, [u8]> {
    let folds = |i: &usize| matches!(header.get(i + 1), Some(b' ' | b'\t'));
    let mut places = memchr::memchr_iter(b'\n', header).filter(folds).peekable();
    if places.peek().is_none() {
        return Cow::Borrowed(header);
    }
    let mut out = header.to_vec();
    places.for_each(|i| out[i] = b' ');
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continued_field_is_one_line() {
        let m = Message::new(b"From a  date\nSubject: on and\n on\n\nbody\n".to_vec());
        assert_eq!(&*m.unfolded_header(), b"From a  date\nSubject: on and  on\n\n");
        assert_eq!(m.body(), b"body\n");
        assert_eq!(m.from_line(), Some(&b"From a  date\n"[..]));
    }

    #[test]
    fn parts_can_be_replaced() {
        let mut m = Message::new(b"A: b\n\nbody\n".to_vec());
        m.replace(false, true, b"BODY\n");
        assert_eq!(m.bytes(), b"A: b\n\nBODY\n");
        m.replace(true, false, b"C: d\n\n");
        assert_eq!(m.bytes(), b"C: d\n\nBODY\n");
    }
}
