//! The memory of a Go program: out of a core file, of a running process, or of a frozen copy of
//! one. Everything here is read through `gobinary::Memory`.
//!
//! This folder alone may use unsafe code, in the modules named here, each of which says at its
//! head what it relies on:
//!
//! - `mapped`: maps a file into memory.

mod core;
mod error;
mod executable;
mod mapped;
mod notes;
mod registers;
mod segments;
mod unpack;

pub use core::{CoreFile, CoreOptions};
pub use error::{MemoryError, Refusal};
pub use executable::Executable;
pub use notes::{CoreProcess, MappedFile};
pub use registers::{Arch, ThreadRegisters};
pub use segments::{CoreCoverage, CoreSegment};
