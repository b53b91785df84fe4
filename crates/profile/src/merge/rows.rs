//! From the rows of the profile being added to the rows of the sum. Owns the order of rows: a row of
//! the sum is made when the first sample needs it, never before.
//!
//! [`Merger::find_known`] finds in one go what the sum has already: profiles of one process list
//! nearly the same rows in nearly the same order, so the row that came next in the profile before is
//! compared first, and the hash tables are asked only where that is another one.

use super::Merger;
use crate::ProfileError;
use crate::columns::{Columns, Function, Line, Mapping, NONE, Sid};

/// Rows of one table of the profile being added, as rows of the sum.
#[derive(Default)]
pub(super) struct RowMap {
    /// [`NONE`] for those not met.
    to: Vec<u32>,
    /// The same of the profile before, [`NONE`] for those met again.
    before: Vec<u32>,
    /// Where in `before` a row of the sum is.
    place: Vec<u32>,
    /// Where in `before` the next one is expected.
    next: usize,
}

/// A location of the sum with a single line and nothing unusual: all of it in half a cache line.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    address: u64,
    line: i64,
    mapping: u32,
    /// [`NONE`] for a location that is not plain.
    function: u32,
}

impl Plain {
    const NOT: Self = Self { address: 0, line: 0, mapping: NONE, function: NONE };

    #[inline]
    fn of(mapping: u32, address: u64, folded: bool, lines: &[Line]) -> Self {
        match lines {
            [Line { function, line, column: 0 }] if !folded => {
                Self { address, line: *line, mapping, function: *function }
            }
            _ => Self::NOT,
        }
    }

    #[inline]
    fn is(&self, other: &Self) -> bool {
        (self.address, self.line, self.mapping, self.function)
            == (other.address, other.line, other.mapping, other.function)
            && self.function != NONE
    }
}

/// Length of the table of the last location of an address. Not keyed: it is a guess like the other.
const SLOTS: usize = 1 << 16;

#[inline]
fn slot(address: u64) -> usize {
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

/// Most rows met already that are passed over for a guess.
const MOST_PASSED: usize = 16;

impl RowMap {
    /// Starts with a profile of `rows` rows; the sum has `sum_rows`.
    fn start(&mut self, rows: usize, sum_rows: usize) {
        std::mem::swap(&mut self.to, &mut self.before);
        self.to.clear();
        self.to.resize(rows.max(1), NONE);
        self.place.clear();
        self.place.resize(sum_rows, NONE);
        for (at, row) in self.before.iter().enumerate() {
            if let Some(place) = self.place.get_mut(*row as usize) {
                *place = at as u32;
            }
        }
        self.next = 0;
    }

    #[inline]
    pub(super) fn get(&self, row: u32) -> u32 {
        self.to.get(row as usize).copied().unwrap_or(NONE)
    }

    pub(super) fn set(&mut self, row: u32, to: u32) {
        if let Some(slot) = self.to.get_mut(row as usize) {
            *slot = to;
        }
    }

    /// The row of the sum that probably comes next; [`NONE`] for no idea.
    #[inline]
    fn guess(&mut self) -> u32 {
        let rest = self.before.get(self.next..).unwrap_or_default();
        let passed = rest.iter().take(MOST_PASSED).take_while(|r| **r == NONE).count();
        self.next += passed;
        rest.get(passed).copied().unwrap_or(NONE)
    }

    /// Row number `row` is `to` of the sum: found, whether guessed or not.
    #[inline]
    fn found(&mut self, row: u32, to: u32) {
        self.set(row, to);
        if let Some(at) = self.place.get(to as usize).map(|p| *p as usize)
            && let Some(slot) = self.before.get_mut(at)
        {
            *slot = NONE;
            self.next = at + 1;
        }
    }
}

impl Merger {
    /// Starts on the tables of another profile.
    pub(super) fn start(&mut self, src: &Columns) {
        let sum = &self.b.c;
        self.strings.start(src.strings.len(), sum.strings.len());
        self.functions.start(src.functions.len(), sum.functions.len());
        self.locations.start(src.locations.len(), sum.locations.len());
        self.mappings.clear();
        self.mappings.resize(src.mappings.len(), NONE);
        self.strings.set(0, 0);
        self.by_id.clear();
        // Ids of two bytes are looked up without a check of the length.
        self.by_id.resize((src.locations.len() + 1).max(TWO_BYTES), NONE);
    }

    /// Finds the rows that the sum has already. Makes none.
    pub(super) fn find_known(&mut self, src: &Columns) {
        if self.b.c.locations.is_empty() {
            return;
        }
        for s in 1..src.strings.len() as u32 {
            let bytes = src.bytes(s);
            let guess = self.strings.guess();
            let hit = guess != NONE && self.b.c.bytes(guess) == bytes;
            if let Some(to) = if hit { Some(guess) } else { self.b.find_string(bytes) } {
                self.strings.found(s, to);
            }
        }
        for m in 0..src.mappings.len() as u32 {
            let to = self.known_mapping(&self.mapped(src, m));
            if let (Some(to), Some(slot)) = (to, self.mappings.get_mut(m as usize)) {
                *slot = to;
            }
        }
        for (f, from) in src.functions.iter().enumerate() {
            let to = |s| self.strings.get(s);
            let mapped =
                Function { name: to(from.name), system_name: to(from.system_name), file: to(from.file), ..*from };
            let guess = self.functions.guess();
            let hit = (self.b.c.functions.get(guess as usize)).is_some_and(|g| {
                (g.name, g.system_name, g.file, g.start_line)
                    == (mapped.name, mapped.system_name, mapped.file, mapped.start_line)
            });
            if let Some(to) = if hit { Some(guess) } else { self.b.find_function(&mapped) } {
                self.functions.found(f as u32, to);
            }
        }
        self.find_known_locations(src);
    }

    fn find_known_locations(&mut self, src: &Columns) {
        let mut lines = std::mem::take(&mut self.lines);
        for (l, from) in src.locations.iter().enumerate() {
            let Some((mapping, address)) = self.place(src, from.mapping, from.address) else {
                continue;
            };
            lines.clear();
            let of = src.lines.get(from.lines.0 as usize..from.lines.1 as usize).unwrap_or_default();
            lines.extend(of.iter().map(|line| Line { function: self.functions.get(line.function), ..*line }));
            let guess = self.locations.guess();
            let plain = Plain::of(mapping, address, from.folded, &lines);
            let is = |row: u32| self.plain.get(row as usize).is_some_and(|p| p.is(&plain));
            let last = self.by_address.get(slot(address)).copied().unwrap_or(NONE);
            let to = if is(guess) {
                Some(guess)
            } else if is(last) {
                Some(last)
            } else {
                self.b.find_location(mapping, address, from.folded, &lines)
            };
            if let Some(to) = to {
                self.locations.found(l as u32, to);
                self.put_id(from.id, to);
            }
        }
        self.lines = lines;
    }

    /// Keeps a location at hand in which there is nothing unusual.
    fn put_plain(&mut self, to: u32, plain: Plain) {
        let to_len = to as usize + 1;
        if self.plain.len() < to_len {
            self.plain.resize(to_len, Plain::NOT);
        }
        self.plain[to as usize] = plain;
        self.by_address.resize(SLOTS, NONE);
        self.by_address[slot(plain.address)] = to;
    }

    fn put_id(&mut self, id: u64, to: u32) {
        if let Some(slot) = usize::try_from(id).ok().and_then(|id| self.by_id.get_mut(id)) {
            *slot = to;
        }
    }

    /// Mapping and address as the sum has them; `None` when the mapping is not known to it.
    #[inline]
    fn place(&self, src: &Columns, mapping: u32, address: u64) -> Option<(u32, u64)> {
        if mapping == NONE {
            return Some((NONE, address));
        }
        let to = self.mappings.get(mapping as usize).copied()?;
        let shift = self.b.c.mappings.get(to as usize)?.start.wrapping_sub(src.mappings.get(mapping as usize)?.start);
        Some((to, address.wrapping_add(shift)))
    }

    pub(super) fn string(&mut self, src: &Columns, s: Sid) -> Result<Sid, ProfileError> {
        let known = self.strings.get(s);
        if known != NONE {
            return Ok(known);
        }
        let to = self.b.string(src.bytes(s))?;
        self.strings.set(s, to);
        Ok(to)
    }

    fn function(&mut self, src: &Columns, f: u32) -> Result<u32, ProfileError> {
        let known = self.functions.get(f);
        if known != NONE {
            return Ok(known);
        }
        let from = src.functions[f as usize];
        let mapped = Function {
            id: 0,
            name: self.string(src, from.name)?,
            system_name: self.string(src, from.system_name)?,
            file: self.string(src, from.file)?,
            start_line: from.start_line,
        };
        let to = self.b.function(mapped);
        self.functions.set(f, to);
        Ok(to)
    }

    /// Same mapping: same size in pages, offset, and build id or file (pprof's rule: addresses
    /// differ between processes).
    pub(super) fn mapping(&mut self, src: &Columns, m: u32) -> Result<u32, ProfileError> {
        let known = self.mappings[m as usize];
        if known != NONE {
            return Ok(known);
        }
        let from = src.mappings[m as usize];
        self.string(src, from.file)?;
        self.string(src, from.build_id)?;
        let mapped = self.mapped(src, m);
        let to = self.known_mapping(&mapped).unwrap_or_else(|| self.b.mapping(mapped));
        self.mappings[m as usize] = to;
        Ok(to)
    }

    /// The mapping with the sum's strings.
    fn mapped(&self, src: &Columns, m: u32) -> Mapping {
        let from = src.mappings[m as usize];
        Mapping { file: self.strings.get(from.file), build_id: self.strings.get(from.build_id), ..from }
    }

    fn known_mapping(&self, mapped: &Mapping) -> Option<u32> {
        let key = mapping_key(mapped);
        self.b.c.mappings.iter().position(|m| mapping_key(m) == key).map(|i| i as u32)
    }

    /// The sum's row of a location that it may not have yet.
    #[cold]
    #[inline(never)]
    pub(super) fn location(&mut self, src: &Columns, l: u32) -> Result<u32, ProfileError> {
        let from = src.locations[l as usize];
        if from.mapping != NONE {
            self.mapping(src, from.mapping)?;
        }
        let (mapping, address) = self.place(src, from.mapping, from.address).unwrap_or((NONE, from.address));
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        for line in src.lines_of(l) {
            lines.push(Line { function: self.function(src, line.function)?, ..*line });
        }
        let to = self.b.location(mapping, address, from.folded, &lines);
        self.put_plain(to, Plain::of(mapping, address, from.folded, &lines));
        self.lines = lines;
        self.locations.set(l, to);
        self.put_id(from.id, to);
        Ok(to)
    }
}

/// Number of location ids that take at most two bytes.
pub(super) const TWO_BYTES: usize = 1 << 14;

fn mapping_key(m: &Mapping) -> (u64, u64, Sid) {
    const PAGE: u64 = 0x1000;
    let size = m.limit.wrapping_sub(m.start).wrapping_add(PAGE - 1);
    let name = if m.build_id != 0 { m.build_id } else { m.file };
    (size - size % PAGE, m.offset, name)
}
