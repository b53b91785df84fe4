//! A program's memory, opened, and its heap read from there: a process by one of three ways, or a core
//! file. The one place that joins memory, executable and object graph; what is made of the graph is the
//! caller's. Writes nothing.

use crate::heap_index::IndexFile;
use crate::write::now;
use gobinary::layout::{Arch, Layout, NoLayout};
use gobinary::{BinaryError, Cached, DebugInfo, Functions, GoBinary, Memory, ModuleTables};
use heap::graph::GraphError;
use heap::{HeapError, HeapGraph, IndexError, ProgramNames, Runtime, Step, Wanted};
use model::{Bytes, HeapHead, HeapOverview, HeapProcess, UnixMillis};
use std::path::{Path, PathBuf};
use target::memory::{Copied, CoreFile, CoreOptions, LiveMemory, MemoryError, Pause, Snapshot};
use target::memory::{SnapshotOptions, SnapshotPlan, ThreadRegisters};
use target::{Process, TargetError};

/// Most bytes that [`ProgramMemory::copy`] copies.
const MOST_COPIED: Bytes = Bytes(64 << 30);

/// Why a program's heap could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The process cannot be looked at.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Its memory cannot be had, or the core file not be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The executable is none that Go made, or is damaged.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// No layout for its Go release.
    #[error(transparent)]
    Layout(#[from] NoLayout),
    /// The heap cannot be read.
    #[error(transparent)]
    Heap(#[from] HeapError),
    /// A core file without its executable.
    #[error("{}: its executable was not found", .0.display())]
    NoExecutable(PathBuf),
    /// Neither amd64 nor arm64.
    #[error("the program's processor is not known: amd64 and arm64 are")]
    Processor,
}

impl ProgramError {
    /// What to do about it; empty when there is nothing to say.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoExecutable(_) => "core files leave out code and types: name the executable with --exe",
            _ => "",
        }
    }
}

/// A program's heap, read.
pub struct ProgramHeap<'a> {
    /// The object graph.
    pub graph: &'a HeapGraph<'a>,
    /// What the program's functions and variables are called.
    pub names: &'a ProgramNames<'a>,
    /// Go's version as the build information has it.
    pub version: &'a str,
    /// Which program it is.
    pub process: HeapProcess,
    /// What the core file or the debug information lacks.
    pub notes: &'a [String],
    /// What came of the index ([`ProgramMemory::with_index`]), for a person.
    pub index: Option<&'a str>,
}

impl ProgramHeap<'_> {
    /// The parts that are wanted of an overview, with what is known of the program and of how it was read.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn overview(&self, memory: &ProgramMemory, wanted: &Wanted) -> Result<HeapOverview, GraphError> {
        let mut overview = self.graph.overview(self.names, wanted)?;
        env!("CARGO_PKG_VERSION").clone_into(&mut overview.oomph);
        overview.target.clone_from(&memory.target);
        self.version.clone_into(&mut overview.go_version);
        memory.source.clone_into(&mut overview.source);
        overview.process = Some(self.process.clone());
        overview.taken_at = memory.taken_at;
        overview.pause_ms = memory.pause_ms();
        overview.limits.extend(self.notes.iter().cloned());
        Ok(overview)
    }

    /// What a document of this schema says of the program and of how it was read.
    #[must_use]
    pub fn head(&self, memory: &ProgramMemory, schema: &str) -> HeapHead {
        let coverage = self.graph.coverage();
        let mut limits = self.graph.limits(&coverage);
        limits.extend(self.notes.iter().cloned());
        HeapHead {
            schema: schema.to_owned(),
            oomph: env!("CARGO_PKG_VERSION").to_owned(),
            target: memory.target.clone(),
            go_version: self.version.to_owned(),
            source: memory.source.to_owned(),
            pause_ms: memory.pause_ms(),
            process: Some(self.process.clone()),
            heap_bytes: coverage.bytes,
            limits,
        }
    }
}

/// A program's memory, opened. A snapshot lives as long as this.
pub struct ProgramMemory {
    memory: Box<dyn Memory>,
    /// How it is read: `a snapshot`, `a copy`, `the running process`, `a core file`.
    pub source: &'static str,
    /// How long the program stood still.
    pub pause: Option<Pause>,
    /// What was read: a name and pid, the path of a core file.
    pub target: String,
    /// When a process's memory was opened.
    pub taken_at: Option<UnixMillis>,
    pid: Option<u32>,
    start_ticks: Option<u64>,
    /// What the core file lacks.
    notes: Vec<String>,
    /// The bytes do not change while they are read.
    frozen: bool,
    exe: Vec<u8>,
    arch: Option<Arch>,
    /// The core file.
    core: Option<PathBuf>,
    /// Whether an index is read and written beside it.
    indexed: bool,
}

impl ProgramMemory {
    /// A core file; `exe` is its executable where the core file does not find it by itself.
    ///
    /// # Errors
    /// When the core file cannot be read, or there is no executable.
    pub fn core(path: &Path, exe: Option<&Path>) -> Result<Self, ProgramError> {
        let options = CoreOptions { executable: exe.map(Path::to_owned), ..CoreOptions::default() };
        let core = CoreFile::open_with(path, &options)?;
        let exe = core.executable_bytes().map(<[u8]>::to_vec);
        let pid = core.process().map(|p| p.pid);
        Ok(Self {
            exe: exe.ok_or_else(|| ProgramError::NoExecutable(path.to_owned()))?,
            notes: core.gaps().iter().map(ToString::to_string).collect(),
            arch: Some(core.arch()),
            memory: Box::new(core),
            source: "a core file",
            pause: None,
            target: path.display().to_string(),
            taken_at: None,
            pid,
            start_ticks: None,
            frozen: true,
            core: Some(path.to_owned()),
            indexed: false,
        })
    }

    /// Reads the heap by the index beside the core file if there is one of it, else writes one. For what is no core
    /// file nothing changes. The index takes about 16 bytes per object; that it cannot be written is no error.
    #[must_use]
    pub fn with_index(mut self) -> Self {
        self.indexed = true;
        self
    }

    /// A copy-on-write snapshot of a process, as planned by [`Snapshot::plan`].
    ///
    /// # Errors
    /// When it may not be traced, or there is too little memory for it.
    pub fn snapshot(process: &Process, plan: &SnapshotPlan) -> Result<Self, ProgramError> {
        let exe = process.exe()?;
        let snapshot = Snapshot::fork(process, plan, &SnapshotOptions::default())?;
        let pause = snapshot.pause();
        Ok(Self::process(process, exe, Box::new(snapshot), "a snapshot", Some(pause)))
    }

    /// A copy of a process's memory, made while it stands still.
    ///
    /// # Errors
    /// When it may not be traced, or is too large.
    pub fn copy(process: &Process) -> Result<Self, ProgramError> {
        let exe = process.exe()?;
        let readable = |live: &LiveMemory, _: &[ThreadRegisters]| {
            live.regions().iter().filter(|r| r.readable).map(|r| r.start..r.end).collect()
        };
        let copied = Copied::of(process, MOST_COPIED, readable)?;
        let pause = copied.pause();
        Ok(Self::process(process, exe, Box::new(copied), "a copy", Some(pause)))
    }

    /// A process that runs on: what changes meanwhile may be seen half-way.
    ///
    /// # Errors
    /// When its memory may not be read.
    pub fn running(process: &Process) -> Result<Self, ProgramError> {
        let exe = process.exe()?;
        let live = LiveMemory::open(process)?;
        Ok(Self::process(process, exe, Box::new(live), "the running process", None))
    }

    fn process(
        process: &Process,
        exe: Vec<u8>,
        memory: Box<dyn Memory>,
        source: &'static str,
        pause: Option<Pause>,
    ) -> Self {
        let target = format!("{} (pid {})", process.name(), process.pid());
        Self {
            memory,
            source,
            frozen: pause.is_some(),
            pause,
            target,
            taken_at: Some(now()),
            pid: Some(process.pid()),
            start_ticks: Some(process.start_ticks()),
            notes: Vec::new(),
            exe,
            arch: None,
            core: None,
            indexed: false,
        }
    }

    /// How long the program stood still, in milliseconds.
    fn pause_ms(&self) -> Option<f64> {
        self.pause.map(|p| p.total.as_secs_f64() * 1e3)
    }

    /// Reads the heap and hands it to `then`. `step` is told what is being done.
    ///
    /// # Errors
    /// When the executable, the runtime's structures or the heap cannot be read.
    pub fn graph<T>(
        &self,
        step: &mut dyn FnMut(Step),
        then: impl FnOnce(&ProgramHeap<'_>) -> T,
    ) -> Result<T, ProgramError> {
        let binary = GoBinary::parse(&self.exe)?;
        let build = binary.build_info()?;
        let version = build.go_version_text;
        let arch = self.arch.or_else(|| binary.arch()).ok_or(ProgramError::Processor)?;
        step(Step::Anchors);
        // What runs on while it is read must not be remembered.
        let cached = Cached::new(&*self.memory);
        let memory: &dyn Memory = if self.frozen { &cached } else { &*self.memory };
        let runtime = Runtime::find(memory, Layout::lookup(&version, arch)?)?;
        let modules = runtime.types.modules();
        let tables: Vec<_> = modules.iter().filter_map(|m| ModuleTables::read(memory, m.into()).ok()).collect();
        let functions: Vec<Functions<'_>> = tables.iter().filter_map(|t| t.functions().ok()).collect();
        let text = binary.pclntab().ok().and_then(|t| t.functions().next()).map_or(0, |f| f.0);
        let first = functions.first().and_then(|f| f.func_at(modules.first()?.minpc)).map(|f| f.entry());
        let bias = first.map_or(0, |entry| entry.wrapping_sub(text));
        let mut notes = self.notes.clone();
        let sections = binary.dwarf().unwrap_or_else(|e| {
            notes.push(format!("{e}; the types of variables are not known"));
            None
        });
        let debug = sections.as_ref().map(|s| DebugInfo::read(s, bias));
        let names = ProgramNames { functions, variables: binary.variables(), debug, bias };
        let file = self.core.as_ref().filter(|_| self.indexed).and_then(|core| IndexFile::beside(core, &self.exe));
        let (graph, index) = match file {
            Some(file) => by_index(&file, &runtime, &names, step)?,
            None => (HeapGraph::read(&runtime, &names, &names.functions, step)?, None),
        };
        let process = HeapProcess {
            pid: self.pid,
            start_ticks: self.start_ticks,
            build_id: binary.go_build_id(),
            main_module: build.main.as_ref().map(|m| m.path.clone()),
        };
        Ok(then(&ProgramHeap {
            graph: &graph,
            names: &names,
            version: &version,
            process,
            notes: &notes,
            index: index.as_deref(),
        }))
    }
}

/// Reads a heap by its index; else reads it whole and writes the index.
fn by_index<'r>(
    file: &IndexFile,
    runtime: &'r Runtime<'r>,
    names: &ProgramNames<'_>,
    step: &mut dyn FnMut(Step),
) -> Result<(HeapGraph<'r>, Option<String>), ProgramError> {
    let path = file.path().display();
    let why = match file.load(runtime, &names.functions) {
        Ok(graph) => return Ok((graph, Some(format!("read from {path}")))),
        Err(IndexError::Read(e)) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => format!(" ({e})"),
    };
    let graph = HeapGraph::read(runtime, names, &names.functions, step)?;
    let said = match file.store(&graph) {
        Ok(()) => format!("{path} written{why}"),
        Err(e) => format!("{path} cannot be written: {e}{why}"),
    };
    Ok((graph, Some(said)))
}
