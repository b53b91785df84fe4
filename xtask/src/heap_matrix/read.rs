//! Opens the memory of a program of the laboratory by one of the product's ways, and has its heap read.

use super::Way;
use crate::Result;
use gobinary::layout::{Arch, Layout};
use gobinary::{Cached, DebugInfo, Functions, GoBinary, Memory, ModuleTables};
use heap::{HeapGraph, ProgramNames, Runtime};
use lab::HeapRunning;
use model::Bytes;
use std::path::Path;
use std::process::{Command, Stdio};
use target::Process;
use target::memory::{Copied, CoreFile, CoreOptions, LiveMemory, Snapshot, SnapshotOptions, ThreadRegisters};

/// Most bytes that are copied of a stopped program.
const MOST_COPIED: Bytes = Bytes(8 << 30);

/// Reads the heap of a program that stands still and gives it to `look`.
pub(super) fn read<T>(
    running: &HeapRunning,
    binary: &Path,
    way: Way,
    scratch: &Path,
    look: impl FnOnce(&HeapGraph<'_>, &ProgramNames<'_>) -> T,
) -> Result<T> {
    let exe = std::fs::read(binary)?;
    let process = Process::open(running.pid())?;
    match way {
        Way::Snapshot => {
            let plan = Snapshot::plan(&process)?;
            let snapshot = Snapshot::fork(&process, &plan, &SnapshotOptions::default())?;
            graph_of(&Cached::new(&snapshot), &exe, look)
        }
        Way::Stop => {
            let all = |live: &LiveMemory, _: &[ThreadRegisters]| {
                live.regions().iter().filter(|r| r.readable).map(|r| r.start..r.end).collect()
            };
            graph_of(&Copied::of(&process, MOST_COPIED, all)?, &exe, look)
        }
        Way::Core => {
            let prefix = scratch.join(format!("core-{}", running.pid()));
            let core = core_of(running.pid(), &prefix)?;
            let options = CoreOptions { executable: Some(binary.to_owned()), ..CoreOptions::default() };
            let opened = CoreFile::open_with(&core, &options);
            let done = opened.map_err(Into::into).and_then(|memory| graph_of(&memory, &exe, look));
            let _ = std::fs::remove_file(&core);
            done
        }
    }
}

/// A core file of a running program, by gdb's `gcore`.
fn core_of(pid: u32, prefix: &Path) -> Result<std::path::PathBuf> {
    let mut gcore = Command::new("gcore");
    gcore.arg("-o").arg(prefix).arg(pid.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = gcore.status().map_err(|e| format!("gcore: {e}; it is part of gdb"))?;
    if !status.success() {
        return Err(format!("gcore of {pid}: {status}").into());
    }
    let mut path = prefix.as_os_str().to_owned();
    path.push(format!(".{pid}"));
    Ok(path.into())
}

fn graph_of<T>(
    memory: &dyn Memory,
    exe: &[u8],
    look: impl FnOnce(&HeapGraph<'_>, &ProgramNames<'_>) -> T,
) -> Result<T> {
    let binary = GoBinary::parse(exe)?;
    let version = binary.build_info()?.go_version_text;
    let runtime = Runtime::find(memory, Layout::lookup(&version, binary.arch().unwrap_or(Arch::Amd64))?)?;
    let modules = runtime.types.modules();
    let tables: Vec<_> = modules.iter().filter_map(|m| ModuleTables::read(memory, m.into()).ok()).collect();
    let functions: Vec<Functions<'_>> = tables.iter().filter_map(|t| t.functions().ok()).collect();
    let text = binary.pclntab()?.functions().next().map_or(0, |f| f.0);
    let first = functions.first().and_then(|f| f.func_at(modules.first()?.minpc)).map(|f| f.entry());
    let bias = first.map_or(0, |entry| entry.wrapping_sub(text));
    let sections = binary.dwarf()?;
    let debug = sections.as_ref().map(|s| DebugInfo::read(s, bias));
    let names = ProgramNames { functions, variables: binary.variables(), debug, bias };
    let graph = HeapGraph::read(&runtime, &names, &names.functions, &mut |_| {})?;
    Ok(look(&graph, &names))
}
