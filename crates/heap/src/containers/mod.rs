//! Containers: what the runtime and the standard library keep for a Go program, decoded and measured.

mod maps;

pub use maps::{MapFacts, map_facts};
