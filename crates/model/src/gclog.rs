//! What a log tells of garbage collection (`oomph.gclog/1`). Plain data: sizes in bytes, times in seconds, shares from 0
//! to 1.

use crate::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`GcLog::schema`].
pub const GCLOG_SCHEMA: &str = "oomph.gclog/1";

/// What the runtime's lines in a log say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLog {
    /// [`GCLOG_SCHEMA`].
    pub schema: String,
    /// Version of oomph.
    pub oomph: String,
    /// The file; `-` is standard input.
    pub source: String,
    /// Bytes read, inflated.
    pub bytes: u64,
    /// Lines of text read.
    pub lines: u64,
    /// Processes with collections, in order of their first line.
    pub processes: Vec<GcLogProcess>,
    /// Processes that are not listed, there being too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_processes: u64,
    /// Lines of the runtime's, or pieces of such, that are not taken.
    pub broken: GcLogBroken,
    /// What is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Lines that are not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogBroken {
    /// How many.
    pub count: u64,
    /// By what they began as and why they are not taken, most first.
    pub reasons: Vec<GcLogBrokenReason>,
    /// Where the first ones stand.
    pub first: Vec<GcLogBrokenAt>,
}

/// Lines that are not taken for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogBrokenReason {
    /// `gc`, `pacer`, `scav`, `scan`.
    pub kind: String,
    /// Why, one sentence without a full stop.
    pub why: String,
    /// How many.
    pub count: u64,
}

/// A line that is not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogBrokenAt {
    /// As in [`GcLogBrokenReason::kind`].
    pub kind: String,
    /// As in [`GcLogBrokenReason::why`].
    pub why: String,
    /// Line of text, from 1.
    pub line: u64,
    /// Byte in the (inflated) log.
    pub offset: u64,
}

/// A collection and where its line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogInstant {
    /// Number of the collection since the start of the process.
    pub cycle: u32,
    /// Its end, seconds since the start of the process.
    pub at: f64,
    /// Line of text, from 1.
    pub line: u64,
    /// Byte in the (inflated) log.
    pub offset: u64,
}

/// The collections of one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogProcess {
    /// First collection seen.
    pub first: GcLogInstant,
    /// Last collection seen.
    pub last: GcLogInstant,
    /// Collections seen.
    pub cycles: u64,
    /// Collections from the first number seen to the last that have no line that could be taken.
    pub missing: u64,
    /// Those that the program forced (`runtime.GC`).
    pub forced: u64,
    /// Those that the runtime began because two minutes had passed.
    pub periodic: u64,
    /// Ps at the last collection.
    pub procs: u32,
    /// Seconds from the end of the first collection to the end of the last.
    pub seconds: f64,
    /// Collections per second in that time.
    pub cycles_per_second: f64,
    /// From the end of a collection to the end of the next.
    pub intervals: GcLogTimes,
    /// Stops of the world, two of each collection.
    pub pauses: GcLogTimes,
    /// The collection with the longest stop.
    pub longest_pause: GcLogInstant,
    /// Concurrent marking.
    pub marking: GcLogTimes,
    /// CPU time.
    pub cpu: GcLogCpu,
    /// Heap sizes.
    pub heap: GcLogHeap,
    /// What the program allocated, as far as the lines tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated: Option<GcLogAllocated>,
    /// How the live heap moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<GcLogTrend>,
    /// Between which collections the live heap grew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<GcLogGrowth>,
    /// What collecting costs, and would cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<GcLogCost>,
    /// Memory returned to the system (`scavtrace=1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scavenged: Option<GcLogScavenged>,
    /// What stands out, the gravest first.
    pub signals: Vec<GcLogSignal>,
    /// Some of the collections, evenly spread.
    pub series: Vec<GcLogPoint>,
}

/// Quantiles of times, to one per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogTimes {
    /// How many.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// One in a hundred is longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// Their sum.
    pub total: f64,
}

/// CPU time of the collections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogCpu {
    /// Share of all Ps in the time seen, idle workers left out, as the runtime counts.
    pub share: f64,
    /// The same as the last line has it: since the start of the process.
    pub share_since_start: f64,
    /// World stopped, all Ps.
    pub stopped: f64,
    /// Mark assists.
    pub assist: f64,
    /// Dedicated and fractional workers.
    pub background: f64,
    /// Workers on Ps with nothing else to do.
    pub idle: f64,
}

/// Heap sizes: smallest and largest of the lines, whole MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogHeap {
    /// At the start of a collection.
    pub before: GcLogRange,
    /// When marking ended.
    pub after: GcLogRange,
    /// Live: marked.
    pub live: GcLogRange,
    /// The goal.
    pub goal: GcLogRange,
    /// Scannable stacks.
    pub stacks: GcLogRange,
    /// Scannable globals.
    pub globals: GcLogRange,
}

/// A range of sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogRange {
    /// First.
    pub first: u64,
    /// Last.
    pub last: u64,
    /// Smallest.
    pub min: u64,
    /// Largest.
    pub max: u64,
}

/// What was allocated between collections that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogAllocated {
    /// Bytes.
    pub bytes: u64,
    /// Bytes per second.
    pub per_second: f64,
    /// GC CPU seconds per MiB allocated, idle workers included.
    pub cpu_seconds_per_mib: f64,
}

/// Slopes of the live heap (Theil-Sen), bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogTrend {
    /// Over all.
    pub per_second: f64,
    /// Over the earlier half of the time.
    pub early_per_second: f64,
    /// Over the later half.
    pub late_per_second: f64,
}

/// The shortest time in which most of the growth of the live heap happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogGrowth {
    /// The last collection before it.
    pub from: GcLogInstant,
    /// The first one after it.
    pub to: GcLogInstant,
    /// Live heap before.
    pub live_from: u64,
    /// Live heap after.
    pub live_to: u64,
    /// Largest growth between any two collections.
    pub total: u64,
    /// The window's share of the time seen.
    pub time_share: f64,
}

/// What collecting costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogCost {
    /// GOGC as the goals tell it.
    pub gogc: f64,
    /// GC CPU share of all Ps, idle workers included.
    pub cpu_share: f64,
    /// The mean live heap.
    pub live: u64,
    /// The mean goal.
    pub goal: u64,
    /// CPU seconds of a collection, idle workers included.
    pub cpu_seconds_per_cycle: f64,
    /// What would change it.
    pub changes: Vec<GcLogChange>,
}

/// A change and what it would do by the pacer's arithmetic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogChange {
    /// `gogc-double`, `half-garbage`, `half-pointers`.
    pub id: String,
    /// GC CPU share with the program allocating as much as now.
    pub cpu_share: f64,
    /// GC CPU share with the program using all CPU that becomes free.
    pub cpu_share_busy: f64,
    /// The goal.
    pub goal: u64,
    /// All that in a sentence.
    pub sentence: String,
}

/// Memory returned to the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogScavenged {
    /// Lines seen.
    pub lines: u64,
    /// Returned in the background; up to Go 1.20 all that was returned.
    pub background: u64,
    /// Returned by allocating goroutines.
    pub eager: u64,
    /// Heap memory that is returned, by the last line (up to Go 1.20: returned in all).
    pub released: u64,
}

/// Something that stands out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogSignal {
    /// `goal-trails`, `heap-jump`, `long-pause`, `assist-heavy`, `gc-storm`, `gc-rarer`, `forced-gc`, `gc-cpu`,
    /// `limit-bound`, `live-heap-grows`.
    pub id: String,
    /// How grave.
    pub severity: Severity,
    /// What was seen when it was worst, with the threshold it passed.
    pub summary: String,
    /// Collections at which it held.
    pub count: u64,
    /// The first of them.
    pub first: GcLogInstant,
    /// The worst.
    pub worst: GcLogInstant,
    /// The last.
    pub last: GcLogInstant,
}

/// A collection of the series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GcLogPoint {
    /// Number.
    pub cycle: u32,
    /// Its end, seconds since the start of the process.
    pub at: f64,
    /// Heap at its start.
    pub before: u64,
    /// Heap when marking ended.
    pub after: u64,
    /// Live heap.
    pub live: u64,
    /// The goal.
    pub goal: u64,
    /// Both stops.
    pub pause: f64,
    /// Line of text, from 1.
    pub line: u64,
}
