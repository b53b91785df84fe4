//! Adds profiles up, one at a time: read one, [`Merger::add`] it, drop it. Memory holds the sum
//! and one profile, however many there are. The result is that of pprof's `Merge` (same sample
//! identity, same header rules).
//!
//! Cost: each location of a profile is matched to the sum's location once; samples are then lists
//! of small integers. Profiles of one program list the same stacks in nearly the same order, so the
//! row after the last match is tried before any hash is taken: no hashing at all in that case.

mod follow;
mod header;
mod rows;

use crate::columns::{Columns, Label, Line, NONE, Sid};
use crate::decode::Message;
use crate::gaps::Gaps;
use crate::intern::Builder;
use crate::profile::{self, Opened, Profile};
use crate::{ProfileError, ReadLimits};
use hashbrown::{DefaultHashBuilder, HashTable};
use model::Gap;
use rows::{Plain, RowMap};
use std::hash::{BuildHasher, Hash, Hasher};

/// Label on the samples of the base in a difference (pprof's own).
pub(crate) const BASE_LABEL: &[u8] = b"pprof::base";

/// A sum of profiles.
#[derive(Default)]
pub struct Merger {
    b: Builder,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    profiles: u64,
    gaps: Vec<Gap>,
    /// Memory of the profile read last by [`Merger::add_bytes`], and of a single sample of it.
    spare: Message,
    one: Columns,
    /// Sample after the last match.
    next: u32,
    // Of the profile being added: its rows to the sum's.
    strings: RowMap,
    functions: RowMap,
    locations: RowMap,
    /// Of the sum: its locations in short, and the last one of an address.
    plain: Vec<Plain>,
    by_address: Vec<u32>,
    mappings: Vec<u32>,
    /// Locations of the sum by the ids of the file.
    by_id: Vec<u32>,
    stack: Vec<u32>,
    labels: Vec<Label>,
    lines: Vec<Line>,
}

impl Merger {
    /// An empty sum.
    #[must_use]
    pub fn new() -> Self {
        Self { b: Builder::new(), ..Self::default() }
    }

    /// Number of profiles added.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.profiles
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profiles == 0
    }

    /// Adds `profile`.
    ///
    /// # Errors
    /// [`ProfileError::Incompatible`] when its sample types or period type are others than the
    /// first profile's; the sum is unchanged then.
    pub fn add(&mut self, profile: &Profile) -> Result<(), ProfileError> {
        self.add_columns(&profile.c, 1, false)?;
        self.keep_gaps(&profile.gaps);
        Ok(())
    }

    /// Reads a profile (as [`Profile::read`] does) and adds it, in the memory of the one before:
    /// the cheapest way to merge many. Returns what had to be left out of this one, which is also
    /// kept for the sum's own gaps.
    ///
    /// # Errors
    /// Those of [`Profile::read`] and [`Merger::add`]; the sum is unchanged then.
    pub fn add_bytes(&mut self, bytes: &[u8], limits: &ReadLimits) -> Result<Vec<Gap>, ProfileError> {
        let mut gaps = Gaps::default();
        match profile::open(bytes, limits, &mut gaps, std::mem::take(&mut self.spare))? {
            Opened::Text(c) => self.add_columns(&c, 1, false)?,
            Opened::Proto(message) => {
                let added = self.add_message(&message, &mut gaps);
                self.spare = message;
                added?;
            }
        }
        let gaps = gaps.finish();
        self.keep_gaps(&gaps);
        Ok(gaps)
    }

    fn keep_gaps(&mut self, gaps: &[Gap]) {
        let n = self.profiles;
        let room = 256usize.saturating_sub(self.gaps.len());
        self.gaps
            .extend(gaps.iter().take(room).map(|g| Gap { offset: g.offset, what: format!("profile {n}: {}", g.what) }));
    }

    /// Adds `sign` times `src`, its samples labelled as a difference's base if `base`.
    pub(crate) fn add_columns(&mut self, src: &Columns, sign: i64, base: bool) -> Result<(), ProfileError> {
        self.begin(src)?;
        let base = match base {
            true => Some((self.b.string(BASE_LABEL)?, self.b.string(b"true")?)),
            false => None,
        };
        for i in 0..src.samples() {
            let values = src.values_of(i);
            if values.iter().any(|v| *v != 0) {
                self.sample_key(src, src.stack_of(i), src.labels_of(i), base)?;
                self.sample(values, sign)?;
            }
        }
        Ok(())
    }

    /// Adds a message sample by sample: most are the expected ones and never unpacked.
    fn add_message(&mut self, message: &Message, gaps: &mut Gaps) -> Result<(), ProfileError> {
        let src = &message.c;
        self.begin(src)?;
        let mut decoder = message.decoder(gaps);
        let mut one = std::mem::take(&mut self.one);
        let mut values = vec![0; src.sample_types.len()];
        for sample in message.samples() {
            if self.follows(sample, src, &mut values) {
                if values.iter().any(|v| *v != 0) {
                    self.count(self.next, &values, 1);
                }
                continue;
            }
            one.clear_samples();
            if decoder.append(sample, &mut one) && one.values.iter().any(|v| *v != 0) {
                self.sample_key(src, &one.stack, &one.labels, None)?;
                self.sample(&one.values, 1)?;
            }
        }
        self.one = one;
        Ok(())
    }

    /// Takes over the header and finds what is known of the tables.
    fn begin(&mut self, src: &Columns) -> Result<(), ProfileError> {
        self.header(src)?;
        self.profiles += 1;
        self.next = 0;
        self.start(src);
        self.find_known(src);
        // The first mapping is the main program's: it stays the first.
        if !src.mappings.is_empty() && self.b.c.mappings.is_empty() {
            self.mapping(src, 0)?;
        }
        Ok(())
    }

    /// The sum.
    ///
    /// # Errors
    /// [`ProfileError::Incompatible`] when nothing was added.
    pub fn finish(self) -> Result<Profile, ProfileError> {
        if self.profiles == 0 {
            return Err(ProfileError::Incompatible("there are none".to_owned()));
        }
        let gaps = self.gaps;
        let c = self.b.c;
        let zero = (0..c.samples()).any(|i| c.values_of(i).iter().all(|v| *v == 0));
        if !zero {
            return Ok(Profile { c, gaps });
        }
        // Sums that came out as zero go, and with them what only they used.
        let mut again = Self::new();
        again.add_columns(&c, 1, false)?;
        Ok(Profile { c: again.b.c, gaps })
    }

    /// Puts the sample's stack and labels, in the sum's rows, into the scratch space.
    #[inline]
    fn sample_key(
        &mut self,
        src: &Columns,
        stack: &[u32],
        labels: &[Label],
        base: Option<(Sid, Sid)>,
    ) -> Result<(), ProfileError> {
        self.stack.clear();
        for l in stack {
            let mut to = self.locations.get(*l);
            if to == NONE {
                to = self.location(src, *l)?;
            }
            self.stack.push(to);
        }
        self.labels.clear();
        for l in labels {
            let label = Label {
                key: self.string(src, l.key)?,
                text: self.string(src, l.text)?,
                unit: self.string(src, l.unit)?,
                number: l.number,
            };
            if base.is_none_or(|b| b.0 != label.key || label.text == 0) {
                self.labels.push(label);
            }
        }
        if let Some((key, text)) = base {
            self.labels.push(Label { key, text, unit: 0, number: 0 });
        }
        if self.labels.len() > 1 {
            self.labels.sort_by_key(|l| (l.text == 0, l.key));
        }
        Ok(())
    }

    /// Adds the values to the sample of that key.
    #[inline]
    fn sample(&mut self, values: &[i64], sign: i64) -> Result<(), ProfileError> {
        let c = &mut self.b.c;
        let guess = self.next;
        let same = |c: &Columns, i: u32| c.stack_of(i as usize) == self.stack && c.labels_of(i as usize) == self.labels;
        let row = if (guess as usize) < c.samples() && same(c, guess) {
            guess
        } else {
            let hash = key_hash(&self.hasher, &self.stack, &self.labels);
            match self.table.find(hash, |i| same(c, *i)) {
                Some(i) => *i,
                None => {
                    let limit = u64::from(NONE);
                    if c.stack.len() + self.stack.len() >= NONE as usize
                        || c.labels.len() + self.labels.len() >= NONE as usize
                    {
                        return Err(ProfileError::TooMany { what: "stack entries", limit });
                    }
                    let i = c.samples() as u32;
                    c.stack.extend_from_slice(&self.stack);
                    c.labels.extend_from_slice(&self.labels);
                    c.values.extend(values.iter().map(|_| 0));
                    c.end_sample();
                    let (c, h) = (&*c, &self.hasher);
                    self.table
                        .insert_unique(hash, i, |i| key_hash(h, c.stack_of(*i as usize), c.labels_of(*i as usize)));
                    i
                }
            }
        };
        self.count(row, values, sign);
        Ok(())
    }

    #[inline]
    fn count(&mut self, row: u32, values: &[i64], sign: i64) {
        self.next = row + 1;
        let at = row as usize * values.len();
        if let Some(sums) = self.b.c.values.get_mut(at..at + values.len()) {
            for (sum, v) in sums.iter_mut().zip(values) {
                *sum = sum.wrapping_add(v.wrapping_mul(sign));
            }
        }
    }
}

fn key_hash(h: &DefaultHashBuilder, stack: &[u32], labels: &[Label]) -> u64 {
    let mut s = h.build_hasher();
    stack.hash(&mut s);
    for l in labels {
        s.write_u64(u64::from(l.key) << 32 | u64::from(l.text));
        s.write_u64(l.number as u64 ^ u64::from(l.unit) << 32);
    }
    s.finish()
}
