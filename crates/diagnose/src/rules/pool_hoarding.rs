//! # pool-hoarding
//!
//! ## What it means
//! A `sync.Pool` holds much memory. What is put back stays for up to two collections, one set per processor;
//! a pooled buffer that once grew large stays large for whoever gets it next, however little that needs.
//!
//! ## How it decides
//! The object graph has what each pool's local and victim lists retain. It counts from `heap-waste-bytes` and
//! twice `heap-waste-share` of the live heap. A pool in use is meant to hold something: the confidence is higher
//! when its objects are large each.
//!
//! ## What to do
//! Do not put back what has grown beyond a limit (`if buf.Cap() > 64<<10 { return }`), pool by size, and put
//! back nothing that holds pointers to request data.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::heap::{self, Heap};
use crate::recipes::pool_fix;
use model::{Finding, HeapContainer, HeapNote, SubjectKind, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "pool-hoarding", of_time: false, source: include_str!("pool_hoarding.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;
/// Bytes of a pooled object from which it is large.
const LARGE: u64 = 64 << 10;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let least = 2.0 * cx.thresholds.heap_waste_share;
    let mut pools: Vec<_> = graph.containers("sync.Pool").collect();
    let looked = pools.len() as u64;
    pools.retain(|c| graph.matters(cx, c.retained_bytes) && graph.share(c.retained_bytes) >= least && c.entries > 0);
    let found = pools.into_iter().take(MOST).map(|c| judge(cx, &graph, c)).collect();
    Check::of(found, format!("{} looked at", plural(looked, "pool")))
}

fn judge(cx: &Context<'_>, graph: &Heap<'_>, c: &HeapContainer) -> (Verdict, Finding) {
    let mut case = Case::default();
    let each = c.retained_bytes / c.entries.max(1);
    let share = graph.share(c.retained_bytes);
    let s = format!("{} retain {} of the live heap", plural(c.entries, "pooled object"), percent(share));
    case.number(0.5, graph.artifact, share, "fraction", s);
    let s = format!("{} each", format_iec(each as f64));
    case.number(if each >= LARGE { 1.0 } else { 0.0 }, graph.artifact, each as f64, "bytes", s);
    if let Some(victims) = c.notes.iter().find_map(|n| if let HeapNote::Victims(v) = n { Some(*v) } else { None }) {
        let s = format!("{victims} of them wait to be freed by the next collection");
        let weight = if victims.saturating_mul(2) > c.entries { -0.5 } else { 0.0 };
        case.number(weight, graph.artifact, victims as f64, "objects", s);
    }
    let title = format!(
        "{} hoards {} in {} of {} each",
        heap::named(c),
        format_iec(c.retained_bytes as f64),
        plural(c.entries, "object"),
        format_iec(each as f64)
    );
    let severity = graph.severity(cx, c.retained_bytes);
    let mut f = case.finding(RULE.id, title, severity, heap::subject(SubjectKind::Pool, c));
    heap::describe(graph, &mut f, c);
    f.fix = pool_fix();
    (Verdict::Risk, f)
}
