//! The command line of `oomph trace`.

use super::TableFormat;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Parts of what a trace tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceView {
    /// Collections: marking, assists, the heap around them
    Gc,
    /// Who paid for collections by mark assists, and where
    Assists,
    /// Stopped worlds by reason, and the longest
    Stw,
    /// Goroutines by the function they began with
    Goroutines,
    /// Where goroutines waited
    Blocking,
    /// Minimum mutator utilisation
    Mmu,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  curl -o trace.out 'http://localhost:6060/debug/pprof/trace?seconds=5' && oomph trace trace.out
  oomph trace trace.out --show stw,assists
  oomph trace trace.out -f json | jq '.gc.cycles[] | select(.duration_ns > 10000000)'

Traces of Go 1.22 to 1.27 are read, those of flight recorders too. One that was cut off is read as far as it goes.

Exit codes: 0 read, 2 could not be read.")]
pub(crate) struct TraceArgs {
    /// The trace
    pub(crate) file: PathBuf,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) show: Vec<TraceView>,
    /// Most rows of each table
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub(crate) rows: usize,
    /// Form of what is told (JSON: schema oomph.trace/1, all parts)
    #[arg(long, short, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
    /// Write it here instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print no notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}
