//! Logs as they happen to files: truncated, rotated, deleted, flooded, shared, hostile.

use super::*;
use proptest::prelude::*;
use std::io::Write;

/// A line as the runtime prints it.
fn line(number: u32, start_s: f64, sizes: (u64, u64, u64), goal: u64) -> String {
    let (before, after, live) = sizes;
    format!(
        "gc {number} @{start_s:.3}s 4%: 0.010+2.0+0.020 ms clock, 0.040+1.0/2.0/0+0.080 ms cpu, \
         {before}->{after}->{live} MB, {goal} MB goal, 1 MB stacks, 0 MB globals, 4 P\n"
    )
}

fn log() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    (dir, path)
}

fn append(path: &Path, text: &str) {
    std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn live_mib(g: &mut GcTraceSampler) -> Option<f64> {
    let mut s = Sample::new(1.0);
    g.fill(&mut s);
    s.get(Column::HeapLive).map(|l| l / MIB)
}

#[test]
fn a_line_fills_what_it_carries() {
    let (_dir, path) = log();
    append(&path, &(line(1, 0.5, (4, 5, 3), 4) + &line(2, 1.0, (90, 100, 60), 96)));
    let mut g = GcTraceSampler::new(&path, None);
    assert_eq!(g.read(), Ok(""));
    let mut s = Sample::new(1.0);
    s.set(Column::GcCycles, 7.0);
    assert!(g.fill(&mut s));
    let close = |c: Column, want: f64| assert!((s.get(c).unwrap() - want).abs() < 1e-9, "{}: {:?}", c.name(), s.get(c));
    close(Column::HeapLive, 60.0 * MIB);
    close(Column::HeapGoal, 121.0 * MIB);
    close(Column::GcWall, 0.00203);
    close(Column::GcPauses, 0.00006);
    close(Column::GcMarkCpu, 0.003);
    close(Column::GcCpuFraction, 0.04);
    close(Column::TotalAlloc, 102.0 * MIB);
    // What a better source has stays.
    close(Column::GcCycles, 7.0);
    // Of the pauses since the last sample nothing is known in the first.
    assert_eq!(s.get(Column::GcPauseMax), None);
    append(&path, &line(3, 2.0, (110, 120, 70), 121));
    g.read().unwrap();
    let mut s = Sample::new(2.0);
    g.fill(&mut s);
    assert!((s.get(Column::GcPauseMax).unwrap() - 0.00003).abs() < 1e-12);
    let mut s = Sample::new(3.0);
    g.fill(&mut s);
    assert_eq!(s.get(Column::GcPauseMax), Some(0.0));
}

#[test]
fn the_goal_goes_with_gogc_as_it_is_told() {
    let (_dir, path) = log();
    // SetGCPercent(50) in a program whose environment says nothing.
    append(&path, &(line(8, 1.0, (90, 100, 80), 96) + &line(9, 2.0, (118, 121, 90), 120)));
    let mut g = GcTraceSampler::new(&path, None);
    g.read().unwrap();
    let mut s = Sample::new(1.0);
    g.fill(&mut s);
    let goal = s.get(Column::HeapGoal).unwrap() / MIB;
    assert!((goal - 135.0).abs() < 1.0, "{goal}");
    // Lines before the eighth are missing: nothing is said of all pauses.
    assert_eq!(s.get(Column::GcPauses), None);
}

#[test]
fn truncated_rotated_and_deleted_logs_are_followed() {
    let (dir, path) = log();
    append(&path, &line(1, 0.5, (4, 5, 3), 4));
    let mut g = GcTraceSampler::new(&path, None);
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), Some(3.0));
    std::fs::write(&path, "").unwrap();
    assert_eq!(g.read(), Ok("was truncated"));
    append(&path, &line(2, 1.0, (7, 8, 6), 8));
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), Some(6.0));
    // Rotated between two reads: the rest of the old one, then all of the new one.
    append(&path, &line(3, 2.0, (10, 11, 9), 12));
    std::fs::rename(&path, dir.path().join("log.1")).unwrap();
    append(&path, &line(4, 3.0, (13, 14, 12), 16));
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), Some(9.0));
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), Some(12.0));
    std::fs::remove_file(&path).unwrap();
    assert!(g.read().unwrap().contains("deleted"));
    append(&path, &line(5, 4.0, (17, 18, 16), 24));
    g.read().unwrap();
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), Some(16.0));
}

#[test]
fn a_flood_is_skipped_and_the_latest_line_found() {
    let (_dir, path) = log();
    append(&path, &line(1, 0.5, (4, 5, 3), 4));
    let mut g = GcTraceSampler::new(&path, None);
    g.read().unwrap();
    append(&path, &"noise without end ".repeat(1 << 20));
    append(&path, &("\n".to_owned() + &line(2, 1.0, (7, 8, 6), 8)));
    assert!(g.read().unwrap().contains("skipped"));
    assert_eq!(live_mib(&mut g), Some(6.0));
    assert!(g.buf.len() <= BLOCK && g.reader.bytes() <= MOST as u64);
}

#[test]
fn a_pipe_is_read_without_waiting_and_its_writer_goes_on() {
    let (_dir, path) = log();
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut g = GcTraceSampler::new(&path, None);
    // Nobody writes yet.
    assert_eq!(g.read(), Ok(""));
    assert!(g.is_pipe());
    for number in 1..4 {
        // A writer that comes and goes; four times what a pipe holds, then a line.
        let (to, text) = (path.clone(), line(number, f64::from(number), (7, 8, u64::from(number)), 8));
        let writer = std::thread::spawn(move || append(&to, &("x\n".repeat(128 << 10) + &text)));
        while !writer.is_finished() {
            g.wait(Duration::from_millis(50));
            g.read().unwrap();
        }
        writer.join().unwrap();
        g.read().unwrap();
        assert_eq!(live_mib(&mut g), Some(f64::from(number)));
    }
    // A flood: all is taken, no more than a second's worth is looked at.
    let to = path;
    let writer = std::thread::spawn(move || append(&to, &"x".repeat(32 << 20)));
    let mut skipped = false;
    while !writer.is_finished() {
        g.wait(Duration::from_millis(50));
        skipped |= g.read().unwrap().contains("skipped");
    }
    writer.join().unwrap();
    assert!(skipped);
}

#[test]
fn lines_of_other_processes_are_not_taken() {
    let (_dir, path) = log();
    let me = Process::open(std::process::id()).unwrap();
    let age = since_boot_s() - me.start_ticks() as f64 / procfs::CLOCK_TICKS_PER_SECOND as f64;
    let mut g = GcTraceSampler::new(&path, Some(&me));
    assert!(g.read().is_err(), "there is no log yet");
    // One that has run for longer than this one; this one; one that writes beside it.
    append(&path, &line(900, age + 5000.0, (90, 95, 80), 100));
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), None);
    append(&path, &line(3, age, (4, 5, 3), 4));
    append(&path, &line(1, age + 0.01, (44, 45, 43), 44));
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), Some(3.0));
    append(&path, &line(2, age + 0.02, (54, 55, 53), 86));
    append(&path, &line(4, age + 0.03, (5, 6, 4), 6));
    g.read().unwrap();
    assert_eq!(live_mib(&mut g), Some(4.0));
}

#[test]
fn devices_and_directories_are_refused() {
    for path in ["/dev/null", "/tmp"] {
        let e = GcTraceSampler::new(Path::new(path), None).read().unwrap_err();
        assert!(e.contains(path) && e.contains("neither"), "{e}");
    }
}

proptest! {
    #[test]
    fn hostile_logs_harm_nothing(blocks in prop::collection::vec(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (any::<u32>(), 0.0f64..1e9, any::<u64>(), any::<u64>()).prop_map(|(n, t, a, b)| line(n, t, (a, b, a), b).into_bytes()),
    ], 0..20)) {
        let (_dir, path) = log();
        let mut g = GcTraceSampler::new(&path, None);
        for block in blocks {
            std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(&block).unwrap();
            g.read().unwrap();
            let mut s = Sample::new(1.0);
            g.fill(&mut s);
            for c in Column::ALL {
                prop_assert!(s.get(*c).is_none_or(|v| v >= -1.0));
            }
        }
    }
}
