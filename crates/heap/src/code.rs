//! Types of objects that the program's machine code tells: which type the call made that allocated a
//! sampled object, what its variables and the words of its frames point to, which struct each closure is.
//! Owns how such a word becomes evidence: an object's size and pointer bits must be those of the type.

use crate::pointers::{HeapView, Scanner};
use crate::roots::{stack_start, stands_still};
use gobinary::code::{CodeFacts, Program, Sightings};
use gobinary::types::PointerKind;
use gobinary::{FrameSlots, Functions, StackSource, StackWalk, TypeId, frame_slots};
use goruntime::{Buckets, Found, Goroutines, ObjectId, PointerBits, Says, Specials};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// Functions that one task follows.
const TASK: usize = 512;
/// Most frames of one stack that are looked at.
const MOST_FRAMES: usize = 10_000;

/// Bytes of the size classes (`SizeClassToSize`, `src/internal/runtime/gc/sizeclasses.go`; the same in
/// Go 1.19 to 1.27).
const CLASSES: [u64; 67] = [
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480,
    512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864,
    5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480,
    21760, 24576, 27264, 28672, 32768,
];

/// A word that is known to be a pointer of a kind, or the first word of what `kind` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    /// Where the word is.
    pub(crate) address: u64,
    /// What it is.
    pub(crate) kind: PointerKind,
}

/// What the code told.
#[derive(Debug, Default)]
pub struct CodeTypes {
    /// What was found in the code.
    pub facts: CodeFacts,
    /// Words of variables and frames.
    pub(crate) seeds: Vec<Seed>,
    /// Sampled objects, with what their allocation returned.
    pub sampled: Vec<(ObjectId, PointerKind)>,
}

impl CodeTypes {
    /// Follows the program's code, and looks up what it tells of the heap at hand.
    #[must_use]
    pub fn read(
        heap: &HeapView<'_>,
        functions: &[Functions<'_>],
        goroutines: &Goroutines,
        specials: &Specials,
        buckets: &Buckets,
    ) -> Self {
        heap.types.load_all();
        let program = Program::new(heap.types, functions);
        // What functions return is known after all were followed once; what comes of that, after the second time.
        let first = follow(&program);
        let (returned, made, arguments) = (first.returned(), first.made(), first.arguments());
        drop(first);
        let program = program.with_returned(returned).with_made(made).with_arguments(arguments);
        let facts = follow(&program).facts();
        let program = program.with_variables(facts.variables.clone());
        let mut seeds: Vec<Seed> = facts.variables.iter().map(|(&address, &kind)| Seed { address, kind }).collect();
        seeds.sort_unstable_by_key(|s| s.address);
        for goroutine in &goroutines.list {
            frames(heap, &program, functions, goroutine, &mut seeds);
        }
        let sampled = sampled(functions, &facts, specials, buckets);
        Self { facts, seeds, sampled }
    }
}

fn follow(program: &Program<'_, '_>) -> Sightings {
    let tasks: Vec<_> = (0..program.len()).step_by(TASK).map(|i| i..(i + TASK).min(program.len())).collect();
    tasks.into_par_iter().map(|range| program.follow(range)).reduce(Sightings::default, Sightings::merge)
}

/// Words of a goroutine's frames that are alive and of which the code tells what they are.
fn frames(
    heap: &HeapView<'_>,
    program: &Program<'_, '_>,
    functions: &[Functions<'_>],
    goroutine: &goruntime::Goroutine,
    seeds: &mut Vec<Seed>,
) {
    if !stands_still(goroutine) {
        return;
    }
    let arch = heap.types.layout().arch;
    let source = StackSource { memory: heap.memory, modules: functions, arch };
    let mut slots = FrameSlots::default();
    let mut alive = FxHashSet::default();
    for frame in StackWalk::new(source, goroutine.stack.0..goroutine.stack.1, stack_start(goroutine)).take(MOST_FRAMES)
    {
        // Only where a call returns to is it known what the words are.
        if frame.at_instruction || frame.is_conservative() || frame.continuation != Some(frame.pc) {
            continue;
        }
        frame_slots(&source, &frame, goroutine.stack.1, &mut slots);
        alive.clear();
        alive.extend(slots.pointers.iter().copied());
        for (offset, kind) in program.frame_words(&frame.func, frame.pc) {
            let address = frame.fp.wrapping_add_signed(i64::from(offset));
            if alive.contains(&address) {
                seeds.push(Seed { address, kind });
            }
        }
    }
}

/// What the calls returned that allocated the sampled objects.
fn sampled(
    functions: &[Functions<'_>],
    facts: &CodeFacts,
    specials: &Specials,
    buckets: &Buckets,
) -> Vec<(ObjectId, PointerKind)> {
    let is_allocator = |pc: u64| {
        let func = functions.iter().find_map(|f| f.func_at(pc.wrapping_sub(1)));
        func.is_some_and(|f| allocates(f.name()))
    };
    let mut made: FxHashMap<u64, PointerKind> = FxHashMap::default();
    for bucket in buckets.list() {
        // Innermost first: the allocator's own frames, then the call that the compiler made of a `new`.
        for &pc in buckets.stack(bucket) {
            if let Some(&kind) = facts.sites.get(&pc) {
                made.insert(bucket.address, kind);
                break;
            }
            if !is_allocator(pc) {
                break;
            }
        }
    }
    let mut found = Vec::new();
    for record in &specials.list {
        if let Says::Sampled { bucket } = record.says
            && let Some(&kind) = made.get(&bucket)
            && record.offset <= 8
            // What makes a map or a channel makes tables and buffers as well.
            && !matches!(kind, PointerKind::Map(_) | PointerKind::Chan(_))
        {
            found.push((record.object, kind));
        }
    }
    found
}

/// Functions of the runtime that allocate one object for their caller.
fn allocates(name: &str) -> bool {
    let Some(name) = name.strip_prefix("runtime.") else { return false };
    let prefixes =
        ["mallocgc", "newobject", "newarray", "makeslice", "growslice", "convT", "profilealloc", "mProf_Malloc"];
    prefixes.iter().any(|p| name.starts_with(p))
}

/// Compares objects with types, word by word.
pub(crate) struct Exact<'a> {
    heap: HeapView<'a>,
    scanner: Scanner<'a>,
    bits: Vec<u8>,
    masks: FxHashMap<TypeId, Option<Vec<u64>>>,
}

impl<'a> Exact<'a> {
    pub(crate) fn new(heap: HeapView<'a>) -> Self {
        Self { heap, scanner: Scanner::new(heap), bits: Vec::new(), masks: FxHashMap::default() }
    }

    /// Whether the object could be one value of the type, alone in the smallest slot that it fits: the
    /// size and every pointer bit agree.
    pub(crate) fn is_value(&mut self, found: Found, id: TypeId) -> bool {
        self.agrees(found, id, false)
    }

    /// Whether the object could be an array of values of the type: every pointer bit agrees up to
    /// where no more follow.
    pub(crate) fn is_array(&mut self, found: Found, id: TypeId) -> bool {
        self.agrees(found, id, true)
    }

    fn agrees(&mut self, found: Found, id: TypeId, many: bool) -> bool {
        let Some(span) = self.heap.objects.spans().get(found.span as usize).copied() else { return false };
        let Some(typ) = self.heap.types.get(id) else { return false };
        let (size, pointers) = (typ.size, typ.ptr_bytes != 0);
        let header = if span.pointers == PointerBits::Header { 8 } else { 0 };
        let Some(offset) = found.offset.checked_sub(header) else { return false };
        if size == 0 || pointers == (span.pointers == PointerBits::NoScan) || size > span.elem_size - header {
            return false;
        }
        let starts_here = if many { offset % size == 0 } else { offset == 0 };
        if !starts_here || (!many && slot_size(size + header) != span.elem_size) {
            return false;
        }
        match span.pointers {
            // The tiny allocator puts several into one slot.
            PointerBits::NoScan => many || span.elem_size != 16 || size == 16,
            PointerBits::Span(_) | PointerBits::Arena => self.bits_agree(found, &span, id, size / 8, many),
            // The runtime itself wrote the type.
            PointerBits::Header | PointerBits::Large(_) => {
                let written = match span.pointers {
                    PointerBits::Large(typ) => Some(typ),
                    _ => self.heap.memory.u64(span.start + u64::from(found.slot) * span.elem_size).ok(),
                };
                // In place of a GC program it wrote what the collector needs of the type.
                let bare = |w: u64| {
                    let bare = self.heap.types.bare(w).filter(|_| self.heap.types.layout().minor <= 23);
                    bare.is_some_and(|b| (b.size, b.ptr_bytes) == (size, typ.ptr_bytes))
                };
                written.is_some_and(|w| self.heap.types.address(id) == Some(w) || bare(w))
            }
        }
    }

    fn bits_agree(&mut self, found: Found, span: &goruntime::Span, id: TypeId, words: u64, many: bool) -> bool {
        let Some(bits) = self.scanner.object_bits(span, found.slot) else { return false };
        self.bits.clear();
        self.bits.extend_from_slice(bits);
        let types = self.heap.types;
        let mask = self.masks.entry(id).or_insert_with(|| types.pointer_mask(id).map(|m| m.pointers().collect()));
        let Some(mask) = mask.as_deref() else { return false };
        let total = span.elem_size / 8;
        let bit = |w: u64| self.bits.get((w / 8) as usize).is_some_and(|b| b >> (w % 8) & 1 != 0);
        let set = (0..total).filter(|&w| bit(w)).count() as u64;
        let mut expected = 0;
        let count = if many { total / words.max(1) } else { 1 };
        for i in 0..count {
            if !mask.iter().all(|&w| bit(i * words + w)) {
                break;
            }
            expected += mask.len() as u64;
        }
        set == expected && expected > 0
    }
}

/// Bytes of the slot that an object of this size gets.
pub(crate) fn slot_size(size: u64) -> u64 {
    match CLASSES.get(CLASSES.partition_point(|&c| c < size)) {
        Some(&class) => class,
        None => size.checked_next_multiple_of(8192).unwrap_or(u64::MAX),
    }
}
