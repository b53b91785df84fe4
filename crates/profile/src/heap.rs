//! A heap profile by distinct symbolic stack, each classified: what the diagnosis works on.
use crate::{Profile, ProfileError};
use model::{Frame, Mechanism};

/// All distinct stacks of a heap (or allocs) profile. Values are bytes and objects as published:
/// scaled by the sampling rate already.
#[derive(Clone, Debug, Default)]
pub struct HeapStacks {
    /// Interned frames.
    pub frames: Vec<Frame>,
    /// One row per distinct stack of frames.
    pub stacks: Vec<HeapStack>,
    /// MemProfileRate in bytes (`period`).
    pub rate: u64,
}

/// One distinct stack.
#[derive(Clone, Debug)]
pub struct HeapStack {
    /// Indexes into [`HeapStacks::frames`], leaf (the allocating function) first, inlined frames included.
    /// Leading runtime frames are kept.
    pub frames: Vec<u32>,
    /// How the allocation came about.
    pub mechanism: Mechanism,
    /// Position in `frames` of the first frame outside the Go standard library and runtime: the
    /// user's line that caused the allocation. `None` when the whole stack is standard library.
    pub user: Option<u32>,
    /// Objects allocated since the start.
    pub alloc_objects: i64,
    /// Bytes allocated since the start.
    pub alloc_bytes: i64,
    /// Objects in use.
    pub inuse_objects: i64,
    /// Bytes in use.
    pub inuse_bytes: i64,
    /// Variance (bytes squared) of `inuse_bytes` that the sampling alone causes: the sum over
    /// object sizes s of n*s^2*(1-p)/p with p = 1-exp(-s/rate).
    pub inuse_variance: f64,
    /// The same for `alloc_bytes`.
    pub alloc_variance: f64,
}

impl HeapStacks {
    /// From a heap or allocs profile.
    pub fn of(_profile: &Profile) -> Result<Self, ProfileError> {
        todo!()
    }
}
