//! The rules of the order: which event of which thread may come next, and what state it leaves.
//!
//! An event that has to wait for another thread's is left where it is ([`Step::Wait`]); one that contradicts the
//! state is a fault, and the generation ends there. Refuses: looking at time stamps; the frontier does.
//!
//! Source: GOROOT/src/internal/trace/order.go (Go 1.27.3), function by function.

mod gc;
mod goroutines;
mod procs;
mod state;
mod user;

use hashbrown::HashMap;

pub(crate) use self::state::Thread;
use self::state::{Goroutine, Goroutines, Proc, Task};
use crate::{
    event::{Event, Kind, NONE},
    tables::Generation,
    wire::Wire,
};

/// Status `ProcSyscallAbandoned` of the file.
pub(crate) const SYSCALL_ABANDONED: u64 = state::P_ABANDONED as u64;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has to wait for an event of another thread.
    Wait,
    /// It is next, in the context its thread had, as it stands in the file.
    Taken,
    /// It is next, as [`Order::altered`] says: one to three events.
    Altered,
}

/// An event that contradicts what came before it: what was expected and what was found.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) Box<str>);

type Result<T> = std::result::Result<T, Fault>;

#[cold]
fn fault(text: impl Into<String>) -> Fault {
    Fault(text.into().into_boxed_str())
}

/// An event told by an [`Step::Altered`] step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Altered {
    wire: Wire,
    thread: i64,
    proc: i64,
    goroutine: i64,
    args: [u64; 4],
}

impl Altered {
    /// As a visitor sees it.
    pub(crate) fn event(&self, time: i64) -> Event<'_> {
        Event {
            kind: Kind::Wire(self.wire),
            time,
            thread: self.thread,
            proc: self.proc,
            goroutine: self.goroutine,
            args: &self.args,
        }
    }
}

/// Whether the collector is known to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gc {
    Undetermined,
    NotRunning,
    Running,
}

/// The state of the program at the point of the order reached so far.
#[derive(Debug)]
pub(crate) struct Order {
    /// The generation the order began with; 0 before the first event.
    initial: u64,
    generation: u64,
    goroutines: Goroutines,
    procs: Vec<Proc>,
    proc_of: HashMap<i64, u32>,
    threads: Vec<Thread>,
    thread_of: HashMap<i64, u32>,
    tasks: HashMap<u64, Task>,
    /// Names of regions, which outlive the generation's own numbers.
    names: HashMap<Box<[u8]>, u32>,
    gc: Gc,
    gc_seq: u64,
    /// What [`Step::Altered`] tells.
    pub(crate) altered: Vec<Altered>,
}

/// What an event is judged in: its thread's context and itself.
#[derive(Clone, Copy)]
struct At<'a> {
    wire: Wire,
    args: &'a [u64; 4],
    /// Slot of the thread; 0 for events of no thread.
    thread: u32,
    /// The thread before the event.
    before: Thread,
}

impl Order {
    pub(crate) fn new() -> Self {
        Self {
            initial: 0,
            generation: 0,
            goroutines: Goroutines::new(),
            procs: Vec::new(),
            proc_of: HashMap::new(),
            threads: vec![Thread::new(NONE)],
            thread_of: HashMap::new(),
            tasks: HashMap::new(),
            names: HashMap::new(),
            gc: Gc::Undetermined,
            gc_seq: 0,
            altered: Vec::new(),
        }
    }

    /// Forgets everything: the next generation is the first again.
    pub(crate) fn reset(&mut self) {
        self.initial = 0;
        self.goroutines.clear();
        self.procs.clear();
        self.proc_of.clear();
        self.threads.truncate(1);
        self.thread_of.clear();
        self.tasks.clear();
        self.names.clear();
        self.gc = Gc::Undetermined;
        self.gc_seq = 0;
    }

    /// The events to come are of this generation.
    pub(crate) fn begin(&mut self, generation: u64) {
        if self.initial == 0 {
            self.initial = generation;
        }
        self.generation = generation;
    }

    fn is_initial(&self) -> bool {
        self.generation == self.initial
    }

    /// The slot of a thread; 0 for [`NONE`].
    pub(crate) fn thread(&mut self, id: i64) -> u32 {
        if id == NONE {
            return 0;
        }
        let next = self.threads.len() as u32;
        let slot = *self.thread_of.entry(id).or_insert(next);
        if slot == next {
            self.threads.push(Thread::new(id));
        }
        slot
    }

    /// What a thread runs.
    #[inline(always)]
    pub(crate) fn context(&self, thread: u32) -> Thread {
        match self.threads.get(thread as usize) {
            Some(t) => *t,
            None => Thread::new(NONE),
        }
    }

    /// Sets what a thread runs.
    #[inline(always)]
    pub(crate) fn set_context(&mut self, thread: u32, now: Thread) {
        if thread != 0
            && let Some(t) = self.threads.get_mut(thread as usize)
        {
            *t = now;
        }
    }

    /// Takes the event if it may come next. `now` is the thread's [`Self::context`], which the caller keeps for a run
    /// of events and gives back with [`Self::set_context`].
    #[inline(always)]
    pub(crate) fn advance(
        &mut self,
        thread: u32,
        now: &mut Thread,
        wire: Wire,
        args: &[u64; 4],
        generation: &mut Generation,
    ) -> Result<Step> {
        let at = At { wire, args, thread, before: *now };
        // The most frequent events by far; they are compiled into the reader's loop.
        match wire {
            Wire::GoStart => self.go_start(at, now),
            Wire::GoDestroy | Wire::GoStop | Wire::GoBlock => self.go_stop(at, now),
            Wire::GoUnblock => self.go_unblock(at),
            Wire::GoSyscallBegin => self.syscall_begin(at),
            Wire::GoSyscallEnd => self.syscall_end(at),
            Wire::HeapAlloc | Wire::HeapGoal => at.proc().map(|()| Step::Taken),
            _ => {
                self.set_context(thread, *now);
                let step = self.advance_other(thread, wire, args, generation);
                *now = self.context(thread);
                step
            }
        }
    }

    /// As [`Self::advance`], for less frequent events.
    #[inline(never)]
    fn advance_other(&mut self, thread: u32, wire: Wire, args: &[u64; 4], generation: &mut Generation) -> Result<Step> {
        let at = At { wire, args, thread, before: self.context(thread) };
        match wire {
            Wire::GoStart
            | Wire::GoDestroy
            | Wire::GoStop
            | Wire::GoBlock
            | Wire::GoUnblock
            | Wire::GoSyscallBegin
            | Wire::GoSyscallEnd
            | Wire::HeapAlloc
            | Wire::HeapGoal => Ok(Step::Wait),
            Wire::GoCreate | Wire::GoCreateBlocked => self.go_create(&at),
            Wire::GoSyscallEndBlocked => self.syscall_end_blocked(&at),
            Wire::ProcStart => self.proc_start(&at),
            Wire::ProcStop => self.proc_stop(&at),
            Wire::ProcSteal => self.proc_steal(&at),
            Wire::ProcStatus => self.proc_status(&at),
            Wire::GoStatus | Wire::GoStatusStack => self.go_status(&at),
            Wire::GoCreateSyscall => self.create_syscall(&at),
            Wire::GoDestroySyscall => self.destroy_syscall(&at),
            Wire::GoSwitch | Wire::GoSwitchDestroy => self.go_switch(&at),
            Wire::ProcsChange | Wire::GoLabel | Wire::UserLog => at.user().map(|()| Step::Taken),
            Wire::STWBegin | Wire::GCMarkAssistBegin => self.go_range_begin(&at),
            Wire::STWEnd | Wire::GCMarkAssistEnd => self.go_range_end(&at),
            Wire::GCMarkAssistActive => self.assist_active(&at),
            Wire::GCActive => self.gc_active(&at),
            Wire::GCBegin => self.gc_begin(&at),
            Wire::GCEnd => self.gc_end(&at),
            Wire::GCSweepActive | Wire::GCSweepBegin | Wire::GCSweepEnd => self.sweep(&at),
            Wire::UserTaskBegin => self.task_begin(&at, generation),
            Wire::UserTaskEnd => self.task_end(&at, generation),
            Wire::UserRegionBegin | Wire::UserRegionEnd => self.region(&at, generation),
            Wire::Span
            | Wire::SpanAlloc
            | Wire::SpanFree
            | Wire::HeapObject
            | Wire::HeapObjectAlloc
            | Wire::HeapObjectFree
            | Wire::GoroutineStack
            | Wire::GoroutineStackAlloc
            | Wire::GoroutineStackFree => at.thread().map(|()| Step::Taken),
        }
    }

    /// Sets what the event's thread runs from now on.
    #[inline(always)]
    fn bind_goroutine(&mut self, thread: u32, id: i64, slot: u32) {
        if thread != 0
            && let Some(t) = self.threads.get_mut(thread as usize)
        {
            t.goroutine = id;
            t.g = slot as usize;
        }
    }

    #[inline(always)]
    fn bind_proc(&mut self, thread: u32, id: i64, slot: u32) {
        if thread != 0
            && let Some(t) = self.threads.get_mut(thread as usize)
        {
            t.proc = id;
            t.p = slot as usize;
        }
    }

    /// The goroutine that the event's thread runs.
    #[inline(always)]
    fn own(&mut self, at: &At<'_>) -> Option<&mut Goroutine> {
        self.goroutines.at(at.before.g, at.before.goroutine)
    }

    /// The same, which must be there and in a status.
    #[inline(always)]
    fn own_in(&mut self, at: &At<'_>, status: u8) -> Result<&mut Goroutine> {
        match self.goroutines.at(at.before.g, at.before.goroutine) {
            Some(g) if g.status == status => Ok(g),
            g => Err(not_in(at.wire, at.before.goroutine, status, g.map(|g| g.status))),
        }
    }

    /// The proc that the event's thread has.
    #[inline(always)]
    fn own_proc(&mut self, at: &At<'_>) -> Result<&mut Proc> {
        match self.procs.get_mut(at.before.p) {
            Some(p) if p.id == at.before.proc => Ok(p),
            _ => Err(no_proc(at.wire, at.before.proc)),
        }
    }

    /// Tells one event in place of what stands in the file.
    fn alter(&mut self, event: Altered) -> Step {
        self.altered.clear();
        self.altered.push(event);
        Step::Altered
    }
}

impl At<'_> {
    #[cold]
    fn fault(&self, text: &str) -> Fault {
        fault(format!("{}: {text}", self.wire.name()))
    }

    /// The event as it stands, in the context its thread had.
    fn altered(&self, args: [u64; 4]) -> Altered {
        Altered {
            wire: self.wire,
            thread: self.before.id,
            proc: self.before.proc,
            goroutine: self.before.goroutine,
            args,
        }
    }

    /// There must be a thread.
    #[inline(always)]
    fn thread(&self) -> Result<()> {
        if self.thread == 0 { Err(missing(self.wire, "a thread")) } else { Ok(()) }
    }

    /// There must be a thread with a proc.
    #[inline(always)]
    fn proc(&self) -> Result<()> {
        self.thread()?;
        if self.before.proc == NONE { Err(missing(self.wire, "a proc")) } else { Ok(()) }
    }

    /// There must be a thread with a proc and a goroutine.
    #[inline(always)]
    fn user(&self) -> Result<()> {
        self.proc()?;
        self.goroutine()
    }

    #[inline(always)]
    fn goroutine(&self) -> Result<()> {
        if self.before.goroutine == NONE { Err(missing(self.wire, "a goroutine")) } else { Ok(()) }
    }

    #[inline(always)]
    fn no_goroutine(&self) -> Result<()> {
        if self.before.goroutine == NONE { Ok(()) } else { Err(unexpected_goroutine(self.wire, self.before.goroutine)) }
    }
}

#[cold]
#[inline(never)]
fn missing(wire: Wire, what: &str) -> Fault {
    fault(format!("{}: expected {what} but there is none", wire.name()))
}

#[cold]
#[inline(never)]
fn unexpected_goroutine(wire: Wire, id: i64) -> Fault {
    fault(format!("{}: expected no goroutine, found {id}", wire.name()))
}

#[cold]
#[inline(never)]
fn not_in(wire: Wire, id: i64, status: u8, found: Option<u8>) -> Fault {
    let name = wire.name();
    match found {
        Some(found) => fault(format!("{name}: expected goroutine {id} in status {status}, found it in {found}")),
        None => fault(format!("{name}: expected goroutine {id} to exist")),
    }
}

#[cold]
#[inline(never)]
fn no_proc(wire: Wire, id: i64) -> Fault {
    fault(format!("{}: expected proc {id} to exist", wire.name()))
}
