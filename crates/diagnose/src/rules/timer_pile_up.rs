//! # timer-pile-up
//!
//! ## What it means
//! Thousands of timers of one callback wait. Up to Go 1.22 `time.After` in a loop keeps each timer until it
//! fires; a ticker that is never stopped lives as long as the process; `context.WithTimeout` without `cancel` keeps
//! its timer until the deadline.
//!
//! ## How it decides
//! The object graph has the timers of the runtime's heaps by callback. It counts from `timers` of one callback.
//!
//! ## What to do
//! Stop what is not wanted any more (`defer t.Stop()`, `defer cancel()`), reuse one timer in a loop (`t.Reset`).

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, plural};
use crate::heap::{self, Heap};
use crate::recipes::growth_fix;
use model::{Finding, HeapContainer, Mechanism, Severity, SubjectKind, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "timer-pile-up", of_time: false, source: include_str!("timer_pile_up.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 3;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let all: Vec<_> = graph.containers("timer").collect();
    let timers = all.iter().map(|c| c.entries).fold(0, u64::saturating_add);
    let many = all.into_iter().filter(|c| c.entries as f64 >= cx.thresholds.timers);
    let found = many.take(MOST).map(|c| judge(&graph, c)).collect();
    Check::of(found, format!("{} waiting", plural(timers, "timer")))
}

fn judge(graph: &Heap<'_>, c: &HeapContainer) -> (Verdict, Finding) {
    let mut case = Case::default();
    let s = format!("{} with the callback {} wait", plural(c.entries, "timer"), c.type_name);
    case.number(1.0, graph.artifact, c.entries as f64, "timers", s);
    let s = format!("they retain {}", format_iec(c.retained_bytes as f64));
    case.number(0.3, graph.artifact, c.retained_bytes as f64, "bytes", s);
    let title = format!(
        "{} of {} wait and hold {}",
        plural(c.entries, "timer"),
        c.type_name,
        format_iec(c.retained_bytes as f64)
    );
    let mut f = case.finding(RULE.id, title, Severity::Low, heap::subject(SubjectKind::Type, c));
    heap::describe(graph, &mut f, c);
    f.fix = growth_fix(Mechanism::Timer);
    (Verdict::Risk, f)
}
