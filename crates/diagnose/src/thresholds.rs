//! Every threshold of every rule, in one place, each with its reason. Settable in `oomph.toml`
//! under `[thresholds]`.

use serde::{Deserialize, Serialize};

/// Thresholds. Bytes, seconds and fractions (0 to 1) unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Thresholds {
    /// Standard deviations a site's growth must stand above its sampling noise. 3: one false alarm
    /// in 700 sites tested, before any other evidence is asked.
    pub growth_z: f64,
    /// Growth below this many bytes per second is not reported as a leak. 16 KiB/s is 1.3 GiB a day.
    pub growth_bytes_per_s: f64,
    /// Growth within the window below this share of the live heap is not reported.
    pub growth_share_of_live: f64,
    /// Confidence from which a finding may carry the verdict.
    pub verdict_confidence: f64,
    /// Seconds between first and last sample below which nothing is called healthy: a few collections and a
    /// few hundred requests must have had time to happen.
    pub healthy_seconds: f64,
    /// A goroutine group smaller than this at the end is not looked at.
    pub goroutine_min: f64,
    /// Goroutines a group must gain per minute.
    pub goroutines_per_minute: f64,
    /// Minutes after which a large waiting group is worth a note even when it does not grow.
    pub goroutine_wait_minutes: f64,
    /// Bytes per second allocated by one function, dead again at once, from which it is churn.
    pub churn_bytes_per_s: f64,
    /// Share of all allocation such a function must have.
    pub churn_share: f64,
    /// GC cycles per second (ours left out) from which churn costs enough to be named.
    pub churn_gc_per_s: f64,
    /// Bytes per second read whole under a handler.
    pub body_bytes_per_s: f64,
    /// Bytes in use by bodies read whole.
    pub body_inuse_bytes: f64,
    /// Share of RSS that idle heap must keep in every sample.
    pub idle_share: f64,
    /// Share of the heap in use that fragmentation must keep in every sample.
    pub fragmentation_share: f64,
    /// Share of RSS of goroutine stacks.
    pub stack_share: f64,
    /// Share of RSS outside Go.
    pub off_heap_share: f64,
    /// Smallest absolute size of any of the four above that matters.
    pub rss_part_bytes: f64,
    /// Bytes that a container must waste (capacity for entries that are gone, arrays that are pinned, copies)
    /// before a finding says so.
    pub heap_waste_bytes: f64,
    /// Share of the live heap that they must be.
    pub heap_waste_share: f64,
    /// Share of the live heap from which such a finding is of medium severity, when it is also as large as
    /// `rss-part-bytes`.
    pub heap_waste_medium_share: f64,
    /// Entries per slot below which a map or an array is called emptied. A map that doubled is at least 0.4 full, a
    /// slice that append grew at least 0.5.
    pub ghost_fill: f64,
    /// Entries from which a map of pointers to small values is worth another form: each is an object that the
    /// collector marks.
    pub pointer_map_entries: f64,
    /// Largest such value, in bytes.
    pub pointer_map_value_bytes: f64,
    /// Nodes of a list or depth of a tree from which the collector has to chase it.
    pub chain_nodes: f64,
    /// Timers of one callback from which they pile up.
    pub timers: f64,
    /// Buckets of the longest overflow chain from which a classic map's hash is skewed. A full map has 0.8 entries
    /// a bucket on average in overflow; chains above 4 do not come about by chance.
    pub overflow_chain: f64,
    /// Share of the live heap that one holder must retain to be named where no rule fits (Eclipse MAT takes 0.2).
    pub suspect_share: f64,
    /// GC CPU share from which there is pressure. GOGC=100 with a normal load stays below 0.1.
    pub gc_cpu_fraction: f64,
    /// 99th percentile of stop-the-world pauses, seconds.
    pub gc_pause_p99_s: f64,
    /// Forced cycles per minute by the program itself. One every five seconds; a batch job that collects once
    /// after itself stays below.
    pub forced_gc_per_minute: f64,
    /// Share of GOMEMLIMIT that non-releasable memory must reach.
    pub memory_limit_share: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        const MIB: f64 = 1024.0 * 1024.0;
        Self {
            growth_z: 3.0,
            growth_bytes_per_s: 16.0 * 1024.0,
            growth_share_of_live: 0.01,
            verdict_confidence: 0.7,
            healthy_seconds: 5.0,
            goroutine_min: 20.0,
            goroutines_per_minute: 10.0,
            goroutine_wait_minutes: 10.0,
            churn_bytes_per_s: 48.0 * MIB,
            churn_share: 0.35,
            churn_gc_per_s: 0.5,
            body_bytes_per_s: 8.0 * MIB,
            body_inuse_bytes: 32.0 * MIB,
            idle_share: 0.4,
            fragmentation_share: 0.35,
            stack_share: 0.25,
            off_heap_share: 0.25,
            rss_part_bytes: 64.0 * MIB,
            heap_waste_bytes: 4.0 * MIB,
            heap_waste_share: 0.02,
            heap_waste_medium_share: 0.2,
            ghost_fill: 0.25,
            pointer_map_entries: 50_000.0,
            pointer_map_value_bytes: 128.0,
            chain_nodes: 50_000.0,
            timers: 5_000.0,
            overflow_chain: 8.0,
            suspect_share: 0.2,
            gc_cpu_fraction: 0.15,
            gc_pause_p99_s: 0.010,
            forced_gc_per_minute: 12.0,
            memory_limit_share: 0.85,
        }
    }
}
