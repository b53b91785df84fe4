//! # pointer-heavy-heap
//!
//! ## What it means
//! What marking costs goes by pointers, not by bytes: a heap of small linked objects takes a hundred times the time of
//! the same bytes in arrays without pointers. Long chains make it worse: they are followed one object after the other,
//! so that a single processor marks while the others wait for work.
//!
//! ## How it decides
//! Processor time of marking (background workers, idle workers, assists) per MiB of live heap in the collections of an
//! execution trace that lie whole in it, against `mark-ms-per-mib`, for a live heap of at least `mark-heap-bytes`, where
//! the collector takes enough time to matter. The lines come from the heap profile: those with most objects in use. Where
//! the object graph was read, its depth is further evidence.
//!
//! ## What to do
//! Values instead of pointers in maps and slices, indices into one slice instead of linked nodes, keys and strings
//! interned or packed; data without pointers is not looked at. Fewer collections cost less too: a higher GOGC.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::time::{NO_TRACE, SAMPLE_NS, Time, marks, median, push_site, seconds, site, span};
use model::{Bytes, Finding, Fix, Severity, SiteRole, Size, Subject, SubjectKind, TraceCycle, TraceInstant, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "pointer-heavy-heap", of_time: true, source: include_str!("pointer_heavy_heap.rs"), check };

const MIB: f64 = 1024.0 * 1024.0;

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let whole: Vec<&TraceCycle> =
        t.trace.gc.cycles.iter().filter(|c| c.whole && c.heap_at_end as f64 >= cx.thresholds.mark_heap_bytes).collect();
    if whole.is_empty() {
        let floor = Bytes(cx.thresholds.mark_heap_bytes as u64);
        return Check::clear(format!("no collection of {floor} and more lies whole in the trace"));
    }
    let mut costs: Vec<f64> = whole.iter().map(|c| cost(c)).collect();
    // A worker that has a processor need not have a thread that runs: samples are of processor time.
    let per_mib = sampled_at_most(&t).unwrap_or(f64::MAX).min(median(&mut costs));
    let detail = format!("marking takes {per_mib:.2} ms of a processor for each MiB of live heap");
    let longest = whole.iter().map(|c| c.duration_ns).max().unwrap_or(0);
    let matters = t.trace.gc.cpu_share >= 0.05 || seconds(longest) >= 0.1;
    if per_mib < cx.thresholds.mark_ms_per_mib || !matters {
        return Check::clear(detail);
    }
    Check::of(vec![(Verdict::Churn, finding(cx, &t, &whole, per_mib))], detail)
}

/// Most milliseconds of processors per MiB that the CPU samples inside marking allow, two standard deviations on top.
fn sampled_at_most(t: &Time<'_>) -> Option<f64> {
    let samples = t.trace.cpu.stacks.iter().filter(|s| marks(&s.stack)).map(|s| s.samples).sum::<u64>() as f64;
    let mib = t.trace.gc.cycles.iter().map(|c| c.heap_at_start.max(c.heap_at_end) as f64 / MIB).sum::<f64>();
    let at_most = samples + 2.0 * samples.sqrt() + 2.0;
    (t.trace.cpu.samples > 0 && mib > 0.0).then(|| at_most * SAMPLE_NS as f64 / 1e6 / mib)
}

/// Milliseconds of processors per MiB.
fn cost(c: &TraceCycle) -> f64 {
    let ns = c.background_ns + c.idle_ns + c.assist_ns;
    ns as f64 / 1e6 / (c.heap_at_end.max(1) as f64 / MIB)
}

fn finding(cx: &Context<'_>, t: &Time<'_>, whole: &[&TraceCycle], per_mib: f64) -> Finding {
    let limit = cx.thresholds.mark_ms_per_mib;
    let longest = whole.iter().max_by_key(|c| c.duration_ns).copied().cloned().unwrap_or_default();
    let mut case = Case::default();
    let text = format!(
        "{} that lie whole in the trace took {per_mib:.2} ms of a processor for each MiB of live heap; without pointers it is \
         below 0.05 ms",
        plural(whole.len() as u64, "collection")
    );
    case.number(if per_mib >= 2.0 * limit { 1.8 } else { 1.2 }, t.artifact, per_mib, "ms/MiB", text);
    let gc = &t.trace.gc;
    let text = format!(
        "the collector took {} of the processors, the longest marking {}",
        percent(gc.cpu_share),
        span(longest.duration_ns)
    );
    case.number(if gc.cpu_share >= 0.1 { 0.6 } else { 0.2 }, t.artifact, gc.cpu_share, "fraction", text);
    // One goroutine that follows a chain keeps the others from sharing the work.
    let used = (longest.background_ns + longest.idle_ns + longest.assist_ns) as f64 / longest.duration_ns.max(1) as f64;
    if t.trace.procs > 1 && used < 1.3 && longest.duration_ns > 50_000_000 {
        let text = format!("the longest marking used {used:.1} of {} processors", t.trace.procs);
        case.number(0.2, t.artifact, used, "processors", text);
    }
    if let Some(h) = cx.heap()
        && let Some(d) = &h.overview.depth
    {
        let text = format!("objects lie up to {} pointers below a root", model::format_count(d.deepest));
        case.number(if d.deepest >= 1000 { 0.8 } else { 0.0 }, h.artifact, d.deepest as f64, "pointers", text);
    }
    let lines = holders(cx);
    if let Some((frame, objects, share)) = lines.first() {
        let text = format!(
            "{} of all objects in use ({}) are from {frame}",
            percent(*share),
            model::format_count(*objects as u64)
        );
        let artifact = cx.sites.artifacts.last().map_or("", String::as_str);
        case.number(if *share >= 0.5 { 0.7 } else { 0.2 }, artifact, *share, "fraction", text);
    }
    let severity = match gc.cpu_share {
        s if s >= 0.25 => Severity::High,
        s if s >= 0.1 => Severity::Medium,
        _ if seconds(longest.duration_ns) >= 0.25 => Severity::Medium,
        _ => Severity::Low,
    };
    let live = Bytes(longest.heap_at_end);
    let place = lines.first().map_or_else(String::new, |l| format!("; most objects are from {}", l.0));
    let title =
        format!("marking {live} of live heap takes {}: it is made of pointers{place}", span(longest.duration_ns));
    let mut f = case.finding(RULE.id, title, severity, Subject::of(SubjectKind::Process));
    f.size = Size { retained_bytes: Some(live.0), objects: lines.first().map(|l| l.1 as u64), ..Size::default() };
    for (frame, ..) in lines.iter().filter(|l| l.2 >= 0.15).take(3) {
        push_site(&mut f, Some(site(SiteRole::Allocates, frame)));
    }
    let at = TraceInstant { at_ns: longest.start_ns, duration_ns: longest.duration_ns };
    let event = format!("a collection marks {live} for {}, the longest", span(longest.duration_ns));
    let mut steps = vec![t.step(at, event)];
    if longest.assist_ns > 0 {
        let end = TraceInstant { at_ns: at.at_ns.saturating_add(1), ..at };
        steps.push(t.step(end, format!("goroutines that allocate meanwhile assist for {}", span(longest.assist_ns))));
    }
    Time::chain(&mut f, steps);
    f.fix = Fix {
        summary: "fewer pointers: values in maps and slices, indices instead of links".into(),
        recipe: "The collector visits every object that is reached by a pointer, and nothing inside memory without pointers.\n\n```go\ntype node struct {\n\tkey, value uint64\n\tnext       uint32 // index into nodes, 0 for none\n}\n\nvar nodes []node       // one object, not looked into\nvar index map[uint64]uint32 // no pointers in keys or values: not looked into\n```\n\nWhere pointers have to stay, keep chains short (a slice of blocks instead of a linked list) so that all processors can mark, and raise `GOGC` with `GOMEMLIMIT` as the bound so that it happens less often.".into(),
        expected_saving_bytes: None,
    };
    f
}

/// Lines by objects in use in the last heap profile: the line, its objects, its share.
fn holders<'a>(cx: &'a Context<'_>) -> Vec<(&'a model::Frame, f64, f64)> {
    let table = &cx.sites;
    let total = table.totals.last().map_or(0.0, |v| v.inuse_objects).max(1.0);
    let mut lines: Vec<(u32, f64)> = Vec::new();
    for s in &table.sites {
        let objects = s.values.last().map_or(0.0, |v| v.inuse_objects);
        match lines.iter_mut().find(|l| l.0 == s.frame) {
            Some(l) => l.1 += objects,
            None => lines.push((s.frame, objects)),
        }
    }
    lines.sort_by(|a, b| b.1.total_cmp(&a.1));
    lines.into_iter().take(5).map(|(frame, n)| (table.frame(frame), n, n / total)).collect()
}
