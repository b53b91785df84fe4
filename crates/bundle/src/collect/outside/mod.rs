//! Evidence out of a running process's memory: its heap profile and its goroutines, for services that
//! offer no pprof. Nothing is stopped, copied or written, and the process need not cooperate.
//!
//! Everything is found anew at each sample, so that plugins loaded and tables moved since do no
//! harm. What is read while the process writes it is read again until it holds together; what does
//! not is left out and counted. Owns the joining of the readers below; formats are `profile`'s.

mod goroutines;
mod heap;

use super::context::Context;
use crate::write::ArtifactMeta;
use crate::{ArtifactKind, BundleError};
use gobinary::layout::Layout;
use gobinary::{Functions, GoBinary, ModuleData, ModuleTables, find_modules};
use target::memory::LiveMemory;
use target::{ProcFile, Process};

/// `runtime.MemProfileRate` unless the program sets it (`src/runtime/mprof.go`).
const DEFAULT_RATE: u64 = 512 << 10;
/// Beyond this a sampling rate is taken for a misread.
const MOST_RATE: u64 = 1 << 40;
/// Functions that use `runtime.MemProfileRate` (`src/runtime/malloc.go`, Go 1.19 to 1.27).
const RATE_READERS: [&str; 3] = ["runtime.profilealloc", "runtime.nextSample", "runtime.mallocgc"];
/// What is hidden when a process's memory cannot be read.
pub(crate) const HIDES: &str = "which lines of code hold memory, and what goroutines wait for";

/// What is known of the program from its executable.
pub(crate) struct Outside {
    layout: Layout,
    /// Start of the code and address of `runtime.MemProfileRate`, in the addresses of the file.
    file_text: u64,
    rate_at: Option<u64>,
    build_id: String,
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
}

/// How the manifest names this source.
pub(crate) fn source(process: &Process) -> String {
    format!("{}{}", crate::MEMORY_SOURCE, process.pid())
}

impl Outside {
    /// Looks at the executable.
    pub(crate) fn open(process: &Process) -> Result<Self, String> {
        let exe = process.exe().map_err(|e| e.to_string())?;
        let binary = GoBinary::parse(&exe).map_err(|e| e.to_string())?;
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
        Ok(Self { layout, file_text, rate_at, build_id, last_counts: None, stored: 0, stale: 0 })
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
        let modules = match find_modules(&memory, &self.layout, None) {
            Ok(m) => m,
            Err(e) => return missing(cx, &format!("the tables of its runtime were not found: {e}")),
        };
        let tables: Vec<_> = modules.iter().filter_map(|m| ModuleTables::read(&memory, m.into()).ok()).collect();
        let functions: Vec<_> = tables.iter().filter_map(|t| t.functions().ok()).collect();
        let bias = modules.first().map_or(0, |m| m.text.wrapping_sub(self.file_text));
        let (layout, build_id) = (self.layout.clone(), self.build_id.clone());
        let program = Program {
            process,
            memory: &memory,
            layout: &layout,
            modules: &modules,
            functions: &functions,
            build_id: &build_id,
        };
        let rate = self.rate(&program, bias);
        self.heap(cx, &program, rate, index, of)?;
        if cx.stopped() {
            return Ok(());
        }
        store_goroutines(cx, &program, index)
    }

    fn rate(&self, program: &Program<'_>, bias: u64) -> Rate {
        use gobinary::Memory as _;
        let read = self.rate_at.and_then(|at| program.memory.u64(at.wrapping_add(bias)).ok());
        read.filter(|&r| r <= MOST_RATE).map_or(Rate::Assumed, Rate::Read)
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
fn code_mappings(process: &Process) -> Vec<model::Mapping> {
    let maps = process.read(ProcFile::Maps).unwrap_or_default();
    let (maps, _) = procfs::maps(&maps);
    maps.into_iter().filter(|m| m.inode != 0 && m.perms.contains('x')).collect()
}
