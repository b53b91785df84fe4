//! What is known of registers and of the words of a frame at one place of a function, and what becomes
//! of it where ways meet. A value of which two things may be true is unknown.

use super::op::REGISTERS;
use crate::types::PointerKind;

/// Most words of a frame that are kept track of.
const MOST_WORDS: usize = 128;

/// What a word holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Value {
    /// Not known.
    #[default]
    Unknown,
    /// This number or address.
    Constant(u64),
    /// A pointer of this kind, or nil.
    Pointer {
        /// What it points to, or is part of: the first word of a slice or string.
        kind: PointerKind,
        /// It is what an allocation of exactly this returned.
        fresh: bool,
    },
    /// What the program's variable at this address held.
    Variable(u64),
    /// A pointer into what a pointer of this kind points to: to an element, or to the first of those that are
    /// left of a slice or string.
    Inside(PointerKind),
    /// What the function was called with in the register of this place.
    Argument(u8),
    /// The map that the call made which returns to this address: of what type, its use tells.
    Made(u64),
}

impl Value {
    pub(super) const fn known(kind: PointerKind) -> Self {
        Self::Pointer { kind, fresh: false }
    }

    /// What a pointer is when something was added to it.
    pub(super) fn moved(self) -> Self {
        match self {
            Self::Pointer { kind: kind @ (PointerKind::Slice(_) | PointerKind::String), .. } | Self::Inside(kind) => {
                Self::Inside(kind)
            }
            _ => Self::Unknown,
        }
    }

    /// What is true of both.
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Pointer { kind: a, .. }, Self::Pointer { kind: b, .. }) if a == b => Self::known(a),
            // Nil is a pointer of every kind.
            (Self::Pointer { kind, .. }, Self::Constant(0)) | (Self::Constant(0), Self::Pointer { kind, .. }) => {
                Self::known(kind)
            }
            (Self::Inside(a), Self::Pointer { kind: b, .. }) | (Self::Pointer { kind: a, .. }, Self::Inside(b))
                if a == b =>
            {
                Self::Inside(a)
            }
            _ => Self::Unknown,
        }
    }
}

/// Registers and words of the frame at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    registers: [Value; REGISTERS],
    /// By bytes from the caller's stack pointer, sorted.
    words: Vec<(i32, Value)>,
    /// Stack pointer, counted from the caller's.
    pub(super) stack: i32,
}

impl State {
    pub(super) const fn new(stack: i32) -> Self {
        Self { registers: [Value::Unknown; REGISTERS], words: Vec::new(), stack }
    }

    pub(super) fn get(&self, register: u8) -> Value {
        self.registers.get(usize::from(register)).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, register: u8, value: Value) {
        if let Some(r) = self.registers.get_mut(usize::from(register)) {
            *r = value;
        }
    }

    pub(super) fn spoil(&mut self, mask: u32) {
        for (i, r) in self.registers.iter_mut().enumerate() {
            if mask >> i & 1 != 0 {
                *r = Value::Unknown;
            }
        }
    }

    pub(super) fn word(&self, at: i32) -> Value {
        let found = self.words.binary_search_by_key(&at, |w| w.0).ok();
        found.and_then(|i| self.words.get(i)).map_or(Value::Unknown, |w| w.1)
    }

    /// Words that are known.
    pub(super) fn words(&self) -> &[(i32, Value)] {
        &self.words
    }

    /// Writes a word; [`Value::Unknown`] forgets it.
    pub(super) fn set_word(&mut self, at: i32, value: Value) {
        match (self.words.binary_search_by_key(&at, |w| w.0), value) {
            (Ok(i), Value::Unknown) => drop(self.words.remove(i)),
            (Ok(i), value) => {
                if let Some(w) = self.words.get_mut(i) {
                    w.1 = value;
                }
            }
            (Err(_), Value::Unknown) => {}
            (Err(i), value) if self.words.len() < MOST_WORDS => self.words.insert(i, (at, value)),
            (Err(_), _) => {}
        }
    }

    /// Forgets the words that a write of so many bytes touches.
    pub(super) fn forget(&mut self, at: i32, bytes: u32) {
        let end = i64::from(at) + i64::from(bytes);
        self.words.retain(|w| i64::from(w.0) + 8 <= i64::from(at) || i64::from(w.0) >= end);
    }

    /// Keeps what is true of `other` as well. Whether anything changed; `None` when the two cannot be
    /// states of one place.
    pub(super) fn meet(&mut self, other: &Self) -> Option<bool> {
        if self.stack != other.stack {
            return None;
        }
        let mut changed = false;
        for (a, b) in self.registers.iter_mut().zip(&other.registers) {
            let met = a.meet(*b);
            changed |= met != *a;
            *a = met;
        }
        self.words.retain_mut(|(at, value)| {
            let met = value.meet(other.word(*at));
            changed |= met != *value;
            *value = met;
            met != Value::Unknown
        });
        Some(changed)
    }
}
