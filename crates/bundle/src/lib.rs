//! Floor 4: evidence bundles.
//!
//! A bundle is a directory (or the same as one zip, `.oomph`) of artifacts in their native formats
//! plus `manifest.json`. [`collect`] fills one from a running service; [`Bundle::open`] reads one;
//! [`Bundle::facts`] turns its artifacts into what the diagnosis works on. A live diagnosis is the
//! same three steps, so a bundle read later, elsewhere, gives the same facts.
//!
//! This crate holds the only sockets of floors 0 to 6. It judges nothing.

mod address;
mod call_hints;
mod collect;
mod error;
mod execution_trace;
mod facts;
mod fetch_error;
mod files;
mod heap_index;
mod hints;
mod http;
mod kind;
mod manifest;
mod open;
mod parse;
mod privacy;
mod program;
mod read;
pub mod sampling;
mod settings;
mod store;
mod symbols;
mod trust;
mod watched;
mod write;

pub use address::Address;
pub use call_hints::CallHints;
pub use collect::{AppendPlan, append, append_calls};
pub use collect::{CollectError, CollectOptions, CollectTarget, Collected, GcPolicy, GraphPolicy, Progress, collect};
pub use error::BundleError;
pub use execution_trace::open_trace;
pub use facts::{BuildFacts, Facts, GoEnvironment, SampleFacts, Sourced};
pub use fetch_error::FetchError;
pub use kind::ArtifactKind;
pub(crate) use manifest::MEMORY_SOURCE;
pub use manifest::{Artifact, BUNDLE_SCHEMA, Failure, MANIFEST, Manifest, OptionsRecord, SampleRecord, TargetRecord};
pub use open::{Bundle, Verification, pack};
pub use program::{ProgramError, ProgramHeap, ProgramMemory};
pub use trust::Authorities;
pub use write::{ArtifactMeta, BundleWriter, PartFile, now};
