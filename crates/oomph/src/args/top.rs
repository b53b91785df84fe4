//! Arguments of `oomph top`.

use super::TableFormat;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `oomph top`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oomph top                                   all Go services of this host
  oomph top checkout.service localhost:6060   a unit, and a service by its address
  oomph top --watch localhost:9177            what a running watch knows, with its captures
  oomph top --once                            the table once, for a log
  oomph top --once -f json                    everything that is known, schema oomph.watch/1

Keys, the same in every view: arrows or j k choose a service, Enter or g its growth, c its culprits,
b its captures, Esc back, s sort, / filter, ? help, q quit.")]
pub(crate) struct TopArgs {
    /// Pids, addresses, units, control groups, names of programs, or auto; none: what the configuration says, else auto
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Look at what a running `oomph watch --listen ADDRESS` knows, its captures and culprits included
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["targets", "config"])]
    pub(crate) watch: Option<String>,
    /// Configuration of oomph watch; nothing is captured and nobody alerted [default: oomph.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print once what is known after a few samples, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: the form
    #[arg(long, short, value_enum, default_value_t = TableFormat::Text, requires = "once")]
    pub(crate) format: TableFormat,
    /// With --once: longest time to wait for samples
    #[arg(long = "for", value_name = "TIME", default_value = "12s", value_parser = super::duration, requires = "once")]
    pub(crate) for_: Duration,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
