//! Owns raising signals as points come in, in constant memory and time per point. A signal that held is raised anew only
//! after it has not held for a while. Refuses to compare with the first collections of a process: a heap of a few MiB is
//! collected all the time, and filled for the first time.

use super::{GcPoint, GcThresholds, MIB};
use crate::growth::median;
use std::collections::VecDeque;

/// Points that are looked back on.
const BACK: usize = 256;
/// Points that what is now is told from, at least, and the seconds they must span (unless all that is looked back on is
/// less).
const NOW: (usize, f64) = (8, 1.0);
/// Points before those, at least, and seconds, for a comparison.
const EARLIER: (usize, f64) = (16, 5.0);
/// Points without a signal after which it counts as over.
const OVER_AFTER: u32 = 32;
/// Smallest heap that a jump, a goal or a limit is told of: below, the heap minimum decides.
const SMALL: f64 = 20.0 * MIB;
/// Comparisons with what was before sort; they are made at every so many points.
const COMPARE_EVERY: u64 = 8;

/// What is seen at a point. Bytes, seconds, shares from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GcSignal {
    /// When marking ended the heap was over its goal: allocation outran the collector.
    GoalTrails {
        /// By how much.
        over: f64,
        /// The goal.
        goal: f64,
    },
    /// The live heap rose by a factor, and no collection released anything meanwhile.
    HeapJump {
        /// Live heap before.
        from: f64,
        /// Live heap now.
        to: f64,
        /// Collections in between.
        cycles: f64,
    },
    /// A stop of the world far longer than the others.
    LongPause {
        /// Both stops of the collection.
        pause: f64,
        /// The median of those before.
        median: f64,
        /// Heap at the end over the live heap before.
        heap_factor: Option<f64>,
    },
    /// Allocating goroutines do much of the marking.
    AssistHeavy {
        /// Their share of the CPU time of assists and background workers.
        share: f64,
        /// GC CPU share of all Ps meanwhile.
        cpu_share: f64,
    },
    /// Collections became more frequent.
    RateUp {
        /// Collections per second now.
        per_s: f64,
        /// And before.
        before_per_s: f64,
        /// GC CPU share of all Ps now.
        cpu_share: Option<f64>,
    },
    /// Collections became rarer.
    RateDown {
        /// Collections per second now.
        per_s: f64,
        /// And before.
        before_per_s: f64,
    },
    /// The program forces collections.
    Forced {
        /// How many a minute.
        per_minute: f64,
        /// Their share of all.
        share: f64,
    },
    /// The collector takes much CPU.
    CpuHigh {
        /// Its share of all Ps.
        share: f64,
    },
    /// A memory limit holds the goal down while the live heap comes up to it.
    LimitBound {
        /// The goal.
        goal: f64,
        /// The live heap.
        live: f64,
        /// Runway as a share of the live heap; and what it was at most.
        runway: f64,
        /// The largest such share before.
        runway_before: f64,
        /// GC CPU share of all Ps.
        cpu_share: f64,
        /// Collections per second.
        per_s: f64,
    },
}

impl GcSignal {
    /// Number of kinds.
    pub const KINDS: usize = 9;

    /// Which kind, from 0.
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::GoalTrails { .. } => 0,
            Self::HeapJump { .. } => 1,
            Self::LongPause { .. } => 2,
            Self::AssistHeavy { .. } => 3,
            Self::RateUp { .. } => 4,
            Self::RateDown { .. } => 5,
            Self::Forced { .. } => 6,
            Self::CpuHigh { .. } => 7,
            Self::LimitBound { .. } => 8,
        }
    }

    /// How bad, among signals of one kind: larger is worse.
    #[must_use]
    pub fn weight(&self) -> f64 {
        match *self {
            Self::GoalTrails { over, .. } => over,
            Self::HeapJump { from, to, .. } => to / from.max(MIB),
            Self::LongPause { pause, .. } => pause,
            Self::AssistHeavy { share, .. } | Self::CpuHigh { share } => share,
            Self::RateUp { per_s, before_per_s, .. } => per_s / before_per_s,
            Self::RateDown { per_s, before_per_s } => before_per_s / per_s,
            Self::Forced { per_minute, .. } => per_minute,
            Self::LimitBound { runway, .. } => -runway,
        }
    }
}

/// A signal at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raised {
    /// What.
    pub signal: GcSignal,
    /// It did not hold at the points before.
    pub begins: bool,
}

/// A point with the sums of all up to it.
#[derive(Clone, Copy, Debug, Default)]
struct Summed {
    point: GcPoint,
    cycles: f64,
    forced: f64,
    cpu: f64,
    assist: f64,
    background: f64,
}

/// What happened between two points.
#[derive(Clone, Copy, Debug)]
struct Span {
    seconds: f64,
    cycles: f64,
    forced: f64,
    cpu: f64,
    assist: f64,
    background: f64,
    procs: f64,
}

impl Span {
    fn between(a: &Summed, b: &Summed) -> Self {
        Self {
            seconds: b.point.at_s - a.point.at_s,
            cycles: b.cycles - a.cycles,
            forced: b.forced - a.forced,
            cpu: b.cpu - a.cpu,
            assist: b.assist - a.assist,
            background: b.background - a.background,
            procs: b.point.procs,
        }
    }

    fn cpu_share(&self) -> f64 {
        self.cpu / (self.seconds * self.procs)
    }

    fn per_s(&self) -> f64 {
        self.cycles / self.seconds
    }
}

/// Watches a series.
#[derive(Clone, Debug)]
pub struct GcMonitor {
    thresholds: GcThresholds,
    back: VecDeque<Summed>,
    first: Option<f64>,
    points: u64,
    /// Points since each kind of signal held; `None` when it does not hold.
    held: [Option<u32>; GcSignal::KINDS],
    /// Live heap, and collections so far, where the heap last was before it grew without releasing anything.
    rising_from: Option<(f64, f64)>,
    /// The largest runway as a share of the live heap that two neighbours had.
    widest_runway: f64,
    last_runway: f64,
}

impl GcMonitor {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(thresholds: GcThresholds) -> Self {
        Self {
            thresholds,
            back: VecDeque::new(),
            first: None,
            points: 0,
            held: [None; GcSignal::KINDS],
            rising_from: None,
            widest_runway: 0.0,
            last_runway: 0.0,
        }
    }

    /// Takes the next point; `on` gets every signal that holds at it. Points that are no numbers or go back in time are left
    /// out.
    pub fn push(&mut self, point: GcPoint, on: &mut impl FnMut(Raised)) {
        let last = self.back.back().copied().unwrap_or_default();
        let sane = [point.at_s, point.cycles, point.goal, point.pause_s, point.procs];
        if !sane.iter().all(|v| v.is_finite())
            || point.procs <= 0.0
            || (self.points > 0 && point.at_s < last.point.at_s)
        {
            return;
        }
        let now = Summed {
            point,
            cycles: last.cycles + point.cycles,
            forced: last.forced + point.forced,
            cpu: last.cpu + point.cpu_s.unwrap_or(0.0),
            assist: last.assist + point.assist_s.unwrap_or(0.0),
            background: last.background + point.background_s.unwrap_or(0.0),
        };
        self.first.get_or_insert(point.at_s);
        let before = self.back.back().map(|s| s.point);
        let mut signals = [None; GcSignal::KINDS];
        let mut see = |s: Option<GcSignal>| {
            if let Some(s) = s
                && let Some(slot) = signals.get_mut(s.kind())
            {
                *slot = Some(s);
            }
        };
        see(self.goal_trails(&point));
        see(self.heap_jump(&point, before.as_ref(), now.cycles));
        see(self.long_pause(&point, before.as_ref()));
        if self.back.len() >= BACK {
            self.back.pop_front();
        }
        self.back.push_back(now);
        self.points = self.points.saturating_add(1);
        self.runway(&point, before.as_ref());
        if let Some((start, span)) = self.now() {
            see(self.assist_heavy(&span));
            see(self.forced(&span));
            see(self.cpu_high(&span, &point));
            see(self.limit_bound(&span, &point));
            if self.points.is_multiple_of(COMPARE_EVERY) {
                see(self.rate(start, &span, &point));
            }
        }
        self.raise(signals, on);
    }

    fn raise(&mut self, signals: [Option<GcSignal>; GcSignal::KINDS], on: &mut impl FnMut(Raised)) {
        for (signal, held) in signals.into_iter().zip(&mut self.held) {
            if let Some(signal) = signal {
                on(Raised { signal, begins: held.is_none() });
                *held = Some(0);
            } else {
                *held = held.map(|n| n.saturating_add(1)).filter(|n| *n < OVER_AFTER);
            }
        }
    }

    /// The latest points that tell what is now: index of the first, and what happened since.
    fn now(&self) -> Option<(usize, Span)> {
        let last = self.back.back()?;
        let most = self.back.len().checked_sub(NOW.0 + 1)?;
        let away = self.back.partition_point(|s| last.point.at_s - s.point.at_s > NOW.1);
        // The last point that is so far away; where none is, all that are looked back on must be there.
        let start = match away.checked_sub(1) {
            Some(start) => start.min(most),
            None if self.back.len() == BACK => 0,
            None => return None,
        };
        let span = Span::between(self.back.get(start)?, last);
        (span.seconds > 0.0).then_some((start, span))
    }

    fn goal_trails(&self, p: &GcPoint) -> Option<GcSignal> {
        let over = p.after? - p.goal;
        (over >= self.thresholds.goal_trail_bytes).then_some(GcSignal::GoalTrails { over, goal: p.goal })
    }

    fn heap_jump(&mut self, p: &GcPoint, before: Option<&GcPoint>, cycles: f64) -> Option<GcSignal> {
        let (live, after) = (p.live?, p.after?);
        let held_on = after - live < self.thresholds.released_share * after;
        let start = before.and_then(|b| b.live).map_or((live, cycles), |l| (l, cycles - p.cycles));
        // A program that starts fills its heap: no jump.
        let begun = self.points >= EARLIER.0 as u64 || p.at_s >= self.first? + EARLIER.1;
        if !held_on || !begun {
            self.rising_from = None;
            return None;
        }
        let (from, since) = *self.rising_from.get_or_insert(start);
        let jumped = live >= self.thresholds.jump_factor * from.max(4.0 * MIB) && live - from >= SMALL;
        jumped.then_some(GcSignal::HeapJump { from, to: live, cycles: cycles - since })
    }

    fn long_pause(&self, p: &GcPoint, before: Option<&GcPoint>) -> Option<GcSignal> {
        if p.pause_s < self.thresholds.pause_s || self.back.len() < EARLIER.0 {
            return None;
        }
        let median = median(&self.back.iter().map(|s| s.point.pause_s).collect::<Vec<_>>())?;
        let heap_factor = before.and_then(|b| b.live).zip(p.after).map(|(l, a)| a / l.max(4.0 * MIB));
        (p.pause_s >= self.thresholds.pause_factor * median).then_some(GcSignal::LongPause {
            pause: p.pause_s,
            median,
            heap_factor,
        })
    }

    fn assist_heavy(&self, now: &Span) -> Option<GcSignal> {
        let share = now.assist / (now.assist + now.background);
        let cpu_share = now.cpu_share();
        // Where the collector takes little in all, nobody pays much.
        let matters = cpu_share >= self.thresholds.cpu_share / 3.0;
        (share >= self.thresholds.assist_share && matters).then_some(GcSignal::AssistHeavy { share, cpu_share })
    }

    fn forced(&self, now: &Span) -> Option<GcSignal> {
        let per_minute = now.forced / now.seconds * 60.0;
        let many = per_minute >= self.thresholds.forced_per_minute && now.forced >= 4.0;
        many.then(|| GcSignal::Forced { per_minute, share: now.forced / now.cycles })
    }

    fn cpu_high(&self, now: &Span, p: &GcPoint) -> Option<GcSignal> {
        p.cpu_s?;
        let share = now.cpu_share();
        (share >= self.thresholds.cpu_share).then_some(GcSignal::CpuHigh { share })
    }

    /// Compares the rate now with that before: the median interval of the points looked back on, and the mean of all
    /// before those, whichever is the longer.
    fn rate(&self, start: usize, now: &Span, p: &GcPoint) -> Option<GcSignal> {
        let (oldest, turn) = (self.back.front()?, self.back.get(start)?);
        let earlier = Span::between(oldest, turn);
        let whole = turn.point.at_s - self.first?;
        if start < EARLIER.0 || whole < EARLIER.1 || earlier.seconds <= 0.0 {
            return None;
        }
        let factor = self.thresholds.rate_factor;
        let long_run = whole / turn.cycles.max(1.0);
        let per_s = now.per_s();
        // What neither mean comes near to, the median will not either.
        let mean = earlier.seconds / earlier.cycles.max(1.0);
        if mean.max(long_run) * per_s < factor && per_s * factor > 1.0 / mean {
            return None;
        }
        let intervals: Vec<f64> = self
            .back
            .iter()
            .zip(self.back.iter().skip(1))
            .take(start)
            .map(|(a, b)| (b.point.at_s - a.point.at_s) / b.point.cycles.max(1.0))
            .collect();
        let typical = median(&intervals)?;
        let up = 1.0 / typical.max(long_run);
        let cpu_share = p.cpu_s.map(|_| now.cpu_share());
        if per_s >= factor * up && per_s >= self.thresholds.rate_per_s {
            return Some(GcSignal::RateUp { per_s, before_per_s: up, cpu_share });
        }
        let down = 1.0 / typical;
        (per_s * factor <= down && down >= self.thresholds.rate_per_s)
            .then_some(GcSignal::RateDown { per_s, before_per_s: down })
    }

    /// Keeps the widest runway: two neighbours must have it, so that a goal that is changed once does not count.
    fn runway(&mut self, p: &GcPoint, before: Option<&GcPoint>) {
        let Some(live) = before.and_then(|b| b.live).filter(|l| *l >= SMALL) else { return };
        let runway = (p.goal - live) / (live + p.roots.unwrap_or(0.0));
        self.widest_runway = self.widest_runway.max(runway.min(self.last_runway));
        self.last_runway = runway;
    }

    fn limit_bound(&self, now: &Span, p: &GcPoint) -> Option<GcSignal> {
        let (live, runway) = (p.live?, self.last_runway);
        let limit = self.thresholds.limit_runway;
        if live < SMALL || runway > limit || runway > 0.5 * self.widest_runway {
            return None;
        }
        // The goal stands still; GOGC alone would have it follow the live heap.
        let latest = || self.back.iter().rev().take(NOW.0);
        let highest = latest().map(|s| s.point.goal).fold(0.0, f64::max);
        let lowest = latest().map(|s| s.point.goal).fold(f64::INFINITY, f64::min);
        let cpu_share = now.cpu_share();
        let flat = highest - lowest <= 0.1 * highest;
        (flat && cpu_share >= self.thresholds.cpu_share).then(|| GcSignal::LimitBound {
            goal: p.goal,
            live,
            runway,
            runway_before: self.widest_runway,
            cpu_share,
            per_s: now.per_s(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A collection every `every` seconds, from `from` on, as MemStats tell of it: no heap sizes, no CPU.
    fn counters(m: &mut GcMonitor, from: f64, every: f64, n: usize, point: GcPoint) -> Vec<GcSignal> {
        let mut out = Vec::new();
        for i in 0..n {
            let p = GcPoint { at_s: from + every * (i + 1) as f64, cycles: 1.0, procs: 2.0, goal: 64.0 * MIB, ..point };
            m.push(p, &mut |r| {
                if r.begins {
                    out.push(r.signal);
                }
            });
        }
        out
    }

    fn monitor() -> GcMonitor {
        GcMonitor::new(GcThresholds::default())
    }

    #[test]
    fn a_steady_rate_is_quiet() {
        for every in [0.01, 0.5, 60.0] {
            let seen = counters(&mut monitor(), 0.0, every, 2000, GcPoint { pause_s: 1e-4, ..GcPoint::default() });
            assert_eq!(seen, [], "every {every} s");
        }
    }

    #[test]
    fn a_storm_is_raised_once_and_its_end_too() {
        let mut m = monitor();
        assert_eq!(counters(&mut m, 0.0, 1.0, 60, GcPoint::default()), []);
        let up = counters(&mut m, 60.0, 0.05, 400, GcPoint::default());
        assert!(
            matches!(up[..], [GcSignal::RateUp { per_s, before_per_s, cpu_share: None }]
            if per_s >= 10.0 && (before_per_s - 1.0).abs() < 0.1),
            "{up:?}"
        );
        let down = counters(&mut m, 80.0, 2.0, 60, GcPoint::default());
        assert!(matches!(down[..], [GcSignal::RateDown { .. }]), "{down:?}");
        // A start at a high rate is none.
        let mut m = monitor();
        counters(&mut m, 0.0, 0.01, 100, GcPoint::default());
        assert_eq!(counters(&mut m, 1.0, 0.005, 100, GcPoint::default()), []);
    }

    #[test]
    fn forced_collections_and_cpu_are_of_now() {
        let mut m = monitor();
        let forced = GcPoint { forced: 1.0, cpu_s: Some(0.01), ..GcPoint::default() };
        let seen = counters(&mut m, 0.0, 1.0, 40, forced);
        assert!(
            matches!(seen[..], [GcSignal::Forced { per_minute, share }] if (per_minute - 60.0).abs() < 1.0 && share == 1.0),
            "{seen:?}"
        );
        let busy = GcPoint { cpu_s: Some(0.6), assist_s: Some(0.4), background_s: Some(0.1), ..GcPoint::default() };
        let seen = counters(&mut m, 40.0, 1.0, 40, busy);
        assert!(seen.iter().any(|s| matches!(s, GcSignal::CpuHigh { .. })), "{seen:?}");
        assert!(seen.iter().any(|s| matches!(s, GcSignal::AssistHeavy { .. })), "{seen:?}");
    }

    #[test]
    fn a_low_gogc_is_no_limit() {
        // GOGC=20: the runway is short, and always was.
        let mut m = monitor();
        let mut seen = 0;
        for i in 0..200 {
            let live = (100.0 + f64::from(i) * 0.01) * MIB;
            let p = GcPoint {
                at_s: f64::from(i) * 0.2,
                cycles: 1.0,
                procs: 2.0,
                goal: live * 1.2,
                live: Some(live),
                after: Some(live * 1.2),
                cpu_s: Some(0.2),
                ..GcPoint::default()
            };
            m.push(p, &mut |r| seen += u32::from(matches!(r.signal, GcSignal::LimitBound { .. })));
        }
        assert_eq!(seen, 0);
    }

    proptest! {
        #[test]
        fn any_numbers_are_survived(v in prop::collection::vec((any::<f64>(), any::<f64>(), any::<f64>(), any::<f64>()), 0..300)) {
            let mut m = monitor();
            for (a, b, c, d) in v {
                let p = GcPoint { at_s: a, cycles: b, procs: c, goal: d, live: Some(a), after: Some(b), cpu_s: Some(c), assist_s: Some(d), ..GcPoint::default() };
                m.push(p, &mut |r| { let _ = r.signal.weight(); });
            }
            prop_assert!(m.back.len() <= BACK);
        }
    }
}
