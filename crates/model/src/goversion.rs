//! Go release numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A Go release such as `go1.26.6` or `devel go1.28-abcdef`; compared by its numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct GoVersion {
    /// `1` of `go1.26.6`.
    pub major: u32,
    /// `26` of `go1.26.6`.
    pub minor: u32,
    /// `6` of `go1.26.6`; 0 when there is none.
    pub patch: u32,
    /// The whole string as found, with experiment suffixes (`go1.26.6 X:nogreenteagc`).
    pub text: String,
}

impl GoVersion {
    /// Reads the first `goX.Y[.Z]` in `text` (`runtime.Version()`, build info, `go version` output).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let start =
            text.match_indices("go").find(|(i, _)| text.as_bytes().get(i + 2).is_some_and(u8::is_ascii_digit))?.0;
        let numbers = &text[start + 2..];
        let end = numbers.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(numbers.len());
        let mut parts = numbers[..end].split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let patch = parts.next().and_then(|p| p.parse().ok()).unwrap_or(0);
        Some(Self { major, minor, patch, text: text[start..].trim_end().to_owned() })
    }

    /// Whether this is Go `1.minor` or newer.
    #[must_use]
    pub const fn at_least(&self, minor: u32) -> bool {
        self.major > 1 || (self.major == 1 && self.minor >= minor)
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_go_prints() {
        let v = GoVersion::parse("go version go1.26.6 linux/amd64").unwrap();
        assert_eq!((v.major, v.minor, v.patch), (1, 26, 6));
        let v = GoVersion::parse("go1.27rc1").unwrap();
        assert_eq!((v.minor, v.patch), (27, 0));
        assert!(GoVersion::parse("devel go1.28-abc").unwrap().at_least(27));
        assert_eq!(GoVersion::parse("golang"), None);
        assert_eq!(GoVersion::parse("go1"), None);
    }
}
