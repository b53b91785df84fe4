//! Arrays behind slices and bytes behind strings: capacity that is not used, large objects that a small slice or
//! substring keeps, arrays that several slices share.
//!
//! What is out of reach is told only of objects all of whose ways in are slices or strings that were found: a
//! pointer of another kind may reach any of it.

use super::walk::{self, Extent, Seen};
use super::{Collector, ContainerFacts, ContainerKind, Note};
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use gobinary::TypeId;
use goruntime::ObjectId;
use rustc_hash::{FxHashMap, FxHashSet};

/// An object is looked at for what is out of reach when that is at least one part in so many of it.
const WASTEFUL: u64 = 4;

impl HeapGraph<'_> {
    pub(super) fn slices_into(&self, collector: &mut Collector, seen: &Seen) {
        let types = &self.runtime.types;
        for (&elem, sum) in &seen.slices {
            let size = types.get(elem).map_or(0, |t| t.size);
            let group = collector.group(ContainerKind::Slice, &format!("[]{}", types.name(elem)));
            group.count += sum.count;
            group.entries = group.entries.saturating_add(sum.entries);
            group.capacity = group.capacity.saturating_add(sum.capacity);
            group.bytes = group.bytes.saturating_add(sum.capacity.saturating_mul(size));
            let spare = sum.capacity.saturating_sub(sum.entries);
            group.waste = group.waste.saturating_add(spare.saturating_mul(size));
        }
        if seen.strings.count > 0 {
            let group = collector.group(ContainerKind::Text, "string");
            group.count += seen.strings.count;
            group.entries = group.entries.saturating_add(seen.strings.entries);
            group.capacity = group.capacity.saturating_add(seen.strings.capacity);
            group.bytes = group.bytes.saturating_add(seen.strings.entries);
        }
        let only = self.only_by_headers(seen);
        for (&object, extent) in &seen.extents {
            if let Some(facts) = self.array(object, extent, &only) {
                // Bytes of small objects are in the sums too: what is out of reach is only here.
                collector.keep(facts);
            }
        }
    }

    /// Objects with much out of reach that only slices and strings lead to.
    fn only_by_headers(&self, seen: &Seen) -> FxHashSet<ObjectId> {
        let mut ways: FxHashMap<ObjectId, (u32, ObjectId)> = FxHashMap::default();
        for (&object, extent) in &seen.extents {
            let size = self.objects.size(object).unwrap_or(0);
            if size.saturating_sub(extent.used.1 - extent.used.0) >= size / WASTEFUL {
                ways.insert(object, (0, 0));
            }
        }
        walk::ways_in(self, &mut ways);
        let mut only: FxHashSet<ObjectId> = ways
            .into_iter()
            .filter(|(object, (count, _))| seen.extents.get(object).is_some_and(|e| e.sources >= *count))
            .map(|(object, _)| object)
            .collect();
        for (i, group) in self.roots.groups.iter().enumerate() {
            let known = match group {
                RootGroup::Global { address } => seen.global_headers.binary_search(address).is_ok(),
                _ => false,
            };
            if !known {
                for object in self.roots.roots.members(i) {
                    only.remove(object);
                }
            }
        }
        only
    }

    fn array(&self, object: ObjectId, extent: &Extent, only: &FxHashSet<ObjectId>) -> Option<ContainerFacts> {
        let types = &self.runtime.types;
        let size = self.objects.size(object)?;
        let (kind, name) = if extent.elem == TypeId::NONE {
            (ContainerKind::Text, "string".to_owned())
        } else {
            (ContainerKind::Slice, format!("[]{}", types.name(extent.elem)))
        };
        let first = u64::from(self.first_byte(object));
        let used = extent.used.1.saturating_sub(extent.used.0);
        let mut facts = ContainerFacts {
            object: Some(object),
            address: self.objects.address(object)?.saturating_add(extent.used.0),
            entries: extent.len_cap.0,
            capacity: extent.len_cap.1,
            own_bytes: size,
            content_bytes: used,
            retained: self.tree.retained(object),
            ..ContainerFacts::new(kind, name)
        };
        let headers = u64::from(extent.slices) + u64::from(extent.strings);
        if headers > 1 {
            facts.notes.push(Note::Shared(headers));
        }
        if only.contains(&object) {
            facts.waste = size - used.min(size);
            if extent.used.0 > first {
                facts.notes.push(Note::Subslice(extent.used.0 - first));
                let elem = types.get(extent.elem).map_or(1, |t| t.size);
                // The rest of the size class cannot be used by anybody.
                if extent.cap_end == extent.used.1 && size - extent.used.1.min(size) < (size / 8).max(elem) {
                    facts.notes.push(Note::Tail);
                }
            }
        } else if size.saturating_sub(used) >= size / WASTEFUL {
            facts.notes.push(Note::OtherWays);
        }
        Some(facts)
    }

    /// Bytes of the type in front of an object's contents.
    pub(crate) fn first_byte(&self, object: ObjectId) -> u8 {
        let span = self.objects.span_of(object).and_then(|s| self.objects.spans().get(s as usize));
        if span.is_some_and(|s| s.pointers == goruntime::PointerBits::Header) { 8 } else { 0 }
    }
}
