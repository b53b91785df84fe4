//! # memory-limit-spiral
//!
//! ## What it means
//! The live heap has come so close to GOMEMLIMIT that a collection frees next to nothing, and the next one begins at
//! once: a death spiral. The runtime bounds it at half of the processors (the GC CPU limiter) and lets memory pass the
//! limit then; the service crawls until it is killed.
//!
//! ## How it decides
//! In an execution trace: one collection after the other (marking most of the time), a large share of the processors
//! taken by the collector, and hardly any room between the live heap and the goal. That the limit is what holds the
//! goal down is told by a goal within half a per cent of the live heap (GOGC leaves at least GOGC per cent), by a goal
//! that falls when the live heap rises, or by GOMEMLIMIT itself where it is published. A low GOGC looks alike but for
//! these, and is left to `gc-pressure`.
//!
//! ## What to do
//! Hold less (see what holds the memory), or raise the limit. A limit is for a short peak, not for a heap that stays.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use crate::time::{NO_TRACE, Time, median, push_site, site, span};
use model::{Bytes, Finding, Fix, Severity, SiteRole, Size, Subject, SubjectKind, TraceCycle, TraceInstant, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "memory-limit-spiral", of_time: true, source: include_str!("memory_limit_spiral.rs"), check };

/// Cycles below which shares are chance.
const LEAST_CYCLES: usize = 2;
/// Share of the processors from which the limiter is at work (`src/runtime/mgclimit.go` aims at 0.5; a trace counts what
/// runs, which is a little more than what is charged).
const LIMITER: f64 = 0.45;
/// Room below which only a limit can have set the goal.
const NO_ROOM: f64 = 0.005;

/// What the collections of the trace look like.
#[derive(Clone, Copy, Debug)]
struct Signs {
    cycles: usize,
    marking: f64,
    cpu: f64,
    /// Live heap at the median, and the room to the goal as a share of it.
    live: f64,
    room: f64,
    /// How the goal goes with the live heap: -1 against it, 1 with it.
    correlation: f64,
}

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let Some(s) = signs(&t) else { return Check::clear("too few collections for a spiral") };
    let detail = format!(
        "{}, marking {} of the time, {} of the processors; room to the goal {} of the live heap",
        plural(s.cycles as u64, "collection"),
        percent(s.marking),
        percent(s.cpu),
        percent(s.room)
    );
    let th = cx.thresholds;
    let spiral = s.marking >= th.spiral_mark_share && s.cpu >= th.spiral_cpu_share && s.room <= th.gc_limit_runway;
    if !spiral {
        return Check::clear(detail);
    }
    let f = finding(cx, &t, s);
    // Without a sign of the limit this is a low GOGC, which another rule names.
    let found = (f.confidence >= 0.5).then_some((Verdict::Risk, f));
    Check::of(found.into_iter().collect(), detail)
}

fn signs(t: &Time<'_>) -> Option<Signs> {
    let whole: Vec<&TraceCycle> =
        t.trace.gc.cycles.iter().filter(|c| c.whole && c.goal > 0 && c.heap_at_end > 0).collect();
    if whole.len() < LEAST_CYCLES {
        return None;
    }
    // The goal of a cycle was set by what the one before it left.
    let pairs: Vec<(f64, f64)> =
        whole.iter().zip(whole.iter().skip(1)).map(|(a, b)| (a.heap_at_end as f64, b.goal as f64)).collect();
    let mut room: Vec<f64> = pairs.iter().map(|(live, goal)| (goal - live) / live).collect();
    let mut live: Vec<f64> = pairs.iter().map(|p| p.0).collect();
    Some(Signs {
        cycles: whole.len(),
        marking: t.trace.gc.mark_ns as f64 / t.trace.duration_ns.max(1) as f64,
        cpu: t.trace.gc.cpu_share,
        live: median(&mut live),
        room: median(&mut room),
        correlation: correlation(&pairs),
    })
}

/// Pearson's correlation; 0 where one of the two hardly changes.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let n = pairs.len().max(1) as f64;
    let (mx, my) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let sum = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
    let (xx, yy) = (sum(&|p| (p.0 - mx).powi(2)), sum(&|p| (p.1 - my).powi(2)));
    if xx.sqrt() < 1e-3 * mx || yy.sqrt() < 1e-4 * my {
        return 0.0;
    }
    sum(&|p| (p.0 - mx) * (p.1 - my)) / (xx * yy).sqrt()
}

fn finding(cx: &Context<'_>, t: &Time<'_>, s: Signs) -> Finding {
    let mut case = Case::default();
    let text = format!(
        "{} in {:.1} s: the collector marks {} of the time and takes {} of the processors",
        plural(s.cycles as u64, "collection"),
        t.seconds(),
        percent(s.marking),
        percent(s.cpu)
    );
    case.number(0.5, t.artifact, s.cpu, "fraction", text);
    let live = Bytes(s.live as u64);
    let text = format!("the goal leaves {} of room above {live} of live heap", percent(s.room.max(0.0)));
    let (weight, text) = match s.room {
        r if r <= NO_ROOM => (2.0, format!("{text}: less than any GOGC would")),
        r if r <= 0.05 => (0.3, text),
        _ => (0.0, text),
    };
    case.number(weight, t.artifact, s.room, "fraction", text);
    if s.cpu >= LIMITER {
        let text =
            "it has reached what the runtime's GC CPU limiter allows, half of the processors: memory passes the limit \
                    from here on"
                .to_owned();
        case.number(0.3, t.artifact, s.cpu, "fraction", text);
    }
    if s.correlation < -0.3 {
        let text = "the goal falls when the live heap rises: a limit holds it down, GOGC would lift it".to_owned();
        case.number(1.2, t.artifact, s.correlation, "correlation", text);
    } else if s.correlation > 0.7 && s.room > NO_ROOM {
        let text = "the goal rises with the live heap, as GOGC makes it".to_owned();
        case.number(-1.5, t.artifact, s.correlation, "correlation", text);
    }
    let limit = cx.memory_limit();
    weigh_limit(&mut case, cx, &s);
    let of = limit.as_ref().map_or_else(String::new, |l| format!(" ({})", l.value));
    let title = format!(
        "{live} of live heap leave no room below the memory limit{of}: the collector takes {} of the processors",
        percent(s.cpu)
    );
    let severity = if s.cpu >= 0.4 { Severity::Critical } else { Severity::High };
    let mut f = case.finding(RULE.id, title, severity, Subject::of(SubjectKind::Process));
    f.size = Size { retained_bytes: Some(live.0), ..Size::default() };
    for line in holders(cx) {
        push_site(&mut f, Some(line));
    }
    Time::chain(&mut f, chain(t, s));
    f.fix = Fix {
        summary: "hold less, or raise GOMEMLIMIT above the live heap".into(),
        recipe: "A limit below what stays in use makes collections run back to back: the runtime spends up to half of the processors on them and passes the limit anyway. Find what holds the live heap (`oomph diagnose PID`, `oomph heap PID`) and bound it. If it is needed, set `GOMEMLIMIT` to 90 % of the container's memory, and leave the live heap at most 60 to 70 % of it; scale out before that.".into(),
        expected_saving_bytes: None,
    };
    f
}

/// What the published limit and GOGC say.
fn weigh_limit(case: &mut Case, cx: &Context<'_>, s: &Signs) {
    if let Some(l) = cx.memory_limit() {
        let share = s.live / (l.value.0.max(1) as f64);
        if (0.6..=1.5).contains(&share) {
            let text = format!("GOMEMLIMIT is {}: the live heap is {} of it", l.value, percent(share));
            case.number(1.5, &l.artifact, share, "fraction", text);
        } else if share < 0.6 {
            let text = format!("GOMEMLIMIT is {}, the live heap only {} of it", l.value, percent(share));
            case.number(-1.5, &l.artifact, share, "fraction", text);
        }
    }
    let told = cx.memstats().last().and_then(|(_, m)| Some((m.value.gogc_percent?, m.artifact.clone())));
    if let Some((gogc, artifact)) = told {
        let wants = gogc as f64 / 100.0;
        if wants > 2.0 * s.room.max(0.0) + 0.02 {
            let text = format!("GOGC is {gogc}: it would leave {} of room", percent(wants));
            case.number(1.5, &artifact, gogc as f64, "percent", text);
        } else {
            case.number(-2.0, &artifact, gogc as f64, "percent", format!("GOGC is {gogc}: it sets this goal itself"));
        }
    }
}

/// The lines that hold most of the live heap.
fn holders(cx: &Context<'_>) -> Vec<model::SiteRef> {
    let table = &cx.sites;
    let total = table.totals.last().map_or(0.0, |v| v.inuse_bytes);
    let mut lines: Vec<(f64, u32)> =
        table.sites.iter().filter_map(|s| Some((s.values.last()?.inuse_bytes, s.frame))).collect();
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    let large = lines.into_iter().filter(|(bytes, _)| total > 0.0 && *bytes >= 0.2 * total).take(2);
    large.map(|(_, frame)| site(SiteRole::Allocates, table.frame(frame))).collect()
}

fn chain(t: &Time<'_>, s: Signs) -> Vec<model::ChainStep> {
    let cycles = &t.trace.gc.cycles;
    let mut steps = Vec::new();
    let gap = |i: usize| {
        Some(cycles.get(i + 1)?.start_ns.saturating_sub(cycles.get(i)?.start_ns + cycles.get(i)?.duration_ns))
    };
    let closest =
        (0..cycles.len()).filter(|i| cycles.get(*i).is_some_and(|c| c.whole)).filter_map(|i| Some((gap(i)?, i))).min();
    if let Some((apart, i)) = closest
        && let (Some(a), Some(b)) = (cycles.get(i), cycles.get(i + 1))
    {
        let at = TraceInstant { at_ns: a.start_ns, duration_ns: a.duration_ns };
        steps.push(t.step(at, format!("a collection leaves {} in use", Bytes(a.heap_at_end))));
        let at = TraceInstant { at_ns: b.start_ns, duration_ns: b.duration_ns };
        steps.push(t.step(at, format!("the next begins {} later, with a goal of {}", span(apart), Bytes(b.goal))));
    }
    let at = TraceInstant { at_ns: 0, duration_ns: t.trace.duration_ns };
    steps.push(t.step(at, format!("all the while {} of the processors go to the collector", percent(s.cpu))));
    steps
}

#[cfg(test)]
mod tests {
    use super::correlation;

    #[test]
    fn a_goal_that_goes_against_the_heap_is_told() {
        let against: Vec<(f64, f64)> = (0..10).map(|i| (1e8 + 1e6 * f64::from(i), 2e8 - 1e6 * f64::from(i))).collect();
        assert!((correlation(&against) + 1.0).abs() < 1e-6);
        let still: Vec<(f64, f64)> = (0..10).map(|_| (1e8, 1.05e8)).collect();
        assert_eq!(correlation(&still), 0.0);
    }
}
