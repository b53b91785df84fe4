//! The objects of the heap: which slots of which span are in use, a dense number for each of them,
//! and the way from any address to the object that holds it.
//!
//! Objects are numbered by address. A number costs no memory: bits of slots in use stand beside a
//! running count, so that the test "is this slot in use" and the number come from one cache line.

use crate::slot_bits::{BitReader, SlotState};
use crate::spans::{PointerBits, Span, Spans};
use gobinary::Memory;
use gobinary::layout::{ARENA_SIZE, PAGE_SIZE};
use prefetch_index::prefetch_index;
use rustc_hash::FxHashMap;

/// A page that belongs to no span with objects.
const NO_SPAN: u32 = u32::MAX;
/// An arena without pages.
const NO_ARENA: u32 = u32::MAX;
/// Pages of an arena.
const ARENA_PAGES: usize = (ARENA_SIZE / PAGE_SIZE) as usize;
/// Most arenas between the first and the last: 4 TiB of addresses.
const MOST_ARENAS: u64 = 1 << 16;

/// Number of an object, from 0, by address. Stands for a slot in use, not for an address.
pub type ObjectId = u32;

/// What an address points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The object.
    pub object: ObjectId,
    /// Index of its span in [`Objects::spans`].
    pub span: u32,
    /// Slot in the span.
    pub slot: u32,
    /// Bytes from the start of the slot to the address.
    pub offset: u64,
}

/// An object that an address points to, without where it lies: cheaper to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The object.
    pub object: ObjectId,
    /// Bytes from the start of the slot to the address.
    pub offset: u64,
    /// Bytes of the slot.
    pub elem_size: u64,
    /// The object has no pointers.
    pub noscan: bool,
    /// The first word of the slot is the object's type.
    pub header: bool,
}

/// A slot that an address points into: half the way to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    bit: u32,
    shape: u16,
    /// Bytes from the start of the slot; where the span has no shape the address.
    place: u64,
}

/// What finding an object needs of a page: one access to memory for most addresses.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// The span's first bit.
    first_bit: u32,
    /// Index in the shapes of spans, or [`NO_SHAPE`].
    shape: u16,
    /// Pages before it in its span.
    back: u16,
}

/// A page whose span is of no shape: most are of no span, some of one that is found by its number.
const NO_SHAPE: u16 = u16::MAX;

/// What the spans of one size class have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SpanShape {
    elem_size: u64,
    reciprocal: u32,
    slots: u32,
    noscan: bool,
    header: bool,
}

/// Bits of 64 slots and the number of objects before them.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    live: u64,
    before: u32,
}

/// What finding a slot needs of a span, packed for the cache.
#[derive(Clone, Copy, Debug)]
struct Slots {
    start: u64,
    elem_size: u64,
    /// `ceil(2^32 / elem_size)`: a multiplication instead of a division (`mspan.divMul`); 0 for one object.
    reciprocal: u32,
    slots: u32,
    first_bit: u32,
}

/// What is known of a span by the number of an object.
#[derive(Clone, Copy, Debug)]
struct FirstObject {
    object: u32,
    /// Bytes of a slot, or 0 where they have more than 32 bits.
    elem_size: u32,
}

/// Objects that one entry of the index of spans stands for.
const HINT: u32 = 64;

/// The heap's objects.
#[derive(Clone, Debug)]
pub struct Objects {
    spans: Vec<Span>,
    slots: Vec<Slots>,
    words: Vec<Word>,
    /// Per arena from the first: index of its first page in `pages`.
    arenas: Vec<u32>,
    pages: Vec<u32>,
    quick: Vec<Page>,
    shapes: Vec<SpanShape>,
    first_arena: u64,
    /// Span of every 64th object.
    hints: Vec<u32>,
    /// First object and size of the objects of every span, then the number of objects: what most questions about an
    /// object need, in 8 bytes a span so that it stays in the caches.
    firsts: Vec<FirstObject>,
    count: u32,
    bytes: u64,
    garbage: u64,
    garbage_bytes: u64,
    distrusted: u64,
    uncounted: u64,
    miscounted: u64,
}

impl Objects {
    /// Finds the slots in use of all spans.
    ///
    /// Slots below `freeindex` and those with their bit set are in use; in a span that is still to be
    /// swept, those that the last cycle did not mark are garbage (`src/runtime/mbitmap.go`,
    /// `src/runtime/mgcsweep.go`). A span whose bits cannot be read is left out and counted.
    #[must_use]
    pub fn read(memory: &dyn Memory, spans: Spans) -> Self {
        let mut objects = Self {
            spans: Vec::with_capacity(spans.list.len()),
            slots: Vec::with_capacity(spans.list.len()),
            words: Vec::new(),
            arenas: Vec::new(),
            pages: Vec::new(),
            quick: Vec::new(),
            shapes: Vec::new(),
            hints: Vec::new(),
            firsts: Vec::new(),
            first_arena: spans.list.first().map_or(0, |s| s.start / ARENA_SIZE),
            count: 0,
            bytes: 0,
            garbage: 0,
            garbage_bytes: 0,
            distrusted: spans.distrusted,
            uncounted: 0,
            miscounted: 0,
        };
        let mut bits = BitReader::default();
        let mut next_bit: u32 = 0;
        for span in spans.list {
            // 2^32 slots are 32 GiB of the smallest objects at least: numbers stay 32 bits wide.
            let Some(end) = next_bit.checked_add(span.slots) else {
                objects.distrusted += 1;
                continue;
            };
            if !bits.read(memory, &span) || !objects.map_pages(&span) {
                objects.distrusted += 1;
                continue;
            }
            objects.add(span, next_bit, &bits);
            next_bit = end;
        }
        let mut before = 0;
        for word in &mut objects.words {
            word.before = before;
            before += word.live.count_ones();
        }
        objects.count = before;
        objects.index_spans();
        objects.index_pages();
        objects
    }

    /// Fills in what [`Objects::locate`] reads.
    fn index_pages(&mut self) {
        let mut numbers = FxHashMap::default();
        self.quick = vec![Page { first_bit: 0, shape: NO_SHAPE, back: 0 }; self.pages.len()];
        for (quick, &number) in self.quick.iter_mut().zip(&self.pages) {
            let (Some(span), Some(s)) = (self.spans.get(number as usize), self.slots.get(number as usize)) else {
                continue;
            };
            // The pages of a large object are too many to count.
            if s.reciprocal == 0 || span.bytes / PAGE_SIZE > u64::from(u16::MAX) {
                continue;
            }
            let shape = SpanShape {
                elem_size: s.elem_size,
                reciprocal: s.reciprocal,
                slots: s.slots,
                noscan: span.pointers == PointerBits::NoScan,
                header: span.pointers == PointerBits::Header,
            };
            let next = u16::try_from(self.shapes.len()).unwrap_or(NO_SHAPE);
            let shape = *numbers.entry(shape).or_insert_with(|| {
                if next != NO_SHAPE {
                    self.shapes.push(shape);
                }
                next
            });
            *quick = Page { first_bit: s.first_bit, shape, back: 0 };
        }
        // The pages of a span lie behind each other, also from one arena to the next.
        let (mut last, mut back) = (NO_SPAN, 0_u16);
        for &block in self.arenas.iter().filter(|b| **b != NO_ARENA) {
            for page in block as usize..block as usize + ARENA_PAGES {
                let number = self.pages.get(page).copied().unwrap_or(NO_SPAN);
                back = if number == last { back.wrapping_add(1) } else { 0 };
                last = number;
                if let Some(quick) = self.quick.get_mut(page) {
                    quick.back = back;
                }
            }
        }
    }

    /// Fills in which objects each span has, and which span has every 64th object.
    fn index_spans(&mut self) {
        let first = |span| FirstObject {
            object: self.first_of_bits(span),
            elem_size: self.slots.get(span).and_then(|s| u32::try_from(s.elem_size).ok()).unwrap_or(0),
        };
        self.firsts = (0..=self.slots.len()).map(first).collect();
        let mut object = 0;
        for (span, end) in (0..).zip(self.firsts.iter().skip(1)) {
            while object < end.object {
                self.hints.push(span);
                object = object.saturating_add(HINT);
            }
        }
    }

    fn first_of_bits(&self, span: usize) -> ObjectId {
        let Some(s) = self.slots.get(span) else { return self.count };
        let Some(word) = self.words.get(s.first_bit as usize / 64) else { return self.count };
        word.before + (word.live & ((1 << (s.first_bit % 64)) - 1)).count_ones()
    }

    fn add(&mut self, span: Span, first_bit: u32, bits: &BitReader) {
        let one = span.slots == 1;
        let reciprocal = if one { 0 } else { u32::MAX / u32::try_from(span.elem_size).unwrap_or(1).max(1) + 1 };
        self.slots.push(Slots {
            start: span.start,
            elem_size: span.elem_size,
            reciprocal,
            slots: span.slots,
            first_bit,
        });
        self.uncounted +=
            u64::from(span.alloc_count.saturating_sub(span.counted)).saturating_mul(span.elem_size).min(span.bytes);
        self.words.resize(((first_bit + span.slots) as usize).div_ceil(64), Word::default());
        let mut free = 0;
        for slot in 0..span.slots {
            match bits.state(slot) {
                SlotState::Free => free += 1,
                SlotState::Garbage => {
                    self.garbage += 1;
                    self.garbage_bytes += span.elem_size;
                }
                SlotState::Live => {
                    let bit = first_bit + slot;
                    if let Some(word) = self.words.get_mut(bit as usize / 64) {
                        word.live |= 1 << (bit % 64);
                    }
                    self.bytes += span.elem_size;
                }
            }
        }
        self.miscounted += u64::from((span.slots - free).abs_diff(u32::from(span.alloc_count)));
        self.spans.push(span);
    }

    /// Enters the span's pages; `false` when it lies too far away from the first arena.
    fn map_pages(&mut self, span: &Span) -> bool {
        let number = u32::try_from(self.spans.len()).unwrap_or(NO_SPAN);
        let last = (span.start + span.bytes - 1) / ARENA_SIZE;
        if last.checked_sub(self.first_arena).is_none_or(|n| n >= MOST_ARENAS) || number == NO_SPAN {
            return false;
        }
        let mut page = span.start / PAGE_SIZE;
        let end = (span.start + span.bytes) / PAGE_SIZE;
        while page < end {
            let arena = (page / ARENA_PAGES as u64 - self.first_arena) as usize;
            if self.arenas.len() <= arena {
                self.arenas.resize(arena + 1, NO_ARENA);
            }
            let Some(block) = self.arenas.get_mut(arena) else { return false };
            if *block == NO_ARENA {
                *block = u32::try_from(self.pages.len()).unwrap_or(NO_ARENA);
                self.pages.resize(self.pages.len() + ARENA_PAGES, NO_SPAN);
            }
            let first = (page % ARENA_PAGES as u64) as usize;
            let n = ARENA_PAGES.min(first + (end - page) as usize) - first;
            let at = *block as usize + first;
            if let Some(entries) = self.pages.get_mut(at..at + n) {
                entries.fill(number);
            }
            page += n as u64;
        }
        true
    }

    /// The object that holds `address`. `None` outside spans, in free slots, in garbage, behind the
    /// last slot.
    #[inline]
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Found> {
        let arena = (address / ARENA_SIZE).wrapping_sub(self.first_arena);
        let block = *self.arenas.get(usize::try_from(arena).ok()?)?;
        // NO_ARENA lies beyond all pages.
        let page = block as usize + (address % ARENA_SIZE / PAGE_SIZE) as usize;
        let span = *self.pages.get(page)?;
        let s = self.slots.get(span as usize)?;
        let distance = address.wrapping_sub(s.start);
        let slot = (distance.wrapping_mul(u64::from(s.reciprocal)) >> 32) as u32;
        if slot >= s.slots {
            return None;
        }
        let bit = s.first_bit + slot;
        let word = self.words.get(bit as usize / 64)?;
        let mask = 1_u64 << (bit % 64);
        if word.live & mask == 0 {
            return None;
        }
        let offset = distance - u64::from(slot) * s.elem_size;
        let object = word.before + (word.live & (mask - 1)).count_ones();
        (offset < s.elem_size).then_some(Found { object, span, slot, offset })
    }

    /// The object that holds `address`, as [`Objects::find`] finds it.
    #[inline]
    #[must_use]
    pub fn locate(&self, address: u64) -> Option<Located> {
        self.locate_slot(self.slot(address)?)
    }

    /// The slot in which `address` lies, in use or not. `None` outside spans and behind the last slot. Asks for the
    /// memory that [`Objects::locate_slot`] reads.
    #[inline]
    #[must_use]
    pub fn slot(&self, address: u64) -> Option<Slot> {
        let arena = (address / ARENA_SIZE).wrapping_sub(self.first_arena);
        let block = *self.arenas.get(usize::try_from(arena).ok()?)?;
        let page = block as usize + (address % ARENA_SIZE / PAGE_SIZE) as usize;
        let Page { first_bit, shape, back } = *self.quick.get(page)?;
        let Some(s) = self.shapes.get(usize::from(shape)) else {
            let belongs = self.pages.get(page).is_some_and(|&span| span != NO_SPAN);
            return belongs.then_some(Slot { bit: 0, shape: NO_SHAPE, place: address });
        };
        let distance = u64::from(back) * PAGE_SIZE + address % PAGE_SIZE;
        let slot = (distance.wrapping_mul(u64::from(s.reciprocal)) >> 32) as u32;
        if slot >= s.slots {
            return None;
        }
        let bit = first_bit + slot;
        prefetch_index(&self.words, bit as usize / 64);
        Some(Slot { bit, shape, place: distance - u64::from(slot) * s.elem_size })
    }

    /// The object in a slot, if it is in use.
    #[inline]
    #[must_use]
    pub fn locate_slot(&self, slot: Slot) -> Option<Located> {
        let Slot { bit, shape, place: offset } = slot;
        let Some(s) = self.shapes.get(usize::from(shape)) else { return self.locate_by_span(offset) };
        let word = self.words.get(bit as usize / 64)?;
        let mask = 1_u64 << (bit % 64);
        if word.live & mask == 0 {
            return None;
        }
        let object = word.before + (word.live & (mask - 1)).count_ones();
        let SpanShape { elem_size, noscan, header, .. } = *s;
        (offset < elem_size).then_some(Located { object, offset, elem_size, noscan, header })
    }

    #[cold]
    fn locate_by_span(&self, address: u64) -> Option<Located> {
        self.located(self.find(address)?)
    }

    /// What [`Objects::locate`] tells of an object that was found.
    #[must_use]
    pub fn located(&self, found: Found) -> Option<Located> {
        let span = self.spans.get(found.span as usize)?;
        Some(Located {
            object: found.object,
            offset: found.offset,
            elem_size: span.elem_size,
            noscan: span.pointers == PointerBits::NoScan,
            header: span.pointers == PointerBits::Header,
        })
    }

    /// Index of the span in which an object lies.
    #[inline]
    #[must_use]
    pub fn span_of(&self, object: ObjectId) -> Option<u32> {
        let hint = *self.hints.get((object / HINT) as usize)?;
        let later = self.firsts.get(hint as usize + 1..)?;
        let span = hint + later.iter().take_while(|first| first.object <= object).count() as u32;
        (object < self.count).then_some(span)
    }

    /// Where an object lies: its span, its slot.
    #[must_use]
    pub fn place(&self, object: ObjectId) -> Option<(u32, u32)> {
        let span = self.span_of(object)?;
        let s = self.slots.get(span as usize)?;
        let mut at = s.first_bit as usize / 64;
        while self.words.get(at + 1).is_some_and(|w| w.before <= object) {
            at += 1;
        }
        let word = self.words.get(at)?;
        let bit = (at as u32) * 64 + nth_one(word.live, object - word.before)?;
        Some((span, bit.checked_sub(s.first_bit)?))
    }

    /// First address of an object's slot.
    #[must_use]
    pub fn address(&self, object: ObjectId) -> Option<u64> {
        let (span, slot) = self.place(object)?;
        let s = self.slots.get(span as usize)?;
        Some(s.start + u64::from(slot) * s.elem_size)
    }

    /// Bytes of an object's slot: what it costs, not what was asked for.
    #[must_use]
    pub fn size(&self, object: ObjectId) -> Option<u64> {
        let span = self.span_of(object)? as usize;
        match self.firsts.get(span)?.elem_size {
            0 => Some(self.slots.get(span)?.elem_size),
            size => Some(u64::from(size)),
        }
    }

    /// The spans, by address.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Objects of one span, by address: number and slot.
    pub fn of_span(&self, span: u32) -> impl Iterator<Item = (ObjectId, u32)> {
        let s = self.slots.get(span as usize).copied();
        let (first, end) = s.map_or((0, 0), |s| (s.first_bit, s.first_bit + s.slots));
        let words = &self.words;
        (first / 64..end.div_ceil(64)).flat_map(move |w| {
            let word = words.get(w as usize).copied().unwrap_or_default();
            let mut live = word.live;
            if w == first / 64 {
                live &= u64::MAX << (first % 64);
            }
            if w == end / 64 {
                live &= (1 << (end % 64)) - 1;
            }
            let skipped = (word.live ^ live) & (live.wrapping_sub(1) & !live);
            let before = word.before + skipped.count_ones();
            ones(live).enumerate().map(move |(i, bit)| (before + i as u32, w * 64 + bit - first))
        })
    }

    /// Number of the first object of a span; the objects of a span follow each other.
    #[must_use]
    pub fn first_of_span(&self, span: u32) -> ObjectId {
        self.firsts.get(span as usize).map_or(self.count, |first| first.object)
    }

    /// Number of objects.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of their slots: `MemStats.HeapAlloc` counts the same, with garbage that is not yet swept.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Objects that the last cycle found dead and that are not yet swept: number and bytes.
    #[must_use]
    pub const fn garbage(&self) -> (u64, u64) {
        (self.garbage, self.garbage_bytes)
    }

    /// Bytes of slots in use that the runtime's totals do not have yet: they were handed out of spans in the
    /// caches of Ps.
    #[must_use]
    pub const fn uncounted_bytes(&self) -> u64 {
        self.uncounted
    }

    /// Slots in use, garbage included, that a span's own count has too many or too few: 0, but for those
    /// handed out or swept at this instant.
    #[must_use]
    pub const fn miscounted(&self) -> u64 {
        self.miscounted
    }

    /// Spans that were left out because their fields contradict each other or could not be read.
    #[must_use]
    pub const fn distrusted_spans(&self) -> u64 {
        self.distrusted
    }
}

/// Place of the `n`th bit that is set, from 0.
fn nth_one(mut bits: u64, mut n: u32) -> Option<u32> {
    if bits == u64::MAX {
        return (n < 64).then_some(n);
    }
    let mut at = 0;
    for width in [32, 16, 8, 4] {
        let low = (bits & ((1 << width) - 1)).count_ones();
        if n >= low {
            n -= low;
            bits >>= width;
            at += width;
        }
    }
    for _ in 0..n {
        bits &= bits.checked_sub(1)?;
    }
    (bits != 0).then(|| at + bits.trailing_zeros())
}

fn ones(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::{nth_one, ones};

    #[test]
    fn the_nth_bit_is_the_nth() {
        for bits in [0, 1, 1 << 63, u64::MAX, u64::MAX - 1, 0x8000_0001_8000_0001, 0xf0f0_1248_0000_ffff] {
            let places: Vec<u32> = ones(bits).collect();
            for n in 0..70 {
                assert_eq!(nth_one(bits, n), places.get(n as usize).copied(), "{bits:#x} {n}");
            }
        }
    }
}
