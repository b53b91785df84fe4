//! `oomph diagnose`.

use super::live;
use crate::args::{Diagnose, Format, Output};
use crate::target_arg::{self, TargetArg};
use crate::{Failure, Outcome, config, output};
use ::diagnose::{Thresholds, diagnose};
use bundle::{Bundle, Facts};
use model::{Report, Severity, Verdict};
use report::{Flame, TerminalOptions};
use std::path::{Path, PathBuf};

pub(super) fn run(a: &Diagnose) -> Result<Outcome, Failure> {
    let thresholds = config::thresholds(a.output.config.as_deref())?;
    let arg = target_arg::parse(&a.target)?;
    if let Some(target) = live::target(&arg)? {
        // Kept alive until the report is written.
        let temporary = tempfile::tempdir().map_err(|e| Failure::new(format!("no temporary directory: {e}")))?;
        let to: PathBuf = a.save.clone().unwrap_or_else(|| temporary.path().join("bundle"));
        let collected = live::collect(&target, &to, &a.collect)?;
        return of_bundle(&collected.path, &thresholds, &a.output);
    }
    match arg {
        TargetArg::Bundle(path) => of_bundle(&path, &thresholds, &a.output),
        TargetArg::Files(files) => {
            // A pipe can be read once; the report reads its files twice.
            let kept = tempfile::tempdir().map_err(|e| Failure::new(format!("no temporary directory: {e}")))?;
            let files = regular(&files, kept.path())?;
            let facts = Facts::of_files(&files, a.exe.as_deref()).map_err(failure)?;
            let flames = || flames_of_files(&facts);
            finish(&facts, flames, &thresholds, &a.output)
        }
        _ => Err(Failure::new("no such target")),
    }
}

/// Diagnoses a bundle on disk: what a live run ends with as well.
pub(super) fn of_bundle(path: &Path, thresholds: &Thresholds, o: &Output) -> Result<Outcome, Failure> {
    let bundle = Bundle::open(path).map_err(failure)?;
    let facts = bundle.facts();
    finish(&facts, || flames_of_bundle(&bundle), thresholds, o)
}

pub(super) fn failure(e: bundle::BundleError) -> Failure {
    match e.hint() {
        "" => Failure::from(e),
        hint => Failure::new(e.to_string()).hint(hint),
    }
}

/// The files, those that are none (pipes, devices) copied into `dir`.
fn regular(files: &[PathBuf], dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let copy = |(i, path): (usize, &PathBuf)| {
        if path.is_file() {
            return Ok(path.clone());
        }
        let name = path.file_name().map_or_else(|| "input".into(), |n| n.to_string_lossy());
        let to = dir.join(format!("{name}-{}", i + 1));
        let bytes = output::read(path)?;
        std::fs::write(&to, bytes).map_err(|e| Failure::io(format!("cannot write {}", to.display()), &e))?;
        Ok(to)
    };
    files.iter().enumerate().map(copy).collect()
}

fn finish(
    facts: &Facts,
    flames: impl FnOnce() -> Vec<Flame>,
    thresholds: &Thresholds,
    o: &Output,
) -> Result<Outcome, Failure> {
    let report = diagnose(facts, thresholds, env!("CARGO_PKG_VERSION"));
    let text = match o.format {
        Format::Text => {
            let to_file = o.output.is_some();
            report::terminal(
                &report,
                &TerminalOptions {
                    width: if to_file { 100 } else { output::width() },
                    colour: !to_file && output::colour(),
                    verbose: o.verbose,
                },
            )
        }
        Format::Json => report::json(&report),
        Format::Markdown => report::markdown(&report),
        Format::Html => {
            let graph = facts.samples.iter().rev().find_map(|s| s.graph.as_ref());
            report::html(&report, &flames(), graph.map(|g| &*g.value))
        }
    };
    output::write(o.output.as_deref(), text.as_bytes())?;
    if let Some(path) = o.output.as_ref().filter(|p| *p != Path::new("-")) {
        output::note(&format!("{}: {}", path.display(), report.summary));
    }
    Ok(outcome(&report))
}

/// 1 when something above `low` was found or nothing could be said.
fn outcome(report: &Report) -> Outcome {
    let found = report.findings.iter().any(|f| f.severity <= Severity::Medium);
    if found || report.verdict == Verdict::InsufficientEvidence { Outcome::Findings } else { Outcome::Fine }
}

/// In use, growth and allocation of a bundle's heap profiles.
fn flames_of_bundle(bundle: &Bundle) -> Vec<Flame> {
    let paths: Vec<String> = bundle
        .manifest()
        .artifacts
        .iter()
        .filter(|a| a.kind == bundle::ArtifactKind::HeapProfile)
        .map(|a| a.path.clone())
        .collect();
    let read = |path: &String| Some((path.clone(), bundle.read(path, model::Bytes::mib(512)).ok()?));
    flames(paths.first().and_then(read).as_ref(), paths.last().and_then(read).as_ref())
}

fn flames_of_files(facts: &Facts) -> Vec<Flame> {
    let heap = bundle::ArtifactKind::HeapProfile;
    let files: Vec<&str> =
        facts.artifacts.iter().filter(|a| a.kind == heap.as_str()).map(|a| a.path.as_str()).collect();
    let read = |p: &&str| Some(((*p).to_owned(), std::fs::read(p).ok()?));
    flames(files.first().and_then(read).as_ref(), files.last().and_then(read).as_ref())
}

type Named = (String, Vec<u8>);

fn flames(first: Option<&Named>, last: Option<&Named>) -> Vec<Flame> {
    let limits = profile::ReadLimits::default();
    let parse = |n: &Named| profile::Profile::read(&n.1, &limits).ok();
    let Some((last_name, last_profile)) = last.and_then(|n| Some((n.0.as_str(), parse(n)?))) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let mut push = |name: &str, p: &profile::Profile, sample_type: &str, note: String| {
        if let Ok(collapsed) = p.collapsed(sample_type) {
            out.push(Flame { name: name.to_owned(), unit: "bytes".to_owned(), collapsed, note });
        }
    };
    push("in use", &last_profile, "inuse_space", format!("bytes in use, {last_name}"));
    let base = first.filter(|f| f.0 != last_name).and_then(|n| Some((n.0.as_str(), parse(n)?)));
    if let Some((name, diff)) = base.and_then(|(name, base)| Some((name, last_profile.diff(&base).ok()?))) {
        push("growth", &diff, "inuse_space", format!("bytes in use, {last_name} less {name}"));
        push("allocated", &diff, "alloc_space", format!("bytes allocated from {name} to {last_name}"));
        return out;
    }
    push("allocated", &last_profile, "alloc_space", format!("bytes allocated since the start, {last_name}"));
    out
}
