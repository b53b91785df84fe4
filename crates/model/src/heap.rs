//! What `oomph heap` says (`oomph.heap/1`): plain data, sizes in bytes.

use crate::{Finding, Frame, HeapCensus, HeapProcess, HeapRoots, UnixMillis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Which program it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<HeapProcess>,
    /// When its memory was read or copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<UnixMillis>,
    /// How long the program stood still for it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<f64>,
    /// How much of the heap was understood.
    pub coverage: HeapCoverage,
    /// What the rules make of this one instant, the most important first; only where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<Finding>,
    /// What holds the memory, by what it retains: root groups and the largest single objects.
    pub holders: Vec<HeapHolder>,
    /// The dominator tree, cut to the rows that say most; only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<HeapTree>,
    /// The roots by kind; only where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<HeapRoots>,
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
    /// What is compared with another instant; only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub census: Option<HeapCensus>,
    /// Allocation stacks, innermost first, that [`HeapAllocated`] names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<Vec<Frame>>,
    /// What could not be read, and what that hides.
    pub limits: Vec<String>,
}

impl HeapOverview {
    /// Cuts each table to its first `rows` rows, containers to so many of each kind.
    pub fn truncate(&mut self, rows: usize) {
        self.holders.truncate(rows);
        self.types.truncate(rows);
        self.maps.truncate(rows);
        self.goroutines.truncate(rows);
        if let Some(c) = &mut self.containers {
            let mut seen = BTreeMap::new();
            c.list.retain(|row| {
                let n = seen.entry(row.kind.clone()).or_insert(0_usize);
                *n += 1;
                *n <= rows
            });
            c.groups.truncate(rows);
            c.duplicates.largest.truncate(rows);
        }
        if let Some(d) = &mut self.depth {
            d.types.truncate(rows);
            d.chains.truncate(rows);
        }
    }
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

/// The name of a map by that of one of its parts (`map[K]V groups`), as [`HeapStep::type_name`] has them; other
/// names as they are.
#[must_use]
pub fn whole_name(name: &str) -> &str {
    let parts = [" directory", " table", " groups", " buckets", " extra"];
    parts.iter().find_map(|p| name.strip_suffix(p)).unwrap_or(name)
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
    /// What the accumulation point holds directly, by what it retains: the largest few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HeapHeld>,
    /// Where what it retains was allocated, as far as the runtime sampled it; most bytes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocated: Vec<HeapAllocated>,
}

/// Objects of one type that an object holds directly in the dominator tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapHeld {
    /// Their type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How many.
    pub objects: u64,
    /// What they retain together.
    pub retained_bytes: u64,
}

/// The dominator tree in few rows: objects of one type below the same row are one row, small ones are summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapTree {
    /// Each after the row above it; the first is all that roots reach. Its own bytes and what the rows below it
    /// retain add up to what a row retains, unless it has no rows below.
    pub rows: Vec<HeapTreeRow>,
}

/// Objects of one type that the same row holds, or a root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapTreeRow {
    /// Index of the row above; the first row names itself.
    pub parent: u32,
    /// As in [`HeapHolder::kind`]; the first row is `heap`, small ones together are `rest`.
    pub kind: String,
    /// How the row above leads here: `.users`, `[value]`, `.Name .Email`, as far as some of many objects tell. Empty
    /// where it does so only through others, or in many ways.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub via: String,
    /// The type, or what the root is called; empty for `heap` and `rest`.
    pub name: String,
    /// Address of the object, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Objects or roots. `heap`: objects that roots reach; `rest`: as above, whatever they are.
    pub count: u64,
    /// Objects of the same type below these (a list's further nodes) and the parts of a map, which belong to the row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inner: u64,
    /// Bytes of the objects themselves, inner ones included; 0 for `rest`.
    pub own_bytes: u64,
    /// What would be free without them.
    pub retained_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
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
    /// More.
    pub notes: Vec<HeapNote>,
    /// Shortest way from a root.
    pub holder: Vec<HeapStep>,
    /// Where what it retains was allocated, as far as the runtime sampled it; most bytes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocated: Vec<HeapAllocated>,
}

/// Something to say of a container beside its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "note", content = "value", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeapNote {
    /// So many slices or strings lead into the same object.
    Shared(u64),
    /// All slices that lead to the array begin behind its start: byte offset of the first.
    Subslice(u64),
    /// What is used ends at the end of the array, what is before it cannot be reached.
    Tail,
    /// Some way to the object is no slice or string that was found: what is out of reach is not known.
    OtherWays,
    /// So many goroutines wait to receive, so many to send; some of their numbers.
    Blocked {
        /// Waiting to receive.
        receivers: u64,
        /// Waiting to send.
        senders: u64,
        /// Numbers of some of them.
        goroutines: Vec<u64>,
    },
    /// The channel is closed.
    Closed,
    /// Longest way through its nodes.
    Depth(u64),
    /// The last node leads to the first.
    Closing,
    /// Nodes point in both directions.
    Doubly,
    /// Connections that wait for a request, and others: with a request under way, or with a response that was not
    /// read to its end.
    Connections {
        /// Idle ones.
        idle: u64,
        /// The others.
        busy: u64,
    },
    /// Of the entries, those in the victim cache.
    Victims(u64),
    /// Classic `sync.Map`: lookups that missed the read-only part, and entries that are deleted but kept.
    Misses {
        /// `Map.misses`.
        misses: u64,
        /// Entries without a value.
        deleted: u64,
    },
    /// What its keys look like.
    Keys(HeapKeys),
    /// What a map is made of.
    MapParts {
        /// Bytes of a key.
        key_bytes: u64,
        /// Bytes of a value.
        value_bytes: u64,
        /// Bytes of what a value points to, where values are pointers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pointee_bytes: Option<u64>,
        /// Swiss: slots of deleted entries that are not free yet.
        tombstones: u64,
        /// Classic: overflow buckets.
        overflow: u64,
        /// Classic: buckets of the longest overflow chain, the first one included.
        longest_chain: u64,
        /// Classic: buckets of the old array, while the map grows.
        old_buckets: u64,
    },
    /// The structure contradicts itself in places; what is told was readable.
    Damaged,
}

/// What some keys of a map look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapKeys {
    /// Keys that were looked at.
    pub keys: u64,
    /// Shortest and longest, in bytes.
    pub len: (u64, u64),
    /// Most frequent shapes with how many keys have them: letters as `a`, `A`, digits as `9`, runs with their
    /// length.
    pub shapes: Vec<(String, u64)>,
    /// What all of them begin with, when there are enough of them and each goes on after it.
    pub prefix: String,
    /// Entropy of the bytes behind the prefix, in thousandths of a bit per byte.
    pub entropy: u32,
    /// Some keys as they are; empty unless asked for.
    pub shown: Vec<String>,
}

/// Objects of one allocation stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapAllocated {
    /// Index into [`HeapOverview::stacks`].
    pub stack: u32,
    /// Objects that the runtime's heap profile sampled.
    pub sampled: u64,
    /// Bytes of all such objects, by the sampling rate.
    pub bytes: u64,
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
    /// What the collector takes for marking all of it, in milliseconds of CPU time: an estimate.
    #[serde(default)]
    pub mark_cpu_ms: f64,
    /// Lists, trees and chains of contexts, the longest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<HeapContainer>,
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
    /// Where they were started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Frame>,
    /// How many.
    pub count: u64,
    /// Bytes of their stacks.
    pub stack_bytes: u64,
    /// Heap that only they hold.
    pub retained_bytes: u64,
    /// Where that was allocated, as far as the runtime sampled it; most bytes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocated: Vec<HeapAllocated>,
}
