//! Hours of services that are well, simulated sample by sample: nobody is called. And the same collector with a leak:
//! somebody is, in time.

use signals::{Column, Level, Monitor, MonitorSettings, Sample, alarms};

const MIB: f64 = 1_048_576.0;

/// Noise without a library: a linear congruential generator, 0 to 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }

    fn about(&mut self, value: f64, share: f64) -> f64 {
        value * (1.0 + share * (2.0 * self.next() - 1.0))
    }
}

/// A Go heap as the pacer lets it swing, and what the kernel is charged with for it.
struct Service<'a> {
    /// What lives at a time, bytes.
    live: &'a dyn Fn(f64) -> f64,
    /// Bytes allocated per second at a time.
    alloc: &'a dyn Fn(f64) -> f64,
    limit: f64,
    seed: u64,
}

/// The highest level, and how long before the limit was met the first warning came.
fn watch(service: &Service<'_>, seconds: f64) -> (Level, Option<f64>) {
    const STEP: f64 = 0.05;
    let settings = MonitorSettings::default();
    let mut monitor = Monitor::new(settings.clone());
    let mut noise = Noise(service.seed);
    let (mut live, mut total, mut cycles) = ((service.live)(0.0), 0.0, 1.0);
    let (mut heap, mut goal, mut footprint) = (live, 2.0 * live, live);
    let (mut worst, mut warned, mut due, mut t) = (Level::Quiet, None, 0.0, 0.0);
    while t < seconds {
        t += STEP;
        let got = noise.about((service.alloc)(t), 0.3) * STEP;
        (heap, total) = (heap + got, total + got);
        if heap >= noise.about(0.95, 0.04) * goal {
            live = noise.about((service.live)(t), 0.02);
            (heap, goal, cycles) = (live, (2.0 * live).max(4.0 * MIB), cycles + 1.0);
        }
        footprint = f64::max(footprint, 1.05 * heap);
        let charged = footprint + 12.0 * MIB;
        if charged >= service.limit {
            return (worst, warned.map(|w| t - w));
        }
        if t < due {
            continue;
        }
        let mut s = Sample::new(t);
        for (column, value) in [
            (Column::HeapLive, live),
            (Column::HeapAlloc, heap),
            (Column::HeapGoal, goal),
            (Column::HeapInuse, 1.05 * heap),
            (Column::HeapIdle, footprint - 1.05 * heap),
            (Column::Mapped, footprint + 8.0 * MIB),
            (Column::TotalAlloc, total),
            (Column::Gogc, 100.0),
            (Column::GcCycles, cycles),
            (Column::Anon, footprint + 8.0 * MIB),
            (Column::Usage, charged),
            (Column::Limit, service.limit),
        ] {
            s.set(column, value);
        }
        let r = monitor.push(&s);
        let level = alarms(&s, &r, &settings).first().map_or(Level::Quiet, |a| a.level);
        worst = worst.max(level);
        if level >= Level::Warning && warned.is_none() {
            warned = Some(t);
        }
        due = t + match r.earliest_s {
            Some(e) if e < settings.pace_urgent_seconds => 0.25,
            Some(e) if e < settings.pace_fast_seconds => 1.0,
            _ => 5.0,
        };
    }
    (worst, warned.map(|w| t - w))
}

/// Bytes, or bytes a second, at a moment.
type Course = Box<dyn Fn(f64) -> f64>;
/// Name, live heap, allocation rate.
type Shape = (&'static str, Course, Course);

#[test]
fn hours_of_services_that_are_well_call_nobody() {
    const LIMIT: f64 = 512.0 * MIB;
    let day = |t: f64| (1.0 - (t / 14_400.0 * std::f64::consts::TAU).cos()) / 2.0;
    let shapes: Vec<Shape> = vec![
        ("steady", Box::new(|_| 120.0 * MIB), Box::new(|_| 60.0 * MIB)),
        ("much garbage", Box::new(|_| 60.0 * MIB), Box::new(|_| 400.0 * MIB)),
        (
            "cache that warms up",
            Box::new(|t| (30.0 + 130.0 * (1.0 - (-t / 120.0).exp())) * MIB),
            Box::new(|_| 40.0 * MIB),
        ),
        (
            "traffic of a day",
            Box::new(move |t| (60.0 + 100.0 * day(t)) * MIB),
            Box::new(move |t| (20.0 + 60.0 * day(t)) * MIB),
        ),
        (
            "job each ten minutes",
            Box::new(|t| if t % 600.0 > 30.0 && t % 600.0 < 75.0 { 170.0 * MIB } else { 50.0 * MIB }),
            Box::new(|_| 50.0 * MIB),
        ),
        (
            "step after a deploy",
            Box::new(|t| if t > 900.0 { 150.0 * MIB } else { 70.0 * MIB }),
            Box::new(|_| 30.0 * MIB),
        ),
    ];
    let mut hours = 0.0;
    for (name, live, alloc) in &shapes {
        for seed in 1..=3 {
            let (worst, _) = watch(&Service { live, alloc, limit: LIMIT, seed }, 3600.0);
            assert!(worst <= Level::Notice, "{name}, seed {seed}: {worst:?}");
            hours += 1.0;
        }
    }
    assert!(hours >= 8.0);
}

#[test]
fn leaks_are_told_in_time() {
    for (per_s, alloc) in [(0.5, 20.0), (1.0, 60.0), (3.0, 40.0)] {
        for seed in 1..=3 {
            let live = move |t: f64| (40.0 + per_s * t) * MIB;
            let alloc = move |_: f64| alloc * MIB;
            let (_, before) = watch(&Service { live: &live, alloc: &alloc, limit: 512.0 * MIB, seed }, 20_000.0);
            assert!(before.is_some_and(|b| b >= 30.0), "{per_s} MiB/s, seed {seed}: {before:?}");
        }
    }
}
