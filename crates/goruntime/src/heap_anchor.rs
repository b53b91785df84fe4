//! Where `runtime.mheap_` is. Stripped programs do not say; the structure is looked for by what it
//! must hold: a map of heap arenas whose arenas hold spans that lie in them.

use crate::RuntimeError;
use crate::bytes::Fields;
use crate::data;
use gobinary::Memory;
use gobinary::layout::{ARENA_COUNT, ARENA_SIZE, Layout};
use std::ops::Range;

/// Pages of an arena.
const ARENA_PAGES: usize = 8192;
/// Spans of one arena that are looked at before a candidate is believed.
const ENOUGH_SPANS: usize = 64;

/// The heap's root structure, found and checked.
#[derive(Clone, Debug)]
pub struct HeapAnchor {
    /// Address of `runtime.mheap_`.
    pub mheap: u64,
    /// Sweep generation: what `mspan.sweepgen` is compared with.
    pub sweepgen: u32,
    /// `mheap_.allspans`: address and number of pointers to spans.
    pub allspans: (u64, u64),
    /// Start address of each heap arena, and address of its `heapArena`; sorted, without repetition.
    pub arenas: Vec<(u64, u64)>,
}

impl HeapAnchor {
    /// Reads `mheap_` at a known address.
    ///
    /// # Errors
    /// When what is there is no heap.
    pub fn at(memory: &dyn Memory, layout: &Layout, mheap: u64) -> Result<Self, RuntimeError> {
        read(memory, layout, mheap).ok_or(RuntimeError::Damaged {
            what: "runtime.mheap_",
            address: mheap,
            expected: "arenas with spans that lie in them",
        })
    }

    /// Looks for `mheap_` in `range`: `[moduledata.noptrdata, moduledata.enoptrbss)` as a rule.
    ///
    /// # Errors
    /// [`RuntimeError::NotFound`].
    pub fn search(memory: &dyn Memory, layout: &Layout, range: Range<u64>) -> Result<Self, RuntimeError> {
        let arenas = u64::from(layout.mheap.arenas);
        let top = layout.arch.user_space_end();
        let found = data::search(memory, &range, 0, |at, block| {
            block.chunks_exact(8).enumerate().find_map(|(i, word)| {
                let value = u64::from_le_bytes(word.try_into().unwrap_or_default());
                // The second level of the arena map has 32 MiB of its own pages.
                if value == 0 || value & 0xfff != 0 || value >= top {
                    return None;
                }
                let place = at + 8 * i as u64;
                read(memory, layout, place.checked_sub(arenas)?)
            })
        });
        found.ok_or_else(|| RuntimeError::NotFound {
            what: "runtime.mheap_",
            looked: format!(
                "no structure with a map of heap arenas in the program's data, {:#x} to {:#x}",
                range.start,
                data::end_of(&range)
            ),
        })
    }
}

fn read(memory: &dyn Memory, layout: &Layout, mheap: u64) -> Option<HeapAnchor> {
    let m = &layout.mheap;
    let word = |offset: u32| memory.u64(mheap.checked_add(u64::from(offset))?).ok();
    let map = word(m.arenas)?;
    let (list, len, cap) = (word(m.heap_arenas)?, word(m.heap_arenas + 8)?, word(m.heap_arenas + 16)?);
    if len == 0 || len > cap || cap > ARENA_COUNT || list % 4 != 0 || list == 0 {
        return None;
    }
    let (spans, count, room) = (word(m.allspans)?, word(m.allspans + 8)?, word(m.allspans + 16)?);
    if spans == 0 || spans % 8 != 0 || count == 0 || count > room || room > 1 << 36 {
        return None;
    }
    let arenas = read_arenas(memory, layout, map, list, usize::try_from(len).ok()?)?;
    let sweepgen = u32::try_from(word(m.sweepgen)? & 0xffff_ffff).ok()?;
    arenas.iter().any(|&(start, arena)| has_spans(memory, layout, start, arena)).then_some(HeapAnchor {
        mheap,
        sweepgen,
        allspans: (spans, count),
        arenas,
    })
}

/// The arenas of the list (`[]arenaIdx`, words) by way of the map.
fn read_arenas(memory: &dyn Memory, layout: &Layout, map: u64, list: u64, len: usize) -> Option<Vec<(u64, u64)>> {
    let mut indexes = Vec::new();
    let mut buf = [0_u8; 4096];
    let mut done = 0;
    while done < len {
        let n = (len - done).min(buf.len() / 8);
        let block = buf.get_mut(..8 * n)?;
        memory.read(list.checked_add(8 * done as u64)?, block).ok()?;
        indexes.extend(block.chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().unwrap_or_default())));
        done += n;
    }
    indexes.sort_unstable();
    indexes.dedup();
    if indexes.last().is_some_and(|&i| i >= ARENA_COUNT) {
        return None;
    }
    let mut arenas = Vec::with_capacity(indexes.len());
    for index in indexes {
        let start = index.wrapping_mul(ARENA_SIZE).wrapping_add(layout.arch.arena_base());
        match memory.u64(map.checked_add(8 * index)?) {
            Ok(arena) if arena != 0 && arena % 8 == 0 => arenas.push((start, arena)),
            // The runtime puts an arena on the list after it is in the map.
            _ => return None,
        }
    }
    arenas.sort_unstable();
    Some(arenas)
}

/// Whether the arena's page table holds spans that start in the arena or before it.
fn has_spans(memory: &dyn Memory, layout: &Layout, start: u64, arena: u64) -> bool {
    let mut scratch = Vec::new();
    let Some(table) = arena.checked_add(u64::from(layout.heap_arena.spans)) else { return false };
    let Ok(table) = memory.view(table, 8 * ARENA_PAGES, &mut scratch) else { return false };
    let (mut good, mut bad) = (0, 0);
    let mut last = 0;
    for page in 0..ARENA_PAGES {
        let span = Fields(table).u64(8 * page as u32);
        if span == 0 || span == last {
            continue;
        }
        last = span;
        let first = span.checked_add(u64::from(layout.mspan.start_addr)).and_then(|a| memory.u64(a).ok());
        // A span may begin in an arena below, never above its page.
        let fits = first.is_some_and(|f| f % 8192 == 0 && f <= start + 8192 * page as u64 && f != 0);
        if fits {
            good += 1;
        } else {
            bad += 1;
        }
        if good + bad >= ENOUGH_SPANS {
            break;
        }
    }
    good > bad
}
