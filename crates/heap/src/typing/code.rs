//! What the program's machine code says of objects and of values among its variables.

use super::{Typer, WINDOW};
use crate::code::{CodeTypes, slot_size};
use crate::shapes::Shape;
use gobinary::types::PointerKind;
use gobinary::{Contents, TypeId, TypedPlace};
use goruntime::{Found, PointerBits};

/// Most values among the program's variables that are followed.
const MOST_STATICS: usize = 1 << 20;

impl Typer<'_> {
    /// What the program's code tells of sampled objects, variables, frames and closures.
    pub(super) fn told_by_code(&mut self) {
        self.code = self.read_code.map(|read| read());
        let Some(code) = self.code else { return };
        // Made in one place only: the type may be known to the code alone.
        let mut made = code.facts.sites.values().filter_map(|kind| match kind {
            PointerKind::Slice(id) => Some(*id),
            _ => None,
        });
        let types = self.heap.types;
        self.library.pool_local =
            self.library.pool_local.or_else(|| made.find(|&id| types.name(id) == "sync.poolLocal"));
        for &(at, id) in &code.facts.values {
            self.static_value(at, id);
        }
        for &(object, kind) in &code.sampled {
            let Some((_, at, _)) = self.place(object) else { continue };
            self.seed(kind, [at, 0, 0]);
        }
        for seed in &code.seeds {
            let word = |i: u64| self.heap.memory.u64(seed.address.saturating_add(8 * i)).unwrap_or(0);
            self.seed(seed.kind, [word(0), word(1), word(2)]);
        }
        self.closures(code);
    }

    /// The variables of which the code tells what they are, or what is typed leads to.
    pub(super) fn places_by_code(&self) -> Vec<TypedPlace> {
        let values = self.statics.iter().map(|&(address, typ)| {
            let contents = Contents::Values { typ, count: 1 };
            TypedPlace { address, contents }
        });
        let words = self.code.into_iter().flat_map(|c| &c.facts.variables);
        let words = words.map(|(&address, &kind)| TypedPlace { address, contents: Contents::Pointer(kind) });
        let strings = self.strings.iter().map(|&address| {
            let contents = Contents::Pointer(PointerKind::String);
            TypedPlace { address, contents }
        });
        values.chain(words).chain(strings).collect()
    }

    /// Takes over what a word says of its target where the target's size and pointer bits agree.
    pub(super) fn seed(&mut self, kind: PointerKind, words: [u64; 3]) {
        // A variable that is a `reflect.Value`: type, pointer, flags.
        if self.descriptor.is_some_and(|d| kind == PointerKind::Ptr(d)) {
            self.reflect_value(words[0], words[1], words[2]);
            return;
        }
        let Some(found) = self.heap.objects.find(words[0]) else { return };
        let agrees = match kind {
            PointerKind::Ptr(id) => self.exact.is_value(found, id),
            PointerKind::Slice(id) => self.exact.is_array(found, id),
            // Their headers are objects of their own.
            PointerKind::Map(_) => self.slot_of(found) == slot_size(self.map_header_bytes()),
            PointerKind::Chan(_) => self.slot_of(found) >= slot_size(u64::from(self.layout.hchan.size)),
            PointerKind::Func(_) | PointerKind::String => true,
            PointerKind::Iface(_) | PointerKind::Eface | PointerKind::Unsafe => false,
        };
        if agrees {
            self.follow(kind, words);
        }
    }

    fn slot_of(&self, found: Found) -> u64 {
        self.heap.objects.spans().get(found.span as usize).map_or(0, |s| s.elem_size)
    }

    /// Closures are known by their first word, the address of their code, and by what they captured.
    fn closures(&mut self, code: &CodeTypes) {
        let objects = self.heap.objects;
        for (i, span) in objects.spans().iter().enumerate() {
            if span.pointers == PointerBits::NoScan || span.elem_size < 16 || span.elem_size > 512 {
                continue;
            }
            for (object, slot) in objects.of_span(i as u32) {
                let at = span.start + u64::from(slot) * span.elem_size;
                if let Ok(first) = self.heap.memory.u64(at)
                    && let Some(&typ) = code.facts.closures.get(&first)
                    && self.exact.is_value(Found { object, span: i as u32, slot, offset: 0 }, typ)
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
        self.values_at(at, id, 1);
    }
}
