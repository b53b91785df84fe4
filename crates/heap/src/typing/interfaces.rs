//! Interface values: each names the type of what it points to, wherever it lies.

use super::{Typer, WINDOW};
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::PointerKind;
use goruntime::{Fields, PointerBits};

impl Typer<'_> {
    /// Interface values among the program's globals.
    pub(super) fn globals(&mut self) {
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
                    Ok(bytes) => self.interface_pairs(bytes, true),
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
    pub(super) fn interfaces_in_unknown(&mut self) {
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
                    self.interface_pairs(bytes, false);
                }
                self.data = data;
            }
        }
    }

    /// Words that are a type or an interface table, each followed by a pointer into the heap.
    /// Types that package reflect made are looked for where there are few words.
    fn interface_pairs(&mut self, bytes: &[u8], made: bool) {
        let words = Fields(bytes);
        for i in 1..bytes.len() as u32 / 8 {
            let (first, second) = (words.u64(8 * i - 8), words.u64(8 * i));
            if self.heap.objects.find(second).is_none() {
                continue;
            }
            if let Some(typ) = self.dynamic_type(first) {
                self.possible_interface(typ, second);
            } else if made && self.heap.objects.find(first).is_some() && self.heap.types.looks_made(first) {
                self.possible_interface(self.heap.types.id(first), second);
            }
        }
    }

    /// A type and a pointer behind each other may belong to different variables: what it points to must be as the
    /// type says, in size and pointers.
    fn possible_interface(&mut self, typ: TypeId, data: u64) {
        let types = self.heap.types;
        let Some(t) = types.get(typ) else { return };
        let kind = match t.direct_iface {
            false => PointerKind::Ptr(typ),
            true => match types.program(typ).and_then(|p| p.slots.first().copied()) {
                Some(slot) => slot.kind,
                None => return,
            },
        };
        self.seed(kind, [data, 0, 0]);
    }

    /// The type that the first word of an interface value names.
    pub(super) fn dynamic_type(&self, word: u64) -> Option<TypeId> {
        let types = self.heap.types;
        if word < 1 << 12 || !word.is_multiple_of(8) {
            return None;
        }
        if types.looks_like_type(word) {
            return Some(types.id(word));
        }
        types.itab_at(word).map(|i| i.typ)
    }

    pub(super) fn interface(&mut self, typ: TypeId, data: u64) {
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
}
