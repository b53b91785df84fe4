//! Stopped worlds: by reason, and the longest one by one.

use crate::cpu::Tally;
use crate::names::{Name, Names};
use model::{TraceStopper, TraceStw, TraceStwReason, TraceStwWindow, TraceTimes};
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
    pub(crate) last: Option<Stopper>,
    pub(crate) in_map_write: u64,
}

/// A goroutine that had to stop for it.
#[derive(Clone, Debug)]
pub(crate) struct Stopper {
    pub(crate) goroutine: i64,
    pub(crate) function: Name,
    pub(crate) at: u64,
    pub(crate) stack: Name,
    /// Samples of it since the request to stop.
    pub(crate) cpu: Tally,
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

    /// When the world was asked to stop, while it is stopped, and by which goroutine.
    pub(crate) fn since(&self) -> Option<(u64, i64)> {
        self.open.as_ref().map(|w| (w.start, w.goroutine))
    }

    /// A goroutine that ran stops: the last one to do so stays.
    pub(crate) fn stopped(&mut self, stopper: Stopper, in_map_write: bool) {
        if let Some(window) = &mut self.open {
            window.last = Some(stopper);
            window.in_map_write += u64::from(in_map_write);
        }
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
            in_map_write: w.in_map_write,
            last: w.last.map(|s| TraceStopper {
                goroutine: s.goroutine,
                function: names.text(s.function).to_owned(),
                after_ns: s.at.saturating_sub(w.start),
                stack: names.frames(s.stack),
                cpu: s.cpu.told(s.function, names),
            }),
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
