//! What `oomph heap` says (`oomph.heap/1`): plain data, sizes in bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`HeapOverview::schema`].
pub const HEAP_SCHEMA: &str = "oomph.heap/1";

/// The heap of one program at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapOverview {
    /// [`HEAP_SCHEMA`].
    pub schema: String,
    /// Version of oomph.
    pub oomph: String,
    /// What was read: a pid, a core file.
    pub target: String,
    /// Go release of the program.
    pub go_version: String,
    /// How the memory was read: `snapshot`, `stopped`, `running`, `core`.
    pub source: String,
    /// How long the program stood still for it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<f64>,
    /// How much of the heap was understood.
    pub coverage: HeapCoverage,
    /// What holds the memory, by what it retains: root groups and the largest single objects.
    pub holders: Vec<HeapHolder>,
    /// Types, by bytes.
    pub types: Vec<HeapType>,
    /// Maps, by retained bytes.
    pub maps: Vec<HeapMap>,
    /// Goroutines, by what their stacks hold alone.
    pub goroutines: Vec<HeapGoroutines>,
    /// What could not be read, and what that hides.
    pub limits: Vec<String>,
}

/// How much of a heap was understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapCoverage {
    /// Objects in use (slots of spans).
    pub objects: u64,
    /// Their bytes, rounded up to size classes.
    pub bytes: u64,
    /// Bytes of objects whose type is known.
    pub typed_bytes: u64,
    /// Objects whose type is known.
    pub typed_objects: u64,
    /// Objects that no root reaches: garbage made since the last collection began.
    pub unreachable_objects: u64,
    /// Their bytes.
    pub unreachable_bytes: u64,
    /// Objects that the last collection found dead and that are not yet swept.
    pub unswept_objects: u64,
    /// Their bytes.
    pub unswept_bytes: u64,
    /// Spans that were left out because their fields contradict each other.
    pub distrusted_spans: u64,
    /// Bytes of spans that the runtime manages by hand: stacks above all.
    pub stack_bytes: u64,
    /// The layout of the nearest known Go release was used.
    pub layout_assumed: bool,
}

/// One step from a root to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapStep {
    /// How the step before leads here: `.users`, `[key]`, `[i].next`.
    pub via: String,
    /// What is here.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its address.
    pub address: String,
}

/// Something that holds memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapHolder {
    /// `main.cache`, `bss+0x1f40`, `goroutine 17 main.worker`, an object.
    pub name: String,
    /// `global`, `goroutine`, `finalizer`, `cleanup`, `weak`, `object`.
    pub kind: String,
    /// What would be free without it.
    pub retained_bytes: u64,
    /// From there to where the memory divides among many: accumulation point last.
    pub path: Vec<HeapStep>,
}

/// All objects of one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapType {
    /// Go's name of it, or `untyped, 48 bytes`.
    pub name: String,
    /// How many objects.
    pub objects: u64,
    /// Their own bytes.
    pub bytes: u64,
    /// What would be free without all of them.
    pub retained_bytes: u64,
}

/// A map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapMap {
    /// Go's name of its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Address of its header.
    pub address: String,
    /// Entries.
    pub entries: u64,
    /// Slots for entries.
    pub slots: u64,
    /// Bytes of its own structure.
    pub bytes: u64,
    /// Bytes of slots that hold no entry: kept for entries that are gone or may come.
    pub ghost_bytes: u64,
    /// What would be free without it.
    pub retained_bytes: u64,
    /// Shortest way from a root.
    pub holder: Vec<HeapStep>,
}

/// Goroutines made at the same place that stand at the same place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapGoroutines {
    /// Their function.
    pub function: String,
    /// What they do: `chan receive`, `running`.
    pub state: String,
    /// How many.
    pub count: u64,
    /// Bytes of their stacks.
    pub stack_bytes: u64,
    /// Heap that only they hold.
    pub retained_bytes: u64,
}
