//! The sections of debug information, as they are or unpacked (`SHF_COMPRESSED`, `.zdebug_*`). Refuses
//! sections that claim to unpack to more than such data does, and split debug information.

use crate::{BinaryError, GoBinary};
use gimli::{EndianSlice, LittleEndian};
use object::{CompressionFormat, Object, ObjectSection};
use std::borrow::Cow;

/// What the readers of this folder read.
pub(super) type Bytes<'d> = EndianSlice<'d, LittleEndian>;

/// Debug information packs to a third; abbreviations and string tables of small programs better.
const MOST_PACKED: u64 = 64;
/// Most bytes of one section. The largest Go programs have some 200 MB.
const MOST_BYTES: u64 = 2 << 30;

/// The debug information of an executable, unpacked.
#[derive(Debug, Default)]
pub struct DwarfSections<'a> {
    pub(super) info: Cow<'a, [u8]>,
    pub(super) abbrev: Cow<'a, [u8]>,
    pub(super) addr: Cow<'a, [u8]>,
    pub(super) str: Cow<'a, [u8]>,
    pub(super) loc: Cow<'a, [u8]>,
    pub(super) loclists: Cow<'a, [u8]>,
}

impl DwarfSections<'_> {
    /// Bytes of the entries, unpacked.
    #[must_use]
    pub fn info_len(&self) -> usize {
        self.info.len()
    }
}

impl<'a> GoBinary<'a> {
    /// The debug information; `None` when the linker left it out (`-ldflags=-w`) or it was stripped.
    ///
    /// # Errors
    /// [`BinaryError::Damaged`] when a section does not unpack.
    pub fn dwarf(&self) -> Result<Option<DwarfSections<'a>>, BinaryError> {
        let info = self.debug_section(".debug_info")?;
        let abbrev = self.debug_section(".debug_abbrev")?;
        if info.is_empty() || abbrev.is_empty() {
            return Ok(None);
        }
        Ok(Some(DwarfSections {
            info,
            abbrev,
            addr: self.debug_section(".debug_addr")?,
            str: self.debug_section(".debug_str")?,
            loc: self.debug_section(".debug_loc")?,
            loclists: self.debug_section(".debug_loclists")?,
        }))
    }

    /// A section of debug information, unpacked; empty when there is none.
    fn debug_section(&self, name: &str) -> Result<Cow<'a, [u8]>, BinaryError> {
        let Some(section) = self.elf().section_by_name(name) else { return Ok(Cow::Borrowed(&[])) };
        let damaged = |expected| {
            let offset = section.file_range().map_or(0, |r| r.0);
            move || BinaryError::Damaged { part: "debug information", offset, expected }
        };
        let packed = section.compressed_data().map_err(|_| damaged("a section within the file")())?;
        if packed.format == CompressionFormat::None {
            return Ok(Cow::Borrowed(packed.data));
        }
        let most = (packed.data.len() as u64).saturating_mul(MOST_PACKED).saturating_add(1 << 20).min(MOST_BYTES);
        let len = usize::try_from(packed.uncompressed_size).ok().filter(|&n| n as u64 <= most);
        let len = len.ok_or_else(damaged("a length that packed debug information has"))?;
        if packed.format != CompressionFormat::Zlib {
            return Err(damaged("zlib data")());
        }
        let mut data = vec![0; len];
        match libdeflater::Decompressor::new().zlib_decompress(packed.data, &mut data) {
            Ok(n) if n == len => Ok(Cow::Owned(data)),
            _ => Err(damaged("zlib data of the length it names")()),
        }
    }
}
