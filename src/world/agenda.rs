//! The agenda: what is going to happen, ordered by time and, where times are equal, by the
//! order in which it was put down. Nothing else moves the clock.

use super::World;
use super::clock::Time;
use super::stream::{Item, Pipe};
use crate::trace::EventId;
use rustc_hash::FxHashSet;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// A task of the world: an index that is used again, with the generation that tells its users apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct TaskId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// What an entry does when its time comes.
pub(super) enum Action {
    /// A task goes on.
    Wake(TaskId),
    /// Something arrives at the far end of a pipe or connection.
    Arrive(Rc<Pipe>, Item),
    /// Whatever the network or the scenario has to do then.
    Call(Box<dyn FnOnce(&World)>),
}

/// Does the world come to rest while this entry still waits?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// No: it is part of what goes on (a segment under way, a hand-over, a command that sleeps).
    Busy,
    /// Yes: a time-out, a periodic look, a retry far ahead.
    Idle,
}

pub(super) struct Entry {
    pub at: Time,
    pub number: u64,
    pub weight: Weight,
    pub cause: Option<EventId>,
    pub action: Action,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    /// The greatest entry is the next one: `BinaryHeap` gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// The heap of entries.
#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
    next: u64,
    busy: usize,
    /// Entries taken back that still lie in the heap.
    cancelled: FxHashSet<u64>,
}

impl Agenda {
    /// Puts an entry down and gives its number.
    pub fn put(&mut self, at: Time, weight: Weight, cause: Option<EventId>, action: Action) -> u64 {
        let number = self.next;
        self.next += 1;
        self.busy += usize::from(weight == Weight::Busy);
        self.heap.push(Entry { at, number, weight, cause, action });
        number
    }

    /// Takes an entry back that has not come due yet.
    pub fn cancel(&mut self, number: u64, weight: Weight) {
        if !self.cancelled.insert(number) {
            return;
        }
        // When the world ends, timers let go of entries that are gone already.
        self.busy = self.busy.saturating_sub(usize::from(weight == Weight::Busy));
        if self.cancelled.len() > 1024 && self.cancelled.len() > self.heap.len() / 2 {
            let cancelled = std::mem::take(&mut self.cancelled);
            self.heap.retain(|e| !cancelled.contains(&e.number));
        }
    }

    /// The next entry, taken off.
    pub fn take(&mut self) -> Option<Entry> {
        self.drop_cancelled();
        let entry = self.heap.pop()?;
        self.busy -= usize::from(entry.weight == Weight::Busy);
        Some(entry)
    }

    /// The next entry for which `wanted` holds, taken off.
    pub fn take_where(&mut self, wanted: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let live = self.heap.iter().filter(|e| !self.cancelled.contains(&e.number));
        let number = live.filter(|e| wanted(e)).max()?.number;
        let (mut found, rest): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.heap).into_iter().partition(|e| e.number == number);
        self.heap = rest.into();
        let entry = found.pop()?;
        self.busy -= usize::from(entry.weight == Weight::Busy);
        Some(entry)
    }

    /// When the next entry is due.
    pub fn next_time(&mut self) -> Option<Time> {
        self.drop_cancelled();
        self.heap.peek().map(|e| e.at)
    }

    fn drop_cancelled(&mut self) {
        while !self.cancelled.is_empty()
            && let Some(e) = self.heap.peek()
            && self.cancelled.remove(&e.number)
        {
            self.heap.pop();
        }
    }

    /// Entries that keep the world from resting.
    pub fn busy(&self) -> usize {
        self.busy
    }

    /// Forgets everything.
    pub fn clear(&mut self) -> Vec<Entry> {
        self.busy = 0;
        self.cancelled.clear();
        std::mem::take(&mut self.heap).into_vec()
    }
}
