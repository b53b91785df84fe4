//! One service: samples in, what its memory does and when it ends out. A fixed amount of state and of work a
//! sample.

use super::growth::Sustained;
use super::outlook::{HeapStanding, Rate, Standing, earliest, outlook};
use super::shape::GROWS_SHARE;
use super::shift::{Shift, Shifts};
use super::track::{Track, Trend};
use super::{Column, MonitorSettings, Sample};
use crate::TimeToLimit;

/// Seconds over which [`Reading::levelled_off`] looks.
const LEVELLING_S: f64 = 60.0;
/// How many times longer marking takes when the heap meets a memory limit than on the way there.
const MARKING_GROWS: f64 = 3.5;
/// At most this share of the live heap is taken for what was allocated while it was marked.
const FLOATING: f64 = 0.3;

/// What ends first: the growth of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// Nothing grows, or it is not known what.
    #[default]
    None,
    /// The live heap.
    LiveHeap,
    /// Goroutine stacks and the runtime's structures.
    Stacks,
    /// Memory the Go runtime does not know.
    OffHeap,
}

/// What is known after a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// When the limit is met.
    pub time_to_limit: Option<TimeToLimit>,
    /// The earliest time that is not out of the question, seconds: sets the pace of sampling.
    pub earliest_s: Option<f64>,
    /// Growth of what is not given back, bytes per second.
    pub growth: Rate,
    /// What grows most.
    pub driver: Driver,
    /// For how long it has grown without falling back, seconds.
    pub grown_for_s: f64,
    /// By how much, bytes.
    pub grown_by: f64,
    /// Later half of the rise over its earlier half: 1 is steady.
    pub acceleration: f64,
    /// The largest single rise as a share of all of it.
    pub largest_step: f64,
    /// Whether it levels off below the limit.
    pub levels_off: bool,
    /// Whether it has done so for most of the last minute: a single sample may mistake noise for it.
    pub levelled_off: bool,
    /// Whether this much was in use before and given back.
    pub known_range: bool,
    /// Whether it jumped from a flat level, and stays where it came to.
    pub shift: Shift,
    /// Allocation, bytes per second.
    pub alloc_rate: Option<f64>,
    /// GC cycles per second.
    pub cycles_per_s: Option<f64>,
    /// Share of the process's CPU that the collector takes.
    pub gc_cpu_share: Option<f64>,
    /// CPU in cores.
    pub cpu_cores: Option<f64>,
    /// Charged and not reclaimable, as a share of the limit.
    pub limit_share: Option<f64>,
    /// The goal is what GOMEMLIMIT allows, less than GOGC would.
    pub goal_pinned: bool,
    /// Charged memory reached a height it never had, by a margin worth a profile.
    pub new_peak: bool,
}

/// Watches one process.
#[derive(Clone, Debug)]
pub struct Monitor {
    settings: MonitorSettings,
    live: Track,
    beside_heap: Track,
    beside_go: Track,
    /// Lower envelope of what is charged, where no heap is known.
    envelope: Envelope,
    charged: Track,
    allocated: Counter,
    cpu: Counter,
    cycles: Counter,
    sustained: Sustained,
    shifts: Shifts,
    /// Share of the last minute in which growth levelled off.
    levelling: f64,
    packing: f64,
    peaks: Peaks,
    /// When the last collection was seen.
    cycle_at: f64,
    last: Option<Sample>,
    /// Highest charge at the last profile's worth of a peak.
    peak: f64,
    cycle_cpu: f64,
}

/// The least of the last few values: what the sawtooth comes back to.
#[derive(Clone, Copy, Debug, Default)]
struct Envelope {
    last: [f64; 6],
    n: usize,
}

impl Envelope {
    fn push(&mut self, v: f64) -> f64 {
        let at = self.n % self.last.len();
        if let Some(place) = self.last.get_mut(at) {
            *place = v;
        }
        self.n += 1;
        self.last.iter().take(self.n).copied().fold(f64::INFINITY, f64::min)
    }
}

impl Monitor {
    /// A watch over a process that was never seen before.
    #[must_use]
    pub fn new(settings: MonitorSettings) -> Self {
        Self {
            settings,
            live: Track::default(),
            beside_heap: Track::default(),
            beside_go: Track::default(),
            envelope: Envelope::default(),
            charged: Track::default(),
            allocated: Counter::default(),
            cpu: Counter::default(),
            cycles: Counter::default(),
            sustained: Sustained::default(),
            shifts: Shifts::default(),
            levelling: 0.0,
            packing: 1.05,
            peaks: Peaks::default(),
            cycle_at: f64::NAN,
            last: None,
            peak: 0.0,
            cycle_cpu: f64::NAN,
        }
    }

    /// Changes the thresholds; what was learned stays.
    pub fn set(&mut self, settings: MonitorSettings) {
        self.settings = settings;
    }

    /// The thresholds.
    #[must_use]
    pub const fn settings(&self) -> &MonitorSettings {
        &self.settings
    }

    /// Takes a sample.
    pub fn push(&mut self, s: &Sample) -> Reading {
        if self.last.is_some_and(|l| s.at_s <= l.at_s) {
            return Reading::default();
        }
        self.learn(s);
        let standing = self.standing(s);
        let base = self.base(s);
        let cycle = s.get(Column::GcCycles);
        if let Some(base) = base {
            self.sustained.push(s.at_s, base, cycle);
        }
        let least = GROWS_SHARE * s.limit().unwrap_or(0.0);
        let shift = base.map_or(Shift::None, |base| self.shifts.push(s.at_s, base, least));
        let rates = self.rates();
        let mut reading = Reading {
            growth: rates.0.plus(rates.1).plus(rates.2),
            driver: driver(rates),
            grown_for_s: self.sustained.seconds(s.at_s),
            grown_by: self.sustained.gain(),
            shift,
            known_range: self.sustained.known_range(),
            alloc_rate: self.allocated.rate(),
            cycles_per_s: self.cycles.rate(),
            cpu_cores: self.cpu.rate(),
            goal_pinned: pinned(s),
            ..Reading::default()
        };
        reading.gc_cpu_share = self.gc_cpu_share(s, &reading);
        if let Some(standing) = standing {
            reading.limit_share = Some(standing.charged / standing.limit);
            reading.earliest_s = self.earliest(&standing, s);
            let lead = self.leading_trend(&rates);
            reading.acceleration = lead.map_or(1.0, |t| t.acceleration());
            reading.largest_step = lead.map_or(0.0, |t| t.largest_step);
            reading.levels_off = lead.is_some_and(|t| self.levels_off(&t, &standing));
            if !reading.levels_off {
                reading.time_to_limit = outlook(&standing);
            }
            if standing.charged > self.peak * 1.1 + 4.0 * 1048576.0 {
                reading.new_peak = self.peak > 0.0;
                self.peak = standing.charged;
            }
        }
        let seconds = self.last.map_or(0.0, |l| s.at_s - l.at_s);
        let now = if reading.levels_off { 1.0 } else { 0.0 };
        self.levelling += (now - self.levelling) * (1.0 - (-seconds / LEVELLING_S).exp());
        reading.levelled_off = self.levelling > 0.5;
        self.last = Some(*s);
        reading
    }

    fn learn(&mut self, s: &Sample) {
        let last = self.last;
        let before = |c: Column| last.and_then(|l| l.get(c));
        if let Some(v) = s.beside_heap() {
            self.beside_heap.push(s.at_s, v);
        }
        if s.get(Column::Mapped).is_some()
            && let Some(v) = s.beside_go()
        {
            self.beside_go.push(s.at_s, v);
        }
        if s.get(Column::HeapLive).is_none()
            && let Some(v) = s.unreclaimable()
        {
            self.charged.push(s.at_s, v);
        }
        for (column, track) in [
            (Column::TotalAlloc, &mut self.allocated),
            (Column::Cpu, &mut self.cpu),
            (Column::GcCycles, &mut self.cycles),
        ] {
            if let Some(v) = s.get(column) {
                track.push(s.at_s, v);
            }
        }
        if let Some(live) = s.get(Column::HeapLive) {
            // A collection tells the live heap anew; between two nothing is learned.
            let same = s.get(Column::GcCycles).is_some() && s.get(Column::GcCycles) == before(Column::GcCycles);
            if !same {
                self.cycle_at = s.at_s;
            }
            if !same && (before(Column::HeapLive) != Some(live) || s.get(Column::GcCycles).is_some()) {
                // What was allocated while it marked counts as live, garbage or not; it is not what grows.
                let marked = self.marked_alloc(s).unwrap_or(0.0);
                self.live.push(s.at_s, live - marked.min(FLOATING * live));
            }
        }
        if let Some(last) = last {
            self.peaks.learn(&last, s);
        }
        if let (Some(inuse), Some(alloc), Some(goal)) =
            (s.get(Column::HeapInuse), s.get(Column::HeapAlloc), s.get(Column::HeapGoal))
            && alloc > 0.75 * goal
            && alloc > 0.0
        {
            self.packing += 0.2 * ((inuse / alloc).clamp(1.0, 2.0) - self.packing);
        }
        if let Some(cpu) = s.get(Column::GcMarkCpu).filter(|c| *c > 0.0) {
            self.cycle_cpu = if self.cycle_cpu.is_finite() { 0.7 * self.cycle_cpu + 0.3 * cpu } else { cpu };
        }
    }

    /// What would be left if everything that can be given back were: the series whose rise is growth.
    fn base(&mut self, s: &Sample) -> Option<f64> {
        match (s.get(Column::HeapLive), s.beside_heap(), s.get(Column::Mapped)) {
            (Some(live), Some(beside), Some(_)) => Some(live + beside + s.beside_go().unwrap_or(0.0)),
            _ => Some(self.envelope.push(s.unreclaimable()?)),
        }
    }

    /// Rates of the live heap, of the rest of the runtime's memory, of memory outside it.
    fn rates(&self) -> (Rate, Rate, Rate) {
        if self.live.latest().is_some() {
            (rate(&self.live), rate(&self.beside_heap), rate(&self.beside_go))
        } else {
            (Rate::NONE, Rate::NONE, rate(&self.charged))
        }
    }

    fn standing(&self, s: &Sample) -> Option<Standing> {
        let charged = s.unreclaimable()?;
        let limit = s.limit().filter(|l| *l > 0.0)?;
        let (live_rate, beside_heap, beside_go) = self.rates();
        let heap = self.heap_standing(s, live_rate);
        Some(Standing { charged, limit, heap, beside: beside_heap.plus(beside_go) })
    }

    fn heap_standing(&self, s: &Sample, live_rate: Rate) -> Option<HeapStanding> {
        let live = s.get(Column::HeapLive)?;
        let goal = s.get(Column::HeapGoal)?;
        // Where only the collector's lines are known: what it left, and that the heap has been near this goal.
        let lines = s.get(Column::Mapped).is_none() && s.get(Column::GcWall).is_some();
        let allocated = s.get(Column::HeapAlloc).or_else(|| lines.then_some(live))?;
        let in_use = s.get(Column::HeapInuse).or_else(|| lines.then_some(goal))?;
        let footprint = in_use + s.get(Column::HeapIdle).unwrap_or(0.0);
        let gogc = s.get(Column::Gogc).unwrap_or(100.0);
        let goal_to_live = if gogc < 0.0 { f64::INFINITY } else { 1.0 + gogc / 100.0 };
        let resident = match (s.get(Column::Anon), s.get(Column::Mapped)) {
            (Some(anon), Some(mapped)) if mapped > 0.0 => (anon / mapped).clamp(0.05, 1.0),
            _ => 1.0,
        };
        let bend = self.bend();
        Some(HeapStanding {
            allocated,
            live,
            goal: goal.max(live),
            footprint,
            goal_to_live,
            live_age: if self.cycle_at.is_finite() { s.at_s - self.cycle_at } else { 0.0 },
            limit_goal: self.limit_goal(s, goal),
            peak_to_goal: self.peaks.ratio(),
            mark_alloc: self.mark_alloc(s),
            pinned: pinned(s),
            packing: self.packing,
            resident,
            live_rate: self.rate_now(live_rate, bend),
            live_bend: bend,
            stack_rate: rate(&self.beside_heap).p50,
            alloc_rate: self.allocated.rate().unwrap_or(0.0),
        })
    }

    /// What was allocated while the last cycle marked: no longer than cycles are apart, where its time is not its own.
    fn marked_alloc(&self, s: &Sample) -> Option<f64> {
        let apart = self.cycles.rate().filter(|c| *c > 0.0).map_or(f64::INFINITY, |c| 1.0 / c);
        let wall = s.get(Column::GcWall)?.clamp(0.0, apart);
        Some(wall * self.allocated.rate()?)
    }

    /// What the heap has beyond the live heap at the end of a cycle that the memory limit forces: at least what is
    /// allocated while one marks now, at most what was found beyond it so far, which is garbage of whole cycles too. In
    /// between: marking takes longer as more lives and as cycles compete with the program.
    fn mark_alloc(&self, s: &Sample) -> Rate {
        let most = self.peaks.least_mark();
        let Some(now) = self.marked_alloc(s) else { return Rate { p10: 0.0, p50: most / 2.0, p90: most } };
        let cap = if most > 0.0 { most } else { f64::INFINITY };
        let p50 = (MARKING_GROWS * now).min(cap);
        Rate { p10: now.min(cap), p50, p90: most.max(p50) }
    }

    /// How the growth of the live heap itself grows: over a span in whose halves the slopes differ by a factor, the
    /// logarithm of that factor by half the span.
    fn bend(&self) -> Rate {
        let Some(t) = leading(&self.live).filter(|t| t.rises() && t.points >= 8 && t.early > 0.0) else {
            return Rate::NONE;
        };
        let q = t.acceleration();
        let bend = 2.0 * q.clamp(0.02, 12.0).ln() / t.span_s;
        // One jump in the later half is no growth by a share of itself.
        let spread = t.points >= 10 && t.largest_step <= 0.35;
        let sure = q >= self.settings.accelerating && spread || q <= self.settings.levelling_off;
        let early = if spread { bend.max(0.0) } else { 0.0 };
        Rate { p10: bend.min(0.0), p50: if sure { bend } else { 0.0 }, p90: early }
    }

    /// The rate at this moment: that of the later half is the one of its middle, a quarter of the span ago.
    fn rate_now(&self, rate: Rate, bend: Rate) -> Rate {
        match leading(&self.live) {
            Some(t) if bend.p50 != 0.0 => {
                let now = t.late.max(0.0) * (bend.p50 * t.span_s / 4.0).exp();
                Rate { p10: rate.p10.min(now), p50: now, p90: rate.p90.max(now) }
            }
            _ => rate,
        }
    }

    /// The goal that GOMEMLIMIT allows: what it leaves beside stacks and structures, less the runtime's headroom.
    fn limit_goal(&self, s: &Sample, goal: f64) -> f64 {
        if pinned(s) {
            return goal;
        }
        match (s.get(Column::MemoryLimit), s.beside_heap()) {
            (Some(limit), Some(beside)) => (0.97 * (limit - beside)).max(0.0),
            _ => f64::INFINITY,
        }
    }

    /// The trend of what grows most.
    fn leading_trend(&self, rates: &(Rate, Rate, Rate)) -> Option<Trend> {
        let track = match driver(*rates) {
            Driver::LiveHeap => &self.live,
            Driver::Stacks => &self.beside_heap,
            Driver::OffHeap if self.live.latest().is_some() => &self.beside_go,
            _ => &self.charged,
        };
        leading(track)
    }

    /// A rise that loses speed ends where the geometric series of its halves ends.
    fn levels_off(&self, t: &Trend, s: &Standing) -> bool {
        let q = t.acceleration();
        if q >= self.settings.levelling_off || t.points < 6 {
            return false;
        }
        let half = t.late.max(0.0) * t.span_s / 2.0;
        let rest = half * q / (1.0 - q);
        let swing = s.heap.map_or(1.0, |h| h.goal_to_live.min(h.limit_goal / h.live.max(1.0)).clamp(1.0, 4.0));
        s.charged + rest * swing < 0.95 * s.limit
    }

    /// The early forecast, and what the last seconds' climb would come to.
    fn earliest(&self, standing: &Standing, s: &Sample) -> Option<f64> {
        let modelled = earliest(standing);
        let climb = self.last.and_then(|l| {
            let step = s.unreclaimable()? - l.unreclaimable()?;
            let per_s = step / (s.at_s - l.at_s);
            // Less than a hundredth of the limit in a step is noise.
            (step > 0.01 * standing.limit).then(|| (standing.limit - standing.charged) / per_s)
        });
        match (modelled, climb) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    fn gc_cpu_share(&self, s: &Sample, r: &Reading) -> Option<f64> {
        let by_cycles = || {
            let cpu = r.cpu_cores.filter(|c| *c > 0.0)?;
            (self.cycle_cpu.is_finite()).then(|| (self.cycle_cpu * r.cycles_per_s.unwrap_or(0.0) / cpu).clamp(0.0, 1.0))
        };
        by_cycles().or_else(|| s.get(Column::GcCpuFraction))
    }
}

/// GOMEMLIMIT sets the goal, not GOGC.
fn pinned(s: &Sample) -> bool {
    let (Some(goal), Some(live), Some(_)) =
        (s.get(Column::HeapGoal), s.get(Column::HeapLive), s.get(Column::MemoryLimit))
    else {
        return false;
    };
    let gogc = s.get(Column::Gogc).unwrap_or(100.0);
    gogc < 0.0 || goal < 0.97 * live * (1.0 + gogc / 100.0)
}

fn driver((live, stacks, off): (Rate, Rate, Rate)) -> Driver {
    let most = live.p50.max(stacks.p50).max(off.p50);
    if most <= 0.0 {
        Driver::None
    } else if live.p50 >= most {
        Driver::LiveHeap
    } else if stacks.p50 >= most {
        Driver::Stacks
    } else {
        Driver::OffHeap
    }
}

/// The trend that tells how a quantity grows now: the shortest that rises beyond chance.
fn leading(track: &Track) -> Option<Trend> {
    let mut longest = None;
    for t in track.trends() {
        if t.points >= 4 && t.rises() {
            return Some(t);
        }
        longest = Some(t);
    }
    longest
}

/// Growth with its interval. What does not rise beyond chance in any span is no growth, but may be one.
fn rate(track: &Track) -> Rate {
    let Some(t) = leading(track) else { return Rate::NONE };
    if !t.rises() {
        return Rate { p10: 0.0, p50: 0.0, p90: t.slope_p90.max(0.0) };
    }
    // Towards what the later half says, where the halves differ.
    let q = t.acceleration();
    let p50 = if (0.75..1.33).contains(&q) { t.slope } else { f64::midpoint(t.slope, t.late.max(0.0)) };
    Rate { p10: t.slope_p10.min(t.late).min(p50).max(0.25 * p50), p50, p90: t.slope_p90.max(t.late).max(p50) }
}

/// The last few values of a counter.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    last: [(f64, f64); 7],
    n: usize,
}

impl Counter {
    fn push(&mut self, at_s: f64, value: f64) {
        let at = self.n % self.last.len();
        if let Some(place) = self.last.get_mut(at) {
            *place = (at_s, value);
        }
        self.n += 1;
    }

    /// Growth per second: two samples see noise, two dozen see the past.
    fn rate(&self) -> Option<f64> {
        let kept = self.n.min(self.last.len());
        let last = self.last.get(self.n.checked_sub(1)? % self.last.len())?;
        let first = self.last.get((self.n - kept) % self.last.len())?;
        let seconds = last.0 - first.0;
        (seconds > 0.0).then(|| ((last.1 - first.1) / seconds).max(0.0))
    }
}

/// What the ends of GC cycles teach: how far the heap got against its goal, and what was allocated while it marked.
#[derive(Clone, Copy, Debug, Default)]
struct Peaks {
    ratios: [f64; 8],
    n: usize,
    least: f64,
}

impl Peaks {
    /// Learns from two samples with one collection between them: what was allocated until its end is what was
    /// allocated in all, less what was allocated since.
    fn learn(&mut self, before: &Sample, after: &Sample) {
        let both = |c: Column| Some((before.get(c)?, after.get(c)?));
        let (Some(cycles), Some(alloc), Some(total), Some(goal), Some(live)) = (
            both(Column::GcCycles),
            both(Column::HeapAlloc),
            both(Column::TotalAlloc),
            before.get(Column::HeapGoal),
            after.get(Column::HeapLive),
        ) else {
            return;
        };
        if cycles.1 - cycles.0 != 1.0 || goal <= 0.0 {
            return;
        }
        let end = alloc.0 + (total.1 - total.0) - (alloc.1 - live);
        let ratio = end / goal;
        if (0.5..2.0).contains(&ratio) {
            let at = self.n % self.ratios.len();
            if let Some(place) = self.ratios.get_mut(at) {
                *place = ratio;
            }
            self.n += 1;
        }
        let marked = (end - live).max(0.0);
        self.least = if self.least > 0.0 { (self.least * 1.05).min(marked.max(0.02 * live)) } else { marked };
    }

    fn ratio(&self) -> Rate {
        let mut seen: Vec<f64> = self.ratios.iter().take(self.n).copied().collect();
        if seen.len() < 2 {
            return Rate { p10: 0.85, p50: 0.97, p90: 1.05 };
        }
        seen.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| seen.get(((seen.len() - 1) as f64 * share).round() as usize).copied().unwrap_or(1.0);
        Rate { p10: at(0.1) * 0.98, p50: at(0.5), p90: at(0.9) * 1.02 }
    }

    const fn least_mark(&self) -> f64 {
        self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1048576.0;

    /// Growth of the live heap after a cycle every ten seconds, each of which marks a tenth of a second longer than the
    /// one before while 20 MiB/s are allocated: what it marks, that counted.
    fn growth_per_s(lives: impl Fn(f64) -> f64, wall_known: bool) -> Rate {
        let mut monitor = Monitor::new(MonitorSettings::default());
        let mut growth = Rate::NONE;
        for cycle in 0_u32..30 {
            let t = 10.0 * f64::from(cycle);
            let wall = 0.1 * f64::from(cycle);
            let live = lives(t) + 20.0 * MIB * wall;
            let mut s = Sample::new(t);
            for (column, value) in [
                (Column::HeapLive, live),
                (Column::HeapAlloc, live),
                (Column::HeapGoal, 2.0 * live),
                (Column::TotalAlloc, 20.0 * MIB * t),
                (Column::GcCycles, f64::from(cycle)),
                (Column::Usage, 500.0 * MIB),
                (Column::Limit, 4096.0 * MIB),
            ] {
                s.set(column, value);
            }
            s.put(Column::GcWall, wall_known.then_some(wall));
            growth = monitor.push(&s).growth;
        }
        growth
    }

    /// The runtime counts what is allocated while a cycle marks as live (`gcmarkBits` of new objects are set,
    /// `src/runtime/malloc.go`): marking that takes longer looks like growth, and is none.
    #[test]
    fn what_is_allocated_while_a_cycle_marks_does_not_grow() {
        let counted = growth_per_s(|_| 300.0 * MIB, false);
        assert!((counted.p50 / MIB - 0.2).abs() < 0.02, "{counted:?}");
        let lives = growth_per_s(|_| 300.0 * MIB, true);
        assert!(lives.p50.abs() < 0.01 * MIB, "{lives:?}");
        let leaks = growth_per_s(|t| (300.0 + 0.5 * t) * MIB, true);
        assert!((leaks.p50 / MIB - 0.5).abs() < 0.02, "{leaks:?}");
    }
}
