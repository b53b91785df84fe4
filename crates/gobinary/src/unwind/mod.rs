//! Goroutine stacks: from a program counter and a stack pointer to the frames, outwards
//! (`src/runtime/traceback.go`, `stkframe.go`; the same in Go 1.18 to 1.27).
//!
//! This folder owns the walk, which words of each frame hold pointers, and which stack objects they
//! reach. It lives beside the function table because it needs nothing but that and memory by
//! address. It takes the registers from its caller: finding goroutines and threads is not its business.

mod objects;
mod slots;
mod words;

pub use objects::{StackWord, StackWords, scan_stack};
pub use slots::{FrameSlots, ObjectAt, ObjectMask, frame_slots};

use crate::layout::Arch;
use crate::pclntab::find_in;
use crate::{Func, FuncKind, Functions, LogicalFrames, Memory};
use std::ops::Range;
use words::Words;

/// Most frames of one stack: Go's limit of 1 GB for a stack allows far fewer.
const MOST_FRAMES: u32 = 1 << 26;

/// `sys.MinFrameSize`: the word for the link register at the bottom of each frame.
const fn min_frame(arch: Arch) -> u64 {
    match arch {
        Arch::Amd64 => 0,
        Arch::Arm64 => 8,
    }
}

/// `alignUp(sys.MinFrameSize, sys.StackAlign)`: what a signal handler puts onto the stack below a call
/// that it makes up.
const fn injected_frame(arch: Arch) -> u64 {
    match arch {
        Arch::Amd64 => 0,
        Arch::Arm64 => 16,
    }
}

/// Whether a call leaves the return address in a register, which the callee saves at its stack pointer;
/// else the call pushes it.
const fn uses_lr(arch: Arch) -> bool {
    matches!(arch, Arch::Arm64)
}

/// Where a walk starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackStart {
    /// Program counter: `g.sched.pc`, `g.syscallpc`, or that of a stopped thread.
    pub pc: u64,
    /// Stack pointer that belongs to it.
    pub sp: u64,
    /// arm64: the link register (`g.sched.lr`, or x30 of a stopped thread); 0 for none, as with
    /// `g.syscallpc`.
    pub lr: u64,
    /// Frame pointer (rbp, x29), used only when `pc` is outside Go code (vDSO, C).
    pub fp: Option<u64>,
    /// Whether the goroutine is in a system call and `pc`, `sp` are `g.syscallpc`, `g.syscallsp`.
    pub syscall: bool,
    /// Whether `pc` is the next instruction of a stopped thread and not a return address.
    pub at_instruction: bool,
}

/// What a walk reads.
#[derive(Clone, Copy)]
pub struct StackSource<'t, 'a> {
    /// The program's memory.
    pub memory: &'t dyn Memory,
    /// Functions of its modules, in the addresses of the running program.
    pub modules: &'t [Functions<'a>],
    /// The processor.
    pub arch: Arch,
}

/// One physical frame (`stkframe`).
#[derive(Clone, Copy, Debug)]
pub struct StackFrame<'a> {
    /// The physical function.
    pub func: Func<'a>,
    /// Which special function it is.
    pub kind: FuncKind,
    /// Kind of the frame inwards of it; [`FuncKind::Normal`] for the innermost.
    pub callee: FuncKind,
    /// Number of the module in [`StackSource::modules`].
    pub module: usize,
    /// Where it goes on: a return address, or an instruction (see `at_instruction`).
    pub pc: u64,
    /// An address inside the instruction that it is at: what lines and inlined calls are looked up by.
    pub call_pc: u64,
    /// Where it goes on after what it waits for returned; `None` when it never will (a fault in a
    /// function without `defer`): then none of its words are alive.
    pub continuation: Option<u64>,
    /// Stack pointer at `pc`.
    pub sp: u64,
    /// Stack pointer of the caller.
    pub fp: u64,
    /// End of the locals.
    pub varp: u64,
    /// Start of the arguments.
    pub argp: u64,
    /// Whether it is the first frame of the walk.
    pub innermost: bool,
    /// Whether `pc` is an instruction at which it was interrupted (a fault, a preemption, a stopped
    /// thread).
    pub at_instruction: bool,
}

impl<'a> StackFrame<'a> {
    /// The calls of the source that the frame stands for, innermost first; wrappers are left out as
    /// Go's own stack traces do.
    #[must_use]
    pub fn logical<'t>(&self, source: &StackSource<'t, 'a>) -> Option<LogicalFrames<'t, 'a>> {
        Some(source.modules.get(self.module)?.frames_in(self.func, self.call_pc, self.callee))
    }

    /// Whether the garbage collector takes every word of the frame for a possible pointer
    /// (`scanframeworker` of `src/runtime/mgcmark.go`): it was interrupted where no stack map holds.
    #[must_use]
    pub const fn is_conservative(&self) -> bool {
        matches!(self.kind, FuncKind::AsyncPreempt | FuncKind::DebugCall)
            || matches!(self.callee, FuncKind::AsyncPreempt | FuncKind::DebugCall)
            || (self.innermost && self.at_instruction)
    }
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackEnd {
    /// At the outermost function of the stack: it is complete.
    Complete,
    /// At a function that writes the stack pointer in ways that the tables do not tell (switches to
    /// another stack).
    SwitchesStack,
    /// The return address is outside Go code.
    NotGo {
        /// That address.
        pc: u64,
    },
    /// The word with the return address cannot be read.
    Unreadable {
        /// Address of the word.
        address: u64,
    },
    /// A stack pointer outside the stack, a frame of impossible size, or one that leads to itself.
    Damaged {
        /// Stack pointer of the last frame.
        sp: u64,
    },
}

/// Walks a stack outwards.
pub struct StackWalk<'t, 'a> {
    source: StackSource<'t, 'a>,
    words: Words<'t>,
    stack: Range<u64>,
    next: Option<Next>,
    end: Option<StackEnd>,
    count: u32,
}

/// What is known of a frame before its function is looked up.
#[derive(Clone, Copy, Debug)]
struct Next {
    pc: u64,
    sp: u64,
    /// arm64: the caller's address where it is in no word of the stack; 0 for none.
    lr: u64,
    callee: FuncKind,
    at_instruction: bool,
    innermost: bool,
    syscall: bool,
}

impl<'t, 'a> StackWalk<'t, 'a> {
    /// A walk over the stack that lies in `stack` (`g.stack.lo` to `g.stack.hi`); it never leaves that.
    #[must_use]
    pub fn new(source: StackSource<'t, 'a>, stack: Range<u64>, start: StackStart) -> Self {
        let mut walk = Self { source, words: Words::new(source.memory), stack, next: None, end: None, count: 0 };
        let mut next = Next {
            pc: start.pc,
            sp: start.sp,
            lr: if uses_lr(source.arch) { start.lr } else { 0 },
            callee: FuncKind::Normal,
            at_instruction: start.at_instruction,
            innermost: true,
            syscall: start.syscall,
        };
        let first = walk.first(&mut next, start.fp);
        match first {
            Ok(()) => walk.next = Some(next),
            Err(end) => walk.end = Some(end),
        }
        walk
    }

    /// Moves on to the caller where the start itself has no function.
    fn first(&mut self, next: &mut Next, fp: Option<u64>) -> Result<(), StackEnd> {
        if next.pc == 0 {
            // A call of a nil function: start in the caller.
            next.pc = self.word(next.sp)?;
            next.lr = 0;
            if !uses_lr(self.source.arch) {
                next.sp = next.sp.saturating_add(8);
            }
            next.at_instruction = false;
        }
        if find_in(self.source.modules, next.pc).is_some() {
            return Ok(());
        }
        // C code and the vDSO keep the frame pointer of the Go function that called them, or save it.
        let Some(fp) = fp.filter(|fp| *fp >= next.sp && self.stack.contains(fp)) else {
            return Err(StackEnd::NotGo { pc: next.pc });
        };
        let pc = self.word(fp.saturating_add(8))?;
        *next = Next { pc, sp: fp.saturating_add(16), lr: 0, at_instruction: false, ..*next };
        Ok(())
    }

    /// Why the walk ended; `None` before it did.
    #[must_use]
    pub const fn end(&self) -> Option<StackEnd> {
        self.end
    }

    /// The stack that the walk keeps to.
    #[must_use]
    pub fn stack(&self) -> Range<u64> {
        self.stack.clone()
    }

    fn word(&mut self, address: u64) -> Result<u64, StackEnd> {
        if !self.stack.contains(&address) {
            return Err(StackEnd::Damaged { sp: address });
        }
        self.words.get(address).ok_or(StackEnd::Unreadable { address })
    }

    /// The frame at `next`, and its caller's address (0 when it has none).
    fn resolve(&mut self, next: Next) -> Result<(StackFrame<'a>, Result<Next, StackEnd>), StackEnd> {
        let damaged = StackEnd::Damaged { sp: next.sp };
        if next.sp < self.stack.start || next.sp > self.stack.end || !next.sp.is_multiple_of(8) {
            return Err(damaged);
        }
        let (module, functions, func) = (self.source.modules.iter().enumerate())
            .find_map(|(i, m)| Some((i, m, m.func_at(next.pc)?)))
            .ok_or(StackEnd::NotGo { pc: next.pc })?;
        let arch = self.source.arch;
        let kind = functions.kind(&func);
        let delta = func.sp_delta(next.pc);
        let known = func.has_frame_info().then_some(delta).flatten();
        let pushed = if uses_lr(arch) { 0 } else { 8 };
        let fp = known
            .and_then(|d| next.sp.checked_add(u64::try_from(d).ok()?)?.checked_add(pushed))
            .filter(|fp| *fp <= self.stack.end);
        let fp = match fp {
            Some(fp) => fp,
            None if known.is_some() => return Err(damaged),
            // No table of its own: the frame is shown, its caller cannot be found.
            None => next.sp,
        };
        let mut varp = fp.saturating_sub(pushed);
        if varp > next.sp {
            // The word of the saved frame pointer.
            varp = varp.saturating_sub(8);
        }
        let mut continuation = Some(next.pc);
        if next.callee == FuncKind::Sigpanic {
            continuation = func.deferreturn().and_then(|pc| pc.checked_add(1));
        }
        let is_return = !next.at_instruction && next.pc > func.entry();
        let frame = StackFrame {
            func,
            kind,
            callee: next.callee,
            module,
            pc: next.pc,
            call_pc: if is_return { next.pc - 1 } else { next.pc },
            continuation,
            sp: next.sp,
            fp,
            varp,
            argp: fp.saturating_add(min_frame(arch)),
            innermost: next.innermost,
            at_instruction: next.at_instruction,
        };
        let caller = if known.is_some() { self.caller(&frame, next) } else { Err(StackEnd::SwitchesStack) };
        Ok((frame, caller))
    }

    /// Where the caller of `frame` goes on.
    fn caller(&mut self, frame: &StackFrame<'a>, next: Next) -> Result<Next, StackEnd> {
        let arch = self.source.arch;
        let flags = frame.func.flags();
        if flags.top_frame() {
            return Err(StackEnd::Complete);
        }
        // `cgocallback` keeps both of its stacks fit to be walked, a system call's registers were saved before
        // the switch, and a goroutine that gave way itself did so at its function's start.
        let known_safe = frame.kind == FuncKind::Cgocallback || next.syscall;
        let at_start = next.innermost && !next.at_instruction;
        if flags.writes_sp() && !known_safe && !at_start {
            return Err(StackEnd::SwitchesStack);
        }
        let lr = if !uses_lr(arch) {
            self.word(frame.fp.saturating_sub(8))?
        } else if (next.innermost && frame.sp < frame.fp) || next.lr == 0 {
            self.word(frame.sp)?
        } else {
            next.lr
        };
        if lr == 0 {
            // Nothing above: a stack that was made up by hand (a signal's, a thread's first).
            return Err(StackEnd::Complete);
        }
        if lr == frame.pc && frame.sp == frame.fp {
            return Err(StackEnd::Damaged { sp: frame.sp });
        }
        let mut caller = Next {
            pc: lr,
            sp: frame.fp,
            lr: 0,
            callee: frame.kind,
            at_instruction: frame.kind.is_injected(),
            innermost: false,
            syscall: false,
        };
        if uses_lr(arch) && frame.kind.is_injected() {
            // The handler saved the link register on the stack before it made up the call.
            let saved = self.word(caller.sp)?;
            caller.sp = caller.sp.saturating_add(injected_frame(arch));
            match find_in(self.source.modules, caller.pc) {
                None => caller.pc = saved,
                Some((_, f)) if f.sp_delta(caller.pc) == Some(0) => caller.lr = saved,
                Some(_) => {}
            }
        }
        Ok(caller)
    }
}

impl<'a> Iterator for StackWalk<'_, 'a> {
    type Item = StackFrame<'a>;

    fn next(&mut self) -> Option<StackFrame<'a>> {
        let next = self.next.take()?;
        self.count += 1;
        if self.count > MOST_FRAMES {
            self.end = Some(StackEnd::Damaged { sp: next.sp });
            return None;
        }
        match self.resolve(next) {
            Err(end) => {
                self.end = Some(end);
                None
            }
            Ok((frame, caller)) => {
                match caller {
                    Ok(next) => self.next = Some(next),
                    Err(end) => self.end = Some(end),
                }
                Some(frame)
            }
        }
    }
}
