//! What the runtime keeps of finished collections: how many, how long the world stood still in each, and how long the
//! last one took. Owns finding the two places by what they must hold, once a first collection has given them
//! something to hold; refuses numbers of a collection that is still running.
//!
//! Sources: `memstats` (`src/runtime/mstats.go`), `work.tSweepTerm` to `work.tEnd` (`src/runtime/mgc.go`, one line of
//! four words in every release), both written by `gcMarkTermination`. Go 1.19 to 1.27.

use crate::bytes::Fields;
use crate::data;
use gobinary::Memory;
use gobinary::layout::Layout;
use std::ops::Range;

/// Pauses the runtime remembers (`len(memstats.pause_ns)`).
const RING: u32 = 256;
/// Bytes from `memstats.last_gc_unix` to the end of `last_gc_nanotime`: the two rings and six numbers.
const MOST: usize = 4 << 10 | 256;
/// Earlier than any collection: nanoseconds of September 2001.
const EARLIEST_UNIX_NS: u64 = 1_000_000_000_000_000_000;
/// Longer than any collection.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Where they are. Holds for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CollectionAnchors {
    /// `runtime.memstats`.
    memstats: u64,
    /// `runtime.work.tSweepTerm`, the first of four instants.
    pub(crate) clock: Option<u64>,
}

/// Finished collections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collections {
    /// How many, modulo 2^32 (`memstats.numgc`).
    pub count: u32,
    /// All pauses since the start, nanoseconds (`memstats.pause_total_ns`).
    pub pause_total_ns: u64,
    /// The longest time the world stood still in one of the collections since the count that was asked for, both of its
    /// pauses together, nanoseconds: of the latest 256 at most. Zero without one.
    pub longest_pause_ns: u64,
    /// Wall time of the last one, nanoseconds; `None` while the next one runs.
    pub wall_ns: Option<u64>,
}

impl CollectionAnchors {
    /// Looks for them in the program's data; `cycles` is what the sweeper has counted.
    pub(crate) fn search(memory: &dyn Memory, layout: &Layout, range: &Range<u64>, cycles: u32) -> Option<Self> {
        let m = &layout.mstats;
        let size = m.size as usize;
        let found = data::search(memory, range, size, |at, block| {
            // The last place too: the linker puts the largest variables at the end.
            (0..=block.len().saturating_sub(size) / 8).find_map(|i| {
                let f = Fields(block.get(8 * i..)?);
                let count = f.u32(m.numgc);
                // Cheap and rarely true, so asked first.
                let near = count > 0 && count.abs_diff(cycles) <= 1;
                (near && holds(layout, f)).then(|| (at + 8 * i as u64, f.u64(m.last_gc_nanotime)))
            })
        });
        let (memstats, ended) = found?;
        Some(Self { memstats, clock: find_clock(memory, range, ended) })
    }

    /// The numbers; of pauses those after collection number `since`. Two reads.
    pub(crate) fn read(&self, memory: &dyn Memory, layout: &Layout, since: Option<u32>) -> Option<Collections> {
        let m = &layout.mstats;
        let from = m.last_gc_unix;
        let mut buf = [0_u8; MOST];
        let len = m.last_gc_nanotime.checked_add(8)?.checked_sub(from)?;
        let copy = buf.get_mut(..len as usize)?;
        memory.read(self.memstats.checked_add(u64::from(from))?, copy).ok()?;
        let f = Fields(copy);
        let count = f.u32(m.numgc.checked_sub(from)?);
        let new = since.map_or(0, |s| count.wrapping_sub(s)).min(RING);
        let ring = m.pause_ns.checked_sub(from)?;
        let longest = (1..=new).map(|back| f.u64(ring + 8 * (count.wrapping_sub(back) % RING))).max();
        Some(Collections {
            count,
            pause_total_ns: f.u64(m.pause_total_ns.checked_sub(from)?),
            longest_pause_ns: longest.unwrap_or(0),
            wall_ns: self.clock.and_then(|at| {
                let mut words = [0_u8; 32];
                memory.read(at, &mut words).ok()?;
                wall(Fields(&words))
            }),
        })
    }
}

/// Whether a copy is `memstats` after a collection: the ring's newest end is the end of the last collection, and as long
/// as all pauses are in the ring they add up to their sum.
fn holds(layout: &Layout, f: Fields<'_>) -> bool {
    let m = &layout.mstats;
    let count = f.u32(m.numgc);
    let newest = 8 * (count.wrapping_sub(1) % RING);
    let (ended, total) = (f.u64(m.last_gc_unix), f.u64(m.pause_total_ns));
    let kept = (0..count.min(RING)).fold(0_u64, |sum, i| sum.saturating_add(f.u64(m.pause_ns + 8 * i)));
    ended > EARLIEST_UNIX_NS
        && ended == f.u64(m.pause_end + newest)
        && f.u32(m.numforcedgc) <= count
        && f.u64(m.last_gc_nanotime) > 0
        && if count <= RING { kept == total } else { kept <= total }
}

/// The four instants of a finished collection, the last of which is the end that `memstats` knows too.
fn find_clock(memory: &dyn Memory, range: &Range<u64>, ended: u64) -> Option<u64> {
    data::search(memory, range, 24, |at, block| {
        let words = Fields(block);
        (0..=block.len().saturating_sub(32) / 8).find_map(|i| {
            let first = 8 * i as u32;
            if words.u64(first + 24) != ended {
                return None;
            }
            let four = Fields(block.get(8 * i..)?);
            (four.u64(0) > 0 && wall(four)?.checked_sub(1)? < LONGEST_NS).then_some(at + u64::from(first))
        })
    })
}

/// Wall time from the first to the last of four instants; `None` when they are not in order: a collection runs.
fn wall(four: Fields<'_>) -> Option<u64> {
    let at = [0, 8, 16, 24].map(|o| four.u64(o));
    if !at.is_sorted() {
        return None;
    }
    at[3].checked_sub(at[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_collection_has_no_wall_time() {
        let words = |at: [u64; 4]| at.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(wall(Fields(&words([10, 12, 40, 41]))), Some(31));
        // The next one has begun: its sweep termination is later than the end of the last.
        assert_eq!(wall(Fields(&words([50, 12, 40, 41]))), None);
        assert_eq!(wall(Fields(&words([50, 52, 40, 41]))), None);
    }
}
