//! One bit per node.
//!
//! Owns marks and sets of nodes. Numbers out of range are never members and cannot be added.

use super::Array;

/// A set of numbers below a fixed bound.
#[derive(Debug)]
pub struct Bits {
    words: Array<u64>,
    len: u32,
}

impl Bits {
    /// The empty set over `0..len`.
    #[must_use]
    pub fn new(len: u32) -> Self {
        Bits { words: Array::zeroed(len.div_ceil(64) as usize), len }
    }

    /// The bound: members are below it.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.len
    }

    /// Whether `i` is a member.
    #[inline]
    #[must_use]
    pub fn get(&self, i: u32) -> bool {
        self.words.get((i >> 6) as usize).is_some_and(|w| w >> (i & 63) & 1 != 0)
    }

    /// Adds `i`; true if it was in range and not a member.
    #[inline]
    pub fn insert(&mut self, i: u32) -> bool {
        if i >= self.len {
            return false;
        }
        let word = &mut self.words[(i >> 6) as usize];
        let bit = 1u64 << (i & 63);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// How many members there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    /// Adds the members of another set, as far as they are in range.
    pub fn insert_all(&mut self, other: &Self) {
        let words = self.words.len();
        for (i, (to, from)) in self.words.iter_mut().zip(other.words.iter()).enumerate() {
            // Bits behind the bound are never set.
            let kept =
                if i + 1 == words && !self.len.is_multiple_of(64) { (1 << (self.len % 64)) - 1 } else { u64::MAX };
            *to |= from & kept;
        }
    }

    /// The numbers below `len` whose bit is set in `words`.
    pub(crate) fn from_words(len: u32, words: impl Iterator<Item = u64>) -> Self {
        let mut bits = Bits::new(len);
        let tail = u64::MAX >> (len.wrapping_neg() % 64);
        for (to, word) in bits.words.iter_mut().zip(words) {
            *to = word;
        }
        if let Some(last) = bits.words.last_mut() {
            *last &= tail;
        }
        bits
    }

    /// Adds all of a range, as far as it is in range.
    pub fn insert_range(&mut self, range: std::ops::Range<u32>) {
        let (mut at, end) = (range.start, range.end.min(self.len));
        while at < end {
            let n = (64 - at % 64).min(end - at);
            if let Some(word) = self.words.get_mut((at >> 6) as usize) {
                *word |= (u64::MAX >> (64 - n)) << (at & 63);
            }
            at += n;
        }
    }

    /// The words, 64 numbers each, lowest first.
    #[inline]
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// The words, 64 members each, lowest first: for loops that use the slice directly.
    #[inline]
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| {
            std::iter::successors((word != 0).then_some(word), |w| Some(w & (w - 1)).filter(|w| *w != 0))
                .map(move |w| i as u32 * 64 + w.trailing_zeros())
        })
    }
}

impl FromIterator<u32> for Bits {
    /// A set just large enough for the given numbers.
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let mut bits = Bits::new(numbers.iter().max().map_or(0, |m| m.saturating_add(1)));
        for i in numbers {
            bits.insert(i);
        }
        bits
    }
}
