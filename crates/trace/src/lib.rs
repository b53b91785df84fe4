//! Floor 1: Go execution traces.
//!
//! [`read`] takes the bytes of a trace of Go 1.22 to 1.27 and tells every event to a [`Visitor`], in the order and
//! with the state that Go's own reader gives it: who ran, where, what changed. A trace is a row of generations;
//! each is complete in itself, and one at a time is read, so that memory does not grow with the trace.
//!
//! Refuses: I/O (a [`Source`] gives the bytes), the formats of Go 1.21 and older, and judging.
//!
//! Source: GOROOT/src/internal/trace and GOROOT/src/runtime/trace*.go of Go 1.22 to 1.27.

mod ahead;
mod allocfree;
mod batch;
mod columns;
mod cursor;
mod error;
mod event;
mod frontier;
mod header;
mod index;
mod leb;
mod order;
mod pdqsort;
mod reader;
mod source;
mod stream;
mod tables;
mod wire;

pub use allocfree::{Death, HeapLayout, HeapType, Object, Objects};
pub use error::{Gap, TraceError};
pub use event::{Detail, Event, GoState, Kind, Metric, NO_TASK, NONE, Phase, ProcState, Range, Scope};
pub use header::Version;
pub use reader::{Options, Summary, Visitor, read};
pub use source::Source;
pub use tables::{ClockSnapshot, Frame, Generation, StackId, StringId};
pub use wire::Wire;
