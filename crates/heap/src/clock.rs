//! Where the runtime keeps the timers that run: a heap of them in each P (`runtime.p`, `src/runtime/time.go`).

use crate::pointers::HeapView;
use goruntime::PointerBits;

/// Most timers of one P.
const MOST_TIMERS: u64 = 1 << 26;
/// Most Ps (`GOMAXPROCS` is limited to 1024 up to Go 1.10, to what fits since).
const MOST_PS: u32 = 1 << 16;
/// Largest number of a P's status (`_Pdead`).
const LAST_STATUS: u32 = 4;
/// Slots of a P's queue of goroutines.
const RUN_QUEUE: u32 = 256;

impl HeapView<'_> {
    /// Addresses of all timers that run.
    pub(crate) fn timers(&self) -> Vec<u64> {
        self.ps().into_iter().flat_map(|p| self.timers_of(p)).collect()
    }

    /// Addresses of the descriptors of Ps: objects of their size whose fields agree.
    fn ps(&self) -> Vec<u64> {
        let p = &self.types.layout().p;
        let size = u64::from(p.size);
        let mut found = Vec::new();
        for (i, span) in self.objects.spans().iter().enumerate() {
            let skip = if span.pointers == PointerBits::Header { 8 } else { 0 };
            let room = span.elem_size - skip;
            if span.pointers == PointerBits::NoScan || room < size || room > size + size / 4 {
                continue;
            }
            for (_, slot) in self.objects.of_span(i as u32) {
                let at = span.start + u64::from(slot) * span.elem_size + skip;
                let word = |offset: u32| self.memory.u32(at.saturating_add(u64::from(offset))).ok();
                let queued = word(p.runqtail).zip(word(p.runqhead)).map(|(t, h)| t.wrapping_sub(h));
                let fits = word(p.id).is_some_and(|id| id < MOST_PS)
                    && word(p.status).is_some_and(|s| s <= LAST_STATUS)
                    && queued.is_some_and(|n| n <= RUN_QUEUE);
                if fits {
                    found.push(at);
                }
            }
        }
        found
    }

    /// Addresses of the timers in a P's heap.
    fn timers_of(&self, p: u64) -> Vec<u64> {
        let layout = self.types.layout();
        let timers = &layout.p.timers;
        let mut heap = p.saturating_add(u64::from(timers.offset));
        // Up to 1.22 a slice of pointers, then of pointers with the time beside them.
        let (stride, at) = match (&layout.timers, &layout.timer_when) {
            (Some(t), Some(when)) => {
                heap = heap.saturating_add(u64::from(t.heap));
                (u64::from(when.size), u64::from(when.timer))
            }
            _ => (8, 0),
        };
        let word = |at: u64| self.memory.u64(at).unwrap_or(0);
        let (data, len, cap) = (word(heap), word(heap.saturating_add(8)), word(heap.saturating_add(16)));
        let Some(found) = self.objects.find(data) else { return Vec::new() };
        let room = self.objects.size(found.object).unwrap_or(0).saturating_sub(found.offset);
        if len > cap || cap.checked_mul(stride).is_none_or(|bytes| bytes > room) || len > MOST_TIMERS {
            return Vec::new();
        }
        (0..len).map(|i| word(data + i * stride + at)).filter(|&t| t != 0).collect()
    }
}
