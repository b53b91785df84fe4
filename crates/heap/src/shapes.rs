//! What an object is: values of a Go type, or one of the runtime's structures behind a Go value.
//! One number per object, and a table of what the numbers mean.

use gobinary::{RuntimeTypes, TypeId};
use goruntime::ObjectId;
use rustc_hash::FxHashMap;

/// What the bytes of an object are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Not known.
    Unknown,
    /// One value of the type.
    Value(TypeId),
    /// Values of the type behind each other: what a slice or a channel buffer points to.
    Array(TypeId),
    /// The bytes of a string.
    Text,
    /// The header of a map of this type (`runtime.hmap`, `maps.Map`).
    MapHeader(TypeId),
    /// The directory of a Swiss map of this type: pointers to tables.
    MapDirectory(TypeId),
    /// A table of a Swiss map of this type (`maps.table`).
    MapTable(TypeId),
    /// Groups of a Swiss map of this type.
    MapGroups(TypeId),
    /// Buckets of a classic map of this type, or one overflow bucket.
    MapBuckets(TypeId),
    /// What a classic map keeps aside (`runtime.mapextra`).
    MapExtra(TypeId),
    /// A channel of this type (`runtime.hchan`), with its buffer when the elements have no pointers.
    Channel(TypeId),
    /// A closure: address of its code.
    Closure(u64),
    /// A goroutine's descriptor (`runtime.g`).
    Goroutine,
}

/// Bytes that a shape explains of an object of `len` bytes: what decides between two of them.
impl Shape {
    /// Size of one value of it, as far as the type tells.
    fn weight(self, types: &RuntimeTypes<'_>) -> (u8, u64) {
        let size = |id| types.get(id).map_or(0, |t| t.size);
        match self {
            Self::Unknown => (0, 0),
            Self::Text => (1, 1),
            Self::Value(id) => (1, 2 * size(id)),
            Self::Array(id) => (1, 2 * size(id) + 1),
            Self::Closure(_) => (2, 0),
            _ => (3, 0),
        }
    }

    /// Whether `self` says more than `other`.
    pub(crate) fn is_better(self, other: Self, types: &RuntimeTypes<'_>) -> bool {
        self.weight(types) > other.weight(types)
    }

    /// What it is called: Go's name of the type, `[]T` for arrays, the runtime's name of its structures.
    #[must_use]
    pub fn name(self, types: &RuntimeTypes<'_>, function: impl Fn(u64) -> Option<String>) -> String {
        match self {
            Self::Unknown => "untyped".to_owned(),
            Self::Value(id) => types.name(id),
            Self::Array(id) => format!("[]{}", types.name(id)),
            Self::Text => "string bytes".to_owned(),
            Self::MapHeader(id) => types.name(id),
            Self::MapDirectory(id) => format!("{} directory", types.name(id)),
            Self::MapTable(id) => format!("{} table", types.name(id)),
            Self::MapGroups(id) => format!("{} groups", types.name(id)),
            Self::MapBuckets(id) => format!("{} buckets", types.name(id)),
            Self::MapExtra(id) => format!("{} extra", types.name(id)),
            Self::Channel(id) => types.name(id),
            Self::Closure(code) => match function(code) {
                Some(name) => format!("closure {name}"),
                None => format!("closure at {code:#x}"),
            },
            Self::Goroutine => "runtime.g".to_owned(),
        }
    }
}

/// The name of a map by that of one of its parts ([`Shape::name`]); other names as they are.
pub(crate) fn whole_name(name: &str) -> &str {
    let parts = [" directory", " table", " groups", " buckets", " extra"];
    parts.iter().find_map(|p| name.strip_suffix(p)).unwrap_or(name)
}

/// The shape of every object.
#[derive(Debug)]
pub struct Shapes {
    table: Vec<Shape>,
    index: FxHashMap<Shape, u32>,
    of: Vec<u32>,
}

impl Shapes {
    /// Nothing is known of `objects` objects.
    #[must_use]
    pub fn unknown(objects: u32) -> Self {
        let mut index = FxHashMap::default();
        index.insert(Shape::Unknown, 0);
        Self { table: vec![Shape::Unknown], index, of: vec![0; objects as usize] }
    }

    /// What an object is.
    #[inline]
    #[must_use]
    pub fn of(&self, object: ObjectId) -> Shape {
        self.get(self.number(object))
    }

    /// Number of an object's shape: 0 is unknown.
    #[inline]
    #[must_use]
    pub fn number(&self, object: ObjectId) -> u32 {
        self.of.get(object as usize).copied().unwrap_or(0)
    }

    /// The shape of a number.
    #[inline]
    #[must_use]
    pub fn get(&self, number: u32) -> Shape {
        self.table.get(number as usize).copied().unwrap_or(Shape::Unknown)
    }

    /// How many shapes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Never true: there is always "unknown".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn set(&mut self, object: ObjectId, shape: Shape) {
        let number = match self.index.get(&shape) {
            Some(&n) => n,
            None => {
                let n = u32::try_from(self.table.len()).unwrap_or(0);
                self.table.push(shape);
                self.index.insert(shape, n);
                n
            }
        };
        if let Some(slot) = self.of.get_mut(object as usize) {
            *slot = number;
        }
    }
}
