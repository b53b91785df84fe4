//! Floor 3: what the events of an execution trace amount to.
//!
//! [`Timeline`] is told every event by the reader of crate `trace` and sums them up as they come: collections and
//! stopped worlds, who ran, waited and assisted, how long goroutines waited for a processor, what was left to the
//! program. Memory grows with the goroutines that are alive and with the different stacks that matter, not with the
//! trace. [`Tracker`] follows goroutines from state to state, for what is drawn rather than summed up, as [`Lanes`] does. Refuses: reading bytes, keeping events, and judging.

mod blocking;
mod cpu;
mod gc;
mod goroutines;
mod growth;
mod lanes;
mod latency;
mod load;
mod names;
mod series;
mod stw;
mod timeline;
mod tracker;
mod user;

pub use lanes::Lanes;
pub use names::{Name, Names, Place};
pub use timeline::Timeline;
pub use tracker::{Change, State, Tracker};
