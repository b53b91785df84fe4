//! CPU profile samples: by stack and phase of the collection, and the latest of each goroutine, for whoever asks what it
//! did a moment ago.

use crate::names::{Name, Names};
use model::{TraceCpu, TraceCpuStack};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::VecDeque;

/// Most stacks that are told apart.
const MOST_STACKS: usize = 1 << 16;
/// Most samples kept of one goroutine: at 100 per second, five seconds of one thread.
const MOST_RECENT: usize = 512;
/// Most goroutines whose samples are kept.
const MOST_GOROUTINES: usize = 1 << 12;
/// Most stacks that a row tells.
const MOST_TOLD: usize = 32;

/// What goes on when a sample is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CpuPhase {
    /// The world is stopped.
    Stopped,
    /// The goroutine is in a mark assist.
    Assist,
    /// A collection marks.
    Mark,
    /// None of these.
    Outside,
}

/// Samples and those of them in a collection.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u64,
    in_gc: u64,
}

/// All samples.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    total: TraceCpu,
    of: FxHashMap<(Name, Name), Count>,
    recent: FxHashMap<i64, VecDeque<(u64, Name)>>,
}

impl Cpu {
    /// A sample of a goroutine that began with `function`.
    pub(crate) fn add(&mut self, at: u64, goroutine: i64, function: Name, stack: Name, phase: CpuPhase) {
        self.total.samples += 1;
        match phase {
            CpuPhase::Stopped => self.total.stopped += 1,
            CpuPhase::Assist => self.total.assist += 1,
            CpuPhase::Mark => self.total.mark += 1,
            CpuPhase::Outside => self.total.outside_gc += 1,
        }
        let key = (function, stack);
        if self.of.len() < MOST_STACKS || self.of.contains_key(&key) {
            let count = self.of.entry(key).or_default();
            count.all += 1;
            count.in_gc += u64::from(phase != CpuPhase::Outside);
        }
        if self.recent.len() < MOST_GOROUTINES || self.recent.contains_key(&goroutine) {
            let recent = self.recent.entry(goroutine).or_default();
            if recent.len() >= MOST_RECENT {
                recent.pop_front();
            }
            recent.push_back((at, stack));
        }
    }

    /// Stacks of a goroutine's samples from `from` on.
    pub(crate) fn since(&self, goroutine: i64, from: u64) -> impl Iterator<Item = Name> + '_ {
        let recent = self.recent.get(&goroutine);
        recent.into_iter().flat_map(|r| r.iter().rev()).take_while(move |(at, _)| *at >= from).map(|(_, stack)| *stack)
    }

    /// A goroutine ended.
    pub(crate) fn ended(&mut self, goroutine: i64) {
        self.recent.remove(&goroutine);
    }

    pub(crate) fn told(self, names: &Names, rows: usize) -> TraceCpu {
        let mut list: Vec<((Name, Name), Count)> = self.of.into_iter().collect();
        list.sort_by_key(|(key, count)| (Reverse(count.all), *key));
        list.truncate(rows);
        let row = |((function, stack), count): ((Name, Name), Count)| TraceCpuStack {
            function: names.text(function).to_owned(),
            stack: names.frames(stack),
            samples: count.all,
            in_gc: count.in_gc,
        };
        TraceCpu { stacks: list.into_iter().map(row).collect(), ..self.total }
    }
}

/// How often each stack was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    of: FxHashMap<Name, u64>,
    pub(crate) all: u64,
}

impl Tally {
    /// Most stacks that one tally tells apart.
    const MOST: usize = 1 << 10;

    pub(crate) fn add(&mut self, stack: Name) {
        self.all += 1;
        if self.of.len() < Self::MOST || self.of.contains_key(&stack) {
            *self.of.entry(stack).or_default() += 1;
        }
    }

    /// The most frequent ones of goroutines that began with `function`.
    pub(crate) fn told(&self, function: Name, names: &Names) -> Vec<TraceCpuStack> {
        let mut list: Vec<(Name, u64)> = self.of.iter().map(|(stack, count)| (*stack, *count)).collect();
        list.sort_by_key(|(stack, count)| (Reverse(*count), *stack));
        list.truncate(MOST_TOLD);
        let row = |(stack, samples): (Name, u64)| TraceCpuStack {
            function: names.text(function).to_owned(),
            stack: names.frames(stack),
            samples,
            in_gc: 0,
        };
        list.into_iter().map(row).collect()
    }

    /// The most frequent one.
    pub(crate) fn most(&self) -> Option<Name> {
        self.of.iter().max_by_key(|(stack, count)| (**count, Reverse(**stack))).map(|(stack, _)| *stack)
    }
}
