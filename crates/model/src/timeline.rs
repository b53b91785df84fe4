//! What an execution trace looks like, drawn (`oomph.timeline/1`): who ran on which proc when. Plain data: times in
//! nanoseconds from the trace's first event on, sizes in bytes. Bounded: what is too short to be seen is merged.

use crate::{Frame, TraceHeapPoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`TimelineDocument::schema`].
pub const TIMELINE_SCHEMA: &str = "oomph.timeline/1";

/// A trace as lanes of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineDocument {
    /// [`TIMELINE_SCHEMA`].
    pub schema: String,
    /// Version of oomph.
    pub oomph: String,
    /// The file.
    pub source: String,
    /// Version of the trace's format: `1.26`.
    pub format: String,
    /// Events.
    pub events: u64,
    /// From the first event to the last.
    pub duration_ns: u64,
    /// Functions that goroutines began with; the first is the empty name, of those not known.
    pub functions: Vec<String>,
    /// Stacks, innermost frame first; the first is the empty one.
    pub stacks: Vec<Vec<Frame>>,
    /// Procs in the order of their numbers: who ran.
    pub procs: Vec<TimelineLane>,
    /// Procs that have no lane, there being too many.
    pub more_procs: u64,
    /// Runs shorter than this may be merged with what ran before or after them; 0 when all are told one by one.
    pub merged_below_ns: u64,
    /// Concurrent mark phases.
    pub marks: Vec<TimelineSlice>,
    /// Those that are not listed.
    pub more_marks: u64,
    /// Stopped worlds.
    pub stops: Vec<TimelineStop>,
    /// Those that are not listed: the shortest.
    pub more_stops: u64,
    /// Mark assists: the longest.
    pub assists: Vec<TimelineAssist>,
    /// Those that are not listed.
    pub more_assists: u64,
    /// Heap in use and goal, peaks kept.
    pub heap: Vec<TraceHeapPoint>,
    /// What to look at.
    pub findings: Vec<TimelineMark>,
    /// What is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

/// A proc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineLane {
    /// Its number.
    pub proc: u64,
    /// Who ran, in order of time.
    pub slices: Vec<TimelineSlice>,
}

/// A stretch of time in which a goroutine ran, or several one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineSlice {
    /// When it began.
    pub start_ns: u64,
    /// How long, to the end of the last run in it.
    pub duration_ns: u64,
    /// Time in which something ran.
    pub busy_ns: u64,
    /// How many runs are merged in it.
    pub runs: u64,
    /// The goroutine of the longest of them.
    pub goroutine: i64,
    /// The function that this goroutine began with: its place in [`TimelineDocument::functions`].
    pub function: u32,
    /// Where it stood when it stopped: place in [`TimelineDocument::stacks`].
    pub stack: u32,
}

/// A stopped world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineStop {
    /// When it began.
    pub start_ns: u64,
    /// How long.
    pub duration_ns: u64,
    /// The runtime's word: `GC mark termination`.
    pub reason: String,
    /// The goroutine that asked for it; -1 for none.
    pub goroutine: i64,
    /// What it did: place in [`TimelineDocument::stacks`].
    pub stack: u32,
}

/// A mark assist, from its beginning to its end, waits included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineAssist {
    /// When it began.
    pub start_ns: u64,
    /// How long.
    pub duration_ns: u64,
    /// The proc that it began on; -1 when not known.
    pub proc: i64,
    /// The goroutine.
    pub goroutine: i64,
    /// The function that it began with: place in [`TimelineDocument::functions`].
    pub function: u32,
    /// Where it allocated: place in [`TimelineDocument::stacks`].
    pub stack: u32,
}

/// An instant to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineMark {
    /// When.
    pub at_ns: u64,
    /// What happened then.
    pub text: String,
}
