//! Timers that wait, from the heaps of timers that each P keeps (`runtime.p.timers`, `src/runtime/time.go`), by
//! callback. From Go 1.23 on a timer with a channel is there only while somebody waits on the channel: the others
//! are plain objects of type `time.Timer` or `time.Ticker`.

use super::{Collector, ContainerFacts, ContainerKind};
use crate::paths::Names;
use crate::program::HeapGraph;
use goruntime::Fields;
use rustc_hash::FxHashMap;

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
        for timer in self.view().timers() {
            self.timer(timer, &mut sums, names);
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
