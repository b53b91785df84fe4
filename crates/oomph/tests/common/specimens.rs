//! Specimens for the tests that diagnose live: which Go builds them, and when they are under way.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use lab::{Running, Toolchain};
use std::time::{Duration, Instant};

/// A map grows by tables of some 30 KiB, of which one in twenty is sampled: a shorter window may see none.
pub(crate) const WINDOW: &str = "24s";

/// Those of the releases that are at hand, and the Go of this machine.
pub(crate) fn toolchains(releases: &[&str]) -> Vec<Toolchain> {
    Toolchain::at_hand(releases).unwrap()
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
