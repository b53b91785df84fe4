//! Writing a bundle: each artifact reaches the disk as it arrives, the manifest after it.
//!
//! Files are written under a name ending in `.part`, synced, renamed; then the manifest is replaced
//! the same way. A process killed at any moment leaves a bundle that opens, with what was complete.

use crate::manifest::{MANIFEST, check_path};
use crate::{Artifact, ArtifactKind, BundleError, Failure, Manifest};
use model::{Bytes, UnixMillis};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A bundle directory being written. Dropping it loses nothing: all that was added is on disk.
#[derive(Debug)]
pub struct BundleWriter {
    dir: PathBuf,
    manifest: Manifest,
    stored: u64,
}

/// An artifact still arriving.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    part: PathBuf,
    path: String,
    sha: Sha256,
    bytes: u64,
}

/// What is known of an artifact besides its bytes.
#[derive(Clone, Debug)]
pub struct ArtifactMeta {
    /// What it is.
    pub kind: ArtifactKind,
    /// The sample it belongs to.
    pub sample: Option<u32>,
    /// Endpoint path or `/proc` path.
    pub source: String,
    /// HTTP status.
    pub http_status: Option<u16>,
    /// Whether asking for it forced a GC cycle.
    pub forced_gc: bool,
    /// Whether it was cut.
    pub cut: bool,
    /// Whether something was left out of it for privacy.
    pub redacted: bool,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// When it was taken, where that is not now.
    pub taken_at: Option<UnixMillis>,
}

impl ArtifactMeta {
    /// A complete artifact of a kind from a source.
    #[must_use]
    pub fn new(kind: ArtifactKind, sample: Option<u32>, source: impl Into<String>) -> Self {
        Self {
            kind,
            sample,
            source: source.into(),
            http_status: None,
            forced_gc: false,
            cut: false,
            redacted: false,
            notes: Vec::new(),
            taken_at: None,
        }
    }
}

impl BundleWriter {
    /// Starts a bundle in `dir`, which must be absent or an empty directory.
    ///
    /// # Errors
    /// [`BundleError::Occupied`] when something is there; [`BundleError::Io`] else.
    pub fn create(dir: &Path, manifest: Manifest) -> Result<Self, BundleError> {
        fs::create_dir_all(dir).map_err(|e| BundleError::io(dir, e))?;
        let mut entries = fs::read_dir(dir).map_err(|e| BundleError::io(dir, e))?;
        if entries.next().is_some() {
            return Err(BundleError::Occupied { path: dir.into() });
        }
        let writer = Self { dir: dir.into(), manifest, stored: 0 };
        writer.claim()?;
        Ok(writer)
    }

    /// Of two collections that begin at once one must lose: both saw an empty directory. The manifest is whole from the
    /// moment it has its name, so that a process killed here leaves a bundle, or none.
    fn claim(&self) -> Result<(), BundleError> {
        let path = self.dir.join(MANIFEST);
        let part = self.dir.join(format!("{MANIFEST}.{}.part", std::process::id()));
        let io = |e| BundleError::io(&path, e);
        self.write_manifest(&part)?;
        let linked = fs::hard_link(&part, &path);
        let _ = fs::remove_file(&part);
        match linked {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BundleError::Occupied { path: self.dir.clone() });
            }
            // A file system without hard links.
            Err(_) => match File::create_new(&path) {
                Ok(_) => return self.flush(),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(BundleError::Occupied { path: self.dir.clone() });
                }
                Err(e) => return Err(io(e)),
            },
        }
        self.sync_dir();
        Ok(())
    }

    /// Goes on with a bundle that was begun before. One writer at a time.
    ///
    /// # Errors
    /// [`BundleError::Io`], and those of [`Manifest::parse`].
    pub fn resume(dir: &Path) -> Result<Self, BundleError> {
        let path = dir.join(MANIFEST);
        let json = fs::read(&path).map_err(|e| BundleError::io(&path, e))?;
        let mut manifest = Manifest::parse(&json)?;
        manifest.finished = None;
        let stored = manifest.artifacts.iter().fold(0_u64, |sum, a| sum.saturating_add(a.bytes.0));
        Ok(Self { dir: dir.into(), manifest, stored })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was written so far.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of all artifacts so far.
    #[must_use]
    pub const fn stored(&self) -> Bytes {
        Bytes(self.stored)
    }

    /// Changes the manifest's own fields (target, samples) and writes it.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn update(&mut self, change: impl FnOnce(&mut Manifest)) -> Result<(), BundleError> {
        change(&mut self.manifest);
        self.flush()
    }

    /// Opens an artifact to be written in pieces; [`Self::commit`] makes it part of the bundle.
    ///
    /// # Errors
    /// [`BundleError::UnsafePath`], [`BundleError::Io`].
    pub fn begin(&self, path: &str) -> Result<PartFile, BundleError> {
        check_path(path)?;
        let full = self.dir.join(path);
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent).map_err(|e| BundleError::io(parent, e))?;
        }
        let mut name = full.into_os_string();
        name.push(".part");
        let part = PathBuf::from(name);
        let file = File::create(&part).map_err(|e| BundleError::io(&part, e))?;
        Ok(PartFile { file, part, path: path.into(), sha: Sha256::new(), bytes: 0 })
    }

    /// Makes a written artifact part of the bundle.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn commit(&mut self, part: PartFile, meta: ArtifactMeta) -> Result<(), BundleError> {
        let full = self.dir.join(&part.path);
        let io = |e| BundleError::io(&full, e);
        part.file.sync_data().map_err(io)?;
        fs::rename(&part.part, &full).map_err(io)?;
        // What is taken again replaces what was there: the file has, and a path is listed once.
        if let Some(at) = self.manifest.artifacts.iter().position(|a| a.path == part.path) {
            let old = self.manifest.artifacts.remove(at);
            self.stored = self.stored.saturating_sub(old.bytes.0);
        }
        self.stored = self.stored.saturating_add(part.bytes);
        self.manifest.artifacts.push(Artifact {
            path: part.path,
            kind: meta.kind,
            sample: meta.sample,
            taken_at: meta.taken_at.unwrap_or_else(now),
            bytes: Bytes(part.bytes),
            sha256: hex(&part.sha.finalize()),
            source: meta.source,
            http_status: meta.http_status,
            forced_gc: meta.forced_gc,
            cut: meta.cut,
            redacted: meta.redacted,
            notes: meta.notes,
        });
        self.flush()
    }

    /// Adds an artifact held in memory.
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Self::commit`].
    pub fn add(&mut self, path: &str, bytes: &[u8], meta: ArtifactMeta) -> Result<(), BundleError> {
        let mut part = self.begin(path)?;
        part.write_all(bytes).map_err(|e| BundleError::io(&part.part, e))?;
        self.commit(part, meta)
    }

    /// Notes that something could not be had.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn fail(&mut self, failure: Failure) -> Result<(), BundleError> {
        self.manifest.failures.push(failure);
        self.flush()
    }

    /// Ends the bundle.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn finish(mut self, stopped: bool) -> Result<Manifest, BundleError> {
        self.manifest.finished = Some(now());
        self.manifest.stopped = stopped;
        self.flush()?;
        Ok(self.manifest)
    }

    fn flush(&self) -> Result<(), BundleError> {
        let path = self.dir.join(MANIFEST);
        let part = self.dir.join("manifest.json.part");
        self.write_manifest(&part)?;
        fs::rename(&part, &path).map_err(|e| BundleError::io(&path, e))?;
        self.sync_dir();
        Ok(())
    }

    fn write_manifest(&self, to: &Path) -> Result<(), BundleError> {
        let io = |e| BundleError::io(to, e);
        let mut json = serde_json::to_vec_pretty(&self.manifest).map_err(|e| BundleError::Manifest(e.to_string()))?;
        json.push(b'\n');
        let mut file = File::create(to).map_err(io)?;
        file.write_all(&json).map_err(io)?;
        file.sync_data().map_err(io)
    }

    /// A new name is durable once the directory is; some file systems refuse to sync one.
    fn sync_dir(&self) {
        if let Ok(dir) = File::open(&self.dir) {
            let _ = dir.sync_all();
        }
    }
}

impl PartFile {
    /// Bytes written.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets what was written, for a second try.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.sha = Sha256::new();
        self.bytes = 0;
        Ok(())
    }

    /// Removes the file: there is nothing to keep.
    pub fn discard(self) {
        drop(self.file);
        let _ = fs::remove_file(&self.part);
    }

    /// Where the bytes are until the artifact is committed.
    pub(crate) fn location(&self) -> &Path {
        &self.part
    }
}

impl Write for PartFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.file.write(buf)?;
        self.sha.update(buf.get(..n).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(n as u64);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}
