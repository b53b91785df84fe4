//! Floor 1: pprof profiles and goroutine dumps.
//!
//! Owns reading (gzip, zstd, plain `profile.proto`, the text forms of `net/http/pprof`), writing,
//! and the arithmetic on profiles: top, filters, merge, difference, collapsed stacks, and the
//! classification of heap samples by allocation mechanism. Bytes in, values and gaps out; it opens
//! no file and no socket, and judges nothing.
//!
//! All input is hostile. Readers never panic, never allocate more than a small multiple of what
//! they were given, salvage what is readable and say what is missing ([`model::Gap`]).

mod build_heap;
mod build_stacks;
mod collapse;
mod columns;
mod container;
mod decode;
mod diff;
mod dump_text;
mod encode;
mod error;
mod filter;
mod gaps;
mod goroutines;
mod heap;
mod intern;
mod kind;
mod mechanism;
mod merge;
mod profile;
mod prune;
mod raw;
mod render;
mod std_packages;
mod text;
mod top;
mod units;
mod wire;

pub use build_heap::{BuiltLine, BuiltLocation, BuiltMapping, HeapBuilder};
pub use build_stacks::StackBuilder;
pub use dump_text::{DumpFrame, DumpGoroutine, DumpStack, write_goroutine};
pub use error::ProfileError;
pub use filter::Filter;
pub use goroutines::{Goroutine, GoroutineDump, GoroutineGroup};
pub use heap::{HeapStack, HeapStacks};
pub use kind::{ProfileKind, ValueType};
pub use mechanism::{MechanismHints, NoHints, classify_callee, classify_stack};
pub use merge::Merger;
pub use profile::{LabelRef, LineRef, LocationRef, MappingRef, Profile, SampleRef};
pub use render::render_top;
pub use std_packages::is_standard;
pub use text::{read_memstats, read_symbols};
pub use top::{Granularity, Inlined, SortBy, Top, TopOptions, TopRow};
pub use units::{percentage, scaled_label};

/// Writing fields of protobuf messages, for other formats made of them too.
pub mod protobuf {
    pub use crate::wire::{put_bytes, put_fixed64, put_present, put_uint, put_varint};
}

/// Bounds on what one artifact may cost.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Largest inflated size accepted. Never more than 4 GiB - 1 are read: offsets are 32 bits wide.
    pub max_inflated: model::Bytes,
}

impl ReadLimits {
    pub(crate) fn max_len(&self) -> usize {
        usize::try_from(self.max_inflated.0.min(u64::from(u32::MAX))).unwrap_or(usize::MAX)
    }
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { max_inflated: model::Bytes::mib(512) }
    }
}
