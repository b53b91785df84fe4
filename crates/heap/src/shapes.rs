//! What an object is: values of a Go type, or one of the runtime's structures behind a Go value.
//! One number per object, and a table of what the numbers mean.

use crate::graph::Array;
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
    /// The record of a goroutine that waits on a channel (`runtime.sudog`).
    WaitRecord,
    /// A timer of the runtime's own (`runtime.timer`).
    Timer,
    /// The argument of a cleanup (`src/runtime/mcleanup.go`).
    CleanupArgument,
    /// What weak pointers to an object share (`src/runtime/mheap.go`, `getOrAddWeakHandle`).
    WeakHandle,
}

impl Shape {
    /// The Go type that it is, or whose map or channel it belongs to.
    #[must_use]
    pub const fn go_type(self) -> Option<TypeId> {
        match self {
            Self::Value(id)
            | Self::Array(id)
            | Self::MapHeader(id)
            | Self::MapDirectory(id)
            | Self::MapTable(id)
            | Self::MapGroups(id)
            | Self::MapBuckets(id)
            | Self::MapExtra(id)
            | Self::Channel(id) => Some(id),
            _ => None,
        }
    }
}

/// Bytes that a shape explains of an object of `len` bytes: what decides between two of them.
impl Shape {
    /// Size of one value of it, as far as the type tells.
    fn weight(self, types: &RuntimeTypes<'_>) -> (u8, u64) {
        let size = |id| types.get(id).map_or(0, |t| t.size);
        match self {
            Self::Unknown => (0, 0),
            Self::Text | Self::CleanupArgument => (1, 1),
            Self::Value(id) => (1, 2 * size(id)),
            Self::Array(id) => (1, 2 * size(id) + 1),
            Self::Closure(_) => (2, 0),
            _ => (3, 0),
        }
    }

    /// A number below 64 that differs between most shapes.
    #[inline]
    fn few_bits(self) -> usize {
        let bits = match self {
            Self::Value(id) => id.0,
            Self::Array(id) => id.0 ^ 0x20,
            Self::MapGroups(id) | Self::MapBuckets(id) => id.0 ^ 0x30,
            Self::Text => 0x3f,
            _ => 0x3e,
        };
        (bits & 63) as usize
    }

    /// Whether `self` says more than `other`.
    pub(crate) fn is_better(self, other: Self, types: &RuntimeTypes<'_>) -> bool {
        self.weight(types) > other.weight(types)
    }

    /// The type of the map that it is a part of.
    #[must_use]
    pub const fn map_type(self) -> Option<TypeId> {
        match self {
            Self::MapHeader(t)
            | Self::MapDirectory(t)
            | Self::MapTable(t)
            | Self::MapGroups(t)
            | Self::MapBuckets(t)
            | Self::MapExtra(t) => Some(t),
            _ => None,
        }
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
            Self::WaitRecord => "runtime.sudog".to_owned(),
            Self::Timer => "runtime.timer".to_owned(),
            Self::CleanupArgument => "cleanup argument".to_owned(),
            Self::WeakHandle => "weak handle".to_owned(),
        }
    }
}

/// In place of a number that has more than 16 bits.
const FAR: u16 = u16::MAX;

/// The shape of every object, two bytes each.
pub struct Shapes {
    table: Vec<Shape>,
    index: FxHashMap<Shape, u32>,
    /// Numbers that were looked up last, by a few bits of the shape: a type's fields take turns.
    recent: [(Shape, u32); 64],
    of: Array<u16>,
    /// Numbers that have more than 16 bits.
    far: FxHashMap<ObjectId, u32>,
}

impl std::fmt::Debug for Shapes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} shapes of {} objects", self.table.len(), self.of.len())
    }
}

impl Shapes {
    /// Nothing is known of `objects` objects.
    #[must_use]
    pub fn unknown(objects: u32) -> Self {
        let mut index = FxHashMap::default();
        index.insert(Shape::Unknown, 0);
        let of = Array::zeroed(objects as usize);
        Self { table: vec![Shape::Unknown], index, recent: [(Shape::Unknown, 0); 64], of, far: FxHashMap::default() }
    }

    /// The shapes that there are, by number.
    pub(crate) fn table(&self) -> &[Shape] {
        &self.table
    }

    /// The number of each object's shape, as far as it has 16 bits.
    pub(crate) fn short_numbers(&self) -> &[u16] {
        &self.of
    }

    /// The other numbers.
    pub(crate) fn far_numbers(&self) -> impl Iterator<Item = (ObjectId, u32)> + '_ {
        self.far.iter().map(|(object, number)| (*object, *number))
    }

    /// Of the same parts; none if a number has no shape.
    pub(crate) fn restore(table: Vec<Shape>, of: Array<u16>, far: &[[u32; 2]]) -> Option<Self> {
        let count = table.len();
        let is_known = |number: u32| (number as usize) < count;
        let fits = of.iter().all(|&n| n == FAR || is_known(u32::from(n))) && far.iter().all(|f| is_known(f[1]));
        if !fits || table.first() != Some(&Shape::Unknown) {
            return None;
        }
        let index = table.iter().copied().zip(0..).collect();
        let far = far.iter().map(|f| (f[0], f[1])).collect();
        Some(Self { table, index, recent: [(Shape::Unknown, 0); 64], of, far })
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
        match self.of.get(object as usize) {
            Some(&FAR) => self.far_number(object),
            Some(&number) => u32::from(number),
            None => 0,
        }
    }

    /// How many objects of a range have a shape.
    pub(crate) fn known_in(&self, objects: std::ops::Range<ObjectId>) -> u64 {
        let numbers = self.of.get(objects.start as usize..objects.end as usize).unwrap_or_default();
        numbers.iter().filter(|n| **n != 0).count() as u64
    }

    /// Asks for what [`Shapes::number`] reads.
    #[inline]
    pub(crate) fn prefetch(&self, object: ObjectId) {
        prefetch_index::prefetch_index(&*self.of, object as usize);
    }

    #[cold]
    fn far_number(&self, object: ObjectId) -> u32 {
        self.far.get(&object).copied().unwrap_or(0)
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

    #[inline]
    fn number_of(&mut self, shape: Shape) -> u32 {
        let place = shape.few_bits();
        match self.recent.get(place) {
            Some(&(known, number)) if known == shape => number,
            _ => {
                let number = self.look_up(shape);
                if let Some(recent) = self.recent.get_mut(place) {
                    *recent = (shape, number);
                }
                number
            }
        }
    }

    fn look_up(&mut self, shape: Shape) -> u32 {
        match self.index.get(&shape) {
            Some(&n) => n,
            None => {
                let n = u32::try_from(self.table.len()).unwrap_or(0);
                self.table.push(shape);
                self.index.insert(shape, n);
                n
            }
        }
    }

    pub(crate) fn set(&mut self, object: ObjectId, shape: Shape) {
        let number = self.number_of(shape);
        let Some(slot) = self.of.get_mut(object as usize) else { return };
        let short = u16::try_from(number).unwrap_or(FAR);
        if short == FAR {
            self.far.insert(object, number);
        } else if *slot == FAR {
            self.far.remove(&object);
        }
        *slot = short;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_shapes_than_16_bits_can_number() {
        let count = 70_000;
        let mut shapes = Shapes::unknown(count);
        (0..count).for_each(|o| shapes.set(o, Shape::Closure(u64::from(o))));
        assert!((0..count).all(|o| shapes.of(o) == Shape::Closure(u64::from(o))));
        assert_eq!((shapes.len(), shapes.number(count)), (70_001, 0));
        (0..count).rev().for_each(|o| shapes.set(o, Shape::Closure(u64::from(count - 1 - o))));
        assert!((0..count).all(|o| shapes.of(o) == Shape::Closure(u64::from(count - 1 - o))));
    }
}
