//! # goroutine-held-memory
//!
//! ## What it means
//! Goroutines that wait hold heap that nothing else holds: a buffer on their stack, a request in a closure, a
//! response body in a variable that is not used any more. It goes when they end or go on.
//!
//! ## How it decides
//! The object graph has what only the stacks of a group of goroutines keep reachable (same function, same
//! state, same place of creation). It counts from `heap-waste-bytes` and five times `heap-waste-share` of the
//! live heap. Whether the group grows is told by `goroutine-leak`; groups that do are left to it.
//!
//! ## What to do
//! Let go of what is not needed before waiting (end its scope, set it to nil, pass only what is used to the
//! closure), or bound how many may wait at once.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::heap::{self, Heap, goroutine_subject};
use crate::recipes::goroutine_memory_fix;
use model::{Finding, HeapGoroutines, SiteRef, SiteRole, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "goroutine-held-memory", of_time: false, source: include_str!("goroutine_held_memory.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let least = 5.0 * cx.thresholds.heap_waste_share;
    let groups = &graph.overview.goroutines;
    let holds = |g: &&HeapGoroutines| graph.matters(cx, g.retained_bytes) && graph.share(g.retained_bytes) >= least;
    // One goroutine is the program's own state: main, a server's loop.
    let found = groups.iter().filter(|g| g.count > 1).filter(holds).take(MOST).map(|g| judge(cx, &graph, g)).collect();
    Check::of(found, format!("{} of goroutines looked at", plural(groups.len() as u64, "group")))
}

fn judge(cx: &Context<'_>, graph: &Heap<'_>, g: &HeapGoroutines) -> (Verdict, Finding) {
    let mut case = Case::default();
    let share = graph.share(g.retained_bytes);
    let s = format!("{} of the live heap is held by their stacks alone", percent(share));
    case.number(1.2, graph.artifact, share, "fraction", s);
    let each = g.retained_bytes / g.count.max(1);
    let s = format!("{} each", format_iec(each as f64));
    case.number(0.0, graph.artifact, each as f64, "bytes", s);
    let title = format!(
        "{} in {} ({}) hold {} of heap",
        plural(g.count, "goroutine"),
        g.function,
        g.state,
        format_iec(g.retained_bytes as f64)
    );
    let mut f = case.finding(RULE.id, title, graph.severity(cx, g.retained_bytes), goroutine_subject());
    f.size.retained_bytes = Some(g.retained_bytes.saturating_add(g.stack_bytes));
    f.size.entries = Some(g.count);
    f.size.share_of_heap = Some(crate::evidence::round3(share));
    f.sites = graph.sites(&g.allocated);
    let created = |f: &model::Frame| SiteRef {
        role: SiteRole::Creates,
        function: f.function.clone(),
        file: f.file.clone(),
        line: f.line,
    };
    f.sites.extend(g.created_by.as_ref().map(created));
    f.fix = goroutine_memory_fix();
    (Verdict::Risk, f)
}
