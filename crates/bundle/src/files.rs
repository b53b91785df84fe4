//! Bare files named on the command line, as facts: heap profiles in time order, goroutine dumps,
//! texts with MemStats, expvar and Prometheus pages, core files, overviews of heaps. No manifest tells when they were taken, so
//! profiles go by their own time and other files by their time of change.

use crate::execution_trace::{ROWS, TraceFile, is_trace, read_trace};
use crate::hints::Hints;
use crate::parse::{ParseResult, Parsed, parse};
use crate::read::{Counters, sample_fact, settle};
use crate::write::hex;
use crate::{Artifact, ArtifactKind, BundleError, Facts, SampleFacts, Sourced};
use flate2::read::MultiGzDecoder;
use model::{ArtifactRef, Bytes, HEAP_SCHEMA, TargetInfo, TraceDocument, UnixMillis};
use profile::{Profile, ProfileKind, ReadLimits};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Largest file read.
const MAX_FILE: u64 = 512 << 20;

struct Named {
    artifact: Artifact,
    parsed: Parsed,
}

impl Facts {
    /// Reads files that are in no bundle. Files that tell nothing are named in `limits`. `exe` is the
    /// executable of core files that do not find it by themselves.
    ///
    /// # Errors
    /// [`BundleError::Io`] when a file cannot be read; [`BundleError::Unusable`] when none of them
    /// is anything oomph knows.
    pub fn of_files(paths: &[PathBuf], exe: Option<&Path>) -> Result<Self, BundleError> {
        let mut facts = Self::default();
        let mut read = Vec::new();
        let mut refused = Vec::new();
        for path in paths {
            let (artifact, result) = match kind_of(path)? {
                ArtifactKind::Core => core(path, exe)?,
                ArtifactKind::Trace => trace(path)?,
                _ => plain(path)?,
            };
            let (kind, at) = (artifact.kind.clone(), artifact.taken_at);
            facts.artifacts.push(ArtifactRef {
                path: artifact.path.clone(),
                kind: kind.to_string(),
                bytes: artifact.bytes,
                taken_at: at,
            });
            match result {
                Ok((Parsed::Unread, _)) => {
                    let what = match kind {
                        ArtifactKind::GoroutineProfile => "a goroutine profile without states and waiting times \
                                                           (goroutine?debug=2 has them)"
                            .to_owned(),
                        _ => format!("a {kind} says nothing of memory"),
                    };
                    facts.limits.push(format!("{}: {what}; not read.", artifact.path));
                    refused.push(what);
                }
                Ok((parsed, _)) if tells_nothing(&parsed) => {
                    let what = "no counters of the Go runtime (memstats, go_*) in it".to_owned();
                    facts.limits.push(format!("{}: {what}; not read.", artifact.path));
                    refused.push(what);
                }
                Ok((parsed, gaps)) => {
                    if let Some(gap) = gaps.first() {
                        facts.limits.push(format!("{} was read in part: {gap}.", artifact.path));
                    }
                    read.push(Named { artifact, parsed });
                }
                Err(why) => {
                    facts.limits.push(format!("{} could not be read: {why}.", artifact.path));
                    refused.push(why);
                }
            }
        }
        if read.is_empty() {
            return Err(BundleError::Unusable {
                path: paths.first().cloned().unwrap_or_default(),
                reason: refused.into_iter().next().unwrap_or_else(|| "no file was named".into()),
            });
        }
        let traces = read.extract_if(.., |n| matches!(n.parsed, Parsed::Trace(_)));
        facts.traces = traces.filter_map(traced).collect();
        facts.traces.sort_by_key(|t| t.at);
        facts.samples = samples(read);
        facts.target = target(paths, &facts);
        facts.limits.push(
            "Only files were read: the resident size, memory limits and settings of the process are unknown.".into(),
        );
        Ok(facts)
    }
}

/// What a file is, as far as it is not read whole: a trace, a core file, also a compressed one, or something else.
fn kind_of(path: &Path) -> Result<ArtifactKind, BundleError> {
    /// `e_type` of a core file (`elf(5)`), as bytes 16 and 17.
    const ET_CORE: [u8; 2] = [4, 0];
    let mut head = Vec::new();
    let file = File::open(path).map_err(|e| BundleError::io(path, e))?;
    file.take(1 << 16).read_to_end(&mut head).map_err(|e| BundleError::io(path, e))?;
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        // Profiles come by gzip; what comes by zstd is a core file of systemd-coredump.
        return Ok(ArtifactKind::Core);
    }
    if is_trace(&head) {
        return Ok(ArtifactKind::Trace);
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        let mut inner = Vec::new();
        // The window ends in the middle of the stream.
        let _ = MultiGzDecoder::new(&*head).take(64).read_to_end(&mut inner);
        head = inner;
    }
    let core = head.starts_with(b"\x7fELF") && head.get(16..18) == Some(&ET_CORE);
    Ok(if core { ArtifactKind::Core } else { ArtifactKind::Other(String::new()) })
}

/// What a trace tells.
fn trace(path: &Path) -> Result<(Artifact, ParseResult), BundleError> {
    let file = File::open(path).map_err(|e| BundleError::io(path, e))?;
    let artifact = unread(path, &ArtifactKind::Trace, &file)?;
    let source = TraceFile::of(file).map_err(|e| BundleError::io(path, e))?;
    let read =
        read_trace(&source, ROWS).map_err(|e| e.to_string()).and_then(|document| match document.limits.first() {
            Some(why) if document.duration_ns == 0 => {
                Err(format!("an execution trace without an event to read: {why}"))
            }
            _ => Ok(document),
        });
    Ok((artifact, read.map(|document| (Parsed::Trace(Box::new(document)), Vec::new()))))
}

fn traced(n: Named) -> Option<Sourced<Box<TraceDocument>>> {
    let Parsed::Trace(mut value) = n.parsed else { return None };
    value.source.clone_from(&n.artifact.path);
    Some(Sourced { value, artifact: n.artifact.path, at: n.artifact.taken_at })
}

/// A file that is not read whole: no checksum.
fn unread(path: &Path, kind: &ArtifactKind, file: &File) -> Result<Artifact, BundleError> {
    let mut artifact = artifact(path, kind, &[], changed(path, file)?);
    artifact.bytes = Bytes(file.metadata().map_or(0, |m| m.len()));
    artifact.sha256 = String::new();
    Ok(artifact)
}

/// What a core file holds.
fn core(path: &Path, exe: Option<&Path>) -> Result<(Artifact, ParseResult), BundleError> {
    let file = File::open(path).map_err(|e| BundleError::io(path, e))?;
    let artifact = unread(path, &ArtifactKind::Core, &file)?;
    let read = crate::collect::of_core(path, exe);
    Ok((artifact, read.map(|graph| (Parsed::Graph(Box::new(graph)), Vec::new()))))
}

/// Any other file.
fn plain(path: &Path) -> Result<(Artifact, ParseResult), BundleError> {
    let (bytes, changed) = load(path)?;
    let (kind, at) = recognise(&bytes, changed);
    let parsed = parse(&kind, &bytes, &ReadLimits::default(), &Hints::default());
    Ok((artifact(path, &kind, &bytes, at), parsed))
}

/// When a file was changed last.
fn changed(path: &Path, file: &File) -> Result<UnixMillis, BundleError> {
    let changed = file.metadata().and_then(|m| m.modified()).map_err(|e| BundleError::io(path, e))?;
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(UnixMillis(i64::try_from(changed.as_millis()).unwrap_or(i64::MAX)))
}

fn load(path: &Path) -> Result<(Vec<u8>, UnixMillis), BundleError> {
    let io = |e| BundleError::io(path, e);
    let file = File::open(path).map_err(io)?;
    let changed = changed(path, &file)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(BundleError::TooLarge { path: path.display().to_string(), limit: Bytes(MAX_FILE) });
    }
    Ok((bytes, changed))
}

/// What a file is by its content, and when it was taken.
fn recognise(bytes: &[u8], changed: UnixMillis) -> (ArtifactKind, UnixMillis) {
    let mut head = Vec::new();
    // A short or damaged stream still shows its first bytes.
    let _ = if bytes.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(bytes).take(4096).read_to_end(&mut head)
    } else {
        bytes.take(4096).read_to_end(&mut head)
    };
    let text = head.trim_ascii_start();
    if text.starts_with(b"heap profile:") {
        return (ArtifactKind::HeapText, changed);
    }
    if text.starts_with(b"goroutine ") && !text.starts_with(b"goroutine profile:") {
        return (ArtifactKind::GoroutineDump, changed);
    }
    if text.starts_with(b"{") && head.windows(HEAP_SCHEMA.len()).any(|w| w == HEAP_SCHEMA.as_bytes()) {
        return (ArtifactKind::HeapGraph, changed);
    }
    if text.starts_with(b"{") {
        return (ArtifactKind::Expvar, changed);
    }
    // Lines that look like samples are found in any file, executables among them.
    let printable = !head.contains(&0) && !bytes.starts_with(&[0x1f, 0x8b]);
    if printable && metrics::read_exposition(bytes).is_ok_and(|e| e != metrics::Exposition::default()) {
        return (ArtifactKind::Prometheus, changed);
    }
    match Profile::read(bytes, &ReadLimits::default()) {
        Ok(p) if p.kind() == ProfileKind::Heap => {
            let own = UnixMillis(p.time_nanos() / 1_000_000);
            (ArtifactKind::HeapProfile, if own.0 > 0 { own } else { changed })
        }
        Ok(p) if p.kind() == ProfileKind::Goroutine => (ArtifactKind::GoroutineProfile, changed),
        Ok(p) => (ArtifactKind::Other(format!("{} profile", p.kind())), changed),
        // Reading it again gives the reason.
        Err(_) => (ArtifactKind::HeapProfile, changed),
    }
}

/// A page of counters, though not of Go's.
fn tells_nothing(parsed: &Parsed) -> bool {
    match parsed {
        Parsed::Expvar(v) => v.memstats.is_none(),
        Parsed::Metrics(m) => m.memstats.is_none() && m.goroutines.is_none() && m.resident.is_none(),
        _ => false,
    }
}

fn artifact(path: &Path, kind: &ArtifactKind, bytes: &[u8], at: UnixMillis) -> Artifact {
    use sha2::Digest;
    Artifact {
        path: path.display().to_string(),
        kind: kind.clone(),
        sample: None,
        taken_at: at,
        bytes: Bytes(bytes.len() as u64),
        sha256: hex(&sha2::Sha256::digest(bytes)),
        source: path.display().to_string(),
        http_status: None,
        forced_gc: false,
        cut: false,
        redacted: false,
        notes: Vec::new(),
    }
}

/// Files of each kind in time order; the n-th of each kind makes sample n.
fn samples(mut read: Vec<Named>) -> Vec<SampleFacts> {
    read.sort_by_key(|n| n.artifact.taken_at);
    let mut out: Vec<(SampleFacts, Counters)> = Vec::new();
    let mut counts: Vec<(ArtifactKind, usize)> = Vec::new();
    for Named { artifact, parsed } in read {
        let kind = artifact.kind.clone();
        let nth = match counts.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, n)) => {
                *n += 1;
                *n
            }
            None => {
                counts.push((kind, 0));
                0
            }
        };
        while out.len() <= nth {
            let index = u32::try_from(out.len() + 1).unwrap_or(u32::MAX);
            out.push((SampleFacts { index, ..SampleFacts::default() }, Counters::default()));
        }
        if let Some((sample, counters)) = out.get_mut(nth) {
            let heap = artifact.kind == ArtifactKind::HeapProfile;
            if heap || sample.at == UnixMillis::default() {
                sample.at = artifact.taken_at;
            }
            sample_fact(sample, counters, &artifact, parsed);
        }
    }
    out.into_iter()
        .map(|(mut sample, counters)| {
            settle(&mut sample, counters, None);
            sample
        })
        .collect()
}

fn target(paths: &[PathBuf], facts: &Facts) -> TargetInfo {
    let name = |p: &PathBuf| p.file_name().unwrap_or(p.as_os_str()).to_string_lossy().into_owned();
    TargetInfo {
        name: match paths {
            [one] => name(one),
            [first, .., last] => format!("{} ... {} ({} files)", name(first), name(last), paths.len()),
            [] => String::new(),
        },
        kind: "profile".into(),
        first_sample: facts.samples.first().map(|s| s.at),
        last_sample: facts.samples.last().map(|s| s.at),
        samples: u32::try_from(facts.samples.len()).unwrap_or(u32::MAX),
        ..TargetInfo::default()
    }
}
