//! The spans of the heap (`runtime.mspan`, `src/runtime/mheap.go`): which runs of pages hold objects
//! of which size, which slots are in use, where the pointers in them are told. A span is trusted
//! only when its fields agree; those that do not are counted, not guessed at.

use crate::bytes::Fields;
use crate::{HeapAnchor, RuntimeError};
use gobinary::Memory;
use gobinary::layout::{Layout, PAGE_SIZE};

/// `mSpanInUse`: the span holds heap objects.
const STATE_IN_USE: u8 = 1;
/// `mSpanManual`: stacks and other memory that the runtime manages by hand.
const STATE_MANUAL: u8 = 2;
/// Largest object of a span with pointer bits at its end (`MinSizeForMallocHeader`, `src/internal/runtime/gc`).
const INLINE_BITS_MOST: u64 = 512;
/// Largest object of a span with several (`MaxSmallSize`, `src/internal/runtime/gc/sizeclasses.go`).
const SMALL_MOST: u64 = 32 << 10;
/// Bytes of the mark bits inside a span of one page (`spanInlineMarkBits`).
const INLINE_MARKS: u64 = 128;

/// Where the pointers of a span's objects are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerBits {
    /// The objects hold none.
    NoScan,
    /// One bit per word in the span's last bytes, at this address (1.22 and newer, objects up to 512 bytes).
    Span(u64),
    /// The first word of each slot is its type (1.22 and newer, larger objects).
    Header,
    /// The span's only object has this type; 0 while it is being made (1.22 and newer).
    Large(u64),
    /// In the arena's bitmap (up to 1.21).
    Arena,
}

/// What the sweeper has done with a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Swept: what is allocated is what counts.
    Done,
    /// Not swept since the last cycle: allocated slots that it did not mark are garbage.
    Pending,
}

/// A span with heap objects.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Address of the `mspan`.
    pub address: u64,
    /// Address of the first slot.
    pub start: u64,
    /// Length in bytes, with what is not used for slots.
    pub bytes: u64,
    /// Bytes of one slot.
    pub elem_size: u64,
    /// Number of slots.
    pub slots: u32,
    /// Span class: size class and, in the lowest bit, whether its objects are free of pointers.
    pub class: u8,
    /// Whether sweeping is still to come.
    pub sweep: Sweep,
    /// Where the pointers are told.
    pub pointers: PointerBits,
    /// Slots below this index are in use, whatever the bits say.
    pub free_index: u32,
    /// Address of the bits of slots in use.
    pub alloc_bits: u64,
    /// Address of the mark bits of the last finished cycle.
    pub mark_bits: u64,
    /// Address of the first special record; 0 for none.
    pub specials: u64,
    /// Whether it is a chunk of a user arena (`GOEXPERIMENT=arenas`).
    pub user_arena: bool,
    /// Slots in use as the runtime counts them (`allocCount`).
    pub alloc_count: u16,
    /// Of them, those that the runtime's totals have: a span in the cache of a P is counted when it leaves that.
    pub counted: u16,
}

/// All spans, and what was not believed.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    /// Spans with heap objects, by address, without overlaps.
    pub list: Vec<Span>,
    /// Bytes of spans that the runtime manages by hand, stacks above all.
    pub manual_bytes: u64,
    /// Spans whose fields contradict each other or could not be read.
    pub distrusted: u64,
}

impl Spans {
    /// Reads all spans.
    ///
    /// # Errors
    /// When the list of spans cannot be read at all. Single spans that cannot are counted.
    pub fn read(memory: &dyn Memory, layout: &Layout, heap: &HeapAnchor) -> Result<Self, RuntimeError> {
        let mut found = Self::default();
        let size = layout.mspan.size as usize;
        let mut copy = vec![0_u8; size];
        let mut list = [0_u8; 8192];
        let (address, count) = heap.allspans;
        let mut done = 0;
        while done < count {
            let n = (count - done).min(list.len() as u64 / 8);
            let block = list.get_mut(..8 * usize::try_from(n).unwrap_or(0)).unwrap_or_default();
            let at = address.saturating_add(8 * done);
            if let Err(e) = memory.read(at, block) {
                if done == 0 {
                    return Err(RuntimeError::reading("mheap_.allspans")(e));
                }
                found.distrusted += count - done;
                break;
            }
            for word in block.chunks_exact(8) {
                let span = u64::from_le_bytes(word.try_into().unwrap_or_default());
                if memory.read(span, &mut copy).is_err() {
                    found.distrusted += 1;
                    continue;
                }
                found.add(layout, heap, span, Fields(&copy));
            }
            done += n;
        }
        found.drop_overlaps();
        Ok(found)
    }

    fn add(&mut self, layout: &Layout, heap: &HeapAnchor, address: u64, f: Fields<'_>) {
        let m = &layout.mspan;
        let bytes = f.u64(m.npages).checked_mul(PAGE_SIZE);
        match f.u8(m.state) {
            STATE_IN_USE => match parse(layout, heap, address, f) {
                Some(span) => self.list.push(span),
                None => self.distrusted += 1,
            },
            STATE_MANUAL => self.manual_bytes = self.manual_bytes.saturating_add(bytes.unwrap_or(0)),
            _ => {}
        }
    }

    fn drop_overlaps(&mut self) {
        self.list.sort_unstable_by_key(|s| s.start);
        let mut end = 0;
        let before = self.list.len();
        self.list.retain(|s| {
            let good = s.start >= end;
            if good {
                end = s.start + s.bytes;
            }
            good
        });
        self.distrusted += (before - self.list.len()) as u64;
    }
}

fn parse(layout: &Layout, heap: &HeapAnchor, address: u64, f: Fields<'_>) -> Option<Span> {
    let m = &layout.mspan;
    let (start, pages) = (f.u64(m.start_addr), f.u64(m.npages));
    let bytes = pages.checked_mul(PAGE_SIZE).filter(|&b| b > 0 && b < 1 << 46)?;
    let end = start.checked_add(bytes).filter(|&e| start % PAGE_SIZE == 0 && e < 1 << 62)?;
    if !in_arenas(heap, start, end) {
        return None;
    }
    let elem_size = f.u64(m.elemsize);
    let class = f.u8(m.spanclass);
    let slots = f.field(m.nelems);
    let noscan = class & 1 != 0;
    let user_arena = m.is_user_arena_chunk.is_some_and(|o| f.u8(o) != 0);
    let one_object = class >> 1 == 0;
    let reserve = reserved(layout, bytes, elem_size, noscan, one_object);
    let fits = if one_object {
        slots == 1 && elem_size <= bytes && elem_size > 0
    } else if elem_size == 0 || !elem_size.is_multiple_of(8) || elem_size > SMALL_MOST || slots == 0 {
        false
    } else {
        // The release's own arithmetic; an unknown toolchain may reserve differently.
        let room = bytes.checked_sub(reserve)?.checked_div(elem_size)?;
        slots == room || (layout.assumed && slots > 0 && slots <= bytes.checked_div(elem_size)?)
    };
    let free_index = f.field(m.freeindex);
    if !fits || free_index > slots {
        return None;
    }
    let inline_marks = has_inline_marks(layout, elem_size, one_object);
    let pointers = if noscan {
        PointerBits::NoScan
    } else if !layout.malloc_headers {
        PointerBits::Arena
    } else if one_object {
        PointerBits::Large(m.large_type.map_or(0, |o| f.u64(o)))
    } else if elem_size <= INLINE_BITS_MOST {
        PointerBits::Span(end.checked_sub(reserve)?)
    } else {
        PointerBits::Header
    };
    let distance = f.u32(m.sweepgen).wrapping_sub(heap.sweepgen);
    // sweepgen-2: needs sweeping; -1: is being swept; +1: was cached before the sweep began.
    let sweep = if matches!(distance, 0xffff_fffe | 0xffff_ffff | 1) { Sweep::Pending } else { Sweep::Done };
    // +3: cached and swept.
    let cached = matches!(distance, 1 | 3);
    let alloc_count = f.u16(m.alloc_count);
    let marks =
        layout.span_inline_mark_bits.filter(|_| inline_marks).map(|l| (end - INLINE_MARKS) + u64::from(l.marks));
    Some(Span {
        address,
        start,
        bytes,
        elem_size,
        slots: u32::try_from(slots).ok()?,
        class,
        sweep,
        pointers,
        free_index: u32::try_from(free_index).ok()?,
        alloc_bits: f.u64(m.alloc_bits),
        mark_bits: marks.unwrap_or_else(|| f.u64(m.gcmark_bits)),
        specials: f.u64(m.specials),
        user_arena,
        alloc_count,
        counted: if cached { f.u16(m.alloc_count_before_cache) } else { alloc_count },
    })
}

/// Bytes at the end of a span that are not slots: pointer bits and mark bits.
fn reserved(layout: &Layout, bytes: u64, elem_size: u64, noscan: bool, one_object: bool) -> u64 {
    let bits = layout.malloc_headers && !noscan && !one_object && elem_size <= INLINE_BITS_MOST;
    let marks = has_inline_marks(layout, elem_size, one_object);
    (if bits { bytes / 64 } else { 0 }) + (if marks { INLINE_MARKS } else { 0 })
}

/// Whether a span of the Green Tea collector keeps its marks in itself (`gcUsesSpanInlineMarkBits`).
fn has_inline_marks(layout: &Layout, elem_size: u64, one_object: bool) -> bool {
    layout.green_tea && !one_object && (16..=INLINE_BITS_MOST).contains(&elem_size)
}

/// Whether the range lies in heap arenas from end to end.
fn in_arenas(heap: &HeapAnchor, start: u64, end: u64) -> bool {
    let arena = gobinary::layout::ARENA_SIZE;
    let mut at = start;
    let mut i = heap.arenas.partition_point(|a| a.0.saturating_add(arena) <= start);
    while at < end {
        match heap.arenas.get(i) {
            Some(&(first, _)) if first <= at => at = first.saturating_add(arena),
            _ => return false,
        }
        i += 1;
    }
    true
}
