//! `manifest.json`: what a bundle holds, schema `oomph.bundle/1`.
//!
//! Read as hostile input: bounded in size and number of artifacts, every path checked before it
//! comes near a file system. Unknown fields and unknown kinds are kept out of the way, not refused,
//! so that a bundle with additions opens here; another schema number is refused with advice.

use crate::{ArtifactKind, BundleError};
use model::{Bytes, ProcessEnd, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The value of [`Manifest::schema`].
pub const BUNDLE_SCHEMA: &str = "oomph.bundle/1";
/// Name of the manifest inside the bundle.
pub const MANIFEST: &str = "manifest.json";
/// What [`Artifact::source`] begins with for evidence out of a process's memory; its pid follows.
pub(crate) const MEMORY_SOURCE: &str = "memory of pid ";
/// Largest manifest read.
pub(crate) const MAX_MANIFEST: u64 = 16 << 20;
/// Most artifacts, samples or failures accepted.
const MAX_RECORDS: usize = 50_000;
/// Longest path of an artifact, bytes.
const MAX_PATH: usize = 512;

/// The table of contents of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`BUNDLE_SCHEMA`].
    pub schema: String,
    /// Version of oomph that collected.
    pub oomph: String,
    /// When collecting began.
    pub created: UnixMillis,
    /// When collecting ended; absent when it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<UnixMillis>,
    /// Whether the user ended it early.
    #[serde(default)]
    pub stopped: bool,
    /// How the process ended, where a watch saw it end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<ProcessEnd>,
    /// What was collected from.
    pub target: TargetRecord,
    /// How.
    pub options: OptionsRecord,
    /// Samples in time order.
    #[serde(default)]
    pub samples: Vec<SampleRecord>,
    /// Files, in the order of arrival.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    /// What could not be had.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// What a bundle was collected from. Never holds credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// As the user named it, user info and query removed.
    pub name: String,
    /// `url` or `pid`.
    pub kind: String,
    /// Base URL of the pprof handlers, ends in `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Process id, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Start time of the process in clock ticks after boot: with `pid` it names one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ticks: Option<u64>,
    /// Executable or main module, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Executable as `/proc/PID/exe` links, ` (deleted)` included: names it in `smaps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Toolchain, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub go_version: Option<String>,
    /// When the process started, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<UnixMillis>,
}

/// How a bundle was collected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OptionsRecord {
    /// From the first to the last sample, milliseconds.
    pub duration_ms: u64,
    /// Samples asked for.
    pub samples: u32,
    /// `always` or `never`.
    pub gc: String,
}

/// One sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// From 1.
    pub index: u32,
    /// Its start.
    pub at: UnixMillis,
    /// GC cycles this capture had forced before the sample began.
    #[serde(default)]
    pub forced_gcs_before: u32,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Relative path, `/`-separated.
    pub path: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// The sample it belongs to; absent for what is read once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<u32>,
    /// When the answer had arrived.
    pub taken_at: UnixMillis,
    /// Size as stored.
    pub bytes: Bytes,
    /// SHA-256 as stored, lower-case hex.
    pub sha256: String,
    /// Where it came from: endpoint path with query, or `/proc` path. Never with credentials.
    pub source: String,
    /// HTTP status, for endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Whether asking for it forced a GC cycle.
    #[serde(default)]
    pub forced_gc: bool,
    /// Whether the answer was cut (size cap, deadline, lost connection).
    #[serde(default)]
    pub cut: bool,
    /// Whether the user's own arguments or variables were left out of it.
    #[serde(default)]
    pub redacted: bool,
    /// What a reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Something that could not be had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Endpoint path or `/proc` path.
    pub source: String,
    /// The sample; absent for what is read once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<u32>,
    /// Why, without a full stop.
    pub reason: String,
    /// What that hides, without a full stop; empty when nothing of weight (an optional endpoint).
    #[serde(default)]
    pub hides: String,
}

impl Manifest {
    /// A bundle that begins now, with nothing in it.
    #[must_use]
    pub fn new(target: TargetRecord, options: OptionsRecord) -> Self {
        Self {
            schema: BUNDLE_SCHEMA.into(),
            oomph: env!("CARGO_PKG_VERSION").into(),
            created: crate::now(),
            finished: None,
            stopped: false,
            ended: None,
            target,
            options,
            samples: Vec::new(),
            artifacts: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`BundleError::Schema`] for other versions, [`BundleError::UnsafePath`] for paths that lead
    /// out of the bundle, [`BundleError::Manifest`] for all else.
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() as u64 > MAX_MANIFEST {
            return Err(BundleError::Manifest(format!("larger than {}", Bytes(MAX_MANIFEST))));
        }
        // The schema first: of a newer version nothing else need hold.
        #[derive(Deserialize)]
        struct Head {
            schema: Option<String>,
        }
        let head: Head = serde_json::from_slice(json)
            .map_err(|e| BundleError::Manifest(format!("not the JSON of a manifest: {e}")))?;
        check_schema(head.schema.as_deref().unwrap_or_default())?;
        let manifest: Self = serde_json::from_slice(json).map_err(|e| BundleError::Manifest(format!("{e}")))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), BundleError> {
        for (what, n) in
            [("artifacts", self.artifacts.len()), ("samples", self.samples.len()), ("failures", self.failures.len())]
        {
            if n > MAX_RECORDS {
                return Err(BundleError::Manifest(format!("{n} {what}, more than {MAX_RECORDS}")));
            }
        }
        let mut seen = HashSet::new();
        for a in &self.artifacts {
            check_path(&a.path)?;
            if !seen.insert(a.path.as_str()) {
                return Err(BundleError::Manifest(format!("{:?} is listed twice", a.path)));
            }
        }
        Ok(())
    }

    /// The artifact at a path.
    #[must_use]
    pub fn artifact(&self, path: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|a| a.path == path)
    }
}

fn check_schema(found: &str) -> Result<(), BundleError> {
    if found == BUNDLE_SCHEMA {
        return Ok(());
    }
    let number = found.strip_prefix("oomph.bundle/").and_then(|n| n.parse::<u32>().ok());
    Err(BundleError::Schema {
        found: found.chars().take(80).collect(),
        hint: match number {
            Some(n) if n > 1 => "it was written by a newer oomph; update oomph to read it",
            Some(_) => "it was written by a version before the first release; collect it again",
            None => "the manifest is not one of oomph's",
        },
    })
}

/// Relative, below the bundle, plain names only: safe on every file system and inside zip files.
pub(crate) fn check_path(path: &str) -> Result<(), BundleError> {
    let refuse = |reason| Err(BundleError::UnsafePath { path: path.chars().take(MAX_PATH).collect(), reason });
    if path.is_empty() || path.len() > MAX_PATH {
        return refuse("empty or too long");
    }
    if path.starts_with('/') {
        return refuse("absolute");
    }
    if path == MANIFEST {
        return refuse("the manifest cannot list itself");
    }
    for part in path.split('/') {
        if part == ".." || part == "." || part.is_empty() {
            return refuse("leads elsewhere");
        }
        if part.starts_with('.') {
            return refuse("hidden file");
        }
        if !part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'@')) {
            return refuse("has characters other than letters, digits and . - _ + @");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        Manifest {
            schema: BUNDLE_SCHEMA.into(),
            oomph: "0.1.0".into(),
            created: UnixMillis(1),
            finished: None,
            stopped: false,
            ended: None,
            target: TargetRecord { name: "x".into(), kind: "pid".into(), ..TargetRecord::default() },
            options: OptionsRecord::default(),
            samples: vec![],
            artifacts: vec![],
            failures: vec![],
        }
    }

    #[test]
    fn tells_versions_apart() {
        for (schema, want) in [
            ("oomph.bundle/2", "newer oomph"),
            ("oomph.bundle/0", "before the first release"),
            ("other", "not one of oomph's"),
        ] {
            let json = format!("{{\"schema\":\"{schema}\",\"target\":7}}");
            let e = Manifest::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(e.contains(want), "{e}");
        }
        assert!(Manifest::parse(b"[]").is_err());
        assert!(Manifest::parse(b"").is_err());
    }

    #[test]
    fn keeps_kinds_it_does_not_know() {
        let mut m = manifest();
        m.artifacts.push(Artifact {
            path: "x/ebpf-1.bin".into(),
            kind: ArtifactKind::of("ebpf-probe"),
            sample: None,
            taken_at: UnixMillis(1),
            bytes: Bytes(0),
            sha256: String::new(),
            source: String::new(),
            http_status: None,
            forced_gc: false,
            cut: false,
            redacted: false,
            notes: vec![],
        });
        let mut json = serde_json::to_value(&m).unwrap();
        json["surprise"] = serde_json::json!({"a": 1});
        let back = Manifest::parse(json.to_string().as_bytes()).unwrap();
        assert_eq!(back, m);
        m.artifacts.push(m.artifacts[0].clone());
        let json = serde_json::to_vec(&m).unwrap();
        assert!(Manifest::parse(&json).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn refuses_paths_that_lead_out() {
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "./a",
            "a/.",
            ".hidden",
            "a\\b",
            "c:\\x",
            "a\0b",
            "manifest.json",
            "a/\u{202e}b",
        ] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert!(check_path("profiles/heap-1.pb.gz").is_ok());
        assert!(check_path(&"a/".repeat(300)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
