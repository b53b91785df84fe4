//! The few numbers of the runtime that change from moment to moment, for a watcher: found once, then three or
//! four small reads a time. Nothing is stopped and nothing asked of the program, so a reading costs it
//! nothing, even while it is dying.
//!
//! Sources: `gcControllerState` and `memoryLimitHeapGoal` of `src/runtime/mgcpacer.go`, `mheap.sweepgen` of
//! `src/runtime/mheap.go`, `allgs` of `src/runtime/proc.go`, Go 1.19 to 1.27.

use crate::bytes::Fields;
use crate::collections::{CollectionAnchors, Collections};
use crate::goroutines::find_allgs;
use crate::{HeapAnchor, RuntimeCounts, RuntimeError};
use gobinary::Memory;
use gobinary::layout::Layout;
use std::ops::Range;

/// Largest structure that is read.
const MOST: usize = 1024;
/// `memoryLimitHeapGoalHeadroomPercent` (1.21 and newer).
const HEADROOM_PERCENT: u64 = 3;
/// `memoryLimitMinHeapGoalHeadroom`.
const LEAST_HEADROOM: u64 = 1 << 20;

/// Where the numbers are. Holds for the life of the process: they are variables of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PulseAnchors {
    controller: u64,
    sweepgen: u64,
    /// `runtime.allgs`.
    goroutines: Option<u64>,
    /// What is known of collections; nothing can be found before the first.
    collections: Option<CollectionAnchors>,
}

/// The runtime's numbers at one moment; bytes unless said otherwise. Each is right by itself, between two of
/// them an allocation may have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// GOGC; -1 when it is off.
    pub gc_percent: i32,
    /// GOMEMLIMIT; `i64::MAX` without one.
    pub memory_limit: u64,
    /// What the last cycle marked: the live heap.
    pub marked: u64,
    /// Heap as the pacer counts it: marked and allocated since.
    pub heap: u64,
    /// Size at which the running cycle is to end.
    pub goal: u64,
    /// Spans with objects.
    pub in_use: u64,
    /// Pages in no span, not returned to the system.
    pub free: u64,
    /// Pages returned to the system.
    pub released: u64,
    /// Allocated since the start. What processors have in their span caches is missing.
    pub total_alloc: u64,
    /// Freed since the start.
    pub total_free: u64,
    /// All memory the runtime has ready to use; `in_use`, `free`, goroutine stacks and the runtime's own.
    pub mapped_ready: u64,
    /// GC cycles whose marking has ended, modulo 2^31.
    pub cycles: u32,
    /// CPU of the last finished or the running cycle's mark phase, nanoseconds: workers and assists. Not that of
    /// processors that had nothing else to do.
    pub mark_nanos: u64,
    /// Goroutine descriptors made: the most goroutines that lived at one time, those of the runtime included.
    pub goroutine_descriptors: Option<u64>,
    /// Finished collections and their pauses.
    pub collections: Option<Collections>,
}

impl PulseAnchors {
    /// Looks for the variables in `range` (`[moduledata.noptrdata, moduledata.enoptrbss)`).
    ///
    /// # Errors
    /// [`RuntimeError::NotFound`], also before the program's first collection has given the runtime its numbers.
    pub fn search(memory: &dyn Memory, layout: &Layout, range: Range<u64>) -> Result<Self, RuntimeError> {
        let heap = HeapAnchor::search(memory, layout, range.clone())?;
        let counts =
            RuntimeCounts::search(memory, layout, &heap, range.clone()).ok_or_else(|| RuntimeError::NotFound {
                what: "runtime.gcController",
                looked: format!("no such structure in the program's data, {:#x} to {:#x}", range.start, range.end),
            })?;
        Ok(Self {
            controller: counts.address,
            sweepgen: heap.mheap.saturating_add(u64::from(layout.mheap.sweepgen)),
            goroutines: find_allgs(memory, layout, range).map(|found| found.at),
            collections: None,
        })
    }

    /// Looks for what the runtime keeps of collections, unless all of it is known; whether it is now. Before the first
    /// collection there is nothing, and while one runs not all of it is found.
    pub fn search_collections(&mut self, memory: &dyn Memory, layout: &Layout, range: Range<u64>) -> bool {
        let known = |c: &Option<CollectionAnchors>| c.is_some_and(|c| c.clock.is_some());
        if !known(&self.collections)
            && let Some(cycles) = self.swept(memory).filter(|c| *c > 0)
            && let Some(found) = CollectionAnchors::search(memory, layout, &range, cycles)
        {
            self.collections = Some(found);
        }
        known(&self.collections)
    }

    /// Collections by the sweeper's count: two steps each (`gcSweep`).
    fn swept(&self, memory: &dyn Memory) -> Option<u32> {
        let mut word = [0_u8; 4];
        memory.read(self.sweepgen, &mut word).ok()?;
        Some(u32::from_le_bytes(word) / 2)
    }

    /// Reads the numbers; of pauses those after collection number `since`. `None` when the process is gone or what is
    /// there is no longer the runtime's.
    #[must_use]
    pub fn read(&self, memory: &dyn Memory, layout: &Layout, since: Option<u32>) -> Option<Pulse> {
        let c = &layout.gc_controller;
        let mut buf = [0_u8; MOST];
        let copy = buf.get_mut(..c.size as usize)?;
        memory.read(self.controller, copy).ok()?;
        let f = Fields(copy);
        let mut pulse = Pulse {
            gc_percent: f.u32(c.gc_percent).cast_signed(),
            memory_limit: f.u64(c.memory_limit),
            marked: f.u64(c.heap_marked),
            heap: f.u64(c.heap_live),
            goal: 0,
            in_use: f.u64(c.heap_in_use),
            free: f.u64(c.heap_free),
            released: f.u64(c.heap_released),
            total_alloc: f.u64(c.total_alloc),
            total_free: f.u64(c.total_free),
            mapped_ready: f.u64(c.mapped_ready),
            cycles: 0,
            mark_nanos: [c.assist_time, c.dedicated_mark_time, c.fractional_mark_time]
                .iter()
                .fold(0, |sum: u64, &at| sum.saturating_add(f.u64(at))),
            goroutine_descriptors: None,
            collections: self.collections.and_then(|c| c.read(memory, layout, since)),
        };
        if pulse.gc_percent < -1 || pulse.in_use == 0 || pulse.in_use > pulse.mapped_ready {
            return None;
        }
        pulse.goal = f.u64(c.gc_percent_heap_goal).min(limit_goal(&pulse));
        pulse.cycles = match pulse.collections {
            Some(c) => c.count & (u32::MAX / 2),
            None => self.swept(memory)?,
        };
        let mut word = [0_u8; 8];
        if let Some(at) = self.goroutines
            && memory.read(at.saturating_add(8), &mut word).is_ok()
        {
            pulse.goroutine_descriptors = Some(u64::from_le_bytes(word));
        }
        Some(pulse)
    }
}

/// The goal that the memory limit allows (`memoryLimitHeapGoal`).
fn limit_goal(p: &Pulse) -> u64 {
    let allocated = p.total_alloc.wrapping_sub(p.total_free);
    let beside = p.mapped_ready.saturating_sub(p.free).saturating_sub(allocated);
    let used_up = beside.saturating_add(p.mapped_ready.saturating_sub(p.memory_limit));
    if used_up >= p.memory_limit {
        return p.marked;
    }
    let goal = p.memory_limit - used_up;
    let headroom = (goal / 100 * HEADROOM_PERCENT).max(LEAST_HEADROOM);
    let goal = if goal < headroom.saturating_mul(2) { headroom } else { goal - headroom };
    goal.max(p.marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_limit_pins_the_goal() {
        let mib = 1 << 20;
        let none =
            Pulse { memory_limit: i64::MAX as u64, marked: 50 * mib, mapped_ready: 120 * mib, ..Pulse::default() };
        assert!(limit_goal(&none) > 1 << 50);
        // 100 MiB allocated, 4 of other memory: 256 - 4, less 3 %.
        let p = Pulse {
            memory_limit: 256 * mib,
            mapped_ready: 104 * mib,
            total_alloc: 100 * mib,
            marked: 60 * mib,
            ..Pulse::default()
        };
        let goal = limit_goal(&p);
        assert!((240 * mib..246 * mib).contains(&goal), "{goal}");
        // More in use than is allowed: nothing is left but what lives.
        let over = Pulse { memory_limit: 50 * mib, ..p };
        assert_eq!(limit_goal(&over), 60 * mib);
    }
}
