//! The columns of a profile in memory: strings as offset and length into one buffer, locations and
//! lines flat, samples as CSR arrays. Plain storage; each index in it has been checked by whoever
//! wrote it (decoder, text reader, merger).

use crate::gaps::Gaps;

/// "No such row".
pub(crate) const NONE: u32 = u32::MAX;

/// Index into [`Columns::strings`]; 0 is the empty string.
pub(crate) type Sid = u32;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StrRef {
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeUnit {
    pub(crate) kind: Sid,
    pub(crate) unit: Sid,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mapping {
    pub(crate) id: u64,
    pub(crate) start: u64,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
    pub(crate) file: Sid,
    pub(crate) build_id: Sid,
    /// has_functions, has_filenames, has_line_numbers, has_inline_frames: bits 0 to 3.
    pub(crate) has: u8,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Function {
    pub(crate) id: u64,
    pub(crate) name: Sid,
    pub(crate) system_name: Sid,
    pub(crate) file: Sid,
    pub(crate) start_line: i64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Location {
    pub(crate) id: u64,
    pub(crate) address: u64,
    /// Index into mappings or [`NONE`].
    pub(crate) mapping: u32,
    /// Range of lines, innermost inlined function first.
    pub(crate) lines: (u32, u32),
    pub(crate) folded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Index into functions.
    pub(crate) function: u32,
    pub(crate) line: i64,
    pub(crate) column: i64,
}

/// A label; `text` is 0 for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    pub(crate) key: Sid,
    pub(crate) text: Sid,
    pub(crate) unit: Sid,
    pub(crate) number: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) buf: Vec<u8>,
    pub(crate) strings: Vec<StrRef>,
    pub(crate) sample_types: Vec<TypeUnit>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) functions: Vec<Function>,
    pub(crate) locations: Vec<Location>,
    pub(crate) lines: Vec<Line>,
    /// CSR: sample `i` has `stack[stack_start[i]..stack_start[i + 1]]`, leaf first.
    pub(crate) stack_start: Vec<u32>,
    /// Indexes into locations.
    pub(crate) stack: Vec<u32>,
    /// `sample_types.len()` per sample.
    pub(crate) values: Vec<i64>,
    /// CSR like the stacks.
    pub(crate) label_start: Vec<u32>,
    pub(crate) labels: Vec<Label>,
    pub(crate) drop_frames: Sid,
    pub(crate) keep_frames: Sid,
    pub(crate) time_nanos: i64,
    pub(crate) duration_nanos: i64,
    pub(crate) period_type: Option<TypeUnit>,
    pub(crate) period: i64,
    pub(crate) comments: Vec<Sid>,
    pub(crate) default_sample_type: Sid,
    pub(crate) doc_url: Sid,
}

impl Columns {
    /// No samples; string 0 is there.
    pub(crate) fn empty() -> Self {
        Self { strings: vec![StrRef::default()], stack_start: vec![0], label_start: vec![0], ..Self::default() }
    }

    /// Forgets all rows and keeps the memory of the larger tables.
    pub(crate) fn clear(&mut self) {
        let mut old = std::mem::replace(self, Self::empty());
        old.functions.clear();
        old.locations.clear();
        old.lines.clear();
        old.strings.clear();
        old.strings.push(StrRef::default());
        old.clear_samples();
        *self = Self {
            strings: old.strings,
            functions: old.functions,
            locations: old.locations,
            lines: old.lines,
            stack_start: old.stack_start,
            stack: old.stack,
            values: old.values,
            label_start: old.label_start,
            labels: old.labels,
            ..Self::default()
        };
    }

    /// Forgets the samples and keeps their memory.
    pub(crate) fn clear_samples(&mut self) {
        self.stack.clear();
        self.values.clear();
        self.labels.clear();
        self.stack_start.clear();
        self.stack_start.push(0);
        self.label_start.clear();
        self.label_start.push(0);
    }

    pub(crate) fn samples(&self) -> usize {
        self.stack_start.len().saturating_sub(1)
    }

    /// The bytes of a string; empty when there is no such string.
    #[inline]
    pub(crate) fn bytes(&self, s: Sid) -> &[u8] {
        self.strings
            .get(s as usize)
            .and_then(|r| self.buf.get(r.offset as usize..r.offset as usize + r.len as usize))
            .unwrap_or_default()
    }

    /// A string; the empty string where it is not UTF-8 (the decoder has told that).
    pub(crate) fn str(&self, s: Sid) -> &str {
        std::str::from_utf8(self.bytes(s)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn stack_of(&self, i: usize) -> &[u32] {
        range(&self.stack_start, &self.stack, i)
    }

    #[inline]
    pub(crate) fn labels_of(&self, i: usize) -> &[Label] {
        range(&self.label_start, &self.labels, i)
    }

    #[inline]
    pub(crate) fn values_of(&self, i: usize) -> &[i64] {
        let w = self.sample_types.len();
        self.values.get(i * w..i * w + w).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn lines_of(&self, location: u32) -> &[Line] {
        self.locations
            .get(location as usize)
            .and_then(|l| self.lines.get(l.lines.0 as usize..l.lines.1 as usize))
            .unwrap_or_default()
    }

    /// Whether the location has this mapping, address, foldedness and lines.
    #[inline]
    pub(crate) fn is_location(&self, l: u32, mapping: u32, address: u64, folded: bool, lines: &[Line]) -> bool {
        (self.locations.get(l as usize)).is_some_and(|l| (l.address, l.mapping, l.folded) == (address, mapping, folded))
            && self.lines_of(l) == lines
    }

    pub(crate) fn function(&self, line: &Line) -> Function {
        self.functions.get(line.function as usize).copied().unwrap_or_default()
    }

    /// Ends the sample whose stack, labels and values were just pushed.
    pub(crate) fn end_sample(&mut self) {
        self.stack_start.push(self.stack.len() as u32);
        self.label_start.push(self.labels.len() as u32);
    }
}

#[inline]
fn range<'a, T>(starts: &[u32], flat: &'a [T], i: usize) -> &'a [T] {
    match (starts.get(i), starts.get(i + 1)) {
        (Some(a), Some(b)) => flat.get(*a as usize..*b as usize).unwrap_or_default(),
        _ => &[],
    }
}

/// Longest string kept, bytes; names of Go functions are far below it.
const MAX_NAME: usize = 8 << 10;
/// Most bytes that the names of all lines may have together; sets the limit of one name where there are many lines.
const MAX_NAMES_OF_LINES: usize = 128 << 20;

/// Cuts strings that no real profile has: a long name that every one of `lines` refers to would be copied as often by
/// whoever prints lines.
pub(crate) fn cut_long(strings: &mut [StrRef], buf: &[u8], lines: usize, gaps: &mut Gaps) {
    let most = (MAX_NAMES_OF_LINES / lines.max(1)).clamp(64, MAX_NAME) as u32;
    for s in strings.iter_mut().filter(|s| s.len > most) {
        gaps.count(s.offset as usize, "a string is very long; cut");
        let start = s.offset as usize;
        let ends = |i: u32| buf.get(start + i as usize).is_none_or(|b| b & 0xc0 != 0x80);
        s.len = (most - 3..=most).rev().find(|i| ends(*i)).unwrap_or(0);
    }
}
