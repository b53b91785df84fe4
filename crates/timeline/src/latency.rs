//! How long goroutines that could run waited for a processor: in all, and the longest ones.

use crate::names::{Name, Names};
use crate::stw::times_of;
use model::{TraceDelay, TraceLatency};
use signals::LogQuantiles;
use std::cmp::Reverse;

/// Waits that are kept one by one.
const LONGEST: usize = 32;

/// One wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay {
    pub(crate) start: u64,
    pub(crate) ns: u64,
    pub(crate) goroutine: i64,
    pub(crate) function: Name,
    /// A collection marked when it began.
    pub(crate) in_gc: bool,
}

/// All waits.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    in_gc: LogQuantiles,
    outside_gc: LogQuantiles,
    longest: Vec<Delay>,
    /// What is shorter is not among the longest.
    least: u64,
}

impl Latency {
    pub(crate) fn add(&mut self, delay: Delay) {
        if delay.in_gc { &mut self.in_gc } else { &mut self.outside_gc }.add(delay.ns);
        if delay.ns <= self.least {
            return;
        }
        self.longest.push(delay);
        if self.longest.len() >= 2 * LONGEST {
            self.keep_longest();
            self.least = self.longest.last().map_or(0, |d| d.ns);
        }
    }

    fn keep_longest(&mut self) {
        self.longest.sort_by_key(|d| (Reverse(d.ns), d.start, d.goroutine));
        self.longest.truncate(LONGEST);
    }

    pub(crate) fn told(mut self, names: &Names) -> TraceLatency {
        self.keep_longest();
        let row = |d: Delay| TraceDelay {
            start_ns: d.start,
            duration_ns: d.ns,
            goroutine: d.goroutine,
            function: names.text(d.function).to_owned(),
            in_gc: d.in_gc,
        };
        TraceLatency {
            in_gc: times_of(&self.in_gc),
            outside_gc: times_of(&self.outside_gc),
            longest: self.longest.into_iter().map(row).collect(),
        }
    }
}
