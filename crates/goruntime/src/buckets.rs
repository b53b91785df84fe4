//! The runtime's own heap profile, read from its memory (`runtime.mbuckets`, `src/runtime/mprof.go`):
//! what `/debug/pprof/heap` would say, for programs that never offered it.

use crate::bytes::Fields;
use crate::data;
use gobinary::Memory;
use gobinary::layout::Layout;
use std::ops::Range;

/// `memProfile`: the bucket counts heap objects.
const HEAP: u64 = 1;
/// Deepest stack a bucket may have (`maxProfStackDepth`, 1.23 and newer; 32 before).
const MOST_FRAMES: u64 = 1024;
/// Most buckets that are followed.
const MOST_BUCKETS: usize = 20_000_000;
/// Most frames that the stacks of all buckets may have together: 1 GiB; of a million buckets some 300 MiB.
const MOST_STACKS: usize = 1 << 27;

/// Samples of one allocation stack and object size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its address: special records of sampled objects point to it.
    pub address: u64,
    /// Bytes of each object.
    pub object_size: u64,
    /// Objects sampled when they were allocated, and those of them that were freed since.
    pub allocs: u64,
    /// See `allocs`.
    pub frees: u64,
    /// Where its return addresses stand in [`Buckets::frames`]: first, number.
    frames: (u32, u32),
}

/// All buckets of a program's heap profile, as of the last finished collection.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    list: Vec<Bucket>,
    frames: Vec<u64>,
    /// The chain ended in what is no bucket.
    pub cut: bool,
    /// No collection has published counts yet: those of all cycles are given, and what was freed is not
    /// known.
    pub unpublished: bool,
    /// Address of `runtime.mbuckets`, where it was searched for and found.
    pub head_at: Option<u64>,
}

/// Times a chain is read again while a collection publishes its counts.
const MOST_READS: u32 = 16;

impl Buckets {
    /// Looks for `runtime.mbuckets` in the program's data and follows it. No bucket at all is no
    /// error: nothing was sampled, or the program was linked without the profiler.
    #[must_use]
    pub fn search(memory: &dyn Memory, layout: &Layout, range: Range<u64>) -> Self {
        let mut best = Self::default();
        let mut tried = Vec::new();
        let end = data::end_of(&range);
        let top = layout.arch.user_space_end();
        data::search(memory, &range, 0, |at, block| {
            for (i, word) in block.chunks_exact(8).enumerate() {
                let head = u64::from_le_bytes(word.try_into().unwrap_or_default());
                // Buckets lie in memory of the runtime's own, aligned to words, never in the program's data.
                let outside = head >= end || head < range.start;
                if !(1 << 16..top).contains(&head) || head % 8 != 0 || !outside || tried.contains(&head) {
                    continue;
                }
                if header(memory, layout, head).is_some() && tried.len() < 1024 {
                    tried.push(head);
                    let found = Self::follow(memory, layout, head);
                    // Every bucket's chain is a tail of the whole: the longest starts at the head.
                    if found.list.len() > best.list.len() {
                        best = Self { head_at: Some(at + 8 * i as u64), ..found };
                    }
                }
            }
            None::<()>
        });
        best
    }

    /// As [`Buckets::search`], of a program that runs on: the chain is read until two readings in a row
    /// agree, so that no counts are half of one collection and half of the next. Whether they ever did.
    #[must_use]
    pub fn search_running(memory: &dyn Memory, layout: &Layout, range: Range<u64>) -> (Self, bool) {
        let mut last = Self::search(memory, layout, range);
        let Some(head_at) = last.head_at else { return (last, true) };
        for _ in 0..MOST_READS {
            let Ok(head) = memory.u64(head_at) else { break };
            let next = Self { head_at: Some(head_at), ..Self::follow(memory, layout, head) };
            if next.extends(&last) {
                return (next, true);
            }
            last = next;
        }
        (last, false)
    }

    /// Whether `self` is `older` with new buckets in front, which have no published counts yet.
    fn extends(&self, older: &Self) -> bool {
        let Some(new) = self.list.len().checked_sub(older.list.len()) else { return false };
        let same = |(a, b): (&Bucket, &Bucket)| (a.address, a.allocs, a.frees) == (b.address, b.allocs, b.frees);
        let tail = self.list.get(new..).unwrap_or_default();
        // Counts that no collection has published move all the time.
        !self.cut
            && !older.cut
            && self.unpublished == older.unpublished
            && (self.unpublished || tail.iter().zip(&older.list).all(same))
    }

    /// Follows the chain from the newest bucket.
    #[must_use]
    pub fn follow(memory: &dyn Memory, layout: &Layout, head: u64) -> Self {
        let mut found = Self::default();
        let mut at = head;
        let mut frames = Vec::new();
        let mut record = vec![0; layout.mem_record.size as usize];
        // Counts of cycles that no collection has published yet.
        let mut pending = Vec::new();
        // The bucket met last at a power of two: a chain that runs in a circle comes back to it.
        let mut marked = head;
        while at != 0 {
            if found.list.len() >= MOST_BUCKETS || found.frames.len() >= MOST_STACKS {
                found.cut = true;
                break;
            }
            let Some((next, object_size, depth)) = header(memory, layout, at) else {
                found.cut = true;
                break;
            };
            let stack = at + u64::from(layout.bucket.size);
            frames.resize(8 * depth as usize, 0);
            if memory.read(stack, &mut frames).is_err() || memory.read(stack + 8 * depth, &mut record).is_err() {
                found.cut = true;
                break;
            }
            let (allocs, frees) = active(layout, Fields(&record));
            pending.push(future(layout, Fields(&record)));
            let first = u32::try_from(found.frames.len()).unwrap_or(u32::MAX);
            let words = frames.chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().unwrap_or_default()));
            found.frames.extend(words);
            found.list.push(Bucket { address: at, object_size, allocs, frees, frames: (first, depth as u32) });
            at = next;
            if at == marked {
                found.cut = true;
                break;
            }
            if found.list.len().is_power_of_two() {
                marked = at;
            }
        }
        // Before the first collection nothing is published: the runtime then counts all cycles.
        if found.list.iter().all(|b| b.allocs == 0 && b.frees == 0) {
            found.unpublished = !found.list.is_empty();
            for (bucket, (allocs, frees)) in found.list.iter_mut().zip(pending) {
                (bucket.allocs, bucket.frees) = (allocs, frees);
            }
        }
        found
    }

    /// The buckets, the newest first.
    #[must_use]
    pub fn list(&self) -> &[Bucket] {
        &self.list
    }

    /// Return addresses of a bucket's stack, innermost first; runtime frames at its head included.
    #[must_use]
    pub fn stack(&self, bucket: &Bucket) -> &[u64] {
        let (first, len) = bucket.frames;
        self.frames.get(first as usize..first as usize + len as usize).unwrap_or_default()
    }
}

/// Next bucket, object size, depth of the stack.
fn header(memory: &dyn Memory, layout: &Layout, at: u64) -> Option<(u64, u64, u64)> {
    let mut copy = [0_u8; 64];
    let copy = copy.get_mut(..layout.bucket.size as usize)?;
    memory.read(at, copy).ok()?;
    let (f, b) = (Fields(copy), &layout.bucket);
    let (next, size, depth) = (f.u64(b.allnext), f.u64(b.object_size), f.u64(b.nstk));
    let fits = f.u64(b.typ) == HEAP
        && (1..=MOST_FRAMES).contains(&depth)
        && size > 0
        && size < 1 << 46
        && f.u64(b.hash) != 0
        && next % 8 == 0
        && next != at;
    fits.then_some((next, size, depth))
}

/// Objects allocated and freed in the published cycles: what `runtime.MemProfile` counts.
fn active(layout: &Layout, record: Fields<'_>) -> (u64, u64) {
    cycle(layout, record, layout.mem_record.active.offset)
}

/// The same in the three cycles to come.
fn future(layout: &Layout, record: Fields<'_>) -> (u64, u64) {
    let (first, size) = (layout.mem_record.future.offset, layout.mem_record_cycle.size);
    (0..3)
        .map(|i| cycle(layout, record, first + i * size))
        .fold((0, 0), |sum, c| (u64::wrapping_add(sum.0, c.0), u64::wrapping_add(sum.1, c.1)))
}

fn cycle(layout: &Layout, record: Fields<'_>, at: u32) -> (u64, u64) {
    (record.u64(at + layout.mem_record_cycle.allocs), record.u64(at + layout.mem_record_cycle.frees))
}
