//! The rows of the table, and the table. Refuses to decide what is met.

use crate::specimens::cell;
use std::fmt::Write as _;
use std::path::Path;

/// What came of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Result {
    Met,
    Missed,
    /// Could not be tried here; the figure says why.
    Skipped,
}

/// A goal and what was seen.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    case: &'static str,
    goal: String,
    figure: String,
    result: Result,
}

impl Row {
    pub(crate) fn new(goal: impl Into<String>, figure: impl Into<String>, met: bool) -> Self {
        let result = if met { Result::Met } else { Result::Missed };
        Self { case: "", goal: goal.into(), figure: figure.into(), result }
    }

    pub(crate) fn missed(goal: &str, why: impl std::fmt::Display) -> Self {
        Self::new(goal, why.to_string(), false)
    }

    pub(crate) fn skipped(goal: impl Into<String>, why: impl Into<String>) -> Self {
        Self { case: "", goal: goal.into(), figure: why.into(), result: Result::Skipped }
    }

    /// A goal that problems are not there.
    pub(crate) fn none(goal: &str, of: usize, problems: &[String]) -> Self {
        let figure = match problems.first() {
            None => format!("none of {of}"),
            Some(first) => format!("{}, the first: {first}", problems.len()),
        };
        Self::new(goal, figure, problems.is_empty())
    }

    /// The row of a case; what it says of files in `dir` is said without that.
    pub(crate) fn of(self, case: &'static str, dir: &Path) -> Self {
        let prefix = format!("{}/{case}/", dir.display());
        Self { case, figure: self.figure.replace(&prefix, ""), ..self }
    }

    pub(crate) fn ok(&self) -> bool {
        self.result != Result::Missed
    }

    fn result(&self) -> &'static str {
        match self.result {
            Result::Met => "ok",
            Result::Missed => "missed",
            Result::Skipped => "not tried",
        }
    }

    pub(crate) fn line(&self) -> String {
        format!("{:9} {}: {}", self.result(), self.goal, self.figure)
    }
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "# The watch under hostile circumstances\n\nEach case ran the real `oomph watch` against real Go processes on one \
         machine of two processors, as root: endpoints and a receiver of alerts that send one byte a second, nothing, \
         errors, or without end; a service with goroutine dumps of 100 MB (sent by its handler from memory; and one whose \
         goroutines really are so many); a state directory on a file system of 8 MiB that was filled to the last byte and \
         emptied again; a realtime clock that was moved for the watch alone (`clock_gettime` replaced by a shared \
         object); targets that restart each second, get a used pid, and are stopped by SIGSTOP. Ten thousand whole dumps of 100 MB \
         would take an hour: some hundred were captured whole one after the other (`--dumps`), and ten thousand were \
         offered to a watch, whose limits decide. Gaps are between \
         consecutive samples on disk by the monotonic clock, memory is VmHWM, MiB are 2^20 bytes. A goal is missed where \
         it says so. Written by `cargo xtask watch-hostile --output docs/watch-hostile.md`.\n\n\
         | case | goal | seen | result |\n|---|---|---|---|\n",
    );
    for r in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {} | {} | {} | {} |", r.case, cell(&r.goal), cell(&r.figure), r.result());
    }
    out
}
