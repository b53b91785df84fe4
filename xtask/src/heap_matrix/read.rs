//! Opens the memory of a program of the laboratory by one of the product's ways, and has its heap read.

use super::Way;
use crate::Result;
use bundle::{ProgramHeap, ProgramMemory};
use lab::HeapRunning;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use target::Process;
use target::memory::Snapshot;

/// Reads the heap of a program that stands still and gives it to `look`.
pub(super) fn read<T>(
    running: &HeapRunning,
    binary: &Path,
    way: Way,
    scratch: &Path,
    look: impl FnOnce(&ProgramHeap<'_>) -> T,
) -> Result<T> {
    let process = Process::open(running.pid())?;
    let mut core = None;
    let memory = match way {
        Way::Snapshot => ProgramMemory::snapshot(&process, &Snapshot::plan(&process)?),
        Way::Stop => ProgramMemory::copy(&process),
        Way::Core => {
            let path = core.insert(core_of(running.pid(), &scratch.join("core"))?);
            ProgramMemory::core(path, Some(binary))
        }
    };
    // A core file that is open stays readable.
    if let Some(core) = core {
        std::fs::remove_file(core)?;
    }
    Ok(memory?.graph(&mut |_| {}, look)?)
}

/// Reads the heap out of a core file.
pub(super) fn core<T>(core: &Path, binary: &Path, look: impl FnOnce(&ProgramHeap<'_>) -> T) -> Result<T> {
    Ok(ProgramMemory::core(core, Some(binary))?.graph(&mut |_| {}, look)?)
}

/// A core file of a running program, by gdb's `gcore`.
fn core_of(pid: u32, prefix: &Path) -> Result<PathBuf> {
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
