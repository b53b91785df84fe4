//! Signals of garbage collection in a plain series: points that a GC log has one of for each collection, and counters
//! (MemStats, runtime/metrics) one for each reading. Knows the arithmetic of Go's pacer (Go `src/runtime/mgcpacer.go`),
//! nothing of where the numbers come from.

mod cost;
mod monitor;
mod quantiles;
mod window;

pub use cost::{GcLoad, GcPredicted, HEAP_MINIMUM, gogc_of_goal};
pub use monitor::{GcMonitor, GcSignal, Raised};
pub use quantiles::LogQuantiles;
pub use window::{Decimated, GrowthWindow, growth_window};

/// A collection, or what was counted between two readings of counters. Bytes and seconds; CPU times in seconds of one
/// CPU. What a source does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GcPoint {
    /// When it ended, on any clock that does not go back.
    pub at_s: f64,
    /// Collections that the point stands for.
    pub cycles: f64,
    /// Those of them that the program forced.
    pub forced: f64,
    /// The world stopped: the sum.
    pub pause_s: f64,
    /// The heap goal of the collection, the last one's of several.
    pub goal: f64,
    /// Heap when it began.
    pub before: Option<f64>,
    /// Heap when marking ended.
    pub after: Option<f64>,
    /// Live heap: what was marked.
    pub live: Option<f64>,
    /// Stacks and globals that had to be scanned besides.
    pub roots: Option<f64>,
    /// GC CPU time without idle workers.
    pub cpu_s: Option<f64>,
    /// CPU time of mark assists.
    pub assist_s: Option<f64>,
    /// CPU time of dedicated and fractional workers.
    pub background_s: Option<f64>,
    /// Ps.
    pub procs: f64,
}

/// From when on a signal holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GcThresholds {
    /// Bytes by which the heap exceeds its goal.
    pub goal_trail_bytes: f64,
    /// Factor by which the live heap rises with nothing released.
    pub jump_factor: f64,
    /// Share of the heap that a collection must free to have released something.
    pub released_share: f64,
    /// Seconds of a stop, from which it may be an outlier.
    pub pause_s: f64,
    /// How many median stops an outlier is.
    pub pause_factor: f64,
    /// Share of assists in the CPU time of assists and background workers.
    pub assist_share: f64,
    /// Factor by which collections become more frequent, or less.
    pub rate_factor: f64,
    /// Collections per second below which no rate is a storm.
    pub rate_per_s: f64,
    /// Forced collections per minute.
    pub forced_per_minute: f64,
    /// GC CPU share of all Ps.
    pub cpu_share: f64,
    /// Runway (goal less live heap) as a share of the live heap, below which a limit holds the goal down.
    pub limit_runway: f64,
}

impl Default for GcThresholds {
    fn default() -> Self {
        Self {
            goal_trail_bytes: 20.0 * MIB,
            jump_factor: 3.0,
            released_share: 0.1,
            pause_s: 0.010,
            pause_factor: 10.0,
            assist_share: 0.5,
            rate_factor: 10.0,
            rate_per_s: 2.0,
            forced_per_minute: 12.0,
            cpu_share: 0.15,
            limit_runway: 0.25,
        }
    }
}

const MIB: f64 = 1024.0 * 1024.0;
