//! The memory of a Go program: out of a core file, of a running process, or of a frozen copy of
//! one. Everything here is read through `gobinary::Memory`.
//!
//! This folder alone may use unsafe code, in the modules named here, each of which says at its
//! head what it relies on:
//!
//! - `mapped`: maps a file into memory;
//! - `sys`: the system calls of a tracer.
//!
//! Four sources: [`CoreFile`]; [`Snapshot`], a copy-on-write child of a running process;
//! [`Copied`], bytes copied while it was stopped; [`LiveMemory`], which stops nothing.

#[cfg(target_arch = "x86_64")]
mod call_amd64;
#[cfg(target_arch = "aarch64")]
mod call_arm64;
mod collapse;
mod copy;
mod core;
mod error;
mod executable;
mod inject;
mod live;
mod mapped;
mod notes;
mod plan;
mod registers;
mod segments;
mod snapshot;
mod stop;
mod sys;
mod unpack;

pub use collapse::{Collapsed, collapse};
pub use copy::Copied;
pub use core::{CoreFile, CoreOptions};
pub use error::{MemoryError, Refusal};
pub use executable::Executable;
pub use live::LiveMemory;
pub(crate) use mapped::FileBytes;
pub use notes::{CoreProcess, MappedFile};
pub use plan::SnapshotPlan;
pub use registers::ThreadRegisters;
pub use segments::{CoreCoverage, CoreSegment};
pub use snapshot::{Pause, Snapshot, SnapshotOptions};
