//! What a Go program says of itself: build information (`debug/buildinfo`), build id, the function
//! table (pclntab) that names every function, and the descriptors of all its types, all of them also in
//! stripped binaries; and where the runtime of each Go release keeps what ([`layout`]).
//!
//! Bytes in, facts out: this crate opens nothing. It reads 64-bit little-endian ELF files of Go
//! 1.18 to 1.27 and refuses others with an error, and the memory of programs of Go 1.19 and newer
//! through [`Memory`]; it never panics on any input.

mod buildinfo;
mod cached;
pub mod code;
mod dwarf;
mod elf;
mod error;
mod gcprog;
pub mod layout;
mod memory;
mod moduledata;
mod operands;
mod pclntab;
pub mod types;
mod unwind;
mod variables;
mod version;

pub use buildinfo::{BuildInfo, Module};
pub use cached::Cached;
pub use dwarf::{Contents, DebugInfo, DwarfSections, TypedPlace};
pub use elf::GoBinary;
pub use error::BinaryError;
pub use memory::{Memory, Region, Slices, Unreadable};
pub use moduledata::{BitVector, ModuleData, SliceHeader, find_modules, read_module};
pub use pclntab::{
    ArgsSize, Bitmap, Func, FuncFlags, FuncKind, Functions, LineAt, LogicalFrame, LogicalFrames, ModuleBases,
    ModuleTables, Pclntab, StackMap, StackObject, StackObjects, callers_frames, printable_name,
};
pub use types::{RuntimeTypes, TypeId};
pub use unwind::{
    FrameSlots, ObjectAt, ObjectMask, StackEnd, StackFrame, StackSource, StackStart, StackWalk, StackWord, StackWords,
    frame_slots, scan_stack,
};
pub use variables::Variables;
