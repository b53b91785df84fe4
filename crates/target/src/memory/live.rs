//! A running process's memory by way of `/proc/PID/mem`: nothing is stopped, so what is read at
//! different times may not fit together. Also reads the frozen copy of a process.
//!
//! `process_vm_readv` is not used: on a copy-on-write child it un-shares every page it reads.

use super::MemoryError;
use crate::{ProcFile, Process};
use gobinary::{Memory, Region, Unreadable};
use model::Mapping;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Memory of a process by its `/proc` files.
#[derive(Debug)]
pub(super) struct ProcMemory {
    file: File,
    regions: Vec<Region>,
}

impl ProcMemory {
    pub(super) fn open(pid: u32, maps: &[u8]) -> io::Result<Self> {
        let (mappings, _) = procfs::maps(maps);
        Ok(Self { file: File::open(format!("/proc/{pid}/mem"))?, regions: regions(&mappings) })
    }

    pub(super) fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let mut done = 0;
        while done < buf.len() {
            let at = address.checked_add(done as u64).ok_or(Unreadable { address: u64::MAX })?;
            match self.file.read_at(&mut buf[done..], at) {
                Ok(0) => return Err(Unreadable { address: at }),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Unreadable { address: at }),
            }
        }
        Ok(())
    }

    pub(super) fn regions(&self) -> &[Region] {
        &self.regions
    }
}

fn regions(mappings: &[Mapping]) -> Vec<Region> {
    let mut out: Vec<Region> = Vec::with_capacity(mappings.len());
    for m in mappings {
        let right = |c: char| m.perms.contains(c);
        // Pages of the kernel's own and of devices: reading them fails or does something.
        let special = m.path.starts_with("[vvar") || m.path == "[vsyscall]" || m.path.starts_with("/dev/");
        let start = m.start.max(out.last().map_or(0, |r| r.end));
        if start < m.end {
            out.push(Region {
                start,
                end: m.end,
                writable: right('w'),
                executable: right('x'),
                readable: right('r') && !special,
            });
        }
    }
    out
}

/// The memory of a process that runs on while it is read.
#[derive(Debug)]
pub struct LiveMemory(ProcMemory);

impl LiveMemory {
    /// Opens a process's memory. The mappings are those of now; the process may add more.
    ///
    /// # Errors
    /// [`MemoryError::Refused`] without permission, [`MemoryError::Gone`].
    pub fn open(process: &Process) -> Result<Self, MemoryError> {
        let failed = |error| super::plan::failed(process, "reading its memory", error);
        let maps = process.read(ProcFile::Maps).map_err(failed)?;
        let memory = ProcMemory::open(process.pid(), &maps).map_err(failed)?;
        // An open `mem` stays with the address space it was opened for.
        if !process.is_alive() {
            return Err(MemoryError::Gone { pid: process.pid() });
        }
        Ok(Self(memory))
    }
}

impl Memory for LiveMemory {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.0.read(address, buf)
    }

    fn bytes(&self, _address: u64, _len: usize) -> Option<&[u8]> {
        None
    }

    fn regions(&self) -> &[Region] {
        self.0.regions()
    }
}
