//! Inlined calls: which calls of the source stand at one address (`src/runtime/symtabinl.go`,
//! `inlinedCall` of Go 1.18 to 1.27), and lists of program counters as `runtime.Callers` writes them
//! (`CallersFrames` of `src/runtime/symtab.go`). It owns the inlining tree and the rule which
//! wrappers are left out.

use super::func::PCDATA_INL_TREE_INDEX;
use super::{Func, FuncKind, Functions, i32_at, u32_at};
use std::borrow::Cow;

/// Deepest inlining that is followed; the compiler's own limits keep it far below.
const MOST_DEPTH: u32 = 1 << 10;

/// A call as the source has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogicalFrame<'a> {
    /// Linker name of the function; see [`printable_name`] for the form that Go prints.
    pub function: &'a str,
    /// File of the place in the function that was reached; `?` when not known, as Go prints it.
    pub file: &'a str,
    /// Its line; 0 when not known.
    pub line: u32,
    /// Line of the `func` keyword; `None` before Go 1.20.
    pub start_line: Option<u32>,
    /// First address of the physical function.
    pub entry: u64,
    /// An address inside the instruction that stands for the place.
    pub pc: u64,
    /// Which special function it is.
    pub kind: FuncKind,
    /// Whether it is inlined into the frames that follow.
    pub inlined: bool,
}

/// `inlinedCall`, one call that was inlined.
#[derive(Clone, Copy, Debug)]
struct InlinedCall {
    id: u8,
    name: u32,
    /// Offset from the physical function's entry of an instruction that stands for the call.
    parent_pc: i32,
    start_line: Option<u32>,
}

impl InlinedCall {
    fn read(tree: &[u8], index: u32, old: bool) -> Option<Self> {
        let index = usize::try_from(index).ok()?;
        let start_line = |l: u32| Some(l).filter(|&l| l != 0);
        if old {
            // Go 1.18, 1.19: parent i16, funcID u8, _ u8, file i32, line i32, func_ i32, parentPc i32.
            let r = tree.get(index.checked_mul(20)?..)?;
            return Some(Self { id: *r.get(2)?, name: u32_at(r, 12)?, parent_pc: i32_at(r, 16)?, start_line: None });
        }
        // From Go 1.20: funcID u8, _ [3]u8, nameOff i32, parentPc i32, startLine i32.
        let r = tree.get(index.checked_mul(16)?..)?;
        let line = start_line(u32_at(r, 12)?);
        Some(Self { id: *r.first()?, name: u32_at(r, 4)?, parent_pc: i32_at(r, 8)?, start_line: line })
    }
}

/// Offset of the first inlined call's name.
pub(super) fn first_name(tree: &[u8], old: bool) -> Option<u32> {
    Some(InlinedCall::read(tree, 0, old)?.name)
}

/// The frames at one address, innermost first.
#[derive(Clone, Debug)]
pub struct LogicalFrames<'t, 'a> {
    functions: &'t Functions<'a>,
    func: Option<Func<'a>>,
    tree: Option<&'a [u8]>,
    pc: u64,
    callee: FuncKind,
    depth: u32,
}

impl<'t, 'a> LogicalFrames<'t, 'a> {
    pub(super) fn new(functions: &'t Functions<'a>, func: Option<Func<'a>>, pc: u64, callee: FuncKind) -> Self {
        let tree = func.and_then(|f| functions.inline_tree(&f));
        Self { functions, func, tree, pc, callee, depth: 0 }
    }

    /// Kind of the frame that was last passed, wrappers that were left out included: what the next
    /// physical frame outwards has to be expanded with.
    #[must_use]
    pub const fn callee(&self) -> FuncKind {
        self.callee
    }

    /// The next frame, wrappers included; without file and line.
    fn step(&mut self) -> Option<LogicalFrame<'a>> {
        let func = self.func?;
        let call = self.inlined_call(&func);
        let pc = self.pc;
        let bare = LogicalFrame {
            function: "",
            file: "?",
            line: 0,
            start_line: None,
            entry: func.entry(),
            pc,
            kind: FuncKind::Normal,
            inlined: call.is_some(),
        };
        self.depth += 1;
        let Some(call) = call else {
            self.func = None;
            let (kind, start_line) = (self.functions.kind(&func), func.start_line());
            return Some(LogicalFrame { function: func.name(), start_line, kind, ..bare });
        };
        match func.entry().checked_add_signed(i64::from(call.parent_pc)) {
            Some(parent) if self.depth < MOST_DEPTH => self.pc = parent,
            _ => self.func = None,
        }
        Some(LogicalFrame {
            function: func.table.name_at(call.name).unwrap_or_default(),
            start_line: call.start_line,
            kind: self.functions.kind_of(call.id),
            ..bare
        })
    }

    fn inlined_call(&self, func: &Func<'a>) -> Option<InlinedCall> {
        let tree = self.tree?;
        let index = u32::try_from(func.pcdata(PCDATA_INL_TREE_INDEX, self.pc)).ok()?;
        InlinedCall::read(tree, index, func.table.old)
    }
}

impl<'a> Iterator for LogicalFrames<'_, 'a> {
    type Item = LogicalFrame<'a>;

    fn next(&mut self) -> Option<LogicalFrame<'a>> {
        loop {
            let func = self.func;
            let mut frame = self.step()?;
            let elided = frame.kind == FuncKind::Wrapper && self.callee.elides_wrapper();
            self.callee = frame.kind;
            if elided {
                continue;
            }
            if let Some(at) = func.and_then(|f| f.line_at(frame.pc)) {
                (frame.file, frame.line) = (at.file, at.line);
            }
            return Some(frame);
        }
    }
}

/// The function of a module that holds `address`.
pub(crate) fn find<'t, 'a>(modules: &'t [Functions<'a>], address: u64) -> Option<(&'t Functions<'a>, Func<'a>)> {
    modules.iter().find_map(|m| Some((m, m.func_at(address)?)))
}

/// Reads a list of program counters as `runtime.Callers` and the heap profile's records have it:
/// one entry for each call of the source (also inlined ones), each a return address or the address
/// after an instruction that stands for an inlined call. Gives `each` the frames as
/// `runtime.CallersFrames` does; entries outside Go code are left out.
pub fn callers_frames<'a>(modules: &[Functions<'a>], pcs: &[u64], mut each: impl FnMut(LogicalFrame<'a>)) {
    let mut rest = pcs.iter().copied();
    let mut implied = None;
    // A list of physical addresses alone makes the inlined ones be added; together they are bounded.
    let mut budget = pcs.len().saturating_mul(64).saturating_add(usize::try_from(MOST_DEPTH).unwrap_or(0));
    while let Some(pc) = implied.take().or_else(|| rest.next()) {
        let Some(left) = budget.checked_sub(1) else { return };
        budget = left;
        let Some((module, func)) = find(modules, pc) else { continue };
        let pc = if pc > func.entry() { pc - 1 } else { pc };
        let mut steps = LogicalFrames::new(module, Some(func), pc, FuncKind::Normal);
        let Some(mut frame) = steps.step() else { continue };
        if frame.inlined
            && let Some(listed) = rest.clone().next()
        {
            implied = implied_caller(steps, listed, frame.kind);
        }
        if let Some(at) = func.line_at(frame.pc) {
            (frame.file, frame.line) = (at.file, at.line);
        }
        each(frame);
    }
}

/// The call that an inlined one was made from, unless it is the next of the list anyway.
fn implied_caller(mut steps: LogicalFrames<'_, '_>, listed: u64, kind: FuncKind) -> Option<u64> {
    while let Some(caller) = steps.step() {
        let pc = caller.pc.checked_add(1)?;
        if pc == listed {
            return None;
        }
        if caller.kind == FuncKind::Wrapper && kind.elides_wrapper() {
            continue;
        }
        return Some(pc);
    }
    None
}

/// A linker name as Go prints it: type arguments as `[...]` (`funcNamePiecesForPrint` of
/// `src/runtime/traceback.go`, with the generic methods of Go 1.27).
#[must_use]
pub fn printable_name(name: &str) -> Cow<'_, str> {
    let (Some(open), Some(close)) = (memchr::memchr(b'[', name.as_bytes()), memchr::memrchr(b']', name.as_bytes()))
    else {
        return Cow::Borrowed(name);
    };
    let (Some(head), Some(inside), Some(tail)) = (name.get(..open), name.get(open + 1..close), name.get(close + 1..))
    else {
        return Cow::Borrowed(name);
    };
    // A generic method of a generic type has two lists: `...]name[...`.
    let (mut depth, mut first_end) = (1_i32, None);
    for (i, b) in inside.bytes().enumerate() {
        match b {
            b'[' => {
                depth += 1;
                if let (1, Some(end)) = (depth, first_end) {
                    let middle = inside.get(end..i).unwrap_or_default();
                    return Cow::Owned(format!("{head}[...{middle}[...]{tail}"));
                }
            }
            b']' => {
                depth -= 1;
                if depth < 0 {
                    return Cow::Borrowed(name);
                }
                if depth == 0 {
                    first_end = Some(i);
                }
            }
            _ => {}
        }
    }
    if depth == 1 && first_end.is_none() { Cow::Owned(format!("{head}[...]{tail}")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_as_go_prints_them() {
        for (name, printed) in [
            ("main.main", "main.main"),
            ("main.F[go.shape.int]", "main.F[...]"),
            ("main.(*T[go.shape.[]int]).M.func1", "main.(*T[...]).M.func1"),
            ("main.(*T[go.shape.int]).M[go.shape.[4]int].func1", "main.(*T[...]).M[...].func1"),
            ("main.][", "main.]["),
            ("main.F[]]x[[]", "main.F[]]x[[]"),
        ] {
            assert_eq!(printable_name(name), printed);
        }
    }
}
