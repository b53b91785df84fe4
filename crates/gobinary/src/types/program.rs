//! Where the pointers of a value are and what they point to, flat: one list per type, so that an object
//! is followed without looking at descriptors again.

use super::{Detail, Kind, RuntimeTypes, TypeId};

/// An array with more pointers than this is left to [`Repeat`].
const MOST_EXPANDED: usize = 256;
/// Most slots of one type.
const MOST_SLOTS: usize = 1 << 16;
/// Most parts that are looked at for one type.
const MOST_STEPS: u32 = 1 << 20;
/// Most elements of long arrays that are visited for one value.
const MOST_REPEATED: u64 = 1 << 28;
/// How deep structs and arrays nest.
const MOST_DEEP: u32 = 64;

/// What a pointer, or the value it is part of, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointerKind {
    /// A pointer to one value of this type, which may be part of an array or of another value.
    Ptr(TypeId),
    /// A slice of this element type: pointer, length, capacity.
    Slice(TypeId),
    /// A string: pointer, length.
    String,
    /// A map of this map type: pointer to `runtime.hmap` or `maps.Map`.
    Map(TypeId),
    /// A channel of this channel type: pointer to `runtime.hchan`.
    Chan(TypeId),
    /// A function value of this function type: pointer to a closure, whose first word is its code.
    Func(TypeId),
    /// An interface with methods, of this type: interface table, then data.
    Iface(TypeId),
    /// An `any`: type, then data.
    Eface,
    /// `unsafe.Pointer`: nothing is known of what it points to.
    Unsafe,
}

impl PointerKind {
    /// Words from the start of the value to the word that the garbage collector follows.
    #[must_use]
    pub const fn pointer_word(self) -> u32 {
        match self {
            Self::Iface(_) | Self::Eface => 1,
            _ => 0,
        }
    }
}

/// A pointer inside a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Words from the start of the value to the start of what `kind` names.
    pub word: u32,
    /// What is there.
    pub kind: PointerKind,
}

/// Values of one type behind each other: a long array inside a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Words to the first one.
    pub word: u32,
    /// Words from one to the next.
    pub stride: u32,
    /// How many.
    pub count: u32,
    /// Their type.
    pub elem: TypeId,
}

/// All pointers of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// By word.
    pub slots: Box<[Slot]>,
    /// Long arrays, whose elements have a program of their own.
    pub repeats: Box<[Repeat]>,
    /// Some pointers are not listed: the type is damaged or absurdly large.
    pub incomplete: bool,
}

struct Builder<'t, 'm> {
    types: &'t RuntimeTypes<'m>,
    slots: Vec<Slot>,
    repeats: Vec<Repeat>,
    steps: u32,
    incomplete: bool,
}

impl RuntimeTypes<'_> {
    pub(super) fn build_program(&self, id: TypeId) -> Program {
        let mut builder =
            Builder { types: self, slots: Vec::new(), repeats: Vec::new(), steps: MOST_STEPS, incomplete: false };
        builder.add(id, 0, MOST_DEEP);
        let bytes = builder.slots.len() * size_of::<Slot>() + builder.repeats.len() * size_of::<Repeat>();
        if !self.spend(bytes) {
            return Program { incomplete: true, ..Program::default() };
        }
        Program {
            slots: builder.slots.into_boxed_slice(),
            repeats: builder.repeats.into_boxed_slice(),
            incomplete: builder.incomplete,
        }
    }

    /// Calls `each` for every pointer of a value of the type, long arrays included: word of the value in
    /// which it lies, and kind. Stops when `each` returns false. False when pointers are not known.
    pub fn each_pointer(&self, id: TypeId, each: &mut dyn FnMut(u64, PointerKind) -> bool) -> bool {
        let mut steps = MOST_REPEATED;
        self.pointers_from(id, 0, MOST_DEEP, &mut steps, each).unwrap_or(true)
    }

    /// `None` when `each` has seen enough.
    fn pointers_from(
        &self,
        id: TypeId,
        base: u64,
        deep: u32,
        steps: &mut u64,
        each: &mut dyn FnMut(u64, PointerKind) -> bool,
    ) -> Option<bool> {
        let (Some(program), Some(deep)) = (self.program(id), deep.checked_sub(1)) else { return Some(false) };
        let mut complete = !program.incomplete;
        for slot in &program.slots {
            if !each(base.checked_add(u64::from(slot.word))?, slot.kind) {
                return None;
            }
        }
        for repeat in &program.repeats {
            for i in 0..u64::from(repeat.count) {
                match steps.checked_sub(1) {
                    Some(left) => *steps = left,
                    None => return Some(false),
                }
                let at = u64::from(repeat.word).checked_add(i.checked_mul(u64::from(repeat.stride))?)?;
                complete &= self.pointers_from(repeat.elem, base.checked_add(at)?, deep, steps, each)?;
            }
        }
        Some(complete)
    }
}

impl Builder<'_, '_> {
    /// Adds the pointers of a value of type `id` that lies at `word`.
    fn add(&mut self, id: TypeId, word: u64, deep: u32) {
        let (Some(steps), Some(deep)) = (self.steps.checked_sub(1), deep.checked_sub(1)) else {
            self.incomplete = true;
            return;
        };
        self.steps = steps;
        let Some(typ) = self.types.get(id) else {
            self.incomplete = true;
            return;
        };
        if typ.ptr_bytes == 0 {
            return;
        }
        let kind = match (&typ.detail, typ.kind) {
            (Detail::Pointer { elem }, _) => PointerKind::Ptr(*elem),
            (Detail::Slice { elem }, _) => PointerKind::Slice(*elem),
            (Detail::Map(_), _) => PointerKind::Map(id),
            (Detail::Chan { .. }, _) => PointerKind::Chan(id),
            (Detail::Func { .. }, _) => PointerKind::Func(id),
            (Detail::Interface { methods: 0, .. }, _) => PointerKind::Eface,
            (Detail::Interface { .. }, _) => PointerKind::Iface(id),
            (Detail::Basic, Kind::String) => PointerKind::String,
            (Detail::Basic, Kind::UnsafePointer) => PointerKind::Unsafe,
            (Detail::Basic, _) => {
                self.incomplete = true;
                return;
            }
            (Detail::Array { elem, len }, _) => return self.add_array(*elem, *len, typ.size, word, deep),
            (Detail::Struct { fields }, _) => {
                if let Some((at, elem)) = self.atomic_pointer(fields, id) {
                    return self.push(word.saturating_add(at / 8), PointerKind::Ptr(elem));
                }
                for field in fields {
                    let fits = self.types.get(field.typ).is_some_and(|t| t.size <= typ.size - field.offset);
                    if !fits || field.offset % 8 != 0 {
                        // A field without pointers may lie anywhere.
                        self.incomplete |= !fits || self.types.get(field.typ).is_some_and(|t| t.ptr_bytes != 0);
                        continue;
                    }
                    self.add(field.typ, word.saturating_add(field.offset / 8), deep);
                }
                return;
            }
        };
        self.push(word, kind);
    }

    fn push(&mut self, word: u64, kind: PointerKind) {
        match u32::try_from(word) {
            Ok(word) if self.slots.len() < MOST_SLOTS => self.slots.push(Slot { word, kind }),
            _ => self.incomplete = true,
        }
    }

    /// `sync/atomic.Pointer[T]` (`src/sync/atomic/type.go`, Go 1.19 to 1.27) holds an `unsafe.Pointer`, and a
    /// field `[0]*T` that says to what: offset of the pointer, and `T`.
    fn atomic_pointer(&self, fields: &[super::Field], id: TypeId) -> Option<(u64, TypeId)> {
        let Some(Detail::Array { elem, len: 0 }) = self.types.get(fields.first()?.typ).map(|t| &t.detail) else {
            return None;
        };
        let Some(Detail::Pointer { elem }) = self.types.get(*elem).map(|t| &t.detail) else { return None };
        let value = fields.iter().find(|f| self.types.get(f.typ).is_some_and(|t| t.kind == Kind::UnsafePointer))?;
        let is_atomic = value.offset % 8 == 0 && self.types.name(id).starts_with("atomic.Pointer[");
        is_atomic.then_some((value.offset, *elem))
    }

    fn add_array(&mut self, elem: TypeId, len: u64, size: u64, word: u64, deep: u32) {
        let Some(t) = self.types.get(elem) else {
            self.incomplete = true;
            return;
        };
        if t.ptr_bytes == 0 || len == 0 {
            return;
        }
        if t.size % 8 != 0 || t.size.checked_mul(len) != Some(size) {
            self.incomplete = true;
            return;
        }
        let stride = t.size / 8;
        let (slots, repeats) = (self.slots.len(), self.repeats.len());
        self.add(elem, word, deep);
        let per_element = (self.slots.len() - slots) as u64;
        let nested = self.repeats.len() > repeats;
        let expand = !nested && per_element.saturating_mul(len) <= MOST_EXPANDED as u64;
        if expand {
            for i in 1..len {
                self.add(elem, word.saturating_add(i.saturating_mul(stride)), deep);
            }
            return;
        }
        self.slots.truncate(slots);
        self.repeats.truncate(repeats);
        let numbers = (u32::try_from(word), u32::try_from(stride), u32::try_from(len));
        match numbers {
            (Ok(word), Ok(stride), Ok(count)) if self.repeats.len() < MOST_SLOTS => {
                self.repeats.push(Repeat { word, stride, count, elem });
            }
            _ => self.incomplete = true,
        }
    }
}
