//! What a Go executable says of itself: build information (`debug/buildinfo`), build id, and the
//! function table (pclntab) that names every function, all of them also in stripped binaries.
//!
//! Bytes in, facts out: this crate opens nothing. It reads 64-bit little-endian ELF files of Go
//! 1.18 to 1.27 and refuses others with an error; it never panics on any input.

mod buildinfo;
mod elf;
mod error;
pub mod layout;
mod memory;
mod moduledata;
mod pclntab;
pub mod types;

pub use buildinfo::{BuildInfo, Module};
pub use elf::GoBinary;
pub use error::BinaryError;
pub use memory::{Memory, Region, Slices, Unreadable};
pub use moduledata::{BitVector, ModuleData, SliceHeader, find_modules, read_module};
pub use pclntab::Pclntab;
pub use types::{RuntimeTypes, TypeId};
