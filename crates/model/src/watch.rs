//! What a watcher knows of its targets at one instant: what `oomph top` draws, `/metrics` exports and
//! `oomph top --once --format json` prints (`oomph.watch/1`).

use crate::{Bytes, SecondsToLimit, UnixMillis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of [`WatchStatus::schema`].
pub const WATCH_SCHEMA: &str = "oomph.watch/1";

/// How near trouble is, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WatchLevel {
    /// Nothing to say.
    #[default]
    Quiet,
    /// Worth knowing; nobody is called.
    Notice,
    /// Somebody should look.
    Warning,
    /// The process is about to die.
    Critical,
}

impl WatchLevel {
    /// The JSON spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a service's memory does over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GrowthShape {
    /// Too few samples to tell.
    #[default]
    Unknown,
    /// Neither grows nor falls, but for the collector's own sawtooth.
    Steady,
    /// Grew after the start and levelled off.
    WarmUp,
    /// Grows without pause, slowly against its size.
    SlowLeak,
    /// Grows without pause, and fast.
    FastLeak,
    /// Grows by a share of itself.
    Exponential,
    /// Jumped and stays there.
    Step,
    /// Climbed far above its median within seconds.
    Surge,
    /// Rises and falls again.
    RiseAndFall,
    /// Memory outside the Go runtime grows.
    OffHeap,
    /// Goroutines and their stacks grow.
    Goroutines,
    /// The collector runs again and again against the memory limit.
    GcSpiral,
}

impl GrowthShape {
    /// The JSON spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Steady => "steady",
            Self::WarmUp => "warm-up",
            Self::SlowLeak => "slow-leak",
            Self::FastLeak => "fast-leak",
            Self::Exponential => "exponential",
            Self::Step => "step",
            Self::Surge => "surge",
            Self::RiseAndFall => "rise-and-fall",
            Self::OffHeap => "off-heap",
            Self::Goroutines => "goroutines",
            Self::GcSpiral => "gc-spiral",
        }
    }
}

/// Whether a target can be watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetState {
    /// Not seen yet.
    #[default]
    Waiting,
    /// Samples arrive.
    Running,
    /// It is there, but no source answers.
    Unreachable,
    /// It ended by itself.
    Ended,
    /// The kernel's OOM killer ended it.
    OomKilled,
}

impl TargetState {
    /// The JSON spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Unreachable => "unreachable",
            Self::Ended => "ended",
            Self::OomKilled => "oom-killed",
        }
    }
}

/// One door to a target, and whether it is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// `proc`, `cgroup`, `memory`, `metrics`, `expvar`, `pprof`, `gclog`.
    pub name: String,
    /// Whether it answered last time.
    pub ok: bool,
    /// When not: why, and which permission is missing for what.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub detail: String,
}

/// A rule that holds now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FiringRule {
    /// Stable kebab-case id.
    pub rule: String,
    /// How near trouble it says we are.
    pub level: WatchLevel,
    /// Since when.
    pub since: UnixMillis,
    /// One line with the numbers in it.
    pub title: String,
}

/// Evidence that was captured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentStatus {
    /// Directory name: time and target.
    pub id: String,
    /// When the capture began.
    pub at: UnixMillis,
    /// The bundle.
    pub bundle: String,
    /// The rule that asked for it.
    pub cause: String,
    /// How near trouble that rule said we were.
    pub level: WatchLevel,
    /// Bytes on disk.
    pub bytes: Bytes,
    /// Whether capturing has ended.
    pub finished: bool,
    /// The culprit: function, file and line, where the diagnosis named one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub culprit: Option<String>,
    /// The type of what holds the memory, where the diagnosis named one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub container: Option<String>,
    /// The fix of the first finding, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub advice: Option<String>,
    /// The diagnosis in one sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub summary: Option<String>,
    /// Whether the process was killed for want of memory afterwards.
    pub oom_killed: bool,
}

/// A target at its latest sample. Absent numbers were not to be had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetStatus {
    /// The name it is watched under; unique.
    pub name: String,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    /// Executable or main package.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub program: Option<String>,
    /// Toolchain that built it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub go_version: Option<String>,
    /// Where its pprof, expvar or metrics answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// Whether it can be watched.
    pub state: TargetState,
    /// The highest level of the rules that hold.
    pub level: WatchLevel,
    /// What its memory does.
    pub shape: GrowthShape,
    /// The doors to it.
    pub sources: Vec<SourceStatus>,
    /// When the latest sample was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sampled_at: Option<UnixMillis>,
    /// Milliseconds between samples now.
    pub interval_ms: u64,
    /// Heap that the last GC cycle found in use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub live_heap: Option<Bytes>,
    /// Allocated heap objects, garbage included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heap_alloc: Option<Bytes>,
    /// Heap size at which the running cycle is to end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heap_goal: Option<Bytes>,
    /// GOMEMLIMIT, where one is set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub go_memory_limit: Option<Bytes>,
    /// GOGC in per cent; -1 is off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gogc_percent: Option<i64>,
    /// Goroutine stacks and the runtime's own structures.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stacks_and_metadata: Option<Bytes>,
    /// Anonymous memory that the Go runtime knows nothing of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub off_heap: Option<Bytes>,
    /// Resident size of the process.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rss: Option<Bytes>,
    /// What its control group is charged with that cannot be reclaimed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unreclaimable: Option<Bytes>,
    /// The limit that ends it: the lowest of its control groups, else what the host has left for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<Bytes>,
    /// Growth of the memory that will not be given back, bytes a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub growth_bytes_per_s: Option<f64>,
    /// Bytes allocated a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alloc_bytes_per_s: Option<f64>,
    /// GC cycles a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gc_cycles_per_s: Option<f64>,
    /// Share of the process's CPU time that the collector takes, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gc_cpu_share: Option<f64>,
    /// Goroutines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goroutines: Option<u64>,
    /// CPU the process uses: 1.0 is one core.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_cores: Option<f64>,
    /// Share of the last ten seconds in which some task waited for memory, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory_pressure: Option<f64>,
    /// When it meets its limit, where it is on its way there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds_to_limit: Option<SecondsToLimit>,
    /// Rules that hold, the most urgent first.
    pub firing: Vec<FiringRule>,
    /// Captures, the newest first.
    pub incidents: Vec<IncidentStatus>,
    /// Samples taken.
    pub samples: u64,
    /// Samples in which some source failed.
    pub failed_samples: u64,
}

/// What the watcher says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatcherStatus {
    /// Its pid.
    pub pid: u32,
    /// Version of oomph.
    pub version: String,
    /// When it started.
    pub started_at: UnixMillis,
    /// CPU it has used, seconds.
    pub cpu_seconds: f64,
    /// Its resident size.
    pub rss: Bytes,
    /// Samples taken, of all targets.
    pub samples: u64,
    /// Ticks that came later than half an interval.
    pub late_samples: u64,
    /// Milliseconds between ticks while nothing is wrong.
    #[serde(default)]
    pub interval_ms: u64,
    /// Milliseconds since the latest tick, by the clock that never jumps.
    #[serde(default)]
    pub tick_age_ms: u64,
    /// Captures made.
    pub captures: u64,
    /// Captures that failed.
    pub failed_captures: u64,
    /// Captures that were not begun: cool-down, budget of the hour, disk.
    pub skipped_captures: u64,
    /// Bytes of evidence on disk.
    pub stored: Bytes,
    /// Samples that could not be written to disk and were kept in memory only.
    #[serde(default)]
    pub unwritten_samples: u64,
    /// Why samples do not reach the disk at this moment, if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten_why: Option<String>,
    /// Times the configuration was read anew.
    pub config_reloads: u64,
    /// Times a new configuration was refused.
    pub config_refused: u64,
}

/// All targets at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchStatus {
    /// Always [`WATCH_SCHEMA`].
    pub schema: String,
    /// When.
    pub at: UnixMillis,
    /// The watcher.
    pub watcher: WatcherStatus,
    /// The targets, the most urgent first.
    pub targets: Vec<TargetStatus>,
}
