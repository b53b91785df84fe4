//! One word for what a service's memory does, out of what is known after a sample.

use super::{Alarm, Driver, Reading, Sample, Shift};

/// A rise is one after this many seconds,
const GROWS_S: f64 = 10.0;
/// ... and from this share of the limit on.
pub(super) const GROWS_SHARE: f64 = 0.02;
/// The later half of a rise is this many times as fast as the earlier half where it grows by a share of itself.
const BENDS: f64 = 1.5;
/// A leak is fast where the limit is this many seconds away.
const FAST_S: f64 = 600.0;

/// What memory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Neither grows nor falls, but for the collector's own sawtooth.
    Steady,
    /// Grows and levels off below the limit.
    WarmUp,
    /// Grows without pause, slowly against what is left.
    SlowLeak,
    /// Grows without pause, and fast.
    FastLeak,
    /// Grows by a share of itself.
    Exponential,
    /// Jumped and stays there.
    Step,
    /// Rose sharply within seconds; whether it stays is not known yet.
    Surge,
    /// Is in a range it had and left before.
    RiseAndFall,
    /// Memory outside the Go runtime grows.
    OffHeap,
    /// Goroutine stacks grow.
    Goroutines,
    /// The collector runs again and again against the memory limit.
    GcSpiral,
}

impl Shape {
    /// The shape after a sample, by its reading and the alarms it gave.
    #[must_use]
    pub fn of(s: &Sample, r: &Reading, alarms: &[Alarm]) -> Self {
        if alarms.iter().any(|a| a.rule == "gc-spiral") {
            return Self::GcSpiral;
        }
        match r.shift {
            Shift::Surge => return Self::Surge,
            Shift::Step => return Self::Step,
            Shift::None => {}
        }
        let limit = s.limit().unwrap_or(f64::INFINITY);
        let grows = r.growth.p50 > 0.0 && r.grown_for_s > GROWS_S && r.grown_by > GROWS_SHARE * limit;
        if !grows {
            return if r.known_range { Self::RiseAndFall } else { Self::Steady };
        }
        // A height that was left before is not where it warms up to.
        if r.levelled_off && !r.known_range {
            return Self::WarmUp;
        }
        match r.driver {
            Driver::OffHeap => Self::OffHeap,
            Driver::Stacks => Self::Goroutines,
            _ if r.known_range => Self::RiseAndFall,
            _ if r.acceleration > BENDS => Self::Exponential,
            _ if r.time_to_limit.is_some_and(|t| t.p50 < FAST_S) => Self::FastLeak,
            _ => Self::SlowLeak,
        }
    }
}
