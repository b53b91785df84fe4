//! Runs of specimens with several Go versions, several times: the arguments, the order of the work, waiting until a
//! specimen is steady, and whether a finding names its culprit. What is asked of a running specimen, and judged, is
//! the matrices' own.

use crate::{Result, root};
use lab::{Phase, Running, Specimen, Toolchain, Truth};
use model::{Finding, GoVersion, SiteRef};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Arguments that all matrices of specimens know.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Runs {
    /// Go versions
    #[arg(long, value_delimiter = ',', default_value = "1.23.9,1.26.6,1.27.3")]
    go: Vec<String>,
    /// Runs of each; the number of a run is the seed of a specimen of growth
    #[arg(long, alias = "seeds", default_value_t = 3)]
    runs: u32,
    /// Number of the first run: other seeds for specimens of growth
    #[arg(long, default_value_t = 1)]
    first: u32,
    /// Runs at the same time
    #[arg(long, default_value_t = 1)]
    pub(crate) jobs: usize,
    /// Only specimens whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Observe for this many seconds instead of what truth.json says
    #[arg(long)]
    pub(crate) seconds: Option<u32>,
    /// Write the table here
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
}

/// One run to be made.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) specimen: Specimen,
    pub(crate) binary: PathBuf,
    pub(crate) version: String,
    pub(crate) run: u32,
}

impl Runs {
    /// One run of each with one Go version.
    pub(crate) fn once(go: &str) -> Self {
        Self { go: vec![go.to_owned()], runs: 1, first: 1, jobs: 1, only: Vec::new(), seconds: None, output: None }
    }

    /// The runs of those of the specimens that are wanted; they are built in `dir`.
    pub(crate) fn work(&self, specimens: &[Specimen], dir: &Path) -> Result<Vec<Work>> {
        let mut work = Vec::new();
        for version in &self.go {
            let want =
                GoVersion::parse(&format!("go{version}")).ok_or_else(|| format!("{version} is no Go version"))?;
            let go = Toolchain::find_or_fetch(Some(&want), &lab::default_cache_dir(), &mut |p| println!("{p}"))?;
            for specimen in specimens.iter().filter(|s| self.wants(s)) {
                let binary = specimen.build(&go, dir)?;
                for run in (self.first..).take(self.runs as usize) {
                    work.push(Work {
                        specimen: specimen.clone(),
                        binary: binary.clone(),
                        version: version.clone(),
                        run,
                    });
                }
            }
        }
        Ok(work)
    }

    fn wants(&self, specimen: &Specimen) -> bool {
        // Its own count is of several faults together.
        if specimen.truth().several && !self.only.iter().any(|o| o == specimen.name()) {
            return false;
        }
        self.only.is_empty() || self.only.iter().any(|o| specimen.name().contains(o.as_str()))
    }

    /// Makes all runs, some at the same time, and prints a line for each; rows in the order of the work.
    pub(crate) fn all<R: Send>(
        &self,
        work: &[Work],
        one: impl Fn(&Work) -> Result<R> + Sync,
        line: impl Fn(&R) -> String + Sync,
    ) -> Result<Vec<R>> {
        let next = AtomicUsize::new(0);
        let rows: Mutex<Vec<(usize, std::result::Result<R, String>)>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some(w) = work.get(i) else { return };
                        let row = one(w).map_err(|e| format!("{}: {e}", w.specimen.name()));
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
        Ok(rows.into_iter().map(|r| r.1).collect::<std::result::Result<Vec<R>, String>>()?)
    }

    /// Writes the table if that is wanted, says how many rows are as they should be, and fails unless all are.
    pub(crate) fn conclude(&self, rows: usize, failed: usize, table: impl FnOnce() -> String) -> Result<()> {
        if let Some(path) = &self.output {
            std::fs::write(path, table())?;
        }
        println!("{} passed, {failed} failed", rows - failed);
        if failed == 0 { Ok(()) } else { Err(format!("{failed} runs were not as they should be").into()) }
    }
}

/// Where a matrix keeps binaries and what its runs leave.
pub(crate) fn directory(name: &str) -> Result<PathBuf> {
    let dir = root().join("target").join(name);
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// The program, built for release.
pub(crate) fn built() -> Result<PathBuf> {
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

/// Runs the program and returns the JSON it prints; exit code 2 is an error.
pub(crate) fn json<T: serde::de::DeserializeOwned>(oomph: &Path, args: &[&str]) -> Result<T> {
    let out = Command::new(oomph).args(args).args(["--format", "json", "--quiet"]).output()?;
    if !matches!(out.status.code(), Some(0 | 1)) {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&out.stdout)?)
}

/// Waits until the specimen shows its steady behaviour.
pub(crate) fn steady(service: &Running) -> Result<Truth> {
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

/// What is wrong with the sites of a finding: none of them is a line of the specimen's fault.
pub(crate) fn wrong_sites(specimen: &Specimen, finding: &Finding) -> Result<Option<String>> {
    let lines = specimen.site_lines()?;
    let hit = |s: &SiteRef| {
        lines.iter().any(|(c, line)| s.line == *line && s.function == c.function && s.file.ends_with(&c.file))
    };
    if lines.is_empty() || finding.sites.iter().any(hit) {
        return Ok(None);
    }
    let got: Vec<String> = finding
        .sites
        .iter()
        .map(|s| format!("{}:{} {}", s.file.rsplit('/').next().unwrap_or(""), s.line, s.function))
        .collect();
    Ok(Some(format!("sites {got:?}, none of them the culprit")))
}

/// A finding in one line.
pub(crate) fn told(finding: &Finding) -> String {
    format!("{} {:?} {:.2}: {}", finding.rule, finding.severity, finding.confidence, finding.title)
}

/// A text as the cell of a Markdown table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What is wrong with a run, as the cell of a Markdown table.
pub(crate) fn result_cell(problems: &[String]) -> String {
    if problems.is_empty() { "ok".to_owned() } else { cell(&problems.join("; ")) }
}

/// What is wrong with a run, at the end of a line on a terminal.
pub(crate) fn state(problems: &[String]) -> String {
    if problems.is_empty() { "ok  ".to_owned() } else { format!("FAIL {}", problems.join("; ")) }
}
