//! # goroutine-leak
//!
//! ## What it means
//! Goroutines started at one place wait at one place and never end; each sample has more of them.
//! Each holds its stack (2 KiB and more) and everything its frames and captured variables point to,
//! so the heap grows with them.
//!
//! ## How it decides
//! Goroutine dumps taken at least twice are grouped by where the goroutine was created and where
//! user code waits. A group that gains members counts. For it speaks: those seen first are all still
//! there at the end (goroutines are told apart by their ids), they wait for minutes, they wait for
//! a channel, a lock or a condition and not for the network, and heap allocated by the functions on
//! their stacks grows with them. Against it: turnover (goroutines that come and go with traffic), a
//! group that stops growing (a pool that fills), a group that shrank in between. With one dump a large group
//! that waits for many minutes is a low finding: worker pools look the same.
//!
//! ## What to do
//! Give every goroutine a way out: a buffered result channel, `select` with `ctx.Done()`, a close by
//! the sender. Fix the place that creates it; where it waits only shows the symptom.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, plural, rate, round3};
use crate::heap::{goroutine_subject, goroutines_hold};
use crate::recipes::goroutine_fix;
use bundle::Sourced;
use model::{Finding, Frame, Mechanism, Severity, SiteRef, SiteRole, Size, Subject, SubjectKind, Verdict, format_iec};
use profile::{GoroutineDump, GoroutineGroup};
use rustc_hash::{FxHashMap, FxHashSet};
use signals::{Growth, Measured, growth};

pub(super) const RULE: Rule =
    Rule { id: "goroutine-leak", of_time: false, source: include_str!("goroutine_leak.rs"), check };

const MOST: usize = 3;

/// Where it was created, and where user code waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    created_by: Option<Frame>,
    waits_at: Frame,
}

/// One group in one dump.
#[derive(Debug, Default)]
struct Seen {
    count: f64,
    longest_wait_minutes: u32,
    states: FxHashMap<String, u64>,
    /// User functions on the stacks, and the creator: whose heap may be theirs.
    functions: FxHashSet<String>,
    /// The function the goroutine runs.
    entry: Option<String>,
}

struct Group {
    key: Key,
    counts: Vec<f64>,
    growth: Growth,
    last: Seen,
}

fn check(cx: &Context<'_>) -> Check {
    let dumps: Vec<_> = cx.facts.samples.iter().filter_map(|s| s.goroutines.as_ref()).collect();
    let Some(last) = dumps.last() else {
        return Check::no_evidence("no goroutine dump could be read");
    };
    let total = last.value.goroutines.len() as u64;
    let mut tables: Vec<_> = dumps.iter().map(|d| grouped(&d.value)).collect();
    let largest = tables.last().map_or(0.0, |t| t.values().map(|s| s.count).fold(0.0, f64::max));
    if dumps.len() == 1 {
        let found = tables.pop().map_or_else(Vec::new, |t| waiting_for_long(cx, last, t));
        return match found.is_empty() {
            true => Check::no_evidence(format!("one dump of {}: growth needs two", plural(total, "goroutine"))),
            false => Check::of(found, format!("one dump of {}: growth needs two", plural(total, "goroutine"))),
        };
    }
    let groups = growing(cx, &dumps, tables);
    let found: Vec<_> =
        groups.iter().take(MOST).map(|g| judge(cx, &dumps, g)).filter(|(_, f)| f.confidence >= 0.5).collect();
    let first = dumps.first().map_or(0, |d| d.value.goroutines.len() as u64);
    let detail = format!(
        "{} -> {} in {} dumps; the largest group has {largest:.0}, {} grew",
        plural(first, "goroutine"),
        plural(total, "goroutine"),
        dumps.len(),
        plural(groups.len() as u64, "group"),
    );
    Check::of(found, detail)
}

/// Frame where user code waits: the first frame outside the standard library, else the leaf.
fn waits_at(dump: &GoroutineDump, g: &GoroutineGroup) -> Option<Frame> {
    let at = g.user.unwrap_or(0) as usize;
    g.stack.get(at).and_then(|f| dump.frames.get(*f as usize)).cloned()
}

fn grouped(dump: &GoroutineDump) -> FxHashMap<Key, Seen> {
    let mut out: FxHashMap<Key, Seen> = FxHashMap::default();
    for g in dump.groups() {
        let Some(waits_at) = waits_at(dump, &g) else { continue };
        let created_by = g.created_by.and_then(|f| dump.frames.get(f as usize)).cloned();
        let creator = created_by.as_ref().map(|f| f.function.clone());
        let seen = out.entry(Key { created_by, waits_at }).or_default();
        seen.count += g.count as f64;
        seen.longest_wait_minutes = seen.longest_wait_minutes.max(g.max_wait_minutes);
        *seen.states.entry(g.state.to_string()).or_default() += g.count;
        let names = |id: &u32| dump.frames.get(*id as usize).map(|f| f.function.clone());
        let from = g.user.map_or(g.stack.len(), |u| u as usize);
        seen.functions.extend(g.stack.iter().skip(from).filter_map(names));
        seen.functions.extend(creator.filter(|c| c != "main.main"));
        seen.entry = g.stack.last().and_then(names);
    }
    out
}

/// Groups that gained members at the rate that matters, the fastest first.
fn growing(cx: &Context<'_>, dumps: &[&Sourced<GoroutineDump>], mut tables: Vec<FxHashMap<Key, Seen>>) -> Vec<Group> {
    let start = dumps[0].at;
    let Some(last) = tables.pop() else { return Vec::new() };
    let mut out = Vec::new();
    for (key, seen) in last {
        let mut counts: Vec<f64> = tables.iter().map(|t| t.get(&key).map_or(0.0, |s| s.count)).collect();
        counts.push(seen.count);
        let points: Vec<Measured> = counts
            .iter()
            .zip(dumps)
            .map(|(c, d)| Measured { at_s: d.at.seconds_since(start), value: *c, turnover_variance: 0.0 })
            .collect();
        let Some(growth) = growth(&points) else { continue };
        let t = cx.thresholds;
        if seen.count >= t.goroutine_min && growth.delta >= 5.0 && growth.per_second * 60.0 >= t.goroutines_per_minute {
            out.push(Group { key, counts, growth, last: seen });
        }
    }
    out.sort_by(|a, b| b.growth.delta.total_cmp(&a.growth.delta));
    out
}

/// Of the group's goroutines in the first dump, the share that is still in the group at the end.
fn persistence(dumps: &[&Sourced<GoroutineDump>], key: &Key) -> Option<(u64, f64)> {
    let ids = |d: &GoroutineDump| -> FxHashSet<u64> {
        let user: FxHashMap<_, _> = d
            .groups()
            .iter()
            .filter(|g| {
                waits_at(d, g).as_ref() == Some(&key.waits_at)
                    && g.created_by.and_then(|f| d.frames.get(f as usize)) == key.created_by.as_ref()
            })
            .map(|g| ((g.stack.clone(), g.created_by, g.state.clone()), ()))
            .collect();
        d.goroutines
            .iter()
            .filter(|g| user.contains_key(&(g.stack.clone(), g.created_by, g.state.clone())))
            .map(|g| g.id)
            .collect()
    };
    let (first, last) = (dumps.first()?, dumps.last()?);
    let before = ids(&first.value);
    if before.is_empty() {
        return None;
    }
    let after = ids(&last.value);
    let still = before.intersection(&after).count();
    Some((before.len() as u64, still as f64 / before.len() as f64))
}

fn judge(cx: &Context<'_>, dumps: &[&Sourced<GoroutineDump>], g: &Group) -> (Verdict, Finding) {
    let artifact = dumps.last().map_or("", |d| d.artifact.as_str());
    let mut case = Case::default();
    weigh_growth(&mut case, artifact, g);
    weigh_persistence(&mut case, artifact, dumps, &g.key);
    weigh_state(&mut case, artifact, &g.last);
    let heap = heap_of(cx, &g.last);
    weigh_heap(&mut case, cx, &heap, g);
    let graph = cx.heap();
    let held = graph.zip(g.key.created_by.as_ref()).and_then(|(h, f)| goroutines_hold(&h, f, &mut case));
    let sure = case.confidence() >= cx.thresholds.verdict_confidence;
    let severity = if sure { Severity::High } else { Severity::Low };
    let per_minute = g.growth.per_second * 60.0;
    let whence = g.key.created_by.as_ref().map_or_else(String::new, |f| format!(" started at {f}"));
    let title = format!(
        "{}{whence} wait at {} and never end: +{per_minute:.0}/min",
        plural(g.last.count as u64, "goroutine"),
        g.key.waits_at.short_location(),
    );
    let subject = Subject { mechanism: Some(Mechanism::GoroutineStack), ..goroutine_subject() };
    let mut f = case.finding(RULE.id, title, severity, subject);
    let stacks_per_s = stack_growth(cx).unwrap_or(0.0);
    f.size = Size {
        entries: Some(g.last.count as u64),
        shallow_bytes: (heap.1 > 0.0).then_some(heap.1 as u64),
        growth_bytes_per_s: Some(round3(heap.2.max(0.0) + stacks_per_s.max(0.0))),
        ..held.unwrap_or_default()
    };
    f.sites = sites(&g.key);
    f.fix = goroutine_fix(&state_of(&g.last));
    (if sure { Verdict::Leak } else { Verdict::Risk }, f)
}

fn weigh_growth(case: &mut Case, artifact: &str, g: &Group) {
    let (a, b) = (g.counts.first().copied().unwrap_or(0.0), g.last.count);
    let w = (1.0 + g.growth.delta).ln().mul_add(0.4, 0.0).min(2.5);
    let s = format!("{a:.0} -> {b:.0} goroutines in {:.0} s", g.growth.seconds);
    case.number(w, artifact, g.growth.delta, "goroutines", s);
    if g.growth.steps < 2 {
        return;
    }
    if g.growth.falling_steps > 0 {
        let s = format!("the group shrank in {} of {} intervals", g.growth.falling_steps, g.growth.steps);
        case.number(-2.0 * g.growth.falling_steps as f64, artifact, g.growth.falling_steps as f64, "intervals", s);
    } else if g.growth.rising_steps == g.growth.steps {
        let s = format!("it grew in each of {} intervals", g.growth.steps);
        case.number((0.5 * g.growth.steps as f64).min(1.5), artifact, g.growth.steps as f64, "intervals", s);
    }
    if g.growth.late_to_early < 0.35 {
        let s =
            format!("growth fades: the later half at {} of the earlier rate", percent(g.growth.late_to_early.max(0.0)));
        case.number(-2.5, artifact, g.growth.late_to_early, "ratio", s);
    }
}

fn weigh_persistence(case: &mut Case, artifact: &str, dumps: &[&Sourced<GoroutineDump>], key: &Key) {
    let Some((before, still)) = persistence(dumps, key) else { return };
    let s = format!("of {before} seen in the first dump, {} wait there still", percent(still));
    let w = match (before >= 10, still) {
        (true, x) if x >= 0.95 => 1.5,
        (false, x) if x >= 0.95 => 0.5,
        (_, x) if x < 0.5 => -4.0,
        (_, x) if x < 0.8 => -1.5,
        _ => 0.0,
    };
    case.number(w, artifact, still, "fraction", s);
}

/// The most frequent state of a group.
fn state_of(seen: &Seen) -> String {
    let most = seen.states.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
    most.map_or_else(String::new, |(s, _)| s.clone())
}

fn weigh_state(case: &mut Case, artifact: &str, seen: &Seen) {
    let state = state_of(seen);
    let forever = ["chan send", "chan receive", "select", "semacquire", "sync."].iter().any(|p| state.starts_with(p));
    let moving = ["IO wait", "running", "runnable", "syscall", "sleep"].iter().any(|p| state.starts_with(p));
    if forever {
        let s = format!("they wait in `{state}`, which only another goroutine can end");
        case.number(0.5, artifact, seen.count, "goroutines", s);
    } else if moving {
        let s = format!("their state is `{state}`, which ends by itself or by traffic");
        case.number(-1.5, artifact, seen.count, "goroutines", s);
    }
    if seen.longest_wait_minutes >= 1 {
        let m = seen.longest_wait_minutes;
        case.number(
            0.5,
            artifact,
            f64::from(m),
            "min",
            format!("the longest has waited for {}", plural(u64::from(m), "minute")),
        );
    }
}

/// Heap that these goroutines' functions allocated: bytes in the first profile, in the last, and
/// growth per second. The heap profile and the goroutine dump meet in shared functions: the one a
/// goroutine runs (bottom of its stack), those it waits in, and its creator.
fn heap_of(cx: &Context<'_>, seen: &Seen) -> (f64, f64, f64) {
    let table = &cx.sites;
    let theirs = |s: &&crate::sites::Site| {
        seen.functions.contains(&table.frame(s.frame).function)
            || s.stack.last().is_some_and(|f| Some(&table.frame(*f).function) == seen.entry.as_ref())
    };
    let (mut first, mut last) = (0.0, 0.0);
    for s in table.sites.iter().filter(theirs) {
        first += s.values.first().map_or(0.0, |v| v.inuse_bytes);
        last += s.values.last().map_or(0.0, |v| v.inuse_bytes);
    }
    let seconds = table.times.last().copied().unwrap_or(0.0);
    (first, last, if seconds > 0.0 { (last - first) / seconds } else { 0.0 })
}

fn weigh_heap(case: &mut Case, cx: &Context<'_>, heap: &(f64, f64, f64), g: &Group) {
    let artifact = cx.sites.artifacts.last().map_or("", String::as_str);
    let grown = heap.1 - heap.0;
    if grown > 64.0 * 1024.0 {
        let each = grown / g.growth.delta.max(1.0);
        let s = format!(
            "heap allocated by the functions on their stacks went from {} to {} ({}), about {} each",
            format_iec(heap.0),
            format_iec(heap.1),
            rate(heap.2),
            format_iec(each)
        );
        case.number(0.7, artifact, heap.2, "bytes/s", s);
    }
}

/// Growth of goroutine stacks, bytes per second.
fn stack_growth(cx: &Context<'_>) -> Option<f64> {
    let all = cx.memstats();
    let ((_, a), (_, b)) = (all.first()?, all.last()?);
    let seconds = b.at.seconds_since(a.at);
    (seconds > 0.0).then(|| (b.value.stack_inuse.0 as f64 - a.value.stack_inuse.0 as f64) / seconds)
}

fn sites(key: &Key) -> Vec<SiteRef> {
    let site = |role, f: &Frame| SiteRef { role, function: f.function.clone(), file: f.file.clone(), line: f.line };
    let mut out: Vec<SiteRef> = key.created_by.iter().map(|f| site(SiteRole::Creates, f)).collect();
    out.push(site(SiteRole::Blocks, &key.waits_at));
    out
}

/// One dump: groups that are large and wait for many minutes.
fn waiting_for_long(
    cx: &Context<'_>,
    dump: &Sourced<GoroutineDump>,
    table: FxHashMap<Key, Seen>,
) -> Vec<(Verdict, Finding)> {
    let t = cx.thresholds;
    let mut large: Vec<_> = table
        .into_iter()
        .filter(|(_, s)| s.count >= 10.0 * t.goroutine_min)
        .filter(|(_, s)| f64::from(s.longest_wait_minutes) >= t.goroutine_wait_minutes)
        .collect();
    large.sort_by(|a, b| b.1.count.total_cmp(&a.1.count));
    large
        .into_iter()
        .take(MOST)
        .map(|(key, seen)| {
            let mut case = Case::default();
            let s = format!("{} wait at the same line", plural(seen.count as u64, "goroutine"));
            case.number(0.5, &dump.artifact, seen.count, "goroutines", s);
            weigh_state(&mut case, &dump.artifact, &seen);
            case.number(-0.8, &dump.artifact, 1.0, "samples", "one dump cannot tell a leak from a pool".into());
            let title = format!(
                "{} wait at {} for up to {} min",
                plural(seen.count as u64, "goroutine"),
                key.waits_at,
                seen.longest_wait_minutes
            );
            let mut f = case.finding(RULE.id, title, Severity::Low, Subject::of(SubjectKind::Goroutine));
            f.size.entries = Some(seen.count as u64);
            f.sites = sites(&key);
            f.fix = goroutine_fix(&state_of(&seen));
            (Verdict::Risk, f)
        })
        .collect()
}
