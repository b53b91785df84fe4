//! What variables, closures and `reflect.Value`s say of the objects they point to.

use super::Typer;
use crate::shapes::Shape;
use gobinary::types::{Detail, Kind};
use gobinary::{Contents, TypedPlace};
use goruntime::Span;
use std::rc::Rc;

/// Most bytes of variables that are followed: they lie beside each other in no more memory than that.
const MOST_PLACES: u64 = 8 << 30;
/// Most bytes of one variable, or one element of an array.
const MOST_VALUE: u64 = 64 << 20;

impl Typer<'_> {
    /// What variables of known types point to.
    pub(super) fn typed_places(&mut self, places: &[TypedPlace]) {
        let mut left = MOST_PLACES;
        for place in places {
            self.typed_place(*place, &mut left);
        }
    }

    /// Follows what lies at a place, unless it has more than `left` bytes.
    fn typed_place(&mut self, place: TypedPlace, left: &mut u64) {
        match place.contents {
            Contents::Values { typ, count } => {
                // A long array is followed element by element.
                let (typ, count) = match self.heap.types.get(typ).map(|t| &t.detail) {
                    Some(Detail::Array { elem, len }) => (*elem, count.saturating_mul(*len)),
                    _ => (typ, count),
                };
                let size = self.heap.types.get(typ).map_or(0, |t| t.size);
                let rest = count.checked_mul(size).and_then(|n| left.checked_sub(n));
                if let Some(rest) = rest.filter(|_| size <= MOST_VALUE) {
                    *left = rest;
                    self.values_at(place.address, typ, count);
                }
            }
            Contents::Pointer(kind) => {
                let word = |i: u64| place.address.checked_add(8 * i).and_then(|a| self.heap.memory.u64(a).ok());
                let words = [0, 1, 2].map(|i| word(i).unwrap_or(0));
                self.follow(kind, words);
            }
        }
    }

    /// Follows what a closure captures, by the debug information or else by the code that makes it.
    pub(super) fn closure(&mut self, found: (Span, u64, u64), code: u64) {
        let (_, start, len) = found;
        let types = self.heap.types;
        let places = match self.debug {
            Some(debug) => Rc::clone(self.captured.entry(code).or_insert_with(|| debug.captured(types, code).into())),
            None => Rc::default(),
        };
        if places.is_empty() {
            if let Some(&typ) = self.code.and_then(|c| c.facts.closures.get(&code)) {
                self.values(found, typ, false);
            }
            return;
        }
        for place in places.iter().filter(|p| p.address < len) {
            let mut left = len - place.address;
            self.typed_place(TypedPlace { address: start + place.address, contents: place.contents }, &mut left);
        }
    }

    /// Follows a `reflect.Value`: type, pointer, flags (`src/reflect/value.go`).
    pub(super) fn reflect_value(&mut self, typ: u64, pointer: u64, flags: u64) {
        const KIND: u64 = 31;
        const FLAG_INDIR: u64 = 1 << 7;
        let types = self.heap.types;
        let id = types.id(typ);
        // The flags name the type's kind once more.
        if types.get(id).is_none_or(|t| Kind::from_number((flags & KIND) as u8) != Some(t.kind)) {
            return;
        }
        if flags & FLAG_INDIR != 0 {
            self.propose(pointer, Shape::Value(id));
        } else {
            self.interface(id, pointer);
        }
    }
}
