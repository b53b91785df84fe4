//! What the readers made of a bundle's artifacts, in time order: the input of the diagnosis.
use model::{
    ArtifactRef, Bytes, Cgroup, GoVersion, HeapOverview, Mapping, MappingKind, MemStats, Pressure, ProcStatus, Smap,
    SmapsRollup, TargetInfo, TraceDocument, UnixMillis, Watched,
};
use profile::{GoroutineDump, HeapStacks};
use std::collections::BTreeMap;

/// Everything read from one bundle.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The target, as the manifest names it.
    pub target: TargetInfo,
    /// Build information of the executable.
    pub build: Option<Sourced<BuildFacts>>,
    /// GOGC, GOMEMLIMIT, GODEBUG of the process environment.
    pub environment: Option<Sourced<GoEnvironment>>,
    /// In time order; may be empty.
    pub samples: Vec<SampleFacts>,
    /// What execution traces tell, in time order.
    pub traces: Vec<Sourced<Box<TraceDocument>>>,
    /// What a watch recorded, all of its samples.
    pub watched: Option<Watched>,
    /// All artifacts of the bundle.
    pub artifacts: Vec<ArtifactRef>,
    /// What could not be collected or read, and what that hides; whole sentences.
    pub limits: Vec<String>,
}

impl Facts {
    /// One instant of a heap, and nothing else.
    #[must_use]
    pub fn of_heap(heap: &HeapOverview) -> Self {
        let at = heap.taken_at.unwrap_or_default();
        let graph = Sourced { value: Box::new(heap.clone()), artifact: heap.target.clone(), at };
        Self {
            target: TargetInfo {
                name: heap.target.clone(),
                kind: "heap".into(),
                go_version: Some(heap.go_version.clone()),
                samples: 1,
                ..TargetInfo::default()
            },
            samples: vec![SampleFacts { index: 1, at, graph: Some(graph), ..SampleFacts::default() }],
            ..Self::default()
        }
    }
}

/// A fact and the artifact it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    /// The fact.
    pub value: T,
    /// Path of the artifact inside the bundle.
    pub artifact: String,
    /// When the artifact was taken (the answer's arrival).
    pub at: UnixMillis,
}

/// Build information (`debug/buildinfo`).
#[derive(Clone, Debug, PartialEq)]
pub struct BuildFacts {
    /// Toolchain.
    pub go_version: Option<GoVersion>,
    /// Package path of main.
    pub path: Option<String>,
    /// Main module path: frames under it are the user's own.
    pub main_module: Option<String>,
    /// `CGO_ENABLED=1` in the build settings; `None` when not recorded.
    pub cgo: Option<bool>,
}

/// The settings of the Go runtime found in the process environment, as written there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GoEnvironment {
    /// GOGC.
    pub gogc: Option<String>,
    /// GOMEMLIMIT.
    pub gomemlimit: Option<String>,
    /// GODEBUG.
    pub godebug: Option<String>,
    /// GOMAXPROCS.
    pub gomaxprocs: Option<String>,
}

/// What was taken at one instant (within a second or so).
#[derive(Clone, Debug, Default)]
pub struct SampleFacts {
    /// From 1.
    pub index: u32,
    /// Start of the sample.
    pub at: UnixMillis,
    /// Heap profile; after a forced GC when `heap_after_gc`.
    pub heap: Option<Sourced<HeapStacks>>,
    /// Whether `heap` was asked for with `gc=1`.
    pub heap_after_gc: bool,
    /// GC cycles this capture had forced before `memstats` of this sample was read.
    pub forced_gcs_before: u32,
    /// What the object graph says; its time is that of the snapshot.
    pub graph: Option<Sourced<Box<HeapOverview>>>,
    /// `goroutine?debug=2`.
    pub goroutines: Option<Sourced<GoroutineDump>>,
    /// Number of goroutines, from whatever told it.
    pub goroutine_count: Option<Sourced<u64>>,
    /// Counters before our own GC.
    pub memstats: Option<Sourced<MemStats>>,
    /// Counters right after our own GC: `heap_alloc` is then close to the live heap.
    pub memstats_after_gc: Option<Sourced<MemStats>>,
    /// `/proc/PID/status`, or the resident size Prometheus publishes.
    pub status: Option<Sourced<ProcStatus>>,
    /// Resident size where only `/metrics` tells it (`process_resident_memory_bytes`).
    pub resident: Option<Sourced<Bytes>>,
    /// `/proc/PID/smaps_rollup`.
    pub smaps_rollup: Option<Sourced<SmapsRollup>>,
    /// `/proc/PID/smaps`, read right after `memstats`, each mapping with its kind.
    pub smaps: Option<Sourced<Vec<(Smap, MappingKind)>>>,
    /// `/proc/PID/maps`.
    pub maps: Option<Sourced<Vec<Mapping>>>,
    /// Memory controller.
    pub cgroup: Option<Sourced<Cgroup>>,
    /// Memory pressure (of the cgroup where there is one, else of the host).
    pub pressure: Option<Sourced<Pressure>>,
    /// What the service counts of its own on `/metrics`: gauges, each summed over its label sets.
    pub gauges: Option<Sourced<BTreeMap<String, f64>>>,
    /// User plus system CPU seconds of the process since its start.
    pub cpu_seconds: Option<Sourced<f64>>,
    /// Seconds since the process started.
    pub uptime_seconds: Option<Sourced<f64>>,
}
