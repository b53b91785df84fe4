//! Every specimen of growth alone in its control group, without any observer but the kernel and expvar: proof that it
//! takes the course that its `truth.json` plans, and the series by which forecasts are calibrated offline.

pub(crate) mod course;
mod samples;

use crate::Result;
use crate::specimens::{self, Runs, Work, cell, result_cell, state};
use course::Course;
use lab::Specimen;
use std::fmt::Write as _;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    runs: Runs,
    /// Limit of each control group
    #[arg(long, default_value_t = 256)]
    limit_mib: u64,
}

/// One run.
struct Row {
    specimen: String,
    go: String,
    seed: u32,
    shape: String,
    /// Seconds from the onset to the kill, and from the start.
    killed: Option<(f64, f64)>,
    /// Shares of the limit: anonymous memory at most, and what the culprit held at last.
    peak: f64,
    held: f64,
    problems: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = specimens::directory("growth")?;
    let work = args.runs.work(&Specimen::of_growth()?, &dir)?;
    let limit = args.limit_mib << 20;
    let rows = args.runs.all(&work, |w| one(w, limit, args.runs.seconds, &dir), line)?;
    let failed = rows.iter().filter(|r| !r.problems.is_empty()).count();
    args.runs.conclude(rows.len(), failed, || table(&rows, args.limit_mib, failed))
}

fn one(work: &Work, limit: u64, seconds: Option<u32>, dir: &Path) -> Result<Row> {
    let plan = course::plan(work)?;
    let seconds = seconds.unwrap_or(plan.seconds);
    let mut growing = course::start(work, limit, seconds)?;
    let csv = dir.join(format!("{}-{}-{}.csv", work.specimen.name(), work.version, work.run));
    // Without this file the samples are those of a run that has not ended.
    let end_file = csv.with_extension("json");
    let _ = std::fs::remove_file(&end_file);
    let mut samples = samples::Samples::create(&csv, growing.client())?;
    let course = course::follow(&mut growing, seconds, |g, line| samples.add(g, line))?;
    let end = serde_json::json!({
        "started_ms": course.started, "onset_ms": course.onset(), "killed_ms": course.killed(), "limit": limit,
    });
    std::fs::write(end_file, format!("{end}\n"))?;
    Ok(row(work, &course, limit, course.problems(plan, limit)))
}

fn row(work: &Work, course: &Course, limit: u64, problems: Vec<String>) -> Row {
    let limit = limit as f64;
    let held = course.lines.last().map_or(0, |l| l.held_bytes.max(l.off_heap_bytes));
    let since_start = course.killed().map(|at| (at - course.started) as f64 / 1000.0);
    Row {
        specimen: work.specimen.name().to_owned(),
        go: work.version.clone(),
        seed: work.run,
        shape: work.specimen.truth().growth.as_ref().map(|g| g.shape.clone()).unwrap_or_default(),
        killed: course.seconds_to_limit().zip(since_start),
        peak: course.peak as f64 / limit,
        held: held as f64 / limit,
        problems,
    }
}

fn times(row: &Row) -> String {
    row.killed.map_or_else(|| "lives".to_owned(), |(s, _)| format!("{s:.1} s"))
}

fn line(r: &Row) -> String {
    format!(
        "{:<20} {:<7} seed {}  {:>8}  peak {:>3.0} %  held {:>3.0} %  {}",
        r.specimen,
        r.go,
        r.seed,
        times(r),
        r.peak * 100.0,
        r.held * 100.0,
        state(&r.problems)
    )
}

fn table(rows: &[Row], limit_mib: u64, failed: usize) -> String {
    let mut out = format!(
        "# Specimens of growth\n\nEach specimen of `lab/watch/` alone in a control group of its own with a limit of {limit_mib} MiB and no swap. \
         To the kill: from the onset of growth to the end of the process by the kernel's OOM killer. Peak: the most \
         anonymous memory charged. Held: what the culprit held at last, by the program's own count. Written by \
         `cargo xtask growth --output FILE`.\n\n"
    );
    let _ = writeln!(out, "{} runs as planned, {failed} not.\n", rows.len() - failed);
    out.push_str("| specimen | shape | Go | seed | to the kill | after start | peak | held | result |\n|---|---|---|---|---|---|---|---|---|\n");
    for r in rows {
        let start = r.killed.map_or_else(|| "-".to_owned(), |(_, s)| format!("{s:.1} s"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {start} | {:.0} % | {:.0} % | {} |",
            r.specimen,
            cell(&r.shape),
            r.go,
            r.seed,
            times(r),
            r.peak * 100.0,
            r.held * 100.0,
            result_cell(&r.problems)
        );
    }
    out
}
