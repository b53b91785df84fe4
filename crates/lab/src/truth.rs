//! What is known of a specimen: beforehand (`truth.json`) and while it runs (`GET /truth`).
//! Mirrors `lab/internal/truth/truth.go`. Refuses unknown fields in `truth.json`; ignores them in
//! a running specimen's answer.

use model::{Mechanism, SiteRole, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A specimen's `truth.json`: what a right diagnosis says of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Name of the specimen: its folder.
    pub specimen: String,
    /// What it does, a sentence or two.
    pub summary: String,
    /// The fault in kebab-case; `None` for a healthy one.
    pub fault: Option<String>,
    /// Acceptable verdicts on its memory, the best first; none for a specimen of time.
    #[serde(default)]
    pub verdict: Vec<Verdict>,
    /// Rule of the first finding; `None` when no finding above "low" is right.
    pub rule: Option<String>,
    /// The line to find.
    pub culprit: Option<Culprit>,
    /// Further lines that belong to the fault (the insert beside the allocation, the `go`
    /// statement of the goroutine that blocks).
    #[serde(default)]
    pub sites: Vec<Culprit>,
    /// Acceptable mechanisms of the finding.
    #[serde(default)]
    pub mechanism: Vec<Mechanism>,
    /// Arguments to start it with.
    #[serde(default)]
    pub args: Vec<String>,
    /// How long to observe or trace for a clear answer, seconds, once the phase is steady.
    pub observe_seconds: u32,
    /// A healthy specimen that looks like it.
    pub healthy_twin: Option<String>,
    /// A function of the goroutines that pay for the fault without causing it.
    #[serde(default)]
    pub victim: Option<String>,
    /// Rules whose findings beside the first do not contradict it.
    #[serde(default)]
    pub also: Vec<String>,
    /// It has several faults at once, and its own count is of all of them: it is left out where specimens
    /// are held against one culprit.
    #[serde(default)]
    pub several: bool,
    /// How its memory grows: of a specimen of growth (`lab/watch`) alone.
    #[serde(default)]
    pub growth: Option<Growth>,
}

/// What is planned of a specimen of growth, with any seed, at any limit of its control group that it was told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// The course of its memory in a word: `linear`, `stepwise`, `diurnal`.
    pub shape: String,
    /// Nothing is wrong with it: a warning would be a false alarm.
    pub healthy: bool,
    /// The kernel ends it at its limit.
    pub ends_by_oom: bool,
    /// Type of the container that holds what grows, as a reader of its heap would say it.
    pub container: Option<String>,
    /// From the beginning of growth to the kill, seconds: the least and the most there is with any seed.
    pub seconds_to_limit: Option<(u32, u32)>,
    /// How long to run it: all of its behaviour is then seen, or it lives although it should not.
    pub seconds: u32,
}

/// A line of a specimen's source, found by the comment at its end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Culprit {
    /// What the line does; `Allocates` when not said.
    #[serde(default = "allocates")]
    pub role: SiteRole,
    /// Full function name as the linker has it.
    pub function: String,
    /// Path inside the lab module.
    pub file: String,
    /// The comment that ends the line.
    pub marker: String,
}

const fn allocates() -> SiteRole {
    SiteRole::Allocates
}

/// A running specimen's own account; all counts are exact unless `lab/internal/truth` says not.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Truth {
    /// Name of the specimen.
    pub specimen: String,
    /// Its process id.
    pub pid: u32,
    /// `runtime.Version()`.
    pub go_version: String,
    /// Seconds since its start.
    pub uptime_seconds: f64,
    /// Requests of its load generator that ended.
    pub requests: u64,
    /// Of these, failed ones.
    pub failed: u64,
    /// The median of how long its load generator's last few hundred requests took, milliseconds.
    #[serde(default)]
    pub request_p50_ms: f64,
    /// Their 99th percentile.
    #[serde(default)]
    pub request_p99_ms: f64,
    /// The longest of them.
    #[serde(default)]
    pub request_max_ms: f64,
    /// Entries held by the container in question.
    pub entries: u64,
    /// Heap bytes held by the fault: objects rounded to size classes, and structure.
    pub held_bytes: u64,
    /// Of these, what the culprit line allocated.
    pub culprit_bytes: u64,
    /// Of these, the container's own (map tables, slice array); partly computed.
    pub structure_bytes: u64,
    /// All bytes the culprit line has allocated so far, dead ones included.
    pub allocated_bytes: u64,
    /// Goroutines leaked, or parked by design.
    pub goroutines: u64,
    /// Bytes mapped outside the Go heap.
    pub off_heap_bytes: u64,
    /// It stopped growing at `-max-mib`.
    pub capped: bool,
    /// Whether it shows its steady behaviour.
    pub phase: Phase,
    /// What else it measures of its fault, by name; the unit ends the name (`copy_max_ms`).
    #[serde(default)]
    pub measures: BTreeMap<String, f64>,
    /// Culprit first, then the further lines.
    pub sites: Vec<TruthSite>,
    /// After a full collection (`truth_after_gc`): `MemStats.HeapAlloc`; else 0.
    #[serde(default)]
    pub heap_alloc: u64,
    /// After a full collection: `MemStats.StackInuse`; else 0.
    #[serde(default)]
    pub stack_inuse: u64,
    /// After a full collection: `MemStats.NumGC`; else 0.
    #[serde(default)]
    pub num_gc: u32,
}

/// A second of truth: what a specimen of growth prints on its stdout while it lives. Mirrors
/// `lab/internal/growth/growth.go`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct TruthLine {
    /// When, in milliseconds of Unix time.
    pub at_ms: i64,
    /// `calm`: growth has not begun; `growing`; `level`: what is held stays, but for what comes and goes.
    pub phase: GrowthPhase,
    /// Heap bytes held by what grows: objects rounded to size classes, and structure.
    pub held_bytes: u64,
    /// Of these, what the culprit line allocated; for goroutines their stacks.
    pub culprit_bytes: u64,
    /// Bytes written in mappings outside the Go heap.
    pub off_heap_bytes: u64,
    /// Entries of the container in question.
    pub entries: u64,
    /// All goroutines.
    pub goroutines: u64,
}

/// Phase of a specimen of growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrowthPhase {
    /// Nothing has begun to grow yet.
    Calm,
    /// What is held grows.
    Growing,
    /// What is held stays, but for what comes and goes.
    Level,
}

/// Phase of a running specimen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What it holds still changes by design (a cache fills): not a state to judge.
    Warming,
    /// The behaviour it stands for.
    Steady,
}

/// A line as the running specimen knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TruthSite {
    /// What the line does.
    pub role: SiteRole,
    /// Full function name as the runtime has it.
    pub function: String,
    /// File as the compiler recorded it.
    pub file: String,
    /// Line, from 1; 0 when the marker was not found.
    pub line: u32,
}

/// What one of several containers holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Leak {
    /// Path from a global variable, or `goroutine FUNCTION`.
    pub name: String,
    /// `map`, `list`, `goroutine`.
    pub kind: String,
    /// Entries, elements, goroutines.
    pub entries: u64,
    /// Bytes on the heap, rounded to size classes.
    pub held_bytes: u64,
}
