//! The files a core file leaves out: the executable and shared libraries, whose unchanged pages are
//! not dumped. Finds them, and takes none that differs from what the core file shows of it.

use super::MemoryError;
use super::mapped::FileBytes;
use super::notes::{MappedFile, Notes};
use super::segments::Pieces;
use gobinary::GoBinary;
use model::Gap;
use object::LittleEndian;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Files other than the executable that are opened for their pages.
const MOST_FILES: usize = 256;
/// Largest file that is taken into memory because someone writes to it; others are mapped.
const MOST_EXECUTABLE: u64 = 1 << 30;
const AT_PHDR: u64 = 3;
const AT_ENTRY: u64 = 9;
const PAGE: u64 = 4096;

/// The executable of a core file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Where it was found.
    pub path: PathBuf,
    /// Added to the addresses in the file: 0 unless it is position-independent.
    pub load_bias: u64,
    /// Whether the core file holds a page of it to compare with, and it was equal.
    pub verified: bool,
}

/// Files opened, and which of them is the executable.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<FileBytes>,
    /// Index into `files`.
    pub(crate) executable: Option<(usize, Executable)>,
}

/// What is at hand while files are looked for.
pub(crate) struct Search<'a> {
    pub(crate) core: &'a FileBytes,
    pub(crate) core_path: Option<&'a Path>,
    pub(crate) notes: &'a Notes,
    /// The executable the user names.
    pub(crate) given: Option<&'a Path>,
    /// Whether files named by the core file are opened at all.
    pub(crate) follow: bool,
}

impl Search<'_> {
    /// Opens the files and puts their pages into `pieces`.
    pub(crate) fn run(&self, pieces: &mut Pieces, gaps: &mut Vec<Gap>) -> Result<Found, MemoryError> {
        let mut found = Found::default();
        let main = self.main_path();
        self.executable(main.as_deref(), pieces, &mut found, gaps)?;
        if self.follow {
            self.libraries(main.as_deref(), pieces, &mut found);
        }
        Ok(found)
    }

    fn executable(
        &self,
        main: Option<&str>,
        pieces: &mut Pieces,
        found: &mut Found,
        gaps: &mut Vec<Gap>,
    ) -> Result<(), MemoryError> {
        let mut refused = Vec::new();
        for path in self.candidates(main) {
            let given = self.given == Some(path.as_path());
            let file = match open(&path) {
                Ok(file) => file,
                Err(error) if given => {
                    return Err(MemoryError::Io { doing: format!("opening {}", path.display()), error });
                }
                Err(_) => continue,
            };
            let mappings = self.mappings_of(main, pieces, &file);
            match self.compare(pieces, &file, &mappings) {
                Compared::Differs(why) if given => return Err(MemoryError::WrongExecutable { path, why }),
                Compared::Differs(why) => refused.push(format!("{} is another program: {why}", path.display())),
                Compared::Unknown if !given => {
                    refused.push(format!("{} cannot be compared with the core file", path.display()));
                }
                compared => {
                    let verified = matches!(compared, Compared::Equal);
                    self.take(path, file, &mappings, verified, pieces, found);
                    return Ok(());
                }
            }
        }
        let name = main.map_or_else(|| "the executable".to_owned(), |m| format!("the executable {m}"));
        let why = if refused.is_empty() { "it was not found".to_owned() } else { refused.join("; ") };
        gaps.push(Gap::of(format!("{name} was not used ({why}): give it by its path to read code and constants")));
        Ok(())
    }

    fn take(
        &self,
        path: PathBuf,
        file: FileBytes,
        mappings: &[(u64, u64, u64)],
        verified: bool,
        pieces: &mut Pieces,
        found: &mut Found,
    ) {
        let binary = file.whole().and_then(|b| GoBinary::parse(b).ok());
        let load_bias = mappings.first().and_then(|&(start, _, offset)| {
            let b = binary.as_ref().filter(|b| b.is_position_independent())?;
            Some(start.wrapping_sub(b.address_of_file_offset(offset)?))
        });
        let executable = Executable { path, load_bias: load_bias.unwrap_or(0), verified };
        let index = found.files.len();
        pieces.supply(index, &within(mappings, file.len()));
        pieces.add_missing(index, &read_only_segments(&file, executable.load_bias));
        found.files.push(file);
        found.executable = Some((index, executable));
    }

    fn libraries(&self, main: Option<&str>, pieces: &mut Pieces, found: &mut Found) {
        let mut by_path: BTreeMap<&str, Vec<(u64, u64, u64)>> = BTreeMap::new();
        for f in &self.notes.files {
            if Some(f.path.as_str()) != main {
                by_path.entry(&f.path).or_default().push((f.start, f.end - f.start, f.offset));
            }
        }
        for (path, mappings) in by_path.into_iter().take(MOST_FILES) {
            let Ok(file) = open(Path::new(path)) else { continue };
            if matches!(self.compare(pieces, &file, &mappings), Compared::Equal) {
                pieces.supply(found.files.len(), &within(&mappings, file.len()));
                found.files.push(file);
            }
        }
    }

    /// The path under which the executable is mapped: where the kernel put its program headers.
    fn main_path(&self) -> Option<String> {
        let at = |address: u64| -> Option<&MappedFile> {
            self.notes.files.iter().find(|f| f.start <= address && address < f.end)
        };
        let by_address = [AT_PHDR, AT_ENTRY].iter().find_map(|&k| at(self.notes.aux(k)?));
        by_address.or_else(|| self.notes.files.first()).map(|f| f.path.clone())
    }

    fn candidates(&self, main: Option<&str>) -> Vec<PathBuf> {
        if let Some(given) = self.given {
            return vec![given.to_owned()];
        }
        let Some(main) = main.filter(|_| self.follow) else { return Vec::new() };
        let main = Path::new(procfs::path_without_deleted(main));
        let beside = self.core_path.and_then(|c| Some(c.parent()?.join(main.file_name()?)));
        [Some(main.to_owned()), beside].into_iter().flatten().collect()
    }

    /// Address, length and file offset of each mapping of the executable: of `NT_FILE`, else of
    /// the file's own program headers moved to where the program started.
    fn mappings_of(&self, main: Option<&str>, pieces: &Pieces, file: &FileBytes) -> Vec<(u64, u64, u64)> {
        let named = self.notes.files.iter().filter(|f| Some(f.path.as_str()) == main);
        let mappings: Vec<_> = named.map(|f| (f.start, f.end - f.start, f.offset)).collect();
        if !mappings.is_empty() {
            return mappings;
        }
        self.mappings_by_headers(pieces, file).unwrap_or_default()
    }

    fn mappings_by_headers(&self, pieces: &Pieces, file: &FileBytes) -> Option<Vec<(u64, u64, u64)>> {
        let bytes = file.whole()?;
        let header = FileHeader64::<LittleEndian>::parse(bytes).ok()?;
        let entry = self.notes.aux(AT_ENTRY).or(self.notes.delve_entry);
        let bias = match entry {
            Some(entry) => entry.wrapping_sub(header.e_entry(LittleEndian)),
            None if header.e_type(LittleEndian) == object::elf::ET_EXEC => 0,
            // Cut before the notes: its first page is looked for.
            None => {
                let address = GoBinary::parse(bytes).ok()?.address_of_file_offset(0)?;
                self.start_of(pieces, bytes.get(..PAGE as usize)?)?.wrapping_sub(address)
            }
        };
        let loads = header.program_headers(LittleEndian, bytes).ok()?;
        let mut out = Vec::new();
        for p in loads.iter().filter(|p| p.p_type(LittleEndian) == PT_LOAD) {
            let start = p.p_vaddr(LittleEndian).wrapping_add(bias);
            // The kernel maps whole pages, the bytes around the segment included.
            let before = start % PAGE;
            let Some(offset) = p.p_offset(LittleEndian).checked_sub(before) else { continue };
            let len = p.p_filesz(LittleEndian).saturating_add(before);
            out.push((start - before, len.checked_next_multiple_of(PAGE).unwrap_or(len), offset));
        }
        out.sort_unstable();
        Some(out)
    }

    /// Where this page lies in the core file, at the start of a mapping.
    fn start_of(&self, pieces: &Pieces, page: &[u8]) -> Option<u64> {
        let mut there = vec![0; page.len()];
        let read_only = pieces.segments.iter().filter(|s| !s.writable && s.in_core >= PAGE);
        let mut starts = read_only.map(|s| s.start);
        starts.find(|&start| pieces.read(self.core, &[], start, &mut there).is_ok() && there == page)
    }

    /// Compares the head of the file with the core file's copy of it.
    fn compare(&self, pieces: &Pieces, file: &FileBytes, mappings: &[(u64, u64, u64)]) -> Compared {
        let mut equal = false;
        for &(start, len, offset) in mappings {
            // Kernels dump the first page of each ELF file; gcore and Delve may dump all of it.
            let n = usize::try_from(len.min(PAGE).min(file.len().saturating_sub(offset))).unwrap_or(0);
            let i = pieces.segments.partition_point(|s| s.end <= start);
            let read_only = pieces.segments.get(i).is_some_and(|s| s.start <= start && !s.writable);
            let mut dumped = vec![0; n];
            if n == 0 || !read_only || pieces.read(self.core, &[], start, &mut dumped).is_err() {
                continue;
            }
            let own = file.part(offset, n);
            // The data that relocation changed is read-only afterwards: only the file's head is compared.
            if offset == 0 {
                if *own != *dumped {
                    return Compared::Differs(format!(
                        "its first page, which holds the build id, is not the one the core file has at {start:#x}"
                    ));
                }
                equal = true;
            }
        }
        if equal { Compared::Equal } else { Compared::Unknown }
    }
}

/// The whole pages of the file's read-only segments: address as the program ran, length, file offset,
/// whether they hold code.
fn read_only_segments(file: &FileBytes, bias: u64) -> Vec<(u64, u64, u64, bool)> {
    let segments = || {
        let bytes = file.whole()?;
        let header = FileHeader64::<LittleEndian>::parse(bytes).ok()?;
        let loads = header.program_headers(LittleEndian, bytes).ok()?;
        let read_only = loads
            .iter()
            .filter(|p| p.p_type(LittleEndian) == PT_LOAD && p.p_flags(LittleEndian).0 & object::elf::PF_W.0 == 0);
        let part = |p: &object::elf::ProgramHeader64<LittleEndian>| {
            let (start, offset) = (p.p_vaddr(LittleEndian).wrapping_add(bias), p.p_offset(LittleEndian));
            let before = start % PAGE;
            let offset = offset.checked_sub(before)?;
            let len = p.p_filesz(LittleEndian).saturating_add(before).min(file.len().checked_sub(offset)?);
            let executable = p.p_flags(LittleEndian).0 & object::elf::PF_X.0 != 0;
            Some((start - before, len, offset, executable))
        };
        Some(read_only.take(MOST_FILES).filter_map(part).collect())
    };
    segments().unwrap_or_default()
}

enum Compared {
    Equal,
    Differs(String),
    /// The core file holds nothing of it.
    Unknown,
}

/// The mappings cut at the end of the file; sorted by address, without overlaps.
fn within(mappings: &[(u64, u64, u64)], len: u64) -> Vec<(u64, u64, u64)> {
    let mut out: Vec<_> = mappings.iter().map(|&(a, n, o)| (a, n.min(len.saturating_sub(o)), o)).collect();
    out.sort_unstable();
    out.retain(|p| p.1 > 0);
    out.dedup_by(|later, kept| later.0 < kept.0.saturating_add(kept.1));
    out
}

/// Opens a regular file. The path may come from a hostile core file: a FIFO or a device would block
/// or do worse.
fn open(path: &Path) -> io::Result<FileBytes> {
    let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_a_file());
    }
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(not_a_file());
    }
    FileBytes::whole_of(file, MOST_EXECUTABLE)
}
