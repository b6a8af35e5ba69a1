//! Compiled tables, the `.db` files of `hash:` and `btree:`.
//!
//! A file has a magic line, a line with the source's name, then one record an entry, in the order
//! in which the entries were added:
//!
//! ```text
//! maillab-db 1 hash\n
//! /etc/aliases\n
//! KEYLEN VALUELEN KEYVALUE\n
//! ```
//!
//! Lengths are in bytes. Zero bytes fill the file up to the size that a Berkeley DB file with as
//! many small entries has: pages of 4096 bytes, three at least.
//!
//! # Simplifications
//! The content is maillab's own: Berkeley DB's pages are not reproduced, only their number, and
//! that only about. The order in which a hash lists its entries is worked out in [`super::buckets`].

/// A source that is younger than its table is not spoken of until it is this old, in seconds.
pub const TOLERANCE: u64 = 100;

const MAGIC: &str = "maillab-db 1 ";
const PAGE: usize = 4096;
/// What Berkeley DB needs for an entry beside its bytes: two index slots, two type bytes, two zeros.
const OVERHEAD: usize = 8;

/// A compiled table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    /// `hash` or `btree`.
    pub kind: String,
    /// The text it was made from.
    pub source: String,
    /// Its entries in the order in which they were added.
    pub entries: Vec<(String, String)>,
}

impl Table {
    /// An empty table.
    pub fn new(kind: &str, source: &str) -> Table {
        Table { kind: kind.into(), source: source.into(), entries: Vec::new() }
    }
}

impl Table {
    /// Its entries as they are listed: a btree in the order of its keys, a hash in that of its buckets.
    pub fn listed(&self) -> Vec<&(String, String)> {
        if self.kind == "hash" {
            return super::buckets::order(&self.entries).into_iter().map(|at| &self.entries[at]).collect();
        }
        let mut sorted: Vec<_> = self.entries.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted
    }
}

/// The path of the table made from a source.
pub fn path(source: &str) -> String {
    format!("{source}.db")
}

/// The bytes of a `.db` file.
pub fn encode(table: &Table) -> Vec<u8> {
    let mut out = format!("{MAGIC}{}\n{}\n", table.kind, table.source.replace('\n', " ")).into_bytes();
    let mut stored = 0;
    for (key, value) in &table.entries {
        out.extend_from_slice(format!("{} {} {key}{value}\n", key.len(), value.len()).as_bytes());
        stored += key.len() + value.len() + OVERHEAD;
    }
    // Buckets are split before they are full, so pages hold about two thirds.
    let pages = (1 + (stored * 3).div_ceil(PAGE * 2)).max(3).max(out.len().div_ceil(PAGE));
    out.resize(pages * PAGE, 0);
    out
}

/// Reads a `.db` file; `None` if it is none.
pub fn decode(bytes: &[u8]) -> Option<Table> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes())?;
    let (kind, rest) = line(rest)?;
    let (source, mut rest) = line(rest)?;
    let mut table = Table::new(kind, source);
    while rest.first().is_some_and(|b| *b != 0) {
        let (key_len, after) = number(rest)?;
        let (value_len, after) = number(after)?;
        let key = after.get(..key_len)?;
        let value = after.get(key_len..key_len.checked_add(value_len)?)?;
        table.entries.push((text(key), text(value)));
        rest = after.get(key_len + value_len..)?.strip_prefix(b"\n")?;
    }
    Some(table)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = memchr::memchr(b' ', bytes)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_tables_have_three_pages() {
        assert_eq!(encode(&Table::new("hash", "/etc/aliases")).len(), 12288);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(entries in proptest::collection::vec(("\\PC{0,20}", ".{0,40}"), 0..20)) {
            let table = Table { entries, ..Table::new("hash", "/etc/aliases") };
            prop_assert_eq!(decode(&encode(&table)), Some(table));
        }
        #[test]
        fn other_files_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), tail in "[0-9 \n]{0,40}") {
            let _ = decode(&bytes);
            let _ = decode(format!("{MAGIC}hash\nx\n{tail}").as_bytes());
        }
    }
}
