//! Stopped worlds: by reason, and the longest one by one.

use crate::names::{Name, Names};
use model::{TraceStw, TraceStwReason, TraceStwWindow, TraceTimes};
use rustc_hash::FxHashMap;
use signals::LogQuantiles;
use std::cmp::Reverse;

/// Windows that are kept one by one.
const LONGEST: usize = 32;

/// A stopped world.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) start: u64,
    pub(crate) reason: Name,
    pub(crate) goroutine: i64,
    pub(crate) stack: Name,
    /// What goroutines ran then, by the functions they began with.
    pub(crate) running: Vec<Name>,
    pub(crate) runnable: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Stw {
    open: Option<Window>,
    reasons: FxHashMap<Name, LogQuantiles>,
    longest: Vec<(u64, Window)>,
}

impl Stw {
    pub(crate) fn begin(&mut self, window: Window) {
        self.open = Some(window);
    }

    /// The world goes on. What began before the trace is not counted: how long it took is not known.
    pub(crate) fn end(&mut self, at: u64) {
        let Some(window) = self.open.take() else { return };
        let time = at.saturating_sub(window.start);
        self.reasons.entry(window.reason).or_default().add(time);
        self.longest.push((time, window));
        if self.longest.len() >= 2 * LONGEST {
            self.keep_longest();
        }
    }

    fn keep_longest(&mut self) {
        self.longest.sort_by_key(|(time, window)| (Reverse(*time), window.start));
        self.longest.truncate(LONGEST);
    }

    pub(crate) fn told(mut self, names: &Names, rows: usize) -> TraceStw {
        self.keep_longest();
        let reason = |(name, times): (&Name, &LogQuantiles)| TraceStwReason {
            reason: names.text(*name).to_owned(),
            times: times_of(times),
        };
        let mut reasons: Vec<TraceStwReason> = self.reasons.iter().map(reason).collect();
        reasons.sort_by(|a, b| (Reverse(a.times.total_ns), &a.reason).cmp(&(Reverse(b.times.total_ns), &b.reason)));
        let window = |(time, w): (u64, Window)| TraceStwWindow {
            start_ns: w.start,
            duration_ns: time,
            reason: names.text(w.reason).to_owned(),
            goroutine: w.goroutine,
            stack: names.frames(w.stack),
            running: w.running.iter().map(|name| names.text(*name).to_owned()).collect(),
            runnable: w.runnable,
        };
        TraceStw { reasons, longest: self.longest.into_iter().take(rows).map(window).collect() }
    }
}

/// Quantiles as plain data.
pub(crate) fn times_of(times: &LogQuantiles) -> TraceTimes {
    TraceTimes {
        count: times.count(),
        total_ns: times.sum(),
        p50_ns: times.quantile(0.5),
        p99_ns: times.quantile(0.99),
        max_ns: times.max(),
    }
}
