//! What of a heap is kept to compare it with another instant: types, the holder tree, containers by holder. Owns how
//! small it stays: a few megabytes for any heap.

use super::places::{Follow, PlaceId, Places};
use super::vias::without_indices;
use crate::containers::{ContainerFacts, ContainerKind};
use crate::graph::GraphError;
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use model::{HeapCensus, HeapPlace, HeapPlaced, HeapPlacedOne, HeapType};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Most places that are kept: those with most bytes.
const MOST_PLACES: usize = 1 << 14;
/// Most containers of each kind that are told by holder.
pub(crate) const MOST_CONTAINERS: usize = 1 << 14;
/// Containers of one holder that are told one by one.
const MOST_SINGLE: usize = 64;
/// What places that are not kept are called.
const SMALLER: &str = "smaller places";
/// The holder of what no root reaches.
const UNREACHABLE: &str = "unreachable";

impl HeapGraph<'_> {
    /// What is compared. `types` are all types, `found` the largest [`MOST_CONTAINERS`] of each kind.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub(crate) fn census(
        &self,
        names: &dyn Names,
        types: Vec<HeapType>,
        found: &[ContainerFacts],
    ) -> Result<HeapCensus, GraphError> {
        let places = self.places(names, Follow::Shortest)?;
        let mut counts: BTreeMap<ContainerKind, usize> = BTreeMap::new();
        for facts in found {
            *counts.entry(facts.kind).or_default() += 1;
        }
        let partial = counts.into_iter().filter(|&(kind, n)| kind != ContainerKind::Text && n >= MOST_CONTAINERS);
        Ok(HeapCensus {
            types,
            places: largest(&places),
            containers: self.placed(names, &places, found),
            partial_kinds: partial.map(|(kind, _)| kind.name().to_owned()).collect(),
        })
    }

    /// Containers by kind, type and holder, what retains most first. Strings are told by the places of their bytes.
    fn placed(&self, names: &dyn Names, places: &Places, found: &[ContainerFacts]) -> Vec<HeapPlaced> {
        let mut holders: FxHashMap<PlaceId, String> = FxHashMap::default();
        let mut groups: BTreeMap<(ContainerKind, &str, String), Vec<&ContainerFacts>> = BTreeMap::new();
        for facts in found.iter().filter(|f| f.kind != ContainerKind::Text) {
            let holder = match facts.object {
                Some(object) => places.of(object).map_or_else(
                    || UNREACHABLE.to_owned(),
                    |p| holders.entry(p).or_insert_with(|| places.expression(p)).clone(),
                ),
                None if facts.address == 0 => String::new(),
                None => without_indices(&self.root_name(RootGroup::Global { address: facts.address }, names)),
            };
            groups.entry((facts.kind, &facts.type_name, holder)).or_default().push(facts);
        }
        let placed = groups.into_iter().map(|((kind, type_name, holder), of)| one_holder(kind, type_name, holder, of));
        let mut placed: Vec<HeapPlaced> = placed.collect();
        placed.sort_by_key(|p| Reverse(p.retained_bytes));
        placed
    }
}

fn one_holder(kind: ContainerKind, type_name: &str, holder: String, mut of: Vec<&ContainerFacts>) -> HeapPlaced {
    let sum = |value: &dyn Fn(&ContainerFacts) -> u64| of.iter().map(|f| value(f)).fold(0, u64::saturating_add);
    let mut placed = HeapPlaced {
        kind: kind.name().to_owned(),
        type_name: type_name.to_owned(),
        holder,
        count: of.len() as u64,
        entries: sum(&|f| f.entries),
        capacity: sum(&|f| f.capacity),
        own_bytes: sum(&|f| f.own_bytes),
        retained_bytes: sum(&|f| f.retained),
        waste_bytes: sum(&|f| f.waste),
        largest: Vec::new(),
    };
    of.sort_by_key(|f| (Reverse(f.retained), f.address));
    let single = of.into_iter().filter(|f| f.address != 0).take(MOST_SINGLE).map(|f| HeapPlacedOne {
        address: format!("{:#x}", f.address),
        entries: f.entries,
        capacity: f.capacity,
        own_bytes: f.own_bytes,
        retained_bytes: f.retained,
    });
    placed.largest = single.collect();
    placed
}

/// The places with most bytes, below them included; what is left of each is one place below it.
fn largest(places: &Places) -> Vec<HeapPlace> {
    let below = places.with_below();
    let mut sizes: Vec<u64> = below.iter().map(|s| s.1).collect();
    sizes.sort_unstable_by_key(|&s| Reverse(s));
    // What is above a place is at least as large: whole branches are kept.
    let least = sizes.get(MOST_PLACES).map_or(0, |&s| s.saturating_add(1));
    let mut kept: Vec<HeapPlace> = Vec::new();
    // For each place its index in `kept`, or that of the one that it counts at.
    let mut index: Vec<Option<u32>> = Vec::new();
    let mut rest: FxHashMap<Option<u32>, u32> = FxHashMap::default();
    for (i, place) in (0..).zip(places.list()) {
        let above = place.above.and_then(|a| index.get(a as usize).copied().flatten());
        let is_kept = below.get(i as usize).is_some_and(|s| s.1 >= least);
        let next = u32::try_from(kept.len()).ok();
        let is_rest = above.is_some_and(|a| kept.get(a as usize).is_some_and(|p| p.type_name == SMALLER));
        let at = match (is_kept, is_rest) {
            (true, _) => next,
            (false, true) => above,
            (false, false) => rest.get(&above).copied().or(next),
        };
        if at == next {
            let named = is_kept.then(|| (places.via(i).to_owned(), places.what(i).to_owned()));
            let (via, type_name) = named.unwrap_or_else(|| (String::new(), SMALLER.to_owned()));
            kept.push(HeapPlace { above, via, type_name, objects: 0, bytes: 0 });
            if !is_kept {
                rest.extend(at.map(|a| (above, a)));
            }
        }
        if let Some(to) = at.and_then(|a| kept.get_mut(a as usize)) {
            to.objects += place.objects;
            to.bytes = to.bytes.saturating_add(place.bytes);
        }
        index.push(at);
    }
    kept
}
