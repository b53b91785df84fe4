//! The GC roots: words of the program's data that the collector follows, goroutine stacks, special
//! records. Each root group becomes a node of the graph, so that it can be named as what holds.

use crate::graph::Roots;
use crate::pointers::HeapView;
use goruntime::{Goroutine, Goroutines, Says, Specials, Status};

/// Most bytes of one stack that are scanned.
const MOST_STACK: u64 = 1 << 30;
/// Most words of one module's data or bss.
const MOST_WORDS: u32 = 1 << 28;
/// Bytes below the stack pointer that leaf functions may use (the ABI's red zone is not used by Go;
/// registers that were spilled by a signal lie there).
const BELOW: u64 = 128;

/// What a root group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RootGroup {
    /// A word of a module's data or bss: its address.
    Global {
        /// Address of the word.
        address: u64,
    },
    /// A goroutine's stack: index in [`Goroutines::list`].
    Goroutine {
        /// Index in the list of goroutines.
        index: u32,
    },
    /// Finalizers: what they call, and what their objects hold.
    Finalizers,
    /// Cleanups: what they call and are given.
    Cleanups,
    /// Handles of weak pointers and canonical values.
    WeakHandles,
}

/// The roots with what each group stands for; group `i` is `groups[i]`.
#[derive(Debug, Default)]
pub struct RootSet {
    /// What the groups are.
    pub groups: Vec<RootGroup>,
    /// What they point to.
    pub roots: Roots,
    /// Goroutines whose stack could not be read.
    pub unreadable_stacks: u64,
    /// Data of modules that could not be read, in bytes.
    pub unreadable_data: u64,
}

impl RootSet {
    fn push(&mut self, group: RootGroup, objects: Vec<u32>) {
        if !objects.is_empty() {
            self.groups.push(group);
            self.roots.push(objects);
        }
    }

    /// Finds all roots. Stacks are scanned conservatively: every word that points into an object
    /// counts, as the collector itself does where it stopped a goroutine at an arbitrary instruction.
    #[must_use]
    pub fn read(heap: &HeapView<'_>, goroutines: &Goroutines, specials: &Specials) -> Self {
        let mut set = Self::default();
        set.globals(heap);
        for (i, goroutine) in goroutines.list.iter().enumerate() {
            set.stack(heap, i as u32, goroutine);
        }
        set.specials(heap, specials);
        set
    }

    fn globals(&mut self, heap: &HeapView<'_>) {
        let (mut bits, mut data) = (Vec::new(), Vec::new());
        for module in heap.types.modules() {
            for (mask, start) in [(module.gc_data_mask, module.data), (module.gc_bss_mask, module.bss)] {
                let words = mask.bits.min(MOST_WORDS) as usize;
                let Ok(bits) = heap.memory.view(mask.data, words.div_ceil(8), &mut bits) else {
                    self.unreadable_data += 8 * words as u64;
                    continue;
                };
                // Page by page: untouched pages may be missing.
                for first in (0..words).step_by(512) {
                    let n = 512.min(words - first);
                    let address = start.saturating_add(8 * first as u64);
                    let Ok(bytes) = heap.memory.view(address, 8 * n, &mut data) else {
                        self.unreadable_data += 8 * n as u64;
                        continue;
                    };
                    for (i, word) in bytes.chunks_exact(8).enumerate() {
                        let w = first + i;
                        if bits.get(w / 8).is_none_or(|b| b >> (w % 8) & 1 == 0) {
                            continue;
                        }
                        let value = u64::from_le_bytes(word.try_into().unwrap_or_default());
                        if let Some(found) = heap.objects.find(value) {
                            self.push(RootGroup::Global { address: address + 8 * i as u64 }, vec![found.object]);
                        }
                    }
                }
            }
        }
    }

    fn stack(&mut self, heap: &HeapView<'_>, index: u32, goroutine: &Goroutine) {
        let mut objects = Vec::new();
        for word in [goroutine.context, goroutine.deferred, goroutine.labels, goroutine.waiting_on, goroutine.address] {
            objects.extend(heap.objects.find(word).map(|f| f.object));
        }
        let (low, high) = goroutine.stack;
        // A running goroutine's saved stack pointer is old: all of its stack counts.
        let sp = if goroutine.status == Status::Running { low } else { goroutine.stands_at.1 };
        let from = sp.saturating_sub(BELOW).max(low) & !7;
        let mut scratch = Vec::new();
        let mut at = from;
        while at < high && high - from <= MOST_STACK {
            let n = (high - at).min(1 << 16);
            match heap.memory.view(at, n as usize, &mut scratch) {
                Ok(bytes) => objects.extend(bytes.chunks_exact(8).filter_map(|w| {
                    let value = u64::from_le_bytes(w.try_into().unwrap_or_default());
                    Some(heap.objects.find(value)?.object)
                })),
                Err(_) => {
                    self.unreadable_stacks += 1;
                    break;
                }
            }
            at += n;
        }
        objects.sort_unstable();
        objects.dedup();
        self.push(RootGroup::Goroutine { index }, objects);
    }

    fn specials(&mut self, heap: &HeapView<'_>, specials: &Specials) {
        let (mut finalizers, mut cleanups, mut weak) = (Vec::new(), Vec::new(), Vec::new());
        let find = |address: u64| heap.objects.find(address).map(|f| f.object);
        for record in &specials.list {
            match record.says {
                // What the object itself holds stays alive too; the object does not by its finalizer.
                Says::Finalizer { func, .. } => finalizers.extend(find(func)),
                Says::Cleanup { func, argument } => cleanups.extend([func, argument].into_iter().filter_map(find)),
                Says::Weak { handle } => weak.extend(find(handle)),
                Says::Sampled { .. } | Says::Other(_) => {}
            }
        }
        self.push(RootGroup::Finalizers, finalizers);
        self.push(RootGroup::Cleanups, cleanups);
        self.push(RootGroup::WeakHandles, weak);
    }
}
