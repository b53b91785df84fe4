//! (skeleton: the interface the floors above rely on)
mod facts;
pub use facts::{BuildFacts, Facts, GoEnvironment, SampleFacts, Sourced};
