//! Services that do each of the things that have a name, simulated sample by sample: the name is told in time.

use signals::{Column, Monitor, MonitorSettings, Sample, Shape, alarms};

const MIB: f64 = 1_048_576.0;
const LIMIT: f64 = 1024.0 * MIB;
const STEP: f64 = 0.05;

type Course = fn(f64) -> f64;

/// What a service does, MiB and MiB/s at a moment; and the CPU that its collections take, of its own.
#[derive(Clone, Copy)]
struct Service {
    live: Course,
    alloc: Course,
    stacks: Course,
    off_heap: Course,
    /// GOMEMLIMIT, MiB.
    memory_limit: Option<f64>,
}

const CALM: Service =
    Service { live: |_| 100.0, alloc: |_| 40.0, stacks: |_| 4.0, off_heap: |_| 10.0, memory_limit: None };

/// Shapes as they are told, with the time of each sample, every five seconds.
fn shapes(service: &Service, seconds: f64, seed: u64) -> Vec<(f64, Shape)> {
    let settings = MonitorSettings::default();
    let mut monitor = Monitor::new(settings.clone());
    let mut state = seed;
    let mut about = |value: f64, share: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value * (1.0 + share * (2.0 * ((state >> 33) as f64 / (1_u64 << 31) as f64) - 1.0))
    };
    let ceiling = |t: f64| service.memory_limit.map_or(f64::INFINITY, |l| 0.97 * (l - (service.stacks)(t)) * MIB);
    let mut live = (service.live)(0.0) * MIB;
    let (mut heap, mut goal, mut footprint) = (live, (2.0 * live).min(ceiling(0.0)), live);
    let (mut total, mut cycles, mut cpu, mut t, mut due) = (0.0, 1.0, 0.0, 0.0, 0.0);
    let mut out = Vec::new();
    while t < seconds {
        t += STEP;
        let got = about((service.alloc)(t) * MIB, 0.3) * STEP;
        (heap, total, cpu) = (heap + got, total + got, cpu + 0.1 * STEP);
        if heap >= about(0.96, 0.03) * goal {
            live = about((service.live)(t) * MIB, 0.01);
            (heap, goal, cycles) = (live, (2.0 * live).min(ceiling(t)).max(live), cycles + 1.0);
            cpu += live / (400.0 * MIB);
        }
        footprint = f64::max(footprint, 1.05 * heap);
        if t < due {
            continue;
        }
        due = t + 5.0;
        let mapped = footprint + (service.stacks)(t) * MIB;
        let mut s = Sample::new(t);
        for (column, value) in [
            (Column::HeapLive, live),
            (Column::HeapAlloc, heap),
            (Column::HeapGoal, goal),
            (Column::HeapInuse, 1.05 * heap),
            (Column::HeapIdle, footprint - 1.05 * heap),
            (Column::Mapped, mapped),
            (Column::TotalAlloc, total),
            (Column::Gogc, 100.0),
            (Column::GcCycles, cycles),
            (Column::GcMarkCpu, live / (400.0 * MIB)),
            (Column::Cpu, cpu),
            (Column::Anon, mapped),
            (Column::Usage, mapped + (service.off_heap)(t) * MIB),
            (Column::Limit, LIMIT),
        ] {
            s.set(column, value);
        }
        s.put(Column::MemoryLimit, service.memory_limit.map(|l| l * MIB));
        let r = monitor.push(&s);
        out.push((t, Shape::of(&s, &r, &alarms(&s, &r, &settings))));
    }
    out
}

/// Asserts that a shape is told in all samples between two moments, whatever the noise.
fn told(name: &str, service: &Service, from_s: f64, to_s: f64, want: &[Shape]) {
    for seed in 1..=3 {
        let all = shapes(service, to_s, seed);
        for (t, shape) in all.iter().filter(|(t, _)| *t >= from_s) {
            assert!(want.contains(shape), "{name}, seed {seed}, {t:.0} s: {shape:?}; all: {all:?}");
        }
    }
}

/// The share of samples between two moments in which a shape is told, over five seeds.
fn share(service: &Service, from_s: f64, to_s: f64, want: Shape) -> f64 {
    let all: Vec<_> = (1..=5).flat_map(|seed| shapes(service, to_s, seed)).filter(|(t, _)| *t >= from_s).collect();
    all.iter().filter(|(_, s)| *s == want).count() as f64 / all.len() as f64
}

#[test]
fn a_service_that_is_well_is_steady() {
    told("sawtooth", &CALM, 60.0, 1200.0, &[Shape::Steady]);
    let garbage = Service { live: |_| 60.0, alloc: |_| 400.0, ..CALM };
    told("much garbage", &garbage, 60.0, 1200.0, &[Shape::Steady]);
}

#[test]
fn a_jump_is_a_surge_until_it_is_a_step_or_falls() {
    let deploy = Service { live: |t| if t > 600.0 { 220.0 } else { 100.0 }, ..CALM };
    told("surge", &deploy, 611.0, 625.0, &[Shape::Surge]);
    told("step after deploy", &deploy, 690.0, 2000.0, &[Shape::Step]);
    told("step, long ago", &deploy, 2700.0, 3000.0, &[Shape::Steady]);
    let burst = Service { live: |t| if (600.0..640.0).contains(&t) { 300.0 } else { 100.0 }, ..CALM };
    told("a burst, while it rises", &burst, 611.0, 625.0, &[Shape::Surge]);
    told("a burst, when it is over", &burst, 680.0, 900.0, &[Shape::RiseAndFall]);
}

#[test]
fn leaks_have_their_names() {
    let slow = Service { live: |t| 100.0 + 0.1 * t, ..CALM };
    // Noise of a hundredth of the heap bends a rise of a thousandth a second: at times it looks as if it levelled off.
    let right = share(&slow, 400.0, 1500.0, Shape::SlowLeak);
    assert!(right >= 0.9, "slow leak: in {:.1} % of the samples", 100.0 * right);
    let fast = Service { live: |t| 60.0 + 2.0 * t, ..CALM };
    told("fast leak", &fast, 100.0, 180.0, &[Shape::FastLeak]);
    let warm = Service { live: |t| 40.0 + 140.0 * (1.0 - (-t / 150.0).exp()), ..CALM };
    told("plateau after warm-up, on its way", &warm, 300.0, 400.0, &[Shape::WarmUp]);
    told("plateau after warm-up", &warm, 1500.0, 1800.0, &[Shape::WarmUp, Shape::Steady]);
}

#[test]
fn traffic_that_falls_again_rises_and_falls() {
    let day = Service {
        live: |t| 60.0 + 80.0 * (1.0 - (t / 1200.0 * std::f64::consts::TAU).cos()),
        alloc: |t| 40.0 + 20.0 * (1.0 - (t / 1200.0 * std::f64::consts::TAU).cos()),
        ..CALM
    };
    // The first fall, and the second rise up to where the first one had come.
    told("traffic", &day, 900.0, 1200.0, &[Shape::RiseAndFall]);
    told("traffic", &day, 1500.0, 1650.0, &[Shape::RiseAndFall]);
}

#[test]
fn what_is_no_heap_has_its_name() {
    let mapped = Service { off_heap: |t| 10.0 + 0.5 * t, ..CALM };
    told("off-heap", &mapped, 200.0, 1000.0, &[Shape::OffHeap]);
    let goroutines = Service { stacks: |t| 4.0 + 0.5 * t, ..CALM };
    told("goroutine growth", &goroutines, 200.0, 1000.0, &[Shape::Goroutines]);
}

#[test]
fn collections_against_the_memory_limit_are_a_spiral() {
    let spiral =
        Service { live: |t| (200.0 + 0.5 * t).min(480.0), alloc: |_| 100.0, memory_limit: Some(512.0), ..CALM };
    told("GC death spiral", &spiral, 620.0, 900.0, &[Shape::GcSpiral]);
}
