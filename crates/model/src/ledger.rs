//! The RSS ledger: rows that add up to the resident size.

use crate::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a ledger row stands for. The order is the order of printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerTerm {
    /// Objects that survived (or would survive) a GC cycle.
    LiveHeap,
    /// Objects that are dead but not yet swept or collected.
    Garbage,
    /// Space inside spans that holds no object (size-class rounding, holes).
    Fragmentation,
    /// Idle spans the runtime keeps and has not returned to the system.
    IdleHeap,
    /// Goroutine stacks.
    GoroutineStacks,
    /// The Go heap as a whole, stacks included: the five rows above where nothing tells them apart.
    UndividedHeap,
    /// The runtime's own structures: mspan, mcache, profiler buckets, GC metadata.
    RuntimeMetadata,
    /// Resident pages of the executable and its data.
    Binary,
    /// Shared libraries.
    Libraries,
    /// Files the program mapped.
    MappedFiles,
    /// Memory outside Go's control: C heap, anonymous mmap, thread stacks.
    NonGo,
    /// What no row explains.
    Unexplained,
}

impl LedgerTerm {
    /// Whether it is one of the five rows that divide the Go heap.
    #[must_use]
    pub const fn is_of_heap(self) -> bool {
        matches!(self, Self::LiveHeap | Self::Garbage | Self::Fragmentation | Self::IdleHeap | Self::GoroutineStacks)
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerRow {
    /// What it is.
    pub term: LedgerTerm,
    /// Resident bytes. Never negative: where the runtime counts memory the kernel never made
    /// resident, the row holds the resident part and `note` says so.
    pub bytes: Bytes,
    /// How the number was found, and any correction made; one sentence.
    pub note: String,
}

/// Where the resident memory is. `rows` add up to `rss`, exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// Resident set size of the process.
    pub rss: Bytes,
    /// Where `rss` was read (`proc/smaps-1.txt`, `metrics-1.txt`).
    pub rss_source: String,
    /// Rows in printing order.
    pub rows: Vec<LedgerRow>,
}

impl Ledger {
    /// The bytes of one term; zero when it has no row.
    #[must_use]
    pub fn get(&self, term: LedgerTerm) -> Bytes {
        self.rows.iter().filter(|r| r.term == term).map(|r| r.bytes).sum()
    }
}
