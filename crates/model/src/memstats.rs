//! The runtime's own counters, whichever door they came through.

use crate::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a [`MemStats`] was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemStatsSource {
    /// The `# runtime.MemStats` block of `/debug/pprof/heap?debug=1`.
    #[default]
    HeapText,
    /// `memstats` of `/debug/vars`.
    Expvar,
    /// `go_memstats_*` of `/metrics`.
    Prometheus,
}

/// `runtime.MemStats` (Go `src/runtime/mstats.go`), in bytes and counts. Counters that some door
/// does not show are `None`; all others are present in each of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemStats {
    /// The door.
    pub source: MemStatsSource,
    /// Bytes in allocated heap objects, live and not yet swept.
    pub heap_alloc: Bytes,
    /// Heap address space obtained from the system: `heap_idle + heap_inuse`.
    pub heap_sys: Bytes,
    /// Bytes in spans that hold no object, returned to the system or not.
    pub heap_idle: Bytes,
    /// Bytes in spans that hold at least one object.
    pub heap_inuse: Bytes,
    /// The part of `heap_idle` returned to the system.
    pub heap_released: Bytes,
    /// Allocated heap objects, live and not yet swept.
    pub heap_objects: u64,
    /// Bytes allocated since the start, freed ones included.
    pub total_alloc: Bytes,
    /// Everything obtained from the system: the sum of all `*_sys`.
    pub sys: Bytes,
    /// Allocations since the start.
    pub mallocs: u64,
    /// Frees since the start.
    pub frees: u64,
    /// Goroutine stack spans in use.
    pub stack_inuse: Bytes,
    /// `stack_inuse` plus thread stacks obtained from the system directly (cgo).
    pub stack_sys: Bytes,
    /// mspan structures in use.
    pub mspan_inuse: Bytes,
    /// Memory obtained for mspan structures.
    pub mspan_sys: Bytes,
    /// mcache structures in use.
    pub mcache_inuse: Bytes,
    /// Memory obtained for mcache structures.
    pub mcache_sys: Bytes,
    /// The profiler's bucket hash table.
    pub buck_hash_sys: Bytes,
    /// GC metadata.
    pub gc_sys: Bytes,
    /// Other runtime allocations.
    pub other_sys: Bytes,
    /// Heap size at which the next GC cycle is to finish (the goal).
    pub next_gc: Bytes,
    /// Completed GC cycles.
    pub num_gc: u64,
    /// Cycles the program forced by `runtime.GC()` (those of `heap?gc=1` included).
    pub num_forced_gc: Option<u64>,
    /// Share of the CPU time since the start that the GC took, 0 to 1.
    pub gc_cpu_fraction: Option<f64>,
    /// Sum of all stop-the-world pauses, nanoseconds.
    pub pause_total_ns: Option<u64>,
    /// The latest pauses, newest first, at most 256, nanoseconds.
    pub recent_pauses_ns: Vec<u64>,
    /// End of each of `recent_pauses_ns`, nanoseconds since 1970, newest first; may be empty.
    pub recent_pause_ends_ns: Vec<u64>,
    /// End of the last GC cycle, nanoseconds since 1970; 0 when there was none.
    pub last_gc_ns: u64,
    /// The kernel's high-water mark of the resident size (`MaxRSS`), heap text only.
    pub max_rss: Option<Bytes>,
    /// GOGC in per cent where published; `Some(-1)` is `off`.
    pub gogc_percent: Option<i64>,
    /// GOMEMLIMIT where published; `None` also when unlimited (`math.MaxInt64`).
    pub gomemlimit: Option<Bytes>,
}

impl MemStats {
    /// Sets the latest pauses and their ends from the runtime's circular buffers of 256, in which the most
    /// recent entry is at `(NumGC+255)%256`; buffers of another length are left out. Needs `num_gc`.
    pub fn set_recent(&mut self, pauses_ns: &[u64], ends_ns: &[u64]) {
        const RING: u64 = 256;
        let newest_first = |ring: &[u64]| -> Vec<u64> {
            let at = |back| (self.num_gc % RING + RING - 1 - back) % RING;
            let whole = ring.len() as u64 == RING;
            let count = if whole { self.num_gc.min(RING) } else { 0 };
            (0..count).filter_map(|back| ring.get(at(back) as usize).copied()).collect()
        };
        (self.recent_pauses_ns, self.recent_pause_ends_ns) = (newest_first(pauses_ns), newest_first(ends_ns));
    }

    /// Heap memory neither in use nor returned: `heap_idle - heap_released`.
    #[must_use]
    pub const fn heap_retained_idle(&self) -> Bytes {
        self.heap_idle.minus(self.heap_released)
    }

    /// Space inside spans that holds no object: `heap_inuse - heap_alloc`.
    #[must_use]
    pub const fn fragmentation(&self) -> Bytes {
        self.heap_inuse.minus(self.heap_alloc)
    }

    /// Memory of the runtime's own structures: mspan, mcache, bucket hash, GC, other.
    #[must_use]
    pub fn runtime_metadata(&self) -> Bytes {
        [self.mspan_sys, self.mcache_sys, self.buck_hash_sys, self.gc_sys, self.other_sys].into_iter().sum()
    }
}
