//! The command line of `oomph trace`.

use super::{Connect, TableFormat, TraceExportArgs, duration};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  oomph trace http://localhost:6060 --for 5s           take a trace, say what it shows
  oomph trace http://localhost:6060 --save slow.oomph  and keep the evidence
  oomph trace trace.out                                a file of runtime/trace, go test -trace, curl
  oomph trace trace.out before.pb.gz after.pb.gz       with heap profiles of the same window
  oomph trace stw trace.out                            stopped worlds alone
  oomph trace trace.out -f json | jq '.gc.cycles[] | select(.duration_ns > 10000000)'

Traces of Go 1.22 to 1.27 are read, those of flight recorders too. One that was cut off is read as far as it goes.
From a URL a CPU profile is taken at the same time, whose samples are then in the trace, and heap profiles before and
after.

Exit codes: 0 nothing above low found, 1 findings, 2 could not be read."
)]
pub(crate) struct Trace {
    #[command(subcommand)]
    pub(crate) question: Option<TraceQuestion>,
    #[command(flatten)]
    pub(crate) of: TraceTarget,
}

#[derive(Debug, Args)]
pub(crate) struct TraceTarget {
    /// URL with pprof on it, a trace file (with heap profiles of the same window), a bundle
    #[arg(required = true)]
    pub(crate) target: Vec<String>,
    #[command(flatten)]
    pub(crate) options: TraceOptions,
}

/// What is asked of a trace.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceQuestion {
    /// Collections: marking, assists, the heap around them
    #[command(after_help = "Example:
  oomph trace gc trace.out")]
    Gc(TraceTarget),
    /// Who paid for collections by mark assists, and where
    #[command(after_help = "Example:
  oomph trace assists http://localhost:6060 --for 10s")]
    Assists(TraceTarget),
    /// Stopped worlds by reason, the longest, and what they waited for
    #[command(after_help = "Example:
  oomph trace stw trace.out")]
    Stw(TraceTarget),
    /// Goroutines by the function they began with, and how long they waited for a processor
    #[command(after_help = "Example:
  oomph trace goroutines trace.out --rows 50")]
    Goroutines(TraceTarget),
    /// Where goroutines waited, and who ended the long waits
    #[command(after_help = "Example:
  oomph trace blocking trace.out")]
    Blocking(TraceTarget),
    /// Heap growth from collection to collection, and who ran when it grew
    #[command(after_help = "Example:
  oomph trace growth trace.out before.pb.gz after.pb.gz")]
    Growth(TraceTarget),
    /// Minimum mutator utilisation
    #[command(after_help = "Example:
  oomph trace mmu trace.out")]
    Mmu(TraceTarget),
    /// CPU samples by goroutine and phase of the collection
    #[command(after_help = "Example:
  oomph trace cpu http://localhost:6060")]
    Cpu(TraceTarget),
    /// Tasks, regions and logs of runtime/trace
    #[command(after_help = "Example:
  oomph trace tasks trace.out")]
    Tasks(TraceTarget),
    /// Write it for other tools: Perfetto, pprof, speedscope; or as a page to zoom in
    Export(TraceExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TraceOptions {
    /// How long to trace a live target (up to an hour)
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) for_: Duration,
    /// Keep the evidence here (a directory, or a file ending in .oomph)
    #[arg(long, value_name = "PATH")]
    pub(crate) save: Option<PathBuf>,
    /// Most rows of each table
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub(crate) rows: usize,
    /// Form of what is told (JSON: schema oomph.trace/1, all parts)
    #[arg(long, short, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
    /// Write it here instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Show findings in full, with artifacts and weights
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Thresholds of the rules [default: oomph.toml if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
