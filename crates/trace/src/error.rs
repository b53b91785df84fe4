//! What can be wrong with a trace, always with the file offset.
//!
//! Refuses: guessing. An error says what was expected at an offset and what stood there.

use thiserror::Error;

/// Why a trace cannot be read at all: nothing was told of it.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The first 16 bytes are no trace header.
    #[error("offset 0: expected the header of a Go execution trace (`go 1.NN trace`), found {found:?}")]
    NotATrace {
        /// The first bytes of the file, those that can be printed.
        found: String,
    },
    /// The format of Go 1.21 and older.
    #[error(
        "a trace in the format of Go {version} (Go 1.21 or older), which is not read: build the program with Go 1.22 or newer, or use `go tool trace`"
    )]
    TooOld {
        /// The version in the header, as `1.NN`.
        version: String,
    },
    /// A format that came after those known here.
    #[error("a trace in the format of Go {version}, which is newer than the newest known one (1.26)")]
    TooNew {
        /// The version in the header, as `1.NN`.
        version: String,
    },
    /// The source of the bytes failed.
    #[error("offset {offset}: {source}")]
    Io {
        /// Where in the trace.
        offset: u64,
        /// What the source said.
        source: std::io::Error,
    },
}

/// A part of the trace that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where in the file the trouble was met, in bytes from the start of the trace.
    pub offset: u64,
    /// The generation it belongs to; 0 where it was not known.
    pub generation: u64,
    /// What was expected and what was found.
    pub reason: String,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "offset {}", self.offset)?;
        if self.generation != 0 {
            write!(f, " (generation {})", self.generation)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Trouble inside one generation: becomes a [`Gap`] where the generation is known.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) offset: u64,
    pub(crate) reason: String,
}

impl Broken {
    pub(crate) fn new(offset: u64, reason: impl Into<String>) -> Self {
        Self { offset, reason: reason.into() }
    }

    pub(crate) fn in_generation(self, generation: u64) -> Gap {
        Gap { offset: self.offset, generation, reason: self.reason }
    }
}
