//! The agenda: what is going to happen, ordered by time and, where times are equal, by the
//! order in which it was put down. Nothing else moves the clock.

use super::World;
use super::clock::Time;
use super::stream::{Item, Pipe};
use crate::trace::EventId;
use std::collections::{BTreeMap, VecDeque};
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
    /// None: the entry was taken back.
    Nothing,
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

/// What is to happen at one instant, in order. Most of it is put down for few instants: a hand-over
/// takes the same time for all, and so does a pause.
#[derive(Default)]
struct Instant {
    entries: VecDeque<Entry>,
    /// Those of them that have not been taken back.
    live: usize,
}

/// The entries, by instant.
#[derive(Default)]
pub(super) struct Agenda {
    instants: BTreeMap<Time, Instant>,
    /// Instants that are over, whose room is used again.
    spare: Vec<Instant>,
    next: u64,
    busy: usize,
}

/// How many instants that are over are kept for their room, and for how many entries each.
const SPARE: (usize, usize) = (64, 4096);

impl Agenda {
    /// Puts an entry down and gives its number.
    pub fn put(&mut self, at: Time, weight: Weight, cause: Option<EventId>, action: Action) -> u64 {
        let number = self.next;
        self.next += 1;
        self.busy += usize::from(weight == Weight::Busy);
        let instant = self.instants.entry(at).or_insert_with(|| self.spare.pop().unwrap_or_default());
        instant.entries.push_back(Entry { at, number, weight, cause, action });
        instant.live += 1;
        number
    }

    /// Takes an entry back that has not come due yet. When the world ends, timers let go of entries
    /// that are gone already.
    pub fn cancel(&mut self, at: Time, number: u64) {
        let Some(instant) = self.instants.get_mut(&at) else { return };
        let Ok(n) = instant.entries.binary_search_by_key(&number, |e| e.number) else { return };
        let entry = &mut instant.entries[n];
        if matches!(std::mem::replace(&mut entry.action, Action::Nothing), Action::Nothing) {
            return;
        }
        self.busy -= usize::from(entry.weight == Weight::Busy);
        instant.live -= 1;
        if instant.live == 0 {
            self.end(at);
        }
    }

    /// The next entry, taken off.
    pub fn take(&mut self) -> Option<Entry> {
        loop {
            let mut first = self.instants.first_entry()?;
            let entry = first.get_mut().entries.pop_front()?;
            if matches!(entry.action, Action::Nothing) {
                continue;
            }
            first.get_mut().live -= 1;
            if first.get().live == 0 {
                self.end(entry.at);
            }
            self.busy -= usize::from(entry.weight == Weight::Busy);
            return Some(entry);
        }
    }

    /// The next entry for which `wanted` holds, taken off.
    pub fn take_where(&mut self, wanted: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let is_wanted = |e: &Entry| !matches!(e.action, Action::Nothing) && wanted(e);
        let (at, instant, n) = self.instants.iter_mut().find_map(|(at, instant)| {
            instant.entries.iter().position(is_wanted).map(|n| (*at, instant, n))
        })?;
        let entry = instant.entries.remove(n)?;
        instant.live -= 1;
        if instant.live == 0 {
            self.end(at);
        }
        self.busy -= usize::from(entry.weight == Weight::Busy);
        Some(entry)
    }

    /// When the next entry is due.
    pub fn next_time(&self) -> Option<Time> {
        self.instants.first_key_value().map(|(at, _)| *at)
    }

    /// Nothing is left to be done at an instant.
    fn end(&mut self, at: Time) {
        let (most, room) = SPARE;
        if let Some(mut instant) = self.instants.remove(&at)
            && self.spare.len() < most
            && instant.entries.capacity() <= room
        {
            instant.entries.clear();
            self.spare.push(instant);
        }
    }

    /// Entries that keep the world from resting.
    pub fn busy(&self) -> usize {
        self.busy
    }

    /// Forgets everything.
    pub fn clear(&mut self) -> Vec<Entry> {
        self.busy = 0;
        std::mem::take(&mut self.instants).into_values().flat_map(|instant| instant.entries).collect()
    }
}
