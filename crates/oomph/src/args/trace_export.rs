//! The command line of `oomph trace export`.

use clap::{ArgGroup, Args};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("files").required(true).multiple(true).args(["perfetto", "html"]),
    after_help = "Examples:
  oomph trace export trace.out --perfetto trace.perfetto.gz    open it at https://ui.perfetto.dev
  oomph trace export trace.out --html timeline.html            open it in a browser, offline

Exit codes: 0 written, 2 could not be read or written."
)]
pub(crate) struct TraceExportArgs {
    /// The trace
    pub(crate) file: PathBuf,
    /// For ui.perfetto.dev and trace_processor: procs, goroutines, collections, counters, CPU samples (a name that ends
    /// in .gz is compressed)
    #[arg(long, value_name = "FILE")]
    pub(crate) perfetto: Option<PathBuf>,
    /// A timeline to zoom in, as one file for a browser, without network: who ran on which proc, collections, stopped
    /// worlds, mark assists, the heap. #t=START-END (nanoseconds) behind its name shows that stretch
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print no notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}
