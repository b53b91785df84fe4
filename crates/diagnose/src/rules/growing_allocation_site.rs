//! # growing-allocation-site
//!
//! ## What it means
//! Memory allocated at one line of user code (or at a few lines that belong together: the map, its
//! key, its value) is not let go again. It was still reachable after garbage collections, and there
//! is more of it in each sample. Something holds it: usually a map, slice or list that is only ever
//! added to.
//!
//! ## How it decides
//! Heap profiles taken at least twice are compared site by site. A site counts when its bytes in use
//! grew by more than three standard deviations of the sampling noise, which is computed from what
//! the site allocated and freed in between. Sites of one function, or one above the other on the same
//! stack with the same number of new objects, are one finding. For it speaks: steady growth in each
//! interval, little freed in the window, nearly everything ever allocated there still in use, and a
//! live heap that grew along. An interval in which it did not rise speaks against it, unless so few objects are sampled
//! that chance explains it and the live heap, which the runtime counts to the byte, rose there as elsewhere. Against it
//! further: growth that levels off (a cache that warms up), intervals
//! that fell, and a site that freed most of what it allocated before the window (a batch job in its
//! rising phase). Of a process that the OOM killer ended while a watch looked on, growth that began in
//! the window and rose until the end counts as growth. With one sample it only names the largest holder.
//!
//! Two things a profile cannot tell, and both are counted against: whether the program means to keep
//! what it keeps (a database that is given new rows grows like a leak; the confidence stays at or
//! below 0.90 until the growth has lasted for longer than ten minutes), and what holds memory that is
//! stored elsewhere than where it is made. When no growing map, list or slice shows with the site and
//! the growth is younger than ten minutes, it may be a log or buffer that has not met its bound
//! yet: that is a risk, not a leak.
//!
//! Where the object graph was read as well, the container that holds what the site allocated is named with the
//! way to it from a root: the runtime's sampled objects carry their allocation stack, and the graph says what
//! retains them. When it gained entries between the two graphs, that speaks for a leak.
//!
//! Where the service publishes gauges on `/metrics` and one of them rises in each interval in
//! proportion to the memory (what it leaves unexplained is at most a quarter of the growth, or what
//! two standard deviations of sampling noise allow, and never more than half), the service itself
//! counts what it keeps. The gauge is named, and the growth is a risk, not a leak, until it has
//! lasted for longer than three hours, in which most stores have expired, compacted or flushed once.
//! Gauges of time and of memory itself, and names on `_total`, are left out.
//!
//! ## What to do
//! Bound the container: delete on expiry, cap it, or clear it when the request ends. If the growth
//! is a cache warming up, look again when it should be full: a bounded cache levels off. If it is a
//! store doing what it is for, compare its growth with the data it was given; when a gauge is named, watch
//! whether anything takes it down again.

use super::{Check, Rule};
use crate::cluster::{Cluster, clusters};
use crate::context::{Context, live_heap};
use crate::counted::{Counted, counted};
use crate::evidence::{Case, duration, percent, plural, rate, round3};
use crate::heap::join;
use crate::recipes::growth_fix;
use crate::shape;
use crate::sites::{Site, SiteTable, SiteValue};
use model::{
    Finding, Forecast, Mechanism, SecondsToLimit, Severity, SiteRef, SiteRole, Size, Subject, SubjectKind, Verdict,
    format_iec,
};

pub(super) const RULE: Rule =
    Rule { id: "growing-allocation-site", of_time: false, source: include_str!("growing_allocation_site.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 5;

fn check(cx: &Context<'_>) -> Check {
    let table = &cx.sites;
    match table.len() {
        0 => Check::no_evidence("no heap profile could be read"),
        1 => one_sample(cx),
        n => {
            let all = clusters(table, cx.thresholds.growth_z, cx.thresholds.growth_bytes_per_s);
            let least = cx.live_heap().map_or(0.0, |l| l.0 as f64 * cx.thresholds.growth_share_of_live);
            let judged: Vec<_> =
                all.iter().filter(|c| c.growth.delta >= least).take(MOST).map(|c| judge(cx, c)).collect();
            let dropped = judged.iter().filter(|(_, f)| f.confidence < 0.5).count();
            let found: Vec<_> = judged.into_iter().filter(|(_, f)| f.confidence >= 0.5).collect();
            let seconds = table.times.last().copied().unwrap_or(0.0);
            let detail = format!(
                "{} in {n} heap profiles over {seconds:.0} s; {} grew beyond the sampling noise, {dropped} of them judged a phase or a plateau",
                plural(table.sites.len() as u64, "allocation site"),
                all.len(),
            );
            Check::of(found, detail)
        }
    }
}

/// Names the largest holder; growth cannot be told.
fn one_sample(cx: &Context<'_>) -> Check {
    let table = &cx.sites;
    let total = table.totals.first().map_or(0.0, |t| t.inuse_bytes);
    let value = |s: &Site| s.values.first().copied().unwrap_or_default();
    let top = table.sites.iter().max_by(|a, b| value(a).inuse_bytes.total_cmp(&value(b).inuse_bytes));
    let Some(site) = top.filter(|_| total > 0.0) else {
        return Check::no_evidence("one heap profile with nothing in use; growth needs two");
    };
    let v = value(site);
    let (share, kept) = (v.inuse_bytes / total, v.inuse_bytes / v.alloc_bytes.max(1.0));
    if share < 0.3 || kept < 0.9 {
        return Check::no_evidence("one heap profile: growth needs two, and no single site stands out");
    }
    let artifact = table.artifacts.first().map_or("", String::as_str);
    let frame = table.frame(site.frame);
    let mut case = Case::default();
    case.number(0.3, artifact, share, "fraction", format!("{} of the heap in use was allocated here", percent(share)));
    case.number(
        0.3,
        artifact,
        kept,
        "fraction",
        format!("{} of all that was ever allocated here is still in use", percent(kept)),
    );
    case.number(-0.3, artifact, 1.0, "samples", "one sample cannot tell growth from a cache of constant size".into());
    let tight = cx.limit().is_some_and(|(limit, used)| used.share_of(limit.value) > 0.8);
    let severity = if tight { Severity::Medium } else { Severity::Low };
    let title = format!("largest holder: {} allocated at {frame}", format_iec(v.inuse_bytes));
    let mut f = case.finding(
        RULE.id,
        title,
        severity,
        Subject { mechanism: Some(site.mechanism), ..Subject::of(SubjectKind::Site) },
    );
    f.size = size_of(&v, total, None);
    f.sites = vec![site_ref(table, site, SiteRole::Allocates)];
    f.fix = growth_fix(site.mechanism);
    Check::of(vec![(Verdict::Risk, f)], "one heap profile: the largest holder is named, growth needs a second sample")
}

fn judge(cx: &Context<'_>, c: &Cluster<'_>) -> (Verdict, Finding) {
    let table = &cx.sites;
    let lead = c.lead();
    let artifact = table.artifacts.last().map_or("", String::as_str);
    let exact = exact_scale(cx, c);
    let per_s = c.growth.per_second * exact.unwrap_or(1.0);
    let mut case = Case::default();
    weigh_growth(&mut case, c, per_s, artifact);
    shape::weigh(&mut case, cx, c, artifact);
    weigh_survival(&mut case, c, artifact);
    weigh_live_heap(&mut case, cx, c);
    if let Some(scale) = exact {
        let note =
            format!("rate scaled by {scale:.2} so that all sites together match the live heap the runtime counts");
        case.number(0.0, &last_memstats_artifact(cx), scale, "ratio", note);
    }
    let heap = cx.heap();
    let members: Vec<&Site> = c.container.into_iter().chain(c.members.iter().copied()).collect();
    let holding = heap.and_then(|h| join(cx, &h, &members));
    if let Some((heap, holding)) = heap.zip(holding) {
        holding.weigh(&mut case, heap.artifact, c.growth.delta, c.growth.seconds);
    }
    let grows = case.confidence() >= cx.thresholds.verdict_confidence;
    let mut doubts = Doubts::of(cx, c, per_s);
    doubts.container |= holding.is_some_and(|h| h.grows_along(c.growth.delta, c.growth.seconds));
    let last_artifact = last_memstats_artifact(cx);
    doubts.weigh(&mut case, if last_artifact.is_empty() { artifact } else { &last_artifact });
    let sure = case.confidence() >= cx.thresholds.verdict_confidence;
    let forecast = if grows { forecast(cx, per_s, c) } else { None };
    let soon = forecast.as_ref().is_some_and(|f| f.seconds_to_limit.p50 < 3600.0);
    let severity = match (grows, sure, soon) {
        (true, true, true) => Severity::Critical,
        (true, true, false) | (true, false, true) => Severity::High,
        (true, false, false) => Severity::Medium,
        (false, ..) => Severity::Low,
    };
    let last = c.values.last().copied().unwrap_or_default();
    let title = title(table, lead, per_s, c.values.first().map_or(0.0, |v| v.inuse_bytes), last.inuse_bytes);
    let mut f = case.finding(RULE.id, title, severity, subject(lead));
    let total = table.totals.last().map_or(0.0, |t| t.inuse_bytes);
    f.size = size_of(&last, total, Some(per_s));
    f.sites = sites(table, c);
    f.forecast = forecast;
    f.fix = growth_fix(lead.mechanism);
    if let Some((heap, holding)) = heap.zip(holding) {
        holding.name_holder(&heap, &mut f);
    }
    if let Some(gauge) = &doubts.counted {
        f.fix.summary = format!(
            "see what takes {} down again (expiry, compaction); if nothing does, {}",
            gauge.name, f.fix.summary
        );
    }
    (if sure { Verdict::Leak } else { Verdict::Risk }, f)
}

fn weigh_growth(case: &mut Case, c: &Cluster<'_>, per_s: f64, artifact: &str) {
    let (first, last) = (c.values.first(), c.values.last());
    let (a, b) = first.zip(last).map_or((0.0, 0.0), |(f, l)| (f.inuse_bytes, l.inuse_bytes));
    let z = c.growth.z().min(99.0);
    let s = format!(
        "{} in use -> {} in {:.0} s ({}), {z:.0} standard deviations above sampling noise",
        format_iec(a),
        format_iec(b),
        c.growth.seconds,
        rate(per_s)
    );
    case.number(z.min(8.0) * 0.3, artifact, per_s, "bytes/s", s);
}

/// What a profile cannot tell of growth that is otherwise certain.
struct Doubts {
    /// A growing map, slice or list shows with the site.
    container: bool,
    /// Seconds the growth can have lasted at this rate: what is in use divided by the rate.
    lasted_s: f64,
    /// A gauge of the service that rises in proportion.
    counted: Option<Counted>,
}

impl Doubts {
    /// Growth that has lasted longer has outlived most bounds of buffers and warm-ups of caches.
    const YOUNG_S: f64 = 600.0;
    /// Log-odds of 0.90: no profile alone makes a leak surer.
    const MOST: f64 = 2.2;
    /// Log-odds of 0.62.
    const MOST_UNHELD: f64 = 0.5;
    /// The same: a service that counts what it keeps more probably means to keep it.
    const MOST_COUNTED: f64 = 0.5;
    /// Stores are emptied in periods of hours (Prometheus truncates its head block every two to three).
    const COUNTED_YOUNG_S: f64 = 3.0 * 3600.0;

    fn of(cx: &Context<'_>, c: &Cluster<'_>, per_s: f64) -> Self {
        let last = c.values.last().map_or(0.0, |v| v.inuse_bytes);
        Self {
            container: c.container.is_some(),
            lasted_s: if per_s > 0.0 { last / per_s } else { 0.0 },
            counted: counted(cx, c),
        }
    }

    fn weigh(&self, case: &mut Case, artifact: &str) {
        let age = self.lasted_s;
        let most = Self::MOST + (age / Self::YOUNG_S).max(1.0).ln();
        let lasted = format!("all that is in use is {} of growth at this rate", duration(age));
        if !self.container && age < Self::YOUNG_S {
            let s = format!(
                "no map, slice or list that grows shows with it, and {lasted}: it may be a log or buffer with a bound not met yet"
            );
            case.at_most(Self::MOST_UNHELD, artifact, age, "s", s);
        } else {
            let s = format!("{lasted}; a store that is meant to keep what it is given looks the same");
            case.at_most(most, artifact, age, "s", s);
        }
        if let Some(gauge) = &self.counted {
            let most = Self::MOST_COUNTED + (age / Self::COUNTED_YOUNG_S).max(1.0).ln();
            let s = format!("the service itself counts this growth: {}, in proportion to the memory", gauge.text());
            if !case.at_most(most, &gauge.artifact, gauge.per_second, "1/s", s.clone()) {
                case.number(0.0, &gauge.artifact, gauge.per_second, "1/s", s);
            }
        }
    }
}

/// Members whose frees mean something: a table or array that doubles frees its old self without
/// letting go of one entry.
fn without_doubling(c: &Cluster<'_>) -> (SiteValue, SiteValue) {
    let doubles = |s: &Site| {
        matches!(
            s.mechanism,
            Mechanism::SliceGrowth | Mechanism::MapGrowth | Mechanism::MapInsert | Mechanism::BufferGrowth
        )
    };
    let sum = |pick: fn(&Site) -> Option<&SiteValue>| {
        c.members.iter().filter(|s| !doubles(s)).filter_map(|s| pick(s)).fold(SiteValue::default(), |a, v| a.plus(v))
    };
    (sum(|s| s.values.first()), sum(|s| s.values.last()))
}

fn weigh_survival(case: &mut Case, c: &Cluster<'_>, artifact: &str) {
    let (first, last) = without_doubling(c);
    let allocated = last.alloc_bytes - first.alloc_bytes;
    if allocated <= 0.0 || last.alloc_bytes <= 0.0 {
        return;
    }
    let kept_now = ((last.inuse_bytes - first.inuse_bytes) / allocated).clamp(0.0, 1.0);
    let kept_ever = (last.inuse_bytes / last.alloc_bytes).clamp(0.0, 1.0);
    if kept_now >= 0.85 {
        let s = format!("{} of what it allocated in the window is still in use after GC", percent(kept_now));
        case.number(1.0, artifact, kept_now, "fraction", s);
    } else if kept_now <= 0.2 {
        let s = format!("{} of what it allocated in the window was freed again", percent(1.0 - kept_now));
        case.number(-1.0, artifact, 1.0 - kept_now, "fraction", s);
    }
    let ever =
        format!("{} of the {} ever allocated here is still in use", percent(kept_ever), format_iec(last.alloc_bytes));
    if kept_ever >= 0.85 {
        case.number(1.0, artifact, kept_ever, "fraction", ever);
    } else if kept_now - kept_ever > 0.35 {
        let s = format!("only {ever}: it has let go before, this may be a phase");
        case.number(-7.0, artifact, kept_ever, "fraction", s);
    }
}

fn weigh_live_heap(case: &mut Case, cx: &Context<'_>, c: &Cluster<'_>) {
    let live: Vec<_> = cx.facts.samples.iter().filter_map(|s| Some((live_heap(s)?.0 as f64, s))).collect();
    let artifact = last_memstats_artifact(cx);
    if let [(first, _), .., (last, _)] = live.as_slice() {
        let share = c.growth.delta / (last - first).max(1.0);
        let mut s = format!(
            "the live heap as a whole went from {} to {} over the same time",
            format_iec(*first),
            format_iec(*last)
        );
        if (0.0..0.5).contains(&share) {
            s.push_str(&format!("; this is {} of that", percent(share)));
        }
        if last - first >= 0.5 * c.growth.delta {
            case.number(if share >= 0.5 { 0.7 } else { 0.3 }, &artifact, last - first, "bytes", s);
        } else {
            case.number(-2.0, &artifact, last - first, "bytes", s);
        }
    } else {
        let collected = cx.facts.samples.iter().filter(|s| s.heap.is_some()).all(|s| s.heap_after_gc);
        if !collected {
            case.number(
                -0.5,
                c_artifact(cx),
                0.0,
                "cycles",
                "no GC was forced: profiles show the state of some earlier cycle".into(),
            );
        }
    }
}

fn c_artifact<'a>(cx: &'a Context<'_>) -> &'a str {
    cx.sites.artifacts.last().map_or("", String::as_str)
}

fn last_memstats_artifact(cx: &Context<'_>) -> String {
    let last = cx.facts.samples.iter().rev().find_map(|s| s.memstats_after_gc.as_ref().or(s.memstats.as_ref()));
    last.map_or_else(String::new, |m| m.artifact.clone())
}

/// Ratio of the growth the runtime counts exactly to the growth the sampled profile shows, when
/// this cluster is most of the growth and the two are near each other: then the exact one is the
/// better measure of the cluster too.
fn exact_scale(cx: &Context<'_>, c: &Cluster<'_>) -> Option<f64> {
    let live = cx.live_at_profiles()?;
    let totals = &cx.sites.totals;
    let exact = live.last()? - live.first()?;
    let sampled = totals.last()?.inuse_bytes - totals.first()?.inuse_bytes;
    if sampled <= 0.0 || c.growth.delta < 0.7 * sampled {
        return None;
    }
    let scale = exact / sampled;
    (0.75..1.33).contains(&scale).then_some(round3(scale))
}

/// Time until the control group's limit, the heap growing by its room for garbage as well.
fn forecast(cx: &Context<'_>, per_s: f64, c: &Cluster<'_>) -> Option<Forecast> {
    let (limit, used) = cx.limit()?;
    let live = cx.live_heap()?.0 as f64;
    let goal = cx.memstats().last().map(|(_, m)| m.value.next_gc.0 as f64)?;
    // The goal says how much heap the pacer allows per live byte; 2 with GOGC=100.
    let room = (goal / live.max(1.0)).clamp(1.0, 3.0);
    let sd = c.growth.delta_sd / c.growth.seconds;
    let t = signals::time_to_limit(limit.value.minus(used).0 as f64, per_s * room, sd * room)?;
    let q = SecondsToLimit { p10: t.p10.round(), p50: t.p50.round(), p90: t.p90.round() };
    Some(Forecast { limit_bytes: limit.value.0, seconds_to_limit: q })
}

fn title(table: &SiteTable, lead: &Site, per_s: f64, from: f64, to: f64) -> String {
    let frame = table.frame(lead.frame);
    let what = match lead.mechanism {
        m if m.is_map() => "map filled at",
        Mechanism::SliceGrowth => "slice appended to at",
        Mechanism::ListElement => "list pushed to at",
        Mechanism::BufferGrowth => "buffer grown at",
        _ => "memory allocated at",
    };
    format!("{what} {frame} grows {}: {} -> {}", rate(per_s), format_iec(from), format_iec(to))
}

fn subject(lead: &Site) -> Subject {
    let kind = match lead.mechanism {
        m if m.is_map() => SubjectKind::Map,
        Mechanism::SliceGrowth | Mechanism::BufferGrowth => SubjectKind::Slice,
        Mechanism::ListElement => SubjectKind::List,
        _ => SubjectKind::Site,
    };
    Subject { mechanism: Some(lead.mechanism), ..Subject::of(kind) }
}

fn size_of(v: &SiteValue, total: f64, per_s: Option<f64>) -> Size {
    Size {
        shallow_bytes: Some(v.inuse_bytes.max(0.0) as u64),
        objects: Some(v.inuse_objects.max(0.0) as u64),
        share_of_heap: (total > 0.0).then(|| round3(v.inuse_bytes / total)),
        growth_bytes_per_s: per_s.map(round3),
        ..Size::default()
    }
}

fn site_ref(table: &SiteTable, s: &Site, role: SiteRole) -> SiteRef {
    let f = table.frame(s.frame);
    SiteRef { role, function: f.function.clone(), file: f.file.clone(), line: f.line }
}

/// The container's line first, then the allocating lines, then the way in.
fn sites(table: &SiteTable, c: &Cluster<'_>) -> Vec<SiteRef> {
    let mut out: Vec<SiteRef> = c.container.map(|s| site_ref(table, s, SiteRole::Inserts)).into_iter().collect();
    for s in c.members.iter().take(6) {
        let r = site_ref(table, s, SiteRole::Allocates);
        if !out.iter().any(|o| (o.line, &o.file) == (r.line, &r.file)) {
            out.push(r);
        }
    }
    let lead = c.lead();
    let at = lead.stack.iter().position(|f| *f == lead.frame).map_or(0, |p| p + 1);
    if let Some(caller) = lead.stack.get(at).map(|f| table.frame(*f)) {
        out.push(SiteRef {
            role: SiteRole::Calls,
            function: caller.function.clone(),
            file: caller.file.clone(),
            line: caller.line,
        });
    }
    out
}
