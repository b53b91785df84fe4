//! # pointer-map
//!
//! ## What it means
//! A large map has pointers to small values. Each value is a heap object of its own: the collector finds and
//! marks it in every cycle, and it is rounded up to a size class. The same map with the values in its slots
//! has none of these objects, and when neither key nor value contains a pointer the collector does not
//! look into the map at all.
//!
//! ## How it decides
//! The object graph knows the map's type and its entries. It counts from `pointer-map-entries` entries whose
//! values point to at most `pointer-map-value-bytes` bytes (a map keeps values of up to 128 bytes in its slots).
//!
//! ## What to do
//! Store the value itself (`map[K]V`) and write it back after a change, or keep the values in one slice and
//! their index in the map.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, plural};
use crate::heap::{self, Heap};
use crate::recipes::pointer_map_fix;
use model::{Finding, HeapContainer, HeapNote, Severity, SubjectKind, Verdict};

pub(super) const RULE: Rule = Rule { id: "pointer-map", of_time: false, source: include_str!("pointer_map.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let t = cx.thresholds;
    let mut found = Vec::new();
    let mut maps = 0;
    for c in graph.containers("map") {
        maps += 1;
        let Some((pointee, in_place)) = pointee(c) else { continue };
        let small = pointee as f64 <= t.pointer_map_value_bytes;
        if c.entries as f64 >= t.pointer_map_entries && small && found.len() < MOST {
            found.push(judge(&graph, c, pointee, in_place));
        }
    }
    Check::of(found, format!("{} looked at", plural(maps, "map")))
}

/// Bytes that a value points to, and of a slot with the value in it.
fn pointee(c: &HeapContainer) -> Option<(u64, u64)> {
    c.notes.iter().find_map(|n| match n {
        HeapNote::MapParts { pointee_bytes: Some(p), key_bytes, .. } if *p > 0 => Some((*p, key_bytes + p)),
        _ => None,
    })
}

fn judge(graph: &Heap<'_>, c: &HeapContainer, pointee: u64, in_place: u64) -> (Verdict, Finding) {
    let mut case = Case::default();
    let s = format!("{}, each value an object of {pointee} bytes", plural(c.entries, "entry"));
    case.number(1.0, graph.artifact, c.entries as f64, "objects", s);
    let all = graph.overview.coverage.objects.max(1);
    let share = c.entries as f64 / all as f64;
    let s = format!("that is {} of all objects the collector marks", crate::evidence::percent(share.min(1.0)));
    case.number(if share >= 0.1 { 0.5 } else { 0.0 }, graph.artifact, share, "fraction", s);
    let title = format!(
        "{} has {} of pointers to {pointee} bytes each: {} fewer objects to mark with the values in the map",
        heap::named(c),
        plural(c.entries, "entry"),
        model::format_count(c.entries)
    );
    let mut f = case.finding(RULE.id, title, Severity::Low, heap::subject(SubjectKind::Map, c));
    heap::describe(graph, &mut f, c);
    f.size.objects = Some(c.entries);
    f.fix = pointer_map_fix();
    // Today a slot of key and pointer, and the object; then a slot of key and value. Empty slots grow as well.
    let slots = c.capacity.max(c.entries);
    let now = c.own_bytes.saturating_add(c.entries.saturating_mul(pointee.next_multiple_of(8)));
    let then = slots.saturating_mul(in_place + 1);
    f.fix.expected_saving_bytes = Some(now.saturating_sub(then)).filter(|&b| b > 0);
    (Verdict::Risk, f)
}
