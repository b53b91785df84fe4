//! Adding to a bundle that was begun before: a watcher writes what it has at once, another process then takes what
//! takes time. What would be lost first comes first, and no garbage collection is ever forced.

use super::context::Context;
use super::{CollectError, CollectOptions, CollectTarget, Progress, Sources, graph};
use crate::write::{ArtifactMeta, BundleWriter, now};
use crate::{ArtifactKind, BundleError, GcPolicy, Manifest, SampleRecord};
use model::UnixMillis;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What is to be added.
#[derive(Clone, Copy, Debug, Default)]
pub struct AppendPlan {
    /// Seconds are left: the smallest, most telling pieces only.
    pub urgent: bool,
    /// Whether the object graph is read.
    pub graph: bool,
    /// When the sample is taken, as the bundle counts time: the clock may have been set since it was begun. `None` for
    /// what the clock says.
    pub at: Option<UnixMillis>,
}

/// Adds a sample to the bundle in `dir`.
///
/// # Errors
/// The bundle cannot be opened or written, or the target is gone. What was added until then stays.
pub fn append(
    dir: &Path,
    target: &CollectTarget,
    plan: &AppendPlan,
    options: &CollectOptions,
    progress: &mut dyn FnMut(Progress),
    stop: &Arc<AtomicBool>,
) -> Result<Manifest, CollectError> {
    let options = CollectOptions { gc: GcPolicy::Never, ..options.clone() };
    let writer = BundleWriter::resume(dir)?;
    let mut sources = Sources::resolve(target, &options, progress, stop)?;
    let mut cx = Context { writer, options: &options, progress, stop: Arc::clone(stop) };
    let result = if plan.urgent { sources.last_words(&mut cx, plan) } else { sources.one_more(&mut cx, plan) };
    let stopped = cx.stopped();
    let manifest = cx.writer.finish(stopped)?;
    result?;
    Ok(manifest)
}

impl Sources {
    /// Begins a sample behind those that are there.
    fn begin(&self, cx: &mut Context<'_>, plan: &AppendPlan) -> Result<u32, BundleError> {
        let index = cx.writer.manifest().samples.iter().map(|s| s.index).max().unwrap_or(0).saturating_add(1);
        cx.writer.update(|m| {
            m.samples.push(SampleRecord { index, at: plan.at.unwrap_or_else(now), forced_gcs_before: 0 });
        })?;
        Ok(index)
    }

    /// The process is about to end: from outside, profile before goroutines before files of `/proc`.
    fn last_words(&mut self, cx: &mut Context<'_>, plan: &AppendPlan) -> Result<(), BundleError> {
        let index = self.begin(cx, plan)?;
        if let Some(p) = &mut self.process {
            p.memory(cx, index, 1)?;
            p.sample(cx, index)?;
        } else if let Some(w) = &mut self.web {
            w.heap(cx, index, false)?;
            w.goroutines(cx, index)?;
        }
        self.what_is_missing(cx)
    }

    /// There is time.
    fn one_more(&mut self, cx: &mut Context<'_>, plan: &AppendPlan) -> Result<(), BundleError> {
        let index = self.begin(cx, plan)?;
        let mut outside = false;
        if let Some(p) = &mut self.process {
            p.memory(cx, index, 1)?;
            outside = cx.writer.manifest().artifact(&format!("profiles/heap-{index}.pb.gz")).is_some();
        }
        if let Some(w) = &mut self.web {
            w.heap_text(cx, index, false)?;
        }
        if let Some(p) = &self.process {
            p.sample(cx, index)?;
        }
        if let Some(w) = &mut self.web {
            w.stats(cx, index)?;
            if !outside {
                w.heap(cx, index, false)?;
                w.goroutines(cx, index)?;
            }
        }
        self.what_is_missing(cx)?;
        self.trace(cx)?;
        if plan.graph
            && let Some(p) = &self.process
            && let Some(reading) = graph::Reading::start(p.pid())
        {
            reading.store(cx, index)?;
        }
        Ok(())
    }

    /// What is read once, and the calls of all profiles that have none yet.
    fn what_is_missing(&mut self, cx: &mut Context<'_>) -> Result<(), BundleError> {
        let of_once = |k: &ArtifactKind| matches!(k, ArtifactKind::BuildInfo | ArtifactKind::Cmdline);
        let begun = cx.writer.manifest().artifacts.iter().any(|a| of_once(&a.kind));
        if !begun && !cx.stopped() {
            self.once(cx)?;
        }
        for index in profiles(cx.writer.manifest()) {
            if let Some(p) = &mut self.process
                && !cx.stopped()
            {
                p.call_targets(cx, index)?;
            }
        }
        Ok(())
    }
}

/// Samples with a heap profile whose calls were not looked up.
fn profiles(m: &Manifest) -> Vec<u32> {
    let has = |kind: &ArtifactKind, sample| m.artifacts.iter().any(|a| a.kind == *kind && a.sample == Some(sample));
    let wanted = |i: &u32| has(&ArtifactKind::HeapProfile, *i) && !has(&ArtifactKind::CallTargets, *i);
    m.samples.iter().map(|s| s.index).filter(wanted).collect()
}

/// Adds what the leaves of the stored profiles call, when the process has ended and its executable is still to be had.
///
/// # Errors
/// The bundle cannot be opened or written.
pub fn append_calls(dir: &Path, executable: &Path) -> Result<Manifest, BundleError> {
    let mut writer = BundleWriter::resume(dir)?;
    let maps = writer.manifest().artifacts.iter().find(|a| a.kind == ArtifactKind::ProcMaps).map(|a| a.path.clone());
    let (Some(maps), Ok(exe)) = (maps.and_then(|m| std::fs::read(dir.join(m)).ok()), std::fs::read(executable)) else {
        return writer.finish(false);
    };
    let (maps, _) = procfs::maps(&maps);
    let mut hints = crate::hints::Hints::default();
    for index in profiles(writer.manifest()) {
        let path = dir.join(format!("profiles/heap-{index}.pb.gz"));
        let limits = profile::ReadLimits::default();
        let Some(read) = std::fs::read(path).ok().and_then(|b| profile::Profile::read(&b, &limits).ok()) else {
            continue;
        };
        let wanted = hints.unknown(&read);
        if wanted.is_empty() {
            continue;
        }
        if let Some(json) = hints.look_up(&wanted, &exe, &maps) {
            let meta = ArtifactMeta::new(ArtifactKind::CallTargets, Some(index), executable.display().to_string());
            writer.add(&format!("profiles/call-targets-{index}.json"), &json, meta)?;
        }
    }
    writer.finish(false)
}
