//! A cache in front of a memory that must be asked for every read, such as the frozen copy of a
//! process: small reads come from blocks that were read before. It owns the blocks; it refuses to
//! serve memory that changes (a running process): a cached word would be older than its neighbours.

use crate::{Memory, Region, Unreadable};
use std::sync::{Mutex, PoisonError};

/// Bytes read at a time.
const BLOCK: usize = 16 << 10;
/// Blocks kept: 32 MiB.
const BLOCKS: usize = 2048;

struct Block {
    /// Address of its first byte; `u64::MAX` while it is empty.
    address: u64,
    bytes: Box<[u8]>,
}

/// Memory with a cache of blocks.
pub struct Cached<'m> {
    memory: &'m dyn Memory,
    blocks: Vec<Mutex<Block>>,
}

impl std::fmt::Debug for Cached<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cached").field("blocks", &self.blocks.len()).finish_non_exhaustive()
    }
}

impl<'m> Cached<'m> {
    /// An empty cache in front of `memory`, which must not change.
    #[must_use]
    pub fn new(memory: &'m dyn Memory) -> Self {
        let empty = || Mutex::new(Block { address: u64::MAX, bytes: Box::default() });
        Self { memory, blocks: (0..BLOCKS).map(|_| empty()).collect() }
    }

    /// Copies from the block at `start`; `None` when the block cannot be read whole.
    fn copy(&self, start: u64, offset: usize, buf: &mut [u8]) -> Option<()> {
        let slot = self.blocks.get((start / BLOCK as u64) as usize % BLOCKS)?;
        let mut block = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if block.address != start {
            if block.bytes.is_empty() {
                block.bytes = vec![0; BLOCK].into_boxed_slice();
            }
            block.address = u64::MAX;
            self.memory.read(start, &mut block.bytes).ok()?;
            block.address = start;
        }
        buf.copy_from_slice(block.bytes.get(offset..offset.checked_add(buf.len())?)?);
        Some(())
    }
}

impl Memory for Cached<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        // What lies in this process's memory needs no copy.
        if let Some(bytes) = self.memory.bytes(address, buf.len()) {
            buf.copy_from_slice(bytes);
            return Ok(());
        }
        let offset = address % BLOCK as u64;
        let fits = offset + buf.len() as u64 <= BLOCK as u64;
        if fits && self.copy(address - offset, offset as usize, buf).is_some() {
            return Ok(());
        }
        self.memory.read(address, buf)
    }

    fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        self.memory.bytes(address, len)
    }

    fn regions(&self) -> &[Region] {
        self.memory.regions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slices;

    /// Memory that must be asked for every read.
    struct Asked<'a>(Slices<'a>);

    impl Memory for Asked<'_> {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
            self.0.read(address, buf)
        }

        fn bytes(&self, _: u64, _: usize) -> Option<&[u8]> {
            None
        }

        fn regions(&self) -> &[Region] {
            self.0.regions()
        }
    }

    #[test]
    fn cached_reads_are_those_of_the_memory() {
        let data: Vec<u8> = (0..3 * BLOCK).map(|i| (i % 251) as u8).collect();
        let memory = Asked(Slices::new([(0x10000, &data[..], false, false)]));
        let cached = Cached::new(&memory);
        for at in [0, 1, 4096, BLOCK - 4, BLOCK, 2 * BLOCK - 1, 3 * BLOCK - 8] {
            for _ in 0..2 {
                let mut buf = [0; 8];
                cached.read(0x10000 + at as u64, &mut buf).unwrap();
                assert_eq!(buf, data[at..at + 8]);
            }
        }
        assert_eq!(
            cached.u64(0x10000 + data.len() as u64 - 4),
            Err(Unreadable { address: 0x10000 + data.len() as u64 })
        );
        assert!(cached.u8(0).is_err());
    }
}
