//! (skeleton: the interface the floors above rely on)
mod goroutines;
mod heap;
mod profile;
pub use goroutines::{Goroutine, GoroutineDump, GoroutineGroup};
pub use heap::{HeapStack, HeapStacks};
pub use profile::{Profile, ProfileError, ProfileKind, ReadLimits};
