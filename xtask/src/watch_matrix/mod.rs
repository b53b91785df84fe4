//! Every specimen of growth with several seeds, each in a control group of its own and watched by `oomph watch`, until
//! the kernel kills it or for its planned time; what the watch said and left is held against the program's own truth.
//! With `--healthy-minutes` the healthy ones alone, side by side. Long; its table is kept in `docs/watch-matrix.md`.

mod judge;
pub(crate) mod left;
pub(crate) mod live;
pub(crate) mod replay;
mod table;

use crate::Result;
use crate::growth::course;
use crate::specimens::{self, Runs, Work, state};
use judge::Judgement;
use lab::Specimen;
use std::fs;
use std::path::Path;

/// Copies of the service's pages (a snapshot of its heap) are charged to its control group: at most a tenth of the limit.
const MOST_BESIDE: u64 = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    runs: Runs,
    /// Limit of each control group
    #[arg(long, default_value_t = 256)]
    limit_mib: u64,
    /// Run the healthy shapes alone, all at the same time, for so many minutes
    #[arg(long)]
    healthy_minutes: Option<u32>,
    /// This program instead of one built now
    #[arg(long)]
    oomph: Option<std::path::PathBuf>,
}

/// One run.
pub(crate) struct Row {
    specimen: String,
    shape: String,
    healthy: bool,
    go: String,
    seed: u32,
    judgement: Judgement,
    /// Anonymous memory charged to the service's control group beside its own, at most.
    beside: u64,
    /// Share of one processor that the watch took, and its resident bytes at most.
    cpu: f64,
    peak_rss: u64,
    /// Seconds watched.
    seconds: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let oomph = args.oomph.clone().map_or_else(specimens::built, Ok)?;
    let dir = specimens::directory("watch-matrix")?;
    let mut specimens = Specimen::of_growth()?;
    let mut runs = args.runs.clone();
    if let Some(minutes) = args.healthy_minutes {
        specimens.retain(|s| s.truth().growth.as_ref().is_some_and(|g| g.healthy));
        runs.seconds = Some(minutes.saturating_mul(60));
    }
    let work = runs.work(&specimens, &dir)?;
    if args.healthy_minutes.is_some() {
        runs.jobs = work.len();
    }
    let rows = runs.all(&work, |w| one(&oomph, w, args.limit_mib << 20, runs.seconds, &dir), line)?;
    let failed = rows.iter().filter(|r| !r.judgement.problems.is_empty()).count();
    println!("{}", table::summary(&rows));
    runs.conclude(rows.len(), failed, || table::table(&rows, args.limit_mib))
}

fn one(oomph: &Path, work: &Work, limit: u64, seconds: Option<u32>, dir: &Path) -> Result<Row> {
    let plan = course::plan(work)?;
    let dir = dir.join(format!("{}-{}-{}", work.specimen.name(), work.version, work.run));
    let run = live::run(oomph, work, limit, seconds.unwrap_or(plan.seconds), &dir)?;
    let mut judgement = judge::judge(&work.specimen, &run.course, &run.left)?;
    // A run that did not take its course says nothing of the watch. In an hour a healthy one may take what it likes.
    if seconds.is_none() {
        let off = run.course.problems(plan, limit);
        judgement.problems.extend(off.into_iter().map(|p| format!("the specimen: {p}")));
    }
    if run.course.beside > limit / MOST_BESIDE {
        let mib = run.course.beside >> 20;
        judgement.problems.push(format!("the watch's copies took {mib} MiB of the service's limit"));
    }
    let row = Row {
        specimen: work.specimen.name().to_owned(),
        shape: plan.shape.clone(),
        healthy: plan.healthy,
        go: work.version.clone(),
        seed: work.run,
        judgement,
        beside: run.course.beside,
        cpu: run.cpu_seconds / run.seconds.max(f64::MIN_POSITIVE),
        peak_rss: run.peak_rss,
        seconds: run.seconds,
    };
    let end = serde_json::json!({
        "started_ms": run.course.started, "onset_ms": run.course.onset(), "killed_ms": run.course.killed(),
        "limit": limit, "problems": row.judgement.problems,
    });
    fs::write(dir.join("result.json"), format!("{end}\n"))?;
    if row.judgement.problems.is_empty() {
        // The series are what forecasts are calibrated by; bundles of runs as they should be tell nothing more.
        fs::remove_dir_all(dir.join("state/incidents")).or_else(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(e),
        })?;
    }
    Ok(row)
}

fn line(r: &Row) -> String {
    let j = &r.judgement;
    let end = j.seconds_to_limit.map_or_else(|| "lives".to_owned(), |s| format!("{s:.1} s"));
    let warned = j.warned_before.map_or_else(|| "-".to_owned(), |s| format!("{s:.0} s before"));
    let held = j.forecasts.share().map_or_else(|| "-".to_owned(), |s| format!("{:.0} %", s * 100.0));
    format!(
        "{:<20} {:<7} seed {}  {end:>8}  warned {warned:<12}  forecasts held {held:>5}  {}",
        r.specimen,
        r.go,
        r.seed,
        state(&j.problems)
    )
}
