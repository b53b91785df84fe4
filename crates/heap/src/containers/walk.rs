//! One pass over the typed values of a heap, in parallel: every slice and string header in them, and the
//! places of values of the standard library's containers. Owns what is kept of them: sums by type, the
//! extents of large objects; of each string object its hash goes to [`Texts`].

use super::texts::{TextWriter, Texts, hash_of, hash_of_bytes};
use crate::graph::Successors;
use crate::program::HeapGraph;
use crate::shapes::Shape;
use gobinary::types::{Detail, Map, MapSlots, PointerKind};
use gobinary::{Contents, RuntimeTypes, TypeId, TypedPlace};
use goruntime::{Fields, ObjectId, PointerBits, Span};
use prefetch_index::prefetch_index;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of spans that one task walks.
const TASK_BYTES: u64 = 8 << 20;
/// Bytes of an object that are looked at in one piece.
const WINDOW: u64 = 1 << 20;
/// Objects from this size on are looked at one by one: what slices and strings reach of them.
pub(super) const LARGE: u64 = 1024;
/// Strings whose bytes are asked for before the first of them is hashed.
const ASKED: usize = 32;
/// Most places of one kind of the standard library's containers in one task.
const MOST_PLACES: usize = 1 << 20;
/// How deep structs and arrays nest.
const MOST_DEEP: u32 = 32;
/// Most elements of an array inside a value that are looked at for containers.
const MOST_ELEMENTS: u64 = 256;

/// Most bytes of one value among the program's variables.
const MOST_VARIABLE: u64 = 64 << 20;
/// Most elements of an array among the program's variables.
const MOST_GLOBAL_ELEMENTS: u64 = 1 << 24;

/// What slices and strings reach of one object. Offsets are bytes from the start of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Slices that lead into it.
    pub slices: u32,
    /// Strings that lead into it.
    pub strings: u32,
    /// From the first byte that any of them has to behind the last.
    pub used: (u64, u64),
    /// Behind the last byte that a slice could grow into.
    pub cap_end: u64,
    /// Length and capacity, in elements, of the slice or string with the largest capacity.
    pub len_cap: (u64, u64),
    /// Elements of the slices; none when only strings lead here.
    pub elem: TypeId,
    /// Objects of the heap and words of the data that hold headers.
    pub sources: u32,
}

/// Values of the standard library that are containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Known {
    SyncMap,
    SyncPool,
    Buffer,
    Builder,
    BigInt,
}

/// Where one is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub known: Known,
    pub address: u64,
    /// The object it lies in, if any.
    pub object: Option<ObjectId>,
}

/// Sums over slices of one element type, or over strings ([`TypeId::NONE`]).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeaderSum {
    pub count: u64,
    pub entries: u64,
    pub capacity: u64,
}

/// What the pass saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub extents: FxHashMap<ObjectId, Extent>,
    pub slices: FxHashMap<TypeId, HeaderSum>,
    pub strings: HeaderSum,
    pub places: Vec<Place>,
    /// Addresses of typed variables' headers.
    pub global_headers: Vec<u64>,
}

impl Seen {
    fn join(mut self, other: Self) -> Self {
        if self.extents.len() < other.extents.len() {
            return other.join(self);
        }
        for (object, b) in other.extents {
            self.extents.entry(object).and_modify(|a| *a = merge(*a, b)).or_insert(b);
        }
        for (typ, b) in other.slices {
            let a = self.slices.entry(typ).or_default();
            *a = sum(*a, b);
        }
        self.strings = sum(self.strings, other.strings);
        self.places.extend(other.places);
        self.global_headers.extend(other.global_headers);
        self
    }
}

fn sum(a: HeaderSum, b: HeaderSum) -> HeaderSum {
    HeaderSum {
        count: a.count + b.count,
        entries: a.entries.saturating_add(b.entries),
        capacity: a.capacity.saturating_add(b.capacity),
    }
}

fn merge(a: Extent, b: Extent) -> Extent {
    Extent {
        slices: a.slices.saturating_add(b.slices),
        strings: a.strings.saturating_add(b.strings),
        used: (a.used.0.min(b.used.0), a.used.1.max(b.used.1)),
        cap_end: a.cap_end.max(b.cap_end),
        len_cap: if b.len_cap.1 > a.len_cap.1 { b.len_cap } else { a.len_cap },
        elem: if a.elem == TypeId::NONE { b.elem } else { a.elem },
        sources: a.sources.saturating_add(b.sources),
    }
}

/// Which known containers a value of each type has inside, and at which offsets.
#[derive(Debug, Default)]
struct Insides {
    of: FxHashMap<TypeId, Box<[(u64, Known)]>>,
}

impl Insides {
    fn of(&mut self, types: &RuntimeTypes<'_>, id: TypeId) -> &[(u64, Known)] {
        self.of.entry(id).or_insert_with(|| {
            let mut list = Vec::new();
            inside(types, id, 0, MOST_DEEP, &mut list);
            list.into_boxed_slice()
        })
    }
}

fn inside(types: &RuntimeTypes<'_>, id: TypeId, at: u64, deep: u32, list: &mut Vec<(u64, Known)>) {
    let (Some(typ), Some(deep)) = (types.get(id), deep.checked_sub(1)) else { return };
    if typ.ptr_bytes == 0 || list.len() >= 1024 {
        return;
    }
    match &typ.detail {
        Detail::Struct { fields } => {
            if typ.named
                && let Some(known) = known_by_name(&types.name(id))
            {
                list.push((at, known));
                return;
            }
            for field in fields {
                inside(types, field.typ, at.saturating_add(field.offset), deep, list);
            }
        }
        Detail::Array { elem, len } => {
            let size = types.get(*elem).map_or(0, |t| t.size);
            for i in 0..(*len).min(MOST_ELEMENTS) {
                inside(types, *elem, at.saturating_add(i.saturating_mul(size)), deep, list);
            }
        }
        _ => {}
    }
}

fn known_by_name(name: &str) -> Option<Known> {
    Some(match name {
        "sync.Map" => Known::SyncMap,
        "sync.Pool" => Known::SyncPool,
        "bytes.Buffer" => Known::Buffer,
        "strings.Builder" => Known::Builder,
        "big.Int" => Known::BigInt,
        _ => return None,
    })
}

/// Walks all typed objects that have pointers, and the typed variables.
pub(super) fn walk(graph: &HeapGraph<'_>, places: &[TypedPlace], texts: &Texts) -> Seen {
    let spans = graph.objects.spans();
    let met: Vec<AtomicU64> = (0..graph.objects.count().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
    let mut seen = graph
        .view()
        .tasks(TASK_BYTES)
        .into_par_iter()
        .fold(
            || Walker::new(graph, &met, texts),
            |mut walker, range| {
                for i in range {
                    if let Some(span) = spans.get(i) {
                        walker.span(i as u32, span);
                    }
                }
                walker
            },
        )
        .map(Walker::finish)
        .reduce(Seen::default, Seen::join);
    let mut walker = Walker::new(graph, &met, texts);
    walker.is_global = true;
    for place in places {
        walker.place(*place);
    }
    seen = seen.join(walker.finish());
    seen.global_headers.sort_unstable();
    seen
}

struct Walker<'a> {
    graph: &'a HeapGraph<'a>,
    /// String objects that were hashed, by any task.
    met: &'a [AtomicU64],
    texts: TextWriter<'a>,
    /// Strings that were asked for and are to be hashed: bytes, object, its size if it starts with them.
    asked: Vec<(&'a [u8], ObjectId, Option<u64>)>,
    seen: Seen,
    insides: Insides,
    data: Vec<u8>,
    text: Vec<u8>,
    /// The object or variable that is being walked.
    source: u64,
    /// For each large object the last source with a header into it.
    last: FxHashMap<ObjectId, u64>,
    is_global: bool,
    /// Headers and containers among the variables that were seen.
    met_headers: FxHashSet<u64>,
    met_places: FxHashSet<(u64, Known)>,
}

impl<'a> Walker<'a> {
    fn new(graph: &'a HeapGraph<'a>, met: &'a [AtomicU64], texts: &'a Texts) -> Self {
        Self {
            graph,
            met,
            texts: texts.writer(),
            asked: Vec::with_capacity(ASKED),
            seen: Seen::default(),
            insides: Insides::default(),
            data: Vec::new(),
            text: Vec::new(),
            source: 0,
            last: FxHashMap::default(),
            is_global: false,
            met_headers: FxHashSet::default(),
            met_places: FxHashSet::default(),
        }
    }

    fn finish(mut self) -> Seen {
        self.hash_asked();
        self.seen
    }

    fn span(&mut self, index: u32, span: &Span) {
        if span.pointers == PointerBits::NoScan {
            return;
        }
        let skip = if span.pointers == PointerBits::Header { 8 } else { 0 };
        let graph = self.graph;
        for (object, slot) in graph.objects.of_span(index) {
            let (id, many) = match graph.shapes.of(object) {
                Shape::Value(id) => (id, false),
                Shape::Array(id) => (id, true),
                Shape::MapGroups(map) | Shape::MapBuckets(map) => match slots_type(&graph.runtime.types, map) {
                    Some(id) => (id, true),
                    None => continue,
                },
                _ => continue,
            };
            let start = span.start + u64::from(slot) * span.elem_size + skip;
            self.source = start;
            self.values(Some(object), start, span.elem_size - skip, id, many);
        }
    }

    /// A variable, or a part of one: what is known of it may overlap with what is known of others.
    fn place(&mut self, place: TypedPlace) {
        match place.contents {
            Contents::Values { typ, count } => {
                let size = self.graph.runtime.types.get(typ).map_or(0, |t| t.size);
                // A variable larger than this has its pointers in long arrays.
                if size > MOST_VARIABLE {
                    return;
                }
                for i in 0..count.min(MOST_GLOBAL_ELEMENTS) {
                    let address = place.address.saturating_add(i.saturating_mul(size));
                    self.source = address;
                    self.values(None, address, size, typ, false);
                }
            }
            Contents::Pointer(kind) => {
                let word = |at: u64| self.graph.runtime.memory.u64(place.address.saturating_add(at)).unwrap_or(0);
                let words = [word(0), word(8), word(16)];
                self.source = place.address;
                match kind {
                    PointerKind::Slice(elem) => self.slice(words, elem, place.address),
                    PointerKind::String => self.string([words[0], words[1]], place.address),
                    _ => {}
                }
            }
        }
    }

    fn values(&mut self, object: Option<ObjectId>, start: u64, len: u64, id: TypeId, many: bool) {
        let types = &self.graph.runtime.types;
        let Some(size) = types.get(id).map(|t| t.size).filter(|&s| s > 0 && s <= len) else { return };
        let Some(program) = types.program(id) else { return };
        if program.slots.is_empty() && program.repeats.is_empty() {
            return;
        }
        let count = if many { len / size } else { 1 };
        let places = !self.insides.of(types, id).is_empty();
        let mut data = std::mem::take(&mut self.data);
        let per_window = (WINDOW / size).max(1);
        let mut done = 0;
        while done < count {
            let n = per_window.min(count - done);
            let at = start + done * size;
            if let Ok(bytes) = self.graph.runtime.memory.view(at, (n * size) as usize, &mut data) {
                for (i, value) in bytes.chunks_exact(size as usize).enumerate() {
                    let address = at + i as u64 * size;
                    self.value(value, address, id, 0);
                    if places {
                        self.places(object, address, id);
                    }
                }
            }
            done += n;
        }
        self.data = data;
    }

    fn places(&mut self, object: Option<ObjectId>, address: u64, id: TypeId) {
        if self.seen.places.len() >= MOST_PLACES {
            return;
        }
        let inside = self.insides.of(&self.graph.runtime.types, id);
        if object.is_none() && !inside.iter().all(|p| self.met_places.insert((address.saturating_add(p.0), p.1))) {
            return;
        }
        let places = inside.iter().map(|&(at, known)| Place { known, address: address.saturating_add(at), object });
        self.seen.places.extend(places);
    }

    fn value(&mut self, value: &[u8], address: u64, id: TypeId, deep: u32) {
        let Some(program) = self.graph.runtime.types.program(id) else { return };
        let f = Fields(value);
        for slot in &program.slots {
            let Some(at) = slot.word.checked_mul(8) else { continue };
            match slot.kind {
                PointerKind::Slice(elem) => {
                    self.slice([f.u64(at), f.u64(at + 8), f.u64(at + 16)], elem, address + u64::from(at));
                }
                PointerKind::String => self.string([f.u64(at), f.u64(at + 8)], address + u64::from(at)),
                _ => {}
            }
        }
        if deep > MOST_DEEP {
            return;
        }
        for repeat in &program.repeats {
            for i in 0..u64::from(repeat.count) {
                let at = 8 * (u64::from(repeat.word) + i * u64::from(repeat.stride));
                let Some(part) = value.get(at as usize..).filter(|p| !p.is_empty()) else { break };
                self.value(part, address + at, repeat.elem, deep + 1);
            }
        }
    }

    fn slice(&mut self, [data, len, cap]: [u64; 3], elem: TypeId, header: u64) {
        let Some(found) = self.graph.objects.locate(data) else { return };
        if self.is_global && !self.met_headers.insert(header) {
            return;
        }
        let size = self.graph.runtime.types.get(elem).map_or(0, |t| t.size);
        let room = found.elem_size - found.offset;
        // A slice that does not fit its object is being written to, or no slice.
        if len > cap || size == 0 || cap.checked_mul(size).is_none_or(|bytes| bytes > room) {
            return;
        }
        let total = self.seen.slices.entry(elem).or_default();
        *total = sum(*total, HeaderSum { count: 1, entries: len, capacity: cap });
        let extent = Extent {
            slices: 1,
            strings: 0,
            used: (found.offset, found.offset + len * size),
            cap_end: found.offset + cap * size,
            len_cap: (len, cap),
            elem,
            sources: 1,
        };
        self.extent(found.object, found.elem_size, extent, header);
    }

    fn string(&mut self, [data, len]: [u64; 2], header: u64) {
        let Some(found) = self.graph.objects.locate(data) else { return };
        if len == 0 || len > found.elem_size - found.offset || (self.is_global && !self.met_headers.insert(header)) {
            return;
        }
        self.seen.strings = sum(self.seen.strings, HeaderSum { count: 1, entries: len, capacity: len });
        let end = found.offset + len;
        let extent = Extent {
            slices: 0,
            strings: 1,
            used: (found.offset, end),
            cap_end: end,
            len_cap: (len, len),
            elem: TypeId::NONE,
            sources: 1,
        };
        self.extent(found.object, found.elem_size, extent, header);
        let bit = 1 << (found.object % 64);
        let word = self.met.get(found.object as usize / 64);
        if word.is_some_and(|w| w.load(Ordering::Relaxed) & bit == 0 && w.fetch_or(bit, Ordering::Relaxed) & bit == 0) {
            self.text(data, len, found.object, (found.offset == 0).then_some(found.elem_size));
        }
    }

    /// Hashes a string, a while later where its bytes can be asked for until then.
    fn text(&mut self, data: u64, len: u64, object: ObjectId, size: Option<u64>) {
        let memory = self.graph.runtime.memory;
        if let Some(bytes) = memory.bytes(data, len as usize) {
            prefetch_index(bytes, 0);
            self.asked.push((bytes, object, size));
            if self.asked.len() >= ASKED {
                self.hash_asked();
            }
        } else if let Some(hash) = hash_of(memory, data, len, &mut self.text) {
            self.texts.add(hash, object, len, size);
        }
    }

    fn hash_asked(&mut self) {
        for (bytes, object, size) in self.asked.drain(..) {
            self.texts.add(hash_of_bytes(bytes), object, bytes.len() as u64, size);
        }
    }

    fn extent(&mut self, object: ObjectId, size: u64, mut extent: Extent, header: u64) {
        if self.is_global {
            self.seen.global_headers.push(header);
        }
        if size < LARGE {
            return;
        }
        // Several headers in one object are one way to the target.
        if self.last.insert(object, self.source) == Some(self.source) || self.is_global {
            extent.sources = 0;
        }
        self.seen.extents.entry(object).and_modify(|a| *a = merge(*a, extent)).or_insert(extent);
    }
}

/// The type of a map's groups or buckets.
pub(super) fn slots_type(types: &RuntimeTypes<'_>, map: TypeId) -> Option<TypeId> {
    match types.get(map)?.detail {
        Detail::Map(Map { slots: MapSlots::Buckets { bucket, .. }, .. }) => Some(bucket),
        Detail::Map(Map { slots: MapSlots::Groups { group, .. }, .. }) => Some(group),
        _ => None,
    }
}

/// Objects of the heap that lead to each of some objects, themselves excepted: how many, and the last of them.
pub(super) fn ways_in(graph: &HeapGraph<'_>, wanted: &mut FxHashMap<ObjectId, (u32, ObjectId)>) {
    if wanted.is_empty() {
        return;
    }
    for source in 0..graph.objects.count() {
        graph.edges.for_each(source, &mut |target| {
            if target != source
                && let Some(ways) = wanted.get_mut(&target)
                && (ways.0 == 0 || ways.1 != source)
            {
                *ways = (ways.0.saturating_add(1), source);
            }
        });
    }
}
