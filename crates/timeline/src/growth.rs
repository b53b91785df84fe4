//! Heap growth from the end of one collection to the end of the next, by the goroutines that ran when the heap grew.

use crate::names::{Name, Names};
use model::{TraceGrower, TraceGrowth};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// Most stretches that are told one by one.
const MOST_STRETCHES: usize = 1 << 12;
/// Most groups of goroutines that a stretch names.
const MOST_GROWERS: usize = 5;

/// All stretches.
#[derive(Debug, Default)]
pub(crate) struct HeapGrowth {
    done: Vec<(TraceGrowth, Vec<(Name, u64)>)>,
    start: u64,
    heap_at_start: u64,
    by: FxHashMap<Name, u64>,
    pub(crate) left_out: u64,
}

impl HeapGrowth {
    /// The heap grew while a goroutine ran that began with `function`.
    pub(crate) fn grew(&mut self, function: Name, bytes: u64) {
        let of = self.by.entry(function).or_default();
        *of = of.saturating_add(bytes);
    }

    /// A collection ended with `heap` bytes in use, or the trace did.
    pub(crate) fn cut(&mut self, at: u64, heap: u64) {
        let mut by: Vec<(Name, u64)> = self.by.drain().collect();
        let allocated_bytes = by.iter().fold(0, |sum: u64, b| sum.saturating_add(b.1));
        by.sort_by_key(|(name, bytes)| (Reverse(*bytes), *name));
        by.truncate(MOST_GROWERS);
        let stretch = TraceGrowth {
            start_ns: self.start,
            end_ns: at,
            heap_at_start: self.heap_at_start,
            heap_at_end: heap,
            allocated_bytes,
            by: Vec::new(),
        };
        if self.done.len() < MOST_STRETCHES {
            self.done.push((stretch, by));
        } else {
            self.left_out += 1;
        }
        (self.start, self.heap_at_start) = (at, heap);
    }

    pub(crate) fn told(self, names: &Names) -> Vec<TraceGrowth> {
        let grower = |(name, bytes): (Name, u64)| TraceGrower { function: names.text(name).to_owned(), bytes };
        let stretch = |(stretch, by): (TraceGrowth, Vec<(Name, u64)>)| TraceGrowth {
            by: by.into_iter().map(grower).collect(),
            ..stretch
        };
        self.done.into_iter().map(stretch).collect()
    }
}
