//! Which slots of a span are in use: allocation and mark bits as the sweep left them.

use crate::spans::{Span, Sweep};
use gobinary::Memory;

/// What a slot is.
pub(crate) enum SlotState {
    Free,
    Live,
    Garbage,
}

/// The bits of one span.
#[derive(Default)]
pub(crate) struct BitReader {
    alloc: Vec<u8>,
    mark: Vec<u8>,
    free_index: u32,
    pending: bool,
}

impl BitReader {
    /// Reads a span's bits; false when they cannot be read.
    pub(crate) fn read(&mut self, memory: &dyn Memory, span: &Span) -> bool {
        // At most 1024 slots of 8 bytes a page: `slots` was checked against the span's length.
        let bytes = (span.slots as usize).div_ceil(8);
        self.alloc.resize(bytes, 0);
        self.mark.resize(bytes, 0);
        self.free_index = span.free_index;
        self.pending = span.sweep == Sweep::Pending;
        let alloc = span.free_index >= span.slots || memory.read(span.alloc_bits, &mut self.alloc).is_ok();
        alloc && (!self.pending || memory.read(span.mark_bits, &mut self.mark).is_ok())
    }

    /// What a slot of the span is that was read last.
    pub(crate) fn state(&self, slot: u32) -> SlotState {
        let bit = |bits: &[u8]| bits.get(slot as usize / 8).is_some_and(|b| b >> (slot % 8) & 1 != 0);
        if slot >= self.free_index && !bit(&self.alloc) {
            SlotState::Free
        } else if self.pending && !bit(&self.mark) {
            SlotState::Garbage
        } else {
            SlotState::Live
        }
    }
}
