//! What changed from one heap to another, by identities that last: the name of a type, the holder path without
//! indices, and the address of a container where both heaps are of one process. Reads documents alone, so that heaps
//! of last week compare with those of today.

use model::{
    HEAP_DIFF_SCHEMA, HeapCensus, HeapDiff, HeapGrowth, HeapGrowthOf, HeapOverview, HeapPlace, HeapPlaced, HeapSide,
    whole_name,
};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A document without the parts that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this document has no census: it holds a part of a heap only")]
pub struct NoCensus;

/// Compares two heaps, the earlier one first; at most `rows` of each table, those that changed most.
///
/// # Errors
/// [`NoCensus`] when one of them has nothing to compare.
pub fn diff(before: &HeapOverview, after: &HeapOverview, rows: usize) -> Result<HeapDiff, NoCensus> {
    let (a, b) = (before.census.as_ref().ok_or(NoCensus)?, after.census.as_ref().ok_or(NoCensus)?);
    let same_process = before.process.as_ref().zip(after.process.as_ref()).is_some_and(|(a, b)| a.is_same(b));
    let seconds = before.taken_at.zip(after.taken_at).map(|(a, b)| b.0.saturating_sub(a.0) as f64 / 1e3);
    Ok(HeapDiff {
        schema: HEAP_DIFF_SCHEMA.to_owned(),
        oomph: after.oomph.clone(),
        before: before.into(),
        after: after.into(),
        same_process,
        seconds,
        holders: most_changed(holders(&a.places, &b.places), rows),
        containers: most_changed(containers(&a.containers, &b.containers, same_process), rows),
        types: most_changed(types(a, b), rows),
        limits: limits(a, b),
    })
}

fn limits(a: &HeapCensus, b: &HeapCensus) -> Vec<String> {
    let mut kinds: Vec<&String> = a.partial_kinds.iter().chain(&b.partial_kinds).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let limit = |kind: &&String| {
        format!("there are more containers of kind {kind} than are compared one by one: only the largest are")
    };
    kinds.iter().map(limit).collect()
}

/// What changed, most bytes gained first, most bytes lost last.
fn most_changed(mut list: Vec<HeapGrowth>, rows: usize) -> Vec<HeapGrowth> {
    list.retain(|g| g.before != g.after);
    let change = |g: &HeapGrowth| (g.bytes().unsigned_abs(), g.entries().unsigned_abs(), g.count().unsigned_abs());
    list.sort_by(|a, b| change(b).cmp(&change(a)).then_with(|| a.of.cmp(&b.of)));
    list.truncate(rows);
    list.sort_by_key(|g| Reverse((g.bytes(), g.entries(), g.count())));
    list
}

fn types(a: &HeapCensus, b: &HeapCensus) -> Vec<HeapGrowth> {
    let mut rows: BTreeMap<&str, HeapGrowth> = BTreeMap::new();
    for t in &a.types {
        add(&mut rows.entry(&t.name).or_default().before, t.objects, 0, t.bytes);
    }
    for t in &b.types {
        add(&mut rows.entry(&t.name).or_default().after, t.objects, 0, t.bytes);
    }
    let of = |name: &str| HeapGrowthOf { type_name: name.to_owned(), ..HeapGrowthOf::default() };
    rows.into_iter().map(|(name, row)| HeapGrowth { of: of(name), ..row }).collect()
}

fn add(to: &mut HeapSide, count: u64, entries: u64, bytes: u64) {
    to.count = to.count.saturating_add(count);
    to.entries = to.entries.saturating_add(entries);
    to.bytes = to.bytes.saturating_add(bytes);
}

/// Containers by holder; of one process those that are there both times one by one.
fn containers(a: &[HeapPlaced], b: &[HeapPlaced], same_process: bool) -> Vec<HeapGrowth> {
    type Key<'d> = (&'d str, &'d str, &'d str);
    fn key(p: &HeapPlaced) -> Key<'_> {
        (&p.kind, &p.type_name, &p.holder)
    }
    let mut pairs: BTreeMap<Key<'_>, [Option<&HeapPlaced>; 2]> = BTreeMap::new();
    for p in a {
        pairs.entry(key(p)).or_default()[0] = Some(p);
    }
    for p in b {
        pairs.entry(key(p)).or_default()[1] = Some(p);
    }
    let mut rows = Vec::new();
    for ((kind, type_name, holder), [before, after]) in pairs {
        let of = |address: &str| HeapGrowthOf {
            holder: holder.to_owned(),
            kind: kind.to_owned(),
            type_name: type_name.to_owned(),
            address: address.to_owned(),
        };
        let whole = |p: Option<&HeapPlaced>| {
            p.map_or_else(HeapSide::default, |p| HeapSide {
                count: p.count,
                entries: p.entries,
                bytes: p.retained_bytes,
            })
        };
        let mut rest = HeapGrowth { of: of(""), before: whole(before), after: whole(after) };
        if let (true, Some(before), Some(after)) = (same_process, before, after) {
            for single in singles(before, after) {
                take(&mut rest.before, single.0);
                take(&mut rest.after, single.1);
                rows.push(HeapGrowth { of: of(single.2), before: single.0, after: single.1 });
            }
        }
        rows.push(rest);
    }
    rows
}

/// Containers with the same address on both sides.
fn singles<'d>(before: &'d HeapPlaced, after: &HeapPlaced) -> Vec<(HeapSide, HeapSide, &'d str)> {
    let later: FxHashMap<&str, &model::HeapPlacedOne> = after.largest.iter().map(|o| (o.address.as_str(), o)).collect();
    let side = |o: &model::HeapPlacedOne| HeapSide { count: 1, entries: o.entries, bytes: o.retained_bytes };
    let both = |o: &'d model::HeapPlacedOne| Some((side(o), side(later.get(o.address.as_str())?), o.address.as_str()));
    before.largest.iter().filter_map(both).collect()
}

fn take(from: &mut HeapSide, what: HeapSide) {
    from.count = from.count.saturating_sub(what.count);
    from.entries = from.entries.saturating_sub(what.entries);
    from.bytes = from.bytes.saturating_sub(what.bytes);
}

/// A place of either heap: how much is there before and after.
struct Node<'d> {
    above: Option<u32>,
    via: &'d str,
    what: &'d str,
    own: [HeapSide; 2],
}

/// The places of both heaps.
#[derive(Default)]
struct Union<'d> {
    nodes: Vec<Node<'d>>,
    index: FxHashMap<(Option<u32>, &'d str, &'d str), u32>,
}

impl<'d> Union<'d> {
    fn add(&mut self, places: &'d [HeapPlace], side: usize) {
        let mut numbers: Vec<u32> = Vec::with_capacity(places.len());
        for p in places {
            // A document that names what comes later is no tree: taken for a root.
            let above = p.above.and_then(|a| numbers.get(a as usize)).copied();
            let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let node = *self.index.entry((above, &p.via, &p.type_name)).or_insert(next);
            if node == next {
                self.nodes.push(Node { above, via: &p.via, what: &p.type_name, own: Default::default() });
            }
            if let Some(own) = self.nodes.get_mut(node as usize).and_then(|n| n.own.get_mut(side)) {
                add(own, p.objects, 0, p.bytes);
            }
            numbers.push(node);
        }
    }

    fn get(&self, node: u32) -> Option<&Node<'d>> {
        self.nodes.get(node as usize)
    }

    /// The map of its groups and tables: its parts are told as the map itself.
    fn whole(&self, node: u32) -> u32 {
        let mut at = node;
        while let Some(n) = self.get(at)
            && let Some(above) = n.above
            && n.via.is_empty()
            && self.get(above).is_some_and(|a| a.above.is_some() && whole_name(n.what) == whole_name(a.what))
        {
            at = above;
        }
        at
    }

    fn of(&self, node: u32) -> HeapGrowthOf {
        let whole = self.whole(node);
        let mut parts: Vec<&str> = Vec::new();
        let mut at = Some(whole);
        while let Some(n) = at.and_then(|a| self.get(a)) {
            parts.push(if n.above.is_some() { n.via } else { n.what });
            at = n.above;
        }
        parts.reverse();
        let type_name = self.get(whole).map_or("", |n| n.what).to_owned();
        HeapGrowthOf { holder: parts.concat(), type_name, ..HeapGrowthOf::default() }
    }
}

/// Growth goes to the place where it accumulates: the last one on the way from a root that is there as often as
/// before. What it leads to has become more, with all that these hold in turn. Each byte counts once.
fn holders(a: &[HeapPlace], b: &[HeapPlace]) -> Vec<HeapGrowth> {
    let mut union = Union::default();
    union.add(a, 0);
    union.add(b, 1);
    let mut owner: Vec<u32> = Vec::with_capacity(union.nodes.len());
    let mut sums: Vec<[HeapSide; 2]> = vec![Default::default(); union.nodes.len()];
    for (i, node) in (0..).zip(&union.nodes) {
        let above = node.above.and_then(|a| Some((a, *owner.get(a as usize)?)));
        let own = match above {
            Some((above, of)) if of != above => of,
            Some((above, _)) if node.own[0].count != node.own[1].count => above,
            _ => i,
        };
        owner.push(own);
        if let Some(sum) = sums.get_mut(own as usize) {
            for (to, from) in sum.iter_mut().zip(&node.own) {
                add(to, from.count, 0, from.bytes);
            }
        }
    }
    let mut rows: BTreeMap<HeapGrowthOf, HeapGrowth> = BTreeMap::new();
    for (i, [before, after]) in (0..).zip(sums).filter(|(_, [before, after])| before != after) {
        let row = rows.entry(union.of(i)).or_default();
        add(&mut row.before, before.count, 0, before.bytes);
        add(&mut row.after, after.count, 0, after.bytes);
    }
    rows.into_iter().map(|(of, row)| HeapGrowth { of, ..row }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(above: Option<u32>, via: &str, type_name: &str, objects: u64, bytes: u64) -> HeapPlace {
        HeapPlace { above, via: via.to_owned(), type_name: type_name.to_owned(), objects, bytes }
    }

    #[test]
    fn growth_goes_to_the_map_that_gained_entries() {
        let tree = |sessions: u64, goroutines: u64| {
            vec![
                place(None, "", "main.server", 0, 0),
                place(Some(0), "", "main.Server", 1, 96),
                place(Some(1), ".byKey", "map[string]*main.T", 1, 48),
                place(Some(2), "", "map[string]*main.T directory", 1, 64),
                place(Some(3), "", "map[string]*main.T groups", 1, 128 * sessions),
                place(Some(4), "[key]", "string bytes", sessions, 16 * sessions),
                place(Some(4), "[value]", "main.T", sessions, 64 * sessions),
                place(Some(6), ".name", "string bytes", sessions, 32 * sessions),
                place(None, "", "goroutine main.worker", 0, 0),
                place(Some(8), "", "main.Job", goroutines, 256 * goroutines),
            ]
        };
        let rows = most_changed(holders(&tree(10, 3), &tree(30, 1)), 10);
        let told: Vec<_> = rows.iter().map(|r| (r.of.holder.as_str(), r.of.type_name.as_str(), r.bytes())).collect();
        let grown = 20 * (128 + 16 + 64 + 32);
        let server = ("main.server.byKey", "map[string]*main.T", grown);
        assert_eq!(told, [server, ("goroutine main.worker", "goroutine main.worker", -512)]);
        let total = |p: &[HeapPlace]| p.iter().map(|p| p.bytes).sum::<u64>().cast_signed();
        let all: i64 = rows.iter().map(HeapGrowth::bytes).sum();
        assert_eq!(all, total(&tree(30, 1)) - total(&tree(10, 3)));
    }

    fn placed(count: u64, entries: u64, singles: &[(&str, u64)]) -> HeapPlaced {
        HeapPlaced {
            kind: "map".into(),
            type_name: "map[string]int".into(),
            holder: "main.cache".into(),
            count,
            entries,
            capacity: 2 * entries,
            own_bytes: 16 * entries,
            retained_bytes: 16 * entries,
            waste_bytes: 0,
            largest: singles
                .iter()
                .map(|&(address, entries)| model::HeapPlacedOne {
                    address: address.into(),
                    entries,
                    capacity: 2 * entries,
                    own_bytes: 16 * entries,
                    retained_bytes: 16 * entries,
                })
                .collect(),
        }
    }

    #[test]
    fn containers_of_one_process_are_told_apart_by_address() {
        let a = [placed(3, 60, &[("0x10", 30), ("0x20", 20), ("0x30", 10)])];
        let b = [placed(3, 100, &[("0x10", 70), ("0x20", 20), ("0x40", 10)])];
        let rows = most_changed(containers(&a, &b, true), 10);
        let told: Vec<_> = rows.iter().map(|r| (r.of.address.as_str(), r.entries())).collect();
        assert_eq!(told, [("0x10", 40)]);
        let rows = most_changed(containers(&a, &b, false), 10);
        assert_eq!(rows.iter().map(|r| (r.of.address.as_str(), r.entries())).collect::<Vec<_>>(), [("", 40)]);
    }

    #[test]
    fn places_that_are_no_tree_do_no_harm() {
        let odd = vec![place(Some(7), "", "a", 1, u64::MAX), place(Some(1), "x", "b", u64::MAX, u64::MAX)];
        let rows = most_changed(holders(&odd, &[]), 10);
        assert!(rows.iter().all(|r| r.after == HeapSide::default()));
    }
}
