//! The function table (pclntab) of Go 1.18 to 1.27: `src/internal/abi/symtab.go`,
//! `src/runtime/symtab.go`, `src/cmd/link/internal/ld/pcln.go`. Survives stripping.

use crate::{BinaryError, GoBinary};
use std::fmt;

/// Go 1.18 and 1.19.
const MAGIC_118: u32 = 0xffff_fff0;
/// Go 1.20 to 1.27.
const MAGIC_120: u32 = 0xffff_fff1;
/// Size of the header: two words of tags, eight of 8 bytes.
const HEADER: usize = 8 + 8 * 8;
/// Longest name that is taken (generic instances have long ones).
const MOST_NAME: usize = 64 << 10;
/// Most places that look like a table and are tried; real files have one.
const MOST_TRIES: usize = 32;
const PART: &str = "function table";

/// Names and start addresses of all functions of a Go executable. Addresses are those of the
/// file: subtract the load bias of a position-independent process first.
#[derive(Clone, Copy)]
pub struct Pclntab<'a> {
    names: &'a [u8],
    /// `ftab`: pairs of u32 (entry offset from `text`, offset of the `_func` in `funcs`).
    table: &'a [u8],
    /// `pclntable`: the `_func` records, starting with `table`.
    funcs: &'a [u8],
    count: usize,
    text: u64,
}

impl fmt::Debug for Pclntab<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pclntab")
            .field("functions", &self.count)
            .field("text", &format_args!("{:#x}", self.text))
            .finish()
    }
}

impl<'a> Pclntab<'a> {
    /// Number of functions.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether the table is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Name of the function whose code holds `address`; `None` outside Go code and in padding
    /// before the first function. Inlined functions are not told apart from their caller.
    #[must_use]
    pub fn function_at(&self, address: u64) -> Option<&'a str> {
        self.name(self.index_of(address)?)
    }

    /// Name of the function that starts at `address`: what a call to `address` calls.
    #[must_use]
    pub fn function_starting_at(&self, address: u64) -> Option<&'a str> {
        let index = self.index_of(address)?;
        (self.entry(index)? == address).then(|| self.name(index))?
    }

    /// First address of the function whose code holds `address`.
    #[must_use]
    pub fn start_of(&self, address: u64) -> Option<u64> {
        self.entry(self.index_of(address)?)
    }

    /// Each function's first address and name, by address.
    pub fn functions(&self) -> impl Iterator<Item = (u64, &'a str)> {
        let table = *self;
        (0..self.count).filter_map(move |i| Some((table.entry(i)?, table.name(i)?)))
    }

    fn index_of(&self, address: u64) -> Option<usize> {
        let offset = u32::try_from(address.checked_sub(self.text)?).ok()?;
        // The last entry of the table (index `count`) is the end of the code.
        if offset >= self.offset(self.count)? {
            return None;
        }
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.offset(middle)? <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }

    fn entry(&self, index: usize) -> Option<u64> {
        self.text.checked_add(u64::from(self.offset(index)?))
    }

    fn offset(&self, index: usize) -> Option<u32> {
        u32_at(self.table, index.checked_mul(8)?)
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        let func = u32_at(self.table, index.checked_mul(8)?.checked_add(4)?)?;
        // `_func`: entryOff u32, nameOff i32, ...
        let name = u32_at(self.funcs, usize::try_from(func).ok()?.checked_add(4)?)?;
        let tail = self.names.get(usize::try_from(name).ok()?..)?;
        let tail = tail.get(..MOST_NAME).unwrap_or(tail);
        let end = tail.iter().position(|&b| b == 0)?;
        std::str::from_utf8(tail.get(..end)?).ok()
    }
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    let bytes = data.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// By section `.gopclntab`, else by scanning all segments for the magic at 8-byte steps (external
/// linkers put the table of a position-independent executable into `.data.rel.ro`).
pub(crate) fn find<'a>(binary: &GoBinary<'a>) -> Result<Pclntab<'a>, BinaryError> {
    let mut damaged = None;
    let named = [".gopclntab", ".data.rel.ro.gopclntab"].into_iter().find_map(|name| binary.section(name));
    if let Some((address, data)) = named {
        match read(binary, address, data) {
            Ok(table) => return Ok(table),
            Err(e) => damaged = Some(e),
        }
    }
    let mut tries = 0;
    for segment in binary.segments() {
        for (i, word) in segment.data.chunks_exact(8).enumerate() {
            let first = [word.first(), word.get(1), word.get(2), word.get(3)];
            // Cheap test first: f0/f1 ff ff ff 00 00 minLC 08.
            if !matches!(first, [Some(0xf0 | 0xf1), Some(0xff), Some(0xff), Some(0xff)])
                || !matches!(word.get(4..), Some([0, 0, 1 | 4, 8]))
            {
                continue;
            }
            tries += 1;
            if tries > MOST_TRIES {
                break;
            }
            let Some(data) = segment.data.get(i * 8..) else {
                continue;
            };
            let address = segment.address.saturating_add(i as u64 * 8);
            match read(binary, address, data) {
                Ok(table) => return Ok(table),
                Err(e) => damaged = Some(e),
            }
        }
    }
    Err(damaged.unwrap_or(BinaryError::NotGo))
}

/// Reads the table at `address`, whose bytes (and perhaps more) are `data`.
fn read<'a>(binary: &GoBinary<'a>, address: u64, data: &'a [u8]) -> Result<Pclntab<'a>, BinaryError> {
    let damaged =
        |offset: usize, expected: &'static str| BinaryError::Damaged { part: PART, offset: offset as u64, expected };
    let magic = u32_at(data, 0).ok_or_else(|| damaged(0, "a header"))?;
    if !matches!(magic, MAGIC_118 | MAGIC_120) || data.len() < HEADER {
        return Err(damaged(0, "the magic 0xfffffff0 or 0xfffffff1"));
    }
    let word = |i: usize| u64_at(data, 8 + 8 * i).ok_or_else(|| damaged(8 + 8 * i, "a number"));
    let part = |i: usize| -> Result<&'a [u8], BinaryError> {
        let offset = usize::try_from(word(i)?).unwrap_or(usize::MAX);
        data.get(offset..).ok_or_else(|| damaged(8 + 8 * i, "an offset inside the table"))
    };
    // nfunc, nfiles, textStart, funcnameOffset, cuOffset, filetabOffset, pctabOffset, pclnOffset
    let count = usize::try_from(word(0)?).unwrap_or(usize::MAX);
    let names = part(3)?;
    let funcs = part(7)?;
    let table = count
        .checked_add(1)
        .and_then(|n| n.checked_mul(8))
        .and_then(|n| funcs.get(..n))
        .ok_or_else(|| damaged(8, "a number of functions that fits the table"))?;
    let mut found = Pclntab { names, table, funcs, count, text: 0 };
    if count == 0 || found.name(0).is_none() {
        return Err(damaged(8 + 8 * 7, "a first function with a name"));
    }
    found.text = text_start(binary, address, &found, word(2)?).ok_or_else(|| damaged(24, "a start of the code"))?;
    Ok(found)
}

/// Where the code starts. The header told it up to Go 1.25 (in a position-independent file it may
/// be left to a relocation); else the runtime's `moduledata` does; else `.text`.
fn text_start(binary: &GoBinary<'_>, address: u64, table: &Pclntab<'_>, header: u64) -> Option<u64> {
    let in_code = |text: u64| {
        let end = text.checked_add(u64::from(table.offset(table.count)?))?;
        let inside = binary
            .segments()
            .iter()
            .any(|s| s.executable && text >= s.address && end <= s.address.saturating_add(s.data.len() as u64));
        (inside && text != 0).then_some(text)
    };
    in_code(header)
        .or_else(|| in_code(binary.symbol("runtime.text")?))
        .or_else(|| in_code(moduledata_text(binary, address)?))
        .or_else(|| in_code(binary.section(".text")?.0))
}

/// `moduledata.text`: the 22nd word of the structure whose first word points to the table
/// (`src/runtime/symtab.go`, unchanged in Go 1.18 to 1.27: offset 176). The words are there
/// unless they are left to relocations (position-independent files).
fn moduledata_text(binary: &GoBinary<'_>, address: u64) -> Option<u64> {
    const TEXT: usize = 176;
    const MINPC: usize = 160;
    let needle = address.to_le_bytes();
    for segment in binary.segments() {
        for (i, word) in segment.data.chunks_exact(8).enumerate() {
            if word != needle {
                continue;
            }
            let at = i * 8;
            let text = u64_at(segment.data, at.checked_add(TEXT)?);
            let minpc = u64_at(segment.data, at.checked_add(MINPC)?);
            // minpc is the first function's address: text, or above it where C code comes first.
            if let (Some(text), Some(minpc)) = (text, minpc)
                && text != 0
                && text <= minpc
                && minpc - text < 1 << 32
            {
                return Some(text);
            }
        }
    }
    binary.relocated_word(address, TEXT as u64)
}
