//! The last minutes of a service as `oomph watch` saw them, and how the process ended: the timeline of a post-mortem.

use crate::{Bytes, GrowthShape, SecondsToLimit, UnixMillis, WatchLevel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a watch recorded of one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Watched {
    /// How the process ended; absent while it lives, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<ProcessEnd>,
    /// Samples, in time order.
    pub moments: Vec<WatchMoment>,
}

impl Watched {
    /// Whether the kernel's OOM killer ended the process.
    #[must_use]
    pub fn oom_killed(&self) -> bool {
        self.end.as_ref().is_some_and(|e| e.oom_killed)
    }

    /// Seconds from the first moment above notice to the end of the process, where there are both.
    #[must_use]
    pub fn warned_before_s(&self) -> Option<f64> {
        let end = self.end.as_ref()?.at;
        let first = self.moments.iter().find(|m| m.level > WatchLevel::Notice)?;
        Some(end.seconds_since(first.at).max(0.0))
    }
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessEnd {
    /// When it was seen to be gone.
    pub at: UnixMillis,
    /// Whether the kernel's OOM killer ended it.
    pub oom_killed: bool,
    /// What says so: `kernel log`, `control group` or `host`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub told_by: Option<String>,
}

/// One sample of a watch. Bytes are absent where their source did not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchMoment {
    /// When.
    pub at: UnixMillis,
    /// How near trouble was.
    pub level: WatchLevel,
    /// What the memory did.
    pub shape: GrowthShape,
    /// Memory charged that the kernel cannot reclaim.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub used: Option<Bytes>,
    /// The limit that ends the process.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<Bytes>,
    /// What the last GC cycle marked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub live_heap: Option<Bytes>,
    /// Heap objects, garbage included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heap: Option<Bytes>,
    /// Size at which the running GC cycle is to end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goal: Option<Bytes>,
    /// Used outside of what the Go runtime has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub off_heap: Option<Bytes>,
    /// Goroutines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goroutines: Option<u64>,
    /// What was forecast.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left: Option<SecondsToLimit>,
}
