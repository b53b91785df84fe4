//! What a function's FUNCDATA offsets lead to: pointer bitmaps of its frame (`stackmap` of
//! `src/runtime/symtab.go`) and its stack objects (`stackObjectRecord` of `src/runtime/stack.go`),
//! Go 1.18 to 1.27. It owns their layouts; whose frame they describe is the unwinder's business.

use super::{i32_at, u32_at, u64_at};

/// `FUNCDATA_ArgsPointerMaps` (`src/internal/abi/symtab.go`).
pub(super) const ARGS_POINTER_MAPS: u8 = 0;
/// `FUNCDATA_LocalsPointerMaps`.
pub(super) const LOCALS_POINTER_MAPS: u8 = 1;
/// `FUNCDATA_StackObjects`.
pub(super) const STACK_OBJECTS: u8 = 2;
/// `FUNCDATA_InlTree`.
pub(super) const INL_TREE: u8 = 3;

/// Size of a `stackObjectRecord`.
const OBJECT: usize = 16;

/// Which words of a range hold pointers: one bit per word of 8 bytes, the lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitmap<'a> {
    bytes: &'a [u8],
    bits: u32,
}

impl<'a> Bitmap<'a> {
    /// `bits` bits of `bytes`; those that `bytes` does not reach are zero.
    #[must_use]
    pub const fn new(bytes: &'a [u8], bits: u32) -> Self {
        Self { bytes, bits }
    }

    /// Number of words that it covers.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.bits
    }

    /// Whether it covers no words.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// Whether word `index` holds a pointer.
    #[must_use]
    pub fn get(&self, index: u32) -> bool {
        let byte = usize::try_from(index / 8).ok().and_then(|i| self.bytes.get(i));
        index < self.bits && byte.is_some_and(|b| b >> (index % 8) & 1 != 0)
    }

    /// The words that hold pointers, by number.
    pub fn ones(&self) -> impl Iterator<Item = u32> + use<'a> {
        let bits = self.bits;
        let bytes = self.bytes.iter().zip((0..bits).step_by(8));
        bytes.flat_map(move |(&byte, first)| {
            (0..8).filter(move |i| byte >> i & 1 != 0).map(move |i| first + i).filter(move |&i| i < bits)
        })
    }
}

/// The pointer bitmaps of a function's arguments or locals, one per kind of place in its code.
#[derive(Clone, Copy, Debug)]
pub struct StackMap<'a> {
    count: u32,
    bits: u32,
    bytes: &'a [u8],
}

impl<'a> StackMap<'a> {
    /// `stackmap`: n i32, nbit i32, then n bitmaps, each from a byte of its own on.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let count = u32::try_from(i32_at(data, 0)?).ok()?;
        let bits = u32::try_from(i32_at(data, 4)?).ok()?;
        let len = usize::try_from(u64::from(count) * u64::from(bits.div_ceil(8))).ok()?;
        Some(Self { count, bits, bytes: data.get(8..len.checked_add(8)?)? })
    }

    /// Number of bitmaps.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is no bitmap.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Words that each bitmap covers.
    #[must_use]
    pub const fn words(&self) -> u32 {
        self.bits
    }

    /// Bitmap `index`: the value of `PCDATA_StackMapIndex`.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<Bitmap<'a>> {
        let size = usize::try_from(self.bits.div_ceil(8)).ok()?;
        let start = size.checked_mul(usize::try_from(index).ok()?)?;
        let bytes = self.bytes.get(start..start.checked_add(size)?)?;
        (index < self.count).then_some(Bitmap { bytes, bits: self.bits })
    }
}

/// A local or argument whose address is taken: it is scanned only when something points to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackObject {
    /// Bytes from the end of the locals (negative) or from the start of the arguments.
    pub offset: i32,
    /// Size in bytes.
    pub size: u32,
    /// Its pointers lie in its first bytes, that many.
    pub pointer_bytes: u32,
    /// Whether the pointer mask is a GC program (up to Go 1.23, large types) and not a bitmap.
    pub gc_program: bool,
    /// Where the mask is: bytes from `moduledata.rodata`.
    pub gcdata: u32,
}

/// The stack objects of a function.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackObjects<'a> {
    records: &'a [u8],
}

impl<'a> StackObjects<'a> {
    /// A count (8 bytes), then the records.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let count = usize::try_from(u64_at(data, 0)?).ok()?;
        Some(Self { records: data.get(8..count.checked_mul(OBJECT)?.checked_add(8)?)? })
    }

    /// Number of objects.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len() / OBJECT
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The objects, by offset.
    pub fn iter(&self) -> impl Iterator<Item = StackObject> + use<'a> {
        self.records.chunks_exact(OBJECT).filter_map(|r| {
            let pointers = i32_at(r, 8)?;
            Some(StackObject {
                offset: i32_at(r, 0)?,
                size: u32::try_from(i32_at(r, 4)?).ok()?,
                pointer_bytes: pointers.unsigned_abs(),
                gc_program: pointers < 0,
                gcdata: u32_at(r, 12)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_end_where_they_say() {
        let map = [2, 0, 0, 0, 10, 0, 0, 0, 0b101, 0xff, 0, 0b10];
        let map = StackMap::read(&map).unwrap();
        assert_eq!((map.len(), map.words()), (2, 10));
        assert_eq!(map.get(0).unwrap().ones().collect::<Vec<_>>(), [0, 2, 8, 9]);
        assert_eq!(map.get(1).unwrap().ones().collect::<Vec<_>>(), [9]);
        assert!(map.get(2).is_none());
        assert!(map.get(0).unwrap().get(9) && !map.get(0).unwrap().get(10));
        assert!(StackMap::read(&[255, 255, 255, 127, 255, 255, 255, 127, 0]).is_none());
        assert!(StackObjects::read(&[255; 64]).is_none());
    }
}
