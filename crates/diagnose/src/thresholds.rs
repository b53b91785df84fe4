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
    /// Bytes by which the heap exceeds its goal when marking ends, from which allocation outran the collector. The goal
    /// of a small heap is passed by some MiB all the time: spans are handed out whole.
    pub gc_goal_trail_bytes: f64,
    /// Factor by which the live heap rises with nothing released, from which it is a jump. With GOGC=100 a single
    /// collection at most doubles it, so two have to agree.
    pub gc_jump_factor: f64,
    /// Share of the heap that a collection must free to have released something.
    pub gc_released_share: f64,
    /// How many median stops a stop must last to stand out, when it is also as long as `gc-pause-p99-s`.
    pub gc_pause_factor: f64,
    /// Share of assists in the CPU time of assists and background workers, from which those who allocate pay for the
    /// collector. The pacer aims at none: background workers are to have 25 % of all Ps to themselves.
    pub gc_assist_share: f64,
    /// Factor by which collections become more frequent from which it is a storm, or rarer.
    pub gc_rate_factor: f64,
    /// Collections per second below which no rate is a storm.
    pub gc_rate_per_s: f64,
    /// Runway (goal less live heap) as a share of the live heap below which a memory limit holds the goal down, when it
    /// is also less than half of what it was. GOGC alone keeps it at GOGC / 100.
    pub gc_limit_runway: f64,
    /// Share of the live heap that it must gain in the later half of a GC log to be called growing.
    pub gc_live_growth_share: f64,
    /// Share of its running time that a group of goroutines spends in mark assists, from which it pays a tax. A service
    /// with room for its garbage stays below 0.03.
    pub assist_tax_share: f64,
    /// Seconds that goroutines wait for a lock from which it is a stall.
    pub stall_seconds: f64,
    /// Share of the CPU samples of who holds a lock that must lie inside the growth of a map.
    pub stall_map_share: f64,
    /// Share of the time in which collections mark, from which one follows the other.
    pub spiral_mark_share: f64,
    /// Share of the processors that the collector then takes: a quarter is what its workers get while it marks, half is
    /// where the limiter holds it.
    pub spiral_cpu_share: f64,
    /// Processor milliseconds of marking for each MiB of live heap from which it is made of pointers. Arrays without
    /// pointers take 0.05 and less, trees of small nodes 0.5 to 2.
    pub mark_ms_per_mib: f64,
    /// Live heap below which marking is cheap whatever it is made of.
    pub mark_heap_bytes: f64,
    /// 99th percentile of the time that goroutines wait for a processor, seconds, from which they starve. One slice of
    /// the scheduler is 10 ms.
    pub starvation_seconds: f64,
    /// Share of GOMEMLIMIT that non-releasable memory must reach.
    pub memory_limit_share: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        const MIB: f64 = 1024.0 * 1024.0;
        let gc = signals::GcThresholds::default();
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
            gc_cpu_fraction: gc.cpu_share,
            gc_pause_p99_s: gc.pause_s,
            forced_gc_per_minute: gc.forced_per_minute,
            gc_goal_trail_bytes: gc.goal_trail_bytes,
            gc_jump_factor: gc.jump_factor,
            gc_released_share: gc.released_share,
            gc_pause_factor: gc.pause_factor,
            gc_assist_share: gc.assist_share,
            gc_rate_factor: gc.rate_factor,
            gc_rate_per_s: gc.rate_per_s,
            gc_limit_runway: gc.limit_runway,
            gc_live_growth_share: 0.1,
            assist_tax_share: 0.08,
            stall_seconds: 0.02,
            stall_map_share: 0.25,
            spiral_mark_share: 0.6,
            spiral_cpu_share: 0.2,
            mark_ms_per_mib: 0.5,
            mark_heap_bytes: 128.0 * MIB,
            starvation_seconds: 0.01,
            memory_limit_share: 0.85,
        }
    }
}

impl Thresholds {
    /// All thresholds with their defaults as TOML, each under the comment it has in this file.
    #[must_use]
    pub fn documented() -> String {
        let defaults = serde_json::to_value(Self::default()).unwrap_or_default();
        let mut out = String::from("[thresholds]\n");
        let mut comment = String::new();
        for line in include_str!("thresholds.rs").lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("/// ") {
                comment.push_str(&format!("# {text}\n"));
                continue;
            }
            if let Some(name) = line.strip_prefix("pub ").and_then(|l| l.strip_suffix(": f64,")) {
                let key = name.replace('_', "-");
                let value = defaults.get(&key).and_then(serde_json::Value::as_f64).unwrap_or_default();
                out.push_str(&format!("\n{comment}{key} = {value:?}\n"));
            }
            comment.clear();
        }
        out
    }
}
