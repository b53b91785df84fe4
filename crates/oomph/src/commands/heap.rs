//! `oomph heap`: has the memory of a process or core file read; prints what was found.

use super::live;
use crate::args::{Heap, HeapView, SnapshotMode, TableFormat};
use crate::progress::Reporter;
use crate::target_arg::{self, TargetArg};
use crate::{Failure, Outcome, output};
use bundle::{ProgramError, ProgramHeap, ProgramMemory};
use heap::containers::ContainerOptions;
use heap::{HeapGraph, Names};
use model::HeapOverview;
use target::Process;
use target::memory::Snapshot;

/// Most containers of each kind that are listed, whatever number of rows is asked for.
const MOST_CONTAINERS: usize = 1 << 16;

pub(super) fn run(a: &Heap) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(a.quiet);
    let opened = open(a, &reporter)?;
    let read = |heap: &ProgramHeap<'_>| -> Result<HeapOverview, Failure> {
        heap.notes.iter().for_each(|n| output::note(n));
        let mut overview = show(heap.graph, heap.names, a, &reporter)?;
        overview.oomph = env!("CARGO_PKG_VERSION").to_owned();
        overview.target.clone_from(&opened.target);
        overview.go_version = heap.version.to_owned();
        overview.source = opened.source.to_owned();
        overview.pause_ms = opened.pause.map(|p| p.total.as_secs_f64() * 1e3);
        Ok(overview)
    };
    let overview = opened.graph(&mut |step| reporter.say(step.text()), read);
    reporter.done();
    let overview = overview.map_err(failure)??;
    match a.format {
        TableFormat::Text => output::write(None, report::heap_overview(&overview, output::width()).as_bytes())?,
        TableFormat::Json => {
            let mut text = serde_json::to_string_pretty(&overview)?;
            text.push('\n');
            output::write(None, report::visible_json(&text).as_bytes())?;
        }
    }
    Ok(Outcome::Fine)
}

fn failure(e: ProgramError) -> Failure {
    match e.hint() {
        "" => Failure::from(e),
        hint => Failure::new(e.to_string()).hint(hint),
    }
}

fn open(a: &Heap, reporter: &Reporter) -> Result<ProgramMemory, Failure> {
    match target_arg::parse(std::slice::from_ref(&a.target))? {
        TargetArg::Files(files) => match files.as_slice() {
            [core] => ProgramMemory::core(core, a.exe.as_deref()).map_err(failure),
            _ => Err(Failure::new("name one core file")),
        },
        arg @ (TargetArg::Pid(_) | TargetArg::Name(_)) => match live::target(&arg)? {
            Some(bundle::CollectTarget::Pid(pid)) => open_process(pid, a, reporter),
            _ => Err(Failure::new("no process")),
        },
        TargetArg::Url(_) | TargetArg::Bundle(_) => {
            Err(Failure::new(format!("{}: the heap is read from a process or a core file", a.target))
                .hint("name a pid on this host, or a core file; oomph diagnose takes URLs and bundles"))
        }
    }
}

fn open_process(pid: u32, a: &Heap, reporter: &Reporter) -> Result<ProgramMemory, Failure> {
    let process = Process::open(pid)?;
    match a.snapshot {
        SnapshotMode::Fork => {
            let plan = Snapshot::plan(&process)?;
            reporter.say(&plan.to_string());
            ProgramMemory::snapshot(&process, &plan)
                .map_err(|e| failure(e).hint("--snapshot stop copies while it stands still, none reads it running"))
        }
        SnapshotMode::Stop => ProgramMemory::copy(&process).map_err(failure),
        SnapshotMode::None => ProgramMemory::running(&process).map_err(failure),
    }
}

/// What was asked for of the overview, and what it does not have by itself.
fn show(graph: &HeapGraph<'_>, names: &dyn Names, a: &Heap, reporter: &Reporter) -> Result<HeapOverview, Failure> {
    let rows = if a.rows == 0 { usize::MAX } else { a.rows };
    let mut o = graph.overview(names, rows)?;
    if matches!(a.show, HeapView::Containers | HeapView::Strings) {
        reporter.say("measuring containers");
        let options =
            ContainerOptions { most: rows.min(MOST_CONTAINERS), show_keys: a.show_keys, ..Default::default() };
        let mut containers = graph.container_rows(names, rows, &options)?;
        if let Some(kind) = &a.kind {
            containers.list.retain(|c| c.kind.eq_ignore_ascii_case(kind));
            containers.groups.retain(|g| g.kind.eq_ignore_ascii_case(kind));
        }
        if a.show == HeapView::Strings {
            containers.list.clear();
            containers.groups.clear();
        } else {
            containers.duplicates.largest.clear();
        }
        o.containers = Some(containers);
    }
    if a.show == HeapView::Chains {
        reporter.say("measuring depth");
        o.depth = Some(graph.depths(names, rows)?);
    }
    if a.show != HeapView::Overview {
        let keep = |view| a.show == view;
        o.maps.clear();
        if !keep(HeapView::Holders) {
            o.holders.clear();
        }
        if !keep(HeapView::Types) {
            o.types.clear();
        }
        if !keep(HeapView::Goroutines) {
            o.goroutines.clear();
        }
    }
    Ok(o)
}
