//! The ELF side: segments as address ranges, the build-id note, and where to look for the rest.

use crate::pclntab::{Functions, ModuleBases, Pclntab};
use crate::{BinaryError, BuildInfo};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSegment, SegmentFlags};

/// Most segments that are looked at; Go's linker writes fewer than ten.
const MOST_SEGMENTS: usize = 256;

/// A Go executable, borrowed from its bytes.
#[derive(Debug)]
pub struct GoBinary<'a> {
    segments: Vec<Segment<'a>>,
    file: ElfFile64<'a, Endianness>,
}

/// The part of a loadable segment that the file holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    /// Virtual address before relocation.
    pub(crate) address: u64,
    /// Bytes in the file; the zero-filled rest of the segment is not here.
    pub(crate) data: &'a [u8],
    /// Whether the program may write there.
    pub(crate) writable: bool,
    /// Whether it holds code.
    pub(crate) executable: bool,
}

impl<'a> GoBinary<'a> {
    /// Reads the ELF headers of `file`.
    ///
    /// # Errors
    /// [`BinaryError::NotElf`] and [`BinaryError::Unsupported`].
    pub fn parse(file: &'a [u8]) -> Result<Self, BinaryError> {
        match file.get(..6) {
            Some([0x7f, b'E', b'L', b'F', 2, 1]) => {}
            Some([0x7f, b'E', b'L', b'F', 1, _]) => {
                return Err(BinaryError::Unsupported("32-bit".to_owned()));
            }
            Some([0x7f, b'E', b'L', b'F', 2, _]) => {
                return Err(BinaryError::Unsupported("big-endian".to_owned()));
            }
            _ => {
                return Err(BinaryError::NotElf("the first bytes are not 7f 45 4c 46".to_owned()));
            }
        }
        let elf = ElfFile64::<Endianness>::parse(file).map_err(|e| BinaryError::NotElf(e.to_string()))?;
        // Linkers do not lay segments over each other. Forged headers may name the same bytes again and
        // again, and each search through all segments would take that much longer.
        let mut unread = file.len().saturating_mul(2);
        let segments = elf
            .segments()
            .take(MOST_SEGMENTS)
            .filter_map(|s| {
                let flags = match s.flags() {
                    SegmentFlags::Elf { p_flags, .. } => p_flags,
                    _ => return None,
                };
                let data = s.data().ok()?;
                unread = unread.checked_sub(data.len())?;
                Some(Segment {
                    address: s.address(),
                    data,
                    writable: flags.0 & object::elf::PF_W.0 != 0,
                    executable: flags.0 & object::elf::PF_X.0 != 0,
                })
            })
            .collect();
        Ok(Self { segments, file: elf })
    }

    /// The build information that the Go linker wrote. Of a program built without it the version alone, as
    /// `runtime.Version` says it.
    ///
    /// # Errors
    /// [`BinaryError::NotGo`] when there is none, [`BinaryError::Damaged`] when it is cut.
    pub fn build_info(&self) -> Result<BuildInfo, BinaryError> {
        crate::buildinfo::find(self)
    }

    /// The build id of the Go linker (the `Go` note, as `go tool buildid` prints it).
    #[must_use]
    pub fn go_build_id(&self) -> Option<String> {
        self.note(b"Go", 4).map(|id| String::from_utf8_lossy(id).into_owned())
    }

    /// The GNU build id, in hexadecimal digits: what external linkers and `-B gobuildid` write.
    #[must_use]
    pub fn gnu_build_id(&self) -> Option<String> {
        let id = self.note(b"GNU", 3)?;
        Some(id.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// The function table.
    ///
    /// # Errors
    /// [`BinaryError::NotGo`] when there is none, [`BinaryError::Damaged`] when none that was
    /// found can be read.
    pub fn pclntab(&self) -> Result<Pclntab<'a>, BinaryError> {
        crate::pclntab::find(self)
    }

    /// The functions with lines, inlining and stack maps, in the addresses of the file. Where the file
    /// does not tell where stack maps are (damage; a linker unknown), they are without.
    ///
    /// # Errors
    /// As [`GoBinary::pclntab`].
    pub fn functions(&self) -> Result<Functions<'a>, BinaryError> {
        let table = self.pclntab()?;
        let bases = crate::pclntab::bases(self, &table);
        let funcdata = bases.gofunc.and_then(|gofunc| self.bytes_from(gofunc)).unwrap_or_default();
        Ok(Functions::new(table, funcdata, bases.rodata))
    }

    /// Where the linker put the function table and what belongs to it, in the addresses of the file.
    ///
    /// # Errors
    /// As [`GoBinary::pclntab`].
    pub fn module_bases(&self) -> Result<ModuleBases, BinaryError> {
        Ok(crate::pclntab::bases(self, &self.pclntab()?))
    }

    /// The `n` bytes of the file before `address` (a virtual address before relocation): the call
    /// instruction before a return address. Shorter at the start of a segment; `None` when the
    /// address is outside all executable segments.
    #[must_use]
    pub fn code_bytes_before(&self, address: u64, n: usize) -> Option<&'a [u8]> {
        self.segments.iter().find_map(|s| {
            let end = usize::try_from(address.checked_sub(s.address)?).ok()?;
            // A return address may be the end of the segment.
            if !s.executable || end > s.data.len() {
                return None;
            }
            s.data.get(end.saturating_sub(n)..end)
        })
    }

    /// Whether the file is position-independent: its addresses are moved at each start.
    #[must_use]
    pub fn is_position_independent(&self) -> bool {
        self.file.elf_header().e_type.get(Endianness::Little) == object::elf::ET_DYN
    }

    /// The processor the file is made for, where its layouts are known.
    #[must_use]
    pub fn arch(&self) -> Option<crate::layout::Arch> {
        crate::layout::Arch::from_elf_machine(self.file.elf_header().e_machine.get(Endianness::Little).0)
    }

    /// Virtual address at which a mapping of file offset `offset` starts, before relocation. The
    /// load bias of a position-independent executable is a mapping's start minus this.
    #[must_use]
    pub fn address_of_file_offset(&self, offset: u64) -> Option<u64> {
        self.file.elf_program_headers().iter().find_map(|p| {
            let (start, size) = (p.p_offset.get(Endianness::Little), p.p_filesz.get(Endianness::Little));
            let is_load = p.p_type.get(Endianness::Little) == object::elf::PT_LOAD;
            // The kernel maps whole pages: the mapping's offset may lie before the segment's.
            let page = start & !0xfff;
            let inside = offset >= page && offset < start.saturating_add(size);
            let address = p.p_vaddr.get(Endianness::Little);
            (is_load && inside).then(|| address.wrapping_sub(start).wrapping_add(offset))
        })
    }

    pub(crate) const fn elf(&self) -> &ElfFile64<'a, Endianness> {
        &self.file
    }

    pub(crate) fn segments(&self) -> &[Segment<'a>] {
        &self.segments
    }

    /// The bytes of the file from `address` to the end of its segment.
    pub(crate) fn bytes_from(&self, address: u64) -> Option<&'a [u8]> {
        self.segments.iter().find_map(|s| {
            let offset = usize::try_from(address.checked_sub(s.address)?).ok()?;
            s.data.get(offset..).filter(|d| !d.is_empty())
        })
    }

    /// A section's address and bytes.
    pub(crate) fn section(&self, name: &str) -> Option<(u64, &'a [u8])> {
        let section = self.file.section_by_name(name)?;
        Some((section.address(), section.data().ok()?))
    }

    /// In a position-independent file: where relative relocations write, and the addresses they write there.
    pub(crate) fn relative_relocations(&self) -> impl Iterator<Item = (u64, u64)> {
        const RELATIVE_X86_64: u64 = 8;
        const RELATIVE_AARCH64: u64 = 1027;
        let data = self.section(".rela.dyn").map_or(&[][..], |(_, data)| data);
        // Elf64_Rela: r_offset, r_info (type in the low half), r_addend.
        data.chunks_exact(24).filter_map(|r| {
            let word = |i: usize| Some(u64::from_le_bytes(r.get(i..i + 8)?.try_into().ok()?));
            let kind = word(8)? & 0xffff_ffff;
            let is_relative = matches!(kind, RELATIVE_X86_64 | RELATIVE_AARCH64);
            is_relative.then_some((word(0)?, word(16)?))
        })
    }

    /// In a position-independent file: the word that a relative relocation writes `distance` bytes
    /// after the place where another one writes `value`.
    pub(crate) fn relocated_word(&self, value: u64, distance: u64) -> Option<u64> {
        let relative = || self.relative_relocations();
        relative().filter(|&(_, addend)| addend == value).take(16).find_map(|(place, _)| {
            let wanted = place.checked_add(distance)?;
            relative().find_map(|(p, addend)| (p == wanted).then_some(addend))
        })
    }

    /// Whether it looks like a Go program by its sections, or has none to tell.
    pub(crate) fn may_be_go(&self) -> bool {
        let has_any = self.file.sections().next().is_some();
        !has_any || [".gopclntab", ".data.rel.ro.gopclntab", ".go.module"].iter().any(|n| self.section(n).is_some())
    }

    /// Value of a symbol, where there is a symbol table.
    pub(crate) fn symbol(&self, name: &str) -> Option<u64> {
        let symbol = self.file.symbol_by_name(name)?;
        Some(object::ObjectSymbol::address(&symbol))
    }

    fn note(&self, name: &[u8], kind: u32) -> Option<&'a [u8]> {
        let data = self.file.data();
        let endian = Endianness::Little;
        for header in self.file.elf_program_headers() {
            use object::read::elf::ProgramHeader;
            let Ok(Some(mut notes)) = header.notes(endian, data) else {
                continue;
            };
            while let Ok(Some(note)) = notes.next() {
                if note.name() == name && note.n_type(endian).0 == kind {
                    return Some(note.desc());
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_over_each_other_cost_no_more_than_the_file() {
        // 200 loadable segments, each of them the whole file of 16 KiB.
        let mut file = vec![0_u8; 16 << 10];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        put(16, &[2, 0, 62, 0, 1]);
        put(32, &64_u64.to_le_bytes());
        put(52, &[64, 0, 56, 0, 200, 0]);
        for i in 0..200 {
            let at = 64 + 56 * i;
            put(at, &[1, 0, 0, 0, 5]);
            put(at + 32, &(16_u64 << 10).to_le_bytes());
        }
        let binary = GoBinary::parse(&file).unwrap();
        let held: usize = binary.segments().iter().map(|s| s.data.len()).sum();
        assert_eq!(held, 2 * file.len());
    }
}
