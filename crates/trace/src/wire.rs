//! The events of the wire format: numbers, names, arguments.
//!
//! Refuses: numbers that no version of the format has.
//!
//! Source: GOROOT/src/internal/trace/tracev2/events.go (Go 1.27.3). Numbers never change meaning between versions.

/// Largest payload of a batch, in bytes (`MaxBatchSize`).
pub(crate) const MAX_BATCH: u64 = 64 << 10;
/// Most frames of a stack (`MaxFramesPerStack`).
pub(crate) const MAX_FRAMES: u64 = 128;
/// Longest string, in bytes (`MaxEventTrailerDataSize`).
pub(crate) const MAX_STRING: u64 = 1 << 10;
/// Most arguments of a timed event, the time left out.
pub(crate) const MAX_ARGS: usize = 4;

/// Numbers of events that only give structure.
pub(crate) mod structural {
    pub(crate) const EVENT_BATCH: u8 = 1;
    pub(crate) const STACKS: u8 = 2;
    pub(crate) const STACK: u8 = 3;
    pub(crate) const STRINGS: u8 = 4;
    pub(crate) const STRING: u8 = 5;
    pub(crate) const CPU_SAMPLES: u8 = 6;
    pub(crate) const CPU_SAMPLE: u8 = 7;
    pub(crate) const FREQUENCY: u8 = 8;
    pub(crate) const EXPERIMENTAL_BATCH: u8 = 49;
    pub(crate) const SYNC: u8 = 50;
    pub(crate) const CLOCK_SNAPSHOT: u8 = 51;
    pub(crate) const END_OF_GENERATION: u8 = 52;
}

/// A timed event of the wire format, as its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Wire {
    /// Current value of GOMAXPROCS. Arguments: procs_value, stack.
    ProcsChange = 9,
    /// Start of P. Arguments: p, p_seq.
    ProcStart = 10,
    /// Stop of P.
    ProcStop = 11,
    /// P was stolen. Arguments: p, p_seq, m.
    ProcSteal = 12,
    /// P status at the start of a generation. Arguments: p, pstatus.
    ProcStatus = 13,
    /// Goroutine creation. Arguments: new_g, new_stack, stack.
    GoCreate = 14,
    /// Goroutine appears in syscall (cgo callback). Arguments: new_g.
    GoCreateSyscall = 15,
    /// Goroutine starts running. Arguments: g, g_seq.
    GoStart = 16,
    /// Goroutine ends.
    GoDestroy = 17,
    /// Goroutine ends in syscall (cgo callback).
    GoDestroySyscall = 18,
    /// Goroutine yields its time, but is runnable. Arguments: reason_string, stack.
    GoStop = 19,
    /// Goroutine blocks. Arguments: reason_string, stack.
    GoBlock = 20,
    /// Goroutine is unblocked. Arguments: g, g_seq, stack.
    GoUnblock = 21,
    /// Syscall enter. Arguments: p_seq, stack.
    GoSyscallBegin = 22,
    /// Syscall exit.
    GoSyscallEnd = 23,
    /// Syscall exit and it blocked at some point.
    GoSyscallEndBlocked = 24,
    /// Goroutine status at the start of a generation. Arguments: g, m, gstatus.
    GoStatus = 25,
    /// STW start. Arguments: kind_string, stack.
    STWBegin = 26,
    /// STW done.
    STWEnd = 27,
    /// GC active. Arguments: gc_seq.
    GCActive = 28,
    /// GC start. Arguments: gc_seq, stack.
    GCBegin = 29,
    /// GC done. Arguments: gc_seq.
    GCEnd = 30,
    /// GC sweep active. Arguments: p.
    GCSweepActive = 31,
    /// GC sweep start. Arguments: stack.
    GCSweepBegin = 32,
    /// GC sweep done. Arguments: swept_value, reclaimed_value.
    GCSweepEnd = 33,
    /// GC mark assist active. Arguments: g.
    GCMarkAssistActive = 34,
    /// GC mark assist start. Arguments: stack.
    GCMarkAssistBegin = 35,
    /// GC mark assist done.
    GCMarkAssistEnd = 36,
    /// GcController.heapLive change. Arguments: heapalloc_value.
    HeapAlloc = 37,
    /// GcController.heapGoal() change. Arguments: heapgoal_value.
    HeapGoal = 38,
    /// Apply string label to current running goroutine. Arguments: label_string.
    GoLabel = 39,
    /// Trace.NewTask. Arguments: task, parent_task, name_string, stack.
    UserTaskBegin = 40,
    /// End of a task. Arguments: task, stack.
    UserTaskEnd = 41,
    /// Trace.{Start,With}Region. Arguments: task, name_string, stack.
    UserRegionBegin = 42,
    /// Trace.{End,With}Region. Arguments: task, name_string, stack.
    UserRegionEnd = 43,
    /// Trace.Log. Arguments: task, key_string, value_string, stack.
    UserLog = 44,
    /// Goroutine switch (coroswitch). Arguments: g, g_seq.
    GoSwitch = 45,
    /// Goroutine switch and destroy. Arguments: g, g_seq.
    GoSwitchDestroy = 46,
    /// Goroutine creation (starts blocked). Arguments: new_g, new_stack, stack.
    GoCreateBlocked = 47,
    /// Goroutine status at the start of a generation, with a stack. Arguments: g, m, gstatus, stack.
    GoStatusStack = 48,
    /// Heap span exists (experiment alloc/free). Arguments: id, npages_value, kindclass.
    Span = 128,
    /// Heap span is allocated (experiment alloc/free). Arguments: id, npages_value, kindclass.
    SpanAlloc = 129,
    /// Heap span is freed (experiment alloc/free). Arguments: id.
    SpanFree = 130,
    /// Heap object exists (experiment alloc/free). Arguments: id, type.
    HeapObject = 131,
    /// Heap object is allocated (experiment alloc/free). Arguments: id, type.
    HeapObjectAlloc = 132,
    /// Heap object is freed (experiment alloc/free). Arguments: id.
    HeapObjectFree = 133,
    /// Goroutine stack exists (experiment alloc/free). Arguments: id, order.
    GoroutineStack = 134,
    /// Goroutine stack is allocated (experiment alloc/free). Arguments: id, order.
    GoroutineStackAlloc = 135,
    /// Goroutine stack is freed (experiment alloc/free). Arguments: id.
    GoroutineStackFree = 136,
}

/// What is known of a timed event.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) wire: Wire,
    pub(crate) name: &'static str,
    /// Names of the arguments, the time left out.
    pub(crate) args: &'static [&'static str],
    /// Which argument is the stack of the event itself.
    pub(crate) stack: Option<u8>,
}

const fn spec(wire: Wire, name: &'static str, args: &'static [&'static str], stack: Option<u8>) -> Spec {
    Spec { wire, name, args, stack }
}

static SPECS: [Spec; 49] = [
    spec(Wire::ProcsChange, "ProcsChange", &["procs_value", "stack"], Some(1)),
    spec(Wire::ProcStart, "ProcStart", &["p", "p_seq"], None),
    spec(Wire::ProcStop, "ProcStop", &[], None),
    spec(Wire::ProcSteal, "ProcSteal", &["p", "p_seq", "m"], None),
    spec(Wire::ProcStatus, "ProcStatus", &["p", "pstatus"], None),
    spec(Wire::GoCreate, "GoCreate", &["new_g", "new_stack", "stack"], Some(2)),
    spec(Wire::GoCreateSyscall, "GoCreateSyscall", &["new_g"], None),
    spec(Wire::GoStart, "GoStart", &["g", "g_seq"], None),
    spec(Wire::GoDestroy, "GoDestroy", &[], None),
    spec(Wire::GoDestroySyscall, "GoDestroySyscall", &[], None),
    spec(Wire::GoStop, "GoStop", &["reason_string", "stack"], Some(1)),
    spec(Wire::GoBlock, "GoBlock", &["reason_string", "stack"], Some(1)),
    spec(Wire::GoUnblock, "GoUnblock", &["g", "g_seq", "stack"], Some(2)),
    spec(Wire::GoSyscallBegin, "GoSyscallBegin", &["p_seq", "stack"], Some(1)),
    spec(Wire::GoSyscallEnd, "GoSyscallEnd", &[], None),
    spec(Wire::GoSyscallEndBlocked, "GoSyscallEndBlocked", &[], None),
    spec(Wire::GoStatus, "GoStatus", &["g", "m", "gstatus"], None),
    spec(Wire::STWBegin, "STWBegin", &["kind_string", "stack"], Some(1)),
    spec(Wire::STWEnd, "STWEnd", &[], None),
    spec(Wire::GCActive, "GCActive", &["gc_seq"], None),
    spec(Wire::GCBegin, "GCBegin", &["gc_seq", "stack"], Some(1)),
    spec(Wire::GCEnd, "GCEnd", &["gc_seq"], None),
    spec(Wire::GCSweepActive, "GCSweepActive", &["p"], None),
    spec(Wire::GCSweepBegin, "GCSweepBegin", &["stack"], Some(0)),
    spec(Wire::GCSweepEnd, "GCSweepEnd", &["swept_value", "reclaimed_value"], None),
    spec(Wire::GCMarkAssistActive, "GCMarkAssistActive", &["g"], None),
    spec(Wire::GCMarkAssistBegin, "GCMarkAssistBegin", &["stack"], Some(0)),
    spec(Wire::GCMarkAssistEnd, "GCMarkAssistEnd", &[], None),
    spec(Wire::HeapAlloc, "HeapAlloc", &["heapalloc_value"], None),
    spec(Wire::HeapGoal, "HeapGoal", &["heapgoal_value"], None),
    spec(Wire::GoLabel, "GoLabel", &["label_string"], None),
    spec(Wire::UserTaskBegin, "UserTaskBegin", &["task", "parent_task", "name_string", "stack"], Some(3)),
    spec(Wire::UserTaskEnd, "UserTaskEnd", &["task", "stack"], Some(1)),
    spec(Wire::UserRegionBegin, "UserRegionBegin", &["task", "name_string", "stack"], Some(2)),
    spec(Wire::UserRegionEnd, "UserRegionEnd", &["task", "name_string", "stack"], Some(2)),
    spec(Wire::UserLog, "UserLog", &["task", "key_string", "value_string", "stack"], Some(3)),
    spec(Wire::GoSwitch, "GoSwitch", &["g", "g_seq"], None),
    spec(Wire::GoSwitchDestroy, "GoSwitchDestroy", &["g", "g_seq"], None),
    spec(Wire::GoCreateBlocked, "GoCreateBlocked", &["new_g", "new_stack", "stack"], Some(2)),
    spec(Wire::GoStatusStack, "GoStatusStack", &["g", "m", "gstatus", "stack"], Some(3)),
    spec(Wire::Span, "Span", &["id", "npages_value", "kindclass"], None),
    spec(Wire::SpanAlloc, "SpanAlloc", &["id", "npages_value", "kindclass"], None),
    spec(Wire::SpanFree, "SpanFree", &["id"], None),
    spec(Wire::HeapObject, "HeapObject", &["id", "type"], None),
    spec(Wire::HeapObjectAlloc, "HeapObjectAlloc", &["id", "type"], None),
    spec(Wire::HeapObjectFree, "HeapObjectFree", &["id"], None),
    spec(Wire::GoroutineStack, "GoroutineStack", &["id", "order"], None),
    spec(Wire::GoroutineStackAlloc, "GoroutineStackAlloc", &["id", "order"], None),
    spec(Wire::GoroutineStackFree, "GoroutineStackFree", &["id"], None),
];

/// Number of arguments of each event but its time; [`UNTIMED`] for numbers that are no timed event.
pub(crate) static ARGS: [u8; 256] = arg_counts();

/// In [`ARGS`]: not a timed event.
pub(crate) const UNTIMED: u8 = 0xff;

const fn arg_counts() -> [u8; 256] {
    let mut out = [UNTIMED; 256];
    let mut i = 0;
    while i < SPECS.len() {
        out[SPECS[i].wire as usize] = SPECS[i].args.len() as u8;
        i += 1;
    }
    out
}

static BY_NUMBER: [Option<Wire>; 256] = by_number();

const fn by_number() -> [Option<Wire>; 256] {
    let mut out = [None; 256];
    let mut i = 0;
    while i < SPECS.len() {
        out[SPECS[i].wire as usize] = Some(SPECS[i].wire);
        i += 1;
    }
    out
}

impl Wire {
    /// The timed event with a number, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        BY_NUMBER[usize::from(number)]
    }

    /// Its name in Go's sources.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().map_or("", |s| s.name)
    }

    /// Names of its arguments, the time left out.
    #[must_use]
    pub fn arguments(self) -> &'static [&'static str] {
        self.spec().map_or(&[], |s| s.args)
    }

    /// Which argument is the stack of the event itself.
    pub(crate) fn stack_argument(self) -> Option<usize> {
        self.spec().and_then(|s| s.stack).map(usize::from)
    }

    fn spec(self) -> Option<&'static Spec> {
        SPECS.iter().find(|s| s.wire == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree() {
        for s in &SPECS {
            assert_eq!(Wire::from_number(s.wire as u8), Some(s.wire));
            assert_eq!(s.wire.name(), s.name);
            assert!(s.args.len() <= MAX_ARGS);
            assert_eq!(usize::from(ARGS[s.wire as usize]), s.args.len());
        }
        assert_eq!(Wire::from_number(1), None);
        assert_eq!(Wire::from_number(200), None);
        assert_eq!(Wire::GoStatusStack.arguments(), ["g", "m", "gstatus", "stack"]);
    }
}
