//! The Go runtime's own structures in a program's memory: the heap's root, spans, objects, special
//! records, goroutines, heap-profile buckets. Stripped programs included: structures are found by
//! what they must hold, and checked.
//!
//! Stands on floor 2, between `gobinary` (layouts, types, function tables) and `heap` (the graph of
//! objects). It reads through [`gobinary::Memory`] and does no I/O; every address and length it
//! reads is taken as hostile.

mod buckets;
mod bytes;
mod collections;
mod counts;
mod data;
mod error;
mod finalizers;
mod goroutines;
mod heap_anchor;
mod objects;
mod pulse;
mod slot_bits;
mod spans;
mod specials;

pub use buckets::{Bucket, Buckets};
pub use bytes::Fields;
pub use collections::Collections;
pub use counts::RuntimeCounts;
pub use error::RuntimeError;
pub use finalizers::{QueuedFinalizer, queued_finalizers};
pub use goroutines::{Goroutine, Goroutines, Status};
pub use heap_anchor::HeapAnchor;
pub use objects::{Found, Located, ObjectId, Objects, Slot};
pub use pulse::{Pulse, PulseAnchors};
pub use spans::{PointerBits, Span, Spans, Sweep};
pub use specials::{Says, SpecialRecord, Specials};
