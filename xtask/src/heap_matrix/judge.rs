//! Holds what was read of a heap against what the program says of it. Entries and slots must be equal; bytes may be
//! off by [`TOLERANCE`], objects and bytes of the whole heap by [`HEAP_TOLERANCE`] of what `MemStats` counts.

use super::Form;
use super::holder::{self, Holder};
use super::rules;
use bundle::ProgramHeap;
use heap::containers::{ContainerFacts, ContainerKind, ContainerOptions, Containers, Note};
use heap::{HeapGraph, Names, ProgramNames, RootGroup, Shape, typing_stats};
use lab::{HeapContainer, HeapTruth};
use model::HeapOverview;
use std::collections::HashMap;

/// How far the bytes of a container may be off.
const TOLERANCE: f64 = 0.01;
/// How far the objects and bytes of the heap may be off.
const HEAP_TOLERANCE: f64 = 0.001;
/// Smallest share of live bytes that have a type, with and without debug information.
const TYPED: f64 = 0.995;
const TYPED_STRIPPED: f64 = 0.9;
/// Containers of each kind that are listed: all of them.
const ALL: usize = 1 << 22;
/// Arrays of slices and strings from this size on are listed one by one.
const LISTED: u64 = 1024;

/// What came of one program.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Containers that were held against the program's account.
    pub(crate) containers: usize,
    /// What is wrong.
    pub(crate) misses: Vec<String>,
    /// Share of live bytes with a type.
    pub(crate) typed: f64,
    /// How far live objects and bytes are off.
    pub(crate) off: (f64, f64),
    /// What rules look at.
    pub(crate) overview: Option<HeapOverview>,
}

/// Compares all that the program says.
pub(crate) fn judge(heap: &ProgramHeap<'_>, truth: &HeapTruth, form: Form) -> Judged {
    let (graph, names) = (heap.graph, heap.names);
    let mut judged = Judged::default();
    judged.heap(graph, truth, form);
    let found = graph.containers(names, &ContainerOptions { most: ALL, ..ContainerOptions::default() });
    let judge = Judge { graph, names, truth, found: Index::new(&found), form };
    for container in &truth.containers {
        judged.containers += 1;
        let misses = judge.container(container);
        judged.misses.extend(misses.into_iter().map(|m| format!("{}: {m}", container.name)));
    }
    judged.misses.extend(judge.duplicates(&found));
    match rules::overview(heap) {
        Ok(overview) => {
            judged.misses.extend(judge.rules(&overview));
            judged.overview = Some(overview);
        }
        Err(e) => judged.misses.push(e.to_string()),
    }
    judged
}

/// What the rules miss of the growth since `before`.
pub(crate) fn judge_growth(
    heap: &ProgramHeap<'_>,
    truth: &HeapTruth,
    form: Form,
    before: &HeapOverview,
) -> Vec<String> {
    let (graph, names) = (heap.graph, heap.names);
    let found = graph.containers(names, &ContainerOptions { most: ALL, ..ContainerOptions::default() });
    let judge = Judge { graph, names, truth, found: Index::new(&found), form };
    match rules::overview(heap) {
        Ok(after) => judge.growth(before, &after),
        Err(e) => vec![e.to_string()],
    }
}

impl Judged {
    /// What holds of the heap as a whole.
    fn heap(&mut self, graph: &HeapGraph<'_>, truth: &HeapTruth, form: Form) {
        let stats = typing_stats(&graph.view(), &graph.shapes);
        let off = |ours: u64, theirs: u64| (ours as f64 - theirs as f64) / theirs.max(1) as f64;
        self.off = (off(stats.all.0, truth.memstats.heap_objects), off(stats.all.1, truth.memstats.heap_alloc));
        self.typed = stats.typed.1 as f64 / stats.all.1.max(1) as f64;
        for (what, ours, theirs, off) in [
            ("objects", stats.all.0, truth.memstats.heap_objects, self.off.0),
            ("bytes", stats.all.1, truth.memstats.heap_alloc, self.off.1),
        ] {
            if off.abs() > HEAP_TOLERANCE {
                self.misses.push(format!("{ours} live {what}, MemStats {theirs}"));
            }
        }
        let least = if form.has_dwarf() { TYPED } else { TYPED_STRIPPED };
        if self.typed < least {
            let untyped = untyped(graph);
            self.misses.push(format!("{:.1} % of bytes typed; untyped {untyped}", 100.0 * self.typed));
        }
        let reached = graph.tree.total();
        if off(reached, stats.all.1).abs() > HEAP_TOLERANCE {
            self.misses.push(format!("{} bytes unreachable of {}", stats.all.1.saturating_sub(reached), stats.all.1));
        }
    }
}

/// The objects without a type, by size: those with most bytes.
fn untyped(graph: &HeapGraph<'_>) -> String {
    let mut sizes: HashMap<(u64, bool), u64> = HashMap::new();
    for (i, span) in graph.objects.spans().iter().enumerate() {
        for (object, _) in graph.objects.of_span(i as u32) {
            if graph.shapes.number(object) == 0 {
                *sizes.entry((span.elem_size, span.pointers == goruntime::PointerBits::NoScan)).or_default() += 1;
            }
        }
    }
    let mut rows: Vec<_> = sizes.into_iter().collect();
    rows.sort_by_key(|((size, noscan), n)| (std::cmp::Reverse(size * n), *noscan));
    let text = |((size, noscan), n): &((u64, bool), u64)| {
        format!("{n} of {size} B{}", if *noscan { " without pointers" } else { "" })
    };
    rows.iter().take(4).map(text).collect::<Vec<_>>().join(", ")
}

/// The containers that were found, by kind and place.
struct Index<'c> {
    by_place: HashMap<(ContainerKind, u64), &'c ContainerFacts>,
    by_object: HashMap<(ContainerKind, u32), &'c ContainerFacts>,
    all: &'c [ContainerFacts],
}

impl<'c> Index<'c> {
    fn new(found: &'c Containers) -> Self {
        let by_place = found.list.iter().map(|f| ((f.kind, f.address), f)).collect();
        let by_object = found.list.iter().filter_map(|f| Some(((f.kind, f.object?), f))).collect();
        Self { by_place, by_object, all: &found.list }
    }
}

pub(super) struct Judge<'a, 'g> {
    graph: &'a HeapGraph<'g>,
    names: &'a ProgramNames<'a>,
    pub(super) truth: &'a HeapTruth,
    found: Index<'a>,
    form: Form,
}

fn near(a: u64, b: u64) -> bool {
    a.abs_diff(b) as f64 <= TOLERANCE * b as f64
}

fn differs(what: &str, ours: u64, theirs: u64) -> String {
    format!("{what} {ours}, truth {theirs}")
}

impl Judge<'_, '_> {
    fn container(&self, truth: &HeapContainer) -> Vec<String> {
        match truth.kind.as_str() {
            // Memory of C is not on the heap.
            "off-heap" => Vec::new(),
            "goroutine" => self.goroutines(truth),
            "object" | "reflect" => self.object(truth),
            // A nil map has no object.
            "map" if truth.address == 0 => Vec::new(),
            "timer" if truth.address == 0 => self.timers(truth),
            "finalizer" if truth.address == 0 => self.finalizers(truth),
            // A pool that was never used has nothing.
            "sync.Pool" if truth.entries == 0 => Vec::new(),
            _ => self.listed(truth),
        }
    }

    /// One that has its own line among the containers.
    fn listed(&self, truth: &HeapContainer) -> Vec<String> {
        let Some(ours) = self.find(truth) else {
            if truth.type_name.starts_with("[]") && truth.struct_bytes < LISTED {
                return self.small_slice(truth);
            }
            let place = self.graph.objects.find(self.place(truth));
            let shape = place.map_or(Shape::Unknown, |f| self.graph.shapes.of(f.object));
            return vec![format!("not found ({})", shape.name(&self.graph.runtime.types, |a| self.names.function(a)))];
        };
        let mut misses = Vec::new();
        if ours.entries != truth.entries {
            misses.push(differs("entries", ours.entries, truth.entries));
        }
        let has_capacity = truth.capacity != 0 && !matches!(truth.kind.as_str(), "string" | "sync.Map");
        if has_capacity && ours.capacity != truth.capacity {
            misses.push(differs("capacity", ours.capacity, truth.capacity));
        }
        if truth.struct_bytes != 0 && has_own_bytes(&truth.kind) && !near(ours.own_bytes, truth.struct_bytes) {
            misses.push(differs("own bytes", ours.own_bytes, truth.struct_bytes));
        }
        if !truth.retained_approx && !near(ours.retained, truth.retained_bytes) {
            misses.push(differs("retained", ours.retained, truth.retained_bytes));
        }
        misses.extend(self.waste(ours, truth));
        misses.extend(connections(ours, truth));
        misses.extend(notes(ours, truth));
        misses.extend(self.map_shape(ours, truth));
        if let Some(object) = self.object_of(truth).or(ours.object) {
            misses.extend(self.holder(object, truth));
        }
        misses
    }

    /// An array that is too small for a line of its own.
    fn small_slice(&self, truth: &HeapContainer) -> Vec<String> {
        let Some(object) = self.object_of(truth) else { return vec!["no object".to_owned()] };
        let retained = self.graph.tree.retained(object);
        let mut misses: Vec<String> = self.holder(object, truth).into_iter().collect();
        if !matches!(self.graph.shapes.of(object), Shape::Array(_)) {
            misses.push("not an array".to_owned());
        }
        if !truth.retained_approx && !near(retained, truth.retained_bytes) {
            misses.push(differs("retained", retained, truth.retained_bytes));
        }
        misses
    }

    /// What is out of reach, of arrays and strings that slices and strings alone lead to.
    fn waste(&self, ours: &ContainerFacts, truth: &HeapContainer) -> Option<String> {
        let told = truth.rules.iter().any(|r| r == "capacity-waste" || r == "pinned-array");
        if !told || truth.value_bytes != 0 || truth.map.is_some() {
            return None;
        }
        let waste = truth.retained_bytes.saturating_sub(truth.entries * truth.elem_size.max(1));
        (!near(ours.waste, waste)).then(|| differs("waste", ours.waste, waste))
    }

    /// What a map is made of, and its type.
    fn map_shape(&self, ours: &ContainerFacts, truth: &HeapContainer) -> Vec<String> {
        let Some(shape) = &truth.map else { return Vec::new() };
        let mut misses = Vec::new();
        let Some(Shape::MapHeader(typ)) = ours.object.map(|o| self.graph.shapes.of(o)) else { return misses };
        // What package reflect made while the program ran has a name that only the program knows.
        if self.graph.runtime.types.stored_name(typ).is_some() && ours.type_name != truth.type_name {
            misses.push(format!("type {}, truth {}", ours.type_name, truth.type_name));
        }
        let Some(facts) = heap::containers::map_facts(&self.graph.view(), typ, ours.address) else {
            return vec!["cannot be measured".to_owned()];
        };
        let rows = [
            ("entries in slots", facts.found, truth.entries),
            ("tables", facts.tables, shape.tables),
            ("tombstones", facts.tombstones, shape.tombstones),
            ("overflow buckets", facts.overflow, shape.overflow),
            ("old buckets", facts.old_buckets, shape.old_buckets),
        ];
        misses.extend(rows.iter().filter(|r| r.1 != r.2).map(|r| differs(r.0, r.1, r.2)));
        misses
    }

    /// The address that the container is known by.
    fn place(&self, truth: &HeapContainer) -> u64 {
        match truth.kind.as_str() {
            "string" => self.graph.runtime.memory.u64(truth.root).unwrap_or(0),
            _ if truth.address == 0 => truth.root,
            _ => truth.address,
        }
    }

    fn object_of(&self, truth: &HeapContainer) -> Option<u32> {
        self.graph.objects.find(self.place(truth)).map(|f| f.object)
    }

    /// What was found of a container.
    pub(super) fn find(&self, truth: &HeapContainer) -> Option<&ContainerFacts> {
        let kind = kind_of(truth)?;
        let place = self.place(truth);
        let object = self.graph.objects.find(place).map(|f| f.object);
        let at = self.found.by_place.get(&(kind, place));
        let at = at.or_else(|| self.found.by_object.get(&(kind, object?)));
        at.copied().or_else(|| {
            // A list is named by its end with the lower address; what the runtime has says no address.
            let by_number = kind == ContainerKind::List || place == 0;
            self.found.all.iter().find(|f| by_number && f.kind == kind && f.entries == truth.entries)
        })
    }

    /// One object with what it holds.
    fn object(&self, truth: &HeapContainer) -> Vec<String> {
        let objects = &self.graph.objects;
        let Some(found) = objects.find(truth.address) else {
            // A variable: what it points to is retained by the roots in it.
            let own = |g: &RootGroup| matches!(g, RootGroup::Global { address } if (truth.root..truth.root + 8 * truth.entries).contains(address));
            let groups = self.graph.roots.groups.iter().enumerate().filter(|(_, g)| own(g));
            let retained: u64 =
                groups.flat_map(|(i, _)| self.graph.roots.roots.members(i)).map(|&o| self.graph.tree.retained(o)).sum();
            return if near(retained, truth.retained_bytes) {
                Vec::new()
            } else {
                vec![differs("retained", retained, truth.retained_bytes)]
            };
        };
        let mut misses = Vec::new();
        let shape = self.graph.shapes.of(found.object);
        let name = shape.name(&self.graph.runtime.types, |a| self.names.function(a));
        if matches!(shape, Shape::Unknown) {
            misses.push("untyped".to_owned());
        } else if truth.kind == "object" && format!("*{name}") != truth.type_name {
            misses.push(format!("type {name}, truth {}", truth.type_name));
        }
        let retained = self.graph.tree.retained(found.object);
        if !truth.retained_approx && !near(retained, truth.retained_bytes) {
            misses.push(differs("retained", retained, truth.retained_bytes));
        }
        misses.extend(self.holder(found.object, truth));
        misses
    }

    /// Goroutines that run one function.
    fn goroutines(&self, truth: &HeapContainer) -> Vec<String> {
        let Some(function) = truth.name.strip_prefix("goroutine ") else { return vec!["no function".to_owned()] };
        let Ok(goroutines) = &self.graph.runtime.goroutines else { return vec!["no goroutines".to_owned()] };
        let mine: Vec<u32> = goroutines
            .list
            .iter()
            .enumerate()
            .filter(|(_, g)| self.graph.goroutine_function(g, self.names).as_deref() == Some(function))
            .map(|(i, _)| i as u32)
            .collect();
        let mut misses = Vec::new();
        if mine.len() as u64 != truth.entries {
            misses.push(differs("goroutines", mine.len() as u64, truth.entries));
        }
        if !truth.retained_approx {
            let retained = holder::retained_by_goroutines(self.graph, &mine).unwrap_or(0);
            if !near(retained, truth.retained_bytes) {
                misses.push(differs("retained", retained, truth.retained_bytes));
            }
        }
        misses
    }

    /// Timers that only the runtime knows.
    fn timers(&self, truth: &HeapContainer) -> Vec<String> {
        let of = |name: &str| self.truth.container(name).map_or(0, |c| c.entries);
        // The runtime has one of its own now and then (the scavenger's).
        let own = |f: &&ContainerFacts| f.kind == ContainerKind::Timer && !f.type_name.starts_with("runtime.");
        let ours: u64 = self.found.all.iter().filter(own).map(|f| f.entries).sum();
        // From 1.27 on no module asks for the old channels (asynctimerchan): timers that nobody waits for are
        // plain objects.
        let old = if self.truth.go_version.starts_with("go1.27") { 0 } else { of("main.timers") + of("main.tickers") };
        let sum = old + of("main.later") + truth.entries;
        if ours == sum { Vec::new() } else { vec![differs("timers", ours, sum)] }
    }

    /// Objects whose finalizer is to run.
    fn finalizers(&self, truth: &HeapContainer) -> Vec<String> {
        let ours = self.graph.queued.len() as u64;
        if ours == truth.entries { Vec::new() } else { vec![differs("queued", ours, truth.entries)] }
    }

    fn holder(&self, object: u32, truth: &HeapContainer) -> Option<String> {
        let ours = Holder::of(self.graph, self.names, object)?;
        ours.differs_from(truth, self.names, self.form)
    }

    /// What holds of strings as a whole.
    fn duplicates(&self, found: &Containers) -> Vec<String> {
        let mut misses = Vec::new();
        if let Some(truth) = self.truth.container("main.duplicates") {
            // Eight contents take turns.
            let counts: Vec<u64> = found.duplicates.largest.iter().map(|d| d.count).take(8).collect();
            if counts != [truth.entries / 8; 8] {
                misses.push(format!("main.duplicates: equal strings {counts:?}, truth 8 times {}", truth.entries / 8));
            }
        }
        if let Some(parts) = self.truth.container("main.parts") {
            let live = parts.live_bytes / parts.entries;
            let pins = found.list.iter().filter(|f| {
                f.type_name == "[]uint8" && f.notes.contains(&Note::Subslice(100)) && near(f.waste + live, 16384)
            });
            let pins = pins.count() as u64;
            if pins != parts.entries {
                misses.push(format!("main.parts: {}", differs("pinned arrays", pins, parts.entries)));
            }
        }
        misses
    }
}

/// Connections are idle, or there are bodies that nobody closed.
fn connections(ours: &ContainerFacts, truth: &HeapContainer) -> Option<String> {
    let told = ours.notes.iter().find_map(|n| match n {
        Note::Connections { idle, .. } => Some(*idle),
        _ => None,
    })?;
    let idle = if truth.rules.iter().any(|r| r == "unclosed-body") { 0 } else { truth.entries };
    (told != idle).then(|| differs("idle connections", told, idle))
}

/// What is told beside the numbers: who waits on a channel, what a `sync.Map` or `sync.Pool` keeps, how deep a chain is.
fn notes(ours: &ContainerFacts, truth: &HeapContainer) -> Vec<String> {
    let mut told = [("receivers", 0, truth.receivers), ("senders", 0, truth.senders)].to_vec();
    let (mut deleted, mut victims, mut depth) = (None, 0, None);
    for note in &ours.notes {
        match note {
            Note::Blocked { receivers, senders, .. } => (told[0].1, told[1].1) = (*receivers, *senders),
            Note::Misses { deleted: n, .. } => deleted = Some(*n),
            Note::Victims(n) => victims = *n,
            Note::Depth(n) => depth = Some(*n),
            _ => {}
        }
    }
    told.push(("victims", victims, truth.victims));
    // A trie forgets what is deleted.
    told.extend(deleted.map(|n| ("deleted entries", n, truth.deleted)));
    told.extend(depth.filter(|_| truth.depth != 0).map(|n| ("depth", n, truth.depth)));
    told.into_iter().filter(|t| t.1 != t.2).map(|t| differs(t.0, t.1, t.2)).collect()
}

/// Kinds of which the program and we count the same objects.
fn has_own_bytes(kind: &str) -> bool {
    matches!(kind, "map" | "list" | "tree" | "chan" | "sync.Map" | "context" | "slice")
}

fn kind_of(truth: &HeapContainer) -> Option<ContainerKind> {
    Some(match truth.kind.as_str() {
        "map" => ContainerKind::Map,
        _ if truth.type_name.starts_with("[]") => ContainerKind::Slice,
        "string" => ContainerKind::Text,
        "list" => ContainerKind::List,
        "tree" => ContainerKind::Tree,
        "chan" => ContainerKind::Channel,
        "sync.Map" => ContainerKind::SyncMap,
        "sync.Pool" => ContainerKind::SyncPool,
        "buffer" => ContainerKind::Buffer,
        "bigint" => ContainerKind::BigInt,
        "context" => ContainerKind::Context,
        "http" => ContainerKind::Http,
        _ => return None,
    })
}
