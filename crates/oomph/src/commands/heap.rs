//! `oomph heap`: has the memory of a process or core file read; prints what was found.

use super::live;
use crate::args::{Heap, HeapFormat, HeapView, SnapshotMode};
use crate::progress::Reporter;
use crate::target_arg::{self, TargetArg};
use crate::{Failure, Outcome, output};
use bundle::{ProgramError, ProgramHeap, ProgramMemory};
use heap::Wanted;
use heap::containers::ContainerOptions;
use model::{HeapContainers, HeapOverview};
use target::Process;
use target::memory::Snapshot;

/// Rows of each table unless told otherwise.
const ROWS: usize = 12;
const ROWS_OF_HTML: usize = 60;

pub(super) fn run(a: &Heap) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(a.quiet);
    let opened = open(a, &reporter)?;
    let read = |heap: &ProgramHeap<'_>| -> Result<HeapOverview, Failure> {
        let mut overview = heap.overview(&opened, &wanted(a))?;
        if let Some(containers) = &mut overview.containers {
            narrow(containers, a);
        }
        Ok(overview)
    };
    let overview = opened.graph(&mut |step| reporter.say(step.text()), read);
    reporter.done();
    let overview = overview.map_err(failure)??;
    let to = a.output.as_deref();
    match a.format {
        HeapFormat::Text => output::write(to, report::heap_overview(&overview, output::width()).as_bytes())?,
        HeapFormat::Html => output::write(to, report::heap_html(&overview).as_bytes())?,
        HeapFormat::Json => {
            let mut text = serde_json::to_string_pretty(&overview)?;
            text.push('\n');
            output::write(to, report::visible_json(&text).as_bytes())?;
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

/// What was asked for.
fn wanted(a: &Heap) -> Wanted {
    let html = a.format == HeapFormat::Html;
    let rows = match a.rows {
        Some(0) => usize::MAX,
        Some(rows) => rows,
        None if html => ROWS_OF_HTML,
        None => ROWS,
    };
    let all = Wanted::all(rows);
    let containers = all.containers.map(|c| ContainerOptions { show_keys: a.show_keys, ..c });
    let none = Wanted { rows, ..Wanted::default() };
    match a.show {
        HeapView::Overview if html => Wanted { containers, ..all },
        HeapView::Overview => {
            // A terminal has no room for the tree.
            let tree = if a.format == HeapFormat::Text { 0 } else { all.tree };
            Wanted { containers: None, depth: false, tree, ..all }
        }
        HeapView::Containers | HeapView::Strings => Wanted { containers, ..none },
        HeapView::Types => Wanted { types: true, ..none },
        HeapView::Holders => Wanted { holders: true, ..none },
        HeapView::Goroutines => Wanted { goroutines: true, ..none },
        HeapView::Chains => Wanted { depth: true, ..none },
    }
}

/// Keeps the containers, or the strings, that were asked for.
fn narrow(containers: &mut HeapContainers, a: &Heap) {
    if let Some(kind) = &a.kind {
        containers.list.retain(|c| c.kind.eq_ignore_ascii_case(kind));
        containers.groups.retain(|g| g.kind.eq_ignore_ascii_case(kind));
    }
    if a.show == HeapView::Strings {
        containers.list.clear();
        containers.groups.clear();
    } else if a.format != HeapFormat::Html {
        containers.duplicates.largest.clear();
    }
}
