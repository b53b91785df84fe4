//! What changed in a heap from one instant to another (`oomph.heap-diff/1`). Plain data, sizes in bytes.

use crate::HeapHead;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`HeapDiff::schema`].
pub const HEAP_DIFF_SCHEMA: &str = "oomph.heap-diff/1";

/// From one heap to another: rows by growth of bytes, largest growth first, what shrank last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapDiff {
    /// [`HEAP_DIFF_SCHEMA`].
    pub schema: String,
    /// Version of oomph.
    pub oomph: String,
    /// The earlier heap.
    pub before: HeapHead,
    /// The later one.
    pub after: HeapHead,
    /// Both are one process: containers are told apart by address too.
    pub same_process: bool,
    /// Time from one to the other, in seconds, where both tell theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Where growth accumulates in the holder tree: the deepest place that has it, with all below it.
    pub holders: Vec<HeapGrowth>,
    /// Containers by kind, type and holder; single ones where addresses mean the same.
    pub containers: Vec<HeapGrowth>,
    /// Types.
    pub types: Vec<HeapGrowth>,
    /// What the comparison does not see.
    pub limits: Vec<String>,
}

/// One row of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapGrowth {
    /// What it is: a type, a kind of container.
    pub of: HeapGrowthOf,
    /// Earlier.
    pub before: HeapSide,
    /// Later.
    pub after: HeapSide,
}

/// What a row is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct HeapGrowthOf {
    /// The holder path as an expression without indices; empty for types.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub holder: String,
    /// As in [`crate::HeapContainer::kind`]; empty for types and holders.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The type; of a root its name.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Address of a container that is there at both instants.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
}

/// One side of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeapSide {
    /// Objects; of containers how many.
    pub count: u64,
    /// Entries of containers; else 0.
    pub entries: u64,
    /// Of types their objects' bytes, of holders all bytes below them, of containers what they retain.
    pub bytes: u64,
}

impl HeapGrowth {
    /// Bytes later less bytes earlier.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        change(self.before.bytes, self.after.bytes)
    }

    /// Entries later less entries earlier.
    #[must_use]
    pub fn entries(&self) -> i64 {
        change(self.before.entries, self.after.entries)
    }

    /// Objects later less objects earlier.
    #[must_use]
    pub fn count(&self) -> i64 {
        change(self.before.count, self.after.count)
    }
}

fn change(before: u64, after: u64) -> i64 {
    let of = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    of(after).saturating_sub(of(before))
}
