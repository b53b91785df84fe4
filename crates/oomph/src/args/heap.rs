//! The command line of `oomph heap`.

use super::{HeapFormat, duration};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "Examples:
  oomph heap 4711                     a running process; it stands still for milliseconds
  oomph heap 4711 --snapshot none     without stopping it
  oomph heap core.4711 --exe ./server
  oomph heap 4711 -f html -o heap.html    treemap, holders, containers, depth
  oomph heap prometheus -f json -o monday.json
  oomph heap holders 4711 'map[string]*main.Session'
  oomph heap diff --for 30s 4711

Exit codes: 0 read, 2 could not be read.";

/// How the memory of a running process is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SnapshotMode {
    /// Stop it for milliseconds, have it copy itself (copy-on-write), read the frozen copy
    Fork,
    /// Stop it while its memory is copied
    Stop,
    /// Do not stop it; what changes meanwhile may be seen half-way
    None,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub(crate) struct Heap {
    #[command(subcommand)]
    pub(crate) question: Option<HeapQuestion>,
    /// Pid or program name on this host, or a core file
    #[arg(required = true)]
    pub(crate) target: Option<String>,
    /// The earlier way to ask.
    #[arg(long, value_enum, hide = true)]
    pub(crate) show: Option<HeapView>,
    #[arg(long, value_name = "KIND", hide = true)]
    pub(crate) kind: Option<String>,
    #[command(flatten)]
    pub(crate) options: HeapOptions,
}

impl Heap {
    /// The options, wherever they were given.
    pub(crate) const fn options(&self) -> &HeapOptions {
        use HeapQuestion as Q;
        match &self.question {
            None => &self.options,
            Some(Q::Diff(d)) => &d.options,
            Some(Q::Containers(c)) => &c.of.options,
            Some(Q::Holders { of, .. } | Q::Retained { of, .. }) => &of.options,
            Some(Q::Export(e)) => &e.of.options,
            Some(Q::Types(t) | Q::Roots(t) | Q::Goroutines(t) | Q::Chains(t) | Q::Duplicates(t)) => &t.options,
        }
    }
}

/// What `--show` knows: each is a question of its own now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeapView {
    Overview,
    Containers,
    Types,
    Holders,
    Goroutines,
    Strings,
    Chains,
}

/// What is asked of a heap.
#[derive(Debug, Subcommand)]
pub(crate) enum HeapQuestion {
    /// Types: objects, bytes, what all of a type retain
    #[command(after_help = "Example:
  oomph heap types core.4711 -n 50

Exit codes: 0 read, 2 could not be read.")]
    Types(HeapTarget),
    /// Containers of all kinds: entries, capacity, waste, what they retain
    #[command(after_help = "Examples:
  oomph heap containers 4711
  oomph heap containers 4711 --kind map --sort ghost
  oomph heap containers core.4711 --kind map --show-keys

Exit codes: 0 read, 2 could not be read.")]
    Containers(HeapContainersArgs),
    /// Roots: variables, goroutines, finalizers, cleanups, weak handles, and what they hold
    #[command(after_help = "Example:
  oomph heap roots 4711

Exit codes: 0 read, 2 could not be read.")]
    Roots(HeapTarget),
    /// What holds an object, or the objects of a type
    #[command(after_help = "Examples:
  oomph heap holders 4711 0xc000123450          the object there: shortest way from a root, and dominators
  oomph heap holders 4711 main.Session
  oomph heap holders 4711 '*http.Request'       pointers to it, or all types that end so
  oomph heap holders 4711 '/^main\\..*Cache$/'   a regular expression

Exit codes: 0 read, 2 could not be read or nothing matches.")]
    Holders {
        #[command(flatten)]
        of: HeapTarget,
        /// Address of an object, or a type: its name, with * and ? for any letters, or /REGEX/
        #[arg(value_name = "ADDR|TYPE")]
        what: String,
    },
    /// What would be free without all that matches: types, packages, modules, variables, goroutines
    #[command(after_help = "Examples:
  oomph heap retained 4711 main.Session
  oomph heap retained 4711 example.com/app/cache       a package: its types, variables, goroutines
  oomph heap retained 4711 example.com/app             a module
  oomph heap retained 4711 main.sessions               a variable

Exit codes: 0 read, 2 could not be read or nothing matches.")]
    Retained {
        #[command(flatten)]
        of: HeapTarget,
        /// Name of a type, variable or function, import path of a package or module; with * and ?, or /REGEX/
        pattern: String,
    },
    /// Goroutines by function and state: stacks, what they hold alone
    #[command(after_help = "Example:
  oomph heap goroutines 4711

Exit codes: 0 read, 2 could not be read.")]
    Goroutines(HeapTarget),
    /// How deep objects lie below the roots, the longest lists and trees, what marking them costs
    #[command(after_help = "Example:
  oomph heap chains 4711

Exit codes: 0 read, 2 could not be read.")]
    Chains(HeapTarget),
    /// Strings with the same content
    #[command(after_help = "Example:
  oomph heap duplicates 4711 --show-keys

Exit codes: 0 read, 2 could not be read.")]
    Duplicates(HeapTarget),
    /// What changed from one heap to another: by holder, container, type
    #[command(after_help = "Examples:
  oomph heap diff --for 30s 4711                   two snapshots of one process
  oomph heap 4711 -f json -o before.json           keep one for later ...
  oomph heap diff before.json 4711                 ... and compare
  oomph heap diff core.1 core.2 --exe ./server
  oomph heap diff incident.oomph                   first and last graph of a bundle

Exit codes: 0 compared, 2 could not be read.")]
    Diff(HeapDiffArgs),
    /// Write the graph for other tools: go tool pprof, DuckDB, Spark
    #[command(after_help = "Examples:
  oomph heap export 4711 --pprof heap.pb.gz && go tool pprof -http=: heap.pb.gz
  oomph heap export core.4711 --parquet heap/ && duckdb -c \"select * from 'heap/types.parquet'\"

Exit codes: 0 written, 2 could not be read or written.")]
    Export(HeapExportArgs),
}

/// How a heap is read and what the answer looks like.
#[derive(Debug, Clone, Args)]
pub(crate) struct HeapOptions {
    /// How the memory of a process is read
    #[arg(long, value_enum, default_value_t = SnapshotMode::Fork)]
    pub(crate) snapshot: SnapshotMode,
    /// Put the heap of the process into huge pages first: a copy then stops it for less (Linux 6.1, CAP_SYS_NICE)
    #[arg(long)]
    pub(crate) collapse: bool,
    /// Executable of a core file [default: where the core file says]
    #[arg(long, value_name = "FILE")]
    pub(crate) exe: Option<PathBuf>,
    /// Show keys and strings as they are, not only what they look like
    #[arg(long)]
    pub(crate) show_keys: bool,
    /// Neither read nor write the index beside a core file, with which the next command answers at once
    #[arg(long)]
    pub(crate) no_index: bool,
    /// Rows of each table; 0 for all [default: 12, as HTML 60]
    #[arg(long, short = 'n')]
    pub(crate) rows: Option<usize>,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t = HeapFormat::Text)]
    pub(crate) format: HeapFormat,
    /// Write the answer here instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Draw no progress, print no notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl HeapOptions {
    /// Rows of each table.
    pub(crate) const fn rows(&self) -> usize {
        match (self.rows, self.format) {
            (Some(0), _) => usize::MAX,
            (Some(rows), _) => rows,
            (None, HeapFormat::Html) => 60,
            (None, _) => 12,
        }
    }
}

/// Whose heap is read, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct HeapTarget {
    /// Pid or program name on this host, or a core file
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) options: HeapOptions,
}

/// What containers are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContainerOrder {
    /// The larger of what they retain and waste
    Largest,
    /// What would be free without them
    Retained,
    /// Bytes that hold nothing the program can reach
    Waste,
    /// Bytes of slots without an entry
    Ghost,
    /// Entries
    Entries,
    /// Bytes of their own structure
    Own,
}

#[derive(Debug, Args)]
pub(crate) struct HeapContainersArgs {
    #[command(flatten)]
    pub(crate) of: HeapTarget,
    /// Only containers of this kind: map, slice, string, list, tree, chan, sync.Map, sync.Pool, ...
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = ContainerOrder::Largest)]
    pub(crate) sort: ContainerOrder,
}

#[derive(Debug, Args)]
pub(crate) struct HeapDiffArgs {
    /// Two of: pid, program name, core file, saved document, bundle, the earlier first; one with --for or a bundle
    #[arg(required = true, num_args = 1..=2, value_name = "A B")]
    pub(crate) targets: Vec<String>,
    /// Take two snapshots of one process so far apart
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) for_: Option<Duration>,
    #[command(flatten)]
    pub(crate) options: HeapOptions,
}

/// Which way leads to an object in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TreeOrder {
    /// Who holds it alone: a frame's cumulative value is what it retains
    Dominators,
    /// The fewest pointers, from a variable if one leads there
    Shortest,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("files").required(true).multiple(true).args(["pprof", "parquet"]))]
pub(crate) struct HeapExportArgs {
    #[command(flatten)]
    pub(crate) of: HeapTarget,
    /// The holder tree as a profile for go tool pprof: types and fields as stacks
    #[arg(long, value_name = "FILE")]
    pub(crate) pprof: Option<PathBuf>,
    /// Objects, edges, types, containers and roots as Parquet files in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) parquet: Option<PathBuf>,
    /// Which way leads to an object in the profile
    #[arg(long, value_enum, default_value_t = TreeOrder::Dominators)]
    pub(crate) tree: TreeOrder,
}
