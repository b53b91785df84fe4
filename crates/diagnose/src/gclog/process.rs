//! Owns what the collections of one process come to: sums, quantiles, ranges, a thinned-out series, and its signals.

use super::{cost, words};
use crate::Thresholds;
use gclog::{Cycle, PacerEnd, Place, Scavenge};
use model::{
    GcLogAllocated, GcLogCpu, GcLogGrowth, GcLogHeap, GcLogInstant, GcLogPoint, GcLogProcess, GcLogRange,
    GcLogScavenged, GcLogSignal, GcLogTimes, GcLogTrend, Severity, format_iec,
};
use signals::{
    Decimated, GcMonitor, GcPoint, GcSignal, GcThresholds, LogQuantiles, Raised, gogc_of_goal, growth_window, theil_sen,
};

/// Points of the series that growth is looked for in, at least.
const POINTS: usize = 512;
/// Points of the series that is given away, at most.
const GIVEN: usize = 200;
/// Points of which the slopes are taken, at most: their pairs are sorted.
const SLOPE_POINTS: usize = 200;
/// Share of the growth that the window has to hold.
const WINDOW_SHARE: f64 = 0.8;
/// Live heap from which the goal tells GOGC: below, whole MiB are too coarse.
const GOGC_FROM_MIB: u64 = 8;

const MIB: u64 = 1 << 20;

fn bytes(mib: u64) -> u64 {
    mib.saturating_mul(MIB)
}

/// A size printed in whole MiB, at the middle of what it may be.
fn middle(mib: u64) -> f64 {
    (mib as f64 + 0.5) * MIB as f64
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// A process whose lines still come.
#[derive(Debug)]
pub(super) struct Watched {
    monitor: GcMonitor,
    first: GcLogInstant,
    last: Option<(GcLogInstant, Cycle)>,
    cycles: u64,
    missing: u64,
    forced: u64,
    periodic: u64,
    intervals: LogQuantiles,
    pauses: LogQuantiles,
    longest: (u64, GcLogInstant),
    marking: LogQuantiles,
    sums: Sums,
    first_cpu_s: f64,
    heap: GcLogHeap,
    series: Decimated<(GcLogPoint, u64)>,
    gogc: Decimated<f64>,
    scavenged: GcLogScavenged,
    scanned: (f64, u64),
    signals: [Option<Seen>; GcSignal::KINDS],
}

/// Sums over collections that follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    cpu: GcLogCpu,
    /// Collections with their predecessor at hand.
    pub(super) linked: u64,
    /// Time between those.
    pub(super) linked_s: f64,
    /// Allocated in that time, MiB; single differences are off by up to one either way.
    pub(super) allocated_mib: i64,
    /// GC CPU time in those, idle workers included.
    pub(super) linked_cpu_s: f64,
    pub(super) live_mib: u64,
    pub(super) roots_mib: u64,
    pub(super) goal_mib: u64,
}

/// A signal over all points at which it held.
#[derive(Clone, Copy, Debug)]
struct Seen {
    worst: GcSignal,
    count: u64,
    first: GcLogInstant,
    worst_at: GcLogInstant,
    last: GcLogInstant,
}

impl Watched {
    pub(super) fn new(thresholds: GcThresholds) -> Self {
        Self {
            monitor: GcMonitor::new(thresholds),
            first: GcLogInstant::default(),
            last: None,
            cycles: 0,
            missing: 0,
            forced: 0,
            periodic: 0,
            intervals: LogQuantiles::default(),
            pauses: LogQuantiles::default(),
            longest: (0, GcLogInstant::default()),
            marking: LogQuantiles::default(),
            sums: Sums::default(),
            first_cpu_s: 0.0,
            heap: GcLogHeap::default(),
            series: Decimated::new(POINTS),
            gogc: Decimated::new(POINTS / 2),
            scavenged: GcLogScavenged::default(),
            scanned: (0.0, 0),
            signals: [None; GcSignal::KINDS],
        }
    }

    /// The next collection was begun because two minutes had passed.
    pub(super) fn periodic(&mut self, is: bool) {
        self.periodic = self.periodic.saturating_add(u64::from(is));
    }

    pub(super) fn pacer(&mut self, p: &PacerEnd) {
        let scanned = p.heap_scan.max(0) as f64 + p.stack_scan.max(0) as f64 + p.globals_scan.max(0) as f64;
        self.scanned = (self.scanned.0 + scanned, self.scanned.1.saturating_add(1));
    }

    pub(super) fn scavenge(&mut self, s: &Scavenge) {
        let kib = |n: u64| n.saturating_mul(1024);
        let v = &mut self.scavenged;
        v.lines = v.lines.saturating_add(1);
        v.background = v.background.saturating_add(kib(s.background_kib));
        v.eager = v.eager.saturating_add(kib(s.eager_kib.unwrap_or(0)));
        v.released = kib(s.released_kib);
    }

    /// Takes a collection; `missing` have no line between the one before and it. `on` gets signals that begin to hold.
    pub(super) fn cycle(&mut self, c: &Cycle, place: Place, missing: u32, on: &mut dyn FnMut(GcLogInstant, &GcSignal)) {
        let at = c.start_ms as f64 / 1e3 + seconds(c.wall_ns());
        let now = GcLogInstant { cycle: c.number, at, line: place.line, offset: place.offset };
        self.cycles = self.cycles.saturating_add(1);
        self.missing = self.missing.saturating_add(u64::from(missing));
        self.forced = self.forced.saturating_add(u64::from(c.forced));
        self.times(c, now);
        match self.last {
            Some((before, b)) => self.link(&b, before.at, c, at, missing == 0),
            None => {
                self.first = now;
                self.first_cpu_s = seconds(c.cpu_ns());
            }
        }
        self.sizes(c);
        let point = GcLogPoint {
            cycle: c.number,
            at,
            before: bytes(c.heap_before_mib),
            after: bytes(c.heap_after_mib),
            live: bytes(c.heap_marked_mib),
            goal: bytes(c.goal_mib),
            pause: seconds(c.pause_ns()),
            line: place.line,
        };
        self.series.push((point, place.offset));
        self.last = Some((now, *c));
        self.watch(c, &point, missing, now, on);
    }

    fn watch(
        &mut self,
        c: &Cycle,
        p: &GcLogPoint,
        missing: u32,
        now: GcLogInstant,
        on: &mut dyn FnMut(GcLogInstant, &GcSignal),
    ) {
        let point = GcPoint {
            at_s: p.at,
            cycles: f64::from(missing) + 1.0,
            forced: f64::from(u8::from(c.forced)),
            pause_s: p.pause,
            goal: p.goal as f64,
            before: Some(p.before as f64),
            after: Some(p.after as f64),
            live: Some(p.live as f64),
            roots: Some(bytes(c.stacks_mib.saturating_add(c.globals_mib)) as f64),
            cpu_s: Some(seconds(c.cpu_ns())),
            assist_s: Some(seconds(c.cpu.assist_ns)),
            background_s: Some(seconds(c.cpu.background_ns)),
            procs: f64::from(c.procs),
        };
        let seen = &mut self.signals;
        self.monitor.push(point, &mut |r: Raised| {
            if let Some(slot) = seen.get_mut(r.signal.kind()) {
                let s = slot.get_or_insert(Seen { worst: r.signal, count: 0, first: now, worst_at: now, last: now });
                s.count = s.count.saturating_add(1);
                s.last = now;
                if r.signal.weight() > s.worst.weight() {
                    (s.worst, s.worst_at) = (r.signal, now);
                }
            }
            if r.begins {
                on(now, &r.signal);
            }
        });
    }

    fn times(&mut self, c: &Cycle, now: GcLogInstant) {
        for stop in [c.clock.sweep_termination_ns, c.clock.mark_termination_ns] {
            self.pauses.add(stop);
            if stop > self.longest.0 || self.cycles == 1 {
                self.longest = (stop, now);
            }
        }
        self.marking.add(c.clock.mark_ns);
        let cpu = &mut self.sums.cpu;
        cpu.stopped += seconds(c.cpu.sweep_termination_ns) + seconds(c.cpu.mark_termination_ns);
        cpu.assist += seconds(c.cpu.assist_ns);
        cpu.background += seconds(c.cpu.background_ns);
        cpu.idle += seconds(c.cpu.idle_ns);
        cpu.share_since_start = f64::from(c.percent) / 100.0;
    }

    /// What lies between a collection and the one before it.
    fn link(&mut self, b: &Cycle, b_at: f64, c: &Cycle, at: f64, next: bool) {
        let apart = (at - b_at).max(0.0);
        self.intervals.add((apart * 1e9) as u64);
        if !next {
            return;
        }
        let s = &mut self.sums;
        s.linked = s.linked.saturating_add(1);
        s.linked_s += apart;
        s.linked_cpu_s += seconds(c.cpu_ns()) + seconds(c.cpu.idle_ns);
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let allocated = signed(c.heap_after_mib).saturating_sub(signed(b.heap_marked_mib));
        s.allocated_mib = s.allocated_mib.saturating_add(allocated);
        s.live_mib = s.live_mib.saturating_add(b.heap_marked_mib);
        let roots = b.stacks_mib.saturating_add(b.globals_mib);
        s.roots_mib = s.roots_mib.saturating_add(roots);
        s.goal_mib = s.goal_mib.saturating_add(c.goal_mib);
        if b.heap_marked_mib >= GOGC_FROM_MIB {
            let roots = if roots > 0 { middle(roots) } else { 0.0 };
            if let Some(gogc) = gogc_of_goal(middle(c.goal_mib), middle(b.heap_marked_mib), roots) {
                self.gogc.push(gogc);
            }
        }
    }

    fn sizes(&mut self, c: &Cycle) {
        let first = self.cycles == 1;
        let h = &mut self.heap;
        for (range, mib) in [
            (&mut h.before, c.heap_before_mib),
            (&mut h.after, c.heap_after_mib),
            (&mut h.live, c.heap_marked_mib),
            (&mut h.goal, c.goal_mib),
            (&mut h.stacks, c.stacks_mib),
            (&mut h.globals, c.globals_mib),
        ] {
            let v = bytes(mib);
            if first {
                *range = GcLogRange { first: v, last: v, min: v, max: v };
            }
            range.last = v;
            range.min = range.min.min(v);
            range.max = range.max.max(v);
        }
    }

    pub(super) fn finish(self, thresholds: &Thresholds, gc: &GcThresholds) -> GcLogProcess {
        let points = self.series.points();
        let (last, last_cycle) = self.last.unwrap_or_default();
        let procs = last_cycle.procs;
        let whole = (last.at - self.first.at).max(0.0);
        let mut cpu = self.sums.cpu;
        // The first collection's work was done before the time seen begins.
        let own = cpu.stopped + cpu.assist + cpu.background - self.first_cpu_s;
        cpu.share = if whole > 0.0 { (own / (whole * f64::from(procs))).clamp(0.0, 1.0) } else { 0.0 };
        let trend = trend(&points);
        let mut signals = self.signals(gc);
        signals.extend(grows(trend.as_ref(), &points, thresholds));
        signals.sort_by_key(|s| s.severity);
        let bound = signals.iter().any(|s| s.id == "limit-bound");
        let scanned = (self.scanned.1 > 0).then(|| self.scanned.0 / self.scanned.1 as f64);
        let measured = cost::Measured { sums: &self.sums, gogc: &self.gogc.points(), scanned, procs: f64::from(procs) };
        let forced = self.forced as f64 / self.cycles.max(1) as f64;
        let later = self.cycles.saturating_sub(1).saturating_add(self.missing);
        GcLogProcess {
            first: self.first,
            last,
            cycles: self.cycles,
            missing: self.missing,
            forced: self.forced,
            periodic: self.periodic,
            procs,
            seconds: whole,
            cycles_per_second: if whole > 0.0 { later as f64 / whole } else { 0.0 },
            intervals: times(&self.intervals),
            pauses: times(&self.pauses),
            longest_pause: self.longest.1,
            marking: times(&self.marking),
            cpu,
            heap: self.heap,
            allocated: allocated(&self.sums),
            trend,
            growth: growth(&points),
            cost: if bound { None } else { cost::cost(&measured, forced) },
            scavenged: (self.scavenged.lines > 0).then_some(self.scavenged),
            signals,
            series: thin(&points, GIVEN).into_iter().map(|(p, _)| p).collect(),
        }
    }

    fn signals(&self, gc: &GcThresholds) -> Vec<GcLogSignal> {
        let one = |s: &Seen| {
            let (id, severity) = words::kind(&s.worst, gc);
            GcLogSignal {
                id: id.to_owned(),
                severity,
                summary: words::summary(&s.worst, gc),
                count: s.count,
                first: s.first,
                worst: s.worst_at,
                last: s.last,
            }
        };
        self.signals.iter().flatten().map(one).collect()
    }
}

fn times(q: &LogQuantiles) -> GcLogTimes {
    GcLogTimes {
        count: q.count(),
        p50: seconds(q.quantile(0.5)),
        p99: seconds(q.quantile(0.99)),
        max: seconds(q.max()),
        total: seconds(q.sum()),
    }
}

fn allocated(s: &Sums) -> Option<GcLogAllocated> {
    let mib = u64::try_from(s.allocated_mib).ok().filter(|m| *m > 0)?;
    (s.linked_s > 0.0).then(|| GcLogAllocated {
        bytes: bytes(mib),
        per_second: bytes(mib) as f64 / s.linked_s,
        cpu_seconds_per_mib: s.linked_cpu_s / mib as f64,
    })
}

/// About `most` points, evenly spread, the first and the last among them.
fn thin<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    if points.len() <= most {
        return points.to_vec();
    }
    let end = points.len().saturating_sub(1);
    (0..most).filter_map(|i| points.get(i * end / most.saturating_sub(1).max(1)).copied()).collect()
}

fn trend(points: &[(GcLogPoint, u64)]) -> Option<GcLogTrend> {
    let all: Vec<(f64, f64)> = thin(points, SLOPE_POINTS).iter().map(|(p, _)| (p.at, p.live as f64)).collect();
    let middle = f64::midpoint(all.first()?.0, all.last()?.0);
    let (early, late) = all.split_at(all.partition_point(|p| p.0 < middle));
    Some(GcLogTrend {
        per_second: theil_sen(&all)?,
        early_per_second: theil_sen(early)?,
        late_per_second: theil_sen(late)?,
    })
}

fn growth(points: &[(GcLogPoint, u64)]) -> Option<GcLogGrowth> {
    let live: Vec<(f64, f64)> = points.iter().map(|(p, _)| (p.at, p.live as f64)).collect();
    let w = growth_window(&live, WINDOW_SHARE)?;
    let (from, to) = (points.get(w.from)?, points.get(w.to)?);
    let instant =
        |(p, offset): &(GcLogPoint, u64)| GcLogInstant { cycle: p.cycle, at: p.at, line: p.line, offset: *offset };
    Some(GcLogGrowth {
        from: instant(from),
        to: instant(to),
        live_from: from.0.live,
        live_to: to.0.live,
        total: w.total as u64,
        time_share: w.time_share,
    })
}

/// The live heap still grows in the later half, by more than noise.
fn grows(trend: Option<&GcLogTrend>, points: &[(GcLogPoint, u64)], t: &Thresholds) -> Option<GcLogSignal> {
    let trend = trend?;
    let (first, last) = (points.first()?, points.last()?);
    let half = (last.0.at - first.0.at) / 2.0;
    let gained = trend.late_per_second * half;
    let enough = half * 2.0 >= t.healthy_seconds && points.len() >= 16;
    let grows = trend.late_per_second >= t.growth_bytes_per_s
        && gained >= (last.0.live as f64 * t.gc_live_growth_share).max(2.0 * MIB as f64)
        && trend.early_per_second > 0.0;
    let instant =
        |(p, offset): &(GcLogPoint, u64)| GcLogInstant { cycle: p.cycle, at: p.at, line: p.line, offset: *offset };
    (enough && grows).then(|| GcLogSignal {
        id: "live-heap-grows".to_owned(),
        severity: Severity::Medium,
        summary: format!(
            "the live heap grows: {}/s in the earlier half, {}/s in the later one (from {}/s and {} of it)",
            format_iec(trend.early_per_second),
            format_iec(trend.late_per_second),
            format_iec(t.growth_bytes_per_s),
            words::percent(t.gc_live_growth_share)
        ),
        count: points.len() as u64,
        first: instant(first),
        worst: instant(last),
        last: instant(last),
    })
}
