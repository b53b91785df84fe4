//! All goroutines of a program (`runtime.allgs`, `src/runtime/proc.go`): state, what each waits for,
//! where it was made, where its stack lies and where it stands. Found without symbols by what the
//! list must hold. Frames are the unwinder's business.

use crate::RuntimeError;
use crate::bytes::Fields;
use crate::data;
use gobinary::Memory;
use gobinary::layout::{Layout, WaitReason};
use std::ops::Range;

/// Most goroutines that are read: the descriptors alone would take 18 GiB of the program.
const MOST: u64 = 40_000_000;
/// Descriptors of a candidate list that are looked at.
const PROBES: u64 = 64;
/// Longest stack (`maxstacksize` is 1 GB on 64-bit systems, doubled once while it grows).
const MOST_STACK: u64 = 4 << 30;
/// Added to the status while the collector scans the stack (`_Gscan`).
const SCAN: u32 = 0x1000;
/// A free descriptor (`_Gdead`).
const DEAD: u32 = 6;
/// In use by a C thread that is not in Go (`_Gdeadextra`, 1.26 and newer).
const DEAD_EXTRA: u32 = 11;

/// What a goroutine does (`_Gidle` and the following, `src/runtime/runtime2.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Just made, not initialised.
    Idle,
    /// Wants to run.
    Runnable,
    /// Runs Go code.
    Running,
    /// In a system call.
    Syscall,
    /// Blocked.
    Waiting,
    /// Its stack is being copied to a larger one.
    CopyStack,
    /// Stopped itself for a suspension.
    Preempted,
    /// Blocked for ever, as the collector found (1.26 and newer).
    Leaked,
    /// A number this release does not have.
    Other(u32),
}

/// A goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goroutine {
    /// Address of its descriptor (`runtime.g`).
    pub address: u64,
    /// Its number, as stack dumps print it.
    pub id: u64,
    /// What it does.
    pub status: Status,
    /// What it waits for, while it waits.
    pub wait_reason: Option<WaitReason>,
    /// When it began to wait or entered its system call, in nanoseconds of the runtime's clock; 0 when no
    /// collection has noticed yet.
    pub wait_since: u64,
    /// Lowest address of its stack, and the address behind it.
    pub stack: (u64, u64),
    /// Where it stands: program counter and stack pointer, saved when it stopped or entered a system call.
    /// Not its registers while it runs.
    pub stands_at: (u64, u64),
    /// It is in a system call, and `stands_at` is where it entered it.
    pub in_syscall: bool,
    /// Saved frame pointer (`sched.bp` or `syscallbp`).
    pub frame_pointer: u64,
    /// Saved link register (arm64).
    pub link_register: u64,
    /// Closure context that the scheduler would restore.
    pub context: u64,
    /// Address of the `go` statement that made it; 0 for the first ones.
    pub created_at: u64,
    /// Goroutine that made it (1.21 and newer).
    pub parent: Option<u64>,
    /// First instruction of its function.
    pub start: u64,
    /// First `sudog`, when it waits on channels or for a lock.
    pub waiting_on: u64,
    /// Address of its profiler labels; 0 for none.
    pub labels: u64,
    /// First record of a deferred call that lies in the heap; 0 for none.
    pub deferred: u64,
    /// Whether the thread that runs it is known by its `m`; 0 while it does not run.
    pub thread: u64,
    /// Thread it is locked to (`runtime.LockOSThread`); 0 for none.
    pub locked_to: u64,
}

/// The goroutines of a program.
#[derive(Clone, Debug)]
pub struct Goroutines {
    /// All that are not dead, in the order they were first made.
    pub list: Vec<Goroutine>,
    /// Descriptors kept for new goroutines; they hold no stack, or a small one.
    pub dead: u64,
    /// Stack bytes of the dead.
    pub dead_stack_bytes: u64,
    /// Descriptors that could not be read or contradict themselves.
    pub distrusted: u64,
}

impl Goroutine {
    /// The same descriptor as it is now; `None` when it is dead or cannot be read. A goroutine whose
    /// descriptor did not change while its stack was read stood still.
    #[must_use]
    pub fn again(&self, memory: &dyn Memory, layout: &Layout) -> Option<Self> {
        let mut copy = vec![0_u8; layout.g.size as usize];
        memory.read(self.address, &mut copy).ok()?;
        let mut found = Goroutines { list: Vec::new(), dead: 0, dead_stack_bytes: 0, distrusted: 0 };
        found.add(layout, self.address, Fields(&copy));
        found.list.pop()
    }
}

impl Goroutines {
    /// Reads the list at a known address of `runtime.allgs`.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn at(memory: &dyn Memory, layout: &Layout, allgs: u64) -> Result<Self, RuntimeError> {
        let word = |at: u64| memory.u64(at).map_err(RuntimeError::reading("runtime.allgs"));
        let (list, len) = (word(allgs)?, word(allgs.saturating_add(8))?);
        Self::read(memory, layout, list, len.min(MOST))
    }

    /// Looks for `runtime.allgs` in the program's data and reads it.
    ///
    /// # Errors
    /// [`RuntimeError::NotFound`].
    pub fn search(memory: &dyn Memory, layout: &Layout, range: Range<u64>) -> Result<Self, RuntimeError> {
        let Some(found) = find_allgs(memory, layout, range.clone()) else {
            let (start, end) = (range.start, data::end_of(&range));
            return Err(RuntimeError::NotFound {
                what: "runtime.allgs",
                looked: format!("no slice of goroutines in the program's data, {start:#x} to {end:#x}"),
            });
        };
        Self::read(memory, layout, found.list, found.len)
    }

    fn read(memory: &dyn Memory, layout: &Layout, list: u64, len: u64) -> Result<Self, RuntimeError> {
        let mut found = Self { list: Vec::new(), dead: 0, dead_stack_bytes: 0, distrusted: 0 };
        let mut copy = vec![0_u8; layout.g.size as usize];
        let mut pointers = [0_u8; 4096];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(pointers.len() as u64 / 8);
            let block = pointers.get_mut(..8 * n as usize).unwrap_or_default();
            if let Err(e) = memory.read(list.saturating_add(8 * done), block) {
                if done == 0 {
                    return Err(RuntimeError::reading("runtime.allgs")(e));
                }
                found.distrusted += len - done;
                break;
            }
            for word in block.chunks_exact(8) {
                let address = u64::from_le_bytes(word.try_into().unwrap_or_default());
                if address == 0 || memory.read(address, &mut copy).is_err() {
                    found.distrusted += 1;
                    continue;
                }
                found.add(layout, address, Fields(&copy));
            }
            done += n;
        }
        Ok(found)
    }

    fn add(&mut self, layout: &Layout, address: u64, f: Fields<'_>) {
        let g = &layout.g;
        let number = f.u32(g.atomicstatus) & !SCAN;
        let stack = (f.u64(g.stack + layout.stack.lo), f.u64(g.stack + layout.stack.hi));
        if !is_stack(stack) {
            self.distrusted += 1;
        } else if matches!(number, DEAD | DEAD_EXTRA) {
            self.dead += 1;
            self.dead_stack_bytes += stack.1 - stack.0;
        } else {
            self.list.push(parse(layout, address, number, stack, f));
        }
    }
}

/// `runtime.allgs`, found.
pub(crate) struct FoundList {
    /// Its address.
    pub(crate) at: u64,
    list: u64,
    len: u64,
}

/// Looks for `runtime.allgs` in the program's data.
pub(crate) fn find_allgs(memory: &dyn Memory, layout: &Layout, range: Range<u64>) -> Option<FoundList> {
    let top = layout.arch.user_space_end();
    // A slice has three words.
    data::search(memory, &range, 16, |start, block| {
        let words = Fields(block);
        (0..(block.len() - 16) / 8).find_map(|i| {
            let at = 8 * i as u32;
            let (list, len, cap) = (words.u64(at), words.u64(at + 8), words.u64(at + 16));
            let is_slice = list != 0 && list % 8 == 0 && list < top && len >= 2 && len <= cap && cap <= MOST;
            let found = FoundList { at: start + u64::from(at), list, len };
            (is_slice && is_allgs(memory, layout, list, len)).then_some(found)
        })
    })
}

fn parse(layout: &Layout, address: u64, number: u32, stack: (u64, u64), f: Fields<'_>) -> Goroutine {
    let (g, buf) = (&layout.g, &layout.gobuf);
    let status = match number {
        0 => Status::Idle,
        1 => Status::Runnable,
        2 => Status::Running,
        3 => Status::Syscall,
        4 => Status::Waiting,
        8 => Status::CopyStack,
        9 => Status::Preempted,
        10 => Status::Leaked,
        n => Status::Other(n),
    };
    let sched = |offset: u32| f.u64(g.sched.offset + offset);
    let in_syscall = f.u64(g.syscallsp) != 0;
    let (stands_at, bp) = if in_syscall {
        ((f.u64(g.syscallpc), f.u64(g.syscallsp)), g.syscallbp.map_or_else(|| sched(buf.bp), |o| f.u64(o)))
    } else {
        ((sched(buf.pc), sched(buf.sp)), sched(buf.bp))
    };
    let waits = matches!(status, Status::Waiting | Status::Leaked);
    Goroutine {
        address,
        id: f.u64(g.goid),
        status,
        wait_reason: layout.wait_reason(f.u8(g.waitreason)).filter(|_| waits),
        wait_since: if waits || status == Status::Syscall { f.u64(g.waitsince) } else { 0 },
        stack,
        stands_at,
        in_syscall,
        frame_pointer: bp,
        link_register: if in_syscall { 0 } else { sched(buf.lr) },
        context: sched(buf.ctxt),
        created_at: f.u64(g.gopc),
        parent: g.parent_goid.map(|o| f.u64(o)),
        start: f.u64(g.startpc),
        waiting_on: f.u64(g.waiting),
        labels: f.u64(g.labels),
        deferred: f.u64(g.defer),
        thread: f.u64(g.m),
        locked_to: f.u64(g.lockedm),
    }
}

fn is_stack((low, high): (u64, u64)) -> bool {
    (low == 0 && high == 0) || (low != 0 && low < high && high - low <= MOST_STACK)
}

/// Whether the slice holds descriptors: plausible stacks and states, numbers that differ, the main
/// goroutine among them.
fn is_allgs(memory: &dyn Memory, layout: &Layout, list: u64, len: u64) -> bool {
    let mut copy = vec![0_u8; layout.g.size as usize];
    let mut ids = Vec::new();
    let mut main = false;
    for i in 0..len.min(PROBES) {
        let Ok(address) = memory.u64(list.saturating_add(8 * i)) else { return false };
        if address == 0 || address % 8 != 0 || memory.read(address, &mut copy).is_err() {
            return false;
        }
        let f = Fields(&copy);
        let stack = (f.u64(layout.g.stack + layout.stack.lo), f.u64(layout.g.stack + layout.stack.hi));
        let status = f.u32(layout.g.atomicstatus);
        let id = f.u64(layout.g.goid);
        let plain = status & !SCAN;
        if !is_stack(stack) || plain > 11 || matches!(plain, 5 | 7) || id >= 1 << 48 {
            return false;
        }
        main |= id == 1;
        if plain != DEAD && id != 0 {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    main && !ids.windows(2).any(|w| w.first() == w.last())
}
