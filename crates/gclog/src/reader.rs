//! Owns finding the runtime's lines in the bytes of a log, block by block, in constant memory: what stands before them
//! (timestamps of journald, docker, Kubernetes, klog, JSON up to the message), where they end, and what is left of
//! lines that were cut, mixed with other output or garbled. Refuses to guess: such a piece is counted with its place.

use crate::cursor::Cursor;
use crate::line::{self, Cycle, Rule};
use crate::trace::{self, PacerEnd, PacerStart, Scan, Scavenge, SweepDone};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::{memchr, memchr_iter, memrchr};

/// Where something stands in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Bytes from the start.
    pub offset: u64,
    /// Line of text, from 1.
    pub line: u64,
}

/// A line of the runtime's, or what is left of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found<'a> {
    /// Its first byte.
    pub place: Place,
    /// What stands before it in the line of text.
    pub prefix: &'a [u8],
    /// What it says.
    pub record: Record,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record {
    /// `gc …`: a collection.
    Cycle(Cycle),
    /// `pacer: assist ratio=…`.
    PacerStart(PacerStart),
    /// `pacer: U% CPU …`.
    PacerEnd(PacerEnd),
    /// `pacer: sweep done …`.
    SweepDone(SweepDone),
    /// `scav …`.
    Scavenge(Scavenge),
    /// `scan: …`.
    Scan(Scan),
    /// `GC forced`: two minutes passed without a collection; the next one is the runtime's own doing (proc.go).
    Periodic,
    /// A line that is not taken.
    Broken(Broken),
}

/// A line that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What it began as.
    pub kind: Kind,
    /// Why.
    pub why: Why,
}

/// Which line of the runtime's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `gc …`.
    Gc,
    /// `pacer: …`.
    Pacer,
    /// `scav …`.
    Scavenge,
    /// `scan: …`.
    Scan,
}

/// Why a line is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It ends too early.
    Cut,
    /// Something else stands in it, or after its end.
    Mixed,
    /// Its beginning is missing.
    Headless,
    /// Other text stands before it without a gap, or another such line's piece in the same line.
    Glued,
    /// Its parts contradict each other.
    Inconsistent(Rule),
    /// Without stacks and globals: a Go before 1.19.
    Older,
}

/// What to look for; the order is that of `hit`.
const NEEDLES: [&[u8]; 7] = [b"gc ", b" ms clock, ", b" MB goal, ", b"pacer: ", b"scav ", b"scan: ", b"GC forced"];

/// Longest line of text that is looked at as a whole; what is longer is looked at in pieces of this size.
const LONGEST_LINE: usize = 1 << 20;

/// Finds the runtime's lines in a log that comes in blocks.
#[derive(Debug)]
pub struct Reader {
    finder: AhoCorasick,
    /// A line whose end is still to come.
    tail: Vec<u8>,
    /// Bytes before `tail`.
    offset: u64,
    /// Lines of text before `tail`.
    lines: u64,
    /// The piece before `tail` was a line without its end.
    continues: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at the start of a log.
    ///
    /// # Panics
    /// Never: the needles are few and short, which is all that building the searcher can fail on.
    #[must_use]
    pub fn new() -> Self {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostFirst).kind(Some(AhoCorasickKind::DFA));
        #[expect(clippy::expect_used, reason = "fails on more than 2^31 states only")]
        let finder = builder.build(NEEDLES).expect("seven needles");
        Self { finder, tail: Vec::new(), offset: 0, lines: 0, continues: false }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.offset.saturating_add(self.tail.len() as u64)
    }

    /// Lines of text ended so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Takes the next block of the log; says what is in all lines that end in it.
    pub fn feed(&mut self, block: &[u8], on: &mut impl FnMut(Found<'_>)) {
        let mut block = block;
        while !self.tail.is_empty() {
            let room = LONGEST_LINE.saturating_sub(self.tail.len());
            let reach = block.get(..room.min(block.len())).unwrap_or_default();
            let taken = memchr(b'\n', reach).map_or(reach.len(), |n| n.saturating_add(1));
            let (head, rest) = block.split_at(taken);
            self.tail.extend_from_slice(head);
            block = rest;
            let ended = head.last() == Some(&b'\n');
            if !ended && self.tail.len() < LONGEST_LINE {
                return;
            }
            let line = std::mem::take(&mut self.tail);
            self.scan(&line, on);
            self.tail = line;
            self.tail.clear();
        }
        // A line without an end within the most that is kept is looked at in pieces.
        while let Some(end) = memrchr(b'\n', block)
            .map(|n| n.saturating_add(1))
            .or_else(|| (block.len() >= LONGEST_LINE).then_some(LONGEST_LINE))
        {
            let (lines, rest) = block.split_at(end);
            self.scan(lines, on);
            block = rest;
        }
        self.tail.extend_from_slice(block);
    }

    /// The log has ended: a last line without an end of line is not taken, as it may be cut.
    pub fn finish(&mut self, on: &mut impl FnMut(Found<'_>)) {
        let line = std::mem::take(&mut self.tail);
        self.scan(&line, on);
    }

    /// Looks at whole lines, or at a piece of one.
    fn scan(&mut self, text: &[u8], on: &mut impl FnMut(Found<'_>)) {
        let mut line = Line::default();
        let (mut at, mut counted) = (0, 0);
        while let Some(m) = text.get(at..).and_then(|t| self.finder.find(t)) {
            let hit = at.saturating_add(m.start());
            if hit >= line.end {
                line = Line::around(text, hit, self.continues);
            }
            let whole = text.get(line.start..line.end).unwrap_or_default();
            let from = hit.saturating_sub(line.start);
            let (next, record) = line.look(whole, from, m.pattern().as_usize());
            at = line.start.saturating_add(next).max(hit.saturating_add(1));
            let Some(record) = record else { continue };
            self.lines = self.lines.saturating_add(newlines(text, counted, line.start));
            counted = line.start;
            let place = Place { offset: self.offset.saturating_add(hit as u64), line: self.lines.saturating_add(1) };
            on(Found { place, prefix: whole.get(..from).unwrap_or_default(), record });
        }
        self.lines = self.lines.saturating_add(newlines(text, counted, text.len()));
        self.offset = self.offset.saturating_add(text.len() as u64);
        self.continues = text.last().map_or(self.continues, |b| *b != b'\n');
    }
}

fn newlines(text: &[u8], from: usize, to: usize) -> u64 {
    text.get(from..to).map_or(0, |t| memchr_iter(b'\n', t).count() as u64)
}

/// A line of text and what was found in it so far.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    start: usize,
    /// Its end: the newline, or the end of the text.
    end: usize,
    /// A newline ends it.
    ended: bool,
    /// Its beginning is not here: it is too long.
    continues: bool,
    /// It has a piece of a gctrace line that is not taken.
    piece: bool,
}

impl Line {
    /// The line of `text` that holds `hit`; the first one `continues` what was before.
    fn around(text: &[u8], hit: usize, continues: bool) -> Self {
        let (before, after) = text.split_at(hit.min(text.len()));
        let (start, end) = (memrchr(b'\n', before), memchr(b'\n', after));
        Self {
            start: start.map_or(0, |n| n.saturating_add(1)),
            continues: continues && start.is_none(),
            end: end.map_or(text.len(), |n| hit.saturating_add(n)),
            ended: end.is_some(),
            piece: false,
        }
    }

    /// Looks at a hit of a needle at `from` of the line; where to go on, and what it is.
    fn look(&mut self, line: &[u8], from: usize, needle: usize) -> (usize, Option<Record>) {
        let past = from.saturating_add(NEEDLES.get(needle).map_or(1, |n| n.len()));
        let rest = line.get(past..).unwrap_or_default();
        match needle {
            0 => match head(line, rest, from, self.begins(line, from)) {
                Head::Line => self.take(line, from, Kind::Gc, |c| line::cycle(c).map(Record::Cycle)),
                Head::Cut => self.broken(Kind::Gc, Why::Cut, past),
                Head::Twice => self.broken(Kind::Gc, Why::Mixed, past),
                Head::No => (past, None),
            },
            // A piece of a line whose head was not there.
            1 | 2 if self.piece => (past, None),
            1 | 2 => self.broken(Kind::Gc, Why::Headless, past),
            3 if rest.starts_with(b"assist ratio=") => {
                self.take(line, from, Kind::Pacer, |c| trace::pacer_start(c).map(Record::PacerStart))
            }
            3 if rest.starts_with(b"sweep done at ") => {
                self.take(line, from, Kind::Pacer, |c| trace::sweep_done(c).map(Record::SweepDone))
            }
            3 if number_then(rest, b"% CPU (") => {
                self.take(line, from, Kind::Pacer, |c| trace::pacer_end(c).map(Record::PacerEnd))
            }
            4 if number_then(rest, b" KiB work") => {
                self.take(line, from, Kind::Scavenge, |c| trace::scavenge(c).map(Record::Scavenge))
            }
            5 if rest.starts_with(b"total ") || rest.starts_with(b"class ") => {
                self.take(line, from, Kind::Scan, |c| trace::scan(c).map(Record::Scan))
            }
            6 if self.begins(line, from) && self.ended && ends(line, from, past) => (past, Some(Record::Periodic)),
            _ => (past, None),
        }
    }

    /// Whether a line of the runtime's may begin at `from`.
    fn begins(&self, line: &[u8], from: usize) -> bool {
        begins(line, from) && (from > 0 || !self.continues)
    }

    fn broken(&mut self, kind: Kind, why: Why, next: usize) -> (usize, Option<Record>) {
        self.piece |= kind == Kind::Gc;
        (next, Some(Record::Broken(Broken { kind, why })))
    }

    /// Takes a line that begins at `from`, if it is whole.
    fn take(
        &mut self,
        line: &[u8],
        from: usize,
        kind: Kind,
        parse: impl Fn(&mut Cursor<'_>) -> Result<Record, crate::cursor::Stop>,
    ) -> (usize, Option<Record>) {
        let mut c = Cursor::new(line, from);
        let record = match parse(&mut c) {
            Ok(record) => record,
            Err(stop) => {
                let why = if is_older(line, stop.at) {
                    Why::Older
                } else if stop.ended || ends(line, from, stop.at) {
                    Why::Cut
                } else {
                    Why::Mixed
                };
                return self.broken(kind, why, stop.at);
            }
        };
        if !self.begins(line, from) || (self.piece && kind == Kind::Gc) {
            return self.broken(kind, Why::Glued, c.at());
        }
        if !ends(line, from, c.at()) {
            return self.broken(kind, Why::Mixed, c.at());
        }
        if c.rest().is_empty() && !self.ended {
            return self.broken(kind, Why::Cut, c.at());
        }
        if let Record::Cycle(cycle) = &record
            && let Some(rule) = cycle.contradiction()
        {
            return self.broken(kind, Why::Inconsistent(rule), c.at());
        }
        (c.at(), Some(record))
    }
}

/// What `gc ` is the beginning of.
enum Head {
    Line,
    /// `gc 12` at the end of a line.
    Cut,
    /// Two beginnings: two processes write at once.
    Twice,
    /// Something else.
    No,
}

/// What `gc ` at `from` begins; `begins` says whether a line may begin there.
fn head(line: &[u8], rest: &[u8], from: usize, begins: bool) -> Head {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let after = rest.get(digits..).unwrap_or_default();
    if digits == 0 {
        return if rest.starts_with(b"gc ") && begins { Head::Twice } else { Head::No };
    }
    if after.starts_with(b" @") {
        return Head::Line;
    }
    let at = line.len().saturating_sub(after.len());
    let cut = after.is_empty() || after == b" " || ends(line, from, at);
    if cut && begins { Head::Cut } else { Head::No }
}

/// Whether digits come first, and then `text`.
fn number_then(rest: &[u8], text: &[u8]) -> bool {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && rest.get(digits..).is_some_and(|r| r.starts_with(text))
}

/// Whether a line of the runtime's may begin at `from`: at the start of the text, after a gap, a quote, a bracket, an
/// escaped end of line or a colour.
fn begins(line: &[u8], from: usize) -> bool {
    let before = line.get(..from).unwrap_or_default();
    match before {
        [] | [.., b' ' | b'\t' | b'\r' | b'"' | b'\'' | b'`' | b']' | b')' | b'}' | b'|' | b':' | b'=' | b';'] => true,
        [.., b'\\', b'n' | b't' | b'r'] => true,
        [start @ .., b'm'] => is_colour(start),
        _ => false,
    }
}

/// Whether text that an `m` follows ends in the beginning of an ANSI colour: `ESC [ 0 ; 36`, escaped perhaps.
fn is_colour(before: &[u8]) -> bool {
    let n = before.iter().rev().take(16).take_while(|b| b.is_ascii_digit() || **b == b';').count();
    let Some((b'[', start)) = before.get(..before.len().saturating_sub(n)).and_then(|b| b.split_last()) else {
        return false;
    };
    start.ends_with(b"\x1b") || [&b"u001b"[..], b"u001B", b"x1b", b"033"].iter().any(|e| start.ends_with(e))
}

/// Whether a line of the runtime's that began at `from` may end at `at`: at the end of the text, a colour, or the quote
/// or escaped end of line of a string that it stands in.
fn ends(line: &[u8], from: usize, at: usize) -> bool {
    let rest = line.get(at..).unwrap_or_default();
    let quoted = |q: u8| line.get(..from).is_some_and(|p| memrchr(q, p).is_some());
    let slashes = rest.iter().take_while(|b| **b == b'\\').count();
    match rest.get(slashes..).unwrap_or_default() {
        [] | [b'\r'] | [b'\x1b', b'[', ..] => slashes == 0,
        [q @ (b'"' | b'\'' | b'`'), ..] => quoted(*q),
        [b'n' | b'r', ..] => slashes > 0 && (quoted(b'"') || quoted(b'\'')),
        [b'u', b'0', b'0', b'1', b'b' | b'B', b'[', ..] => slashes > 0,
        _ => false,
    }
}

/// Whether the line stops being one where Go before 1.19 goes on with the number of Ps.
fn is_older(line: &[u8], at: usize) -> bool {
    let from = line.get(..at).and_then(|b| memchr::memmem::rfind(b, b" MB goal, "));
    from.and_then(|f| line.get(f.saturating_add(10)..)).is_some_and(|rest| number_then(rest, b" P"))
}
