//! What of a heap is compared with the same heap at another instant: all types, the holder tree, containers by
//! holder. Part of `oomph.heap/1`; plain data, sizes in bytes.

use crate::HeapType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which program a heap belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapProcess {
    /// Its process id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When it was started, in clock ticks since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ticks: Option<u64>,
    /// The build id that Go's linker wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Path of its main module: frames below it are the program's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_module: Option<String>,
}

impl HeapProcess {
    /// Whether both are one process, at two instants perhaps: addresses then mean the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let agree = |a: Option<u64>, b: Option<u64>| a.is_none() || b.is_none() || a == b;
        self.pid.is_some()
            && self.pid == other.pid
            && self.build_id == other.build_id
            && agree(self.start_ticks, other.start_ticks)
    }
}

/// The parts of a heap that are compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapCensus {
    /// All types, by bytes.
    pub types: Vec<HeapType>,
    /// The holder tree: each place after the one above it.
    pub places: Vec<HeapPlace>,
    /// Containers by kind, type and holder.
    pub containers: Vec<HeapPlaced>,
    /// Kinds of which only the largest containers are in `containers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial_kinds: Vec<String>,
}

/// Objects of one type that are reached the same way: indices and addresses do not count, and what leads back to a
/// type that lies on the way already counts there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapPlace {
    /// Index of the place that leads here; none for a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<u32>,
    /// How it leads here: `.users`, `[key]`, `[].next`; empty for a root and where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub via: String,
    /// The type, or the root's name.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Objects here, without those below.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Containers of one kind and type with one holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapPlaced {
    /// As in [`crate::HeapContainer::kind`].
    pub kind: String,
    /// Go's name of their type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The holder path as an expression without indices: `main.server.sessions.byKey`, `goroutine main.serve`.
    pub holder: String,
    /// How many.
    pub count: u64,
    /// Entries of all.
    pub entries: u64,
    /// Slots of all.
    pub capacity: u64,
    /// Their own bytes.
    pub own_bytes: u64,
    /// What would be free without each of them, added up.
    pub retained_bytes: u64,
    /// Bytes that hold nothing.
    pub waste_bytes: u64,
    /// The largest of them.
    pub largest: Vec<HeapPlacedOne>,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapPlacedOne {
    /// Address of its main part.
    pub address: String,
    /// Entries.
    pub entries: u64,
    /// Slots for entries.
    pub capacity: u64,
    /// Its own bytes.
    pub own_bytes: u64,
    /// What would be free without it.
    pub retained_bytes: u64,
}
