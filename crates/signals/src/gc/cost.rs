//! What garbage collection costs, and what it would cost with other settings or less garbage.
//!
//! A collection marks what is live, so its CPU time follows the live heap, stacks and globals; how many there are follows
//! what is allocated and the runway that the pacer leaves (Go `src/runtime/mgcpacer.go`, `commit`, 1.19 to 1.27):
//!
//! ```text
//! goal   = live + (live + stacks + globals) * GOGC / 100      at least 4 MiB * GOGC / 100
//! runway = goal - live
//! rate   = allocated per second / (runway * reach)
//! share  = rate * CPU of a collection / Ps
//! ```
//!
//! `reach` is how much of the runway is allocated in fact until a collection has ended (measured: marking may end before
//! the goal is met, or after). Assumed are: the CPU time of a collection follows the bytes it scans and does not depend
//! on GOGC; `reach` stays as it is; the program allocates as much per second as before (a service that is given its load)
//! or as much per second of its own CPU time (one that takes all CPUs). A memory limit that holds the goal down is
//! outside of this. Sweeping is not in what gctrace prints, and so not in here.

/// The smallest heap goal at GOGC=100, bytes (`heapMinimum`, mgcpacer.go: `4 << 20`).
pub const HEAP_MINIMUM: f64 = 4.0 * super::MIB;

/// What a program asks of the collector. Bytes, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GcLoad {
    /// Allocated per second.
    pub alloc_per_s: f64,
    /// Live heap.
    pub live: f64,
    /// Scannable stacks and globals.
    pub roots: f64,
    /// GOGC / 100.
    pub gogc: f64,
    /// CPU time of a collection, idle workers included.
    pub cpu_per_cycle_s: f64,
    /// Part of the runway that is allocated until a collection has ended.
    pub reach: f64,
    /// Ps.
    pub procs: f64,
}

/// What a [`GcLoad`] comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GcPredicted {
    /// The heap goal, bytes.
    pub goal: f64,
    /// Collections per second.
    pub cycles_per_s: f64,
    /// GC CPU as a share of all Ps.
    pub cpu_share: f64,
    /// The same, when the program takes what CPU it can get, and allocates with it.
    pub cpu_share_busy: f64,
    /// GC CPU seconds per MiB allocated.
    pub cpu_s_per_mib: f64,
}

impl GcLoad {
    /// The goal that the pacer sets.
    #[must_use]
    pub fn goal(&self) -> f64 {
        (self.live + (self.live + self.roots) * self.gogc).max(HEAP_MINIMUM * self.gogc)
    }

    /// What may be allocated from the end of a collection to the goal.
    #[must_use]
    pub fn runway(&self) -> f64 {
        self.goal() - self.live
    }

    fn cycles_per_s(&self) -> f64 {
        self.alloc_per_s / (self.runway() * self.reach)
    }

    fn share(&self) -> f64 {
        self.cycles_per_s() * self.cpu_per_cycle_s / self.procs
    }

    /// What `self` costs, having been changed from the measured `now`. `None` when the numbers say nothing.
    #[must_use]
    pub fn predicted(&self, now: &Self) -> Option<GcPredicted> {
        let (share, before) = (self.share(), now.share());
        let cycles_per_s = self.cycles_per_s();
        let sane = [share, before, cycles_per_s].iter().all(|v| v.is_finite() && *v >= 0.0);
        if !sane || before >= 1.0 || before <= 0.0 {
            return None;
        }
        // All CPU: share / (1 - share) is GC time per own time, and follows the GC time per byte.
        let odds = before / (1.0 - before) * share / before;
        let own = self.cpu_per_cycle_s / (self.runway() * self.reach);
        Some(GcPredicted {
            goal: self.goal(),
            cycles_per_s,
            cpu_share: share.min(1.0),
            cpu_share_busy: odds / (1.0 + odds),
            cpu_s_per_mib: own * super::MIB,
        })
    }

    /// With another GOGC (200 is 2.0).
    #[must_use]
    pub fn with_gogc(self, gogc: f64) -> Self {
        Self { gogc, ..self }
    }

    /// With this share of what is allocated.
    #[must_use]
    pub fn with_allocation(self, share: f64) -> Self {
        Self { alloc_per_s: self.alloc_per_s * share, ..self }
    }

    /// With this share of the bytes to scan in the live heap, its size being what it is: pointers gone, not bytes.
    /// `scanned` is what a collection scans now, roots included.
    #[must_use]
    pub fn with_scanned(self, scanned: f64, share: f64) -> Self {
        let heap = (scanned - self.roots).max(0.0);
        let rest = if scanned > 0.0 { (heap * share + self.roots.min(scanned)) / scanned } else { 1.0 };
        Self { cpu_per_cycle_s: self.cpu_per_cycle_s * rest, ..self }
    }
}

/// GOGC / 100 that a goal tells of, given what was live and what had to be scanned besides before it was set. `None`
/// where the heap is so small that the minimum decides.
#[must_use]
pub fn gogc_of_goal(goal: f64, live: f64, roots: f64) -> Option<f64> {
    let gogc = (goal - live) / (live + roots);
    (gogc.is_finite() && gogc > 0.0 && live + roots > 0.0 && goal > HEAP_MINIMUM * gogc * 1.25).then_some(gogc)
}

#[cfg(test)]
mod tests {
    use super::super::MIB;
    use super::*;

    fn load() -> GcLoad {
        GcLoad {
            alloc_per_s: 310.0 * MIB,
            live: 100.0 * MIB,
            roots: 0.0,
            gogc: 1.0,
            cpu_per_cycle_s: 0.2,
            reach: 1.0,
            procs: 2.0,
        }
    }

    #[test]
    fn follows_the_pacer() {
        let now = load();
        let p = now.predicted(&now).unwrap();
        assert!((p.cpu_share - 0.31).abs() < 1e-9 && (p.cpu_share_busy - 0.31).abs() < 1e-9, "{p:?}");
        assert_eq!(p.goal, 200.0 * MIB);
        let twice = now.with_gogc(2.0).predicted(&now).unwrap();
        assert!((twice.cpu_share - 0.155).abs() < 1e-9, "{twice:?}");
        assert_eq!(twice.goal, 300.0 * MIB);
        // 0.31 / 0.69 halved is 0.2246 to 1.
        assert!((twice.cpu_share_busy - 0.2246 / 1.2246).abs() < 1e-4, "{twice:?}");
        let half = now.with_allocation(0.5).predicted(&now).unwrap();
        assert!((half.cpu_share - 0.155).abs() < 1e-9);
        assert_eq!(half.cpu_s_per_mib, p.cpu_s_per_mib);
        let flat = now.with_scanned(50.0 * MIB, 0.5).predicted(&now).unwrap();
        assert!((flat.cpu_share - 0.155).abs() < 1e-9 && flat.goal == p.goal);
    }

    #[test]
    fn small_heaps_have_the_minimum() {
        let small = GcLoad { live: MIB, ..load() };
        assert_eq!(small.goal(), 4.0 * MIB);
        assert_eq!(small.with_gogc(2.0).goal(), 8.0 * MIB);
        assert_eq!(gogc_of_goal(4.0 * MIB, MIB, 0.0), None);
        assert!((gogc_of_goal(200.0 * MIB, 100.0 * MIB, 0.0).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(gogc_of_goal(f64::NAN, 1.0, 0.0), None);
    }

    #[test]
    fn nothing_measured_nothing_said() {
        let none = GcLoad { reach: 0.0, ..load() };
        assert_eq!(none.predicted(&load()), None);
        let idle = GcLoad { alloc_per_s: 0.0, ..load() };
        assert_eq!(idle.predicted(&idle), None);
    }
}
