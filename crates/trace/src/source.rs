//! Where the bytes of a trace come from: memory (a slice, a mapped file) or something that is read in parts.
//!
//! Refuses: opening files. A caller that wants constant memory for a file larger than that implements
//! [`Source`] with positioned reads; a slice is read in place.

use std::io;

/// Bytes of a trace by offset.
pub trait Source: Sync {
    /// Number of bytes.
    fn size(&self) -> u64;

    /// Reads bytes from `offset` on into `buffer`: as many as fit, fewer only where the source ends.
    ///
    /// # Errors
    /// Those of the underlying device; an end of the bytes is not an error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// All the bytes, where they are in memory anyway.
    fn memory(&self) -> Option<&[u8]> {
        None
    }
}

impl Source for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let there = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let len = there.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), there.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }

    fn memory(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// A payload of `len` bytes at `offset`, held in `buffer` where the source is not in memory.
///
/// # Errors
/// Those of the source; an end before `len` bytes is one here.
pub(crate) fn payload<'a, S: Source + ?Sized>(
    source: &'a S,
    offset: u64,
    len: usize,
    buffer: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    if let Some(all) = source.memory() {
        return part(all, offset, len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
    }
    fill(source, offset, len, buffer)?;
    Ok(buffer)
}

/// Reads a payload into `buffer`.
pub(crate) fn fill<S: Source + ?Sized>(source: &S, offset: u64, len: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.resize(len, 0);
    if source.read_at(offset, buffer)? < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// A part of bytes in memory.
pub(crate) fn part(all: &[u8], offset: u64, len: usize) -> Option<&[u8]> {
    all.get(usize::try_from(offset).ok()?..)?.get(..len)
}
