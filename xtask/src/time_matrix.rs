//! Every specimen of time, traced live by the real binary, with several Go versions, several times; what came out is
//! held against each specimen's `truth.json`, and the evidence of each run is read again offline. Long; its table is
//! kept in `docs/time-matrix.md`.

use crate::Result;
use crate::specimens::{self, Runs, Work, cell, result_cell, state, told, wrong_sites};
use lab::{Specimen, Truth};
use model::{Finding, Severity, TraceDocument};
use std::fmt::Write as _;
use std::path::Path;

/// One run.
struct Row {
    specimen: String,
    go: String,
    run: u32,
    first: String,
    beside: String,
    shown: Shown,
    problems: Vec<String>,
}

/// What the trace shows, and the specimen's own load generator.
struct Shown {
    gc_cpu: f64,
    cycles_per_s: f64,
    longest_cycle_ms: f64,
    longest_stop_ms: f64,
    p99_latency_ms: f64,
    requests_p99_ms: f64,
}

pub(crate) fn run(runs: &Runs) -> Result<()> {
    let oomph = specimens::built()?;
    let dir = specimens::directory("time-matrix")?;
    let work = runs.work(&Specimen::of_time()?, &dir)?;
    let rows = runs.all(&work, |w| one(&oomph, w, runs.seconds, &dir), line)?;
    let failed = rows.iter().filter(|r| !r.problems.is_empty()).count();
    runs.conclude(rows.len(), failed, || table(&rows, failed))
}

fn one(oomph: &Path, w: &Work, seconds: Option<u32>, dir: &Path) -> Result<Row> {
    let Work { specimen, binary, version, run } = w;
    let service = specimen.start(binary, &[])?;
    specimens::steady(&service)?;
    let seconds = format!("{}s", seconds.unwrap_or(specimen.truth().observe_seconds));
    let save = dir.join(format!("{}-{version}-{run}.oomph", specimen.name()));
    let _ = std::fs::remove_file(&save);
    let save_as = save.to_string_lossy();
    let live: TraceDocument = specimens::json(oomph, &["trace", service.url(), "--for", &seconds, "--save", &save_as])?;
    let own = service.truth()?;
    service.stop()?;
    let offline: TraceDocument = specimens::json(oomph, &["trace", &save_as])?;
    let mut problems = judge(specimen, &live.findings)?;
    if live.findings != offline.findings {
        problems.push("the bundle gives other findings than the live run".to_owned());
    }
    if problems.is_empty() {
        let _ = std::fs::remove_file(&save);
    }
    let matter = || live.findings.iter().filter(|f| matters(f));
    Ok(Row {
        specimen: specimen.name().to_owned(),
        go: version.clone(),
        run: *run,
        first: matter().next().map_or_else(String::new, told),
        beside: matter().skip(1).map(|f| f.rule.as_str()).collect::<Vec<_>>().join(", "),
        shown: shown(&live, &own),
        problems,
    })
}

/// Whether a finding is more than a note.
fn matters(finding: &Finding) -> bool {
    finding.severity <= Severity::Medium
}

/// What is not as `truth.json` says.
fn judge(specimen: &Specimen, findings: &[Finding]) -> Result<Vec<String>> {
    let truth = specimen.truth();
    let mut out = Vec::new();
    let mut matter = findings.iter().filter(|f| matters(f));
    if let Some(rule) = &truth.rule {
        let Some(first) = matter.next() else {
            out.push(format!("no finding, expected {rule}"));
            return Ok(out);
        };
        if &first.rule != rule {
            out.push(format!("first finding is {} instead of {rule}", first.rule));
        }
        out.extend(wrong_sites(specimen, first)?);
        out.extend(truth.victim.iter().filter(|v| !names(first, v)).map(|v| format!("it does not name {v}")));
    }
    let others = matter.filter(|f| !truth.also.contains(&f.rule));
    out.extend(others.map(|f| format!("false finding: {} {}", f.rule, f.title)));
    Ok(out)
}

/// Whether a finding says the name of a function: in a site, or, without the path of its package, in a sentence.
fn names(finding: &Finding, function: &str) -> bool {
    let short = function.rsplit('/').next().unwrap_or(function);
    finding.sites.iter().any(|s| s.function == function)
        || finding.title.contains(short)
        || finding.evidence.iter().any(|e| e.statement.contains(short))
}

fn shown(d: &TraceDocument, own: &Truth) -> Shown {
    let seconds = d.duration_ns as f64 / 1e9;
    let ms = |ns: u64| ns as f64 / 1e6;
    Shown {
        gc_cpu: d.gc.cpu_share,
        cycles_per_s: (d.gc.cycles.len() as u64 + d.gc.more_cycles) as f64 / seconds.max(0.001),
        longest_cycle_ms: ms(d.gc.cycles.iter().map(|c| c.duration_ns).max().unwrap_or(0)),
        longest_stop_ms: ms(d.stw.reasons.iter().map(|r| r.times.max_ns).max().unwrap_or(0)),
        p99_latency_ms: ms(d.latency.outside_gc.p99_ns.max(d.latency.in_gc.p99_ns)),
        requests_p99_ms: own.request_p99_ms,
    }
}

/// GC CPU, collections per second, the longest one, the longest stop, latencies.
fn cells(s: &Shown) -> [String; 6] {
    [
        format!("{:.1} %", s.gc_cpu * 100.0),
        format!("{:.1}", s.cycles_per_s),
        format!("{:.0} ms", s.longest_cycle_ms),
        format!("{:.1} ms", s.longest_stop_ms),
        format!("{:.1} ms", s.p99_latency_ms),
        format!("{:.1} ms", s.requests_p99_ms),
    ]
}

fn line(r: &Row) -> String {
    format!("{:<20} {:<7} run {}  {}  {}", r.specimen, r.go, r.run, r.first, state(&r.problems))
}

fn table(rows: &[Row], failed: usize) -> String {
    let mut out = String::from(
        "# Specimens of time, Go versions, runs\n\nEach specimen of `lab/time` was started, traced live by `oomph trace URL`, and held against its `truth.json`: the first \
         finding of severity medium or above has its rule and names its culprit line (and who suffers), there is none that contradicts, and none at all for a healthy one; \
         the evidence of each run was read again offline and had to give the same findings. GC CPU, collections, stops and the 99th percentile of how long goroutines waited \
         for a processor (in or outside collections, whichever is longer) are what the trace shows; requests: the 99th percentile of the specimen's own load. Written by \
         `cargo xtask time-matrix --output docs/time-matrix.md`.\n\n",
    );
    let _ = writeln!(out, "{} runs as they should be, {failed} not.\n", rows.len() - failed);
    out.push_str(
        "| specimen | Go | run | first finding | beside it | GC CPU | collections/s | longest | longest stop | runnable p99 | requests p99 | result |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for r in rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            r.specimen,
            r.go,
            r.run,
            cell(&r.first),
            cell(&r.beside),
            cells(&r.shown).join(" | "),
            result_cell(&r.problems)
        );
    }
    out
}
