//! Where the files of a bundle are: a directory, or a zip. Read only; nothing is unpacked.
//!
//! Refuses links, absolute paths, paths that lead out, entries of a size other than listed, and
//! zip files with more entries than a bundle has. Zip entries are inflated as a stream, up to the
//! caller's limit.

use crate::BundleError;
use crate::manifest::{MANIFEST, MAX_MANIFEST, check_path};
use model::Bytes;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zip::ZipArchive;

/// Most entries accepted in a zip or files in a directory.
const MAX_ENTRIES: usize = 100_000;

#[derive(Clone)]
pub(crate) enum Store {
    Dir(PathBuf),
    Zip {
        file: PathBuf,
        /// Directory inside the zip that holds the manifest; empty, or ends in `/`.
        prefix: String,
        archive: ZipArchive<Shared>,
    },
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dir(p) => write!(f, "Dir({})", p.display()),
            Self::Zip { file, .. } => write!(f, "Zip({})", file.display()),
        }
    }
}

impl Store {
    pub(crate) fn open(path: &Path) -> Result<Self, BundleError> {
        let meta = fs::metadata(path).map_err(|e| BundleError::io(path, e))?;
        if meta.is_dir() {
            if !path.join(MANIFEST).exists() {
                return Err(not_a_bundle(path, "the directory has no manifest.json"));
            }
            return Ok(Self::Dir(path.into()));
        }
        if !meta.is_file() {
            return Err(not_a_bundle(path, "expected a directory or a zip file"));
        }
        Self::open_zip(path, meta.len())
    }

    fn open_zip(path: &Path, len: u64) -> Result<Self, BundleError> {
        let file = File::open(path).map_err(|e| BundleError::io(path, e))?;
        let mut magic = [0_u8; 4];
        let is_zip = file.read_exact_at(&mut magic, 0).is_ok() && (&magic == b"PK\x03\x04" || &magic == b"PK\x05\x06");
        if !is_zip {
            return Err(not_a_bundle(path, "expected a directory with manifest.json, or the same as a zip (.oomph)"));
        }
        let shared = Shared { file: Arc::new(file), at: 0, len };
        let zip = |e: zip::result::ZipError| BundleError::Zip { path: path.into(), reason: e.to_string() };
        let mut archive = ZipArchive::new(shared).map_err(zip)?;
        if archive.len() > MAX_ENTRIES {
            return Err(BundleError::Zip {
                path: path.into(),
                reason: format!("{} entries, more than {MAX_ENTRIES}", archive.len()),
            });
        }
        let mut prefix = None;
        for i in 0..archive.len() {
            let entry = archive.by_index_raw(i).map_err(zip)?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            check_entry(&name, entry.is_symlink())?;
            if name == MANIFEST {
                prefix = Some(String::new());
            } else if let Some(dir) = name.strip_suffix(MANIFEST)
                && dir.ends_with('/')
                && dir.matches('/').count() == 1
                && prefix.is_none()
            {
                prefix = Some(dir.to_owned());
            }
        }
        let Some(prefix) = prefix else {
            return Err(not_a_bundle(path, "the zip has no manifest.json"));
        };
        Ok(Self::Zip { file: path.into(), prefix, archive })
    }

    /// Reads a file into `sink`, at most `max` bytes of it; the number of bytes there were, or
    /// `max + 1` when there are more.
    pub(crate) fn copy(&self, path: &str, max: u64, sink: &mut impl io::Write) -> Result<u64, BundleError> {
        let limit = max.saturating_add(1);
        match self {
            Self::Dir(root) => {
                let full = regular_file(root, path)?;
                let file = File::open(&full).map_err(|e| BundleError::io(&full, e))?;
                io::copy(&mut file.take(limit), sink).map_err(|e| BundleError::io(&full, e))
            }
            Self::Zip { file, prefix, archive } => {
                // Cloning shares the central directory; only the position is this reader's own.
                let mut archive = archive.clone();
                let broken =
                    |reason: String| BundleError::Zip { path: file.clone(), reason: format!("{path}: {reason}") };
                let entry = match archive.by_name(&format!("{prefix}{path}")) {
                    Ok(e) => e,
                    Err(zip::result::ZipError::FileNotFound) => {
                        return Err(BundleError::Missing(path.into()));
                    }
                    Err(e) => return Err(broken(e.to_string())),
                };
                io::copy(&mut entry.take(limit), sink).map_err(|e| broken(e.to_string()))
            }
        }
    }

    /// Reads a file whole.
    pub(crate) fn read(&self, path: &str, max: Bytes) -> Result<Vec<u8>, BundleError> {
        let mut out = Vec::new();
        if self.copy(path, max.0, &mut out)? > max.0 {
            return Err(BundleError::TooLarge { path: path.into(), limit: max });
        }
        Ok(out)
    }

    pub(crate) fn manifest(&self) -> Result<Vec<u8>, BundleError> {
        self.read(MANIFEST, Bytes(MAX_MANIFEST))
    }

    /// Paths of all files, the manifest left out.
    pub(crate) fn files(&self) -> Result<Vec<String>, BundleError> {
        let mut out = match self {
            Self::Dir(root) => {
                let mut out = Vec::new();
                walk(root, "", 0, &mut out)?;
                out
            }
            Self::Zip { prefix, archive, .. } => archive
                .file_names_raw()
                .map(|n| String::from_utf8_lossy(n).into_owned())
                .filter(|n| !n.ends_with('/'))
                .map(|n| n.strip_prefix(prefix.as_str()).map(str::to_owned).unwrap_or(n))
                .collect(),
        };
        out.retain(|p| p != MANIFEST);
        out.sort();
        Ok(out)
    }
}

fn not_a_bundle(path: &Path, reason: &str) -> BundleError {
    BundleError::NotABundle { path: path.into(), reason: reason.into() }
}

fn check_entry(name: &str, symlink: bool) -> Result<(), BundleError> {
    let unsafe_path = |reason| BundleError::UnsafePath { path: name.chars().take(512).collect(), reason };
    if symlink {
        return Err(unsafe_path("a symbolic link"));
    }
    let plain = name.strip_suffix('/').unwrap_or(name);
    if plain.starts_with('/') || plain.contains('\\') || plain.contains(':') {
        return Err(unsafe_path("absolute"));
    }
    if plain.split('/').any(|p| p == "..") {
        return Err(unsafe_path("leads elsewhere"));
    }
    Ok(())
}

/// The file below `root`, no component of it a link.
fn regular_file(root: &Path, path: &str) -> Result<PathBuf, BundleError> {
    if path != MANIFEST {
        check_path(path)?;
    }
    let mut full = root.to_path_buf();
    let mut last = None;
    for part in path.split('/') {
        full.push(part);
        let meta = match fs::symlink_metadata(&full) {
            Ok(m) => m,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(BundleError::Missing(path.into()));
            }
            Err(e) => return Err(BundleError::io(full, e)),
        };
        if meta.file_type().is_symlink() {
            return Err(BundleError::UnsafePath { path: path.into(), reason: "a symbolic link" });
        }
        last = Some(meta);
    }
    if last.is_some_and(|m| m.is_file()) {
        Ok(full)
    } else {
        Err(BundleError::UnsafePath { path: path.into(), reason: "not a regular file" })
    }
}

fn walk(dir: &Path, under: &str, depth: u32, out: &mut Vec<String>) -> Result<(), BundleError> {
    const MAX_DEPTH: u32 = 16;
    for entry in fs::read_dir(dir).map_err(|e| BundleError::io(dir, e))? {
        let entry = entry.map_err(|e| BundleError::io(dir, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if under.is_empty() { name } else { format!("{under}/{name}") };
        let kind = entry.file_type().map_err(|e| BundleError::io(entry.path(), e))?;
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&entry.path(), &path, depth + 1, out)?;
        } else if out.len() < MAX_ENTRIES {
            out.push(path);
        }
    }
    Ok(())
}

/// A reader with a position of its own over a shared file.
#[derive(Clone)]
pub(crate) struct Shared {
    file: Arc<File>,
    at: u64,
    len: u64,
}

impl Read for Shared {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(d) => self.len.checked_add_signed(d),
            SeekFrom::Current(d) => self.at.checked_add_signed(d),
        };
        match at {
            Some(at) => {
                self.at = at;
                Ok(at)
            }
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "seek before the start of the file")),
        }
    }
}
