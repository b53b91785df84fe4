//! Every specimen, diagnosed live by the real binary, with several Go versions, several times; what came out is held
//! against each specimen's `truth.json` and its own count. Long; its table is kept in `docs/matrix.md`.

use crate::Result;
use crate::specimens::{self, Runs, Work, cell, result_cell, state, told, wrong_sites};
use lab::{Running, Specimen, Truth};
use model::{Report, Severity};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One run.
struct Row {
    specimen: String,
    go: String,
    run: u32,
    verdict: String,
    first: String,
    ratio: Option<f64>,
    problems: Vec<String>,
}

pub(crate) fn run(runs: &Runs) -> Result<()> {
    let oomph = specimens::built()?;
    let dir = specimens::directory("matrix")?;
    let work = runs.work(&Specimen::all()?, &dir)?;
    let rows = runs.all(&work, |w| one(&oomph, w, runs.seconds, &dir), line)?;
    let failed = rows.iter().filter(|r| !r.problems.is_empty()).count();
    runs.conclude(rows.len(), failed, || table(&rows, failed))
}

fn one(oomph: &Path, w: &Work, seconds: Option<u32>, dir: &Path) -> Result<Row> {
    let Work { specimen, binary, version, run } = w;
    let service = specimen.start(binary, &[])?;
    specimens::steady(&service)?;
    let seconds = seconds.unwrap_or(specimen.truth().observe_seconds);
    let save = dir.join(format!("{}-{version}-{run}.oomph", specimen.name()));
    let _ = std::fs::remove_file(&save);
    let service_url = service.url().to_owned();
    let ended = AtomicBool::new(false);
    let (live, truths) = std::thread::scope(|scope| {
        let live = scope.spawn(|| {
            let live = diagnose(
                oomph,
                &[service_url.as_str(), "--for", &format!("{seconds}s"), "--save", &save.to_string_lossy()],
            );
            ended.store(true, Ordering::Relaxed);
            live.map_err(|e| e.to_string())
        });
        let truths = truths(&service, &ended);
        (live.join().unwrap_or_else(|_| Err("the diagnosis panicked".to_owned())), truths)
    });
    let live = live?;
    service.stop()?;
    let offline = diagnose(oomph, &[&save.to_string_lossy()])?;
    let mut problems = judge(specimen, &live)?;
    if live.findings != offline.findings || live.verdict != offline.verdict {
        problems.push("the bundle gives other findings than the live run".to_owned());
    }
    let ratio = ratio(specimen, &live, &truths);
    if let Some(r) = ratio.filter(|r| (r - 1.0).abs() > 0.15) {
        problems.push(format!("growth is {r:.2} of the specimen's own count"));
    }
    let first = live.findings.first().map_or_else(String::new, told);
    if problems.is_empty() {
        let _ = std::fs::remove_file(&save);
    }
    Ok(Row {
        specimen: specimen.name().to_owned(),
        go: version.clone(),
        run: *run,
        verdict: live.verdict.as_str().to_owned(),
        first,
        ratio,
        problems,
    })
}

fn diagnose(oomph: &Path, args: &[&str]) -> Result<Report> {
    specimens::json(oomph, &[&["diagnose"], args].concat())
}

/// What is not as `truth.json` says.
fn judge(specimen: &Specimen, report: &Report) -> Result<Vec<String>> {
    let truth = specimen.truth();
    let mut out = Vec::new();
    if !truth.verdict.contains(&report.verdict) {
        out.push(format!("verdict {} instead of {:?}", report.verdict.as_str(), truth.verdict));
    }
    let Some(rule) = &truth.rule else {
        out.extend(
            report
                .findings
                .iter()
                .filter(|f| f.severity <= Severity::Medium)
                .map(|f| format!("false finding: {} {}", f.rule, f.title)),
        );
        return Ok(out);
    };
    let Some(first) = report.findings.first() else {
        out.push("no finding".to_owned());
        return Ok(out);
    };
    if &first.rule != rule {
        out.push(format!("first finding is {} instead of {rule}", first.rule));
    }
    if !truth.mechanism.is_empty() && !first.subject.mechanism.is_some_and(|m| truth.mechanism.contains(&m)) {
        out.push(format!("mechanism {:?} instead of {:?}", first.subject.mechanism, truth.mechanism));
    }
    out.extend(wrong_sites(specimen, first)?);
    Ok(out)
}

/// The specimen's count, ten times a second, with the wall clock in milliseconds.
fn truths(service: &Running, ended: &AtomicBool) -> Vec<(i64, Truth)> {
    let (_keep, never) = sync_channel::<()>(0);
    let mut out = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        if let Ok(truth) = service.truth() {
            out.push((i64::try_from(now).unwrap_or(i64::MAX), truth));
        }
        // Nothing will come: this is a wait.
        let _ = never.recv_timeout(Duration::from_millis(100));
    }
    out
}

/// Growth found over the specimen's own, between the instants of the first and the last heap profile (an
/// array that doubles just after the last one is not in it).
fn ratio(specimen: &Specimen, report: &Report, truths: &[(i64, Truth)]) -> Option<f64> {
    if specimen.truth().rule.as_deref() != Some("growing-allocation-site") {
        return None;
    }
    let profiles = &report.series.iter().find(|s| s.name == "live heap")?.points;
    let (first, last) = (profiles.first()?.at.0, profiles.last()?.at.0);
    let at = |t: i64| truths.iter().min_by_key(|(ms, _)| ms.abs_diff(t)).map(|(_, truth)| truth.held_bytes as f64);
    let own = (at(last)? - at(first)?) / ((last - first) as f64 / 1000.0);
    let found = report.findings.first()?.size.growth_bytes_per_s?;
    (own > 0.0).then(|| found / own)
}

fn line(r: &Row) -> String {
    let ratio = r.ratio.map_or_else(String::new, |x| format!(" ratio {x:.2}"));
    let state = state(&r.problems);
    format!("{:<22} {:<7} run {}  {:<8}{ratio}  {}  {state}", r.specimen, r.go, r.run, r.verdict, r.first)
}

fn table(rows: &[Row], failed: usize) -> String {
    let mut out = String::from(
        "# Specimens, Go versions, runs\n\nEach specimen of `lab/` was started, diagnosed live by `oomph diagnose URL`, and held against its `truth.json` (verdict, rule, \
         culprit line, mechanism) and its own count of growth; the bundle of each run was diagnosed again offline and had to give the same findings. Written by \
         `cargo xtask matrix --output docs/matrix.md`.\n\n",
    );
    let _ = writeln!(out, "{} runs as they should be, {failed} not.\n", rows.len() - failed);
    out.push_str("| specimen | Go | run | verdict | first finding | growth found / own count | result |\n|---|---|---|---|---|---|---|\n");
    for r in rows {
        let ratio = r.ratio.map_or_else(|| "-".to_owned(), |x| format!("{x:.2}"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {ratio} | {} |",
            r.specimen,
            r.go,
            r.run,
            r.verdict,
            cell(&r.first),
            result_cell(&r.problems)
        );
    }
    out
}
