//! The command line: one definition for parser, help and examples.

mod gclog;
mod heap;
mod top;
mod trace;
mod trace_export;
mod watch;

pub(crate) use gclog::GcLogArgs;
pub(crate) use heap::{
    ContainerOrder, Heap, HeapContainersArgs, HeapDiffArgs, HeapExportArgs, HeapOptions, HeapQuestion, HeapTarget,
    HeapView, SnapshotMode, TreeOrder,
};

pub(crate) use top::{Colour, TopArgs};
pub(crate) use trace::{Trace, TraceQuestion, TraceTarget};
pub(crate) use trace_export::TraceExportArgs;
pub(crate) use watch::{WatchArgs, WatchCaptureArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Why is my Go service eating memory?
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  oomph diagnose http://localhost:6060        what holds the memory of this service?
  oomph diagnose 4711 --for 1m                the same by pid, watched for a minute
  oomph diagnose incident.oomph               offline, from a captured bundle
  oomph capture http://localhost:6060 -o incident.oomph
  oomph top                                   the Go services of this host, live
  oomph watch                                 warn before the OOM killer comes, keep the evidence
  GODEBUG=gctrace=1 ./server 2>&1 | oomph gclog -
  oomph pprof top heap.pb.gz                  fast replacement for go tool pprof -top
  oomph demo                                  a leaking Go service, diagnosed live

Exit codes: 0 fine, 1 findings or a failed check, 2 usage or operational error.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what holds the memory, who put it there, and which line to change
    Diagnose(Diagnose),
    /// Collect evidence into a bundle, to be diagnosed later or elsewhere
    Capture(Capture),
    /// Look into a bundle
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Work with pprof profiles
    #[command(subcommand)]
    Pprof(Box<PprofCommand>),
    /// Read the object graph of a process or core file: who holds what
    Heap(Box<Heap>),
    /// Read a GC log (GODEBUG=gctrace=1): pauses, costs, growth, and what stands out
    Gclog(GcLogArgs),
    /// Read an execution trace: collections, pauses, who ran, waited and assisted
    Trace(Box<Trace>),
    /// Watch services: warn before the OOM killer comes, and keep the evidence
    Watch(WatchArgs),
    #[command(hide = true)]
    WatchCapture(WatchCaptureArgs),
    #[command(hide = true)]
    WatchLaunch {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Look at services live: who grows, how fast, how long is left
    Top(TopArgs),
    /// Explain a rule: what it means, how it decides, what to do
    #[command(after_help = "Examples:
  oomph explain                        all rules
  oomph explain goroutine-leak")]
    Explain {
        /// Rule id; without one, all rules are listed
        rule: Option<String>,
    },
    /// Start a leaking Go service, diagnose it live, stop it again
    Demo(Demo),
}

/// How evidence is collected from a live target.
#[derive(Debug, Clone, Args)]
pub(crate) struct Collect {
    /// How long to watch a live target; growth needs time
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) for_: Duration,
    /// Number of samples in that time (1 to 1000; growth needs two)
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) samples: u32,
    /// Do not ask the service for a garbage collection before each heap profile
    #[arg(long)]
    pub(crate) no_gc: bool,
    /// Do not stop the process for milliseconds to take a snapshot of its heap; what holds its memory is then not seen
    #[arg(long)]
    pub(crate) no_snapshot: bool,
    /// Also take an execution trace for so long, with a CPU profile at the same time [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) trace: Option<Duration>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// How a live target is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connect {
    /// Header for each request, e.g. 'Authorization: Bearer ...' (never stored)
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// Certificate authorities (PEM) to trust in place of the public ones
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Accept any TLS certificate, self-signed ones too
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Ask the URL alone, not the process behind it on this host (its /proc and executable)
    #[arg(long)]
    pub(crate) url_only: bool,
    /// Longest time for one request
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Draw no progress, print no notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// What a report looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For the terminal
    Text,
    /// Schema oomph.report/1
    Json,
    /// For an issue or pull request
    Markdown,
    /// One offline file with charts and flame graphs
    Html,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Output {
    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Write the report here instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Show all findings in full, with artifacts and weights
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Thresholds of the rules [default: oomph.toml if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oomph diagnose http://localhost:6060 --for 1m
  oomph diagnose http://svc:6060 -H 'Authorization: Bearer abc' -f json
  oomph diagnose 4711 -f html -o report.html
  oomph diagnose prometheus                   by program name, on this host
  oomph diagnose before.pb.gz after.pb.gz     two heap profiles
  oomph diagnose incident.oomph
  oomph diagnose core.4711 --exe ./server     what holds the memory in a core file

Exit codes: 0 healthy, 1 findings above low or too little evidence, 2 could not diagnose.")]
pub(crate) struct Diagnose {
    /// URL with pprof on it, pid, program name, bundle, profile files, core files
    #[arg(required = true)]
    pub(crate) target: Vec<String>,
    #[command(flatten)]
    pub(crate) collect: Collect,
    /// Keep the evidence here (a directory, or a file ending in .oomph)
    #[arg(long, value_name = "PATH")]
    pub(crate) save: Option<PathBuf>,
    /// Executable of a core file [default: where the core file says]
    #[arg(long, value_name = "FILE")]
    pub(crate) exe: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oomph capture http://localhost:6060 -o incident.oomph
  oomph capture 4711 --for 2m --samples 8 -o incident/")]
pub(crate) struct Capture {
    /// URL with pprof on it, pid, or program name
    pub(crate) target: String,
    /// Where to (a directory, or a file ending in .oomph)
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) collect: Collect,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// List the artifacts of a bundle
    #[command(after_help = "Example:
  oomph bundle ls incident.oomph")]
    Ls {
        /// Directory or .oomph file
        bundle: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check every artifact against the manifest
    #[command(after_help = "Example:
  oomph bundle verify incident.oomph

Exit codes: 0 intact, 1 damaged or incomplete, 2 no bundle.")]
    Verify {
        /// Directory or .oomph file
        bundle: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which samples and which value.
#[derive(Debug, Clone, Args)]
pub(crate) struct Select {
    /// Sample type, e.g. inuse_space, alloc_space, cpu [default: the profile's own]
    #[arg(long = "type", short = 't', value_name = "NAME")]
    pub(crate) sample_type: Option<String>,
    /// Only stacks with a function or file that matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) focus: Option<String>,
    /// Leave out stacks with a function or file that matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) ignore: Option<String>,
}

/// A table of what a profile holds.
#[derive(Debug, Clone, Args)]
pub(crate) struct Table {
    #[command(flatten)]
    pub(crate) select: Select,
    /// What a row stands for
    #[arg(long, short, value_enum, default_value_t = Granularity::Functions)]
    pub(crate) by: Granularity,
    /// Sort by cumulative value
    #[arg(long)]
    pub(crate) cum: bool,
    /// Rows; 0 for all
    #[arg(long, short = 'n', default_value_t = 30)]
    pub(crate) rows: usize,
    /// Form of the table
    #[arg(long, short, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
}

/// What a row of `top` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Granularity {
    /// Functions
    Functions,
    /// Function and line
    Lines,
    /// Packages
    Packages,
    /// The user's line that caused the allocation, with its mechanism
    Sites,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PprofCommand {
    /// The heaviest functions, lines, packages or allocation sites
    #[command(after_help = "Examples:
  oomph pprof top heap.pb.gz
  oomph pprof top --by sites -t alloc_space heap.pb.gz
  oomph pprof top --focus 'store\\.' --cum heap.pb.gz
  curl -s localhost:6060/debug/pprof/heap | oomph pprof top -")]
    Top {
        /// Profiles; several are merged; - is standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        table: Table,
        /// Executable of the service, to tell mechanisms (map growth, boxing, ...) by the code
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
    },
    /// What changed from one profile to another
    #[command(after_help = "Examples:
  oomph pprof diff before.pb.gz after.pb.gz
  oomph pprof diff before.pb.gz after.pb.gz -o growth.pb.gz")]
    Diff {
        /// Earlier profile
        base: PathBuf,
        /// Later profile
        new: PathBuf,
        #[command(flatten)]
        table: Table,
        /// Write the difference as a profile
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Add profiles up into one
    #[command(after_help = "Example:
  oomph pprof merge pod-*.pb.gz -o all.pb.gz")]
    Merge {
        /// Profiles of one kind
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// A flame graph
    #[command(after_help = "Examples:
  oomph pprof flame heap.pb.gz -o heap.svg
  oomph pprof flame --base before.pb.gz after.pb.gz -o growth.svg
  oomph pprof flame -f speedscope cpu.pb.gz -o cpu.speedscope.json")]
    Flame {
        /// Profiles; several are merged
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        select: Select,
        /// Subtract this earlier profile
        #[arg(long, value_name = "FILE")]
        base: Option<PathBuf>,
        /// Form of the graph
        #[arg(long, short, value_enum, default_value_t = FlameFormat::Svg)]
        format: FlameFormat,
        /// Where to [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Everything in a profile, as text
    #[command(after_help = "Example:
  oomph pprof raw heap.pb.gz | less")]
    Raw {
        /// A profile
        file: PathBuf,
    },
}

/// Form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// For the terminal
    Text,
    /// For scripts
    Json,
}

/// Form of what is told of a heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeapFormat {
    /// For the terminal
    Text,
    /// For scripts
    Json,
    /// One offline file with a treemap and all views
    Html,
}

/// Form of a flame graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlameFormat {
    /// Interactive SVG: search and zoom in a browser
    Svg,
    /// root;...;leaf value
    Collapsed,
    /// For speedscope.app
    Speedscope,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oomph demo                             the map that only grows
  oomph demo --specimen goroutine-leak
  oomph demo --recorded                  no Go needed: a recorded bundle")]
pub(crate) struct Demo {
    /// Which service; --list shows all
    #[arg(long, default_value = "map-cache")]
    pub(crate) specimen: String,
    /// List the services and end
    #[arg(long)]
    pub(crate) list: bool,
    /// Diagnose a recorded bundle instead: needs no Go
    #[arg(long)]
    pub(crate) recorded: bool,
    /// Go version to build it with, e.g. 1.27.3 [default: the one found, else fetched]
    #[arg(long, value_name = "VERSION")]
    pub(crate) go: Option<String>,
    /// How long to watch
    #[arg(long = "for", value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) for_: Duration,
    /// Keep the evidence here (a directory, or a file ending in .oomph)
    #[arg(long, value_name = "PATH")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// `500ms`, `30s`, `5m`, `1h`; a bare number is seconds. At most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let value: f64 = number.parse().map_err(|_| format!("`{text}` is no time; write 500ms, 30s, 5m or 1h"))?;
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is no unit of time; use ms, s, m or h")),
    };
    let seconds = value * scale;
    if seconds <= 86_400.0 { Ok(Duration::from_secs_f64(seconds)) } else { Err("at most one day (24h)".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_times() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "3x", "1e9h", "..", "48h", "-1s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
