//! Specimens of growth in real control groups: they join before their first page, die by the kernel's hand at their
//! limit, and say what they hold until then. Refuses to judge courses that take longer than a minute: that is
//! `cargo xtask growth`. Needs root and a memory controller; says so and passes where there is none.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use lab::{End, Growing, LabError, MemoryCgroup, Specimen, Told, Toolchain, TruthLine};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

const MIB: u64 = 1 << 20;

/// A group, or `None` and a message where there can be none.
fn group(name: &str, limit: u64) -> Option<MemoryCgroup> {
    match MemoryCgroup::create(name, limit) {
        Ok(group) => Some(group),
        Err(e @ LabError::NoCgroup { .. }) => {
            eprintln!("skipped: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

fn start(name: &str, limit: u64) -> Option<Growing> {
    let cgroup = group(name, limit)?;
    let specimen = Specimen::of_growth().unwrap().into_iter().find(|s| s.name() == name).unwrap();
    let go = Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |p| eprintln!("{p}")).unwrap();
    let binary = specimen.build(&go, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab")).unwrap();
    Some(specimen.start_in(cgroup, &binary, &["-seed", "3", "-max-seconds", "120"]).unwrap())
}

/// All lines until the end.
fn until_end(growing: &mut Growing) -> (Vec<TruthLine>, End) {
    let (begin, mut lines) = (Instant::now(), Vec::new());
    while begin.elapsed() < Duration::from_secs(110) {
        match growing.next(Duration::from_secs(5)).unwrap() {
            Told::Line(line) => lines.push(line),
            Told::Nothing => {}
            Told::Ended(end) => return (lines, end),
        }
    }
    panic!("{} does not die: {:?}", growing.name(), lines.last());
}

#[test]
fn a_burst_dies_at_its_limit_and_says_what_it_held() {
    let limit = 128 * MIB;
    let Some(mut growing) = start("linear-burst", limit) else { return };
    assert_eq!(growing.cgroup().limit().unwrap(), limit);
    let before = growing.truth().unwrap();
    assert_eq!(before.pid, growing.pid());
    let directory = growing.cgroup().directory().to_owned();
    let (lines, end) = until_end(&mut growing);
    assert!(end.oom_killed, "{end:?}");
    assert_eq!(growing.cgroup().oom_kills().unwrap(), 1);
    let last = lines.last().unwrap();
    assert!(lines.is_sorted_by_key(|l| l.held_bytes), "{lines:?}");
    // With Go's default of one part garbage to one part live, a limit is met with half of it live, or more.
    assert!(last.held_bytes > limit / 4 && last.held_bytes < limit, "{last:?}");
    let ended = end.at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!(ended >= last.at_ms, "{ended} {last:?}");
    drop(growing);
    assert!(!directory.exists());
}

#[test]
fn pages_are_charged_from_the_first_on() {
    let Some(growing) = start("sawtooth", 256 * MIB) else { return };
    let status = std::fs::read_to_string(format!("/proc/{}/status", growing.pid())).unwrap();
    let anon = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap();
    let anon: u64 = anon.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    let charged = growing.cgroup().anonymous().unwrap();
    // The process ran between the two readings.
    assert!(charged.abs_diff(anon) < 32 * MIB, "{anon} of the process, {charged} charged");
    assert!(growing.cgroup().usage().unwrap() > anon / 2);
    assert_eq!(growing.cgroup().oom_kills().unwrap(), 0);
    assert!(growing.stop().unwrap().success());
}

#[test]
fn a_lower_limit_kills_sooner() {
    let Some(mut growing) = start("linear-burst", 256 * MIB) else { return };
    let first = growing.next(Duration::from_secs(5)).unwrap();
    assert!(matches!(&first, Told::Line(_)), "{first:?}");
    // Below what is used v1 refuses a limit; the heap may have grown between the reading and the writing.
    let limit = (0..100).find_map(|_| {
        let limit = growing.cgroup().usage().unwrap() + 8 * MIB;
        growing.cgroup().set_limit(limit).is_ok().then_some(limit)
    });
    let limit = limit.unwrap();
    assert!(limit < 160 * MIB, "{limit}");
    assert!(growing.cgroup().limit().unwrap().abs_diff(limit) < 65_536);
    let (lines, end) = until_end(&mut growing);
    assert!(end.oom_killed, "{end:?}");
    assert!(lines.iter().all(|l| l.held_bytes < limit), "{lines:?}");
}

#[test]
fn an_empty_group_comes_and_goes() {
    let Some(cgroup) = group("empty", 64 * MIB) else { return };
    assert_eq!((cgroup.limit().unwrap(), cgroup.oom_kills().unwrap()), (64 * MIB, 0));
    assert!(cgroup.stat("no_such_line").unwrap().is_none());
    let directory = cgroup.directory().to_owned();
    assert!(directory.exists());
    drop(cgroup);
    assert!(!directory.exists());
}

#[test]
fn every_specimen_of_growth_has_a_plan() {
    for specimen in Specimen::of_growth().unwrap() {
        let plan = specimen.truth().growth.as_ref().unwrap();
        assert_eq!(plan.healthy, specimen.truth().fault.is_none(), "{}", specimen.name());
        assert_eq!(plan.ends_by_oom, plan.seconds_to_limit.is_some(), "{}", specimen.name());
        specimen.site_lines().unwrap();
    }
}
