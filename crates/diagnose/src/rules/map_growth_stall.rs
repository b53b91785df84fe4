//! # map-growth-stall
//!
//! ## What it means
//! A map that is filled without a size hint grows by doubling, and every growth moves its entries. When that happens
//! inside a lock, everybody who needs the lock stands still for as long as the map takes to fill.
//!
//! ## How it decides
//! Waits for a lock in an execution trace of `stall-seconds` and more, by where the goroutines waited and which
//! goroutine ended the wait; the CPU samples of that goroutine while the others waited. When at least
//! `stall-map-share` of these lie inside the growth of a map (hashGrow and evacuate up to Go 1.23; rehash, grow, split
//! from 1.24 on), the growth is the cause, at the line that inserts. Without CPU samples nothing is said.
//!
//! ## What to do
//! Make the map with the number of entries that are to come, build it outside the lock and swap it in, or insert in
//! batches that let others in between.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::time::{NO_TRACE, Time, grows_map, named, push_site, seconds, site, span};
use model::{
    Finding, Fix, Frame, Severity, SiteRole, Size, Subject, SubjectKind, TraceBlocking, TraceInstant, TraceReleaser,
    Verdict,
};

pub(super) const RULE: Rule =
    Rule { id: "map-growth-stall", of_time: true, source: include_str!("map_growth_stall.rs"), check };

/// Samples below which a share is chance.
const LEAST_SAMPLES: u64 = 5;

/// Waits at one place that one group of goroutines ended, growing a map meanwhile.
struct Stall<'a> {
    waits: &'a TraceBlocking,
    by: &'a TraceReleaser,
    growing: u64,
    share: f64,
    frame: &'a Frame,
}

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let limit = cx.thresholds.stall_seconds;
    let long: Vec<&TraceBlocking> = t
        .trace
        .blocking
        .iter()
        .filter(|b| is_lock(b) && b.released_by.iter().any(|r| seconds(r.times.max_ns) >= limit))
        .collect();
    let longest = long.iter().map(|b| b.longest.duration_ns).max().unwrap_or(0);
    let detail = format!("waits for locks of up to {}; the limit is {:.0} ms", span(longest), limit * 1e3);
    if long.is_empty() {
        return Check::clear(detail);
    }
    if t.trace.cpu.samples == 0 {
        return Check::no_evidence("the trace has no CPU samples: what those did who held locks is not known");
    }
    let stalls = long.iter().flat_map(|b| b.released_by.iter().filter_map(|by| stall(&t, b, by)));
    let stalls = stalls.filter(|s| s.share >= cx.thresholds.stall_map_share && s.growing >= LEAST_SAMPLES);
    let worst = stalls.max_by_key(|s| s.by.times.total_ns);
    Check::of(worst.map(|s| (Verdict::Churn, finding(&t, &s))).into_iter().collect(), detail)
}

/// Waits for `sync.Mutex` and `sync.RWMutex`: the reason is `sync` in all releases.
fn is_lock(b: &TraceBlocking) -> bool {
    b.reason == "sync" || b.stack.first().is_some_and(|f| f.function.starts_with("sync.(*"))
}

fn stall<'a>(t: &Time<'a>, waits: &'a TraceBlocking, by: &'a TraceReleaser) -> Option<Stall<'a>> {
    let growing = by.cpu.iter().filter(|s| grows_map(&s.stack));
    let (frame, _) = t.hottest(growing.clone())?;
    let count: u64 = growing.map(|s| s.samples).sum();
    Some(Stall { waits, by, growing: count, share: count as f64 / by.cpu_samples.max(1) as f64, frame })
}

fn finding(t: &Time<'_>, s: &Stall<'_>) -> Finding {
    let mut case = Case::default();
    let waiters = t.own(&s.waits.stack).map_or_else(String::new, |f| format!(" at {f}"));
    let text = format!(
        "{} waited{waiters} for {} in all, the longest {}, until {} let go of the lock",
        plural(s.by.times.count, "goroutine"),
        span(s.by.times.total_ns),
        span(s.by.times.max_ns),
        named(&s.by.function)
    );
    case.number(1.0, t.artifact, seconds(s.by.times.max_ns), "s", text);
    let text = format!(
        "{} of the CPU samples of {} meanwhile are inside the growth of a map, at {}",
        percent(s.share),
        named(&s.by.function),
        s.frame
    );
    case.number(if s.share >= 0.5 { 2.0 } else { 1.3 }, t.artifact, s.share, "fraction", text);
    if s.growing < 4 * LEAST_SAMPLES {
        case.number(
            -0.4,
            t.artifact,
            s.growing as f64,
            "samples",
            format!("only {} tell so", plural(s.growing, "sample")),
        );
    }
    let severity = if s.by.times.max_ns >= 1_000_000_000 { Severity::High } else { Severity::Medium };
    let title = format!(
        "{} stood still for up to {} while a map grew under a lock at {}",
        plural(s.by.times.count, "goroutine"),
        span(s.by.times.max_ns),
        s.frame
    );
    let mut f = case.finding(RULE.id, title, severity, Subject::of(SubjectKind::Map));
    f.size = Size::default();
    push_site(&mut f, Some(site(SiteRole::Inserts, s.frame)));
    push_site(&mut f, t.site(SiteRole::Blocks, &s.waits.stack));
    let longest = s.waits.longest;
    let end = TraceInstant { at_ns: longest.at_ns.saturating_add(longest.duration_ns), duration_ns: 0 };
    let by = named(&s.by.function);
    let release = t.own(&s.by.stack).map_or_else(String::new, |f| format!(" at {f}"));
    let steps = vec![
        t.step(longest, format!("a goroutine waits for a lock{waiters}, the longest of {}", s.by.times.count)),
        t.step(
            TraceInstant { at_ns: longest.at_ns, ..longest },
            format!("{by} holds it and fills a map at {}", s.frame),
        ),
        t.step(end, format!("{by} lets go of the lock{release}; those who waited go on")),
    ];
    Time::chain(&mut f, steps);
    f.fix = Fix {
        summary: "give the map its size, and build it outside the lock".into(),
        recipe: "Growing moves every entry again and again: a map of n entries that starts empty moves about n of them in all, and allocates twice its size.\n\n```go\nnext := make(map[Key]*Value, len(rows)) // no growth\nfor _, r := range rows {\n\tnext[r.Key] = r.Value\n}\ns.mu.Lock()\ns.index = next // readers wait for one assignment\ns.mu.Unlock()\n```\n\nFor readers that never wait keep the map behind an `atomic.Pointer`.".into(),
        expected_saving_bytes: None,
    };
    f
}
