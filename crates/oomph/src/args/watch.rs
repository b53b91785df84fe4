//! Arguments of `oomph watch`.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `oomph watch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oomph watch                                   all Go services of this host
  oomph watch checkout.service localhost:6060   a unit, and a service by its address
  oomph watch --config /etc/oomph.toml          targets, thresholds and alerts from a file, followed while it runs
  oomph watch --listen 127.0.0.1:9177 4711      /metrics, /healthz and /status besides
  oomph watch --print-config > oomph.toml       every setting with its default
  oomph watch --dump-series /var/lib/oomph      the samples that were kept, as JSON lines")]
pub(crate) struct WatchArgs {
    /// Pids, addresses, units, control groups, names of programs, or auto; none: what the configuration says, else auto
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Configuration; followed while the watch runs [default: oomph.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where samples, evidence and undelivered alerts are kept [default: /var/lib/oomph for root, else the user's]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Serve /metrics, /healthz and /status here
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Print all settings with their defaults, and end
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Check the configuration, and end
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Print the samples kept in a state directory as JSON lines, and end
    #[arg(long, value_name = "DIR")]
    pub(crate) dump_series: Option<PathBuf>,
    /// With --dump-series: of this target only
    #[arg(long, value_name = "NAME", requires = "dump_series")]
    pub(crate) target: Option<String>,
}

/// What a watch has another process do. Not for people.
#[derive(Debug, Args)]
pub(crate) struct WatchCaptureArgs {
    /// Bundle to add to
    #[arg(long)]
    pub(crate) dir: PathBuf,
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[arg(long)]
    pub(crate) urgent: bool,
    #[arg(long, value_parser = super::duration)]
    pub(crate) trace: Option<Duration>,
    #[arg(long)]
    pub(crate) graph: bool,
    #[arg(long)]
    pub(crate) executable: Option<PathBuf>,
    #[arg(long)]
    pub(crate) diagnose: bool,
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    #[arg(long, default_value_t = 256 << 20)]
    pub(crate) max_bytes: u64,
    /// Time of the sample, milliseconds since 1970
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) at: Option<i64>,
    /// The watch; this process ends with it
    #[arg(long)]
    pub(crate) parent: u32,
}
