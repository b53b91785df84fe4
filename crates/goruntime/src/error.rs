//! What can make a program's runtime unreadable.

use gobinary::Unreadable;
use std::fmt;

/// Why the runtime's structures could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Memory that is needed is not there.
    Unreadable {
        /// What was read.
        what: &'static str,
        /// First missing address.
        address: u64,
    },
    /// A structure was not found where the release keeps it.
    NotFound {
        /// The structure.
        what: &'static str,
        /// Where was looked, and for what.
        looked: String,
    },
    /// A structure contradicts itself.
    Damaged {
        /// The structure.
        what: &'static str,
        /// Its address.
        address: u64,
        /// What should have been there.
        expected: &'static str,
    },
}

impl RuntimeError {
    /// For `map_err` on a read of `what`.
    pub(crate) fn reading(what: &'static str) -> impl Fn(Unreadable) -> Self {
        move |e| Self::Unreadable { what, address: e.address }
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { what, address } => write!(f, "{what}: no memory at {address:#x}"),
            Self::NotFound { what, looked } => write!(f, "{what} was not found: {looked}"),
            Self::Damaged { what, address, expected } => {
                write!(f, "{what} at {address:#x} is damaged: expected {expected}")
            }
        }
    }
}

impl std::error::Error for RuntimeError {}
