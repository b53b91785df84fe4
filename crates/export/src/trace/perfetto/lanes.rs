//! Tracks that are used again: what lives for a while (a goroutine, a task) has a track of its own while it lives, and
//! the next of its kind takes it over. There are as many as were alive at the same time, up to a bound.

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// A track that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) track: u64,
    /// It was not there before: it must be described.
    pub(super) new: bool,
}

/// The tracks of each group.
#[derive(Debug)]
pub(super) struct Lanes<K> {
    /// Free tracks, and since when the least recently used is free.
    free: FxHashMap<K, Vec<(u64, i64)>>,
    made: usize,
    most: usize,
    /// How many had no track, there being too many.
    pub(super) left_out: u64,
}

impl<K: Hash + Eq> Lanes<K> {
    pub(super) fn new(most: usize) -> Self {
        Lanes { free: FxHashMap::default(), made: 0, most, left_out: 0 }
    }

    /// A track of the group for something that lives `since`; `fresh` is the number for a new one.
    pub(super) fn take(&mut self, group: &K, since: i64, fresh: &mut u64) -> Option<Lane> {
        if let Some(free) = self.free.get_mut(group)
            && let Some(at) = free.iter().rposition(|f| f.1 <= since)
        {
            return Some(Lane { track: free.swap_remove(at).0, new: false });
        }
        if self.made >= self.most {
            self.left_out += 1;
            return None;
        }
        self.made += 1;
        *fresh += 1;
        Some(Lane { track: *fresh, new: true })
    }

    /// What had it is over.
    pub(super) fn give_back(&mut self, group: K, track: u64, at: i64) {
        self.free.entry(group).or_default().push((track, at));
    }
}
