//! Who ended a process: what the kernel says of its OOM killer.

use crate::shared::lock;
use rustix::fs::{Mode, OFlags};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How far back the host's count is remembered.
const REMEMBERED: Duration = Duration::from_secs(8);
/// Most records read of the kernel's log.
const MOST_RECORDS: usize = 200_000;

/// The log's clock and that of start times may differ by this.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

/// Whether the kernel's log says that this process was killed for want of memory (`mm/oom_kill.c`: "Killed process
/// PID"); `None` where the log may not be read. `started`: after boot; what was killed before had the pid earlier.
pub(crate) fn logged(pid: u32, started: Duration) -> Option<bool> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let log = rustix::fs::open("/dev/kmsg", flags, Mode::empty()).ok()?;
    let wanted = format!("Killed process {pid} ");
    let mut record = [0_u8; 8192];
    for _ in 0..MOST_RECORDS {
        match rustix::io::read(&log, &mut record[..]) {
            Ok(n) if n > 0 => {
                let text = record.get(..n).unwrap_or_default();
                let names = text.windows(wanted.len()).any(|w| w == wanted.as_bytes());
                if names && stamp(text).is_none_or(|at| at + CLOCKS_DIFFER >= started) {
                    return Some(true);
                }
            }
            // EPIPE: the record was overwritten before it could be read; the next one is there.
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::INTR) => {}
            _ => return Some(false),
        }
    }
    Some(false)
}

/// When a record was written, after boot: `prefix,sequence,microseconds,flags;text`
/// (`Documentation/ABI/testing/dev-kmsg`).
fn stamp(record: &[u8]) -> Option<Duration> {
    let micros = record.split(|b| *b == b',').nth(2)?;
    Some(Duration::from_micros(std::str::from_utf8(micros).ok()?.parse().ok()?))
}

/// The host's count of OOM kills (`oom_kill` of `/proc/vmstat`), over the last seconds.
#[derive(Debug, Default)]
pub(crate) struct HostKills {
    seen: Mutex<VecDeque<(Instant, u64)>>,
}

impl HostKills {
    /// Takes the count; to be called about twice a second.
    pub(crate) fn look(&self) {
        let Some(now) = count() else { return };
        let mut seen = lock(&self.seen);
        seen.push_back((Instant::now(), now));
        while seen.front().is_some_and(|s| s.0.elapsed() > REMEMBERED) {
            seen.pop_front();
        }
    }

    /// Whether it has grown within the last seconds.
    pub(crate) fn grew(&self) -> bool {
        let before = lock(&self.seen).front().map(|s| s.1);
        matches!((before, count()), (Some(before), Some(now)) if now > before)
    }
}

fn count() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|l| l.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_when_it_was_written() {
        let record = b"6,1234,98765432,-;Memory cgroup out of memory: Killed process 77 (x) total-vm:1kB";
        assert_eq!(stamp(record), Some(Duration::from_micros(98_765_432)));
        assert_eq!(stamp(b"no record"), None);
        assert_eq!(stamp(b"6,1,many,-;x"), None);
    }
}
