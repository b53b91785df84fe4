//! Shapes in an index: types by the addresses of their descriptors.

use super::{IndexError, IndexReader, IndexWriter};
use crate::shapes::{Shape, Shapes};
use gobinary::{RuntimeTypes, TypeId};

/// Most different shapes.
const MOST_SHAPES: usize = 1 << 28;

impl Shapes {
    pub(super) fn save(&self, types: &RuntimeTypes<'_>, out: &mut IndexWriter<'_>) -> std::io::Result<()> {
        let table: Vec<[u64; 2]> = self.table().iter().map(|s| encode(*s, types)).collect();
        out.section(&table)?;
        out.section(self.short_numbers())?;
        let far: Vec<[u32; 2]> = self.far_numbers().map(|(object, number)| [object, number]).collect();
        out.section(&far)
    }

    pub(super) fn load(
        types: &RuntimeTypes<'_>,
        objects: u32,
        input: &mut IndexReader<'_>,
    ) -> Result<Self, IndexError> {
        let table = input.array_to::<[u64; 2]>(MOST_SHAPES)?;
        let table: Option<Vec<Shape>> = table.iter().map(|s| decode(*s, types)).collect();
        let numbers = input.array::<u16>(objects as usize)?;
        let far = input.array_to::<[u32; 2]>(objects as usize)?;
        let known = table.and_then(|table| Self::restore(table, numbers, &far));
        known.ok_or(IndexError::Other("its types are not those of the program"))
    }
}

fn encode(shape: Shape, types: &RuntimeTypes<'_>) -> [u64; 2] {
    let at = |id: TypeId| types.address(id).unwrap_or(0);
    match shape {
        Shape::Unknown => [0, 0],
        Shape::Value(id) => [1, at(id)],
        Shape::Array(id) => [2, at(id)],
        Shape::Text => [3, 0],
        Shape::MapHeader(id) => [4, at(id)],
        Shape::MapDirectory(id) => [5, at(id)],
        Shape::MapTable(id) => [6, at(id)],
        Shape::MapGroups(id) => [7, at(id)],
        Shape::MapBuckets(id) => [8, at(id)],
        Shape::MapExtra(id) => [9, at(id)],
        Shape::Channel(id) => [10, at(id)],
        Shape::Closure(code) => [11, code],
        Shape::Goroutine => [12, 0],
        Shape::WaitRecord => [13, 0],
        Shape::Timer => [14, 0],
        Shape::CleanupArgument => [15, 0],
        Shape::WeakHandle => [16, 0],
    }
}

fn decode([what, at]: [u64; 2], types: &RuntimeTypes<'_>) -> Option<Shape> {
    let id = || Some(types.id(at)).filter(|id| *id != TypeId::NONE && types.get(*id).is_some());
    Some(match what {
        0 => Shape::Unknown,
        1 => Shape::Value(id()?),
        2 => Shape::Array(id()?),
        3 => Shape::Text,
        4 => Shape::MapHeader(id()?),
        5 => Shape::MapDirectory(id()?),
        6 => Shape::MapTable(id()?),
        7 => Shape::MapGroups(id()?),
        8 => Shape::MapBuckets(id()?),
        9 => Shape::MapExtra(id()?),
        10 => Shape::Channel(id()?),
        11 => Shape::Closure(at),
        12 => Shape::Goroutine,
        13 => Shape::WaitRecord,
        14 => Shape::Timer,
        15 => Shape::CleanupArgument,
        16 => Shape::WeakHandle,
        _ => return None,
    })
}
