//! What could not be read, and where.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A part of an artifact that a reader had to leave out. Readers return a value and its gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Byte offset in the (inflated) artifact where reading failed; `None` when it has no place.
    pub offset: Option<u64>,
    /// What is missing and what was expected there, one sentence without a full stop.
    pub what: String,
}

impl Gap {
    /// A gap at a byte offset.
    pub fn at(offset: u64, what: impl Into<String>) -> Self {
        Self { offset: Some(offset), what: what.into() }
    }

    /// A gap with no place of its own.
    pub fn of(what: impl Into<String>) -> Self {
        Self { offset: None, what: what.into() }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(o) => write!(f, "at byte {o}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
