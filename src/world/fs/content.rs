//! The bytes of one file.
//!
//! They lie in a few sealed pieces, which readers share without copying, and an open tail,
//! which grows by appending. A tail is sealed when it has become as long as all before it, so
//! that a growing file is never copied as a whole and has few pieces however long it is.

use bytes::{Bytes, BytesMut};

/// The shortest tail that is sealed while the file is still being written.
const SEAL: usize = 64 * 1024;

/// The bytes of one file.
#[derive(Clone, Default)]
pub(super) struct Content {
    sealed: Vec<Bytes>,
    sealed_len: usize,
    tail: Vec<u8>,
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Content {
        let sealed_len = bytes.len();
        let sealed = if bytes.is_empty() { Vec::new() } else { vec![bytes] };
        Content { sealed, sealed_len, tail: Vec::new() }
    }
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        (self.sealed_len + self.tail.len()) as u64
    }

    /// Up to `len` bytes from `offset`; shared where they lie in one sealed piece.
    pub(super) fn read_at(&self, offset: u64, len: usize) -> Bytes {
        let total = self.sealed_len + self.tail.len();
        let from = usize::try_from(offset).unwrap_or(total).min(total);
        let to = from.saturating_add(len).min(total);
        if from == to {
            return Bytes::new();
        }
        if from >= self.sealed_len {
            return Bytes::copy_from_slice(&self.tail[from - self.sealed_len..to - self.sealed_len]);
        }
        let mut out = Vec::new();
        let mut start = 0;
        for piece in &self.sealed {
            let end = start + piece.len();
            if from < end && to > start {
                let part = from.max(start) - start..to.min(end) - start;
                if from >= start && to <= end {
                    return piece.slice(part);
                }
                out.reserve_exact(to - from - out.len());
                out.extend_from_slice(&piece[part]);
            }
            start = end;
        }
        if to > start {
            out.extend_from_slice(&self.tail[..to - start]);
        }
        out.into()
    }

    pub(super) fn read_all(&self) -> Bytes {
        self.read_at(0, usize::MAX)
    }

    /// Replace bytes from `offset` on; a gap before it is filled with zeros.
    pub(super) fn write_at(&mut self, offset: u64, data: &[u8]) {
        let offset = offset as usize;
        let total = self.sealed_len + self.tail.len();
        if offset > total {
            self.tail.resize(offset - self.sealed_len, 0);
        }
        let mut data = data;
        let mut at = offset;
        if at < self.sealed_len {
            let over = (self.sealed_len - at).min(data.len());
            self.overwrite(at, &data[..over]);
            data = &data[over..];
            at += over;
        }
        if data.is_empty() {
            return;
        }
        let within = at - self.sealed_len;
        let over = (self.tail.len() - within).min(data.len());
        self.tail[within..within + over].copy_from_slice(&data[..over]);
        self.tail.extend_from_slice(&data[over..]);
        if self.tail.len() >= SEAL.max(self.sealed_len) {
            self.seal();
        }
    }

    pub(super) fn truncate(&mut self, len: u64) {
        let len = len as usize;
        if len >= self.sealed_len {
            self.tail.resize(len - self.sealed_len, 0);
            return;
        }
        self.tail = Vec::new();
        while self.sealed_len > len {
            let Some(last) = self.sealed.pop() else { break };
            self.sealed_len -= last.len();
            if self.sealed_len < len {
                let kept = last.slice(..len - self.sealed_len);
                self.sealed_len = len;
                self.sealed.push(kept);
            }
        }
    }

    /// The writer has closed the file: if all of it is one tail, let readers share it.
    pub(super) fn settle(&mut self) {
        if self.sealed.is_empty() && !self.tail.is_empty() {
            self.tail.shrink_to_fit();
            self.seal();
        }
    }

    fn seal(&mut self) {
        let piece = std::mem::take(&mut self.tail);
        self.sealed_len += piece.len();
        self.sealed.push(piece.into());
    }

    /// Replace bytes that all lie in sealed pieces. A piece that nobody else holds is changed
    /// in place.
    fn overwrite(&mut self, at: usize, data: &[u8]) {
        let (mut at, mut data) = (at, data);
        let mut start = 0;
        for piece in &mut self.sealed {
            let end = start + piece.len();
            if !data.is_empty() && at < end {
                let part = at - start..(at + data.len()).min(end) - start;
                let count = part.len();
                let mut open =
                    std::mem::take(piece).try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
                open[part].copy_from_slice(&data[..count]);
                *piece = open.freeze();
                data = &data[count..];
                at += count;
            }
            start = end;
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
    fn a_growing_file_has_few_pieces() {
        let mut content = Content::default();
        for _ in 0..100_000 {
            content.write_at(content.len(), &[b'a'; 100]);
        }
        assert_eq!(content.len(), 10_000_000);
        assert!(content.sealed.len() < 12, "{} pieces", content.sealed.len());
    }

    #[test]
    fn a_closed_file_is_shared_with_its_readers() {
        let mut content = Content::default();
        content.write_at(0, b"one message");
        content.settle();
        assert_eq!(content.read_all().as_ptr(), content.read_all().as_ptr());
    }
}
