//! The commands, one file each.

mod bundle;
mod capture;
mod demo;
mod diagnose;
mod explain;
mod gclog;
mod heap;
mod launch;
mod live;
mod pprof;
mod top;
mod trace;
mod trace_export;
mod watch;

use crate::args::{Cli, Command};
use crate::{Failure, Outcome, output};

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> Result<Outcome, Failure> {
    let quiet = match &cli.command {
        Command::Diagnose(a) => a.collect.connect.quiet,
        Command::Capture(a) => a.collect.connect.quiet,
        Command::Heap(a) => a.options().quiet,
        Command::Gclog(a) => a.quiet,
        Command::Trace(a) => a.quiet(),
        _ => false,
    };
    if quiet {
        output::be_quiet();
    }
    match cli.command {
        Command::Diagnose(a) => diagnose::run(&a),
        Command::Capture(a) => capture::run(&a),
        Command::Bundle(c) => bundle::run(&c),
        Command::Pprof(c) => pprof::run(&c),
        Command::Heap(a) => heap::run(&a),
        Command::Gclog(a) => gclog::run(&a),
        Command::Trace(a) => trace::run(&a),
        Command::Watch(a) => watch::run(&a),
        Command::WatchCapture(a) => watch::capture(&a),
        Command::WatchLaunch { args } => launch::run(&args),
        Command::Top(a) => top::run(&a),
        Command::Explain { rule } => explain::run(rule.as_deref()),
        Command::Demo(a) => demo::run(&a),
    }
}
