//! Execution traces as files for other tools. Each writer is a [`trace::Visitor`]: several can listen to one reading.

pub mod perfetto;
mod stacks;

pub use stacks::{StackKind, StackSums};
