//! Every specimen, diagnosed live by the real binary, with several Go versions, several times; what came out is held
//! against each specimen's `truth.json` and its own count. Long; its table is kept in `docs/matrix.md`.

use crate::{Result, root};
use lab::{Phase, Running, Specimen, Toolchain, Truth};
use model::{GoVersion, Report, Severity};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go versions
    #[arg(long, value_delimiter = ',', default_value = "1.23.9,1.26.6,1.27.3")]
    go: Vec<String>,
    /// Runs of each
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Runs at the same time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only specimens whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Observe for this many seconds instead of what truth.json says
    #[arg(long)]
    seconds: Option<u32>,
    /// Write the table here
    #[arg(long)]
    output: Option<PathBuf>,
}

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

pub(crate) fn run(args: &Args) -> Result<()> {
    let oomph = built()?;
    let dir = root().join("target/matrix");
    std::fs::create_dir_all(&dir)?;
    let mut work = Vec::new();
    for version in &args.go {
        let want = GoVersion::parse(&format!("go{version}")).ok_or_else(|| format!("{version} is no Go version"))?;
        let go = Toolchain::find_or_fetch(Some(&want), &lab::default_cache_dir(), &mut |p| println!("{p}"))?;
        for specimen in Specimen::all()? {
            // Its own count is of several faults together.
            if specimen.truth().several && !args.only.iter().any(|o| o == specimen.name()) {
                continue;
            }
            if !args.only.is_empty() && !args.only.iter().any(|o| specimen.name().contains(o.as_str())) {
                continue;
            }
            let binary = specimen.build(&go, &dir)?;
            for run in 1..=args.runs {
                work.push(Work { specimen: specimen.clone(), binary: binary.clone(), version: version.clone(), run });
            }
        }
    }
    let rows = all(&oomph, &work, args, &dir)?;
    let failed = rows.iter().filter(|r| !r.problems.is_empty()).count();
    let passed = rows.len() - failed;
    if let Some(path) = &args.output {
        std::fs::write(path, table(&rows, passed, failed))?;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err(format!("{failed} runs were not as they should be").into()) }
}

/// One run to be made.
struct Work {
    specimen: Specimen,
    binary: PathBuf,
    version: String,
    run: u32,
}

/// Makes all runs, some at the same time; rows in the order of the work.
fn all(oomph: &Path, work: &[Work], args: &Args, dir: &Path) -> Result<Vec<Row>> {
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, std::result::Result<Row, String>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(w) = work.get(i) else { return };
                    let row = one(oomph, w, args.seconds, dir).map_err(|e| format!("{}: {e}", w.specimen.name()));
                    if let Ok(row) = &row {
                        println!("{}", line(row));
                    }
                    rows.lock().unwrap_or_else(PoisonError::into_inner).push((i, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|r| r.0);
    Ok(rows.into_iter().map(|r| r.1).collect::<std::result::Result<Vec<Row>, String>>()?)
}

fn built() -> Result<PathBuf> {
    crate::tools::run(Command::new(env!("CARGO")).current_dir(root()).args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "oomph",
    ]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release/oomph"))
}

fn one(oomph: &Path, w: &Work, seconds: Option<u32>, dir: &Path) -> Result<Row> {
    let Work { specimen, binary, version, run } = w;
    let service = specimen.start(binary, &[])?;
    steady(&service)?;
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
    let first = live
        .findings
        .first()
        .map_or_else(String::new, |f| format!("{} {:?} {:.2}: {}", f.rule, f.severity, f.confidence, f.title));
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
    let out = Command::new(oomph).arg("diagnose").args(args).args(["--format", "json", "--quiet"]).output()?;
    if out.status.code() == Some(2) {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&out.stdout)?)
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
    let lines = specimen.site_lines()?;
    let hit = |s: &model::SiteRef| {
        lines.iter().any(|(c, line)| s.line == *line && s.function == c.function && s.file.ends_with(&c.file))
    };
    if !lines.is_empty() && !first.sites.iter().any(hit) {
        let got: Vec<String> = first
            .sites
            .iter()
            .map(|s| format!("{}:{} {}", s.file.rsplit('/').next().unwrap_or(""), s.line, s.function))
            .collect();
        out.push(format!("sites {got:?}, none of them the culprit"));
    }
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

fn steady(service: &Running) -> Result<Truth> {
    let (_keep, never) = sync_channel::<()>(0);
    for _ in 0..480 {
        let truth = service.truth()?;
        if truth.phase == Phase::Steady && truth.uptime_seconds > 3.0 {
            return Ok(truth);
        }
        // Nothing will come: this is a wait.
        let _ = never.recv_timeout(Duration::from_millis(250));
    }
    Err(format!("{} did not become steady in two minutes", service.name()).into())
}

fn line(r: &Row) -> String {
    let ratio = r.ratio.map_or_else(String::new, |x| format!(" ratio {x:.2}"));
    let state = if r.problems.is_empty() { "ok  ".to_owned() } else { format!("FAIL {}", r.problems.join("; ")) };
    format!("{:<22} {:<7} run {}  {:<8}{ratio}  {}  {state}", r.specimen, r.go, r.run, r.verdict, r.first)
}

fn table(rows: &[Row], passed: usize, failed: usize) -> String {
    let mut out = String::from(
        "# Specimens, Go versions, runs\n\nEach specimen of `lab/` was started, diagnosed live by `oomph diagnose URL`, and held against its `truth.json` (verdict, rule, \
         culprit line, mechanism) and its own count of growth; the bundle of each run was diagnosed again offline and had to give the same findings. Written by \
         `cargo xtask matrix --output docs/matrix.md`.\n\n",
    );
    let _ = writeln!(out, "{passed} runs as they should be, {failed} not.\n");
    out.push_str("| specimen | Go | run | verdict | first finding | growth found / own count | result |\n|---|---|---|---|---|---|---|\n");
    for r in rows {
        let ratio = r.ratio.map_or_else(|| "-".to_owned(), |x| format!("{x:.2}"));
        let result = if r.problems.is_empty() { "ok".to_owned() } else { r.problems.join("; ") };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {ratio} | {} |",
            r.specimen,
            r.go,
            r.run,
            r.verdict,
            r.first.replace('|', "\\|"),
            result.replace('|', "\\|")
        );
    }
    out
}
