//! # substring-pin
//!
//! ## What it means
//! A short string keeps a long one: a part of a string (`line[a:b]`, `strings.Split`, a regular expression's
//! match) shares its bytes, and the collector frees them as a whole or not at all.
//!
//! ## How it decides
//! The object graph has all strings that lead into an object, and which bytes they cover together. It counts when
//! the rest is more than `heap-waste-bytes` and `heap-waste-share` of the live heap, in one object or in all.
//!
//! ## What to do
//! Clone what is kept for long: `strings.Clone(part)` (Go 1.18 and newer), before it goes into a map or a struct
//! that lives on.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::plural;
use crate::heap::{self, pinned};
use crate::recipes::substring_fix;

pub(super) const RULE: Rule =
    Rule { id: "substring-pin", of_time: false, source: include_str!("substring_pin.rs"), check };

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let list: Vec<_> = graph.containers("string").filter(|c| c.waste_bytes > 0 && !heap::is_doubtful(c)).collect();
    let found = pinned::findings(cx, &graph, RULE.id, &list, &substring_fix());
    Check::of(found, format!("{} in part of their object looked at", plural(list.len() as u64, "string")))
}
