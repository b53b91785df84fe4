//! The index of a heap in a file beside its core file, so that the next question is answered at once. Owns where it
//! lies and when it is of the core file at hand. It is written whole or not at all, and only where it was asked for;
//! one that cannot be used is written anew.

use gobinary::Functions;
use heap::{HeapGraph, IndexError, IndexKey, Runtime};
use std::fs::File;
use std::hash::Hasher;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Bytes written at a time.
const BUFFER: usize = 1 << 20;
/// Bytes at both ends of an executable that tell it from others: headers, build ID, section table.
const ENDS: usize = 1 << 16;

/// Where the index of a core file is, and what it must be of.
#[derive(Clone, Debug)]
pub(crate) struct IndexFile {
    path: PathBuf,
    key: IndexKey,
}

impl IndexFile {
    /// The index of a core file whose executable is `exe`: `core.oomph-index` beside `core`. None when nothing is
    /// known of the core file.
    pub(crate) fn beside(core: &Path, exe: &[u8]) -> Option<Self> {
        let facts = std::fs::metadata(core).ok()?;
        let modified = facts.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(exe.get(..ENDS.min(exe.len()))?);
        hasher.write(exe.get(exe.len().saturating_sub(ENDS)..)?);
        let mut identity = (exe.len() as u64).to_le_bytes().to_vec();
        identity.extend_from_slice(&hasher.finish().to_le_bytes());
        let mut name = core.file_name()?.to_owned();
        name.push(".oomph-index");
        Some(Self { path: core.with_file_name(name), key: IndexKey { size: facts.len(), modified, identity } })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a heap by it.
    pub(crate) fn load<'r>(
        &self,
        runtime: &'r Runtime<'r>,
        functions: &[Functions<'_>],
    ) -> Result<HeapGraph<'r>, IndexError> {
        let mut file = File::open(&self.path)?;
        let len = file.metadata()?.len();
        // Sections are read whole: there is nothing to gain by a buffer.
        HeapGraph::load(runtime, functions, &self.key, &mut file, len)
    }

    /// Writes it beside the core file.
    pub(crate) fn store(&self, graph: &HeapGraph<'_>) -> std::io::Result<()> {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder)?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        graph.save_index(&self.key, &mut out)?;
        out.flush()?;
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.persist(&self.path)?;
        Ok(())
    }
}
