//! Specimens for the tests that diagnose live: which Go builds them, and when they are under way.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use lab::{Running, Toolchain};
use std::time::{Duration, Instant};

/// A map grows by tables of some 30 KiB, of which one in twenty is sampled: a shorter window may see none.
pub(crate) const WINDOW: &str = "24s";

/// Those of the releases that are at hand, at least one Go (found or fetched).
pub(crate) fn toolchains(releases: &[&str]) -> Vec<Toolchain> {
    let cache = lab::default_cache_dir();
    let find = |release: &&str| {
        let want = model::GoVersion::parse(&format!("go{release}")).unwrap();
        let found = Toolchain::find(Some(&want), &cache).unwrap();
        if found.is_none() {
            eprintln!("Go {release} is not at hand: left out");
        }
        found
    };
    let mut found: Vec<_> = releases.iter().filter_map(find).collect();
    if found.is_empty() {
        found.push(Toolchain::find_or_fetch(None, &cache, &mut |p| eprintln!("{p}")).unwrap());
    }
    found
}

/// Waits until the specimen holds something.
pub(crate) fn wait_until_holding(name: &str, running: &Running) {
    let begin = Instant::now();
    while running.truth().unwrap().uptime_seconds < 2.0 {
        assert!(begin.elapsed() < Duration::from_secs(90), "{name} does not get going");
        // A pace for asking; nothing depends on it.
        std::thread::sleep(Duration::from_millis(50));
    }
}
