//! Floor 4: the object graph of a heap and execution traces as files that other tools read.
//!
//! Owns what each column and each frame means: the holder tree as stacks of a profile ([`holder_profile`]), the graph
//! as Parquet tables ([`write_tables`]); of traces ([`trace`]) what is a track, a slice, a sample. Refuses to read
//! memory or traces, and to judge.

mod pprof;
mod table;
mod tables;
pub mod trace;

pub use pprof::holder_profile;
pub use tables::{Written, write_tables};

use std::path::PathBuf;

/// Why a graph could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file or directory cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A table cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// What the writer said.
        error: parquet::errors::ParquetError,
    },
    /// The profile has more names or stacks than its format holds.
    #[error(transparent)]
    Profile(#[from] profile::ProfileError),
    /// The graph is too large.
    #[error(transparent)]
    Graph(#[from] heap::graph::GraphError),
}
