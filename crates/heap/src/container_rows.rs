//! Containers as plain data for the overview: single ones with their holders, sums, equal strings.

use crate::containers::{ContainerOptions, Containers, KeySample, Note};
use crate::graph::GraphError;
use crate::paths::Names;
use crate::program::HeapGraph;
use model::{Bytes, HeapContainer, HeapContainerGroup, HeapContainers, HeapDuplicate, HeapDuplicates};

impl HeapGraph<'_> {
    /// The containers as plain data, at most `rows` of each kind and `rows` sums.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn container_rows(
        &self,
        names: &dyn Names,
        rows: usize,
        options: &ContainerOptions,
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
        let containers = list.into_iter().map(|f| {
            let holder = f.object.and_then(|_| holders.next()).unwrap_or_default();
            HeapContainer {
                kind: f.kind.name().to_owned(),
                notes: f.notes.iter().map(note).collect(),
                address: format!("{:#x}", f.address),
                entries: f.entries,
                capacity: f.capacity,
                own_bytes: f.own_bytes,
                content_bytes: f.content_bytes,
                retained_bytes: f.retained,
                waste_bytes: f.waste,
                type_name: f.type_name,
                holder,
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
}

/// A note as a phrase.
fn note(note: &Note) -> String {
    match note {
        Note::Shared(n) => format!("{n} slices or strings share it"),
        Note::Subslice(at) => format!("what is used begins at byte {at}"),
        Note::Tail => "only its tail is used".to_owned(),
        Note::OtherWays => "also reached by other pointers".to_owned(),
        Note::Blocked { receivers, senders, goroutines } => {
            let ids: Vec<String> = goroutines.iter().map(u64::to_string).collect();
            let more = if (goroutines.len() as u64) < receivers + senders { ", ..." } else { "" };
            format!("{receivers} receivers and {senders} senders wait: goroutines {}{more}", ids.join(", "))
        }
        Note::Closed => "closed".to_owned(),
        Note::Depth(n) => format!("depth {n}"),
        Note::Closing => "circular".to_owned(),
        Note::Doubly => "doubly linked".to_owned(),
        Note::Victims(n) => format!("{n} of them in the victim cache"),
        Note::Connections { idle, busy } => format!("{idle} idle, {busy} busy or not read to the end"),
        Note::Misses { misses, deleted } => format!("{misses} misses, {deleted} deleted entries kept"),
        Note::Keys(sample) => keys(sample),
        Note::Damaged => "contradicts itself in places".to_owned(),
    }
}

fn keys(k: &KeySample) -> String {
    let len =
        if k.len.0 == k.len.1 { Bytes(k.len.0).to_string() } else { format!("{} to {}", k.len.0, Bytes(k.len.1)) };
    let shapes: Vec<&str> = k.shapes.iter().map(|s| s.0.as_str()).collect();
    let mut text = format!("{} keys of {len} like {}", k.keys, shapes.join(" "));
    if !k.prefix.is_empty() {
        text.push_str(&format!(", all begin with {:?}", k.prefix));
    }
    text.push_str(&format!(", {:.1} bits per byte", f64::from(k.entropy) / 1000.0));
    if !k.shown.is_empty() {
        text.push_str(&format!(": {}", k.shown.join(" ")));
    }
    text
}
