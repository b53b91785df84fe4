//! Gives objects their types. What the runtime itself wrote comes first (types in front of objects
//! above 512 bytes, type words of interfaces); from there types spread along pointers: a field of
//! type `*T` makes its target a `T`, a map its tables, groups, keys and values.
//!
//! A proposal must fit the object: its size class and whether its span has pointers. Of two that fit,
//! the one that explains more bytes wins (a pointer to a struct's first field names only the field).

mod code;
mod debug;
mod interfaces;
pub(crate) mod known;
mod maps;
mod runtime;
mod texts;
mod values;

use crate::code::{CodeTypes, Exact};
use crate::pointers::HeapView;
use crate::shapes::{Shape, Shapes};
use crate::variables::Variables;
use gobinary::layout::Layout;
use gobinary::types::{Detail, MapSlots};
use gobinary::{DebugInfo, TypeId, TypedPlace};
use goruntime::{Goroutines, Located, ObjectId, PointerBits, QueuedFinalizer, Slot, Span, Specials};
use known::Library;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes of an object that are looked at in one piece.
const WINDOW: u64 = 1 << 20;
/// Most groups of one array that are followed.
const MOST_REPEATS: u64 = 1 << 32;

/// Share of the heap's bytes from which on a program with debug information has its code followed too.
const MOST_UNTYPED: f64 = 0.002;

/// Proposals between asking for what is known of an object and looking at it.
const AHEAD: usize = 8;

/// Objects that wait to be followed from which on they are sorted by address.
const SORTED_FROM: usize = 256;

/// How much of the heap has a type, and by what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypingStats {
    /// Objects with a type, and their bytes.
    pub typed: (u64, u64),
    /// All objects, and their bytes.
    pub all: (u64, u64),
}

/// What came of it.
#[derive(Debug)]
pub struct Typed {
    /// What each object is.
    pub shapes: Shapes,
    /// Variables of the program whose types are known.
    pub places: Vec<TypedPlace>,
}

/// Spreads types over the objects of a heap.
pub struct Typer<'a> {
    heap: HeapView<'a>,
    layout: &'a Layout,
    shapes: Shapes,
    queue: Vec<ObjectId>,
    /// The last proposals, and how many there were: first what is asked for by address, then by object.
    asked: [Option<(Slot, Shape)>; AHEAD],
    proposals: [Option<(Located, Shape)>; AHEAD],
    proposed: usize,
    /// Map types by the type of their groups or buckets.
    maps: FxHashMap<TypeId, TypeId>,
    /// Types of the standard library.
    library: Library,
    exact: Exact<'a>,
    data: Vec<u8>,
    is_code_entry: &'a dyn Fn(u64) -> bool,
    variables: Option<&'a Variables>,
    /// Only objects of which nothing is known get a shape.
    unsure: bool,
    debug: Option<&'a DebugInfo<'a>>,
    /// What closures capture, by their code.
    captured: FxHashMap<u64, Rc<[TypedPlace]>>,
    /// There are closures of which the debug information does not tell what they captured.
    captures_unknown: bool,
    /// The type that a `reflect.Value` names its type by.
    descriptor: Option<TypeId>,
    code: Option<&'a CodeTypes>,
    read_code: Option<&'a dyn Fn() -> &'a CodeTypes>,
    /// Values among the program's variables that were followed, and those that are to be.
    statics: FxHashSet<(u64, TypeId)>,
    static_queue: Vec<(u64, TypeId)>,
    /// Types that stand for several.
    generic: RefCell<FxHashMap<TypeId, bool>>,
    /// Variables that are strings by what they hold.
    strings: Vec<u64>,
    /// Fields that are `unsafe.Pointer` and point to what only the package knows, by type.
    hidden: FxHashMap<TypeId, Rc<[(u64, Shape)]>>,
}

impl<'a> Typer<'a> {
    /// Nothing is typed yet. `is_code_entry` says whether a function starts at an address.
    #[must_use]
    pub fn new(heap: HeapView<'a>, is_code_entry: &'a dyn Fn(u64) -> bool) -> Self {
        heap.types.load_all();
        let mut maps = FxHashMap::default();
        for i in 0..heap.types.len() {
            let id = TypeId(i as u32);
            if let Some(Detail::Map(map)) = heap.types.get(id).map(|t| &t.detail) {
                let slots = match map.slots {
                    MapSlots::Buckets { bucket, .. } => bucket,
                    MapSlots::Groups { group, .. } => group,
                };
                maps.entry(slots).or_insert(id);
            }
        }
        let mut ids = (0..heap.types.len()).map(|i| TypeId(i as u32));
        // `reflect.rtype` up to Go 1.20.
        let descriptor = ids.find(|&id| matches!(heap.types.name(id).as_str(), "abi.Type" | "reflect.rtype"));
        Self {
            heap,
            layout: heap.types.layout(),
            shapes: Shapes::unknown(heap.objects.count()),
            queue: Vec::new(),
            asked: [None; AHEAD],
            proposals: [None; AHEAD],
            proposed: 0,
            maps,
            library: Library::find(heap.types),
            exact: Exact::new(heap),
            data: Vec::new(),
            is_code_entry,
            variables: None,
            unsure: false,
            debug: None,
            captured: FxHashMap::default(),
            captures_unknown: false,
            descriptor,
            code: None,
            read_code: None,
            statics: FxHashSet::default(),
            static_queue: Vec::new(),
            strings: Vec::new(),
            generic: RefCell::default(),
            hidden: FxHashMap::default(),
        }
    }

    /// Also starts from places outside the heap whose types are known, and follows what closures capture.
    #[must_use]
    pub(crate) const fn with_debug(mut self, debug: &'a DebugInfo<'a>, variables: &'a Variables) -> Self {
        self.debug = Some(debug);
        self.variables = Some(variables);
        self
    }

    /// Takes what the program's code tells as evidence too; it is read when it is needed.
    #[must_use]
    pub fn with_code(mut self, read: &'a dyn Fn() -> &'a CodeTypes) -> Self {
        self.read_code = Some(read);
        self
    }

    /// Types all that can be typed.
    #[must_use]
    pub fn run(mut self, goroutines: &Goroutines, specials: &Specials, queued: &[QueuedFinalizer]) -> Typed {
        self.goroutines(goroutines);
        self.specials(specials, queued);
        self.headers();
        self.timers();
        self.spread();
        if let Some(variables) = self.variables {
            self.typed_places(&variables.globals);
            self.spread();
        }
        if self.variables.is_none() {
            self.told_by_code();
        }
        self.search();
        if let Some(variables) = self.variables {
            self.unsure = true;
            self.typed_places(&variables.locals);
            self.settle();
            self.unsure = false;
            self.spread();
            // To follow all of a program's code takes seconds of its own.
            if self.captures_unknown || self.untyped_share() > MOST_UNTYPED {
                self.told_by_code();
                // What pools keep may be known by the code alone.
                self.hidden.clear();
                self.typed_places(&variables.globals);
                self.search();
            }
        }
        self.texts_in_unknown();
        let places = match self.variables {
            Some(variables) => variables.globals.clone(),
            None => self.places_by_code(),
        };
        Typed { shapes: self.shapes, places }
    }

    /// Searches what is known so far for what follows from it.
    fn search(&mut self) {
        self.spread();
        self.globals();
        self.spread();
        self.map_headers();
        self.sync_maps_in_unknown();
        self.spread();
        self.interfaces_in_unknown();
        self.spread();
    }

    /// Share of the bytes of all objects that have no type.
    fn untyped_share(&self) -> f64 {
        let stats = typing_stats(&self.heap, &self.shapes);
        1.0 - stats.typed.1 as f64 / stats.all.1.max(1) as f64
    }

    /// Offers a shape to what `address` points to the start of.
    fn propose(&mut self, address: u64, shape: Shape) {
        let Some(slot) = self.heap.objects.slot(address) else {
            if let Shape::Value(id) = shape {
                self.static_value(address, id);
            }
            return;
        };
        // What is known of the object is far away in memory: it is asked for now and looked at a while later.
        let at = self.proposed % AHEAD;
        self.proposed += 1;
        if let Some(place) = self.asked.get_mut(at)
            && let Some((slot, shape)) = place.replace((slot, shape))
        {
            self.ask(slot, shape, at);
        }
    }

    /// Asks for what is known of the object in a slot, and looks at what was asked for before.
    #[inline]
    fn ask(&mut self, slot: Slot, shape: Shape, at: usize) {
        let Some(found) = self.heap.objects.locate_slot(slot) else { return };
        self.shapes.prefetch(found.object);
        if let Some(place) = self.proposals.get_mut(at)
            && let Some((found, shape)) = place.replace((found, shape))
        {
            self.propose_located(found, shape);
        }
    }

    /// Looks at all that was proposed.
    fn settle(&mut self) {
        for at in self.proposed..self.proposed + AHEAD {
            if let Some((slot, shape)) = self.asked.get_mut(at % AHEAD).and_then(Option::take) {
                self.ask(slot, shape, at % AHEAD);
            }
        }
        for at in self.proposed..self.proposed + AHEAD {
            if let Some((found, shape)) = self.proposals.get_mut(at % AHEAD).and_then(Option::take) {
                self.propose_located(found, shape);
            }
        }
    }

    fn propose_located(&mut self, found: Located, shape: Shape) {
        if self.shapes.of(found.object) == shape {
            return;
        }
        let first = if found.header { 8 } else { 0 };
        let Some(offset) = found.offset.checked_sub(first) else { return };
        let (noscan, room) = (found.noscan, found.elem_size - first);
        let fits = match shape {
            Shape::Value(id) => {
                let Some(t) = self.heap.types.get(id) else { return };
                offset == 0 && t.size > 0 && t.size <= room && (t.ptr_bytes == 0) == noscan
            }
            Shape::Array(id) => {
                let Some(t) = self.heap.types.get(id) else { return };
                t.size > 0 && offset % t.size == 0 && t.size <= room && (t.ptr_bytes == 0) == noscan
            }
            Shape::Text => noscan,
            Shape::MapGroups(_) | Shape::MapBuckets(_) => offset == 0,
            Shape::Channel(_) | Shape::WeakHandle | Shape::CleanupArgument => offset == 0,
            _ => offset == 0 && !noscan,
        };
        // What has no pointers leads nowhere, but for the buckets of a map: they name the next one by its address.
        let leads_on = !(noscan && matches!(shape, Shape::Value(_) | Shape::Array(_) | Shape::Text));
        if fits && self.learn(found.object, shape) && leads_on {
            self.queue.push(found.object);
        }
    }

    fn set(&mut self, object: ObjectId, shape: Shape) {
        if self.learn(object, shape) {
            self.queue.push(object);
        }
    }

    fn is_generic(&self, shape: Shape) -> bool {
        let Some(id) = shape.go_type() else { return false };
        if let Some(&known) = self.generic.borrow().get(&id) {
            return known;
        }
        let generic = self.heap.types.is_generic(id);
        self.generic.borrow_mut().insert(id, generic);
        generic
    }

    /// Takes over a shape if it is better than what is known of the object.
    fn learn(&mut self, object: ObjectId, shape: Shape) -> bool {
        let known = self.shapes.of(object);
        let types = self.heap.types;
        // Of two types alike, the one that the program names: not what generic code calls it.
        let named = || !known.is_better(shape, types) && self.is_generic(known) && !self.is_generic(shape);
        let better = match known {
            Shape::Unknown => shape != Shape::Unknown,
            _ => known != shape && !self.unsure && (shape.is_better(known, types) || named()),
        };
        if better {
            self.shapes.set(object, shape);
        }
        better
    }

    /// Follows typed pointers until nothing new is learnt. Ends: every step makes an object's shape better,
    /// and there are finitely many.
    fn spread(&mut self) {
        loop {
            self.spread_objects();
            let Some((at, id)) = self.static_queue.pop() else { return };
            self.follow_static(at, id);
        }
    }

    fn spread_objects(&mut self) {
        let mut batch = Vec::new();
        loop {
            self.settle();
            if self.queue.is_empty() {
                break;
            }
            std::mem::swap(&mut batch, &mut self.queue);
            // Neighbours in memory follow each other: fewer cache misses, fewer reads of a frozen copy.
            if batch.len() > SORTED_FROM {
                batch.sort_unstable();
            }
            for object in batch.drain(..) {
                self.spread_from(object);
            }
        }
    }

    fn spread_from(&mut self, object: ObjectId) {
        let Some(found) = self.place(object) else { return };
        match self.shapes.of(object) {
            Shape::Unknown
            | Shape::Text
            | Shape::Goroutine
            | Shape::Timer
            | Shape::WeakHandle
            | Shape::CleanupArgument => {}
            Shape::WaitRecord => self.wait_record(found.1),
            Shape::Closure(code) => self.closure(found, code),
            Shape::Value(id) => {
                self.values(found, id, false);
                self.trie_children(found.1, id);
            }
            Shape::Array(id) => self.values(found, id, true),
            Shape::MapHeader(map) => self.map_header(found.1, map),
            Shape::MapDirectory(map) => self.map_directory(found, map),
            Shape::MapTable(map) => self.map_table(found.1, map),
            Shape::MapGroups(map) => {
                if let Some(group) = self.slots_type(map) {
                    self.values(found, group, true);
                }
            }
            Shape::MapBuckets(map) => self.map_buckets(found, map),
            Shape::MapExtra(map) => self.map_extra(found.1, map),
            Shape::Channel(chan) => self.channel(found.1, chan),
        }
    }

    /// Span, first address and number of bytes of an object's contents.
    fn place(&self, object: ObjectId) -> Option<(Span, u64, u64)> {
        let (span, slot) = self.heap.objects.place(object)?;
        let span = *self.heap.objects.spans().get(span as usize)?;
        let first = if span.pointers == PointerBits::Header { 8 } else { 0 };
        Some((span, span.start + u64::from(slot) * span.elem_size + first, span.elem_size - first))
    }

    fn first_byte(&self, object: ObjectId) -> u64 {
        let span = self.heap.objects.span_of(object).and_then(|s| self.heap.objects.spans().get(s as usize));
        if span.is_some_and(|s| s.pointers == PointerBits::Header) { 8 } else { 0 }
    }
}

/// Counts what has a type.
#[must_use]
pub fn typing_stats(heap: &HeapView<'_>, shapes: &Shapes) -> TypingStats {
    let mut stats = TypingStats::default();
    for (i, span) in heap.objects.spans().iter().enumerate() {
        let objects = heap.objects.first_of_span(i as u32)..heap.objects.first_of_span(i as u32 + 1);
        let (all, typed) = (u64::from(objects.end - objects.start), shapes.known_in(objects));
        stats.all = (stats.all.0 + all, stats.all.1 + all * span.elem_size);
        stats.typed = (stats.typed.0 + typed, stats.typed.1 + typed * span.elem_size);
    }
    stats
}
