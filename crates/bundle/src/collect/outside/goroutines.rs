//! All goroutines with their stacks as the text of `goroutine?debug=2` (`tracebackothers` of
//! `src/runtime/traceback.go`, Go 1.21 to 1.27), out of a process that runs on.
//!
//! Of a goroutine that waits, the descriptor is read, then its stack, then the descriptor again: a
//! stack counts only if it stood still meanwhile. One that runs has no stack to be seen from
//! outside, as in the runtime's own dumps.

use super::Program;
use gobinary::{
    FuncKind, Functions, Memory, Region, StackEnd, StackSource, StackStart, StackWalk, Unreadable, printable_name,
};
use goruntime::{Goroutine, Goroutines, Status};
use profile::{DumpFrame, DumpGoroutine, DumpStack, write_goroutine};

/// Stacks up to this size are copied in one read.
const COPIED: u64 = 1 << 20;
/// Most frames of one stack that are shown, and walked.
const MOST_FRAMES: usize = 1 << 16;
const MOST_WALKED: u32 = 1 << 20;
/// Readings of a goroutine that moves.
const TRIES: u32 = 3;
/// The runtime's own limit (`writeGoroutineStacks`).
const MOST_TEXT: usize = 64 << 20;

/// A dump read from memory.
pub(super) struct Read {
    pub text: String,
    pub notes: Vec<String>,
    pub cut: bool,
}

pub(super) fn read(program: &Program<'_>) -> Result<Read, String> {
    let all = Goroutines::search(program.memory, program.layout, program.data()).map_err(|e| e.to_string())?;
    let now = program.process.monotonic_nanos();
    let mut out = Read { text: String::new(), notes: Vec::new(), cut: false };
    let (mut moved, mut left) = (0_u64, 0_u64);
    for g in &all.list {
        if out.text.len() >= MOST_TEXT {
            left += 1;
        } else if let Some((printed, complete)) = goroutine(program, *g, now) {
            moved += u64::from(!complete);
            write_goroutine(&mut out.text, &printed);
        }
    }
    if moved > 0 {
        out.notes.push(format!("{moved} goroutines moved while they were read: their stacks are missing or cut short"));
    }
    if left > 0 {
        out.cut = true;
        out.notes
            .push(format!("{left} more goroutines were left out: the dump is as long as the runtime's own may be"));
    }
    if all.distrusted > 0 {
        out.notes.push(format!("{} descriptors contradict themselves and were left out", all.distrusted));
    }
    if now.is_none() {
        out.notes.push("the process's clock is not known: wait times are missing".to_owned());
    }
    Ok(out)
}

/// What is printed of a goroutine, and whether that is all; `None` for those of the runtime itself.
fn goroutine(program: &Program<'_>, mut g: Goroutine, now: Option<u64>) -> Option<(DumpGoroutine, bool)> {
    let start = function(program, g.start);
    let mut complete = false;
    let mut stack = DumpStack::Running;
    let mut has_own = false;
    for _ in 0..TRIES {
        if matches!(g.status, Status::Running | Status::CopyStack | Status::Idle) {
            complete = true;
            break;
        }
        let (frames, end, own) = frames(program, &g);
        let again = g.again(program.memory, program.layout)?;
        if again == g {
            complete = matches!(end, Some(StackEnd::Complete | StackEnd::SwitchesStack)) && !frames.is_empty();
            has_own = own;
            stack = DumpStack::Frames(frames, !complete);
            break;
        }
        if again.id != g.id {
            // Its descriptor was given to a new goroutine.
            return None;
        }
        g = again;
    }
    if let Some((name, kind)) = &start
        && is_system(name, *kind, has_own)
    {
        return None;
    }
    let waited = now.filter(|_| g.wait_since != 0).and_then(|now| now.checked_sub(g.wait_since));
    let created = (g.id != 1).then(|| created_by(program, g.created_at)).flatten();
    let printed = DumpGoroutine {
        id: g.id,
        state: state(&g),
        wait_minutes: waited.unwrap_or(0) / 60_000_000_000,
        locked: g.locked_to != 0,
        stack,
        created_by: created.map(|f| (f, g.parent)),
    };
    Some((printed, complete))
}

/// `gStatusStrings`, or the wait reason.
fn state(g: &Goroutine) -> String {
    if let Some(reason) = g.wait_reason.filter(|r| !r.text.is_empty()) {
        let leaked = if g.status == Status::Leaked { " (leaked)" } else { "" };
        return format!("{}{leaked}", reason.text);
    }
    match g.status {
        Status::Idle => "idle",
        Status::Runnable => "runnable",
        Status::Running => "running",
        Status::Syscall => "syscall",
        Status::Waiting => "waiting",
        Status::CopyStack => "copystack",
        Status::Preempted => "preempted",
        Status::Leaked => "leaked",
        Status::Other(_) => "???",
    }
    .to_owned()
}

/// The frames that Go prints, why the walk ended, and whether one is not the runtime's.
fn frames(program: &Program<'_>, g: &Goroutine) -> (Vec<DumpFrame>, Option<StackEnd>, bool) {
    let (pc, sp) = g.stands_at;
    let copy = StackCopy::of(program.memory, g.stack, sp);
    let memory: &dyn Memory = match &copy {
        Some(copy) => copy,
        None => program.memory,
    };
    let source = StackSource { memory, modules: program.functions, arch: program.layout.arch };
    let start = StackStart {
        pc,
        sp,
        lr: g.link_register,
        fp: Some(g.frame_pointer),
        syscall: g.in_syscall,
        at_instruction: false,
    };
    let walk = || StackWalk::new(source, g.stack.0..g.stack.1, start);
    let (mut out, mut end) = shown_frames(&source, walk(), false);
    let own = !out.is_empty() && out.iter().any(|f| !f.function.starts_with("runtime."));
    if out.is_empty() {
        // `traceback1`: a stack that has the runtime's own frames alone is shown with them.
        (out, end) = shown_frames(&source, walk(), true);
    }
    (out, end, own)
}

fn shown_frames(
    source: &StackSource<'_, '_>,
    mut walk: StackWalk<'_, '_>,
    all: bool,
) -> (Vec<DumpFrame>, Option<StackEnd>) {
    let mut out: Vec<DumpFrame> = Vec::new();
    for _ in 0..MOST_WALKED {
        let Some(frame) = walk.next().filter(|_| out.len() < MOST_FRAMES) else { break };
        let Some(module) = source.modules.get(frame.module) else { break };
        // Wrappers are not left out behind a panic, nor where all is shown.
        let callee = if all { FuncKind::Gopanic } else { frame.callee };
        for f in module.frames_in(frame.func, frame.call_pc, callee) {
            if !all && !is_shown(f.function, f.kind, out.is_empty()) {
                continue;
            }
            let name = if f.function == "runtime.gopanic" { "panic" } else { f.function };
            let function = printable_name(name).into_owned();
            out.push(DumpFrame { function, file: f.file.to_owned(), line: f.line });
        }
    }
    (out, walk.end())
}

/// `showfuncinfo`: the runtime's own functions are hidden, but for what it exports.
fn is_shown(name: &str, kind: FuncKind, first: bool) -> bool {
    match name.strip_prefix("runtime.") {
        _ if matches!(kind, FuncKind::RunFinalizers | FuncKind::RunCleanups) => true,
        None => name.contains('.'),
        Some("gopanic") => !first,
        Some(rest) => is_exported(rest),
    }
}

/// `isExportedRuntime`: functions, and methods of exported types.
fn is_exported(name: &str) -> bool {
    let upper = |s: &str| s.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    match name.rsplit_once('.') {
        None => upper(name),
        Some((receiver, method)) => {
            let receiver = receiver.strip_prefix("(*").and_then(|r| r.strip_suffix(')')).unwrap_or(receiver);
            upper(method) && upper(receiver)
        }
    }
}

/// `isSystemGoroutine`; those that run finalizers and cleanups are shown while they run the program's.
fn is_system(start: &str, kind: FuncKind, has_own: bool) -> bool {
    match kind {
        FuncKind::RuntimeMain | FuncKind::Corostart | FuncKind::HandleAsyncEvent => false,
        FuncKind::RunFinalizers | FuncKind::RunCleanups => !has_own,
        _ => start.starts_with("runtime."),
    }
}

fn function(program: &Program<'_>, pc: u64) -> Option<(String, FuncKind)> {
    let found = |m: &Functions<'_>| m.func_at(pc).map(|f| (f.name().to_owned(), m.kind(&f)));
    program.functions.iter().find_map(found)
}

fn created_by(program: &Program<'_>, pc: u64) -> Option<DumpFrame> {
    let func = program.functions.iter().find_map(|m| m.func_at(pc))?;
    if !is_shown(func.name(), FuncKind::Normal, false) {
        return None;
    }
    // A return address, unless it is the function's very start.
    let at = if pc > func.entry() { pc - 1 } else { pc };
    let place = func.line_at(at)?;
    let function = printable_name(func.name()).into_owned();
    Some(DumpFrame { function, file: place.file.to_owned(), line: place.line })
}

/// The used part of a stack, read at once: its words are nearly of one instant.
struct StackCopy {
    start: u64,
    bytes: Vec<u8>,
}

impl StackCopy {
    fn of(memory: &dyn Memory, stack: (u64, u64), sp: u64) -> Option<Self> {
        let len = stack.1.checked_sub(sp).filter(|&n| sp >= stack.0 && n > 0 && n <= COPIED)?;
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        memory.read(sp, &mut bytes).ok()?;
        Some(Self { start: sp, bytes })
    }
}

impl Memory for StackCopy {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let bytes = self.bytes(address, buf.len()).ok_or(Unreadable { address })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }

    fn regions(&self) -> &[Region] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_go_shows() {
        for (name, shown) in [
            ("main.f", true),
            ("runtime.gopark", false),
            ("runtime.GC", true),
            ("runtime.(*Func).Entry", true),
            ("runtime.(*mheap).Alloc", false),
            ("runtime.gopanic", true),
            ("_cgo_thread_start", false),
            ("internal/poll.runtime_pollWait", true),
        ] {
            assert_eq!(is_shown(name, FuncKind::Normal, false), shown, "{name}");
        }
        assert!(!is_shown("runtime.gopanic", FuncKind::Gopanic, true));
        assert!(is_shown("runtime.runFinalizers", FuncKind::RunFinalizers, true));
    }
}
