//! What the machine code of a Go program says of types: which type each allocation is of, which struct
//! a closure is, what the program's variables point to. Stripped programs keep their code, their
//! function table and their type descriptors; together they tell what DWARF would.
//!
//! The code of a function is followed from its entry on: registers, and words of the frame that only
//! the function writes. Where two ways meet, what differs is unknown. Nothing is inferred from names
//! but which functions of the runtime allocate. Knows amd64 and arm64.

mod amd64;
mod arm64;
mod call;
mod facts;
mod flow;
mod op;
mod signature;
mod state;

pub use call::call_target;
pub use facts::{CodeFacts, Sightings};

use crate::layout::Arch;
use crate::types::{Detail, Kind, PointerKind};
use crate::{Func, Functions, ModuleData, RuntimeTypes, TypeId};
use facts::Collect;
use flow::{Flow, Private};
use op::{Op, Step};
use rustc_hash::FxHashMap;
use signature::Callee;
use state::{State, Value};

/// Longest function that is followed, bytes.
const MOST_CODE: u64 = 4 << 20;
/// Most locals of one function whose addresses are taken.
const MOST_STACK_OBJECTS: usize = 4096;
/// Most targets of one table of jumps.
const MOST_TARGETS: u64 = 4096;

/// A program whose code is read.
pub struct Program<'t, 'm> {
    types: &'t RuntimeTypes<'m>,
    functions: &'t [Functions<'t>],
    callees: FxHashMap<u64, Callee>,
    variables: FxHashMap<u64, PointerKind>,
    returned: FxHashMap<u64, Returned>,
    /// Types of maps by the address to which the call returns that makes them.
    made: FxHashMap<u64, TypeId>,
    /// What functions use their arguments as, by register.
    arguments: FxHashMap<u64, Vec<(u8, PointerKind)>>,
}

/// What a function returns in its first register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// A pointer of this kind.
    Kind(PointerKind),
    /// What it was called with in the register of this place.
    Argument(u8),
}

/// A word of a frame: bytes from the caller's stack pointer, and what it is.
pub type FrameWord = (i32, PointerKind);

impl<'t, 'm> Program<'t, 'm> {
    /// Prepares to read the code of these functions, one list for each module, in the addresses of the
    /// running program.
    #[must_use]
    pub fn new(types: &'t RuntimeTypes<'m>, functions: &'t [Functions<'t>]) -> Self {
        let mut callees = FxHashMap::default();
        for list in functions {
            for (entry, name) in list.table().functions() {
                if let Some(callee) = signature::runtime_function(name, types.layout().minor) {
                    callees.insert(entry, callee);
                }
            }
        }
        let mut program = Self {
            types,
            functions,
            callees,
            variables: FxHashMap::default(),
            returned: FxHashMap::default(),
            made: FxHashMap::default(),
            arguments: FxHashMap::default(),
        };
        program.add_methods();
        program.add_named_methods();
        program
    }

    fn add_methods(&mut self) {
        let mut id = 0;
        while id < self.types.len() {
            let receiver = TypeId(u32::try_from(id).unwrap_or(u32::MAX));
            for method in self.types.methods(receiver) {
                if self.is_function(method.code) && !self.callees.contains_key(&method.code) {
                    let callee = signature::method(self.types, receiver, method.signature);
                    self.callees.insert(method.code, callee);
                }
            }
            id += 1;
        }
    }

    /// Methods that are in no list any more, for nothing asks for them by reflection: their names tell the
    /// receivers.
    fn add_named_methods(&mut self) {
        let mut named: FxHashMap<String, TypeId> = FxHashMap::default();
        for id in (0..self.types.len()).map(|i| TypeId(u32::try_from(i).unwrap_or(u32::MAX))) {
            if self.types.get(id).is_some_and(|t| t.named) {
                named.insert(self.types.qualified_name(id), id);
            }
        }
        for list in self.functions {
            for (entry, name) in list.table().functions() {
                if let Some((typ, pointer)) = signature::receiver(name)
                    && let Some(&id) = named.get(&typ)
                {
                    self.callees.entry(entry).or_insert_with(|| signature::received(self.types, id, pointer));
                }
            }
        }
    }

    /// Tells what variables are that were found out before, so that more can be found.
    #[must_use]
    pub fn with_variables(self, variables: FxHashMap<u64, PointerKind>) -> Self {
        Self { variables, ..self }
    }

    /// Tells of which types maps are that were found out before ([`Sightings::made`]).
    #[must_use]
    pub fn with_made(self, made: FxHashMap<u64, TypeId>) -> Self {
        Self { made, ..self }
    }

    /// Tells what functions use their arguments as that was found out before ([`Sightings::arguments`]).
    #[must_use]
    pub fn with_arguments(self, arguments: FxHashMap<u64, Vec<(u8, PointerKind)>>) -> Self {
        Self { arguments, ..self }
    }

    /// Tells what functions return that was found out before ([`Sightings::returned`]).
    #[must_use]
    pub fn with_returned(self, mut returned: FxHashMap<u64, Returned>) -> Self {
        // The runtime's own functions return what has another name outside: `runtime.hmap` for a map.
        returned.retain(|&entry, _| !self.is_runtime(entry));
        Self { returned, ..self }
    }

    /// How many functions there are, in all modules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.functions.iter().map(|f| f.table().len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Follows the functions with these numbers.
    #[must_use]
    pub fn follow(&self, range: std::ops::Range<usize>) -> Sightings {
        let mut seen = Sightings::default();
        let mut scratch = Scratch::default();
        for index in range {
            let Some((list, func)) = self.function(index) else { break };
            let mut collect = Collect { program: self, seen: &mut seen, entry: func.entry() };
            // Assembly says nothing of types.
            if func.flags().assembly() {
                continue;
            }
            let followed = self.follow_one(list, &func, &mut scratch, &mut collect);
            seen.function(followed);
        }
        seen
    }

    /// What the words of a function's frame are while a call that returns to `return_address` is made.
    /// Whether a word is alive there, the stack maps tell.
    #[must_use]
    pub fn frame_words(&self, func: &Func<'_>, return_address: u64) -> Vec<FrameWord> {
        let list = self.functions.iter().find(|f| f.func_at(func.entry()).is_some());
        let mut at_call = facts::AtCall { program: self, return_address, words: Vec::new() };
        if let Some(list) = list {
            self.follow_one(list, func, &mut Scratch::default(), &mut at_call);
        }
        at_call.words
    }

    fn function(&self, mut index: usize) -> Option<(&'t Functions<'t>, Func<'t>)> {
        for list in self.functions {
            match index.checked_sub(list.table().len()) {
                None => return Some((list, list.table().func(index)?)),
                Some(rest) => index = rest,
            }
        }
        None
    }

    fn follow_one(
        &self,
        list: &Functions<'_>,
        func: &Func<'_>,
        scratch: &mut Scratch,
        watch: &mut dyn flow::Watch,
    ) -> bool {
        let (start, end) = (func.entry(), func.end());
        if end <= start || end - start > MOST_CODE || func.flags().assembly() {
            return false;
        }
        let Ok(code) = self.types.memory().view(start, (end - start) as usize, &mut scratch.code) else {
            return false;
        };
        scratch.steps.clear();
        match self.arch() {
            Arch::Amd64 => amd64::decode(code, start, &mut scratch.steps),
            Arch::Arm64 => arm64::decode(code, start, &mut scratch.steps),
        }
        let Some(tables) = self.tables(&scratch.steps, code, start, end) else { return false };
        let flow = Flow {
            program: self,
            steps: &scratch.steps,
            code: start..end,
            entry: self.entry(start),
            private: private(list, func, self.arch()),
            tables,
        };
        flow.run(watch)
    }

    /// What is known where a function starts.
    fn entry(&self, start: u64) -> State {
        let mut state = State::new(match self.arch() {
            // The return address lies below the caller's stack pointer.
            Arch::Amd64 => -8,
            Arch::Arm64 => 0,
        });
        for (i, &register) in (0_u8..).zip(signature::registers(self.arch())) {
            state.set(register, Value::Argument(i));
        }
        if let Some(Callee::Method { params, .. }) = self.callee(start) {
            for (&register, &value) in signature::registers(self.arch()).iter().zip(params) {
                if value != Value::Unknown {
                    state.set(register, value);
                }
            }
        }
        state
    }

    /// Targets of the function's tables of jumps; `None` when there is a jump that cannot be read.
    fn tables(&self, steps: &[Step], code: &[u8], start: u64, end: u64) -> Option<Vec<(u64, Vec<u64>)>> {
        let mut tables = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let Op::Table(table) = step.op else { continue };
            let table = match self.arch() {
                Arch::Amd64 => amd64::jump_table(steps.get(..=i)?, code, start)?,
                Arch::Arm64 => table?,
            };
            let mut targets = Vec::new();
            for n in 0..MOST_TARGETS {
                match self.types.memory().u64(table.checked_add(8 * n)?) {
                    Ok(target) if (start..end).contains(&target) => targets.push(target),
                    _ => break,
                }
            }
            if targets.is_empty() {
                return None;
            }
            tables.push((step.at, targets));
        }
        Some(tables)
    }

    const fn arch(&self) -> Arch {
        self.types.layout().arch
    }

    fn callee(&self, target: u64) -> Option<&Callee> {
        self.callees.get(&target)
    }

    /// Registers that a write barrier changes: the one that it returns in, from Go 1.21 on, and those that any
    /// call changes.
    const fn barrier_spoils(&self) -> u32 {
        let returns = self.types.layout().minor >= 21;
        match self.arch() {
            Arch::Amd64 => (returns as u32) << 11,
            Arch::Arm64 => (returns as u32) << 25 | 1 << 27 | 1 << 30,
        }
    }

    /// The type whose descriptor is at an address.
    fn typ(&self, address: u64) -> Option<TypeId> {
        self.types.looks_like_type(address).then(|| self.types.id(address))
    }

    fn is_type_or_table(&self, address: u64) -> bool {
        self.types.looks_like_type(address) || self.types.itab_at(address).is_some()
    }

    fn returned(&self, entry: u64) -> Option<Returned> {
        self.returned.get(&entry).copied()
    }

    /// Whether a type is one that the compiler made to stand for several (`go.shape.int`): generic functions use
    /// it, whatever the type of their arguments.
    fn is_generic(&self, kind: PointerKind) -> bool {
        let id = match kind {
            PointerKind::Ptr(id)
            | PointerKind::Slice(id)
            | PointerKind::Map(id)
            | PointerKind::Chan(id)
            | PointerKind::Func(id)
            | PointerKind::Iface(id) => id,
            PointerKind::String | PointerKind::Eface | PointerKind::Unsafe => return false,
        };
        self.types.is_generic(id)
    }

    fn arguments(&self, entry: u64) -> &[(u8, PointerKind)] {
        self.arguments.get(&entry).map_or(&[], Vec::as_slice)
    }

    fn made(&self, site: u64) -> Option<TypeId> {
        self.made.get(&site).copied()
    }

    /// What the value in an interface of this type is, when it lies in the interface itself.
    fn direct(&self, address: u64) -> Option<PointerKind> {
        let id = self.typ(address)?;
        match self.types.get(id).filter(|t| t.direct_iface)?.detail {
            Detail::Pointer { elem } => Some(PointerKind::Ptr(elem)),
            Detail::Map(_) => Some(PointerKind::Map(id)),
            Detail::Chan { .. } => Some(PointerKind::Chan(id)),
            Detail::Func { .. } => Some(PointerKind::Func(id)),
            _ => None,
        }
    }

    /// Whether a function belongs to the runtime, which takes types as plain parameters.
    fn is_runtime(&self, entry: u64) -> bool {
        let name = self.functions.iter().find_map(|f| f.func_at(entry)).map_or("", |f| f.name());
        ["runtime.", "internal/", "reflect."].iter().any(|p| name.starts_with(p))
    }

    fn variable(&self, address: u64) -> Option<PointerKind> {
        self.variables.get(&address).copied()
    }

    /// Whether the address is a word among the variables that hold pointers.
    fn is_variable(&self, address: u64) -> bool {
        let has = |m: &ModuleData| (m.data..m.edata).contains(&address) || (m.bss..m.ebss).contains(&address);
        address.is_multiple_of(8) && self.types.modules().iter().any(has)
    }

    fn is_function(&self, address: u64) -> bool {
        self.functions.iter().any(|f| f.func_at(address).is_some_and(|f| f.entry() == address))
    }

    /// Whether the compiler made the type for closures (`closure.go` of `src/cmd/compile/internal/ir` and
    /// `walk`): a struct without name whose first field is `F uintptr`.
    fn is_closure(&self, id: TypeId) -> bool {
        let Some(typ) = self.types.get(id) else { return false };
        let Detail::Struct { fields } = &typ.detail else { return false };
        let Some(first) = fields.first() else { return false };
        !typ.named
            && first.offset == 0
            && self.types.get(first.typ).is_some_and(|t| t.kind == Kind::Uintptr)
            && self.types.name_at(first.name).is_some_and(|n| n.text == "F" || n.text == ".F")
    }

    /// What a word of a value is that code loads.
    fn field(&self, id: TypeId, offset: i64) -> Value {
        let word = u64::try_from(offset).ok().filter(|o| o % 8 == 0).and_then(|o| u32::try_from(o / 8).ok());
        let (Some(word), Some(program)) = (word, self.types.program(id)) else { return Value::Unknown };
        let slot = program.slots.binary_search_by_key(&word, |s| s.word).ok().and_then(|i| program.slots.get(i));
        match slot.map(|s| s.kind) {
            None | Some(PointerKind::Iface(_) | PointerKind::Eface | PointerKind::Unsafe) => Value::Unknown,
            Some(kind) => Value::known(kind),
        }
    }
}

#[derive(Default)]
struct Scratch {
    code: Vec<u8>,
    steps: Vec<Step>,
}

/// Words of a frame that stack maps cover: others are the callees' arguments, or hold no pointers.
fn private(list: &Functions<'_>, func: &Func<'_>, arch: Arch) -> Private {
    let words =
        |map: Option<crate::StackMap<'_>>| map.map_or(0, |m| i32::try_from(m.words()).unwrap_or(0).min(1 << 20));
    let (top, arguments) = match arch {
        // Below the caller's stack pointer: the return address and the saved frame pointer.
        Arch::Amd64 => (-16, 0),
        // The caller's saved frame pointer below, its link register above.
        Arch::Arm64 => (-8, 8),
    };
    let object = |o: crate::StackObject| {
        let start = o.offset.checked_add(if o.offset < 0 { top } else { arguments })?;
        Some(start..start.checked_add(i32::try_from(o.size).ok()?)?)
    };
    Private {
        locals: top - 8 * words(list.locals_map(func))..top,
        arguments: arguments..1 << 20,
        objects: list.stack_objects(func).iter().take(MOST_STACK_OBJECTS).filter_map(object).collect(),
        handed: Vec::new(),
    }
}
