//! All functions of one module with what they need from outside the function table: `go:func.*`,
//! where FUNCDATA lies, and which number means which special function in this Go version.

use super::funcdata::{ARGS_POINTER_MAPS, INL_TREE, LOCALS_POINTER_MAPS, STACK_OBJECTS};
use super::inline::LogicalFrames;
use super::{Func, Pclntab, StackMap, StackObjects};

/// Which of the functions that the runtime treats specially (`abi.FuncID`). The numbers changed
/// with nearly every Go version, so they are told by the names of the functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FuncKind {
    /// None of them.
    #[default]
    Normal,
    /// Code that the compiler made (method wrappers, hash and equality), and `runtime.deferreturn`:
    /// not shown in stacks unless it panics itself.
    Wrapper,
    /// `runtime.abort`
    Abort,
    /// `runtime.asmcgocall`
    Asmcgocall,
    /// `runtime.asyncPreempt`: put onto a goroutine's stack between two instructions.
    AsyncPreempt,
    /// `runtime.cgocallback`
    Cgocallback,
    /// `runtime.corostart`
    Corostart,
    /// `runtime.debugCallV2`: put onto a goroutine's stack by a debugger.
    DebugCall,
    /// `runtime.gcBgMarkWorker`
    GcBgMarkWorker,
    /// `runtime.goexit`: the outermost function of a goroutine.
    Goexit,
    /// `runtime.gogo`
    Gogo,
    /// `runtime.gopanic`
    Gopanic,
    /// `runtime.handleAsyncEvent`
    HandleAsyncEvent,
    /// `runtime.mcall`
    Mcall,
    /// `runtime.morestack`
    Morestack,
    /// `runtime.mstart`: the outermost function of a thread's own stack.
    Mstart,
    /// `runtime.panicwrap`
    Panicwrap,
    /// `runtime.rt0_go`
    Rt0,
    /// `runtime.runFinalizers`, `runfinq` before Go 1.26
    RunFinalizers,
    /// `runtime.runCleanups`
    RunCleanups,
    /// `runtime.main`
    RuntimeMain,
    /// `runtime.sigpanic`: put onto a goroutine's stack by the handler of a fault.
    Sigpanic,
    /// `runtime.systemstack`
    Systemstack,
    /// `runtime.systemstack_switch`
    SystemstackSwitch,
    /// Another one.
    Other,
}

impl FuncKind {
    fn named(name: &str) -> Option<Self> {
        // `src/cmd/internal/objabi/funcid.go`
        Some(match name.strip_prefix("runtime.")? {
            "abort" => Self::Abort,
            "asmcgocall" => Self::Asmcgocall,
            "asyncPreempt" => Self::AsyncPreempt,
            "cgocallback" => Self::Cgocallback,
            "corostart" => Self::Corostart,
            "debugCallV2" => Self::DebugCall,
            "gcBgMarkWorker" => Self::GcBgMarkWorker,
            "goexit" => Self::Goexit,
            "gogo" => Self::Gogo,
            "gopanic" => Self::Gopanic,
            "handleAsyncEvent" => Self::HandleAsyncEvent,
            "mcall" => Self::Mcall,
            "morestack" => Self::Morestack,
            "mstart" => Self::Mstart,
            "panicwrap" => Self::Panicwrap,
            "rt0_go" => Self::Rt0,
            "runFinalizers" | "runfinq" => Self::RunFinalizers,
            "runCleanups" => Self::RunCleanups,
            "main" => Self::RuntimeMain,
            "sigpanic" => Self::Sigpanic,
            "systemstack" => Self::Systemstack,
            "systemstack_switch" => Self::SystemstackSwitch,
            _ => return None,
        })
    }

    /// Whether a signal or a debugger puts a call of it between two instructions of its caller
    /// (`isInjectedCall` of `src/runtime/traceback.go`).
    #[must_use]
    pub const fn is_injected(self) -> bool {
        matches!(self, Self::Sigpanic | Self::AsyncPreempt | Self::DebugCall)
    }

    /// Whether a wrapper that called this is left out of stacks (`elideWrapperCalling`): not when it
    /// panicked itself.
    #[must_use]
    pub const fn elides_wrapper(self) -> bool {
        !matches!(self, Self::Gopanic | Self::Sigpanic | Self::Panicwrap)
    }
}

/// The functions of one module (the program, or one of its plugins).
#[derive(Clone, Debug)]
pub struct Functions<'a> {
    table: Pclntab<'a>,
    kinds: [FuncKind; 256],
    funcdata: &'a [u8],
    rodata: Option<u64>,
}

impl<'a> Functions<'a> {
    /// Joins a function table with the bytes from `moduledata.gofunc` on (may be empty: then nothing
    /// is known of inlining and of pointers in frames) and the address in `moduledata.rodata`, which
    /// the masks of stack objects count from.
    #[must_use]
    pub fn new(table: Pclntab<'a>, funcdata: &'a [u8], rodata: Option<u64>) -> Self {
        let kinds = kinds(&table);
        Self { table, kinds, funcdata, rodata }
    }

    /// The same functions where a position-independent program was loaded: `bias` bytes behind the
    /// addresses of its file.
    #[must_use]
    pub fn moved(self, bias: u64) -> Self {
        let text = self.table.text().wrapping_add(bias);
        let rodata = self.rodata.map(|r| r.wrapping_add(bias));
        Self { table: self.table.with_text(text), rodata, ..self }
    }

    /// The function table.
    #[must_use]
    pub const fn table(&self) -> &Pclntab<'a> {
        &self.table
    }

    /// What the masks of stack objects count from.
    #[must_use]
    pub const fn rodata(&self) -> Option<u64> {
        self.rodata
    }

    /// The function whose code holds `address`.
    #[must_use]
    pub fn func_at(&self, address: u64) -> Option<Func<'a>> {
        self.table.func_at(address)
    }

    /// Which special function `func` is.
    #[must_use]
    pub fn kind(&self, func: &Func<'_>) -> FuncKind {
        self.kind_of(func.id())
    }

    pub(super) fn kind_of(&self, id: u8) -> FuncKind {
        self.kinds.get(usize::from(id)).copied().unwrap_or_default()
    }

    /// Pointer bitmaps of the arguments.
    #[must_use]
    pub fn args_map(&self, func: &Func<'_>) -> Option<StackMap<'a>> {
        StackMap::read(self.funcdata(func, ARGS_POINTER_MAPS)?)
    }

    /// Pointer bitmaps of the locals.
    #[must_use]
    pub fn locals_map(&self, func: &Func<'_>) -> Option<StackMap<'a>> {
        StackMap::read(self.funcdata(func, LOCALS_POINTER_MAPS)?)
    }

    /// Stack objects; empty when it has none.
    #[must_use]
    pub fn stack_objects(&self, func: &Func<'_>) -> StackObjects<'a> {
        self.funcdata(func, STACK_OBJECTS).and_then(StackObjects::read).unwrap_or_default()
    }

    /// The function calls that stand at `call_pc` in the source, innermost first: the physical
    /// function and what is inlined into it there. `call_pc` is an address inside the call
    /// instruction (a return address less 1), or that of the very instruction when it was
    /// interrupted. `callee` is the kind of the frame below (inwards): wrappers are left out or shown
    /// by it, as the runtime does.
    #[must_use]
    pub fn frames_at(&self, call_pc: u64, callee: FuncKind) -> LogicalFrames<'_, 'a> {
        LogicalFrames::new(self, self.func_at(call_pc), call_pc, callee)
    }

    /// As [`Functions::frames_at`] for a function that is known already.
    #[must_use]
    pub fn frames_in(&self, func: Func<'a>, call_pc: u64, callee: FuncKind) -> LogicalFrames<'_, 'a> {
        LogicalFrames::new(self, Some(func), call_pc, callee)
    }

    pub(super) fn inline_tree(&self, func: &Func<'_>) -> Option<&'a [u8]> {
        self.funcdata(func, INL_TREE)
    }

    /// Whether the FUNCDATA of the first functions that have some is what it should be: as many bitmaps
    /// of arguments as of locals, inlined calls with names. Tells a right `gofunc` from a wrong one.
    pub(super) fn make_sense(&self) -> bool {
        const ENOUGH: u32 = 64;
        let mut good = 0;
        for func in (0..self.table.len()).filter_map(|i| self.table.func(i)) {
            let has = |number| func.funcdata_offset(number).is_some();
            if has(ARGS_POINTER_MAPS) && has(LOCALS_POINTER_MAPS) {
                let (args, locals) = (self.args_map(&func), self.locals_map(&func));
                match (args, locals) {
                    (Some(a), Some(l)) if a.len() == l.len() && !a.is_empty() => good += 1,
                    _ => return false,
                }
            }
            if has(INL_TREE) {
                let name = self.first_inlined_name(&func);
                if name.is_none_or(|n| n.is_empty() || n.chars().any(char::is_control)) {
                    return false;
                }
                good += 1;
            }
            if good >= ENOUGH {
                break;
            }
        }
        good > 0
    }

    fn first_inlined_name(&self, func: &Func<'_>) -> Option<&'a str> {
        self.table.name_at(super::inline::first_name(self.inline_tree(func)?, self.table.old)?)
    }

    fn funcdata(&self, func: &Func<'_>, number: u8) -> Option<&'a [u8]> {
        self.funcdata.get(usize::try_from(func.funcdata_offset(number)?).ok()?..)
    }
}

/// What each `funcID` of this program means. An assembly function and its wrapper for the other
/// calling convention have the same name; the wrapper has the last number of all, so the lowest
/// counts. Wrappers have no name in common, but their number is the one after `systemstack_switch`
/// in every version.
fn kinds(table: &Pclntab<'_>) -> [FuncKind; 256] {
    let mut out = [FuncKind::Other; 256];
    let mut lowest: Vec<(FuncKind, u8)> = Vec::new();
    for func in (0..table.len()).filter_map(|i| table.func(i)) {
        let id = func.id();
        if id == 0 || lowest.iter().any(|&(_, i)| i == id) {
            continue;
        }
        let Some(kind) = FuncKind::named(func.name()) else { continue };
        match lowest.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, i)) => *i = id.min(*i),
            None => lowest.push((kind, id)),
        }
    }
    let last = lowest.iter().find(|(k, _)| *k == FuncKind::SystemstackSwitch).map(|&(_, id)| id);
    let wrapper = last.and_then(|id| id.checked_add(1)).map(|id| (FuncKind::Wrapper, id));
    for (kind, id) in lowest.into_iter().chain(wrapper) {
        if let Some(place) = out.get_mut(usize::from(id)) {
            *place = kind;
        }
    }
    if let Some(normal) = out.first_mut() {
        *normal = FuncKind::Normal;
    }
    out
}
