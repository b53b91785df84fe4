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
    /// No file given holds anything the diagnosis reads.
    #[error("{path}: {reason}", path = path.display())]
    Unusable {
        /// The first file.
        path: PathBuf,
        /// What it is, or what is wrong with it.
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
    #[error("{path}: exists already; name another destination", path = path.display())]
    Occupied {
        /// The destination.
        path: PathBuf,
    },
}

impl BundleError {
    /// A file that could not be read or written.
    #[must_use]
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// What to do about it, one sentence; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        use std::io::ErrorKind as K;
        match self {
            Self::Io { source, .. } => match source.kind() {
                K::StorageFull | K::QuotaExceeded => {
                    "free space or name a destination elsewhere (--save, --output; TMPDIR for temporary files); \
                     what was written so far is a bundle that opens"
                }
                K::PermissionDenied => "name a path that this user may use, or run as its owner",
                K::ReadOnlyFilesystem => "name a destination on a file system that can be written",
                _ => "",
            },
            Self::NotABundle { .. } | Self::Zip { .. } => {
                "a bundle is what `oomph capture ... -o incident.oomph` writes; profile files can be named one by one"
            }
            Self::Unusable { .. } => {
                "oomph diagnose reads heap profiles, goroutine dumps (goroutine?debug=2), heap?debug=1 texts, \
                 /debug/vars and /metrics pages, and bundles; oomph pprof reads profiles of any kind"
            }
            Self::Manifest(_) => "the rest of the bundle may be intact: its files can be named one by one",
            Self::Occupied { path } if path.extension().is_some_and(|e| e == "part") => {
                "another capture writes there now, or one was killed: what it left opens like a bundle (oomph diagnose \
                 NAME.part); remove it or name another destination"
            }
            Self::Occupied { .. } => "captures never overwrite",
            _ => "",
        }
    }
}
