//! `oomph trace export`: a trace as files for other tools, all of them in one reading.

use super::trace as judged;
use crate::args::TraceExportArgs;
use crate::progress::Reporter;
use crate::{Failure, Outcome, output};
use ::diagnose::Thresholds;
use bundle::{Bundle, Facts};
use export::trace::perfetto::PerfettoWriter;
use export::trace::{StackKind, StackSums};
use flate2::{Compression, write::GzEncoder};
use model::{Bytes, Finding, TimelineMark};
use report::Flame;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use timeline::Lanes;
use trace::{Event, Generation, Options, Source, Summary, TraceError, Version, Visitor};

/// A file that may be compressed.
enum Output {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
}

impl Output {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|e| Failure::io(format!("cannot write {}", path.display()), &e))?;
        let gzip = path.extension().is_some_and(|e| e == "gz");
        Ok(if gzip { Output::Gzip(Box::new(GzEncoder::new(file, Compression::fast()))) } else { Output::Plain(file) })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Output::Plain(_) => Ok(()),
            Output::Gzip(encoder) => encoder.finish().map(|_| ()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Output::Plain(file) => file.write(buf),
            Output::Gzip(encoder) => encoder.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Plain(file) => file.flush(),
            Output::Gzip(encoder) => encoder.flush(),
        }
    }
}

/// All that listen to one reading.
#[derive(Default)]
struct Exports {
    perfetto: Option<PerfettoWriter<Output>>,
    lanes: Option<Lanes>,
    stacks: Option<StackSums>,
}

impl Visitor for Exports {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        if let Some(perfetto) = &mut self.perfetto {
            perfetto.event(event, generation);
        }
        if let Some(lanes) = &mut self.lanes {
            lanes.event(event, generation);
        }
        if let Some(stacks) = &mut self.stacks {
            stacks.event(event, generation);
        }
    }
}

pub(super) fn run(a: &TraceExportArgs) -> Result<Outcome, Failure> {
    let mut exports = Exports::default();
    let shown = a.file.display();
    let source = open(&a.file)?;
    // Before any file is written over.
    let mut head = [0; 16];
    let len = source.read_at(0, &mut head).map_err(|e| Failure::io(shown.to_string(), &e))?;
    Version::of_header(head.get(..len).unwrap_or_default()).map_err(|e| unreadable(&a.file, &e))?;
    let name = file_name(&a.file);
    if let Some(path) = &a.perfetto {
        exports.perfetto = Some(PerfettoWriter::new(Output::create(path)?, &name));
    }
    exports.lanes = (a.html.is_some() || a.json.is_some()).then(Lanes::new);
    exports.stacks = (!a.pprof.is_empty() || a.speedscope.is_some()).then(StackSums::new);
    let reporter = Reporter::new(a.quiet);
    reporter.say("reading the trace");
    let read = trace::read(&*source, &Options::default(), &mut exports);
    let summary = read.map_err(|e| unreadable(&a.file, &e))?;
    drop(reporter);
    summary.gaps.iter().for_each(|gap| output::note(&format!("{}: {gap}", a.file.display())));
    if let (Some(path), Some(writer)) = (&a.perfetto, exports.perfetto) {
        finish_perfetto(path, writer)?;
    }
    if let Some(lanes) = exports.lanes {
        finish_lanes(a, lanes, &summary)?;
    }
    if let Some(stacks) = exports.stacks {
        finish_stacks(a, stacks, &name)?;
    }
    Ok(Outcome::Fine)
}

/// The trace of a file or bundle.
fn open(path: &Path) -> Result<Box<dyn Source>, Failure> {
    if path.is_dir() && !Bundle::is_bundle(path) {
        return Err(Failure::new(format!("{} is a directory", path.display())).hint("name a trace file or a bundle"));
    }
    bundle::open_trace(path).map_err(|e| {
        Failure::new(e.to_string()).hint("name a trace file, or a bundle that oomph trace URL --save made")
    })
}

fn unreadable(path: &Path, e: &TraceError) -> Failure {
    Failure::new(format!("{}: {e}", path.display())).hint(judged::TRACES_COME_FROM)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

fn finish_perfetto(path: &Path, writer: PerfettoWriter<Output>) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::io(format!("cannot write {}", path.display()), &e);
    let (file, told) = writer.finish().map_err(failed)?;
    file.finish().map_err(failed)?;
    let shown = path.display();
    let size = Bytes(std::fs::metadata(path).map_or(told.bytes, |m| m.len()));
    output::note(&format!(
        "{shown}: {} packets, {size}; open it at https://ui.perfetto.dev",
        model::format_count(told.packets)
    ));
    for (count, what) in [
        (told.goroutines_left_out, "goroutines have no track of their own: too many at the same time"),
        (told.tasks_left_out, "tasks have no track: too many at the same time"),
        (told.samples_left_out, "CPU samples are left out: the trace does not tell their thread"),
    ] {
        if count > 0 {
            output::note(&format!("{shown}: {count} {what}"));
        }
    }
    Ok(())
}

/// What the rules say of the trace, as instants of it. Nothing is lost where they cannot: the lanes are all there.
fn findings(trace: &Path) -> Vec<TimelineMark> {
    let paths = [trace.to_path_buf()];
    let facts = match Bundle::open(trace) {
        Ok(bundle) => bundle.facts(),
        Err(_) => Facts::of_files(&paths, None).unwrap_or_default(),
    };
    let Ok(document) = judged::document(&facts, &Thresholds::default()) else { return Vec::new() };
    let mark = |title: &str, at_ns: u64, event: &str| TimelineMark { at_ns, text: format!("{title}: {event}") };
    let of = |f: &Finding| f.chain.iter().map(|step| mark(&f.title, step.at_ns, &step.event)).collect::<Vec<_>>();
    document.findings.iter().flat_map(of).collect()
}

fn finish_lanes(a: &TraceExportArgs, lanes: Lanes, summary: &Summary) -> Result<(), Failure> {
    let mut document = lanes.finish(summary, findings(&a.file));
    env!("CARGO_PKG_VERSION").clone_into(&mut document.oomph);
    document.source = file_name(&a.file);
    let slices: usize = document.procs.iter().map(|p| p.slices.len()).sum();
    let (procs, slices) = (document.procs.len(), model::format_count(slices as u64));
    if let Some(path) = &a.html {
        output::write(Some(path), report::timeline_html(&document).as_bytes())?;
        output::note(&format!("{}: {slices} slices on {procs} procs; a browser opens it", path.display()));
    }
    if let Some(path) = &a.json {
        output::write(Some(path), output::json(&document)?.as_bytes())?;
        output::note(&format!("{}: {slices} slices on {procs} procs", path.display()));
    }
    Ok(())
}

fn finish_stacks(a: &TraceExportArgs, mut stacks: StackSums, name: &str) -> Result<(), Failure> {
    stacks.finish();
    if stacks.left_out() > 0 {
        output::note(&format!("{} waits and assists are in no stack: too many different ones", stacks.left_out()));
    }
    for (kind, path) in &a.pprof {
        let profile = stacks.profile(*kind)?;
        output::write(Some(path), &profile.write())?;
        let (count, ns) = stacks.total(*kind);
        let [(what, _), _] = kind.types();
        output::note(&format!(
            "{}: {} {what}, {:.3} s in {} stacks; go tool pprof opens it",
            path.display(),
            model::format_count(count),
            ns as f64 / 1e9,
            profile.sample_count()
        ));
    }
    if let Some(path) = &a.speedscope {
        let flames = flames(&stacks)?;
        output::write(Some(path), report::speedscope_of(name, &flames).as_bytes())?;
        let told: Vec<&str> = flames.iter().map(|f| &f.name[..]).collect();
        let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
        output::note(&format!("{}: {told}; open it at https://www.speedscope.app", path.display()));
    }
    Ok(())
}

/// Where time went, by stack: what there is of it.
fn flames(stacks: &StackSums) -> Result<Vec<Flame>, Failure> {
    let mut flames = Vec::new();
    for (kind, name) in
        [(StackKind::Cpu, "CPU samples"), (StackKind::Blocking, "waiting"), (StackKind::Assist, "mark assists")]
    {
        let [_, (value, unit)] = kind.types();
        let collapsed = stacks.profile(kind)?.collapsed(value)?;
        if !collapsed.is_empty() {
            flames.push(Flame { name: name.to_owned(), unit: unit.to_owned(), collapsed, note: String::new() });
        }
    }
    Ok(flames)
}
