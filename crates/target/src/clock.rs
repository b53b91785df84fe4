//! The clock of another process: `CLOCK_MONOTONIC` as it sees it, which a time namespace shifts. It is
//! what Go's runtime counts its times in (`nanotime`).

use crate::Process;
use crate::process::read_capped;
use rustix::time::{ClockId, clock_gettime};
use std::fs;

/// Most bytes of `timens_offsets`, two lines.
const MOST: u64 = 4096;

impl Process {
    /// Nanoseconds of `CLOCK_MONOTONIC` now, as the process reads them; `None` when it lives in another
    /// time namespace whose offset cannot be read.
    #[must_use]
    pub fn monotonic_nanos(&self) -> Option<u64> {
        let now = clock_gettime(ClockId::Monotonic);
        let now = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/time"));
        let theirs = match (namespace(&self.pid().to_string()), namespace("self")) {
            // Kernels before 5.6 have no time namespaces.
            (_, Err(_)) => 0,
            (Ok(a), Ok(b)) if a == b => 0,
            (Ok(_), Ok(_)) => offset(&self.pid().to_string())?.checked_sub(offset("self")?)?,
            (Err(_), Ok(_)) => return None,
        };
        u64::try_from(now.checked_add(theirs)?).ok()
    }
}

/// Offset of a process's `CLOCK_MONOTONIC` from the host's.
fn offset(of: &str) -> Option<i128> {
    parse(&read_capped(format!("/proc/{of}/timens_offsets").into(), MOST).ok()?)
}

/// `monotonic SECONDS NANOSECONDS`, a line of `timens_offsets` (`time_namespaces(7)`).
fn parse(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("monotonic"))?;
    let mut words = line.split_whitespace();
    let (seconds, nanos): (i64, i64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read() {
        let text = b"monotonic      -86400         5\nboottime            0         0\n";
        assert_eq!(parse(text), Some(-86_399_999_999_995));
        assert_eq!(parse(b"monotonic x"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn our_own_clock_runs() {
        let own = Process::open(std::process::id()).unwrap();
        let first = own.monotonic_nanos().unwrap();
        assert!(own.monotonic_nanos().unwrap() >= first);
    }
}
