//! The command line of `oomph gclog`.

use super::TableFormat;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  GODEBUG=gctrace=1 ./server 2>&1 | oomph gclog -   live: notes as they come, then the summary
  oomph gclog server.log                            gctrace lines amid any other lines
  oomph gclog /var/log/pods/server.log.3.gz
  journalctl -u server -o cat | oomph gclog -
  oomph gclog server.log -f json | jq '.processes[].signals[].summary'

Lines of Go 1.19 to 1.27 are read: gctrace=1, gctrace=2, gcpacertrace=1, scavtrace=1; behind
timestamps, in JSON strings, in colour. What is cut or mixed with other output is counted.

Exit codes: 0 read, 2 could not be read, or no such line in it.")]
pub(crate) struct GcLogArgs {
    /// The log, gzip-compressed perhaps; - is standard input
    pub(crate) file: PathBuf,
    /// Form of the summary (JSON: schema oomph.gclog/1)
    #[arg(long, short, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
    /// Write the summary here instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Thresholds of the signals [default: oomph.toml if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print no notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}
