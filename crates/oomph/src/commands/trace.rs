//! `oomph trace`: has an execution trace read, event by event, and what it amounts to printed.

use crate::args::{TableFormat, TraceArgs, TraceView};
use crate::progress::Reporter;
use crate::{Failure, Outcome, output};
use report::TracePart;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use timeline::Timeline;
use trace::{Options, Source};

/// A file that is read by position: memory does not grow with it.
struct TraceFile {
    file: File,
    size: u64,
}

impl TraceFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl Source for TraceFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|r| !r.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

pub(super) fn run(a: &TraceArgs) -> Result<Outcome, Failure> {
    let shown = a.file.display();
    let file = TraceFile::open(&a.file).map_err(|e| Failure::io(shown.to_string(), &e))?;
    if a.file.is_dir() {
        return Err(Failure::new(format!("{shown} is a directory")).hint("name a trace file"));
    }
    let reporter = Reporter::new(a.quiet);
    reporter.say("reading the trace");
    let mut timeline = Timeline::new();
    let summary = trace::read(&file, &Options::default(), &mut timeline).map_err(|e| {
        Failure::new(format!("{shown}: {e}")).hint(
            "traces come from runtime/trace, go test -trace, or curl -o trace.out URL/debug/pprof/trace?seconds=5",
        )
    })?;
    drop(reporter);
    let mut document = timeline.finish(&summary, a.rows);
    env!("CARGO_PKG_VERSION").clone_into(&mut document.oomph);
    document.source = shown.to_string();
    let to = a.output.as_deref();
    match a.format {
        TableFormat::Text => output::write_text(to, |width| report::trace(&document, &parts(&a.show), width))?,
        TableFormat::Json => output::write(to, output::json(&document)?.as_bytes())?,
    }
    Ok(Outcome::Fine)
}

/// All parts, unless some are named.
fn parts(show: &[TraceView]) -> Vec<TracePart> {
    if show.is_empty() {
        return TracePart::ALL.to_vec();
    }
    let part = |view: &TraceView| match view {
        TraceView::Gc => TracePart::Gc,
        TraceView::Assists => TracePart::Assists,
        TraceView::Stw => TracePart::Stw,
        TraceView::Goroutines => TracePart::Goroutines,
        TraceView::Blocking => TracePart::Blocking,
        TraceView::Mmu => TracePart::Mmu,
    };
    show.iter().map(part).collect()
}
