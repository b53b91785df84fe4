//! Names of goroutines that start in a wrapper: for `go f(x)` the compiler makes a function that calls `f` (named
//! `main.gowrap1` and the like). Go's own stack traces leave it out, and so do the names given here.

use crate::roots::{stack_start, stands_still};
use gobinary::{FuncKind, Functions, Memory, StackSource, StackWalk, layout::Arch};
use goruntime::{Goroutine, Goroutines};
use rustc_hash::FxHashMap;

/// Most frames of one stack that are walked.
const MOST_FRAMES: usize = 10_000;
/// Most stacks of one start that are walked for its name.
const MOST_TRIES: u32 = 8;

/// What the wrappers call in which goroutines start, by the wrappers' addresses.
pub(crate) fn wrapped(
    memory: &dyn Memory,
    arch: Arch,
    goroutines: &Goroutines,
    functions: &[Functions<'_>],
) -> FxHashMap<u64, String> {
    let source = StackSource { memory, modules: functions, arch };
    let mut names = FxHashMap::default();
    let mut tries: FxHashMap<u64, u32> = FxHashMap::default();
    for g in goroutines.list.iter().filter(|g| stands_still(g)) {
        let left = tries.entry(g.start).or_insert_with(|| {
            let list = functions.iter().find_map(|f| Some((f, f.func_at(g.start)?)));
            if list.is_some_and(|(f, func)| f.kind(&func) == FuncKind::Wrapper) { MOST_TRIES } else { 0 }
        });
        if *left == 0 {
            continue;
        }
        *left -= 1;
        if let Some(name) = outermost(source, g) {
            *left = 0;
            names.insert(g.start, name);
        }
    }
    names
}

/// The outermost function of a stack that starts in a wrapper, wrappers left out.
fn outermost(source: StackSource<'_, '_>, g: &Goroutine) -> Option<String> {
    let mut last = None;
    for frame in StackWalk::new(source, g.stack.0..g.stack.1, stack_start(g)).take(MOST_FRAMES) {
        let shown = frame.logical(&source).into_iter().flatten().filter(|f| f.kind != FuncKind::Wrapper).last();
        if let Some(shown) = shown {
            last = Some(shown.function.to_owned());
        }
        if frame.func.entry() == g.start {
            return last;
        }
    }
    None
}
