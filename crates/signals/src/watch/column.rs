//! The numbers of one sample, by name. One table: the names are those of stored series, of user rules and of
//! the documentation.

macro_rules! columns {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $scale:expr;)*) => {
        /// A number that a sample may have. Bytes unless said otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Column {
            $($(#[$doc])* $variant,)*
        }

        impl Column {
            /// All columns, in the order in which they are stored. New ones go to the end.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The dotted name (`heap.live`).
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The column of a name.
            #[must_use]
            pub fn of(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Units a stored integer has per unit of the column: 1 for bytes and counts, more for seconds and
            /// shares.
            #[must_use]
            pub const fn scale(self) -> f64 {
                match self { $(Self::$variant => $scale,)* }
            }
        }
    };
}

columns! {
    /// Live heap: what the last GC cycle marked.
    HeapLive = "heap.live", 1.0;
    /// Heap objects, garbage included.
    HeapAlloc = "heap.alloc", 1.0;
    /// Size at which the running GC cycle is to end.
    HeapGoal = "heap.goal", 1.0;
    /// Spans with objects.
    HeapInuse = "heap.inuse", 1.0;
    /// Heap memory in no span and not returned to the system.
    HeapIdle = "heap.idle", 1.0;
    /// Heap memory returned to the system.
    HeapReleased = "heap.released", 1.0;
    /// Bytes allocated since the start; by gctrace lines since the first line that was read.
    TotalAlloc = "heap.total_alloc", 1.0;
    /// Allocations since the start, a count.
    Mallocs = "heap.mallocs", 1.0;
    /// Share of the heap in use that maps hold, 0 to 1, by the latest heap profile.
    MapShare = "heap.map_share", 1e6;
    /// Memory that the Go runtime has ready for use.
    Mapped = "go.mapped", 1.0;
    /// Goroutine stacks.
    Stacks = "go.stacks", 1.0;
    /// GOGC in per cent; -1 is off.
    Gogc = "go.gogc", 1.0;
    /// GOMEMLIMIT; absent without one.
    MemoryLimit = "go.memory_limit", 1.0;
    /// Goroutines, a count. Read from outside: the most that lived at one time.
    Goroutines = "go.goroutines", 1.0;
    /// GC cycles since the start, a count.
    GcCycles = "gc.cycles", 1.0;
    /// CPU of the latest GC cycle's mark phase, seconds.
    GcMarkCpu = "gc.mark_cpu", 1e6;
    /// Share of CPU time since the start that the collector took, 0 to 1.
    GcCpuFraction = "gc.cpu_fraction", 1e9;
    /// Wall time of the latest GC cycle, seconds.
    GcWall = "gc.wall", 1e6;
    /// All stop-the-world pauses since the start, seconds.
    GcPauses = "gc.pauses", 1e9;
    /// The longest stop of the world of a GC cycle since the last sample, seconds: both pauses of the cycle together.
    GcPauseMax = "gc.pause_max", 1e9;
    /// Resident size of the process.
    Rss = "process.rss", 1.0;
    /// Its anonymous part.
    Anon = "process.anon", 1.0;
    /// Its pages in swap.
    Swap = "process.swap", 1.0;
    /// CPU time since the start, seconds.
    Cpu = "process.cpu", 100.0;
    /// Threads, a count.
    Threads = "process.threads", 1.0;
    /// Proportional set size, by the kernel's walk of the page tables.
    Pss = "process.pss", 1.0;
    /// Bytes the process caused to be read and written, since the start.
    Io = "process.io", 1.0;
    /// What the control group is charged with.
    Usage = "group.usage", 1.0;
    /// The reclaimable part of it: file pages that are neither dirty nor locked.
    Reclaimable = "group.reclaimable", 1.0;
    /// The limit that ends the process: lowest of its control groups'.
    Limit = "group.limit", 1.0;
    /// The lowest `memory.high`: from there on the kernel throttles.
    High = "group.high", 1.0;
    /// OOM kills in the control group since it was made, a count.
    OomKills = "group.oom_kills", 1.0;
    /// Time some task of the group (or host) waited for memory, seconds since the start.
    Stalled = "group.stalled", 1e6;
    /// Share of the last ten seconds that some task waited for memory, 0 to 1.
    Pressure = "group.pressure", 1e4;
    /// Memory the host can still give without swapping.
    HostAvailable = "host.available", 1.0;
}

/// Number of columns.
pub const COLUMNS: usize = Column::ALL.len();

/// One sample: seconds on a clock that never steps back, and the columns. Absent numbers are not a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds.
    pub at_s: f64,
    values: [f64; COLUMNS],
}

impl Sample {
    /// A sample without numbers.
    #[must_use]
    pub const fn new(at_s: f64) -> Self {
        Self { at_s, values: [f64::NAN; COLUMNS] }
    }

    /// The number; `None` when it is absent.
    #[must_use]
    pub fn get(&self, column: Column) -> Option<f64> {
        self.values.get(column as usize).copied().filter(|v| v.is_finite())
    }

    /// Sets a number; one that is not finite is absent.
    pub fn set(&mut self, column: Column, value: f64) {
        if let Some(place) = self.values.get_mut(column as usize) {
            *place = value;
        }
    }

    /// Sets a number that may be absent.
    pub fn put(&mut self, column: Column, value: Option<f64>) {
        if let Some(value) = value {
            self.set(column, value);
        }
    }

    /// Sets a number that may be absent where there is none yet.
    pub fn put_missing(&mut self, column: Column, value: Option<f64>) {
        if self.get(column).is_none() {
            self.put(column, value);
        }
    }

    /// Takes from another sample what this one lacks.
    pub fn fill_missing(&mut self, other: &Self) {
        for c in Column::ALL {
            self.put_missing(*c, other.get(*c));
        }
    }

    /// What the kernel could not take back if it had to: the charge of the control group without file pages it can
    /// drop; else the process's anonymous memory.
    #[must_use]
    pub fn unreclaimable(&self) -> Option<f64> {
        match self.get(Column::Usage) {
            Some(usage) => Some((usage - self.get(Column::Reclaimable).unwrap_or(0.0)).max(0.0)),
            None => self.get(Column::Anon).or_else(|| self.get(Column::Rss)),
        }
    }

    /// The limit that ends the process: its control group's, else what the host has left beside what it uses.
    #[must_use]
    pub fn limit(&self) -> Option<f64> {
        self.get(Column::Limit).or_else(|| Some(self.unreclaimable()? + self.get(Column::HostAvailable)?))
    }

    /// Memory of the runtime that is no heap: goroutine stacks and its own structures.
    #[must_use]
    pub fn beside_heap(&self) -> Option<f64> {
        let heap = self.get(Column::HeapInuse)? + self.get(Column::HeapIdle)?;
        Some((self.get(Column::Mapped)? - heap).max(0.0))
    }

    /// Charged memory that the Go runtime does not know: C memory, own mappings, other processes of the group, the
    /// kernel's.
    #[must_use]
    pub fn beside_go(&self) -> Option<f64> {
        Some((self.unreclaimable()? - self.get(Column::Mapped)?).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for c in Column::ALL {
            assert_eq!(Column::of(c.name()), Some(*c));
        }
        assert_eq!(Column::of("heap"), None);
    }

    #[test]
    fn absent_numbers_are_none() {
        let mut s = Sample::new(1.0);
        assert_eq!(s.get(Column::Rss), None);
        s.set(Column::Anon, 10.0);
        assert_eq!(s.unreclaimable(), Some(10.0));
        s.set(Column::Usage, 100.0);
        s.set(Column::Reclaimable, 30.0);
        assert_eq!(s.unreclaimable(), Some(70.0));
        assert_eq!(s.limit(), None);
        s.set(Column::HostAvailable, 5.0);
        assert_eq!(s.limit(), Some(75.0));
    }
}
