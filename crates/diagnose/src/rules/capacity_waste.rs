//! # capacity-waste
//!
//! ## What it means
//! Many slices, buffers or maps of one type each have more room than they use. One of them wastes little, all of
//! them together much: `append` grows small slices to twice their size, a `bytes.Buffer` starts at 64 bytes,
//! and a map of one entry has eight slots.
//!
//! ## How it decides
//! The object graph adds up capacity that holds nothing, by type. It counts when there are at least a
//! hundred of the type, and the waste is more than `heap-waste-bytes` and more than twice
//! `heap-waste-share` of the live heap. Types whose slices claim more room than all arrays of the type
//! have are left out: they share their arrays (parts of one array each have room up to its end).
//!
//! ## What to do
//! Make them with the size they will have, or trim what is kept for long (`slices.Clip`, a copy of the exact
//! length). For many tiny maps a slice of pairs is smaller.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::heap::{self, Heap, subject_kind};
use crate::recipes::capacity_fix;
use model::{Finding, HeapContainerGroup, Subject, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "capacity-waste", of_time: false, source: include_str!("capacity_waste.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;
/// Fewer containers than this are told one by one.
const MANY: u64 = 100;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let Some(containers) = &graph.overview.containers else { return Check::no_evidence(heap::NO_GRAPH) };
    let least = 2.0 * cx.thresholds.heap_waste_share;
    let mut groups: Vec<_> = containers
        .groups
        .iter()
        .filter(|g| g.count >= MANY && matches!(g.kind.as_str(), "map" | "slice" | "buffer"))
        .filter(|g| !shares_arrays(&graph, g))
        .filter(|g| graph.matters(cx, g.waste_bytes) && graph.share(g.waste_bytes) >= least)
        .collect();
    groups.sort_by_key(|g| std::cmp::Reverse(g.waste_bytes));
    let looked = containers.groups.len() as u64;
    let found = groups.into_iter().take(MOST).map(|g| judge(cx, &graph, g)).collect();
    Check::of(found, format!("{} of containers looked at", plural(looked, "type")))
}

/// Whether the arrays of a type are smaller than what its slices have room for.
fn shares_arrays(graph: &Heap<'_>, g: &HeapContainerGroup) -> bool {
    let arrays: u64 = graph.overview.types.iter().filter(|t| t.name == g.type_name).map(|t| t.bytes).sum();
    g.kind == "slice" && g.bytes > arrays.saturating_add(arrays / 8)
}

fn judge(cx: &Context<'_>, graph: &Heap<'_>, g: &HeapContainerGroup) -> (Verdict, Finding) {
    let mut case = Case::default();
    let fill = g.entries as f64 / g.capacity.max(1) as f64;
    let share = graph.share(g.waste_bytes);
    let s = format!("{} hold {} in room for {}", plural(g.count, "container"), plural(g.entries, "entry"), g.capacity);
    case.number(1.2, graph.artifact, fill, "fraction", s);
    let s = format!("the empty room is {} of the live heap", percent(share));
    case.number(0.5, graph.artifact, share, "fraction", s);
    let title = format!(
        "{} of type {} waste {}: {} of their room is used",
        plural(g.count, &g.kind),
        g.type_name,
        format_iec(g.waste_bytes as f64),
        percent(fill)
    );
    let subject = Subject { type_: Some(g.type_name.clone()), ..Subject::of(subject_kind(&g.kind)) };
    let mut f = case.finding(RULE.id, title, graph.severity(cx, g.waste_bytes), subject);
    f.size.wasted_bytes = Some(g.waste_bytes);
    f.size.shallow_bytes = Some(g.bytes);
    f.size.entries = Some(g.entries);
    f.size.objects = Some(g.count);
    f.fix = capacity_fix(&g.kind);
    f.fix.expected_saving_bytes = Some(g.waste_bytes);
    (Verdict::Risk, f)
}
