//! Gives objects their types. What the runtime itself wrote comes first (types in front of objects
//! above 512 bytes, type words of interfaces); from there types spread along pointers: a field of
//! type `*T` makes its target a `T`, a map its tables, groups, keys and values.
//!
//! A proposal must fit the object: its size class and whether its span has pointers. Of two that fit,
//! the one that explains more bytes wins (a pointer to a struct's first field names only the field).

use crate::code::{CodeTypes, Exact};
use crate::pointers::HeapView;
use crate::shapes::{Shape, Shapes};
use gobinary::layout::Layout;
use gobinary::types::{Detail, MapSlots, PointerKind};
use gobinary::{RuntimeTypes, TypeId};
use goruntime::{Fields, Found, Goroutines, ObjectId, PointerBits, Says, Span, Specials};
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes of an object that are looked at in one piece.
const WINDOW: u64 = 1 << 20;
/// Most groups of one array that are followed.
const MOST_REPEATS: u64 = 1 << 32;
/// Most values among the program's variables that are followed.
const MOST_STATICS: usize = 1 << 20;

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
    /// Map types by the type of their groups or buckets.
    maps: FxHashMap<TypeId, TypeId>,
    data: Vec<u8>,
    is_code_entry: &'a dyn Fn(u64) -> bool,
    code: Option<&'a CodeTypes>,
    /// Values among the program's variables that were followed, and those that are to be.
    statics: FxHashSet<(u64, TypeId)>,
    static_queue: Vec<(u64, TypeId)>,
    /// Fields that are `unsafe.Pointer` and point to what only the package knows: by struct type, offset.
    hidden: FxHashMap<TypeId, Vec<(u64, Shape)>>,
    pending_hidden: Vec<(u64, TypeId)>,
    /// Nodes of concurrent hash tries: what they are as an entry and as an inner node.
    trie_nodes: FxHashMap<TypeId, (TypeId, TypeId)>,
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
        Self {
            heap,
            layout: heap.types.layout(),
            shapes: Shapes::unknown(heap.objects.count()),
            queue: Vec::new(),
            maps,
            data: Vec::new(),
            is_code_entry,
            code: None,
            statics: FxHashSet::default(),
            static_queue: Vec::new(),
            hidden: FxHashMap::default(),
            pending_hidden: Vec::new(),
            trie_nodes: FxHashMap::default(),
        }
    }

    /// Takes what the program's code tells as evidence too.
    #[must_use]
    pub const fn with_code(mut self, code: &'a CodeTypes) -> Self {
        self.code = Some(code);
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
        self.told_by_code();
        self.spread();
        self.globals();
        self.spread();
        self.map_headers();
        self.spread();
        self.interfaces_in_unknown();
        self.spread();
        self.shapes
    }

    /// What the program's code tells of sampled objects, variables, frames and closures.
    fn told_by_code(&mut self) {
        let Some(code) = self.code else { return };
        self.hidden = hidden_fields(self.heap.types, code);
        self.trie_nodes = trie_nodes(self.heap.types);
        for &(at, id) in &code.facts.values {
            self.static_value(at, id);
        }
        let mut exact = Exact::new(self.heap);
        for &(object, kind) in &code.sampled {
            let Some((_, at, _)) = self.place(object) else { continue };
            self.seed(&mut exact, kind, [at, 0, 0]);
        }
        for seed in &code.seeds {
            let word = |i: u64| self.heap.memory.u64(seed.address.saturating_add(8 * i)).unwrap_or(0);
            self.seed(&mut exact, seed.kind, [word(0), 0, 0]);
        }
        self.closures(&mut exact, code);
    }

    /// Takes over what a word says of its target where the target's size and pointer bits agree.
    fn seed(&mut self, exact: &mut Exact<'_>, kind: PointerKind, words: [u64; 3]) {
        let Some(found) = self.heap.objects.find(words[0]) else { return };
        let agrees = match kind {
            PointerKind::Ptr(id) => exact.is_value(found, id),
            PointerKind::Slice(id) => exact.is_array(found, id),
            PointerKind::Map(_) | PointerKind::Chan(_) | PointerKind::Func(_) | PointerKind::String => true,
            PointerKind::Iface(_) | PointerKind::Eface | PointerKind::Unsafe => false,
        };
        if agrees {
            self.follow(kind, words);
        }
    }

    /// Closures are known by their first word, the address of their code, and by what they captured.
    fn closures(&mut self, exact: &mut Exact<'_>, code: &CodeTypes) {
        let objects = self.heap.objects;
        for (i, span) in objects.spans().iter().enumerate() {
            if span.pointers == PointerBits::NoScan || span.elem_size < 16 || span.elem_size > 512 {
                continue;
            }
            for (object, slot) in objects.of_span(i as u32) {
                let at = span.start + u64::from(slot) * span.elem_size;
                if let Ok(first) = self.heap.memory.u64(at)
                    && let Some(&typ) = code.facts.closures.get(&first)
                    && exact.is_value(Found { object, span: i as u32, slot, offset: 0 }, typ)
                {
                    self.set(object, Shape::Closure(first));
                }
            }
        }
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
        let Some(found) = self.heap.objects.find(address) else {
            if let Shape::Value(id) = shape {
                self.static_value(address, id);
            }
            return;
        };
        self.propose_found(found, shape);
    }

    fn propose_found(&mut self, found: Found, shape: Shape) {
        let Some(span) = self.heap.objects.spans().get(found.span as usize) else { return };
        let first = if span.pointers == PointerBits::Header { 8 } else { 0 };
        let Some(offset) = found.offset.checked_sub(first) else { return };
        let shape = match shape {
            Shape::Value(id) if offset == 0 => self.whole_node(span.start + u64::from(found.slot) * span.elem_size, id),
            other => other,
        };
        let noscan = span.pointers == PointerBits::NoScan;
        let room = span.elem_size - first;
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
        if fits {
            self.set(found.object, shape);
        }
    }

    /// A pointer to a node of a hash trie points to an entry or an inner node, as its first byte says.
    fn whole_node(&self, at: u64, id: TypeId) -> Shape {
        match (self.trie_nodes.get(&id), self.heap.memory.u8(at)) {
            (Some(&(entry, _)), Ok(1)) => Shape::Value(entry),
            (Some(&(_, inner)), Ok(0)) => Shape::Value(inner),
            _ => Shape::Value(id),
        }
    }

    fn set(&mut self, object: ObjectId, shape: Shape) {
        let known = self.shapes.of(object);
        if shape.is_better(known, self.heap.types) {
            self.shapes.set(object, shape);
            self.queue.push(object);
        }
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

    /// A value of this type lies at the address, if it is one of the program's variables.
    fn static_value(&mut self, at: u64, id: TypeId) {
        let modules = self.heap.types.modules();
        let is_variable = modules.iter().any(|m| (m.data..m.edata).contains(&at) || (m.bss..m.ebss).contains(&at));
        if is_variable && self.statics.len() < MOST_STATICS && self.statics.insert((at, id)) {
            self.static_queue.push((at, id));
        }
    }

    fn follow_static(&mut self, at: u64, id: TypeId) {
        let Some(size) = self.heap.types.get(id).map(|t| t.size) else { return };
        if size == 0 || size > WINDOW {
            return;
        }
        let mut data = std::mem::take(&mut self.data);
        if let Ok(bytes) = self.heap.memory.view(at, size as usize, &mut data) {
            self.value(bytes, id, 0);
        }
        self.data = data;
        self.hidden_structs(at, id);
    }

    /// The same for a struct and the structs among its fields.
    fn hidden_structs(&mut self, at: u64, id: TypeId) {
        if self.hidden.is_empty() {
            return;
        }
        self.hidden_of(at, id);
        if let Some(Detail::Struct { fields }) = self.heap.types.get(id).map(|t| &t.detail) {
            for field in fields.iter().filter(|f| self.hidden.contains_key(&f.typ)) {
                self.pending_hidden.push((at.saturating_add(field.offset), field.typ));
            }
        }
        while let Some((at, id)) = self.pending_hidden.pop() {
            self.hidden_of(at, id);
        }
    }

    /// Follows the fields of a value that its type does not tell of.
    fn hidden_of(&mut self, at: u64, id: TypeId) {
        let Some(fields) = self.hidden.get(&id).cloned() else { return };
        for (offset, shape) in fields {
            if let Ok(word) = self.heap.memory.u64(at.saturating_add(offset)) {
                self.propose(word, shape);
            }
        }
    }

    fn spread_objects(&mut self) {
        while let Some(object) = self.queue.pop() {
            let Some(found) = self.place(object) else { continue };
            match self.shapes.of(object) {
                Shape::Unknown | Shape::Text | Shape::Goroutine => {}
                Shape::Value(id) => {
                    self.values(found, id, false);
                    self.hidden_structs(found.1, id);
                }
                Shape::Array(id) => {
                    self.values(found, id, true);
                    if self.hidden.contains_key(&id)
                        && let Some(size) = self.heap.types.get(id).map(|t| t.size).filter(|&s| s > 0)
                    {
                        (0..found.2 / size).for_each(|i| self.hidden_of(found.1 + i * size, id));
                    }
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
                Shape::Closure(code) => {
                    if let Some(&typ) = self.code.and_then(|c| c.facts.closures.get(&code)) {
                        self.values(found, typ, false);
                    }
                }
            }
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
        let Some(program) = types.program(id) else { return };
        if program.slots.is_empty() && program.repeats.is_empty() {
            return;
        }
        let count = if many { len / size } else { 1 };
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
        for slot in &program.slots {
            let at = 8 * slot.word;
            let word = f.u64(at + 8 * slot.kind.pointer_word());
            if word == 0 {
                continue;
            }
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

/// The types of `HashTrieMap` (`src/internal/sync/hashtriemap.go`, Go 1.24 to 1.27; what `sync.Map` is made
/// of): `node[K,V]` is the first field of `entry[K,V]` and of `indirect[K,V]`, and starts with `isEntry`.
fn trie_nodes(types: &RuntimeTypes<'_>) -> FxHashMap<TypeId, (TypeId, TypeId)> {
    let mut parts: FxHashMap<String, [Option<TypeId>; 3]> = FxHashMap::default();
    for id in (0..types.len()).map(|i| TypeId(i as u32)) {
        if !types.get(id).is_some_and(|t| t.named && matches!(t.detail, Detail::Struct { .. })) {
            continue;
        }
        let name = types.name(id);
        for (i, kind) in ["sync.node[", "sync.entry[", "sync.indirect["].into_iter().enumerate() {
            if let Some(arguments) = name.strip_prefix(kind)
                && let Some(slot) = parts.entry(arguments.to_owned()).or_default().get_mut(i)
            {
                *slot = Some(id);
            }
        }
    }
    let whole = |[node, entry, inner]: [Option<TypeId>; 3]| Some((node?, (entry?, inner?)));
    parts.into_values().filter_map(whole).collect()
}

/// Fields of package sync that are `unsafe.Pointer`: `Pool.local` and `Pool.victim` point to an array of
/// `poolLocal` (`src/sync/pool.go`, Go 1.19 to 1.27), which is allocated in one place only.
fn hidden_fields(types: &RuntimeTypes<'_>, code: &CodeTypes) -> FxHashMap<TypeId, Vec<(u64, Shape)>> {
    let local = code.facts.sites.values().find_map(|kind| match kind {
        PointerKind::Slice(id) if types.name(*id) == "sync.poolLocal" => Some(*id),
        _ => None,
    });
    let Some(local) = local else { return FxHashMap::default() };
    let mut hidden: FxHashMap<TypeId, Vec<(u64, Shape)>> = FxHashMap::default();
    for id in (0..types.len()).map(|i| TypeId(i as u32)) {
        let Some(typ) = types.get(id).filter(|t| t.named) else { continue };
        let Detail::Struct { fields } = &typ.detail else { continue };
        if types.name(id) != "sync.Pool" {
            continue;
        }
        for field in fields {
            if types.name_at(field.name).is_some_and(|n| n.text == "local" || n.text == "victim") {
                hidden.entry(id).or_default().push((field.offset, Shape::Array(local)));
            }
        }
    }
    hidden
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
