//! # sync-map-misuse
//!
//! ## What it means
//! A `sync.Map` is used for what it is not made for. The classic one (up to Go 1.23) keeps deleted keys until its
//! next promotion and copies itself when new keys come; values are boxed, one object each. It suits keys that
//! are written once and read often.
//!
//! ## How it decides
//! The object graph counts live and deleted entries and lookups that missed the read-only part. It counts when the
//! deleted entries are at least as many as the live ones and at least a thousand.
//!
//! ## What to do
//! A plain map with a `sync.RWMutex`, or one per shard of the key, where keys come and go.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, plural};
use crate::heap::{self, Heap};
use crate::recipes::sync_map_fix;
use model::{Finding, HeapContainer, HeapNote, SubjectKind, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "sync-map-misuse", of_time: false, source: include_str!("sync_map_misuse.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;
/// Fewest deleted entries that matter.
const DELETED: u64 = 1000;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let mut found = Vec::new();
    let mut looked = 0;
    for c in graph.containers("sync.Map") {
        looked += 1;
        let misses = c.notes.iter().find_map(|n| match n {
            HeapNote::Misses { misses, deleted } => Some((*misses, *deleted)),
            _ => None,
        });
        if let Some((misses, deleted)) = misses
            && deleted >= DELETED.max(c.entries)
            && found.len() < MOST
        {
            found.push(judge(cx, &graph, c, misses, deleted));
        }
    }
    Check::of(found, format!("{} looked at", plural(looked, "sync.Map")))
}

fn judge(cx: &Context<'_>, graph: &Heap<'_>, c: &HeapContainer, misses: u64, deleted: u64) -> (Verdict, Finding) {
    let mut case = Case::default();
    let s = format!("{} live and {} kept", plural(c.entries, "entry"), plural(deleted, "deleted entry"));
    case.number(1.2, graph.artifact, deleted as f64, "entries", s);
    let s = format!("{misses} lookups missed its read-only part since the last promotion");
    case.number(0.0, graph.artifact, misses as f64, "lookups", s);
    let title = format!(
        "{} keeps {} beside {}",
        heap::named(c),
        plural(deleted, "deleted entry"),
        plural(c.entries, "live one")
    );
    let mut f = case.finding(RULE.id, title, graph.severity(cx, c.waste_bytes), heap::subject(SubjectKind::Map, c));
    heap::describe(graph, &mut f, c);
    f.fix = sync_map_fix();
    (Verdict::Risk, f)
}
