//! The header of a trace: 16 bytes with the version of the format.
//!
//! Refuses: versions whose format is not read here, by name and with advice.
//!
//! Source: GOROOT/src/internal/trace/version/version.go (Go 1.27.3).

use crate::error::TraceError;

/// Length of the header: `go 1.NN trace` and three NUL bytes.
pub(crate) const HEADER_LEN: usize = 16;

/// Version of the format, which is not the version of the Go that wrote it: 1.24 writes 1.23, 1.27 writes 1.26.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// Written by Go 1.22.
    Go122,
    /// Written by Go 1.23 and 1.24.
    Go123,
    /// Written by Go 1.25: with a clock snapshot in every generation.
    Go125,
    /// Written by Go 1.26 and 1.27: generations end with an event of their own.
    Go126,
}

impl Version {
    /// The minor version in the header: 22, 23, 25 or 26.
    #[must_use]
    pub fn minor(self) -> u32 {
        match self {
            Self::Go122 => 22,
            Self::Go123 => 23,
            Self::Go125 => 25,
            Self::Go126 => 26,
        }
    }

    /// Reads the header.
    ///
    /// # Errors
    /// [`TraceError::NotATrace`], [`TraceError::TooOld`] or [`TraceError::TooNew`].
    pub fn of_header(head: &[u8]) -> Result<Self, TraceError> {
        let minor = minor_of(head).ok_or_else(|| TraceError::NotATrace { found: printable(head) })?;
        match minor {
            22 => Ok(Self::Go122),
            23 => Ok(Self::Go123),
            25 => Ok(Self::Go125),
            26 => Ok(Self::Go126),
            0..=21 => Err(TraceError::TooOld { version: format!("1.{minor}") }),
            _ => Err(TraceError::TooNew { version: format!("1.{minor}") }),
        }
    }
}

/// `go 1.NN trace\0\0\0`; before Go 1.10 the minor version has one digit and the header one more NUL.
fn minor_of(head: &[u8]) -> Option<u32> {
    let text = head.get(..HEADER_LEN)?;
    let rest = text.strip_prefix(b"go 1.")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, tail) = rest.split_at_checked(digits)?;
    let tail = tail.strip_prefix(b" trace")?;
    if tail.iter().any(|&b| b != 0) {
        return None;
    }
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn printable(head: &[u8]) -> String {
    let head = head.get(..HEADER_LEN).unwrap_or(head);
    head.iter().map(|&b| if (0x20..0x7f).contains(&b) { char::from(b) } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_headers() {
        assert_eq!(Version::of_header(b"go 1.22 trace\0\0\0").unwrap(), Version::Go122);
        assert_eq!(Version::of_header(b"go 1.26 trace\0\0\0rest").unwrap(), Version::Go126);
        for old in [&b"go 1.21 trace\0\0\0"[..], b"go 1.11 trace\0\0\0", b"go 1.5 trace\0\0\0\0"] {
            assert!(matches!(Version::of_header(old), Err(TraceError::TooOld { .. })));
        }
        assert!(
            matches!(Version::of_header(b"go 1.31 trace\0\0\0"), Err(TraceError::TooNew { version }) if version == "1.31")
        );
        for no in [&b""[..], b"go 1.22 trace", b"go 1. trace\0\0\0\0\0", b"go 1.99999999999", b"PK\x03\x04............"]
        {
            assert!(matches!(Version::of_header(no), Err(TraceError::NotATrace { .. })));
        }
    }
}
