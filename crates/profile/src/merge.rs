//! Adds profiles up, one at a time: read one, [`Merger::add`] it, drop it. Memory holds the sum
//! and one profile, however many there are. The result is that of pprof's `Merge` (same sample
//! identity, same header rules).
//!
//! Cost: each location of a profile is matched to the sum's location once; samples are then lists
//! of small integers. Profiles of one program list the same stacks in nearly the same order, so the
//! row after the last match is tried before any hash is taken: no hashing at all in that case.

use crate::columns::{Columns, Function, Label, Line, Mapping, NONE, Sid};
use crate::intern::Builder;
use crate::profile::Profile;
use crate::{ProfileError, ReadLimits};
use hashbrown::{DefaultHashBuilder, HashTable};
use model::Gap;
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
    /// Memory of the profile read last by [`Merger::add_bytes`].
    spare: Columns,
    /// Sample and location after the last match.
    next: (u32, u32),
    // Of the profile being added: its rows to the sum's.
    strings: Vec<Sid>,
    functions: Vec<u32>,
    mappings: Vec<u32>,
    locations: Vec<u32>,
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
        let n = self.profiles;
        let room = 256usize.saturating_sub(self.gaps.len());
        self.gaps.extend(
            profile.gaps.iter().take(room).map(|g| Gap { offset: g.offset, what: format!("profile {n}: {}", g.what) }),
        );
        Ok(())
    }

    /// Reads a profile (as [`Profile::read`] does) and adds it, in the memory of the one before:
    /// the cheapest way to merge many. Returns what had to be left out of this one, which is also
    /// kept for the sum's own gaps.
    ///
    /// # Errors
    /// Those of [`Profile::read`] and [`Merger::add`]; the sum is unchanged then.
    pub fn add_bytes(&mut self, bytes: &[u8], limits: &ReadLimits) -> Result<Vec<Gap>, ProfileError> {
        let spare = std::mem::take(&mut self.spare);
        let profile = Profile::read_reusing(bytes, limits, spare)?;
        let added = self.add(&profile);
        self.spare = profile.c;
        added.map(|()| profile.gaps)
    }

    /// Adds `sign` times `src`, its samples labelled as a difference's base if `base`.
    pub(crate) fn add_columns(&mut self, src: &Columns, sign: i64, base: bool) -> Result<(), ProfileError> {
        self.header(src)?;
        self.profiles += 1;
        self.next = (0, 0);
        reset(&mut self.strings, src.strings.len());
        reset(&mut self.functions, src.functions.len());
        reset(&mut self.mappings, src.mappings.len());
        reset(&mut self.locations, src.locations.len());
        self.strings[0] = 0;
        // The first mapping is the main program's: it stays the first.
        if !src.mappings.is_empty() && self.b.c.mappings.is_empty() {
            self.mapping(src, 0)?;
        }
        let base = match base {
            true => Some((self.b.string(BASE_LABEL)?, self.b.string(b"true")?)),
            false => None,
        };
        for i in 0..src.samples() {
            let values = src.values_of(i);
            if values.iter().any(|v| *v != 0) {
                if base.is_none() && self.follows(src, i) {
                    let row = self.next.0;
                    self.count(row, values, sign);
                    continue;
                }
                self.sample_key(src, i, base)?;
                self.sample(values, sign)?;
            }
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

    fn header(&mut self, src: &Columns) -> Result<(), ProfileError> {
        if self.profiles > 0 {
            return self.combine_header(src);
        }
        let copy = |s: Sid, b: &mut Builder| b.string(src.bytes(s));
        let b = &mut self.b;
        for t in &src.sample_types {
            let t = crate::columns::TypeUnit { kind: copy(t.kind, b)?, unit: copy(t.unit, b)? };
            b.c.sample_types.push(t);
        }
        if let Some(t) = src.period_type {
            let t = crate::columns::TypeUnit { kind: copy(t.kind, b)?, unit: copy(t.unit, b)? };
            b.c.period_type = Some(t);
        }
        b.c.drop_frames = copy(src.drop_frames, b)?;
        b.c.keep_frames = copy(src.keep_frames, b)?;
        self.combine_rest(src)
    }

    fn combine_header(&mut self, src: &Columns) -> Result<(), ProfileError> {
        let names = |c: &Columns| -> Vec<String> {
            (c.sample_types.iter().chain(&c.period_type))
                .map(|t| format!("{}/{}", c.str(t.kind), c.str(t.unit)))
                .collect()
        };
        let (ours, theirs) = (names(&self.b.c), names(src));
        if ours != theirs {
            return Err(ProfileError::Incompatible(format!(
                "the first has sample and period types {}; another has {}",
                ours.join(", "),
                theirs.join(", ")
            )));
        }
        self.combine_rest(src)
    }

    fn combine_rest(&mut self, src: &Columns) -> Result<(), ProfileError> {
        for s in &src.comments {
            let s = self.b.string(src.bytes(*s))?;
            if !self.b.c.comments.contains(&s) && self.b.c.comments.len() < 1 << 16 {
                self.b.c.comments.push(s);
            }
        }
        let default = self.b.string(src.bytes(src.default_sample_type))?;
        let doc = self.b.string(src.bytes(src.doc_url))?;
        let c = &mut self.b.c;
        if c.default_sample_type == 0 {
            c.default_sample_type = default;
        }
        if c.doc_url == 0 {
            c.doc_url = doc;
        }
        if c.time_nanos == 0 || src.time_nanos < c.time_nanos {
            c.time_nanos = src.time_nanos;
        }
        c.duration_nanos = c.duration_nanos.wrapping_add(src.duration_nanos);
        if c.period == 0 || c.period < src.period {
            c.period = src.period;
        }
        Ok(())
    }

    /// Whether the sample has the key of the row after the last match. False also when one of its
    /// rows was not met before in this profile.
    #[inline]
    fn follows(&self, src: &Columns, i: usize) -> bool {
        let c = &self.b.c;
        let row = self.next.0 as usize;
        let (stack, sum) = (src.stack_of(i), c.stack_of(row));
        let (labels, sum_labels) = (src.labels_of(i), c.labels_of(row));
        let same_labels = match (labels, sum_labels) {
            ([], []) => true,
            ([a], [b]) => {
                let to = |s: Sid| self.strings.get(s as usize).copied().unwrap_or(NONE);
                (to(a.key), to(a.text), to(a.unit), a.number) == (b.key, b.text, b.unit, b.number)
            }
            _ => false,
        };
        let to = |l: &u32| self.locations.get(*l as usize).copied().unwrap_or(NONE);
        row < c.samples() && stack.len() == sum.len() && same_labels && stack.iter().zip(sum).all(|(l, s)| to(l) == *s)
    }

    /// Puts the sample's stack and labels, in the sum's rows, into the scratch space.
    #[inline]
    fn sample_key(&mut self, src: &Columns, i: usize, base: Option<(Sid, Sid)>) -> Result<(), ProfileError> {
        self.stack.clear();
        for l in src.stack_of(i) {
            let mut to = self.locations[*l as usize];
            if to == NONE {
                to = self.location(src, *l)?;
            }
            self.stack.push(to);
        }
        self.labels.clear();
        for l in src.labels_of(i) {
            let label = Label {
                key: self.string(src, l.key, NONE)?,
                text: self.string(src, l.text, NONE)?,
                unit: self.string(src, l.unit, NONE)?,
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
        let guess = self.next.0;
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
        self.next.0 = row + 1;
        let at = row as usize * values.len();
        if let Some(sums) = self.b.c.values.get_mut(at..at + values.len()) {
            for (sum, v) in sums.iter_mut().zip(values) {
                *sum = sum.wrapping_add(v.wrapping_mul(sign));
            }
        }
    }

    fn string(&mut self, src: &Columns, s: Sid, guess: Sid) -> Result<Sid, ProfileError> {
        let known = self.strings[s as usize];
        if known != NONE {
            return Ok(known);
        }
        let bytes = src.bytes(s);
        let to = if guess != NONE && self.b.c.bytes(guess) == bytes { guess } else { self.b.string(bytes)? };
        self.strings[s as usize] = to;
        Ok(to)
    }

    fn function(&mut self, src: &Columns, f: u32, guess: u32) -> Result<u32, ProfileError> {
        let known = self.functions[f as usize];
        if known != NONE {
            return Ok(known);
        }
        let from = src.functions[f as usize];
        let g = self.b.c.functions.get(guess as usize).copied();
        let near = |s: fn(&Function) -> Sid| g.as_ref().map_or(NONE, s);
        let mapped = Function {
            id: 0,
            name: self.string(src, from.name, near(|g| g.name))?,
            system_name: self.string(src, from.system_name, near(|g| g.system_name))?,
            file: self.string(src, from.file, near(|g| g.file))?,
            start_line: from.start_line,
        };
        let to = match g {
            Some(g)
                if (g.name, g.system_name, g.file, g.start_line)
                    == (mapped.name, mapped.system_name, mapped.file, mapped.start_line) =>
            {
                guess
            }
            _ => self.b.function(mapped),
        };
        self.functions[f as usize] = to;
        Ok(to)
    }

    /// Same mapping: same size in pages, offset, and build id or file (pprof's rule: addresses
    /// differ between processes).
    fn mapping(&mut self, src: &Columns, m: u32) -> Result<u32, ProfileError> {
        let known = self.mappings[m as usize];
        if known != NONE {
            return Ok(known);
        }
        let from = src.mappings[m as usize];
        let mapped = Mapping {
            file: self.string(src, from.file, NONE)?,
            build_id: self.string(src, from.build_id, NONE)?,
            ..from
        };
        let key = mapping_key(&mapped);
        let found = (self.b.c.mappings.iter()).position(|m| mapping_key(m) == key);
        let to = match found {
            Some(i) => i as u32,
            None => self.b.mapping(mapped),
        };
        self.mappings[m as usize] = to;
        Ok(to)
    }

    #[cold]
    #[inline(never)]
    fn location(&mut self, src: &Columns, l: u32) -> Result<u32, ProfileError> {
        let from = src.locations[l as usize];
        let mut address = from.address;
        let mut mapping = NONE;
        if from.mapping != NONE {
            mapping = self.mapping(src, from.mapping)?;
            let shift =
                self.b.c.mappings[mapping as usize].start.wrapping_sub(src.mappings[from.mapping as usize].start);
            address = address.wrapping_add(shift);
        }
        let guess = self.next.1;
        let near = self.b.c.locations.get(guess as usize).map(|g| g.lines);
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        for (i, line) in src.lines_of(l).iter().enumerate() {
            let near = near
                .filter(|g| i < (g.1 - g.0) as usize)
                .and_then(|g| self.b.c.lines.get(g.0 as usize + i))
                .map_or(NONE, |l| l.function);
            lines.push(Line { function: self.function(src, line.function, near)?, ..*line });
        }
        let same = self.b.c.locations.get(guess as usize).is_some_and(|g| {
            (g.address, g.mapping, g.folded) == (address, mapping, from.folded) && self.b.c.lines_of(guess) == lines
        });
        let to = if same { guess } else { self.b.location(mapping, address, from.folded, &lines) };
        self.lines = lines;
        self.next.1 = to + 1;
        self.locations[l as usize] = to;
        Ok(to)
    }
}

fn reset(v: &mut Vec<u32>, n: usize) {
    v.clear();
    v.resize(n.max(1), NONE);
}

fn mapping_key(m: &Mapping) -> (u64, u64, Sid) {
    const PAGE: u64 = 0x1000;
    let size = m.limit.wrapping_sub(m.start).wrapping_add(PAGE - 1);
    let name = if m.build_id != 0 { m.build_id } else { m.file };
    (size - size % PAGE, m.offset, name)
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
