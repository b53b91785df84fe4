//! # heap-fragmentation
//!
//! ## What it means
//! Spans in use hold far fewer objects than they have room for: a few survivors of each span keep the whole
//! span. Typical after a large structure was mostly freed, or where long-lived small objects are allocated
//! between short-lived ones of the same size class.
//!
//! ## How it decides
//! `HeapInuse - HeapAlloc` right after a collection (dead objects would otherwise be counted as use), as
//! a share of `HeapInuse`, in every sample. Rounding to size classes and half-filled spans make up to some
//! 20 % in a healthy heap.
//!
//! ## What to do
//! Allocate long-lived objects together (one slice of structs instead of many pointers), copy the
//! survivors into fresh memory and drop the old ones, keep long-lived and per-request objects in different
//! size classes.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent};
use model::{Bytes, Fix, Severity, Size, Subject, SubjectKind, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "heap-fragmentation", of_time: false, source: include_str!("heap_fragmentation.rs"), check };

fn check(cx: &Context<'_>) -> Check {
    let all: Vec<_> = cx.facts.samples.iter().filter_map(|s| s.memstats_after_gc.as_ref()).collect();
    let waste = |m: &model::MemStats| (m.fragmentation(), m.heap_inuse);
    let Some(least) = all.iter().min_by_key(|m| waste(&m.value).0) else {
        return Check::no_evidence("no MemStats right after a collection: fragmentation cannot be told from garbage");
    };
    let (bytes, inuse) = waste(&least.value);
    let share = bytes.share_of(inuse);
    let detail = format!("{bytes} of {inuse} in spans holds no object ({})", percent(share));
    if share < cx.thresholds.fragmentation_share || (bytes.0 as f64) < cx.thresholds.rss_part_bytes {
        return Check::clear(detail);
    }
    let mut case = Case::default();
    let s = format!("{} of the spans in use holds no object, right after a collection", percent(share));
    case.number(1.5, &least.artifact, share, "fraction", s);
    if all.len() > 1 {
        case.number(
            1.0,
            &least.artifact,
            bytes.0 as f64,
            "bytes",
            format!("never below {bytes} in {} samples", all.len()),
        );
    }
    let title = format!("fragmentation: {bytes} of {inuse} heap in use holds no object ({})", percent(share));
    let mut f = case.finding(RULE.id, title, Severity::Medium, Subject::of(SubjectKind::Process));
    f.size = Size { wasted_bytes: Some(bytes.0), ..Size::default() };
    f.fix = fix(bytes);
    Check::of(vec![(Verdict::Risk, f)], detail)
}

fn fix(wasted: Bytes) -> Fix {
    Fix {
        summary: "move the survivors together: copy them into fresh memory and drop the old".into(),
        recipe: "Go's collector does not move objects. After a large structure was mostly emptied, rebuild it:\n\n```go\nfresh := make(map[K]V, len(old))\nfor k, v := range old {\n\tfresh[k] = v.clone() // new objects, packed into full spans\n}\nold = fresh\n```\n\nHold many small long-lived values in one slice instead of one allocation each.".into(),
        expected_saving_bytes: Some(wasted.0),
    }
}
