//! Containers as plain data for the overview: single ones with their holders, sums, equal strings.

use crate::allocated::Sampled;
use crate::containers::{ContainerFacts, ContainerKind, Containers};
use crate::graph::GraphError;
use crate::overview::Wanted;
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use model::{
    HeapAllocated, HeapContainer, HeapContainerGroup, HeapContainers, HeapDuplicate, HeapDuplicates, HeapStep,
};
use std::cmp::Reverse;

/// What containers are sorted by, the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerSort {
    /// The larger of what they retain and waste.
    #[default]
    Largest,
    /// What would be free without them.
    Retained,
    /// Bytes that hold nothing the program can reach by them.
    Waste,
    /// Bytes that hold nothing, of those with slots for entries.
    Ghost,
    /// Entries.
    Entries,
    /// Bytes of their own structure.
    Own,
}

impl ContainerSort {
    fn key(self, f: &ContainerFacts) -> u64 {
        match self {
            Self::Largest => f.waste.max(f.retained),
            Self::Retained => f.retained,
            Self::Waste => f.waste,
            Self::Ghost if f.capacity == 0 => 0,
            Self::Ghost => f.waste,
            Self::Entries => f.entries,
            Self::Own => f.own_bytes,
        }
    }
}

impl ContainerFacts {
    /// As plain data, with the way to it and who allocated what it retains.
    pub(crate) fn into_row(self, holder: Vec<HeapStep>, allocated: Vec<HeapAllocated>) -> HeapContainer {
        HeapContainer {
            kind: self.kind.name().to_owned(),
            notes: self.notes,
            address: format!("{:#x}", self.address),
            entries: self.entries,
            capacity: self.capacity,
            own_bytes: self.own_bytes,
            content_bytes: self.content_bytes,
            retained_bytes: self.retained,
            waste_bytes: self.waste,
            type_name: self.type_name,
            holder,
            allocated,
        }
    }
}

impl HeapGraph<'_> {
    /// What was found as plain data, as far as it is wanted: at most so many rows of each kind and sums.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub(crate) fn container_rows(
        &self,
        names: &dyn Names,
        wanted: &Wanted,
        found: Containers,
        sampled: &mut Sampled<'_, '_>,
    ) -> Result<HeapContainers, GraphError> {
        let Containers { mut list, mut groups, duplicates } = found;
        let rows = wanted.rows;
        if wanted.duplicates_only {
            list.clear();
            groups.clear();
        }
        let is_meant = |kind: ContainerKind| wanted.kind.is_none_or(|k| k == kind);
        list.retain(|f| is_meant(f.kind));
        groups.retain(|g| is_meant(g.kind));
        list.sort_by_key(|f| (Reverse(wanted.sort.key(f)), f.address));
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
            f.into_row(holder, allocated)
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
