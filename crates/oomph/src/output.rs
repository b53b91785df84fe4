//! Where text goes: standard output, files, and messages on standard error.

use crate::Failure;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Writes to standard output. A reader that closed the pipe has seen enough.
pub(crate) fn stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Writes to `path`, or to standard output when there is none or it is `-`.
pub(crate) fn write(path: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    match path {
        Some(p) if p != Path::new("-") => {
            fs::write(p, bytes).map_err(|e| Failure::new(format!("cannot write {}: {e}", p.display())))
        }
        _ => stdout(bytes),
    }
}

/// A message for the person at the terminal.
pub(crate) fn note(message: &str) {
    // Nothing can be done when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{message}");
}

pub(crate) fn error(message: &str) {
    note(&format!("oomph: error: {message}"));
}

pub(crate) fn hint(message: &str) {
    note(&format!("hint: {message}"));
}

/// Columns of the terminal, 80 where standard output is none; `COLUMNS` overrides.
pub(crate) fn width() -> usize {
    if let Some(columns) = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()) {
        return columns;
    }
    terminal_size::terminal_size().map_or(80, |(w, _)| usize::from(w.0))
}

/// Colour only on a terminal, never with `NO_COLOR` (no-color.org) or `TERM=dumb`.
pub(crate) fn colour() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Text from outside for a terminal: control characters shown, not sent.
pub(crate) fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
