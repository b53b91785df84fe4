//! The hidden command that a watch puts before an alert hook's program, so that it dies together with the watch.

use crate::{Failure, Outcome};
use std::ffi::OsString;

/// Runs the program and ends with its code.
pub(super) fn run(args: &[OsString]) -> Result<Outcome, Failure> {
    let code = ::watch::alert::run_hook(args).map_err(|e| Failure::new(format!("cannot run the hook: {e}")))?;
    #[expect(clippy::exit, reason = "the code of the program is this command's own")]
    std::process::exit(i32::from(code));
}
