//! Objects and bytes by type, as plain data. One type may have several shapes: a map's groups and tables are told by
//! names of their own, an array by that of its elements. Objects without a type are told apart by their size.

use crate::paths::Names;
use crate::program::HeapGraph;
use model::HeapType;
use std::collections::BTreeMap;

/// All objects of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeSum {
    /// Number of the shape ([`crate::Shapes::get`]).
    pub number: u32,
    /// Its name.
    pub name: String,
    /// How many objects.
    pub objects: u64,
    /// Their own bytes.
    pub bytes: u64,
    /// What would be free without all of them; 0 for objects without a type.
    pub retained_bytes: u64,
}

impl HeapGraph<'_> {
    /// Objects and bytes of each shape that objects have, by number.
    #[must_use]
    pub fn shape_sums(&self, names: &dyn Names) -> Vec<ShapeSum> {
        let (sums, untyped) = self.sums(|_| true);
        let retained = self.retained_by_shape();
        let named = |(number, (objects, bytes)): (u32, (u64, u64))| ShapeSum {
            number,
            name: self.shapes.get(number).name(&self.runtime.types, |code| names.function(code)),
            objects,
            bytes,
            retained_bytes: retained.get(number as usize).copied().filter(|_| number != 0).unwrap_or(0),
        };
        let unknown = untyped.iter().fold((0, 0), |sum, (size, objects)| (sum.0 + objects, sum.1 + size * objects));
        let all = [(0, unknown)].into_iter().chain((0..).zip(sums).skip(1));
        all.filter(|(_, sum)| sum.0 > 0).map(named).collect()
    }

    /// The types of the objects that `is_meant` accepts, by bytes; `retained_bytes` is left 0.
    #[must_use]
    pub fn types_of(&self, names: &dyn Names, is_meant: impl Fn(u32) -> bool) -> Vec<HeapType> {
        self.type_rows(names, is_meant, &[])
    }

    /// All types, by bytes; at most `rows`.
    pub(crate) fn types(&self, names: &dyn Names, rows: usize) -> Vec<HeapType> {
        let mut list = self.type_rows(names, |_| true, &self.retained_by_shape());
        list.truncate(rows);
        list
    }

    fn retained_by_shape(&self) -> Vec<u64> {
        let objects = self.objects.count();
        let kind = |node: u32| if node < objects { self.shapes.number(node) } else { u32::MAX };
        self.tree.retained_by_kind(self.shapes.len(), |node| self.shapes.prefetch(node), kind)
    }

    /// Objects and bytes by shape; of objects without a type how many of each size.
    fn sums(&self, is_meant: impl Fn(u32) -> bool) -> (Vec<(u64, u64)>, BTreeMap<u64, u64>) {
        let mut sums = vec![(0_u64, 0_u64); self.shapes.len()];
        let mut untyped: BTreeMap<u64, u64> = BTreeMap::new();
        for (i, span) in self.objects.spans().iter().enumerate() {
            let objects = self.objects.first_of_span(i as u32)..self.objects.first_of_span(i as u32 + 1);
            for object in objects.filter(|&o| is_meant(o)) {
                let number = self.shapes.number(object);
                if number == 0 {
                    *untyped.entry(span.elem_size).or_default() += 1;
                } else if let Some(sum) = sums.get_mut(number as usize) {
                    *sum = (sum.0 + 1, sum.1 + span.elem_size);
                }
            }
        }
        (sums, untyped)
    }

    /// `retained` is what each shape retains, as far as that is known.
    fn type_rows(&self, names: &dyn Names, is_meant: impl Fn(u32) -> bool, retained: &[u64]) -> Vec<HeapType> {
        let (sums, untyped) = self.sums(is_meant);
        let mut rows_by_name: BTreeMap<String, HeapType> = BTreeMap::new();
        for (number, &(objects, bytes)) in sums.iter().enumerate().filter(|(_, s)| s.0 > 0) {
            let shape = self.shapes.get(number as u32);
            let name = shape.name(&self.runtime.types, |code| names.function(code));
            let row =
                rows_by_name.entry(name.clone()).or_insert(HeapType { name, objects: 0, bytes: 0, retained_bytes: 0 });
            row.objects += objects;
            row.bytes += bytes;
            row.retained_bytes += retained.get(number).copied().unwrap_or(0);
        }
        let mut list: Vec<HeapType> = rows_by_name.into_values().collect();
        list.extend(untyped.into_iter().map(|(size, objects)| HeapType {
            name: format!("untyped, {size} bytes"),
            objects,
            bytes: size * objects,
            retained_bytes: 0,
        }));
        list.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        list
    }
}
