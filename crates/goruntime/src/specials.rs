//! Special records of objects (`mspan.specials`, `src/runtime/mheap.go`): allocation stacks of sampled
//! objects, finalizers, cleanups, weak handles. A broken list ends the records of its span and is
//! counted.

use crate::bytes::Fields;
use crate::objects::{ObjectId, Objects};
use gobinary::Memory;
use gobinary::layout::{Layout, SpecialKind};

/// Most records of one span: each object of 8 bytes with a few.
const MOST_PER_SPAN: u32 = 1 << 16;

/// One special record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialRecord {
    /// The object it belongs to.
    pub object: ObjectId,
    /// Bytes from the start of the slot to the value it was made for; values in one block of the tiny
    /// allocator differ by it.
    pub offset: u64,
    /// What it says.
    pub says: Says,
}

/// What a special record says of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The heap profile sampled it: address of the bucket.
    Sampled {
        /// Address of the `runtime.bucket`.
        bucket: u64,
    },
    /// It has a finalizer.
    Finalizer {
        /// Address of the function value, a root.
        func: u64,
        /// Descriptor of the pointer type that was given to `runtime.SetFinalizer`: exact type of the object.
        pointer_type: u64,
    },
    /// It has a cleanup.
    Cleanup {
        /// Address of the function value, a root.
        func: u64,
        /// Its argument, a root as well (1.26 and newer; else in the closure): 0 when it is none.
        argument: u64,
        /// Address of the function value that calls it with the argument, a root as well (1.26 and newer).
        call: u64,
    },
    /// It has a weak pointer or is a canonical value of package unique.
    Weak {
        /// Address of the handle, a root.
        handle: u64,
    },
    /// Another kind.
    Other(SpecialKind),
}

/// All special records of the heap's objects, by object.
#[derive(Clone, Debug, Default)]
pub struct Specials {
    /// The records.
    pub list: Vec<SpecialRecord>,
    /// Spans whose list ended in what is no record.
    pub cut: u64,
}

impl Specials {
    /// Reads the records of all spans. Those of objects that are garbage are left out.
    #[must_use]
    pub fn read(memory: &dyn Memory, layout: &Layout, objects: &Objects) -> Self {
        let mut found = Self::default();
        // The largest record: its header and the fields of its kind.
        let mut copy = [0_u8; 128];
        for span in objects.spans().iter().filter(|s| s.specials != 0) {
            let mut at = span.specials;
            let mut last = 0;
            for left in (0..MOST_PER_SPAN).rev() {
                let size = layout.special.size as usize + 48;
                let Some(bytes) = copy.get_mut(..size) else { break };
                if memory.read(at, bytes).is_err() && !read_header(memory, layout, at, bytes) {
                    found.cut += 1;
                    break;
                }
                let f = Fields(bytes);
                let offset = f.field(layout.special.offset);
                // The list is sorted by offset: going back is damage, and may be a circle.
                if offset >= span.bytes || offset < last || left == 0 {
                    found.cut += 1;
                    break;
                }
                last = offset;
                if let Some(says) = says(layout, f)
                    && let Some(object) = objects.find(span.start + offset)
                {
                    found.list.push(SpecialRecord { object: object.object, offset: object.offset, says });
                }
                at = f.u64(layout.special.next);
                if at == 0 {
                    break;
                }
            }
        }
        found
    }
}

/// A record may end with the memory it lies in.
fn read_header(memory: &dyn Memory, layout: &Layout, at: u64, bytes: &mut [u8]) -> bool {
    bytes.fill(0);
    let len = layout.special.size as usize + 8;
    bytes.get_mut(..len).is_some_and(|b| memory.read(at, b).is_ok())
}

fn says(layout: &Layout, f: Fields<'_>) -> Option<Says> {
    let kind = layout.special_kind(f.u8(layout.special.kind))?;
    Some(match kind {
        SpecialKind::Profile => Says::Sampled { bucket: f.u64(layout.special_profile.b) },
        SpecialKind::Finalizer => Says::Finalizer {
            func: f.u64(layout.special_finalizer.func),
            pointer_type: f.u64(layout.special_finalizer.ot),
        },
        SpecialKind::Cleanup => cleanup(layout, f)?,
        SpecialKind::WeakHandle => Says::Weak { handle: layout.special_weak_handle.map_or(0, |w| f.u64(w.handle)) },
        other => Says::Other(other),
    })
}

fn cleanup(layout: &Layout, f: Fields<'_>) -> Option<Says> {
    let fields = layout.special_cleanup?;
    Some(match (fields.func, fields.cleanup.zip(layout.cleanup_fn)) {
        (Some(func), _) => Says::Cleanup { func: f.u64(func), argument: 0, call: 0 },
        (None, Some((base, c))) => {
            Says::Cleanup { func: f.u64(base + c.func), argument: f.u64(base + c.arg), call: f.u64(base + c.call) }
        }
        (None, None) => return None,
    })
}
