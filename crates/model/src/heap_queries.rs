//! Answers to single questions about a heap: what holds an object or a type (`oomph.heap-holders/1`), what would be
//! free without some of it (`oomph.heap-retained/1`), the roots by kind. Plain data, sizes in bytes.

use crate::{HeapOverview, HeapProcess, HeapType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`HeapHead::schema`] in a [`HeapHolders`].
pub const HEAP_HOLDERS_SCHEMA: &str = "oomph.heap-holders/1";
/// Value of [`HeapHead::schema`] in a [`HeapRetained`].
pub const HEAP_RETAINED_SCHEMA: &str = "oomph.heap-retained/1";

/// What was read, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapHead {
    /// Which document it is.
    pub schema: String,
    /// Version of oomph.
    pub oomph: String,
    /// What was read: a pid, a core file.
    pub target: String,
    /// Go release of the program.
    pub go_version: String,
    /// How the memory was read: as in [`HeapOverview::source`].
    pub source: String,
    /// How long the program stood still for it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<f64>,
    /// Which program it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<HeapProcess>,
    /// Bytes of all objects.
    pub heap_bytes: u64,
    /// What could not be read, and what that hides.
    pub limits: Vec<String>,
}

impl From<&HeapOverview> for HeapHead {
    fn from(o: &HeapOverview) -> Self {
        Self {
            schema: o.schema.clone(),
            oomph: o.oomph.clone(),
            target: o.target.clone(),
            go_version: o.go_version.clone(),
            source: o.source.clone(),
            pause_ms: o.pause_ms,
            process: o.process.clone(),
            heap_bytes: o.coverage.bytes,
            limits: o.limits.clone(),
        }
    }
}

/// One step of a way from a root to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapPathStep {
    /// How the step before leads here: `.users`, `[key]`, `[3].next`; empty for a root and where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub via: String,
    /// What is here: a type, a root's name.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its address; empty for roots without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Its own bytes; 0 for a root.
    pub bytes: u64,
    /// What would be free without it.
    pub retained_bytes: u64,
}

/// A way from a root to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapPath {
    /// The root first, the object last.
    pub steps: Vec<HeapPathStep>,
    /// Steps that were left out in the middle.
    #[serde(default)]
    pub omitted: u64,
    /// Index in `steps` of the first step behind those left out.
    #[serde(default)]
    pub resumes_at: u64,
}

/// An object of the heap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapObject {
    /// The address that was asked for.
    pub asked: String,
    /// First address of the object.
    pub address: String,
    /// Bytes from there to the address that was asked for.
    pub offset: u64,
    /// The field, element or slot at that place; empty where it is not known.
    pub field: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its own bytes, rounded up to a size class.
    pub bytes: u64,
    /// What would be free without it.
    pub retained_bytes: u64,
    /// Whether a root reaches it.
    pub reachable: bool,
    /// The fewest pointers from a root to it.
    pub shortest: HeapPath,
    /// What every way to it passes: each step holds all that follows alone.
    pub dominators: HeapPath,
}

/// Objects of one type that are reached the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapTypeHolder {
    /// The shortest way from a root, by types and fields, without indices and addresses.
    pub path: Vec<HeapPathStep>,
    /// The same as an expression: `main.server.sessions.byKey[value]`.
    pub holder: String,
    /// How many.
    pub objects: u64,
    /// Their own bytes.
    pub bytes: u64,
}

/// What holds the objects of some types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapTypeHolders {
    /// What was asked for.
    pub pattern: String,
    /// Which types match it, by bytes.
    pub types: Vec<HeapType>,
    /// Objects of these types.
    pub objects: u64,
    /// Of these, objects that no root reaches.
    pub unreachable: u64,
    /// Their own bytes.
    pub bytes: u64,
    /// What would be free without all of them.
    pub retained_bytes: u64,
    /// Who holds them, most bytes first.
    pub holders: Vec<HeapTypeHolder>,
    /// Ways that are not in `holders`.
    pub more_holders: u64,
}

/// Answer of `oomph heap holders`: of an address or of a type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapHolders {
    /// What was read.
    #[serde(flatten)]
    pub head: HeapHead,
    /// What an address lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<HeapObject>,
    /// The objects of a type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_type: Option<HeapTypeHolders>,
}

/// What a pattern matched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapMatched {
    /// `types`, `globals`, `goroutines`.
    pub what: String,
    /// Names of the first few: types, variables, functions.
    pub names: Vec<String>,
    /// How many names.
    pub distinct: u64,
    /// How many types, words of variables, goroutines.
    pub count: u64,
    /// Objects of these types; 0 for roots.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Answer of `oomph heap retained`: what would be free without all that a pattern matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapRetained {
    /// What was read.
    #[serde(flatten)]
    pub head: HeapHead,
    /// What was asked for.
    pub pattern: String,
    /// What it matched.
    pub matched: Vec<HeapMatched>,
    /// Objects that would be free, the matched ones included.
    pub retained_objects: u64,
    /// Their bytes. Exact: the heap was searched without what matched.
    pub retained_bytes: u64,
    /// What would be free by type, most bytes first; `retained_bytes` of each is 0.
    pub freed: Vec<HeapType>,
}

/// The roots of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapRoots {
    /// `global`, `goroutine`, `finalizer`, `cleanup`, `weak`; `shared` for what several roots hold together.
    pub kind: String,
    /// How many words of variables, goroutines, records lead into the heap; of `shared` the objects that are held so.
    pub count: u64,
    /// What would be free without each of them, added up. Over all kinds this is all that is reachable.
    pub retained_bytes: u64,
    /// The largest: variables and goroutine functions added up, of `shared` single objects.
    pub largest: Vec<HeapRoot>,
}

/// A variable, the goroutines of one function, or the like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapRoot {
    /// `main.server`, `goroutine main.serve`, `bss+0x1f40`, a type.
    pub name: String,
    /// How many words or goroutines.
    pub count: u64,
    /// What would be free without each of them, added up.
    pub retained_bytes: u64,
}
