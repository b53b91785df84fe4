//! # unbounded-container
//!
//! ## What it means
//! A map, list, slice or channel holds more entries than a while ago, and more memory with them. The
//! object graph shows it and what holds it; no profile shows the line (`growing-allocation-site` covers the
//! containers whose allocating line is known to grow).
//!
//! ## How it decides
//! Two object graphs are compared container by container: the same address in the same process, else the
//! same type held by the same way. It counts when what the container retains grew by more than
//! `growth-bytes-per-s` and by more than `growth-share-of-live` of the heap. For it speak the entries
//! gained, keys that look like identifiers (their shape hardly repeats, their bytes are random), and a map
//! without a trace of deletions. Two points in time cannot tell a leak from a cache that fills up: the
//! confidence stays at or below 0.62, a risk; below 1 MiB of growth it is no more than a note. Where three heap profiles or more show the line that
//! allocates what the container holds, they tell the shape of the growth, and this rule leaves it to
//! `growing-allocation-site`. Slots of deleted entries speak against it.
//!
//! ## What to do
//! Give entries an end: delete them when they expire or when the request ends, or cap their number. See
//! who adds to it: the line that is named, or callers of the methods of its holder.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, plural, rate, round3};
use crate::heap::{self, Grown, Heap};
use crate::recipes::growth_fix;
use model::{Finding, HeapKeys, HeapNote, Mechanism, Severity, Verdict, format_iec};

pub(super) const RULE: Rule =
    Rule { id: "unbounded-container", of_time: false, source: include_str!("unbounded_container.rs"), check };

/// At most this many findings of this rule in a report.
const MOST: usize = 5;
/// Log-odds of 0.62: two points are no trend.
const MOST_SURE: f64 = 0.5;
/// Bytes gained from which a finding is of medium severity: any server gains less while it warms up.
const LARGE: f64 = 1048576.0;
/// Bits per byte from which keys are random digits or letters.
const RANDOM: f64 = 2.8;

fn check(cx: &Context<'_>) -> Check {
    let Some(graph) = cx.heap() else { return Check::no_evidence(heap::NO_GRAPH) };
    let graphs = cx.facts.samples.iter().filter(|s| s.graph.is_some()).count();
    if graphs < 2 {
        return Check::no_evidence("one object graph: growth needs two");
    }
    let t = cx.thresholds;
    let least = graph.live() * t.growth_share_of_live;
    let mut all = heap::grown(cx);
    // A pool is emptied by the collector.
    all.retain(|g| g.now.kind != "sync.Pool");
    let matters = |g: &&Grown<'_>| g.bytes >= least && g.bytes_per_s() >= t.growth_bytes_per_s;
    let grown: Vec<_> = all.iter().filter(matters).filter(|g| !profiles_tell(cx, &graph, g)).collect();
    let mut found: Vec<(Verdict, Finding)> = Vec::new();
    for g in &grown {
        // Of containers inside each other the inner one is named: it comes with less beside it.
        if found.len() < MOST && !grown.iter().any(|o| is_inside(o, g)) {
            found.push(judge(&graph, g));
        }
    }
    let detail = format!(
        "{} retain more than in the first object graph, {} of them much more",
        plural(all.len() as u64, "container"),
        grown.len()
    );
    Check::of(found, detail)
}

/// Whether heap profiles show the shape of the growth: they have a line that allocates what it holds.
fn profiles_tell(cx: &Context<'_>, graph: &Heap<'_>, g: &Grown<'_>) -> bool {
    /// Profiles from which a shape shows.
    const SHAPE: usize = 3;
    let table = &cx.sites;
    let shown = |f: &model::Frame| table.sites.iter().any(|s| table.frame(s.frame) == f);
    let mut stacks = g.now.allocated.iter().filter_map(|a| graph.stack(a));
    table.len() >= SHAPE && stacks.any(|s| s.iter().any(shown))
}

/// Whether `inner` is held by way of `outer` and grew about as much.
fn is_inside(inner: &Grown<'_>, outer: &Grown<'_>) -> bool {
    let address = &outer.now.address;
    !std::ptr::eq(inner.now, outer.now)
        && inner.bytes >= 0.8 * outer.bytes
        && inner.now.holder.iter().any(|s| s.address == *address)
        && inner.now.address != *address
}

fn judge(graph: &Heap<'_>, g: &Grown<'_>) -> (Verdict, Finding) {
    let c = g.now;
    let mut case = Case::default();
    let was = g.before.map_or(0, |b| b.entries);
    let s = format!("{} -> {} in {:.0} s", plural(was, "entry"), plural(c.entries, "entry"), g.seconds);
    case.number((1.0 + g.entries).ln().mul_add(0.2, 0.0).min(2.0), graph.artifact, g.entries, "entries", s);
    let s = format!("what it retains grew by {} ({})", format_iec(g.bytes), rate(g.bytes_per_s()));
    case.number(0.5, graph.artifact, g.bytes, "bytes", s);
    let mut deleted = 0;
    for note in &c.notes {
        match note {
            HeapNote::Keys(keys) => weigh_keys(&mut case, graph.artifact, keys),
            HeapNote::MapParts { tombstones, .. } => deleted = *tombstones,
            _ => {}
        }
    }
    let s = "two object graphs cannot tell a leak from a cache that fills up".to_owned();
    case.at_most(MOST_SURE, graph.artifact, 2.0, "graphs", s);
    if deleted > 0 {
        let s = format!("{deleted} slots of deleted entries: something does delete");
        case.number(-1.0, graph.artifact, deleted as f64, "slots", s);
    }
    let title = format!(
        "{} grows {}: {} -> {}",
        heap::named(c),
        rate(g.bytes_per_s()),
        plural(was, "entry"),
        plural(c.entries, "entry")
    );
    let large = g.bytes >= LARGE && case.confidence() >= 0.5;
    let severity = if large { Severity::Medium } else { Severity::Low };
    let mut f = case.finding(RULE.id, title, severity, heap::subject(heap::subject_kind(&c.kind), c));
    heap::describe(graph, &mut f, c);
    f.size.growth_bytes_per_s = Some(round3(g.bytes_per_s()));
    f.fix = growth_fix(match c.kind.as_str() {
        "map" | "sync.Map" => Mechanism::MapInsert,
        "list" => Mechanism::ListElement,
        "slice" => Mechanism::SliceGrowth,
        "buffer" => Mechanism::BufferGrowth,
        "timer" => Mechanism::Timer,
        _ => Mechanism::NewObject,
    });
    (Verdict::Risk, f)
}

fn weigh_keys(case: &mut Case, artifact: &str, keys: &HeapKeys) {
    let bits = f64::from(keys.entropy) / 1000.0;
    let shape = keys.shapes.first().map_or("", |s| s.0.as_str());
    if bits >= RANDOM && keys.keys >= 16 {
        let s = format!("its keys look like identifiers ({shape}, {bits:.1} bits per byte): they will not repeat");
        case.number(0.5, artifact, bits, "bits/byte", s);
    }
}
