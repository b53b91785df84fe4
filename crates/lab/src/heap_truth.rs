//! What a program of `lab/heap` says of its heap. Mirrors `lab/internal/heapspec/document.go`; refuses
//! to compute anything. All sizes are bytes.

use serde::Deserialize;

/// The document of a program that stands still: nothing is allocated or collected until its next
/// command, so that the heap is the one described.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct HeapTruth {
    /// Name of the program.
    pub program: String,
    /// `runtime.Version()`.
    pub go_version: String,
    /// `GOARCH`.
    pub arch: String,
    /// Its process id.
    pub pid: u32,
    /// `GOMAXPROCS`.
    pub gomaxprocs: u32,
    /// Steps of growth done.
    pub step: u32,
    /// Factor on the number of entries.
    pub scale: f64,
    /// `runtime.NumGoroutine()`.
    pub num_goroutine: u64,
    /// User goroutines by creation function and wait reason, from `runtime.Stack`; also the runtime's own
    /// (without a creator) while it runs the program's finalizers.
    pub goroutines: Vec<GoroutineGroup>,
    /// Whether `goroutines` is complete.
    pub all_goroutines: bool,
    /// The containers.
    #[serde(rename = "truth")]
    pub containers: Vec<HeapContainer>,
    /// The runtime's counts, taken last.
    pub memstats: HeapMemStats,
}

impl HeapTruth {
    /// The container of this name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&HeapContainer> {
        self.containers.iter().find(|c| c.name == name)
    }
}

/// Goroutines with one creation function and one wait reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GoroutineGroup {
    /// The function with the `go` statement; empty for main and for the runtime's own.
    pub created_by: String,
    /// The outermost function.
    pub function: String,
    /// As the runtime prints it: `chan receive`, `select`, `sleep`; `syscall` for main, which waits for
    /// a command.
    pub wait_reason: String,
    /// How many.
    pub count: u64,
}

/// `runtime.MemStats` at the quiescent point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct HeapMemStats {
    /// Live objects: no garbage is left, a tiny block counts once.
    pub heap_objects: u64,
    /// Their bytes, rounded to size classes.
    pub heap_alloc: u64,
    /// Spans in use.
    pub heap_inuse: u64,
    /// Spans not in use.
    pub heap_idle: u64,
    /// Of these, returned to the system.
    pub heap_released: u64,
    /// Mapped for the heap.
    pub heap_sys: u64,
    /// Spans of stacks.
    pub stack_inuse: u64,
    /// All bytes ever allocated.
    pub total_alloc: u64,
    /// Objects ever allocated, tiny ones one by one.
    pub mallocs: u64,
    /// Objects freed, tiny ones one by one.
    pub frees: u64,
    /// Mapped by the runtime.
    pub sys: u64,
}

/// What a program knows of one of its containers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HeapContainer {
    /// Path from a global variable (`main.app.cache.users`) or a goroutine (`goroutine main.hold/local`).
    pub name: String,
    /// `map`, `slice`, `string`, `list`, `tree`, `chan`, `sync.Map`, `sync.Pool`, `buffer`, `bigint`,
    /// `context`, `timer`, `http`, `goroutine`, `finalizer`, `weak`, `cleanup`, `unique`, `object`,
    /// `reflect`, `off-heap`.
    pub kind: String,
    /// Go type as package `reflect` prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What holds it when `name` says more than a variable.
    pub holder: String,
    /// Address of the main object: map header, what a slice points to (may be inside an object),
    /// channel, first node; 0 when there is none.
    pub address: u64,
    /// Address of the global variable that the path begins with; 0 for other holders.
    pub root: u64,
    /// Entries, elements, nodes.
    pub entries: u64,
    /// Slots: of a map's main buckets or tables, a slice's array from its first element, a channel.
    pub capacity: u64,
    /// Size of a key.
    pub key_size: u64,
    /// Size of an element.
    pub elem_size: u64,
    /// What keys point to, as requested (not rounded).
    pub key_bytes: u64,
    /// What values point to, as requested (not rounded).
    pub value_bytes: u64,
    /// The container's own objects, rounded to size classes.
    pub struct_bytes: u64,
    /// All that would be free without the main object, rounded to size classes.
    pub retained_bytes: u64,
    /// `retained_bytes` was measured instead of computed, or is a matter of view; 0 when unknown.
    pub retained_approx: bool,
    /// By how much the live heap grew around the building; 0 when not measured.
    pub measured_bytes: i64,
    /// Of `measured_bytes`, what the container does not retain (its holder, wait records).
    pub beside_bytes: u64,
    /// `retained_bytes + beside_bytes` is off `measured_bytes` by more than 1 % (and 256 bytes).
    pub mismatch: bool,
    /// Length of the longest chain of pointers through it, where that is the point.
    pub depth: u64,
    /// Bytes the program can still reach, where that is the point.
    pub live_bytes: u64,
    /// Goroutines that wait to receive from a channel.
    pub receivers: u64,
    /// Goroutines that wait to send to a channel.
    pub senders: u64,
    /// Entries without a value that a `sync.Map` keeps.
    pub deleted: u64,
    /// Of the entries of a `sync.Pool`, those of before the last collection.
    pub victims: u64,
    /// Rules that hold, in kebab-case: `ghost-capacity`, `pinned-array`, ...
    pub rules: Vec<String>,
    /// A map's shape, from its header.
    pub map: Option<MapShape>,
}

/// What a map is made of, read by the program from the runtime's structures.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MapShape {
    /// `classic` (up to Go 1.23) or `swiss`.
    pub design: String,
    /// 8 << B, or the sum of the tables' capacities.
    pub slots: u64,
    /// Header, buckets or tables, overflow buckets, directory; rounded to size classes.
    pub bytes: u64,
    /// Classic: B.
    pub b: u8,
    /// Classic: overflow buckets in chains.
    pub overflow: u64,
    /// Classic: buckets are being moved.
    pub growing: bool,
    /// Classic: number of old buckets while growing.
    pub old_buckets: u64,
    /// Swiss: distinct tables; 0 for a map of one group.
    pub tables: u64,
    /// Swiss: length of the directory.
    pub directory: u64,
    /// Swiss: slots marked deleted.
    pub tombstones: u64,
}
