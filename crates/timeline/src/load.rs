//! How many processors the collector takes, over time: sums, and the least that was left to the program in any window
//! of some length (minimum mutator utilisation).
//!
//! Source: GOROOT/src/internal/trace/gc.go (Go 1.27), which counts the same: stopped worlds, background workers but
//! for idle ones, assists.

use model::TraceMmu;

/// Most bins of time; when a trace needs more, two become one.
const MOST_BINS: usize = 1 << 21;
/// Nanoseconds of the first bins.
const FIRST_BIN: u64 = 10_000;
/// Bins that a window must have, so that its ends are told to 5 %.
const LEAST_BINS: u64 = 20;
/// Lengths of windows in nanoseconds.
const WINDOWS: [u64; 5] = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];

/// What takes processors now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Background workers that are not idle ones.
    pub(crate) workers: u32,
    /// Goroutines that run in a mark assist.
    pub(crate) assists: u32,
    /// Background workers on processors that are idle otherwise.
    pub(crate) idle: u32,
    /// The world is stopped.
    pub(crate) stopped: bool,
}

/// Sums over the time told so far.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) now: Taken,
    pub(crate) procs: u32,
    /// Processor time of background workers, of assists; time stopped. Nanoseconds.
    pub(crate) background_ns: u64,
    pub(crate) assist_ns: u64,
    pub(crate) stopped_ns: u64,
    /// Time of background workers on processors that are idle otherwise.
    pub(crate) idle_ns: u64,
    /// Processor time of all three where they do not overlap, in nanoseconds.
    pub(crate) taken_ns: u64,
    at: u64,
    /// Processor nanoseconds taken in each bin.
    bins: Vec<f32>,
    bin: u64,
}

impl Default for Load {
    fn default() -> Self {
        Load {
            now: Taken::default(),
            procs: 1,
            background_ns: 0,
            assist_ns: 0,
            stopped_ns: 0,
            idle_ns: 0,
            taken_ns: 0,
            at: 0,
            bins: Vec::new(),
            bin: FIRST_BIN,
        }
    }
}

impl Load {
    /// What was the case up to now, `at` nanoseconds after the first event, is summed up: call it before anything
    /// changes.
    pub(crate) fn advance(&mut self, at: u64) {
        let time = at.saturating_sub(self.at);
        if time == 0 {
            return;
        }
        let Taken { workers, assists, idle, stopped } = self.now;
        let taken = if stopped { self.procs } else { (workers + assists).min(self.procs) };
        // Nobody works while the world is stopped, whatever state goroutines are in.
        let working = if stopped { 0 } else { time };
        self.background_ns = self.background_ns.saturating_add(working.saturating_mul(u64::from(workers)));
        self.assist_ns = self.assist_ns.saturating_add(working.saturating_mul(u64::from(assists)));
        self.idle_ns = self.idle_ns.saturating_add(working.saturating_mul(u64::from(idle)));
        self.stopped_ns = self.stopped_ns.saturating_add(if stopped { time } else { 0 });
        self.taken_ns = self.taken_ns.saturating_add(time.saturating_mul(u64::from(taken)));
        if taken > 0 {
            self.fill(self.at, at, taken as f32);
        }
        self.at = at;
    }

    fn fill(&mut self, from: u64, to: u64, taken: f32) {
        while to.div_ceil(self.bin) > MOST_BINS as u64 {
            let half = self.bins.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.bins = half;
            self.bin = self.bin.saturating_mul(2);
        }
        let bins = to.div_ceil(self.bin) as usize;
        if self.bins.len() < bins {
            self.bins.resize(bins, 0.0);
        }
        let first = (from / self.bin) as usize;
        for (i, bin) in (first as u64..).zip(self.bins.get_mut(first..bins).unwrap_or_default()) {
            let (start, end) = (i * self.bin, (i + 1) * self.bin);
            *bin += taken * (end.min(to) - start.max(from)) as f32;
        }
    }

    /// The least share left to the program in any window of each length that the trace has room for.
    pub(crate) fn mmu(&self) -> Vec<TraceMmu> {
        let fits = |w: &&u64| **w <= self.at && **w / self.bin >= LEAST_BINS;
        WINDOWS.iter().filter(fits).map(|&w| TraceMmu { window_ns: w, utilisation: self.least(w) }).collect()
    }

    fn least(&self, window: u64) -> f64 {
        let n = (window / self.bin) as usize;
        let (mut sum, mut most) = (0.0_f64, 0.0_f64);
        for (i, bin) in self.bins.iter().enumerate() {
            sum += f64::from(*bin);
            if let Some(left) = i.checked_sub(n).and_then(|j| self.bins.get(j)) {
                sum -= f64::from(*left);
            }
            most = most.max(sum);
        }
        let all = (n as u64 * self.bin) as f64 * f64::from(self.procs.max(1));
        (1.0 - most / all).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilisation_is_what_the_worst_window_leaves() {
        let mut load = Load { procs: 4, ..Load::default() };
        // A worker for 5 ms, then the world stopped for 1 ms, then nothing for 94 ms.
        load.now.workers = 1;
        load.advance(5_000_000);
        load.now = Taken { stopped: true, ..Taken::default() };
        load.advance(6_000_000);
        load.now = Taken::default();
        load.advance(100_000_000);
        let found: Vec<(u64, f64)> = load.mmu().iter().map(|m| (m.window_ns, m.utilisation)).collect();
        let expected = [(1_000_000, 0.0), (10_000_000, 1.0 - 9.0 / 40.0), (100_000_000, 1.0 - 9.0 / 400.0)];
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-3, "{found:?} {expected:?}");
        }
        assert_eq!((load.background_ns, load.stopped_ns, load.taken_ns), (5_000_000, 1_000_000, 9_000_000));
    }

    #[test]
    fn long_traces_have_longer_bins() {
        let mut load = Load { procs: 1, ..Load::default() };
        let hour = 3_600_000_000_000;
        load.now.workers = 1;
        load.advance(hour / 2);
        load.now.workers = 0;
        load.advance(hour);
        load.now.workers = 1;
        load.advance(hour + 1);
        assert!(load.bins.len() <= MOST_BINS);
        let sum: f64 = load.bins.iter().map(|b| f64::from(*b)).sum();
        assert!((sum / (hour as f64 / 2.0) - 1.0).abs() < 1e-3);
        assert_eq!(load.mmu().first().map(|m| (m.window_ns, m.utilisation)), Some((100_000_000, 0.0)));
    }
}
