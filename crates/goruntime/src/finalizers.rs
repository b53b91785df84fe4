//! The queue of finalizers that are to be called (`allfin`, `src/runtime/mfinal.go`): its objects are found dead,
//! and kept until their finalizers have run. The queue is found among the program's variables by what it must
//! hold; an empty one keeps nothing and is not looked for.

use crate::bytes::Fields;
use crate::data;
use crate::objects::{ObjectId, Objects};
use gobinary::Memory;
use gobinary::layout::Layout;
use std::collections::HashSet;
use std::ops::Range;

/// Most blocks of the queue: some 100 finalizers each.
const MOST_BLOCKS: usize = 1 << 20;

/// A finalizer that is to be called, or is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedFinalizer {
    /// The object.
    pub object: ObjectId,
    /// Address of the function value.
    pub func: u64,
    /// Descriptor of the pointer type that was given to `runtime.SetFinalizer`: exact type of the object.
    pub pointer_type: u64,
}

/// Finds the queue that begins at a word of `range`, and reads it.
#[must_use]
pub fn queued_finalizers(
    memory: &dyn Memory,
    layout: &Layout,
    range: &Range<u64>,
    objects: &Objects,
) -> Vec<QueuedFinalizer> {
    let queue = Queue { memory, layout, objects };
    let mut met = HashSet::new();
    let mut most = Vec::new();
    let found: Option<()> = data::search(memory, range, 0, |_, block| {
        for word in block.chunks_exact(8) {
            let at = Fields(word).u64(0);
            // Blocks lie outside of the heap and of the program's own data.
            if at < 1 << 16 || at % 8 != 0 || range.contains(&at) || objects.find(at).is_some() || !met.insert(at) {
                continue;
            }
            // One variable leads to all blocks, another to those that are waiting.
            let list = queue.blocks(at);
            if list.len() > most.len() {
                most = list;
            }
        }
        None
    });
    debug_assert!(found.is_none());
    most
}

struct Queue<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    objects: &'a Objects,
}

impl Queue<'_> {
    /// The finalizers of all blocks from one on; none where a block is no such block.
    fn blocks(&self, mut at: u64) -> Vec<QueuedFinalizer> {
        let mut list = Vec::new();
        for _ in 0..MOST_BLOCKS {
            let Some(next) = self.block(at, &mut list) else { return Vec::new() };
            if next == 0 {
                return list;
            }
            at = next;
        }
        Vec::new()
    }

    /// Adds what is queued in a block; the next one.
    fn block(&self, at: u64, list: &mut Vec<QueuedFinalizer>) -> Option<u64> {
        let (b, f) = (&self.layout.fin_block, &self.layout.finalizer);
        let mut copy = [0_u8; 4096];
        let head = copy.get_mut(..b.fin as usize)?;
        self.memory.read(at, head).ok()?;
        let (count, next) = (Fields(head).u32(b.cnt), Fields(head).u64(b.alllink));
        let most = (b.size - b.fin).checked_div(f.size)?;
        if count > most || next % 8 != 0 {
            return None;
        }
        let bytes = copy.get_mut(..(count * f.size) as usize)?;
        self.memory.read(at.checked_add(u64::from(b.fin))?, bytes).ok()?;
        for one in bytes.chunks_exact(f.size as usize) {
            let one = Fields(one);
            let (func, pointer_type) = (one.u64(f.func), one.u64(f.ot));
            let found = self.objects.find(one.u64(f.arg))?;
            // A function value leads to code, a type to a descriptor.
            self.memory.u64(func).ok().filter(|&code| code != 0)?;
            self.memory.u64(pointer_type).ok().filter(|&size| size == 8)?;
            list.push(QueuedFinalizer { object: found.object, func, pointer_type });
        }
        Some(next)
    }
}
