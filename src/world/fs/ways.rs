//! Ways that were gone before: programs name their files by whole paths, and most of the way to
//! them is the same again and again.
//!
//! A way is the part of an absolute path up to its last slash. What it led to holds for the same
//! rights, and as long as no directory or symbolic link has lost its name, and no directory has
//! changed its owner or mode: then the file system forgets all ways ([`Fs::forget_ways`]). A name
//! that is new does not spoil a way that leads somewhere already.

use super::{Fs, Ino};
use crate::world::users::Cred;
use rustc_hash::FxHasher;
use std::cell::RefCell;
use std::hash::Hasher;

/// How many ways are kept.
const KEPT: usize = 64;

/// The ways, each in the place that the hash of its path gives it.
#[derive(Default)]
pub(super) struct Ways(RefCell<Vec<Option<Way>>>);

struct Way {
    path: Box<str>,
    cred: Cred,
    to: Ino,
    /// The symbolic links it leads through.
    links: u32,
}

impl Clone for Ways {
    /// A copy of a file system finds its own ways.
    fn clone(&self) -> Ways {
        Ways::default()
    }
}

impl Ways {
    /// Where a way led to, and through how many symbolic links.
    pub(super) fn find(&self, cred: &Cred, path: &str) -> Option<(Ino, u32)> {
        let kept = self.0.borrow();
        let way = kept.get(slot(path))?.as_ref()?;
        (*way.path == *path && way.cred == *cred).then_some((way.to, way.links))
    }

    /// Remembers a way.
    pub(super) fn keep(&self, cred: &Cred, path: &str, to: Ino, links: u32) {
        let mut kept = self.0.borrow_mut();
        if kept.is_empty() {
            kept.resize_with(KEPT, || None);
        }
        kept[slot(path)] = Some(Way { path: path.into(), cred: cred.clone(), to, links });
    }
}

impl Fs {
    /// A way may lead elsewhere, or be closed, from now on.
    pub(super) fn forget_ways(&mut self) {
        self.ways.0.get_mut().clear();
    }
}

fn slot(path: &str) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(path.as_bytes());
    // The upper bits of this hash are the better ones.
    (hasher.finish() >> 32) as usize % KEPT
}
