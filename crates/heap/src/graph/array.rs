//! Large zeroed arrays on huge pages.
//!
//! Owns where the memory of an array comes from. The arrays of a graph are read at random: with pages of 4
//! KiB most reads miss the TLB as well as the cache. Refuses nothing: where huge pages cannot be had it is
//! ordinary memory.

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

/// Below this many bytes the general allocator serves.
const MAPPED_FROM: usize = 1 << 20;
/// The same for what is soon gone again: the general allocator would keep it.
const SHORT_LIVED_FROM: usize = 1 << 15;
/// Mappings are multiples of a huge page, so that their last part lies on one too.
const HUGE_PAGE: usize = 2 << 20;

/// A fixed number of zeroed values; memory is resident only where written.
pub struct Array<T> {
    memory: Memory<T>,
}

enum Memory<T> {
    Heap(Vec<T>),
    /// At least so many bytes.
    Mapped(MmapMut, usize),
}

impl<T: Pod + Zeroable> Array<T> {
    /// `len` zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let bytes = len.saturating_mul(size_of::<T>());
        if (MAPPED_FROM..usize::MAX / 2).contains(&bytes)
            && let Ok(map) = MmapMut::map_anon(bytes.next_multiple_of(HUGE_PAGE))
        {
            // Advice only: the kernel may be built or set up without huge pages.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
            return Array { memory: Memory::Mapped(map, bytes) };
        }
        Array { memory: Memory::Heap(vec![T::zeroed(); len]) }
    }

    /// A copy that lives for a while only: its memory goes back to the system with it.
    #[must_use]
    pub(crate) fn short_lived(values: &[T]) -> Self {
        let bytes = size_of_val(values);
        if bytes >= SHORT_LIVED_FROM
            && let Ok(map) = MmapMut::map_anon(bytes)
        {
            let mut array = Array { memory: Memory::Mapped(map, bytes) };
            array.copy_from_slice(values);
            return array;
        }
        Array { memory: Memory::Heap(values.to_vec()) }
    }
}

impl<T: Pod> Deref for Array<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        match &self.memory {
            Memory::Heap(v) => v,
            Memory::Mapped(m, bytes) => bytemuck::cast_slice(&m[..*bytes]),
        }
    }
}

impl<T: Pod> DerefMut for Array<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Heap(v) => v,
            Memory::Mapped(m, bytes) => bytemuck::cast_slice_mut(&mut m[..*bytes]),
        }
    }
}

impl<T: Pod> std::fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Array of {}", self.len())
    }
}
