//! `oomph trace`: takes an execution trace of a live target, or reads one from a file or bundle, and prints what it
//! amounts to and what the rules make of it.

use super::{diagnose as judge, live, trace_export};
use crate::args::{TableFormat, Trace, TraceQuestion, TraceTarget};
use crate::progress::Reporter;
use crate::target_arg::{self, TargetArg};
use crate::{Failure, Outcome, config, output};
use ::bundle::{Bundle, Facts};
use ::diagnose::{Thresholds, diagnose, rules};
use model::{Severity, TraceDocument};
use report::TracePart;

/// Lines that allocate, of which the JSON tells.
const MOST_LINES: usize = 100;

/// What to do about a file that is no trace.
pub(super) const TRACES_COME_FROM: &str =
    "traces come from runtime/trace, go test -trace, or curl -o trace.out URL/debug/pprof/trace?seconds=5";

impl Trace {
    /// Whether to print no notes, wherever that was said.
    pub(crate) const fn quiet(&self) -> bool {
        match &self.question {
            Some(TraceQuestion::Export(e)) => e.quiet,
            _ => self.asked().0.options.connect.quiet,
        }
    }

    /// What is looked at, and the parts that are wanted.
    const fn asked(&self) -> (&TraceTarget, &[TracePart]) {
        use TraceQuestion as Q;
        match &self.question {
            // An export does not come here.
            None | Some(Q::Export(_)) => (&self.of, &TracePart::SUMMARY),
            Some(Q::Gc(t)) => (t, &[TracePart::Gc]),
            Some(Q::Assists(t)) => (t, &[TracePart::Assists]),
            Some(Q::Stw(t)) => (t, &[TracePart::Stw]),
            Some(Q::Goroutines(t)) => (t, &[TracePart::Goroutines]),
            Some(Q::Blocking(t)) => (t, &[TracePart::Blocking]),
            Some(Q::Growth(t)) => (t, &[TracePart::Growth]),
            Some(Q::Mmu(t)) => (t, &[TracePart::Mmu]),
            Some(Q::Cpu(t)) => (t, &[TracePart::Cpu]),
            Some(Q::Tasks(t)) => (t, &[TracePart::Tasks]),
        }
    }
}

pub(super) fn run(a: &Trace) -> Result<Outcome, Failure> {
    if let Some(TraceQuestion::Export(e)) = &a.question {
        return trace_export::run(e);
    }
    let (of, parts) = a.asked();
    let thresholds = config::thresholds(of.options.config.as_deref())?;
    let facts = facts(of)?;
    let mut document = document(&facts, &thresholds)?;
    document.shorten(of.options.rows);
    let to = of.options.output.as_deref();
    match of.options.format {
        TableFormat::Text => {
            output::write_text(to, |width| report::trace(&document, parts, of.options.verbose, width))?;
        }
        TableFormat::Json => output::write(to, output::json(&document)?.as_bytes())?,
    }
    // Who asks for a table is not asking for a verdict.
    let found = a.question.is_none() && document.findings.iter().any(|f| f.severity <= Severity::Medium);
    Ok(if found { Outcome::Findings } else { Outcome::Fine })
}

/// Everything there is to read: collected first where the target is a live one.
fn facts(of: &TraceTarget) -> Result<Facts, Failure> {
    let arg = target_arg::parse(&of.target)?;
    if let Some(target) = live::target(&arg)? {
        let temporary = tempfile::tempdir().map_err(|e| Failure::new(format!("no temporary directory: {e}")))?;
        let to = of.options.save.clone().unwrap_or_else(|| temporary.path().join("bundle"));
        let collected = live::trace(&target, &to, of.options.for_, &of.options.connect)?;
        return Ok(Bundle::open(&collected.path).map_err(judge::failure)?.facts());
    }
    let reporter = Reporter::new(of.options.connect.quiet);
    reporter.say("reading the trace");
    match arg {
        TargetArg::Bundle(path) => Ok(Bundle::open(&path).map_err(judge::failure)?.facts()),
        TargetArg::Files(files) => Facts::of_files(&files, None).map_err(|e| judge::failure(e).hint(TRACES_COME_FROM)),
        _ => Err(Failure::new("no such target")),
    }
}

/// The last trace, with what the rules about time say of all facts.
pub(super) fn document(facts: &Facts, thresholds: &Thresholds) -> Result<TraceDocument, Failure> {
    let Some(trace) = facts.traces.last() else {
        let why =
            facts.limits.iter().find(|l| l.contains("trace")).map_or("there is no execution trace", String::as_str);
        return Err(Failure::new(format!("{}: {why}", facts.target.name)).hint(
            "traces come from oomph trace URL, runtime/trace, go test -trace, or curl -o trace.out URL/debug/pprof/trace?seconds=5",
        ));
    };
    let version = env!("CARGO_PKG_VERSION");
    let report = diagnose(facts, thresholds, version);
    let of_time = |rule: &str| rules().iter().any(|r| r.id == rule && r.of_time);
    let mut document = (*trace.value).clone();
    version.clone_into(&mut document.oomph);
    document.source.clone_from(&facts.target.name);
    document.allocated = ::diagnose::allocated(facts, thresholds, MOST_LINES);
    document.findings = report.findings.into_iter().filter(|f| of_time(&f.rule)).collect();
    document.checked = report.checked.into_iter().filter(|c| of_time(&c.rule)).collect();
    Ok(document)
}
