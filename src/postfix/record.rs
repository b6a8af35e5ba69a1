//! Records: how a queue file is written (`rec_type(3)`, `record(3)`).
//!
//! A record is a type (one octet), a length (base 128, the low seven bits first, the high bit
//! meaning that more follows) and that many octets of content.

use std::fmt;
use std::rc::Rc;

/// The types of records in a queue file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Type {
    /// Sizes and offsets, first of all.
    Size = b'C',
    /// When the message arrived.
    Time = b'T',
    /// The full name of a local sender.
    FullName = b'F',
    /// A named attribute, `name=value`.
    Attr = b'A',
    /// When to warn the sender of a delay.
    Warn = b'W',
    /// The content filter of this message.
    Filter = b'L',
    /// Where the message is redirected to.
    Redirect = b'>',
    /// The envelope sender.
    From = b'S',
    /// A recipient as it was before any expansion.
    OriginalRecipient = b'O',
    /// A recipient to deliver to.
    Recipient = b'R',
    /// A recipient that is done.
    Done = b'D',
    /// A record that counts no more.
    Killed = b'K',
    /// What follows is the message.
    Message = b'M',
    /// A whole line, or the last part of one.
    Line = b'N',
    /// A part of a line that goes on in the next record.
    Part = b'l',
    /// The message is over.
    Extra = b'X',
    /// The end of the file.
    End = b'E',
}

impl Type {
    const ALL: [Type; 17] = [
        Type::Size,
        Type::Time,
        Type::FullName,
        Type::Attr,
        Type::Warn,
        Type::Filter,
        Type::Redirect,
        Type::From,
        Type::OriginalRecipient,
        Type::Recipient,
        Type::Done,
        Type::Killed,
        Type::Message,
        Type::Line,
        Type::Part,
        Type::Extra,
        Type::End,
    ];

    fn of(byte: u8) -> Option<Type> {
        const BY_OCTET: [Option<Type>; 256] = {
            let (mut all, mut n) = ([None; 256], 0);
            while n < Type::ALL.len() {
                all[Type::ALL[n] as usize] = Some(Type::ALL[n]);
                n += 1;
            }
            all
        };
        BY_OCTET[usize::from(byte)]
    }
}

/// The content of a record as text; octets that are no UTF-8 are replaced.
pub fn text(content: &[u8]) -> Rc<str> {
    match std::str::from_utf8(content) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(content).into(),
    }
}

/// Appends a record.
pub fn put(out: &mut Vec<u8>, kind: Type, content: &[u8]) {
    put_length(out, kind, content.len());
    out.extend_from_slice(content);
}

fn put_length(out: &mut Vec<u8>, kind: Type, mut n: usize) {
    out.push(kind as u8);
    while n >= 0x80 {
        out.push((n as u8 & 0x7f) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a named attribute, `name=value`.
pub fn put_attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    put_length(out, Type::Attr, name.len() + 1 + value.len());
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value.as_bytes());
}

/// A record that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Where it starts.
    pub offset: usize,
    /// What it is.
    pub kind: Type,
    /// What it says.
    pub content: &'a [u8],
}

/// Why a queue file cannot be read any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The offset of the record that is none.
    pub offset: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed record at offset {}", self.offset)
    }
}

impl std::error::Error for Malformed {}

/// Reads the records of a file one by one.
#[derive(Clone)]
pub struct Records<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    /// From `offset` on.
    pub fn new(file: &'a [u8], offset: usize) -> Records<'a> {
        Records { file, at: offset }
    }

    /// Where the next record starts.
    pub fn offset(&self) -> usize {
        self.at
    }

    fn read(&mut self) -> Option<Record<'a>> {
        let offset = self.at;
        let kind = Type::of(*self.file.get(offset)?)?;
        let (mut at, mut len, mut shift) = (offset + 1, 0usize, 0u32);
        loop {
            let b = *self.file.get(at)?;
            at += 1;
            len |= usize::from(b & 0x7f).checked_shl(shift).filter(|_| shift < 35)?;
            if b & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        let content = self.file.get(at..at.checked_add(len)?)?;
        self.at = at + len;
        Some(Record { offset, kind, content })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.file.len() {
            return None;
        }
        let offset = self.at;
        let record = self.read().ok_or(Malformed { offset });
        if record.is_err() {
            self.at = self.file.len();
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut file = Vec::new();
            for c in &contents {
                put(&mut file, Type::Line, c);
            }
            let read: Vec<Vec<u8>> = Records::new(&file, 0).map(|r| r.map(|r| r.content.to_vec())).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read, contents);
        }

        #[test]
        fn any_octets_are_records_or_malformed(file in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Records::new(&file, 0).count();
        }
    }
}
