//! # skewed-map
//!
//! ## What it means
//! Many keys of a classic map (up to Go 1.23) fall into few buckets, which grow into long chains of overflow
//! buckets: each lookup there walks the chain. Keys whose hash hardly differs cause it (floats that are NaN, an
//! interface key with a poor custom equality), or deletions that leave chains behind.
//!
//! ## How it decides
//! The object graph walks all chains. It counts when the longest has `overflow-chain` buckets or more.
//!
//! ## What to do
//! Look at the keys: NaN never equals itself, so each insert adds an entry that no lookup finds and no `delete`
//! removes (`clear` does, Go 1.21 and newer). After many deletions copy the map.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, plural};
use crate::heap::{self, Heap};
use crate::recipes::skew_fix;
use model::{Finding, HeapContainer, HeapNote, Severity, SubjectKind, Verdict};

pub(super) const RULE: Rule = Rule { id: "skewed-map", of_time: false, source: include_str!("skewed_map.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let mut found = Vec::new();
    let mut longest = 0;
    for c in graph.containers("map") {
        let parts = c.notes.iter().find_map(|n| match n {
            HeapNote::MapParts { overflow, longest_chain, .. } => Some((*overflow, *longest_chain)),
            _ => None,
        });
        let Some((overflow, chain)) = parts else { continue };
        longest = longest.max(chain);
        if chain as f64 >= cx.thresholds.overflow_chain && found.len() < MOST {
            found.push(judge(&graph, c, overflow, chain));
        }
    }
    Check::of(found, format!("the longest overflow chain has {}", plural(longest, "bucket")))
}

fn judge(graph: &Heap<'_>, c: &HeapContainer, overflow: u64, chain: u64) -> (Verdict, Finding) {
    let mut case = Case::default();
    let s = format!("the longest chain has {}, {overflow} overflow in all", plural(chain, "bucket"));
    case.number(1.5, graph.artifact, chain as f64, "buckets", s);
    let title = format!("{} has chains of up to {}", heap::named(c), plural(chain, "bucket"));
    let mut f = case.finding(RULE.id, title, Severity::Low, heap::subject(SubjectKind::Map, c));
    heap::describe(graph, &mut f, c);
    f.fix = skew_fix();
    (Verdict::Risk, f)
}
