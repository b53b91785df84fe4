//! Record lines (`values @ 0xpc 0xpc ...`) and the `#` lines under them, shared by all text forms;
//! and the forms whose records are counts or contention.
//!
//! The `#` lines carry one line per frame with the address less one; inlined frames repeat no
//! address of their own list, so frames are matched to the record's addresses in order: a frame
//! whose address is that of a later program counter of the record moves on to it.

use super::{Lines, take, take_hex, take_i64};
use crate::ProfileError;
use crate::columns::{Columns, Function, Label, Line, NONE, TypeUnit};
use crate::gaps::Gaps;
use crate::intern::Builder;

/// One record being put together.
#[derive(Default)]
pub(super) struct Record {
    pub(super) values: Vec<i64>,
    pub(super) labels: Vec<Label>,
    pcs: Vec<u64>,
    /// (index of the program counter, line).
    frames: Vec<(usize, Line)>,
    open: bool,
}

impl Record {
    /// Starts a record with the addresses in `s`.
    pub(super) fn start(&mut self, mut s: &[u8], at: usize, gaps: &mut Gaps) {
        self.pcs.clear();
        self.frames.clear();
        self.open = true;
        while !s.trim_ascii_start().is_empty() {
            match take_hex(&mut s) {
                Some(pc) => self.pcs.push(pc),
                None => {
                    gaps.count(at, "an address of a record is damaged; the stack was cut there");
                    return;
                }
            }
        }
    }

    /// A `#` line: `# 0x4a1b2c main.f+0x1b /src/main.go:12`, tabs between.
    pub(super) fn frame(
        &mut self,
        line: &[u8],
        at: usize,
        b: &mut Builder,
        gaps: &mut Gaps,
    ) -> Result<(), ProfileError> {
        let mut s = line.strip_prefix(b"#").unwrap_or(line);
        if !self.open || s.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some(pc) = take_hex(&mut s) else {
            gaps.count(at, "a frame line has no address; left out");
            return Ok(());
        };
        let s = s.trim_ascii();
        if s.is_empty() {
            return Ok(());
        }
        // Columns are separated by tabs (tabwriter); names and paths may hold blanks.
        let (name, place) = match s.iter().rposition(|b| *b == b'\t') {
            Some(i) => (s[..i].trim_ascii(), s[i + 1..].trim_ascii()),
            None => (s, &b""[..]),
        };
        let name = name.windows(3).rposition(|w| w == b"+0x").map_or(name, |i| &name[..i]);
        let (file, number) = split_place(place);
        let name = b.string(utf8(name))?;
        let file = b.string(utf8(file))?;
        let function = b.function(Function { id: 0, name, system_name: name, file, start_line: 0 });
        let line = Line { function, line: number, column: 0 };
        let from = self.frames.last().map_or(0, |f| f.0);
        let index = self.position_of(pc, from).unwrap_or_else(|| from.min(self.pcs.len().saturating_sub(1)));
        self.frames.push((index, line));
        Ok(())
    }

    /// The program counter a printed address belongs to: equal, or less one (a return address).
    fn position_of(&self, pc: u64, from: usize) -> Option<usize> {
        let hit = |p: &u64| *p == pc || p.wrapping_sub(1) == pc;
        let rest = self.pcs.get(from..)?;
        rest.iter().position(hit).map(|i| from + i)
    }

    /// Ends the record: its sample goes into the columns.
    pub(super) fn finish(&mut self, b: &mut Builder) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        let mut lines = Vec::new();
        let mut frames = self.frames.iter().peekable();
        for (i, pc) in self.pcs.iter().enumerate() {
            lines.clear();
            while let Some((_, line)) = frames.next_if(|f| f.0 <= i) {
                lines.push(*line);
            }
            // Addresses point behind the call; less one lies in it.
            let l = b.location(NONE, pc.wrapping_sub(1), false, &lines);
            b.c.stack.push(l);
        }
        b.c.values.append(&mut self.values);
        b.c.labels.append(&mut self.labels);
        b.c.end_sample();
    }
}

fn utf8(s: &[u8]) -> &[u8] {
    if std::str::from_utf8(s).is_ok() { s } else { b"" }
}

/// `/src/main.go:12` apart; a path may hold colons.
pub(crate) fn split_place(place: &[u8]) -> (&[u8], i64) {
    if let Some(i) = place.iter().rposition(|b| *b == b':') {
        let mut number = &place[i + 1..];
        if let (Some(n), true) = (take_i64(&mut number), number.is_empty()) {
            return (&place[..i], n);
        }
    }
    (place, 0)
}

pub(super) fn types(b: &mut Builder, all: &[(&str, &str)]) -> Result<(), ProfileError> {
    for (kind, unit) in all {
        let t = pair(b, kind, unit)?;
        b.c.sample_types.push(t);
    }
    Ok(())
}

pub(super) fn pair(b: &mut Builder, kind: &str, unit: &str) -> Result<TypeUnit, ProfileError> {
    Ok(TypeUnit { kind: b.string(kind.as_bytes())?, unit: b.string(unit.as_bytes())? })
}

/// `goroutine profile: total 12` and its kin: `3 @ 0x... 0x...`.
pub(super) fn read_counts(data: &[u8], kind: &str, gaps: &mut Gaps) -> Result<Columns, ProfileError> {
    let mut b = Builder::new();
    types(&mut b, &[(kind, "count")])?;
    b.c.period_type = Some(pair(&mut b, kind, "count")?);
    b.c.period = 1;
    let mut record = Record::default();
    for (at, line) in Lines::new(data).skip_while(|l| l.1.trim_ascii().is_empty()).skip(1) {
        if let Some(labels) = line.strip_prefix(b"# labels: ") {
            read_labels(labels, at, &mut record, &mut b, gaps)?;
            continue;
        }
        if line.starts_with(b"#") {
            record.frame(line, at, &mut b, gaps)?;
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        record.finish(&mut b);
        let mut s = line;
        match (take_i64(&mut s), take(&mut s, b"@")) {
            (Some(n), Some(())) => {
                record.values = vec![n];
                record.start(s, at, gaps);
            }
            _ => gaps.count(at, "expected a record \"COUNT @ 0xADDRESS...\"; line left out"),
        }
    }
    record.finish(&mut b);
    Ok(b.c)
}

/// `{"key":"value", "k2":"v2"}` (Go `labelMap.String`).
fn read_labels(
    labels: &[u8],
    at: usize,
    record: &mut Record,
    b: &mut Builder,
    gaps: &mut Gaps,
) -> Result<(), ProfileError> {
    let text = String::from_utf8_lossy(labels);
    let mut quoted = Quoted { rest: &text };
    while let Some(key) = quoted.next() {
        let Some(value) = quoted.next() else {
            gaps.count(at, "a label has no value; left out");
            break;
        };
        let label = Label { key: b.string(key.as_bytes())?, text: b.string(value.as_bytes())?, unit: 0, number: 0 };
        if label.text != 0 && record.open {
            record.labels.push(label);
        }
    }
    Ok(())
}

/// Go-quoted strings in a row. Escapes other than `\"`, `\\`, `\n` and `\t` are kept as written.
pub(crate) struct Quoted<'a> {
    pub(crate) rest: &'a str,
}

impl Iterator for Quoted<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let start = self.rest.find('"')? + 1;
        let mut out = String::new();
        let mut chars = self.rest[start..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[start + i + 1..];
                    return Some(out);
                }
                '\\' => match chars.next()?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    c @ ('"' | '\\') => out.push(c),
                    c => out.extend(['\\', c]),
                },
                c => out.push(c),
            }
        }
        self.rest = "";
        None
    }
}

/// `--- mutex:` and `--- contention:` (block): `cycles/second=N`, `sampling period=N`, then
/// `CYCLES COUNT @ 0x...`. Scaled as `go tool pprof` does: cycles become nanoseconds, and both
/// values are multiplied by the sampling period.
pub(super) fn read_contention(data: &[u8], gaps: &mut Gaps) -> Result<Columns, ProfileError> {
    let mut b = Builder::new();
    types(&mut b, &[("contentions", "count"), ("delay", "nanoseconds")])?;
    b.c.period_type = Some(pair(&mut b, "contentions", "count")?);
    b.c.period = 1;
    let mut hz = 0i64;
    let mut record = Record::default();
    for (at, line) in Lines::new(data).skip_while(|l| l.1.trim_ascii().is_empty()).skip(1) {
        if line.starts_with(b"#") {
            record.frame(line, at, &mut b, gaps)?;
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Some(i) = line.iter().position(|c| *c == b'=') {
            let mut v = &line[i + 1..];
            let value = take_i64(&mut v);
            match (line[..i].trim_ascii(), value) {
                (b"cycles/second", Some(v)) => hz = v,
                (b"sampling period", Some(v)) => b.c.period = v,
                (b"ms since reset", Some(v)) => b.c.duration_nanos = v.saturating_mul(1_000_000),
                _ => {}
            }
            continue;
        }
        record.finish(&mut b);
        let mut s = line;
        match (take_i64(&mut s), take_i64(&mut s), take(&mut s, b"@")) {
            (Some(cycles), Some(count), Some(())) => {
                record.values = contention(cycles, count, b.c.period, hz);
                record.start(s, at, gaps);
            }
            _ => gaps.count(at, "expected a record \"CYCLES COUNT @ 0xADDRESS...\"; line left out"),
        }
    }
    record.finish(&mut b);
    Ok(b.c)
}

fn contention(cycles: i64, count: i64, period: i64, hz: i64) -> Vec<i64> {
    if period <= 0 {
        return vec![count, cycles];
    }
    let delay = if hz > 0 { (cycles as f64 * (period as f64 / (hz as f64 / 1e9))) as i64 } else { cycles };
    vec![count.wrapping_mul(period), delay]
}
