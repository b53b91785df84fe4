//! Names for places: which field of an object leads to another, what a root is called.

use crate::program::HeapGraph;
use crate::roots::RootGroup;
use crate::shapes::Shape;
use gobinary::types::Detail;
use gobinary::{DebugInfo, Functions, RuntimeTypes, TypeId, Variables, callers_frames};
use goruntime::Goroutine;
use model::Frame;

/// Bytes of an object that are searched for the pointer that leads on.
const MOST_SEARCHED: u64 = 64 << 20;
/// Bytes read at a time.
const WINDOW: u64 = 1 << 16;
/// How deep structs and arrays nest.
const MOST_DEEP: u32 = 32;

/// What a program's executable says of its functions and variables: the heap crate does not read executables.
pub trait Names {
    /// Name of the function whose code holds the address.
    fn function(&self, address: u64) -> Option<String>;
    /// Whether a function starts at the address.
    fn is_function_start(&self, address: u64) -> bool;
    /// Name of the variable that holds the address, and bytes from its start.
    fn variable(&self, address: u64) -> Option<(String, u64)>;
    /// The calls of a stack of return addresses, innermost first, inlined ones included.
    fn stack(&self, _pcs: &[u64]) -> Vec<Frame> {
        Vec::new()
    }
    /// Types of its variables, where it has debug information.
    fn debug(&self) -> Option<&DebugInfo<'_>> {
        None
    }
}

/// Names from the program's function tables, its symbol table and its debug information, as far as they are there.
pub struct ProgramNames<'a> {
    /// Functions of its modules, in the addresses of the running program.
    pub functions: Vec<Functions<'a>>,
    /// The variables of the symbol table, in the addresses of the file.
    pub variables: Variables<'a>,
    /// Debug information.
    pub debug: Option<DebugInfo<'a>>,
    /// What was added to the addresses of the file when the program was loaded.
    pub bias: u64,
}

impl Names for ProgramNames<'_> {
    fn function(&self, address: u64) -> Option<String> {
        self.functions.iter().find_map(|f| f.func_at(address)).map(|f| f.name().to_owned())
    }

    fn is_function_start(&self, address: u64) -> bool {
        self.functions.iter().any(|f| f.func_at(address).is_some_and(|f| f.entry() == address))
    }

    fn variable(&self, address: u64) -> Option<(String, u64)> {
        if let Some(found) = self.debug.as_ref().and_then(|d| d.variable(address)) {
            return Some(found);
        }
        let (name, offset) = self.variables.at(address.wrapping_sub(self.bias))?;
        Some((name.to_owned(), offset))
    }

    fn stack(&self, pcs: &[u64]) -> Vec<Frame> {
        let mut frames = Vec::new();
        callers_frames(&self.functions, pcs, |f| {
            frames.push(Frame { function: f.function.to_owned(), file: f.file.to_owned(), line: f.line });
        });
        frames
    }

    fn debug(&self) -> Option<&DebugInfo<'_>> {
        self.debug.as_ref()
    }
}

impl HeapGraph<'_> {
    /// What an object is called.
    #[must_use]
    pub fn type_name(&self, object: u32, names: &dyn Names) -> String {
        match self.shapes.of(object) {
            Shape::Unknown => format!("untyped, {} bytes", self.objects.size(object).unwrap_or(0)),
            shape => shape.name(&self.runtime.types, |code| names.function(code)),
        }
    }

    /// What a root group is called.
    #[must_use]
    pub fn root_name(&self, group: RootGroup, names: &dyn Names) -> String {
        match group {
            RootGroup::Global { address } => match names.variable(address) {
                Some((name, 0)) => name,
                Some((name, offset)) => format!("{name}+{offset:#x}"),
                None => self.place_of_global(address),
            },
            RootGroup::Goroutine { index } => {
                let list = self.runtime.goroutines.as_ref().map(|g| g.list.as_slice()).unwrap_or_default();
                let Some(g) = list.get(index as usize) else { return "goroutine".to_owned() };
                match self.goroutine_function(g, names) {
                    Some(function) => format!("goroutine {} {function}", g.id),
                    None => format!("goroutine {}", g.id),
                }
            }
            RootGroup::Finalizers => "finalizers".to_owned(),
            RootGroup::FinalizerQueue => "finalizer queue".to_owned(),
            RootGroup::Cleanups => "cleanups".to_owned(),
            RootGroup::WeakHandles => "weak handles".to_owned(),
        }
    }

    /// The function that a goroutine runs, as Go's own stack traces show it.
    #[must_use]
    pub fn goroutine_function(&self, g: &Goroutine, names: &dyn Names) -> Option<String> {
        self.wrapped.get(&g.start).cloned().or_else(|| names.function(g.start))
    }

    /// `bss+0x1f40` where there are no symbols.
    fn place_of_global(&self, address: u64) -> String {
        for module in self.runtime.types.modules() {
            for (name, range) in [("data", module.data..module.edata), ("bss", module.bss..module.ebss)] {
                if range.contains(&address) {
                    return format!("{name}+{:#x}", address - range.start);
                }
            }
        }
        format!("{address:#x}")
    }

    /// How `from` leads to `to`: the field, element or slot of `from` that points there. Empty when it
    /// is not found.
    #[must_use]
    pub fn edge_name(&self, from: u32, to: u32) -> String {
        self.edge_name_within(from, to, MOST_SEARCHED)
    }

    /// The same, looked for in the first `most` bytes of `from`.
    pub(crate) fn edge_name_within(&self, from: u32, to: u32, most: u64) -> String {
        let mut found = None;
        self.visit_pointers(from, most, &mut |at, object| {
            found = (object == to).then_some(at);
            found.is_some()
        });
        found.map_or_else(String::new, |at| self.field_at(from, at))
    }

    /// What leads from the first `most` bytes of `from` to objects that are accepted; places without a name left out.
    pub(crate) fn edge_names_where(&self, from: u32, most: u64, accept: impl Fn(u32) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        self.visit_pointers(from, most, &mut |at, object| {
            if accept(object) {
                names.push(self.field_at(from, at));
            }
            false
        });
        names.retain(|n| !n.is_empty());
        names
    }

    /// The field, element or slot at an offset in an object's slot; empty where it is not known.
    #[must_use]
    pub fn field_at(&self, object: u32, offset: u64) -> String {
        let types = &self.runtime.types;
        let Some(at) = offset.checked_sub(self.first_byte(object).into()) else { return String::new() };
        match self.shapes.of(object) {
            Shape::Value(id) => field_name(types, id, at),
            Shape::Array(id) => {
                let size = types.get(id).map_or(0, |t| t.size).max(1);
                format!("[{}]{}", at / size, field_name(types, id, at % size))
            }
            Shape::MapGroups(map) | Shape::MapBuckets(map) => slot_name(types, map, at),
            _ => String::new(),
        }
    }

    /// Calls `f` with each word of the first `most` bytes of `from` that points into an object: its offset in the
    /// slot, the object. Ends when `f` says so, or where memory cannot be read.
    fn visit_pointers(&self, from: u32, most: u64, f: &mut dyn FnMut(u64, u32) -> bool) {
        let Some((span, slot)) = self.objects.place(from) else { return };
        let Some(span) = self.objects.spans().get(span as usize) else { return };
        let start = span.start + u64::from(slot) * span.elem_size;
        let mut scratch = Vec::new();
        let mut at = u64::from(self.first_byte(from));
        while at < span.elem_size.min(most) {
            let n = (span.elem_size - at).min(WINDOW);
            let Ok(bytes) = self.runtime.memory.view(start + at, n as usize, &mut scratch) else { return };
            for (i, word) in bytes.chunks_exact(8).enumerate() {
                let value = u64::from_le_bytes(word.try_into().unwrap_or_default());
                if let Some(found) = self.objects.find(value)
                    && f(at + 8 * i as u64, found.object)
                {
                    return;
                }
            }
            at += n;
        }
    }
}

/// `.users`, `.list[3].next`: the field of a type at an offset.
fn field_name(types: &RuntimeTypes<'_>, id: TypeId, offset: u64) -> String {
    let mut name = String::new();
    let (mut id, mut offset) = (id, offset);
    for _ in 0..MOST_DEEP {
        match types.get(id).map(|t| &t.detail) {
            Some(Detail::Struct { fields }) => {
                let i = fields.partition_point(|f| f.offset <= offset);
                // Fields without size may stand at the same offset: the last one has the bytes.
                let Some(field) = i.checked_sub(1).and_then(|i| fields.get(i)) else { break };
                name.push('.');
                name.push_str(&types.name_at(field.name).map_or_else(|| "?".to_owned(), |n| n.text));
                offset -= field.offset;
                id = field.typ;
            }
            Some(Detail::Array { elem, .. }) => {
                let size = types.get(*elem).map_or(0, |t| t.size).max(1);
                name.push_str(&format!("[{}]", offset / size));
                offset %= size;
                id = *elem;
            }
            _ => break,
        }
    }
    name
}

/// Whether the word of a group or bucket belongs to a key or a value.
fn slot_name(types: &RuntimeTypes<'_>, map: TypeId, at: u64) -> String {
    use gobinary::types::MapSlots;
    let Some(Detail::Map(m)) = types.get(map).map(|t| &t.detail) else { return String::new() };
    let is_key = match m.slots {
        MapSlots::Buckets { bucket_size, key_size, .. } => {
            at % u64::from(bucket_size.max(1)) < 8 + 8 * u64::from(key_size)
        }
        MapSlots::Groups { group_size, keys_offset, key_stride, elems_offset, elem_stride, .. } => {
            let at = at % group_size.max(1);
            let elem = at.checked_sub(elems_offset).map(|o| o % elem_stride.max(1));
            let key = at.checked_sub(keys_offset).map(|o| o % key_stride.max(1));
            // In the usual layout keys and values take turns: the nearer start decides.
            match (key, elem) {
                (Some(k), Some(e)) => k < e,
                (key, _) => key.is_some(),
            }
        }
    };
    if is_key { "[key]".to_owned() } else { "[value]".to_owned() }
}
