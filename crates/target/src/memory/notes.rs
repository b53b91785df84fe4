//! The notes of a core file: registers, process, mapped files, auxiliary vector. Reads what the
//! kernel (`fs/binfmt_elf.c`), gdb's gcore and Delve write; unknown notes are skipped.

use super::registers::{ThreadRegisters, amd64, words_of};
use gobinary::layout::Arch;
use model::Gap;
use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::NoteIterator;

/// A file that was mapped, out of `NT_FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// First address.
    pub start: u64,
    /// Address behind the last byte.
    pub end: u64,
    /// Offset in the file of the byte at `start`.
    pub offset: u64,
    /// Path as the program saw it.
    pub path: String,
}

/// What `NT_PRPSINFO` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreProcess {
    /// Process id.
    pub pid: u32,
    /// Command name, at most 15 bytes.
    pub name: String,
    /// The first 80 bytes of the command line. May hold secrets.
    pub arguments: String,
}

/// All notes that are understood.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) threads: Vec<ThreadRegisters>,
    pub(crate) files: Vec<MappedFile>,
    /// Type and value, `AT_NULL` left out.
    pub(crate) auxv: Vec<(u64, u64)>,
    pub(crate) process: Option<CoreProcess>,
    /// Of a Delve dump, which has no pid elsewhere.
    pub(crate) delve_entry: Option<u64>,
}

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_ARM_TLS: u32 = 0x401;
const NT_FILE: u32 = 0x4649_4c45;
/// Delve, `pkg/elfwriter`: head of the dump, text.
const DELVE_HEADER: u32 = 0x444c_5645;
/// Delve, `pkg/proc/dump.go`: one thread, where its backend writes no `NT_PRSTATUS`.
const DELVE_THREAD: u32 = 0x444c_5654;

/// Offset of `pr_reg` in `struct elf_prstatus` of 64-bit Linux.
const PRSTATUS_REGISTERS: usize = 112;

impl Notes {
    /// Reads the notes in `data`, which begins at `offset` of the file.
    pub(crate) fn read(&mut self, arch: Arch, data: &[u8], offset: u64, gaps: &mut Vec<Gap>) {
        let Ok(mut notes) = NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, 4, data) else { return };
        loop {
            match notes.next() {
                Ok(Some(note)) => self.one(arch, note.n_type(LittleEndian).0, note.desc(), gaps),
                Ok(None) => return,
                Err(e) => {
                    gaps.push(Gap::at(offset, format!("the notes that begin here are cut or damaged ({e})")));
                    return;
                }
            }
        }
    }

    fn one(&mut self, arch: Arch, kind: u32, desc: &[u8], gaps: &mut Vec<Gap>) {
        let understood = match kind {
            NT_PRSTATUS => prstatus(arch, desc).map(|t| self.threads.push(t)),
            NT_PRPSINFO => prpsinfo(desc).map(|p| self.process = Some(p)),
            NT_AUXV => {
                let pairs = desc.chunks_exact(16).filter_map(|c| Some((word(c, 0)?, word(c, 8)?)));
                self.auxv = pairs.take_while(|p| p.0 != 0).collect();
                Some(())
            }
            NT_FILE => mapped_files(desc).map(|f| self.files = f),
            NT_ARM_TLS if arch == Arch::Arm64 => word(desc, 0).and_then(|tls| {
                self.threads.last_mut()?.set_tls(tls);
                Some(())
            }),
            DELVE_HEADER => {
                self.delve_header(desc);
                Some(())
            }
            DELVE_THREAD => delve_thread(arch, desc).map(|t| self.threads.push(t)),
            _ => Some(()),
        };
        if understood.is_none() {
            gaps.push(Gap::of(format!("a note of type {kind:#x} with {} bytes is shorter than its kind", desc.len())));
        }
    }

    fn delve_header(&mut self, desc: &[u8]) {
        let text = String::from_utf8_lossy(desc);
        for line in text.lines() {
            if let Some(hex) = line.strip_prefix("Entry Point: 0x") {
                self.delve_entry = u64::from_str_radix(hex.trim(), 16).ok();
            }
            if let Some(pid) = line.strip_prefix("Target Pid: ").and_then(|p| p.trim().parse().ok()) {
                self.process.get_or_insert_with(CoreProcess::default).pid = pid;
            }
        }
    }

    /// A value of the auxiliary vector.
    pub(crate) fn aux(&self, kind: u64) -> Option<u64> {
        self.auxv.iter().find(|a| a.0 == kind).map(|a| a.1)
    }
}

fn prstatus(arch: Arch, desc: &[u8]) -> Option<ThreadRegisters> {
    let tid = u32::from_le_bytes(desc.get(32..36)?.try_into().ok()?);
    let signal = u16::from_le_bytes(desc.get(12..14)?.try_into().ok()?);
    let registers = desc.get(PRSTATUS_REGISTERS..PRSTATUS_REGISTERS + 8 * words_of(arch))?;
    let words: Vec<u64> = registers.chunks_exact(8).filter_map(|c| word(c, 0)).collect();
    let mut thread = ThreadRegisters::new(tid, arch, &words);
    thread.set_signal(signal);
    Some(thread)
}

fn prpsinfo(desc: &[u8]) -> Option<CoreProcess> {
    let text = |range: std::ops::Range<usize>| {
        let bytes = desc.get(range)?;
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Some(String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned())
    };
    Some(CoreProcess {
        pid: u32::from_le_bytes(desc.get(24..28)?.try_into().ok()?),
        name: text(40..56)?,
        arguments: text(56..136)?,
    })
}

/// `NT_FILE`: count, page size, then count times start, end, offset in pages, then the paths.
fn mapped_files(desc: &[u8]) -> Option<Vec<MappedFile>> {
    let count = usize::try_from(word(desc, 0)?).ok()?;
    let page = word(desc, 8)?;
    let table = desc.get(16..16_usize.checked_add(count.checked_mul(24)?)?)?;
    let mut paths = desc.get(16 + table.len()..)?.split(|&b| b == 0);
    let mut out = Vec::with_capacity(count);
    for entry in table.chunks_exact(24) {
        let (start, end) = (word(entry, 0)?, word(entry, 8)?);
        let path = String::from_utf8_lossy(paths.next()?).into_owned();
        // A forged offset or range names no file content; the others may still be right.
        let Some(offset) = word(entry, 16)?.checked_mul(page) else { continue };
        if start < end {
            out.push(MappedFile { start, end, offset, path });
        }
    }
    out.sort_by_key(|f| f.start);
    Some(out)
}

/// A thread in Delve's own format: tid, pc, sp, bp, tls (8 bytes each), g (1 + 8), then named registers.
fn delve_thread(arch: Arch, desc: &[u8]) -> Option<ThreadRegisters> {
    let head: Vec<u64> = (0..5).map(|i| word(desc, i * 8)).collect::<Option<_>>()?;
    let mut thread = ThreadRegisters::new(u32::try_from(head[0]).ok()?, arch, &[]);
    let (pc, sp, fp) = match arch {
        Arch::Amd64 => (amd64::RIP, amd64::RSP, amd64::RBP),
        Arch::Arm64 => (super::registers::arm64::PC, super::registers::arm64::SP, super::registers::arm64::FP),
    };
    let count = u32::from_le_bytes(desc.get(49..53)?.try_into().ok()?);
    let mut rest = desc.get(53..)?;
    for _ in 0..count {
        let Some((name, value, tail)) = delve_register(rest) else { break };
        if let Some((index, value)) = register_index(arch, name).zip(word(value, 0)) {
            thread.set(index, value);
        }
        rest = tail;
    }
    thread.set(pc, head[1]);
    thread.set(sp, head[2]);
    thread.set(fp, head[3]);
    thread.set_tls(head[4]);
    Some(thread)
}

/// Name, value and what follows.
fn delve_register(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((name, value, rest))
}

fn register_index(arch: Arch, name: &[u8]) -> Option<usize> {
    const AMD64: [&str; 27] = [
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
        "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
    ];
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    match arch {
        Arch::Amd64 => AMD64.iter().position(|n| *n == name),
        Arch::Arm64 => name.strip_prefix('x')?.parse().ok().filter(|n| *n <= 30),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread note as Delve's `dumpThreadNotes` writes it.
    fn delve_note() -> Vec<u8> {
        let mut d = Vec::new();
        for v in [42_u64, 0x1000, 0x2000, 0x3000, 0x4000] {
            d.extend(v.to_le_bytes());
        }
        d.push(1);
        d.extend(0x5000_u64.to_le_bytes());
        d.extend(2_u32.to_le_bytes());
        for (name, value) in [("Rax", 7_u64), ("Xmm0", 9)] {
            d.extend((name.len() as u16).to_le_bytes());
            d.extend(name.as_bytes());
            d.extend(8_u16.to_le_bytes());
            d.extend(value.to_le_bytes());
        }
        d
    }

    #[test]
    fn reads_a_delve_thread() {
        let t = delve_thread(Arch::Amd64, &delve_note()).unwrap();
        assert_eq!((t.tid(), t.pc(), t.sp(), t.fp(), t.tls()), (42, 0x1000, 0x2000, 0x3000, Some(0x4000)));
        assert_eq!(t.dwarf(0), Some(7));
        for cut in 0..delve_note().len() {
            let _ = delve_thread(Arch::Arm64, &delve_note()[..cut]);
        }
    }

    #[test]
    fn an_absurd_count_of_files_is_no_allocation() {
        let mut d = vec![0_u8; 64];
        d[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(mapped_files(&d), None);
        d[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        assert_eq!(mapped_files(&d), None);
    }
}
