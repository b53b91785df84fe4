//! The growth rule against a simulation of the runtime's heap sampling (`src/runtime/mprof.go`: each
//! byte is sampled with probability 1/512 KiB), over many seeds: what really grows is called a leak, what
//! breathes, plateaus or warms up is not. The truth is known because the simulation made it.

use bundle::{Facts, SampleFacts, Sourced};
use diagnose::{Thresholds, diagnose};
use model::{Bytes, Frame, Mechanism, MemStats, Severity, UnixMillis, Verdict};
use profile::{GoroutineDump, HeapStack, HeapStacks};

const RATE: f64 = 512.0 * 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// splitmix64: small, seedable, good enough to draw exponentials from.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One site: allocates `per_s` bytes per second in objects of `size`, each freed at `free(birth)`.
struct Load {
    line: u32,
    mechanism: Mechanism,
    per_s: f64,
    size: f64,
    free: Box<dyn Fn(f64) -> f64>,
}

/// (birth, death) of every *sampled* object up to `end`.
fn sampled(load: &Load, end: f64, random: &mut Random) -> Vec<(f64, f64)> {
    let p = 1.0 - (-load.size / RATE).exp();
    let sampled_per_s = load.per_s / load.size * p;
    let (mut t, mut out) = (0.0, Vec::new());
    loop {
        t += -(1.0 - random.next()).ln() / sampled_per_s;
        if t > end {
            return out;
        }
        out.push((t, (load.free)(t)));
    }
}

fn row(load: &Load, objects: &[(f64, f64)], at: f64) -> HeapStack {
    let p = 1.0 - (-load.size / RATE).exp();
    let born = objects.iter().filter(|o| o.0 <= at).count() as f64;
    let alive = objects.iter().filter(|o| o.0 <= at && o.1 > at).count() as f64;
    let (bytes, variance) = (load.size / p, load.size * load.size * (1.0 - p) / (p * p));
    HeapStack {
        frames: vec![load.line, 0],
        mechanism: load.mechanism,
        user: Some(0),
        alloc_objects: (born / p) as i64,
        alloc_bytes: (born * bytes) as i64,
        inuse_objects: (alive / p) as i64,
        inuse_bytes: (alive * bytes) as i64,
        inuse_variance: alive * variance,
        alloc_variance: born * variance,
    }
}

/// Exactly what is alive at `at`, integrated in small steps.
fn truly_alive(load: &Load, at: f64) -> f64 {
    let steps = 20_000;
    let dt = at / f64::from(steps);
    (0..steps).map(|i| (f64::from(i) + 0.5) * dt).filter(|b| (load.free)(*b) > at).count() as f64 * dt * load.per_s
}

fn facts(loads: &[Load], times: &[f64], seed: u64) -> Facts {
    let mut random = Random(seed);
    let end = times.last().copied().unwrap_or(0.0);
    let objects: Vec<_> = loads.iter().map(|l| sampled(l, end, &mut random)).collect();
    let mut frames = vec![Frame { function: "main.main".into(), file: "main.go".into(), line: 1 }];
    for i in 1..=loads.len() as u32 {
        frames.push(Frame { function: format!("main.site{i}"), file: "main.go".into(), line: i * 10 });
    }
    let samples = times.iter().enumerate().map(|(i, t)| {
        let at = UnixMillis((t * 1000.0) as i64);
        let stacks = loads.iter().zip(&objects).map(|(l, o)| row(l, o, *t)).collect();
        let heap = HeapStacks { frames: frames.clone(), stacks, rate: RATE as u64 };
        let live: f64 = loads.iter().map(|l| truly_alive(l, *t)).sum();
        let mem = MemStats { heap_alloc: Bytes(live as u64), ..MemStats::default() };
        SampleFacts {
            index: i as u32 + 1,
            at,
            heap: Some(Sourced { value: heap, artifact: format!("profiles/heap-{}.pb.gz", i + 1), at }),
            heap_after_gc: true,
            memstats: Some(Sourced { value: mem.clone(), artifact: format!("before-{}", i + 1), at }),
            memstats_after_gc: Some(Sourced { value: mem, artifact: format!("after-{}", i + 1), at }),
            goroutines: Some(Sourced { value: GoroutineDump::default(), artifact: format!("g-{}", i + 1), at }),
            ..SampleFacts::default()
        }
    });
    Facts { samples: samples.collect(), ..Facts::default() }
}

/// Four samples over 30 s, starting when the service has run for `start` seconds.
fn window(start: f64) -> Vec<f64> {
    (0..4).map(|i| start + f64::from(i) * 10.0).collect()
}

/// 100 MiB that stay, and a steady stream that dies after 2 s.
fn noise(line: u32) -> Vec<Load> {
    vec![
        Load {
            line,
            mechanism: Mechanism::NewObject,
            per_s: 100.0 * MIB,
            size: 2048.0,
            free: Box::new(|b| if b < 1.0 { f64::MAX } else { b }),
        },
        Load {
            line: line + 1,
            mechanism: Mechanism::NewObject,
            per_s: 20.0 * MIB,
            size: 512.0,
            free: Box::new(|b| b + 2.0),
        },
    ]
}

fn verdicts(make: impl Fn(&mut Random) -> Load, seeds: u64) -> Vec<(Verdict, Option<u32>)> {
    verdicts_at(60.0, make, seeds)
}

/// Observed from `start` to `start` + 60 seconds on.
fn verdicts_at(start: f64, make: impl Fn(&mut Random) -> Load, seeds: u64) -> Vec<(Verdict, Option<u32>)> {
    (0..seeds)
        .map(|seed| {
            let mut random = Random(seed ^ 0xABCD);
            let mut loads = vec![make(&mut random)];
            loads.extend(noise(2));
            let report =
                diagnose(&facts(&loads, &window(start + 60.0 * random.next()), seed), &Thresholds::default(), "test");
            let first = report.findings.first().filter(|f| f.severity <= Severity::Medium);
            (report.verdict, first.and_then(|f| f.sites.first()).map(|s| s.line))
        })
        .collect()
}

const SEEDS: u64 = 200;

fn leaks(v: &[(Verdict, Option<u32>)]) -> usize {
    v.iter().filter(|v| v.0 == Verdict::Leak).count()
}

#[test]
fn a_steady_leak_is_called_a_leak_at_its_line() {
    for (per_s, size) in [(2.0 * MIB, 1024.0), (8.0 * MIB, 16384.0), (1.0 * MIB, 64.0)] {
        let v = verdicts(
            |_| Load { line: 1, mechanism: Mechanism::ListElement, per_s, size, free: Box::new(|_| f64::MAX) },
            SEEDS,
        );
        let right = v.iter().filter(|v| v.0 == Verdict::Leak && v.1 == Some(10)).count();
        assert!(right >= 195, "{per_s} B/s of {size} B objects: {right} of {SEEDS}");
    }
}

#[test]
fn growth_that_no_container_shows_is_a_risk_until_it_has_lasted() {
    let leak = |_: &mut Random| Load {
        line: 1,
        mechanism: Mechanism::NewObject,
        per_s: 2.0 * MIB,
        size: 1024.0,
        free: Box::new(|_| f64::MAX),
    };
    let named = |v: &[(Verdict, Option<u32>)], verdict| v.iter().filter(|v| **v == (verdict, Some(10))).count();
    let young = verdicts(leak, 50);
    assert!(named(&young, Verdict::Risk) >= 48, "{young:?}");
    let old = verdicts_at(900.0, leak, 50);
    assert!(named(&old, Verdict::Leak) >= 48, "{old:?}");
}

/// Verdicts of a list that grows by 2,048 entries of 1 KiB a second, in a service that publishes `gauge` as
/// `what` at the given second; and how often the report names it.
fn with_gauge(what: &str, gauge: impl Fn(f64) -> f64) -> (Vec<Verdict>, usize) {
    let mut named = 0;
    let verdicts = (0..50).map(|seed| {
        let keep = |_| f64::MAX;
        let mut loads = vec![Load {
            line: 1,
            mechanism: Mechanism::ListElement,
            per_s: 2.0 * MIB,
            size: 1024.0,
            free: Box::new(keep),
        }];
        loads.extend(noise(2));
        let times = window(60.0);
        let mut facts = facts(&loads, &times, seed);
        for (sample, t) in facts.samples.iter_mut().zip(&times) {
            let value = [(what.to_owned(), gauge(*t)), ("workers".to_owned(), 8.0)].into_iter().collect();
            sample.gauges = Some(Sourced { value, artifact: "stats/metrics.txt".to_owned(), at: sample.at });
        }
        let report = diagnose(&facts, &Thresholds::default(), "test");
        let says =
            |f: &model::Finding| f.evidence.iter().any(|e| e.statement.contains(&format!("growth: {what} went")));
        named += usize::from(report.findings.first().is_some_and(says));
        report.verdict
    });
    (verdicts.collect(), named)
}

#[test]
fn growth_that_the_service_counts_is_a_risk_with_the_gauge_named() {
    let (verdicts, named) = with_gauge("sessions", |t| 2048.0 * t);
    let risks = verdicts.iter().filter(|v| **v == Verdict::Risk).count();
    assert!(risks >= 47 && named == risks, "{risks} risks, {named} named: {verdicts:?}");
    // A gauge that grows otherwise, one that tells the time, and one that stands still.
    for (what, of) in [("jobs", [900.0, 1.0]), ("uptime_seconds", [0.0, 1.0]), ("sessions", [4096.0, 0.0])] {
        let (verdicts, named) = with_gauge(what, |t| of[0] + of[1] * t);
        let leaks = verdicts.iter().filter(|v| **v == Verdict::Leak).count();
        assert!(leaks >= 48 && named == 0, "{what}: {leaks} leaks, {named} named: {verdicts:?}");
    }
}

#[test]
fn one_step_of_many_slices_is_no_leak() {
    // 30 MiB in 256-byte slices within one interval, then nothing more: a table that was loaded again.
    let v = verdicts(
        |r| {
            let from = 92.0 + 5.0 * r.next();
            Load {
                line: 1,
                mechanism: Mechanism::SliceGrowth,
                per_s: 30.0 * MIB,
                size: 256.0,
                free: Box::new(move |b| if (from..from + 1.0).contains(&b) { f64::MAX } else { b }),
            }
        },
        50,
    );
    assert!(leaks(&v) <= 1, "{} of 50", leaks(&v));
}

#[test]
fn a_full_cache_with_steady_replacement_is_no_leak() {
    let v = verdicts(
        |r| {
            let keep = 5.0 + 50.0 * r.next();
            Load {
                line: 1,
                mechanism: Mechanism::ListElement,
                per_s: 5.0 * MIB,
                size: 4096.0,
                free: Box::new(move |b| b + keep),
            }
        },
        SEEDS,
    );
    assert!(leaks(&v) <= 2, "{} of {SEEDS}", leaks(&v));
}

#[test]
fn a_sawtooth_is_no_leak() {
    // Batches of any period, also longer than the window, in any phase; at least one has ended before.
    let v = verdicts(
        |r| {
            let period = 3.0 + 50.0 * r.next();
            Load {
                line: 1,
                mechanism: Mechanism::ListElement,
                per_s: 10.0 * MIB,
                size: 8192.0,
                free: Box::new(move |b| (b / period).ceil() * period),
            }
        },
        SEEDS,
    );
    assert!(leaks(&v) <= 2, "{} of {SEEDS}", leaks(&v));
}

#[test]
fn a_cache_that_fills_up_within_the_window_is_no_leak() {
    let v = verdicts(
        |r| {
            // Starts when observation starts (at 60 to 120 s) and is full 5 to 12 s later.
            let full = 5.0 + 7.0 * r.next();
            Load {
                line: 1,
                mechanism: Mechanism::ListElement,
                per_s: 10.0 * MIB,
                size: 2048.0,
                free: Box::new(move |b| {
                    if b < 90.0 {
                        b
                    } else if b < 90.0 + full {
                        f64::MAX
                    } else {
                        b
                    }
                }),
            }
        },
        SEEDS,
    );
    assert!(leaks(&v) <= 10, "{} of {SEEDS}", leaks(&v));
}

#[test]
fn nothing_but_noise_is_healthy() {
    let v = verdicts(
        |_| Load { line: 1, mechanism: Mechanism::ListElement, per_s: 1.0, size: 64.0, free: Box::new(|b| b + 1.0) },
        SEEDS,
    );
    let healthy = v.iter().filter(|v| v.0 == Verdict::Healthy).count();
    assert!(healthy >= 199, "{healthy} of {SEEDS}");
}
