//! The function table (pclntab) of Go 1.18 to 1.27: `src/internal/abi/symtab.go`,
//! `src/runtime/symtab.go`, `src/cmd/link/internal/ld/pcln.go`. Survives stripping.
//!
//! This folder owns names, addresses, lines, the inlining tree, and the stack maps that hang on
//! the function records. It reads bytes that a file or a program's memory holds; it opens nothing.

mod find;
mod func;
mod funcdata;
mod functions;
mod inline;
mod module;
mod pcvalue;

pub(crate) use func::PCDATA_STACK_MAP_INDEX;
pub use func::{ArgsSize, Func, FuncFlags, LineAt};
pub use funcdata::{Bitmap, StackMap, StackObject, StackObjects};
pub use functions::{FuncKind, Functions};
pub(crate) use inline::find as find_in;
pub use inline::{LogicalFrame, LogicalFrames, callers_frames, printable_name};
pub use module::{ModuleBases, ModuleTables};

pub(crate) use find::{bases, find};

use crate::BinaryError;
use std::fmt;

/// Go 1.18 and 1.19.
const MAGIC_118: u32 = 0xffff_fff0;
/// Go 1.20 to 1.27.
const MAGIC_120: u32 = 0xffff_fff1;
/// Size of the header: two words of tags, eight of 8 bytes.
const HEADER: usize = 8 + 8 * 8;
/// Longest name that is taken (generic instances have long ones).
const MOST_NAME: usize = 64 << 10;
const PART: &str = "function table";

/// Names, addresses and lines of all functions of a Go executable. Addresses are those of the
/// file: subtract the load bias of a position-independent process first, or move the table with
/// [`Pclntab::with_text`].
#[derive(Clone, Copy)]
pub struct Pclntab<'a> {
    names: &'a [u8],
    /// `cutab`: u32 offsets into `files`, a run of them per compilation unit.
    units: &'a [u8],
    /// `filetab`: file names, each ended by a zero byte.
    files: &'a [u8],
    /// `pctab`: the tables of values by code address.
    values: &'a [u8],
    /// `ftab`: pairs of u32 (entry offset from `text`, offset of the `_func` in `funcs`).
    table: &'a [u8],
    /// `pclntable`: the `_func` records, starting with `table`.
    funcs: &'a [u8],
    count: usize,
    text: u64,
    /// Where the table lies, in the addresses of the file.
    address: u64,
    /// Code addresses in the tables are multiples of this (`sys.PCQuantum`).
    quantum: u8,
    /// Whether `_func` and `inlinedCall` have the layouts of Go 1.18 and 1.19.
    old: bool,
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
    /// Reads a table whose first byte is the first of `data`, for code that starts at `text`
    /// (`moduledata.text`). `data` may be longer than the table.
    ///
    /// # Errors
    /// [`BinaryError::Damaged`] with the offset in `data`.
    pub fn read(data: &'a [u8], text: u64) -> Result<Self, BinaryError> {
        let (found, _) = Self::parse(data)?;
        Ok(Self { text, ..found })
    }

    /// The table, as yet without a start of the code, and what the header says of that.
    fn parse(data: &'a [u8]) -> Result<(Self, u64), BinaryError> {
        let magic = u32_at(data, 0).ok_or_else(|| damaged(0, "a header"))?;
        if !matches!(magic, MAGIC_118 | MAGIC_120) || data.len() < HEADER {
            return Err(damaged(0, "the magic 0xfffffff0 or 0xfffffff1"));
        }
        let (Some(&quantum @ (1 | 2 | 4)), Some(8)) = (data.get(6), data.get(7)) else {
            return Err(damaged(6, "an instruction size of 1, 2 or 4 and pointers of 8 bytes"));
        };
        let word = |i: usize| u64_at(data, 8 + 8 * i).ok_or_else(|| damaged(8 + 8 * i, "a number"));
        let part = |i: usize| -> Result<&'a [u8], BinaryError> {
            let offset = usize::try_from(word(i)?).unwrap_or(usize::MAX);
            data.get(offset..).ok_or_else(|| damaged(8 + 8 * i, "an offset inside the table"))
        };
        // nfunc, nfiles, textStart, funcnameOffset, cuOffset, filetabOffset, pctabOffset, pclnOffset
        let count = usize::try_from(word(0)?).unwrap_or(usize::MAX);
        let funcs = part(7)?;
        let table = count
            .checked_add(1)
            .and_then(|n| n.checked_mul(8))
            .and_then(|n| funcs.get(..n))
            .ok_or_else(|| damaged(8, "a number of functions that fits the table"))?;
        let found = Pclntab {
            names: part(3)?,
            units: part(4)?,
            files: part(5)?,
            values: part(6)?,
            table,
            funcs,
            count,
            text: 0,
            address: 0,
            quantum,
            old: magic == MAGIC_118,
        };
        if count == 0 || found.name(0).is_none() {
            return Err(damaged(8 + 8 * 7, "a first function with a name"));
        }
        Ok((found, word(2)?))
    }

    /// The same table for code that starts at `text`: a position-independent program that was
    /// loaded elsewhere.
    #[must_use]
    pub fn with_text(self, text: u64) -> Self {
        Self { text, ..self }
    }

    /// Address of the first byte of the code that the table is of (`moduledata.text`).
    #[must_use]
    pub const fn text(&self) -> u64 {
        self.text
    }

    /// Address behind the last byte of the code that the table is of.
    #[must_use]
    pub fn text_end(&self) -> u64 {
        self.entry(self.count).unwrap_or(self.text)
    }

    /// Address of the table in the executable that it was found in; 0 when read from bytes.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

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

    /// The record of the function whose code holds `address`.
    #[must_use]
    pub fn func_at(&self, address: u64) -> Option<Func<'a>> {
        self.func(self.index_of(address)?)
    }

    /// The record of function `index`, counted by address.
    #[must_use]
    pub fn func(&self, index: usize) -> Option<Func<'a>> {
        Func::new(*self, index)
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

    /// The bytes of function `index`'s `_func` record, and of what follows it.
    fn record(&self, index: usize) -> Option<&'a [u8]> {
        let func = u32_at(self.table, index.checked_mul(8)?.checked_add(4)?)?;
        self.funcs.get(usize::try_from(func).ok()?..)
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        // `_func`: entryOff u32, nameOff i32, ...
        self.name_at(u32_at(self.record(index)?, 4)?)
    }

    /// The name at an offset in `funcnametab`.
    fn name_at(&self, offset: u32) -> Option<&'a str> {
        text_at(self.names, offset)
    }
}

/// The text from `offset` to the next zero byte.
fn text_at(data: &[u8], offset: u32) -> Option<&str> {
    let tail = data.get(usize::try_from(offset).ok()?..)?;
    let tail = tail.get(..MOST_NAME).unwrap_or(tail);
    std::str::from_utf8(tail.get(..memchr::memchr(0, tail)?)?).ok()
}

fn damaged(offset: usize, expected: &'static str) -> BinaryError {
    BinaryError::Damaged { part: PART, offset: offset as u64, expected }
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn i32_at(data: &[u8], at: usize) -> Option<i32> {
    u32_at(data, at).map(u32::cast_signed)
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    let bytes = data.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
