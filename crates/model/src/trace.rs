//! What an execution trace tells (`oomph.trace/1`). Plain data: times in nanoseconds, those of instants from the trace's
//! first event on; sizes in bytes; shares from 0 to 1.

use crate::Frame;
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
    /// What is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceLatency {
    /// Those that began to wait while a collection marked.
    pub in_gc: TraceTimes,
    /// The others.
    pub outside_gc: TraceTimes,
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
}
