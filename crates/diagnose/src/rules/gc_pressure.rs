//! # gc-pressure
//!
//! ## What it means
//! The garbage collector takes a share of CPU or of latency that users feel: too many cycles for the heap
//! there is (GOGC set too low), cycles forced by the program (`runtime.GC()`, `debug.FreeOSMemory()` in a
//! loop), or long stop-the-world pauses.
//!
//! ## How it decides
//! GC CPU fraction since the start, GC cycles per second, cycles forced by the program, the 99th percentile of
//! recent pauses, and the effective GOGC told from goal and live heap. Cycles that the capture forced
//! itself are left out of each count. One long pause is no sign: at least three of the latest 256 are asked.
//!
//! ## What to do
//! Raise GOGC (with GOMEMLIMIT as the safety net), remove forced collections, allocate less (see
//! `allocation-churn`), hold fewer pointers.

use super::{Check, Rule};
use crate::context::{Context, LOW_GOGC};
use crate::evidence::{Case, percent, plural};
use model::{Finding, Fix, MemStats, Severity, Size, Subject, SubjectKind, Verdict};

pub(super) const RULE: Rule = Rule { id: "gc-pressure", of_time: false, source: include_str!("gc_pressure.rs"), check };

struct Signs {
    cpu: Option<f64>,
    cycles_per_s: Option<f64>,
    forced_per_min: Option<f64>,
    pause_p99_s: Option<f64>,
    pauses: LongPauses,
    gogc: Option<f64>,
}

fn check(cx: &Context<'_>) -> Check {
    let all = cx.memstats();
    let Some((_, last)) = all.last() else {
        return Check::no_evidence("no MemStats could be read");
    };
    let window = cx.gc_window();
    let signs = Signs {
        cpu: cpu_fraction(cx),
        cycles_per_s: window.map(|w| w.cycles / w.seconds),
        forced_per_min: window.and_then(|w| Some(w.forced? / w.seconds * 60.0)),
        pause_p99_s: pause_quantile(&last.value, 0.99),
        pauses: LongPauses::of(&last.value, cx.thresholds.gc_pause_p99_s),
        gogc: cx.effective_gogc(),
    };
    let detail = describe(&signs);
    let t = cx.thresholds;
    let high_cpu = signs.cpu.is_some_and(|c| c >= t.gc_cpu_fraction);
    let forced = signs.forced_per_min.is_some_and(|f| f >= t.forced_gc_per_minute);
    let pauses = signs.pauses.long >= LongPauses::LEAST && signs.pause_p99_s.is_some_and(|p| p >= t.gc_pause_p99_s);
    if !(high_cpu || forced || pauses) {
        return Check::clear(detail);
    }
    let f = finding(&signs, &last.artifact, (high_cpu, forced, pauses));
    Check::of(vec![(Verdict::Churn, f)], detail)
}

/// GC share of CPU within the window where the uptime is known (the published fraction is since the
/// start), else since the start.
fn cpu_fraction(cx: &Context<'_>) -> Option<f64> {
    let all = cx.memstats();
    let (first, last) = (all.first()?, all.last()?);
    let since_start = last.1.value.gc_cpu_fraction?;
    let up = |s: &bundle::SampleFacts| s.uptime_seconds.as_ref().map(|u| u.value);
    let in_window = up(first.0).zip(up(last.0)).and_then(|(u1, u2)| {
        let f1 = first.1.value.gc_cpu_fraction?;
        (u2 - u1 >= 5.0).then(|| ((since_start * u2 - f1 * u1) / (u2 - u1)).clamp(0.0, 1.0))
    });
    Some(in_window.unwrap_or(since_start))
}

/// Stop-the-world pauses above the limit among the latest (at most 256).
struct LongPauses {
    long: usize,
    of: usize,
    longest_s: f64,
    limit_s: f64,
}

impl LongPauses {
    /// One or two are an accident of scheduling.
    const LEAST: usize = 3;

    fn of(m: &MemStats, limit_s: f64) -> Self {
        let seconds = || m.recent_pauses_ns.iter().map(|ns| *ns as f64 / 1e9);
        Self {
            long: seconds().filter(|p| *p >= limit_s).count(),
            of: m.recent_pauses_ns.len(),
            longest_s: seconds().fold(0.0, f64::max),
            limit_s,
        }
    }
}

/// A quantile of the latest pauses (at most 256), seconds.
fn pause_quantile(m: &MemStats, q: f64) -> Option<f64> {
    let mut p = m.recent_pauses_ns.clone();
    if p.len() < 20 {
        return None;
    }
    p.sort_unstable();
    let at = ((p.len() - 1) as f64 * q).round() as usize;
    p.get(at).map(|ns| *ns as f64 / 1e9)
}

fn describe(s: &Signs) -> String {
    let mut parts = Vec::new();
    parts.extend(s.cpu.map(|c| format!("GC CPU {}", percent(c))));
    parts.extend(s.cycles_per_s.map(|c| format!("{c:.1} cycles/s")));
    parts.extend(s.forced_per_min.map(|f| format!("{f:.0} forced/min by the program")));
    parts.extend(s.pause_p99_s.map(|p| format!("pause p99 {:.2} ms", p * 1e3)));
    parts.extend(s.gogc.map(|g| format!("effective GOGC about {g:.0}")));
    parts.join(", ")
}

fn finding(s: &Signs, artifact: &str, (high_cpu, forced, pauses): (bool, bool, bool)) -> Finding {
    let mut case = Case::default();
    if let Some(c) = s.cpu {
        let w = if high_cpu { 2.0 } else { -0.5 };
        case.number(w, artifact, c, "fraction", format!("the GC takes {} of the CPU", percent(c)));
    }
    if let Some(c) = s.cycles_per_s {
        let w = if c >= 2.0 { 0.8 } else { 0.0 };
        case.number(w, artifact, c, "cycles/s", format!("{c:.1} GC cycles per second besides those of this capture"));
    }
    if let Some(f) = s.forced_per_min.filter(|_| forced) {
        case.number(
            2.0,
            artifact,
            f,
            "cycles/min",
            format!("the program forces {} per minute", plural(f.round() as u64, "collection")),
        );
    }
    if pauses {
        let p = &s.pauses;
        let text = format!(
            "{} of the latest {} stop-the-world pauses took {:.0} ms or more, the longest {:.1} ms",
            p.long,
            p.of,
            p.limit_s * 1e3,
            p.longest_s * 1e3
        );
        case.number(1.0, artifact, p.longest_s, "s", text);
    }
    let low_gogc = s.gogc.filter(|g| *g < LOW_GOGC);
    if let Some(g) = low_gogc {
        case.number(
            0.8,
            artifact,
            g,
            "percent",
            format!("the heap goal leaves room for {g:.0} % garbage: GOGC is about that"),
        );
    }
    let title = match (high_cpu, forced) {
        (_, true) => format!("the program forces {:.0} GC cycles per minute", s.forced_per_min.unwrap_or(0.0)),
        (true, _) => format!("GC takes {} of the CPU", percent(s.cpu.unwrap_or(0.0))),
        _ => format!("stop-the-world pauses reach {:.1} ms", s.pauses.longest_s * 1e3),
    };
    let severity = if s.cpu.is_some_and(|c| c >= 0.4) {
        Severity::High
    } else if high_cpu || forced {
        Severity::Medium
    } else {
        Severity::Low
    };
    let mut f = case.finding(RULE.id, title, severity, Subject::of(SubjectKind::Process));
    f.size = Size::default();
    f.fix = if high_cpu || forced { fix(forced, low_gogc) } else { pause_fix() };
    f
}

/// Go stops the world for well under a millisecond when its threads get CPU.
fn pause_fix() -> Fix {
    Fix {
        summary: "look for CPU throttling or an overloaded host".into(),
        recipe: "The work done with the world stopped takes microseconds at any heap size. Pauses of many milliseconds mean that a thread was not running when it had to stop: a CPU quota (`nr_throttled` in the control group's `cpu.stat`; set GOMAXPROCS to the quota), more runnable threads than cores on the host, or, rarely, a long stretch of code that cannot be preempted.".into(),
        expected_saving_bytes: None,
    }
}

fn fix(forced: bool, low_gogc: Option<f64>) -> Fix {
    let (summary, recipe) = if forced {
        (
            "remove the forced collections",
            "`runtime.GC()` and `debug.FreeOSMemory()` each run a whole collection. Set GOMEMLIMIT instead and let the pacer decide.",
        )
    } else if low_gogc.is_some() {
        (
            "raise GOGC, with GOMEMLIMIT as the safety net",
            "CPU spent on GC is roughly proportional to 1/GOGC: going from 25 to 100 makes a quarter of the cycles. `GOGC=100 GOMEMLIMIT=<90 % of the container limit>` bounds memory without paying for it all the time.",
        )
    } else {
        (
            "allocate less, and hold fewer pointers",
            "Marking costs by live pointers, frequency by garbage. See the allocation findings for who makes the garbage; values instead of pointers in large maps and slices cut the marking.",
        )
    };
    Fix { summary: summary.into(), recipe: recipe.into(), expected_saving_bytes: None }
}
