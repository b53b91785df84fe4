//! # allocation-churn
//!
//! ## What it means
//! One function makes garbage so fast that it sets the pace of the garbage collector. The memory goes
//! away again; the price is CPU time for marking, assists that slow other goroutines down, and a heap
//! kept twice as large as what lives in it.
//!
//! ## How it decides
//! Bytes allocated between the first and the last heap profile, per function, against the bytes that
//! stayed. A function counts when it allocates fast, is a large share of all allocation, frees nearly all
//! of it, and the collector ran often because of it (cycles that the capture itself forced are left
//! out). With a low GOGC the cycles are the setting's doing and the finding stays low. Where no single line stands out, the deepest function under which the share is reached is
//! named. The mechanism (slice growth, boxing, formatting, ...) decides which fix is shown. Without
//! counters of the collector the finding stays low.
//!
//! ## What to do
//! Preallocate, reuse, or do not allocate in the hot path; the recipe depends on the mechanism.

use super::{Check, Rule};
use crate::context::{Context, GcWindow, LOW_GOGC};
use crate::evidence::{Case, percent, plural, rate, round3};
use crate::recipes::churn_fix;
use crate::sites::{FrameId, Site, SiteTable};
use model::{Finding, Severity, SiteRef, SiteRole, Size, Subject, SubjectKind, Verdict};
use rustc_hash::{FxHashMap, FxHashSet};

pub(super) const RULE: Rule =
    Rule { id: "allocation-churn", of_time: false, source: include_str!("allocation_churn.rs"), check };

/// A function and what was allocated in the window by it (or under it).
struct Load<'a> {
    function: &'a str,
    allocated: f64,
    kept: f64,
    sites: Vec<(&'a Site, f64)>,
}

fn check(cx: &Context<'_>) -> Check {
    let table = &cx.sites;
    if table.len() < 2 {
        return Check::no_evidence("allocation rates need two heap profiles");
    }
    let seconds = table.times.last().copied().unwrap_or(0.0);
    let total: f64 = table.sites.iter().map(|s| window(s).0).sum();
    if seconds < 1.0 || total <= 0.0 {
        return Check::clear("nothing was allocated between the first and the last heap profile");
    }
    let gc = cx.gc_window();
    // The runtime counts allocation exactly; the profile gives the shares.
    let exact = gc.map_or(total / seconds, |g| g.alloc_per_s);
    let limit = total * cx.thresholds.churn_share;
    let by_function = flat(table);
    let mut loads: Vec<Load<'_>> = by_function.into_values().filter(|l| l.allocated >= limit).collect();
    if loads.is_empty() {
        loads.extend(deepest(table, limit));
    }
    loads.sort_by(|a, b| b.allocated.total_cmp(&a.allocated));
    let found: Vec<_> = loads.iter().filter_map(|l| judge(cx, l, exact, total, gc)).collect();
    let cycles = gc.map_or_else(String::new, |g| format!(", {:.1} GC cycles/s", g.cycles / g.seconds));
    let detail = format!(
        "{} allocated{cycles}; limits {} by one function with {:.1} cycles/s",
        rate(exact),
        rate(cx.thresholds.churn_bytes_per_s),
        cx.thresholds.churn_gc_per_s
    );
    Check::of(found, detail)
}

/// Bytes allocated and bytes kept within the window.
fn window(s: &Site) -> (f64, f64) {
    let (Some(a), Some(b)) = (s.values.first(), s.values.last()) else { return (0.0, 0.0) };
    ((b.alloc_bytes - a.alloc_bytes).max(0.0), b.inuse_bytes - a.inuse_bytes)
}

fn flat(table: &SiteTable) -> FxHashMap<&str, Load<'_>> {
    let mut out: FxHashMap<&str, Load<'_>> = FxHashMap::default();
    for s in &table.sites {
        let function = table.frame(s.frame).function.as_str();
        let (allocated, kept) = window(s);
        let load = out.entry(function).or_insert(Load { function, allocated: 0.0, kept: 0.0, sites: Vec::new() });
        load.allocated += allocated;
        load.kept += kept;
        load.sites.push((s, allocated));
    }
    out
}

/// The function furthest from the root under which at least `limit` bytes were allocated: of all
/// functions that reach the limit cumulatively, the one with the smallest sum.
fn deepest(table: &SiteTable, limit: f64) -> Option<Load<'_>> {
    let mut under: FxHashMap<&str, Load<'_>> = FxHashMap::default();
    for s in &table.sites {
        let (allocated, kept) = window(s);
        let own = s.stack.iter().position(|f| *f == s.frame).unwrap_or(0);
        let mut seen: FxHashSet<&str> = FxHashSet::default();
        for f in s.stack.iter().skip(own) {
            let function = table.frame(*f).function.as_str();
            if !seen.insert(function) || too_general(table, *f, s) {
                continue;
            }
            let load = under.entry(function).or_insert(Load { function, allocated: 0.0, kept: 0.0, sites: Vec::new() });
            load.allocated += allocated;
            load.kept += kept;
            load.sites.push((s, allocated));
        }
    }
    under.into_values().filter(|l| l.allocated >= limit).min_by(|a, b| a.allocated.total_cmp(&b.allocated))
}

/// Entry points say nothing, and neither does the standard library around user code.
fn too_general(table: &SiteTable, f: FrameId, s: &Site) -> bool {
    let name = table.frame(f).function.as_str();
    let last = s.stack.last().is_some_and(|l| *l == f);
    name == "main.main" || name.starts_with("runtime.") || name.starts_with("net/http.") || last
}

fn judge(cx: &Context<'_>, l: &Load<'_>, exact: f64, total: f64, gc: Option<GcWindow>) -> Option<(Verdict, Finding)> {
    let t = cx.thresholds;
    let share = l.allocated / total;
    let per_s = exact * share;
    let freed = (1.0 - l.kept / l.allocated.max(1.0)).clamp(0.0, 1.0);
    let cycles = gc.map(|g| g.cycles / g.seconds);
    if per_s < t.churn_bytes_per_s || freed < 0.8 || cycles.is_some_and(|c| c < t.churn_gc_per_s) {
        return None;
    }
    let lead = l.sites.iter().max_by(|a, b| a.1.total_cmp(&b.1))?.0;
    let artifact = cx.sites.artifacts.last()?;
    let mut case = Case::default();
    case.number(
        1.2,
        artifact,
        per_s,
        "bytes/s",
        format!("{} allocated, {} of all allocation", rate(per_s), percent(share)),
    );
    case.number(0.8, artifact, freed, "fraction", format!("{} of it was freed within the window", percent(freed)));
    weigh_gc(&mut case, cx, gc);
    let cpu = cx.memstats().last().and_then(|(_, m)| m.value.gc_cpu_fraction).unwrap_or(0.0);
    let low_gogc = cx.effective_gogc().filter(|g| *g < LOW_GOGC);
    if let Some(g) = low_gogc {
        let s = format!("cycles are frequent because GOGC is about {g:.0}, more than because of this garbage");
        case.number(-1.5, artifact, g, "percent", s);
    }
    let severity = match (cycles, cpu) {
        (None, _) => Severity::Low,
        _ if low_gogc.is_some() => Severity::Low,
        (_, c) if c >= 0.25 => Severity::High,
        _ => Severity::Medium,
    };
    let frame = cx.sites.frame(lead.frame);
    let name = model::Frame { function: l.function.to_owned(), ..frame.clone() };
    let title = format!("{} of garbage from {name}, mostly {}", rate(per_s), lead.mechanism);
    let mut f = case.finding(
        RULE.id,
        title,
        severity,
        Subject { mechanism: Some(lead.mechanism), ..Subject::of(SubjectKind::Site) },
    );
    f.size = Size { alloc_bytes_per_s: Some(round3(per_s)), ..Size::default() };
    f.sites = sites(&cx.sites, l);
    f.fix = churn_fix(lead.mechanism);
    Some((Verdict::Churn, f))
}

fn weigh_gc(case: &mut Case, cx: &Context<'_>, gc: Option<GcWindow>) {
    let all = cx.memstats();
    let Some((_, last)) = all.last() else { return };
    if let Some(g) = gc {
        let s = format!(
            "{} in {:.0} s besides the forced ones of this capture",
            plural(g.cycles as u64, "GC cycle"),
            g.seconds
        );
        let w = if g.cycles / g.seconds >= 1.0 { 1.0 } else { 0.4 };
        case.number(w, &last.artifact, g.cycles / g.seconds, "cycles/s", s);
    }
    if let Some(f) = last.value.gc_cpu_fraction {
        let w = if f >= 0.1 {
            1.0
        } else if f >= 0.03 {
            0.4
        } else {
            -0.4
        };
        case.number(w, &last.artifact, f, "fraction", format!("the GC took {} of the CPU since the start", percent(f)));
    }
}

fn sites(table: &SiteTable, l: &Load<'_>) -> Vec<SiteRef> {
    let mut by_size: Vec<&(&Site, f64)> = l.sites.iter().filter(|s| s.1 >= 0.05 * l.allocated).collect();
    by_size.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut out: Vec<SiteRef> = Vec::new();
    for (s, _) in by_size {
        let f = table.frame(s.frame);
        if !out.iter().any(|o| (o.line, &o.file) == (f.line, &f.file)) && out.len() < 5 {
            out.push(SiteRef {
                role: SiteRole::Allocates,
                function: f.function.clone(),
                file: f.file.clone(),
                line: f.line,
            });
        }
    }
    out
}
