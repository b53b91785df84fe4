//! # memory-limit-pressure
//!
//! ## What it means
//! GOMEMLIMIT is set and the memory that the program really needs is close to it. The runtime then collects
//! again and again to stay below: the death spiral. The GC CPU limiter stops it at about half of all
//! CPU, after which memory goes over the limit all the same.
//!
//! ## How it decides
//! `Sys - HeapReleased` (what the limit bounds) as a share of GOMEMLIMIT, together with how often the GC
//! ran, a goal pinned below what GOGC alone would allow, and the live heap after a collection against the
//! limit. A limit that the program set itself (`debug.SetMemoryLimit`) is seen only where `/metrics`
//! publishes it; otherwise `gc-pressure` shows the symptom.
//!
//! ## What to do
//! Raise the limit or lower the live heap. GOMEMLIMIT is a brake for spikes, not a size to live at: leave
//! room for garbage (live heap at most half to two thirds of it).

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use model::{Fix, Severity, Size, Subject, SubjectKind, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "memory-limit-pressure", of_time: false, source: include_str!("memory_limit_pressure.rs"), check };

fn check(cx: &Context<'_>) -> Check {
    let all = cx.memstats();
    let Some((_, last)) = all.last() else {
        return Check::no_evidence("no MemStats could be read");
    };
    let Some(limit) = cx.memory_limit() else {
        return Check::clear("no GOMEMLIMIT is set as far as anything shows");
    };
    let used = last.value.sys.minus(last.value.heap_released);
    let share = used.share_of(limit.value);
    let cycles = cx.gc_window().map(|g| (g.cycles, g.cycles / g.seconds));
    let detail = format!("{used} of GOMEMLIMIT {} in use ({})", limit.value, percent(share));
    let busy = cycles.is_none_or(|c| c.1 >= 0.5);
    if share < cx.thresholds.memory_limit_share || !busy {
        return Check::clear(detail);
    }
    let mut case = Case::default();
    case.number(1.2, &last.artifact, share, "fraction", detail.clone());
    if let Some((n, per_s)) = cycles {
        let s =
            format!("{} besides the forced ones of this capture, {per_s:.1} per second", plural(n as u64, "GC cycle"));
        case.number(if per_s >= 2.0 { 1.2 } else { 0.4 }, &last.artifact, per_s, "cycles/s", s);
    }
    let live = cx.live_heap();
    if let Some(live) = live {
        let of_limit = live.share_of(limit.value);
        let s = format!("the live heap alone is {} of the limit", percent(of_limit));
        case.number(if of_limit >= 0.6 { 1.0 } else { -0.8 }, &last.artifact, of_limit, "fraction", s);
    }
    if let Some(f) = last.value.gc_cpu_fraction {
        let s = format!("the GC took {} of the CPU since the start", percent(f));
        case.number(if f >= 0.1 { 0.8 } else { 0.0 }, &last.artifact, f, "fraction", s);
    }
    let severity = if cycles.is_some_and(|c| c.1 >= 2.0) { Severity::High } else { Severity::Medium };
    let title = format!("GC works against GOMEMLIMIT {}: {} of it in use", limit.value, percent(share));
    let mut f = case.finding(RULE.id, title, severity, Subject::of(SubjectKind::Process));
    f.size = Size { retained_bytes: live.map(|l| l.0), ..Size::default() };
    f.fix = Fix {
        summary: "raise GOMEMLIMIT (and the container), or shrink the live heap".into(),
        recipe: "Keep the live heap at or below about 60 % of GOMEMLIMIT. With GOGC=100 a live heap of L wants up to 2L; GOMEMLIMIT should cut off spikes, not the normal cycle. The findings above or `oomph pprof top --type inuse_space` show what fills the heap.".into(),
        expected_saving_bytes: None,
    };
    Check::of(vec![(Verdict::Risk, f)], detail)
}
