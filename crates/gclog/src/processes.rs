//! Owns telling processes apart whose lines are in one log: one after the other (restarts: number and time begin anew)
//! or at the same time. Refuses to take a collection for another process's: number and time must go on, and where several
//! would fit, what stands before the lines decides.

use crate::line::Cycle;

/// Number of a process within a log, from 0 in order of appearance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// To whom a collection belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The process.
    pub process: ProcessId,
    /// Its first line.
    pub new: bool,
    /// Collections between the one before and this one whose lines are not there; of the first line those before it.
    pub missing: u32,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: ProcessId,
    number: u32,
    /// When its last collection ended, at the earliest that its line allows, milliseconds.
    ended_ms: u64,
    procs: u32,
    globals_mib: u64,
    /// What stands before its lines, without the time.
    prefix: u64,
    /// Position of its last line in the order of all.
    seen: u64,
}

/// The processes of a log.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    known: Vec<Known>,
    next: u32,
    seen: u64,
}

impl Processes {
    /// Processes that write at the same time, at most: the one that was quiet for longest makes room.
    pub const MOST: usize = 64;

    /// Nobody has written yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Processes seen so far.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.next
    }

    /// The process whose line came last: the one that lines without a number belong to, as the runtime prints them
    /// right before or after.
    #[must_use]
    pub fn latest(&self) -> Option<ProcessId> {
        self.known.iter().max_by_key(|k| k.seen).map(|k| k.id)
    }

    /// Whose collection this is; `prefix` is what stands before its line.
    pub fn assign(&mut self, cycle: &Cycle, prefix: &[u8]) -> Assigned {
        self.seen = self.seen.saturating_add(1);
        let prefix = signature(prefix);
        let best = self
            .known
            .iter_mut()
            .filter(|k| k.goes_on(cycle, prefix))
            .max_by_key(|k| (k.prefix == prefix, k.number.checked_add(1) == Some(cycle.number), k.seen));
        if let Some(k) = best {
            let missing = cycle.number.saturating_sub(k.number).saturating_sub(1);
            *k = Known::of(k.id, cycle, prefix, self.seen);
            return Assigned { process: k.id, new: false, missing };
        }
        let id = ProcessId(self.next);
        self.next = self.next.saturating_add(1);
        if self.known.len() >= Self::MOST
            && let Some(quiet) = (0..self.known.len()).min_by_key(|&i| self.known.get(i).map(|k| k.seen))
        {
            self.known.swap_remove(quiet);
        }
        self.known.push(Known::of(id, cycle, prefix, self.seen));
        Assigned { process: id, new: true, missing: cycle.number.saturating_sub(1) }
    }
}

impl Known {
    fn of(id: ProcessId, cycle: &Cycle, prefix: u64, seen: u64) -> Self {
        let ended_ms = cycle.start_ms.saturating_add(cycle.wall_ns() / 1_000_000);
        Self { id, number: cycle.number, ended_ms, procs: cycle.procs, globals_mib: cycle.globals_mib, prefix, seen }
    }

    /// Whether the collection may be this process's next one.
    fn goes_on(&self, cycle: &Cycle, prefix: u64) -> bool {
        // The next collection begins after the end of this one; both are truncated to milliseconds.
        let later = cycle.start_ms.saturating_add(1) >= self.ended_ms;
        let next = self.number.checked_add(1) == Some(cycle.number);
        let alike = self.procs == cycle.procs && self.globals_mib == cycle.globals_mib && self.prefix == prefix;
        later && cycle.number > self.number && (next || alike)
    }
}

/// What stands before a line without the time in it, as a number: host, program and pid of journald, the container of
/// docker compose, the file and line of klog. Everything up to a time of day (`12:34:56`) is left out, with its
/// fraction and zone.
fn signature(prefix: &[u8]) -> u64 {
    // The time stands near the line, and prefixes may be as long as a line of text.
    let prefix = prefix.get(prefix.len().saturating_sub(512)..).unwrap_or_default();
    let time = prefix.windows(8).rposition(
        |w| matches!(w, [a, b, b':', c, d, b':', e, f] if [a, b, c, d, e, f].iter().all(|x| x.is_ascii_digit())),
    );
    let rest = time.and_then(|t| prefix.get(t.saturating_add(8)..)).unwrap_or(prefix);
    let skip = if time.is_some() {
        rest.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'Z' | b'+' | b'-' | b':')).count()
    } else {
        0
    };
    // FNV-1a: short input, no need to resist collisions.
    let kept = rest.get(skip..).unwrap_or_default();
    kept.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
