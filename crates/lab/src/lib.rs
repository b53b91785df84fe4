//! Floor 7: Go toolchains and specimens.
//!
//! A *specimen* is a small Go service with one known fault (or none), in realistic noise, with a
//! load generator of its own and a `/truth` endpoint at which it tells what it holds. The sources
//! are embedded. [`Toolchain::find_or_fetch`] finds a Go or fetches one, [`Specimen::build`]
//! builds, [`Specimen::start`] runs, [`Running::truth`] asks, and nothing outlives [`Running`]. Those of memory
//! ([`Specimen::all`]), those of time ([`Specimen::of_time`], `lab/time`) and those of growth ([`Specimen::of_growth`],
//! `lab/watch`) are listed apart. The last run inside a [`MemoryCgroup`], until the kernel kills them or not ([`Growing`]).
//!
//! A *heap program* ([`HeapProgram`], `lab/heap`) builds containers it knows all about and stands still,
//! for readers of its memory to be compared with its own account ([`HeapTruth`]).
//!
//! Refuses: judging. What a diagnosis should say of a specimen is in its `truth.json`
//! ([`Expectation`]); comparing is for tests.

mod cgroup;
mod error;
mod fetch;
mod growing;
mod heap;
mod heap_truth;
mod process;
mod run;
mod sources;
mod specimen;
mod toolchain;
mod truth;
mod wheel;

pub use cgroup::MemoryCgroup;
pub use error::LabError;
pub use growing::{End, Growing, Told};
pub use heap::{HeapBuild, HeapProgram, HeapRunning, Symbols};
pub use heap_truth::{GoroutineGroup, HeapContainer, HeapMemStats, HeapTruth, MapShape};
pub use run::{Client, Running};
pub use sources::extract;
pub use specimen::Specimen;
pub use toolchain::{DEFAULT_GO, Progress, Toolchain, default_cache_dir};
pub use truth::{Culprit, Expectation, Growth, GrowthPhase, Leak, Phase, Truth, TruthLine, TruthSite};
