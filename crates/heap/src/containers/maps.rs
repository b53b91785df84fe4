//! Maps, classic (`src/runtime/map.go`, up to Go 1.23) and Swiss (`src/internal/runtime/maps`, from
//! 1.24): entries, slots, the bytes of the structure itself. Sizes of the slots of their objects are
//! exact; a map that is being written to may be off by one entry.

use crate::pointers::HeapView;
use gobinary::TypeId;
use gobinary::layout::Layout;
use gobinary::types::{Detail, Map, MapSlots};
use goruntime::Fields;
use rustc_hash::FxHashSet;

/// Most tables or chained buckets of one map that are visited.
const MOST_PARTS: u64 = 1 << 28;
/// Bytes read at a time.
const WINDOW: usize = 1 << 16;
/// `tophash` of the first slot of an evacuated bucket (`evacuatedX`, `evacuatedY`, `evacuatedEmpty`).
const EVACUATED: std::ops::RangeInclusive<u8> = 2..=4;
/// Smallest `tophash` of a slot in use (`minTopHash`).
const MIN_TOP_HASH: u8 = 5;
/// `hmap.flags`: the map grows into as many buckets as it has.
const SAME_SIZE_GROW: u8 = 8;
/// Control byte of a deleted slot.
const DELETED: u8 = 0xfe;

/// What a map is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapFacts {
    /// Entries, as the map itself counts them.
    pub entries: u64,
    /// Entries found in its slots: the same, unless it was being written to or is damaged.
    pub found: u64,
    /// Slots for entries: `8 << B`, or the sum of the tables' capacities.
    pub slots: u64,
    /// Bytes of the header, tables, directory, groups or buckets, overflow buckets, rounded up to size classes.
    pub bytes: u64,
    /// Swiss: tables.
    pub tables: u64,
    /// Swiss: slots of deleted entries that are not free yet.
    pub tombstones: u64,
    /// Classic: overflow buckets.
    pub overflow: u64,
    /// Classic: buckets of the longest overflow chain, the first one included; 0 without overflow buckets.
    pub longest_chain: u64,
    /// Classic: buckets of the old array, while the map grows.
    pub old_buckets: u64,
    /// Bytes of keys and values in the slots that are in use.
    pub used_bytes: u64,
}

impl MapFacts {
    /// Share of the slots that hold an entry.
    #[must_use]
    pub fn fill(&self) -> f64 {
        if self.slots == 0 { 0.0 } else { self.entries as f64 / self.slots as f64 }
    }
}

impl MapFacts {
    /// Bytes of slots that hold no entry: kept for entries that are gone or may come.
    #[must_use]
    pub fn ghost(&self) -> u64 {
        let slots = self.slots.max(self.entries);
        self.bytes.checked_div(slots).map_or(0, |per_slot| per_slot.saturating_mul(slots - self.entries))
    }
}

struct Walk<'a> {
    heap: &'a HeapView<'a>,
    layout: &'a Layout,
    facts: MapFacts,
    /// Objects whose bytes are counted: preallocated overflow buckets lie in the array itself.
    counted: FxHashSet<u32>,
    scratch: Vec<u8>,
    parts: u64,
}

/// Measures the map of type `typ` whose header is at `header`. `None` when it is no such map.
#[must_use]
pub fn map_facts(heap: &HeapView<'_>, typ: TypeId, header: u64) -> Option<MapFacts> {
    let Detail::Map(map) = heap.types.get(typ)?.detail else { return None };
    let layout = heap.types.layout();
    let mut walk = Walk {
        heap,
        layout,
        facts: MapFacts::default(),
        counted: FxHashSet::default(),
        scratch: Vec::new(),
        parts: MOST_PARTS,
    };
    walk.count(header);
    if layout.swiss_maps {
        walk.swiss(&map, header)?;
    } else {
        walk.classic(&map, header)?;
    }
    let slot = slot_bytes(heap, &map);
    walk.facts.used_bytes = walk.facts.entries.saturating_mul(slot);
    Some(walk.facts)
}

/// Bytes of a key and a value in a slot.
fn slot_bytes(heap: &HeapView<'_>, map: &Map) -> u64 {
    let size = |id: TypeId, indirect: bool| {
        if indirect { 8 } else { heap.types.get(id).map_or(0, |t| t.size) }
    };
    size(map.key, map.indirect_key) + size(map.elem, map.indirect_elem)
}

impl Walk<'_> {
    /// Adds the bytes of the object at `address`, once.
    fn count(&mut self, address: u64) {
        if let Some(found) = self.heap.objects.find(address)
            && self.counted.insert(found.object)
        {
            let span = self.heap.objects.spans().get(found.span as usize);
            self.facts.bytes += span.map_or(0, |s| s.elem_size);
        }
    }

    fn word(&self, address: u64) -> Option<u64> {
        self.heap.memory.u64(address).ok()
    }

    fn swiss(&mut self, map: &Map, header: u64) -> Option<()> {
        let MapSlots::Groups { group_size, .. } = map.slots else { return None };
        let m = self.layout.swiss_map?;
        let mut copy = [0; 64];
        let copy = copy.get_mut(..m.size as usize)?;
        self.heap.memory.read(header, copy).ok()?;
        let f = Fields(copy);
        let (dir, len) = (f.u64(m.dir_ptr), f.u64(m.dir_len));
        self.facts.entries = f.u64(m.used);
        if dir == 0 {
            return Some(());
        }
        if len == 0 {
            self.facts.slots = 8;
            self.count(dir);
            return self.groups(dir, 1, group_size);
        }
        self.count(dir);
        let mut last = 0;
        // Entries of one table follow each other.
        for i in 0..len.min(MOST_PARTS) {
            let table = self.word(dir.checked_add(8 * i)?)?;
            if table == last {
                continue;
            }
            last = table;
            self.table(table, group_size)?;
        }
        Some(())
    }

    fn table(&mut self, at: u64, group_size: u64) -> Option<()> {
        let (t, g) = (self.layout.swiss_table?, self.layout.swiss_groups?);
        let mut copy = [0; 64];
        let copy = copy.get_mut(..t.size as usize)?;
        self.heap.memory.read(at, copy).ok()?;
        let f = Fields(copy);
        let groups = f.u64(t.groups + g.data);
        let count = f.u64(t.groups + g.length_mask).checked_add(1)?;
        // A table has 1024 slots at most; a capacity that is not that of its groups is damage.
        let capacity = u64::from(f.u32(t.capacity) & 0xffff);
        if count > 1 << 16 || capacity != 8 * count {
            return None;
        }
        self.parts = self.parts.checked_sub(count)?;
        self.facts.tables += 1;
        self.facts.slots += capacity;
        self.count(at);
        self.count(groups);
        self.groups(groups, count, group_size)
    }

    /// Counts the control bytes of groups behind each other.
    fn groups(&mut self, at: u64, count: u64, group_size: u64) -> Option<()> {
        if !(8..=1 << 24).contains(&group_size) {
            return None;
        }
        let per_read = (WINDOW as u64 / group_size).max(1);
        let mut done = 0;
        while done < count {
            let n = per_read.min(count - done);
            let from = at.checked_add(done.checked_mul(group_size)?)?;
            let bytes = self.heap.memory.view(from, (n * group_size) as usize, &mut self.scratch).ok()?;
            for group in bytes.chunks_exact(group_size as usize) {
                for &control in group.get(..8)? {
                    self.facts.found += u64::from(control & 0x80 == 0);
                    self.facts.tombstones += u64::from(control == DELETED);
                }
            }
            done += n;
        }
        Some(())
    }

    fn classic(&mut self, map: &Map, header: u64) -> Option<()> {
        let MapSlots::Buckets { bucket_size, .. } = map.slots else { return None };
        let h = self.layout.hmap?;
        let mut copy = [0; 64];
        let copy = copy.get_mut(..h.size as usize)?;
        self.heap.memory.read(header, copy).ok()?;
        let f = Fields(copy);
        let b = f.u8(h.b);
        if b > 40 || bucket_size < 16 {
            return None;
        }
        self.facts.entries = f.u64(h.count);
        let size = u64::from(bucket_size);
        let (buckets, old) = (f.u64(h.buckets), f.u64(h.oldbuckets));
        if buckets != 0 {
            self.facts.slots = 8 << b;
            self.buckets(buckets, 1 << b, size, false)?;
        }
        if old != 0 {
            let n = if f.u8(h.flags) & SAME_SIZE_GROW != 0 { 1 << b } else { (1 << b) / 2 };
            self.facts.old_buckets = n;
            self.buckets(old, n, size, true)?;
        }
        let extra = f.u64(h.extra);
        if extra != 0 {
            let e = self.layout.mapextra?;
            self.count(extra);
            for list in [e.overflow, e.oldoverflow] {
                let slice = self.word(extra.checked_add(u64::from(list))?)?;
                if slice != 0 {
                    self.count(slice);
                    let array = self.word(slice)?;
                    self.count(array);
                }
            }
        }
        Some(())
    }

    fn buckets(&mut self, array: u64, count: u64, size: u64, old: bool) -> Option<()> {
        self.count(array);
        self.parts = self.parts.checked_sub(count)?;
        let per_read = (WINDOW as u64 / size).max(1);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut done = 0;
        let mut chains = Vec::new();
        while done < count {
            let n = per_read.min(count - done);
            let from = array.checked_add(done.checked_mul(size)?)?;
            let bytes = self.heap.memory.view(from, (n * size) as usize, &mut scratch).ok()?;
            for bucket in bytes.chunks_exact(size as usize) {
                let evacuated = old && bucket.first().is_some_and(|t| EVACUATED.contains(t));
                self.facts.found += if evacuated { 0 } else { full_slots(bucket) };
                let next = Fields(bucket).u64(size as u32 - 8);
                if next != 0 {
                    chains.push((next, evacuated));
                }
            }
            done += n;
        }
        for (mut at, evacuated) in chains {
            let mut chain = 1;
            while at != 0 {
                self.parts = self.parts.checked_sub(1)?;
                chain += 1;
                self.facts.longest_chain = self.facts.longest_chain.max(chain);
                self.count(at);
                self.facts.overflow += 1;
                let bucket = self.heap.memory.view(at, size as usize, &mut scratch).ok()?;
                self.facts.found += if evacuated { 0 } else { full_slots(bucket) };
                at = Fields(bucket).u64(size as u32 - 8);
            }
        }
        self.scratch = scratch;
        Some(())
    }
}

fn full_slots(bucket: &[u8]) -> u64 {
    bucket.iter().take(8).filter(|&&t| t >= MIN_TOP_HASH).count() as u64
}
