//! The function table out of a program's memory, for programs whose executable is gone: it is copied
//! once, unless the source holds it mapped. It owns the copying and its limits.

use super::{Func, Functions, HEADER, Pclntab, damaged};
use crate::{BinaryError, Memory, ModuleData};
use std::borrow::Cow;

/// Largest table that is taken; the largest known programs have some 100 MiB.
const MOST_BYTES: u64 = 1 << 30;
/// One read.
const PIECE: usize = 1 << 20;
/// What the last FUNCDATA record may be long.
const TAIL: u64 = 1 << 20;

/// Where the linker put what the function table needs: fields of `moduledata`
/// (`src/runtime/symtab.go`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModuleBases {
    /// `moduledata.pcHeader`: the function table.
    pub pclntab: u64,
    /// `moduledata.text`
    pub text: u64,
    /// `moduledata.gofunc`; without it nothing is known of inlining and pointers in frames.
    pub gofunc: Option<u64>,
    /// `moduledata.rodata`
    pub rodata: Option<u64>,
}

/// A module's function table and FUNCDATA, borrowed from the memory or copied out of it.
#[derive(Debug)]
pub struct ModuleTables<'m> {
    bases: ModuleBases,
    table: Cow<'m, [u8]>,
    funcdata: Cow<'m, [u8]>,
}

impl From<&ModuleData> for ModuleBases {
    fn from(m: &ModuleData) -> Self {
        Self { pclntab: m.pclntab, text: m.text, gofunc: Some(m.gofunc), rodata: Some(m.rodata) }
    }
}

impl ModuleBases {
    /// The same where a position-independent program was loaded: `bias` bytes behind the addresses of
    /// its file.
    #[must_use]
    pub fn moved(self, bias: u64) -> Self {
        let moved = |a: u64| a.wrapping_add(bias);
        Self {
            pclntab: moved(self.pclntab),
            text: moved(self.text),
            gofunc: self.gofunc.map(moved),
            rodata: self.rodata.map(moved),
        }
    }
}

impl<'m> ModuleTables<'m> {
    /// Finds out how long the table is, and takes it.
    ///
    /// # Errors
    /// [`BinaryError::Damaged`] when there is no table at `bases.pclntab`.
    pub fn read(memory: &'m dyn Memory, bases: ModuleBases) -> Result<Self, BinaryError> {
        let len = table_len(memory, bases.pclntab)?;
        let table = take(memory, bases.pclntab, len);
        let funcdata = match bases.gofunc {
            None => Cow::Borrowed(&[][..]),
            Some(gofunc) => take(memory, gofunc, funcdata_len(&Pclntab::read(&table, bases.text)?)),
        };
        Ok(Self { bases, table, funcdata })
    }

    /// The functions.
    ///
    /// # Errors
    /// [`BinaryError::Damaged`] when the table cannot be read.
    pub fn functions(&self) -> Result<Functions<'_>, BinaryError> {
        let table = Pclntab { address: self.bases.pclntab, ..Pclntab::read(&self.table, self.bases.text)? };
        Ok(Functions::new(table, &self.funcdata, self.bases.rodata))
    }

    /// Bytes that were copied.
    #[must_use]
    pub fn copied_bytes(&self) -> usize {
        [&self.table, &self.funcdata].into_iter().map(|c| if matches!(c, Cow::Owned(_)) { c.len() } else { 0 }).sum()
    }
}

/// Length of the table at `address`: the records come last in it, and the last function's last.
fn table_len(memory: &dyn Memory, address: u64) -> Result<u64, BinaryError> {
    let mut header = [0; HEADER];
    let missing = |offset: u64| BinaryError::Damaged { part: super::PART, offset, expected: "readable memory" };
    memory.read(address, &mut header).map_err(|e| missing(e.address.saturating_sub(address)))?;
    let word = |i: usize| super::u64_at(&header, 8 + 8 * i).unwrap_or(u64::MAX);
    let (count, funcs) = (word(0), word(7));
    let last = count
        .checked_sub(1)
        .and_then(|last| last.checked_mul(8)?.checked_add(4)?.checked_add(funcs)?.checked_add(address))
        .ok_or_else(|| damaged(8, "a number of functions that fits the table"))?;
    let record = memory.u32(last).map_err(|e| missing(e.address.saturating_sub(address)))?;
    // The record is at most 44 bytes and 64 + 255 offsets long.
    let len = funcs.saturating_add(u64::from(record)).saturating_add(44 + 4 * (64 + 255));
    // The table of records may not be the last part of all in a version to come.
    let rest = (3..8).map(word).max().unwrap_or_default().saturating_add(u64::from(u16::MAX));
    Ok(len.max(rest).min(MOST_BYTES))
}

/// Length of what FUNCDATA offsets reach.
fn funcdata_len(table: &Pclntab<'_>) -> u64 {
    let offsets = |f: Func<'_>| (0..8).filter_map(move |n| f.funcdata_offset(n)).max();
    let most = (0..table.len()).filter_map(|i| offsets(table.func(i)?)).max();
    most.map_or(0, |m| u64::from(m).saturating_add(TAIL)).min(MOST_BYTES)
}

/// The readable bytes from `address` on, at most `len`.
fn take(memory: &dyn Memory, address: u64, len: u64) -> Cow<'_, [u8]> {
    let mut end = address;
    for region in memory.regions() {
        if region.start <= end && end < region.end && region.readable {
            end = region.end;
        }
    }
    let len = usize::try_from(len.min(end - address)).unwrap_or_default();
    if let Some(bytes) = memory.bytes(address, len) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::new();
    let mut piece = vec![0; len.min(PIECE)];
    while out.len() < len {
        let n = (len - out.len()).min(PIECE);
        let at = address.saturating_add(out.len() as u64);
        let Some(buf) = piece.get_mut(..n) else { break };
        if memory.read(at, buf).is_err() {
            break;
        }
        out.extend_from_slice(buf);
    }
    Cow::Owned(out)
}
