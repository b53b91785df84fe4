//! Repository chores. `cargo xtask --help`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people at a terminal")]

mod docs;
mod fuzz;
mod growth;
mod heap_matrix;
mod layouts;
mod matrix;
mod soak;
mod specimens;
mod time_matrix;
mod tools;
mod watch_crash;
mod watch_hostile;
mod watch_matrix;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(about = "Repository chores")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all tests, with a Go toolchain found or fetched first
    Test {
        /// Arguments for `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run each fuzz target for a while
    Fuzz {
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only targets whose name contains this
        #[arg(long)]
        only: Option<String>,
    },
    /// Check licences, sources and bans of all dependencies
    Deny,
    /// Write docs/rules/ and docs/schema/ from the code; --check only compares
    Docs {
        /// Fail when a file differs
        #[arg(long)]
        check: bool,
    },
    /// Build one static executable
    Dist,
    /// Compare the layouts of Go's runtime with programs that Go toolchains build
    Layouts(layouts::Args),
    /// Read the heap of every program of lab/heap with several Go versions in several forms, and compare
    HeapMatrix(heap_matrix::Args),
    /// Diagnose every specimen with several Go versions, several times
    Matrix(specimens::Runs),
    /// Trace every specimen of time with several Go versions, several times
    TimeMatrix(specimens::Runs),
    /// Run every specimen of growth in a control group of its own, alone, and see whether it takes the planned course
    Growth(growth::Args),
    /// Watch every specimen of growth until the kernel kills it, and hold what was said and left against its truth
    WatchMatrix(watch_matrix::Args),
    /// Replay what `growth` recorded to the monitor of `oomph watch`, without running anything
    WatchReplay(watch_matrix::replay::Args),
    /// Kill a watch at random moments, and look at what it leaves
    WatchCrash(watch_crash::Args),
    /// Watch targets, disks, clocks and receivers of alerts that misbehave, and see that the watch stays bounded and says so
    WatchHostile(watch_hostile::Args),
    /// Take snapshots of a program under load, thousands of them, and kill the tracer at random moments
    Soak(soak::Args),
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Test { args } => tools::test(&args),
        Command::Fuzz { seconds, only } => fuzz::run(seconds, only.as_deref()),
        Command::Deny => tools::deny(),
        Command::Docs { check } => docs::run(check),
        Command::Dist => tools::dist(),
        Command::Layouts(args) => layouts::run(&args),
        Command::HeapMatrix(args) => heap_matrix::run(&args),
        Command::Matrix(runs) => matrix::run(&runs),
        Command::TimeMatrix(runs) => time_matrix::run(&runs),
        Command::Growth(args) => growth::run(&args),
        Command::WatchMatrix(args) => watch_matrix::run(&args),
        Command::WatchReplay(args) => watch_matrix::replay::run(&args),
        Command::WatchCrash(args) => watch_crash::run(&args),
        Command::WatchHostile(args) => watch_hostile::run(&args),
        Command::Soak(args) => soak::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}
