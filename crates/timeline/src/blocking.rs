//! Where goroutines waited: sums by the runtime's reason and the stack.

use crate::cpu::Tally;
use crate::names::{Name, Names};
use model::{TraceBlocking, TraceInstant, TraceReleaser, TraceWaits};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// Most pairs of reason and stack that are told apart.
const MOST_PLACES: usize = 1 << 17;

/// Waits that are at least as long tell who ended them, in nanoseconds.
pub(crate) const LONG: u64 = 1_000_000;
/// Most pairs of function and stack that ended waits at one place.
const MOST_RELEASERS: usize = 64;
/// Most that are told.
const MOST_TOLD: usize = 3;

/// Sums of one place.
#[derive(Clone, Debug, Default)]
struct Sum {
    waits: TraceWaits,
    waiting: u64,
    longest: TraceInstant,
    releasers: FxHashMap<(Name, Name), Releaser>,
}

/// Goroutines that ended waits at a place.
#[derive(Clone, Debug, Default)]
struct Releaser {
    waits: TraceWaits,
    cpu: Tally,
}

/// One wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) reason: Name,
    pub(crate) stack: Name,
    pub(crate) start: u64,
    pub(crate) ns: u64,
    /// False when it still lasts.
    pub(crate) ended: bool,
}

/// All places.
#[derive(Debug, Default)]
pub(crate) struct Blocking {
    of: FxHashMap<(Name, Name), Sum>,
    /// Waits that are in no row, there being too many places.
    pub(crate) left_out: u64,
}

impl Blocking {
    /// A goroutine waited at a place.
    pub(crate) fn add(&mut self, wait: Wait) {
        let place = (wait.reason, wait.stack);
        if self.of.len() >= MOST_PLACES && !self.of.contains_key(&place) {
            self.left_out += 1;
            return;
        }
        let sum = self.of.entry(place).or_default();
        count(&mut sum.waits, wait.ns);
        sum.waiting += u64::from(!wait.ended);
        if wait.ns > sum.longest.duration_ns {
            sum.longest = TraceInstant { at_ns: wait.start, duration_ns: wait.ns };
        }
    }

    /// A goroutine that began with the function `by.0` ended the wait, with the stack `by.1`; it was seen at `cpu` since
    /// the wait began.
    pub(crate) fn released(&mut self, wait: Wait, by: (Name, Name), cpu: impl Iterator<Item = Name>) {
        let Some(sum) = self.of.get_mut(&(wait.reason, wait.stack)) else { return };
        if sum.releasers.len() >= MOST_RELEASERS && !sum.releasers.contains_key(&by) {
            return;
        }
        let releaser = sum.releasers.entry(by).or_default();
        count(&mut releaser.waits, wait.ns);
        cpu.for_each(|stack| releaser.cpu.add(stack));
    }

    /// At most `rows` places, those with most time first.
    pub(crate) fn told(&self, names: &Names, rows: usize) -> Vec<TraceBlocking> {
        let mut list: Vec<_> = self.of.iter().collect();
        let text = |key: &(Name, Name)| (names.text(key.0).to_owned(), names.frames(key.1));
        list.sort_by_key(|(_, sum)| Reverse((sum.waits.total_ns, sum.waits.count)));
        list.truncate(rows);
        list.sort_by_cached_key(|(key, sum)| (Reverse((sum.waits.total_ns, sum.waits.count)), text(key)));
        let row = |(key, sum): (&(Name, Name), &Sum)| TraceBlocking {
            reason: names.text(key.0).to_owned(),
            stack: names.frames(key.1),
            times: sum.waits,
            waiting: sum.waiting,
            longest: sum.longest,
            released_by: releasers(&sum.releasers, names),
        };
        list.into_iter().map(row).collect()
    }
}

fn count(waits: &mut TraceWaits, ns: u64) {
    waits.count += 1;
    waits.total_ns = waits.total_ns.saturating_add(ns);
    waits.max_ns = waits.max_ns.max(ns);
}

fn releasers(of: &FxHashMap<(Name, Name), Releaser>, names: &Names) -> Vec<TraceReleaser> {
    let mut list: Vec<_> = of.iter().collect();
    list.sort_by_key(|(by, r)| (Reverse(r.waits.total_ns), **by));
    list.truncate(MOST_TOLD);
    let row = |((function, stack), r): (&(Name, Name), &Releaser)| TraceReleaser {
        function: names.text(*function).to_owned(),
        stack: names.frames(*stack),
        times: r.waits,
        cpu: r.cpu.told(*function, names),
        cpu_samples: r.cpu.all,
    };
    list.into_iter().map(row).collect()
}
