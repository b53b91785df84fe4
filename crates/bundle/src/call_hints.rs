//! Call targets for one profile and the executable it came from, when both are at hand as files.

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
}

impl MechanismHints for CallHints {
    fn callee(&self, return_address: u64) -> Option<&str> {
        self.0.callee(return_address)
    }

    fn function(&self, address: u64) -> Option<&str> {
        self.0.function(address)
    }
}
