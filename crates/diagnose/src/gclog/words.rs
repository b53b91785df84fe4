//! Owns what signals and broken lines are called, how grave they are, and the sentence that says them with their numbers.

use crate::Thresholds;
use gclog::{Kind, Why};
use model::{Severity, format_iec};
use signals::{GcSignal, GcThresholds};

/// The thresholds of the signals.
pub(super) fn thresholds(t: &Thresholds) -> GcThresholds {
    GcThresholds {
        goal_trail_bytes: t.gc_goal_trail_bytes,
        jump_factor: t.gc_jump_factor,
        released_share: t.gc_released_share,
        pause_s: t.gc_pause_p99_s,
        pause_factor: t.gc_pause_factor,
        assist_share: t.gc_assist_share,
        rate_factor: t.gc_rate_factor,
        rate_per_s: t.gc_rate_per_s,
        forced_per_minute: t.forced_gc_per_minute,
        cpu_share: t.gc_cpu_fraction,
        limit_runway: t.gc_limit_runway,
    }
}

/// Identifier and severity.
pub(super) fn kind(s: &GcSignal, t: &GcThresholds) -> (&'static str, Severity) {
    match s {
        GcSignal::GoalTrails { .. } => ("goal-trails", Severity::Medium),
        GcSignal::HeapJump { .. } => ("heap-jump", Severity::Low),
        GcSignal::LongPause { .. } => ("long-pause", Severity::Medium),
        GcSignal::AssistHeavy { .. } => ("assist-heavy", Severity::Medium),
        GcSignal::RateUp { cpu_share, .. } => {
            let costs = cpu_share.is_some_and(|c| c >= t.cpu_share);
            ("gc-storm", if costs { Severity::High } else { Severity::Low })
        }
        GcSignal::RateDown { .. } => ("gc-rarer", Severity::Info),
        GcSignal::Forced { .. } => ("forced-gc", Severity::Medium),
        GcSignal::CpuHigh { .. } => ("gc-cpu", Severity::High),
        GcSignal::LimitBound { .. } => ("limit-bound", Severity::Critical),
    }
}

/// A sentence without a full stop.
pub(super) fn summary(s: &GcSignal, t: &GcThresholds) -> String {
    let b = format_iec;
    match *s {
        GcSignal::GoalTrails { over, goal } => format!(
            "the heap was {} over its goal of {} when marking ended: allocation outran the collector (from {})",
            b(over),
            b(goal),
            b(t.goal_trail_bytes)
        ),
        GcSignal::HeapJump { from, to, cycles } => format!(
            "the live heap went from {} to {} in {cycles:.0} collection{} that released nothing (from {:.0}x)",
            b(from),
            b(to),
            if cycles > 1.5 { "s" } else { "" },
            t.jump_factor
        ),
        GcSignal::LongPause { pause, median, heap_factor } => {
            let heap = heap_factor
                .filter(|f| *f >= t.jump_factor)
                .map_or_else(String::new, |f| format!("; the heap had grown {f:.1}-fold since the collection before"));
            format!(
                "the world stood still for {} in one collection, {} at the median{heap} (from {} and {:.0}x)",
                time(pause),
                time(median),
                time(t.pause_s),
                t.pause_factor
            )
        }
        GcSignal::AssistHeavy { share, cpu_share } => format!(
            "allocating goroutines do {} of the marking by assists, the GC takes {} of the CPU (from {})",
            percent(share),
            percent(cpu_share),
            percent(t.assist_share)
        ),
        GcSignal::RateUp { per_s, before_per_s, cpu_share } => {
            let cpu = cpu_share.map_or_else(String::new, |c| format!(", and take {} of the CPU", percent(c)));
            format!("collections went from {} to {}{cpu} (from {:.0}x)", rate(before_per_s), rate(per_s), t.rate_factor)
        }
        GcSignal::RateDown { per_s, before_per_s } => {
            format!("collections went from {} to {} (from {:.0}x)", rate(before_per_s), rate(per_s), t.rate_factor)
        }
        GcSignal::Forced { per_minute, share } => format!(
            "the program forces {per_minute:.0} collections a minute, {} of all (from {:.0} a minute)",
            percent(share),
            t.forced_per_minute
        ),
        GcSignal::CpuHigh { share } => {
            format!("the GC takes {} of all Ps' CPU time (from {})", percent(share), percent(t.cpu_share))
        }
        GcSignal::LimitBound { goal, live, runway, runway_before, cpu_share, per_s } => format!(
            "the goal stands at {} while {} are live: a runway of {} of the live heap, it was {}; {} take {} of the CPU: a \
             memory limit (GOMEMLIMIT) holds the goal down",
            b(goal),
            b(live),
            percent(runway.max(0.0)),
            percent(runway_before),
            rate(per_s).replace("/s", " collections a second").replace("/min", " collections a minute"),
            percent(cpu_share)
        ),
    }
}

/// A share, without decimals from 10 % on.
pub(super) fn percent(share: f64) -> String {
    let p = share * 100.0;
    if p.abs() >= 9.95 || p == 0.0 { format!("{p:.0} %") } else { format!("{p:.1} %") }
}

fn rate(per_s: f64) -> String {
    match per_s {
        r if r >= 9.95 => format!("{r:.0}/s"),
        r if r >= 0.5 => format!("{r:.1}/s"),
        r => format!("{:.1}/min", r * 60.0),
    }
}

/// A short time: milliseconds, seconds from one on.
pub(super) fn time(seconds: f64) -> String {
    let ms = seconds * 1e3;
    match ms {
        m if m >= 1000.0 => format!("{seconds:.1} s"),
        m if m >= 9.95 => format!("{m:.0} ms"),
        m if m >= 0.0995 => format!("{m:.1} ms"),
        m => format!("{:.0} \u{b5}s", m * 1e3),
    }
}

pub(super) const fn line_kind(k: Kind) -> &'static str {
    match k {
        Kind::Gc => "gc",
        Kind::Pacer => "pacer",
        Kind::Scavenge => "scav",
        Kind::Scan => "scan",
    }
}

/// Why a line is not taken, one sentence without a full stop.
pub(super) const fn why(w: Why) -> &'static str {
    match w {
        Why::Cut => "it ends too early",
        Why::Mixed => "something else stands in it or after it",
        Why::Headless => "its beginning is missing",
        Why::Glued => "it stands in other text, or beside a piece of another such line",
        Why::Inconsistent(rule) => rule.text(),
        Why::Older => "it has no stacks and globals: printed by a Go before 1.19",
    }
}
