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
    /// Containers of all kinds; only where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<HeapContainers>,
    /// How deep the objects lie; only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<HeapDepth>,
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
    /// Bytes of objects that a root reaches and whose type is known.
    #[serde(default)]
    pub typed_reachable_bytes: u64,
    /// Bytes of spans with objects.
    #[serde(default)]
    pub span_bytes: u64,
    /// Slots in use that the spans' own counts have too many or too few.
    #[serde(default)]
    pub miscounted_objects: u64,
    /// What the runtime itself counts; none where its counters were not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<HeapRuntimeCounts>,
}

/// The runtime's own count of a heap, to hold what was found against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapRuntimeCounts {
    /// Bytes of objects in use or unswept.
    pub bytes: u64,
    /// Bytes of spans with objects.
    pub span_bytes: u64,
    /// Bytes that the last collection marked.
    pub marked_bytes: u64,
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

/// The containers of a heap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapContainers {
    /// The largest of each kind, by the larger of what they retain and waste.
    pub list: Vec<HeapContainer>,
    /// Sums by kind and type, by bytes.
    pub groups: Vec<HeapContainerGroup>,
    /// Strings with the same content.
    pub duplicates: HeapDuplicates,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapContainer {
    /// `map`, `slice`, `string`, `list`, `tree`, `chan`, `sync.Map`, `sync.Pool`, `buffer`, `bigint`, `context`,
    /// `timer`.
    pub kind: String,
    /// Go's name of its type; of timers the callback.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Address of its main part.
    pub address: String,
    /// Entries, elements, nodes.
    pub entries: u64,
    /// Slots for entries; 0 where there is no such number.
    pub capacity: u64,
    /// Bytes of its own structure.
    pub own_bytes: u64,
    /// Bytes of keys and values.
    pub content_bytes: u64,
    /// What would be free without it.
    pub retained_bytes: u64,
    /// Bytes that hold nothing the program can reach by it, or nothing yet.
    pub waste_bytes: u64,
    /// More, as phrases.
    pub notes: Vec<String>,
    /// Shortest way from a root.
    pub holder: Vec<HeapStep>,
}

/// All containers of one kind and type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapContainerGroup {
    /// As in [`HeapContainer::kind`].
    pub kind: String,
    /// Go's name of their type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How many.
    pub count: u64,
    /// Entries of all.
    pub entries: u64,
    /// Slots of all.
    pub capacity: u64,
    /// Their own bytes.
    pub bytes: u64,
    /// Bytes that hold nothing.
    pub waste_bytes: u64,
}

/// Strings whose content more than one object has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapDuplicates {
    /// String objects that were compared.
    pub objects: u64,
    /// Contents that more than one object has.
    pub contents: u64,
    /// Objects whose content another one has too, one of each content excepted.
    pub copies: u64,
    /// Their bytes.
    pub waste_bytes: u64,
    /// The contents that waste most.
    pub largest: Vec<HeapDuplicate>,
}

/// Strings of one content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapDuplicate {
    /// The content, cut; or its shape: letters as `a`, digits as `9`.
    pub text: String,
    /// `text` is the shape.
    pub redacted: bool,
    /// Bytes of one.
    pub len: u64,
    /// Objects with it.
    pub count: u64,
    /// Bytes of all of these but one.
    pub waste_bytes: u64,
}

/// How deep the objects of a heap lie: pointers from a root, by the shortest way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapDepth {
    /// Of the deepest object.
    pub deepest: u64,
    /// Depths with fewer than 64 objects: the collector finds one after the other there.
    pub chained_levels: u64,
    /// What following them takes at 100 ns each, in milliseconds.
    pub serial_ms: f64,
    /// Bytes at depth 1, 2 to 3, 4 to 7, and so on.
    pub bytes: Vec<u64>,
    /// The same by type, those that lie deepest first.
    pub types: Vec<HeapDepthRow>,
}

/// How deep the objects of one type lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapDepthRow {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Of the deepest object.
    pub deepest: u32,
    /// Bytes by depth, as in [`HeapDepth::bytes`].
    pub bytes: Vec<u64>,
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
