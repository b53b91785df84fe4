//! Joins what profiles and goroutine dumps found with what the object graph shows: who holds the memory
//! that a line of code allocates, and what waiting goroutines keep.

use super::{Grown, Heap, named, subject, subject_kind};
use crate::context::Context;
use crate::evidence::{Case, plural, rate};
use crate::recipes::growth_fix;
use crate::sites::Site;
use model::{Finding, Frame, HeapContainer, HeapGoroutines, Mechanism, SiteRole, Size, SubjectKind, format_iec};

/// A container that a finding's memory is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding<'a> {
    pub(crate) container: &'a HeapContainer,
    /// How it grew, where two graphs tell.
    pub(crate) grown: Option<Grown<'a>>,
}

/// The container that holds what these sites allocated: of those with a sampled object of one of them, the
/// one that grew most; where none grew, the one with most bytes from there.
pub(crate) fn join<'a>(cx: &'a Context<'_>, heap: &Heap<'a>, sites: &[&Site]) -> Option<Holding<'a>> {
    let frames: Vec<&Frame> = sites.iter().map(|s| cx.sites.frame(s.frame)).collect();
    let theirs = |c: &HeapContainer| -> u64 {
        let of = c
            .allocated
            .iter()
            .filter(|a| heap.stack(a).is_some_and(|s| s.iter().any(|f| frames.iter().any(|g| same_line(f, g)))));
        of.map(|a| a.bytes).sum()
    };
    // Of what an outer container retains, a small part is no reason to name it.
    let holds = |c: &HeapContainer| theirs(c) > 0 && theirs(c).saturating_mul(4) >= sum(c);
    let grown = super::grown(cx);
    let container = |c: &'a HeapContainer| Holding { container: c, grown: find(&grown, c) };
    if let Some(g) = grown.iter().find(|g| holds(g.now) && is_keeper(g.now)) {
        return Some(container(g.now));
    }
    let all = heap.overview.containers.as_ref()?.list.iter();
    all.filter(|c| holds(c) && is_keeper(c)).max_by_key(|c| theirs(c)).map(container)
}

fn find<'a>(grown: &[Grown<'a>], c: &HeapContainer) -> Option<Grown<'a>> {
    grown.iter().find(|g| std::ptr::eq(g.now, c)).copied()
}

fn sum(c: &HeapContainer) -> u64 {
    c.allocated.iter().map(|a| a.bytes).sum()
}

/// Kinds that keep what is put into them.
fn is_keeper(c: &HeapContainer) -> bool {
    matches!(c.kind.as_str(), "map" | "sync.Map" | "slice" | "list" | "tree" | "chan" | "sync.Pool" | "buffer")
}

fn same_line(a: &Frame, b: &Frame) -> bool {
    a.function == b.function && (a.line == b.line || a.line == 0 || b.line == 0)
}

impl Holding<'_> {
    /// Whether the graph saw it grow as the profile did.
    pub(crate) fn grows_along(&self, delta: f64, seconds: f64) -> bool {
        self.grown.is_some_and(|g| g.bytes_per_s() * seconds >= 0.4 * delta)
    }

    /// What the graph says for a leak of `delta` bytes in `seconds` seconds.
    pub(crate) fn weigh(&self, case: &mut Case, artifact: &str, delta: f64, seconds: f64) {
        let c = self.container;
        let now = format!("{} in {}", plural(c.entries, "entry"), named(c));
        match self.grown {
            Some(g) => {
                let s = format!(
                    "{now}: {:+.0} in {:.0} s, it retains {} ({})",
                    g.entries,
                    g.seconds,
                    format_iec(c.retained_bytes as f64),
                    rate(g.bytes_per_s())
                );
                let weight = if self.grows_along(delta, seconds) { 1.0 } else { 0.0 };
                case.number(weight, artifact, g.entries, "entries", s);
            }
            None => {
                let s = format!("{now}: it retains {}", format_iec(c.retained_bytes as f64));
                case.number(0.0, artifact, c.retained_bytes as f64, "bytes", s);
            }
        }
    }

    /// Names the holder in a finding.
    pub(crate) fn name_holder(&self, heap: &Heap<'_>, f: &mut Finding) {
        let c = self.container;
        // The profile may see only the values grow: a map takes its tables in steps. The graph saw entries come.
        let gained = self.grown.is_some_and(|g| g.entries > 0.0);
        let inserted = (c.kind == "map" && gained && !f.subject.mechanism.is_some_and(Mechanism::is_map))
            .then_some(Mechanism::MapInsert);
        let mechanism = inserted.or(f.subject.mechanism);
        f.subject = subject(subject_kind(&c.kind), c);
        f.subject.mechanism = mechanism;
        if inserted.is_some() {
            let inserts = heap.sites(&c.allocated).into_iter().filter(|s| s.role == SiteRole::Inserts);
            f.sites.splice(0..0, inserts);
            f.fix = growth_fix(Mechanism::MapInsert);
        }
        f.size = Size {
            retained_bytes: Some(c.retained_bytes),
            entries: Some(c.entries),
            share_of_heap: Some(crate::evidence::round3(heap.share(c.retained_bytes))),
            ..f.size.clone()
        };
    }
}

/// The goroutines of the graph that were started at a line.
pub(crate) fn goroutines_of<'a>(heap: &Heap<'a>, created_by: &Frame) -> Vec<&'a HeapGoroutines> {
    let of = |g: &&HeapGoroutines| g.created_by.as_ref().is_some_and(|f| same_line(f, created_by));
    heap.overview.goroutines.iter().filter(of).collect()
}

/// What the goroutines that were started at a line keep, said in a finding.
pub(crate) fn goroutines_hold(heap: &Heap<'_>, created_by: &Frame, case: &mut Case) -> Option<Size> {
    let groups = goroutines_of(heap, created_by);
    if groups.is_empty() {
        return None;
    }
    let count: u64 = groups.iter().map(|g| g.count).sum();
    let stacks: u64 = groups.iter().map(|g| g.stack_bytes).sum();
    let retained: u64 = groups.iter().map(|g| g.retained_bytes).sum();
    let s = format!(
        "{} started there hold {} of heap alone, and {} of stacks",
        plural(count, "goroutine"),
        format_iec(retained as f64),
        format_iec(stacks as f64)
    );
    case.number(0.3, heap.artifact, retained as f64, "bytes", s);
    Some(Size {
        retained_bytes: Some(retained.saturating_add(stacks)),
        share_of_heap: Some(crate::evidence::round3(heap.share(retained))),
        ..Size::default()
    })
}

/// The subject that goroutines are.
pub(crate) fn goroutine_subject() -> model::Subject {
    model::Subject { root: Some(model::RootKind::Goroutine), ..model::Subject::of(SubjectKind::Goroutine) }
}
