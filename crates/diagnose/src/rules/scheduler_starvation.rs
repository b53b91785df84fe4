//! # scheduler-starvation
//!
//! ## What it means
//! Goroutines that could run wait for a processor because others keep all of them busy. Latency rises as with a bad
//! collector, and the collector is blamed, but it takes next to nothing: the processors are simply full.
//!
//! ## How it decides
//! In an execution trace: how long goroutines waited for a processor at times when no collection marked; how busy the
//! processors were; the collector's share of them. It is starvation when the 99th percentile of these waits reaches
//! `starvation-seconds`, the processors are nearly always busy, and the collector takes less than `gc-cpu-fraction`. Who
//! keeps them busy is the group of goroutines that ran most, at the line of most CPU samples. When the samples show that
//! threads ran for much less than they had processors, the host or a quota is to blame, and the finding stays low.
//!
//! ## What to do
//! Bound the work that fills the processors (a semaphore of fewer than GOMAXPROCS, a worker pool), do it elsewhere, or
//! yield; give the service more processors. A container's quota below GOMAXPROCS shows as the same.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::time::{NO_TRACE, SAMPLE_NS, Time, is_programs, named, push_site, seconds, site, span};
use model::{
    Finding, Fix, Severity, SiteRole, Size, Subject, SubjectKind, TraceDelay, TraceGoroutines, TraceInstant, Verdict,
};

pub(super) const RULE: Rule =
    Rule { id: "scheduler-starvation", of_time: true, source: include_str!("scheduler_starvation.rs"), check };

/// Waits below which a percentile is chance.
const LEAST_WAITS: u64 = 50;
/// Share of the processors' time in which they run goroutines, from which they are full.
const FULL: f64 = 0.85;
/// Share of that time in which CPU samples must show threads at work.
const RAN: f64 = 0.6;
/// Times all processors that one group could use, from which it fills them whatever the host does.
const WANTS: f64 = 3.0;

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let outside = &t.trace.latency.outside_gc;
    let busy = t.trace.goroutines.iter().map(|g| g.running_ns).sum::<u64>() as f64 / t.capacity_ns().max(1.0);
    let gc = t.trace.gc.cpu_share;
    let detail = format!(
        "{} waits for a processor, 99 % below {} outside of collections; processors busy {} of the time, {} by the collector",
        model::format_count(outside.count),
        span(outside.p99_ns),
        percent(busy.min(1.0)),
        percent(gc)
    );
    let slow = outside.count >= LEAST_WAITS && seconds(outside.p99_ns) >= cx.thresholds.starvation_seconds;
    if !slow || busy < FULL || gc >= cx.thresholds.gc_cpu_fraction {
        return Check::clear(detail);
    }
    let Some(hog) = t.groups().max_by_key(|g| g.running_ns) else { return Check::clear(detail) };
    Check::of(vec![(Verdict::Risk, finding(&t, hog, busy))], detail)
}

fn finding(t: &Time<'_>, hog: &TraceGoroutines, busy: f64) -> Finding {
    let latency = &t.trace.latency;
    let (inside, outside) = (&latency.in_gc, &latency.outside_gc);
    let gc = t.trace.gc.cpu_share;
    let mut case = Case::default();
    let text = format!(
        "goroutines that could run waited for a processor {} at the 99th percentile, {} at the most, while no collection marked",
        span(outside.p99_ns),
        span(outside.max_ns)
    );
    case.number(1.2, t.artifact, seconds(outside.p99_ns), "s", text);
    let text =
        format!("the {} ran goroutines {} of the time", plural(t.trace.procs, "processor"), percent(busy.min(1.0)));
    case.number(0.6, t.artifact, busy.min(1.0), "fraction", text);
    let text = format!(
        "the collector took {} of them; {} of {} waits began while it marked",
        percent(gc),
        inside.count,
        inside.count + outside.count
    );
    case.number(if gc < 0.05 { 0.8 } else { 0.3 }, t.artifact, gc, "fraction", text);
    let share = hog.running_ns as f64 / t.capacity_ns().max(1.0);
    let text = format!("{} took {} of the processors", named(&hog.function), percent(share));
    case.number(if share >= 0.5 { 0.8 } else { 0.2 }, t.artifact, share, "fraction", text);
    let stacks = || t.trace.cpu.stacks.iter().filter(|s| s.function == hog.function);
    let hottest = t.hottest(stacks());
    if let Some((frame, samples)) = hottest {
        let of: u64 = stacks().map(|s| s.samples).sum();
        let text = format!("{} of {} show it at {frame}", samples, plural(of, "CPU sample"));
        case.number(0.3, t.artifact, samples as f64, "samples", text);
    }
    // A processor of Go's need not have a processor of the host: samples are of time that threads really ran.
    let ran = (t.trace.cpu.samples * SAMPLE_NS) as f64 / (busy * t.capacity_ns()).max(1.0);
    // Who wants several times the processors there are would fill any host.
    let wants = (hog.running_ns + hog.runnable_ns) as f64 / t.capacity_ns().max(1.0);
    let held_back = t.trace.cpu.samples > 0 && ran < RAN;
    let squeezed = held_back && wants < WANTS;
    if held_back {
        let text = format!(
            "threads ran in {} of the time in which they had a processor of Go's: the host is busy, or a CPU quota holds \
             them back",
            percent(ran)
        );
        case.number(if squeezed { -2.0 } else { -0.5 }, t.artifact, ran, "fraction", text);
    }
    let text = format!("{} could have used {wants:.1} times the processors there are", named(&hog.function));
    case.number(if wants >= WANTS { 0.5 } else { 0.0 }, t.artifact, wants, "times", text);
    let severity = if squeezed {
        Severity::Low
    } else if seconds(outside.p99_ns) >= 0.1 {
        Severity::High
    } else {
        Severity::Medium
    };
    let place = hottest.map_or_else(String::new, |h| format!(" at {}", h.0));
    let title = format!(
        "goroutines wait up to {} for a processor: {} keeps them busy{place}, not the collector ({})",
        span(outside.max_ns),
        named(&hog.function),
        percent(gc)
    );
    let mut f = case.finding(RULE.id, title, severity, Subject::of(SubjectKind::Goroutine));
    f.size = Size { entries: Some(hog.count), ..Size::default() };
    push_site(&mut f, hottest.map(|h| site(SiteRole::Runs, h.0)));
    push_site(&mut f, t.site(SiteRole::Creates, &hog.created_at));
    let own = |d: &&TraceDelay| !d.in_gc && is_programs(&d.function) && d.function != hog.function;
    let mut steps = Vec::new();
    let longest = latency.longest.iter().find(own).or_else(|| latency.longest.iter().find(|d| !d.in_gc));
    if let Some(d) = longest {
        let at = TraceInstant { at_ns: d.start_ns, duration_ns: d.duration_ns };
        let end = TraceInstant { at_ns: d.start_ns.saturating_add(d.duration_ns), duration_ns: 0 };
        steps.push(
            t.step(at, format!("goroutine {} ({}) could run, no collection marks", d.goroutine, named(&d.function))),
        );
        steps.push(t.step(
            TraceInstant { at_ns: at.at_ns.saturating_add(1), ..at },
            format!("{} has the processors", named(&hog.function)),
        ));
        steps.push(t.step(end, format!("it runs after {}", span(d.duration_ns))));
    }
    Time::chain(&mut f, steps);
    f.fix = Fix {
        summary: "bound the CPU-bound work so that a processor stays free".into(),
        recipe: "Go's scheduler is fair in slices of 10 ms: with n goroutines that never wait, everybody else waits up to n slices divided by GOMAXPROCS. Let fewer of them run at a time:\n\n```go\nvar slots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))\n\nfunc crunch(job Job) {\n\tslots <- struct{}{}\n\tdefer func() { <-slots }()\n\tjob.run()\n}\n```\n\nOr move the work out of the process, or give it more processors. Tuning the collector changes nothing here.".into(),
        expected_saving_bytes: None,
    };
    f
}
