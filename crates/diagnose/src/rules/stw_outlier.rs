//! # stw-outlier
//!
//! ## What it means
//! Stopping the world takes microseconds, unless a goroutine does something that the runtime cannot interrupt: one copy
//! of hundreds of megabytes, a search in a huge slice, a hash in assembly. Until it is done every other goroutine stands
//! still, and the garbage collector gets the blame.
//!
//! ## How it decides
//! The longest stopped worlds of an execution trace, from the request on, that last `gc-pause-p99-s` and more. Of each
//! the trace tells which goroutine was the last to stop, how long that took, and where it stood; CPU samples tell what
//! it did meanwhile. When waiting for one goroutine is most of the time and CPU samples show it at work, that is the
//! cause. Without a sample the thread may not have been running at all (a CPU quota, an overloaded host): then the
//! finding stays low.
//!
//! ## What to do
//! Do the work in pieces: copy, search and hash a megabyte at a time. Between pieces the runtime can interrupt.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::time::{NO_TRACE, SAMPLE_NS, Time, is_runtime, named, push_site, seconds, site, span};
use model::{
    Finding, Fix, Frame, Severity, SiteRole, Size, Subject, SubjectKind, TraceInstant, TraceStopper, TraceStwWindow,
    Verdict,
};

pub(super) const RULE: Rule = Rule { id: "stw-outlier", of_time: true, source: include_str!("stw_outlier.rs"), check };

/// Share of a stop that waiting for one goroutine must be.
const WAITING: f64 = 0.5;
/// Samples below which nothing is proven, and the share of the waiting time that they must stand for.
const LEAST_SAMPLES: u64 = 3;
const WORKED: f64 = 0.3;

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let stw = &t.trace.stw;
    let count: u64 = stw.reasons.iter().map(|r| r.times.count).sum();
    let Some(longest) = stw.longest.first() else { return Check::clear("the world was not stopped") };
    let limit = cx.thresholds.gc_pause_p99_s;
    let detail = format!(
        "{}, the longest {}; the limit is {:.0} ms",
        plural(count, "stopped world"),
        span(longest.duration_ns),
        limit * 1e3
    );
    let outliers: Vec<&TraceStwWindow> = stw.longest.iter().filter(|w| seconds(w.duration_ns) >= limit).collect();
    if outliers.is_empty() {
        return Check::clear(detail);
    }
    Check::of(vec![(Verdict::Risk, finding(cx, &t, &outliers, count))], detail)
}

/// The line that most of the outliers waited for.
struct Culprit<'a> {
    frame: &'a Frame,
    /// Stops that waited for it, and of these those with a CPU sample of it.
    stops: Vec<(&'a TraceStwWindow, &'a TraceStopper)>,
    sampled: usize,
}

fn culprit<'a>(t: &Time<'a>, outliers: &[&'a TraceStwWindow]) -> Option<Culprit<'a>> {
    let mut all: Vec<Culprit<'a>> = Vec::new();
    for w in outliers {
        let Some(last) = w.last.as_ref().filter(|l| l.after_ns as f64 >= WAITING * w.duration_ns as f64) else {
            continue;
        };
        // What it did while the others waited tells more than where it could be stopped.
        let worked = t.hottest(last.cpu.iter()).map(|h| h.0);
        let Some(frame) = worked.or_else(|| t.own(&last.stack)) else { continue };
        let at = all.iter().position(|c| c.frame == frame).unwrap_or_else(|| {
            all.push(Culprit { frame, stops: Vec::new(), sampled: 0 });
            all.len() - 1
        });
        if let Some(c) = all.get_mut(at) {
            c.stops.push((*w, last));
            c.sampled += usize::from(worked.is_some());
        }
    }
    all.into_iter().max_by_key(|c| (c.sampled, c.stops.iter().map(|s| s.0.duration_ns).sum::<u64>()))
}

fn finding(cx: &Context<'_>, t: &Time<'_>, outliers: &[&TraceStwWindow], count: u64) -> Finding {
    let mut case = Case::default();
    let longest = outliers.first().map_or(0, |w| w.duration_ns);
    let text = format!(
        "{} of {count} stopped worlds lasted {:.0} ms and more, the longest {}",
        outliers.len(),
        cx.thresholds.gc_pause_p99_s * 1e3,
        span(longest)
    );
    case.number(0.5, t.artifact, seconds(longest), "s", text);
    let found = culprit(t, outliers);
    let Some(c) = found else {
        let text =
            "which goroutine they waited for is not seen: the work was done with the world stopped, or by a thread \
                    that did not run"
                .to_owned();
        case.number(-0.5, t.artifact, 0.0, "stops", text);
        let title = format!("a stopped world lasted {}; its cause is not proven", span(longest));
        let mut f = case.finding(RULE.id, title, Severity::Low, Subject::of(SubjectKind::Process));
        Time::chain(&mut f, outliers.first().map(|w| stopped(t, w)).into_iter().collect());
        f.fix = fix(false);
        return f;
    };
    let waited: u64 = c.stops.iter().map(|s| s.1.after_ns).sum();
    let lasted: u64 = c.stops.iter().map(|s| s.0.duration_ns).sum();
    let text = format!(
        "{} of them waited for {} to come to a place where it can stop: {} of their time",
        c.stops.len(),
        c.frame,
        percent(waited as f64 / lasted.max(1) as f64)
    );
    case.number(1.0, t.artifact, c.stops.len() as f64, "stops", text);
    let proven = weigh_samples(&mut case, t, &c);
    if c.stops.len() >= 2 {
        case.number(
            0.7,
            t.artifact,
            c.stops.len() as f64,
            "stops",
            "it happened more than once, at the same line".into(),
        );
    }
    let severity = match (proven, longest) {
        (true, 100_000_000..) => Severity::High,
        (true, _) => Severity::Medium,
        _ => Severity::Low,
    };
    let how = if proven { "could not be interrupted" } else { "did not stop" };
    let title = format!("the world waited {} for {}, which {how}", span(longest_wait(&c)), c.frame);
    let mut f = case.finding(RULE.id, title, severity, Subject::of(SubjectKind::Site));
    f.size = Size::default();
    push_site(&mut f, Some(site(SiteRole::Blocks, c.frame)));
    if let Some((w, last)) = c.stops.iter().max_by_key(|s| s.1.after_ns) {
        let steps = [stopped(t, w), went_on(t, w, last), resumed(t, w)];
        Time::chain(&mut f, steps.into());
    }
    f.fix = fix(proven);
    f
}

fn longest_wait(c: &Culprit<'_>) -> u64 {
    c.stops.iter().map(|s| s.1.after_ns).max().unwrap_or(0)
}

/// Whether CPU samples show the goroutine at work while the others waited, for a good part of that time, and whether it
/// was inside something that cannot be interrupted.
fn weigh_samples(case: &mut Case, t: &Time<'_>, c: &Culprit<'_>) -> bool {
    let stacks = || c.stops.iter().flat_map(|s| &s.1.cpu);
    let samples: u64 = stacks().map(|s| s.samples).sum();
    let waited = c.stops.iter().map(|s| s.1.after_ns).sum::<u64>();
    let worked = (samples * SAMPLE_NS) as f64 / waited.max(1) as f64;
    if t.trace.cpu.samples == 0 {
        let text = "the trace has no CPU samples: whether its thread ran is not known".to_owned();
        case.number(-0.5, t.artifact, 0.0, "samples", text);
        return false;
    }
    let inside: u64 =
        stacks().filter(|s| s.stack.first().is_some_and(|f| is_uninterruptible(&f.function))).map(|s| s.samples).sum();
    // Inside a copy it cannot stop however slowly it gets on.
    let proven = samples >= LEAST_SAMPLES && (worked >= WORKED || 2 * inside > samples);
    if !proven {
        let text = format!(
            "{} of {} possible ones show it at work: its thread may not have run (a CPU quota, a busy host)",
            plural(samples, "CPU sample"),
            waited / SAMPLE_NS
        );
        case.number(-1.5, t.artifact, samples as f64, "samples", text);
        return false;
    }
    let text = format!("{} show it at work there while the others waited", plural(samples, "CPU sample"));
    case.number(1.5, t.artifact, samples as f64, "samples", text);
    if 2 * inside > samples {
        let leaf = stacks().filter_map(|s| s.stack.first()).find(|f| is_uninterruptible(&f.function));
        let text = format!("it was inside {}, which cannot be interrupted", leaf.map_or("", |f| f.short_function()));
        case.number(0.8, t.artifact, inside as f64, "samples", text);
    } else {
        let text = "it was in Go code, which can be interrupted nearly everywhere".to_owned();
        case.number(-0.8, t.artifact, (samples - inside) as f64, "samples", text);
    }
    true
}

/// Whether a function is of the runtime or in assembly: signals that would stop the goroutine have no effect there
/// (`wantAsyncPreempt`, `isAsyncSafePoint` in `src/runtime/preempt.go`).
fn is_uninterruptible(function: &str) -> bool {
    let assembly = ["internal/bytealg.", "crypto/", "math/big.", "hash/crc32.", "strings.Index", "bytes.Index"];
    is_runtime(function) || assembly.iter().any(|p| function.starts_with(p))
}

fn stopped(t: &Time<'_>, w: &TraceStwWindow) -> model::ChainStep {
    let at = TraceInstant { at_ns: w.start_ns, duration_ns: w.duration_ns };
    t.step(at, format!("the world is to stop ({})", w.reason))
}

fn went_on(t: &Time<'_>, w: &TraceStwWindow, last: &TraceStopper) -> model::ChainStep {
    let at = TraceInstant { at_ns: w.start_ns.saturating_add(1), duration_ns: last.after_ns };
    let by = if last.function.is_empty() { "a goroutine" } else { named(&last.function) };
    t.step(at, format!("{} runs on for {}; all others stand still", by, span(last.after_ns)))
}

fn resumed(t: &Time<'_>, w: &TraceStwWindow) -> model::ChainStep {
    let at = TraceInstant { at_ns: w.start_ns.saturating_add(w.duration_ns), duration_ns: 0 };
    let more = match w.runnable {
        0 => String::new(),
        n => format!("; {} waited for a processor when it was to stop", plural(n, "goroutine")),
    };
    t.step(at, format!("the world goes on after {}{more}", span(w.duration_ns)))
}

fn fix(proven: bool) -> Fix {
    let (summary, recipe) = if proven {
        (
            "do it in pieces that can be interrupted",
            "A single `copy`, `bytes.Index`, hash or clear over a huge slice runs in assembly that cannot be preempted. Work in pieces; a loop in Go is a place to stop:\n\n```go\nfor len(src) > 0 {\n\tn := copy(dst, src[:min(len(src), 1<<20)])\n\tdst, src = dst[n:], src[n:]\n}\n```",
        )
    } else {
        (
            "take a trace with a CPU profile, and look for CPU throttling",
            "`oomph trace URL` takes a CPU profile with the trace, which tells whether the goroutine worked or its thread did not run. For the latter look at `nr_throttled` in the control group's `cpu.stat` and set GOMAXPROCS to the quota.",
        )
    };
    Fix { summary: summary.into(), recipe: recipe.into(), expected_saving_bytes: None }
}
