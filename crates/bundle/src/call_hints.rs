//! Call targets outside of a bundle: of an executable that is at hand as a file, or of the JSON of a capture.

use crate::hints::Hints;
use profile::{MechanismHints, Profile};

/// What an executable tells of the addresses in a profile: the functions called at the leaves.
#[derive(Clone, Debug, Default)]
pub struct CallHints(Hints);

impl CallHints {
    /// Looks up every leaf address of `profile` in `exe`, a Go executable that was not relocated
    /// (not a PIE). Empty when it is none.
    #[must_use]
    pub fn of_executable(profile: &Profile, exe: &[u8]) -> Self {
        let mut hints = Hints::default();
        let wanted = hints.unknown(profile);
        let _ = hints.look_up(&wanted, exe, &[]);
        Self(hints)
    }

    /// Reads an artifact of kind [`call-targets`](crate::ArtifactKind::CallTargets): the JSON that a
    /// capture keeps of the executable.
    ///
    /// # Errors
    /// A sentence: not that JSON, or of another schema.
    pub fn of_json(json: &[u8]) -> Result<Self, String> {
        let mut hints = Hints::default();
        hints.add_json(json)?;
        Ok(Self(hints))
    }
}

impl MechanismHints for CallHints {
    fn callee(&self, return_address: u64) -> Option<&str> {
        self.0.callee(return_address)
    }

    fn function(&self, address: u64) -> Option<&str> {
        self.0.function(address)
    }
}
