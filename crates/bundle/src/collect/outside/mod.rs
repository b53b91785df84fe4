//! Evidence out of a running process's memory: its heap profile and its goroutines, for services that
//! offer no pprof. Nothing is stopped, copied or written, and the process need not cooperate.
//!
//! Everything is found anew at each sample, so that plugins loaded and tables moved since do no
//! harm. What is read while the process writes it is read again until it holds together; what does
//! not is left out and counted. Owns the joining of the readers below; formats are `profile`'s.

mod goroutines;
pub(crate) mod heap;

use super::context::Context;
use crate::write::ArtifactMeta;
use crate::{ArtifactKind, BundleError};
use gobinary::layout::Layout;
use gobinary::{Functions, GoBinary, ModuleData, ModuleTables, find_modules};
use heap::Calls;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use target::memory::LiveMemory;
use target::{FileIdentity, ProcFile, Process};

/// `runtime.MemProfileRate` unless the program sets it (`src/runtime/mprof.go`).
const DEFAULT_RATE: u64 = 512 << 10;
/// Programs that are remembered.
const MOST_PROGRAMS: usize = 256;
/// Beyond this a sampling rate is taken for a misread.
const MOST_RATE: u64 = 1 << 40;
/// Functions that use `runtime.MemProfileRate` (`src/runtime/malloc.go`, Go 1.19 to 1.27).
const RATE_READERS: [&str; 3] = ["runtime.profilealloc", "runtime.nextSample", "runtime.mallocgc"];
/// What is hidden when a process's memory cannot be read.
pub(crate) const HIDES: &str = "which lines of code hold memory, and what goroutines wait for";

/// What is known of a program from its executable, the same for all processes that run it.
#[derive(Debug)]
pub(crate) struct ProgramFile {
    pub layout: Layout,
    /// Start of the code and address of `runtime.MemProfileRate`, in the addresses of the file.
    file_text: u64,
    rate_at: Option<u64>,
    pub build_id: String,
    /// Toolchain that built it.
    pub go_version: String,
    calls: Mutex<Vec<SharedCalls>>,
}

/// Return addresses that were looked up in processes of one owner whose code lies at one place.
#[derive(Debug)]
struct SharedCalls {
    text: u64,
    owner: Option<u32>,
    calls: Weak<Mutex<Calls>>,
}

/// Reads a process from outside, sample by sample.
#[derive(Debug)]
pub(crate) struct Outside {
    file: Arc<ProgramFile>,
    /// Counts of the profile that was stored last: a collection changes them.
    last_counts: Option<u64>,
    /// Profiles stored, and profiles not stored because no collection had finished since the last.
    stored: u32,
    stale: u32,
}

/// The program as it is at one sample.
struct Program<'a> {
    process: &'a Process,
    memory: &'a LiveMemory,
    layout: &'a Layout,
    modules: &'a [ModuleData],
    functions: &'a [Functions<'a>],
    build_id: &'a str,
}

/// How `runtime.MemProfileRate` is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rate {
    Read(u64),
    Assumed,
}

impl Program<'_> {
    /// Where the runtime's variables are.
    fn data(&self) -> std::ops::Range<u64> {
        self.modules.first().map_or(0..0, |m| m.noptrdata..m.enoptrbss)
    }

    fn source(&self) -> String {
        source(self.process)
    }

    /// The executable mappings with the build id of each, as far as it is known.
    fn code_mappings(&self) -> Vec<(model::Mapping, String)> {
        with_build_id(code_mappings(self.process), self.modules, self.build_id)
    }
}

/// Executable mappings with their build ids: that of the program itself; of plugins and libraries none is known.
pub(crate) fn with_build_id(
    mappings: Vec<model::Mapping>,
    modules: &[ModuleData],
    build_id: &str,
) -> Vec<(model::Mapping, String)> {
    let mut out: Vec<(model::Mapping, String)> = Vec::new();
    for m in mappings {
        let first = out.is_empty();
        if first && !modules.iter().any(|d| d.text >= m.start && d.text < m.end) {
            continue;
        }
        out.push((m, if first { build_id.to_owned() } else { String::new() }));
    }
    out
}

/// How the manifest names this source.
pub(crate) fn source(process: &Process) -> String {
    format!("{}{}", crate::MEMORY_SOURCE, process.pid())
}

impl ProgramFile {
    /// Looks at the executable. Those seen lately are remembered, and no two are looked at at once: an executable
    /// may have hundreds of MiB.
    pub(crate) fn of(process: &Process) -> Result<Arc<Self>, String> {
        static KNOWN: Mutex<Vec<(FileIdentity, Arc<ProgramFile>)>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = process.exe_identity();
        let found = known.iter().find(|(id, _)| identity.is_some_and(|i| i == *id));
        if let Some((_, file)) = found {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(Self::read(process)?);
        if let Some(identity) = identity {
            if known.len() >= MOST_PROGRAMS {
                known.remove(0);
            }
            known.push((identity, Arc::clone(&file)));
        }
        Ok(file)
    }

    fn read(process: &Process) -> Result<Self, String> {
        let exe = process.exe_mapped().map_err(|e| e.to_string())?;
        let binary = GoBinary::parse(exe.as_ref()).map_err(|e| e.to_string())?;
        let version = binary.build_info().map_err(|e| e.to_string())?.go_version_text;
        let arch = binary.arch().ok_or("the program's processor is not known: amd64 and arm64 are")?;
        let layout = Layout::lookup(&version, arch).map_err(|e| e.to_string())?;
        let file_text = binary.module_bases().map_err(|e| e.to_string())?.text;
        let rate_at = binary.symbol_address("runtime.MemProfileRate").or_else(|| {
            // Of several candidates none is sure.
            let found = binary.variables_used_by(&RATE_READERS, DEFAULT_RATE);
            found.first().copied().filter(|_| found.len() == 1)
        });
        let build_id = binary.gnu_build_id().unwrap_or_default();
        Ok(Self { layout, file_text, rate_at, build_id, go_version: version, calls: Mutex::default() })
    }

    /// What is known of return addresses in processes of `owner` whose code begins at `text`: looked up in one of
    /// them, known of all. Other owners' processes may have written into their tables.
    pub(crate) fn calls(&self, text: u64, owner: Option<u32>) -> Arc<Mutex<Calls>> {
        let mut all = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|c| c.calls.strong_count() > 0);
        let known = all.iter().find(|c| (c.text, c.owner) == (text, owner)).and_then(|c| c.calls.upgrade());
        known.unwrap_or_else(|| {
            let calls = Arc::new(Mutex::new(Calls::new(self.layout.minor)));
            all.push(SharedCalls { text, owner, calls: Arc::downgrade(&calls) });
            calls
        })
    }

    fn rate(&self, memory: &LiveMemory, modules: &[ModuleData]) -> Rate {
        use gobinary::Memory as _;
        let bias = modules.first().map_or(0, |m| m.text.wrapping_sub(self.file_text));
        let read = self.rate_at.and_then(|at| memory.u64(at.wrapping_add(bias)).ok());
        read.filter(|&r| r <= MOST_RATE).map_or(Rate::Assumed, Rate::Read)
    }

    /// Bytes per sampled allocation, zero when none is sampled.
    pub(crate) fn sampling_rate(&self, memory: &LiveMemory, modules: &[ModuleData]) -> u64 {
        match self.rate(memory, modules) {
            Rate::Read(rate) => rate,
            Rate::Assumed => DEFAULT_RATE,
        }
    }
}

impl Outside {
    /// Looks at the executable.
    pub(crate) fn open(process: &Process) -> Result<Self, String> {
        Ok(Self { file: ProgramFile::of(process)?, last_counts: None, stored: 0, stale: 0 })
    }

    /// Takes what is wanted at a sample. `of`: how many there will be.
    pub(crate) fn sample(
        &mut self,
        cx: &mut Context<'_>,
        process: &Process,
        index: u32,
        of: u32,
    ) -> Result<(), BundleError> {
        let missing = |cx: &mut Context<'_>, why: &str| cx.missing(&source(process), Some(index), why, HIDES);
        let memory = match LiveMemory::open(process) {
            Ok(m) => m,
            Err(e) => return missing(cx, &e.to_string()),
        };
        let modules = match find_modules(&memory, &self.file.layout, None) {
            Ok(m) => m,
            Err(e) => return missing(cx, &format!("the tables of its runtime were not found: {e}")),
        };
        let tables: Vec<_> = modules.iter().filter_map(|m| ModuleTables::read(&memory, m.into()).ok()).collect();
        let functions: Vec<_> = tables.iter().filter_map(|t| t.functions().ok()).collect();
        let file = Arc::clone(&self.file);
        let program = Program {
            process,
            memory: &memory,
            layout: &file.layout,
            modules: &modules,
            functions: &functions,
            build_id: &file.build_id,
        };
        let rate = file.rate(&memory, &modules);
        self.heap(cx, &program, rate, index, of)?;
        if cx.stopped() {
            return Ok(());
        }
        store_goroutines(cx, &program, index)
    }

    /// Stores the heap profile, unless no collection has finished since the last: then it says nothing
    /// new of what is in use.
    fn heap(
        &mut self,
        cx: &mut Context<'_>,
        program: &Program<'_>,
        rate: Rate,
        index: u32,
        of: u32,
    ) -> Result<(), BundleError> {
        const HIDES: &str = "which lines of code hold memory at that time";
        let source = program.source();
        let read = match heap::read(program, rate) {
            Ok(read) => read,
            Err(why) => return cx.missing(&source, Some(index), &why, HIDES),
        };
        let same = self.last_counts == Some(read.counts);
        if (read.unpublished && of > 1) || same {
            self.stale += 1;
            let reason = "no garbage collection has finished since the last profile".to_owned();
            cx.missing(&source, Some(index), &reason, "")?;
            if index == of && self.stored < 2 {
                let reason = format!("fewer than two collections finished in the {of} samples");
                let hides = "growth: what is in use is counted at the end of each collection, which nothing forces \
                             from outside (a runtime with little to do collects every two minutes: take samples \
                             over a longer time, --for 5m)";
                cx.missing(&source, None, &reason, hides)?;
            }
            return Ok(());
        }
        self.last_counts = Some(read.counts);
        self.stored += 1;
        let mut meta = ArtifactMeta::new(ArtifactKind::HeapProfile, Some(index), source);
        meta.notes = read.notes;
        cx.store(&format!("profiles/heap-{index}.pb.gz"), &read.profile.write(), meta)
    }
}

fn store_goroutines(cx: &mut Context<'_>, program: &Program<'_>, index: u32) -> Result<(), BundleError> {
    let source = program.source();
    match goroutines::read(program) {
        Ok(read) => {
            let mut meta = ArtifactMeta::new(ArtifactKind::GoroutineDump, Some(index), source);
            meta.notes = read.notes;
            meta.cut = read.cut;
            cx.store(&format!("goroutines/goroutine-{index}.txt"), read.text.as_bytes(), meta)
        }
        Err(why) => {
            cx.missing(&source, Some(index), &why, "what the goroutines wait for, how long, and who created them")
        }
    }
}

/// The executable mappings of files, as the runtime's own profiles list them; the first is the
/// program's.
pub(crate) fn code_mappings(process: &Process) -> Vec<model::Mapping> {
    let maps = process.read(ProcFile::Maps).unwrap_or_default();
    let (maps, _) = procfs::maps(&maps);
    maps.into_iter().filter(|m| m.inode != 0 && m.perms.contains('x')).collect()
}
