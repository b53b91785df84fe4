//! Floor 0: the plain data every other crate shares.
//!
//! Sizes, times, stack frames, the runtime's own counters, what `/proc` and cgroups say of a
//! process, and the finding schema (`oomph.report/1`). Nothing here parses, opens or judges;
//! readers produce these values, rules join them, reports print them. Types that cross the
//! command line as JSON derive `serde` and `schemars`, so the published schema
//! (`docs/schema/report-1.schema.json`) is generated from the code that prints it.

mod bytes;
mod finding;
mod frame;
mod gap;
mod gclog;
mod goversion;
mod heap;
mod heap_census;
mod heap_diff;
mod heap_queries;
mod ledger;
mod memstats;
mod process;
mod report;
mod time;
mod timeline;
mod trace;
mod watch;
mod watched;

pub use bytes::{Bytes, format_count, format_iec, format_iec_signed};
pub use finding::{
    ChainStep, Evidence, Finding, Fix, Forecast, RootKind, SecondsToLimit, Severity, SiteRef, SiteRole, Size, Subject,
    SubjectKind,
};
pub use frame::{Frame, Mechanism};
pub use gap::Gap;
pub use gclog::{
    GCLOG_SCHEMA, GcLog, GcLogAllocated, GcLogBroken, GcLogBrokenAt, GcLogBrokenReason, GcLogChange, GcLogCost,
    GcLogCpu, GcLogGrowth, GcLogHeap, GcLogInstant, GcLogPoint, GcLogProcess, GcLogRange, GcLogScavenged, GcLogSignal,
    GcLogTimes, GcLogTrend,
};
pub use goversion::GoVersion;
pub use heap::{
    HEAP_SCHEMA, HeapAllocated, HeapContainer, HeapContainerGroup, HeapContainers, HeapCoverage, HeapDepth,
    HeapDepthRow, HeapDuplicate, HeapDuplicates, HeapGoroutines, HeapHeld, HeapHolder, HeapKeys, HeapMap, HeapNote,
    HeapOverview, HeapRuntimeCounts, HeapStep, HeapTree, HeapTreeRow, HeapType, whole_name,
};
pub use heap_census::{HeapCensus, HeapPlace, HeapPlaced, HeapPlacedOne, HeapProcess};
pub use heap_diff::{HEAP_DIFF_SCHEMA, HeapDiff, HeapGrowth, HeapGrowthOf, HeapSide};
pub use heap_queries::{
    HEAP_HOLDERS_SCHEMA, HEAP_RETAINED_SCHEMA, HeapHead, HeapHolders, HeapMatched, HeapObject, HeapPath, HeapPathStep,
    HeapRetained, HeapRoot, HeapRoots, HeapTypeHolder, HeapTypeHolders,
};
pub use ledger::{Ledger, LedgerRow, LedgerTerm};
pub use memstats::{MemStats, MemStatsSource};
pub use process::{Cgroup, CgroupVersion, Mapping, MappingKind, Pressure, PressureLine, ProcStatus, Smap, SmapsRollup};
pub use report::{ArtifactRef, Checked, Outcome, REPORT_SCHEMA, Report, Series, SeriesPoint, TargetInfo, Verdict};
pub use time::UnixMillis;
pub use timeline::{
    TIMELINE_SCHEMA, TimelineAssist, TimelineDocument, TimelineLane, TimelineMark, TimelineSlice, TimelineStop,
};
pub use trace::{
    TRACE_SCHEMA, TraceAllocated, TraceBlocking, TraceCpu, TraceCpuStack, TraceCycle, TraceDelay, TraceDocument,
    TraceGc, TraceGoroutines, TraceGrower, TraceGrowth, TraceHeapPoint, TraceInstant, TraceLatency, TraceLog, TraceMmu,
    TraceReleaser, TraceSpans, TraceStopper, TraceStw, TraceStwReason, TraceStwWindow, TraceTimes, TraceUser,
    TraceWaits,
};
pub use watch::{
    FiringRule, GrowthShape, IncidentStatus, SourceStatus, TargetState, TargetStatus, WATCH_SCHEMA, WatchLevel,
    WatchStatus, WatcherStatus,
};
pub use watched::{ProcessEnd, WatchMoment, Watched};
