//! # assist-tax
//!
//! ## What it means
//! When allocation outruns the background workers of a collection, whoever allocates has to help marking before it gets
//! its memory. The debt is by bytes, but it is paid in the middle of whatever a goroutine does: goroutines that allocate
//! little, like request handlers, run slower because others allocate much.
//!
//! ## How it decides
//! By the function that goroutines began with, an execution trace tells the time in mark assists against the time
//! running, and the bytes by which the heap grew while they ran. A group pays when at least `assist-tax-share` of its
//! running time is assists. It pays for others when it allocated less than a quarter of all bytes, another group more than
//! it, and its goroutines run code of the program, not of the standard library alone. Who causes it is the group that
//! allocates most, with the line from the heap profiles before and after. What takes less than a hundredth of the
//! processors' time stays a note.
//!
//! ## What to do
//! Allocate less where the garbage is made, or slow it down; raise GOGC (or the memory limit) so that collections begin
//! earlier than memory is needed; keep fewer pointers, so that marking costs less.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::recipes::churn_fix;
use crate::time::{NO_TRACE, Time, named, push_site, site, span};
use model::{Finding, Fix, Severity, SiteRole, Size, Subject, SubjectKind, TraceGoroutines, TraceInstant, Verdict};

pub(super) const RULE: Rule = Rule { id: "assist-tax", of_time: true, source: include_str!("assist_tax.rs"), check };

/// Assists below which a share is chance.
const LEAST_ASSISTS: u64 = 20;
/// Share of the allocation below which a group is innocent.
const INNOCENT: f64 = 0.25;
/// Share of all running time below which nobody notices.
const LEAST_RUNNING: f64 = 0.005;
/// Share of all processors' time that the assists of one group must take to be more than a note.
const NOTICED: f64 = 0.01;

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let gc = &t.trace.gc;
    let detail = format!(
        "{} of {} of running goroutines; the limit is {} of a group's running time",
        plural(gc.assists, "mark assist"),
        span(gc.assist_ns),
        percent(cx.thresholds.assist_tax_share)
    );
    let allocated: u64 = t.groups().map(|g| g.allocated_bytes).sum();
    let running: u64 = t.groups().map(|g| g.running_ns).sum();
    let Some(cause) = t.groups().max_by_key(|g| g.allocated_bytes).filter(|g| g.allocated_bytes > 0) else {
        return Check::clear(detail);
    };
    let pays = |g: &&TraceGoroutines| {
        let noticed = g.running_ns as f64 >= LEAST_RUNNING * running as f64 && g.assists >= LEAST_ASSISTS;
        noticed && share(g) >= cx.thresholds.assist_tax_share
    };
    let innocent = |g: &&TraceGoroutines| {
        t.runs_own_code(&g.function)
            && g.function != cause.function
            && (g.allocated_bytes as f64) < INNOCENT * allocated as f64
    };
    let victim = t.groups().filter(pays).filter(innocent).max_by_key(|g| g.assist_ns);
    let Some(victim) = victim else { return Check::clear(detail) };
    Check::of(vec![(Verdict::Churn, finding(cx, &t, victim, cause, allocated))], detail)
}

fn share(g: &TraceGoroutines) -> f64 {
    g.assist_ns as f64 / g.running_ns.max(1) as f64
}

fn finding(
    cx: &Context<'_>,
    t: &Time<'_>,
    victim: &TraceGoroutines,
    cause: &TraceGoroutines,
    allocated: u64,
) -> Finding {
    let part = |g: &TraceGoroutines| g.allocated_bytes as f64 / allocated.max(1) as f64;
    let mut case = Case::default();
    let tax = share(victim);
    let text = format!(
        "{} ran {} in {}: {} of its running time",
        named(&victim.function),
        span(victim.assist_ns),
        plural(victim.assists, "mark assist"),
        percent(tax)
    );
    case.number(if tax >= 2.0 * cx.thresholds.assist_tax_share { 1.5 } else { 1.0 }, t.artifact, tax, "fraction", text);
    let text = format!("but it allocated {} of all bytes", percent(part(victim)));
    case.number(0.8, t.artifact, part(victim), "fraction", text);
    let text = format!(
        "{} allocated {} of all bytes, {} in {:.1} s",
        named(&cause.function),
        percent(part(cause)),
        model::Bytes(cause.allocated_bytes),
        t.seconds()
    );
    case.number(if part(cause) >= 0.5 { 0.8 } else { 0.2 }, t.artifact, part(cause), "fraction", text);
    let lines = t.allocators(cx, Some(&cause.function));
    if let Some(a) = lines.first() {
        let text = format!("{} {} is from {}", percent(a.share), a.of, a.frame);
        case.number(if a.share >= 0.35 { 0.5 } else { 0.1 }, a.artifact, a.share, "fraction", text);
    }
    // However large a share, what takes next to no time is nobody's latency.
    let cost = victim.assist_ns as f64 / t.capacity_ns().max(1.0);
    let severity = if cost >= NOTICED { Severity::Medium } else { Severity::Low };
    let text = format!("that is {} of the time of all processors", percent(cost));
    case.number(if cost >= NOTICED { 0.3 } else { -0.5 }, t.artifact, cost, "fraction", text);
    let title = format!(
        "{} spends {} of its running time marking for the garbage of {}",
        named(&victim.function),
        percent(tax),
        named(&cause.function)
    );
    let mechanism = lines.first().and_then(|a| a.mechanism);
    let mut f = case.finding(RULE.id, title, severity, Subject { mechanism, ..Subject::of(SubjectKind::Goroutine) });
    f.size = Size { alloc_bytes_per_s: Some((cause.allocated_bytes as f64 / t.seconds()).round()), ..Size::default() };
    for a in lines.iter().take(2).filter(|a| a.share >= 0.1) {
        push_site(&mut f, Some(site(SiteRole::Allocates, a.frame)));
    }
    push_site(&mut f, t.site(SiteRole::Pays, &victim.assist_stack));
    Time::chain(&mut f, chain(t, victim, cause));
    f.fix = mechanism.map_or_else(general_fix, churn_fix);
    f
}

/// The collection in which the longest assist of the victim lies: who filled the heap, when it began, what it cost.
fn chain(t: &Time<'_>, victim: &TraceGoroutines, cause: &TraceGoroutines) -> Vec<model::ChainStep> {
    let longest = victim.longest_assist;
    let mut steps = Vec::new();
    let marks = |c: &&model::TraceCycle| (c.start_ns..=c.start_ns + c.duration_ns).contains(&longest.at_ns);
    if let Some(c) = t.trace.gc.cycles.iter().find(marks) {
        let before = t.trace.growth.iter().find(|g| g.start_ns <= c.start_ns && c.start_ns <= g.end_ns);
        if let Some(g) = before {
            let by = g.by.iter().find(|b| b.function == cause.function).map_or(0, |b| b.bytes);
            let event = format!("{} allocates {}", named(&cause.function), model::Bytes(by));
            steps.push(t.step(TraceInstant::between(g.start_ns, c.start_ns), event));
        }
        let event =
            format!("a collection marks with {} in use, goal {}", model::Bytes(c.heap_at_start), model::Bytes(c.goal));
        steps.push(t.step(TraceInstant { at_ns: c.start_ns, duration_ns: c.duration_ns }, event));
    }
    let event = format!("{} assists for {}, its longest", named(&victim.function), span(longest.duration_ns));
    steps.push(t.step(longest, event));
    steps
}

fn general_fix() -> Fix {
    Fix {
        summary: "make less garbage where it is made, or give collections more room".into(),
        recipe: "Assists are the price of allocating faster than the background workers (a quarter of the processors) can mark. Reduce the garbage of the group that is named; run batch work with a bound (`semaphore`, a rate limit) or in a process of its own; raise `GOGC` or set `GOMEMLIMIT` with a higher `GOGC`, so that a collection has a longer way to its goal.".into(),
        expected_saving_bytes: None,
    }
}
