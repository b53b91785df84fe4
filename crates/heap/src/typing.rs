//! Gives objects their types. What the runtime itself wrote comes first (types in front of objects
//! above 512 bytes, type words of interfaces); from there types spread along pointers: a field of
//! type `*T` makes its target a `T`, a map its tables, groups, keys and values.
//!
//! A proposal must fit the object: its size class and whether its span has pointers. Of two that fit,
//! the one that explains more bytes wins (a pointer to a struct's first field names only the field).

mod code;
mod debug;
pub(crate) mod known;

use crate::code::CodeTypes;
use crate::pointers::HeapView;
use crate::shapes::{Shape, Shapes};
use crate::variables::Variables;
use gobinary::layout::Layout;
use gobinary::types::{Detail, MapSlots, PointerKind};
use gobinary::{DebugInfo, TypeId, TypedPlace};
use goruntime::{Fields, Goroutines, Located, ObjectId, PointerBits, Says, Span, Specials};
use known::Library;
use rustc_hash::{FxHashMap, FxHashSet};
use std::rc::Rc;

/// Bytes of an object that are looked at in one piece.
const WINDOW: u64 = 1 << 20;
/// Most groups of one array that are followed.
const MOST_REPEATS: u64 = 1 << 32;

/// Share of the heap's bytes from which on a program with debug information has its code followed too.
const MOST_UNTYPED: f64 = 0.002;

/// Proposals between asking for what is known of an object and looking at it.
const AHEAD: usize = 16;

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

/// Spreads types over the objects of a heap.
pub struct Typer<'a> {
    heap: HeapView<'a>,
    layout: &'a Layout,
    shapes: Shapes,
    queue: Vec<ObjectId>,
    /// The last proposals, and how many there were.
    proposals: [Option<(Located, Shape)>; AHEAD],
    proposed: usize,
    /// Map types by the type of their groups or buckets.
    maps: FxHashMap<TypeId, TypeId>,
    /// Types of the standard library.
    library: Library,
    data: Vec<u8>,
    is_code_entry: &'a dyn Fn(u64) -> bool,
    variables: Option<&'a Variables>,
    /// Only objects of which nothing is known get a shape.
    unsure: bool,
    debug: Option<&'a DebugInfo<'a>>,
    /// What closures capture, by their code.
    captured: FxHashMap<u64, Rc<[TypedPlace]>>,
    /// The type that a `reflect.Value` names its type by.
    descriptor: Option<TypeId>,
    code: Option<&'a CodeTypes>,
    read_code: Option<&'a dyn Fn() -> &'a CodeTypes>,
    /// Values among the program's variables that were followed, and those that are to be.
    statics: FxHashSet<(u64, TypeId)>,
    static_queue: Vec<(u64, TypeId)>,
    /// Fields that are `unsafe.Pointer` and point to what only the package knows: by struct type, offset.
    hidden: FxHashMap<TypeId, Vec<(u64, Shape)>>,
    pending_hidden: Vec<(u64, TypeId)>,
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
            proposals: [None; AHEAD],
            proposed: 0,
            maps,
            library: Library::find(heap.types),
            data: Vec::new(),
            is_code_entry,
            variables: None,
            unsure: false,
            debug: None,
            captured: FxHashMap::default(),
            descriptor,
            code: None,
            read_code: None,
            statics: FxHashSet::default(),
            static_queue: Vec::new(),
            hidden: FxHashMap::default(),
            pending_hidden: Vec::new(),
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
    pub fn run(mut self, goroutines: &Goroutines, specials: &Specials) -> Shapes {
        for goroutine in &goroutines.list {
            self.propose(goroutine.address, Shape::Goroutine);
        }
        for record in &specials.list {
            if let Says::Finalizer { pointer_type, .. } = record.says
                && let Some(Detail::Pointer { elem }) =
                    self.heap.types.get(self.heap.types.id(pointer_type)).map(|t| &t.detail)
                && record.offset == self.first_byte(record.object)
            {
                self.set(record.object, Shape::Value(*elem));
            }
        }
        self.headers();
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
            if self.untyped_share() > MOST_UNTYPED {
                self.told_by_code();
                self.search();
            }
        }
        self.shapes
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

    /// Types that the runtime wrote: in front of objects, in spans of one object.
    fn headers(&mut self) {
        let objects = self.heap.objects;
        for (i, span) in objects.spans().iter().enumerate() {
            match span.pointers {
                PointerBits::Large(typ) if typ != 0 => {
                    for (object, _) in objects.of_span(i as u32) {
                        self.header(object, span, typ, span.elem_size);
                    }
                }
                PointerBits::Header => {
                    for (object, slot) in objects.of_span(i as u32) {
                        if let Ok(typ) = self.heap.memory.u64(span.start + u64::from(slot) * span.elem_size) {
                            self.header(object, span, typ, span.elem_size - 8);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn header(&mut self, object: ObjectId, _span: &Span, typ: u64, len: u64) {
        let id = self.heap.types.id(typ);
        let Some(typ) = self.heap.types.get(id) else { return };
        if typ.size == 0 || typ.size > len {
            return;
        }
        let shape = match self.maps.get(&id) {
            Some(&map) => self.map_slots(map),
            // The header names the element; whether it is one value or several shows by the room.
            None if len / typ.size >= 2 => Shape::Array(id),
            None => Shape::Value(id),
        };
        self.set(object, shape);
    }

    fn map_slots(&self, map: TypeId) -> Shape {
        if self.layout.swiss_maps { Shape::MapGroups(map) } else { Shape::MapBuckets(map) }
    }

    /// Interface values among the program's globals.
    fn globals(&mut self) {
        let modules: Vec<_> = self.heap.types.modules().iter().map(|m| [m.data..m.edata, m.bss..m.ebss]).collect();
        for range in modules.into_iter().flatten() {
            let mut at = range.start;
            while at < range.end {
                // Windows overlap by a word: an interface has two.
                let len = (range.end - at).min(WINDOW) as usize & !7;
                if len < 16 {
                    break;
                }
                let mut data = std::mem::take(&mut self.data);
                match self.heap.memory.view(at, len, &mut data) {
                    Ok(bytes) => self.interface_pairs(bytes),
                    Err(_) => {
                        at = at.saturating_add(4096) & !4095;
                        self.data = data;
                        continue;
                    }
                }
                self.data = data;
                at += len as u64 - 8;
                if len < WINDOW as usize {
                    break;
                }
            }
        }
    }

    /// Interface values in objects of which nothing is known yet.
    fn interfaces_in_unknown(&mut self) {
        let objects = self.heap.objects;
        for (i, span) in objects.spans().iter().enumerate() {
            if span.pointers == PointerBits::NoScan || span.elem_size < 16 || span.elem_size > WINDOW {
                continue;
            }
            let unknown: Vec<u32> =
                objects.of_span(i as u32).filter(|(o, _)| self.shapes.number(*o) == 0).map(|(_, slot)| slot).collect();
            for slot in unknown {
                let mut data = std::mem::take(&mut self.data);
                let at = span.start + u64::from(slot) * span.elem_size;
                if let Ok(bytes) = self.heap.memory.view(at, span.elem_size as usize, &mut data) {
                    self.interface_pairs(bytes);
                }
                self.data = data;
            }
        }
    }

    /// Words that are a type or an interface table, each followed by a pointer into the heap.
    fn interface_pairs(&mut self, bytes: &[u8]) {
        let words = Fields(bytes);
        for i in 1..bytes.len() as u32 / 8 {
            let (first, second) = (words.u64(8 * i - 8), words.u64(8 * i));
            if self.heap.objects.find(second).is_none() {
                continue;
            }
            if let Some(typ) = self.dynamic_type(first) {
                self.interface(typ, second);
            }
        }
    }

    /// The type that the first word of an interface value names.
    fn dynamic_type(&self, word: u64) -> Option<TypeId> {
        let types = self.heap.types;
        if word < 1 << 12 || !word.is_multiple_of(8) {
            return None;
        }
        if types.looks_like_type(word) {
            return Some(types.id(word));
        }
        types.itab_at(word).map(|i| i.typ)
    }

    fn interface(&mut self, typ: TypeId, data: u64) {
        let Some(t) = self.heap.types.get(typ) else { return };
        if !t.direct_iface {
            self.propose(data, Shape::Value(typ));
            return;
        }
        // The data word is the value: a pointer, or a struct or an array of one.
        if let Some(slot) = self.heap.types.program(typ).and_then(|p| p.slots.first().copied()) {
            self.follow(slot.kind, [data, 0, 0]);
        }
    }

    /// Maps of which only the tables or buckets are known: their headers are found by what they point to.
    fn map_headers(&mut self) {
        let objects = self.heap.objects;
        let size = if self.layout.swiss_maps {
            self.layout.swiss_map.map(|m| m.size)
        } else {
            self.layout.hmap.map(|m| m.size)
        };
        let size = u64::from(size.unwrap_or(48));
        for (i, span) in objects.spans().iter().enumerate() {
            if span.elem_size != size || span.pointers == PointerBits::NoScan {
                continue;
            }
            for (object, slot) in objects.of_span(i as u32) {
                if self.shapes.number(object) != 0 {
                    continue;
                }
                let address = span.start + u64::from(slot) * span.elem_size;
                let mut header = [0; 64];
                let Some(header) = header.get_mut(..size as usize) else { continue };
                if self.heap.memory.read(address, header).is_ok()
                    && let Some(map) = self.map_of_header(Fields(header))
                {
                    self.set(object, Shape::MapHeader(map));
                }
            }
        }
    }

    /// The map type whose tables or buckets the header leads to.
    fn map_of_header(&self, f: Fields<'_>) -> Option<TypeId> {
        let shape_at = |address: u64| Some(self.shapes.of(self.heap.objects.find(address)?.object));
        if let Some(m) = &self.layout.swiss_map {
            let (dir, len) = (f.u64(m.dir_ptr), f.u64(m.dir_len));
            if len == 0 {
                return match shape_at(dir)? {
                    Shape::MapGroups(map) => Some(map),
                    _ => None,
                };
            }
            let depth = f.u8(m.global_depth);
            if !len.is_power_of_two() || u32::from(depth) != len.trailing_zeros() {
                return None;
            }
            let groups = self.layout.swiss_table?.groups + self.layout.swiss_groups?.data;
            let table = self.heap.memory.u64(dir).ok()?;
            let groups = self.heap.memory.u64(table.checked_add(u64::from(groups))?).ok()?;
            match shape_at(groups)? {
                Shape::MapGroups(map) => Some(map),
                _ => None,
            }
        } else {
            let h = self.layout.hmap.as_ref()?;
            match shape_at(f.u64(h.buckets))? {
                Shape::MapBuckets(map) if f.u8(h.b) < 64 => Some(map),
                _ => None,
            }
        }
    }

    /// Offers a shape to what `address` points to the start of.
    fn propose(&mut self, address: u64, shape: Shape) {
        let Some(found) = self.heap.objects.locate(address) else {
            if let Shape::Value(id) = shape {
                self.static_value(address, id);
            }
            return;
        };
        // What is known of the object is far away in memory: it is asked for now and looked at a while later.
        self.shapes.prefetch(found.object);
        let at = self.proposed % AHEAD;
        self.proposed += 1;
        if let Some(slot) = self.proposals.get_mut(at)
            && let Some((found, shape)) = slot.replace((found, shape))
        {
            self.propose_located(found, shape);
        }
    }

    /// Looks at all that was proposed.
    fn settle(&mut self) {
        for at in self.proposed..self.proposed + AHEAD {
            if let Some((found, shape)) = self.proposals.get_mut(at % AHEAD).and_then(Option::take) {
                self.propose_located(found, shape);
            }
        }
    }

    fn propose_located(&mut self, found: Located, shape: Shape) {
        let known = self.shapes.of(found.object);
        if known == shape {
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
            Shape::Channel(_) => offset == 0,
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

    /// Takes over a shape if it is better than what is known of the object.
    fn learn(&mut self, object: ObjectId, shape: Shape) -> bool {
        let known = self.shapes.of(object);
        let better = match known {
            Shape::Unknown => shape != Shape::Unknown,
            _ => known != shape && !self.unsure && shape.is_better(known, self.heap.types),
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
            Shape::Unknown | Shape::Text | Shape::Goroutine => {}
            Shape::Closure(code) => self.closure(found, code),
            Shape::Value(id) => {
                self.values(found, id, false);
                self.trie_children(found.1, id);
                self.hidden_structs(found.1, id);
            }
            Shape::Array(id) => {
                self.values(found, id, true);
                self.hidden_array(found.1, found.2, id);
            }
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

    /// Follows the pointers of one value, or of values behind each other.
    fn values(&mut self, (span, start, len): (Span, u64, u64), id: TypeId, many: bool) {
        let types = self.heap.types;
        let Some(size) = types.get(id).map(|t| t.size).filter(|&s| s > 0 && s <= len) else { return };
        if span.pointers == PointerBits::NoScan {
            return;
        }
        self.values_at(start, id, if many { len / size } else { 1 });
    }

    /// Follows the pointers of values behind each other.
    fn values_at(&mut self, start: u64, id: TypeId, count: u64) {
        let types = self.heap.types;
        let Some(size) = types.get(id).map(|t| t.size).filter(|&s| s > 0) else { return };
        if count.checked_mul(size).and_then(|n| start.checked_add(n)).is_none() {
            return;
        }
        let Some(program) = types.program(id) else { return };
        if program.slots.is_empty() && program.repeats.is_empty() {
            return;
        }
        let mut data = std::mem::take(&mut self.data);
        // Whole values at a time, as many as fit a window.
        let per_window = (WINDOW / size).max(1);
        let mut done = 0;
        while done < count {
            let n = per_window.min(count - done);
            let at = start + done * size;
            // A value longer than any window is followed through its long arrays only.
            if let Ok(bytes) = self.heap.memory.view(at, (n * size) as usize, &mut data) {
                for value in bytes.chunks_exact(size as usize) {
                    self.value(value, id, 0);
                }
            }
            done += n;
        }
        self.data = data;
    }

    fn value(&mut self, value: &[u8], id: TypeId, deep: u32) {
        let types = self.heap.types;
        let Some(program) = types.program(id) else { return };
        let f = Fields(value);
        let mut before = None;
        for slot in &program.slots {
            let at = 8 * slot.word;
            let word = f.u64(at + 8 * slot.kind.pointer_word());
            if word == 0 {
                continue;
            }
            if slot.kind == PointerKind::Unsafe
                && before.is_some_and(|b: (u32, PointerKind)| {
                    b.0 + 1 == slot.word && self.descriptor.is_some_and(|d| b.1 == PointerKind::Ptr(d))
                })
            {
                self.reflect_value(f.u64(at - 8), word, f.u64(at + 8));
            }
            before = Some((slot.word, slot.kind));
            self.follow(slot.kind, [f.u64(at), f.u64(at + 8), f.u64(at + 16)]);
        }
        if deep > 32 {
            return;
        }
        for repeat in &program.repeats {
            for i in 0..u64::from(repeat.count).min(MOST_REPEATS) {
                let at = 8 * (u64::from(repeat.word) + i * u64::from(repeat.stride)) as usize;
                let Some(part) = value.get(at..).filter(|p| !p.is_empty()) else { break };
                self.value(part, repeat.elem, deep + 1);
            }
        }
    }

    /// What a pointer of this kind says of its target; `words` are those of the value it is part of.
    fn follow(&mut self, kind: PointerKind, words: [u64; 3]) {
        let [first, second, _] = words;
        match kind {
            PointerKind::Ptr(elem) => self.propose(first, Shape::Value(elem)),
            PointerKind::Slice(elem) => self.propose(first, Shape::Array(elem)),
            PointerKind::String => self.propose(first, Shape::Text),
            PointerKind::Map(map) => self.propose(first, Shape::MapHeader(map)),
            PointerKind::Chan(chan) => self.propose(first, Shape::Channel(chan)),
            PointerKind::Func(_) => {
                if self.heap.objects.find(first).is_some()
                    && let Ok(code) = self.heap.memory.u64(first)
                    && (self.is_code_entry)(code)
                {
                    self.propose(first, Shape::Closure(code));
                }
            }
            PointerKind::Iface(_) => {
                if let Some(itab) = self.heap.types.itab_at(first) {
                    self.interface(itab.typ, second);
                }
            }
            PointerKind::Eface => {
                let typ = self.heap.types.id(first);
                if typ != TypeId::NONE {
                    self.interface(typ, second);
                }
            }
            PointerKind::Unsafe => {}
        }
    }

    fn slots_type(&self, map: TypeId) -> Option<TypeId> {
        match &self.heap.types.get(map)?.detail {
            Detail::Map(m) => Some(match m.slots {
                MapSlots::Buckets { bucket, .. } => bucket,
                MapSlots::Groups { group, .. } => group,
            }),
            _ => None,
        }
    }

    fn map_header(&mut self, at: u64, map: TypeId) {
        let mut copy = [0; 64];
        if let Some(m) = self.layout.swiss_map {
            let Some(bytes) = copy.get_mut(..m.size as usize) else { return };
            if self.heap.memory.read(at, bytes).is_err() {
                return;
            }
            let f = Fields(bytes);
            let shape = if f.u64(m.dir_len) == 0 { Shape::MapGroups(map) } else { Shape::MapDirectory(map) };
            self.propose(f.u64(m.dir_ptr), shape);
        } else if let Some(h) = self.layout.hmap {
            let Some(bytes) = copy.get_mut(..h.size as usize) else { return };
            if self.heap.memory.read(at, bytes).is_err() {
                return;
            }
            let f = Fields(bytes);
            self.propose(f.u64(h.buckets), Shape::MapBuckets(map));
            self.propose(f.u64(h.oldbuckets), Shape::MapBuckets(map));
            self.propose(f.u64(h.extra), Shape::MapExtra(map));
        }
    }

    fn map_directory(&mut self, (_, start, len): (Span, u64, u64), map: TypeId) {
        let mut data = std::mem::take(&mut self.data);
        let mut at = start;
        while at < start + len {
            let n = (start + len - at).min(WINDOW);
            if let Ok(bytes) = self.heap.memory.view(at, n as usize, &mut data) {
                for word in bytes.chunks_exact(8) {
                    self.propose(Fields(word).u64(0), Shape::MapTable(map));
                }
            }
            at += n;
        }
        self.data = data;
    }

    fn map_table(&mut self, at: u64, map: TypeId) {
        let (Some(t), Some(g)) = (self.layout.swiss_table, self.layout.swiss_groups) else { return };
        if let Ok(groups) = self.heap.memory.u64(at + u64::from(t.groups + g.data)) {
            self.propose(groups, Shape::MapGroups(map));
        }
    }

    fn map_buckets(&mut self, place: (Span, u64, u64), map: TypeId) {
        let Some(Detail::Map(m)) = self.heap.types.get(map).map(|t| &t.detail) else { return };
        let MapSlots::Buckets { bucket, bucket_size, .. } = m.slots else { return };
        self.values(place, bucket, true);
        // The overflow pointer is an unsafe.Pointer, or no pointer at all.
        let (_, start, len) = place;
        let size = u64::from(bucket_size);
        if size < 16 {
            return;
        }
        for i in 0..len / size {
            if let Ok(next) = self.heap.memory.u64(start + (i + 1) * size - 8)
                && next != 0
            {
                self.propose(next, Shape::MapBuckets(map));
            }
        }
    }

    fn map_extra(&mut self, at: u64, map: TypeId) {
        let Some(extra) = self.layout.mapextra else { return };
        // Slices of overflow buckets, when buckets have no pointers: pointer to slice to array to bucket.
        for list in [extra.overflow, extra.oldoverflow] {
            let word = |at: u64| self.heap.memory.u64(at).unwrap_or(0);
            let slice = word(at + u64::from(list));
            if slice == 0 {
                continue;
            }
            let (data, len) = (word(slice), word(slice.saturating_add(8)));
            for i in 0..len.min(1 << 24) {
                let Ok(bucket) = self.heap.memory.u64(data.saturating_add(8 * i)) else { break };
                self.propose(bucket, Shape::MapBuckets(map));
            }
        }
    }

    fn channel(&mut self, at: u64, chan: TypeId) {
        let Some(Detail::Chan { elem, .. }) = self.heap.types.get(chan).map(|t| &t.detail) else { return };
        if let Ok(buf) = self.heap.memory.u64(at + u64::from(self.layout.hchan.buf)) {
            self.propose(buf, Shape::Array(*elem));
        }
    }
}

/// Counts what has a type.
#[must_use]
pub fn typing_stats(heap: &HeapView<'_>, shapes: &Shapes) -> TypingStats {
    let mut stats = TypingStats::default();
    for (i, span) in heap.objects.spans().iter().enumerate() {
        for (object, _) in heap.objects.of_span(i as u32) {
            stats.all = (stats.all.0 + 1, stats.all.1 + span.elem_size);
            if shapes.number(object) != 0 {
                stats.typed = (stats.typed.0 + 1, stats.typed.1 + span.elem_size);
            }
        }
    }
    stats
}
