//! What the program's debug information says of words outside the heap: global variables, and variables
//! in the frames of goroutines that stand still.

use crate::pointers::HeapView;
use crate::roots::{frame_arch, stack_start, stands_still};
use gobinary::{DebugInfo, Functions, StackSource, StackWalk, TypedPlace};
use goruntime::{Goroutine, Goroutines};
use rustc_hash::FxHashMap;

/// Most frames of one stack: recursion repeats itself.
const MOST_FRAMES: usize = 10_000;
/// Most frames of all stacks.
const MOST_ALL_FRAMES: usize = 20_000_000;

/// All places of which the debug information knows the type.
pub(crate) fn typed_places(
    heap: &HeapView<'_>,
    debug: &DebugInfo<'_>,
    goroutines: &Goroutines,
    functions: &[Functions<'_>],
) -> Vec<TypedPlace> {
    let mut places = debug.global_places(heap.types);
    let mut frames = Frames { heap, debug, functions, known: FxHashMap::default(), left: MOST_ALL_FRAMES };
    for goroutine in goroutines.list.iter().filter(|g| stands_still(g)) {
        frames.stack(goroutine, &mut places);
    }
    places
}

struct Frames<'a, 'h> {
    heap: &'a HeapView<'h>,
    debug: &'a DebugInfo<'a>,
    functions: &'a [Functions<'a>],
    /// Places by program counter, relative to the caller's stack pointer: many goroutines stand at the same.
    known: FxHashMap<u64, Vec<TypedPlace>>,
    left: usize,
}

impl Frames<'_, '_> {
    fn stack(&mut self, g: &Goroutine, places: &mut Vec<TypedPlace>) {
        let arch = frame_arch(self.heap.types.layout().arch);
        let source = StackSource { memory: self.heap.memory, modules: self.functions, arch };
        let (low, high) = g.stack;
        for frame in StackWalk::new(source, low..high, stack_start(g)).take(MOST_FRAMES) {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            let known = self.known.entry(frame.call_pc);
            let relative = known.or_insert_with(|| self.debug.locals(self.heap.types, frame.call_pc, 0));
            for place in relative {
                let address = frame.fp.wrapping_add(place.address);
                // Arguments lie above the frame.
                if (low..high).contains(&address) {
                    places.push(TypedPlace { address, contents: place.contents });
                }
            }
        }
    }
}
