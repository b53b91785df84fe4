//! Texts that nobody may read in a log: addresses with tokens, authorization headers, signing keys. Owns
//! where they come from (the configuration, a file, an environment variable) and that they are printed
//! nowhere; refuses more than one source and texts above 64 KiB.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most bytes of a file with a secret.
const MOST: u64 = 64 << 10;
/// What is shown in a secret's place.
const REDACTED: &str = "(redacted)";

/// A secret written into the configuration itself. Debug output and JSON or TOML made of it show
/// `(redacted)`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    text: String,
    /// An example of the documentation, which is shown.
    shown: bool,
}

impl Secret {
    /// Of a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: false }
    }

    /// No secret: what stands for one in the documentation.
    pub(crate) fn example(text: &str) -> Self {
        Self { text: text.to_owned(), shown: true }
    }

    /// The text itself, to be sent and not to be printed.
    pub(crate) fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if self.shown { &self.text } else { REDACTED })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::new(String::deserialize(from)?))
    }
}

/// The three keys that a secret may come from: `key`, `key-file`, `key-env`.
#[derive(Clone, Copy)]
pub(crate) struct From3<'a> {
    /// Name of the key, for messages.
    pub key: &'static str,
    /// Written down.
    pub text: Option<&'a Secret>,
    /// Path of a file that holds it.
    pub file: Option<&'a Path>,
    /// Name of an environment variable that holds it.
    pub env: Option<&'a str>,
}

impl From3<'_> {
    /// How many of the keys are set.
    fn sources(&self) -> usize {
        usize::from(self.text.is_some()) + usize::from(self.file.is_some()) + usize::from(self.env.is_some())
    }

    /// Refuses more than one source; none too, when `needed`.
    pub(crate) fn check(&self, needed: bool) -> Result<(), String> {
        let key = self.key;
        match self.sources() {
            0 if needed => Err(format!("one of {key}, {key}-file and {key}-env is needed")),
            0 | 1 => Ok(()),
            _ => Err(format!("only one of {key}, {key}-file and {key}-env may be set")),
        }
    }

    /// The secret as it is now: files are read anew each time, since they are replaced when keys change.
    pub(crate) fn read(&self) -> Result<Option<Secret>, String> {
        if let Some(text) = self.text {
            return Ok(Some(text.clone()));
        }
        if let Some(name) = self.env {
            let text = std::env::var(name)
                .map_err(|_| format!("{}-env: the environment variable {name} is not set", self.key))?;
            return Ok(Some(Secret::new(text.trim())));
        }
        let Some(path) = self.file else { return Ok(None) };
        let shown = path.display();
        let mut text = String::new();
        File::open(path)
            .and_then(|f| f.take(MOST + 1).read_to_string(&mut text))
            .map_err(|e| format!("{}-file: cannot read {shown}: {e}", self.key))?;
        if text.len() as u64 > MOST {
            return Err(format!("{}-file: {shown} is larger than {MOST} bytes", self.key));
        }
        Ok(Some(Secret::new(text.trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_from_one_place_and_is_not_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, " hush \n").unwrap();
        let none = From3 { key: "url", text: None, file: None, env: None };
        let file = From3 { file: Some(&path), ..none };
        assert_eq!(file.read().unwrap().unwrap().reveal(), "hush");
        assert!(none.check(true).unwrap_err().contains("url-env"));
        assert!(none.check(false).is_ok() && none.read().unwrap().is_none());
        let text = Secret::new("hush");
        let two = From3 { text: Some(&text), ..file };
        assert!(two.check(false).is_err());
        let unset = From3 { env: Some("OOMPH_TEST_NOT_SET"), ..none };
        assert!(unset.read().unwrap_err().contains("OOMPH_TEST_NOT_SET"));
        assert_eq!(format!("{text:?} {}", serde_json::to_string(&text).unwrap()), "(redacted) \"(redacted)\"");
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        assert!(file.read().is_err());
    }
}
