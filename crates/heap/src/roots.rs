//! The GC roots: words of the program's data that the collector follows, goroutine stacks, special
//! records. Each root group becomes a node of the graph, so that it can be named as what holds.

use crate::graph::Roots;
use crate::pointers::HeapView;
use gobinary::{Functions, StackEnd, StackSource, StackStart, scan_stack};
use goruntime::{Goroutine, Goroutines, QueuedFinalizer, Says, Specials, Status};
use std::sync::Arc;

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
    /// Finalizers: what they call.
    Finalizers,
    /// Finalizers that are to be called: their objects, and what they call.
    FinalizerQueue,
    /// Cleanups: what they call and are given.
    Cleanups,
    /// Handles of weak pointers and canonical values.
    WeakHandles,
}

impl RootGroup {
    /// Its kind in tables and JSON: `global`, `goroutine`, `finalizer`, `cleanup`, `weak`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Global { .. } => "global",
            Self::Goroutine { .. } => "goroutine",
            Self::Finalizers | Self::FinalizerQueue => "finalizer",
            Self::Cleanups => "cleanup",
            Self::WeakHandles => "weak",
        }
    }
}

/// The roots with what each group stands for; group `i` is `groups[i]`. Goroutines of whose stacks words
/// were read that may be no pointers come first: they are uncertain ([`Roots::push_uncertain`]).
#[derive(Debug, Default)]
pub struct RootSet {
    /// What the groups are.
    pub groups: Vec<RootGroup>,
    /// What they point to.
    pub roots: Arc<Roots>,
    /// Goroutines whose stack could not be read.
    pub unreadable_stacks: u64,
    /// Goroutines of which every word of the stack counted as a possible pointer: they were running, or
    /// their frames could not be followed to the end.
    pub conservative_stacks: u64,
    /// Data of modules that could not be read, in bytes.
    pub unreadable_data: u64,
}

impl RootSet {
    fn push(&mut self, group: RootGroup, objects: Vec<u32>) {
        self.push_as(Roots::push, group, objects);
    }

    fn push_as(&mut self, push: fn(&mut Roots, Vec<u32>), group: RootGroup, objects: Vec<u32>) {
        if !objects.is_empty() {
            self.groups.push(group);
            push(Arc::make_mut(&mut self.roots), objects);
        }
    }

    /// Finds all roots. Frames of goroutines that stand still are read by the stack maps of `functions`
    /// (one per module), as the collector does; where they cannot be, every word that points into an
    /// object counts.
    #[must_use]
    pub fn read(
        heap: &HeapView<'_>,
        goroutines: &Goroutines,
        specials: &Specials,
        queued: &[QueuedFinalizer],
        functions: &[Functions<'_>],
    ) -> Self {
        let mut set = Self::default();
        let mut precise = Vec::new();
        for (goroutine, index) in goroutines.list.iter().zip(0_u32..) {
            let mut objects = own_objects(heap, goroutine);
            let reading = read_frames(heap, goroutine, functions, &mut objects);
            if reading == Reading::Broken {
                set.conservative_stacks += 1;
                set.unreadable_stacks += u64::from(!whole_stack(heap, goroutine, &mut objects));
            }
            objects.sort_unstable();
            objects.dedup();
            let group = RootGroup::Goroutine { index };
            if reading == Reading::Precise {
                precise.push((group, objects));
            } else {
                // What a stack has left over from calls that are over must not share what a variable holds.
                set.push_as(Roots::push_uncertain, group, objects);
            }
        }
        set.globals(heap);
        precise.into_iter().for_each(|(group, objects)| set.push(group, objects));
        set.specials(heap, specials);
        let func = |q: &QueuedFinalizer| heap.objects.find(q.func).map(|f| f.object);
        let queue = queued.iter().flat_map(|q| std::iter::once(q.object).chain(func(q)));
        set.push(RootGroup::FinalizerQueue, queue.collect());
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

    fn specials(&mut self, heap: &HeapView<'_>, specials: &Specials) {
        let (mut finalizers, mut cleanups, mut weak) = (Vec::new(), Vec::new(), Vec::new());
        let find = |address: u64| heap.objects.find(address).map(|f| f.object);
        for record in &specials.list {
            match record.says {
                // An object is not kept by its finalizer: once it is found dead, the queue keeps it.
                Says::Finalizer { func, .. } => finalizers.extend(find(func)),
                Says::Cleanup { func, argument, call } => {
                    cleanups.extend([func, argument, call].into_iter().filter_map(find));
                }
                Says::Weak { handle } => weak.extend(find(handle)),
                Says::Sampled { .. } | Says::Other(_) => {}
            }
        }
        self.push(RootGroup::Finalizers, finalizers);
        self.push(RootGroup::Cleanups, cleanups);
        self.push(RootGroup::WeakHandles, weak);
    }
}

/// What the descriptor of a goroutine points to: itself (the list of all goroutines holds it), its
/// closure context, deferred calls, labels, what it waits on.
fn own_objects(heap: &HeapView<'_>, g: &Goroutine) -> Vec<u32> {
    let words = [g.context, g.deferred, g.labels, g.waiting_on, g.address];
    words.into_iter().filter_map(|w| Some(heap.objects.find(w)?.object)).collect()
}

/// Whether a goroutine's frames are where its descriptor says.
pub(crate) fn stands_still(g: &Goroutine) -> bool {
    matches!(g.status, Status::Runnable | Status::Syscall | Status::Waiting | Status::Leaked | Status::Preempted)
}

/// Where the walk of a standing goroutine's stack starts.
pub(crate) fn stack_start(g: &Goroutine) -> StackStart {
    StackStart {
        pc: g.stands_at.0,
        sp: g.stands_at.1,
        lr: g.link_register,
        fp: Some(g.frame_pointer).filter(|&fp| fp != 0),
        syscall: g.in_syscall,
        at_instruction: false,
    }
}

/// How a stack was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// By stack maps alone.
    Precise,
    /// To its end, some frames (those of a goroutine interrupted by a signal) word by word, as the collector does.
    Mixed,
    /// It cannot be followed to its end; what was found is kept.
    Broken,
}

/// Reads a stack frame by frame.
fn read_frames(heap: &HeapView<'_>, g: &Goroutine, functions: &[Functions<'_>], objects: &mut Vec<u32>) -> Reading {
    if !stands_still(g) || functions.is_empty() {
        return Reading::Broken;
    }
    let source = StackSource { memory: heap.memory, modules: functions, arch: heap.types.layout().arch };
    let mut mixed = false;
    let words = scan_stack(source, g.stack.0..g.stack.1, stack_start(g), &[g.context, g.deferred], |word| {
        let found = heap.objects.find(word.value);
        mixed |= word.conservative && found.is_some();
        objects.extend(found.map(|f| f.object));
    });
    match words.end == StackEnd::Complete && words.incomplete == 0 {
        true if mixed => Reading::Mixed,
        true => Reading::Precise,
        false => Reading::Broken,
    }
}

/// Takes every word of a stack for a possible pointer. `false` when the stack cannot be read.
fn whole_stack(heap: &HeapView<'_>, g: &Goroutine, objects: &mut Vec<u32>) -> bool {
    let (low, high) = g.stack;
    // A running goroutine's saved stack pointer is old: all of its stack counts.
    let sp = if g.status == Status::Running { low } else { g.stands_at.1 };
    let from = sp.saturating_sub(BELOW).max(low) & !7;
    let mut scratch = Vec::new();
    let mut at = from;
    while at < high && high - from <= MOST_STACK {
        let n = (high - at).min(1 << 16);
        let Ok(bytes) = heap.memory.view(at, n as usize, &mut scratch) else { return false };
        objects.extend(bytes.chunks_exact(8).filter_map(|w| {
            let value = u64::from_le_bytes(w.try_into().unwrap_or_default());
            Some(heap.objects.find(value)?.object)
        }));
        at += n;
    }
    true
}
