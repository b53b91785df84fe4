//! Which field leads from each object to those below it in a tree over the objects: one pass over the bytes of all
//! objects, in parallel. Owns telling fields apart by their offset in a type; what they are called is said once per
//! type and offset, not once per object.

use crate::paths::{field_name, is_key};
use crate::pointers::TASK_BYTES;
use crate::program::HeapGraph;
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::Detail;
use goruntime::{PointerBits, Span};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of an object that are looked at in one piece; a multiple of the size of a word.
const WINDOW: u64 = 1 << 20;

/// How the words of an object of some shape are told apart.
#[derive(Clone, Copy)]
enum Words {
    /// They have no names.
    Nameless,
    /// By their offset in a value; elements of arrays are one like the other.
    Value {
        /// Bytes from one value to the next; `u64::MAX` for single values.
        period: u64,
    },
    /// Keys and values of a map.
    Slots(TypeId),
}

/// For each object how the object above it leads there: 0 unknown, else 1 more than what [`HeapGraph::via_name`]
/// takes. `above` names the object above.
pub(super) fn vias(graph: &HeapGraph<'_>, above: &(impl Fn(u32) -> Option<u32> + Sync)) -> Vec<AtomicU32> {
    let mut found = Vec::new();
    found.resize_with(graph.objects.count() as usize, AtomicU32::default);
    let words: Vec<Words> = (0..graph.shapes.len() as u32).map(|n| graph.words_of(n)).collect();
    let pass = Pass { graph, words: &words, above, found: &found };
    graph.view().tasks(TASK_BYTES).into_par_iter().for_each_init(Vec::new, |scratch, spans| {
        for index in spans {
            pass.span(index as u32, scratch);
        }
    });
    found
}

struct Pass<'a, 'r, F> {
    graph: &'a HeapGraph<'r>,
    words: &'a [Words],
    above: &'a F,
    found: &'a [AtomicU32],
}

impl<F: Fn(u32) -> Option<u32>> Pass<'_, '_, F> {
    fn span(&self, index: u32, scratch: &mut Vec<u8>) {
        let objects = &self.graph.objects;
        let Some(span) = objects.spans().get(index as usize) else { return };
        if span.pointers == PointerBits::NoScan {
            return;
        }
        for (object, slot) in objects.of_span(index) {
            self.object(span, object, slot, scratch);
        }
    }

    fn object(&self, span: &Span, object: u32, slot: u32, scratch: &mut Vec<u8>) {
        let number = self.graph.shapes.number(object);
        let words = self.words.get(number as usize).copied().unwrap_or(Words::Nameless);
        if matches!(words, Words::Nameless) {
            return;
        }
        let start = span.start + u64::from(slot) * span.elem_size;
        let base = if span.pointers == PointerBits::Header { 8 } else { 0 };
        let mut at = base;
        while at < span.elem_size {
            let n = (span.elem_size - at).min(WINDOW);
            let Ok(bytes) = self.graph.runtime.memory.view(start + at, n as usize, scratch) else { return };
            for (i, word) in bytes.chunks_exact(8).enumerate() {
                let value = u64::from_le_bytes(word.try_into().unwrap_or_default());
                let Some(to) = self.graph.objects.find(value).map(|f| f.object) else { continue };
                if (self.above)(to) == Some(object) {
                    self.note(to, words, at - base + 8 * i as u64);
                }
            }
            at += n;
        }
    }

    /// Each object is above its own ones alone: no two threads write to one place.
    fn note(&self, to: u32, words: Words, offset: u64) {
        let Some(via) = self.found.get(to as usize) else { return };
        if via.load(Ordering::Relaxed) != 0 {
            return;
        }
        let place = match words {
            Words::Nameless => return,
            Words::Value { period } => offset % period.max(1),
            Words::Slots(map) => u64::from(!is_key(&self.graph.runtime.types, map, offset)),
        };
        via.store(u32::try_from(place + 1).unwrap_or(0), Ordering::Relaxed);
    }
}

impl HeapGraph<'_> {
    fn words_of(&self, number: u32) -> Words {
        let types = &self.runtime.types;
        let size = |id: TypeId| types.get(id).map_or(0, |t| t.size).max(1);
        match self.shapes.get(number) {
            Shape::Value(id) => match types.get(id).map(|t| &t.detail) {
                Some(Detail::Array { elem, .. }) => Words::Value { period: size(*elem) },
                _ => Words::Value { period: u64::MAX },
            },
            Shape::Array(id) => Words::Value { period: size(id) },
            Shape::MapGroups(map) | Shape::MapBuckets(map) => Words::Slots(map),
            _ => Words::Nameless,
        }
    }

    /// What a place in objects of a shape is called, without indices: `.users`, `[].next`, `[key]`.
    pub(super) fn via_name(&self, shape: u32, place: u32) -> String {
        let types = &self.runtime.types;
        let place = u64::from(place);
        match self.shapes.get(shape) {
            Shape::Value(id) => match types.get(id).map(|t| &t.detail) {
                Some(Detail::Array { elem, .. }) => format!("[]{}", without_indices(&field_name(types, *elem, place))),
                _ => without_indices(&field_name(types, id, place)),
            },
            Shape::Array(id) => format!("[]{}", without_indices(&field_name(types, id, place))),
            Shape::MapGroups(_) | Shape::MapBuckets(_) => (if place == 0 { "[key]" } else { "[value]" }).to_owned(),
            _ => String::new(),
        }
    }
}

/// `.tables[3].next` as `.tables[].next`.
pub(super) fn without_indices(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((head, tail)) = rest.split_once('[') {
        out.push_str(head);
        out.push('[');
        rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
        if !rest.starts_with(']') {
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::without_indices;

    #[test]
    fn indices_are_taken_out_of_names() {
        let cases = [
            ("main.byTenant[2]", "main.byTenant[]"),
            (".list[3].next[17]", ".list[].next[]"),
            ("main.cache[string]", "main.cache[string]"),
            ("main.f[go.shape.int]", "main.f[go.shape.int]"),
            ("[", "["),
            ("", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(without_indices(name), expected);
        }
    }
}
