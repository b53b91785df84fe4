//! Owns the gctrace line: its fields and the rules that make it consistent (Go `src/runtime/mgc.go`,
//! `gcMarkTermination`, the same in 1.19 to 1.27 but for the note on goroutine leaks of 1.26).
//! Refuses a line that lacks a part, has one in another form than the runtime prints, or whose parts
//! contradict each other.

use crate::cursor::{Cursor, Stop};

/// A collection, as `GODEBUG=gctrace=1` prints it. Times are truncated to what is printed
/// ([`precision`]), sizes to whole MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Number of the collection since the start of the process, from 1.
    pub number: u32,
    /// When it began, milliseconds since the runtime's initialisation.
    pub start_ms: u64,
    /// CPU time of the GC since the start of the process, idle marking left out, in per cent of the
    /// time that all Ps had.
    pub percent: u32,
    /// Looked for leaked goroutines (Go 1.26 and later).
    pub leak_check: bool,
    /// Wall time of the phases.
    pub clock: Clock,
    /// CPU time of the phases.
    pub cpu: Cpu,
    /// Heap at the start, MiB.
    pub heap_before_mib: u64,
    /// Heap when marking ended, MiB: what was there at the start and what was allocated meanwhile.
    pub heap_after_mib: u64,
    /// Live heap: what was marked, MiB.
    pub heap_marked_mib: u64,
    /// The heap goal of this collection, MiB.
    pub goal_mib: u64,
    /// Scannable goroutine stacks, MiB.
    pub stacks_mib: u64,
    /// Scannable globals, MiB.
    pub globals_mib: u64,
    /// Ps (`GOMAXPROCS`).
    pub procs: u32,
    /// The program called `runtime.GC()`.
    pub forced: bool,
}

/// Wall time of the phases of a collection, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Stopping the world and ending the sweep.
    pub sweep_termination_ns: u64,
    /// Concurrent mark and scan.
    pub mark_ns: u64,
    /// Stopping the world for mark termination, to the world's start.
    pub mark_termination_ns: u64,
}

/// CPU time of the phases of a collection, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// The world stopped at the start: all Ps.
    pub sweep_termination_ns: u64,
    /// Mark assists: allocating goroutines that had to mark.
    pub assist_ns: u64,
    /// Dedicated and fractional background workers.
    pub background_ns: u64,
    /// Background workers on Ps that had nothing else to do.
    pub idle_ns: u64,
    /// The world stopped at the end: all Ps.
    pub mark_termination_ns: u64,
}

/// Which rule a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Collections and Ps are counted from one, a share of time ends at 100 %.
    Range,
    /// CPU time of a stopped world is its wall time multiplied by a whole number of Ps, at most all.
    StoppedCpu,
    /// Assists, background and idle workers together have no more CPU than all Ps have while marking.
    MarkCpu,
    /// The heap does not shrink while it is marked, and no more is marked than is there.
    Heap,
}

impl Rule {
    /// One sentence without a full stop.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Range => "a number is out of its range",
            Self::StoppedCpu => "CPU time of a stop does not fit its wall time and the number of Ps",
            Self::MarkCpu => "CPU time of marking is more than all Ps have in its wall time",
            Self::Heap => "the heap sizes contradict each other",
        }
    }
}

impl Cycle {
    /// The whole collection's wall time, nanoseconds.
    #[must_use]
    pub const fn wall_ns(&self) -> u64 {
        self.pause_ns().saturating_add(self.clock.mark_ns)
    }

    /// Both stops of the world, nanoseconds.
    #[must_use]
    pub const fn pause_ns(&self) -> u64 {
        self.clock.sweep_termination_ns.saturating_add(self.clock.mark_termination_ns)
    }

    /// CPU time of the collection without idle workers, nanoseconds: what the printed percentage adds up.
    #[must_use]
    pub const fn cpu_ns(&self) -> u64 {
        self.cpu
            .sweep_termination_ns
            .saturating_add(self.cpu.assist_ns)
            .saturating_add(self.cpu.background_ns)
            .saturating_add(self.cpu.mark_termination_ns)
    }

    /// The first rule that the line breaks.
    pub(crate) fn contradiction(&self) -> Option<Rule> {
        if self.number == 0 || !(1..=MOST_PROCS).contains(&self.procs) || self.percent > 100 {
            return Some(Rule::Range);
        }
        let stops = [
            (self.clock.sweep_termination_ns, self.cpu.sweep_termination_ns),
            (self.clock.mark_termination_ns, self.cpu.mark_termination_ns),
        ];
        if !stops.iter().all(|&(wall, cpu)| stopped_fits(wall, cpu, self.procs)) {
            return Some(Rule::StoppedCpu);
        }
        let marking = [self.cpu.assist_ns, self.cpu.background_ns, self.cpu.idle_ns];
        let marked = marking.iter().fold(0_u64, |a, b| a.saturating_add(*b));
        let wall = self.wall_ns().saturating_add(precision(self.clock.mark_ns)).saturating_add(MARK_SLACK_NS);
        if marked > wall.saturating_mul(u64::from(self.procs)) {
            return Some(Rule::MarkCpu);
        }
        // What Ps have taken in advance counts into the heap, and is given back when their caches are flushed.
        let slack = 1_u64.saturating_add(u64::from(self.procs)).saturating_add(self.heap_before_mib / 16);
        let shrank = self.heap_before_mib > self.heap_after_mib.saturating_add(slack);
        let over = self.heap_marked_mib > self.heap_after_mib.saturating_add(slack);
        (shrank || over).then_some(Rule::Heap)
    }
}

/// Largest `GOMAXPROCS` that is believed. The runtime's own limit was 1024, and is that of 32 bits since 1.10.
const MOST_PROCS: u32 = 1 << 16;
/// Marking begins before and ends after the moments whose difference is its wall time.
const MARK_SLACK_NS: u64 = 2_000_000;

/// What a printed time was truncated to, nanoseconds: its value is in `ns..ns + precision(ns)`.
#[must_use]
pub const fn precision(ns: u64) -> u64 {
    match ns {
        10_000_000.. => 1_000_000,
        1_000_000.. => 100_000,
        100_000.. => 10_000,
        _ => 1_000,
    }
}

/// Whether `cpu` is `wall` times a whole number of Ps between 1 and `procs`, both being truncated.
fn stopped_fits(wall: u64, cpu: u64, procs: u32) -> bool {
    let (wall_below, cpu_below) = (wall.saturating_add(precision(wall)), cpu.saturating_add(precision(cpu)));
    // The smallest n with n * wall_below > cpu; every n up to the last with n * wall < cpu_below will do.
    let n = (cpu / wall_below).saturating_add(1);
    n <= u64::from(procs) && n.saturating_mul(wall) < cpu_below
}

/// Takes a gctrace line from its `gc ` on, up to ` P` or ` (forced)`.
pub(crate) fn cycle(c: &mut Cursor<'_>) -> Result<Cycle, Stop> {
    let mut y = Cycle::default();
    c.literal(b"gc ")?;
    y.number = c.uint32()?;
    c.literal(b" @")?;
    y.start_ms = c.seconds()?;
    c.literal(b"s ")?;
    y.percent = c.uint32()?;
    c.literal(b"%")?;
    y.leak_check = c.skip(b" (checking for goroutine leaks)");
    c.literal(b": ")?;
    times(c, &mut y)?;
    sizes(c, &mut y)?;
    y.procs = c.uint32()?;
    c.literal(b" P")?;
    y.forced = c.skip(b" (forced)");
    Ok(y)
}

fn times(c: &mut Cursor<'_>, y: &mut Cycle) -> Result<(), Stop> {
    y.clock.sweep_termination_ns = c.milliseconds()?;
    c.literal(b"+")?;
    y.clock.mark_ns = c.milliseconds()?;
    c.literal(b"+")?;
    y.clock.mark_termination_ns = c.milliseconds()?;
    c.literal(b" ms clock, ")?;
    y.cpu.sweep_termination_ns = c.milliseconds()?;
    c.literal(b"+")?;
    y.cpu.assist_ns = c.milliseconds()?;
    c.literal(b"/")?;
    y.cpu.background_ns = c.milliseconds()?;
    c.literal(b"/")?;
    y.cpu.idle_ns = c.milliseconds()?;
    c.literal(b"+")?;
    y.cpu.mark_termination_ns = c.milliseconds()?;
    c.literal(b" ms cpu, ")
}

fn sizes(c: &mut Cursor<'_>, y: &mut Cycle) -> Result<(), Stop> {
    y.heap_before_mib = c.uint()?;
    c.arrow()?;
    y.heap_after_mib = c.uint()?;
    c.arrow()?;
    y.heap_marked_mib = c.uint()?;
    c.literal(b" MB, ")?;
    y.goal_mib = c.uint()?;
    c.literal(b" MB goal, ")?;
    y.stacks_mib = c.uint()?;
    c.literal(b" MB stacks, ")?;
    y.globals_mib = c.uint()?;
    c.literal(b" MB globals, ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_time_is_a_multiple() {
        assert!(stopped_fits(37_000, 74_000, 2));
        assert!(stopped_fits(37_000, 37_000, 2));
        assert!(!stopped_fits(37_000, 120_000, 2));
        assert!(!stopped_fits(37_000, 10_000, 2));
        assert!(stopped_fits(0, 0, 2));
        assert!(stopped_fits(0, 1_000, 2));
        // 5.5 ms and less than 5.6 ms eight times: 44 to 44.8 ms, printed 44.
        assert!(stopped_fits(5_500_000, 44_000_000, 8));
        assert!(!stopped_fits(5_500_000, 44_000_000, 4));
    }
}
