//! The experiment alloc/free (`GODEBUG=traceallocfree=1`, Go 1.23 and newer): spans, objects and goroutine stacks, as
//! lifetimes of objects.
//!
//! Events of the experiment carry numbers that stand for addresses, and types by numbers of their generation; the
//! experiment's own batches tell what they mean. Refuses: lifetimes without that, and counting: [`Objects`] keeps
//! only what is alive.
//!
//! Source: GOROOT/src/runtime/traceallocfree.go and tracetype.go (Go 1.23.9 to 1.27.3), sizeclasses.go (Go 1.22 to
//! 1.27, the same in all).

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;

use crate::{
    error::Broken,
    event::{Event, Kind},
    leb,
    tables::Generation,
    wire::Wire,
};

/// Number of the experiment.
pub(crate) const EXPERIMENT: u8 = 1;

/// Sizes of the slots of size classes, in bytes; class 0 is an object with a span of its own.
const CLASS_SIZES: [u64; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448,
    480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096,
    4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072,
    20480, 21760, 24576, 27264, 28672, 32768,
];

/// What numbers of the experiment's events stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapLayout {
    /// Address that numbers count from.
    pub base: u64,
    /// Bytes of a page: span numbers count pages.
    pub page: u64,
    /// Object numbers count this many bytes.
    pub object_align: u64,
    /// Stack numbers count this many bytes.
    pub stack_align: u64,
}

/// A type of allocated objects. Of a slice it is the type of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapType {
    /// Address of the type's descriptor in the program.
    pub address: u64,
    /// Size in bytes.
    pub size: u64,
    /// Leading bytes that can hold pointers.
    pub pointer_bytes: u64,
    /// Its name, as `main.T`.
    pub name: Box<str>,
}

/// The experiment's tables in a generation.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) layout: Option<HeapLayout>,
    pub(crate) types: HashMap<u64, Arc<HeapType>>,
}

impl Tables {
    /// Takes one of the experiment's batches in.
    pub(crate) fn add(&mut self, bytes: &[u8], offset: u64) -> Result<(), Broken> {
        let mut pos = 1;
        let number = |pos: &mut usize| {
            let at = offset.saturating_add(*pos as u64);
            leb::read(bytes, pos)
                .ok_or_else(|| Broken::new(at, "expected a number of experiment alloc/free, found none"))
        };
        match bytes.first() {
            None => Ok(()),
            Some(1) => {
                let layout = HeapLayout {
                    base: number(&mut pos)?,
                    page: number(&mut pos)?,
                    object_align: number(&mut pos)?,
                    stack_align: number(&mut pos)?,
                };
                self.layout = Some(layout);
                Ok(())
            }
            Some(0) => {
                while pos < bytes.len() {
                    let id = number(&mut pos)?;
                    let (address, size) = (number(&mut pos)?, number(&mut pos)?);
                    let pointer_bytes = number(&mut pos)?;
                    let len = number(&mut pos)?;
                    let at = offset.saturating_add(pos as u64);
                    let name =
                        usize::try_from(len).ok().and_then(|len| bytes.get(pos..)?.get(..len)).ok_or_else(|| {
                            Broken::new(
                                at,
                                format!("expected {len} bytes of a type's name, found the end of the batch"),
                            )
                        })?;
                    pos += name.len();
                    let name = String::from_utf8_lossy(name).into();
                    self.types.insert(id, Arc::new(HeapType { address, size, pointer_bytes, name }));
                }
                Ok(())
            }
            Some(other) => {
                let what = format!("expected a batch of kind 0 or 1 of experiment alloc/free, found {other}");
                Err(Broken::new(offset, what))
            }
        }
    }
}

/// A span of the heap.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Bytes.
    size: u64,
    /// Bytes of a slot; 0 for a span that is not the heap's.
    slot: u64,
}

/// An object, from its allocation on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Address of its slot.
    pub address: u64,
    /// Bytes of the slot; 0 where its span is not known.
    pub size: u64,
    /// Its type, where the runtime knew one.
    pub kind: Option<Arc<HeapType>>,
    /// When it was allocated, in nanoseconds; `None` for one that was there when the trace began.
    pub born: Option<i64>,
    /// Goroutine that allocated it, or [`crate::NONE`].
    pub goroutine: i64,
}

/// The end of an object's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The object.
    pub object: Object,
    /// When its slot was freed (swept, that is some time after it became garbage), in nanoseconds.
    pub died: i64,
}

/// The objects alive at the point of the trace reached so far: give it every event.
#[derive(Debug, Default)]
pub struct Objects {
    layout: Option<HeapLayout>,
    /// By address of the first byte.
    spans: BTreeMap<u64, Span>,
    objects: HashMap<u64, Object>,
}

impl Objects {
    /// Takes an event in; the object that it is the death of, if it is one.
    pub fn event(&mut self, e: &Event<'_>, g: &Generation) -> Option<Death> {
        let Kind::Wire(wire) = e.kind else { return None };
        if (wire as u8) < Wire::Span as u8 {
            return None;
        }
        // Told once, in the generation that the trace began with.
        self.layout = g.alloc_free().layout.or(self.layout);
        let layout = self.layout?;
        let &[id, b, c, _] = e.args;
        let address = |unit: u64| layout.base.wrapping_add(id.wrapping_mul(unit));
        match wire {
            Wire::Span | Wire::SpanAlloc => {
                let size = b.saturating_mul(layout.page);
                // Bit 0 tells a span of another kind, bit 1 one without pointers.
                let slot = match CLASS_SIZES.get(usize::try_from(c >> 2).unwrap_or(usize::MAX)) {
                    Some(0) if c & 1 == 0 => size,
                    Some(&slot) if c & 1 == 0 => slot,
                    _ => 0,
                };
                self.spans.insert(address(layout.page), Span { size, slot });
                None
            }
            Wire::SpanFree => {
                self.spans.remove(&address(layout.page));
                None
            }
            Wire::HeapObject | Wire::HeapObjectAlloc => {
                let (address, size) = self.slot(address(layout.object_align));
                let born = (wire == Wire::HeapObjectAlloc).then_some(e.time);
                let goroutine = if born.is_some() { e.goroutine } else { crate::NONE };
                let kind = g.alloc_free().types.get(&b).cloned();
                let object = Object { address, size, kind, born, goroutine };
                // A slot given out again must have been freed, whether or not that was told.
                self.objects.insert(address, object).map(|object| Death { object, died: e.time })
            }
            Wire::HeapObjectFree => {
                let (address, _) = self.slot(address(layout.object_align));
                self.objects.remove(&address).map(|object| Death { object, died: e.time })
            }
            _ => None,
        }
    }

    /// The objects alive now.
    pub fn alive(&self) -> impl ExactSizeIterator<Item = &Object> {
        self.objects.values()
    }

    /// Address and size of the slot that an address is in: allocation tells the address behind the slot's header.
    fn slot(&self, address: u64) -> (u64, u64) {
        match self.spans.range(..=address).next_back() {
            Some((&base, span)) if address - base < span.size && span.slot > 0 => {
                (address - (address - base) % span.slot, span.slot)
            }
            _ => (address, 0),
        }
    }
}
