//! Execution traces: from a file or bytes to what they amount to. Owns reading by position, so that memory does not
//! grow with the file; decides nothing.

use crate::{ArtifactKind, Bundle, BundleError};
use model::{Bytes, TraceDocument};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use timeline::Timeline;
use trace::{Options, Source, TraceError};

/// Rows of each table that are kept for the diagnosis.
pub(crate) const ROWS: usize = 256;
/// Largest trace of a bundle that is read: collecting stops before.
const MAX_IN_MEMORY: Bytes = Bytes::mib(1024);

/// A trace file that is read by position: memory does not grow with it.
#[derive(Debug)]
pub(crate) struct TraceFile {
    file: File,
    size: u64,
}

impl TraceFile {
    /// An open file.
    ///
    /// # Errors
    /// When its size cannot be told.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl Source for TraceFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|r| !r.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

/// The execution trace of a file, read by position, or the last one of a bundle, in memory.
///
/// # Errors
/// When the file or bundle cannot be read, or the bundle has no trace.
pub fn open_trace(path: &Path) -> Result<Box<dyn Source>, BundleError> {
    if !Bundle::is_bundle(path) {
        return Ok(Box::new(File::open(path).and_then(TraceFile::of).map_err(|e| BundleError::io(path, e))?));
    }
    let bundle = Bundle::open(path)?;
    let trace = bundle.manifest().artifacts.iter().rev().find(|a| a.kind == ArtifactKind::Trace);
    let none = || BundleError::Unusable { path: path.into(), reason: "it has no execution trace".into() };
    Ok(Box::new(InMemory(bundle.read(&trace.ok_or_else(none)?.path, MAX_IN_MEMORY)?)))
}

/// Bytes of a trace at hand.
struct InMemory(Vec<u8>);

impl Source for InMemory {
    fn size(&self) -> u64 {
        self.0.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.as_slice().read_at(offset, buffer)
    }

    fn memory(&self) -> Option<&[u8]> {
        Some(&self.0)
    }
}

/// What a trace amounts to, with at most `rows` rows in each table. `source` and `oomph` are left empty.
///
/// # Errors
/// When it is no trace, or one of Go 1.21 and older; what is damaged is told in `limits`.
pub(crate) fn read_trace<S: Source + ?Sized>(source: &S, rows: usize) -> Result<TraceDocument, TraceError> {
    let mut timeline = Timeline::new();
    let summary = trace::read(source, &Options::default(), &mut timeline)?;
    Ok(timeline.finish(&summary, rows))
}

/// Whether bytes begin as execution traces do (`go 1.26 trace`).
pub(crate) fn is_trace(head: &[u8]) -> bool {
    head.starts_with(b"go 1.") && head.get(..16).is_some_and(|h| h.windows(6).any(|w| w == b" trace"))
}
