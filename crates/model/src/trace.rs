//! What an execution trace tells (`oomph.trace/1`). Plain data: times in nanoseconds, those of instants from the trace's
//! first event on; sizes in bytes; shares from 0 to 1.

use crate::{Checked, Finding, Frame, Mechanism};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`TraceDocument::schema`].
pub const TRACE_SCHEMA: &str = "oomph.trace/1";

/// What was made of one trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceDocument {
    /// [`TRACE_SCHEMA`].
    pub schema: String,
    /// Version of oomph.
    pub oomph: String,
    /// The file.
    pub source: String,
    /// Version of the format: `1.26`.
    pub format: String,
    /// Events.
    pub events: u64,
    /// Generations.
    pub generations: u64,
    /// From the first event to the last.
    pub duration_ns: u64,
    /// Most procs that ran at the same time; `GOMAXPROCS` where the trace tells it.
    pub procs: u64,
    /// Garbage collection.
    pub gc: TraceGc,
    /// Stopped worlds.
    pub stw: TraceStw,
    /// How long goroutines that could run waited for a processor.
    pub latency: TraceLatency,
    /// Least share of the processors that was left to the program, by length of the window.
    pub mmu: Vec<TraceMmu>,
    /// Goroutines by the function they began with, most running time first.
    pub goroutines: Vec<TraceGoroutines>,
    /// Groups of goroutines that are not listed.
    pub more_goroutines: u64,
    /// Where goroutines waited, the longest first.
    pub blocking: Vec<TraceBlocking>,
    /// Heap growth from the end of one collection to the end of the next, and who ran when it grew.
    pub growth: Vec<TraceGrowth>,
    /// Lines that allocated meanwhile, those that allocated most first: from the heap profiles before and after the trace,
    /// else from CPU samples inside allocations, else from mark assists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocated: Vec<TraceAllocated>,
    /// CPU profile samples, which a trace has when a CPU profile ran at the same time.
    pub cpu: TraceCpu,
    /// What the program says of itself: tasks, regions, logs of `runtime/trace`.
    pub user: TraceUser,
    /// What the rules made of it, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the rules looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<Checked>,
    /// What is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

impl TraceDocument {
    /// Leaves at most `rows` rows in each table that people read.
    pub fn shorten(&mut self, rows: usize) {
        self.more_goroutines += self.goroutines.len().saturating_sub(rows) as u64;
        self.goroutines.truncate(rows);
        self.blocking.truncate(rows);
        self.stw.longest.truncate(rows);
        self.latency.longest.truncate(rows);
        self.allocated.truncate(rows);
        self.cpu.stacks.truncate(rows);
        self.user.tasks.truncate(rows);
        self.user.regions.truncate(rows);
        self.user.logs.truncate(rows);
    }
}

/// Garbage collection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceGc {
    /// Concurrent mark phases, those included that the trace begins or ends in.
    pub cycles: Vec<TraceCycle>,
    /// Cycles that are not listed.
    pub more_cycles: u64,
    /// Time in which some cycle marked.
    pub mark_ns: u64,
    /// Time that background workers ran but for idle ones, without stopped worlds. More than the processor time that
    /// the runtime counts: ending a cycle is in it, and that the kernel let the thread wait.
    pub background_ns: u64,
    /// Time that goroutines ran in mark assists, without stopped worlds.
    pub assist_ns: u64,
    /// Mark assists.
    pub assists: u64,
    /// Time in sweeps within allocations.
    pub sweep_ns: u64,
    /// Share of all processors' time that background workers, assists and stopped worlds took.
    pub cpu_share: f64,
    /// Heap in use and goal over time: at most a few hundred points, peaks kept.
    pub heap: Vec<TraceHeapPoint>,
}

/// One concurrent mark phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceCycle {
    /// When it began; 0 when before the trace.
    pub start_ns: u64,
    /// How long it took, as far as the trace shows.
    pub duration_ns: u64,
    /// Whether its beginning and end are in the trace.
    pub whole: bool,
    /// Heap in use when it began; 0 where not known.
    pub heap_at_start: u64,
    /// Heap in use when it ended, what was marked and what was allocated meanwhile; 0 where not known.
    pub heap_at_end: u64,
    /// Heap goal when it began; 0 where not known.
    pub goal: u64,
    /// Time that goroutines ran in mark assists meanwhile.
    pub assist_ns: u64,
    /// Time that background workers but for idle ones ran meanwhile.
    pub background_ns: u64,
    /// Time that idle processors marked meanwhile.
    pub idle_ns: u64,
}

/// Heap at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceHeapPoint {
    /// When.
    pub at_ns: u64,
    /// Heap in use.
    pub heap: u64,
    /// Goal.
    pub goal: u64,
}

/// Stopped worlds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceStw {
    /// By reason, most time first.
    pub reasons: Vec<TraceStwReason>,
    /// The longest ones, the longest first.
    pub longest: Vec<TraceStwWindow>,
}

/// Stopped worlds of one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceStwReason {
    /// The runtime's word: `GC mark termination`.
    pub reason: String,
    /// How many.
    pub times: TraceTimes,
}

/// One stopped world: from the request to stop to the restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceStwWindow {
    /// When it began.
    pub start_ns: u64,
    /// How long.
    pub duration_ns: u64,
    /// The runtime's word.
    pub reason: String,
    /// The goroutine that asked for it; -1 for none.
    pub goroutine: i64,
    /// What the goroutine that asked for it did, innermost first.
    pub stack: Vec<Frame>,
    /// Goroutines that ran when it began, beside the one that asked for it, by the function they began with.
    pub running: Vec<String>,
    /// Goroutines that could run and waited for a processor when it began.
    pub runnable: u64,
    /// Of the goroutines that ran when it began, those that a CPU sample or the place where they stopped shows in a
    /// write to a map.
    pub in_map_write: u64,
    /// The goroutine that was the last to stop: the world waited for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<TraceStopper>,
}

/// The goroutine that was the last to stop before the world stood still.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceStopper {
    /// Which one.
    pub goroutine: i64,
    /// The function that it began with.
    pub function: String,
    /// How long after the request to stop.
    pub after_ns: u64,
    /// Where it stopped, innermost first: the first place after what could not be interrupted.
    pub stack: Vec<Frame>,
    /// Where CPU samples found it between the request and the stop, most samples first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu: Vec<TraceCpuStack>,
}

/// Durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceTimes {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total_ns: u64,
    /// The median, to 2 %.
    pub p50_ns: u64,
    /// The 99th percentile, to 2 %.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// Durations of waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceWaits {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// How long goroutines that could run waited for a processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceLatency {
    /// Those that began to wait while a collection marked.
    pub in_gc: TraceTimes,
    /// The others.
    pub outside_gc: TraceTimes,
    /// The longest ones, the longest first.
    pub longest: Vec<TraceDelay>,
}

/// One wait for a processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceDelay {
    /// When it began.
    pub start_ns: u64,
    /// How long.
    pub duration_ns: u64,
    /// The goroutine.
    pub goroutine: i64,
    /// The function that it began with.
    pub function: String,
    /// A collection marked when it began.
    pub in_gc: bool,
}

/// Minimum mutator utilisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceMmu {
    /// Length of the window.
    pub window_ns: u64,
    /// Least share of processors left to the program in any window of this length.
    pub utilisation: f64,
}

/// Goroutines that began with the same function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceGoroutines {
    /// The function.
    pub function: String,
    /// How many there were.
    pub count: u64,
    /// How many began in the trace.
    pub created: u64,
    /// How many ended in the trace.
    pub ended: u64,
    /// Time running.
    pub running_ns: u64,
    /// Time waiting for a processor.
    pub runnable_ns: u64,
    /// Time waiting for something.
    pub waiting_ns: u64,
    /// Time in system calls.
    pub syscall_ns: u64,
    /// Running time in mark assists.
    pub assist_ns: u64,
    /// Mark assists.
    pub assists: u64,
    /// Where most of the time in mark assists was spent, innermost first.
    pub assist_stack: Vec<Frame>,
    /// Bytes by which the heap grew while they ran, as the runtime counts it when it hands out a span: an estimate.
    pub allocated_bytes: u64,
    /// The longest mark assist, and when it began.
    pub longest_assist: TraceInstant,
    /// The longest wait for a processor, and when it began.
    pub longest_delay: TraceInstant,
    /// Where most of those were created that began in the trace, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created_at: Vec<Frame>,
    /// How many began in the trace and wait at its end.
    pub left: u64,
    /// Why most of these wait.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub left_reason: String,
    /// Where, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_at: Vec<Frame>,
}

/// Something that took time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceInstant {
    /// When it began.
    pub at_ns: u64,
    /// How long it took; 0 where there was none.
    pub duration_ns: u64,
}

impl TraceInstant {
    /// From one instant to another.
    #[must_use]
    pub const fn between(from_ns: u64, to_ns: u64) -> Self {
        Self { at_ns: from_ns, duration_ns: to_ns.saturating_sub(from_ns) }
    }
}

/// Where goroutines waited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceBlocking {
    /// The runtime's word: `chan receive`.
    pub reason: String,
    /// Where, innermost first.
    pub stack: Vec<Frame>,
    /// How often, and how long; those that still wait count up to the end of the trace.
    pub times: TraceWaits,
    /// How many still wait.
    pub waiting: u64,
    /// The longest one, and when it began.
    pub longest: TraceInstant,
    /// Who ended waits of a millisecond and more, those that ended most time first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released_by: Vec<TraceReleaser>,
}

/// Goroutines that ended the waits of others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceReleaser {
    /// The function they began with.
    pub function: String,
    /// Where they ended the waits, innermost first.
    pub stack: Vec<Frame>,
    /// How many waits they ended, and how long these were.
    pub times: TraceWaits,
    /// Where CPU samples found them while the others waited, most samples first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu: Vec<TraceCpuStack>,
    /// All these samples.
    pub cpu_samples: u64,
}

/// Samples of one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceCpuStack {
    /// The function that the goroutines began with; empty for threads without one.
    pub function: String,
    /// Innermost first.
    pub stack: Vec<Frame>,
    /// How many.
    pub samples: u64,
    /// Of these, while a collection marked.
    pub in_gc: u64,
}

/// CPU profile samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceCpu {
    /// All of them; 0 where no CPU profile ran.
    pub samples: u64,
    /// While the world was stopped.
    pub stopped: u64,
    /// In mark assists.
    pub assist: u64,
    /// Else, while a collection marked.
    pub mark: u64,
    /// The others.
    pub outside_gc: u64,
    /// By stack and function that the goroutines began with, most samples first.
    pub stacks: Vec<TraceCpuStack>,
}

/// Heap growth from the end of one collection's marking to the end of the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceGrowth {
    /// When the one ended, or the trace began.
    pub start_ns: u64,
    /// When the next ended, or the trace.
    pub end_ns: u64,
    /// Heap in use then, right after the collection; 0 where not known.
    pub heap_at_start: u64,
    /// Heap in use at the end, right after the collection.
    pub heap_at_end: u64,
    /// Bytes allocated meanwhile, as far as the trace shows: spans that were handed out.
    pub allocated_bytes: u64,
    /// Goroutines that ran when they were, by the function they began with, most first; at most five.
    pub by: Vec<TraceGrower>,
}

/// A line that allocated while a trace was taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceAllocated {
    /// The line.
    pub frame: Frame,
    /// How, where a heap profile tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<Mechanism>,
    /// Bytes per second; 0 where only samples or assists tell.
    pub bytes_per_s: f64,
    /// Objects per second; 0 where only samples or assists tell.
    pub objects_per_s: f64,
    /// Its share.
    pub share: f64,
    /// What the share is of.
    pub of: String,
    /// The function that the goroutine began with whose stack is the heaviest; empty where the stack does not reach it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goroutine: String,
}

/// A share of growth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceGrower {
    /// The function that the goroutines began with.
    pub function: String,
    /// Bytes.
    pub bytes: u64,
}

/// What the program says of itself by `runtime/trace`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceUser {
    /// Tasks by type, most time first.
    pub tasks: Vec<TraceSpans>,
    /// Regions by type, most time first.
    pub regions: Vec<TraceSpans>,
    /// Logs by category, most first.
    pub logs: Vec<TraceLog>,
}

/// Tasks or regions of one type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceSpans {
    /// The type.
    pub name: String,
    /// Those whose beginning and end are in the trace.
    pub times: TraceTimes,
    /// Begun and not ended.
    pub open: u64,
    /// The longest one, and when it began.
    pub longest: TraceInstant,
}

/// Logs of one category.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceLog {
    /// The category.
    pub category: String,
    /// How many.
    pub count: u64,
    /// When the last one was written.
    pub last_ns: u64,
    /// Its text, at most 200 bytes.
    pub last: String,
}
