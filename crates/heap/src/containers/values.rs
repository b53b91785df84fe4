//! Values of the standard library that keep memory of their own: `bytes.Buffer`, `strings.Builder`, `big.Int`.
//! Offsets of their fields have been the same in Go 1.19 to 1.27 (`src/bytes/buffer.go`, `src/strings/builder.go`,
//! `src/math/big/int.go`).

use super::walk::{Known, Place, Seen};
use super::{Collector, ContainerFacts, ContainerKind, Note};
use crate::program::HeapGraph;

/// `bytes.Buffer`: `buf []byte`, `off int`. `strings.Builder`: `addr *Builder`, `buf []byte`. `big.Int`: `neg bool`,
/// `abs nat`.
const BUFFER_BUF: u64 = 0;
const BUFFER_OFF: u64 = 24;
const BUILDER_BUF: u64 = 8;
const INT_ABS: u64 = 8;

impl HeapGraph<'_> {
    pub(super) fn values_into(&self, collector: &mut Collector, seen: &Seen) {
        for place in &seen.places {
            let facts = match place.known {
                Known::Buffer => self.slice_inside(place, ContainerKind::Buffer, "bytes.Buffer", BUFFER_BUF, 1),
                Known::Builder => self.slice_inside(place, ContainerKind::Buffer, "strings.Builder", BUILDER_BUF, 1),
                Known::BigInt => self.slice_inside(place, ContainerKind::BigInt, "big.Int", INT_ABS, 8),
                Known::SyncMap | Known::SyncPool => None,
            };
            if let Some(facts) = facts {
                collector.add(facts);
            }
        }
    }

    /// A value that is mostly a slice of elements without pointers.
    fn slice_inside(
        &self,
        place: &Place,
        kind: ContainerKind,
        name: &str,
        at: u64,
        elem: u64,
    ) -> Option<ContainerFacts> {
        let word = |offset: u64| self.runtime.memory.u64(place.address.checked_add(offset)?).ok();
        let (data, len, cap) = (word(at)?, word(at + 8)?, word(at + 16)?);
        if cap == 0 {
            return None;
        }
        let found = self.objects.find(data);
        let size = found.and_then(|f| self.objects.size(f.object)).unwrap_or(0);
        let mut facts = ContainerFacts {
            object: place.object,
            address: place.address,
            capacity: cap,
            own_bytes: size,
            retained: place.object.map_or(0, |o| self.tree.retained(o)),
            ..ContainerFacts::new(kind, name.to_owned())
        };
        // In the data, or part of something larger: what it keeps is its array.
        if place.object.is_none_or(|o| self.objects.size(o).is_none_or(|s| s > 64)) {
            facts.retained = found.map_or(0, |f| self.tree.retained(f.object));
        }
        let read = if kind == ContainerKind::Buffer && at == BUFFER_BUF { word(BUFFER_OFF)? } else { 0 };
        if len > cap || read > len || found.is_some_and(|_| cap.checked_mul(elem).is_none_or(|b| b > size)) {
            facts.notes.push(Note::Damaged);
            return Some(facts);
        }
        facts.entries = len - read;
        facts.content_bytes = facts.entries * elem;
        facts.waste = if found.is_some() { (cap - facts.entries) * elem } else { 0 };
        Some(facts)
    }
}
