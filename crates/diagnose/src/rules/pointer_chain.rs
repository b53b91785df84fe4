//! # pointer-chain
//!
//! ## What it means
//! Objects that each lead to the next: a long linked list, a deep tree, a chain of contexts. The collector
//! cannot look ahead in a chain: it waits for memory once per node, on one processor, while all else is
//! marked in parallel. The last chain decides how long a collection takes.
//!
//! ## How it decides
//! The object graph has the longest way through each list, tree and chain of contexts. It counts from
//! `chain-nodes` nodes in a row. The cost is estimated at 100 ns for each node, one access to memory
//! that no cache has.
//!
//! ## What to do
//! Keep the nodes in a slice and link them by index, use a ring buffer or a deque of blocks, or cap the
//! length. A context that is derived anew in a loop (`ctx = context.WithValue(ctx, ...)`) belongs inside the loop.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, plural};
use crate::heap::{self, Heap};
use crate::recipes::chain_fix;
use model::{Finding, HeapContainer, HeapNote, Severity, SubjectKind, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "pointer-chain", of_time: false, source: include_str!("pointer_chain.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;
/// Nanoseconds for one access to memory that no cache has.
const ACCESS_NS: f64 = 100.0;
/// Milliseconds of a collection from which a chain is more than a note.
const LONG_MS: f64 = 100.0;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let mut chains: Vec<_> =
        ["list", "tree", "context"].into_iter().flat_map(|k| graph.containers(k)).map(|c| (depth(c), c)).collect();
    chains.sort_by_key(|(d, c)| (std::cmp::Reverse(*d), c.address.clone()));
    let longest = chains.first().map_or(0, |c| c.0);
    let found = chains
        .into_iter()
        .filter(|(d, _)| *d as f64 >= cx.thresholds.chain_nodes)
        .take(MOST)
        .map(|(d, c)| judge(&graph, c, d))
        .collect();
    Check::of(found, format!("the longest chain has {}", plural(longest, "node")))
}

fn depth(c: &HeapContainer) -> u64 {
    c.notes.iter().find_map(|n| if let HeapNote::Depth(d) = n { Some(*d) } else { None }).unwrap_or(0)
}

fn judge(graph: &Heap<'_>, c: &HeapContainer, depth: u64) -> (Verdict, Finding) {
    let mut case = Case::default();
    let ms = depth as f64 * ACCESS_NS / 1e6;
    let s = format!("{} one behind the other", plural(depth, "node"));
    case.number(1.5, graph.artifact, depth as f64, "nodes", s);
    let s = format!("following them takes about {ms:.0} ms of each collection, on one processor");
    case.number(0.0, graph.artifact, ms, "ms", s);
    let title = format!(
        "{} is a chain of {}: about {ms:.0} ms of each collection follow it",
        heap::named(c),
        plural(depth, "node")
    );
    let severity = if ms >= LONG_MS { Severity::Medium } else { Severity::Low };
    let mut f = case.finding(RULE.id, title, severity, heap::subject(SubjectKind::List, c));
    heap::describe(graph, &mut f, c);
    f.fix = chain_fix();
    (Verdict::Risk, f)
}
