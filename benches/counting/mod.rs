//! An allocator that counts: how much memory a bench has in use, and how much it had at most.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The program's allocator, with counts kept beside it.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Counts without locking the bus: what is measured runs in one thread.
fn count(more: usize, less: usize) {
    let now = (IN_USE.load(Ordering::Relaxed) + more).saturating_sub(less);
    IN_USE.store(now, Ordering::Relaxed);
    if now > MOST.load(Ordering::Relaxed) {
        MOST.store(now, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the program's allocator as it came; only counts are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The octets in use.
pub fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

/// The most octets that were in use since the last call of [`forget_most`].
#[allow(dead_code, reason = "not every bench asks")]
pub fn most() -> usize {
    MOST.load(Ordering::Relaxed)
}

/// Begins to look for the most anew.
#[allow(dead_code, reason = "not every bench asks")]
pub fn forget_most() {
    MOST.store(in_use(), Ordering::Relaxed);
}
