//! Owns what the notes of a container read like.

use model::{Bytes, HeapKeys, HeapNote};

/// The notes in one line; empty when there is nothing to say.
pub(crate) fn phrases(notes: &[HeapNote]) -> String {
    let all: Vec<String> = notes.iter().map(phrase).filter(|p| !p.is_empty()).collect();
    all.join("; ")
}

/// What is out of the ordinary in a map's structure.
fn map_parts(tombstones: u64, overflow: u64, longest_chain: u64, old_buckets: u64) -> String {
    let mut parts = Vec::new();
    if tombstones > 0 {
        parts.push(format!("{tombstones} slots of deleted entries"));
    }
    if overflow > 0 {
        parts.push(format!("{overflow} overflow buckets, the longest chain has {longest_chain} buckets"));
    }
    if old_buckets > 0 {
        parts.push(format!("growing out of {old_buckets} buckets"));
    }
    parts.join("; ")
}

/// A note as a phrase.
fn phrase(note: &HeapNote) -> String {
    match note {
        HeapNote::Shared(n) => format!("{n} slices or strings share it"),
        HeapNote::Subslice(at) => format!("what is used begins at byte {at}"),
        HeapNote::Tail => "only its tail is used".to_owned(),
        HeapNote::OtherWays => "also reached by other pointers".to_owned(),
        HeapNote::Blocked { receivers, senders, goroutines } => {
            let ids: Vec<String> = goroutines.iter().map(u64::to_string).collect();
            let more = if (goroutines.len() as u64) < receivers + senders { ", ..." } else { "" };
            format!("{receivers} receivers and {senders} senders wait: goroutines {}{more}", ids.join(", "))
        }
        HeapNote::Closed => "closed".to_owned(),
        HeapNote::Depth(n) => format!("depth {n}"),
        HeapNote::Closing => "circular".to_owned(),
        HeapNote::Doubly => "doubly linked".to_owned(),
        HeapNote::Connections { idle, busy } => format!("{idle} idle, {busy} busy or not read to the end"),
        HeapNote::Victims(n) => format!("{n} of them in the victim cache"),
        HeapNote::Misses { misses, deleted } => format!("{misses} misses, {deleted} deleted entries kept"),
        HeapNote::Keys(sample) => keys(sample),
        HeapNote::MapParts { tombstones, overflow, longest_chain, old_buckets, .. } => {
            map_parts(*tombstones, *overflow, *longest_chain, *old_buckets)
        }
        HeapNote::Damaged => "contradicts itself in places".to_owned(),
        _ => String::new(),
    }
}

fn keys(k: &HeapKeys) -> String {
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
