//! The live heap of one sample: objects that the last GC cycle found reachable.
//!
//! No counter publishes it by default. `HeapAlloc` right after a cycle is it, but for what was made
//! since; the heap profile is it, but for sampling noise; the heap goal is computed from it, but
//! GOGC must be known and nothing else have set the goal. A service with many cycles a second is never
//! caught right after one, so there the goal is taken, once the profile or other readings of the
//! counters show that it can be. Owns this choice and its thresholds; knows nothing of resident memory.

use crate::context::gogc_of;
use bundle::SampleFacts;
use model::{Bytes, MemStats};

/// `heapMinimum` of `src/runtime/mgcpacer.go` at GOGC=100: below it the goal says nothing of the live heap.
const HEAP_MINIMUM: u64 = 4 << 20;
/// Without a cycle of ours, a live heap from the goal is doubted when it is this many times the heap
/// profile, or less than its inverse: GOGC is then not what was assumed, or a memory limit sets the goal.
const GOAL_DOUBT: f64 = 1.5;
/// `HeapAlloc` read after a cycle that is this many times the live heap of that cycle includes what was
/// made since, or what a further cycle has not swept yet. Goal and profile agree when they differ by
/// no more than this either way.
const MADE_SINCE: f64 = 1.25;
/// GOGC is as assumed when the reading that tells it best comes to no less than this share of it, nor to
/// more than the inverse. At either end the live heap would be told a tenth off.
const GOGC_SHOWN: f64 = 0.8;
/// Or when they differ by no more than the sampling noise of the profile explains: two standard deviations.
const AGREE_SD: f64 = 2.0;
/// From this share of GOMEMLIMIT the limit may have set the goal (the pacer keeps 3 % of it free).
const NEAR_LIMIT: f64 = 0.9;

/// The live heap and how it was found.
pub(super) struct Live {
    pub(super) bytes: u64,
    pub(super) note: String,
}

impl Live {
    fn new(bytes: u64, m: &MemStats, note: impl Into<String>) -> Self {
        Self { bytes: bytes.min(m.heap_alloc.0), note: note.into() }
    }

    /// Live bytes, at most `HeapAlloc` of `m`. `globals` are the bytes of the executable's data, 0 when
    /// not known; `gogc` is what [`least_gogc`] told.
    pub(super) fn of(sample: &SampleFacts, m: &MemStats, globals: u64, gogc: Option<f64>) -> Self {
        let profile = InUse::of(sample);
        if let Some(after) = sample.memstats_after_gc.as_ref().map(|a| &a.value) {
            let counted = after.heap_alloc.0;
            return match made_since(after, profile.as_ref(), globals, gogc) {
                Some(live) => {
                    let note = format!(
                        "{}; HeapAlloc read after the GC cycle ({}) holds garbage made since",
                        goal_note(after),
                        Bytes(counted)
                    );
                    Self::new(live, m, note)
                }
                None => Self::new(counted, m, "HeapAlloc right after a GC cycle"),
            };
        }
        match (live_from_goal(m, globals), profile) {
            (Some(goal), Some(p)) if p.bytes > HEAP_MINIMUM && p.differs(goal, GOAL_DOUBT) => {
                let percent = m.gogc_percent.unwrap_or(100);
                let note = format!("in-use bytes of the heap profile (the GC goal does not fit GOGC={percent})");
                Self::new(p.bytes, m, note)
            }
            (Some(goal), _) => Self::new(goal, m, goal_note(m)),
            (None, Some(p)) => Self::new(p.bytes, m, "in-use bytes of the heap profile"),
            (None, None) => Self::new(m.heap_alloc.0, m, "HeapAlloc: live objects and garbage are not told apart"),
        }
    }
}

/// Bytes in use by a heap profile, with their sampling noise.
struct InUse {
    bytes: u64,
    sd: f64,
}

impl InUse {
    fn of(sample: &SampleFacts) -> Option<Self> {
        let stacks = &sample.heap.as_ref()?.value.stacks;
        let bytes = stacks.iter().map(|s| u64::try_from(s.inuse_bytes).unwrap_or(0)).fold(0, u64::saturating_add);
        Some(Self { bytes, sd: stacks.iter().map(|s| s.inuse_variance.max(0.0)).sum::<f64>().sqrt() })
    }

    /// Whether `other` is more than `factor` times these bytes, or less than the inverse.
    fn differs(&self, other: u64, factor: f64) -> bool {
        let ratio = other as f64 / self.bytes as f64;
        !(1.0 / factor..=factor).contains(&ratio)
    }

    fn agrees(&self, goal: u64) -> bool {
        !self.differs(goal, MADE_SINCE) || (goal as f64 - self.bytes as f64).abs() <= AGREE_SD * self.sd
    }
}

/// The live heap by the goal, where `HeapAlloc` read after our cycle is too high: either the
/// profile of that cycle agrees with the goal and not with `HeapAlloc`, or GOGC is shown to be what the
/// goal is solved with, so that the goal is exact.
fn made_since(after: &MemStats, profile: Option<&InUse>, globals: u64, gogc: Option<f64>) -> Option<u64> {
    let goal = live_from_goal(after, globals)?;
    let exceeds = |live: u64| after.heap_alloc.0 as f64 > MADE_SINCE * live as f64;
    let profiled = profile.is_some_and(|p| p.bytes > 0 && exceeds(p.bytes) && p.agrees(goal));
    let assumed = after.gogc_percent.unwrap_or(100) as f64;
    let shown = exceeds(goal) && gogc.is_some_and(|g| (GOGC_SHOWN..=1.0 / GOGC_SHOWN).contains(&(g / assumed)));
    (goal < after.heap_alloc.0 && (profiled || shown)).then_some(goal)
}

/// GOGC by the counters, rather too low than too high: `HeapAlloc` is never below the live heap from which
/// the goal was computed, so each reading gives a least value, and the one taken soonest after a
/// cycle the nearest. `None` where no goal depends on GOGC.
pub(super) fn least_gogc(samples: &[SampleFacts]) -> Option<f64> {
    let readings = samples.iter().flat_map(|s| [&s.memstats, &s.memstats_after_gc]).flatten().map(|m| &m.value);
    let told = readings.filter(|m| live_from_goal(m, 0).is_some());
    told.filter_map(|m| gogc_of(m.heap_alloc.0 as f64, m)).max_by(f64::total_cmp)
}

fn goal_note(m: &MemStats) -> String {
    match m.gogc_percent {
        Some(p) => format!("from the GC goal (NextGC) at GOGC={p}"),
        None => "from the GC goal (NextGC), taking GOGC as 100".to_owned(),
    }
}

/// `goal = live + (live + stacks + globals) * GOGC/100` (`src/runtime/mgcpacer.go`, Go 1.18+),
/// solved for `live`. `None` where the goal does not depend on it: GOGC=off, the heap minimum, or a
/// memory limit that is near.
fn live_from_goal(m: &MemStats, globals: u64) -> Option<u64> {
    let percent = u64::try_from(m.gogc_percent.unwrap_or(100)).ok()?;
    let minimum = HEAP_MINIMUM.saturating_mul(percent) / 100;
    let goal = m.next_gc.0;
    // A goal at the top of the number range is GOGC=off.
    if percent == 0 || goal <= minimum.saturating_add(minimum / 16) || goal > 1 << 62 || limit_may_set_goal(m) {
        return None;
    }
    let roots = u128::from(m.stack_inuse.0) + u128::from(globals);
    let percent = u128::from(percent);
    let live = u128::from(goal).saturating_mul(100).saturating_sub(roots * percent) / (100 + percent);
    u64::try_from(live).ok().filter(|&l| l > 0)
}

/// Whether GOMEMLIMIT may have lowered the goal (`memoryLimitHeapGoal` of `src/runtime/mgcpacer.go`): the
/// goal with all that is not heap, or what is mapped now, comes near the limit.
fn limit_may_set_goal(m: &MemStats) -> bool {
    let Some(limit) = m.gomemlimit else { return false };
    let others = m.sys.minus(m.heap_sys).0;
    let mapped = m.sys.minus(m.heap_released).0;
    m.next_gc.0.saturating_add(others).max(mapped) as f64 >= NEAR_LIMIT * limit.0 as f64
}
