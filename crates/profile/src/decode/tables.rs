//! Everything of profile.proto but the samples: types, strings, mappings, locations, functions and the
//! header. Owns the checks of each index between them; a damaged or inconsistent row costs itself.

use super::ids::Ids;
use super::sorts;
use crate::columns::{Columns, Function, Line, Location, Mapping, NONE, StrRef, TypeUnit, cut_long};
use crate::gaps::Gaps;
use crate::wire::{Damage, Field, Reader};
use model::Gap;

#[derive(Default)]
pub(super) struct Tables {
    strings: Vec<StrRef>,
    types: Vec<[i64; 2]>,
    mappings: Vec<(Mapping, usize)>,
    functions: Vec<Function>,
    locations: Vec<Location>,
    location_mappings: Vec<u64>,
    lines: Vec<Line>,
    line_functions: Vec<u64>,
    header: Header,
    pub(super) location_ids: Ids,
    pub(super) sample_count: usize,
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
    /// Starts anew, in the memory of the rows of `c` and its own.
    pub(super) fn reuse(&mut self, c: &mut Columns) {
        let mut strings = std::mem::take(&mut c.strings);
        strings.clear();
        self.line_functions.clear();
        self.location_mappings.clear();
        self.mappings.clear();
        *self = Self {
            strings,
            functions: std::mem::take(&mut c.functions),
            locations: std::mem::take(&mut c.locations),
            lines: std::mem::take(&mut c.lines),
            mappings: std::mem::take(&mut self.mappings),
            location_mappings: std::mem::take(&mut self.location_mappings),
            line_functions: std::mem::take(&mut self.line_functions),
            ..Self::default()
        };
    }

    /// Returns the end of what could be walked.
    pub(super) fn read(&mut self, buf: &[u8], gaps: &mut Gaps) -> usize {
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

    pub(super) fn strings_into(&mut self, buf: &[u8], c: &mut Columns, gaps: &mut Gaps) {
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

    pub(super) fn rows_into(&mut self, c: &mut Columns, gaps: &mut Gaps) {
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
