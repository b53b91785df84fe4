//! `goroutine?debug=2` text.
use crate::{ProfileError, ReadLimits};
use model::{Frame, Gap};

/// All goroutines of one dump.
#[derive(Clone, Debug, Default)]
pub struct GoroutineDump {
    /// Interned frames.
    pub frames: Vec<Frame>,
    /// In the order of the dump.
    pub goroutines: Vec<Goroutine>,
    /// What had to be left out (a dump cut at the runtime's 64 MiB is told here).
    pub gaps: Vec<Gap>,
}

/// One goroutine.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// goid.
    pub id: u64,
    /// Index into [`GoroutineDump::states`]-like interned strings is up to the reader; here the state
    /// as printed, without wait time: `chan receive`, `select`, `IO wait`, `running`.
    pub state: std::sync::Arc<str>,
    /// Whole minutes waited; 0 when not printed.
    pub wait_minutes: u32,
    /// `locked to thread`.
    pub locked_to_thread: bool,
    /// Indexes into frames, leaf first.
    pub stack: std::sync::Arc<[u32]>,
    /// `created by` frame.
    pub created_by: Option<u32>,
    /// `in goroutine N` (Go 1.21+).
    pub creator: Option<u64>,
}

/// Goroutines with the same state, stack and creation site.
#[derive(Clone, Debug)]
pub struct GoroutineGroup {
    /// State.
    pub state: std::sync::Arc<str>,
    /// How many.
    pub count: u64,
    /// Longest and median wait, minutes.
    pub max_wait_minutes: u32,
    /// Median wait, minutes.
    pub median_wait_minutes: u32,
    /// Indexes into [`GoroutineDump::frames`], leaf first.
    pub stack: std::sync::Arc<[u32]>,
    /// `created by` frame.
    pub created_by: Option<u32>,
    /// Position in `stack` of the first frame outside the standard library: where user code waits.
    pub user: Option<u32>,
}

impl GoroutineDump {
    /// Reads a `goroutine?debug=2` text.
    pub fn read(_text: &[u8], _limits: &ReadLimits) -> Result<Self, ProfileError> {
        todo!()
    }
    /// Groups, the largest first.
    pub fn groups(&self) -> Vec<GoroutineGroup> {
        todo!()
    }
}
