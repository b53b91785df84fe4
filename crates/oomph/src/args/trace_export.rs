//! The command line of `oomph trace export`.

use clap::{ArgGroup, Args};
use export::trace::StackKind;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("files").required(true).multiple(true).args(["perfetto", "html", "json", "pprof", "speedscope"]),
    after_help = "Examples:
  oomph trace export trace.out --perfetto trace.perfetto.gz    open it at https://ui.perfetto.dev
  oomph trace export trace.out --html timeline.html            open it in a browser, offline
  oomph trace export trace.out --pprof sync=sync.pb.gz --pprof assist=assist.pb.gz
  oomph trace export slow.oomph --html slow.html               what oomph trace URL --save kept
  oomph trace export trace.out --speedscope trace.speedscope.json

Kinds of profiles: net, sync, syscall, sched (as go tool trace -pprof), blocking (all waits, with
their reasons), assist (mark assists), cpu (samples).

Exit codes: 0 written, 2 could not be read or written."
)]
pub(crate) struct TraceExportArgs {
    /// The trace: a file, or a bundle that has one
    pub(crate) file: PathBuf,
    /// For ui.perfetto.dev and trace_processor: procs, goroutines, collections, counters, CPU samples (a name that ends
    /// in .gz is compressed)
    #[arg(long, value_name = "FILE")]
    pub(crate) perfetto: Option<PathBuf>,
    /// A timeline to zoom in, as one file for a browser, without network: who ran on which proc, collections, stopped
    /// worlds, mark assists, the heap. #t=START-END (nanoseconds) behind its name shows that stretch
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// What that page shows, for scripts (schema oomph.timeline/1)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// A profile for go tool pprof: where goroutines waited (net, sync, syscall, sched, blocking), assisted (assist), ran
    /// (cpu)
    #[arg(long, value_name = "KIND=FILE", value_parser = kind_and_file)]
    pub(crate) pprof: Vec<(StackKind, PathBuf)>,
    /// CPU samples, waits and mark assists by stack for speedscope.app
    #[arg(long, value_name = "FILE")]
    pub(crate) speedscope: Option<PathBuf>,
    /// Print no notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `sync=sync.pb.gz`.
fn kind_and_file(text: &str) -> Result<(StackKind, PathBuf), String> {
    let kinds = || StackKind::ALL.map(StackKind::name).join(", ");
    let (name, file) = text.split_once('=').ok_or_else(|| format!("write KIND=FILE; kinds are {}", kinds()))?;
    let kind = StackKind::ALL.into_iter().find(|k| k.name() == name);
    let kind = kind.ok_or_else(|| format!("`{name}` is no kind; there are {}", kinds()))?;
    if file.is_empty() { Err("the name of the file is missing".to_owned()) } else { Ok((kind, file.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kinds_and_files() {
        assert_eq!(kind_and_file("sync=a=b.gz"), Ok((StackKind::Sync, "a=b.gz".into())));
        for bad in ["", "sync", "sync=", "heap=x"] {
            assert!(kind_and_file(bad).is_err(), "{bad}");
        }
    }
}
