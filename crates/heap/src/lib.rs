//! Floor 3: the object graph of a Go heap.
//!
//! Owns what is computed over the objects of a heap: their types, edges, roots, dominators, containers. Reads
//! no files and opens no process: memory and the binary's metadata come from the floors below.

mod allocated;
mod clock;
mod code;
mod container_rows;
pub mod containers;
mod depths;
pub mod graph;
mod index;
mod overview;
mod paths;
mod pointers;
mod program;
mod retained_tree;
mod roots;
mod shapes;
mod typing;
mod variables;
mod wrappers;

pub use code::CodeTypes;
pub use index::{IndexError, IndexKey};
pub use overview::Wanted;
pub use paths::{Names, ProgramNames};
pub use pointers::{HeapView, ScanGaps};
pub use program::{HeapError, HeapGraph, Runtime, Step};
pub use roots::{RootGroup, RootSet};
pub use shapes::{Shape, Shapes};
pub use typing::{Typed, Typer, TypingStats, typing_stats};
