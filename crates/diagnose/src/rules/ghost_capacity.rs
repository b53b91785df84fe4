//! # ghost-capacity
//!
//! ## What it means
//! A map, or the array behind a slice or buffer, is large because it once held much, and is nearly empty
//! now. `delete` and `clear` free what entries point to, but a map keeps its table (all Go releases), and
//! `s = s[:0]` keeps the array.
//!
//! ## How it decides
//! The object graph counts entries and slots. It counts when less than `ghost-fill` of the slots are in use
//! and the empty ones take more than `heap-waste-bytes` and `heap-waste-share` of the live heap. A map made
//! with a size hint that is not filled yet looks the same; slots of deleted entries, or fewer entries than in
//! an earlier graph, speak for the former, more entries against it.
//!
//! ## What to do
//! Copy what is left into a fresh map or slice when it has shrunk by much (Go has no way to shrink one in
//! place), or drop the container as a whole when its work is done.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::heap::{self, Heap};
use crate::recipes::ghost_fix;
use model::{Finding, HeapContainer, HeapNote, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "ghost-capacity", of_time: false, source: include_str!("ghost_capacity.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 5;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let Some(containers) = &graph.overview.containers else { return Check::no_evidence(heap::NO_GRAPH) };
    let kinds = |c: &&HeapContainer| matches!(c.kind.as_str(), "map" | "slice" | "buffer");
    let fill = |c: &HeapContainer| c.entries as f64 / c.capacity.max(1) as f64;
    let emptied = |c: &&HeapContainer| c.capacity > 0 && fill(c) < cx.thresholds.ghost_fill;
    let mut list: Vec<_> = containers
        .list
        .iter()
        .filter(kinds)
        .filter(emptied)
        .filter(|c| graph.matters(cx, c.waste_bytes) && !heap::is_doubtful(c))
        .collect();
    list.sort_by_key(|c| std::cmp::Reverse(c.waste_bytes));
    let looked = containers.list.iter().filter(kinds).count() as u64;
    let found = list.into_iter().take(MOST).map(|c| judge(cx, &graph, c, fill(c))).collect();
    Check::of(found, format!("{} looked at", plural(looked, "map, slice or buffer").replace("buffers", "buffer")))
}

fn judge(cx: &Context<'_>, graph: &Heap<'_>, c: &HeapContainer, fill: f64) -> (Verdict, Finding) {
    let mut case = Case::default();
    let s = format!("{} of {} slots are in use ({})", c.entries, c.capacity, percent(fill));
    case.number(1.2, graph.artifact, fill, "fraction", s);
    let deleted = c.notes.iter().find_map(|n| match n {
        HeapNote::MapParts { tombstones, overflow, .. } => Some(*tombstones + *overflow),
        _ => None,
    });
    if let Some(traces) = deleted.filter(|&n| n > 0) {
        case.number(0.5, graph.artifact, traces as f64, "slots", "it shows traces of deleted entries".into());
    }
    if let Some(g) = heap::grown(cx).iter().find(|g| std::ptr::eq(g.now, c)) {
        let s = format!("it gained {} meanwhile: it may be filling up", plural(g.entries as u64, "entry"));
        case.number(-1.5, graph.artifact, g.entries, "entries", s);
    }
    let title = format!(
        "{} keeps {} for entries that it does not have: {} in {} slots",
        heap::named(c),
        format_iec(c.waste_bytes as f64),
        plural(c.entries, "entry"),
        model::format_count(c.capacity)
    );
    let severity = graph.severity(cx, c.waste_bytes);
    let mut f = case.finding(RULE.id, title, severity, heap::subject(heap::subject_kind(&c.kind), c));
    heap::describe(graph, &mut f, c);
    f.fix = ghost_fix(&c.kind);
    f.fix.expected_saving_bytes = Some(c.waste_bytes);
    (Verdict::Risk, f)
}
