//! Fields of a structure that was copied out of the program: little-endian reads by offset. A read
//! beyond the copy gives zero; copies have the size that the layout table tells, so that happens
//! only where the table is wrong, which its own check finds.

use gobinary::layout::Field;

/// A copied structure, as its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    /// The byte at an offset.
    #[must_use]
    pub fn u8(self, at: u32) -> u8 {
        self.0.get(at as usize).copied().unwrap_or(0)
    }

    /// Two bytes at an offset.
    #[must_use]
    pub fn u16(self, at: u32) -> u16 {
        let at = at as usize;
        self.0.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
    }

    /// Four bytes at an offset.
    #[must_use]
    pub fn u32(self, at: u32) -> u32 {
        let at = at as usize;
        self.0.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// The word at an offset.
    #[must_use]
    #[inline]
    pub fn u64(self, at: u32) -> u64 {
        let at = at as usize;
        self.0.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// A field of 1 to 8 bytes.
    #[must_use]
    pub fn field(self, field: Field) -> u64 {
        let at = field.offset as usize;
        let bytes = self.0.get(at..at + field.width.min(8) as usize).unwrap_or_default();
        bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
    }
}
