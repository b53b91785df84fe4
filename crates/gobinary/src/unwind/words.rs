//! Words of a stack, read a block at a time: a source that has to ask another process for each read
//! is asked once per block. It owns that one block.

use crate::Memory;

const BLOCK: u64 = 4096;

/// Reads single words that lie near each other.
pub(super) struct Words<'m> {
    memory: &'m dyn Memory,
    block: Vec<u8>,
    start: u64,
}

impl<'m> Words<'m> {
    pub(super) const fn new(memory: &'m dyn Memory) -> Self {
        Self { memory, block: Vec::new(), start: 0 }
    }

    /// The word at `address`.
    pub(super) fn get(&mut self, address: u64) -> Option<u64> {
        if let Some(bytes) = self.memory.bytes(address, 8) {
            return Some(u64::from_le_bytes(bytes.try_into().ok()?));
        }
        if let Some(word) = self.cached(address) {
            return Some(word);
        }
        let mut block = std::mem::take(&mut self.block);
        block.resize(usize::try_from(BLOCK).ok()?, 0);
        let start = address & !(BLOCK - 1);
        if self.memory.read(start, &mut block).is_ok() {
            (self.block, self.start) = (block, start);
            if let Some(word) = self.cached(address) {
                return Some(word);
            }
        }
        // At the edge of what is readable, or across two blocks.
        self.memory.u64(address).ok()
    }

    fn cached(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.block.get(offset..offset.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}
