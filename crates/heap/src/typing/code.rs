//! What the program's machine code says of objects and of values among its variables, and what the fields of
//! package sync that are `unsafe.Pointer` point to.

use super::{Typer, WINDOW};
use crate::code::{CodeTypes, Exact};
use crate::shapes::Shape;
use gobinary::types::{Detail, PointerKind};
use gobinary::{RuntimeTypes, TypeId};
use goruntime::{Found, PointerBits};
use rustc_hash::FxHashMap;

/// Most values among the program's variables that are followed.
const MOST_STATICS: usize = 1 << 20;

impl Typer<'_> {
    /// What the program's code tells of sampled objects, variables, frames and closures.
    pub(super) fn told_by_code(&mut self) {
        self.code = self.read_code.map(|read| read());
        let Some(code) = self.code else { return };
        self.hidden = hidden_fields(self.heap.types, code);
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

    /// A value of this type lies at the address, if it is one of the program's variables.
    pub(super) fn static_value(&mut self, at: u64, id: TypeId) {
        if self.unsure {
            return;
        }
        let modules = self.heap.types.modules();
        let is_variable = modules.iter().any(|m| (m.data..m.edata).contains(&at) || (m.bss..m.ebss).contains(&at));
        if is_variable && self.statics.len() < MOST_STATICS && self.statics.insert((at, id)) {
            self.static_queue.push((at, id));
        }
    }

    pub(super) fn follow_static(&mut self, at: u64, id: TypeId) {
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

    /// Follows what the type of a struct does not tell of, in it and in the structs among its fields.
    pub(super) fn hidden_structs(&mut self, at: u64, id: TypeId) {
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

    /// The same for values behind each other.
    pub(super) fn hidden_array(&mut self, start: u64, len: u64, id: TypeId) {
        if self.hidden.contains_key(&id)
            && let Some(size) = self.heap.types.get(id).map(|t| t.size).filter(|&s| s > 0)
        {
            (0..len / size).for_each(|i| self.hidden_of(start + i * size, id));
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
