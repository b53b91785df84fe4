//! # pinned-array
//!
//! ## What it means
//! A small slice keeps a large array: a slice of a slice shares its array, and the collector frees the array as a
//! whole or not at all. What lies outside of all slices serves nobody.
//!
//! ## How it decides
//! The object graph has all slices that lead into an array, and which part of it they cover together by their
//! length. It counts when the rest is more than `heap-waste-bytes` and `heap-waste-share` of the live
//! heap, of one array or of all arrays of a type. Arrays that something else than a slice points to are left out.
//!
//! ## What to do
//! Copy what is kept: `slices.Clone(s[i:j])`, `bytes.Clone`, or `append([]T(nil), s[i:j]...)`.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::plural;
use crate::heap::{self, pinned};
use crate::recipes::pinned_array_fix;

pub(super) const RULE: Rule =
    Rule { id: "pinned-array", of_time: false, source: include_str!("pinned_array.rs"), check };

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    // An array whose head is used may be filled later: that is capacity.
    let is_part = |n: &model::HeapNote| matches!(n, model::HeapNote::Subslice(_) | model::HeapNote::Tail);
    let is_pinned = |c: &&model::HeapContainer| c.waste_bytes > 0 && c.notes.iter().any(is_part);
    let list: Vec<_> = graph.containers("slice").filter(is_pinned).filter(|c| !heap::is_doubtful(c)).collect();
    let found = pinned::findings(cx, &graph, RULE.id, &list, &pinned_array_fix());
    Check::of(found, format!("{} of parts of arrays looked at", plural(list.len() as u64, "slice")))
}
