//! profile.proto into [`Columns`]. Two passes over the top-level fields: the first reads the tables
//! (types, strings, mappings, locations, functions, header), the second the samples, whose ids can
//! then be checked and turned into indexes at once, whatever the order of fields.
//!
//! A damaged or inconsistent row costs itself and is told as a gap; only data in which nothing of a
//! profile can be seen is refused (by the caller). Each row kept takes a bounded multiple of the
//! bytes it was read from; rows with the reserved id 0, which could be had for two bytes, are dropped.

use crate::columns::{Columns, Function, Label, Line, Location, Mapping, NONE, StrRef, TypeUnit, cut_long};
use crate::gaps::Gaps;
use crate::wire::{Damage, Field, Reader};
use model::Gap;
use std::collections::HashMap;

/// What is told of each sort of inconsistency.
mod sorts {
    pub(super) const STRING: &str = "a string index is outside the string table; read as empty";
    pub(super) const UTF8: &str = "a string is not UTF-8; read as empty";
    pub(super) const ID: &str = "a mapping, location or function has the reserved id 0 or an id already used; left out";
    pub(super) const MAPPING: &str = "a location names an unknown mapping; read as having none";
    pub(super) const FUNCTION: &str = "a line names an unknown function; left out";
    pub(super) const LOCATION: &str = "a sample names an unknown location; the sample was left out";
    pub(super) const VALUES: &str = "a sample has another number of values than there are sample types; left out";
    pub(super) const ROW: &str = "a message is damaged inside; what follows in it was left out";
    pub(super) const SAMPLE: &str = "a sample is damaged inside; left out";
}

/// Reads `buf`; the columns keep it. Sample columns go into the memory of `spare`.
pub(crate) fn decode(buf: Vec<u8>, gaps: &mut Gaps, spare: Columns) -> Columns {
    let mut tables = Tables::default();
    let end = tables.read(&buf, gaps);
    let mut c = Columns::reusing(spare);
    let used = &buf[..end];
    tables.strings_into(used, &mut c, gaps);
    tables.rows_into(&mut c, gaps);
    Samples::new(&tables, &c, gaps).read(used, &mut c, tables.sample_count);
    c.buf = buf;
    c
}

#[derive(Default)]
struct Tables {
    strings: Vec<StrRef>,
    types: Vec<[i64; 2]>,
    mappings: Vec<(Mapping, usize)>,
    functions: Vec<Function>,
    locations: Vec<Location>,
    location_mappings: Vec<u64>,
    lines: Vec<Line>,
    line_functions: Vec<u64>,
    header: Header,
    location_ids: Ids,
    sample_count: usize,
}

#[derive(Default)]
struct Header {
    drop_frames: i64,
    keep_frames: i64,
    time_nanos: i64,
    duration_nanos: i64,
    period_type: Option<[i64; 2]>,
    period: i64,
    comments: Vec<i64>,
    default_sample_type: i64,
    doc_url: i64,
}

/// Most sample types; Go's profiles have up to four.
const MAX_TYPES: usize = 256;
impl Tables {
    /// Returns the end of what could be walked.
    fn read(&mut self, buf: &[u8], gaps: &mut Gaps) -> usize {
        let mut r = Reader::new(buf);
        loop {
            let at = r.offset();
            match r.field() {
                Ok(Some((number, field))) => self.top_level(number, field, gaps),
                Ok(None) => return buf.len(),
                Err(Damage { at: place, what }) => {
                    gaps.push(Gap::at(
                        place as u64,
                        format!("{what}; the {} bytes from here on were left out", buf.len() - at),
                    ));
                    return at;
                }
            }
        }
    }

    #[inline(always)]
    fn top_level(&mut self, number: u32, field: Field<'_>, gaps: &mut Gaps) {
        match (number, field) {
            (2, Field::Bytes(_)) => self.sample_count += 1,
            (6, Field::Bytes(r)) => self.strings.push(StrRef { offset: r.offset() as u32, len: r.len() as u32 }),
            (1, Field::Bytes(r)) => {
                let at = r.offset();
                let t = type_unit(r, gaps);
                if self.types.len() < MAX_TYPES {
                    self.types.push(t);
                } else {
                    gaps.count(at, "more than 256 sample types; left out");
                }
            }
            (3, Field::Bytes(r)) => self.mapping(r, gaps),
            (4, Field::Bytes(r)) => self.location(r, gaps),
            (5, Field::Bytes(r)) => self.function(r, gaps),
            (11, Field::Bytes(r)) => self.header.period_type = Some(type_unit(r, gaps)),
            (13, Field::Bytes(mut r)) => {
                while !r.is_empty() {
                    match r.varint() {
                        Ok(v) => self.header.comments.push(v as i64),
                        Err(d) => {
                            gaps.count(d.at, sorts::ROW);
                            break;
                        }
                    }
                }
            }
            (number, Field::Varint(v)) => self.header.set(number, v as i64),
            _ => {}
        }
    }

    fn mapping(&mut self, mut r: Reader<'_>, gaps: &mut Gaps) {
        let at = r.offset();
        let mut m = Mapping::default();
        let mut names = [0i64; 2];
        each(&mut r, gaps, |n, f| {
            if let Field::Varint(v) = f {
                match n {
                    1 => m.id = v,
                    2 => m.start = v,
                    3 => m.limit = v,
                    4 => m.offset = v,
                    5 => names[0] = v as i64,
                    6 => names[1] = v as i64,
                    7..=10 if v != 0 => m.has |= 1 << (n - 7),
                    _ => {}
                }
            }
        });
        // The string table comes later: indexes are checked in `rows_into`.
        m.file = index(names[0]);
        m.build_id = index(names[1]);
        if m.id == 0 {
            gaps.count(at, sorts::ID);
        } else {
            self.mappings.push((m, at));
        }
    }

    fn function(&mut self, mut r: Reader<'_>, gaps: &mut Gaps) {
        let at = r.offset();
        let mut out = Function::default();
        each(&mut r, gaps, |n, f| {
            if let Field::Varint(v) = f {
                match n {
                    1 => out.id = v,
                    2 => out.name = index(v as i64),
                    3 => out.system_name = index(v as i64),
                    4 => out.file = index(v as i64),
                    5 => out.start_line = v as i64,
                    _ => {}
                }
            }
        });
        if out.id == 0 {
            gaps.count(at, sorts::ID);
        } else {
            self.functions.push(out);
        }
    }

    fn location(&mut self, mut r: Reader<'_>, gaps: &mut Gaps) {
        let at = r.offset();
        let first = self.lines.len() as u32;
        let mut out = Location { id: 0, address: 0, mapping: NONE, lines: (first, first), folded: false };
        let mut mapping = 0;
        loop {
            match r.field() {
                Ok(Some((1, Field::Varint(v)))) => out.id = v,
                Ok(Some((2, Field::Varint(v)))) => mapping = v,
                Ok(Some((3, Field::Varint(v)))) => out.address = v,
                Ok(Some((4, Field::Bytes(line)))) => self.line(line, gaps),
                Ok(Some((5, Field::Varint(v)))) => out.folded = v != 0,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(d) => {
                    gaps.count(d.at, sorts::ROW);
                    break;
                }
            }
        }
        if out.id == 0 {
            gaps.count(at, sorts::ID);
            self.lines.truncate(first as usize);
            self.line_functions.truncate(first as usize);
            return;
        }
        out.lines.1 = self.lines.len() as u32;
        self.locations.push(out);
        self.location_mappings.push(mapping);
    }

    #[inline(always)]
    fn line(&mut self, mut r: Reader<'_>, gaps: &mut Gaps) {
        let at = r.offset();
        let mut function = 0;
        let mut line = Line { function: NONE, line: 0, column: 0 };
        each(&mut r, gaps, |n, f| {
            if let Field::Varint(v) = f {
                match n {
                    1 => function = v,
                    2 => line.line = v as i64,
                    3 => line.column = v as i64,
                    _ => {}
                }
            }
        });
        if function == 0 {
            gaps.count(at, sorts::FUNCTION);
        } else {
            self.lines.push(line);
            self.line_functions.push(function);
        }
    }

    fn strings_into(&mut self, buf: &[u8], c: &mut Columns, gaps: &mut Gaps) {
        let mut strings = std::mem::take(&mut self.strings);
        if strings.is_empty() {
            strings.push(StrRef::default());
        } else if strings[0].len != 0 {
            gaps.count(strings[0].offset as usize, "the first entry of the string table is not empty; read as empty");
            strings[0] = StrRef::default();
        }
        // One check over everything first: profiles are ASCII nearly always.
        if !buf.is_ascii() {
            for s in &mut strings {
                let text = &buf[s.offset as usize..s.offset as usize + s.len as usize];
                if std::str::from_utf8(text).is_err() {
                    gaps.count(s.offset as usize, sorts::UTF8);
                    *s = StrRef::default();
                }
            }
        }
        cut_long(&mut strings, buf, self.lines.len(), gaps);
        c.strings = strings;
    }

    fn rows_into(&mut self, c: &mut Columns, gaps: &mut Gaps) {
        let n = c.strings.len();
        let sid = |v: i64, gaps: &mut Gaps| match u32::try_from(v) {
            Ok(s) if (s as usize) < n => s,
            _ => {
                gaps.count(0, sorts::STRING);
                0
            }
        };
        let pair = |t: [i64; 2], gaps: &mut Gaps| TypeUnit { kind: sid(t[0], gaps), unit: sid(t[1], gaps) };
        c.sample_types = self.types.iter().map(|t| pair(*t, gaps)).collect();
        let h = &self.header;
        c.period_type = h.period_type.map(|t| pair(t, gaps));
        c.time_nanos = h.time_nanos;
        c.duration_nanos = h.duration_nanos;
        c.period = h.period;
        c.drop_frames = sid(h.drop_frames, gaps);
        c.keep_frames = sid(h.keep_frames, gaps);
        c.default_sample_type = sid(h.default_sample_type, gaps);
        c.doc_url = sid(h.doc_url, gaps);
        c.comments = h.comments.iter().map(|s| sid(*s, gaps)).collect();

        let mapping_ids = Ids::unique(&mut self.mappings, |m| m.0.id, gaps);
        c.mappings = self.mappings.iter().map(|m| m.0).collect();
        for m in &mut c.mappings {
            m.file = sid(i64::from(m.file), gaps);
            m.build_id = sid(i64::from(m.build_id), gaps);
        }
        let function_ids = Ids::unique(&mut self.functions, |f| f.id, gaps);
        c.functions = std::mem::take(&mut self.functions);
        for f in &mut c.functions {
            f.name = sid(i64::from(f.name), gaps);
            f.system_name = sid(i64::from(f.system_name), gaps);
            f.file = sid(i64::from(f.file), gaps);
        }
        self.locations_into(c, &mapping_ids, &function_ids, gaps);
    }

    fn locations_into(&mut self, c: &mut Columns, mapping_ids: &Ids, function_ids: &Ids, gaps: &mut Gaps) {
        let mut bad_function = false;
        for (line, id) in self.lines.iter_mut().zip(&self.line_functions) {
            line.function = function_ids.get(*id);
            bad_function |= line.function == NONE;
        }
        for (l, m) in self.locations.iter_mut().zip(&self.location_mappings) {
            if *m != 0 {
                l.mapping = mapping_ids.get(*m);
                if l.mapping == NONE {
                    gaps.count(0, sorts::MAPPING);
                }
            }
        }
        if bad_function {
            let mut kept = Vec::with_capacity(self.lines.len());
            for l in &mut self.locations {
                let first = kept.len() as u32;
                for line in &self.lines[l.lines.0 as usize..l.lines.1 as usize] {
                    if line.function == NONE {
                        gaps.count(0, sorts::FUNCTION);
                    } else {
                        kept.push(*line);
                    }
                }
                l.lines = (first, kept.len() as u32);
            }
            self.lines = kept;
        }
        self.location_ids = Ids::unique(&mut self.locations, |l| l.id, gaps);
        c.locations = std::mem::take(&mut self.locations);
        c.lines = std::mem::take(&mut self.lines);
    }
}

impl Header {
    fn set(&mut self, number: u32, v: i64) {
        match number {
            7 => self.drop_frames = v,
            8 => self.keep_frames = v,
            9 => self.time_nanos = v,
            10 => self.duration_nanos = v,
            12 => self.period = v,
            13 => self.comments.push(v),
            14 => self.default_sample_type = v,
            15 => self.doc_url = v,
            _ => {}
        }
    }
}

/// A string index as read; out-of-range ones become `NONE` and are told when the table is known.
fn index(v: i64) -> u32 {
    u32::try_from(v).unwrap_or(NONE)
}

fn type_unit(mut r: Reader<'_>, gaps: &mut Gaps) -> [i64; 2] {
    let mut out = [0; 2];
    each(&mut r, gaps, |n, f| {
        if let (1 | 2, Field::Varint(v)) = (n, f) {
            out[n as usize - 1] = v as i64;
        }
    });
    out
}

#[inline(always)]
fn each<'a>(r: &mut Reader<'a>, gaps: &mut Gaps, mut f: impl FnMut(u32, Field<'a>)) {
    loop {
        match r.field() {
            Ok(Some((n, field))) => f(n, field),
            Ok(None) => return,
            Err(d) => {
                gaps.count(d.at, sorts::ROW);
                return;
            }
        }
    }
}

/// From ids to row numbers. Writers number densely from 1; anything else takes a table or a map
/// (with std's keyed hash: ids are hostile).
#[derive(Default)]
enum Ids {
    #[default]
    Empty,
    FromOne(u64),
    Dense(Vec<u32>),
    Sparse(HashMap<u64, u32>),
}

impl Ids {
    /// Indexes `rows` by id; rows with an id already used are removed.
    fn unique<T>(rows: &mut Vec<T>, id: impl Fn(&T) -> u64, gaps: &mut Gaps) -> Self {
        let n = rows.len() as u64;
        if rows.iter().zip(1..).all(|(r, i)| id(r) == i) {
            return Self::FromOne(n);
        }
        let max = rows.iter().map(&id).max().unwrap_or(0);
        let dense = max <= n.saturating_mul(4).saturating_add(1024);
        let mut out = if dense {
            Self::Dense(vec![NONE; max as usize + 1])
        } else {
            Self::Sparse(HashMap::with_capacity(rows.len()))
        };
        let mut next = 0u32;
        rows.retain(|r| {
            let fresh = match &mut out {
                Self::Dense(t) => match t.get_mut(id(r) as usize) {
                    Some(slot) if *slot == NONE => {
                        *slot = next;
                        true
                    }
                    _ => false,
                },
                Self::Sparse(m) => match m.entry(id(r)) {
                    std::collections::hash_map::Entry::Vacant(v) => {
                        v.insert(next);
                        true
                    }
                    std::collections::hash_map::Entry::Occupied(_) => false,
                },
                Self::Empty | Self::FromOne(_) => false,
            };
            if fresh {
                next += 1;
            } else {
                gaps.count(0, sorts::ID);
            }
            fresh
        });
        out
    }

    #[inline(always)]
    fn get(&self, id: u64) -> u32 {
        match self {
            Self::FromOne(n) => {
                if id.wrapping_sub(1) < *n {
                    (id - 1) as u32
                } else {
                    NONE
                }
            }
            Self::Dense(t) => usize::try_from(id).ok().and_then(|i| t.get(i)).copied().unwrap_or(NONE),
            Self::Sparse(m) => m.get(&id).copied().unwrap_or(NONE),
            Self::Empty => NONE,
        }
    }
}

/// The second pass.
struct Samples<'t, 'g> {
    ids: &'t Ids,
    width: usize,
    strings: usize,
    /// Row numbers of the stack being unpacked: as long as the longest list so far.
    rows: Vec<u32>,
    gaps: &'g mut Gaps,
}

/// Why a sample was left out.
struct Bad(usize, &'static str);

impl<'t, 'g> Samples<'t, 'g> {
    fn new(tables: &'t Tables, c: &Columns, gaps: &'g mut Gaps) -> Self {
        Self {
            ids: &tables.location_ids,
            width: c.sample_types.len(),
            strings: c.strings.len(),
            rows: Vec::new(),
            gaps,
        }
    }

    fn read(&mut self, buf: &[u8], c: &mut Columns, count: usize) {
        if self.width == 0 {
            if count > 0 {
                self.gaps
                    .push(Gap::of(format!("the profile names no sample types: its {count} samples were left out")));
            }
            return;
        }
        c.stack_start.reserve(count);
        c.label_start.reserve(count);
        // A sample kept took at least one byte per value.
        c.values.reserve(count.saturating_mul(self.width).min(buf.len()));
        let mut r = Reader::new(buf);
        while let Ok(Some((number, field))) = r.field() {
            let (2, Field::Bytes(sample)) = (number, field) else {
                continue;
            };
            let mark = (c.stack.len(), c.values.len(), c.labels.len());
            match self.sample(sample, c) {
                Ok(()) => c.end_sample(),
                Err(Bad(at, what)) => {
                    self.gaps.count(at, what);
                    c.stack.truncate(mark.0);
                    c.values.truncate(mark.1);
                    c.labels.truncate(mark.2);
                }
            }
        }
    }

    #[inline(always)]
    fn sample(&mut self, mut r: Reader<'_>, c: &mut Columns) -> Result<(), Bad> {
        let at = r.offset();
        let damaged = |d: Damage| Bad(d.at, sorts::SAMPLE);
        let first_value = c.values.len();
        while let Some((number, field)) = r.field().map_err(damaged)? {
            match (number, field) {
                (1, Field::Bytes(ids)) => self.stack(ids, c)?,
                (1, Field::Varint(id)) => self.location(id, at, c)?,
                (2, Field::Bytes(mut values)) => {
                    while !values.is_empty() {
                        let v = values.varint().map_err(damaged)?;
                        c.values.push(v as i64);
                    }
                }
                (2, Field::Varint(v)) => c.values.push(v as i64),
                (3, Field::Bytes(label)) => self.label(label, c)?,
                _ => {}
            }
        }
        if c.values.len() - first_value != self.width {
            return Err(Bad(at, sorts::VALUES));
        }
        Ok(())
    }

    /// A packed list of location ids.
    fn stack(&mut self, ids: Reader<'_>, c: &mut Columns) -> Result<(), Bad> {
        let at = ids.offset();
        // At least one byte per id.
        if self.rows.len() < ids.len() {
            self.rows.resize(ids.len(), NONE);
        }
        let n = unpack(ids.rest(), self.ids, &mut self.rows).ok_or(Bad(at, sorts::SAMPLE))?;
        let rows = self.rows.get(..n).unwrap_or_default();
        if rows.contains(&NONE) {
            return Err(Bad(at, sorts::LOCATION));
        }
        c.stack.extend_from_slice(rows);
        Ok(())
    }

    #[inline(always)]
    fn location(&mut self, id: u64, at: usize, c: &mut Columns) -> Result<(), Bad> {
        let i = self.ids.get(id);
        if i == NONE {
            return Err(Bad(at, sorts::LOCATION));
        }
        c.stack.push(i);
        Ok(())
    }

    #[inline(always)]
    fn label(&mut self, mut r: Reader<'_>, c: &mut Columns) -> Result<(), Bad> {
        let at = r.offset();
        let mut fields = [0u64; 5];
        while let Some((n, f)) = r.field().map_err(|d| Bad(d.at, sorts::SAMPLE))? {
            if let (1..=4, Field::Varint(v)) = (n, f) {
                fields[n as usize] = v;
            }
        }
        let mut sid = |v: u64| match u32::try_from(v) {
            Ok(s) if (s as usize) < self.strings => s,
            _ => {
                self.gaps.count(at, sorts::STRING);
                0
            }
        };
        let label = Label { key: sid(fields[1]), text: sid(fields[2]), number: fields[3] as i64, unit: sid(fields[4]) };
        // As pprof reads it: text wins, and a zero without a unit is no label.
        if label.text != 0 {
            c.labels.push(Label { number: 0, unit: 0, ..label });
        } else if label.number != 0 || label.unit != 0 {
            c.labels.push(label);
        }
        Ok(())
    }
}

/// Unpacks location ids into row numbers, [`NONE`] for unknown ones; `out` has room for one per
/// byte. `None` when a varint is damaged. This loop is where reading a profile spends its time:
/// eight one-byte ids or four two-byte ids go at once, and of a profile numbered from 1 no table is
/// asked.
#[inline(never)]
fn unpack(mut ids: &[u8], table: &Ids, out: &mut [u32]) -> Option<usize> {
    let dense = match table {
        Ids::FromOne(rows) => *rows,
        _ => 0,
    };
    let row = |id: u64| {
        if id.wrapping_sub(1) < dense { (id - 1) as u32 } else { table.get(id) }
    };
    let mut n = 0;
    loop {
        while dense >= 0x7f
            && let Some((eight, rest)) = ids.split_first_chunk::<8>()
        {
            let word = u64::from_le_bytes(*eight);
            let continued = word & 0x8080_8080_8080_8080;
            if continued == 0
                && let Some(slots) = out.get_mut(n..n + 8)
            {
                for (slot, id) in slots.iter_mut().zip(eight) {
                    // The reserved id 0 becomes NONE by wrapping.
                    *slot = u32::from(*id).wrapping_sub(1);
                }
                n += 8;
            } else if continued == 0x0080_0080_0080_0080
                && let Some(slots) = out.get_mut(n..n + 4)
            {
                let four = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
                for (slot, shift) in slots.iter_mut().zip([0, 16, 32, 48]) {
                    let i = (four >> shift & 0xffff).wrapping_sub(1);
                    *slot = if i < dense { i as u32 } else { NONE };
                }
                n += 4;
            } else {
                break;
            }
            ids = rest;
        }
        let id = match ids {
            [] => return Some(n),
            [a, rest @ ..] if *a < 0x80 => {
                ids = rest;
                u64::from(*a)
            }
            [a, b, rest @ ..] if *b < 0x80 => {
                ids = rest;
                u64::from(a & 0x7f) | u64::from(*b) << 7
            }
            _ => {
                let mut r = Reader::new(ids);
                let id = r.varint().ok()?;
                ids = r.rest();
                id
            }
        };
        *out.get_mut(n)? = row(id);
        n += 1;
    }
}
