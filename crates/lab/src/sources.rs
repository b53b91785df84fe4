//! The embedded Go module, and writing it to a directory. Refuses to write a file that is already
//! there with the same content, so that several builders may share a directory.

use crate::LabError;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Path inside the module (slashes) and content.
static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// All embedded files: path inside the module and content.
pub(crate) fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOURCES.iter().copied()
}

/// The content of an embedded file.
pub(crate) fn file(path: &str) -> Option<&'static str> {
    files().find(|(name, _)| *name == path).map(|(_, text)| text)
}

/// Writes the Go module to `dir` (made if missing). Each file appears whole or not at all.
///
/// # Errors
/// When a directory or file cannot be written.
pub fn extract(dir: &Path) -> Result<(), LabError> {
    for (name, text) in files() {
        let path = dir.join(name);
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            continue;
        }
        let what = || format!("writing {}", path.display());
        let parent = path.parent().unwrap_or(dir);
        fs::create_dir_all(parent).map_err(LabError::io(what()))?;
        let mut file = tempfile::NamedTempFile::new_in(parent).map_err(LabError::io(what()))?;
        file.write_all(text.as_bytes()).map_err(LabError::io(what()))?;
        file.persist(&path).map_err(|e| LabError::io(what())(e.error))?;
    }
    Ok(())
}
