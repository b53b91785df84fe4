//! # gc-storm
//!
//! ## What it means
//! Within seconds collections become many times as frequent as they were: someone began to make garbage at a rate that
//! the heap was not sized for. Until it ends, marking, mark assists and stopped worlds take processor time from
//! everybody.
//!
//! ## How it decides
//! The starts of all mark phases of an execution trace; the stretch of time in which they are most unlike the rest
//! (largest likelihood ratio of two rates against one). It is a storm when the rate inside is `gc-rate-factor` times the
//! rate of the quietest third of the trace outside of it, and at least `gc-rate-per-s`. Who caused it are the goroutines that ran when the heap grew inside the
//! stretch; the line and its mechanism come from the heap profiles before and after the trace, or from CPU samples
//! inside allocations.
//!
//! ## What to do
//! Allocate less at the line that is named: its mechanism decides how. A memory limit with GOGC off, or a higher GOGC,
//! makes the same garbage cost fewer collections.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, rate, round3};
use crate::recipes::churn_fix;
use crate::time::{NO_TRACE, Time, named, push_site, site, span};
use model::{
    Finding, Fix, Mechanism, Severity, SiteRole, Size, Subject, SubjectKind, TraceGrowth, TraceInstant, Verdict,
};

pub(super) const RULE: Rule = Rule { id: "gc-storm", of_time: true, source: include_str!("gc_storm.rs"), check };

/// Parts that a trace is divided into.
const PARTS: usize = 48;
/// Parts that collections are held against.
const QUIET: usize = PARTS / 3;
/// Collections that a storm has at least.
const LEAST_CYCLES: f64 = 8.0;

/// A stretch of time with more collections than the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Storm {
    at: TraceInstant,
    cycles: f64,
    per_s: f64,
    before_per_s: f64,
}

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let starts: Vec<u64> = t.trace.gc.cycles.iter().map(|c| c.start_ns).collect();
    let all = format!("{:.1} collections/s in {:.1} s", starts.len() as f64 / t.seconds(), t.seconds());
    let Some(storm) = storm(&starts, t.trace.duration_ns) else { return Check::clear(all) };
    let factor = storm.per_s / storm.before_per_s;
    let detail = format!("{all}; at most {:.1}/s for {}", storm.per_s, span(storm.at.duration_ns));
    let enough = factor >= cx.thresholds.gc_rate_factor && storm.per_s >= cx.thresholds.gc_rate_per_s;
    if !enough || storm.cycles < LEAST_CYCLES {
        return Check::clear(detail);
    }
    Check::of(vec![(Verdict::Churn, finding(cx, &t, storm, factor))], detail)
}

/// The stretch whose rate is most unlike the rest, if it is higher there.
fn storm(starts: &[u64], duration: u64) -> Option<Storm> {
    let mut parts = [0.0_f64; PARTS];
    for s in starts {
        let part = (u128::from(*s) * PARTS as u128 / u128::from(duration.max(1))) as usize;
        parts[part.min(PARTS - 1)] += 1.0;
    }
    let all = parts.iter().sum::<f64>();
    // Logarithm of the likelihood of so many events at their own rate.
    let likely = |events: f64, parts: f64| if events > 0.0 { events * (events / parts).ln() } else { 0.0 };
    let mut best: Option<(f64, usize, usize, f64)> = None;
    for from in 0..PARTS {
        let mut inside = 0.0;
        for to in from + 1..=PARTS {
            inside += parts[to - 1];
            let (len, rest) = ((to - from) as f64, (PARTS - (to - from)) as f64);
            if rest < 1.0 || inside / len <= (all - inside) / rest {
                continue;
            }
            let ratio = likely(inside, len) + likely(all - inside, rest);
            if best.is_none_or(|b| ratio > b.0) {
                best = Some((ratio, from, to, inside));
            }
        }
    }
    let (_, from, to, inside) = best?;
    let part = duration as f64 / PARTS as f64;
    let at = TraceInstant { at_ns: (from as f64 * part) as u64, duration_ns: ((to - from) as f64 * part) as u64 };
    let part_s = part / 1e9;
    let (quiet, parts_of_it) = quietest(&parts, from, to).unwrap_or((all - inside, PARTS - (to - from)));
    // None seen in so much time is less than one: what is not seen is not called zero.
    Some(Storm {
        at,
        cycles: inside,
        per_s: inside / (part_s * (to - from) as f64),
        before_per_s: quiet.max(0.5) / (part_s * parts_of_it as f64).max(1e-9),
    })
}

/// Collections in the quietest stretch of [`QUIET`] parts outside of the storm, and its parts: the rest may hold the end
/// of another storm.
fn quietest(parts: &[f64; PARTS], from: usize, to: usize) -> Option<(f64, usize)> {
    let stretches = (0..=PARTS - QUIET).filter(|i| i + QUIET <= from || *i >= to);
    let sums = stretches.filter_map(|i| Some(parts.get(i..i + QUIET)?.iter().sum::<f64>()));
    sums.min_by(f64::total_cmp).map(|sum| (sum, QUIET))
}

/// Goroutines by bytes that the heap grew by while they ran, inside the storm: the group, its bytes, all bytes.
fn causes<'a>(growth: &'a [TraceGrowth], storm: &Storm) -> Option<(&'a str, u64, u64)> {
    let end = storm.at.at_ns.saturating_add(storm.at.duration_ns);
    let inside = || growth.iter().filter(|g| g.end_ns > storm.at.at_ns && g.start_ns < end);
    let mut by: Vec<(&str, u64)> = Vec::new();
    for g in inside().flat_map(|g| &g.by) {
        match by.iter_mut().find(|b| b.0 == g.function) {
            Some(b) => b.1 += g.bytes,
            None => by.push((&g.function, g.bytes)),
        }
    }
    let all = inside().map(|g| g.allocated_bytes).sum();
    by.into_iter().max_by_key(|b| b.1).map(|(name, bytes)| (name, bytes, all))
}

fn finding(cx: &Context<'_>, t: &Time<'_>, storm: Storm, factor: f64) -> Finding {
    let mut case = Case::default();
    let text = format!(
        "{:.0} collections in {}, {:.1} per second; {:.2} per second when it is quiet",
        storm.cycles,
        span(storm.at.duration_ns),
        storm.per_s,
        storm.before_per_s
    );
    case.number(1.5, t.artifact, storm.per_s, "cycles/s", text);
    let mut steps = vec![t.step(
        storm.at,
        format!("{:.0} collections: {factor:.0} times as many per second as at other times", storm.cycles),
    )];
    let cause = causes(&t.trace.growth, &storm);
    if let Some((group, bytes, all)) = cause.filter(|c| c.1 > 0) {
        let share = bytes as f64 / all.max(1) as f64;
        let text = format!(
            "{} of the {} that the heap grew by meanwhile were allocated by {}",
            percent(share),
            model::Bytes(all),
            named(group)
        );
        case.number(if share >= 0.5 { 1.0 } else { 0.3 }, t.artifact, share, "fraction", text);
        let at = TraceInstant { at_ns: storm.at.at_ns, duration_ns: 0 };
        steps.push(t.step(at, format!("{} begins to allocate {}", named(group), rate(bytes as f64 / storm.seconds()))));
    }
    let lines = t.allocators(cx, cause.map(|c| c.0));
    if let Some(a) = lines.first() {
        let how = a.mechanism.map_or_else(String::new, |m| format!(" by {m}"));
        let text = format!("{} {} is from {}{how}", percent(a.share), a.of, a.frame);
        case.number(if a.share >= 0.35 { 1.0 } else { 0.2 }, a.artifact, a.share, "fraction", text);
    }
    let place = lines.first().map_or_else(String::new, |a| format!("; garbage from {}", a.frame));
    let title = format!(
        "collections become {factor:.0} times as frequent ({:.1} per second) for {}{place}",
        storm.per_s,
        span(storm.at.duration_ns)
    );
    let mechanism = lines.first().and_then(|a| a.mechanism);
    let mut f = case.finding(RULE.id, title, Severity::Medium, Subject { mechanism, ..Subject::of(SubjectKind::Site) });
    let per_s = cause.map(|c| round3(c.1 as f64 / storm.seconds()));
    f.size = Size { alloc_bytes_per_s: per_s, ..Size::default() };
    for a in lines.iter().take(3).filter(|a| a.share >= 0.1) {
        push_site(&mut f, Some(site(SiteRole::Allocates, a.frame)));
    }
    Time::chain(&mut f, steps);
    f.fix = fix(mechanism);
    f
}

impl Storm {
    fn seconds(&self) -> f64 {
        (self.at.duration_ns as f64 / 1e9).max(1e-9)
    }
}

fn fix(mechanism: Option<Mechanism>) -> Fix {
    match mechanism {
        Some(m) => churn_fix(m),
        None => Fix {
            summary: "make less garbage where the storm begins, or give it room".into(),
            recipe: "A burst of short-lived objects sets off one collection after the other. Reuse what the burst builds (a buffer kept between calls, `sync.Pool`), or build it in smaller pieces. With `GOMEMLIMIT` set to what the container allows and a higher `GOGC`, the same burst costs fewer collections.".into(),
            expected_saving_bytes: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::storm;

    /// Milliseconds of starts in ten seconds.
    fn of(starts: impl IntoIterator<Item = u64>) -> super::Storm {
        let starts: Vec<u64> = starts.into_iter().map(|ms| ms * 1_000_000).collect();
        storm(&starts, 10_000_000_000).unwrap()
    }

    #[test]
    fn the_stretch_is_found() {
        // One a second, and 50 a second from 4 s to 6 s.
        let found = of((0..10).map(|s| s * 1000).chain((0..100).map(|i| 4000 + i * 20)));
        assert!((3_900_000_000..4_200_000_000).contains(&found.at.at_ns), "{found:?}");
        assert!((found.per_s - 50.0).abs() < 6.0 && (found.before_per_s - 1.0).abs() < 0.3, "{found:?}");
    }

    #[test]
    fn an_even_rate_is_none() {
        let found = of((0..100).map(|i| i * 100));
        assert!(found.per_s / found.before_per_s < 3.0, "{found:?}");
    }
}
