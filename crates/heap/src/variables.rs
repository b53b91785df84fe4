//! What the program's debug information says of words outside the heap: global variables, and variables
//! in the frames of goroutines that stand still.

use crate::pointers::HeapView;
use crate::roots::{frame_arch, stack_start, stands_still};
use gobinary::types::PointerKind;
use gobinary::{Contents, DebugInfo, Functions, RuntimeTypes, StackSource, StackWalk, TypedPlace, scan_stack};
use goruntime::{Goroutine, Goroutines};
use rustc_hash::{FxHashMap, FxHashSet};

/// Most frames of one stack: recursion repeats itself.
const MOST_FRAMES: usize = 10_000;
/// Most frames of all stacks.
const MOST_ALL_FRAMES: usize = 20_000_000;

/// Places outside the heap whose types are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// Global variables.
    pub(crate) globals: Vec<TypedPlace>,
    /// Pointers in stack frames. Less certain: two variables may share a word of a frame, one after the
    /// other.
    pub(crate) locals: Vec<TypedPlace>,
}

impl Variables {
    pub(crate) fn read(
        heap: &HeapView<'_>,
        debug: &DebugInfo<'_>,
        goroutines: &Goroutines,
        functions: &[Functions<'_>],
    ) -> Self {
        let arch = frame_arch(heap.types.layout().arch);
        let source = StackSource { memory: heap.memory, modules: functions, arch };
        let mut frames = Frames {
            types: heap.types,
            source,
            debug,
            known: FxHashMap::default(),
            alive: FxHashSet::default(),
            left: MOST_ALL_FRAMES,
            locals: Vec::new(),
        };
        for goroutine in goroutines.list.iter().filter(|g| stands_still(g)) {
            frames.stack(goroutine);
        }
        Self { globals: debug.global_places(heap.types), locals: frames.locals }
    }
}

/// Pointers of a frame's variables: address relative to the caller's stack pointer, and kind.
type FramePointers = Vec<(u64, PointerKind)>;

struct Frames<'a, 't, 'h> {
    types: &'a RuntimeTypes<'h>,
    source: StackSource<'a, 't>,
    debug: &'a DebugInfo<'a>,
    /// By program counter: many goroutines stand at the same.
    known: FxHashMap<u64, FramePointers>,
    /// Words of the stack at hand that hold pointers, by the stack maps.
    alive: FxHashSet<u64>,
    left: usize,
    locals: Vec<TypedPlace>,
}

impl Frames<'_, '_, '_> {
    fn stack(&mut self, g: &Goroutine) {
        let stack = g.stack.0..g.stack.1;
        let alive = &mut self.alive;
        alive.clear();
        scan_stack(self.source, stack.clone(), stack_start(g), &[g.context, g.deferred], |word| {
            if !word.conservative {
                alive.insert(word.address);
            }
        });
        for frame in StackWalk::new(self.source, stack, stack_start(g)).take(MOST_FRAMES) {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            let (debug, types, pc) = (self.debug, self.types, frame.call_pc);
            let pointers = self.known.entry(pc).or_insert_with(|| frame_pointers(debug, types, pc));
            for &(offset, kind) in pointers.iter() {
                let address = frame.fp.wrapping_add(offset);
                if self.alive.contains(&address.wrapping_add(8 * u64::from(kind.pointer_word()))) {
                    self.locals.push(TypedPlace { address, contents: Contents::Pointer(kind) });
                }
            }
        }
    }
}

fn frame_pointers(debug: &DebugInfo<'_>, types: &RuntimeTypes<'_>, pc: u64) -> FramePointers {
    let places = debug.locals(types, pc, 0);
    places.into_iter().flat_map(|p| p.pointers(types)).collect()
}
