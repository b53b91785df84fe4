//! What was seen in the code of functions, put together: types of allocation sites, of closures and of
//! the program's variables. Owns when two sightings agree and which of them counts.

use super::flow::Watch;
use super::op::{Op, Step};
use super::signature::{Callee, registers};
use super::state::{State, Value};
use super::{Program, Returned};
use crate::TypeId;
use crate::types::{Detail, PointerKind};
use rustc_hash::{FxHashMap, FxHashSet};

/// Most copies from variable to variable that are followed one after the other.
const MOST_COPIES: usize = 4;

/// Types that code tells of. Addresses are those of the running program.
#[derive(Clone, Debug, Default)]
pub struct CodeFacts {
    /// What the allocation returns whose call returns to the address: a pointer to one value, to the
    /// first of several ([`PointerKind::Slice`]), a map or a channel.
    pub sites: FxHashMap<u64, PointerKind>,
    /// Type of the struct that a closure of this code is: `struct { F uintptr; ... }` with what it captured.
    pub closures: FxHashMap<u64, TypeId>,
    /// Words of the program's variables, and what they are.
    pub variables: FxHashMap<u64, PointerKind>,
    /// Values that are variables or parts of them: a method was called with their address, or it was passed
    /// to a parameter of that type. Of one address there may be several: a struct and its first field.
    pub values: Vec<(u64, TypeId)>,
    /// Functions that could not be followed, and all of them.
    pub functions: (u64, u64),
}

/// Sightings of one word.
#[derive(Clone, Copy, Debug)]
struct Seen<T = PointerKind> {
    kind: Option<T>,
    differ: bool,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { kind: None, differ: false }
    }
}

impl<T: Copy + PartialEq> Seen<T> {
    fn add(&mut self, kind: T) {
        match self.kind {
            None => self.kind = Some(kind),
            Some(known) if known == kind => {}
            Some(_) => self.differ = true,
        }
    }

    fn merge(&mut self, other: Self) {
        self.differ |= other.differ;
        if let Some(kind) = other.kind {
            self.add(kind);
        }
    }

    fn agreed(self) -> Option<T> {
        self.kind.filter(|_| !self.differ)
    }
}

/// What was seen in some functions.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    sites: FxHashMap<u64, PointerKind>,
    closures: FxHashMap<u64, Seen>,
    stored: FxHashMap<u64, Seen>,
    used: FxHashMap<u64, Seen>,
    /// Into what words of the program's variables point, by code that adds to a pointer before it writes it.
    inside: FxHashMap<u64, Seen>,
    values: FxHashSet<(u64, TypeId)>,
    /// Variables whose word was copied to another one.
    copied: FxHashSet<(u64, u64)>,
    /// Maps that were made without their type, by the address to which that call returns: how they were used.
    made: FxHashMap<u64, Seen>,
    /// Functions that return such a map, and words of variables it was written to.
    made_returned: FxHashSet<(u64, u64)>,
    made_stored: FxHashSet<(u64, u64)>,
    /// What functions use their arguments as, by function and register.
    arguments: FxHashMap<(u64, u8), Seen>,
    /// What functions return first.
    returned: FxHashMap<u64, Seen<Returned>>,
    /// Words into which a type or interface table was written: the next word is no plain pointer.
    interfaces: FxHashSet<u64>,
    functions: (u64, u64),
}

impl Sightings {
    /// Adds what was seen in other functions.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.sites.extend(other.sites);
        self.interfaces.extend(other.interfaces);
        self.values.extend(other.values);
        self.copied.extend(other.copied);
        self.made_returned.extend(other.made_returned);
        self.made_stored.extend(other.made_stored);
        for (to, from) in [
            (&mut self.closures, other.closures),
            (&mut self.stored, other.stored),
            (&mut self.used, other.used),
            (&mut self.inside, other.inside),
            (&mut self.made, other.made),
        ] {
            for (at, seen) in from {
                to.entry(at).or_default().merge(seen);
            }
        }
        for (at, seen) in other.arguments {
            self.arguments.entry(at).or_default().merge(seen);
        }
        for (at, seen) in other.returned {
            self.returned.entry(at).or_default().merge(seen);
        }
        self.functions = (self.functions.0 + other.functions.0, self.functions.1 + other.functions.1);
        self
    }

    /// What functions return in their first register, by the functions' addresses: pointers that are of
    /// one kind wherever they return, or what they were called with.
    #[must_use]
    pub fn returned(&self) -> FxHashMap<u64, Returned> {
        let mut returned = self.returned.clone();
        for (site, entry) in &self.made_returned {
            let seen = returned.entry(*entry).or_default();
            match self.made.get(site).and_then(|s| s.agreed()) {
                Some(kind) => seen.add(Returned::Kind(kind)),
                None => seen.differ = true,
            }
        }
        returned.into_iter().filter_map(|(entry, seen)| Some((entry, seen.agreed()?))).collect()
    }

    /// What functions use the arguments as that they are called with, by their addresses and the registers' places.
    #[must_use]
    pub fn arguments(&self) -> FxHashMap<u64, Vec<(u8, PointerKind)>> {
        let mut arguments: FxHashMap<u64, Vec<(u8, PointerKind)>> = FxHashMap::default();
        for (&(entry, place), seen) in &self.arguments {
            if let Some(kind) = seen.agreed() {
                arguments.entry(entry).or_default().push((place, kind));
            }
        }
        arguments
    }

    /// Types of maps, by the addresses to which the calls return that make them without telling their type.
    #[must_use]
    pub fn made(&self) -> FxHashMap<u64, TypeId> {
        let of = |(&site, seen): (&u64, &Seen)| match seen.agreed()? {
            PointerKind::Map(map) => Some((site, map)),
            _ => None,
        };
        self.made.iter().filter_map(of).collect()
    }

    /// What the sightings agree on.
    #[must_use]
    pub fn facts(mut self) -> CodeFacts {
        let mut variables = FxHashMap::default();
        for (site, at) in &self.made_stored {
            if let Some(kind) = self.made.get(site).and_then(|s| s.agreed()) {
                self.stored.entry(*at).or_default().add(kind);
            }
        }
        for (&at, used) in &self.used {
            variables.extend(used.agreed().map(|kind| (at, kind)));
        }
        // What was written counts more than how it was used: a method of a struct's first field takes a
        // pointer to the field.
        for (&at, stored) in &self.stored {
            match stored.agreed() {
                Some(kind) => drop(variables.insert(at, kind)),
                None => drop(variables.remove(&at)),
            }
        }
        for (&at, inside) in &self.inside {
            if let Some(kind) = inside.agreed().filter(|_| !self.stored.contains_key(&at)) {
                variables.entry(at).or_insert(kind);
            }
        }
        for _ in 0..MOST_COPIES {
            let known = variables.len();
            for &(from, to) in &self.copied {
                for (a, b) in [(from, to), (to, from)] {
                    // A variable that sightings disagree on stays unknown.
                    let open = !self.stored.contains_key(&b) && !self.used.contains_key(&b);
                    if let Some(&kind) = variables.get(&a).filter(|_| open) {
                        variables.entry(b).or_insert(kind);
                    }
                }
            }
            if variables.len() == known {
                break;
            }
        }
        variables.retain(|at, _| !at.checked_sub(8).is_some_and(|before| self.interfaces.contains(&before)));
        let closures = self.closures.into_iter().filter_map(|(code, seen)| match seen.agreed()? {
            PointerKind::Ptr(typ) => Some((code, typ)),
            _ => None,
        });
        let closures = closures.collect();
        let mut values: Vec<_> = self.values.into_iter().collect();
        values.sort_unstable();
        CodeFacts { sites: self.sites, closures, variables, values, functions: self.functions }
    }

    pub(super) fn function(&mut self, followed: bool) {
        self.functions.0 += u64::from(!followed);
        self.functions.1 += 1;
    }
}

/// Collects sightings of one function.
pub(super) struct Collect<'p, 't, 'm> {
    pub(super) program: &'p Program<'t, 'm>,
    pub(super) seen: &'p mut Sightings,
    /// The function.
    pub(super) entry: u64,
}

impl Collect<'_, '_, '_> {
    /// An interface value that is passed on: a type, and behind it a value that lies in the interface itself.
    fn interfaces(&mut self, target: Option<u64>, value: &impl Fn(usize) -> Value) {
        for place in 0..registers(self.program.arch()).len().saturating_sub(1) {
            if let Value::Constant(typ) = value(place)
                && matches!(value(place + 1), Value::Variable(_) | Value::Made(_))
                && let Some(kind) = self.program.direct(typ)
                && target.is_some_and(|t| !self.program.is_runtime(t))
            {
                self.used(value(place + 1), kind);
            }
        }
    }

    /// Whether two words may be an interface value: a type or interface table, and data.
    fn is_interface(&self, first: Value, second: Value) -> bool {
        match (first, second) {
            (Value::Constant(c), _) => self.program.is_type_or_table(c),
            (Value::Variable(a), Value::Variable(b)) => a.checked_add(8) == Some(b),
            _ => false,
        }
    }

    fn used(&mut self, value: Value, kind: PointerKind) {
        if matches!(value, Value::Unknown | Value::Pointer { .. } | Value::Inside(_)) || self.program.is_generic(kind) {
            return;
        }
        if let Value::Argument(n) = value {
            self.seen.arguments.entry((self.entry, n)).or_default().add(kind);
        }
        if let (Value::Made(site), PointerKind::Map(_)) = (value, kind) {
            self.seen.made.entry(site).or_default().add(kind);
        }
        if let (Value::Constant(at), PointerKind::Ptr(id)) = (value, kind)
            && self.program.is_variable(at)
        {
            self.seen.values.insert((at, id));
        }
        if let Value::Variable(at) = value
            && self.program.is_variable(at)
        {
            self.seen.used.entry(at).or_default().add(kind);
        }
    }
}

impl Watch for Collect<'_, '_, '_> {
    fn call(&mut self, step: &Step, callee: Option<&Callee>, state: &State, new: Option<PointerKind>) {
        if let Some(kind) = new {
            self.seen.sites.insert(step.next, kind);
        }
        let registers = registers(self.program.arch());
        let value = |place: usize| registers.get(place).map_or(Value::Unknown, |&r| state.get(r));
        let target = match step.op {
            Op::Call(target) => target,
            _ => None,
        };
        match callee {
            Some(Callee::MapUse) => {
                if let Value::Constant(address) = value(0)
                    && let Some(map) = self.program.typ(address)
                    && matches!(self.program.types.get(map).map(|t| &t.detail), Some(Detail::Map(_)))
                {
                    self.used(value(1), PointerKind::Map(map));
                }
            }
            Some(Callee::Method { params, .. }) => {
                for (place, param) in params.iter().enumerate() {
                    if let Value::Pointer { kind, .. } = param {
                        self.used(value(place), *kind);
                    }
                }
                self.interfaces(target, &value);
            }
            Some(_) => {}
            None => {
                self.interfaces(target, &value);
                for &(place, kind) in target.map_or(&[][..], |t| self.program.arguments(t)) {
                    let place = usize::from(place);
                    let before = place.checked_sub(1).map_or(Value::Unknown, value);
                    // What an interface holds is used as what it is found to be: not always the same.
                    if !self.is_interface(before, value(place)) {
                        self.used(value(place), kind);
                    }
                }
            }
        }
    }

    fn leave(&mut self, state: Option<&State>) {
        let first = registers(self.program.arch()).first().copied().unwrap_or_default();
        let seen = self.seen.returned.entry(self.entry).or_default();
        match state.map(|s| s.get(first)) {
            Some(Value::Pointer { kind, .. }) => seen.add(Returned::Kind(kind)),
            Some(Value::Argument(n)) => seen.add(Returned::Argument(n)),
            Some(Value::Made(site)) => drop(self.seen.made_returned.insert((site, self.entry))),
            // Nil is a pointer of every kind.
            Some(Value::Constant(0)) => {}
            _ => seen.differ = true,
        }
    }

    fn store(&mut self, base: Value, offset: i64, bytes: u32, value: Value) {
        match base {
            // A closure is made: its code goes into its first word.
            Value::Pointer { kind: PointerKind::Ptr(id), fresh: true } if offset == 0 && bytes == 8 => {
                if let Value::Constant(code) = value
                    && self.program.is_function(code)
                    && self.program.is_closure(id)
                {
                    self.seen.closures.entry(code).or_default().add(PointerKind::Ptr(id));
                }
            }
            // What is written into a field is of the field's type.
            Value::Pointer { kind: PointerKind::Ptr(id), .. } if bytes == 8 => {
                if let (Value::Made(_), Value::Pointer { kind, .. }) = (value, self.program.field(id, offset)) {
                    self.used(value, kind);
                }
            }
            Value::Constant(start) => {
                let at = start.wrapping_add_signed(offset);
                if bytes != 8 || !self.program.is_variable(at) {
                    return;
                }
                match value {
                    Value::Pointer { kind: PointerKind::Ptr(id), .. } if self.program.is_closure(id) => {
                        self.seen.stored.entry(at).or_default().add(PointerKind::Func(id));
                    }
                    Value::Pointer { kind, .. } => self.seen.stored.entry(at).or_default().add(kind),
                    Value::Made(site) => drop(self.seen.made_stored.insert((site, at))),
                    Value::Inside(kind) => self.seen.inside.entry(at).or_default().add(kind),
                    Value::Variable(from) if self.program.is_variable(from) => {
                        self.seen.copied.insert((from, at));
                    }
                    Value::Constant(c) if self.program.is_type_or_table(c) => drop(self.seen.interfaces.insert(at)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Looks at the frame of one call.
pub(super) struct AtCall<'p, 't, 'm> {
    pub(super) program: &'p Program<'t, 'm>,
    pub(super) return_address: u64,
    pub(super) words: Vec<super::FrameWord>,
}

impl Watch for AtCall<'_, '_, '_> {
    fn call(&mut self, step: &Step, _: Option<&Callee>, state: &State, _: Option<PointerKind>) {
        if step.next != self.return_address {
            return;
        }
        for &(at, value) in state.words() {
            match value {
                Value::Pointer { kind, .. } => self.words.push((at, kind)),
                Value::Variable(v) => self.words.extend(self.program.variable(v).map(|kind| (at, kind))),
                Value::Unknown | Value::Constant(_) | Value::Inside(_) | Value::Argument(_) | Value::Made(_) => {}
            }
        }
    }

    fn leave(&mut self, _: Option<&State>) {}

    fn store(&mut self, _: Value, _: i64, _: u32, _: Value) {}
}
