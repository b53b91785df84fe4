//! Timers that wait, from the heaps of timers that each P keeps (`runtime.p.timers`, `src/runtime/time.go`), by
//! callback. From Go 1.23 on a timer with a channel is there only while somebody waits on the channel: the others
//! are plain objects of type `time.Timer` or `time.Ticker`.

use super::{Collector, ContainerFacts, ContainerKind};
use crate::paths::Names;
use crate::program::HeapGraph;
use goruntime::{Fields, PointerBits};
use rustc_hash::FxHashMap;

/// Most timers of one P.
const MOST_TIMERS: u64 = 1 << 26;
/// Most Ps (`GOMAXPROCS` is limited to 1024 up to Go 1.10, to what fits since).
const MOST_PS: u32 = 1 << 16;
/// Largest number of a P's status (`_Pdead`).
const LAST_STATUS: u32 = 4;
/// Slots of a P's queue of goroutines.
const RUN_QUEUE: u32 = 256;

#[derive(Default)]
struct Sum {
    count: u64,
    bytes: u64,
    retained: u64,
    periodic: u64,
    name: String,
    first: u64,
}

impl HeapGraph<'_> {
    pub(super) fn timers_into(&self, collector: &mut Collector, names: &dyn Names) {
        let mut sums: FxHashMap<u64, Sum> = FxHashMap::default();
        for p in self.ps() {
            for timer in self.timers_of(p) {
                self.timer(timer, &mut sums, names);
            }
        }
        for sum in sums.into_values() {
            collector.add(ContainerFacts {
                address: sum.first,
                entries: sum.count,
                capacity: 0,
                own_bytes: sum.bytes,
                content_bytes: sum.retained.saturating_sub(sum.bytes),
                retained: sum.retained,
                ..ContainerFacts::new(ContainerKind::Timer, sum.name)
            });
        }
    }

    /// Addresses of the descriptors of Ps: objects of their size whose fields agree.
    fn ps(&self) -> Vec<u64> {
        let p = &self.runtime.layout().p;
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
                let word = |offset: u32| self.runtime.memory.u32(at.saturating_add(u64::from(offset))).ok();
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
        let layout = self.runtime.layout();
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
        let word = |at: u64| self.runtime.memory.u64(at).unwrap_or(0);
        let (data, len, cap) = (word(heap), word(heap.saturating_add(8)), word(heap.saturating_add(16)));
        let Some(found) = self.objects.find(data) else { return Vec::new() };
        let room = self.objects.size(found.object).unwrap_or(0).saturating_sub(found.offset);
        if len > cap || cap.checked_mul(stride).is_none_or(|bytes| bytes > room) || len > MOST_TIMERS {
            return Vec::new();
        }
        (0..len).map(|i| word(data + i * stride + at)).filter(|&t| t != 0).collect()
    }

    fn timer(&self, at: u64, sums: &mut FxHashMap<u64, Sum>, names: &dyn Names) {
        let t = &self.runtime.layout().timer;
        let mut copy = [0; 128];
        let Some(copy) = copy.get_mut(..t.size as usize) else { return };
        if self.runtime.memory.read(at, copy).is_err() {
            return;
        }
        let f = Fields(copy);
        let code = |closure: u64| self.runtime.memory.u64(closure).ok().filter(|&c| names.is_function_start(c));
        // time.AfterFunc has goFunc call the closure that is its argument.
        let argument = code(f.u64(t.arg + 8));
        let Some(function) = argument.or_else(|| code(f.u64(t.f))) else { return };
        let sum = sums.entry(function).or_default();
        if sum.count == 0 {
            sum.name = names.function(function).unwrap_or_else(|| format!("{function:#x}"));
            sum.first = at;
        }
        sum.count += 1;
        sum.periodic += u64::from(f.u64(t.period) != 0);
        if let Some(found) = self.objects.find(at) {
            sum.bytes = sum.bytes.saturating_add(self.objects.size(found.object).unwrap_or(0));
            sum.retained = sum.retained.saturating_add(self.tree.retained(found.object));
        }
    }
}
