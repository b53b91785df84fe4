//! Floor 8: the binary. Arguments, progress, exit codes; everything else is below.
//!
//! Exit codes: 0 fine, 1 findings or a failed check, 2 usage or operational error. A broken pipe on
//! standard output is a reader that has seen enough: 0.

mod args;
mod commands;
mod config;
mod output;
mod progress;
mod stop;
mod target_arg;

use clap::Parser;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to report.
    Fine,
    /// Findings, or a check that failed.
    Findings,
}

/// An error a person can act on: what failed, on what, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// What the system refused, and what to do about it where that is known.
    pub(crate) fn io(what: impl std::fmt::Display, e: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let hint = match e.kind() {
            K::NotFound => "check the spelling and the directory",
            K::PermissionDenied => "name a path that this user may use, or run as its owner",
            K::StorageFull | K::QuotaExceeded => "free space or name another destination",
            K::IsADirectory => "name a file",
            K::ReadOnlyFilesystem => "name a destination on a file system that can be written",
            _ => return Self::new(format!("{what}: {e}")),
        };
        Self::new(format!("{what}: {e}")).hint(hint)
    }

    /// The same, said of files.
    pub(crate) fn of(mut self, files: &[std::path::PathBuf]) -> Self {
        let named = match files {
            [] => return self,
            [one] => one.display().to_string(),
            [first, second] => format!("{}, {}", first.display(), second.display()),
            [first, .., last] => format!("{} ... {}", first.display(), last.display()),
        };
        self.message = format!("{named}: {}", self.message);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::new(e.to_string())
    }
}

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let usage = e.use_stderr();
            // A closed pipe while printing help is nobody's error.
            let _ = e.print();
            return ExitCode::from(if usage { 2 } else { 0 });
        }
    };
    match commands::run(cli) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(failure) => {
            output::error(&failure.message);
            if let Some(hint) = failure.hint {
                output::hint(&hint);
            }
            ExitCode::from(2)
        }
    }
}
