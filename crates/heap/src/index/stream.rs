//! Sections of numbers behind each other in a stream. Owns magic number, lengths and checksums; refuses lengths
//! that are not those that were expected or are beyond what there is.

use crate::graph::Array;
use bytemuck::Pod;
use std::io::{Read, Write};

/// The first bytes of an index; the last two tell line-wise transfers from binary ones.
const MAGIC: [u8; 8] = *b"oomphx\r\n";
/// Of the format.
const VERSION: u32 = 2;
/// Reads differently on a machine of the other byte order.
const ORDER: u32 = 0x0102_0304;
/// Longest key.
const MOST_KEY: usize = 1 << 16;

/// Why an index is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// It cannot be read.
    #[error("reading the index: {0}")]
    Read(#[from] std::io::Error),
    /// A section fails its checksum.
    #[error("section {section} of the index is damaged")]
    Damaged {
        /// Counted from 1.
        section: u32,
    },
    /// It does not fit.
    #[error("the index is not used: {0}")]
    Other(&'static str),
}

/// Writes sections.
pub(crate) struct IndexWriter<'a> {
    to: &'a mut dyn Write,
}

impl<'a> IndexWriter<'a> {
    pub(super) fn new(to: &'a mut dyn Write, key: &[u8]) -> std::io::Result<Self> {
        let mut out = Self { to };
        out.to.write_all(&MAGIC)?;
        out.section(&[VERSION, ORDER])?;
        out.section(key)?;
        Ok(out)
    }

    /// Writes the next section.
    pub(crate) fn section<T: Pod>(&mut self, values: &[T]) -> std::io::Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.to.write_all(&(values.len() as u64).to_le_bytes())?;
        self.to.write_all(&crc32fast::hash(bytes).to_le_bytes())?;
        self.to.write_all(bytes)
    }

    pub(super) fn finish(mut self) -> std::io::Result<()> {
        self.section(&MAGIC)?;
        self.to.flush()
    }
}

/// Reads sections.
pub(crate) struct IndexReader<'a> {
    from: &'a mut dyn Read,
    /// Bytes there are at most.
    left: u64,
    section: u32,
    /// Checksums are looked at.
    checked: bool,
}

impl<'a> IndexReader<'a> {
    pub(super) fn new(from: &'a mut dyn Read, len: u64, key: &[u8]) -> Result<Self, IndexError> {
        let mut input = Self { from, left: len, section: 0, checked: true };
        let mut magic = MAGIC;
        input.read(&mut magic)?;
        if magic != MAGIC {
            return Err(IndexError::Other("it is no index"));
        }
        if *input.array::<u32>(2)? != [VERSION, ORDER] {
            return Err(IndexError::Other("another release wrote it"));
        }
        if *input.array_to::<u8>(MOST_KEY)? != *key {
            return Err(IndexError::Other("it is of another core file"));
        }
        Ok(input)
    }

    /// Sections without a head, whose checksums may be anything.
    pub(crate) fn of_sections(from: &'a mut dyn Read, len: u64) -> Self {
        Self { from, left: len, section: 0, checked: false }
    }

    fn read(&mut self, to: &mut [u8]) -> Result<(), IndexError> {
        self.left = self.left.checked_sub(to.len() as u64).ok_or(IndexError::Other("it is cut"))?;
        Ok(self.from.read_exact(to)?)
    }

    /// The next section, of `count` values.
    pub(crate) fn array<T: Pod>(&mut self, count: usize) -> Result<Array<T>, IndexError> {
        let array = self.array_to(count)?;
        if array.len() == count { Ok(array) } else { Err(IndexError::Other("a section is too short")) }
    }

    /// The next section, of at most `most` values.
    pub(crate) fn array_to<T: Pod>(&mut self, most: usize) -> Result<Array<T>, IndexError> {
        let (mut count, mut sum) = ([0; 8], [0; 4]);
        self.read(&mut count)?;
        self.read(&mut sum)?;
        self.section += 1;
        let count = u64::from_le_bytes(count);
        if count > most as u64 || count.checked_mul(size_of::<T>() as u64).is_none_or(|bytes| bytes > self.left) {
            return Err(IndexError::Other("a section is too long"));
        }
        let mut array = Array::zeroed(count as usize);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut array);
        self.read(bytes)?;
        if self.checked && crc32fast::hash(bytes) != u32::from_le_bytes(sum) {
            return Err(IndexError::Damaged { section: self.section });
        }
        Ok(array)
    }

    /// Nothing follows but the end mark.
    pub(crate) fn finish(mut self) -> Result<(), IndexError> {
        match *self.array::<u8>(MAGIC.len())? == MAGIC {
            true => Ok(()),
            false => Err(IndexError::Other("its end is missing")),
        }
    }
}
