//! The holder tree as a profile: each place of the heap is a stack, the root at its bottom, the type of the objects on
//! top. Values are the objects and bytes of the place itself, so that they add up to the heap, and what a frame has
//! with all above it is what it retains (along dominators) or leads to (along shortest ways).

use crate::ExportError;
use heap::{Follow, HeapGraph, Names, PlaceId, Places};
use profile::{Profile, StackBuilder};
use std::collections::BTreeMap;

/// The root of what no root reaches.
const UNREACHABLE: &str = "unreachable";

/// The heap as a profile with the sample types `space` (bytes) and `objects` (count). `time_nanos` counts from 1970.
///
/// # Errors
/// [`ExportError`] when there are more names or stacks than a profile holds.
pub fn holder_profile(
    graph: &HeapGraph<'_>,
    names: &dyn Names,
    follow: Follow,
    time_nanos: i64,
) -> Result<Profile, ExportError> {
    let places = graph.places(names, follow)?;
    let mut builder = StackBuilder::new(&[("space", "bytes"), ("objects", "count")], time_nanos)?;
    builder.comment(match follow {
        Follow::Dominators => "holder tree along dominators: cum is what would be free without the frame",
        Follow::Shortest => "holder tree along the shortest ways from the roots",
    })?;
    // The parts of a map are one stack with the map itself.
    let mut sums: BTreeMap<PlaceId, (u64, u64)> = BTreeMap::new();
    for (place, at) in (0..).zip(places.list()).filter(|(_, p)| p.objects > 0) {
        let sum = sums.entry(whole(&places, place)).or_default();
        *sum = (sum.0.saturating_add(at.objects), sum.1.saturating_add(at.bytes));
    }
    for (place, (objects, bytes)) in sums {
        let mut stack = Vec::new();
        for step in places.path(place).into_iter().rev().filter(|&p| !places.is_part(p)) {
            stack.push(builder.frame(&frame(&places, step))?);
        }
        builder.sample(&stack, &[value(bytes), value(objects)])?;
    }
    let root = builder.frame(UNREACHABLE)?;
    for garbage in graph.types_of(names, |object| !graph.tree.is_reachable(object)) {
        let leaf = builder.frame(&garbage.name)?;
        builder.sample(&[leaf, root], &[value(garbage.bytes), value(garbage.objects)])?;
    }
    Ok(builder.finish())
}

/// The map of its groups and tables.
fn whole(places: &Places, place: PlaceId) -> PlaceId {
    let mut at = place;
    while places.is_part(at)
        && let Some(above) = places.get(at).and_then(|p| p.above)
    {
        at = above;
    }
    at
}

/// `.users map[string]*main.User`, `main.cache`.
fn frame(places: &Places, place: PlaceId) -> String {
    match (places.via(place), places.what(place)) {
        ("", what) => what.to_owned(),
        (via, what) => format!("{via} {what}"),
    }
}

fn value(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
