//! Opening, listing, verifying and packing bundles. Reading never writes.

use crate::store::Store;
use crate::write::hex;
use crate::{Artifact, BundleError, Manifest};
use model::{ArtifactRef, Bytes};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

/// An open bundle.
#[derive(Debug)]
pub struct Bundle {
    pub(crate) store: Store,
    manifest: Manifest,
    path: PathBuf,
}

/// What [`Bundle::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Artifacts whose size and SHA-256 are as listed.
    pub intact: usize,
    /// Those that are not: path and what is wrong.
    pub damaged: Vec<(String, String)>,
    /// Listed, but not there.
    pub missing: Vec<String>,
    /// There, but not listed; `.part` files are left by a collection that was killed.
    pub extra: Vec<String>,
    /// Whether collecting came to its end.
    pub finished: bool,
}

impl Verification {
    /// Whether everything listed is there and intact. Extra files do no harm: they are never read.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }
}

impl Bundle {
    /// Opens a bundle directory or zip. Only the manifest is read.
    ///
    /// # Errors
    /// [`BundleError`]: not there, not a bundle, another schema, unsafe paths.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let store = Store::open(path)?;
        let manifest = Manifest::parse(&store.manifest()?)?;
        Ok(Self { store, manifest, path: path.into() })
    }

    /// Whether a path looks like a bundle: a directory with a manifest, or a zip file.
    #[must_use]
    pub fn is_bundle(path: &Path) -> bool {
        Store::open(path).is_ok()
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its table of contents.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// One artifact, whole.
    ///
    /// # Errors
    /// [`BundleError::Missing`], [`BundleError::TooLarge`], [`BundleError::Io`].
    pub fn read(&self, path: &str, max: Bytes) -> Result<Vec<u8>, BundleError> {
        if self.manifest.artifact(path).is_none() {
            return Err(BundleError::Missing(path.into()));
        }
        self.store.read(path, max)
    }

    /// The artifacts as reports cite them.
    #[must_use]
    pub fn artifact_refs(&self) -> Vec<ArtifactRef> {
        let cite = |a: &Artifact| ArtifactRef {
            path: a.path.clone(),
            kind: a.kind.to_string(),
            bytes: a.bytes,
            taken_at: a.taken_at,
        };
        self.manifest.artifacts.iter().map(cite).collect()
    }

    /// Checks size and SHA-256 of every artifact, as a stream.
    ///
    /// # Errors
    /// When the bundle cannot be listed; what is wrong with single files is in the answer.
    pub fn verify(&self) -> Result<Verification, BundleError> {
        let mut out = Verification { finished: self.manifest.finished.is_some(), ..Verification::default() };
        for a in &self.manifest.artifacts {
            let mut sha = Sha256::new();
            match self.store.copy(&a.path, a.bytes.0, &mut sha) {
                Ok(n) if n != a.bytes.0 => out.damaged.push((
                    a.path.clone(),
                    if n > a.bytes.0 {
                        format!("longer than the {} bytes listed", a.bytes.0)
                    } else {
                        format!("{n} bytes, {} listed", a.bytes.0)
                    },
                )),
                Ok(_) if hex(&sha.finalize()) != a.sha256 => {
                    out.damaged.push((a.path.clone(), "SHA-256 differs".to_owned()));
                }
                Ok(_) => out.intact += 1,
                Err(BundleError::Missing(p)) => out.missing.push(p),
                Err(e) => out.damaged.push((a.path.clone(), e.to_string())),
            }
        }
        let listed: HashSet<&str> = self.manifest.artifacts.iter().map(|a| a.path.as_str()).collect();
        out.extra = self.store.files()?;
        out.extra.retain(|path| !listed.contains(path.as_str()));
        Ok(out)
    }
}

/// Packs a bundle directory into one zip file, atomically: `to` appears complete or not at all.
///
/// # Errors
/// [`BundleError::Occupied`] when `to` exists; [`BundleError::Io`].
pub fn pack(dir: &Path, to: &Path) -> Result<(), BundleError> {
    if to.exists() {
        return Err(BundleError::Occupied { path: to.into() });
    }
    let bundle = Bundle::open(dir)?;
    let mut part = to.as_os_str().to_owned();
    // Not NAME.part: that is the directory a collection into NAME writes.
    part.push(".zip.part");
    let part = PathBuf::from(part);
    let io = |e| BundleError::io(&part, e);
    let zip = |e: zip::result::ZipError| BundleError::Zip { path: part.clone(), reason: e.to_string() };
    let file = File::create(&part).map_err(io)?;
    let mut writer = zip::ZipWriter::new(io::BufWriter::new(file));
    let deflated = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated).large_file(true);
    // Profiles are gzip already.
    let stored = deflated.compression_method(zip::CompressionMethod::Stored);
    writer.start_file(crate::manifest::MANIFEST, deflated).map_err(zip)?;
    writer.write_all(&bundle.store.manifest()?).map_err(io)?;
    for a in &bundle.manifest.artifacts {
        let options = if a.path.ends_with(".gz") { stored } else { deflated };
        writer.start_file(a.path.as_str(), options).map_err(zip)?;
        bundle.store.copy(&a.path, a.bytes.0, &mut writer)?;
    }
    let mut file = writer.finish().map_err(zip)?;
    file.flush().map_err(io)?;
    file.get_ref().sync_all().map_err(io)?;
    fs::rename(&part, to).map_err(|e| BundleError::io(to, e))
}
