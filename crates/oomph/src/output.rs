//! Where text goes: standard output, files, and messages on standard error.

use crate::Failure;
use std::borrow::Cow;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Columns of text that is written to a file.
const WIDTH_OF_FILES: usize = 120;
/// Largest file read, bytes.
const MAX_FILE: u64 = 512 << 20;

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
            fs::write(p, bytes).map_err(|e| Failure::io(format!("cannot write {}", p.display()), &e))
        }
        _ => stdout(bytes),
    }
}

/// Writes text laid out for the terminal; a file is not as wide as the terminal happens to be.
pub(crate) fn write_text(path: Option<&Path>, text: impl FnOnce(usize) -> String) -> Result<(), Failure> {
    let width = if path.is_some() { WIDTH_OF_FILES } else { width() };
    write(path, text(width).as_bytes())
}

/// A document as JSON, with a newline at its end. Control characters are visible in it.
pub(crate) fn json(document: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(document)? + "\n";
    Ok(report::visible_json(&text).into_owned())
}

/// Reads a file whole, `-` being standard input. Devices and pipes are read up to the same limit.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let fail = |e: &io::Error| Failure::io(shown.to_string(), e);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| fail(&e))?;
    } else {
        let file = fs::File::open(path).map_err(|e| fail(&e))?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(Failure::new(format!("{shown} is a directory, not a profile"))
                .hint("a bundle's profiles are the files below its profiles/; oomph diagnose reads a bundle whole"));
        }
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| fail(&e))?;
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failure::new(format!("{shown}: more than {}, the most that is read", model::Bytes(MAX_FILE))));
    }
    Ok(bytes)
}

static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only errors are printed on standard error.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// A message for the person at the terminal, unless told to be quiet.
pub(crate) fn note(message: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        say(message);
    }
}

/// Whatever a service or a file put into the message, it does no harm to the terminal.
fn say(message: &str) {
    // Nothing can be done when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{}", visible(message));
}

/// Text of several lines with control characters and such shown, not sent.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| matches!(b, b'\n' | b'\t' | 0x20..=0x7e);
    if text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(report::visible_block(text)) }
}

pub(crate) fn error(message: &str) {
    say(&format!("oomph: error: {message}"));
}

pub(crate) fn hint(message: &str) {
    say(&format!("hint: {message}"));
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

/// Text from outside for one line: control characters shown, not sent.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    report::visible_line(text)
}
