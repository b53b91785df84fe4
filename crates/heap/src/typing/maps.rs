//! What maps say of the objects they are made of, classic (`src/runtime/map.go`, up to Go 1.23) and Swiss
//! (`src/internal/runtime/maps`, from 1.24), and maps of which only the tables or buckets are known.

use super::{Typer, WINDOW};
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::{Detail, MapSlots};
use goruntime::{Fields, PointerBits, Span};

impl Typer<'_> {
    pub(super) fn map_header_bytes(&self) -> u64 {
        let size = if self.layout.swiss_maps {
            self.layout.swiss_map.map(|m| m.size)
        } else {
            self.layout.hmap.map(|m| m.size)
        };
        u64::from(size.unwrap_or(48))
    }

    /// Maps of which only the tables or buckets are known: their headers are found by what they point to.
    pub(super) fn map_headers(&mut self) {
        let objects = self.heap.objects;
        let size = self.map_header_bytes();
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
    pub(super) fn map_of_header(&self, f: Fields<'_>) -> Option<TypeId> {
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

    pub(super) fn slots_type(&self, map: TypeId) -> Option<TypeId> {
        match &self.heap.types.get(map)?.detail {
            Detail::Map(m) => Some(match m.slots {
                MapSlots::Buckets { bucket, .. } => bucket,
                MapSlots::Groups { group, .. } => group,
            }),
            _ => None,
        }
    }

    pub(super) fn map_header(&mut self, at: u64, map: TypeId) {
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

    pub(super) fn map_directory(&mut self, (_, start, len): (Span, u64, u64), map: TypeId) {
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

    pub(super) fn map_table(&mut self, at: u64, map: TypeId) {
        let (Some(t), Some(g)) = (self.layout.swiss_table, self.layout.swiss_groups) else { return };
        if let Ok(groups) = self.heap.memory.u64(at + u64::from(t.groups + g.data)) {
            self.propose(groups, Shape::MapGroups(map));
        }
    }

    pub(super) fn map_buckets(&mut self, place: (Span, u64, u64), map: TypeId) {
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

    pub(super) fn map_extra(&mut self, at: u64, map: TypeId) {
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

    pub(super) fn map_slots(&self, map: TypeId) -> Shape {
        if self.layout.swiss_maps { Shape::MapGroups(map) } else { Shape::MapBuckets(map) }
    }
}
