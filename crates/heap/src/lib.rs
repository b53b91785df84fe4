//! Floor 3: the object graph of a Go heap.
//!
//! Owns what is computed over the objects of a heap once they are numbered. Reads no files and opens no
//! process: memory and the binary's metadata come from the floors below.

pub mod graph;
mod pointers;
mod roots;

pub use pointers::{HeapView, ScanGaps};
pub use roots::{RootGroup, RootSet};
