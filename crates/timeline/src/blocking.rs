//! Where goroutines waited: sums by the runtime's reason and the stack.

use crate::names::{Name, Names};
use model::{TraceBlocking, TraceWaits};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// Most pairs of reason and stack that are told apart.
const MOST_PLACES: usize = 1 << 17;

/// Sums of one place.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    total_ns: u64,
    max_ns: u64,
    waiting: u64,
}

/// All places.
#[derive(Debug, Default)]
pub(crate) struct Blocking {
    of: FxHashMap<(Name, Name), Sum>,
    /// Waits that are in no row, there being too many places.
    pub(crate) left_out: u64,
}

impl Blocking {
    /// A goroutine waited at a place; `ended` is false when it still does.
    pub(crate) fn add(&mut self, reason: Name, stack: Name, ns: u64, ended: bool) {
        if self.of.len() >= MOST_PLACES && !self.of.contains_key(&(reason, stack)) {
            self.left_out += 1;
            return;
        }
        let sum = self.of.entry((reason, stack)).or_default();
        sum.count += 1;
        sum.total_ns = sum.total_ns.saturating_add(ns);
        sum.max_ns = sum.max_ns.max(ns);
        sum.waiting += u64::from(!ended);
    }

    /// At most `rows` places, those with most time first.
    pub(crate) fn told(&self, names: &Names, rows: usize) -> Vec<TraceBlocking> {
        let mut list: Vec<_> = self.of.iter().collect();
        let text = |key: &(Name, Name)| (names.text(key.0).to_owned(), names.frames(key.1));
        list.sort_by_key(|(_, sum)| Reverse((sum.total_ns, sum.count)));
        list.truncate(rows);
        list.sort_by_cached_key(|(key, sum)| (Reverse((sum.total_ns, sum.count)), text(key)));
        let row = |(key, sum): (&(Name, Name), &Sum)| TraceBlocking {
            reason: names.text(key.0).to_owned(),
            stack: names.frames(key.1),
            times: TraceWaits { count: sum.count, total_ns: sum.total_ns, max_ns: sum.max_ns },
            waiting: sum.waiting,
        };
        list.into_iter().map(row).collect()
    }
}
