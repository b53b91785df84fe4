//! Memory that is kept because a part of it is used: arrays behind slices, bytes behind strings. One large
//! one is told by itself, many small ones by type.

use super::{Heap, describe, named, subject, subject_kind};
use crate::context::Context;
use crate::evidence::{Case, plural};
use model::{Finding, Fix, HeapContainer, Subject, Verdict, format_iec};
use std::collections::BTreeMap;

/// At most this many findings of one rule.
const MOST: usize = 3;

/// The findings of a rule about containers of which a part is used.
pub(crate) fn findings(
    cx: &Context<'_>,
    heap: &Heap<'_>,
    rule: &str,
    list: &[&HeapContainer],
    fix: &Fix,
) -> Vec<(Verdict, Finding)> {
    let mut found: Vec<_> =
        list.iter().filter(|c| heap.matters(cx, c.waste_bytes)).map(|c| one(cx, heap, rule, c, fix)).collect();
    // What is told one by one is not told again.
    let mut by_type: BTreeMap<&str, Vec<&HeapContainer>> = BTreeMap::new();
    for c in list.iter().filter(|c| !heap.matters(cx, c.waste_bytes)) {
        by_type.entry(&c.type_name).or_default().push(c);
    }
    found.extend(by_type.into_values().filter_map(|all| many(cx, heap, rule, &all, fix)));
    found.sort_by_key(|(_, f)| std::cmp::Reverse(f.size.wasted_bytes));
    found.truncate(MOST);
    found
}

fn one(cx: &Context<'_>, heap: &Heap<'_>, rule: &str, c: &HeapContainer, fix: &Fix) -> (Verdict, Finding) {
    let mut case = Case::default();
    let used = c.own_bytes.saturating_sub(c.waste_bytes);
    let s = format!(
        "{} of {} are in a slice or string, the rest is kept with it",
        format_iec(used as f64),
        format_iec(c.own_bytes as f64)
    );
    case.number(1.5, heap.artifact, c.waste_bytes as f64, "bytes", s);
    let title = format!(
        "{} keeps {} for the {} of it that are used",
        named(c),
        format_iec(c.own_bytes as f64),
        format_iec(used as f64)
    );
    let mut f = case.finding(rule, title, heap.severity(cx, c.waste_bytes), subject(subject_kind(&c.kind), c));
    describe(heap, &mut f, c);
    f.fix = fix.clone();
    f.fix.expected_saving_bytes = Some(c.waste_bytes);
    (Verdict::Risk, f)
}

/// Many of one type; `None` when all of them waste little.
fn many(
    cx: &Context<'_>,
    heap: &Heap<'_>,
    rule: &str,
    all: &[&HeapContainer],
    fix: &Fix,
) -> Option<(Verdict, Finding)> {
    let waste: u64 = all.iter().map(|c| c.waste_bytes).sum();
    let own: u64 = all.iter().map(|c| c.own_bytes).sum();
    let largest = all.first().filter(|_| heap.matters(cx, waste))?;
    let mut case = Case::default();
    let s = format!(
        "{} keep {}, of which {} are in a slice or string",
        plural(all.len() as u64, "object"),
        format_iec(own as f64),
        format_iec(own.saturating_sub(waste) as f64)
    );
    case.number(1.2, heap.artifact, waste as f64, "bytes", s);
    let title = format!(
        "{} of type {} keep {} for the {} that are used; the largest is held by {}",
        plural(all.len() as u64, &largest.kind),
        largest.type_name,
        format_iec(own as f64),
        format_iec(own.saturating_sub(waste) as f64),
        super::way_text(&largest.holder)
    );
    let kind = Subject { address: None, ..subject(subject_kind(&largest.kind), largest) };
    let mut f = case.finding(rule, title, heap.severity(cx, waste), kind);
    f.size.wasted_bytes = Some(waste);
    f.size.shallow_bytes = Some(own);
    f.size.objects = Some(all.len() as u64);
    f.sites = heap.sites(&largest.allocated);
    f.fix = fix.clone();
    f.fix.expected_saving_bytes = Some(waste);
    Some((Verdict::Risk, f))
}
