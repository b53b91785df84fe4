//! `oomph heap`: opens the memory of a process or core file and has it read; prints what was found.

use super::live;
use crate::args::{Heap, SnapshotMode, TableFormat};
use crate::progress::Reporter;
use crate::target_arg::{self, TargetArg};
use crate::{Failure, Outcome, output};
use gobinary::layout::{Arch, Layout};
use gobinary::{Cached, Functions, GoBinary, Memory, ModuleBases, ModuleTables, Variables};
use heap::{HeapGraph, Names, Runtime};
use model::{Bytes, HeapOverview};
use std::path::Path;
use target::Process;
use target::memory::{Copied, CoreFile, CoreOptions, LiveMemory, Snapshot, SnapshotOptions};

/// Most bytes that `--snapshot stop` copies.
const MOST_COPIED: Bytes = Bytes(64 << 30);

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
    let arch = match core.arch() {
        target::memory::Arch::Amd64 => Arch::Amd64,
        target::memory::Arch::Arm64 => Arch::Arm64,
    };
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
    let tables: Vec<ModuleTables<'_>> = runtime
        .types
        .modules()
        .iter()
        .filter_map(|m| {
            let bases =
                ModuleBases { pclntab: m.pclntab, text: m.text, gofunc: Some(m.gofunc), rodata: Some(m.rodata) };
            ModuleTables::read(memory, bases).ok()
        })
        .collect();
    let functions: Vec<Functions<'_>> = tables.iter().filter_map(|t| t.functions().ok()).collect();
    let text = binary.pclntab().ok().and_then(|t| t.functions().next()).map_or(0, |f| f.0);
    let first = functions.first().and_then(|f| f.func_at(runtime.types.modules().first()?.minpc)).map(|f| f.entry());
    let names = ProgramNames {
        functions,
        variables: binary.variables(),
        bias: first.map_or(0, |entry| entry.wrapping_sub(text)),
    };
    let graph = HeapGraph::read(&runtime, &names, &names.functions, &mut |step| reporter.say(step.text()))?;
    let mut overview = graph.overview(&names, if a.rows == 0 { usize::MAX } else { a.rows })?;
    overview.oomph = env!("CARGO_PKG_VERSION").to_owned();
    overview.target.clone_from(&opened.target);
    overview.go_version = version;
    overview.source = opened.source.to_owned();
    overview.pause_ms = opened.pause_ms;
    Ok(overview)
}

/// Functions from the program's memory, variables from its file.
struct ProgramNames<'a> {
    functions: Vec<Functions<'a>>,
    variables: Variables<'a>,
    bias: u64,
}

impl Names for ProgramNames<'_> {
    fn function(&self, address: u64) -> Option<String> {
        self.functions.iter().find_map(|f| f.func_at(address)).map(|f| f.name().to_owned())
    }

    fn is_function_start(&self, address: u64) -> bool {
        self.functions.iter().any(|f| f.func_at(address).is_some_and(|f| f.entry() == address))
    }

    fn variable(&self, address: u64) -> Option<(String, u64)> {
        let (name, offset) = self.variables.at(address.wrapping_sub(self.bias))?;
        Some((name.to_owned(), offset))
    }
}
