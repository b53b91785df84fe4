//! One artifact's bytes into one fact. Knows which reader reads which kind; joins nothing.

use crate::ArtifactKind;
use crate::execution_trace::{ROWS, read_trace};
use crate::hints::Hints;
use flate2::read::MultiGzDecoder;
use metrics::{Exposition, Expvar};
use model::{
    Bytes, Cgroup, Gap, HEAP_SCHEMA, HeapOverview, Mapping, MemStats, Pressure, ProcStatus, Smap, SmapsRollup,
    TraceDocument,
};
use profile::{GoroutineDump, HeapStacks, Profile, ProfileKind, ReadLimits};
use std::borrow::Cow;
use std::io::Read;

/// What an artifact told.
#[derive(Debug)]
pub(crate) enum Parsed {
    Heap(HeapStacks),
    Dump(GoroutineDump),
    MemStats(MemStats),
    Expvar(Box<Expvar>),
    Metrics(Box<Exposition>),
    Status(ProcStatus),
    Stat(procfs::ProcStat),
    Smaps(Vec<Smap>),
    Rollup(SmapsRollup),
    Maps(Vec<Mapping>),
    Cgroup(Cgroup, Option<Pressure>),
    Pressure(Pressure),
    Build(gobinary::BuildInfo),
    Graph(Box<HeapOverview>),
    Trace(Box<TraceDocument>),
    Environment(procfs::GoEnvironment),
    Watch(Vec<model::WatchMoment>),
    /// A kind the diagnosis does not read.
    Unread,
}

/// A fact with what had to be left out of it, or why there is none.
pub(crate) type ParseResult = Result<(Parsed, Vec<Gap>), String>;

/// Whether [`parse`] makes anything of this kind: others are not even read.
pub(crate) const fn is_read(kind: &ArtifactKind) -> bool {
    use ArtifactKind as K;
    matches!(
        kind,
        K::HeapProfile
            | K::HeapText
            | K::HeapTextAfterGc
            | K::GoroutineDump
            | K::Expvar
            | K::Prometheus
            | K::ProcStatus
            | K::ProcStat
            | K::ProcMaps
            | K::ProcSmaps
            | K::ProcSmapsRollup
            | K::ProcEnviron
            | K::CgroupFile
            | K::Pressure
            | K::BuildInfo
            | K::HeapGraph
            | K::Trace
            | K::WatchSamples
    )
}

/// Reads one artifact.
pub(crate) fn parse(kind: &ArtifactKind, bytes: &[u8], limits: &ReadLimits, hints: &Hints) -> ParseResult {
    use ArtifactKind as K;
    if *kind == K::HeapProfile {
        return heap(bytes, limits, hints);
    }
    if *kind == K::Trace {
        return trace(bytes);
    }
    let text = inflated(bytes, limits.max_inflated)?;
    let text = text.as_ref();
    let good = |p| Ok((p, Vec::new()));
    match kind {
        K::HeapText | K::HeapTextAfterGc => memstats(text),
        K::GoroutineDump => {
            let mut dump = GoroutineDump::read(text, limits).map_err(|e| e.to_string())?;
            let gaps = std::mem::take(&mut dump.gaps);
            dump.gaps.clone_from(&gaps);
            Ok((Parsed::Dump(dump), gaps))
        }
        K::Expvar => {
            let mut v = metrics::read_expvar(text).map_err(|e| e.to_string())?;
            let gaps = std::mem::take(&mut v.gaps);
            Ok((Parsed::Expvar(Box::new(v)), gaps))
        }
        K::Prometheus => {
            let mut e = metrics::read_exposition(text).map_err(|e| e.to_string())?;
            let gaps = std::mem::take(&mut e.gaps);
            Ok((Parsed::Metrics(Box::new(e)), gaps))
        }
        K::WatchSamples => {
            let (moments, gaps) = crate::watched::moments(text);
            Ok((Parsed::Watch(moments), gaps))
        }
        K::HeapGraph => good(Parsed::Graph(Box::new(graph(text)?))),
        K::ProcEnviron => good(Parsed::Environment(procfs::environ(text))),
        K::CgroupFile => cgroup(text),
        K::Pressure => match procfs::pressure(text) {
            (Some(p), gaps) => Ok((Parsed::Pressure(p), gaps)),
            (None, gaps) => Err(first(&gaps, "no pressure line")),
        },
        K::BuildInfo => {
            let text = String::from_utf8_lossy(text);
            good(Parsed::Build(gobinary::BuildInfo::parse_text(&text)))
        }
        _ => proc(kind, text),
    }
}

/// The files of `/proc/PID`.
fn proc(kind: &ArtifactKind, text: &[u8]) -> ParseResult {
    use ArtifactKind as K;
    match kind {
        K::ProcStatus => {
            let (status, gaps) = procfs::status(text);
            Ok((Parsed::Status(status), gaps))
        }
        K::ProcStat => procfs::stat(text).map(|s| (Parsed::Stat(s), Vec::new())).map_err(|g| g.to_string()),
        K::ProcMaps => {
            let (maps, gaps) = procfs::maps(text);
            Ok((Parsed::Maps(maps), gaps))
        }
        K::ProcSmaps => {
            let (smaps, gaps) = procfs::smaps(text);
            Ok((Parsed::Smaps(smaps), gaps))
        }
        K::ProcSmapsRollup => {
            let (rollup, gaps) = procfs::smaps_rollup(text);
            Ok((Parsed::Rollup(rollup), gaps))
        }
        _ => Ok((Parsed::Unread, Vec::new())),
    }
}

fn heap(bytes: &[u8], limits: &ReadLimits, hints: &Hints) -> ParseResult {
    let profile = Profile::read(bytes, limits).map_err(|e| e.to_string())?;
    if profile.kind() != ProfileKind::Heap {
        return Err(format!("expected a heap profile, found one of kind {:?}", profile.kind()));
    }
    let stacks = HeapStacks::with_hints(&profile, hints).map_err(|e| e.to_string())?;
    Ok((Parsed::Heap(stacks), profile.gaps().to_vec()))
}

fn trace(bytes: &[u8]) -> ParseResult {
    let document = read_trace(bytes, ROWS).map_err(|e| e.to_string())?;
    Ok((Parsed::Trace(Box::new(document)), Vec::new()))
}

fn graph(json: &[u8]) -> Result<HeapOverview, String> {
    let overview: HeapOverview = serde_json::from_slice(json).map_err(|e| format!("not a heap overview: {e}"))?;
    if overview.schema != HEAP_SCHEMA {
        return Err(format!("expected schema {HEAP_SCHEMA}, found {:?}", overview.schema));
    }
    Ok(overview)
}

fn memstats(text: &[u8]) -> ParseResult {
    let (stats, gaps) = profile::read_memstats(text).map_err(|e| e.to_string())?;
    Ok((Parsed::MemStats(stats), gaps))
}

fn cgroup(text: &[u8]) -> ParseResult {
    let (version, levels) = procfs::parse_cgroup_dump(text).map_err(|g| g.to_string())?;
    let (cgroup, mut gaps) = procfs::cgroup(version, &levels);
    let pressure =
        levels.first().and_then(|l| l.files.iter().find(|(n, _)| n == "memory.pressure")).and_then(|(_, bytes)| {
            let (p, g) = procfs::pressure(bytes);
            gaps.extend(g);
            p
        });
    Ok((Parsed::Cgroup(cgroup, pressure), gaps))
}

fn first(gaps: &[Gap], otherwise: &str) -> String {
    gaps.first().map_or_else(|| otherwise.to_owned(), Gap::to_string)
}

/// Text that some proxy compressed, as text.
fn inflated(bytes: &[u8], max: Bytes) -> Result<Cow<'_, [u8]>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(max.0.saturating_add(1)).read_to_end(&mut out);
    if out.len() as u64 > max.0 {
        return Err(format!("inflates to more than {max}"));
    }
    match read {
        Err(e) if out.is_empty() => Err(format!("damaged gzip: {e}")),
        _ => Ok(Cow::Owned(out)),
    }
}
