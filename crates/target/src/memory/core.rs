//! A core file: headers, notes, and its segments as memory. Takes `ET_CORE` of x86-64 and AArch64
//! Linux as the kernel, gcore and Delve write it, also gzip and zstd, also cut. Refuses other files
//! with a sentence on what they are; everything in the file is hostile.

use super::MemoryError;
use super::executable::{Executable, Search};
use super::mapped::FileBytes;
use super::notes::{CoreProcess, MappedFile, Notes};
use super::registers::ThreadRegisters;
use super::segments::{CoreCoverage, CoreSegment, Load, Pieces};
use super::unpack::{self, Compression};
use gobinary::layout::Arch;
use gobinary::{Memory, Region, Unreadable};
use model::Gap;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, pod};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Longest notes that are read: 64 threads take 200 KiB, 10,000 threads 30 MiB.
const MOST_NOTES: usize = 256 << 20;
/// Most program headers; Linux allows a process 65,530 mappings unless told otherwise.
const MOST_HEADERS: usize = 4 << 20;

/// How a core file is opened.
#[derive(Clone, Debug, Default)]
pub struct CoreOptions {
    /// The executable; looked for where the core file says when `None`.
    pub executable: Option<PathBuf>,
    /// Directory for the decompressed core file; the system's temporary directory when `None`.
    pub scratch: Option<PathBuf>,
}

/// The memory and the threads of a program when its core file was written.
#[derive(Debug)]
pub struct CoreFile {
    core: FileBytes,
    files: Vec<FileBytes>,
    pieces: Pieces,
    arch: Arch,
    notes: Notes,
    executable: Option<(usize, Executable)>,
    gaps: Vec<Gap>,
}

impl CoreFile {
    /// Opens a core file and finds its executable.
    ///
    /// # Errors
    /// [`MemoryError::Io`], [`MemoryError::NotACore`], [`MemoryError::NoSpace`].
    pub fn open(path: &Path) -> Result<Self, MemoryError> {
        Self::open_with(path, &CoreOptions::default())
    }

    /// As [`CoreFile::open`], with an executable or a directory for temporary files.
    ///
    /// # Errors
    /// As [`CoreFile::open`], and [`MemoryError::WrongExecutable`].
    pub fn open_with(path: &Path, options: &CoreOptions) -> Result<Self, MemoryError> {
        let io = |error| MemoryError::Io { doing: format!("opening {}", path.display()), error };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(MemoryError::NotACore { path: path.to_owned(), why: "it is not a regular file".to_owned() });
        }
        let mut gaps = Vec::new();
        let mut bytes = FileBytes::of(file).map_err(io)?;
        if bytes.is_being_written() {
            gaps.push(Gap::of("the core file is still being written: what was there is read, more may follow"));
        }
        if let Some(compression) = Compression::of(&bytes.part(0, 4)) {
            let scratch = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
            let file = File::open(path).map_err(io)?;
            let unpacked = unpack::unpack(file, compression, path, &scratch, &mut gaps)?;
            bytes = FileBytes::of_own(&unpacked).map_err(io)?;
        }
        Self::assemble(bytes, Some(path), options.executable.as_deref(), true, gaps).map_err(|e| e.of(path))
    }

    /// A core file that is in memory already. Opens no file that the core file names.
    ///
    /// # Errors
    /// [`MemoryError::NotACore`] with an empty path.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, MemoryError> {
        Self::assemble(FileBytes::Owned(bytes), None, None, false, Vec::new()).map_err(|e| e.of(Path::new("")))
    }

    fn assemble(
        core: FileBytes,
        path: Option<&Path>,
        given: Option<&Path>,
        follow: bool,
        mut gaps: Vec<Gap>,
    ) -> Result<Self, Failed> {
        let (arch, headers) = headers(&core, &mut gaps)?;
        let mut notes = Notes::default();
        // Forged headers may name the same notes again and again.
        let mut unread = MOST_NOTES.min(usize::try_from(core.len()).unwrap_or(usize::MAX));
        for h in headers.iter().filter(|h| h.p_type(LittleEndian) == elf::PT_NOTE) {
            let offset = h.p_offset(LittleEndian);
            let len = usize::try_from(h.p_filesz(LittleEndian)).unwrap_or(usize::MAX).min(unread);
            unread -= len;
            let data = core.part(offset, len);
            if data.len() < len {
                gaps.push(Gap::at(offset, format!("the notes are cut: {} of {len} bytes are there", data.len())));
            }
            notes.read(arch, &data, offset, &mut gaps);
        }
        let mut pieces = Pieces::new(loads(&headers), core.len(), &mut gaps);
        pieces.name(&notes.files);
        let search = Search { core: &core, core_path: path, notes: &notes, given, follow };
        let found = search.run(&mut pieces, &mut gaps)?;
        if notes.threads.is_empty() {
            gaps.push(Gap::of("the core file names no thread: registers are unknown"));
        }
        Ok(Self { core, files: found.files, pieces, arch, notes, executable: found.executable, gaps })
    }

    /// Architecture of the program.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// All threads; the first is the one that a signal ended, where one did.
    #[must_use]
    pub fn threads(&self) -> &[ThreadRegisters] {
        &self.notes.threads
    }

    /// Pid, name and command line.
    #[must_use]
    pub const fn process(&self) -> Option<&CoreProcess> {
        self.notes.process.as_ref()
    }

    /// The files that were mapped, by address.
    #[must_use]
    pub fn mapped_files(&self) -> &[MappedFile] {
        &self.notes.files
    }

    /// A value of the auxiliary vector (`AT_ENTRY` is 9).
    #[must_use]
    pub fn auxiliary(&self, kind: u64) -> Option<u64> {
        self.notes.aux(kind)
    }

    /// The executable that supplies what the core file leaves out.
    #[must_use]
    pub fn executable(&self) -> Option<&Executable> {
        self.executable.as_ref().map(|e| &e.1)
    }

    /// The bytes of that executable.
    #[must_use]
    pub fn executable_bytes(&self) -> Option<&[u8]> {
        self.files.get(self.executable.as_ref()?.0)?.whole()
    }

    /// What is there of each mapping.
    #[must_use]
    pub fn segments(&self) -> &[CoreSegment] {
        &self.pieces.segments
    }

    /// The sums of [`CoreFile::segments`].
    #[must_use]
    pub fn coverage(&self) -> CoreCoverage {
        CoreCoverage::of(&self.pieces.segments)
    }

    /// What could not be read, and what could not be checked.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }
}

impl Memory for CoreFile {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.pieces.read(&self.core, &self.files, address, buf)
    }

    fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        self.pieces.bytes(&self.core, &self.files, address, len)
    }

    fn regions(&self) -> &[Region] {
        &self.pieces.regions
    }
}

/// A failure that does not know the file's path yet.
enum Failed {
    NotACore(String),
    Other(MemoryError),
}

impl Failed {
    fn of(self, path: &Path) -> MemoryError {
        match self {
            Self::NotACore(why) => MemoryError::NotACore { path: path.to_owned(), why },
            Self::Other(e) => e,
        }
    }
}

impl From<MemoryError> for Failed {
    fn from(e: MemoryError) -> Self {
        Self::Other(e)
    }
}

type Header = ProgramHeader64<LittleEndian>;

/// Architecture and program headers.
fn headers(core: &FileBytes, gaps: &mut Vec<Gap>) -> Result<(Arch, Vec<Header>), Failed> {
    let not = |why: &str| Failed::NotACore(why.to_owned());
    let head = core.part(0, size_of::<FileHeader64<LittleEndian>>());
    match head.get(..6) {
        Some([0x7f, b'E', b'L', b'F', 2, 1]) => {}
        Some([0x7f, b'E', b'L', b'F', ..]) => return Err(not("an ELF file, but not 64-bit little-endian")),
        Some([0x04, 0x22, 0x4d, 0x18, ..]) => return Err(not("compressed by lz4: decompress it first")),
        Some([0xfd, b'7', b'z', b'X', b'Z', 0]) => return Err(not("compressed by xz: decompress it first")),
        _ => return Err(not("no core file: its first bytes are not those of an ELF file")),
    }
    let (header, _) = pod::from_bytes::<FileHeader64<LittleEndian>>(&head)
        .map_err(|()| not("an ELF file cut within its first 64 bytes"))?;
    match header.e_type(LittleEndian) {
        elf::ET_CORE => {}
        elf::ET_EXEC | elf::ET_DYN => return Err(not("a program, not a core file of one")),
        other => return Err(Failed::NotACore(format!("an ELF file of type {}, not a core file", other.0))),
    }
    let arch = match header.e_machine(LittleEndian) {
        elf::EM_X86_64 => Arch::Amd64,
        elf::EM_AARCH64 => Arch::Arm64,
        other => {
            let what = "a core file of a machine that is not read here (x86-64 and AArch64 are): ELF machine";
            return Err(Failed::NotACore(format!("{what} {}", other.0)));
        }
    };
    let size = size_of::<Header>();
    if usize::from(header.e_phentsize(LittleEndian)) != size {
        return Err(not("a core file whose program headers are not 56 bytes long"));
    }
    let offset = header.e_phoff(LittleEndian);
    let declared = match header.e_phnum.get(LittleEndian) {
        u16::MAX => count_of_many(core, header).unwrap_or_else(|| count_by_notes(core, offset)),
        n => usize::from(n),
    };
    let wanted = declared.min(MOST_HEADERS).saturating_mul(size);
    let bytes = core.part(offset, wanted);
    let there = bytes.len() / size;
    if there == 0 {
        // Delve writes them last, so a dump of it that was cut has none.
        return Err(not("a core file without program headers: it was cut, and where its memory lies is lost"));
    }
    if there < declared {
        let text = format!("the program headers are cut: {there} of {declared} mappings are known");
        gaps.push(Gap::at(offset, text));
    }
    let (headers, _) =
        pod::slice_from_bytes::<Header>(&bytes, there).map_err(|()| not("program headers that cannot be read"))?;
    Ok((arch, headers.to_vec()))
}

/// From 65,535 program headers on their number is in the first section header.
fn count_of_many(core: &FileBytes, header: &FileHeader64<LittleEndian>) -> Option<usize> {
    let bytes = core.part(header.e_shoff(LittleEndian), size_of::<elf::SectionHeader64<LittleEndian>>());
    let (section, _) = pod::from_bytes::<elf::SectionHeader64<LittleEndian>>(&bytes).ok()?;
    Some(section.sh_info.get(LittleEndian) as usize)
}

/// The section header is at the end of a core file; without it, headers reach to where the notes
/// begin.
fn count_by_notes(core: &FileBytes, offset: u64) -> usize {
    let size = size_of::<Header>();
    let first = core.part(offset, size);
    let notes = pod::from_bytes::<Header>(&first).ok().filter(|(h, _)| h.p_type(LittleEndian) == elf::PT_NOTE);
    let between = notes.and_then(|(h, _)| h.p_offset(LittleEndian).checked_sub(offset)).unwrap_or(0);
    usize::try_from(between).unwrap_or(0) / size
}

fn loads(headers: &[Header]) -> Vec<Load> {
    let loads = headers.iter().filter(|h| h.p_type(LittleEndian) == elf::PT_LOAD);
    loads
        .map(|h| Load {
            start: h.p_vaddr(LittleEndian),
            memory: h.p_memsz(LittleEndian),
            offset: h.p_offset(LittleEndian),
            in_file: h.p_filesz(LittleEndian),
            readable: h.p_flags(LittleEndian).0 & elf::PF_R.0 != 0,
            writable: h.p_flags(LittleEndian).0 & elf::PF_W.0 != 0,
            executable: h.p_flags(LittleEndian).0 & elf::PF_X.0 != 0,
        })
        .collect()
}
