//! Every specimen builds, vets, starts, tells the truth and ends. Owns the specimens' own checks
//! against the Go toolchain and `MemStats`; refuses to judge any diagnosis. Needs a Go (finds or
//! fetches one).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use lab::{Phase, Running, Specimen, Toolchain, Truth};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

fn work_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab")
}

fn go() -> &'static Toolchain {
    static GO: OnceLock<Toolchain> = OnceLock::new();
    GO.get_or_init(|| Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |p| eprintln!("{p}")).unwrap())
}

fn start(name: &str) -> Running {
    let specimen = Specimen::by_name(name).unwrap();
    let binary = specimen.build(go(), &work_dir()).unwrap();
    specimen.start(&binary, &["-max-seconds", "120"]).unwrap()
}

/// Asks until `ready`; the bound only ends a broken run.
fn wait_until(running: &Running, ready: impl Fn(&Truth) -> bool) -> Truth {
    let begin = Instant::now();
    loop {
        let truth = running.truth().unwrap();
        if ready(&truth) {
            return truth;
        }
        assert!(begin.elapsed() < Duration::from_secs(90), "never ready: {truth:?}");
        // A pace for asking; nothing depends on it.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Counts after a collection during which hardly anything grew: while a slice's array is being
/// replaced, the runtime rightly counts both.
fn settled(running: &Running) -> Truth {
    for _ in 0..50 {
        let before = running.truth().unwrap();
        running.truth_after_gc().unwrap();
        let after = running.truth_after_gc().unwrap();
        if after.held_bytes - before.held_bytes < 2 << 20 {
            return after;
        }
    }
    panic!("{} grows too fast to be measured", running.name());
}

#[test]
fn sources_vet() {
    let dir = work_dir().join("vet");
    lab::extract(&dir).unwrap();
    go().run(&dir, &["vet", "./..."]).unwrap();
}

#[test]
fn every_specimen_starts_tells_its_lines_and_ends() {
    let mut all = Specimen::all().unwrap();
    assert!(all.iter().all(|s| !s.truth().verdict.is_empty()));
    all.extend(Specimen::of_time().unwrap());
    all.extend(Specimen::of_growth().unwrap());
    for specimen in all {
        let expected = specimen.truth();
        assert_eq!(expected.specimen, specimen.name());
        let running = start(specimen.name());
        let truth = running.truth().unwrap();
        assert_eq!(truth.specimen, specimen.name());
        assert_eq!(truth.pid, running.pid());
        let lines = specimen.site_lines().unwrap();
        assert_eq!(lines.first().map(|(_, line)| *line), specimen.culprit_line().unwrap());
        assert_eq!(truth.sites.len(), lines.len(), "{}", specimen.name());
        for (own, (site, line)) in truth.sites.iter().zip(lines) {
            assert_eq!((own.line, &own.function), (line, &site.function), "{}", specimen.name());
            assert!(own.file.ends_with(&site.file), "{} {}", own.file, site.file);
        }
        if let Some(twin) = &expected.healthy_twin {
            Specimen::by_name(twin).unwrap();
        }
        let pid = running.pid();
        let status = running.stop().unwrap();
        assert!(status.success(), "{}: {status}", specimen.name());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}

/// What a specimen says it holds is what the runtime says the heap grew by, over some 60 MiB.
#[test]
fn held_bytes_agree_with_the_heap() {
    for name in ["map-cache", "goroutine-leak", "bigint-map", "slice-grow", "list-leak"] {
        let running = start(name);
        wait_until(&running, |t| t.held_bytes > 8 << 20);
        let first = settled(&running);
        wait_until(&running, |t| t.held_bytes > first.held_bytes + (60 << 20));
        let last = settled(&running);
        let held = (last.held_bytes - first.held_bytes) as f64;
        let heap = last.heap_alloc as f64 - first.heap_alloc as f64;
        assert!((held / heap - 1.0).abs() < 0.10, "{name}: held +{held}, heap +{heap}");
        running.stop().unwrap();
    }
}

/// Three leaks of different size grow at once; in the healthy twin nothing does.
#[test]
fn three_leaks_grow_and_their_twin_does_not() {
    let running = start("three-leaks");
    let held = |r: &Running| r.leaks().unwrap().iter().map(|l| l.held_bytes).collect::<Vec<u64>>();
    wait_until(&running, |t| t.goroutines > 20);
    let before = held(&running);
    wait_until(&running, |t| t.goroutines > 60);
    let after = held(&running);
    assert!(before.iter().zip(&after).all(|(b, a)| b < a), "{before:?} {after:?}");
    assert!(after.is_sorted_by(|a, b| a > b), "{after:?}");
    drop(running);
    let twin = start("healthy-three");
    let full = |t: &Truth| t.phase == Phase::Steady && t.allocated_bytes > 3 * t.culprit_bytes;
    wait_until(&twin, full);
    let before = twin.leaks().unwrap();
    wait_until(&twin, |t| t.allocated_bytes > 4 * t.culprit_bytes);
    let after = twin.leaks().unwrap();
    let entries = |l: &[lab::Leak]| l.iter().take(2).map(|l| l.entries).collect::<Vec<u64>>();
    // A visit may be between its cart and the removal of the one before.
    assert!(entries(&before).iter().zip(entries(&after)).all(|(b, a)| b.abs_diff(a) < 16), "{before:?} {after:?}");
}

#[test]
fn a_warm_cache_levels_off() {
    let running = start("healthy-warm-cache");
    let warm = wait_until(&running, |t| t.phase == Phase::Steady);
    let later = wait_until(&running, |t| t.allocated_bytes > warm.allocated_bytes + (20 << 20));
    assert_eq!(warm.held_bytes, later.held_bytes);
}

#[test]
fn dropping_ends_the_process() {
    let running = start("map-cache");
    let pid = running.pid();
    drop(running);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_failed_start_says_why() {
    let specimen = Specimen::by_name("map-cache").unwrap();
    let binary = specimen.build(go(), &work_dir()).unwrap();
    let error = specimen.start(&binary, &["-no-such-flag"]).unwrap_err().to_string();
    assert!(error.contains("no-such-flag"), "{error}");
}

#[test]
fn an_unknown_name_lists_the_known() {
    let error = Specimen::by_name("nope").unwrap_err().to_string();
    assert!(error.contains("map-cache"), "{error}");
}
