//! The bytes of one file.
//!
//! They lie in sealed pieces, and an open tail, which grows by appending. A tail of 64 KiB is sealed
//! and packed with LZ4, so that a growing file is never copied as a whole and a log of some days
//! takes a tenth of its length. What was written at once or has been closed while it was short lies
//! in one plain piece, which readers share without copying.

use bytes::{Bytes, BytesMut};

/// The length of a tail that is sealed while the file is still being written: as far as LZ4 looks back.
const SEAL: usize = 64 * 1024;

/// The bytes of one file.
#[derive(Clone, Default)]
pub(super) struct Content {
    sealed: Vec<Piece>,
    tail: Vec<u8>,
}

/// Bytes that are not appended to any more.
#[derive(Clone)]
struct Piece {
    /// Where in the file the piece ends.
    end: usize,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Plain(Bytes),
    /// Packed, with the length before it.
    Packed(Bytes),
}

impl Piece {
    fn bytes(&self) -> Bytes {
        match &self.body {
            Body::Plain(bytes) => bytes.clone(),
            Body::Packed(packed) => {
                lz4_flex::decompress_size_prepended(packed).expect("what was packed can be unpacked").into()
            }
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Content {
        let mut content = Content::default();
        if !bytes.is_empty() {
            content.sealed.push(Piece { end: bytes.len(), body: Body::Plain(bytes) });
        }
        content
    }
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        (self.sealed_len() + self.tail.len()) as u64
    }

    fn sealed_len(&self) -> usize {
        self.sealed.last().map_or(0, |piece| piece.end)
    }

    /// The pieces that reach beyond `from`: the number of the first, and where it starts.
    fn first_beyond(&self, from: usize) -> (usize, usize) {
        let n = self.sealed.partition_point(|piece| piece.end <= from);
        (n, n.checked_sub(1).map_or(0, |before| self.sealed[before].end))
    }

    /// Up to `len` bytes from `offset`; shared where they lie in one plain piece.
    pub(super) fn read_at(&self, offset: u64, len: usize) -> Bytes {
        let sealed_len = self.sealed_len();
        let total = sealed_len + self.tail.len();
        let from = usize::try_from(offset).unwrap_or(total).min(total);
        let to = from.saturating_add(len).min(total);
        if from == to {
            return Bytes::new();
        }
        if from >= sealed_len {
            return Bytes::copy_from_slice(&self.tail[from - sealed_len..to - sealed_len]);
        }
        let mut out = Vec::new();
        let (first, mut start) = self.first_beyond(from);
        for piece in &self.sealed[first..] {
            if start >= to {
                break;
            }
            let part = from.max(start) - start..to.min(piece.end) - start;
            if from >= start && to <= piece.end {
                return piece.bytes().slice(part);
            }
            out.reserve_exact(to - from - out.len());
            out.extend_from_slice(&piece.bytes()[part]);
            start = piece.end;
        }
        if to > sealed_len {
            out.extend_from_slice(&self.tail[..to - sealed_len]);
        }
        out.into()
    }

    pub(super) fn read_all(&self) -> Bytes {
        self.read_at(0, usize::MAX)
    }

    /// Replace bytes from `offset` on; a gap before it is filled with zeros.
    pub(super) fn write_at(&mut self, offset: u64, data: &[u8]) {
        let sealed_len = self.sealed_len();
        let mut at = offset as usize;
        if at > sealed_len + self.tail.len() {
            self.tail.resize(at - sealed_len, 0);
        }
        let mut data = data;
        if at < sealed_len {
            let over = (sealed_len - at).min(data.len());
            self.overwrite(at, &data[..over]);
            data = &data[over..];
            at += over;
        }
        if data.is_empty() {
            return;
        }
        let within = at - sealed_len;
        let over = (self.tail.len() - within).min(data.len());
        self.tail[within..within + over].copy_from_slice(&data[..over]);
        self.tail.extend_from_slice(&data[over..]);
        if self.tail.len() >= SEAL {
            self.seal_packed();
        }
    }

    pub(super) fn truncate(&mut self, len: u64) {
        let len = len as usize;
        let sealed_len = self.sealed_len();
        if len >= sealed_len {
            self.tail.resize(len - sealed_len, 0);
            return;
        }
        self.tail = Vec::new();
        let (n, start) = self.first_beyond(len);
        let cut = self.sealed[n].bytes().slice(..len - start);
        self.sealed.truncate(n);
        if !cut.is_empty() {
            self.sealed.push(Piece { end: len, body: Body::Plain(cut) });
        }
    }

    /// The writer has closed the file: if all of it is one tail, let readers share it.
    pub(super) fn settle(&mut self) {
        if self.sealed.is_empty() && !self.tail.is_empty() {
            self.tail.shrink_to_fit();
            let tail = std::mem::take(&mut self.tail);
            self.sealed.push(Piece { end: tail.len(), body: Body::Plain(tail.into()) });
        }
    }

    fn seal_packed(&mut self) {
        let end = self.sealed_len() + self.tail.len();
        let packed = lz4_flex::compress_prepend_size(&self.tail);
        let body = if packed.len() < self.tail.len() / 4 * 3 {
            // The room of the tail serves the next one.
            self.tail.clear();
            Body::Packed(Box::<[u8]>::from(packed).into())
        } else {
            Body::Plain(std::mem::take(&mut self.tail).into())
        };
        self.sealed.push(Piece { end, body });
    }

    /// Replace bytes that all lie in sealed pieces. A piece that nobody else holds is changed
    /// in place.
    fn overwrite(&mut self, at: usize, data: &[u8]) {
        let (mut at, mut data) = (at, data);
        let (first, mut start) = self.first_beyond(at);
        for piece in &mut self.sealed[first..] {
            if data.is_empty() {
                return;
            }
            let part = at - start..(at + data.len()).min(piece.end) - start;
            let count = part.len();
            let whole = match std::mem::replace(&mut piece.body, Body::Plain(Bytes::new())) {
                Body::Plain(bytes) => bytes,
                packed => Piece { end: piece.end, body: packed }.bytes(),
            };
            let mut open = whole.try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
            open[part].copy_from_slice(&data[..count]);
            piece.body = Body::Plain(open.freeze());
            data = &data[count..];
            at += count;
            start = piece.end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Edit {
        Write(usize, Vec<u8>),
        Append(usize),
        Truncate(usize),
        Set(usize),
        Settle,
        Hold,
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0..300_000usize, prop::collection::vec(any::<u8>(), 0..40))
                .prop_map(|(at, b)| Edit::Write(at, b)),
            (0..90_000usize).prop_map(Edit::Append),
            (0..300_000usize).prop_map(Edit::Truncate),
            (0..5_000usize).prop_map(Edit::Set),
            Just(Edit::Settle),
            Just(Edit::Hold),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
        #[test]
        fn behaves_as_a_vector_of_bytes(edits in prop::collection::vec(edit(), 0..20), from in 0..400_000u64, len in 0..200_000usize) {
            let (mut content, mut model) = (Content::default(), Vec::new());
            let mut held = Vec::new();
            for edit in edits {
                match edit {
                    Edit::Write(at, bytes) => {
                        if !bytes.is_empty() {
                            model.resize(model.len().max(at + bytes.len()), 0);
                            model[at..at + bytes.len()].copy_from_slice(&bytes);
                            content.write_at(at as u64, &bytes);
                        }
                    }
                    Edit::Append(n) => {
                        let bytes: Vec<u8> = (0..n).map(|i| (i * 7) as u8).collect();
                        content.write_at(content.len(), &bytes);
                        model.extend(bytes);
                    }
                    Edit::Truncate(n) => {
                        content.truncate(n as u64);
                        model.resize(n, 0);
                    }
                    Edit::Set(n) => {
                        model = vec![b'x'; n];
                        content = Content::from(Bytes::from(model.clone()));
                    }
                    Edit::Settle => content.settle(),
                    Edit::Hold => held.push((content.read_all(), model.clone())),
                }
            }
            prop_assert_eq!(content.len(), model.len() as u64);
            prop_assert!(content.read_all() == model);
            let from_model = model.iter().skip(from as usize).take(len).copied().collect::<Vec<_>>();
            prop_assert!(content.read_at(from, len) == from_model);
            for (bytes, then) in held {
                prop_assert!(bytes == then, "a reader's bytes must never change");
            }
        }
    }

    #[test]
    fn a_growing_file_takes_little_room() {
        let mut content = Content::default();
        for n in 0..100_000 {
            content.write_at(
                content.len(),
                format!("{n:07}: to=<user@example.com>, status=deferred\n").as_bytes(),
            );
        }
        assert_eq!(content.len(), 4_800_000);
        let room = |piece: &Piece| match &piece.body {
            Body::Plain(bytes) | Body::Packed(bytes) => bytes.len(),
        };
        let taken: usize = content.sealed.iter().map(room).sum();
        assert!(taken < 1_200_000, "{taken} octets");
        assert_eq!(&content.read_at(48 * 70_000, 9)[..], b"0070000: ");
    }

    #[test]
    fn a_closed_file_is_shared_with_its_readers() {
        let mut content = Content::default();
        content.write_at(0, b"one message");
        content.settle();
        assert_eq!(content.read_all().as_ptr(), content.read_all().as_ptr());
    }
}
