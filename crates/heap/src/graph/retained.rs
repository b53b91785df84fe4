//! Sums of sizes over the dominator tree.
//!
//! Owns how a retained size is stored: 4 bytes while the whole heap is below 4 GiB, 6 otherwise. Refuses sizes of
//! 2^48 bytes and more by holding them at the largest value.

use super::Array;

/// One size in bytes per number.
#[derive(Debug)]
pub(super) struct Sizes {
    low: Array<u32>,
    /// Bits 32 to 47, if the sum of all sizes needs them.
    high: Option<Array<u16>>,
}

const MAX: u64 = (1 << 48) - 1;

impl Sizes {
    /// `count` numbers of the sizes that `all` adds, each once. Called once, or twice if they add up to 4 GiB or
    /// more.
    pub(super) fn new(count: u32, mut all: impl FnMut(&mut dyn FnMut(u32, u64))) -> Self {
        let mut low: Array<u32> = Array::zeroed(count as usize);
        let mut total = 0u64;
        let lows = &mut *low;
        all(&mut |i, size| {
            total = total.saturating_add(size);
            lows[i as usize] = size as u32;
        });
        if total <= u64::from(u32::MAX) {
            return Sizes { low, high: None };
        }
        let mut high: Array<u16> = Array::zeroed(count as usize);
        let (lows, highs) = (&mut *low, &mut *high);
        all(&mut |i, size| {
            let size = size.min(MAX);
            (lows[i as usize], highs[i as usize]) = (size as u32, (size >> 32) as u16);
        });
        Sizes { low, high: Some(high) }
    }

    /// The sizes' lower 32 bits, and the others or nothing.
    pub(super) fn parts(&self) -> (&[u32], &[u16]) {
        (&self.low, self.high.as_deref().unwrap_or_default())
    }

    /// Of the same parts.
    pub(super) fn of_parts(low: Array<u32>, high: Option<Array<u16>>) -> Self {
        Sizes { low, high }
    }

    #[inline]
    pub(super) fn get(&self, i: u32) -> u64 {
        let high = self.high.as_deref().map_or(0, |h| h[i as usize]);
        u64::from(high) << 32 | u64::from(self.low[i as usize])
    }

    /// Adds each number's size to that of its dominator, highest number first: a dominator's number is
    /// smaller than those it dominates.
    pub(super) fn sum_up(&mut self, dominator: &[u32]) {
        let low = &mut *self.low;
        let n = low.len().min(dominator.len());
        match self.high.as_deref_mut() {
            None => {
                for i in (1..n).rev() {
                    let size = low[i];
                    let into = &mut low[dominator[i] as usize];
                    *into = into.saturating_add(size);
                }
            }
            Some(high) => {
                for i in (1..n).rev() {
                    let d = dominator[i] as usize;
                    let a = u64::from(high[i]) << 32 | u64::from(low[i]);
                    let b = u64::from(high[d]) << 32 | u64::from(low[d]);
                    let sum = (a + b).min(MAX);
                    (low[d], high[d]) = (sum as u32, (sum >> 32) as u16);
                }
            }
        }
    }
}
