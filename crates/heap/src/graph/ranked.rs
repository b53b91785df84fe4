//! A set of numbers in which each member has a place: how many members are smaller.
//!
//! Owns the step from a sparse number to a dense one and back. The bits of 64 numbers lie beside the count of
//! members before them, so that membership and place come from one cache line.

use super::{Array, Bits};

/// Members between two entries of the index of [`Ranked::member`].
const STEP: u32 = 512;

/// The bits of 64 numbers, and how many members are before them.
type Word = [u64; 2];

/// A set of numbers below a fixed bound, 0.26 bytes per number.
pub struct Ranked {
    words: Array<Word>,
    /// The word of every 512th member.
    samples: Vec<u32>,
    bound: u32,
    count: u32,
}

impl std::fmt::Debug for Ranked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.count, self.bound)
    }
}

impl Ranked {
    /// The numbers below `bound` whose bit is set in `words`: 64 numbers in each, the lowest first. Words that are
    /// missing have no members.
    pub fn new(bound: u32, words: impl Iterator<Item = u64>) -> Self {
        let mut ranked =
            Ranked { words: Array::zeroed(bound.div_ceil(64) as usize), samples: Vec::new(), bound, count: 0 };
        let tail = u64::MAX >> (bound.wrapping_neg() % 64);
        let last = (bound.div_ceil(64) as usize).wrapping_sub(1);
        let mut before = 0;
        for (i, (word, members)) in ranked.words.iter_mut().zip(words).enumerate() {
            let members = if i == last { members & tail } else { members };
            *word = [members, u64::from(before)];
            before += members.count_ones();
            while (ranked.samples.len() as u32).saturating_mul(STEP) < before {
                ranked.samples.push(i as u32);
            }
        }
        ranked.count = before;
        ranked
    }

    /// The members of a set.
    #[must_use]
    pub fn of(set: &Bits) -> Self {
        Self::new(set.bound(), set.words().iter().copied())
    }

    /// The bound: members are below it.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// How many members there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether `i` is a member.
    #[inline]
    #[must_use]
    pub fn contains(&self, i: u32) -> bool {
        self.words.get((i >> 6) as usize).is_some_and(|w| w[0] >> (i & 63) & 1 != 0)
    }

    /// The place of a member, from 0.
    #[inline]
    #[must_use]
    pub fn place(&self, i: u32) -> Option<u32> {
        let [members, before] = *self.words.get((i >> 6) as usize)?;
        let bit = 1u64 << (i & 63);
        (members & bit != 0).then(|| before as u32 + (members & (bit - 1)).count_ones())
    }

    /// The place of a member, or how many members are smaller than what is none.
    #[inline]
    pub(super) fn place_or_before(&self, i: u32) -> Result<u32, u32> {
        let Some(&[members, before]) = self.words.get((i >> 6) as usize) else { return Err(self.count) };
        let bit = 1u64 << (i & 63);
        let place = before as u32 + (members & (bit - 1)).count_ones();
        if members & bit != 0 { Ok(place) } else { Err(place) }
    }

    /// How many members are smaller than `i`.
    #[inline]
    #[must_use]
    pub fn before(&self, i: u32) -> u32 {
        match self.words.get((i >> 6) as usize) {
            Some([members, before]) => *before as u32 + (members & ((1u64 << (i & 63)) - 1)).count_ones(),
            None => self.count,
        }
    }

    /// The member at a place.
    #[must_use]
    pub fn member(&self, place: u32) -> Option<u32> {
        let mut at = *self.samples.get((place / STEP) as usize)? as usize;
        while self.words.get(at + 1).is_some_and(|w| w[1] <= u64::from(place)) {
            at += 1;
        }
        let [mut members, before] = *self.words.get(at)?;
        for _ in before..u64::from(place) {
            members &= members.wrapping_sub(1);
        }
        (members != 0).then(|| at as u32 * 64 + members.trailing_zeros())
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let first = (word[0] != 0).then_some(word[0]);
            std::iter::successors(first, |w| Some(w & (w - 1)).filter(|w| *w != 0))
                .map(move |w| i as u32 * 64 + w.trailing_zeros())
        })
    }

    /// The bits of the members, 64 numbers in each word.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().map(|w| w[0])
    }

    /// Asks for what the place of `i` is read from.
    #[inline]
    pub(super) fn prefetch(&self, i: u32) {
        prefetch_index::prefetch_index(&*self.words, (i >> 6) as usize);
    }
}
