//! An event as a visitor sees it: who, when, and what it means.
//!
//! Refuses: keeping anything. An event borrows its arguments and its strings and stacks are those of its generation.
//!
//! Source: GOROOT/src/internal/trace/event.go and resources.go (Go 1.27.3).

use crate::{
    tables::{Generation, StackId, StringId},
    wire::Wire,
};

/// No thread, no proc or no goroutine, as Go's `NoThread`, `NoProc`, `NoGoroutine`.
pub const NONE: i64 = -1;

/// No task, as Go's `NoTask`.
pub const NO_TASK: u64 = u64::MAX;

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A timed event of the file, or one that Go's reader derives from it.
    Wire(Wire),
    /// A CPU profile sample.
    CpuSample,
    /// The start of a generation or the end of the trace: everything alive has been enumerated.
    Sync,
}

/// An event in Go's order. Thread, proc and goroutine are those before the event, [`NONE`] where there is none.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What it is.
    pub kind: Kind,
    /// Nanoseconds of the trace's clock; every event has a larger time than the one before.
    pub time: i64,
    /// Thread (M) it happened on.
    pub thread: i64,
    /// Proc (P) the thread had.
    pub proc: i64,
    /// Goroutine the thread ran.
    pub goroutine: i64,
    /// Arguments, with what Go's reader adds to them; those the event does not have are of no meaning.
    pub(crate) args: &'a [u64; 4],
}

/// What state a goroutine is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GoState {
    /// Not known.
    Undetermined,
    /// Does not exist.
    NotExist,
    /// Could run but does not.
    Runnable,
    /// Runs.
    Running,
    /// Waits for something.
    Waiting,
    /// Is in a system call.
    Syscall,
}

/// What state a proc is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ProcState {
    /// Not known.
    Undetermined,
    /// Does not exist.
    NotExist,
    /// Runs.
    Running,
    /// Is idle.
    Idle,
}

/// The status of a goroutine in the file (`tracev2.GoStatus`).
pub(crate) fn go_state(status: u64) -> Option<GoState> {
    // Go maps its unnamed status 0 to Undetermined.
    [GoState::Undetermined, GoState::Runnable, GoState::Running, GoState::Syscall, GoState::Waiting]
        .get(usize::try_from(status).ok()?)
        .copied()
}

/// The status of a proc in the file (`tracev2.ProcStatus`); system calls count as running.
pub(crate) fn proc_state(status: u64) -> Option<ProcState> {
    [ProcState::Undetermined, ProcState::Running, ProcState::Idle, ProcState::Running, ProcState::Idle]
        .get(usize::try_from(status).ok()?)
        .copied()
}

/// What a range or a label belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole program.
    Global,
    /// A goroutine.
    Goroutine(i64),
    /// A proc.
    Proc(i64),
}

/// Kinds of ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// The world is stopped, with the reason.
    StopTheWorld(StringId),
    /// The concurrent mark phase of a collection.
    GcMark,
    /// A sweep inside an allocation.
    GcSweep,
    /// A mark assist.
    MarkAssist,
}

/// Which end of a range an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It begins.
    Begin,
    /// It was already there when the generation began.
    Active,
    /// It ends.
    End,
}

/// Metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `/sched/gomaxprocs:threads`.
    Gomaxprocs,
    /// `/memory/classes/heap/objects:bytes`: heap live, in bytes.
    HeapObjects,
    /// `/gc/heap/goal:bytes`.
    HeapGoal,
}

/// What an event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail<'a> {
    /// The start of the n-th generation, counted from 1, or the end of the trace.
    Sync(u64),
    /// A metric has a new value.
    Metric(Metric, u64),
    /// A goroutine is given a label.
    Label {
        /// The label.
        label: StringId,
        /// The goroutine.
        scope: Scope,
    },
    /// A CPU profile sample.
    StackSample,
    /// A range of time begins, goes on or ends.
    Range {
        /// Which end it is.
        phase: Phase,
        /// What happens in that time.
        range: Range,
        /// Who it belongs to.
        scope: Scope,
        /// Of a sweep that ends: bytes swept and bytes reclaimed.
        swept: Option<(u64, u64)>,
    },
    /// A task of runtime/trace begins.
    TaskBegin {
        /// Its number.
        task: u64,
        /// The task it is part of, or [`NO_TASK`].
        parent: u64,
        /// Its type.
        name: StringId,
    },
    /// A task of runtime/trace ends.
    TaskEnd {
        /// Its number.
        task: u64,
        /// The task it is part of, or [`NO_TASK`].
        parent: u64,
        /// Its type; empty where its beginning is not in the trace.
        name: &'a [u8],
    },
    /// A region of runtime/trace begins or ends.
    Region {
        /// `Begin` or `End`.
        phase: Phase,
        /// The task it belongs to; 0 for none.
        task: u64,
        /// Its type.
        name: StringId,
    },
    /// A log message of runtime/trace.
    Log {
        /// The task it belongs to; 0 for none.
        task: u64,
        /// Its category.
        category: StringId,
        /// Its text.
        message: StringId,
    },
    /// A goroutine changes its state.
    Goroutine {
        /// Which one.
        id: i64,
        /// State before.
        from: GoState,
        /// State after.
        to: GoState,
        /// Why, 0 for no reason.
        reason: StringId,
        /// Stack of that goroutine, as opposed to the stack of the event; 0 for none.
        stack: StackId,
    },
    /// A proc changes its state.
    Proc {
        /// Which one.
        id: i64,
        /// State before.
        from: ProcState,
        /// State after.
        to: ProcState,
    },
    /// An event of an experiment, unchecked.
    Experimental(Wire),
}

impl<'a> Event<'a> {
    /// The stack of the event itself; 0 for none.
    #[must_use]
    pub fn stack(&self) -> StackId {
        match self.kind {
            Kind::CpuSample => self.args[0],
            Kind::Sync => 0,
            Kind::Wire(wire) => wire.stack_argument().and_then(|i| self.args.get(i)).copied().unwrap_or(0),
        }
    }

    /// The arguments as in the file, the time left out; some are changed by what the order tells (`STWEnd` has the
    /// reason of its beginning).
    #[must_use]
    pub fn arguments(&self) -> &'a [u64] {
        let count = match self.kind {
            Kind::Wire(Wire::STWEnd) | Kind::CpuSample | Kind::Sync => 1,
            Kind::Wire(wire) => wire.arguments().len(),
        };
        self.args.get(..count).unwrap_or_default()
    }

    /// What it means. Strings are numbers in the generation's table.
    #[must_use]
    pub fn detail(&self, generation: &'a Generation) -> Detail<'a> {
        match self.kind {
            Kind::CpuSample => Detail::StackSample,
            Kind::Sync => Detail::Sync(self.args[0]),
            Kind::Wire(wire) => self.of_wire(wire, generation),
        }
    }

    fn of_wire(&self, wire: Wire, generation: &'a Generation) -> Detail<'a> {
        let [a, b, c, _] = *self.args;
        match wire {
            Wire::ProcsChange => Detail::Metric(Metric::Gomaxprocs, a),
            Wire::HeapAlloc => Detail::Metric(Metric::HeapObjects, a),
            Wire::HeapGoal => Detail::Metric(Metric::HeapGoal, a),
            Wire::ProcStart | Wire::ProcStop | Wire::ProcSteal | Wire::ProcStatus => self.proc_transition(wire),
            Wire::STWBegin
            | Wire::STWEnd
            | Wire::GCActive
            | Wire::GCBegin
            | Wire::GCEnd
            | Wire::GCSweepActive
            | Wire::GCSweepBegin
            | Wire::GCSweepEnd
            | Wire::GCMarkAssistActive
            | Wire::GCMarkAssistBegin
            | Wire::GCMarkAssistEnd => self.range(wire),
            Wire::GoLabel => Detail::Label { label: a, scope: Scope::Goroutine(self.goroutine) },
            Wire::UserTaskBegin => Detail::TaskBegin { task: a, parent: b, name: c },
            Wire::UserTaskEnd => Detail::TaskEnd { task: a, parent: c, name: generation.task_name() },
            Wire::UserRegionBegin => Detail::Region { phase: Phase::Begin, task: a, name: b },
            Wire::UserRegionEnd => Detail::Region { phase: Phase::End, task: a, name: b },
            Wire::UserLog => Detail::Log { task: a, category: b, message: c },
            Wire::Span
            | Wire::SpanAlloc
            | Wire::SpanFree
            | Wire::HeapObject
            | Wire::HeapObjectAlloc
            | Wire::HeapObjectFree
            | Wire::GoroutineStack
            | Wire::GoroutineStackAlloc
            | Wire::GoroutineStackFree => Detail::Experimental(wire),
            _ => self.goroutine_transition(wire),
        }
    }

    fn proc_transition(&self, wire: Wire) -> Detail<'a> {
        let [a, b, c, d] = *self.args;
        let (id, from, to) = match wire {
            Wire::ProcStart => (a.cast_signed(), ProcState::Idle, ProcState::Running),
            Wire::ProcSteal => {
                // The order puts the status that let the event through behind the arguments.
                let from = if d == crate::order::SYSCALL_ABANDONED { ProcState::Idle } else { ProcState::Running };
                (a.cast_signed(), from, ProcState::Idle)
            }
            Wire::ProcStatus => {
                let from = match c {
                    0 => ProcState::Undetermined,
                    1 => ProcState::NotExist,
                    2 => ProcState::Running,
                    _ => ProcState::Idle,
                };
                (a.cast_signed(), from, proc_state(b).unwrap_or(ProcState::Undetermined))
            }
            _ => (self.proc, ProcState::Running, ProcState::Idle),
        };
        Detail::Proc { id, from, to }
    }

    fn goroutine_transition(&self, wire: Wire) -> Detail<'a> {
        use GoState::{NotExist, Runnable, Running, Syscall, Waiting};
        let [a, b, c, _] = *self.args;
        let (named, own) = (a.cast_signed(), self.goroutine);
        let (id, from, to, reason, stack) = match wire {
            Wire::GoCreate => (named, NotExist, Runnable, 0, b),
            Wire::GoCreateBlocked => (named, NotExist, Waiting, 0, b),
            Wire::GoCreateSyscall => (named, NotExist, Syscall, 0, 0),
            Wire::GoStart => (named, Runnable, Running, 0, 0),
            Wire::GoDestroy => (own, Running, NotExist, 0, 0),
            Wire::GoDestroySyscall => (own, Syscall, NotExist, 0, 0),
            Wire::GoStop => (own, Running, Runnable, a, b),
            Wire::GoBlock => (own, Running, Waiting, a, b),
            Wire::GoSyscallBegin => (own, Running, Syscall, 0, b),
            Wire::GoSyscallEnd => (own, Syscall, Running, 0, 0),
            Wire::GoSyscallEndBlocked => (own, Syscall, Runnable, 0, 0),
            Wire::GoStatus | Wire::GoStatusStack => {
                let from = match c >> 32 {
                    0 => GoState::Undetermined,
                    1 => NotExist,
                    2 => Runnable,
                    3 => Running,
                    4 => Waiting,
                    _ => Syscall,
                };
                (named, from, go_state(c & 0xffff_ffff).unwrap_or(GoState::Undetermined), 0, self.stack())
            }
            // GoUnblock; GoSwitch and GoSwitchDestroy first unblock the goroutine they name.
            _ => (named, Waiting, Runnable, 0, 0),
        };
        Detail::Goroutine { id, from, to, reason, stack }
    }

    fn range(&self, wire: Wire) -> Detail<'a> {
        let [a, b, ..] = *self.args;
        let (range, own) = match wire {
            Wire::STWBegin | Wire::STWEnd => (Range::StopTheWorld(a), Scope::Goroutine(self.goroutine)),
            Wire::GCActive | Wire::GCBegin | Wire::GCEnd => (Range::GcMark, Scope::Global),
            Wire::GCSweepActive => (Range::GcSweep, Scope::Proc(a.cast_signed())),
            Wire::GCSweepBegin | Wire::GCSweepEnd => (Range::GcSweep, Scope::Proc(self.proc)),
            Wire::GCMarkAssistActive => (Range::MarkAssist, Scope::Goroutine(a.cast_signed())),
            _ => (Range::MarkAssist, Scope::Goroutine(self.goroutine)),
        };
        let phase = match wire {
            Wire::STWBegin | Wire::GCBegin | Wire::GCSweepBegin | Wire::GCMarkAssistBegin => Phase::Begin,
            Wire::GCActive | Wire::GCSweepActive | Wire::GCMarkAssistActive => Phase::Active,
            _ => Phase::End,
        };
        let swept = (wire == Wire::GCSweepEnd).then_some((a, b));
        Detail::Range { phase, range, scope: own, swept }
    }
}
