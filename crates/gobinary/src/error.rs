//! Why a file could not be read as a Go executable.

use std::fmt;

/// Why a file, or a part of it, could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryError {
    /// The file is no ELF file that this crate reads; the reason.
    NotElf(String),
    /// An ELF file of a machine whose layout is not read (32-bit or big-endian); which.
    Unsupported(String),
    /// No Go build information: not a Go program, one older than Go 1.18, or one built without it.
    NotGo,
    /// A part is damaged: what was expected, and the file offset or address.
    Damaged {
        /// Which part (`build information`, `function table`).
        part: &'static str,
        /// Offset in that part's section or segment.
        offset: u64,
        /// What was expected there.
        expected: &'static str,
    },
}

impl fmt::Display for BinaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf(why) => write!(f, "not an ELF executable: {why}"),
            Self::Unsupported(what) => {
                write!(f, "{what} ELF files are not read; 64-bit little-endian ones are")
            }
            Self::NotGo => {
                f.write_str("no Go build information in the executable: not a Go program, built before Go 1.18, or built without it")
            }
            Self::Damaged { part, offset, expected } => {
                write!(f, "{part} is damaged at {offset:#x}: expected {expected}")
            }
        }
    }
}

impl std::error::Error for BinaryError {}
