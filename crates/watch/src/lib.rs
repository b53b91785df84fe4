//! Floor 7: watch Go services and warn before the OOM killer comes.
//!
//! Samples each target at its own pace, gives the samples to `signals`, captures evidence into bundles
//! before and at the moment of trouble, raises alerts and tells its own state. Refuses: diagnosing (a bundle
//! is diagnosed by another process, so that neither its memory nor its faults are the watcher's).

pub mod alert;
mod capture;
pub mod config;
pub mod dump;
mod find;
mod keeper;
pub mod period;
mod ring;
pub mod rules;
pub mod series;
pub mod serve;
mod settings;
mod shared;
mod target_spec;
pub mod top;
mod watcher;
mod worker;

pub use config::WatchFile;
pub use target_spec::{TargetSpec, WatchTarget};
pub use watcher::{StatusSource, WatchOptions, Watcher};

/// Settings of glibc's allocator under which a watcher stays small: many threads that each do little. To be set in
/// the environment before the program starts; what the watcher starts does not inherit them.
pub const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];
