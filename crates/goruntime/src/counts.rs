//! What the runtime itself counts of its heap (`runtime.gcController`, `src/runtime/mgcpacer.go`): found in the
//! program's data by what it must hold, so that what was read of spans and objects can be held against it.

use crate::bytes::Fields;
use crate::{HeapAnchor, data};
use gobinary::Memory;
use gobinary::layout::{Layout, PAGE_SIZE};
use std::ops::Range;

/// `defaultHeapMinimum`: the least heap goal at GOGC=100.
const HEAP_MINIMUM: u64 = 4 << 20;
/// More bytes than any heap has: the arenas' address space.
const MOST_BYTES: u64 = 1 << 48;

/// The runtime's own numbers, in bytes. Without a lock each is right by itself; between two of them an
/// allocation may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeCounts {
    /// Address of `runtime.gcController`.
    pub address: u64,
    /// GOGC; -1 when it is off.
    pub gc_percent: i32,
    /// GOMEMLIMIT; `i64::MAX` without one.
    pub memory_limit: u64,
    /// Spans with objects (`heapInUse`).
    pub in_use: u64,
    /// Objects allocated and not yet swept away (`totalAlloc - totalFree`). What Ps handed out of the spans
    /// in their caches is missing: [`crate::Objects::uncounted_bytes`].
    pub allocated: u64,
    /// What the last cycle marked (`heapMarked`).
    pub marked: u64,
}

impl RuntimeCounts {
    /// Looks for `gcController` in the program's data: besides what its own fields must be, it has as much in
    /// use as `mheap_.pagesInUse` says, but for the span that is being made at this instant.
    #[must_use]
    pub fn search(memory: &dyn Memory, layout: &Layout, heap: &HeapAnchor, range: Range<u64>) -> Option<Self> {
        let size = layout.gc_controller.size as usize;
        let pages = memory.u64(heap.mheap.checked_add(u64::from(layout.mheap.pages_in_use))?).ok()?;
        let in_use = pages.checked_mul(PAGE_SIZE)?;
        let mut best: Option<Self> = None;
        data::search(memory, &range, size, |at, block| {
            for i in 0..block.len().saturating_sub(size) / 8 {
                let found = block.get(8 * i..).and_then(|b| parse(layout, at + 8 * i as u64, b));
                let off = |c: &Self| c.in_use.abs_diff(in_use);
                if let Some(found) = found.filter(|f| best.is_none_or(|b| off(f) < off(&b))) {
                    best = Some(found);
                }
            }
            None::<()>
        });
        best.filter(|b| b.in_use.abs_diff(in_use) <= in_use / 8)
    }
}

fn parse(layout: &Layout, address: u64, bytes: &[u8]) -> Option<RuntimeCounts> {
    let c = &layout.gc_controller;
    let f = Fields(bytes);
    let gc_percent = f.u32(c.gc_percent).cast_signed();
    // As `setGCPercent` computes it, with its overflow when GOGC is off.
    let minimum = HEAP_MINIMUM.wrapping_mul(i64::from(gc_percent).cast_unsigned()) / 100;
    if gc_percent < -1 || f.u64(c.heap_minimum) != minimum {
        return None;
    }
    let (in_use, ready) = (f.u64(c.heap_in_use), f.u64(c.mapped_ready));
    let (total, freed) = (f.u64(c.total_alloc), f.u64(c.total_free));
    let memory_limit = f.u64(c.memory_limit);
    let allocated = total.checked_sub(freed)?;
    let fits = in_use > 0
        && in_use.is_multiple_of(PAGE_SIZE)
        && in_use <= ready
        && ready < MOST_BYTES
        && allocated > 0
        && allocated <= in_use
        && [c.heap_released, c.heap_free].iter().all(|&o| f.u64(o) < MOST_BYTES)
        && i64::try_from(memory_limit).is_ok()
        && memory_limit > 0;
    fits.then_some(RuntimeCounts { address, gc_percent, memory_limit, in_use, allocated, marked: f.u64(c.heap_marked) })
}
