//! What the rules see of the object graph: the last overview, what has grown since the first, and how
//! containers become subjects, sites and sizes of findings. Decides nothing.

mod growth;
mod join;
pub(crate) mod pinned;

pub(crate) use growth::{Grown, grown};
pub(crate) use join::{goroutine_subject, goroutines_hold, join};

use crate::context::Context;
use crate::sites::{SiteTable, is_own};
use model::{
    Finding, Frame, HeapAllocated, HeapContainer, HeapNote, HeapOverview, HeapStep, RootKind, Severity, SiteRef,
    SiteRole, Size, Subject, SubjectKind, whole_name,
};

/// Most lines of code that a finding shows of what a container retains.
const MOST_SITES: usize = 3;

/// The object graph of the last sample that has one.
#[derive(Clone, Copy)]
pub(crate) struct Heap<'a> {
    /// Where it was read from.
    pub(crate) artifact: &'a str,
    /// The overview.
    pub(crate) overview: &'a HeapOverview,
    sites: &'a SiteTable,
    main_module: Option<&'a str>,
}

/// What rules without an object graph say.
pub(crate) const NO_GRAPH: &str = "the object graph was not read (a pid on this host or a core file has one)";

impl<'a> Context<'a> {
    /// The object graph of the last sample that has one.
    pub(crate) fn heap(&'a self) -> Option<Heap<'a>> {
        let graph = self.facts.samples.iter().rev().find_map(|s| s.graph.as_ref())?;
        let told = graph.value.process.as_ref().and_then(|p| p.main_module.as_deref());
        let main_module = self.facts.build.as_ref().and_then(|b| b.value.main_module.as_deref()).or(told);
        Some(Heap { artifact: &graph.artifact, overview: &graph.value, sites: &self.sites, main_module })
    }
}

impl<'a> Heap<'a> {
    /// Bytes of what is reachable, at least 1.
    pub(crate) fn live(&self) -> f64 {
        let c = &self.overview.coverage;
        c.bytes.saturating_sub(c.unreachable_bytes).max(1) as f64
    }

    /// Share of the live heap.
    pub(crate) fn share(&self, bytes: u64) -> f64 {
        (bytes as f64 / self.live()).min(1.0)
    }

    /// Containers of a kind, those that retain or waste most first.
    pub(crate) fn containers(&self, kind: &'a str) -> impl Iterator<Item = &'a HeapContainer> + use<'a> {
        let list = self.overview.containers.as_ref().map(|c| c.list.as_slice()).unwrap_or_default();
        list.iter().filter(move |c| c.kind == kind)
    }

    /// How much a finding about wasted memory matters: as a share of the heap and in bytes.
    pub(crate) fn severity(&self, cx: &Context<'_>, bytes: u64) -> Severity {
        let t = cx.thresholds;
        let large = bytes as f64 >= t.rss_part_bytes && self.share(bytes) >= t.heap_waste_medium_share;
        if large { Severity::Medium } else { Severity::Low }
    }

    /// Whether so many wasted bytes are worth a finding.
    pub(crate) fn matters(&self, cx: &Context<'_>, bytes: u64) -> bool {
        bytes as f64 >= cx.thresholds.heap_waste_bytes && self.share(bytes) >= cx.thresholds.heap_waste_share
    }

    /// Lines of code that allocated what is retained.
    pub(crate) fn sites(&self, allocated: &[HeapAllocated]) -> Vec<SiteRef> {
        let mut out: Vec<SiteRef> = Vec::new();
        for a in allocated {
            let Some(frame) = self.stack(a).and_then(|s| own_frame(s, self.main_module)) else { continue };
            let site = SiteRef {
                role: self.role(frame),
                function: frame.function.clone(),
                file: frame.file.clone(),
                line: frame.line,
            };
            if !out.contains(&site) && out.len() < MOST_SITES {
                out.push(site);
            }
        }
        // The line that inserts is the one to change.
        out.sort_by_key(|s| s.role != SiteRole::Inserts);
        out
    }

    /// The stack of what was allocated.
    pub(crate) fn stack(&self, a: &HeapAllocated) -> Option<&'a [Frame]> {
        self.overview.stacks.get(a.stack as usize).map(Vec::as_slice)
    }

    /// A line where the profile saw a map grow inserts; the others allocate.
    fn role(&self, frame: &Frame) -> SiteRole {
        let inserts = self.sites.sites.iter().any(|s| s.mechanism.is_map() && self.sites.frame(s.frame) == frame);
        if inserts { SiteRole::Inserts } else { SiteRole::Allocates }
    }
}

/// The frame to show of a stack: the first of the program's own module, else the first outside the standard
/// library, else the innermost.
pub(crate) fn own_frame<'f>(stack: &'f [Frame], main_module: Option<&str>) -> Option<&'f Frame> {
    let own = main_module.and_then(|m| stack.iter().find(|f| is_own(&f.function, m)));
    own.or_else(|| stack.iter().find(|f| !is_std(&f.function))).or_else(|| stack.first())
}

/// Import paths of the standard library have no dot in their first element.
pub(crate) fn is_std(function: &str) -> bool {
    let path = function.split('(').next().unwrap_or(function);
    match path.split_once('/') {
        Some((first, _)) => !first.contains('.'),
        None => !function.starts_with("main."),
    }
}

/// A container as the subject of a finding.
pub(crate) fn subject(kind: SubjectKind, c: &HeapContainer) -> Subject {
    Subject {
        type_: Some(c.type_name.clone()),
        holder: way(&c.holder),
        root: c.holder.first().map(|s| root_kind(&s.type_name)),
        address: Some(c.address.clone()),
        ..Subject::of(kind)
    }
}

/// The way to a container: the root's name, then fields, and types where a field has no name.
pub(crate) fn way(holder: &[HeapStep]) -> Vec<String> {
    let step = |s: &HeapStep| if s.via.is_empty() { s.type_name.clone() } else { s.via.clone() };
    holder.iter().filter(|s| !is_inside_map(s)).map(step).collect()
}

/// What a map is made of says no more than the map.
fn is_inside_map(step: &HeapStep) -> bool {
    step.via.is_empty() && step.type_name.starts_with("map[") && whole_name(&step.type_name) != step.type_name
}

/// The way in one line: `shop.Shop.carts.byVisit`.
pub(crate) fn way_text(holder: &[HeapStep]) -> String {
    let mut text = String::new();
    for (i, s) in holder.iter().filter(|s| !is_inside_map(s)).enumerate() {
        match (i, s.via.is_empty()) {
            (0, _) => text.push_str(&s.type_name),
            (_, false) => text.push_str(&s.via),
            // The object that a variable points to says no more than the variable.
            (1, true) => {}
            (_, true) => {
                text.push_str(" -> ");
                text.push_str(&s.type_name);
            }
        }
    }
    text
}

fn root_kind(name: &str) -> RootKind {
    match name {
        n if n.starts_with("goroutine ") => RootKind::Goroutine,
        "finalizers" | "cleanups" => RootKind::Finalizer,
        _ => RootKind::Global,
    }
}

/// `map[string]*User held by main.cache.users`.
pub(crate) fn named(c: &HeapContainer) -> String {
    match way_text(&c.holder) {
        way if way.is_empty() => c.type_name.clone(),
        way => format!("{} held by {way}", c.type_name),
    }
}

/// The numbers of a container.
pub(crate) fn size(heap: &Heap<'_>, c: &HeapContainer) -> Size {
    Size {
        retained_bytes: Some(c.retained_bytes),
        shallow_bytes: Some(c.own_bytes),
        wasted_bytes: (c.waste_bytes > 0).then_some(c.waste_bytes),
        entries: Some(c.entries),
        share_of_heap: Some(crate::evidence::round3(heap.share(c.retained_bytes))),
        ..Size::default()
    }
}

/// The kind of subject that a kind of container is.
pub(crate) fn subject_kind(kind: &str) -> SubjectKind {
    match kind {
        "map" | "sync.Map" => SubjectKind::Map,
        "slice" | "string" | "buffer" => SubjectKind::Slice,
        "list" | "tree" | "context" => SubjectKind::List,
        "chan" => SubjectKind::Chan,
        "sync.Pool" => SubjectKind::Pool,
        _ => SubjectKind::Type,
    }
}

/// What makes a container's numbers less sure.
pub(crate) fn is_doubtful(c: &HeapContainer) -> bool {
    c.notes.iter().any(|n| matches!(n, HeapNote::Damaged | HeapNote::OtherWays))
}

/// Fills a finding with what is known of a container.
pub(crate) fn describe(heap: &Heap<'_>, f: &mut Finding, c: &HeapContainer) {
    f.size = size(heap, c);
    f.sites = heap.sites(&c.allocated);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(via: &str, type_name: &str) -> HeapStep {
        HeapStep { via: via.into(), type_name: type_name.into(), address: String::new() }
    }

    #[test]
    fn ways_read_like_go() {
        let holder = [
            step("", "main.app"),
            step("", "main.App"),
            step(".cache", "main.Cache"),
            step(".users", "map[string]int"),
        ];
        assert_eq!(way_text(&holder), "main.app.cache.users");
        assert_eq!(way(&holder), ["main.app", "main.App", ".cache", ".users"]);
    }

    #[test]
    fn the_parts_of_a_map_are_left_out() {
        let map = "map[string]*main.User";
        let inside = |part: &str| step("", &format!("{map} {part}"));
        let holder = [
            step("", "main.app"),
            step(".users", map),
            inside("directory"),
            inside("table"),
            inside("groups"),
            step("[value]", "main.User"),
        ];
        assert_eq!(way_text(&holder), "main.app.users[value]");
        assert_eq!(way(&holder), ["main.app", ".users", "[value]"]);
    }

    #[test]
    fn the_programs_own_frame_is_shown() {
        let frame = |f: &str| Frame { function: f.into(), ..Frame::default() };
        let stack =
            [frame("strings.Clone"), frame("net/http.(*Header).Clone"), frame("example.com/x.Get"), frame("main.main")];
        assert_eq!(own_frame(&stack, None).map(|f| f.function.as_str()), Some("example.com/x.Get"));
        assert_eq!(own_frame(&stack, Some("example.com/y")).map(|f| f.function.as_str()), Some("main.main"));
        assert_eq!(own_frame(&stack[..2], None).map(|f| f.function.as_str()), Some("strings.Clone"));
    }
}
