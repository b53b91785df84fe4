//! What can go wrong with toolchains and specimens, each with what to do about it.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// `OOMPH_GO` names something that is not a usable Go.
    #[error("OOMPH_GO={path}: {reason}", path = path.display())]
    BadOverride {
        /// Its value.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// No Go here, and none could be fetched.
    #[error(
        "no Go {wanted} found, and fetching one failed:\n{}\nhint: install Go 1.21 or newer \
         (https://go.dev/dl), or set OOMPH_GO to a go binary, or connect to the network",
        attempts.iter().map(|a| format!("  {a}")).collect::<Vec<_>>().join("\n")
    )]
    NoToolchain {
        /// What was wanted.
        wanted: String,
        /// Each way that was tried and how it ended.
        attempts: Vec<String>,
    },
    /// A wheel that cannot be unpacked.
    #[error("{path}: {reason}", path = path.display())]
    Wheel {
        /// The wheel, or the entry in it.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// No specimen of this name.
    #[error("no specimen named {name:?}; there are: {known}")]
    UnknownSpecimen {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A specimen's `truth.json` cannot be read, or its marker is not in the source.
    #[error("specimen {name}: {reason}")]
    BadSpecimen {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `go` failed.
    #[error("{command} failed ({status}):\n{stderr}")]
    Go {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote.
        stderr: String,
    },
    /// A specimen did not come up.
    #[error("specimen {name} did not start: {reason}")]
    Start {
        /// Its name.
        name: String,
        /// What happened instead.
        reason: String,
    },
    /// A specimen did not answer at `/truth`.
    #[error("GET {url}: {reason}")]
    Truth {
        /// The address.
        url: String,
        /// What happened instead.
        reason: String,
    },
    /// No control group with a limit of memory can be made here.
    #[error("no memory control group: {reason}\nhint: run as root, where the memory controller is mounted")]
    NoCgroup {
        /// What is missing.
        reason: String,
    },
    /// A file or process operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl LabError {
    /// For `map_err`: an [`io::Error`] with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
