//! `oomph heap`: opens the memory of a process or core file and has it read; prints what was found.

use super::live;
use crate::args::{Heap, HeapView, SnapshotMode, TableFormat};
use crate::progress::Reporter;
use crate::target_arg::{self, TargetArg};
use crate::{Failure, Outcome, output};
use gobinary::layout::{Arch, Layout};
use gobinary::{Cached, DebugInfo, Functions, GoBinary, Memory, ModuleTables};
use heap::containers::ContainerOptions;
use heap::{HeapGraph, Names, ProgramNames, Runtime};
use model::{Bytes, HeapOverview};
use std::path::Path;
use target::Process;
use target::memory::{Copied, CoreFile, CoreOptions, LiveMemory, Snapshot, SnapshotOptions};

/// Most bytes that `--snapshot stop` copies.
const MOST_COPIED: Bytes = Bytes(64 << 30);

/// Most containers of each kind that are listed, whatever number of rows is asked for.
const MOST_CONTAINERS: usize = 1 << 16;

/// A program's memory, opened.
struct Opened {
    memory: Box<dyn Memory>,
    source: &'static str,
    pause_ms: Option<f64>,
    /// The bytes do not change while they are read.
    frozen: bool,
    exe: Vec<u8>,
    target: String,
    arch: Option<Arch>,
}

pub(super) fn run(a: &Heap) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(a.quiet);
    let opened = open(a, &reporter)?;
    let overview = read(&opened, a, &reporter);
    reporter.done();
    let overview = overview?;
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

fn open(a: &Heap, reporter: &Reporter) -> Result<Opened, Failure> {
    match target_arg::parse(std::slice::from_ref(&a.target))? {
        TargetArg::Files(files) => match files.as_slice() {
            [core] => open_core(core, a.exe.as_deref()),
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

fn open_core(path: &Path, exe: Option<&Path>) -> Result<Opened, Failure> {
    let options = CoreOptions { executable: exe.map(Path::to_owned), ..CoreOptions::default() };
    let core = CoreFile::open_with(path, &options)?;
    for gap in core.gaps() {
        output::note(&gap.to_string());
    }
    let exe = core.executable_bytes().map(<[u8]>::to_vec).ok_or_else(|| {
        Failure::new(format!("{}: its executable was not found", path.display()))
            .hint("core files leave out code and types: name the executable with --exe")
    })?;
    let arch = core.arch();
    let target = path.display().to_string();
    Ok(Opened {
        memory: Box::new(core),
        source: "a core file",
        pause_ms: None,
        frozen: true,
        exe,
        target,
        arch: Some(arch),
    })
}

fn open_process(pid: u32, a: &Heap, reporter: &Reporter) -> Result<Opened, Failure> {
    let process = Process::open(pid)?;
    let exe = process.exe()?;
    let target = format!("{} (pid {pid})", process.name());
    let opened = |memory: Box<dyn Memory>, source, pause: Option<target::memory::Pause>| {
        let pause_ms = pause.map(|p| p.total.as_secs_f64() * 1e3);
        Opened { memory, source, pause_ms, frozen: pause.is_some(), exe, target, arch: None }
    };
    match a.snapshot {
        SnapshotMode::Fork => {
            let plan = Snapshot::plan(&process)?;
            reporter.say(&plan.to_string());
            let snapshot = Snapshot::fork(&process, &plan, &SnapshotOptions::default()).map_err(|e| {
                Failure::from(e).hint("--snapshot stop copies while it stands still, none reads it running")
            })?;
            let pause = snapshot.pause();
            Ok(opened(Box::new(snapshot), "a snapshot", Some(pause)))
        }
        SnapshotMode::Stop => {
            let writable = |live: &LiveMemory, _: &[target::memory::ThreadRegisters]| {
                live.regions().iter().filter(|r| r.readable).map(|r| r.start..r.end).collect()
            };
            let copied = Copied::of(&process, MOST_COPIED, writable)?;
            let pause = copied.pause();
            Ok(opened(Box::new(copied), "a copy", Some(pause)))
        }
        SnapshotMode::None => Ok(opened(Box::new(LiveMemory::open(&process)?), "the running process", None)),
    }
}

fn read(opened: &Opened, a: &Heap, reporter: &Reporter) -> Result<HeapOverview, Failure> {
    let binary = GoBinary::parse(&opened.exe)?;
    let version = binary.build_info()?.go_version_text;
    let arch = opened
        .arch
        .or_else(|| binary.arch())
        .ok_or_else(|| Failure::new("the program's processor is not known: amd64 and arm64 are"))?;
    reporter.say(heap::Step::Anchors.text());
    // What runs on while it is read must not be remembered.
    let cached = Cached::new(&*opened.memory);
    let memory: &dyn Memory = if opened.frozen { &cached } else { &*opened.memory };
    let runtime = Runtime::find(memory, Layout::lookup(&version, arch)?)?;
    let modules = runtime.types.modules();
    let tables: Vec<_> = modules.iter().filter_map(|m| ModuleTables::read(memory, m.into()).ok()).collect();
    let functions: Vec<Functions<'_>> = tables.iter().filter_map(|t| t.functions().ok()).collect();
    let text = binary.pclntab().ok().and_then(|t| t.functions().next()).map_or(0, |f| f.0);
    let first = functions.first().and_then(|f| f.func_at(modules.first()?.minpc)).map(|f| f.entry());
    let bias = first.map_or(0, |entry| entry.wrapping_sub(text));
    let sections = binary.dwarf().unwrap_or_else(|e| {
        output::note(&format!("{e}; the types of variables are not known"));
        None
    });
    let debug = sections.as_ref().map(|s| DebugInfo::read(s, bias));
    let names = ProgramNames { functions, variables: binary.variables(), debug, bias };
    let graph = HeapGraph::read(&runtime, &names, &names.functions, &mut |step| reporter.say(step.text()))?;
    let mut overview = show(&graph, &names, a, reporter)?;
    overview.oomph = env!("CARGO_PKG_VERSION").to_owned();
    overview.target.clone_from(&opened.target);
    overview.go_version = version;
    overview.source = opened.source.to_owned();
    overview.pause_ms = opened.pause_ms;
    Ok(overview)
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
