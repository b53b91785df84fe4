//! Owns the other lines: `gcpacertrace=1` (Go `src/runtime/mgcpacer.go`, `mgcsweep.go`; one wording from 1.19 to 1.27,
//! numbers with exponents up to 1.25), `scavtrace=1` (`mgcscavenge.go`; totals up to 1.20, background and eager work
//! apart from 1.21 on) and what `gctrace=2` adds from 1.25 on (`mgcmark_greenteagc.go`, `mgcmark_nogreenteagc.go`).
//! Refuses sums that do not add up.

use crate::cursor::{Cursor, Stop};

/// `pacer: assist ratio=…`: what the pacer set out with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PacerStart {
    /// Scan work an allocating goroutine owes per byte allocated.
    pub assist_ratio: f64,
    /// Scannable heap, MiB.
    pub scan_mib: u64,
    /// Heap at the start, MiB.
    pub heap_mib: u64,
    /// The goal, MiB.
    pub goal_mib: u64,
    /// Dedicated workers.
    pub dedicated: i64,
    /// Share of a P's time for the fractional worker.
    pub fractional: f64,
}

/// `pacer: U% CPU …`: how the cycle went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PacerEnd {
    /// CPU the marking had, per cent of all Ps, idle workers left out.
    pub percent: i64,
    /// What it was to have.
    pub expected_percent: i64,
    /// Bytes scanned in the heap.
    pub heap_scan: i64,
    /// Bytes scanned on stacks.
    pub stack_scan: i64,
    /// Bytes scanned in globals.
    pub globals_scan: i64,
    /// Bytes that were to be scanned.
    pub expected_scan: u64,
    /// Heap when the cycle was triggered, bytes.
    pub triggered: u64,
    /// Heap at the end of marking, bytes.
    pub heap: u64,
    /// Heap less the goal, bytes: above zero it was exceeded.
    pub over_goal: i64,
    /// The ratio of allocation to marking that the pacer had reckoned with.
    pub cons_mark: f64,
}

/// `pacer: sweep done …`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SweepDone {
    /// Heap at its end, MiB.
    pub heap_mib: u64,
    /// Allocated meanwhile, MiB.
    pub allocated_mib: u64,
    /// Pages swept.
    pub pages: u64,
    /// Pages to sweep per byte allocated.
    pub pages_per_byte: f64,
}

/// `scav …`: memory returned to the system since the line before, and what is returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scavenge {
    /// Returned in the background, KiB; all of it up to Go 1.20.
    pub background_kib: u64,
    /// Returned by allocating goroutines, KiB; `None` up to Go 1.20.
    pub eager_kib: Option<u64>,
    /// Heap memory that is returned now, KiB. Up to Go 1.20: returned in all.
    pub released_kib: u64,
    /// Heap in use, per cent of the heap that is not returned.
    pub used_percent: u64,
    /// By `debug.FreeOSMemory`.
    pub forced: bool,
    /// The scavenger's controller began anew.
    pub reset: bool,
}

/// `scan: …`: objects and spans scanned, in all or of one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// What was scanned.
    pub class: ScanClass,
    /// Objects scanned one by one.
    pub sparse_objects: u64,
    /// Objects of spans scanned sparsely and densely, and such spans; Green Tea only.
    pub spans: Option<ScanSpans>,
}

/// Which objects a [`Scan`] is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanClass {
    /// All.
    #[default]
    Total,
    /// Larger than any size class.
    Large,
    /// Of this size class, bytes.
    Size(u64),
}

/// What Green Tea scanned by spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanSpans {
    /// Objects in spans scanned sparsely.
    pub sparse_objects: u64,
    /// Objects in spans scanned densely.
    pub dense_objects: u64,
    /// Spans scanned sparsely.
    pub sparse: u64,
    /// Spans scanned densely.
    pub dense: u64,
}

pub(crate) fn pacer_start(c: &mut Cursor<'_>) -> Result<PacerStart, Stop> {
    let mut p = PacerStart::default();
    c.literal(b"pacer: assist ratio=")?;
    p.assist_ratio = c.float()?;
    c.literal(b" (scan ")?;
    p.scan_mib = c.uint()?;
    c.literal(b" MB in ")?;
    p.heap_mib = c.uint()?;
    c.arrow()?;
    p.goal_mib = c.uint()?;
    c.literal(b" MB) workers=")?;
    p.dedicated = c.int()?;
    c.literal(b"+")?;
    p.fractional = c.float()?;
    Ok(p)
}

pub(crate) fn pacer_end(c: &mut Cursor<'_>) -> Result<PacerEnd, Stop> {
    let mut p = PacerEnd::default();
    c.literal(b"pacer: ")?;
    p.percent = c.int()?;
    c.literal(b"% CPU (")?;
    p.expected_percent = c.int()?;
    c.literal(b" exp.) for ")?;
    p.heap_scan = c.int()?;
    c.literal(b"+")?;
    p.stack_scan = c.int()?;
    c.literal(b"+")?;
    p.globals_scan = c.int()?;
    c.literal(b" B work (")?;
    p.expected_scan = c.uint()?;
    c.literal(b" B exp.) in ")?;
    p.triggered = c.uint()?;
    c.literal(b" B ")?;
    c.arrow()?;
    c.literal(b" ")?;
    p.heap = c.uint()?;
    c.literal(b" B (")?;
    c.delta()?;
    c.literal(b"goal ")?;
    p.over_goal = c.int()?;
    c.literal(b", cons/mark ")?;
    p.cons_mark = c.float()?;
    c.literal(b")")?;
    Ok(p)
}

pub(crate) fn sweep_done(c: &mut Cursor<'_>) -> Result<SweepDone, Stop> {
    let mut s = SweepDone::default();
    c.literal(b"pacer: sweep done at heap size ")?;
    s.heap_mib = c.uint()?;
    c.literal(b"MB; allocated ")?;
    s.allocated_mib = c.uint()?;
    c.literal(b"MB during sweep; swept ")?;
    s.pages = c.uint()?;
    c.literal(b" pages at ")?;
    s.pages_per_byte = c.float()?;
    c.literal(b" pages/byte")?;
    Ok(s)
}

pub(crate) fn scavenge(c: &mut Cursor<'_>) -> Result<Scavenge, Stop> {
    let mut s = Scavenge::default();
    c.literal(b"scav ")?;
    s.background_kib = c.uint()?;
    c.literal(b" KiB work")?;
    if c.skip(b" (bg), ") {
        s.eager_kib = Some(c.uint()?);
        c.literal(b" KiB work (eager), ")?;
        s.released_kib = c.uint()?;
        c.literal(b" KiB now, ")?;
    } else {
        c.literal(b", ")?;
        s.released_kib = c.uint()?;
        c.literal(b" KiB total, ")?;
    }
    s.used_percent = c.uint()?;
    c.literal(b"% util")?;
    s.forced = c.skip(b" (forced)");
    s.reset = !s.forced && c.skip(b" [controller reset]");
    Ok(s)
}

pub(crate) fn scan(c: &mut Cursor<'_>) -> Result<Scan, Stop> {
    let mut s = Scan::default();
    c.literal(b"scan: ")?;
    if c.skip(b"class L ") {
        s.class = ScanClass::Large;
    } else if c.skip(b"class ") {
        s.class = ScanClass::Size(c.uint()?);
        c.literal(b"B ")?;
    } else {
        c.literal(b"total ")?;
    }
    s.sparse_objects = c.uint()?;
    if c.skip(b"+") {
        let mut by = ScanSpans { sparse_objects: c.uint()?, ..ScanSpans::default() };
        c.literal(b"+")?;
        by.dense_objects = c.uint()?;
        c.literal(b"=")?;
        sum(c, &[s.sparse_objects, by.sparse_objects, by.dense_objects])?;
        c.literal(b" objs, ")?;
        by.sparse = c.uint()?;
        c.literal(b"+")?;
        by.dense = c.uint()?;
        c.literal(b"=")?;
        sum(c, &[by.sparse, by.dense])?;
        c.literal(b" spans")?;
        s.spans = Some(by);
    } else {
        c.literal(b" objs")?;
    }
    Ok(s)
}

/// Takes the sum of `parts`.
fn sum(c: &mut Cursor<'_>, parts: &[u64]) -> Result<(), Stop> {
    let before = *c;
    let printed = c.uint()?;
    let sum = parts.iter().try_fold(0_u64, |a, b| a.checked_add(*b));
    if sum == Some(printed) { Ok(()) } else { before.stop() }
}
