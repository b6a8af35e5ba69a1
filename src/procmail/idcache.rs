//! `formail -D`: a file that remembers the messages that came before, by their `Message-ID:`.
//!
//! Names stand in it one behind the other, each ended by NUL; an empty one marks where the next goes. Where
//! that is beyond the length that was asked for, the next goes to the start, over what is oldest.

use crate::world::errno::Sys;
use crate::world::process::Process;

/// A cache, and how long it may grow, in octets.
pub struct IdCache {
    /// Its file.
    pub path: String,
    /// The length.
    pub most: usize,
}

impl IdCache {
    /// Has a message with this name come before? If not, it is remembered.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn knows(&self, p: &Process, name: &str) -> Sys<bool> {
        let content = p.read_file(&self.path).unwrap_or_default();
        let at = match find(&content, name.as_bytes()) {
            Place::Known => return Ok(true),
            Place::Free(at) if at > self.most => 0,
            Place::Free(at) => at,
        };
        let mut content = content.to_vec();
        let entry = [name.as_bytes(), b"\0\0"].concat();
        content.resize(content.len().max(at + entry.len()), 0);
        content[at..at + entry.len()].copy_from_slice(&entry);
        p.write_file(&self.path, content, 0o666).map(|()| false)
    }
}

/// Where a name stands, or the next may.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Known,
    Free(usize),
}

fn find(content: &[u8], name: &[u8]) -> Place {
    let mut free = None;
    let mut at = 0;
    for known in content.split_inclusive(|b| *b == 0) {
        match known.strip_suffix(b"\0").unwrap_or(known) {
            known if known == name => return Place::Known,
            [] => _ = free.get_or_insert(at),
            _ => {}
        }
        at += known.len();
    }
    Place::Free(free.unwrap_or(content.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_marks_the_place() {
        assert_eq!(find(b"", b"<1>"), Place::Free(0));
        assert_eq!(find(b"<1>\0<2>\0\0", b"<3>"), Place::Free(8));
        assert_eq!(find(b"<1>\0<2>\0\0", b"<2>"), Place::Known);
        assert_eq!(find(b"<4>\0\0old>\0<3>\0\0", b"<5>"), Place::Free(4));
        assert_eq!(find(b"<4>\0\0old>\0<3>\0\0", b"<3>"), Place::Known);
    }
}
