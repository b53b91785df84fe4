//! # memory-accumulation
//!
//! ## What it means
//! One variable, goroutine or object keeps a large part of the heap alive, and no other rule says why. It is
//! where to look first: what it holds, and whether it should.
//!
//! ## How it decides
//! As Eclipse MAT picks leak suspects: the largest children of the root of the dominator tree that retain
//! `suspect-share` of the live heap or more; from each the way goes down as long as one child retains most of
//! its parent, to the accumulation point, where the memory divides among many.
//! Holders that another finding names are left out.
//!
//! ## What to do
//! Look at the accumulation point's type and at the lines that allocated what it retains.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural, round3};
use crate::heap::{self, Heap, way, way_text};
use crate::recipes::growth_fix;
use model::{Finding, HeapHolder, Mechanism, RootKind, Severity, Subject, SubjectKind, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "memory-accumulation", of_time: false, source: include_str!("memory_accumulation.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let holders = &graph.overview.holders;
    let share = holders.first().map_or(0.0, |h| graph.share(h.retained_bytes));
    let found = holders
        .iter()
        .filter(|h| graph.share(h.retained_bytes) >= cx.thresholds.suspect_share)
        .filter(|h| h.retained_bytes as f64 >= cx.thresholds.heap_waste_bytes)
        .take(MOST)
        .map(|h| judge(&graph, h))
        .collect();
    Check::of(found, format!("the largest holder retains {} of the live heap", percent(share)))
}

fn judge(graph: &Heap<'_>, h: &HeapHolder) -> (Verdict, Finding) {
    let mut case = Case::default();
    let share = graph.share(h.retained_bytes);
    let s = format!("{} of the live heap would be free without it", percent(share));
    case.number(0.4, graph.artifact, share, "fraction", s);
    for held in &h.holds {
        let s = format!(
            "it holds {} of type {}, which retain {}",
            plural(held.objects, "object"),
            held.type_name,
            format_iec(held.retained_bytes as f64)
        );
        case.number(0.0, graph.artifact, held.retained_bytes as f64, "bytes", s);
    }
    let mut steps = vec![model::HeapStep { via: String::new(), type_name: h.name.clone(), address: String::new() }];
    steps.extend(h.path.iter().cloned());
    let point = h.path.last().map_or(h.name.as_str(), |s| s.type_name.as_str());
    let title = format!(
        "{} retains {} ({} of the live heap), gathered in {point}",
        way_text(&steps),
        format_iec(h.retained_bytes as f64),
        percent(share)
    );
    let root = match h.kind.as_str() {
        "global" => Some(RootKind::Global),
        "goroutine" => Some(RootKind::Goroutine),
        "finalizer" | "cleanup" => Some(RootKind::Finalizer),
        _ => None,
    };
    let subject = Subject {
        type_: Some(point.to_owned()),
        holder: way(&steps),
        root,
        address: h.path.last().map(|s| s.address.clone()),
        ..Subject::of(SubjectKind::Type)
    };
    let mut f = case.finding(RULE.id, title, Severity::Low, subject);
    f.size.retained_bytes = Some(h.retained_bytes);
    f.size.share_of_heap = Some(round3(share));
    f.sites = graph.sites(&h.allocated);
    f.fix = growth_fix(Mechanism::NewObject);
    (Verdict::Risk, f)
}
