//! Containers as plain data for the overview: single ones with their holders, sums, equal strings.

use crate::allocated::Sampled;
use crate::containers::{ContainerOptions, Containers};
use crate::graph::GraphError;
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use model::{HeapContainer, HeapContainerGroup, HeapContainers, HeapDuplicate, HeapDuplicates, HeapStep};

impl HeapGraph<'_> {
    /// The containers as plain data, at most `rows` of each kind and `rows` sums.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub(crate) fn container_rows(
        &self,
        names: &dyn Names,
        rows: usize,
        options: &ContainerOptions,
        sampled: &mut Sampled<'_, '_>,
    ) -> Result<HeapContainers, GraphError> {
        let Containers { mut list, mut groups, duplicates } = self.containers(names, options);
        list.sort_by_key(|f| (std::cmp::Reverse(f.waste.max(f.retained)), f.address));
        let mut seen = std::collections::BTreeMap::new();
        list.retain(|f| {
            let n = seen.entry(f.kind).or_insert(0_usize);
            *n += 1;
            *n <= rows
        });
        // Kinds stay together, the one with the largest container first.
        let mut rank = std::collections::BTreeMap::new();
        for f in &list {
            let next = rank.len();
            rank.entry(f.kind).or_insert(next);
        }
        list.sort_by_key(|f| rank.get(&f.kind).copied());
        groups.truncate(rows);
        let objects: Vec<u32> = list.iter().filter_map(|f| f.object).collect();
        let mut holders = self.holder_paths(&objects, names)?.into_iter();
        let mut allocated = sampled.below(&objects, names).into_iter();
        let containers = list.into_iter().map(|f| {
            let holder = match f.object {
                Some(_) => holders.next().unwrap_or_default(),
                None => self.variable_at(f.address, names),
            };
            let allocated = f.object.and_then(|_| allocated.next()).unwrap_or_default();
            HeapContainer {
                kind: f.kind.name().to_owned(),
                notes: f.notes,
                address: format!("{:#x}", f.address),
                entries: f.entries,
                capacity: f.capacity,
                own_bytes: f.own_bytes,
                content_bytes: f.content_bytes,
                retained_bytes: f.retained,
                waste_bytes: f.waste,
                type_name: f.type_name,
                holder,
                allocated,
            }
        });
        let containers = containers.collect();
        let groups = groups.into_iter().map(|g| HeapContainerGroup {
            kind: g.kind.name().to_owned(),
            type_name: g.type_name,
            count: g.count,
            entries: g.entries,
            capacity: g.capacity,
            bytes: g.bytes,
            waste_bytes: g.waste,
        });
        let duplicates = HeapDuplicates {
            objects: duplicates.objects,
            contents: duplicates.contents,
            copies: duplicates.copies,
            waste_bytes: duplicates.waste,
            largest: duplicates
                .largest
                .into_iter()
                .take(rows)
                .map(|d| HeapDuplicate {
                    text: d.text,
                    redacted: !d.shown,
                    len: d.len,
                    count: d.count,
                    waste_bytes: d.waste,
                })
                .collect(),
        };
        Ok(HeapContainers { list: containers, groups: groups.collect(), duplicates })
    }

    /// The way to a container that lies in a variable.
    fn variable_at(&self, address: u64, names: &dyn Names) -> Vec<HeapStep> {
        if address == 0 {
            return Vec::new();
        }
        let name = self.root_name(RootGroup::Global { address }, names);
        vec![HeapStep { via: String::new(), type_name: name, address: format!("{address:#x}") }]
    }
}
