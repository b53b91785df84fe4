//! # duplicate-strings
//!
//! ## What it means
//! Many strings have the same content, each with bytes of its own: labels, country codes, header names, parsed
//! again and again.
//!
//! ## How it decides
//! The object graph compares the strings of the heap by content. It counts when all copies but one of each
//! content take more than `heap-waste-bytes` and twice `heap-waste-share` of the live heap.
//!
//! ## What to do
//! Intern what repeats before it is stored: package `unique` (Go 1.23 and newer), or a map from content to the
//! one copy; for bytes from the network look up `m[string(b)]` first, which does not allocate.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::heap;
use crate::recipes::duplicate_fix;
use model::{Subject, SubjectKind, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "duplicate-strings", of_time: false, source: include_str!("duplicate_strings.rs"), check };

/// Contents that are shown.
const SHOWN: usize = 3;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let Some(containers) = &graph.overview.containers else { return Check::no_evidence(heap::NO_GRAPH) };
    let d = &containers.duplicates;
    let detail = format!("{} compared, {} are copies", plural(d.objects, "string"), model::format_count(d.copies));
    let share = graph.share(d.waste_bytes);
    if !graph.matters(cx, d.waste_bytes) || share < 2.0 * cx.thresholds.heap_waste_share {
        return Check::clear(detail);
    }
    let mut case = Case::default();
    let s = format!("{} of {} are copies of another", plural(d.copies, "string"), model::format_count(d.objects));
    case.number(1.0, graph.artifact, d.copies as f64, "objects", s);
    let s = format!("the copies are {} of the live heap", percent(share));
    case.number(0.5, graph.artifact, share, "fraction", s);
    for one in d.largest.iter().take(SHOWN) {
        let s = format!("{} times {} bytes like {}", model::format_count(one.count), one.len, one.text);
        case.number(0.0, graph.artifact, one.waste_bytes as f64, "bytes", s);
    }
    let title =
        format!("{} hold the same text as others: {}", plural(d.copies, "string"), format_iec(d.waste_bytes as f64));
    let subject = Subject { type_: Some("string".to_owned()), ..Subject::of(SubjectKind::Type) };
    let mut f = case.finding(RULE.id, title, graph.severity(cx, d.waste_bytes), subject);
    f.size.wasted_bytes = Some(d.waste_bytes);
    f.size.objects = Some(d.copies);
    f.size.share_of_heap = Some(crate::evidence::round3(share));
    f.fix = duplicate_fix();
    f.fix.expected_saving_bytes = Some(d.waste_bytes);
    Check::of(vec![(Verdict::Risk, f)], detail)
}
