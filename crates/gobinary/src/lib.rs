//! What a Go executable says of itself: build information (`debug/buildinfo`), build id, and the
//! function table (pclntab) that names every function, all of them also in stripped binaries.
//!
//! Bytes in, facts out: this crate opens nothing. It reads 64-bit little-endian ELF files of Go
//! 1.18 to 1.27 and refuses others with an error; it never panics on any input.

mod buildinfo;
mod elf;
mod error;
mod gcprog;
mod memory;
mod pclntab;
mod unwind;

pub use buildinfo::{BuildInfo, Module};
pub use elf::GoBinary;
pub use error::BinaryError;
pub use memory::{Memory, Region, Slices, Unreadable};
pub use pclntab::{
    ArgsSize, Bitmap, Func, FuncFlags, FuncKind, Functions, LineAt, LogicalFrame, LogicalFrames, ModuleBases,
    ModuleTables, Pclntab, StackMap, StackObject, StackObjects, callers_frames, printable_name,
};
pub use unwind::{
    FrameArch, FrameSlots, ObjectAt, ObjectMask, StackEnd, StackFrame, StackSource, StackStart, StackWalk, StackWord,
    StackWords, frame_slots, scan_stack,
};
