//! `/proc/PID/stat` (start time, CPU time) and the boot time of `/proc/stat`.

use crate::text::{field, lines, number};
use model::Gap;

/// Units of the times in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture Go runs on.
pub const CLOCK_TICKS_PER_SECOND: u64 = 100;

/// Bit of [`ProcStat::flags`]: a kernel thread (`include/linux/sched.h`).
pub const PF_KTHREAD: u64 = 0x0020_0000;

/// The fields of `/proc/PID/stat` that oomph uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcStat {
    /// Field 1.
    pub pid: u32,
    /// Field 2 without its parentheses; may hold blanks and parentheses.
    pub comm: String,
    /// Field 3: `R`, `S`, `D`, `Z` (zombie), `T`, ...
    pub state: char,
    /// Field 4: the parent.
    pub ppid: u32,
    /// Field 9: kernel flags of the process.
    pub flags: u64,
    /// Field 14: user CPU time of all threads, in ticks.
    pub utime_ticks: u64,
    /// Field 15: system CPU time of all threads, in ticks.
    pub stime_ticks: u64,
    /// Field 22: start, in ticks since boot. Together with the pid it names a process for good.
    pub start_ticks: u64,
}

impl ProcStat {
    /// User plus system CPU seconds since the start.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        self.utime_ticks.saturating_add(self.stime_ticks) as f64 / CLOCK_TICKS_PER_SECOND as f64
    }

    /// Whether this is a kernel thread.
    #[must_use]
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

/// Reads `/proc/PID/stat`.
///
/// # Errors
/// A gap that says which field was expected where.
pub fn stat(bytes: &[u8]) -> Result<ProcStat, Gap> {
    // The command name may hold anything: it ends at the LAST parenthesis.
    let open = bytes.iter().position(|&b| b == b'(');
    let close = bytes.iter().rposition(|&b| b == b')');
    let (Some(open), Some(close)) = (open, close) else {
        return Err(Gap::at(0, "stat: expected `pid (command) state ...`"));
    };
    let comm = bytes
        .get(open + 1..close)
        .ok_or_else(|| Gap::at(open as u64, "stat: the parentheses around the command name are swapped"))?;
    let pid = bytes.get(..open).and_then(number);
    let mut rest = bytes.get(close + 1..).unwrap_or_default();
    let mut fields: Vec<&[u8]> = Vec::with_capacity(52);
    while let Some((f, tail)) = field(rest) {
        fields.push(f);
        rest = tail;
        if fields.len() == 64 {
            break;
        }
    }
    // `fields[0]` is field 3 of proc(5).
    let get = |n: usize| {
        fields
            .get(n - 3)
            .and_then(|f| number(f))
            .ok_or_else(|| Gap::at(close as u64, format!("stat: field {n} is missing or no number")))
    };
    Ok(ProcStat {
        pid: pid.and_then(|p| u32::try_from(p).ok()).ok_or_else(|| Gap::at(0, "stat: field 1 is no pid"))?,
        comm: String::from_utf8_lossy(comm).into_owned(),
        state: fields
            .first()
            .and_then(|f| f.first())
            .map(|&b| char::from(b))
            .ok_or_else(|| Gap::at(close as u64, "stat: field 3 is missing"))?,
        ppid: u32::try_from(get(4)?).unwrap_or(0),
        flags: get(9)?,
        utime_ticks: get(14)?,
        stime_ticks: get(15)?,
        start_ticks: get(22)?,
    })
}

/// `btime` of `/proc/stat`: seconds since 1970 at boot.
#[must_use]
pub fn boot_time(bytes: &[u8]) -> Option<u64> {
    lines(bytes).find_map(|(_, line)| {
        let value = line.strip_prefix(b"btime ")?;
        number(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_may_hold_anything() {
        let text =
            b"42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 7777 1000 25 18446744073709551615\n";
        let s = stat(text).unwrap();
        assert_eq!(s.comm, "a) b (c)");
        assert_eq!((s.pid, s.state, s.ppid), (42, 'S', 1));
        assert_eq!(s.start_ticks, 7777);
        assert_eq!(s.cpu_seconds(), 2.0);
        assert!(!s.is_kernel_thread());
        assert!(stat(b"42 )(").is_err());
        assert!(stat(b"42 (x) S 1 2").is_err());
        assert!(stat(b"").is_err());
    }

    #[test]
    fn reads_this_process() {
        let s = stat(&std::fs::read("/proc/self/stat").unwrap()).unwrap();
        assert_eq!(s.pid, std::process::id());
        let boot = boot_time(&std::fs::read("/proc/stat").unwrap()).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let start = boot + s.start_ticks / CLOCK_TICKS_PER_SECOND;
        assert!(start <= now + 2 && start + 86_400 > now, "{start} {now}");
    }
}
