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
    /// `count` numbers of these sizes, which add up to `total`.
    pub(super) fn new(count: u32, total: u64, mut size: impl FnMut(u32) -> u64) -> Self {
        let wide = total > u64::from(u32::MAX);
        let mut sizes = Sizes { low: Array::zeroed(count as usize), high: wide.then(|| Array::zeroed(count as usize)) };
        let low = &mut *sizes.low;
        match sizes.high.as_deref_mut() {
            None => {
                for (i, low) in low.iter_mut().enumerate() {
                    *low = size(i as u32) as u32;
                }
            }
            Some(high) => {
                for (i, (low, high)) in low.iter_mut().zip(high).enumerate() {
                    let size = size(i as u32).min(MAX);
                    (*low, *high) = (size as u32, (size >> 32) as u16);
                }
            }
        }
        sizes
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
