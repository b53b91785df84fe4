//! Why a bundle could not be opened, read or written.

use std::path::PathBuf;

/// An expected error of the bundle format or its storage. Texts name the file and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither a directory with a manifest nor a zip with one.
    #[error("{path}: not a bundle: {reason}", path = path.display())]
    NotABundle {
        /// The file or directory.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// Written by a version that changed the format.
    #[error("this bundle has schema {found:?}, this oomph reads \"oomph.bundle/1\": {hint}")]
    Schema {
        /// As found.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// The manifest is broken.
    #[error("manifest.json: {0}")]
    Manifest(String),
    /// A path that leads out of the bundle, or a link.
    #[error("unsafe path {path:?} in the bundle: {reason}")]
    UnsafePath {
        /// As found.
        path: String,
        /// Why it is refused.
        reason: &'static str,
    },
    /// The zip container is broken.
    #[error("{path}: broken zip: {reason}", path = path.display())]
    Zip {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The manifest names a file the bundle does not have, or the caller asked for an unknown one.
    #[error("{0}: not in the bundle")]
    Missing(String),
    /// Larger than the caller's limit.
    #[error("{path}: larger than the limit of {limit}")]
    TooLarge {
        /// Path inside the bundle.
        path: String,
        /// The limit.
        limit: model::Bytes,
    },
    /// The destination exists and holds something.
    #[error("{path}: exists and is not empty; name another destination", path = path.display())]
    Occupied {
        /// The destination.
        path: PathBuf,
    },
}

impl BundleError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
